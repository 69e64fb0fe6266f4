//! One call from its first attempt to its end: when it is retried, how long to wait, when to give
//! up.
//!
//! Times are milliseconds since any fixed moment. Time and random numbers come from the caller.

use crate::client::call::{Answer, Call, Meaning};
use crate::client::probe;
use crate::client::probe::Finding;
use crate::fault::{Code, Fault, Kind};
use crate::time::backoff::Backoff;

/// The time limit of a call with all its attempts, in milliseconds: the caller's, or two minutes.
/// `bye` has ten seconds, because pages wait for it and the tracker does without it.
#[must_use]
pub fn timeout_ms(call: Call, asked: Option<u32>) -> u32 {
    asked.unwrap_or(match call {
        Call::Bye => 10_000,
        _ => 120_000,
    })
}

/// The wait between two attempts. Full jitter spreads ten thousand browsers that lost the same
/// tracker at the same moment better than any other.
pub const BACKOFF: Backoff = Backoff::doubling(500.0, 30_000.0).with_jitter(1.0);

/// The least time limit of one attempt, within that of the call.
pub const PATIENCE_MS: u32 = 20_000;

/// The wait in milliseconds before attempt `attempt + 1`, counted from 0, and never less than the
/// server has asked for. `random` is in `[0, 1)`.
#[must_use]
pub fn backoff_ms(attempt: u32, random: f64, retry_after_ms: Option<u32>) -> u32 {
    let jitter = BACKOFF.wait_ms(attempt, random) as u32;
    retry_after_ms.unwrap_or(0).saturating_add(jitter)
}

/// How often a registration finds its origin forbidden before it gives up.
const FORBIDDEN: u32 = 3;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The call has succeeded; the answer's body is its result.
    Done,
    /// An earlier attempt has succeeded.
    DoneBefore,
    /// Wait this many milliseconds, then send the same request again.
    Wait(u32),
    /// The call has failed.
    Fail(Fault),
}

/// The rate that is assumed for sending the body at the first attempt, in UTF-16 units per
/// millisecond:
/// 0.25 Mbit/s. Each attempt that times out halves it.
const SLOWEST: f64 = 31.0;

/// The time limits of one attempt, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until the answer begins.
    pub first_ms: u32,
    /// Between two parts of the answer.
    pub stall_ms: u32,
    /// For the whole attempt, if the caller has set a limit.
    pub whole_ms: Option<u32>,
}

/// The state of one call.
#[derive(Debug, Clone)]
pub struct Exchange {
    call: Call,
    deadline_ms: f64,
    longest_attempt_ms: u32,
    attempts: u32,
    /// How often this page's origin was found to be forbidden.
    forbidden: u32,
    /// The fault that the last probe has found.
    known: Option<Fault>,
    /// Whether the caller has set no limit. Then a transfer is not ended while bytes arrive.
    patient: bool,
    began_ms: f64,
}

impl Exchange {
    /// A call made at `made_ms`, with the caller's time limit or the usual one. One attempt gets at
    /// most half of a long limit, so that a connection that hangs leaves time for another.
    #[must_use]
    pub fn begin(call: Call, made_ms: f64, asked: Option<u32>) -> Self {
        let timeout_ms = timeout_ms(call, asked);
        Self {
            call,
            deadline_ms: made_ms + f64::from(timeout_ms),
            longest_attempt_ms: PATIENCE_MS.max(timeout_ms / 2),
            attempts: 0,
            forbidden: 0,
            known: None,
            patient: asked.is_none(),
            began_ms: made_ms,
        }
    }

    /// The time limits of the attempt that begins at `now_ms`, with a body of `length` UTF-16
    /// units.
    pub fn patience(&mut self, now_ms: f64, length: u32) -> Patience {
        self.began_ms = now_ms;
        let limit_ms = self.attempt_limit_ms(now_ms);
        let slowest = SLOWEST / 2.0_f64.powi(self.attempts.min(8) as i32);
        let upload_ms = if self.patient {
            (f64::from(length) / slowest) as u32
        } else {
            0
        };
        Patience {
            first_ms: limit_ms.saturating_add(upload_ms).min(i32::MAX as u32),
            stall_ms: PATIENCE_MS,
            whole_ms: (!self.patient).then_some(limit_ms),
        }
    }

    /// The time left at `now_ms`.
    #[must_use]
    pub fn left_ms(&self, now_ms: f64) -> u32 {
        (self.deadline_ms - now_ms).clamp(0.0, f64::from(i32::MAX)) as u32
    }

    /// The fault of a call whose time has passed while it was queued behind others of this client.
    #[must_use]
    pub fn queued_too_long(&self) -> Fault {
        Fault::new(
            Kind::Timeout,
            Code::Timeout,
            "The time given has passed while an earlier call of this client was still running.",
        )
    }

    /// The time limit of the attempt that begins at `now_ms`, without its upload.
    #[must_use]
    pub fn attempt_limit_ms(&self, now_ms: f64) -> u32 {
        self.left_ms(now_ms).min(self.longest_attempt_ms)
    }

    /// An answer has arrived.
    pub fn answered(&mut self, now_ms: f64, random: f64, answer: &Answer) -> Step {
        match self.call.meaning(answer) {
            Meaning::Done => Step::Done,
            Meaning::DoneBefore => Step::DoneBefore,
            Meaning::Failed(fault) => Step::Fail(fault),
            Meaning::Later(fault) => self.again(now_ms, random, answer.retry_after_ms, fault),
        }
    }

    /// The request has failed below HTTP, with the browser's message `what`.
    pub fn not_reached(&mut self, now_ms: f64, random: f64, url: &str, what: &str) -> Step {
        let fault = Fault::new(
            Kind::Unreachable,
            Code::Unreachable,
            format!(
                "The tracker cannot be reached at {url} ({what}). This is one of three things: \
                 this device has no network, the tracker is down or its address is wrong, or \
                 the tracker does not allow calls from this page's origin (CORS). A browser \
                 does not tell which."
            ),
        );
        let fault = self.known.clone().unwrap_or(fault);
        self.again(now_ms, random, None, fault)
    }

    /// Whether to probe why the attempt that has just failed was not answered.
    #[must_use]
    pub fn shall_probe(&self) -> bool {
        probe::is_due(self.attempts.saturating_add(1), false)
    }

    /// The request has failed below HTTP, and a probe has found out why.
    pub fn found(
        &mut self,
        now_ms: f64,
        random: f64,
        url: &str,
        what: &str,
        why: &Finding,
    ) -> Step {
        let Some(fault) = why.fault(url) else {
            return self.not_reached(now_ms, random, url, what);
        };
        self.forbidden += u32::from(*why == Finding::Forbidden);
        let hopeless = match why {
            Finding::Moved(_) => true,
            // Later calls are retried, so that results are not given up.
            Finding::NoTracker(_) => self.call == Call::New,
            // A proxy answers without CORS headers while the tracker is being restarted.
            Finding::Forbidden => self.call == Call::New && self.forbidden >= FORBIDDEN,
            Finding::Here | Finding::Unknown => false,
        };
        if hopeless {
            return Step::Fail(fault);
        }
        self.known = Some(fault.clone());
        self.again(now_ms, random, None, fault)
    }

    /// No answer has arrived within [`Self::attempt_limit_ms`].
    pub fn timed_out(&mut self, now_ms: f64, random: f64, url: &str) -> Step {
        let fault = Fault::new(
            Kind::Timeout,
            Code::Timeout,
            format!(
                "No answer came from the tracker at {url} in the time given. It may be \
                 overloaded, or the connection hangs."
            ),
        );
        self.again(now_ms, random, None, fault)
    }

    fn again(
        &mut self,
        now_ms: f64,
        random: f64,
        retry_after_ms: Option<u32>,
        fault: Fault,
    ) -> Step {
        if self.patient {
            // An attempt can only have taken longer than its limit while bytes arrived. The time of
            // that transfer does not count towards the limit of the call.
            let took_ms = now_ms - self.began_ms;
            if took_ms > f64::from(self.longest_attempt_ms) + 1_000.0 {
                self.deadline_ms += took_ms - f64::from(PATIENCE_MS);
            }
        }
        let wait = backoff_ms(self.attempts, random, retry_after_ms);
        self.attempts = self.attempts.saturating_add(1);
        // Waiting past the deadline would only delay the same fault.
        if now_ms + f64::from(wait) >= self.deadline_ms {
            Step::Fail(fault)
        } else {
            Step::Wait(wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://t.example";

    fn busy(retry_after_ms: Option<u32>) -> Answer {
        Answer {
            status: 503,
            retry_after_ms,
            ..Answer::default()
        }
    }

    #[test]
    fn waits_double_up_to_the_ceiling_and_are_fully_jittered() {
        assert_eq!(backoff_ms(0, 1.0, None), 500);
        assert_eq!(backoff_ms(3, 1.0, None), 4000);
        assert_eq!(backoff_ms(6, 1.0, None), 30_000);
        assert_eq!(backoff_ms(u32::MAX, 1.0, None), 30_000);
        assert_eq!(backoff_ms(3, 0.25, None), 1000);
        assert_eq!(backoff_ms(3, 0.0, None), 0);
        assert_eq!(backoff_ms(3, f64::NAN, None), 0);
    }

    #[test]
    fn the_server_says_how_soon_and_jitter_comes_on_top() {
        assert_eq!(backoff_ms(0, 0.5, Some(7000)), 7250);
        assert_eq!(backoff_ms(0, 1.0, Some(u32::MAX)), u32::MAX);
    }

    #[test]
    fn a_lost_network_is_tried_again_until_time_runs_out() {
        let mut exchange = Exchange::begin(Call::NewJob, 1000.0, Some(10_000));
        let mut now = 1000.0;
        let mut attempts = 0;
        let fault = loop {
            attempts += 1;
            assert!(attempts < 100, "never gave up");
            match exchange.not_reached(now, 0.99, URL, "Failed to fetch") {
                Step::Wait(ms) => now += f64::from(ms),
                Step::Fail(fault) => break fault,
                step => panic!("{step:?}"),
            }
        };
        assert!(attempts > 3, "gave up after {attempts}");
        assert!(now < 11_000.0);
        assert_eq!(fault.kind, Kind::Unreachable);
        for thing in ["no network", "address is wrong", "CORS", URL] {
            assert!(fault.message.contains(thing), "{}", fault.message);
        }
    }

    #[test]
    fn a_tracker_that_has_moved_is_not_waited_for() {
        let moved = Finding::Moved("https://new.example".to_owned());
        for call in [Call::New, Call::CompleteJob] {
            let mut exchange = Exchange::begin(call, 0.0, Some(10_000));
            assert!(exchange.shall_probe());
            let step = exchange.found(0.0, 0.5, URL, "Failed to fetch", &moved);
            assert!(matches!(step, Step::Fail(fault) if fault.code == Code::Moved));
        }
    }

    #[test]
    fn an_origin_that_is_not_let_in_is_told_soon_to_who_registers_and_others_wait() {
        for (call, most) in [(Call::New, 3), (Call::CompleteJob, 1_000)] {
            let mut exchange = Exchange::begin(call, 0.0, Some(120_000));
            let mut now = 0.0;
            let mut found = 0;
            let fault = loop {
                found += 1;
                match exchange.found(now, 0.5, URL, "Failed to fetch", &Finding::Forbidden) {
                    Step::Wait(ms) => now += f64::from(ms),
                    Step::Fail(fault) => break fault,
                    step => panic!("{step:?}"),
                }
            };
            assert_eq!(fault.code, Code::OriginForbidden);
            assert!(
                found <= most && (call == Call::New || now > 60_000.0),
                "{call:?} {now}"
            );
        }
    }

    #[test]
    fn a_server_that_asks_for_more_time_than_there_is_fails_at_once() {
        let mut exchange = Exchange::begin(Call::NewJob, 0.0, Some(10_000));
        let step = exchange.answered(0.0, 0.5, &busy(Some(60_000)));
        assert!(matches!(step, Step::Fail(f) if f.status == Some(503)));
    }

    #[test]
    fn a_busy_server_is_asked_again_after_the_time_it_named() {
        let mut exchange = Exchange::begin(Call::NewJob, 0.0, Some(10_000));
        assert_eq!(
            exchange.answered(0.0, 0.0, &busy(Some(2000))),
            Step::Wait(2000)
        );
    }

    #[test]
    fn a_hanging_connection_leaves_time_for_a_fresh_one() {
        let mut exchange = Exchange::begin(Call::NewJob, 0.0, Some(100_000));
        assert_eq!(exchange.attempt_limit_ms(0.0), 50_000);
        assert_eq!(exchange.timed_out(50_000.0, 0.0, URL), Step::Wait(0));
        assert_eq!(exchange.attempt_limit_ms(90_000.0), 10_000);
        assert!(matches!(exchange.timed_out(100_000.0, 0.0, URL),
            Step::Fail(f) if f.kind == Kind::Timeout));
        assert_eq!(exchange.attempt_limit_ms(200_000.0), 0);
    }

    #[test]
    fn waiting_behind_other_calls_counts() {
        let exchange = Exchange::begin(Call::NewJob, 0.0, Some(1000));
        assert_eq!(exchange.left_ms(400.0), 600);
        assert_eq!(exchange.left_ms(5000.0), 0);
        assert_eq!(exchange.queued_too_long().kind, Kind::Timeout);
        assert_eq!(timeout_ms(Call::Bye, None), 10_000);
        assert_eq!(timeout_ms(Call::Bye, Some(5)), 5);
    }

    #[test]
    fn a_short_time_limit_is_given_to_the_first_attempt_whole() {
        let exchange = Exchange::begin(Call::NewJob, 0.0, Some(300));
        assert_eq!(exchange.attempt_limit_ms(0.0), 300);
    }

    #[test]
    fn a_large_body_is_given_its_time_unless_the_caller_has_set_a_limit() {
        // 6 MB at 0.25 Mbit/s take 192 s, and only then can an answer begin.
        let mut exchange = Exchange::begin(Call::CompleteJob, 0.0, None);
        let first = exchange.patience(0.0, 6_000_000);
        assert!(first.first_ms > 192_000, "{first:?}");
        assert_eq!((first.stall_ms, first.whole_ms), (PATIENCE_MS, None));
        let limit = f64::from(first.first_ms);
        assert!(matches!(exchange.timed_out(limit, 0.0, URL), Step::Wait(_)));
        let second = exchange.patience(limit, 6_000_000);
        assert!(second.first_ms > first.first_ms + 192_000, "{second:?}");
        // A transfer that breaks after minutes leaves time for another.
        let later = limit + 600_000.0;
        assert!(matches!(
            exchange.not_reached(later, 0.0, URL, "reset"),
            Step::Wait(_)
        ));
        let mut strict = Exchange::begin(Call::CompleteJob, 0.0, Some(30_000));
        let patience = strict.patience(0.0, 6_000_000);
        assert_eq!(
            (patience.first_ms, patience.whole_ms),
            (20_000, Some(20_000))
        );
    }
}
