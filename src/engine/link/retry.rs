//! Whether the tracker answers, and when it is tried again if it does not.

use crate::engine::clock::{Due, Now};
use crate::exchange::backoff_ms;
use crate::fault::Fault;

/// The sooner of all waits: full jitter may say nothing at all.
const LEAST_MS: f64 = 200.0;

/// The longest, whatever a server asks for.
const MOST_MS: f64 = 600_000.0;

/// How long an answer may take.
pub(super) const PATIENCE_MS: f64 = 20_000.0;

/// Any network gets so long.
const LEAST_PATIENCE_MS: f64 = 2_000.0;

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

    /// How long the next answer may take where leases last for `lease_ms`: one that never comes must
    /// leave time for another. After each failure twice as long, for a network that is that slow.
    #[must_use]
    pub fn patience_ms(&self, lease_ms: f64) -> f64 {
        let third = lease_ms / 3.0;
        (third * 2.0_f64.powi(self.attempts.min(8) as i32)).clamp(LEAST_PATIENCE_MS, PATIENCE_MS)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Code, Kind};

    #[test]
    fn a_short_lease_survives_a_request_that_hangs_and_a_slow_network_is_waited_for() {
        let mut retry = Retry::default();
        assert_eq!(retry.patience_ms(300_000.0), PATIENCE_MS);
        assert_eq!(retry.patience_ms(9_000.0), 3_000.0);
        assert_eq!(retry.patience_ms(5_000.0), LEAST_PATIENCE_MS);
        for _ in 0..5 {
            let fault = Fault::new(Kind::Unreachable, Code::Timeout, "");
            retry.failed(Now::default(), 0.5, None, fault);
        }
        assert_eq!(retry.patience_ms(5_000.0), PATIENCE_MS);
        retry.worked();
        assert_eq!(retry.patience_ms(9_000.0), 3_000.0);
    }
}
