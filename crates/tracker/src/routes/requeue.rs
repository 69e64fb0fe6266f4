//! Jobs that are to be worked on again, by word of the operator.

use axum::{Json, extract::State};
use distcompute_protocol::Stage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admin::Admin, app::App, clock::Millis, error::ApiError, openapi::OperatorRefusals,
    request::Body, requeue, store::RequeueFilter,
};

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(again))
}

/// Which jobs. What is named must all be true of a job; without a nickname or numbers, these are
/// jobs that are set aside.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct RequeueBody {
    /// Jobs that are set aside or held.
    numbers: Vec<u64>,
    /// Jobs that wait at this stage; with a nickname, results of this stage.
    stage: Option<Stage>,
    /// Jobs that have not changed for so many seconds.
    older_than_s: Option<u64>,
    /// Jobs whose latest result came from this nickname: back to the stage that made it.
    nickname: Option<String>,
}

/// What was requeued.
#[derive(Debug, Serialize, ToSchema)]
struct RequeuedJobs {
    /// How many jobs.
    requeued: u64,
}

/// Has jobs worked on again, with nothing counted against them
#[utoipa::path(
    post,
    path = "/api/requeue",
    tag = "operator",
    security(("admin" = [])),
    request_body = RequeueBody,
    responses((status = 200, body = RequeuedJobs), OperatorRefusals)
)]
async fn again(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<RequeuedJobs>, ApiError> {
    let body: RequeueBody = body.read()?;
    let older = |seconds: u64| Millis::try_from(seconds.saturating_mul(1_000));
    let filter = RequeueFilter {
        numbers: body.numbers,
        stage: body.stage,
        // More than the tables can say is longer than anything has lasted.
        older_than: body
            .older_than_s
            .map(|seconds| older(seconds).unwrap_or(Millis::MAX / 2)),
        nickname: body.nickname,
    };
    let requeued = requeue::requeue(app.store.as_ref(), &filter, &admin.who).await?;
    Ok(Json(RequeuedJobs { requeued }))
}
