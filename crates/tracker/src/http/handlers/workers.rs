//! Registered workers, for the operator: listing and ending them.

use axum::{Json, extract::State};
use distcompute_protocol::Stage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::Admin,
    error::{ApiError, fault},
    http::{
        openapi::{ListRefusals, OperatorRefusals},
        request::{Body, Query, parsed},
    },
    operations::workers::{self, Chosen},
    rules::{bans::Banned, times},
    state::App,
    store::RegisteredRow,
};

/// How many workers are examined for one response.
const LOOKED_AT: u64 = 1_000;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(end))
}

/// A page of the list of workers.
#[derive(Debug, Serialize, ToSchema)]
struct RegisteredWorkers {
    /// The workers, oldest first.
    workers: Vec<RegisteredWorker>,
    /// The value of `after` that continues the list; null at the end.
    next: Option<u64>,
}

/// A worker.
#[derive(Debug, Serialize, ToSchema)]
struct RegisteredWorker {
    /// Its public name.
    display_name: String,
    /// The nickname of the volunteer.
    nickname: String,
    /// The address it registered from; empty if unknown.
    address: String,
    /// The thumbprint of the volunteer's key; null if it has none.
    key: Option<String>,
    /// The stage it works at.
    stage: Stage,
    /// How many jobs it holds.
    held: u64,
    /// How many jobs it has completed.
    completed: u64,
    /// When it registered.
    since: String,
    /// When it last made a call.
    heard: String,
}

/// Lists the registered workers: of every 1000, those that match all parameters
#[utoipa::path(
    get,
    path = "/api/workers",
    tag = "operator",
    security(("admin" = [])),
    params(
        ("nickname" = Option<String>, Query, description = "Only workers of this nickname"),
        ("address" = Option<String>, Query, description = "Only workers from this address or network"),
        ("stage" = Option<Stage>, Query, description = "Only workers at this stage"),
        ("after" = Option<u64>, Query, description = "The `next` of the previous page")
    ),
    responses((status = 200, body = RegisteredWorkers), ListRefusals)
)]
async fn list(
    _: Admin,
    State(app): State<App>,
    query: Query,
) -> Result<Json<RegisteredWorkers>, ApiError> {
    let text = |name| query.get(name);
    let stage = |text: &str| text.parse::<Stage>().map_err(|error| error.to_string());
    let chosen = chosen(
        "query",
        text("nickname"),
        text("address"),
        parsed(["query", "stage"], text("stage"), stage)?,
    )?;
    let after = query.number("after", 0, 0, u64::MAX)?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = app
        .store
        .registrations(after, u32::try_from(LOOKED_AT).unwrap_or(u32::MAX));
    let rows = rows.await?;
    let whole = (rows.len() as u64) < LOOKED_AT;
    let last = rows.last().and_then(|row| row.id.try_into().ok());
    let fitting = rows.into_iter().filter(|row| chosen.fits(row));
    Ok(Json(RegisteredWorkers {
        workers: fitting.map(shown).collect(),
        next: last.filter(|_| !whole),
    }))
}

fn shown(row: RegisteredRow) -> RegisteredWorker {
    RegisteredWorker {
        display_name: row.display_name,
        nickname: row.nickname,
        address: row.address,
        key: row.key,
        stage: row.stage,
        held: row.held,
        completed: row.completed,
        since: times::stamp(row.first_seen),
        heard: times::stamp(row.last_seen),
    }
}

/// Selects workers. A worker must match every field that is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct EndBody {
    /// Workers of this nickname.
    nickname: Option<String>,
    /// Workers from this address or network.
    address: Option<String>,
    /// Workers at this stage.
    stage: Option<Stage>,
}

/// The effect of ending workers.
#[derive(Debug, Serialize, ToSchema)]
struct EndedWorkers {
    /// How many workers were ended.
    ended: u64,
}

/// Ends workers and takes back their jobs; their clients register anew unless they are banned
#[utoipa::path(
    post,
    path = "/api/endWorkers",
    tag = "operator",
    security(("admin" = [])),
    request_body = EndBody,
    responses((status = 200, body = EndedWorkers), OperatorRefusals)
)]
async fn end(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<EndedWorkers>, ApiError> {
    let body = body.read::<EndBody>().await?.value;
    let chosen = chosen(
        "body",
        body.nickname.as_deref(),
        body.address.as_deref(),
        body.stage,
    )?;
    if chosen == Chosen::default() {
        let message = "At least one of nickname, address and stage is needed";
        let fault = fault("value_error", &["body"], message, None);
        return Err(ApiError::Faults(vec![fault]));
    }
    let ended = workers::end_noted(app.store.as_ref(), &chosen, &admin.who).await?;
    Ok(Json(EndedWorkers { ended }))
}

fn chosen(
    part: &str,
    nickname: Option<&str>,
    address: Option<&str>,
    stage: Option<Stage>,
) -> Result<Chosen, ApiError> {
    let nickname = parsed([part, "nickname"], nickname, workers::nickname_of)?;
    let address = parsed([part, "address"], address, Banned::network)?;
    Ok(Chosen {
        banned: nickname.into_iter().chain(address).collect(),
        stage,
    })
}
