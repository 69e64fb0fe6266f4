//! Which jobs a requeue selects, and what becomes of each: the filter, and the rules by which it is
//! applied to a job. The stores read the rows.

use distcompute_protocol::Stage;

use super::{Requeued, State};
use crate::clock::Millis;

/// Selects jobs to requeue. A job must match every field that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequeueFilter {
    /// Jobs by number.
    pub numbers: Vec<u64>,
    /// Jobs by ranges of numbers, each with its last one, in addition to `numbers`.
    pub ranges: Vec<(u64, u64)>,
    /// Jobs in these states. `None`: see [`RequeueFilter::states`].
    pub states: Option<States>,
    /// Jobs that wait at this stage or were closed there; together with a condition on the result,
    /// results of this stage.
    pub stage: Option<Stage>,
    /// The stage to which the jobs go back; their results from there on are discarded. `None`: jobs
    /// with a matching result go back to the stage that made it, closed ones to the stage that
    /// closed them, and the others stay where they are.
    pub to: Option<Stage>,
    /// Jobs that have not changed for this long.
    pub older_than: Option<Millis>,
    /// Jobs with a result from this nickname.
    pub nickname: Option<String>,
    /// Jobs with a result from this volunteer, by its key in the tables.
    pub volunteer: Option<String>,
    /// Jobs with a result that contains this text.
    pub result_contains: Option<String>,
    /// Jobs with a result from this address group.
    pub address: Option<String>,
    /// Jobs with a result that came at or after this time.
    pub since: Option<Millis>,
    /// Jobs with a result that came before this time.
    pub until: Option<Millis>,
}

/// States of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct States {
    /// Open.
    pub open: bool,
    /// Open or held, and has failed at its stage.
    pub failed: bool,
    /// Held by a worker.
    pub held: bool,
    /// Set aside.
    pub set_aside: bool,
    /// Closed.
    pub done: bool,
}

impl States {
    /// Every state.
    pub const ALL: Self = Self {
        open: true,
        failed: true,
        held: true,
        set_aside: true,
        done: true,
    };

    fn contains(self, job: &Candidate) -> bool {
        let failed = self.failed && job.failures > 0 && job.state != State::Closed;
        let by_state = match job.state {
            State::Open | State::Waiting => self.open,
            State::Held => self.held,
            State::Aside => self.set_aside,
            State::Closed => self.done,
        };
        failed || by_state
    }
}

impl RequeueFilter {
    /// Whether the filter has a condition on results.
    #[must_use]
    pub fn is_by_result(&self) -> bool {
        self.nickname.is_some()
            || self.volunteer.is_some()
            || self.result_contains.is_some()
            || self.address.is_some()
            || self.since.is_some()
            || self.until.is_some()
    }

    /// Whether the filter names jobs.
    #[must_use]
    pub fn is_by_number(&self) -> bool {
        !self.numbers.is_empty() || !self.ranges.is_empty()
    }

    /// The states in which jobs match. Unless they are given, jobs with a matching result do in any
    /// state, jobs that are named do unless they are only open, and of all others those that are set
    /// aside.
    #[must_use]
    pub fn states(&self) -> States {
        let named = States {
            open: self.to.is_some(),
            ..States::ALL
        };
        match self.states {
            Some(states) => states,
            None if self.is_by_result() => States::ALL,
            None if self.is_by_number() => States {
                failed: false,
                ..named
            },
            None => States {
                set_aside: true,
                ..States::default()
            },
        }
    }

    /// What becomes of a job; `None`: it does not match, or there is nothing to do.
    #[must_use]
    pub fn decide(&self, job: &Candidate) -> Option<Move> {
        if !self.states().contains(job) {
            return None;
        }
        if self.is_by_result() {
            job.matching?;
        } else if self.stage.is_some_and(|stage| stage != job.stage) {
            return None;
        }
        let closed = (job.state == State::Closed).then_some(job.stage);
        let last = closed.or(job.stage.previous());
        match (self.to.or(job.matching).or(closed), last) {
            (Some(stage), Some(last)) if stage <= last => Some(Move::Discard { stage, last }),
            (Some(stage), _) if stage != job.stage => None,
            _ => match job.state {
                State::Held | State::Aside => Some(Move::Reopen),
                State::Open => (job.failures > 0).then_some(Move::Reopen),
                State::Closed | State::Waiting => None,
            },
        }
    }

    /// The numbers of the jobs to examine, of a project with so many jobs: sorted, and in parts of at
    /// most `size`.
    pub(super) fn parts(
        &self,
        jobs: u64,
        size: usize,
    ) -> impl Iterator<Item = Vec<i64>> + Send + use<> {
        let single = self.numbers.iter().map(|number| (*number, *number));
        let mut ranges: Vec<(u64, u64)> = single.chain(self.ranges.iter().copied()).collect();
        if ranges.is_empty() {
            ranges.push((1, jobs));
        }
        ranges.sort_unstable();
        let mut ranges = ranges.into_iter();
        // The range that is being listed, and the lowest number that has not been listed.
        let (mut range, mut next) = (ranges.next(), 1);
        std::iter::from_fn(move || {
            let mut part = Vec::new();
            while part.len() < size
                && let Some((first, last)) = range
            {
                let number = first.max(next);
                if number > last.min(jobs) {
                    range = ranges.next();
                    continue;
                }
                part.extend(i64::try_from(number));
                next = number + 1;
            }
            (!part.is_empty()).then_some(part)
        })
    }
}

/// A job that a requeue may select.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub number: i64,
    /// The stage at which it is, or was closed.
    pub stage: Stage,
    /// Its state.
    pub state: State,
    /// Its round.
    pub round: i64,
    /// How often it has failed at its stage.
    pub failures: i64,
    /// If the filter has conditions on results: the earliest stage whose valid result fulfils them.
    pub matching: Option<Stage>,
}

/// What becomes of a job that is requeued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It is reopened at the stage where it is.
    Reopen,
    /// Its results from `stage` up to `last`, its latest one, are discarded, and it goes back there.
    Discard {
        /// The first of them.
        stage: Stage,
        /// The last of them.
        last: Stage,
    },
}

/// The lease of a result that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultLease {
    /// The job.
    pub number: i64,
    /// The stage.
    pub stage: Stage,
    /// The lease.
    pub lease: i64,
    /// The address group that it came from; empty if unknown.
    pub address: String,
    /// When it came.
    pub at: Millis,
}

/// A job that a requeue filter matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToRequeue {
    /// The job.
    pub job: Requeued,
    /// If results are to be discarded: the address group that the first of them came from, and when.
    pub from: Option<(String, Millis)>,
    /// If results are to be discarded: the stages of the first and of the last.
    pub results: Option<(Stage, Stage)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(stage: Stage, state: State) -> Candidate {
        Candidate {
            number: 1,
            stage,
            state,
            round: 0,
            failures: 0,
            matching: None,
        }
    }

    fn back(stage: Stage, last: Stage) -> Option<Move> {
        Some(Move::Discard { stage, last })
    }

    #[test]
    fn without_a_filter_only_what_is_set_aside_matches() {
        let all = RequeueFilter::default();
        let at = |state| all.decide(&job(Stage::B, state));
        assert_eq!(at(State::Aside), Some(Move::Reopen));
        for state in [State::Open, State::Held, State::Closed] {
            assert_eq!(at(state), None, "{state:?}");
        }
    }

    #[test]
    fn a_job_that_is_named_goes_back_if_it_is_closed_and_not_if_it_is_open() {
        let named = RequeueFilter {
            numbers: vec![1],
            ..RequeueFilter::default()
        };
        let at = |state| named.decide(&job(Stage::B, state));
        assert_eq!(at(State::Closed), back(Stage::B, Stage::B));
        assert_eq!(at(State::Held), Some(Move::Reopen));
        assert_eq!(at(State::Open), None);
        let far = RequeueFilter {
            to: Some(Stage::A),
            ..named
        };
        let at = |stage, state| far.decide(&job(stage, state));
        assert_eq!(at(Stage::C, State::Closed), back(Stage::A, Stage::C));
        assert_eq!(at(Stage::C, State::Open), back(Stage::A, Stage::B));
        assert_eq!(at(Stage::A, State::Aside), Some(Move::Reopen));
        assert_eq!(at(Stage::A, State::Open), None);
    }

    #[test]
    fn a_job_that_has_not_come_so_far_stays() {
        let late = RequeueFilter {
            states: Some(States::ALL),
            to: Some(Stage::C),
            ..RequeueFilter::default()
        };
        for state in [State::Open, State::Held, State::Aside, State::Closed] {
            assert_eq!(late.decide(&job(Stage::B, state)), None, "{state:?}");
        }
        assert_eq!(late.decide(&job(Stage::C, State::Held)), Some(Move::Reopen));
    }

    #[test]
    fn a_failed_job_is_one_that_waits_after_a_failure() {
        let failed = RequeueFilter {
            states: Some(States {
                failed: true,
                ..States::default()
            }),
            ..RequeueFilter::default()
        };
        for (state, failures, expected) in [
            (State::Open, 0, None),
            (State::Open, 1, Some(Move::Reopen)),
            (State::Held, 1, Some(Move::Reopen)),
            (State::Held, 0, None),
            (State::Closed, 1, None),
        ] {
            let job = Candidate {
                failures,
                ..job(Stage::A, state)
            };
            assert_eq!(failed.decide(&job), expected, "{state:?} {failures}");
        }
    }

    #[test]
    fn a_matching_result_is_discarded_with_what_was_made_from_it() {
        let by = RequeueFilter {
            nickname: Some("Mallory".to_owned()),
            ..RequeueFilter::default()
        };
        let matching = |stage, state, matching| {
            by.decide(&Candidate {
                matching,
                ..job(stage, state)
            })
        };
        assert_eq!(matching(Stage::B, State::Closed, None), None);
        let found = matching(Stage::C, State::Closed, Some(Stage::A));
        assert_eq!(found, back(Stage::A, Stage::C));
        let found = matching(Stage::C, State::Held, Some(Stage::B));
        assert_eq!(found, back(Stage::B, Stage::B));
    }

    #[test]
    fn numbers_are_examined_once_in_order_and_in_parts() {
        let parts = |numbers: &[u64], ranges: &[(u64, u64)], jobs| -> Vec<Vec<i64>> {
            let filter = RequeueFilter {
                numbers: numbers.to_vec(),
                ranges: ranges.to_vec(),
                ..RequeueFilter::default()
            };
            filter.parts(jobs, 3).collect()
        };
        assert_eq!(parts(&[], &[], 4), [vec![1, 2, 3], vec![4]]);
        assert_eq!(parts(&[], &[], 0), [[0_i64; 0]; 0]);
        assert_eq!(
            parts(&[9, 2, 2, 0], &[(3, 5), (4, 6)], 9),
            [vec![2, 3, 4], vec![5, 6, 9]]
        );
        assert_eq!(parts(&[], &[(7, u64::MAX), (5, 4)], 8), [[7, 8]]);
    }
}
