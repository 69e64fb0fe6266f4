//! A cache for a count that visits every row. It is cheap in most projects but takes half a second
//! with a million workers. Because anybody can request it, a large count may be some seconds old.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Up to this many rows, the count is not cached.
const FEW: u64 = 2_000;

/// A count is valid for this many times the time it took, so that counting takes at most a
/// twentieth of the time.
const GOOD_FOR: u32 = 20;

/// How long other callers get the expired count while one of them renews it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most recent count, and until when it is valid.
#[derive(Debug, Default)]
pub(super) struct CostlyCount(Mutex<Option<(u64, Instant)>>);

impl CostlyCount {
    /// Returns the cached count if it may be used at `now` with this many rows. On `None`, the
    /// caller must count and call [`made`](Self::made).
    #[must_use]
    pub(super) fn known(&self, rows: u64, now: Instant) -> Option<u64> {
        if rows <= FEW {
            return None;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, until) = last.as_mut()?;
        if *until > now {
            return Some(*count);
        }
        *until = now + PATIENCE;
        None
    }

    /// Caches a count made at `now` that took `took`.
    pub(super) fn made(&self, count: u64, now: Instant, took: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((count, now + took * GOOD_FOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_few_is_always_new() {
        let (count, now) = (CostlyCount::default(), Instant::now());
        assert_eq!(count.known(FEW, now), None);
        count.made(7, now, Duration::from_secs(1));
        assert_eq!(count.known(FEW, now), None);
        assert_eq!(count.known(FEW + 1, now), Some(7));
    }

    #[test]
    fn a_count_of_many_is_made_by_one_and_now_and_then() {
        let (count, now) = (CostlyCount::default(), Instant::now());
        let (second, known) = (Duration::from_secs(1), |at| count.known(1_000_000, at));
        assert_eq!(known(now), None);
        count.made(7, now, second / 2);
        assert_eq!(known(now + 9 * second), Some(7));
        // One caller renews the count; the others do not wait for it.
        assert_eq!(known(now + 10 * second), None);
        assert_eq!(known(now + 11 * second), Some(7));
        count.made(8, now + 11 * second, second / 2);
        assert_eq!(known(now + 20 * second), Some(8));
        // The caller that should have renewed it failed, so another one tries.
        assert_eq!(known(now + 21 * second), None);
        assert_eq!(known(now + 30 * second), Some(8));
        assert_eq!(known(now + 31 * second), None);
    }
}
