//! The protocol with `sync`: one registration serves all cores, and each request carries their results and
//! asks for their next jobs.
//!
//! No request is resent unchanged. If an answer is lost, the next request has a higher `seq` and states
//! everything that is held and done; the tracker adjusts its records to that.
//!
//! The size of a request and of an answer is bounded by what the connection transfers in a few seconds. The
//! connection would be idle for the round trip between an answer and the next request, so that request is
//! sent while the end of an answer is still arriving. This is safe once the answer has begun: the tracker has
//! committed that request, so the next one cannot overtake it. The jobs that it granted are not known here
//! yet; the next request lists its `seq` in `awaiting`.
//!
//! A request full of results may also follow one whose answer has not begun, as soon as the body of that one is
//! likely to have been uploaded. If it arrives first after all, the tracker refuses the other one as superseded, and
//! the results in that are sent again: the second request has named their leases as held.
//!
//! | module | contents |
//! | --- | --- |
//! | `request` | when a request is sent, and what it says |
//! | `answer` | what follows from an answer |
//! | `bounds` | how much a request may carry, and how much an answer may bring |
//! | `flight` | the requests under way |

mod answer;
mod bounds;
mod flight;
mod request;

use distcompute_protocol::MAX_SYNC_WANT;

use crate::hub::action::Wire;
use crate::hub::cx::Cx;
use crate::hub::session::common::{Common, WAIT_MS};
use crate::hub::session::refusals::Refusals;
use crate::hub::session::sync::flight::{Flight, What};
use crate::time::clock::Now;

/// The state of a session with `sync`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Syncs {
    token: Option<String>,
    seq: u64,
    /// Whether this hub has synced under this token. If not, `superseded` may come from a clock that was set
    /// back, because `seq` begins at the time of day.
    synced: bool,
    flights: Vec<Flight>,
    /// How many jobs are asked for at most: halved after each failure.
    most: u32,
    /// Whether the tracker bounds its answers by `want_bytes` and knows `awaiting`.
    sized: bool,
    /// Bytes of the next job, if it was left out of the last answer for its size.
    left_bytes: f64,
    /// Whether the tracker grants no more jobs until it has results of those that are held.
    limited: bool,
    /// When the last request that was answered had been sent: leases count from then.
    answered: Option<Now>,
    /// How long the leases are safe without another request.
    wait_ms: f64,
    /// A body that is known to be accepted, in bytes; shrinks where the tracker refuses a larger one.
    body: f64,
    /// How many outcomes are sent together. Reduced after a refusal, to find the one that is refused.
    together: usize,
    refusals: Refusals,
    /// Jobs whose input was flagged here: number, attempt, and when.
    flagged: Vec<(u64, u32, Now)>,
    /// The error of the setup that was last reported to the tracker.
    setup_reported: Option<String>,
    left: bool,
}

impl Syncs {
    pub(super) fn new(token: String, now: Now) -> Self {
        Self {
            answered: Some(now),
            ..Self::restored(Some(token), 0)
        }
    }

    pub(super) fn restored(token: Option<String>, seq: u64) -> Self {
        Self {
            token,
            seq,
            synced: false,
            flights: Vec::new(),
            most: MAX_SYNC_WANT,
            sized: false,
            left_bytes: 0.0,
            limited: false,
            answered: None,
            wait_ms: WAIT_MS,
            body: f64::INFINITY,
            together: usize::MAX,
            refusals: Refusals::default(),
            flagged: Vec::new(),
            setup_reported: None,
            left: false,
        }
    }

    pub(super) fn token(&self) -> Option<&String> {
        self.token.as_ref()
    }

    pub(super) fn is_registered(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn part(&mut self) {
        self.token = None;
        self.setup_reported = None;
    }

    pub(super) fn answered_at(&self) -> Now {
        // Infinitely long ago without any answer, so that no job begins under a lease of unknown age.
        self.answered.unwrap_or(Now {
            mono: f64::NEG_INFINITY,
            wall: f64::NEG_INFINITY,
        })
    }

    /// When the last request was sent that the tracker has committed, as far as is known.
    fn committed_at(&self) -> Now {
        let begun = self.flights.iter().filter(|flight| flight.begun.is_some());
        let sent = begun.map(|flight| flight.sent).chain([self.answered_at()]);
        sent.reduce(|a, b| if b.mono > a.mono { b } else { a })
            .unwrap_or_default()
    }

    pub(super) fn leave(&mut self, common: &mut Common, cx: &mut Cx) -> bool {
        if !self.flights.is_empty() {
            return true;
        }
        let Some(token) = self.token.clone().filter(|_| !self.left) else {
            return false;
        };
        let id = common.send(cx, Wire::Bye { token });
        self.flights.push(Flight::new(id, cx.now, What::Bye));
        self.left = true;
        true
    }
}
