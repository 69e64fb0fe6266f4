//! How many jobs a registration is given if most of its jobs fail: fewer and fewer, then one at a
//! time with growing pauses. After a few results, it is given as many as any other.
//!
//! This is tracked per registration and not per nickname: anybody may use any nickname, and could
//! otherwise slow down its owner.

use super::allowance::MOST_HELD;
use crate::clock::Millis;

/// From this level on, a registration may hold [`FIRST`] jobs, and half as many for each level
/// above.
const FEWER: i64 = 3;
const FIRST: usize = 8;

/// From this level on, it holds one job at a time and rests after each failure.
const ALONE: i64 = 6;

/// The maximum level, so that a few results are enough to leave it quickly.
const MOST: i64 = 14;

/// The first rest.
const REST: Millis = 5_000;

/// The longest rest.
pub const LONGEST_REST: Millis = 600_000;

/// The level of a registration after `good` results and `bad` failures.
#[must_use]
pub fn after(trouble: i64, good: usize, bad: usize) -> i64 {
    let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    if bad > good {
        trouble.saturating_add(whole(bad - good)).min(MOST)
    } else if good > 0 {
        // Halved for each result in excess of the failures, and at least once.
        let times = u32::try_from(good - bad).unwrap_or(u32::MAX);
        trouble >> times.clamp(1, 62)
    } else {
        trouble
    }
}

/// How many jobs it may hold.
#[must_use]
pub fn may_hold(trouble: i64) -> usize {
    match trouble {
        ..FEWER => MOST_HELD,
        FEWER..ALONE => FIRST >> (trouble - FEWER),
        _ => 1,
    }
}

/// How long it rests after a failure.
#[must_use]
pub fn rest(trouble: i64) -> Millis {
    if trouble < ALONE {
        return 0;
    }
    let doublings = (trouble - ALONE).min(30);
    (REST << doublings).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_at_everything_means_fewer_and_fewer_jobs_then_one_at_a_time_with_growing_rests() {
        let mut trouble = 0;
        let mut given = Vec::new();
        for _ in 0..20 {
            trouble = after(trouble, 0, 1);
            given.push((may_hold(trouble), rest(trouble)));
        }
        assert!(given.is_sorted_by(|one, next| one.0 >= next.0 && one.1 <= next.1));
        assert_eq!(given[2..6], [(8, 0), (4, 0), (2, 0), (1, REST)]);
        assert_eq!(given[19], (1, LONGEST_REST));
    }

    #[test]
    fn a_few_results_are_enough_to_recover() {
        let mut trouble = after(0, 0, 500);
        for _ in 0..3 {
            trouble = after(trouble, 1, 0);
        }
        assert_eq!(may_hold(trouble), MOST_HELD);
    }

    #[test]
    fn failing_now_and_then_has_no_consequences() {
        let mut trouble = 0;
        for _ in 0..1_000 {
            trouble = after(trouble, 0, 1);
            assert_eq!(may_hold(trouble), MOST_HELD);
            trouble = after(trouble, 1, 0);
        }
        // The results and failures reported by one request are weighed together.
        assert_eq!(after(0, 500, 12), 0);
        assert_eq!(after(4, 12, 12), 2);
    }
}
