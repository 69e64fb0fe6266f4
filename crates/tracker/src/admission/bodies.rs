//! The memory budget for the bodies of requests and responses. It bounds their total size, so that
//! no number of callers can exhaust the tracker's memory, neither by sending requests slowly nor by
//! not reading responses. No address group may use more than half of it. A caller for whom there is
//! no room is asked to retry.

use std::{
    collections::HashMap,
    error::Error,
    net::IpAddr,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

use axum::{
    RequestExt as _,
    body::{Body, Bytes, HttpBody as _},
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use distcompute_protocol::ErrorCode;
use futures_util::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    admission::{
        address_limits::Group,
        turns::{Turn, Turns},
    },
    error::{ApiError, fault},
    store::StoreError,
};

/// The unit of the budget, in bytes.
const UNIT: usize = 1024;

/// Bodies up to this size have a budget of their own, so that large ones that are transferred
/// slowly do not hold up the calls that every volunteer makes.
const SMALL: usize = 64 * 1024;

/// The budget for the first [`SMALL`] bytes of every body, in bytes.
const SMALL_BUDGET: usize = 32 << 20;

/// The budget for larger bodies, as a number of bodies of the maximum size.
const LARGE_BODIES: usize = 4;

/// Responses up to this size are not counted, because a connection has one at a time.
const TINY: u64 = 4_096;

/// How much of a body is received before other tasks get their turn. What has arrived is available
/// at once, and a hundred connections that each receive megabytes of it in a row would hold up all
/// others for as long.
const AT_A_TIME: usize = 256 * UNIT;

/// How long a request waits for its share of the budget.
const PATIENCE: Duration = Duration::from_secs(5);

/// The minimum that must arrive of a body in this time, unless it ends: one kilobyte per second, a
/// thirtieth of what the slowest supported connections carry.
const WINDOW: Duration = Duration::from_secs(20);
const LEAST: usize = 20 * UNIT;

/// The memory budgets for small and for large bodies.
#[derive(Debug)]
pub struct Bodies {
    small: Budget,
    large: Budget,
    turns: Turns,
    threads: Arc<Semaphore>,
}

/// The budget for bodies of one size class.
#[derive(Debug, Clone)]
struct Budget {
    room: Arc<Semaphore>,
    /// What each address group holds, in units.
    by_group: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// The maximum that one address group may hold.
    most: usize,
}

impl Budget {
    fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(units)),
            by_group: Arc::default(),
            most: units / 2,
        }
    }

    fn change(&self, group: IpAddr, change: impl FnOnce(usize) -> Option<usize>) -> bool {
        let mut groups = self.by_group.lock().unwrap_or_else(PoisonError::into_inner);
        let units = change(groups.get(&group).copied().unwrap_or_default());
        match units {
            Some(0) => drop(groups.remove(&group)),
            Some(units) => drop(groups.insert(group, units)),
            None => {}
        }
        units.is_some()
    }
}

/// What a body holds of one budget.
#[derive(Debug)]
struct Allocation {
    budget: Budget,
    group: Option<IpAddr>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Allocation {
    fn new(budget: &Budget, group: Option<IpAddr>) -> Self {
        Self {
            budget: budget.clone(),
            group,
            permit: None,
        }
    }

    fn units(&self) -> usize {
        let permit = self.permit.as_ref();
        permit.map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Grows to hold `bytes`, waiting no longer than `patience`.
    async fn grow(&mut self, bytes: usize, patience: Duration) -> Result<(), ApiError> {
        let lacks = bytes.div_ceil(UNIT).saturating_sub(self.units());
        if lacks == 0 {
            return Ok(());
        }
        let most = self.budget.most;
        let take = |held: usize| Some(held + lacks).filter(|held| *held <= most);
        if self
            .group
            .is_some_and(|group| !self.budget.change(group, take))
        {
            return Err(StoreError::Busy.into());
        }
        let count = u32::try_from(lacks).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.budget.room);
        // Released on drop, in case this future is cancelled while it waits.
        let mut counted = PendingUnits {
            budget: &self.budget,
            group: self.group,
            units: lacks,
        };
        let more = timeout(patience, room.acquire_many_owned(count)).await;
        let Ok(Ok(more)) = more else {
            return Err(StoreError::Busy.into());
        };
        counted.units = 0;
        drop(counted);
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    /// Releases what is not needed for `bytes`.
    fn shrink(&mut self, bytes: usize) {
        let spare = self.units().saturating_sub(bytes.div_ceil(UNIT));
        if let Some(permit) = &mut self.permit {
            drop(permit.split(spare));
        }
        give_back(&self.budget, self.group, spare);
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        give_back(&self.budget, self.group, self.units());
    }
}

fn give_back(budget: &Budget, group: Option<IpAddr>, units: usize) {
    if let (Some(group), 1..) = (group, units) {
        budget.change(group, |held| Some(held.saturating_sub(units)));
    }
}

/// Units that are counted for a group but not acquired yet.
struct PendingUnits<'a> {
    budget: &'a Budget,
    group: Option<IpAddr>,
    units: usize,
}

impl Drop for PendingUnits<'_> {
    fn drop(&mut self) {
        give_back(self.budget, self.group, self.units);
    }
}

/// A share of the budget, which is released on drop.
#[derive(Debug)]
pub struct Share {
    small: Allocation,
    large: Allocation,
}

impl Share {
    /// Grows the share to hold `bytes`.
    async fn grow(&mut self, bytes: usize, patience: Duration) -> Result<(), ApiError> {
        self.small.grow(bytes.min(SMALL), PATIENCE).await?;
        let large = bytes.saturating_sub(SMALL);
        self.large.grow(large, patience).await
    }

    /// Attaches the share to the bytes: it is released when the bytes are dropped.
    #[must_use]
    pub fn with(mut self, bytes: Bytes) -> Bytes {
        self.small.shrink(bytes.len().min(SMALL));
        self.large.shrink(bytes.len().saturating_sub(SMALL));
        Bytes::from_owner(Owned {
            bytes,
            _share: self,
        })
    }
}

struct Owned {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Response extension: the body is cached for many requests, or has been counted already.
#[derive(Debug, Clone, Copy)]
pub struct AlreadyCounted;

impl Bodies {
    /// Creates a budget for a tracker that accepts bodies of up to `largest` bytes.
    #[must_use]
    pub fn new(largest: u64) -> Self {
        let largest = usize::try_from(largest).unwrap_or(usize::MAX);
        let large = LARGE_BODIES.saturating_mul(largest).max(SMALL_BUDGET);
        Self {
            small: Budget::new(SMALL_BUDGET),
            large: Budget::new(large),
            turns: Turns::default(),
            threads: Arc::new(Semaphore::new(threads())),
        }
    }

    fn share(&self, group: Option<Group>) -> Share {
        let group = group.map(|Group(group)| group);
        Share {
            small: Allocation::new(&self.small, group),
            large: Allocation::new(&self.large, group),
        }
    }

    /// Reserves a share, waiting for room.
    ///
    /// # Errors
    /// Returns an error if there is no room in time.
    pub async fn reserve(&self, group: Option<Group>, bytes: usize) -> Result<Share, ApiError> {
        let mut share = self.share(group);
        share.grow(bytes, PATIENCE).await?;
        Ok(share)
    }

    /// Runs work on a body of this size, or on what becomes one. For a large body it runs on a
    /// blocking thread so that other connections are not delayed, and on at most half of the
    /// processors at a time.
    ///
    /// # Errors
    /// Returns an error if the work fails.
    pub async fn work<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if bytes <= SMALL {
            return work();
        }
        // The semaphore is never closed.
        let thread = Arc::clone(&self.threads).acquire_owned().await.ok();
        let done = task::spawn_blocking(move || {
            let done = work();
            drop(thread);
            done
        });
        done.await
            .unwrap_or_else(|error| Err(StoreError::Failed(error.to_string()).into()))
    }

    /// Reserves a share for data that is in memory already, without waiting.
    ///
    /// # Errors
    /// Returns an error if there is no room.
    pub async fn reserve_now(&self, group: Option<Group>, bytes: usize) -> Result<Share, ApiError> {
        let mut share = self.share(group);
        share.grow(bytes, Duration::ZERO).await?;
        Ok(share)
    }

    /// Reads the whole body of a request, and waits for its turn to be handled.
    ///
    /// # Errors
    /// Returns an error if the body is larger than the call accepts, arrives too slowly, ends
    /// early, or there is no room for it.
    pub(crate) async fn collect(
        &self,
        request: Request,
    ) -> Result<(Bytes, Share, Option<Turn>), ApiError> {
        let group = request.extensions().get().copied();
        let mut share = self.share(group);
        let declared = declared(&request);
        let mut yielded = 0;
        let mut chunks = request.with_limited_body().into_body().into_data_stream();
        let mut body = Vec::<u8>::new();
        let (mut ends, mut before) = (Instant::now() + WINDOW, 0);
        loop {
            let Ok(chunk) = timeout_at(ends, chunks.next()).await else {
                if body.len() < before + LEAST {
                    return Err(too_slow());
                }
                (ends, before) = (ends + WINDOW, body.len());
                continue;
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|error| unread(&error))?;
            share.grow(body.len() + chunk.len(), PATIENCE).await?;
            if body.capacity() - body.len() < chunk.len() {
                let more = growth(body.len(), declared);
                body.reserve_exact(chunk.len().max(more));
            }
            body.extend_from_slice(&chunk);
            if body.len() - yielded >= AT_A_TIME {
                yielded = body.len();
                task::yield_now().await;
            }
        }
        let turn = self.turns.next(group, body.len()).await;
        Ok((body.into(), share, turn))
    }
}

/// Middleware that counts the bodies of responses until they have been sent.
pub async fn hold_answers(
    State(bodies): State<Arc<Bodies>>,
    request: Request,
    next: Next,
) -> Response {
    let group = request.extensions().get().copied();
    let answer = next.run(request).await;
    let size = answer.body().size_hint().exact();
    // A streamed body is counted in pieces by the handler that produces it.
    let Some(size) = size.filter(|size| *size > TINY) else {
        return answer;
    };
    if answer.extensions().get::<AlreadyCounted>().is_some() {
        return answer;
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let share = match bodies.reserve_now(group, size).await {
        Ok(share) => share,
        Err(error) => return error.into_response(),
    };
    let (parts, body) = answer.into_parts();
    match axum::body::to_bytes(body, size).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(share.with(bytes))),
        Err(error) => ApiError::from(StoreError::Failed(error.to_string())).into_response(),
    }
}

/// The size of a request's body according to its head.
fn declared(request: &Request) -> Option<usize> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// By how much to enlarge a buffer that `held` bytes fill. A body of declared size doubles it, as far
/// as its end: what is not written takes no memory. For others it grows by an eighth.
fn growth(held: usize, declared: Option<usize>) -> usize {
    match declared {
        Some(all) => held.max(SMALL).min(all.saturating_sub(held)),
        None => held / 8,
    }
}

/// How many threads may work on large bodies at the same time.
fn threads() -> usize {
    let processors = available_parallelism().map_or(1, NonZero::get);
    (processors / 2).max(1)
}

fn too_slow() -> ApiError {
    let sentence = "The body came too slowly; the tracker did not wait for its end.".to_owned();
    ApiError::Explained(ErrorCode::TooSlow, sentence)
}

fn unread(error: &axum::Error) -> ApiError {
    if caused_by::<http_body_util::LengthLimitError>(error) {
        let sentence = "The body is larger than this call takes.".to_owned();
        return ApiError::Explained(ErrorCode::TooLarge, sentence);
    }
    if timed_out(error) {
        return too_slow();
    }
    let message = format!("The body could not be read: {error}");
    ApiError::Faults(vec![fault("body_unreadable", &["body"], &message, None)])
}

/// Whether the error, or one of its sources, is a timeout of reading.
pub(crate) fn timed_out(error: &(dyn Error + 'static)) -> bool {
    caused_by::<tower_http::timeout::TimeoutError>(error)
}

fn caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures_util::FutureExt as _;

    use super::*;

    const MB: usize = 1 << 20;

    fn group(last: u8) -> Option<Group> {
        Some(Group([192, 0, 2, last].into()))
    }

    fn free(bodies: &Bodies) -> [usize; 2] {
        [&bodies.small, &bodies.large].map(|budget| budget.room.available_permits())
    }

    fn is_busy<T>(outcome: &Result<T, ApiError>) -> bool {
        matches!(outcome, Err(ApiError::Store(StoreError::Busy)))
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_in_the_budget_large_bodies_are_refused_and_small_ones_are_served() {
        let bodies = Bodies::new(10 << 20);
        let mut shares = Vec::new();
        for _ in 0..LARGE_BODIES {
            shares.push(bodies.reserve(None, 10 * MB).await.expect("room"));
        }
        let late = bodies.reserve(None, 10 * MB).await;
        assert!(is_busy(&late));
        bodies.reserve(None, SMALL).await.expect("its own room");
        shares.pop();
        bodies.reserve(None, 10 * MB).await.expect("room again");
    }

    #[tokio::test(start_paused = true)]
    async fn no_address_has_more_than_half() {
        let bodies = Bodies::new(16 << 20);
        let first = bodies.reserve(group(1), 16 * MB).await.expect("a quarter");
        let second = bodies.reserve(group(1), 16 * MB).await.expect("half");
        assert!(is_busy(&bodies.reserve(group(1), MB).await));
        let other = bodies.reserve(group(2), 16 * MB).await.expect("others");
        drop(second);
        let again = bodies.reserve(group(1), 16 * MB).await.expect("again");
        drop((first, other, again));
        for budget in [&bodies.small, &bodies.large] {
            assert!(budget.by_group.lock().expect("whole").is_empty());
        }
        // A reservation that timed out is not counted.
        let all = bodies.reserve(None, 64 * MB).await.expect("all");
        assert!(is_busy(&bodies.reserve(group(1), MB).await));
        drop(all);
        assert!(bodies.large.by_group.lock().expect("whole").is_empty());
    }

    #[tokio::test]
    async fn a_share_is_as_large_as_its_body_and_goes_back_with_the_last_of_its_bytes() {
        let bodies = Bodies::new(1 << 20);
        let before = free(&bodies);
        let held = || {
            let free = free(&bodies);
            (before[0] - free[0] + before[1] - free[1]) * UNIT
        };
        let mut share = bodies.share(group(1));
        for bytes in [1, 1_000, 5_000, SMALL, SMALL + 1, SMALL + 10_000] {
            share.grow(bytes, PATIENCE).await.expect("room");
            assert!((bytes..bytes + 2 * UNIT).contains(&held()), "{bytes}");
        }
        let bytes = share.with(Bytes::from(vec![0; 2_000]));
        assert_eq!(held(), 2 * UNIT);
        let last = bytes.slice(..10);
        drop(bytes);
        assert_eq!(held(), 2 * UNIT);
        drop(last);
        assert_eq!(held(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn large_bodies_leave_processors_to_everybody_else() {
        let bodies = Arc::new(Bodies::new(16 << 20));
        // How many run now, and the maximum that ran at the same time.
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let works = (0..20).map(|_| {
            let (bodies, now, most) = (bodies.clone(), now.clone(), most.clone());
            let work = move || {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::sleep(Duration::from_millis(2));
                Ok(now.fetch_sub(1, SeqCst))
            };
            tokio::spawn(async move { bodies.work(SMALL + 1, work).await })
        });
        for work in futures_util::future::join_all(works).await {
            work.expect("no panic").expect("done");
        }
        assert!((1..=threads()).contains(&most.load(SeqCst)));
        // A small body does not wait for any of them.
        let all = u32::try_from(threads()).expect("a few");
        let _held = bodies.threads.acquire_many(all).await.expect("open");
        assert_eq!(
            bodies.work(SMALL, || Ok(1)).now_or_never().map(Result::ok),
            Some(Some(1))
        );
        assert!(bodies.work(SMALL + 1, || Ok(1)).now_or_never().is_none());
    }

    /// The outcome of a body of which `bytes` arrive `every` so often, `times` times.
    async fn trickled(bytes: usize, every: Duration, times: usize) -> Result<usize, ApiError> {
        let chunks = futures_util::stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(every).await;
            Ok::<_, std::io::Error>(vec![b'x'; bytes])
        });
        let request = Request::new(Body::from_stream(chunks));
        let bodies = Bodies::new(16 << 20);
        bodies.collect(request).await.map(|(body, ..)| body.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_not_waited_for_and_a_slow_line_is() {
        let second = Duration::from_secs(1);
        for (bytes, every) in [(1, 19 * second), (1, second), (900, second)] {
            let outcome = trickled(bytes, every, 100).await;
            let code = match outcome {
                Err(ApiError::Explained(code, _)) => Some(code),
                _ => None,
            };
            assert_eq!(code, Some(ErrorCode::TooSlow), "{bytes} bytes");
        }
        // A third of a connection of 0.25 Mbit/s, and a connection with pauses.
        assert_eq!(trickled(10_000, second, 90).await.ok(), Some(900_000));
        assert_eq!(trickled(90_000, 9 * second, 10).await.ok(), Some(900_000));
        // A body that ends in time may be arbitrarily small.
        assert_eq!(trickled(1, 4 * second, 4).await.ok(), Some(4));
        // A fast beginning does not extend the time for the rest.
        let fast = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![0; MB])]);
        let never = fast.chain(futures_util::stream::pending());
        let request = Request::new(Body::from_stream(never));
        let began = Instant::now();
        let outcome = Bodies::new(16 << 20).collect(request).await;
        assert!(outcome.is_err() && began.elapsed() <= 2 * WINDOW);
    }
}
