//! The two clocks of the machine: one may stand still during sleep, and the other may be set.

use distcompute_engine::time::clock::Now;

use super::Browser;
use super::planned::{Ending, Planned};
use crate::tracker::Tracker;

/// 2026-11-25.
const EPOCH_MS: f64 = 1_795_564_800_000.0;

impl<T: Tracker> Browser<T> {
    pub fn now(&self) -> Now {
        Now {
            mono: self.t,
            wall: EPOCH_MS + self.t + self.slept + self.set,
        }
    }

    /// The time of the simulation, in milliseconds.
    pub fn time(&self) -> f64 {
        self.t + self.slept
    }

    /// The time as far as the hub can know it from its clocks.
    pub(super) fn shown_time(&self) -> f64 {
        self.time() - self.hidden
    }

    /// The hub is about to read the clocks.
    pub(super) fn look_at_clocks(&mut self) {
        let (now, time) = (self.now(), self.time());
        let (last, at) = self.last_read;
        let shown = (now.wall - last.wall).max(now.mono - last.mono);
        self.hidden += (time - at - shown).max(0.0);
        self.last_read = (now, time);
    }

    /// The machine sleeps: nothing runs, connections break, and one of its clocks may stand still.
    pub fn sleep(&mut self, ms: f64) {
        self.slept += ms;
        for (request, generation) in self.flights.clone() {
            self.plan(
                0.0,
                Planned::Ending(request, generation, Box::new(Ending::NotReached)),
            );
        }
    }

    /// The page is frozen: clocks go on, and nothing runs. Messages that arrive meanwhile are delivered afterwards.
    pub fn freeze(&mut self, ms: f64) {
        self.t += ms;
        for core in self.cores.values_mut() {
            core.freeze(ms);
        }
        self.idle.clear();
        self.waits.clear();
    }

    /// Somebody sets the clock.
    pub fn set_clock(&mut self, by_ms: f64) {
        self.set += by_ms;
    }
}
