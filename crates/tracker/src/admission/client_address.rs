//! The address that a request comes from, for handlers and the log. `rules::forwarded` decides
//! which address that is behind proxies.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::Response,
};

use crate::{config::Settings, rules::forwarded::caller};

/// The header in which proxies report their caller.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The caller's address. `None` if there is no connection, as in some tests.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// The address as text; empty if unknown.
    #[must_use]
    pub fn text(self) -> String {
        self.0
            .map(|address| address.to_string())
            .unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let found = parts.extensions.get::<Self>().copied();
        Ok(found.unwrap_or(Self(None)))
    }
}

/// Middleware that determines the caller's address.
pub async fn find(
    State(settings): State<Arc<Settings>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let found = peer.map(|ConnectInfo(peer)| {
        let forwarded = forwarded(request.headers());
        caller(peer.ip(), &forwarded, &settings.trusted_proxies)
    });
    request.extensions_mut().insert(ClientAddress(found));
    next.run(request).await
}

/// All values of the header, concatenated. A value that is not valid text hides what is to the left
/// of it.
fn forwarded(headers: &HeaderMap) -> String {
    let values = headers.get_all(FORWARDED_FOR).iter();
    let texts: Vec<&str> = values.map(|value| value.to_str().unwrap_or("?")).collect();
    texts.join(",")
}
