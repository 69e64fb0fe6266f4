//! How often a tracker looks for those who are not heard from any more. When it was away, they first
//! get the time to say that they are still there.

use std::time::Duration;

use super::wait::wait_s;

/// How often it is looked for leases that ended, in parts of a lease, and the bounds of that.
const LEASE_PARTS: u64 = 10;
const LEASE_LOOK_S: (u64, u64) = (1, 30);

/// When something is looked at, from the start of the tracker on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// The first time.
    pub first: Duration,
    /// From one time to the next.
    pub every: Duration,
}

/// For workers that fell silent, every so many seconds.
#[must_use]
pub fn for_workers(interval_s: u64) -> Looks {
    let every = Duration::from_secs(interval_s);
    Looks {
        first: every,
        every,
    }
}

/// For leases of so many seconds that no sync holds.
#[must_use]
pub fn for_leases(lease_s: u32) -> Looks {
    let lease_s = u64::from(lease_s);
    let (shortest, longest) = LEASE_LOOK_S;
    Looks {
        first: Duration::from_secs(lease_s),
        every: Duration::from_secs((lease_s / LEASE_PARTS).clamp(shortest, longest)),
    }
}

/// After how many seconds a worker that syncs is missed: two leases, in which it would have synced
/// several times to keep what it holds. One that waits for jobs is asked to wait longer where there are
/// many, for up to twice the time that it is told.
#[must_use]
pub fn missed_s(lease_s: u32, workers: u64) -> u64 {
    let workers = i64::try_from(workers).unwrap_or(i64::MAX);
    let waits = 2 * u64::from(wait_s(true, 0, workers, lease_s));
    2 * u64::from(lease_s).max(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_waits_as_it_was_told_is_not_missed() {
        assert_eq!(missed_s(300, 10), 600);
        assert_eq!(missed_s(1, 10), 20);
        for workers in [0, 1_000, 1_000_000, u64::MAX] {
            for lease_s in [1, 60, 300, 86_400] {
                let told = wait_s(true, 0, i64::try_from(workers).unwrap_or(i64::MAX), lease_s);
                assert!(missed_s(lease_s, workers) >= 4 * u64::from(told));
                assert!(missed_s(lease_s, workers) >= 2 * u64::from(lease_s));
            }
        }
    }

    #[test]
    fn a_tracker_that_was_away_waits_for_a_lease_before_it_ends_any() {
        for lease_s in [1, 60, 300, 86_400] {
            let looks = for_leases(lease_s);
            assert_eq!(looks.first, Duration::from_secs(u64::from(lease_s)));
            assert!((Duration::from_secs(1)..=Duration::from_secs(30)).contains(&looks.every));
        }
    }
}
