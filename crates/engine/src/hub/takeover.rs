//! How a hub takes over from another one: with the records in storage, and with compute workers that are
//! already running jobs.

use crate::hub::Scheduler;
use crate::hub::action::{Action, Registration};
use crate::hub::cx::{Cx, Timer};
use crate::hub::event::{Inherited, Stored};
use crate::hub::jobs::{JobKey, JobState, JobTable, Outcome};
use crate::list::retain;
use crate::names::Names;
use crate::time::clock::Now;

/// How long the cores of the former hub may take to report what they run, before the tracker is asked.
const TAKEOVER_MS: f64 = 1_000.0;

/// No jobs are fetched for a core that has not reported to its new hub for this long.
const SILENT_MS: f64 = 120_000.0;

impl Scheduler {
    /// Takes over the records that storage had.
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
        let mut over = Names::default();
        for stored in ended {
            over.insert(stored.ticket.text());
        }
        for stored in jobs {
            let outcome = stored.outcome.clone();
            let is_over = outcome.is_none() && over.contains(stored.ticket.text());
            if is_over || self.table.by_ticket(stored.ticket.text()).is_some() {
                // An outcome is stored beside its job; both are deleted together.
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
                    took_ms: 0.0,
                    sent: false,
                    stored: true,
                };
            }
        }
    }

    /// Takes over records that come after jobs were begun without them. Outcomes are delivered. A job
    /// without one is left to its lease, because another core may be working on it.
    pub(super) fn restore_late(&mut self, now: Now, jobs: Vec<Stored>) {
        for stored in jobs {
            if stored.outcome.is_some() {
                self.ended_before(now, stored);
            } else {
                self.free(&stored);
            }
        }
    }

    /// Adds a job that did not come from the tracker.
    fn add(&mut self, stored: Stored) -> Option<JobKey> {
        let mut sessions = self.sessions.iter();
        let Some(index) = sessions.position(|l| l.common.stage == stored.stage) else {
            // This page does not work at its stage any more, so its lease is left to expire.
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
        self.table.free_text(stored.input);
        if let Some(Outcome::Done(text)) = &stored.outcome {
            self.table.freed.push(*text);
        }
    }

    /// A job has ended in a core of the former hub, which may not have taken note of it.
    pub(super) fn ended_before(&mut self, now: Now, stored: Stored) {
        let outcome = stored.outcome.clone();
        let known = self.table.by_ticket(stored.ticket.text());
        if let Some(job) = known.and_then(|known| self.table.get(known))
            && job.number != stored.number
        {
            // In the first protocol one token holds one job after the other. A job that runs, or is in
            // storage, is the later one. Of two that have ended it is not known which was delivered.
            let (key, either) = (job.key, job.outcome().is_some() && !job.restored);
            self.free(&stored);
            if either {
                self.table.withdraw(key);
            }
            return;
        }
        let key = match known {
            Some(known) => {
                self.table.free_text(stored.input);
                Some(known)
            }
            None => self.add(stored),
        };
        if let (Some(key), Some(outcome)) = (key, outcome) {
            self.table.end(key, outcome, now);
        }
    }

    /// A core of the former hub has reported which job it runs.
    pub(super) fn resume(&mut self, cx: &mut Cx, at: u32, job: Option<(JobKey, Stored)>) {
        self.reported(at);
        let Some((key, stored)) = job else { return };
        // If the job has a checkpoint, it came from storage too.
        let mut known = self.table.by_ticket(stored.ticket.text());
        if let Some(job) = known.and_then(|known| self.table.get(known))
            && job.number != stored.number
        {
            // The token held this job before, and has delivered it.
            self.table.remove(job.key);
            known = None;
        }
        if let Some(known) = known {
            self.table.free_text(stored.input);
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
            // The core has been ended meanwhile.
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

    /// It is known what this core has done for the former hub.
    pub(super) fn reported(&mut self, at: u32) {
        if let Some((cores, _)) = &mut self.takeover {
            retain(cores, |inherited| inherited.core != at);
        }
    }

    /// The cores of the former hub that have not reported yet which job they run.
    pub(super) fn unreported(&self) -> &[Inherited] {
        self.takeover.as_ref().map_or(&[], |(cores, _)| cores)
    }

    /// Whether this is one of them.
    pub(super) fn is_unreported(&self, at: u32) -> bool {
        self.unreported()
            .iter()
            .any(|inherited| inherited.core == at)
    }

    /// Whether they have been silent for so long that nothing is fetched for them.
    pub(super) fn are_unreported_silent(&self, cx: &mut Cx) -> bool {
        let since = self.takeover.as_ref().map(|(_, since)| *since);
        let left = since.map(|since| SILENT_MS - cx.now.awake_since(since));
        !self.unreported().is_empty() && left.is_some_and(|left| cx.expired(Timer::Silence, left))
    }

    /// Whether all of them have reported, or have had enough time to.
    pub(super) fn has_taken_over(&self, cx: &mut Cx) -> bool {
        let since = self.takeover.as_ref().map(|(_, since)| *since);
        self.unreported().is_empty()
            || since
                .is_some_and(|since| cx.expired(Timer::Takeover, TAKEOVER_MS - cx.now.since(since)))
    }

    /// How much longer a core of the former hub may be silent before its worker is replaced, in time in
    /// which cores work.
    pub(super) fn silence_left_ms(&self, inherited: Inherited) -> f64 {
        let limit = self.limits.job_timeout_ms.unwrap_or(f64::INFINITY);
        let stall = if inherited.has_progress {
            self.limits.stall_ms
        } else {
            f64::INFINITY
        };
        limit.min(stall) - self.work_ms
    }

    /// Gives up the registrations of the former hub if a core has not reported in time. Its job is not
    /// known here, and a sync that does not name the job would release it. Under another registration it
    /// does not, and leases are valid under any.
    pub(super) fn part(&mut self) {
        if !self.unreported().is_empty() && !self.parted {
            self.parted = true;
            for session in &mut self.sessions {
                session.part();
            }
        }
    }
}
