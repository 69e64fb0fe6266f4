//! The API routes, together with the OpenAPI document that describes them.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        handlers::{
            aside, bans, job_files, jobs, links, pause, project, receipts, requeue, results, sync,
            uploads, volunteer, workers,
        },
        openapi::{Document, NoRefusals},
    },
    state::App,
};

/// All API routes, including that of the document itself.
#[must_use]
pub(super) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(volunteer::router())
        .merge(sync::router())
        .merge(uploads::router())
        .merge(job_files::router())
        .merge(project::router())
        .routes(routes!(document))
        .merge(results::router())
        .merge(jobs::router())
        .merge(links::router())
        .merge(receipts::router())
        .merge(requeue::router())
        .merge(pause::router())
        .merge(aside::router())
        .merge(bans::router())
        .merge(workers::router())
}

/// This document
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "project",
    responses((status = 200, body = Object, content_type = "application/json"), NoRefusals)
)]
async fn document() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let document = api().into_openapi();
        document.to_json().unwrap_or_default()
    });
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}
