//! Jobs that failed for good, for the operator's programs.

use axum::{Json, extract::State};
use distcompute_protocol::Stage;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::Admin,
    error::ApiError,
    http::{openapi::ListRefusals, request::Query},
    rules::times,
    state::App,
    store::{Page, Start},
};

/// The maximum number of jobs in one response.
const JOBS: u32 = 100;

/// Once the inputs in a response exceed this size in bytes, no further job is added to it.
const INPUT_BYTES: usize = 4 << 20;

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A page of the list of jobs that are set aside.
#[derive(Debug, Serialize, ToSchema)]
struct JobsSetAside {
    /// The jobs, in the order of their numbers.
    jobs: Vec<JobSetAside>,
    /// The value of `from` that continues the list; null at the end.
    next: Option<u64>,
}

/// A job that is set aside.
#[derive(Debug, Serialize, ToSchema)]
struct JobSetAside {
    /// Its number.
    number: u64,
    /// The stage at which it failed.
    stage: Stage,
    /// Why it was set aside.
    reason: String,
    /// Its input at this stage.
    input: String,
    /// Its latest failures, oldest first.
    errors: Vec<ErrorOfJob>,
}

/// A failure of a job.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorOfJob {
    /// When it happened.
    at: String,
    /// The nickname of the volunteer.
    nickname: String,
    /// The error's name, message and stack; empty if many failures followed.
    error: String,
}

/// Lists the jobs that are set aside, with their inputs and errors
#[utoipa::path(
    get,
    path = "/api/setAside",
    tag = "operator",
    security(("admin" = [])),
    params(
        ("from" = Option<u64>, Query, description = "The number of the first job, or the `next` of the previous page")
    ),
    responses((status = 200, body = JobsSetAside), ListRefusals)
)]
async fn list(
    _: Admin,
    State(app): State<App>,
    query: Query,
) -> Result<Json<JobsSetAside>, ApiError> {
    let from = query.number("from", 1, 0, u64::MAX)?;
    let page = Page {
        start: Start::From(from),
        limit: JOBS + 1,
    };
    let mut rows = app.store.set_aside(page).await?.into_iter();
    let mut jobs = Vec::new();
    let mut bytes = 0;
    for row in rows.by_ref().take(JOBS as usize) {
        let number = i64::try_from(row.number).unwrap_or(i64::MAX);
        // One at a time, because each may be as large as a result.
        let found = app.store.inputs(vec![(number, row.stage)]).await?;
        let input = found
            .into_iter()
            .next()
            .map_or_else(String::new, |(_, _, text)| text);
        bytes += input.len();
        let errors = row.errors.into_iter().map(|failure| ErrorOfJob {
            at: times::stamp(failure.at),
            nickname: failure.nickname,
            error: failure.text,
        });
        jobs.push(JobSetAside {
            number: row.number,
            stage: row.stage,
            reason: row.reason,
            input,
            errors: errors.collect(),
        });
        if bytes > INPUT_BYTES {
            break;
        }
    }
    let next = rows.next().map(|row| row.number);
    Ok(Json(JobsSetAside { jobs, next }))
}
