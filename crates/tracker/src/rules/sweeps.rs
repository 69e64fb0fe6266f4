//! How often a tracker looks for silent workers and expired leases. After the tracker was down,
//! workers first get the time to make a call again.

use std::time::Duration;

use super::wait::wait_s;

/// How often per lease duration expired leases are looked for, and the bounds of the interval.
const LEASE_PARTS: u64 = 10;
const LEASE_SWEEP_S: (u64, u64) = (1, 30);

/// The schedule of a sweep, from the start of the tracker on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// When it first runs.
    pub first: Duration,
    /// The interval.
    pub every: Duration,
}

/// The schedule for silent workers, with an interval in seconds.
#[must_use]
pub fn for_workers(interval_s: u64) -> Schedule {
    let every = Duration::from_secs(interval_s);
    Schedule {
        first: every,
        every,
    }
}

/// The schedule for leases of this many seconds that no sync renews.
#[must_use]
pub fn for_leases(lease_s: u32) -> Schedule {
    let lease_s = u64::from(lease_s);
    let (shortest, longest) = LEASE_SWEEP_S;
    Schedule {
        first: Duration::from_secs(lease_s),
        every: Duration::from_secs((lease_s / LEASE_PARTS).clamp(shortest, longest)),
    }
}

/// How often results are made again of volunteers that were found wrong.
const TRUST_SWEEP: Duration = Duration::from_secs(5);

/// The schedule for what follows from opinions, and from the configuration of trust.
#[must_use]
pub fn for_trust() -> Schedule {
    Schedule {
        first: TRUST_SWEEP,
        every: TRUST_SWEEP,
    }
}

/// How often files are deleted that nothing names.
const FILES_SWEEP: Duration = Duration::from_secs(3_600);

/// The schedule for files. The first sweep comes as soon as that for silent workers, so that a tracker that is
/// restarted every hour deletes files too.
#[must_use]
pub fn for_files(interval_s: u64) -> Schedule {
    Schedule {
        first: Duration::from_secs(interval_s).min(FILES_SWEEP),
        every: FILES_SWEEP,
    }
}

/// After how many seconds a worker that uses sync is removed: two leases, in which it would have
/// synced several times to renew what it holds. If there are many workers, those that wait for jobs
/// are told to wait longer, and may take up to twice the time that they are told.
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
    fn a_worker_that_waits_as_long_as_it_was_asked_to_is_not_removed() {
        assert_eq!(missed_s(300, 10), 600);
        assert_eq!(missed_s(1, 10), 20);
        for workers in [0, 1_000, 1_000_000, u64::MAX] {
            for lease_s in [1, 60, 300, 86_400] {
                let wait = wait_s(true, 0, i64::try_from(workers).unwrap_or(i64::MAX), lease_s);
                assert!(missed_s(lease_s, workers) >= 4 * u64::from(wait));
                assert!(missed_s(lease_s, workers) >= 2 * u64::from(lease_s));
            }
        }
    }

    #[test]
    fn a_tracker_that_is_restarted_every_hour_deletes_files() {
        for (interval_s, first_s) in [(1, 1), (300, 300), (86_400, 3_600)] {
            let looks = for_files(interval_s);
            assert_eq!(looks.first, Duration::from_secs(first_s));
            assert_eq!(looks.every, Duration::from_secs(3_600));
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
