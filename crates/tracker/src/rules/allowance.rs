//! How many jobs a registration may hold, and all registrations of one address group together.
//!
//! A registration begins with one job per core and one more. Its allowance then grows with its
//! results, up to what it completes within one lease at its measured speed, because it could not
//! finish more before their leases end. It never shrinks below the initial allowance, since jobs
//! may take hours.

use crate::clock::Millis;

/// The number of cores assumed for a client that does not report it.
const UNSAID_CORES: i64 = 16;

/// The maximum number of cores that is taken from a client's report. Beyond that, speed must be
/// measured.
pub const MOST_CORES: i64 = 128;

/// The maximum number of jobs that a registration may hold, whatever its speed.
pub const MOST_HELD: usize = 2_048;

/// How much each result raises the allowance.
const GROWTH: i64 = 8;

/// The minimum time from which a speed is derived.
const LEAST_TIME: Millis = 1_000;

/// How many jobs all registrations of one address group may hold together, beyond what they have
/// earned with results: enough for a hundred machines of sixteen cores.
pub const GROUP_HELD: i64 = 2_048;

/// The recent performance of a registration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The number of cores that the client reported; 0 if it did not.
    pub cores: i64,
    /// What it has earned beyond the initial allowance.
    pub earned: i64,
    /// The beginning of the period in which its results are counted.
    pub since: Millis,
    /// The number of results in that period, in thousandths.
    pub results: i64,
}

impl Allowance {
    fn first(self) -> i64 {
        let cores = if self.cores > 0 {
            self.cores.min(MOST_CORES)
        } else {
            UNSAID_CORES
        };
        cores + 1
    }

    /// How many jobs it may hold.
    #[must_use]
    pub fn may_hold(self) -> usize {
        let all = self.first().saturating_add(self.earned.max(0));
        usize::try_from(all).unwrap_or(0).min(MOST_HELD)
    }

    /// Restarts the measurement when it is given jobs and held none: the time without jobs says
    /// nothing about its speed.
    #[must_use]
    pub fn begun(self, now: Millis) -> Self {
        Self {
            since: now,
            results: 0,
            ..self
        }
    }

    /// Records this many new results.
    #[must_use]
    pub fn after(self, results: usize, now: Millis, lease: Millis) -> Self {
        let new = i64::try_from(results).unwrap_or(i64::MAX);
        if new == 0 {
            return self;
        }
        // The clock may have been set back.
        let time = (now - self.since).max(LEAST_TIME);
        let counted = self
            .results
            .max(0)
            .saturating_add(new.saturating_mul(1_000));
        let per_lease = i128::from(counted) * i128::from(lease) / (i128::from(time) * 1_000);
        let per_lease = i64::try_from(per_lease).unwrap_or(i64::MAX);
        let grown = self
            .earned
            .max(0)
            .saturating_add(new.saturating_mul(GROWTH));
        let most = i64::try_from(MOST_HELD).unwrap_or(i64::MAX);
        let earned = grown.min(per_lease.min(most).saturating_sub(self.first()));
        let mut shown = Self {
            earned: earned.max(0),
            results: counted,
            ..self
        };
        // Older results are scaled down, so that they count for at most a sixteenth of a lease.
        let window = (lease / 8).max(2 * LEAST_TIME);
        if time > window {
            let kept = i128::from(counted) * i128::from(window / 2) / i128::from(time);
            shown.results = i64::try_from(kept).unwrap_or(i64::MAX);
            shown.since = now - window / 2;
        }
        shown
    }
}

/// The totals of all registrations of one address group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupTotals {
    /// How many jobs they hold.
    pub held: i64,
    /// The sum of what each has earned beyond its initial allowance.
    pub earned: i64,
}

impl GroupTotals {
    /// How many more jobs they may hold.
    #[must_use]
    pub fn room(self) -> usize {
        let most = GROUP_HELD.saturating_add(self.earned.max(0));
        usize::try_from(most.saturating_sub(self.held)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Millis = 300_000;

    fn cores(cores: i64) -> Allowance {
        Allowance {
            cores,
            ..Allowance::default()
        }
    }

    #[test]
    fn it_begins_with_its_cores_and_one_more() {
        assert_eq!(cores(1).may_hold(), 2);
        assert_eq!(cores(8).may_hold(), 9);
        assert_eq!(cores(0).may_hold(), 17, "it does not say how many");
        assert_eq!(cores(100_000).may_hold(), 129, "nobody has so many");
    }

    /// The allowance after each of `syncs` syncs, `every` so often, each of which submits all that
    /// it held.
    fn grows(mut one: Allowance, every: Millis, syncs: usize) -> Vec<usize> {
        let mut now = 1_000_000;
        one = one.begun(now);
        let mut held = Vec::new();
        for _ in 0..syncs {
            now += every;
            one = one.after(one.may_hold(), now, LEASE);
            held.push(one.may_hold());
        }
        held
    }

    #[test]
    fn quick_jobs_bring_it_to_all_that_it_may_hold_within_a_few_syncs() {
        assert_eq!(grows(cores(8), 50, 3), [81, 729, MOST_HELD]);
        assert_eq!(grows(cores(1), 50, 4)[3], MOST_HELD);
    }

    #[test]
    fn it_never_holds_more_than_it_finishes_within_a_lease() {
        // Nine jobs in 10 s are 270 per lease; at four hours per job, it completes fewer per lease
        // than it has cores.
        let mut one = cores(8).begun(0);
        for turn in 1..=30 {
            one = one.after(9, turn * 10_000, LEASE);
            assert!((9..=271).contains(&one.may_hold()), "{one:?}");
        }
        assert!(one.may_hold() > 260);
        let mut slow = cores(8).begun(0);
        for turn in 1..=10 {
            slow = slow.after(8, turn * 14_400_000, LEASE);
            assert_eq!(slow.may_hold(), 9);
        }
    }

    #[test]
    fn slower_jobs_take_it_back_and_quick_ones_after_them_give_it_again() {
        let mut one = cores(8).begun(0);
        for turn in 1..=20 {
            one = one.after(200, turn * 1_000, LEASE);
        }
        assert_eq!(one.may_hold(), MOST_HELD);
        let mut now = 20_000;
        for _ in 0..40 {
            now += 30_000;
            one = one.after(8, now, LEASE);
        }
        assert!((70..=90).contains(&one.may_hold()), "{one:?}");
        now += 600_000;
        one = one.after(1, now, LEASE);
        assert_eq!(one.may_hold(), 9);
        for _ in 0..20 {
            now += 100;
            one = one.after(one.may_hold(), now, LEASE);
        }
        assert_eq!(one.may_hold(), MOST_HELD);
    }

    #[test]
    fn nothing_follows_from_no_results_nor_from_a_clock_that_is_set() {
        assert_eq!(cores(4).after(0, 1_000, LEASE), cores(4));
        let back = cores(4).begun(1_000_000_000).after(4, 0, LEASE);
        assert!(back.may_hold() <= 5 + 4 * 8);
        let ahead = cores(4).after(usize::MAX, i64::MAX / 2, i64::from(u32::MAX) * 1_000);
        assert!(ahead.may_hold() <= MOST_HELD);
    }

    #[test]
    fn a_group_has_room_for_a_classroom_and_for_what_it_earns() {
        let classroom = GroupTotals {
            held: 40 * 17,
            earned: 0,
        };
        assert!(classroom.room() >= 17);
        let full = GroupTotals {
            held: GROUP_HELD,
            earned: 0,
        };
        assert_eq!(full.room(), 0);
        // A registration that has earned what it holds takes no room from the others.
        let quick = GroupTotals {
            held: 40 * 1_000,
            earned: 40 * 990,
        };
        assert!(quick.room() > GROUP_HELD as usize / 2);
    }
}
