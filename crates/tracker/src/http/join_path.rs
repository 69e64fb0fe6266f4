//! Addresses that contain the join key, `/join/KEY/api/…`, for clients that can be given the
//! tracker's address and no header. The key is taken out of the address before anything else sees
//! it, so that no log line contains it.

use axum::{
    Router,
    extract::{OriginalUri, Request},
    http::{HeaderMap, Uri, uri::PathAndQuery},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
};
use distcompute_protocol::{JOIN_KEY_HEADER, JOIN_PATH};

/// The key of a request's address.
#[derive(Clone)]
pub struct KeyOfPath(String);

/// Serves `router` also under `/join/KEY`, whatever the key is: registering checks it.
pub fn under(router: Router) -> Router {
    Router::new()
        .fallback_service(router)
        .layer(middleware::from_fn(take_key))
}

/// The join key that a request shows, in its header or its address.
#[must_use]
pub fn shown<'a>(headers: &'a HeaderMap, path: Option<&'a KeyOfPath>) -> Option<&'a str> {
    match headers.get(JOIN_KEY_HEADER) {
        Some(header) => Some(header.to_str().unwrap_or_default()),
        None => path.map(|KeyOfPath(key)| key.as_str()),
    }
}

impl KeyOfPath {
    /// The key.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

async fn take_key(mut request: Request, next: Next) -> Response {
    match split(request.uri()) {
        None => next.run(request).await,
        Some((key, rest)) if rest.starts_with("/api/") => {
            let key = KeyOfPath(key.to_owned());
            let Some(uri) = replaced(request.uri(), rest) else {
                return next.run(request).await;
            };
            request.extensions_mut().insert(OriginalUri(uri.clone()));
            request.extensions_mut().insert(key);
            *request.uri_mut() = uri;
            next.run(request).await
        }
        // Pages, which the Python client prints the addresses of: the browser's history and the
        // pages that it goes to next need not have the key.
        Some((_, rest)) => {
            let path = rest.split('?').next().unwrap_or_default();
            let up = "../".repeat(1 + path.matches('/').count());
            let rest = rest.trim_start_matches('/');
            Redirect::temporary(&format!("{up}{rest}")).into_response()
        }
    }
}

/// The key, and what follows it, beginning with `/`.
fn split(uri: &Uri) -> Option<(&str, &str)> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(JOIN_PATH)?;
    let (key, _) = rest.split_once('/')?;
    // A query may contain a slash too.
    (!key.contains('?')).then(|| (key, &rest[key.len()..]))
}

fn replaced(uri: &Uri, rest: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_part_after_join() {
        let split = |uri: &'static str| {
            split(&Uri::from_static(uri)).map(|(key, rest)| format!("{key} {rest}"))
        };
        assert_eq!(
            split("/join/KEY/api/new?stage=a&x=/y").as_deref(),
            Some("KEY /api/new?stage=a&x=/y")
        );
        assert_eq!(split("/join/KEY/").as_deref(), Some("KEY /"));
        for other in [
            "/",
            "/join",
            "/join/",
            "/join/KEY",
            "/join/KEY?x=/",
            "/api/join/KEY/",
        ] {
            assert_eq!(split(other), None, "{other}");
        }
    }
}
