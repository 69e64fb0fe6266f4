//! How a hub goes on where another one has ended: with what storage has, and with compute workers that
//! are at work already.

use std::collections::BTreeSet;

use crate::hub::Scheduler;
use crate::hub::action::{Action, Registration};
use crate::hub::cx::{Cx, Timer};
use crate::hub::event::{Inherited, Stored};
use crate::hub::jobs::{JobState, JobTable, Key, Outcome};
use crate::time::clock::Now;

/// How long cores that have worked for another hub may take to say at what.
const TAKEOVER_MS: f64 = 1_000.0;

/// For a core that has been silent to its new hub for so long nothing is fetched.
const SILENT_MS: f64 = 120_000.0;

impl Scheduler {
    /// What storage had.
    pub(super) fn restore(
        &mut self,
        now: Now,
        registrations: Vec<Registration>,
        jobs: Vec<Stored>,
    ) {
        for registration in registrations {
            let session = self
                .sessions
                .iter_mut()
                .find(|l| l.common.stage == registration.stage);
            if let Some(session) = session {
                session.restore(registration);
            }
        }
        let ended = jobs.iter().filter(|stored| stored.outcome.is_some());
        let ended: BTreeSet<String> = ended
            .map(|stored| stored.ticket.text().to_owned())
            .collect();
        for stored in jobs {
            let outcome = stored.outcome.clone();
            let is_over = outcome.is_none() && ended.contains(stored.ticket.text());
            if is_over || self.table.by_ticket(stored.ticket.text()).is_some() {
                // An outcome is stored beside its job, which is deleted with it.
                self.free(&stored);
                continue;
            }
            let Some(job) = self.add(stored).and_then(|key| self.table.get_mut(key)) else {
                continue;
            };
            job.resumable = outcome.is_none();
            job.restored = matches!(outcome, Some(Outcome::Done(_)));
            if let Some(outcome) = outcome {
                job.state = JobState::Ended {
                    outcome,
                    since: now,
                    sent: false,
                    stored: true,
                };
            }
        }
    }

    /// What storage had, when jobs were long begun without it: its results are handed in. A job that was
    /// begun is left to its lease, under which somebody may work on it.
    pub(super) fn restore_late(&mut self, now: Now, jobs: Vec<Stored>) {
        for stored in jobs {
            if stored.outcome.is_some() {
                self.ended_before(now, stored);
            } else {
                self.free(&stored);
            }
        }
    }

    /// Puts a job that came another way than from the tracker on the table.
    fn add(&mut self, stored: Stored) -> Option<Key> {
        let mut sessions = self.sessions.iter();
        let Some(index) = sessions.position(|l| l.common.stage == stored.stage) else {
            // A stage that this page does not work at any more: its lease will end.
            self.table.forgotten.push(stored.ticket.text().to_owned());
            self.free(&stored);
            return None;
        };
        let (number, attempt) = (stored.number, stored.attempt);
        let add =
            |table: &mut JobTable| table.add(index, number, attempt, stored.ticket, stored.input);
        Some(add(&mut self.table))
    }

    fn free(&mut self, stored: &Stored) {
        self.table.freed.extend(stored.input);
        if let Some(Outcome::Done(text)) = &stored.outcome {
            self.table.freed.push(*text);
        }
    }

    /// A core that has worked for another hub has ended a job.
    pub(super) fn ended_before(&mut self, now: Now, stored: Stored) {
        let outcome = stored.outcome.clone();
        let known = self.table.by_ticket(stored.ticket.text());
        if let Some(job) = known.and_then(|known| self.table.get(known))
            && job.number != stored.number
        {
            // A worker of the first protocol has one job after the other by the same token. What a
            // core works on, or storage has, is the later one. Of two that have ended nobody knows.
            let (key, either) = (job.key, job.outcome().is_some() && !job.restored);
            self.free(&stored);
            if either {
                self.table.withdraw(key);
            }
            return;
        }
        let key = match known {
            Some(known) => {
                self.table.freed.extend(stored.input);
                Some(known)
            }
            None => self.add(stored),
        };
        if let (Some(key), Some(outcome)) = (key, outcome) {
            self.table.end(key, outcome, now);
        }
    }

    /// A core that has worked for another hub says what it does.
    pub(super) fn resume(&mut self, cx: &mut Cx, at: u32, job: Option<(Key, Stored)>) {
        self.reported(at);
        let Some((key, stored)) = job else { return };
        // It may have a checkpoint, and so have come from storage too.
        let mut known = self.table.by_ticket(stored.ticket.text());
        if let Some(job) = known.and_then(|known| self.table.get(known))
            && job.number != stored.number
        {
            // Its worker had that one before, and has handed it in.
            self.table.remove(job.key);
            known = None;
        }
        if let Some(known) = known {
            self.table.freed.extend(stored.input);
            self.table.rename(known, key);
            cx.out.push(Action::Rekey {
                from: known,
                to: key,
            });
        } else if let Some(new) = self.add(stored) {
            self.table.rename(new, key);
        }
        let Some(job) = self
            .table
            .get_mut(key)
            .filter(|job| job.outcome().is_none())
        else {
            return;
        };
        let Some(core) = self.cores.get_mut(at) else {
            // The core is gone meanwhile.
            job.state = JobState::Ahead;
            return;
        };
        job.state = JobState::Running {
            core: at,
            since: cx.now,
        };
        let before = core.begin(key, self.work_ms);
        self.take_back(at, before);
    }

    /// Nothing that a core has done for the hub before is unknown any more.
    pub(super) fn reported(&mut self, at: u32) {
        if let Some((cores, _)) = &mut self.takeover {
            cores.retain(|inherited| inherited.core != at);
        }
    }

    /// The cores that have not said yet what they do for the hub before.
    pub(super) fn unreported(&self) -> &[Inherited] {
        self.takeover.as_ref().map_or(&[], |(cores, _)| cores)
    }

    /// Whether a core has not reported yet what it does for the hub before.
    pub(super) fn is_unreported(&self, at: u32) -> bool {
        self.unreported()
            .iter()
            .any(|inherited| inherited.core == at)
    }

    /// Whether the cores that have not reported have been silent for so long that nothing is fetched
    /// for them.
    pub(super) fn are_unreported_silent(&self, cx: &mut Cx) -> bool {
        let since = self.takeover.as_ref().map(|(_, since)| *since);
        let left = since.map(|since| SILENT_MS - cx.now.awake_since(since));
        !self.unreported().is_empty() && left.is_some_and(|left| cx.expired(Timer::Silence, left))
    }

    /// Whether all cores have reported what they do, or had time enough to.
    pub(super) fn has_taken_over(&self, cx: &mut Cx) -> bool {
        let since = self.takeover.as_ref().map(|(_, since)| *since);
        self.unreported().is_empty()
            || since
                .is_some_and(|since| cx.expired(Timer::Takeover, TAKEOVER_MS - cx.now.since(since)))
    }

    /// How much longer a core of the hub before may be silent, in time in which cores work.
    pub(super) fn silence_left_ms(&self, inherited: Inherited) -> f64 {
        let limit = self.limits.job_timeout_ms.unwrap_or(f64::INFINITY);
        let stall = if inherited.has_progress {
            self.limits.stall_ms
        } else {
            f64::INFINITY
        };
        limit.min(stall) - self.work_ms
    }

    /// A core that did not say in time what it does is busy. A sync that does not name its job would
    /// put that back, but not under another registration; leases are good under any.
    pub(super) fn part(&mut self) {
        if !self.unreported().is_empty() && !self.parted {
            self.parted = true;
            for session in &mut self.sessions {
                session.part();
            }
        }
    }
}
