//! The lane: the jobs whose results wait for another opinion, and who gives it.

use distcompute_protocol::Stage;

use super::{
    opinions::{Entry, Opinion},
    rows::{Lease, State, Worker},
    unit_of_work::UnitOfWork,
};
use crate::rules::{
    lane,
    trust::{self, Policy},
};

impl UnitOfWork {
    /// Puts a job that is in no state into the lane, if there are opinions on it.
    pub(super) fn enter_lane(&mut self, number: i64) -> bool {
        let Some(job) = self.jobs.get(&number).filter(|job| job.opinions > 0) else {
            return false;
        };
        let stage = job.stage;
        let votes: Vec<Opinion> = self
            .given(number)
            .into_iter()
            .filter(Opinion::is_vote)
            .collect();
        let Some(first) = votes.first() else {
            return false;
        };
        let is_disputed = votes.iter().any(|vote| vote.answer != first.answer)
            || self.given(number).iter().any(|opinion| !opinion.is_vote());
        let entry = Entry {
            stage,
            version: first.version.clone(),
            disputed: is_disputed,
            place: (self.dice.bits() >> 1) as i64,
            volunteer: first.volunteer.clone(),
            at: self.now,
        };
        self.with_job(number, |job| {
            job.state = State::Waiting;
            job.lease = None;
        });
        self.changes.lane.insert(number, Some(entry));
        self.wait_by(stage, 1);
        true
    }

    /// Takes a job out of the lane.
    pub(super) fn leave_lane(&mut self, number: i64, stage: Stage) {
        self.changes.lane.insert(number, None);
        self.wait_by(stage, -1);
    }

    fn wait_by(&mut self, stage: Stage, change: i64) {
        self.count(stage).waiting += change;
        self.waiting[stage.index()] += change;
    }

    /// Whether a worker may give second opinions.
    pub(super) fn may_confirm(&self, worker: i64) -> bool {
        self.workers.get(&worker).is_some_and(|row| {
            let policy = self.policy(row.stage);
            if policy == Policy::Off || self.is_outdated(row) {
                return false;
            }
            let who = row.identity();
            self.rules.trust.is_operator(&who)
                || self.standing(row.stage, &who).record().may_confirm(policy)
        })
    }

    /// Whether a worker is given jobs of all parts of the lane.
    pub(super) fn has_whole_lane(&self, worker: i64) -> bool {
        self.workers.get(&worker).is_some_and(|row| {
            let is_own = self.rules.trust.is_operator(&row.identity());
            is_own
                || self
                    .established
                    .get(&row.stage)
                    .is_none_or(|count| lane::parts(*count) == 1)
        })
    }

    /// A job of the lane for a worker, if it may give second opinions.
    ///
    /// Jobs are offered to it from where its last look ended: what does not fit it, or has been taken, does not fit it
    /// later in this group.
    pub(super) fn next_in_lane(&mut self, worker: i64) -> Option<i64> {
        let row = self.workers.get(&worker)?;
        let stage = row.stage;
        if !self.may_confirm(worker) {
            return None;
        }
        let who = row.identity();
        let is_own = self.rules.trust.is_operator(&who);
        let version = self.rules.trust.version;
        let fits = |number: &&i64| {
            let job = self.jobs.get(number);
            if !job.is_some_and(|job| job.state == State::Waiting && job.stage == stage) {
                return false;
            }
            let mut votes = 0;
            let others = self.waiting_on(**number).all(|one| {
                votes += usize::from(one.is_vote());
                one.version == version
            });
            others && !self.has_given(**number, &who) && (is_own || votes < trust::MOST_OPINIONS)
        };
        let key = (stage, who.clone());
        let part = self.parts.get(&key).filter(|_| !is_own);
        let shared = part.and_then(|part| self.lane.get(&(stage, *part)));
        let mine = self.lane_for.get(&key);
        let jobs = shared
            .into_iter()
            .flatten()
            .chain(mine.into_iter().flatten());
        let begin = self.looked.get(&worker).copied().unwrap_or(0);
        let mut left = jobs.enumerate().skip(begin);
        let found = left.find(|(_, number)| fits(number));
        let (at, found) = match found {
            Some((at, number)) => (at, Some(*number)),
            None => (usize::MAX, None),
        };
        self.looked.insert(worker, at);
        found
    }

    /// Whether a worker may begin jobs on which there is no opinion. The operator's own worker checks those of others.
    pub(super) fn may_begin(&self, worker: i64) -> bool {
        let Some(row) = self.workers.get(&worker) else {
            return false;
        };
        let policy = self.policy(row.stage);
        if policy == Policy::Off {
            return true;
        }
        let who = row.identity();
        if self.rules.trust.is_operator(&who) || self.is_outdated(row) {
            return false;
        }
        let known = self.standing(row.stage, &who);
        let cores = u32::try_from(row.allowance.cores.max(1)).unwrap_or(u32::MAX);
        known.waiting < i64::from(trust::most_waiting(&known.record(), cores))
    }

    /// Whether a worker has yet to learn of the current version of the application: it runs an earlier one.
    pub(super) fn is_outdated(&self, worker: &Worker) -> bool {
        worker.last_seen < self.version_since
    }

    /// Whether the volunteer of a lease that has ended may take its job up again.
    pub(super) fn may_resume(&self, lease: &Lease) -> bool {
        let who = lease.identity();
        let known = self.standing(lease.stage, &who);
        let policy = self.policy(lease.stage);
        let is_own = self.rules.trust.is_operator(&who);
        (is_own || known.record().may_confirm(policy)) && !self.has_given(lease.number, &who)
    }

    /// How many results of a worker's volunteer wait for other opinions.
    pub(super) fn unconfirmed(&self, worker: i64) -> u64 {
        let Some(row) = self.workers.get(&worker) else {
            return 0;
        };
        if self.policy(row.stage) == Policy::Off {
            return 0;
        }
        let known = self.standing(row.stage, &row.identity());
        u64::try_from(known.waiting).unwrap_or(0)
    }
}
