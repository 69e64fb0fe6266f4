//! What must hold of the tables after every call, and what the simulation needs to know of them.

use distcompute_protocol::Stage;
use distcompute_tracker::rules::{attempts::THERE, trouble};

use super::{RECOUNT, Trackers};

/// The owner has mended what made a stage fail so long after it was paused.
const MENDED_MS: f64 = 600_000.0;

/// Failures without a result between them, before a stage may be paused.
const FAILURES: i64 = 10;

/// No world has so many pauses.
const PAUSES: u32 = 40;

/// What failed at a stage.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failed {
    pub(super) accepted: i64,
    pub(super) failures: i64,
    pub(super) since: i64,
}

impl Trackers {
    /// Looks at the tables after something may have changed.
    pub(super) fn look(&mut self) {
        let news = self.audit.is_news();
        if news || self.calls.is_multiple_of(RECOUNT) {
            self.count();
        }
    }

    pub(super) fn count(&mut self) {
        let now = self.now;
        let every = self.calls.is_multiple_of(RECOUNT);
        let status = self.audit.look(now, self.rules.stages, every);
        self.open = status.open;
        let (failures, flags) = (self.rules.max_attempts, self.rules.invalid_after);
        self.audit
            .look_at_set_aside(self.time(), failures as usize, flags as usize);
        self.look_for_pauses();
        self.finished = status.unfinished == 0;
        if let Some(stay) = &self.stay
            && !self.finished
        {
            let enough = self.rules.invalid_after as usize;
            self.rounds = self.audit.rounds(stay, enough);
            self.finished = self.rounds.len() == status.unfinished;
        }
    }

    /// A stage is paused only where it makes no result, and then nothing is handed out there.
    fn look_for_pauses(&mut self) {
        for (at, row) in self.audit.stages().into_iter().enumerate() {
            let before = &mut self.before[at];
            if row.accepted != before.accepted {
                // Of failures in the same moment nobody knows whether they came before or after.
                before.since = before.failures;
            }
            let failures = row.failures - before.since;
            (before.accepted, before.failures) = (row.accepted, row.failures);
            if row.paused {
                self.open[at] = 0;
            }
            if row.paused && !self.paused[at] {
                assert!(
                    failures >= FAILURES,
                    "stage {at} is paused after {failures} failures"
                );
                self.pauses += 1;
                assert!(self.pauses < PAUSES, "stage {at} is paused again and again");
                self.resumes = self.resumes.min(self.now + MENDED_MS);
            }
            self.paused[at] = row.paused;
        }
    }

    /// Counts everything.
    pub fn recount(&mut self) {
        self.audit.look(self.now, self.rules.stages, true);
        for lease in &self.taken {
            self.audit.assert_taken(lease);
        }
    }

    pub fn open(&self, stage: Stage) -> usize {
        if self.is_up() {
            self.open[stage.index()]
        } else {
            0
        }
    }

    /// For how long a registration is given nothing because its jobs fail.
    pub fn rests_ms(&self, token: &str) -> f64 {
        let row = self.audit.worker(token);
        row.map_or(0.0, |row| {
            let left = (row.rest_until - self.time()).max(0);
            // More is left only where the tracker's clock was set back, and then nothing is.
            if left > trouble::rest(row.trouble) {
                0.0
            } else {
                left as f64
            }
        })
    }

    /// Whether a volunteer would be given a job of a stage that it can do something about: one that
    /// has not failed there and that it has not called bad, or one that is left to nobody else.
    pub fn lets(&self, stage: Stage, volunteer: &str, token: Option<&str>) -> bool {
        let row = token.and_then(|token| self.audit.worker(token));
        if row.is_some_and(|row| {
            row.held >= trouble::may_hold(row.trouble).min(row.allowance.may_hold())
        }) {
            return false;
        }
        let stage = stage.index();
        let there = self.audit.there(stage, self.time() - THERE);
        self.audit.avoiders(stage).values().any(|avoiders| {
            let flagged = avoiders.flagged.contains(volunteer);
            let failed = avoiders.failed.contains(volunteer);
            let is_tried = |other: &String| other == volunteer || avoiders.failed.contains(other);
            !failed || !flagged && there.iter().all(is_tried)
        })
    }

    /// Whether every job is finished or set aside, or goes round, after all, for a good reason.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    pub fn has_taken(&self, lease: &str) -> bool {
        self.taken.contains(lease)
    }
}
