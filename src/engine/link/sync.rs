//! The dialect with `sync`: one registration and one request under way serve all cores.
//!
//! Nothing is resent as it was: a request whose answer is lost is followed by a new one with a higher
//! `seq` that says everything again, and the tracker makes its books agree with it.

use distcompute_protocol::{MAX_SYNC_ITEMS, MAX_SYNC_WANT};

use super::{Ask, Common, Ids, Word, is_unknown, register, word};
use crate::call::Call;
use crate::engine::{
    action::{Action, Got, Parsed, Session, Sync, Synced, Wire, Write},
    clock::{Due, Now},
    desk::{Desk, Job, Key, Outcome, Place, Ticket},
    pace::{FULL, LINGER_MS},
};
use crate::fault::{Code, Fault};
use distcompute_protocol::ErrorCode;

/// What the names, tokens and brackets around a text take in a request, at most.
const AROUND: f64 = 200.0;

/// The largest body where the tracker does not say.
const MAX_BODY: f64 = 1_000_000.0;

/// What a goodbye may carry: browsers let 64 KiB outlive a page.
const FAREWELL_BODY: f64 = 48_000.0;

/// How long a core waits for outcomes to be taken by a tracker that says little.
const WAIT_MS: f64 = 60_000.0;

/// The request under way.
#[derive(Debug, Clone, PartialEq)]
struct Flight {
    id: u32,
    sent: Now,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Register,
    Sync {
        seq: u64,
        /// Outcomes that it carries.
        keys: Vec<Key>,
        want: u32,
        /// How many results it carries.
        done: usize,
    },
    Bye,
}

/// The state of the dialect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Syncs {
    token: Option<String>,
    seq: u64,
    /// Whether this hub has synced under this token: a refusal of the first may be the clock's.
    synced: bool,
    flight: Option<Flight>,
    /// When the last request that was answered had been sent: leases count from then.
    heard: Option<Now>,
    wait_ms: f64,
    /// A body that is known to be accepted, in bytes; shrinks where the tracker refuses a larger one.
    body: f64,
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
            flight: None,
            heard: None,
            wait_ms: WAIT_MS,
            body: f64::INFINITY,
            left: false,
        }
    }

    pub(super) fn heard(&self) -> Now {
        // Before anything was heard, the beginning of time: nothing may be begun.
        self.heard.unwrap_or(Now {
            mono: f64::NEG_INFINITY,
            wall: f64::NEG_INFINITY,
        })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    fn max_body(&self, common: &Common) -> f64 {
        let said = common.hello.as_ref().map_or(0.0, |hello| hello.max_body);
        let said = if said > 0.0 { said } else { MAX_BODY };
        said.min(self.body)
    }

    pub(super) fn pump(
        &mut self,
        common: &Common,
        now: Now,
        ask: &Ask,
        desk: &mut Desk,
        ids: &mut Ids,
        out: &mut Vec<Action>,
    ) {
        if self.flight.is_some() || self.left {
            return;
        }
        let mine = |job: &&Job| job.link == common.index;
        let any = desk.iter().any(|job| mine(&job));
        if self.token.is_none() {
            if any || ask.want > 0 {
                let id = ids.send(register(common), out);
                let what = What::Register;
                self.flight = Some(Flight {
                    id,
                    sent: now,
                    what,
                });
            }
            return;
        }
        let asks = ask.low && ask.want > 0 && common.may_ask(now);
        let keeps = any && self.is_silent(now);
        if asks || keeps || !ask.progress.is_empty() || self.must_deliver(common, now, ask, desk) {
            self.send(common, now, ask, desk, ids, out);
        }
    }

    /// Whether the tracker has not heard of what is held for as long as it said.
    fn is_silent(&self, now: Now) -> bool {
        now.since(self.heard()) >= self.wait_ms
    }

    fn must_deliver(&self, common: &Common, now: Now, ask: &Ask, desk: &Desk) -> bool {
        let mut count = 0;
        let mut bytes = 0.0;
        let mut waited: f64 = 0.0;
        for job in desk.iter().filter(|job| job.link == common.index) {
            if let Place::Ended { outcome, since, .. } = &job.place {
                count += 1;
                bytes += size(outcome);
                waited = waited.max(now.since(*since));
            }
        }
        let full = count >= FULL || bytes >= self.max_body(common) / 2.0;
        count > 0 && (full || ask.hurry || waited >= LINGER_MS)
    }

    fn send(
        &mut self,
        common: &Common,
        now: Now,
        ask: &Ask,
        desk: &mut Desk,
        ids: &mut Ids,
        out: &mut Vec<Action>,
    ) {
        let limit = self.max_body(common);
        let mut sync = self.fill(common.index, limit, desk);
        let mut room = MAX_SYNC_ITEMS.saturating_sub(sync.items());
        for (key, text) in &ask.progress {
            let Some(job) = desk.get(*key).filter(|job| job.link == common.index) else {
                continue;
            };
            if room > 0 {
                sync.progress.push((job.name(), text.clone()));
                room -= 1;
            }
        }
        // What is not asked for cannot be missed: an answer with fewer means that there are no more.
        if common.may_ask(now) {
            sync.want = u32::try_from(ask.want)
                .unwrap_or(u32::MAX)
                .min(MAX_SYNC_WANT);
        }
        self.seq = (self.seq + 1).max(now.wall.max(0.0) as u64);
        sync.seq = self.seq;
        let mut keys = Vec::new();
        for job in desk.iter_mut().filter(|job| job.link == common.index) {
            let name = job.ticket.text();
            if let Place::Ended { sent, outcome, .. } = &mut job.place {
                // A result that did not fit is still held.
                *sent = !matches!(outcome, Outcome::Done(_))
                    || sync.done.iter().any(|(lease, _)| lease == name);
                if *sent {
                    keys.push(job.key);
                }
            }
        }
        if let Some(hello) = &common.hello {
            out.push(Action::Store(Write::Session(Session {
                stage: common.stage,
                nickname: common.nickname.clone(),
                seq: self.seq,
                hello: hello.clone(),
            })));
        }
        let what = What::Sync {
            seq: self.seq,
            keys,
            want: sync.want,
            done: sync.done.len(),
        };
        let id = ids.send(Wire::Sync(sync), out);
        self.flight = Some(Flight {
            id,
            sent: now,
            what,
        });
    }

    /// A request that says all there is to say, with as many results as fit.
    fn fill(&self, index: usize, limit: f64, desk: &Desk) -> Sync {
        let mut sync = Sync {
            token: self.token.clone().unwrap_or_default(),
            ..Sync::default()
        };
        let mut bytes = 0.0;
        for job in desk.iter().filter(|job| job.link == index) {
            if sync.items() >= MAX_SYNC_ITEMS - 512 {
                break;
            }
            let name = job.name();
            bytes += AROUND;
            match job.outcome() {
                None => sync.holding.push(name),
                Some(Outcome::Done(text)) => {
                    let fits = bytes + f64::from(text.bytes) <= limit || sync.done.is_empty();
                    if fits {
                        bytes += f64::from(text.bytes);
                        sync.done.push((name, *text));
                    } else {
                        sync.holding.push(name);
                    }
                }
                Some(Outcome::Invalid(why)) => sync.invalid.push((name, why.clone())),
                Some(Outcome::Failed(why)) => sync.failed.push((name, why.clone())),
                Some(Outcome::Released) => sync.released.push(name),
            }
        }
        sync
    }

    #[allow(clippy::too_many_arguments, reason = "one call, from one place")]
    pub(super) fn answered(
        &mut self,
        common: &mut Common,
        now: Now,
        random: f64,
        id: u32,
        got: Got,
        desk: &mut Desk,
        out: &mut Vec<Action>,
    ) -> Option<Got> {
        let Some(flight) = self.flight.take_if(|flight| flight.id == id) else {
            return Some(got);
        };
        match flight.what {
            What::Register => {
                if let Some(hello) = common.registered(now, random, flight.sent, got) {
                    if !hello.syncs {
                        let text = "The tracker has forgotten how to sync. Reload the page.";
                        common.fatal = Some(Fault::bad_answer(text));
                    }
                    self.token = Some(hello.token);
                    self.synced = false;
                }
            }
            What::Bye => {}
            What::Sync {
                keys, want, done, ..
            } => match word(Call::Sync, got) {
                Word::Done(Parsed::Sync(synced)) => {
                    common.answered(now, flight.sent);
                    common.version(&synced.app_version);
                    self.heard = Some(flight.sent);
                    self.synced = true;
                    self.take(common, now, random, keys, want, synced, desk, out);
                }
                Word::Done(_) | Word::DoneBefore => {
                    unsend(desk, &keys);
                    let fault = Fault::bad_answer("The tracker's answer to a sync holds none.");
                    common.retry.failed(now, random, None, fault);
                }
                Word::Later {
                    fault,
                    retry_after_ms,
                } => {
                    unsend(desk, &keys);
                    common.retry.failed(now, random, retry_after_ms, fault);
                }
                Word::Refused(fault) => {
                    unsend(desk, &keys);
                    self.refused(common, now, random, &keys, done, fault, desk);
                }
            },
        }
        None
    }

    #[allow(clippy::too_many_arguments, reason = "one call, from one place")]
    fn refused(
        &mut self,
        common: &mut Common,
        now: Now,
        random: f64,
        keys: &[Key],
        done: usize,
        fault: Fault,
        desk: &mut Desk,
    ) {
        let superseded = fault.code == Code::Tracker(ErrorCode::Superseded);
        if is_unknown(&fault) || (superseded && !self.synced) {
            // Leases are good under any registration.
            self.token = None;
        } else if superseded {
            common.fatal = Some(fault);
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge) && done > 0 {
            if done == 1 {
                let is_done = |key: &&Key| {
                    let outcome = desk.get(**key).and_then(Job::outcome);
                    matches!(outcome, Some(Outcome::Done(_)))
                };
                if let Some(key) = keys.iter().find(is_done).copied()
                    && let Some(job) = desk.get_mut(key)
                    && let Place::Ended { outcome, .. } = &mut job.place
                {
                    let why = "The output is larger than the tracker takes.".to_owned();
                    if let Outcome::Done(text) = std::mem::replace(outcome, Outcome::Failed(why)) {
                        desk.freed.push(text);
                    }
                }
            }
            self.body = self.max_body(common) / 2.0;
        } else {
            common.retry.failed(now, random, None, fault);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call, from one place")]
    fn take(
        &mut self,
        common: &mut Common,
        now: Now,
        random: f64,
        keys: Vec<Key>,
        want: u32,
        synced: Synced,
        desk: &mut Desk,
        out: &mut Vec<Action>,
    ) {
        common.accepted += count(synced.accepted.len());
        common.rejected += count(synced.rejected.len());
        for key in keys {
            desk.remove(key);
        }
        for lease in &synced.lost {
            let Some(key) = desk.by_ticket(lease) else {
                continue;
            };
            if let Some(core) = desk.get(key).and_then(Job::core) {
                out.push(Action::StopJob { core, key });
            }
            desk.remove(key);
        }
        let granted = count(synced.jobs.len());
        for job in synced.jobs {
            if desk.by_ticket(&job.lease).is_some() {
                desk.freed.extend(job.data);
                continue;
            }
            let ticket = Ticket::Lease(job.lease);
            desk.add(common.index, job.number, job.attempt, ticket, job.data);
        }
        self.wait_ms = synced.wait_ms;
        common.dry = (granted < want).then(|| {
            // Volunteers who were told so together do not come back together.
            Due::after(now, synced.wait_ms * (1.0 + 0.2 * random))
        });
    }

    pub(super) fn farewell(&self, common: &Common, now: Now, desk: &Desk) -> Vec<Wire> {
        let Some(token) = self.token.clone().filter(|_| !self.left) else {
            return Vec::new();
        };
        let mut sync = self.fill(common.index, FAREWELL_BODY, desk);
        // What is not named goes back.
        sync.released.clear();
        sync.holding.retain(|name| {
            let job = desk.by_ticket(name).and_then(|key| desk.get(key));
            job.is_some_and(|job| job.resumable || job.outcome().is_some())
        });
        if sync.items() == 0 {
            return vec![Wire::Bye { token }];
        }
        // Past the one that may be under way.
        sync.seq = (self.seq + 1).max(now.wall.max(0.0) as u64);
        vec![Wire::Sync(sync)]
    }

    pub(super) fn leave(&mut self, now: Now, ids: &mut Ids, out: &mut Vec<Action>) -> bool {
        if self.flight.is_some() {
            return true;
        }
        let Some(token) = self.token.clone().filter(|_| !self.left) else {
            return false;
        };
        let id = ids.send(Wire::Bye { token }, out);
        let what = What::Bye;
        self.flight = Some(Flight {
            id,
            sent: now,
            what,
        });
        self.left = true;
        true
    }

    pub(super) fn due_ms(&self, now: Now, index: usize, desk: &Desk) -> Option<f64> {
        let mut due: Option<f64> = None;
        for job in desk.iter().filter(|job| job.link == index) {
            let ms = match &job.place {
                Place::Ended { since, .. } => LINGER_MS - now.since(*since),
                _ => self.wait_ms - now.since(self.heard()),
            };
            if ms > 0.0 {
                due = Some(due.map_or(ms, |due| due.min(ms)));
            }
        }
        due.filter(|_| self.flight.is_none())
    }
}

/// What an outcome takes in a request.
fn size(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Done(text) => AROUND + f64::from(text.bytes),
        _ => AROUND,
    }
}

fn unsend(desk: &mut Desk, keys: &[Key]) {
    for key in keys {
        if let Some(job) = desk.get_mut(*key)
            && let Place::Ended { sent, .. } = &mut job.place
        {
            *sent = false;
        }
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

impl Sync {
    /// How many entries its lists have together.
    fn items(&self) -> usize {
        self.holding.len()
            + self.done.len()
            + self.invalid.len()
            + self.released.len()
            + self.failed.len()
            + self.progress.len()
    }
}
