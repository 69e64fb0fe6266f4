//! Requeues jobs so that they are worked on again, for the operator.

use axum::{Json, extract::State};
use distcompute_protocol::Stage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::Admin,
    clock::Millis,
    error::{ApiError, fault},
    http::{
        openapi::OperatorRefusals,
        request::{Body, parsed},
    },
    operations::requeue::{self, Source},
    rules::{bans, names, times},
    state::App,
    store::RequeueFilter,
};

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(again))
}

/// Selects jobs. A job must match every field that is given. Without numbers and without a condition
/// on the result, only jobs that are set aside match.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct RequeueBody {
    /// Jobs that are set aside or held; finished jobs go back to the stage that finished them.
    numbers: Vec<u64>,
    /// Jobs that wait at this stage; with a nickname or a text, results of this stage.
    stage: Option<Stage>,
    /// Jobs that have not changed for this many seconds.
    older_than_s: Option<u64>,
    /// Jobs whose latest result came from this nickname: back to the stage that made it.
    nickname: Option<String>,
    /// Jobs whose latest result contains this text: back to the stage that made it.
    result_contains: Option<String>,
    /// Jobs whose latest result came from this address, or for IPv6 from its /64 network.
    address: Option<String>,
    /// Jobs whose latest result came at or after this time.
    #[schema(example = "2026-11-28T16:00:00Z")]
    since: Option<String>,
    /// Jobs whose latest result came before this time.
    until: Option<String>,
    /// Only report which jobs match and where their results came from.
    dry_run: bool,
}

/// The effect of a requeue.
#[derive(Debug, Serialize, ToSchema)]
struct RequeuedJobs {
    /// How many jobs were requeued.
    requeued: u64,
    /// The matching jobs; only for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<u64>>,
    /// The origins of the results that would be discarded, those with the most results first; only
    /// for a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceOfResults>,
    /// Jobs that were named and remain unchanged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left: Vec<LeftJob>,
}

/// The results from one address group.
#[derive(Debug, Serialize, ToSchema)]
struct SourceOfResults {
    /// The group, as the parameter `address` takes it; empty if unknown.
    address: String,
    /// How many results.
    results: u64,
    /// When the first arrived.
    since: String,
    /// When the last arrived.
    until: String,
}

/// A job that remains unchanged.
#[derive(Debug, Serialize, ToSchema)]
struct LeftJob {
    /// Its number.
    number: u64,
    /// The reason, and what can be done.
    why: String,
}

/// Requeues jobs, with nothing counted against them
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
    let body = body.read::<RequeueBody>().await?.value;
    // PostgreSQL cannot store U+0000, so no text there contains it.
    for (name, text) in [
        ("nickname", &body.nickname),
        ("result_contains", &body.result_contains),
    ] {
        if let Some(sentence) = text.as_deref().and_then(|text| names::no_nul(text).err()) {
            let fault = fault("value_error", &["body", name], &sentence, None);
            return Err(ApiError::Faults(vec![fault]));
        }
    }
    let address = parsed(["body", "address"], body.address.as_deref(), bans::group)?;
    let since = parsed(["body", "since"], body.since.as_deref(), times::moment)?;
    let until = parsed(["body", "until"], body.until.as_deref(), times::moment)?;
    let older = |seconds: u64| Millis::try_from(seconds.saturating_mul(1_000));
    let filter = RequeueFilter {
        numbers: body.numbers,
        stage: body.stage,
        // An age beyond what the tables can hold is longer than any job has lasted.
        older_than: body
            .older_than_s
            .map(|seconds| older(seconds).unwrap_or(Millis::MAX / 2)),
        nickname: body.nickname,
        result_contains: body.result_contains,
        address,
        since,
        until,
    };
    let outcome = if body.dry_run {
        requeue::dry_run(app.store.as_ref(), &filter).await?
    } else {
        requeue::requeue(app.store.as_ref(), &filter, &admin.who).await?
    };
    let left = outcome.left.into_iter();
    Ok(Json(RequeuedJobs {
        requeued: outcome.requeued,
        numbers: outcome.numbers,
        sources: outcome.sources.into_iter().map(shown).collect(),
        left: left
            .map(|left| LeftJob {
                number: left.number,
                why: left.why,
            })
            .collect(),
    }))
}

fn shown(source: Source) -> SourceOfResults {
    SourceOfResults {
        address: source.address,
        results: source.results,
        since: times::stamp(source.first),
        until: times::stamp(source.last),
    }
}
