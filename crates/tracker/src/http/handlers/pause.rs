//! Pauses and resumes stages, for the operator.

use axum::{Json, extract::State};
use distcompute_protocol::Stage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::Admin,
    error::ApiError,
    http::{
        openapi::OperatorRefusals,
        request::{Body, parsed},
    },
    operations::pause,
    rules::names,
    state::App,
};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(pause_stages))
        .routes(routes!(resume_stages))
}

/// The stage to pause; all stages if absent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct PauseBody {
    /// The stage.
    stage: Option<Stage>,
    /// A sentence for volunteers. What is longer than 200 characters is cut.
    message: String,
}

/// The effect of a pause.
#[derive(Debug, Serialize, ToSchema)]
struct PausedStages {
    /// How many of the stages the operator had not paused before.
    paused: u64,
}

/// Pauses stages: no jobs are handed out, and results are accepted
#[utoipa::path(
    post,
    path = "/api/pause",
    tag = "operator",
    security(("admin" = [])),
    request_body = PauseBody,
    responses((status = 200, body = PausedStages), OperatorRefusals)
)]
async fn pause_stages(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<PausedStages>, ApiError> {
    let PauseBody { stage, message } = body.read::<PauseBody>().await?.value;
    parsed(["body", "message"], Some(message.as_str()), names::no_nul)?;
    let paused = pause::pause(app.store.as_ref(), stage, &message, &admin.who).await?;
    Ok(Json(PausedStages { paused }))
}

/// The stage to resume; all stages if absent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct ResumeBody {
    /// The stage.
    stage: Option<Stage>,
}

/// The effect of a resume.
#[derive(Debug, Serialize, ToSchema)]
struct ResumedStages {
    /// How many of the stages were paused.
    resumed: u64,
}

/// Resumes stages that the operator has paused, or the tracker because every job failed there
#[utoipa::path(
    post,
    path = "/api/resume",
    tag = "operator",
    security(("admin" = [])),
    request_body = ResumeBody,
    responses((status = 200, body = ResumedStages), OperatorRefusals)
)]
async fn resume_stages(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<ResumedStages>, ApiError> {
    let body = body.read::<ResumeBody>().await?.value;
    let resumed = pause::resume(app.store.as_ref(), body.stage, &admin.who).await?;
    Ok(Json(ResumedStages { resumed }))
}
