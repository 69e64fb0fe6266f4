//! Endpoints for monitoring: liveness, readiness and metrics.

use std::{future::Future, time::Duration};

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};
use distcompute_protocol::ErrorCode;

use crate::{
    admission::admin::Observer,
    error::ApiError,
    metrics::{CONTENT_TYPE, FilesOfJobs},
    state::App,
    store::{Status, StoreError},
};

/// How long the database may take to answer before it counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(2);

/// The routes for monitoring.
pub fn router() -> Router<App> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

async fn healthz() -> &'static str {
    "alive"
}

/// Readiness: whether the database answers and accepts writes. The store was opened and migrated
/// before the first request, so nothing else needs to be checked.
async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    status(&app).await?;
    writable(&app).await?;
    Ok("ready")
}

async fn writable(app: &App) -> Result<(), StoreError> {
    in_time(app.store.writer().check()).await
}

async fn metrics(_: Observer, State(app): State<App>) -> Result<Response, ApiError> {
    let status = match status(&app).await {
        Ok(status) => Some(status),
        Err(error) => {
            tracing::warn!(%error, "metrics without the database");
            None
        }
    };
    let files = match app.files.objects() {
        Some(_) => in_time(app.store.file_totals()).await.ok(),
        None => None,
    };
    let files = files.map(|totals| FilesOfJobs {
        totals,
        unfinished: app.files.unfinished_bytes(),
    });
    let text = app
        .metrics
        .text(status.as_ref(), files, writable(&app).await.is_ok())
        .map_err(|_| ApiError::Refused(ErrorCode::Internal))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

async fn status(app: &App) -> Result<Status, StoreError> {
    in_time(app.store.status()).await
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| {
            let why = "it does not answer in time";
            Err(StoreError::Unavailable(why.to_owned()))
        })
}
