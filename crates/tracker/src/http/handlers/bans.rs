//! Bans of nicknames and addresses, for the operator.

use axum::{Json, extract::State};
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
    operations::bans,
    rules::{bans::Banned, names, times},
    state::App,
    store::BanRow,
};

/// The default and the maximum length of the list.
const LISTED: u64 = 1_000;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(ban))
        .routes(routes!(pardon))
}

/// A ban of a nickname, or of an address or a network.
#[derive(Debug, Serialize, ToSchema)]
struct Ban {
    /// The nickname.
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    /// The address or network.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The thumbprint of the volunteer's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Since when.
    since: String,
    /// Why; may be empty.
    reason: String,
    /// The value of `after` that continues the list behind this entry.
    cursor: String,
}

/// Lists the bans
#[utoipa::path(
    get,
    path = "/api/bans",
    tag = "operator",
    security(("admin" = [])),
    params(
        ("after" = Option<String>, Query, description = "The `cursor` of the last ban received"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "The maximum number of bans [default: 1000]")
    ),
    responses((status = 200, body = Vec<Ban>), ListRefusals)
)]
async fn list(_: Admin, State(app): State<App>, query: Query) -> Result<Json<Vec<Ban>>, ApiError> {
    let limit = query.number("limit", LISTED, 1, LISTED)?;
    let after = query.get("after");
    let after = parsed(["query", "after"], after, refuse_nul)?.unwrap_or_default();
    let bans = app
        .store
        .bans(&after, u32::try_from(limit).unwrap_or(u32::MAX));
    Ok(Json(bans.await?.into_iter().map(shown).collect()))
}

fn shown(row: BanRow) -> Ban {
    let (nickname, address, key) = match Banned::from_name(&row.name) {
        Some(Banned::Nickname(nickname)) => (Some(nickname), None, None),
        Some(Banned::Network(network)) => (None, Some(network), None),
        Some(Banned::Key(key)) => (None, None, Some(key)),
        None => (None, None, None),
    };
    Ban {
        nickname,
        address,
        key,
        since: times::stamp(row.at),
        reason: row.reason,
        cursor: row.name,
    }
}

/// The subject of a ban: a nickname, or an address or a network.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct BanBody {
    /// A nickname.
    nickname: Option<String>,
    /// An address or a network.
    #[schema(example = "192.0.2.0/24")]
    address: Option<String>,
    /// The thumbprint of a volunteer's key.
    key: Option<String>,
    /// The reason, shown in the list of bans.
    reason: String,
}

/// The effect of a ban.
#[derive(Debug, Serialize, ToSchema)]
struct BannedWorkers {
    /// How many workers were ended.
    ended: u64,
}

/// Bans a nickname, an address or a network, and ends its workers
#[utoipa::path(
    post,
    path = "/api/ban",
    tag = "operator",
    security(("admin" = [])),
    request_body = BanBody,
    responses((status = 200, body = BannedWorkers), OperatorRefusals)
)]
async fn ban(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<BannedWorkers>, ApiError> {
    let body = body.read::<BanBody>().await?.value;
    let reason = Some(body.reason.as_str());
    let reason = parsed(["body", "reason"], reason, refuse_nul)?.unwrap_or_default();
    let banned = whom(
        body.nickname.as_deref(),
        body.address.as_deref(),
        body.key.as_deref(),
    )?;
    let ended = bans::ban(app.store.as_ref(), &banned, &reason, &admin.who).await?;
    Ok(Json(BannedWorkers { ended }))
}

/// The subject of a ban to lift: a nickname, or an address or a network.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct PardonBody {
    /// A nickname.
    nickname: Option<String>,
    /// An address or a network, as it was banned.
    address: Option<String>,
    /// The thumbprint of a volunteer's key.
    key: Option<String>,
}

/// The effect of a pardon.
#[derive(Debug, Serialize, ToSchema)]
struct Pardoned {
    /// Whether there was such a ban.
    pardoned: bool,
}

/// Lifts a ban
#[utoipa::path(
    post,
    path = "/api/pardon",
    tag = "operator",
    security(("admin" = [])),
    request_body = PardonBody,
    responses((status = 200, body = Pardoned), OperatorRefusals)
)]
async fn pardon(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<Pardoned>, ApiError> {
    let body = body.read::<PardonBody>().await?.value;
    let banned = whom(
        body.nickname.as_deref(),
        body.address.as_deref(),
        body.key.as_deref(),
    )?;
    let pardoned = bans::pardon(app.store.as_ref(), &banned, &admin.who).await?;
    Ok(Json(Pardoned { pardoned }))
}

fn refuse_nul(text: &str) -> Result<String, String> {
    names::no_nul(text).map(|()| text.to_owned())
}

/// Reads the subject: exactly one of the two must be given.
fn whom(
    nickname: Option<&str>,
    address: Option<&str>,
    key: Option<&str>,
) -> Result<Banned, ApiError> {
    let nickname = parsed(["body", "nickname"], nickname, Banned::nickname)?;
    let address = parsed(["body", "address"], address, Banned::network)?;
    let key = parsed(["body", "key"], key, Banned::key)?;
    match (nickname, address, key) {
        (Some(banned), None, None) | (None, Some(banned), None) | (None, None, Some(banned)) => {
            Ok(banned)
        }
        _ => {
            let message = "Exactly one of nickname, address and key is needed";
            let fault = fault("value_error", &["body"], message, None);
            Err(ApiError::Faults(vec![fault]))
        }
    }
}
