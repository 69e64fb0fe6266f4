//! The router: all routes, and the middleware that requests and responses pass through.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ERROR_HEADER, ErrorCode, JOIN_KEY_HEADER, NONCE_HEADER, PROOF_HEADER};
use tokio::{sync::Semaphore, time::timeout};
use tower_http::{
    classify::ServerErrorsFailureClass,
    cors::{AllowOrigin, CorsLayer},
    timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer},
    trace::TraceLayer,
};

use crate::{
    admission::{
        address_limits::{self, AddressLimits, Group, LimitState},
        bodies,
        client_address::{self, ClientAddress},
        turns::{ALONE, Turns},
    },
    config::Settings,
    error::{ApiError, fault},
    http::{
        api::api,
        base_path,
        compression::{self, Immutable},
        handlers::{self, files::NoPolicy, jobs::IDEMPOTENCY_KEY},
        join_path,
        pages::{self, page},
        request_id::{self, RequestId},
    },
    limited_log::LimitedLog,
    metrics::Metrics,
    rules::{hosts, quotas},
    state::App,
    store::StoreError,
};

/// How long a browser may cache the response to a preflight: the longest that Chromium allows.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7_200);

/// The content security policy of responses that set none themselves, which are not pages.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// How many pages may read from the database at once, so that volunteers' calls get their share of
/// it. Those of one address are rendered one after the other.
const PAGES_AT_ONCE: usize = 2;

/// How many requests a page counts as: that many calls take as much of a processor.
const PAGE_COST: NonZeroU32 = NonZeroU32::new(8).unwrap();

/// How long a request for a page waits for its turn.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);

/// Browser features that neither the tracker's pages nor the volunteers' use, denied to frames as
/// well.
const NO_DEVICES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), \
     gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// Security headers of every response that does not set them itself.
const FOR_BROWSERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), NO_DEVICES),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Builds the router with all routes.
///
/// # Errors
/// Returns a sentence if a CORS origin is not a valid header value.
pub fn router(app: App) -> Result<Router, String> {
    let cors = cors(&app.settings.cors_origin)?;
    let base = app.settings.base_path.clone();
    let limit = usize::try_from(app.settings.max_body).unwrap_or(usize::MAX);
    let limit_state = LimitState {
        settings: Arc::clone(&app.settings),
        limits: Arc::clone(&app.address_limits),
        metrics: Arc::clone(&app.metrics),
        pause: app.timeouts.refusal_pause,
    };
    let pages = Router::new()
        .merge(pages::dashboard::router())
        .merge(pages::leaderboard::router())
        .merge(pages::worker::router())
        .merge(pages::job::router())
        .layer(middleware::from_fn_with_state(
            PageTurns {
                all: Arc::new(Semaphore::new(PAGES_AT_ONCE)),
                by_address: Turns::default(),
                limits: Arc::clone(&app.address_limits),
                metrics: Arc::clone(&app.metrics),
            },
            in_turn,
        ));
    let router = Router::new()
        .merge(axum::Router::from(api()))
        .merge(pages)
        .merge(pages::assets::router())
        .merge(handlers::client::router())
        .merge(handlers::health::router())
        .merge(handlers::files::router(&app.settings))
        .fallback(|| async { ApiError::Refused(ErrorCode::NotFound) })
        .method_not_allowed_fallback(|| async { ApiError::Refused(ErrorCode::MethodNotAllowed) })
        .layer(middleware::from_fn_with_state(
            app.clone(),
            pages::refusal::as_page,
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
        .layer(middleware::from_fn(set_headers))
        .layer(cors)
        .layer(middleware::from_fn(only_real_preflights))
        .layer(middleware::from_fn(no_nul))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app.settings),
            only_our_hosts,
        ))
        .layer(RequestBodyTimeoutLayer::new(app.timeouts.pause))
        .layer(RequestBodyDeadlineLayer::new(app.timeouts.body))
        .layer(middleware::from_fn_with_state(
            limit_state,
            address_limits::limit,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), measure))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(
            |class: ServerErrorsFailureClass, latency, _: &tracing::Span| {
                failed(&class, latency);
            },
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app.settings),
            client_address::find,
        ))
        .layer(middleware::from_fn(request_id::name))
        .with_state(app);
    Ok(base_path::under(&base, join_path::under(router)))
}

/// Logs that a request failed, at a limited rate, because anybody can overload the tracker.
fn failed(class: &ServerErrorsFailureClass, latency: Duration) {
    static FAILED: LimitedLog = LimitedLog::new();
    FAILED.write(|| {
        let latency_ms = latency.as_millis();
        tracing::error!(classification = %class, latency_ms, "response failed");
    });
}

/// The span that precedes the log lines of a request, at every log level.
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

/// What limits how many pages are rendered.
#[derive(Clone)]
struct PageTurns {
    all: Arc<Semaphore>,
    by_address: Turns,
    limits: Arc<AddressLimits>,
    metrics: Arc<Metrics>,
}

/// Limits how many pages are rendered at once, so that they cannot hold up the API, and how many of
/// them are for one address.
async fn in_turn(State(turns): State<PageTurns>, request: Request, next: Next) -> Response {
    let group = request.extensions().get::<Group>().copied();
    if let Some(group) = group
        && let Err(refusal) = turns.limits.ask_for_costly(group, PAGE_COST)
    {
        turns.metrics.limited(refusal.limit.name());
        return ApiError::Wait(quotas::retry_after_s(refusal.wait)).into_response();
    }
    let turn = async {
        let own = turns.by_address.next(group, ALONE).await;
        turns.all.acquire().await.map(|turn| (own, turn))
    };
    match timeout(PAGE_PATIENCE, turn).await {
        Ok(Ok(_turn)) => next.run(request).await,
        _ => ApiError::from(StoreError::Busy).into_response(),
    }
}

/// Sets the security and cache headers. API responses are never cached, except files of jobs. The API does not accept
/// `HEAD`: a `HEAD` of `/api/new` would register a worker whose token is never received.
async fn set_headers(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    if api && request.method() == Method::HEAD {
        return ApiError::Refused(ErrorCode::MethodNotAllowed).into_response();
    }
    let mut answer = next.run(request).await;
    let unrestricted = answer.extensions().get::<NoPolicy>().is_some();
    let immutable = answer.extensions().get::<Immutable>().is_some();
    let headers = answer.headers_mut();
    for (name, value) in FOR_BROWSERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if !unrestricted {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(HeaderValue::from_static(NO_PAGE));
    }
    if api {
        if !immutable {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        // CORS decides who may read a response. With this header, a page of an origin that may not
        // can still detect by a `no-cors` request that the tracker is reachable, and explain the
        // problem to its visitor.
        headers.insert(
            page::RESOURCE_POLICY,
            HeaderValue::from_static("cross-origin"),
        );
    }
    answer
}

/// Refuses an `OPTIONS` request that is not a CORS preflight as a wrong method.
async fn only_real_preflights(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS && !request.headers().contains_key(header::ORIGIN) {
        return ApiError::Refused(ErrorCode::MethodNotAllowed).into_response();
    }
    next.run(request).await
}

/// Refuses requests for other host names if the operator has configured the tracker's names. This
/// prevents DNS rebinding: a foreign page whose name resolves to the tracker could otherwise read
/// its responses. Monitoring endpoints are exempt because they are called by address.
async fn only_our_hosts(
    State(settings): State<Arc<Settings>>,
    request: Request,
    next: Next,
) -> Response {
    let asked = request.headers().get(header::HOST);
    let asked = asked.and_then(|host| host.to_str().ok());
    let asked = request.uri().host().or(asked).unwrap_or_default();
    let monitored = ["/healthz", "/readyz", "/metrics"].contains(&request.uri().path());
    if monitored || hosts::is_known(&settings.hosts, asked) {
        return next.run(request).await;
    }
    let sentence =
        "This tracker is not known under this name. Its operator adds the name to hosts.";
    ApiError::Explained(ErrorCode::WrongHost, sentence.to_owned()).into_response()
}

/// Refuses addresses with U+0000: no database column can store it, so nothing has it in its
/// address.
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
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::RANGE,
            header::IF_RANGE,
            HeaderName::from_static(JOIN_KEY_HEADER),
            HeaderName::from_static(PROOF_HEADER),
            HeaderName::from_static(IDEMPOTENCY_KEY),
        ])
        .expose_headers([
            HeaderName::from_static(ERROR_HEADER),
            HeaderName::from_static(NONCE_HEADER),
            header::RETRY_AFTER,
            header::ETAG,
            header::ACCEPT_RANGES,
            header::CONTENT_RANGE,
        ])
        .max_age(PREFLIGHT_AGE))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode, routing::get};
    use tower::ServiceExt as _;

    use super::*;
    use crate::rules::quotas::Quotas;

    /// A router with a page and a call, whose limits are these.
    fn with(quotas: &Quotas) -> (Router, PageTurns) {
        let turns = PageTurns {
            all: Arc::new(Semaphore::new(1)),
            by_address: Turns::default(),
            limits: Arc::new(AddressLimits::new(quotas)),
            metrics: Arc::default(),
        };
        let router = Router::new()
            .route("/leaderboard", get(|| async { "a page" }))
            .layer(middleware::from_fn_with_state(turns.clone(), in_turn))
            .route("/api/status", get(|| async { "figures" }));
        (router, turns)
    }

    async fn ask(router: &Router, address: &str, group: Option<Group>) -> StatusCode {
        let mut request = Request::get(address)
            .body(Body::empty())
            .expect("a request");
        if let Some(group) = group {
            request.extensions_mut().insert(group);
        }
        let answer = router.clone().oneshot(request).await;
        answer.expect("an answer").status()
    }

    const UNLIMITED: Quotas = Quotas {
        registrations: 0,
        requests: 0,
        bytes: 0,
        connections: 0,
    };

    #[tokio::test(start_paused = true)]
    async fn a_page_waits_for_its_turn_and_the_api_does_not() {
        let (router, turns) = with(&UNLIMITED);
        assert_eq!(ask(&router, "/leaderboard", None).await, StatusCode::OK);
        let turn = turns.all.acquire_owned().await.expect("a turn");
        assert_eq!(ask(&router, "/api/status", None).await, StatusCode::OK);
        let page = ask(&router, "/leaderboard", None).await;
        assert_eq!(page, StatusCode::SERVICE_UNAVAILABLE);
        drop(turn);
        assert_eq!(ask(&router, "/leaderboard", None).await, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_gets_one_page_at_a_time_and_others_do_not_wait_for_it() {
        let (router, turns) = with(&UNLIMITED);
        let [one, other] = [1, 2].map(|last| Some(Group([192, 0, 2, last].into())));
        let turn = turns.by_address.next(one, ALONE).await;
        let page = ask(&router, "/leaderboard", one).await;
        assert_eq!(page, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&router, "/leaderboard", other).await, StatusCode::OK);
        drop(turn);
        assert_eq!(ask(&router, "/leaderboard", one).await, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_counts_as_several_requests() {
        let requests = 2 * PAGE_COST.get();
        let (router, _) = with(&Quotas {
            requests,
            ..UNLIMITED
        });
        let group = Some(Group([192, 0, 2, 1].into()));
        let mut pages = Vec::new();
        for _ in 0..40 {
            pages.push(ask(&router, "/leaderboard", group).await);
        }
        // Ten seconds' worth at once; the request itself is counted further out.
        let allowed = pages.iter().filter(|status| **status == StatusCode::OK);
        assert_eq!(allowed.count(), 22);
        assert_eq!(pages.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    }
}
