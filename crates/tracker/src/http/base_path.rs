//! Support for a tracker behind a path of a site: the prefix that a proxy leaves in the address is
//! removed before routing. Pages use relative links, so it never has to be added again.

use axum::{
    Router,
    extract::{OriginalUri, Request, State},
    http::{Uri, uri::PathAndQuery},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
};

/// Serves `router` under the path `base`, and also without it: health checks bypass the proxy, and
/// some proxies strip the prefix.
pub fn under(base: &str, router: Router) -> Router {
    if base.is_empty() {
        return router;
    }
    Router::new()
        .fallback_service(router)
        .layer(middleware::from_fn_with_state(
            base.to_owned(),
            strip_prefix,
        ))
}

async fn strip_prefix(State(base): State<String>, mut request: Request, next: Next) -> Response {
    if request.uri().path() == base {
        return to_folder(request.uri());
    }
    if let Some(uri) = without(&base, request.uri()) {
        request.extensions_mut().insert(OriginalUri(uri.clone()));
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// Removes the prefix from an address.
fn without(base: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(base)?;
    if !rest.starts_with('/') {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Redirects a folder's address without a trailing `/` to the one with it, which relative links in
/// its page need. The target is itself relative, because the public prefix is not known here.
#[must_use]
pub fn to_folder(asked: &Uri) -> Response {
    let name = asked.path().rsplit('/').next().unwrap_or_default();
    let query = asked.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    // "./" keeps a name with a colon from being parsed as a scheme.
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
