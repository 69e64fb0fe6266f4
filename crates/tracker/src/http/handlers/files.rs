//! Static files from the operator's folders: the volunteer page, the client, the sample's kernel.

use std::sync::Arc;

use axum::{
    Router,
    extract::{OriginalUri, Request, State},
    handler::HandlerWithoutStateExt as _,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::any_service,
};
use distcompute_protocol::ErrorCode;
use percent_encoding::percent_decode_str;
use tower_http::{services::ServeDir, set_header::SetResponseHeaderLayer};

use crate::{
    config::{Mount, Private, Settings},
    error::ApiError,
    http::base_path::to_folder,
    state::App,
};

/// A route for each folder; the longest matching prefix wins.
pub fn router(settings: &Settings) -> Router<App> {
    let mut router = Router::new();
    for mount in &settings.files {
        let files = ServeDir::new(&mount.folder)
            .html_as_default_extension(false)
            .fallback(missing.into_service());
        let served = Arc::new(ServedFolder {
            mount: mount.clone(),
            private: settings.private.clone(),
        });
        let guarded = any_service(files).layer(middleware::from_fn_with_state(served, guard));
        router = router.nest_service(&mount.path, guarded);
    }
    // The policy is sent as a header rather than in each page's markup because workers obey only
    // the header of their own script.
    let policy = settings.files_policy.as_deref();
    match policy.and_then(|policy| HeaderValue::from_str(policy).ok()) {
        Some(policy) => {
            let name = header::CONTENT_SECURITY_POLICY;
            router = router.layer(SetResponseHeaderLayer::overriding(name, policy));
        }
        None => router = router.layer(middleware::map_response(without_policy)),
    }
    router
        // `no-cache` makes browsers revalidate each time, mostly answered with 304: a page and the
        // modules that it loads must not come from two versions.
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        ))
}

/// Marks a response from a folder for which the operator disabled the content security policy.
#[derive(Debug, Clone, Copy)]
pub struct NoPolicy;

async fn without_policy(mut answer: Response) -> Response {
    answer.extensions_mut().insert(NoPolicy);
    answer
}

async fn missing() -> ApiError {
    ApiError::Refused(ErrorCode::NotFound)
}

/// A served folder, and the files that must never be read through it.
struct ServedFolder {
    mount: Mount,
    private: Vec<Private>,
}

/// Redirects the folder's address to the one with a trailing `/`, which relative links in its page
/// need, and refuses files that are not public.
async fn guard(
    State(served): State<Arc<ServedFolder>>,
    OriginalUri(asked): OriginalUri,
    request: Request,
    next: Next,
) -> Response {
    if asked.path() == served.mount.path {
        return to_folder(&asked);
    }
    let address = request.uri().path().trim_start_matches('/');
    let address = percent_decode_str(address).decode_utf8_lossy().into_owned();
    if is_hidden(&address) {
        return ApiError::Refused(ErrorCode::NotFound).into_response();
    }
    let looking = tokio::task::spawn_blocking(move || may_be_read(&served, &address));
    if !looking.await.unwrap_or(false) {
        return ApiError::Refused(ErrorCode::NotFound).into_response();
    }
    let answer = next.run(request).await;
    // The file service redirects a subfolder's address to an absolute one; make that relative.
    if answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION) {
        return to_folder(&asked);
    }
    answer
}

/// Whether a decoded address contains a name that begins with a dot: `.git`, `.env` and `.htpasswd`
/// end up in such folders by mistake. `.well-known` (RFC 8615) is allowed.
fn is_hidden(address: &str) -> bool {
    address
        .split(['/', '\\'])
        .any(|name| name.starts_with('.') && name != ".well-known")
}

/// Whether the file that the file service would open lies inside the folder after resolving
/// symbolic links. Checked on each request, because the operator may replace files and the folder
/// itself at any time.
fn may_be_read(served: &ServedFolder, address: &str) -> bool {
    let folder = &served.mount.folder;
    let Ok(root) = folder.canonicalize() else {
        return false;
    };
    if served.private.iter().any(|file| file.is_in(&root)) {
        return false;
    }
    let target = folder.join(address);
    // For a folder, the file service opens its index page.
    [target.join("index.html"), target]
        .iter()
        // Missing files cannot lead outside; the file service answers 404 for them.
        .filter_map(|file| file.canonicalize().ok())
        .all(|file| file.starts_with(&root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_with_a_dot_are_hidden_wherever_they_stand() {
        for address in [
            ".env",
            "a/.git/config",
            ".",
            "..",
            "a/../b",
            "a\\.env",
            ".well-known/.x",
        ] {
            assert!(is_hidden(address), "{address}");
        }
        for address in ["", "a.js", "a/b.min.js", ".well-known/security.txt", "a/"] {
            assert!(!is_hidden(address), "{address}");
        }
    }
}
