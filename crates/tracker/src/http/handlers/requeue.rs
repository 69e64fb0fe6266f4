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
    operations::{
        requeue::{self, Source},
        turns::Turns,
    },
    rules::{bans, names, times},
    state::App,
    store::{RequeueFilter, States},
};

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(again))
}

/// Selects jobs. A job must match every field that is given. Without numbers, states and a condition
/// on the result, only jobs that are set aside match.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct RequeueBody {
    /// Jobs that are set aside, held or finished; finished jobs go back to the stage that finished
    /// them.
    numbers: Vec<u64>,
    /// The same for ranges of numbers, each with its last one.
    #[schema(example = json!([[10, 20]]))]
    ranges: Vec<(u64, u64)>,
    /// Jobs in these states.
    states: Option<Vec<RequeueState>>,
    /// Jobs at this stage, or finished there; with a condition on the result, results of this stage.
    stage: Option<Stage>,
    /// The stage to which the jobs go back. Their results from there on are discarded.
    to: Option<Stage>,
    /// Jobs that have not changed for this many seconds.
    older_than_s: Option<u64>,
    /// Jobs with a result from this nickname: back to the stage that made it. What later stages made
    /// from it is discarded too.
    nickname: Option<String>,
    /// Jobs with a result that contains this text: back to the stage that made it.
    result_contains: Option<String>,
    /// Jobs with a result from this address, or for IPv6 from its /64 network.
    address: Option<String>,
    /// Jobs with a result that came at or after this time.
    #[schema(example = "2026-11-28T16:00:00Z")]
    since: Option<String>,
    /// Jobs with a result that came before this time.
    until: Option<String>,
    /// Only report which jobs match and where their results came from.
    dry_run: bool,
}

/// A state of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RequeueState {
    /// Open: any worker of the stage may claim it. Such a job can only go back to an earlier stage.
    Open,
    /// Open or held, and has failed at its stage.
    Failed,
    /// Held by a worker.
    Held,
    /// Set aside for the operator.
    SetAside,
    /// Finished.
    Done,
}

/// The effect of a requeue.
#[derive(Debug, Serialize, ToSchema)]
struct RequeuedJobs {
    /// How many jobs were requeued.
    requeued: u64,
    /// The matching jobs, at most the first 10,000; only for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<u64>>,
    /// How many results of each stage would be discarded; only for a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discarded: Vec<DiscardedResults>,
    /// The origins of the results that would be discarded, those with the most results first; only
    /// for a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceOfResults>,
    /// Jobs that were named and remain unchanged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left: Vec<LeftJob>,
}

/// Results of one stage.
#[derive(Debug, Serialize, ToSchema)]
struct DiscardedResults {
    /// The stage.
    stage: Stage,
    /// How many.
    results: u64,
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
        ranges: body.ranges,
        states: body.states.as_deref().map(chosen),
        stage: body.stage,
        to: body.to,
        // An age beyond what the tables can hold is longer than any job has lasted.
        older_than: body
            .older_than_s
            .map(|seconds| older(seconds).unwrap_or(Millis::MAX / 2)),
        nickname: body.nickname,
        volunteer: None,
        result_contains: body.result_contains,
        address,
        since,
        until,
    };
    let outcome = if body.dry_run {
        requeue::dry_run(app.store.as_ref(), &filter).await?
    } else {
        requeue::requeue(app.store.as_ref(), &filter, &admin.who, Turns::Fair).await?
    };
    let left = outcome.left.into_iter();
    let discarded = Stage::ALL.into_iter().zip(outcome.discarded);
    Ok(Json(RequeuedJobs {
        requeued: outcome.requeued,
        numbers: outcome.numbers,
        discarded: discarded
            .filter(|(_, results)| *results > 0)
            .map(|(stage, results)| DiscardedResults { stage, results })
            .collect(),
        sources: outcome.sources.into_iter().map(shown).collect(),
        left: left
            .map(|left| LeftJob {
                number: left.number,
                why: left.why,
            })
            .collect(),
    }))
}

fn chosen(states: &[RequeueState]) -> States {
    let has = |state| states.contains(&state);
    States {
        open: has(RequeueState::Open),
        failed: has(RequeueState::Failed),
        held: has(RequeueState::Held),
        set_aside: has(RequeueState::SetAside),
        done: has(RequeueState::Done),
    }
}

fn shown(source: Source) -> SourceOfResults {
    SourceOfResults {
        address: source.address,
        results: source.results,
        since: times::stamp(source.first),
        until: times::stamp(source.last),
    }
}
