//! Whether the tracker answers, and when it is tried again if it does not.
//!
//! A million browsers may lose the same tracker in the same minute. So that it is not overloaded when it
//! comes back, each of them sends no more requests while it is away than usual. One exception is a single
//! retry soon after the first failure, which is all that most failures need. Waits are random, the longest
//! twice the shortest, so that the browsers do not come back together.

use crate::fault::{Code, Fault};
use crate::time::backoff::{Backoff, spread_ms};
use crate::time::clock::{Due, Now};
use distcompute_protocol::ErrorCode;

/// The longest wait before the first retry.
const SOON_MS: f64 = 1_000.0;

/// The least that counts as the usual time between requests.
const LEAST_GAP_MS: f64 = 500.0;

/// The longest wait, whatever a server asks for.
const MOST_MS: f64 = 600_000.0;

/// How long an answer may take.
pub(super) const PATIENCE_MS: f64 = 20_000.0;

/// The least time that an answer is given.
const LEAST_PATIENCE_MS: f64 = 2_000.0;

/// How a session asks while all is well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// The mean time between two requests, in milliseconds.
    pub gap_ms: f64,
    /// The longest.
    pub longest_ms: f64,
}

/// The state of a connection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Retry {
    attempts: u32,
    due: Option<Due>,
    fault: Option<Fault>,
}

impl Retry {
    /// Notes that an answer came.
    pub fn worked(&mut self) {
        *self = Self::default();
    }

    /// Notes that no answer came, or none that can be used.
    pub fn failed(
        &mut self,
        now: Now,
        random: f64,
        retry_after_ms: Option<u32>,
        fault: Fault,
        usual: Usual,
    ) {
        let longest_ms = usual.longest_ms.max(SOON_MS);
        let jitter = if self.attempts == 0 {
            spread_ms(SOON_MS, random)
        } else {
            Backoff::doubling(usual.gap_ms.max(LEAST_GAP_MS), longest_ms)
                .with_jitter(0.5)
                .wait_ms(self.attempts, random)
        };
        let wait = f64::from(retry_after_ms.unwrap_or(0)) + jitter;
        self.attempts = self.attempts.saturating_add(1);
        self.due = Some(Due::after(now, wait.min(MOST_MS.max(jitter))));
        // A cause that was found out once is kept when later failures are not examined.
        let known = self.fault.as_ref().is_some_and(Fault::is_lasting);
        if !known || fault.code != Code::Unreachable {
            self.fault = Some(fault);
        }
    }

    /// How long the next answer may take if leases last for `lease_ms`: a request that hangs must leave time
    /// for another one. Twice as long after each failure, for slow networks.
    #[must_use]
    pub fn patience_ms(&self, lease_ms: f64) -> f64 {
        let third = lease_ms / 3.0;
        (third * self.leniency()).clamp(LEAST_PATIENCE_MS, PATIENCE_MS)
    }

    /// How many times longer than usual something may take now: twice as long after each failure.
    #[must_use]
    pub fn leniency(&self) -> f64 {
        2.0_f64.powi(self.attempts.min(8) as i32)
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

    /// Whether it answered, and asked for more time between two requests.
    #[must_use]
    pub fn is_asked_to_wait(&self) -> bool {
        let code = self.fault.as_ref().map(|fault| fault.code);
        self.is_away() && code == Some(Code::Tracker(ErrorCode::TooManyRequests))
    }

    /// What went wrong last.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// How many requests in a row were not answered.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.attempts
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
    use crate::fault::Kind;

    #[test]
    fn a_short_lease_survives_a_request_that_hangs_and_a_slow_network_is_waited_for() {
        let mut retry = Retry::default();
        assert_eq!(retry.patience_ms(300_000.0), PATIENCE_MS);
        assert_eq!(retry.patience_ms(9_000.0), 3_000.0);
        assert_eq!(retry.patience_ms(5_000.0), LEAST_PATIENCE_MS);
        for _ in 0..5 {
            let fault = Fault::new(Kind::Unreachable, Code::Timeout, "");
            let usual = Usual {
                gap_ms: 500.0,
                longest_ms: 60_000.0,
            };
            retry.failed(Now::default(), 0.5, None, fault, usual);
        }
        assert_eq!(retry.patience_ms(5_000.0), PATIENCE_MS);
        retry.worked();
        assert_eq!(retry.patience_ms(9_000.0), 3_000.0);
    }

    fn waits(usual: Usual, random: f64, retry_after_ms: Option<u32>) -> Vec<f64> {
        let mut retry = Retry::default();
        let now = Now::default();
        let mut wait = || {
            let fault = Fault::bad_answer("away");
            retry.failed(now, random, retry_after_ms, fault, usual);
            retry.left_ms(now).unwrap_or_default()
        };
        (0..40).map(|_| wait()).collect()
    }

    #[test]
    fn after_one_repetition_nobody_asks_oftener_than_usual_or_waits_longer() {
        for (gap_ms, longest_ms) in [
            (2_000.0, 60_000.0),
            (45_000.0, 60_000.0),
            (500.0, 600_000.0),
        ] {
            let usual = Usual { gap_ms, longest_ms };
            for random in [0.0, 0.5, 0.999] {
                let waits = waits(usual, random, None);
                assert!(waits[0] <= SOON_MS);
                let least = gap_ms.min(longest_ms / 2.0);
                assert!(
                    waits[1..]
                        .iter()
                        .all(|ms| (least..=longest_ms).contains(ms))
                );
                assert!(waits[30] >= longest_ms / 2.0);
            }
        }
    }

    #[test]
    fn the_longest_wait_is_twice_the_shortest() {
        let usual = Usual {
            gap_ms: 10_000.0,
            longest_ms: 60_000.0,
        };
        let (short, long) = (waits(usual, 0.0, None), waits(usual, 1.0, None));
        for (short, long) in short.iter().zip(long) {
            assert_eq!(long, 2.0 * short);
        }
        assert_eq!(short[..5], [500.0, 10_000.0, 20_000.0, 30_000.0, 30_000.0]);
    }

    #[test]
    fn why_it_is_away_is_kept_until_something_else_is_found_out() {
        let mut retry = Retry::default();
        let usual = Usual {
            gap_ms: 500.0,
            longest_ms: 60_000.0,
        };
        let mut fails = |kind, code| {
            retry.failed(Now::default(), 0.5, None, Fault::new(kind, code, ""), usual);
            retry.fault.as_ref().map(|fault| fault.code)
        };
        let lost = (Kind::Unreachable, Code::Unreachable);
        assert_eq!(fails(lost.0, lost.1), Some(Code::Unreachable));
        assert_eq!(fails(Kind::InvalidUrl, Code::Moved), Some(Code::Moved));
        assert_eq!(fails(lost.0, lost.1), Some(Code::Moved));
        assert_eq!(
            fails(Kind::Server, Code::NotATracker),
            Some(Code::NotATracker)
        );
        retry.worked();
        assert_eq!(retry.fault, None);
    }

    #[test]
    fn a_server_says_how_soon_but_not_to_wait_for_a_year() {
        let usual = Usual {
            gap_ms: 500.0,
            longest_ms: 60_000.0,
        };
        assert_eq!(waits(usual, 0.0, Some(7_000))[..2], [7_500.0, 7_500.0]);
        assert!(
            waits(usual, 1.0, Some(u32::MAX))
                .iter()
                .all(|ms| *ms == MOST_MS)
        );
    }
}
