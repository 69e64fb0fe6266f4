//! Operations that come from timers and from the operator: removing silent workers, ending leases
//! that no sync renewed, requeuing jobs.

use std::collections::BTreeSet;

use distcompute_protocol::Stage;

use super::{
    operation::{LatestResult, Requeued},
    rows::{End, Forget, Pause},
    transitions::Position,
    unit_of_work::UnitOfWork,
};
use crate::clock::Millis;

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;

/// How long an inactive volunteer is remembered.
const FORGET: Millis = DAY;

/// How long leases that were given back are kept, for the page of a job.
const GIVEN_BACK: Millis = HOUR;

/// How long a late result is accepted, and failures are kept with a job's leases.
const OVERDUE: Millis = 7 * DAY;

/// How long it is remembered what a volunteer has handed in of whom nothing was confirmed, unless it is on hold.
const UNKNOWN: Millis = 28 * DAY;

/// How long a job is offered last to a volunteer who gave it back.
const AVOIDED: Millis = 7 * DAY;

impl UnitOfWork {
    /// Removes the workers that were read as idle. Their silence counts as a failure of their jobs.
    pub(super) fn drop_idle(&mut self) -> u64 {
        self.changes.corrects.get_or_insert(false);
        let idle = std::mem::take(&mut self.idle);
        let mut dropped = 0;
        for worker in idle {
            // An earlier operation of this group may be a call from it.
            let since = self.workers.get(&worker).map(|worker| worker.last_seen);
            if since.is_none_or(|since| since >= self.now) {
                continue;
            }
            for lease in self.held(worker) {
                self.fail(lease, End::Idle, "The worker was not heard from any more.");
            }
            self.forget_worker(worker);
            dropped += 1;
        }
        self.changes.forget_volunteers = Some(self.now - FORGET);
        dropped
    }

    /// Ends the leases of workers that were read as no longer syncing.
    pub(super) fn end_leases(&mut self) -> u64 {
        self.changes.corrects.get_or_insert(false);
        let lapsed = std::mem::take(&mut self.lapsed);
        let mut ended = 0;
        for worker in lapsed {
            let since = self
                .workers
                .get(&worker)
                .and_then(|worker| worker.synced_at);
            if since.is_none_or(|since| since >= self.now) {
                continue;
            }
            let held = self.held(worker);
            for lease in &held {
                self.fail(*lease, End::Lapsed, "The lease ended without a word.");
            }
            // A computer that goes to sleep loses many leases at once for one reason, so they count
            // as one failure.
            self.weigh(worker, 0, held.len().min(1));
            self.with_worker(worker, |worker| worker.synced_at = None);
            self.note_work(worker);
            ended += 1;
        }
        self.changes.forget = Some(Forget {
            given_back: self.now - GIVEN_BACK,
            overdue: self.now - OVERDUE,
            avoided: self.now - AVOIDED,
            expired: self.now - HOUR,
            unknown: self.now - UNKNOWN,
        });
        ended
    }

    /// Pauses stages for the operator. Returns how many were not paused before.
    pub(super) fn pause(&mut self, stages: &BTreeSet<Stage>, message: &str) -> u64 {
        let mut paused = 0;
        for stage in stages {
            let was = self.paused[stage.index()].as_ref();
            paused += u64::from(!was.is_some_and(Pause::is_by_operator));
            self.begin_pause(*stage, Pause::Operator(message.to_owned()));
        }
        paused
    }

    /// Resumes paused stages. Returns how many were paused.
    pub(super) fn resume(&mut self, stages: &BTreeSet<Stage>) -> u64 {
        let paused = stages.iter().filter(|stage| self.resume_stage(**stage));
        paused.count() as u64
    }

    /// Ends workers and takes back their jobs. Returns how many there were.
    pub(super) fn end_workers(&mut self, list: &[String]) -> u64 {
        let mut ended = 0;
        for token in list {
            let Ok(worker) = self.worker_id(token) else {
                continue;
            };
            for lease in self.held(worker) {
                // A command runs this without knowing the project's stages, so it cannot advance a
                // job to the next one: a late result that is kept for the job is discarded, as when
                // the job is requeued.
                if let Some(number) = self.leases.get(&lease).map(|lease| lease.number) {
                    self.drop_late(number);
                }
                self.put_back(lease, End::Requeued, Position::Last);
            }
            self.note_goodbye(worker);
            self.forget_worker(worker);
            ended += 1;
        }
        ended
    }

    /// Requeues jobs. Returns how many.
    pub(super) fn requeue(&mut self, list: &[Requeued]) -> u64 {
        let done = list.iter().filter(|one| match one.lease {
            None => self.reopen(one),
            Some(lease) => self.undo(one, lease),
        });
        done.count() as u64
    }

    /// Has closed jobs go on at the next stage. Returns how many.
    pub(super) fn reopen_closed(&mut self, list: &[LatestResult]) -> u64 {
        let done = list.iter().filter(|one| self.go_on(one));
        done.count() as u64
    }

    /// Closes jobs with the result that they have. Returns how many.
    pub(super) fn close_waiting(&mut self, list: &[LatestResult]) -> u64 {
        let done = list.iter().filter(|one| self.close_early(one));
        done.count() as u64
    }
}
