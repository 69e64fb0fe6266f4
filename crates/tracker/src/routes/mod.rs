//! The HTTP side: one file a subject, each beginning with its router. Handlers read the request,
//! call the store once, and write the answer; they hold no rule of their own.

pub mod assets;
pub mod bans;
pub mod client;
pub mod dashboard;
pub mod files;
pub mod health;
pub mod job;
pub mod jobs;
pub mod leaderboard;
pub mod page;
pub mod project;
pub mod refusal;
pub mod requeue;
pub mod results;
pub mod resume;
pub mod sync;
pub mod volunteer;
pub mod worker;
pub mod workers;

use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::{app::App, openapi::Document};

/// The API, which describes itself.
#[must_use]
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(volunteer::router())
        .merge(sync::router())
        .merge(project::router())
        .merge(results::router())
        .merge(jobs::router())
        .merge(requeue::router())
        .merge(resume::router())
        .merge(bans::router())
        .merge(workers::router())
}
