//! How a hub ends: what runs is finished or stopped, everything is handed in or put back, and the
//! registrations are given up.

use crate::hub::Scheduler;
use crate::hub::action::Action;
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::JobState;
use crate::hub::session::Session;
use crate::time::clock::Now;

/// How long a stop may take in all: for a tracker that does not answer nobody waits.
const STOP_MS: f64 = 6_000.0;

/// A core that was told to finish may take as long as it wants, its results not.
const DELIVER_MS: f64 = 15_000.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Run,
    /// `finish`: what runs is finished first.
    Stop {
        /// Since when; with `finish`, since something was last finished or delivered.
        since: Now,
        finish: bool,
        /// How many jobs were not delivered then.
        left: usize,
    },
    /// Everything is delivered; the registrations are given up.
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
            // Twice means at once.
            Mode::Stop { finish: true, .. } if !finish => self.mode = stop,
            _ => {}
        }
    }

    /// What follows when everything is done.
    pub(super) fn finish(&mut self, cx: &mut Cx) {
        let busy = self.cores.values().any(|core| core.running.is_some());
        // What has a checkpoint is in storage, for a later visit. So is what a session has that cannot
        // go on.
        let undelivered = self.table.count(|job| {
            let session = self.sessions.get(job.session);
            let delivers = session.is_some_and(|session| session.common.fatal.is_none());
            delivers && !(job.resumable && job.state == JobState::Ahead)
        });
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
            } if busy || undelivered < left => {
                self.mode = Mode::Stop {
                    since: cx.now,
                    finish: true,
                    left: undelivered,
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
                // A result may be long on its way. But where an answer comes and nothing was delivered,
                // another request does not help.
                let sent = self.sessions.iter().filter_map(Session::busy_since);
                let mut in_time = sent.filter(|sent| sent.since(since) < limit);
                let late = over && (!finish || self.is_away() || in_time.next().is_none());
                if late || (!busy && undelivered == 0 && !in_flight) {
                    self.mode = Mode::Leave { since: cx.now };
                    self.keep(cx, 0.0);
                    self.finish(cx);
                }
            }
            Mode::Leave { since } => {
                let mut left = false;
                for session in &mut self.sessions {
                    left |= session.leave(cx, &self.table);
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
