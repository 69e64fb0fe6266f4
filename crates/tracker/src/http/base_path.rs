//! A tracker behind a path of somebody's site: what a proxy leaves in front of addresses is taken
//! off before a route is looked for. Pages link relatively, so nothing has to put it on again.

use axum::{
    Router,
    extract::{OriginalUri, Request, State},
    http::{Uri, uri::PathAndQuery},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
};

/// The router under this path, and also without it: health checks come past the proxy, and some
/// proxies strip it.
pub fn under(base: &str, router: Router) -> Router {
    if base.is_empty() {
        return router;
    }
    Router::new()
        .fallback_service(router)
        .layer(middleware::from_fn_with_state(base.to_owned(), take_off))
}

async fn take_off(State(base): State<String>, mut request: Request, next: Next) -> Response {
    if request.uri().path() == base {
        return to_folder(request.uri());
    }
    if let Some(uri) = without(&base, request.uri()) {
        request.extensions_mut().insert(OriginalUri(uri.clone()));
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// The address without the path in front.
fn without(base: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(base)?;
    if !rest.starts_with('/') {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Sends the bare address of a folder to the one with a `/`, which relative addresses in its page
/// need. The target is relative itself: what the world sees in front of it is not known here.
#[must_use]
pub fn to_folder(asked: &Uri) -> Response {
    let name = asked.path().rsplit('/').next().unwrap_or_default();
    let query = asked.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    // "./" keeps a name with a colon from being taken for a scheme.
    Redirect::temporary(&format!("./{name}/{query}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_itself_is_taken_off() {
        let without = |uri: &'static str| {
            without("/tracker", &Uri::from_static(uri)).map(|uri| uri.to_string())
        };
        assert_eq!(without("/tracker/"), Some("/".to_owned()));
        assert_eq!(
            without("/tracker/api/new?stage=a&x=/tracker/"),
            Some("/api/new?stage=a&x=/tracker/".to_owned())
        );
        assert_eq!(without("/tracker/tracker/x"), Some("/tracker/x".to_owned()));
        for other in ["/", "/trackers/x", "/api/tracker/", "/tracker?x"] {
            assert_eq!(without(other), None, "{other}");
        }
    }
}
