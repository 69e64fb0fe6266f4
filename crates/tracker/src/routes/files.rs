//! The operator's folders: the volunteer page, the client, the sample's kernel.

use axum::{
    Router,
    handler::HandlerWithoutStateExt as _,
    http::{HeaderValue, header},
    routing::any_service,
};
use distcompute_protocol::ErrorCode;
use tower_http::{
    compression::CompressionLayer, services::ServeDir, set_header::SetResponseHeaderLayer,
};

use crate::{app::App, config::Mount, error::ApiError};

/// A route for each folder; the longest address wins.
pub fn router(mounts: &[Mount]) -> Router<App> {
    let mut router = Router::new();
    for mount in mounts {
        let files = ServeDir::new(&mount.folder)
            .html_as_default_extension(false)
            .redirect_path_prefix(&mount.path)
            .fallback(missing.into_service());
        router = router.nest_service(&mount.path, any_service(files));
    }
    router
        // Asked again each time, answered "not modified" mostly: a page and the modules that it
        // loads must never come from two versions.
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        ))
        .layer(CompressionLayer::new())
}

async fn missing() -> ApiError {
    ApiError::Refused(ErrorCode::NotFound)
}
