//! Slots for workers, and how long to wait before one is filled again.

use crate::page::event::Id;
use crate::time::backoff::Backoff;
use crate::time::clock::Now;

/// A worker that has lived so long is replaced at once.
pub const LONG_LIFE_MS: f64 = 10_000.0;

/// The wait before a worker that has lived only shortly is replaced.
const RESPAWN: Backoff = Backoff::doubling(1_000.0, 60_000.0).with_jitter(0.5);

/// How long to wait before a worker is replaced, in milliseconds, after so many short lives in a
/// row. A worker that has lived long is replaced at once. `random` is in `[0, 1)`.
#[must_use]
pub fn respawn_ms(short_lives: u32, random: f64) -> f64 {
    match short_lives.checked_sub(1) {
        Some(failures) => RESPAWN.wait_ms(failures, random),
        None => 0.0,
    }
}

/// A worker that was started.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: Id,
    /// When it called `work()`.
    pub(super) ready: Option<Now>,
    /// Ticks since it was started.
    pub(super) ticks: u32,
    /// Whether it has a channel to a hub.
    pub(super) connected: bool,
}

/// The place of the hub or of a compute worker, which is filled again when its worker is gone.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) worker: Option<Worker>,
    /// How many workers in a row have lived only shortly.
    short_lives: u32,
    /// When the last worker was lost, and how long to wait before the next.
    pub(super) waits: Option<(Now, f64)>,
}

impl Slot {
    pub(super) fn ready(&self) -> Option<Id> {
        let worker = self.worker.as_ref()?;
        worker.ready.map(|_| worker.id)
    }

    pub(super) fn is(&self, id: Id) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.id == id)
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        let waits = self.waits.is_some_and(|(died, ms)| now.since(died) < ms);
        self.worker.is_none() && !waits
    }

    pub(super) fn is_connected(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.connected)
    }

    /// The worker is gone.
    pub(super) fn lost(&mut self, now: Now, random: f64) {
        let ready = self.worker.take().and_then(|worker| worker.ready);
        let long = ready.is_some_and(|ready| now.since(ready) >= LONG_LIFE_MS);
        self.short_lives = if long { 0 } else { self.short_lives + 1 };
        self.waits = Some((now, respawn_ms(self.short_lives, random)));
    }

    /// When the next worker is started, in the supervisor's own time, if the last ones lived only shortly
    /// and none is ready.
    pub(super) fn trouble(&self) -> Option<f64> {
        let (died, ms) = self.waits?;
        (self.short_lives > 0 && self.ready().is_none()).then_some(died.wall + ms)
    }
}
