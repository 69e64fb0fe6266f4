//! How a hub shuts down: running jobs are finished or stopped, everything is delivered or given back,
//! and the registrations end.

use crate::hub::Scheduler;
use crate::hub::action::Action;
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::JobState;
use crate::hub::session::Session;
use crate::time::clock::Now;

/// How long a stop may take at most, so that a tracker that does not answer delays nobody.
const STOP_MS: f64 = 6_000.0;

/// How long to wait for the next outcome to be delivered, when running jobs are finished first. The
/// jobs themselves may take as long as they need.
const DELIVER_MS: f64 = 15_000.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Run,
    /// Jobs are finished or stopped, and outcomes delivered.
    Stop {
        /// Since when. With `finish`: since a job last ran or was delivered.
        since: Now,
        finish: bool,
        /// How many jobs were not delivered at that time.
        left: usize,
    },
    /// Everything is delivered, and the registrations end.
    Leave {
        since: Now,
    },
    Over,
}

impl Scheduler {
    /// The volunteer has asked to stop.
    pub(super) fn stop(&mut self, now: Now, finish: bool) {
        let stop = Mode::Stop {
            since: now,
            finish,
            left: usize::MAX,
        };
        match self.mode {
            Mode::Run => self.mode = stop,
            // A second stop does not wait for running jobs.
            Mode::Stop { finish: true, .. } if !finish => self.mode = stop,
            _ => {}
        }
    }

    /// Goes on to the next step of a shutdown if the current one is done.
    pub(super) fn finish(&mut self, cx: &mut Cx) {
        let busy = self.cores.values().any(|core| core.running.is_some());
        let finishes = matches!(self.mode, Mode::Stop { finish: true, .. });
        // Jobs with a checkpoint are in storage for the next visit, and so are the outcomes of a session
        // that has failed for good, and results that wait for their files.
        let undelivered = self.table.count(|job| {
            let session = self.sessions.get(job.session);
            let delivers = session.is_some_and(|session| session.common.fatal.is_none());
            let is_kept =
                (job.resumable && job.state == JobState::Ahead) || (job.held && !finishes);
            delivers && !is_kept
        });
        let left_now = undelivered + self.files.parts_left();
        let in_flight = self.sessions.iter().any(Session::is_busy);
        match self.mode {
            Mode::Run => {
                if self.renewing && !busy && undelivered == 0 && !in_flight {
                    self.mode = Mode::Over;
                    cx.out.push(Action::Renew);
                }
            }
            Mode::Stop {
                finish: true, left, ..
            } if busy || left_now < left => {
                self.mode = Mode::Stop {
                    since: cx.now,
                    finish: true,
                    left: left_now,
                };
                if busy || undelivered > 0 || in_flight {
                    cx.arm(Timer::Shutdown, DELIVER_MS);
                } else {
                    self.finish(cx);
                }
            }
            Mode::Stop { since, finish, .. } => {
                let limit = if finish { DELIVER_MS } else { STOP_MS };
                let over = cx.expired(Timer::Shutdown, limit - cx.now.since(since));
                // A large result may take long to send. But after requests that were answered without
                // anything being delivered, another one does not help.
                let sent = self.sessions.iter().filter_map(Session::busy_since);
                let mut in_time = sent.filter(|sent| sent.since(since) < limit);
                let is_sending = self.files.is_sending() || in_time.next().is_some();
                let late = over && (!finish || self.is_away() || !is_sending);
                if late || (!busy && undelivered == 0 && !in_flight) {
                    self.mode = Mode::Leave { since: cx.now };
                    self.keep(cx, 0.0);
                    self.finish(cx);
                }
            }
            Mode::Leave { since } => {
                let mut left = false;
                for session in &mut self.sessions {
                    // The goodbye would end the leases of results that wait for their files.
                    let holds = self.files.holds(&self.table, session.common.index);
                    left |= !holds && session.leave(cx, &self.table);
                }
                let late = cx.expired(Timer::Shutdown, STOP_MS - cx.now.since(since));
                if !left || late || self.is_away() {
                    self.mode = Mode::Over;
                    cx.out.push(Action::Stopped);
                }
            }
            Mode::Over => {}
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.sessions
            .iter()
            .any(|session| session.common.retry.is_away())
    }
}
