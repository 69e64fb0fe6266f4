//! How a hub ends: what runs is finished or stopped, everything is handed in or put back, and the
//! registrations are given up.

use crate::hub::Scheduler;
use crate::hub::action::Action;
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::Place;
use crate::hub::session::Link;
use crate::time::clock::Now;

/// How long a stop may take in all: for a tracker that does not answer nobody waits.
const STOP_MS: f64 = 6_000.0;

/// A core that was told to finish may take as long as it wants, its results not.
const DELIVER_MS: f64 = 15_000.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Run,
    /// Since when; `finish`: what runs is finished first.
    Stop {
        since: Now,
        finish: bool,
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
        match self.mode {
            Mode::Run => self.mode = Mode::Stop { since: now, finish },
            // Twice means at once.
            Mode::Stop { finish: true, .. } if !finish => {
                self.mode = Mode::Stop { since: now, finish };
            }
            _ => {}
        }
    }

    /// What follows when everything is done.
    pub(super) fn finish(&mut self, cx: &mut Cx) {
        let busy = self.cores.values().any(|core| core.running.is_some());
        // What has a checkpoint is in storage, for a later visit.
        let undelivered = self
            .table
            .count(|job| !(job.resumable && job.place == Place::Ahead))
            > 0;
        let in_flight = self.links.iter().any(Link::is_busy);
        match self.mode {
            Mode::Run => {
                if self.renewing && !busy && !undelivered && !in_flight {
                    self.mode = Mode::Over;
                    cx.out.push(Action::Renew);
                }
            }
            Mode::Stop { finish: true, .. } if busy => {
                // Results have their time from when the last one is there.
                self.mode = Mode::Stop {
                    since: cx.now,
                    finish: true,
                };
                cx.arm(Timer::Shutdown, DELIVER_MS);
            }
            Mode::Stop { since, finish } => {
                let limit = if finish { DELIVER_MS } else { STOP_MS };
                let over = cx.expired(Timer::Shutdown, limit - cx.now.since(since));
                let late = over && (!finish || self.is_away());
                if late || (!busy && !undelivered && !in_flight) {
                    self.mode = Mode::Leave { since: cx.now };
                    self.keep(cx, 0.0);
                    self.finish(cx);
                }
            }
            Mode::Leave { since } => {
                let mut left = false;
                for link in &mut self.links {
                    left |= link.leave(cx, &self.table);
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
        self.links.iter().any(|link| link.common.retry.is_away())
    }
}
