//! How many jobs a registration is given most of whose jobs fail: fewer and fewer, then one at a time
//! with growing pauses. A few results, and it is given as many as everybody.
//!
//! This goes by registrations and not by nicknames: anybody may use any nickname, and could slow down
//! its owner.

use super::allowance::MOST_HELD;
use crate::clock::Millis;

/// From so much trouble on, a registration may hold [`FIRST`] jobs, and half as many with each more.
const FEWER: i64 = 3;
const FIRST: usize = 8;

/// From so much on, it holds one job at a time and rests after each failure.
const ALONE: i64 = 6;

/// No more trouble is counted than this: as many results are enough to get out of it quickly.
const MOST: i64 = 14;

/// The first rest.
const REST: Millis = 5_000;

/// The longest rest.
pub const LONGEST_REST: Millis = 600_000;

/// The trouble of a registration after it has done `good` jobs and failed at `bad`.
#[must_use]
pub fn after(trouble: i64, good: usize, bad: usize) -> i64 {
    let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    if bad > good {
        trouble.saturating_add(whole(bad - good)).min(MOST)
    } else if good > 0 {
        // Halved for each result that no failure stands against, once at least.
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
    fn who_fails_at_everything_is_given_fewer_and_fewer_then_one_at_a_time_with_growing_rests() {
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
    fn who_fails_now_and_then_is_never_slowed_down() {
        let mut trouble = 0;
        for _ in 0..1_000 {
            trouble = after(trouble, 0, 1);
            assert_eq!(may_hold(trouble), MOST_HELD);
            trouble = after(trouble, 1, 0);
        }
        // What one request reports is weighed together.
        assert_eq!(after(0, 500, 12), 0);
        assert_eq!(after(4, 12, 12), 2);
    }
}
