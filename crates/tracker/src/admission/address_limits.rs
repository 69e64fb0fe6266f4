//! Rate limits per address group: registrations, requests, bytes and connections. A request beyond
//! a limit is answered 429 with the time after which it may be retried.
//!
//! Exempt are callers on this machine that come through no proxy, and callers with the admin token.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore,
};
use hyper::body::{Frame, SizeHint};

use crate::{
    admission::{admin, client_address::ClientAddress},
    config::Settings,
    error::ApiError,
    metrics::Metrics,
    rules::quotas::{self, Quotas, Rate, Taken, UNIT},
};

/// `Retry-After` for a request beyond the limit of concurrent requests.
const AGAIN: Duration = Duration::from_secs(1);

/// The number of groups from which on inactive ones are removed, each time their number has
/// doubled.
const FEW_GROUPS: usize = 1_024;

/// Bytes that a request accumulates before they are counted against its group.
const PORTION: u64 = 16 * UNIT;

type Limiter = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, Uptime, NoOpMiddleware<Duration>>;

/// A monotonic clock.
#[derive(Clone)]
pub struct Uptime(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Uptime {
    /// Creates a clock that returns `now()`.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl Default for Uptime {
    fn default() -> Self {
        let start = Instant::now();
        Self::new(move || start.elapsed())
    }
}

impl Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0()
    }
}

/// A rate limit for each group.
struct Rates {
    limiter: Limiter,
    rate: Rate,
    clock: Uptime,
    /// The number of groups at which inactive ones are removed.
    room: Mutex<usize>,
}

impl Rates {
    fn new(rate: Option<Rate>, clock: &Uptime) -> Option<Self> {
        let rate = rate?;
        let quota = Quota::with_period(rate.every)?.allow_burst(rate.burst);
        Some(Self {
            limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            rate,
            clock: clock.clone(),
            room: Mutex::new(FEW_GROUPS),
        })
    }

    /// Takes `count` permits at once, or returns how long to wait for them. A larger count than the
    /// burst size takes the whole burst.
    fn take(&self, group: IpAddr, count: NonZeroU32) -> Result<(), Duration> {
        self.remove_inactive();
        let count = count.min(self.rate.burst);
        let taken = self.limiter.check_key_n(&group, count);
        match taken {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Err(_) => Err(self.rate.every * self.rate.burst.get()),
        }
    }

    fn remove_inactive(&self) {
        let mut room = lock(&self.room);
        if self.limiter.len() > *room {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            *room = FEW_GROUPS.max(2 * self.limiter.len());
        }
    }
}

/// A counter for each group.
#[derive(Default)]
struct Counts<T>(Mutex<HashMap<IpAddr, T>>);

impl<T: Copy + Default + PartialEq> Counts<T> {
    fn change(&self, group: IpAddr, change: impl FnOnce(T) -> T) -> T {
        let mut counts = lock(&self.0);
        let count = change(counts.get(&group).copied().unwrap_or_default());
        if count == T::default() {
            counts.remove(&group);
        } else {
            counts.insert(group, count);
        }
        count
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Registrations per minute.
    Registrations,
    /// Requests per second.
    Requests,
    /// Bytes per second.
    Bytes,
    /// Concurrent connections and requests.
    Connections,
}

impl Limit {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registrations => "registrations",
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Connections => "connections",
        }
    }
}

/// The refusal of a request that exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The limit.
    pub limit: Limit,
    /// How long to wait before retrying.
    pub wait: Duration,
}

/// The limits, and the usage of each group.
pub struct AddressLimits {
    registrations: Option<Rates>,
    requests: Option<Rates>,
    /// Not a rate of the `governor` crate, which does not support overdrawing.
    byte_rate: Option<Rate>,
    bytes: Mutex<TakenBytes>,
    clock: Uptime,
    most_connections: u32,
    connections: Counts<u32>,
    in_flight: Counts<u32>,
}

impl AddressLimits {
    /// Creates limits with nothing used.
    #[must_use]
    pub fn new(quotas: &Quotas) -> Self {
        Self::with_clock(quotas, &Uptime::default())
    }

    /// Like [`new`](Self::new), with another clock.
    #[must_use]
    pub fn with_clock(quotas: &Quotas, clock: &Uptime) -> Self {
        Self {
            registrations: Rates::new(quotas.registration_rate(), clock),
            requests: Rates::new(quotas.request_rate(), clock),
            byte_rate: quotas.byte_rate(),
            bytes: Mutex::new(TakenBytes {
                by_group: HashMap::new(),
                room: FEW_GROUPS,
            }),
            clock: clock.clone(),
            most_connections: match quotas.connections {
                0 => u32::MAX,
                most => most,
            },
            connections: Counts::default(),
            in_flight: Counts::default(),
        }
    }

    /// Counts a connection until the returned value is dropped; `None` if there are too many.
    pub fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let group = quotas::group(address);
        let connected = Connected {
            limits: Arc::clone(self),
            group,
        };
        let count = self.connections.change(group, |count| count + 1);
        (count <= self.most_connections).then_some(connected)
    }

    /// Counts a request until all clones of the returned value are dropped.
    fn begin(self: &Arc<Self>, group: IpAddr) -> Result<Arc<InFlight>, Refusal> {
        let in_flight = Arc::new(InFlight {
            limits: Arc::clone(self),
            group,
            bytes: AtomicU64::new(0),
        });
        let count = self.in_flight.change(group, |count| count + 1);
        if count > self.most_connections {
            return Err(Refusal {
                limit: Limit::Connections,
                wait: AGAIN,
            });
        }
        Ok(in_flight)
    }

    /// Counts a request against the rates, also as a registration if it is one.
    fn ask(&self, group: IpAddr, registers: bool) -> Result<(), Refusal> {
        let refusal = |limit| move |wait| Refusal { limit, wait };
        let overdrawn = self.overdrawn(group).map_or(Ok(()), Err);
        overdrawn.map_err(refusal(Limit::Bytes))?;
        take_one(self.requests.as_ref(), group).map_err(refusal(Limit::Requests))?;
        if registers {
            let registrations = self.registrations.as_ref();
            take_one(registrations, group).map_err(refusal(Limit::Registrations))?;
        }
        Ok(())
    }

    /// Counts a request that costs as much as `count` others, and has been counted as one.
    ///
    /// # Errors
    /// Returns the refusal if that exceeds the limit on requests.
    pub fn ask_for_costly(&self, group: Group, count: NonZeroU32) -> Result<(), Refusal> {
        let (Some(rates), Some(more)) = (&self.requests, NonZeroU32::new(count.get() - 1)) else {
            return Ok(());
        };
        rates.take(group.0, more).map_err(|wait| Refusal {
            limit: Limit::Requests,
            wait,
        })
    }

    /// Counts bytes that were transferred.
    fn charge(&self, group: IpAddr, bytes: u64) {
        if let Some(rate) = &self.byte_rate
            && bytes > 0
        {
            let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
            let now = self.clock.now();
            let mut taken = lock(&self.bytes);
            taken
                .by_group
                .entry(group)
                .or_default()
                .add(now, rate, units);
            taken.remove_inactive(now);
        }
    }

    /// If the group has transferred more than its rate allows: how long until that is made up for.
    fn overdrawn(&self, group: IpAddr) -> Option<Duration> {
        let rate = self.byte_rate.as_ref()?;
        let taken = lock(&self.bytes).by_group.get(&group).copied()?;
        taken.wait(self.clock.now(), rate)
    }
}

/// The bytes that groups have transferred.
struct TakenBytes {
    by_group: HashMap<IpAddr, Taken>,
    /// The number of groups at which inactive ones are removed.
    room: usize,
}

impl TakenBytes {
    fn remove_inactive(&mut self, now: Duration) {
        if self.by_group.len() > self.room {
            self.by_group.retain(|_, taken| !taken.is_over(now));
            self.by_group.shrink_to_fit();
            self.room = FEW_GROUPS.max(2 * self.by_group.len());
        }
    }
}

fn take_one(rates: Option<&Rates>, group: IpAddr) -> Result<(), Duration> {
    rates.map_or(Ok(()), |rates| rates.take(group, NonZeroU32::MIN))
}

/// A connection counted for its group.
pub struct Connected {
    limits: Arc<AddressLimits>,
    group: IpAddr,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let connections = &self.limits.connections;
        connections.change(self.group, |count| count.saturating_sub(1));
    }
}

/// A request in flight, counted for its group.
struct InFlight {
    limits: Arc<AddressLimits>,
    group: IpAddr,
    /// Bytes that are not counted yet.
    bytes: AtomicU64,
}

impl InFlight {
    fn moved(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= PORTION {
            let whole = self.bytes.swap(0, Ordering::Relaxed);
            self.limits.charge(self.group, whole);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.limits.charge(self.group, bytes);
        let in_flight = &self.limits.in_flight;
        in_flight.change(self.group, |count| count.saturating_sub(1));
    }
}

/// A body whose bytes are counted as they pass.
struct CountedBody {
    body: Body,
    request: Arc<InFlight>,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.request.moved(data.len());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The group that a request counts for; `None` if it is exempt.
fn limited(settings: &Settings, request: &Request) -> Option<IpAddr> {
    let ClientAddress(address) = request.extensions().get()?;
    let address = (*address)?;
    let is_local = address.is_loopback() && !is_proxied(request.headers());
    let is_free = is_local || admin::is_admin(settings, request.headers());
    (!is_free).then(|| quotas::group(address))
}

fn is_proxied(headers: &HeaderMap) -> bool {
    admin::PROXIED
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Request extension: the group that the request counts for, if it is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(pub IpAddr);

/// Request extension: the refusal that [`refuse`] must answer with.
#[derive(Debug, Clone, Copy)]
struct Refused(Refusal);

/// The state of the middleware [`limit`].
#[derive(Clone)]
pub struct LimitState {
    /// The trusted proxies and the admin token.
    pub settings: Arc<Settings>,
    /// The limits.
    pub limits: Arc<AddressLimits>,
    /// Counts the refusals.
    pub metrics: Arc<Metrics>,
    /// How long a refused request is held before it is answered.
    pub pause: Duration,
}

/// Middleware that enforces the limits of each group.
///
/// The refusal itself is sent further in, by [`refuse`], because it needs the CORS headers without
/// which a browser hides the response from a page of another origin.
pub async fn limit(State(by): State<LimitState>, mut request: Request, next: Next) -> Response {
    let Some(group) = limited(&by.settings, &request) else {
        return next.run(request).await;
    };
    request.extensions_mut().insert(Group(group));
    let registers = request.uri().path() == "/api/new";
    let refusal = match by.limits.begin(group) {
        Ok(in_flight) => match by.limits.ask(group, registers) {
            Ok(()) => {
                let counted = |body| {
                    let request = Arc::clone(&in_flight);
                    Body::new(CountedBody { body, request })
                };
                return next.run(request.map(counted)).await.map(counted);
            }
            Err(refusal) => {
                tokio::time::sleep(by.pause).await;
                refusal
            }
        },
        Err(refusal) => refusal,
    };
    by.metrics.limited(refusal.limit.name());
    tracing::debug!(%group, limit = refusal.limit.name(), "asked to wait");
    request.extensions_mut().insert(Refused(refusal));
    next.run(request).await
}

/// Middleware that answers the requests that [`limit`] refused.
pub async fn refuse(request: Request, next: Next) -> Response {
    match request.extensions().get() {
        None => next.run(request).await,
        Some(Refused(refusal)) => {
            ApiError::Wait(quotas::retry_after_s(refusal.wait)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: Quotas = Quotas {
        registrations: 6,
        requests: 10,
        bytes: 10 * UNIT,
        connections: 3,
    };

    /// A clock that only advances when a test does so.
    #[derive(Clone, Default)]
    struct Faked(Arc<Mutex<Duration>>);

    impl Faked {
        fn advance(&self, by: Duration) {
            *lock(&self.0) += by;
        }
    }

    fn limits() -> (Arc<AddressLimits>, Faked) {
        let clock = Faked::default();
        let shown = clock.clone();
        let uptime = Uptime::new(move || *lock(&shown.0));
        let limits = AddressLimits::with_clock(&QUOTAS, &uptime);
        (Arc::new(limits), clock)
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// How many of `count` requests are allowed.
    fn let_through(limits: &AddressLimits, group: IpAddr, count: u32, registers: bool) -> u32 {
        let asked = (0..count).filter(|_| limits.ask(group, registers).is_ok());
        u32::try_from(asked.count()).expect("few")
    }

    #[test]
    fn each_address_has_its_own_rate_and_what_it_did_not_use_adds_up_for_a_while() {
        let (limits, clock) = limits();
        assert_eq!(let_through(&limits, address(1), 1_000, false), 100);
        let refusal = limits.ask(address(1), false).expect_err("used up");
        assert_eq!(refusal.limit, Limit::Requests);
        assert!(refusal.wait <= Duration::from_millis(100));
        assert_eq!(let_through(&limits, address(2), 50, false), 50);
        clock.advance(refusal.wait);
        assert_eq!(let_through(&limits, address(1), 10, false), 1);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(let_through(&limits, address(1), 1_000, false), 100);
    }

    #[test]
    fn a_costly_request_counts_as_several() {
        let (limits, _) = limits();
        let ask = || {
            limits.ask(address(1), false)?;
            limits.ask_for_costly(Group(address(1)), NonZeroU32::new(8).expect("some"))
        };
        let asked = (0..100).take_while(|_| ask().is_ok());
        assert_eq!(asked.count(), 100 / 8);
    }

    #[test]
    fn registrations_have_a_rate_of_their_own() {
        let (limits, clock) = limits();
        assert_eq!(let_through(&limits, address(1), 80, true), 60);
        assert_eq!(let_through(&limits, address(1), 1, false), 1);
        clock.advance(Duration::from_secs(10));
        assert_eq!(let_through(&limits, address(1), 80, true), 1);
        let refusal = limits.ask(address(1), true).expect_err("used up");
        assert_eq!(refusal.limit, Limit::Registrations);
        assert!(refusal.wait <= Duration::from_secs(10));
    }

    #[test]
    fn what_was_sent_beyond_the_rate_is_waited_for() {
        let (limits, clock) = limits();
        let request = limits.begin(address(1)).expect("room");
        // One minute's worth of bytes at the rate, of which ten seconds' worth may come at once.
        for _ in 0..600 {
            request.moved(UNIT as usize);
        }
        drop(request);
        let refusal = limits.ask(address(1), false).expect_err("owes bytes");
        assert_eq!(refusal.limit, Limit::Bytes);
        let seconds = refusal.wait.as_secs_f64();
        assert!((49.0..=50.0).contains(&seconds), "{seconds}");
        assert!(limits.ask(address(2), false).is_ok());
        clock.advance(Duration::from_secs(45));
        assert!(limits.ask(address(1), false).is_err());
        clock.advance(Duration::from_secs(5));
        assert_eq!(limits.ask(address(1), false), Ok(()));
    }

    #[test]
    fn requests_at_once_and_connections_go_back_when_they_end() {
        let (limits, _) = limits();
        let mut requests: Vec<_> = (0..3).map(|_| limits.begin(address(1))).collect();
        assert!(requests.iter().all(Result::is_ok));
        let refusal = limits.begin(address(1)).err().expect("too many");
        assert_eq!(refusal.limit, Limit::Connections);
        requests.pop();
        assert!(limits.begin(address(1)).is_ok());
        let network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let connections: Vec<_> = (0..3).map(|at| limits.connect(network(at))).collect();
        assert!(connections.iter().all(Option::is_some));
        assert!(limits.connect(network(9)).is_none(), "the same network");
        drop((requests, connections));
        assert!(lock(&limits.connections.0).is_empty());
        assert!(lock(&limits.in_flight.0).is_empty());
    }

    #[test]
    fn many_addresses_leave_nothing_behind() {
        let (limits, clock) = limits();
        let requests = limits.requests.as_ref().expect("limited");
        for address in 0..100_000_u32 {
            let group = IpAddr::from(address.to_be_bytes());
            assert_eq!(limits.ask(group, true), Ok(()));
            limits.charge(group, 1);
            clock.advance(Duration::from_millis(50));
        }
        assert!(requests.limiter.len() <= 2 * FEW_GROUPS);
        assert!(lock(&limits.bytes).by_group.len() <= 2 * FEW_GROUPS);
        let registrations = limits.registrations.as_ref().expect("limited");
        assert!(registrations.limiter.len() <= 2 * FEW_GROUPS);
    }
}
