//! When a job that keeps failing is set aside, and when a stage at which everything fails is paused.
//!
//! A failure says something about the job and something about the machine. Only agreement tells the
//! two apart, so what counts is distinct volunteers and not events.

use crate::clock::Millis;

/// A volunteer counts as working at a stage for so long after it last held a job there.
pub const WORKING: Millis = 3_600_000;

/// A volunteer counts as being there for so long after it last asked for jobs.
pub const THERE: Millis = 600_000;

/// Jobs that a volunteer must have failed before it counts as one at whom everything fails.
const JOBS_EACH: usize = 3;

/// The same for all of them together, so that a few bad jobs which are left at the end of a small
/// project are set aside one by one and pause nothing.
const JOBS: usize = 5;

/// Failures, repeated ones included, before a stage is paused.
const TRIES: u64 = 10;

/// How many numbers of jobs are kept with a volunteer: enough for the rules here.
pub const KEPT_JOBS: usize = JOBS;

/// What is known of a job when a failure has just been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Failures at this stage since it came here.
    pub tries: u64,
    /// Distinct volunteers among them.
    pub volunteers: usize,
    /// Volunteers that worked at the stage within [`WORKING`].
    pub working: usize,
    /// Those of them at whom the job has not failed.
    pub untried: usize,
}

/// Whether a job waits for the operator now.
#[must_use]
pub fn is_hopeless(job: Tried, max_attempts: u32) -> bool {
    let most = usize::try_from(max_attempts).unwrap_or(usize::MAX);
    let everybody = job.working < most && job.untried == 0;
    job.volunteers >= most || everybody && job.tries >= u64::from(max_attempts)
}

/// Failures of one volunteer since its stage last made a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failing {
    /// Some of the jobs, at most [`KEPT_JOBS`].
    pub jobs: Vec<i64>,
    /// How many failures.
    pub tries: u64,
    /// The last error.
    pub error: String,
}

impl Failing {
    /// Notes one more.
    pub fn add(&mut self, job: i64, error: &str) {
        if self.jobs.len() < KEPT_JOBS && !self.jobs.contains(&job) {
            self.jobs.push(job);
        }
        self.tries += 1;
        self.error = error.to_owned();
    }
}

/// Why a stage is to be paused, if it is: it has made no result since these volunteers failed, who are
/// at least `pause_after` (or all who work there), and at least half of those who work there.
/// `pause_after` 0 pauses nothing.
#[must_use]
pub fn pause<'f>(
    failing: impl IntoIterator<Item = &'f Failing>,
    working: usize,
    pause_after: u32,
) -> Option<String> {
    if pause_after == 0 {
        return None;
    }
    let failing: Vec<&Failing> = failing
        .into_iter()
        .filter(|one| one.jobs.len() >= JOBS_EACH)
        .collect();
    let needed = usize::try_from(pause_after).unwrap_or(usize::MAX);
    let needed = needed.min(working).max(1);
    let mut jobs: Vec<i64> = failing.iter().flat_map(|one| one.jobs.clone()).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let tries: u64 = failing.iter().map(|one| one.tries).sum();
    if failing.len() < needed || 2 * failing.len() < working || jobs.len() < JOBS || tries < TRIES {
        return None;
    }
    let who = match failing.len() {
        1 => "the only volunteer".to_owned(),
        count => format!("{count} volunteers"),
    };
    Some(format!(
        "Every job fails, {tries} times at {who}: {}",
        shared(&failing)
    ))
}

/// The error that most of them have, by its first line.
fn shared(failing: &[&Failing]) -> String {
    let first = |one: &Failing| one.error.lines().next().unwrap_or_default().to_owned();
    let lines: Vec<String> = failing.iter().map(|one| first(one)).collect();
    let count = |line: &String| lines.iter().filter(|other| *other == line).count();
    let most = lines.iter().max_by_key(|line| count(line));
    most.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Tried = Tried {
        tries: 1,
        volunteers: 1,
        working: 100,
        untried: 99,
    };

    #[test]
    fn one_volunteer_among_others_sets_nothing_aside_however_often_it_fails() {
        for tries in [5, 50, 5_000] {
            assert!(!is_hopeless(Tried { tries, ..JOB }, 5));
        }
        let few = Tried {
            tries: 5_000,
            working: 4,
            untried: 3,
            ..JOB
        };
        assert!(!is_hopeless(few, 5));
    }

    #[test]
    fn as_many_volunteers_as_the_operator_says_are_enough() {
        let job = |volunteers| Tried {
            tries: 9,
            volunteers,
            ..JOB
        };
        assert!(!is_hopeless(job(4), 5));
        assert!(is_hopeless(job(5), 5));
    }

    #[test]
    fn in_a_small_project_as_many_tries_by_all_are_enough() {
        let job = |tries| Tried {
            tries,
            volunteers: 2,
            working: 2,
            untried: 0,
        };
        assert!(!is_hopeless(job(4), 5));
        assert!(is_hopeless(job(5), 5));
        // As many as the operator says could still come.
        let enough = Tried {
            working: 5,
            ..job(9)
        };
        assert!(!is_hopeless(enough, 5));
    }

    fn failing(jobs: std::ops::Range<i64>, error: &str) -> Failing {
        let mut one = Failing::default();
        for job in jobs {
            one.add(job, error);
        }
        one
    }

    #[test]
    fn a_stage_at_which_everything_fails_is_paused_with_the_error_that_they_share() {
        let all = [
            failing(0..4, "Error: no file\n at x"),
            failing(4..8, "Error: no file\n at y"),
            failing(8..12, "RangeError: mine alone"),
        ];
        let why = pause(&all, 3, 3).expect("paused");
        assert_eq!(
            why,
            "Every job fails, 12 times at 3 volunteers: Error: no file"
        );
        assert_eq!(pause(&all[..2], 3, 3), None, "the third may do better");
        assert_eq!(pause(&all, 100, 3), None, "most others may do better");
        assert_eq!(pause(&all, 3, 0), None, "the operator wants no pause");
    }

    #[test]
    fn a_few_bad_jobs_pause_nothing() {
        let mut one = Failing::default();
        for _ in 0..10 {
            for job in 0..4 {
                one.add(job, "x");
            }
        }
        assert_eq!(pause([&one], 1, 3), None);
        one.add(4, "x");
        assert!(pause([&one], 1, 3).is_some());
    }
}
