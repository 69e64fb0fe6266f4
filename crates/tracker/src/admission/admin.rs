//! Extractors that authorize the operator's calls by the admin token.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use distcompute_protocol::ErrorCode;

use crate::{
    admission::client_address::ClientAddress,
    config::{MetricsFor, Settings},
    error::ApiError,
};

/// Headers by which a proxy identifies itself.
pub(crate) const PROXIED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// A caller with the admin token.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The caller's address, for the audit log.
    pub who: String,
}

impl<S: Sync> FromRequestParts<S> for Admin
where
    Arc<Settings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let settings = Arc::from_ref(state);
        if is_admin(&settings, &parts.headers) {
            let client = parts.extensions.get::<ClientAddress>();
            let who = client.map_or_else(String::new, |client| client.text());
            let who = if who.is_empty() {
                "unknown".to_owned()
            } else {
                who
            };
            return Ok(Self { who });
        }
        Err(refusal(&settings))
    }
}

/// A caller who may read the metrics.
#[derive(Debug, Clone, Copy)]
pub struct Observer;

impl<S: Sync> FromRequestParts<S> for Observer
where
    Arc<Settings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let settings = Arc::<Settings>::from_ref(state);
        let allowed = match settings.metrics {
            MetricsFor::Public => true,
            MetricsFor::Loopback => {
                let proxied = PROXIED.iter().any(|name| parts.headers.contains_key(*name));
                !proxied && peer(parts).is_some_and(|peer| peer.to_canonical().is_loopback())
            }
            MetricsFor::Token => false,
        };
        if allowed || is_admin(&settings, &parts.headers) {
            return Ok(Self);
        }
        Err(refusal(&settings))
    }
}

/// Whether a request has the admin token.
#[must_use]
pub fn is_admin(settings: &Settings, headers: &HeaderMap) -> bool {
    match (&settings.admin_token, bearer(headers)) {
        (Some(token), Some(shown)) => token.is(shown),
        _ => false,
    }
}

/// The bearer token of a request.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The refusal of a call that needs the admin token.
#[must_use]
pub fn refusal(settings: &Settings) -> ApiError {
    let sentence = if settings.admin_token.is_some() {
        "This needs the admin token: \"Authorization: Bearer SECRET\"."
    } else {
        "This needs the admin token, and this tracker has none: its operator sets admin_token."
    };
    ApiError::Explained(ErrorCode::NotAllowed, sentence.to_owned())
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    let ConnectInfo(address) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(address.ip())
}
