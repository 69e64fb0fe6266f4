//! The requests under way: when another may be sent beside them, and how many jobs they are likely to bring.

use crate::hub::action::Transfer;
use crate::hub::jobs::JobKey;
use crate::hub::line::AROUND_NAME;
use crate::hub::session::Common;
use crate::hub::session::sync::Syncs;
use crate::time::clock::Now;

/// A longer gap between two parts of an answer does not count as transfer time: the machine slept.
const LONG_GAP_MS: f64 = 5_000.0;

/// Requests under way at most: two that bring jobs or carry results, and one that keeps leases.
const FLIGHTS: usize = 3;

/// A request under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flight {
    pub(super) id: u32,
    pub(super) sent: Now,
    /// When its answer began.
    pub(super) begun: Option<Now>,
    /// How many bytes of the answer have arrived, in how many milliseconds, and when the last of them did.
    pub(super) down: f64,
    pub(super) flow_ms: f64,
    pub(super) last: Now,
    pub(super) what: What,
}

impl Flight {
    pub(super) fn new(id: u32, sent: Now, what: What) -> Self {
        Self {
            id,
            sent,
            begun: None,
            down: 0.0,
            flow_ms: 0.0,
            last: sent,
            what,
        }
    }

    /// How many jobs it asks for.
    pub(super) fn want(&self) -> u32 {
        match &self.what {
            What::Sync { want, .. } => *want,
            What::Register | What::Bye => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Register,
    Sync {
        token: String,
        seq: u64,
        /// Outcomes that it carries.
        keys: Vec<JobKey>,
        want: u32,
        /// How many bytes its answer is expected to have.
        expected: f64,
        /// What it carries, in bytes.
        bytes: f64,
        /// Whether it reports a setup that fails.
        reports_setup: bool,
    },
    Bye,
}

impl Syncs {
    pub(crate) fn is_busy(&self) -> bool {
        !self.flights.is_empty()
    }

    /// When the oldest request under way was sent.
    pub(crate) fn busy_since(&self) -> Option<Now> {
        let sent = self.flights.iter().map(|flight| flight.sent);
        sent.reduce(|a, b| if b.mono < a.mono { b } else { a })
    }

    /// Whether another request may be sent: the tracker has committed all that are under way.
    pub(crate) fn may_send(&self) -> bool {
        let begun =
            |flight: &Flight| flight.begun.is_some() && matches!(flight.what, What::Sync { .. });
        let may_overlap = self.sized && self.flights.len() < FLIGHTS;
        self.flights.is_empty() || (may_overlap && self.flights.iter().all(begun))
    }

    /// In how many milliseconds another request full of results may follow the one whose answer has not begun: when
    /// its body is nearly uploaded, so that the connection is not idle until the answer begins. `None`: a
    /// request must wait for that.
    pub(super) fn follows_in_ms(&self, common: &Common, now: Now) -> Option<f64> {
        let mut silent = self.flights.iter().filter(|flight| flight.begun.is_none());
        let (first, None) = (silent.next()?, silent.next()) else {
            return None;
        };
        let What::Sync { bytes, .. } = &first.what else {
            return None;
        };
        if !self.sized || self.flights.len() >= FLIGHTS {
            return None;
        }
        // The sizes of texts are upper bounds, twice the number of their characters.
        let after_ms = common.line.upload_nearly_ends_in_ms(bytes / 2.0)?;
        Some(after_ms - (now.mono - first.sent.mono))
    }

    /// Whether the answers that bring jobs have nearly arrived, so that more should be asked for.
    pub(super) fn may_fetch(&self, common: &Common) -> bool {
        let nearly_over = |flight: &Flight| match &flight.what {
            What::Sync { want: 0, .. } => true,
            What::Sync { expected, .. } => {
                let left = expected - flight.down;
                flight.begun.is_some() && common.line.is_time_to_ask(left)
            }
            What::Register | What::Bye => false,
        };
        let fetching = self.flights.iter().filter(|flight| flight.want() > 0);
        fetching.count() < 2 && self.flights.iter().all(nearly_over)
    }

    /// Whether an answer has begun and will have ended in a moment. A request that goes before then has to
    /// name what that answer settles once more, and can ask for fewer jobs.
    pub(super) fn ends_at_once(&self, common: &Common) -> bool {
        self.flights.iter().any(|flight| match &flight.what {
            What::Sync { keys, expected, .. } if flight.begun.is_some() => {
                let names = AROUND_NAME * keys.len() as f64;
                common.line.ends_at_once(expected + names - flight.down)
            }
            _ => false,
        })
    }

    /// How many jobs are likely to be in the answers that are under way.
    pub(crate) fn coming(&self, common: &Common) -> usize {
        let job = common.line.job_bytes();
        let jobs = |flight: &Flight| match (&flight.what, job) {
            (What::Sync { want, expected, .. }, Some(job)) if *want > 0 && *expected > 0.0 => {
                let jobs = (expected / job.max(1.0)).round().max(1.0) as usize;
                jobs.min(*want as usize)
            }
            _ => flight.want() as usize,
        };
        self.flights.iter().map(jobs).sum()
    }

    /// More of an answer has arrived. Returns whether it is to one of these requests.
    pub(crate) fn transferred(
        &mut self,
        common: &mut Common,
        now: Now,
        id: u32,
        transfer: Transfer,
    ) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id) else {
            return false;
        };
        if transfer.status != 200 {
            // A refusal may come from a proxy: it does not show that the tracker has committed the request.
            return true;
        }
        if flight.begun.is_none() {
            flight.begun = Some(now);
            let ms = now.mono - flight.sent.mono - transfer.written_ms;
            common.line.began(transfer.up, ms);
        } else {
            flight.flow_ms += (now.mono - flight.last.mono).clamp(0.0, LONG_GAP_MS);
        }
        flight.last = now;
        flight.down = flight.down.max(transfer.down);
        true
    }
}
