//! When a job that keeps failing is set aside, and when a stage at which everything fails is
//! paused.
//!
//! A failure may be caused by the job or by the volunteer's machine. Only agreement between
//! volunteers tells the two apart, so distinct volunteers are counted and not failures.

use crate::clock::Millis;

/// How long a volunteer counts as working at a stage after last holding a job there.
pub const WORKING: Millis = 3_600_000;

/// How long a volunteer counts as present after last asking for jobs.
pub const THERE: Millis = 600_000;

/// How many distinct jobs a volunteer must have failed at before it counts as one with whom
/// everything fails.
const JOBS_EACH: usize = 3;

/// How many distinct jobs all of them together must have failed at, so that a few bad jobs left at
/// the end of a small project are set aside one by one instead of pausing the stage.
const JOBS: usize = 5;

/// The number of failures, including repeated ones, before a stage is paused.
const TRIES: u64 = 10;

/// How many job numbers are kept per volunteer: as many as these rules need.
pub const KEPT_JOBS: usize = JOBS;

/// What is known about a job when a failure has just been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Failures at this stage since the job came here.
    pub tries: u64,
    /// Distinct volunteers among them.
    pub volunteers: usize,
    /// Volunteers that worked at the stage within [`WORKING`].
    pub working: usize,
    /// Those of them with whom the job has not failed.
    pub untried: usize,
}

/// Whether a job is to be set aside for the operator.
#[must_use]
pub fn is_hopeless(job: Tried, max_attempts: u32) -> bool {
    let most = usize::try_from(max_attempts).unwrap_or(usize::MAX);
    let everybody = job.working < most && job.untried == 0;
    job.volunteers >= most || everybody && job.tries >= u64::from(max_attempts)
}

/// Failures of one volunteer since the stage last produced a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failing {
    /// Some of the jobs, at most [`KEPT_JOBS`].
    pub jobs: Vec<i64>,
    /// The number of failures.
    pub tries: u64,
    /// The latest error.
    pub error: String,
}

impl Failing {
    /// Records a failure.
    pub fn add(&mut self, job: i64, error: &str) {
        if self.jobs.len() < KEPT_JOBS && !self.jobs.contains(&job) {
            self.jobs.push(job);
        }
        self.tries += 1;
        self.error = error.to_owned();
    }
}

/// Returns the reason to pause a stage, if there is one: it has produced no result since these
/// volunteers failed, and they are at least `pause_after` (or all who work there) and at least half
/// of those who work there. A `pause_after` of 0 never pauses.
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

/// The error that most of them have in common, by its first line.
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
        // As many volunteers as the limit asks for could still try the job.
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
