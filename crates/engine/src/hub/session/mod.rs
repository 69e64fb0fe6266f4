//! The session of one stage with the tracker: how its jobs are fetched and handed in. There is one
//! interface to two protocols: `sync`, and the calls of the first protocol for older trackers.
//!
//! | module | contents |
//! | --- | --- |
//! | `common` | what both need: what is known of the tracker and of the connection to it |
//! | `sync` | the protocol with `sync` |
//! | `legacy` | the first protocol |
//! | `reply` | what the answer to a request means |
//! | `refusals` | outcomes that are refused while other requests are answered |
//! | `retry` | whether the tracker answers, and when it is tried again if not |

mod common;
mod legacy;
mod refusals;
mod reply;
mod retry;
mod sync;

use distcompute_protocol::Stage;

use crate::hub::action::{Registration, TrackerResponse, Transfer, Wire};
use crate::hub::cx::{Cx, Timer};
use crate::hub::files::Way;
use crate::hub::jobs::{JobKey, JobTable};
use crate::hub::session::legacy::Calls;
use crate::hub::session::sync::Syncs;
use crate::time::clock::Now;

pub use crate::hub::session::common::Common;
pub use crate::hub::session::retry::Retry;

/// What the scheduler asks of a session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Demand {
    /// How many more jobs could be held.
    pub want: usize,
    /// Whether jobs run out so soon that they must be asked for now.
    pub low: bool,
    /// Whether outcomes should go out at once.
    pub hurry: bool,
    /// How many jobs wait for a core, and in how many milliseconds all of them are likely to be done.
    pub ahead: (usize, f64),
    /// How many cores work for this session at most.
    pub cores: usize,
    /// Progress that is due, by job.
    pub progress: Vec<(JobKey, String)>,
    /// Bytes of inputs that there is still memory for.
    pub room: f64,
    /// Whether a core of the former hub has not reported yet which job it runs.
    pub silent: bool,
    /// The error of the setup, if it keeps all cores from getting ready.
    pub setup_failed: Option<String>,
}

/// The session of one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// What both protocols need.
    pub common: Common,
    dialect: Dialect,
}

#[derive(Debug, Clone, PartialEq)]
enum Dialect {
    /// Nobody has registered yet.
    Unknown {
        flight: Option<(u32, Now)>,
    },
    Sync(Syncs),
    Calls(Calls),
}

impl Session {
    /// A session that has not registered yet.
    #[must_use]
    pub fn new(index: usize, stage: Stage, nickname: String, linger_ms: f64) -> Self {
        Self {
            common: Common::new(index, stage, nickname, linger_ms),
            dialect: Dialect::Unknown { flight: None },
        }
    }

    /// Resumes a registration that was stored.
    pub fn restore(&mut self, registration: Registration) {
        let hello = registration.hello;
        self.dialect = if hello.syncs {
            // Another nickname needs another registration. Leases are valid under any.
            let same = registration.nickname == self.common.nickname;
            Dialect::Sync(Syncs::restored(
                same.then(|| hello.token.clone()),
                registration.seq,
            ))
        } else {
            Dialect::Calls(Calls::new())
        };
        self.common.hello = Some(hello);
    }

    /// The volunteer has another nickname, which needs another registration. Jobs that are held are finished: the
    /// tracker credits each to the nickname that it was given to.
    pub fn rename(&mut self, nickname: &str) {
        let is_other = self.common.nickname != nickname;
        self.common.renamed = is_other.then(|| nickname.to_owned());
    }

    /// Changes to the new nickname, if there is one and no answer under the former one is awaited. Returns whether
    /// requests may be sent.
    fn take_new_name(&mut self) -> bool {
        let Some(nickname) = &self.common.renamed else {
            return true;
        };
        let waits = match &self.dialect {
            Dialect::Unknown { flight } => flight.is_some(),
            // Only a registration knows which jobs were granted in an answer that is lost: its next request
            // gives them back.
            Dialect::Sync(syncs) if syncs.is_registered() && self.common.retry.is_away() => {
                return true;
            }
            Dialect::Sync(syncs) => syncs.is_busy(),
            Dialect::Calls(calls) => calls.is_registering(),
        };
        if waits {
            return false;
        }
        self.common.nickname.clone_from(nickname);
        self.common.renamed = None;
        match &mut self.dialect {
            Dialect::Unknown { .. } => {}
            Dialect::Sync(syncs) => syncs.part(),
            Dialect::Calls(calls) => calls.retire(),
        }
        true
    }

    /// Gives the registration up without a goodbye, so that its leases stay held.
    pub fn part(&mut self) {
        if let Dialect::Sync(syncs) = &mut self.dialect {
            syncs.part();
        }
    }

    /// The tracker, as uploads see it.
    #[must_use]
    pub fn way(&self) -> Way {
        let hello = self.common.hello.as_ref();
        let (token, syncs) = match &self.dialect {
            Dialect::Sync(syncs) => (syncs.token().cloned(), true),
            Dialect::Unknown { .. } | Dialect::Calls(_) => (None, false),
        };
        Way {
            token,
            takes: syncs && hello.is_some_and(|hello| hello.files),
            away: self.common.retry.is_away(),
        }
    }

    /// How long a lease lasts, in milliseconds.
    #[must_use]
    pub fn lease_ms(&self) -> f64 {
        match (&self.dialect, &self.common.hello) {
            (Dialect::Sync(_), Some(_)) => self.common.lease_ms(),
            // The first protocol has no leases; this is longer than jobs are ever fetched ahead for.
            _ => 7_200_000.0,
        }
    }

    /// Whether jobs that were fetched ahead may be begun. Not if there was no contact with the tracker for
    /// so long that it may have given them to others.
    #[must_use]
    pub fn is_fresh(&self, now: Now) -> bool {
        match &self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => now.since(syncs.answered_at()) < 0.8 * self.lease_ms(),
            Dialect::Calls(_) => true,
        }
    }

    /// How many jobs are likely to be in the answers that are under way.
    #[must_use]
    pub fn coming(&self) -> usize {
        match &self.dialect {
            Dialect::Sync(syncs) => syncs.coming(&self.common),
            // Its requests for jobs are counted when the next ones are sent.
            Dialect::Unknown { .. } | Dialect::Calls(_) => 0,
        }
    }

    /// More of an answer has arrived. Returns whether it is to one of this session's requests.
    pub fn transferred(&mut self, now: Now, id: u32, transfer: Transfer) -> bool {
        match &mut self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => syncs.transferred(&mut self.common, now, id, transfer),
            Dialect::Calls(calls) => calls.transferred(&mut self.common, now, id, transfer),
        }
    }

    /// Whether a request is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match &self.dialect {
            Dialect::Unknown { flight } => flight.is_some(),
            Dialect::Sync(syncs) => syncs.is_busy(),
            Dialect::Calls(calls) => calls.is_busy(),
        }
    }

    /// Since when the oldest request is under way.
    #[must_use]
    pub fn busy_since(&self) -> Option<Now> {
        match &self.dialect {
            Dialect::Unknown { flight } => flight.map(|(_, sent)| sent),
            Dialect::Sync(syncs) => syncs.busy_since(),
            Dialect::Calls(calls) => calls.busy_since(),
        }
    }

    /// Whether progress would be sent now.
    #[must_use]
    pub fn may_speak(&self, now: Now) -> bool {
        let free = match &self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => syncs.may_send(),
            Dialect::Calls(_) => true,
        };
        free && self.common.retry.may_try(now)
    }

    /// Drops jobs under leases where the tracker knows none.
    pub fn drop_leases(&mut self, table: &mut JobTable) {
        if let Dialect::Calls(_) = self.dialect {
            self.common.drop_leases(table);
        }
    }

    /// Sends what is due.
    pub fn pump(&mut self, cx: &mut Cx, demand: &Demand, table: &mut JobTable) {
        if self.common.fatal.is_some() {
            return;
        }
        let common = &mut self.common;
        // If the tracker is away, nothing is due before the next attempt.
        let away = common.retry.left_ms(cx.now).unwrap_or(0.0);
        if !cx.expired(Timer::Retry, away) {
            return;
        }
        let dry = common.dry.map_or(0.0, |dry| dry.left_ms(cx.now));
        cx.arm(Timer::Dry, dry);
        if !self.take_new_name() {
            return;
        }
        let common = &mut self.common;
        match &mut self.dialect {
            Dialect::Unknown { flight: Some(_) } => {}
            Dialect::Unknown { flight } => {
                // Outcomes from storage are delivered whether jobs are wanted or not.
                if demand.want > 0 || table.iter().any(|job| job.session == common.index) {
                    *flight = Some((common.register(cx), cx.now));
                }
            }
            Dialect::Sync(syncs) => syncs.pump(common, cx, demand, table),
            Dialect::Calls(calls) => calls.pump(common, cx, demand, table),
        }
    }

    /// Takes an answer if it is to one of this session's requests, and returns it otherwise.
    pub fn answered(
        &mut self,
        cx: &Cx,
        id: u32,
        response: TrackerResponse,
        table: &mut JobTable,
    ) -> Option<TrackerResponse> {
        let common = &mut self.common;
        match &mut self.dialect {
            Dialect::Unknown { flight } => match flight.take_if(|(of, _)| *of == id) {
                None => return Some(response),
                Some((_, sent)) => {
                    let hello = common.registered(cx, sent, response)?;
                    self.dialect = if hello.syncs {
                        Dialect::Sync(Syncs::new(hello.token, cx.now))
                    } else {
                        let mut calls = Calls::new();
                        calls.add(hello.token, cx.now);
                        Dialect::Calls(calls)
                    };
                }
            },
            Dialect::Sync(syncs) => {
                return syncs.answered(common, cx, id, response, table);
            }
            Dialect::Calls(calls) => {
                return calls.answered(common, cx, id, response, table);
            }
        }
        None
    }

    /// The last requests of a page that is being closed. Jobs with a checkpoint stay held, the others are
    /// given back.
    #[must_use]
    pub fn farewell(&self, table: &JobTable) -> Vec<Wire> {
        match &self.dialect {
            Dialect::Unknown { .. } => Vec::new(),
            Dialect::Sync(syncs) => syncs.farewell(&self.common, table),
            Dialect::Calls(calls) => calls.farewell(table),
        }
    }

    /// Ends every registration, after everything else. Returns `false` once nothing is left to send.
    pub fn leave(&mut self, cx: &mut Cx, table: &JobTable) -> bool {
        match &mut self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => syncs.leave(&mut self.common, cx),
            Dialect::Calls(calls) => calls.leave(&mut self.common, cx, table),
        }
    }
}
