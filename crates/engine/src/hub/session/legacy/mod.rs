//! The first protocol: a registration holds at most one job, and each call concerns one registration. A
//! core therefore needs several, so that jobs are fetched and handed in while it works.

mod answer;
mod request;

use crate::hub::action::{Transfer, Wire};
use crate::hub::cx::Cx;
use crate::hub::jobs::JobKey;
use crate::hub::session::common::Common;
use crate::hub::session::refusals::Refusals;
use crate::hub::session::retry::PATIENCE_MS;
use crate::time::clock::Now;

/// A result of this many bytes may be refused for its size.
const LARGE: u32 = 200_000;

/// How many numbers of jobs are remembered as not for this browser.
const REFUSED: usize = 256;

/// A registration: a worker, as the protocol calls it.
#[derive(Debug, Clone, PartialEq)]
struct Worker {
    token: String,
    /// When something was last sent for it.
    last_sent: Now,
    /// Whether that was progress, which does not show whether the tracker still knows the registration. The next
    /// call asks for that.
    unconfirmed: bool,
    /// Whether a former hub made it. A core that has not reported to this hub yet may be running its job.
    inherited: bool,
    /// Whether it asks for no other job, because it was made under a former nickname.
    retired: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Flight {
    id: u32,
    sent: Now,
    token: String,
    what: What,
    /// When its answer began.
    begun: Option<Now>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Register,
    NewJob,
    /// `completeJob` or `flagInvalidData`.
    Settle(JobKey),
    Progress,
    Validate,
    /// With the job that it gives back.
    Bye(Option<JobKey>),
}

/// The state of a session with the first protocol.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Calls {
    workers: Vec<Worker>,
    flights: Vec<Flight>,
    dry_s: u32,
    refused: Vec<u64>,
    /// Numbers of jobs that failed here, once for each failure.
    failing: Vec<u64>,
    failed: Option<Now>,
    refusals: Refusals,
    /// Whether to find out why a request was not answered.
    probe: bool,
    left: bool,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn add(&mut self, token: String, last_sent: Now) {
        self.workers.push(Worker {
            token,
            last_sent,
            unconfirmed: false,
            inherited: false,
            retired: false,
        });
    }

    /// All registrations hand in the jobs that they hold, ask for no other ones, and end.
    pub(super) fn retire(&mut self) {
        for worker in &mut self.workers {
            worker.retired = true;
        }
    }

    pub(super) fn is_registering(&self) -> bool {
        let registers = |flight: &Flight| flight.what == What::Register;
        self.flights.iter().any(registers)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.flights.is_empty()
    }

    /// When the oldest request under way was sent.
    pub(super) fn busy_since(&self) -> Option<Now> {
        let sent = self.flights.iter().map(|flight| flight.sent);
        sent.reduce(|a, b| if b.mono < a.mono { b } else { a })
    }

    /// More of an answer has arrived. Returns whether it is to one of these requests.
    pub(super) fn transferred(
        &mut self,
        common: &mut Common,
        now: Now,
        id: u32,
        transfer: Transfer,
    ) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id) else {
            return false;
        };
        if flight.begun.is_none() {
            flight.begun = Some(now);
            let ms = now.mono - flight.sent.mono - transfer.written_ms;
            common.line.began(transfer.up, ms);
        }
        true
    }

    fn is_flying(&self, token: &str) -> bool {
        self.flights.iter().any(|flight| flight.token == token)
    }

    fn fly(&mut self, common: &mut Common, cx: &mut Cx, token: &str, what: What, wire: Wire) {
        let large = matches!(&wire, Wire::Complete { data, .. } if data.bytes >= LARGE);
        let probe = large || self.probe;
        let bytes = match &wire {
            Wire::Complete { data, .. } => f64::from(data.bytes),
            _ => 0.0,
        };
        let upload_ms = common.upload_ms(bytes);
        let id = common.send_within(cx, PATIENCE_MS, upload_ms, probe, wire);
        self.flights.push(Flight {
            id,
            sent: cx.now,
            token: token.to_owned(),
            what,
            begun: None,
        });
    }
}

/// Adds the number of a job, in place of the oldest one if there are too many.
fn remember(numbers: &mut Vec<u64>, number: u64) {
    if numbers.len() >= REFUSED {
        numbers.remove(0);
    }
    numbers.push(number);
}
