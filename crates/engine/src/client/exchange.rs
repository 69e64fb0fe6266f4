//! One call from its first attempt to its end: when it is retried, how long to wait, when to give
//! up.
//!
//! Each event is followed by one action, or by a wait until [`Exchange::next_timeout`]. Times are
//! milliseconds since any fixed moment.

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

/// What [`Exchange::handle`] gets besides the event, and where it puts what follows.
#[derive(Debug)]
pub struct Cx {
    /// The time, in milliseconds.
    pub now: f64,
    /// A random number in `[0, 1)`.
    pub random: f64,
    /// What to do: at most one action. If there is none, the call waits for its next attempt.
    pub out: Vec<Action>,
}

impl Cx {
    /// At this time, with nothing to do yet.
    #[must_use]
    pub fn new(now: f64, random: f64) -> Self {
        Self {
            now,
            random,
            out: Vec::new(),
        }
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It may be sent: the earlier calls of the same client are done.
    Begin {
        /// The tracker's address, for messages.
        address: String,
        /// The length of the body, in UTF-16 units.
        length: u32,
    },
    /// An answer has arrived.
    Answered(Answer),
    /// The attempt has failed below HTTP, with this message of the browser.
    NotReached(String),
    /// The result of [`Action::Probe`].
    Probed(Finding),
    /// The attempt has exceeded a limit of its [`Patience`].
    TimedOut,
    /// [`Exchange::next_timeout`] has passed.
    Tick,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send the request, with these time limits.
    Send(Patience),
    /// Find out why the attempt was not answered.
    Probe,
    /// The call has succeeded; the answer's body is its result.
    Done,
    /// An earlier attempt has succeeded.
    DoneBefore,
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
    address: String,
    /// The length of the body, in UTF-16 units.
    length: u32,
    /// The browser's message for the attempt that is being probed.
    message: String,
    /// When the next attempt begins, while the call waits for it.
    resumes: Option<f64>,
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
            address: String::new(),
            length: 0,
            message: String::new(),
            resumes: None,
            deadline_ms: made_ms + f64::from(timeout_ms),
            longest_attempt_ms: PATIENCE_MS.max(timeout_ms / 2),
            attempts: 0,
            forbidden: 0,
            known: None,
            patient: asked.is_none(),
            began_ms: made_ms,
        }
    }

    /// Takes an event, and says what to do.
    pub fn handle(&mut self, cx: &mut Cx, event: Event) {
        let action = match event {
            Event::Begin { address, length } => {
                (self.address, self.length) = (address, length);
                Some(self.attempt(cx.now))
            }
            Event::Tick if self.resumes.is_some_and(|at| at <= cx.now) => {
                self.resumes = None;
                Some(self.attempt(cx.now))
            }
            Event::Tick => None,
            Event::Answered(answer) => match self.call.meaning(&answer) {
                Meaning::Done => Some(Action::Done),
                Meaning::DoneBefore => Some(Action::DoneBefore),
                Meaning::Failed(fault) => Some(Action::Fail(fault)),
                Meaning::Later(fault) => self.again(cx, answer.retry_after_ms, fault),
            },
            Event::NotReached(message) => {
                self.message = message;
                if probe::is_due(self.attempts.saturating_add(1), false) {
                    Some(Action::Probe)
                } else {
                    self.not_reached(cx)
                }
            }
            Event::Probed(finding) => self.probed(cx, &finding),
            Event::TimedOut => self.timed_out(cx),
        };
        if let Some(action) = action {
            cx.out.push(action);
        }
    }

    /// When the next attempt begins, while the call waits for it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<f64> {
        self.resumes
    }

    /// Begins an attempt.
    fn attempt(&mut self, now_ms: f64) -> Action {
        self.began_ms = now_ms;
        let limit_ms = self.attempt_limit_ms(now_ms);
        let slowest = SLOWEST / 2.0_f64.powi(self.attempts.min(8) as i32);
        let upload_ms = if self.patient {
            (f64::from(self.length) / slowest) as u32
        } else {
            0
        };
        Action::Send(Patience {
            first_ms: limit_ms.saturating_add(upload_ms).min(i32::MAX as u32),
            stall_ms: PATIENCE_MS,
            whole_ms: (!self.patient).then_some(limit_ms),
        })
    }

    /// How much of the time limit is left.
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

    /// The time limit of an attempt that begins now, without its upload.
    fn attempt_limit_ms(&self, now_ms: f64) -> u32 {
        self.left_ms(now_ms).min(self.longest_attempt_ms)
    }

    /// The request has failed below HTTP, and it is not known why.
    fn not_reached(&mut self, cx: &Cx) -> Option<Action> {
        let fault = Fault::new(
            Kind::Unreachable,
            Code::Unreachable,
            format!(
                "The tracker cannot be reached at {} ({}). This is one of three things: \
                 this device has no network, the tracker is down or its address is wrong, or \
                 the tracker does not allow calls from this page's origin (CORS). A browser \
                 does not tell which.",
                self.address, self.message
            ),
        );
        let fault = self.known.clone().unwrap_or(fault);
        self.again(cx, None, fault)
    }

    /// The request has failed below HTTP, and this is why.
    fn probed(&mut self, cx: &Cx, finding: &Finding) -> Option<Action> {
        let Some(fault) = finding.fault(&self.address) else {
            return self.not_reached(cx);
        };
        self.forbidden += u32::from(*finding == Finding::Forbidden);
        let hopeless = match finding {
            Finding::Moved(_) => true,
            // Later calls are retried, so that results are not given up.
            Finding::NoTracker(_) => self.call == Call::New,
            // A proxy answers without CORS headers while the tracker is being restarted.
            Finding::Forbidden => self.call == Call::New && self.forbidden >= FORBIDDEN,
            Finding::Here | Finding::Unknown => false,
        };
        if hopeless {
            return Some(Action::Fail(fault));
        }
        self.known = Some(fault.clone());
        self.again(cx, None, fault)
    }

    fn timed_out(&mut self, cx: &Cx) -> Option<Action> {
        let fault = Fault::new(
            Kind::Timeout,
            Code::Timeout,
            format!(
                "No answer came from the tracker at {} in the time given. It may be \
                 overloaded, or the connection hangs.",
                self.address
            ),
        );
        self.again(cx, None, fault)
    }

    /// Waits for another attempt, or fails if there is no time for one.
    fn again(&mut self, cx: &Cx, retry_after_ms: Option<u32>, fault: Fault) -> Option<Action> {
        if self.patient {
            // An attempt can only have taken longer than its limit while bytes arrived. The time of
            // that transfer does not count towards the limit of the call.
            let took_ms = cx.now - self.began_ms;
            if took_ms > f64::from(self.longest_attempt_ms) + 1_000.0 {
                self.deadline_ms += took_ms - f64::from(PATIENCE_MS);
            }
        }
        let wait = backoff_ms(self.attempts, cx.random, retry_after_ms);
        self.attempts = self.attempts.saturating_add(1);
        let resumes = cx.now + f64::from(wait);
        // Waiting past the deadline would only delay the same fault.
        if resumes >= self.deadline_ms {
            return Some(Action::Fail(fault));
        }
        self.resumes = Some(resumes);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://t.example";

    /// A call that is under way.
    fn begun(call: Call, now: f64, asked: Option<u32>) -> (Exchange, Patience) {
        begun_with(call, now, asked, 0)
    }

    fn begun_with(call: Call, now: f64, asked: Option<u32>, length: u32) -> (Exchange, Patience) {
        let mut exchange = Exchange::begin(call, now, asked);
        let address = URL.to_owned();
        let sent = happens(&mut exchange, now, 0.0, Event::Begin { address, length });
        let Some(Action::Send(patience)) = sent else {
            panic!("{sent:?}");
        };
        (exchange, patience)
    }

    fn happens(exchange: &mut Exchange, now: f64, random: f64, event: Event) -> Option<Action> {
        let mut cx = Cx::new(now, random);
        exchange.handle(&mut cx, event);
        assert!(cx.out.len() <= 1, "{:?}", cx.out);
        let action = cx.out.pop();
        assert_ne!(action.is_some(), exchange.next_timeout().is_some());
        action
    }

    /// The request fails below HTTP, and a probe, if there is one, finds this.
    fn not_reached(
        exchange: &mut Exchange,
        now: f64,
        random: f64,
        why: &Finding,
    ) -> Option<Action> {
        let failed = Event::NotReached("Failed to fetch".to_owned());
        match happens(exchange, now, random, failed) {
            Some(Action::Probe) => happens(exchange, now, random, Event::Probed(why.clone())),
            action => action,
        }
    }

    /// Goes on with the next attempt, and says when it begins and with which limits.
    fn resume(exchange: &mut Exchange) -> (f64, Patience) {
        let now = exchange.next_timeout().expect("it waits");
        assert_eq!(exchange_ticks(exchange, now - 0.5), None);
        let sent = exchange_ticks(exchange, now);
        let Some(Action::Send(patience)) = sent else {
            panic!("{sent:?}");
        };
        (now, patience)
    }

    fn exchange_ticks(exchange: &mut Exchange, now: f64) -> Option<Action> {
        happens(exchange, now, 0.0, Event::Tick)
    }

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
        let (mut exchange, _) = begun(Call::NewJob, 1000.0, Some(10_000));
        let mut now = 1000.0;
        let mut attempts = 0;
        let fault = loop {
            attempts += 1;
            assert!(attempts < 100, "never gave up");
            match not_reached(&mut exchange, now, 0.99, &Finding::Unknown) {
                None => (now, _) = resume(&mut exchange),
                Some(Action::Fail(fault)) => break fault,
                action => panic!("{action:?}"),
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
            let (mut exchange, _) = begun(call, 0.0, Some(10_000));
            let failed = Event::NotReached("Failed to fetch".to_owned());
            let probes = happens(&mut exchange, 0.0, 0.5, failed);
            assert_eq!(probes, Some(Action::Probe));
            let action = happens(&mut exchange, 0.0, 0.5, Event::Probed(moved.clone()));
            assert!(matches!(action, Some(Action::Fail(fault)) if fault.code == Code::Moved));
        }
    }

    #[test]
    fn an_origin_that_is_not_let_in_is_told_soon_to_who_registers_and_others_wait() {
        for (call, most) in [(Call::New, 3), (Call::CompleteJob, 1_000)] {
            let (mut exchange, _) = begun(call, 0.0, Some(120_000));
            let mut now = 0.0;
            let mut probed = 0;
            let fault = loop {
                let failed = Event::NotReached("Failed to fetch".to_owned());
                let mut action = happens(&mut exchange, now, 0.5, failed);
                if action == Some(Action::Probe) {
                    probed += 1;
                    let forbidden = Event::Probed(Finding::Forbidden);
                    action = happens(&mut exchange, now, 0.5, forbidden);
                }
                match action {
                    None => (now, _) = resume(&mut exchange),
                    Some(Action::Fail(fault)) => break fault,
                    action => panic!("{action:?}"),
                }
            };
            assert_eq!(fault.code, Code::OriginForbidden);
            assert!(
                probed <= most && (call == Call::New || now > 60_000.0),
                "{call:?} {now}"
            );
        }
    }

    #[test]
    fn a_server_that_asks_for_more_time_than_there_is_fails_at_once() {
        let (mut exchange, _) = begun(Call::NewJob, 0.0, Some(10_000));
        let answer = Event::Answered(busy(Some(60_000)));
        let action = happens(&mut exchange, 0.0, 0.5, answer);
        assert!(matches!(action, Some(Action::Fail(f)) if f.status == Some(503)));
    }

    #[test]
    fn a_busy_server_is_asked_again_after_the_time_it_named() {
        let (mut exchange, _) = begun(Call::NewJob, 0.0, Some(10_000));
        let answer = Event::Answered(busy(Some(2000)));
        assert_eq!(happens(&mut exchange, 0.0, 0.0, answer), None);
        assert_eq!(exchange.next_timeout(), Some(2000.0));
    }

    #[test]
    fn a_hanging_connection_leaves_time_for_a_fresh_one() {
        let (mut exchange, patience) = begun(Call::NewJob, 0.0, Some(100_000));
        assert_eq!(patience.whole_ms, Some(50_000));
        let timed_out = happens(&mut exchange, 50_000.0, 0.0, Event::TimedOut);
        assert_eq!(timed_out, None);
        assert_eq!(exchange.next_timeout(), Some(50_000.0));
        let sent = exchange_ticks(&mut exchange, 90_000.0);
        assert!(matches!(sent, Some(Action::Send(patience)) if patience.whole_ms == Some(10_000)));
        let timed_out = happens(&mut exchange, 100_000.0, 0.0, Event::TimedOut);
        assert!(matches!(timed_out, Some(Action::Fail(f)) if f.kind == Kind::Timeout));
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
        let (_, patience) = begun(Call::NewJob, 0.0, Some(300));
        assert_eq!(patience.whole_ms, Some(300));
    }

    #[test]
    fn a_large_body_is_given_its_time_unless_the_caller_has_set_a_limit() {
        // 6 MB at 0.25 Mbit/s take 192 s, and only then can an answer begin.
        let (mut exchange, first) = begun_with(Call::CompleteJob, 0.0, None, 6_000_000);
        assert!(first.first_ms > 192_000, "{first:?}");
        assert_eq!((first.stall_ms, first.whole_ms), (PATIENCE_MS, None));
        let limit = f64::from(first.first_ms);
        let timed_out = happens(&mut exchange, limit, 0.0, Event::TimedOut);
        assert_eq!(timed_out, None);
        let (_, second) = resume(&mut exchange);
        assert!(second.first_ms > first.first_ms + 192_000, "{second:?}");
        // A transfer that breaks after minutes leaves time for another.
        let later = limit + 600_000.0;
        let broken = not_reached(&mut exchange, later, 0.0, &Finding::Unknown);
        assert_eq!(broken, None);
        let (_, patience) = begun_with(Call::CompleteJob, 0.0, Some(30_000), 6_000_000);
        assert_eq!(
            (patience.first_ms, patience.whole_ms),
            (20_000, Some(20_000))
        );
    }
}
