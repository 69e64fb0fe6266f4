//! Resumes paused stages, for the operator.

use axum::{Json, extract::State};
use distcompute_protocol::Stage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::Admin,
    error::ApiError,
    http::{openapi::OperatorRefusals, request::Body},
    operations::resume,
    state::App,
};

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(go_on))
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

/// Resumes stages that were paused because every job failed there
#[utoipa::path(
    post,
    path = "/api/resume",
    tag = "operator",
    security(("admin" = [])),
    request_body = ResumeBody,
    responses((status = 200, body = ResumedStages), OperatorRefusals)
)]
async fn go_on(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<ResumedStages>, ApiError> {
    let body = body.read::<ResumeBody>().await?.value;
    let resumed = resume::resume(app.store.as_ref(), body.stage, &admin.who).await?;
    Ok(Json(ResumedStages { resumed }))
}
