//! What is undone when a result was found wrong, or its volunteer is on hold: the result itself, what rests on it
//! at later stages, and what the volunteer has confirmed for others.

use distcompute_protocol::Stage;

use super::{
    opinions::{
        Confirmation, Doubt, Opinion, OpinionState, OpinionText, Recall, Recalled, StandingChange,
        TextSource,
    },
    rows::{End, State},
    unit_of_work::UnitOfWork,
    votes::MOST_OPINIONS,
};
use crate::rules::trust::Policy;

impl UnitOfWork {
    /// Takes back a result that counts on the word of one volunteer, and what later stages up to `last` have made from
    /// it. The output stays as an opinion that waits for others. The job is in no state before, and in the lane after.
    pub(super) fn recall(&mut self, opinion: &Opinion, last: Stage) {
        let change = StandingChange {
            unchecked: -1,
            waiting: 1,
            ..StandingChange::default()
        };
        self.withdraw(opinion, last, change);
    }

    /// The same for a result whatever it rests on, with what changes about its volunteer.
    fn withdraw(&mut self, opinion: &Opinion, last: Stage, change: StandingChange) {
        let (lease, number, stage) = (opinion.lease, opinion.number, opinion.stage);
        let outputs = self.changes.outputs.iter();
        let mut made = outputs.filter(|made| (made.number, made.stage) == (number, stage));
        let source = match made.next_back().and_then(|made| made.data.clone()) {
            Some(text) => TextSource::Text(text),
            None => TextSource::Output(number, stage),
        };
        self.set_opinion(lease, OpinionState::Waiting);
        self.changes.texts.push(OpinionText { lease, source });
        self.judge_volunteer(stage, &opinion.volunteer, &opinion.version, change);
        self.redo(number, stage, last, None, Some(lease));
    }

    /// Takes back results of a volunteer of which another one was wrong. Returns how many rows were looked at.
    pub(super) fn recall_all(&mut self, recalled: &Recalled) -> u64 {
        let (change, count) = match &recalled.what {
            Recall::Alone(list) if list.is_empty() => {
                let doubt = if recalled.on_hold {
                    Doubt::Confirmed
                } else {
                    Doubt::Nothing
                };
                let change = StandingChange {
                    doubted: Some(doubt),
                    ..StandingChange::default()
                };
                (change, 1)
            }
            Recall::Alone(list) => {
                self.recall_alone(list);
                return list.len() as u64;
            }
            Recall::Confirmed(list) if list.is_empty() => {
                let change = StandingChange {
                    doubted: Some(Doubt::Nothing),
                    looked: Some(0),
                    ..StandingChange::default()
                };
                (change, 1)
            }
            Recall::Confirmed(list) => {
                let done = list.iter().take_while(|one| self.look_again(one));
                let looked: Vec<i64> = done.map(|one| one.lease).collect();
                let change = StandingChange {
                    looked: looked.last().copied(),
                    ..StandingChange::default()
                };
                (change, looked.len() as u64)
            }
        };
        let Recalled {
            volunteer,
            stage,
            version,
            ..
        } = recalled;
        self.judge_volunteer(*stage, volunteer, version, change);
        count
    }

    /// The last stage of which a job has a result.
    pub(super) fn last_result(&self, number: i64) -> Option<Stage> {
        let job = self.jobs.get(&number)?;
        match job.state {
            State::Closed => Some(job.stage),
            _ => job.stage.previous(),
        }
    }

    /// Takes back a result that a volunteer on hold has confirmed, if too few others have: the output waits for another
    /// opinion, or the job is done again if its volunteer is on hold too. Returns `false` if the job has changed since
    /// this was read, so that it must be read again.
    fn look_again(&mut self, confirmed: &Confirmation) -> bool {
        let number = confirmed.number;
        let Some(result) = confirmed.result else {
            return true;
        };
        let Some(opinion) = self.opinions.get(&result).cloned() else {
            return true;
        };
        // A round ends when results are discarded, so in this round the job can only have gained some.
        let same = |round: i64| round == confirmed.round;
        if !self.jobs.get(&number).is_some_and(|job| same(job.round)) {
            return false;
        }
        let stage = opinion.stage;
        let Some(last) = self.last_result(number).filter(|last| stage <= *last) else {
            return true;
        };
        self.take_out(number, End::Requeued);
        if confirmed.is_void {
            self.redo(number, stage, last, Some(opinion.volunteer), None);
        } else {
            let change = StandingChange {
                right: -1,
                confirmed: -1,
                waiting: 1,
                ..StandingChange::default()
            };
            self.withdraw(&opinion, last, change);
        }
        self.start_afresh(number);
        true
    }

    fn recall_alone(&mut self, list: &[(i64, i64)]) {
        for (_, lease) in list {
            let Some(opinion) = self.opinions.get(lease).cloned() else {
                continue;
            };
            let Some(job) = self.jobs.get(&opinion.number) else {
                continue;
            };
            let (number, state) = (opinion.number, job.state);
            let last = self.last_result(number);
            match (opinion.state, last) {
                // It was read as a result, and a flag never is one.
                _ if opinion.flagged().is_some() => {}
                (OpinionState::Alone, Some(last)) if opinion.stage <= last => {
                    self.take_out(number, End::Requeued);
                    self.recall(&opinion, last);
                    self.start_afresh(number);
                }
                (OpinionState::Alone, _) => self.void_alone(number, opinion.stage),
                // Of a volunteer on hold: nobody else need be asked whether it is right.
                (OpinionState::Waiting, _) if state == State::Waiting && job.opinions == 1 => {
                    self.take_out(number, End::Requeued);
                    self.void_opinions(number, None);
                    self.enqueue(number);
                }
                _ => {}
            }
        }
    }

    /// Puts jobs back into their queues whose opinions are of no use any more, and judges those again that have as many
    /// as a job is given: nobody else is asked about them. Returns how many.
    pub(super) fn reconsider(&mut self, list: &[i64]) -> u64 {
        let mut found = 0;
        for number in list {
            let Some(job) = self
                .jobs
                .get(number)
                .filter(|job| job.state == State::Waiting)
            else {
                continue;
            };
            let is_off = self.policy(job.stage) == Policy::Off;
            let version = self.rules.trust.version;
            let given = self.given(*number);
            if is_off || given.iter().any(|opinion| opinion.version != version) {
                self.take_out(*number, End::Requeued);
                self.void_opinions(*number, None);
                self.enqueue(*number);
                found += 1;
            } else if job.opinions >= MOST_OPINIONS && self.rules.trust.operators.is_empty() {
                let stage = job.stage;
                self.take_out(*number, End::Requeued);
                self.judge(*number, stage);
                found += 1;
            }
        }
        found
    }

    // Audits.
}
