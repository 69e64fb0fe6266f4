//! Proofs of keys in requests, and nonces in answers. `rules::proof` verifies them.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ErrorCode, NONCE_HEADER, PROOF_HEADER};

use crate::{
    error::ApiError,
    http::join_path::KeyOfPath,
    rules::proof::{self, Call},
    state::App,
    store::{ProvenKey, StoreError},
};

/// What a client is told that must prove its key with a nonce.
const CHALLENGE: &str = r#"DPoP error="use_dpop_nonce", algs="EdDSA ES256""#;

/// The key that a request proves to hold, and the code that it signs, if it has a proof.
pub(super) async fn shown(
    app: &App,
    headers: &HeaderMap,
    key_of_path: Option<&KeyOfPath>,
    (method, path): (&str, &str),
) -> Result<Option<(ProvenKey, Option<String>)>, ApiError> {
    let mut proofs = headers.get_all(PROOF_HEADER).iter();
    let Some(text) = proofs.next() else {
        return Ok(None);
    };
    let call = Call {
        method,
        path,
        join: key_of_path.map(KeyOfPath::text),
        public_url: app.settings.public_url.as_deref(),
    };
    let verified = match (text.to_str(), proofs.next()) {
        (Ok(text), None) => proof::verify(text, call),
        _ => Err("There is more than one, or it contains other characters than those of a JWS."),
    };
    let proof = verified.map_err(|why| {
        let sentence = format!("The proof of the key (DPoP) is not accepted. {why}");
        ApiError::Explained(ErrorCode::InvalidDpopProof, sentence)
    })?;
    let nonce = proof.nonce.unwrap_or_default();
    let (store, random) = (app.store.as_ref(), app.random.as_ref());
    let expires_at = app.keys.expires_at(store, random, &nonce).await?;
    let expires_at = expires_at.ok_or(ApiError::Refused(ErrorCode::UseDpopNonce))?;
    let key = ProvenKey {
        thumbprint: proof.key.thumbprint(),
        nonce,
        expires_at,
    };
    Ok(Some((key, proof.link)))
}

/// The answer to a request, with a nonce for the next proof if it had one.
pub(super) async fn answer(
    app: &App,
    headers: &HeaderMap,
    outcome: Result<impl IntoResponse, ApiError>,
) -> Result<Response, ApiError> {
    let asks = matches!(outcome, Err(ApiError::Refused(ErrorCode::UseDpopNonce)));
    let answer = match outcome {
        Ok(answer) => answer.into_response(),
        Err(error) if asks => error.into_response(),
        Err(error) => return Err(error),
    };
    if headers.contains_key(PROOF_HEADER) {
        with_nonce(app, answer, asks).await
    } else {
        Ok(answer)
    }
}

/// Adds a nonce for the next proof to an answer.
pub(super) async fn with_nonce(
    app: &App,
    mut answer: Response,
    asks: bool,
) -> Result<Response, ApiError> {
    let nonce = app
        .keys
        .nonce(app.store.as_ref(), app.random.as_ref())
        .await?;
    let nonce = HeaderValue::from_str(&nonce);
    let nonce = nonce.map_err(|error| StoreError::Failed(error.to_string()))?;
    let headers = answer.headers_mut();
    headers.insert(HeaderName::from_static(NONCE_HEADER), nonce);
    if asks {
        let challenge = HeaderValue::from_static(CHALLENGE);
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    Ok(answer)
}
