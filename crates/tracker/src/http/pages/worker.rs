//! The page of one worker.

use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use distcompute_protocol::ErrorCode;
use maud::html;

use super::page::{self, Location, grouped, moment};
use crate::{
    error::ApiError,
    rules::{estimate::per_hour, names},
    state::App,
};

/// The route of a worker's page.
pub fn router() -> Router<App> {
    Router::new().route("/worker/{stage_name}/{display_name}", get(worker))
}

async fn worker(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    // A name that is not valid UTF-8 belongs to no worker.
    let Ok(Path((stage_name, display_name))) = path else {
        return Err(unknown());
    };
    if names::no_nul(&display_name).is_err() {
        return Err(unknown());
    }
    let stage = app.settings.stages.by_address(&stage_name).ok_or_else(|| {
        ApiError::Explained(ErrorCode::StageInvalid, "Invalid worker stage.".to_owned())
    })?;
    let row = app
        .store
        .worker(stage, &display_name)
        .await?
        .ok_or_else(unknown)?;
    let name = app.settings.stages.name(stage).unwrap_or_default();
    let rate = per_hour(row.completed, row.first_seen, row.last_seen);
    let main = html! {
        p.quiet { "Worker at " span.letter { (stage) } " " (name) }
        h1 { (row.display_name) }
        dl.facts {
            div { dt { "Nickname" } dd { bdi { (names::legible(&row.nickname)) } (page::unverified(&row)) } }
            div { dt { "Job" } dd { @if let Some(job) = row.job { "#" (job) } @else { "none at the moment" } } }
            div { dt { "Progress" } dd { @if row.progress.is_empty() { "–" } @else { bdi { (row.progress) } } } }
            div { dt { "Jobs done" } dd { (grouped(row.completed)) } }
            div { dt { "Jobs an hour" } dd { @if let Some(rate) = rate { (grouped(rate)) } @else { "not known yet" } } }
            div { dt { "First seen" } dd { (moment(row.first_seen)) } }
            div { dt { "Last seen" } dd { (moment(row.last_seen)) } }
        }
    };
    Ok(page::page(
        &app,
        &request,
        Location::Below(2),
        &row.display_name,
        &main,
    ))
}

fn unknown() -> ApiError {
    ApiError::Explained(ErrorCode::NotFound, "Worker not found.".to_owned())
}
