//! The dialect with `sync`: one registration and one request under way serve all cores.
//!
//! Nothing is resent as it was: a request whose answer is lost is followed by a new one with a higher
//! `seq` that says everything again, and the tracker makes its books agree with it.

use distcompute_protocol::{MAX_SYNC_ITEMS, MAX_SYNC_WANT};

use super::refusals::{Blame, Refusals};
use super::{
    Ask, Common, Ids, PATIENCE_MS, WAIT_MS, Word, is_unknown, register, spread_ms, too_large, word,
};
use crate::call::Call;
use crate::engine::{
    action::{Action, Got, Parsed, Session, Sync, Synced, Wire, Write},
    clock::{Due, Now},
    desk::{Desk, Job, Key, Outcome, Place, Ticket},
    pace::FULL,
};
use crate::fault::{Code, Fault};
use distcompute_protocol::ErrorCode;

/// What the names, tokens and brackets around a text take in a request, at most.
const AROUND: f64 = 200.0;

/// The largest body where the tracker does not say.
const MAX_BODY: f64 = 1_000_000.0;

/// Entries of a request, progress not counted.
const MOST_ITEMS: usize = MAX_SYNC_ITEMS - 512;

/// What a goodbye may carry: browsers let 64 KiB outlive a page.
const FAREWELL_BODY: f64 = 48_000.0;

/// A request with so many bytes of outcomes may fail for its size.
const LARGE: f64 = 200_000.0;

/// After a refusal so many times fewer outcomes go together: each step may wait for a retry.
const PARTS: usize = 8;

/// Jobs that are remembered as flagged, and for how long: so long others have to look at them first.
const FLAGGED: usize = 256;
const FLAGGED_MS: f64 = 120_000.0;

/// The least and the most of what the tracker may say when to ask again.
const TOLD_MS: (f64, f64) = (2_000.0, 600_000.0);

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
        /// Outcomes that it carries.
        keys: Vec<Key>,
        want: u32,
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
    /// How long nothing need be said of what is held.
    wait_ms: f64,
    /// A body that is known to be accepted, in bytes; shrinks where the tracker refuses a larger one.
    body: f64,
    /// So many outcomes are sent together: fewer after a refusal, to find the one that it is about.
    together: usize,
    refusals: Refusals,
    /// Jobs whose input this browser has called bad, at which attempt, and when.
    flagged: Vec<(u64, u32, Now)>,
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
            together: usize::MAX,
            refusals: Refusals::default(),
            flagged: Vec::new(),
            left: false,
        }
    }

    pub(super) fn part(&mut self) {
        self.token = None;
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
                let probe = common.shall_probe();
                let id = ids.send_within(PATIENCE_MS, probe, register(common), out);
                let what = What::Register;
                self.flight = Some(Flight {
                    id,
                    sent: now,
                    what,
                });
            }
            return;
        }
        self.refusals.retain(|key| desk.get(key).is_some());
        let asks = ask.low && ask.want > 0 && common.may_ask(now);
        let keeps = any && (self.is_silent(now) || self.refusals.are_unproven());
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
        let ready = |job: &&Job| job.link == common.index && !self.refusals.has(job.key);
        for job in desk.iter().filter(ready) {
            if let Place::Ended { outcome, since, .. } = &job.place {
                count += 1;
                bytes += size(outcome);
                waited = waited.max(now.since(*since));
            }
        }
        let full = count >= FULL || bytes >= self.max_body(common) / 2.0;
        (count > 0 && (full || ask.hurry || waited >= common.linger_ms))
            || self.refusals.due(now).is_some()
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
        let alone = self.refusals.due(now);
        let (mut sync, keys) = self.fill(common.index, self.max_body(common), alone, false, desk);
        let mut room = MAX_SYNC_ITEMS.saturating_sub(sync.items());
        if common.retry.is_away() || alone.is_some() {
            // What can be done without is not to be what is refused.
            room = 0;
        }
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
        // One is left out for a goodbye, which a page says that may come back.
        self.seq = (self.seq + 2).max(now.wall.max(0.0) as u64);
        sync.seq = self.seq;
        for key in &keys {
            if let Some(Place::Ended { sent, .. }) = desk.get_mut(*key).map(|job| &mut job.place) {
                *sent = true;
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
        let want = sync.want;
        let limit_ms = common.retry.patience_ms(common.lease_ms());
        // A proxy that refuses what is large may not let this page see that.
        let large = keys_bytes(&keys, desk) >= LARGE;
        let probe = common.shall_probe() || large || alone.is_some();
        let id = ids.send_within(limit_ms, probe, Wire::Sync(sync), out);
        self.flight = Some(Flight {
            id,
            sent: now,
            what: What::Sync { keys, want },
        });
    }

    /// A request that says all there is to say, with as many outcomes as fit, and whose those are.
    /// What a goodbye does not name goes back. An outcome that was refused goes `alone`, or not.
    fn fill(
        &self,
        index: usize,
        limit: f64,
        alone: Option<Key>,
        goodbye: bool,
        desk: &Desk,
    ) -> (Sync, Vec<Key>) {
        let mut sync = Sync {
            token: self.token.clone().unwrap_or_default(),
            ..Sync::default()
        };
        let mine = || desk.iter().filter(|job| job.link == index);
        let unfinished = || mine().filter(|job| job.outcome().is_none());
        for job in unfinished().filter(|job| job.resumable || !goodbye) {
            sync.holding.push(job.name());
        }
        let names = sync.holding.iter().map(|name| name.len() + 4);
        let mut bytes = names.sum::<usize>() as f64;
        let mut keys = Vec::new();
        for job in mine() {
            let Some(outcome) = job.outcome() else {
                continue;
            };
            if sync.items() >= MOST_ITEMS {
                break;
            }
            let name = job.name();
            let size = size(outcome);
            let waits = match alone {
                Some(key) => job.key != key,
                None => self.refusals.has(job.key) || keys.len() >= self.together,
            };
            // One that never fits is for the tracker to refuse; but a goodbye must arrive.
            let fits = bytes + size <= limit || (!goodbye && keys.is_empty());
            if waits || !fits {
                // It is still held.
                sync.holding.push(name);
                continue;
            }
            bytes += size;
            match outcome {
                Outcome::Done(text) => sync.done.push((name, *text)),
                Outcome::Invalid(why) => sync.invalid.push((name, why.clone())),
                Outcome::Failed(why) => sync.failed.push((name, why.clone())),
                Outcome::Released => sync.released.push(name),
            }
            keys.push(job.key);
        }
        (sync, keys)
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
            What::Sync { keys, want } => match word(Call::Sync, got) {
                Word::Done(Parsed::Sync(synced)) => {
                    common.answered(now, flight.sent);
                    common.version(&synced.app_version);
                    self.heard = Some(flight.sent);
                    self.synced = true;
                    self.together = self.together.saturating_mul(2);
                    self.refusals.retain(|key| !keys.contains(&key));
                    self.refusals.answered();
                    self.take(common, now, random, keys, want, synced, desk);
                }
                Word::Done(_) | Word::DoneBefore => {
                    unsend(desk, &keys);
                    let fault = Fault::bad_answer("The tracker's answer to a sync holds none.");
                    common.failed(now, random, None, fault);
                }
                Word::Later {
                    fault,
                    retry_after_ms,
                    blame,
                } => {
                    unsend(desk, &keys);
                    self.doubt(common, now, &keys, blame, &fault, desk);
                    common.failed(now, random, retry_after_ms, fault);
                }
                Word::Refused(fault) => {
                    unsend(desk, &keys);
                    self.refused(common, now, random, &keys, fault, desk);
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
        fault: Fault,
        desk: &mut Desk,
    ) {
        let superseded = fault.code == Code::Tracker(ErrorCode::Superseded);
        if is_unknown(&fault) || (superseded && !self.synced) {
            // Leases are good under any registration.
            self.token = None;
        } else if superseded {
            common.fatal = Some(fault);
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge) && keys.len() > 1 {
            // It takes less than it has said.
            let sizes = keys.iter().filter_map(|key| desk.get(*key)?.outcome());
            self.body = sizes.map(size).sum::<f64>().min(self.max_body(common)) / 2.0;
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge)
            && let [key] = keys
        {
            let output = match desk.get(*key).and_then(Job::outcome) {
                Some(Outcome::Done(text)) => Some(*text),
                _ => None,
            };
            let why = too_large(output, common);
            if !common.give_up(desk, *key, &why) {
                // So it is not that which is too large.
                common.failed(now, random, None, fault);
            }
        } else {
            self.doubt(common, now, keys, Blame::Surely, &fault, desk);
            common.failed(now, random, None, fault);
        }
    }

    /// A request failed that may have been refused for one of the outcomes in it: fewer go together,
    /// until it is known which, and that one is set apart.
    fn doubt(
        &mut self,
        common: &mut Common,
        now: Now,
        keys: &[Key],
        blame: Blame,
        fault: &Fault,
        desk: &mut Desk,
    ) {
        match keys {
            _ if blame == Blame::None => {}
            [] => {}
            [key] => {
                if self.refusals.add(now, *key, blame) {
                    let why = format!("It was refused again and again: {}", fault.message);
                    common.give_up(desk, *key, &why);
                }
            }
            more => self.together = (more.len() / PARTS).max(1),
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
    ) {
        common.accepted += count(synced.accepted.len());
        common.rejected += count(synced.rejected.len());
        unsend(desk, &keys);
        for key in keys {
            if let Some(job) = desk.get(key)
                && matches!(job.outcome(), Some(Outcome::Invalid(_)))
            {
                if self.flagged.len() >= FLAGGED {
                    self.flagged.remove(0);
                }
                self.flagged.push((job.number, job.attempt, now));
            }
            let Some(job) = desk.get(key) else { continue };
            let is_in = |leases: &[String]| leases.iter().any(|lease| lease == job.ticket.text());
            let rejected = is_in(&synced.rejected);
            common.undelivered += u32::from(rejected && job.restored);
            // A result of which the answer says nothing was not in the request that it answers.
            let is_result = matches!(job.outcome(), Some(Outcome::Done(_)));
            if rejected || !is_result || is_in(&synced.accepted) {
                desk.remove(key);
            }
        }
        for lease in &synced.lost {
            if let Some(key) = desk.by_ticket(lease)
                && desk.get(key).is_some_and(|job| job.outcome().is_none())
            {
                desk.remove(key);
            }
        }
        let mut granted = count(synced.jobs.len());
        for job in synced.jobs {
            if desk.by_ticket(&job.lease).is_some() {
                desk.freed.extend(job.data);
                continue;
            }
            let ticket = Ticket::Lease(job.lease);
            let key = desk.add(common.index, job.number, job.attempt, ticket, job.data);
            if self.has_flagged(now, job.number, job.attempt) {
                desk.end(key, Outcome::Released, now);
                granted -= 1;
            }
        }
        // Whatever it says, not all the time. Leases are kept sooner than it says, jobs asked for
        // later, at random: those who were told so together do not come back together.
        let told = synced.wait_ms.clamp(TOLD_MS.0, TOLD_MS.1);
        let keep = told.min(common.lease_ms() / 3.0);
        self.wait_ms = spread_ms(keep, random);
        common.longest_ms = keep;
        if granted < want {
            let longest = 2.0 * told;
            common.dry = Some(Due::after(now, spread_ms(longest, random)));
            if !desk.iter().any(|job| job.link == common.index) {
                common.longest_ms = longest;
            }
        } else if want > 0 {
            common.dry = None;
        }
    }

    /// Whether this is an input that this browser has just called bad: a second opinion should be
    /// somebody else's. Attempts count anew when an input was made again.
    fn has_flagged(&self, now: Now, number: u64, attempt: u32) -> bool {
        let mut flagged = self.flagged.iter();
        flagged
            .any(|(of, at, since)| *of == number && attempt > *at && now.since(*since) < FLAGGED_MS)
    }

    pub(super) fn farewell(&self, common: &Common, desk: &Desk) -> Vec<Wire> {
        let Some(token) = self.token.clone().filter(|_| !self.left) else {
            return Vec::new();
        };
        let (mut sync, _) = self.fill(common.index, FAREWELL_BODY, None, true, desk);
        sync.released.clear();
        if sync.items() == 0 {
            return vec![Wire::Bye { token }];
        }
        // Past the one that may be under way, before the next.
        sync.seq = self.seq + 1;
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

    pub(super) fn due_ms(&self, common: &Common, now: Now, desk: &Desk) -> Option<f64> {
        if self.flight.is_some() {
            return None;
        }
        let silent = self.wait_ms - now.since(self.heard());
        let mut due = self.refusals.due_ms(now).unwrap_or(f64::INFINITY);
        for job in desk.iter().filter(|job| job.link == common.index) {
            let lingers = match &job.place {
                Place::Ended { since, .. } => common.linger_ms - now.since(*since),
                _ => silent,
            };
            for ms in [silent, lingers] {
                if ms > 0.0 {
                    due = due.min(ms);
                }
            }
        }
        due.is_finite().then_some(due)
    }
}

/// What an outcome takes in a request.
fn size(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Done(text) => AROUND + f64::from(text.bytes),
        Outcome::Invalid(why) | Outcome::Failed(why) => AROUND + why.len() as f64,
        Outcome::Released => AROUND,
    }
}

fn keys_bytes(keys: &[Key], desk: &Desk) -> f64 {
    let outcomes = keys.iter().filter_map(|key| desk.get(*key)?.outcome());
    outcomes.map(size).sum()
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
