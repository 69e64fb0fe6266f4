//! Whether the tracker answers, and when it is tried again if it does not.

use crate::engine::clock::{Due, Now};
use crate::exchange::backoff_ms;
use crate::fault::Fault;

/// The sooner of all waits: full jitter may say nothing at all.
const LEAST_MS: f64 = 200.0;

/// The longest, whatever a server asks for.
const MOST_MS: f64 = 600_000.0;

/// The state of a connection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Retry {
    attempts: u32,
    due: Option<Due>,
    /// What went wrong last.
    pub fault: Option<Fault>,
}

impl Retry {
    /// An answer came.
    pub fn worked(&mut self) {
        *self = Self::default();
    }

    /// None came, or none that can be used.
    pub fn failed(&mut self, now: Now, random: f64, retry_after_ms: Option<u32>, fault: Fault) {
        let wait = f64::from(backoff_ms(self.attempts, random, retry_after_ms));
        self.attempts = self.attempts.saturating_add(1);
        self.due = Some(Due::after(now, wait.clamp(LEAST_MS, MOST_MS)));
        self.fault = Some(fault);
    }

    /// Whether a request may be sent.
    #[must_use]
    pub fn may_try(&self, now: Now) -> bool {
        self.due.is_none_or(|due| due.is_over(now))
    }

    /// Whether the tracker did not answer the last time.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.due.is_some()
    }

    /// Milliseconds until it is tried again; `None`: it answers.
    #[must_use]
    pub fn left_ms(&self, now: Now) -> Option<f64> {
        self.due.map(|due| due.left_ms(now))
    }
}
