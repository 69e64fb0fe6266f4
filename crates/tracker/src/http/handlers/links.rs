//! Linking the key of a further device of a volunteer.

use axum::{Extension, Json, extract::State, http::HeaderMap, response::Response};
use distcompute_protocol::{ErrorCode, OK_TEXT};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::proofs;
use crate::{
    error::ApiError,
    http::{
        join_path::KeyOfPath,
        openapi::{LinkRefusals, OfferRefusals},
    },
    rules::{link, secrets::fingerprint},
    state::App,
    store::ProvenKey,
};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(offer))
        .routes(routes!(join))
}

/// A code that a new device shows.
#[derive(Debug, Serialize, ToSchema)]
struct Offer {
    /// The code, for people to type.
    code: String,
    /// For how many seconds it is accepted.
    expires_s: i64,
}

/// Makes a code by which the key of a new device can be linked to that of another device
#[utoipa::path(
    post,
    path = "/api/linkCode",
    tag = "volunteer",
    params(("dpop" = String, Header, description = "A proof of the new key (RFC 9449)")),
    responses((status = 200, body = Offer), OfferRefusals)
)]
async fn offer(
    State(app): State<App>,
    headers: HeaderMap,
    key_of_path: Option<Extension<KeyOfPath>>,
) -> Result<Response, ApiError> {
    let made = async {
        let call = ("POST", "/api/linkCode");
        let (proven, _) = needed(&app, &headers, key_of_path.as_deref(), call).await?;
        let code = link::code(app.random.bits());
        let expires_at = app.keys.now() + link::LASTS;
        app.store
            .offer_link(&proven, &fingerprint(&code), expires_at)
            .await?;
        Ok(Json(Offer {
            code,
            expires_s: link::LASTS / 1_000,
        }))
    };
    proofs::answer(&app, &headers, made.await).await
}

/// Links the key that shows the code in the claim `link` of the proof to the key of the proof
#[utoipa::path(
    post,
    path = "/api/link",
    tag = "volunteer",
    params(("dpop" = String, Header, description = "A proof of the volunteer's key (RFC 9449) with the code in the claim `link`")),
    responses((status = 200, body = String, content_type = "text/plain"), LinkRefusals)
)]
async fn join(
    State(app): State<App>,
    headers: HeaderMap,
    key_of_path: Option<Extension<KeyOfPath>>,
) -> Result<Response, ApiError> {
    let linked = async {
        let call = ("POST", "/api/link");
        let (proven, signed) = needed(&app, &headers, key_of_path.as_deref(), call).await?;
        let code = link::typed(&signed.unwrap_or_default());
        let code = code.ok_or(ApiError::Refused(ErrorCode::LinkCodeUnknown))?;
        let refusal = app
            .store
            .link(&proven, &fingerprint(&code), app.keys.now())
            .await?;
        match refusal {
            None => Ok(OK_TEXT),
            Some(why) => Err(ApiError::Explained(ErrorCode::LinkRefused, why.to_owned())),
        }
    };
    proofs::answer(&app, &headers, linked.await).await
}

async fn needed(
    app: &App,
    headers: &HeaderMap,
    key_of_path: Option<&KeyOfPath>,
    call: (&str, &str),
) -> Result<(ProvenKey, Option<String>), ApiError> {
    let shown = proofs::shown(app, headers, key_of_path, call).await?;
    shown.ok_or_else(|| {
        let sentence = "This call needs the proof of a key, in the header DPoP.";
        ApiError::Explained(ErrorCode::InvalidDpopProof, sentence.to_owned())
    })
}
