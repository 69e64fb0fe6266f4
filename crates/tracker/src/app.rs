//! What the routes share, and the router that they make together.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ERROR_HEADER, ErrorCode};
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    trace::TraceLayer,
};

use crate::{config::Settings, error::ApiError, random::Random, routes, store::Store};

/// How long a browser may remember the answer to a preflight: the longest that Chromium grants.
const PREFLIGHT_AGE: std::time::Duration = std::time::Duration::from_secs(7_200);

/// What the routes share.
#[derive(Clone)]
pub struct App {
    /// The jobs and the books.
    pub store: Arc<dyn Store>,
    /// How the operator wants it.
    pub settings: Arc<Settings>,
    /// Where tokens come from.
    pub random: Arc<dyn Random>,
}

/// All routes.
///
/// # Errors
/// An origin cannot stand in a header, as a sentence.
pub fn router(app: App) -> Result<Router, String> {
    let cors = cors(&app.settings.cors_origin)?;
    let limit = usize::try_from(app.settings.max_body).unwrap_or(usize::MAX);
    let router = Router::new()
        .merge(routes::volunteer::router())
        .merge(routes::project::router())
        .merge(routes::results::router())
        .merge(routes::dashboard::router())
        .merge(routes::leaderboard::router())
        .merge(routes::worker::router())
        .merge(routes::assets::router())
        .merge(routes::files::router(&app.settings.files))
        .fallback(|| async { ApiError::Refused(ErrorCode::NotFound) })
        .method_not_allowed_fallback(|| async { ApiError::Refused(ErrorCode::MethodNotAllowed) })
        .layer(DefaultBodyLimit::max(limit))
        .layer(middleware::from_fn_with_state(app.clone(), housekeeping))
        .layer(cors)
        .layer(middleware::from_fn(only_real_preflights))
        .layer(TraceLayer::new_for_http())
        .with_state(app);
    Ok(router)
}

/// Answers of the API are never kept by caches, and `HEAD` is no method of the API: a `HEAD` of
/// `/api/new` would register a worker that nobody knows.
async fn housekeeping(State(_): State<App>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    if api && request.method() == Method::HEAD {
        return ApiError::Refused(ErrorCode::MethodNotAllowed).into_response();
    }
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

/// An `OPTIONS` request that no browser sent for a page of another origin is a wrong method.
async fn only_real_preflights(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS && !request.headers().contains_key(header::ORIGIN) {
        return ApiError::Refused(ErrorCode::MethodNotAllowed).into_response();
    }
    next.run(request).await
}

fn cors(origins: &[String]) -> Result<CorsLayer, String> {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let list: Result<Vec<HeaderValue>, _> =
            origins.iter().map(|origin| origin.parse()).collect();
        AllowOrigin::list(list.map_err(|_| "An origin contains a character that no header takes.")?)
    };
    Ok(CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION])
        .expose_headers([HeaderName::from_static(ERROR_HEADER), header::RETRY_AFTER])
        .max_age(PREFLIGHT_AGE))
}
