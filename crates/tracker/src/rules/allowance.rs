//! How many jobs a registration may hold, and all of one address together.
//!
//! A registration begins with one job for each core and one more. What it may hold then grows with its
//! results, up to what it finishes within one lease at the speed that it has shown: more than that
//! would lapse in its hands. Whatever the speed, it may hold as many as at first, since jobs may take
//! hours.

use crate::clock::Millis;

/// The cores of a client that does not say how many it has.
const UNSAID_CORES: i64 = 16;

/// The most cores that are believed. What lies beyond has to be shown.
const MOST_CORES: i64 = 128;

/// Jobs that a registration may hold at most, whatever it has shown.
pub const MOST_HELD: usize = 2_048;

/// By how many jobs each result raises the allowance.
const GROWTH: i64 = 8;

/// No speed is taken from less time than this.
const LEAST_TIME: Millis = 1_000;

/// Jobs that all registrations of one address group may hold together, beyond what they have earned
/// with results: enough for a hundred machines of sixteen cores.
pub const GROUP_HELD: i64 = 2_048;

/// What a registration has shown of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The cores that it says it has; 0: it has not said.
    pub cores: i64,
    /// What it has earned beyond its first allowance.
    pub earned: i64,
    /// Since when its results are counted.
    pub since: Millis,
    /// How many they are, in thousandths.
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

    /// It is given jobs and held none: the time from its last result to now says nothing of its speed.
    #[must_use]
    pub fn begun(self, now: Millis) -> Self {
        Self {
            since: now,
            results: 0,
            ..self
        }
    }

    /// It has handed in so many new results.
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
        // What was long ago weighs no more than a sixteenth of a lease.
        let window = (lease / 8).max(2 * LEAST_TIME);
        if time > window {
            let kept = i128::from(counted) * i128::from(window / 2) / i128::from(time);
            shown.results = i64::try_from(kept).unwrap_or(i64::MAX);
            shown.since = now - window / 2;
        }
        shown
    }
}

/// What the registrations of one address group hold together, and have earned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// Jobs that they hold.
    pub held: i64,
    /// What each of them has earned beyond its first allowance, added up.
    pub earned: i64,
}

impl Group {
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

    /// What it may hold after each of some syncs that bring all that it held, `every` so often.
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
        // Nine jobs in 10 s are 270 in a lease; four hours a job are less than its cores.
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
        let classroom = Group {
            held: 40 * 17,
            earned: 0,
        };
        assert!(classroom.room() >= 17);
        let full = Group {
            held: GROUP_HELD,
            earned: 0,
        };
        assert_eq!(full.room(), 0);
        // Whoever has earned what it holds takes no room from the others.
        let quick = Group {
            held: 40 * 1_000,
            earned: 40 * 990,
        };
        assert!(quick.room() > GROUP_HELD as usize / 2);
    }
}
