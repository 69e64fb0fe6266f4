//! The address that a request comes from, for handlers and for the log. Who that is behind proxies
//! is decided in `rules::forwarded`.

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

/// The header in which proxies say who called them.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who called. `None` where there is no connection, as in some tests.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// As text; empty if it is not known.
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

/// Finds out who called, for everything behind it.
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

/// What all headers of that name say together; one that is no text hides what stands left of it.
fn forwarded(headers: &HeaderMap) -> String {
    let values = headers.get_all(FORWARDED_FOR).iter();
    let texts: Vec<&str> = values.map(|value| value.to_str().unwrap_or("?")).collect();
    texts.join(",")
}
