//! Receipts for the results of a volunteer, and the key with which they are verified.

use axum::{Json, extract::State, http::HeaderMap};
use distcompute_protocol::ErrorCode;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::bearer,
    error::ApiError,
    http::{
        openapi::{Away, ReceiptRefusals},
        request::Query,
    },
    rules::receipt::{self, Receipt},
    state::App,
    store::StoreError,
};

/// The maximum number of receipts in one answer.
const LISTED: u64 = 1_000;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(key))
}

/// A page of receipts.
#[derive(Debug, Serialize, ToSchema)]
struct Receipts {
    /// The receipts, each a JWS in compact form, in the order in which the results began to count.
    receipts: Vec<String>,
    /// The value of `after` that continues the list; null at the end.
    next: Option<u64>,
}

/// Lists receipts for the results that count of the volunteer whose key the worker has proved
#[utoipa::path(
    get,
    path = "/api/receipts",
    tag = "volunteer",
    params(
        ("authorization" = String, Header, description = "`Bearer` and the worker's token"),
        ("after" = Option<u64>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "The maximum number of receipts [default: 1000]; fewer may be returned although there are more")
    ),
    responses((status = 200, body = Receipts), ReceiptRefusals)
)]
async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    query: Query,
) -> Result<Json<Receipts>, ApiError> {
    let after = query.number("after", 0, 0, u64::MAX)?;
    let limit = query.number("limit", LISTED, 1, LISTED)?;
    let token = bearer(&headers).ok_or_else(|| {
        let sentence = "This needs the token of a worker: \"Authorization: Bearer TOKEN\".";
        ApiError::Explained(ErrorCode::NotAllowed, sentence.to_owned())
    })?;
    let known = app.store.worker_key(token).await?;
    let key = known.ok_or(ApiError::Refused(ErrorCode::WorkerUnknown))?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let rows = match &key {
        Some(key) => app.store.counted(key, after, limit).await?,
        None => Vec::new(),
    };
    let (store, random) = (app.store.as_ref(), app.random.as_ref());
    let signer = app.keys.signer(store, random).await?;
    let next = rows.last().map(|row| row.cursor);
    let signed = rows.into_iter().map(|row| {
        signer.sign(&Receipt {
            project: app.settings.project.clone(),
            sub: key.clone().unwrap_or_default(),
            job: row.number,
            stage: row.stage,
            input: receipt::hash(&row.input),
            output: receipt::hash(&row.output),
            iat: row.at.div_euclid(1_000),
        })
    });
    Ok(Json(Receipts {
        receipts: signed.collect(),
        next,
    }))
}

/// A set of keys (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
struct KeySet {
    /// The key: Ed25519 (RFC 8037).
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Box<RawValue>>,
}

/// Returns the public key with which receipts are verified, as a JSON Web Key Set
#[utoipa::path(
    get,
    path = "/api/receipts/key",
    tag = "project",
    responses((status = 200, body = KeySet), Away)
)]
async fn key(State(app): State<App>) -> Result<Json<KeySet>, ApiError> {
    let (store, random) = (app.store.as_ref(), app.random.as_ref());
    let signer = app.keys.signer(store, random).await?;
    let key = RawValue::from_string(signer.public().canonical());
    let key = key.map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(Json(KeySet { keys: vec![key] }))
}
