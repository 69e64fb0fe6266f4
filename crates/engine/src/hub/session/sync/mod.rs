//! The dialect with `sync`: one registration and one request under way serve all cores.
//!
//! Nothing is resent as it was: a request whose answer is lost is followed by a new one with a higher
//! `seq` that says everything again, and the tracker makes its books agree with it.
//!
//! What one answer may bring, and one request carry, is bounded by what the line brings in a few
//! seconds. So that the line does not rest for the round trip between two answers, the next request
//! goes out while the end of an answer is still on its way. That is safe once the answer has begun:
//! the tracker has settled that request, so none overtakes it. What it granted is not known here yet;
//! the next request names it by its `seq`, in `awaiting`.

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

/// The state of the dialect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Syncs {
    token: Option<String>,
    seq: u64,
    /// Whether this hub has synced under this token: a refusal of the first may be the clock's.
    synced: bool,
    flights: Vec<Flight>,
    /// How many jobs are asked for at most: halved after each failure.
    most: u32,
    /// Whether the tracker bounds its answers by `want_bytes` and knows `awaiting`.
    sized: bool,
    /// Bytes of the next job, if it was left out of the last answer for its size.
    left_bytes: f64,
    /// Whether no more may be held than is: results make room, and nothing else.
    limited: bool,
    /// When the last request that was answered had been sent: leases count from then.
    heard: Option<Now>,
    /// How long nothing need be said of what is held.
    wait_ms: f64,
    /// A body that is known to be accepted, in bytes; shrinks where the tracker refuses a larger one.
    body: f64,
    /// So many outcomes are sent together: fewer after a refusal, to find the one that it is about.
    together: usize,
    refusals: Refusals,
    /// Jobs whose input this browser has called bad, at which attempt, and when.
    flagged: Vec<(u64, u32, Now)>,
    /// What the tracker was told of a setup that fails.
    setup_reported: Option<String>,
    left: bool,
}

impl Syncs {
    pub(super) fn new(token: String, now: Now) -> Self {
        Self {
            heard: Some(now),
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
            heard: None,
            wait_ms: WAIT_MS,
            body: f64::INFINITY,
            together: usize::MAX,
            refusals: Refusals::default(),
            flagged: Vec::new(),
            setup_reported: None,
            left: false,
        }
    }

    pub(super) fn part(&mut self) {
        self.token = None;
        self.setup_reported = None;
    }

    pub(super) fn heard(&self) -> Now {
        // Before anything was heard, the beginning of time: nothing may be begun.
        self.heard.unwrap_or(Now {
            mono: f64::NEG_INFINITY,
            wall: f64::NEG_INFINITY,
        })
    }

    /// When the last request was sent that the tracker has settled, as far as is known.
    fn said(&self) -> Now {
        let begun = self.flights.iter().filter(|flight| flight.begun.is_some());
        let sent = begun.map(|flight| flight.sent).chain([self.heard()]);
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
