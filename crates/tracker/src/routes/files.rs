//! The operator's folders: the volunteer page, the client, the sample's kernel.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

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
    app::App,
    base_path::to_folder,
    config::{Mount, Settings},
    error::ApiError,
};

/// A route for each folder; the longest address wins.
pub fn router(settings: &Settings) -> Router<App> {
    let mut router = Router::new();
    for mount in &settings.files {
        let files = ServeDir::new(&mount.folder)
            .html_as_default_extension(false)
            .fallback(missing.into_service());
        let guarded = any_service(files).layer(middleware::from_fn_with_state(
            Arc::new(mount.clone()),
            guard,
        ));
        router = router.nest_service(&mount.path, guarded);
    }
    // A header rather than a line in each page: workers obey that of their own script's answer.
    let policy = settings.files_policy.as_deref();
    match policy.and_then(|policy| HeaderValue::from_str(policy).ok()) {
        Some(policy) => {
            let name = header::CONTENT_SECURITY_POLICY;
            router = router.layer(SetResponseHeaderLayer::overriding(name, policy));
        }
        None => router = router.layer(middleware::map_response(without_policy)),
    }
    router
        // Asked again each time, answered "not modified" mostly: a page and the modules that it
        // loads must never come from two versions.
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        ))
}

/// Marks an answer of a folder whose operator wants no content security policy.
#[derive(Debug, Clone, Copy)]
pub struct NoPolicy;

async fn without_policy(mut answer: Response) -> Response {
    answer.extensions_mut().insert(NoPolicy);
    answer
}

async fn missing() -> ApiError {
    ApiError::Refused(ErrorCode::NotFound)
}

/// Sends the folder's bare address to the one with a `/`, which relative addresses in its page
/// need, and keeps links on the disk from leading out of the folder.
async fn guard(
    State(mount): State<Arc<Mount>>,
    OriginalUri(asked): OriginalUri,
    request: Request,
    next: Next,
) -> Response {
    if asked.path() == mount.path {
        return to_folder(&asked);
    }
    if leads_out(&mount.folder, request.uri().path()).await {
        return ApiError::Refused(ErrorCode::NotFound).into_response();
    }
    let answer = next.run(request).await;
    // The file service sends the bare address of a folder within to an absolute one.
    if answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION) {
        return to_folder(&asked);
    }
    answer
}

async fn leads_out(folder: &Path, address: &str) -> bool {
    let decoded = percent_decode_str(address.trim_start_matches('/')).decode_utf8_lossy();
    let target = folder.join(PathBuf::from(decoded.as_ref()));
    let (root, target) = tokio::join!(
        tokio::fs::canonicalize(folder),
        tokio::fs::canonicalize(target)
    );
    match (root, target) {
        (Ok(root), Ok(target)) => !target.starts_with(root),
        // What is not there leads nowhere; the file service says so.
        _ => false,
    }
}
