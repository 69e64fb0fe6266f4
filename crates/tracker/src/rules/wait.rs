//! How long a client that syncs waits before it asks again.

use crate::clock::Millis;

/// The maximum load caused by clients that have nothing to submit and are granted nothing, in
/// requests per second. A tracker on two cores handles several times as many.
const REQUESTS_PER_S: f64 = 2_000.0;

/// The minimum and maximum wait, in seconds, of a client that wants jobs when none are open.
const EMPTY_S: (u32, u32) = (10, 600);

/// The wait in seconds when some are open, because they were added while it asked.
const OPEN_S: u32 = 2;

/// The minimum time between two syncs of a client that lacks nothing, and the maximum if there are
/// few of them, in seconds.
const CONTENT_S: (u32, u32) = (5, 60);

/// The mean wait relative to the time that clients are told. Those that lack nothing ask again at a
/// random moment between half of it and all of it; those that lack jobs between all of it and twice
/// as much.
const MEAN: (f64, f64) = (0.75, 1.5);

/// How long to wait before the next sync. A client that lacks nothing waits so short that two syncs
/// may get lost before its leases end; one that lacks jobs waits less. The more workers there are,
/// the longer the wait, so that waiting does not cost more than work does.
#[must_use]
pub fn wait_s(lacks_jobs: bool, open: i64, workers: i64, lease_s: u32) -> u32 {
    let crowd_s = |mean: f64| (workers as f64 / REQUESTS_PER_S / mean) as u32;
    let third = (lease_s / 3).max(CONTENT_S.0);
    match (lacks_jobs, open > 0) {
        (false, _) => crowd_s(MEAN.0).clamp(CONTENT_S.1.min(third), third),
        (true, true) => OPEN_S,
        (true, false) => crowd_s(MEAN.1).clamp(EMPTY_S.0.min(third), EMPTY_S.1),
    }
}

/// The number of workers that determines how long one of them waits.
///
/// A worker that holds a job or has finished one waits in proportion to the workers of that kind
/// only: registrations are free, and must not be able to keep others from work. A worker that never
/// had a job has `waited` for some time, and belongs to a crowd that may be large and honest:
/// before a project has jobs, a million browsers may ask for some. It waits in proportion to all
/// workers, so that this crowd costs no more than the one at work, but each time at most for as
/// long as it has waited already. So a newcomer asks again soon, however many are registered, and
/// each member of the crowd makes a few requests until its waits are as long as the size of the
/// crowd requires.
#[must_use]
pub fn crowd(at_work: i64, all: i64, waited: Option<Millis>) -> i64 {
    let idle = waited.map_or(0, |waited| {
        let as_long = waited.max(0) as f64 / 1_000.0 * REQUESTS_PER_S * MEAN.1;
        all.min(as_long as i64)
    });
    at_work.max(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_without_work_do_not_raise_the_wait_of_others() {
        for all in [10, 1_000_000, i64::MAX] {
            // The size of the crowd is ignored for workers that have had work, and for one that has
            // just come.
            assert_eq!(crowd(10, all, None), 10);
            for waited in [i64::MIN, -1, 0, 5_000] {
                let wait = wait_s(true, 0, crowd(10, all, Some(waited)), 300);
                assert_eq!(wait, EMPTY_S.0, "{all}, after {waited} ms");
            }
            // A worker is not told to wait for longer than it has waited so far.
            let wait = wait_s(true, 0, crowd(10, all, Some(60_000)), 300);
            assert!(wait <= 60, "{all}: {wait}");
        }
        // A crowd at work counts for newcomers too.
        assert_eq!(crowd(100_000, 100_000, Some(0)), 100_000);
    }

    #[test]
    fn a_crowd_that_never_had_a_job_comes_to_cost_no_more_than_it_may() {
        for all in [20_000, 100_000, 1_000_000, 1_500_000] {
            // A browser that comes first and is told to wait again and again.
            let (mut waited, mut asked) = (0.0, 0);
            let wait = loop {
                let wait = wait_s(true, 0, crowd(0, all, Some(waited as i64)), 300);
                if waited > 3_600_000.0 {
                    break wait;
                }
                waited += 1_000.0 * MEAN.1 * f64::from(wait);
                asked += 1;
            };
            let per_s = all as f64 / (MEAN.1 * f64::from(wait));
            assert!(per_s <= 1.02 * REQUESTS_PER_S, "{all}: {per_s}");
            let steady = 3_600.0 / (MEAN.1 * f64::from(wait));
            assert!(f64::from(asked) <= steady + 6.0, "{all}: {asked} requests");
        }
    }

    #[test]
    fn a_few_workers_ask_often_enough_for_their_leases_and_for_jobs() {
        assert_eq!(wait_s(false, 0, 100, 300), 60);
        assert_eq!(wait_s(false, 0, 100, 30), 10);
        assert_eq!(wait_s(false, 0, 100, 1), 5);
        assert_eq!(wait_s(true, 0, 100, 300), 10);
        assert_eq!(wait_s(true, 0, 100, 1), 5);
        assert_eq!(wait_s(true, 7, 100, 300), 2);
    }

    #[test]
    fn a_crowd_that_waits_costs_no_more_than_it_may() {
        for workers in [20_000, 100_000, 1_000_000, 1_500_000] {
            let per_s = workers as f64 / (MEAN.1 * f64::from(wait_s(true, 0, workers, 300)));
            assert!(per_s <= 1.02 * REQUESTS_PER_S, "{workers}: {per_s}");
        }
        // The wait is bounded, however many workers there are.
        assert_eq!(wait_s(true, 0, i64::MAX, 300), EMPTY_S.1);
    }

    #[test]
    fn a_crowd_at_work_is_asked_to_speak_as_seldom_as_its_leases_allow() {
        assert_eq!(wait_s(false, 0, 1_000_000, 300), 100);
        assert_eq!(wait_s(false, 0, 1_000_000, 1_800), 600);
        assert_eq!(wait_s(false, 0, 1_000_000, 7_200), 666);
        for lease_s in [1, 60, 300, 7_200] {
            let mut last = 0;
            for workers in [0, 1_000, 100_000, 1_000_000, i64::MAX] {
                let wait = wait_s(false, 0, workers, lease_s);
                assert!(wait >= last && wait <= (lease_s / 3).max(CONTENT_S.0));
                last = wait;
            }
        }
    }
}
