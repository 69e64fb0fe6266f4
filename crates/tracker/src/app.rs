//! What the routes share, and the router that they make together.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ERROR_HEADER, ErrorCode};
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer},
    trace::TraceLayer,
};

use crate::{
    address_limits::{self, AddressLimits, Limiting},
    base_path,
    bodies::{self, Bodies},
    client_address::{self, ClientAddress},
    compression,
    config::Settings,
    error::{ApiError, fault},
    glance::Glances,
    listen::Limits,
    metrics::Metrics,
    random::Random,
    request_id::{self, RequestId},
    routes::{self, files::NoPolicy},
    store::Store,
};

/// How long a browser may remember the answer to a preflight: the longest that Chromium grants.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7_200);

/// Answers that bring no policy of their own are no pages.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// What the routes share.
#[derive(Clone)]
pub struct App {
    /// The jobs and the books.
    pub store: Arc<dyn Store>,
    /// How the operator wants it.
    pub settings: Arc<Settings>,
    /// Where tokens come from.
    pub random: Arc<dyn Random>,
    /// What was served so far.
    pub metrics: Arc<Metrics>,
    /// The dashboard as somebody saw it a moment ago.
    pub glances: Arc<Glances>,
    /// The memory for the bodies of requests.
    pub bodies: Arc<Bodies>,
    /// What each group of addresses may ask for.
    pub address_limits: Arc<AddressLimits>,
    /// How long clients may take.
    pub limits: Limits,
}

impl FromRef<App> for Arc<Settings> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.settings)
    }
}

impl FromRef<App> for Arc<Bodies> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.bodies)
    }
}

/// All routes.
///
/// # Errors
/// An origin cannot stand in a header, as a sentence.
pub fn router(app: App) -> Result<Router, String> {
    let cors = cors(&app.settings.cors_origin)?;
    let base = app.settings.base_path.clone();
    let limit = usize::try_from(app.settings.max_body).unwrap_or(usize::MAX);
    let limiting = Limiting {
        settings: Arc::clone(&app.settings),
        limits: Arc::clone(&app.address_limits),
        metrics: Arc::clone(&app.metrics),
        pause: app.limits.refusal_pause,
    };
    let router = Router::new()
        .merge(axum::Router::from(routes::api()))
        .merge(routes::dashboard::router())
        .merge(routes::leaderboard::router())
        .merge(routes::worker::router())
        .merge(routes::job::router())
        .merge(routes::assets::router())
        .merge(routes::client::router())
        .merge(routes::health::router())
        .merge(routes::files::router(&app.settings))
        .fallback(|| async { ApiError::Refused(ErrorCode::NotFound) })
        .method_not_allowed_fallback(|| async { ApiError::Refused(ErrorCode::MethodNotAllowed) })
        .layer(middleware::from_fn_with_state(
            app.clone(),
            routes::refusal::as_page,
        ))
        .layer(middleware::from_fn(compression::mark_large))
        .layer(compression::layer())
        .layer(middleware::from_fn_with_state(
            Arc::default(),
            compression::once,
        ))
        .layer(DefaultBodyLimit::max(limit))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app.bodies),
            bodies::hold_answers,
        ))
        .layer(middleware::from_fn(address_limits::refuse))
        .layer(middleware::from_fn(housekeeping))
        .layer(cors)
        .layer(middleware::from_fn(only_real_preflights))
        .layer(middleware::from_fn(no_nul))
        .layer(RequestBodyTimeoutLayer::new(app.limits.pause))
        .layer(RequestBodyDeadlineLayer::new(app.limits.body))
        .layer(middleware::from_fn_with_state(
            limiting,
            address_limits::limit,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), measure))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app.settings),
            client_address::find,
        ))
        .layer(middleware::from_fn(request_id::name))
        .with_state(app);
    Ok(base_path::under(&base, router))
}

/// What the lines of the log that belong to a request begin with, at every level of logging.
fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>();
    let client = request.extensions().get::<ClientAddress>();
    tracing::error_span!(
        "request",
        id = id.map_or("", RequestId::as_str),
        method = %request.method(),
        path = request.uri().path(),
        client = client.map_or_else(String::new, |client| client.text()),
    )
}

async fn measure(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answer = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = answer.status().as_u16();
    app.metrics
        .served(method.as_str(), route, status, started.elapsed());
    answer
}

/// Answers of the API are never kept by caches, and `HEAD` is no method of the API: a `HEAD` of
/// `/api/new` would register a worker that nobody knows.
async fn housekeeping(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    if api && request.method() == Method::HEAD {
        return ApiError::Refused(ErrorCode::MethodNotAllowed).into_response();
    }
    let mut answer = next.run(request).await;
    let unrestricted = answer.extensions().get::<NoPolicy>().is_some();
    let headers = answer.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if !unrestricted {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(HeaderValue::from_static(NO_PAGE));
    }
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

/// No database column takes U+0000, and nothing that can be asked for has it in its address.
async fn no_nul(request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        let message = "The address must not contain U+0000.";
        let fault = fault("value_error", &["path"], message, None);
        return ApiError::Faults(vec![fault]).into_response();
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
