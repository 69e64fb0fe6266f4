//! The project's description and progress, for pages that show them.

use axum::{Json, extract::State};
use distcompute_protocol::{ProjectInfo, StageInfo, StatusInfo};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::ApiError,
    http::openapi::{Away, NoRefusals},
    operations::status,
    state::App,
};

/// The routes that describe the project.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(project))
        .routes(routes!(status))
}

/// Describes the project
#[utoipa::path(
    get,
    path = "/api/project",
    tag = "project",
    responses((status = 200, body = ProjectInfo), NoRefusals)
)]
async fn project(State(app): State<App>) -> Json<ProjectInfo> {
    let settings = &app.settings;
    let stages = settings.stages.iter();
    Json(ProjectInfo {
        project: settings.project.clone(),
        description: settings.description.clone(),
        stages: stages
            .map(|(stage, name)| StageInfo {
                stage,
                name: name.to_owned(),
            })
            .collect(),
        volunteer_page: settings.volunteer_page.clone(),
    })
}

/// Reports the progress of the project
#[utoipa::path(
    get,
    path = "/api/status",
    tag = "project",
    responses((status = 200, body = StatusInfo), Away)
)]
async fn status(State(app): State<App>) -> Result<Json<StatusInfo>, ApiError> {
    let status = app.store.status().await?;
    Ok(Json(status::summary(&app.settings, &status)))
}
