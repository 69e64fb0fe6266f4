//! The memory for the bodies of requests. All bodies together have a budget, so that no number of
//! callers can make the tracker run out of memory; who finds it used up waits, and is then told to
//! come back.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{RequestExt as _, body::Bytes, extract::Request};
use distcompute_protocol::ErrorCode;
use futures_util::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    error::{ApiError, fault},
    store::StoreError,
};

/// What the budget is counted in, in bytes.
const UNIT: usize = 1024;

/// Bodies up to this many bytes have a budget of their own: large ones that come slowly must not
/// hold up the calls that every volunteer makes.
const SMALL: usize = 64 * 1024;

/// The budget for the first [`SMALL`] bytes of every body.
const SMALL_BUDGET: usize = 32 << 20;

/// The budget for what is larger, in bodies of the largest size that is taken.
const LARGE_BODIES: usize = 4;

/// How long a body waits for its share.
const PATIENCE: Duration = Duration::from_secs(5);

/// The budget.
#[derive(Debug)]
pub struct Bodies {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A part of the budget, which goes back when it is dropped.
#[derive(Debug, Default)]
pub struct Share {
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// A budget for a tracker that takes bodies of up to `largest` bytes.
    #[must_use]
    pub fn new(largest: u64) -> Self {
        let largest = usize::try_from(largest).unwrap_or(usize::MAX);
        let large = LARGE_BODIES.saturating_mul(largest).max(SMALL_BUDGET) / UNIT;
        Self {
            small: Arc::new(Semaphore::new(SMALL_BUDGET / UNIT)),
            large: Arc::new(Semaphore::new(large.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Reads the whole body of a request.
    ///
    /// # Errors
    /// The body is larger than the call takes, came too slowly, broke off, or found no room.
    pub(crate) async fn collect(&self, request: Request) -> Result<(Bytes, Share), ApiError> {
        let mut chunks = request.with_limited_body().into_body().into_data_stream();
        let mut share = Share::default();
        let mut body = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| unread(&error))?;
            self.grow(&mut share, body.len() + chunk.len()).await?;
            body.extend_from_slice(&chunk);
        }
        Ok((body.into(), share))
    }

    /// Makes a share large enough for so many bytes.
    async fn grow(&self, share: &mut Share, bytes: usize) -> Result<(), ApiError> {
        grow(&self.small, &mut share.small, bytes.min(SMALL)).await?;
        grow(&self.large, &mut share.large, bytes.saturating_sub(SMALL)).await
    }
}

async fn grow(
    room: &Arc<Semaphore>,
    share: &mut Option<OwnedSemaphorePermit>,
    bytes: usize,
) -> Result<(), ApiError> {
    let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let lacks = bytes.div_ceil(UNIT).saturating_sub(held);
    if lacks == 0 {
        return Ok(());
    }
    let lacks = u32::try_from(lacks).unwrap_or(u32::MAX);
    let more = timeout(PATIENCE, Arc::clone(room).acquire_many_owned(lacks)).await;
    let Ok(Ok(more)) = more else {
        return Err(StoreError::Busy.into());
    };
    match share {
        Some(share) => share.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

fn unread(error: &axum::Error) -> ApiError {
    if caused_by::<http_body_util::LengthLimitError>(error) {
        let sentence = "The body is larger than this call takes.".to_owned();
        return ApiError::Said(ErrorCode::TooLarge, sentence);
    }
    if timed_out(error) {
        let sentence = "The body came too slowly; the tracker did not wait for its end.".to_owned();
        return ApiError::Said(ErrorCode::TooSlow, sentence);
    }
    let message = format!("The body could not be read: {error}");
    ApiError::Faults(vec![fault("body_unreadable", &["body"], &message, None)])
}

/// Whether a time limit ended the reading, somewhere below.
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_the_budget_used_up_is_told_to_come_back_and_small_bodies_go_on() {
        let bodies = Bodies::new(10 << 20);
        let mut shares = Vec::new();
        for _ in 0..LARGE_BODIES {
            let mut share = Share::default();
            bodies.grow(&mut share, 10 << 20).await.expect("room");
            shares.push(share);
        }
        let mut late = Share::default();
        let refused = bodies.grow(&mut late, 10 << 20).await;
        assert!(matches!(refused, Err(ApiError::Store(StoreError::Busy))));
        drop(late);
        let mut small = Share::default();
        bodies.grow(&mut small, SMALL).await.expect("its own room");
        shares.pop();
        let mut next = Share::default();
        bodies.grow(&mut next, 10 << 20).await.expect("room again");
    }

    #[tokio::test]
    async fn a_share_is_as_large_as_its_body_and_goes_back() {
        let bodies = Bodies::new(1 << 20);
        let before = (
            bodies.small.available_permits(),
            bodies.large.available_permits(),
        );
        let mut share = Share::default();
        for bytes in [1, 1_000, 5_000, SMALL, SMALL + 1, SMALL + 10_000] {
            bodies.grow(&mut share, bytes).await.expect("room");
            let held = before.0 - bodies.small.available_permits() + before.1
                - bodies.large.available_permits();
            assert!(
                (bytes..bytes + 2 * UNIT).contains(&(held * UNIT)),
                "{bytes}"
            );
        }
        drop(share);
        let after = (
            bodies.small.available_permits(),
            bodies.large.available_permits(),
        );
        assert_eq!(before, after);
    }
}
