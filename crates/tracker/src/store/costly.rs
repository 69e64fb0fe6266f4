//! A count that is made by looking at every row: of no account in most projects, and half a second with a
//! million workers. Anybody may ask for it, so then one that is some seconds old must do.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Of so few rows a count is made for everybody who asks.
const FEW: u64 = 2_000;

/// Any other is good for so many times as long as it took: making it takes a twentieth of the time at most.
const GOOD_FOR: u32 = 20;

/// For how long others take the old one while somebody makes it anew.
const PATIENCE: Duration = Duration::from_secs(10);

/// The count as it was made last.
#[derive(Debug, Default)]
pub(super) struct CostlyCount(Mutex<Option<(u64, Instant)>>);

impl CostlyCount {
    /// The count of so many rows, if that is good at `now`. `None`: whoever asks is to make it, and say so
    /// in [`made`](Self::made).
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

    /// Notes that the count was made at `now`, and how long that took.
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
        // Somebody makes it; the others do not wait for that.
        assert_eq!(known(now + 10 * second), None);
        assert_eq!(known(now + 11 * second), Some(7));
        count.made(8, now + 11 * second, second / 2);
        assert_eq!(known(now + 20 * second), Some(8));
        // Whoever was to make it could not.
        assert_eq!(known(now + 21 * second), None);
        assert_eq!(known(now + 30 * second), Some(8));
        assert_eq!(known(now + 31 * second), None);
    }
}
