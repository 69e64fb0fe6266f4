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

use distcompute_protocol::{MAX_SYNC_ITEMS, MAX_SYNC_WANT};

use crate::client::call::Call;
use crate::fault::{Code, Fault};
use crate::hub::action::{Action, Got, Moved, Parsed, Registration, Sync, Synced, Wire, Write};
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::{Job, JobState, JobTable, Key, Outcome, Ticket};
use crate::hub::session::refusals::{Blame, Refusals};
use crate::hub::session::{Ask, Common, WAIT_MS, Word, is_unknown, too_large, word};
use crate::hub::speed::FULL;
use crate::names::Names;
use crate::time::backoff::spread_ms;
use crate::time::clock::{Due, Now};
use distcompute_protocol::ErrorCode;

/// What the names, tokens and brackets around a text take in a request, at most.
const AROUND: f64 = 200.0;

/// What a lease takes in the list of those that are held, and which share of a request that list may
/// have.
const AROUND_NAME: f64 = 50.0;
const NAMES: f64 = 0.062_5;

/// Bytes of results that may wait while nothing is known of the line, counted twofold.
const BEHIND: f64 = 4_000_000.0;

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

/// Bytes of an answer come at least so often, or the time between does not count.
const LONG_GAP_MS: f64 = 5_000.0;

/// Requests under way at most: two that bring jobs, and one to keep leases with.
const FLIGHTS: usize = 3;

/// What a request asks for more than the line brings of jobs of usual size, for when they are smaller.
const SPARE: f64 = 1.5;

/// How large the body of a request may be, in bytes.
#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Not more than this.
    most: f64,
    /// What the line brings in a few seconds: a result that is more than half within it goes along.
    /// Otherwise, where two would take a little longer, each would wait for a round trip of its own.
    about: f64,
}

impl Limit {
    fn least(self) -> f64 {
        self.most.min(self.about)
    }

    /// Whether a text of `size` goes with the `bytes` that are there.
    fn holds(self, bytes: f64, size: f64) -> bool {
        bytes + size <= self.most && bytes + size / 2.0 <= self.about
    }
}

/// A request under way.
#[derive(Debug, Clone, PartialEq)]
struct Flight {
    id: u32,
    sent: Now,
    /// When its answer began.
    begun: Option<Now>,
    /// Bytes of the answer that have come, in how many milliseconds, and when the last of them.
    down: f64,
    flow_ms: f64,
    last: Now,
    what: What,
}

impl Flight {
    fn new(id: u32, sent: Now, what: What) -> Self {
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
    fn want(&self) -> u32 {
        match &self.what {
            What::Sync { want, .. } => *want,
            What::Register | What::Bye => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Register,
    Sync {
        token: String,
        seq: u64,
        /// Outcomes that it carries.
        keys: Vec<Key>,
        want: u32,
        /// How many bytes its answer is expected to have.
        expected: f64,
        /// What it carries, in bytes.
        bytes: f64,
        /// Whether it tells of a setup that fails.
        reports_setup: bool,
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

    pub(super) fn is_busy(&self) -> bool {
        !self.flights.is_empty()
    }

    /// When the oldest request under way was sent.
    pub(super) fn busy_since(&self) -> Option<Now> {
        let sent = self.flights.iter().map(|flight| flight.sent);
        sent.reduce(|a, b| if b.mono < a.mono { b } else { a })
    }

    /// Whether another request may be sent: none that the tracker may not have settled is under way.
    pub(super) fn may_send(&self) -> bool {
        let begun =
            |flight: &Flight| flight.begun.is_some() && matches!(flight.what, What::Sync { .. });
        let may_overlap = self.sized && self.flights.len() < FLIGHTS;
        self.flights.is_empty() || (may_overlap && self.flights.iter().all(begun))
    }

    /// Whether the answers that bring jobs are so far that others should be asked for.
    fn may_fetch(&self, common: &Common) -> bool {
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

    /// How many jobs are likely to be in the answers that are under way.
    pub(super) fn coming(&self, common: &Common) -> usize {
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

    /// More of an answer has come.
    pub(super) fn moved(&mut self, common: &mut Common, now: Now, id: u32, moved: Moved) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id) else {
            return false;
        };
        if moved.status != 200 {
            // A refusal says nothing of the line, nor that the tracker has settled the request.
            return true;
        }
        if flight.begun.is_none() {
            flight.begun = Some(now);
            common.line.began(moved.up, now.mono - flight.sent.mono);
        } else {
            // A longer gap is no transfer: the machine slept.
            flight.flow_ms += (now.mono - flight.last.mono).clamp(0.0, LONG_GAP_MS);
        }
        flight.last = now;
        flight.down = flight.down.max(moved.down);
        true
    }

    fn limit(&self, common: &Common) -> Limit {
        let said = common.hello.as_ref().map_or(0.0, |hello| hello.max_body);
        let said = if said > 0.0 { said } else { MAX_BODY };
        Limit {
            most: said.min(self.body),
            // What a text takes is counted twofold, for those of which each character takes two bytes.
            about: 2.0 * common.line.up.most(),
        }
    }

    pub(super) fn pump(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        ask: &Ask,
        table: &mut JobTable,
    ) {
        let now = cx.now;
        if self.left || !self.may_send() {
            return;
        }
        let mine = |job: &&Job| job.session == common.index;
        let any = table.iter().any(|job| mine(&job));
        if self.token.is_none() {
            if any || ask.want > 0 || self.must_report_setup(ask) {
                let id = common.register(cx);
                self.flights.push(Flight::new(id, now, What::Register));
            }
            return;
        }
        self.refusals.retain(|key| table.get(key).is_some());
        let waits = !ask.hurry && common.line.is_worth_waiting(ask.ahead.0, ask.ahead.1);
        let asks = ask.low
            && !waits
            && (!self.is_limited(common, table) || self.has_results(common, table))
            && common.may_ask(now)
            && self.may_fetch(common)
            && self.demand(common, ask, table).0 > 0;
        let proves = self.flights.is_empty() && self.refusals.are_unproven();
        let keeps = any && (self.is_silent(cx) || proves);
        let delivers = self.must_deliver(common, cx, ask, waits, table);
        if asks || keeps || delivers || !ask.progress.is_empty() || self.must_report_setup(ask) {
            self.send(common, cx, ask, table);
        }
    }

    /// Whether the setup fails in a way that the tracker has not been told of.
    fn must_report_setup(&self, ask: &Ask) -> bool {
        ask.setup_failed.is_some() && ask.setup_failed != self.setup_reported
    }

    /// Whether to ask for more would be in vain until there are results.
    fn is_limited(&self, common: &Common, table: &JobTable) -> bool {
        self.limited && table.iter().any(|job| job.session == common.index)
    }

    fn has_results(&self, common: &Common, table: &JobTable) -> bool {
        let mut mine = table.iter().filter(|job| job.session == common.index);
        mine.any(|job| job.is_unsent() && !self.refusals.has(job.key))
    }

    /// Whether the tracker has not heard of what is held for as long as it said.
    fn is_silent(&self, cx: &mut Cx) -> bool {
        let left = self.wait_ms - cx.now.since(self.said());
        cx.expired(Timer::Keepalive, left)
    }

    /// Whether outcomes should go. While the request `waits` for more of them it goes when it is full.
    fn must_deliver(
        &self,
        common: &Common,
        cx: &mut Cx,
        ask: &Ask,
        waits: bool,
        table: &JobTable,
    ) -> bool {
        let mut count = 0;
        let mut bytes = 0.0;
        let mut waited = false;
        let ready = |job: &&Job| job.session == common.index && !self.refusals.has(job.key);
        for job in table.iter().filter(ready) {
            if let JobState::Ended {
                outcome,
                since,
                sent: false,
                ..
            } = &job.state
            {
                count += 1;
                bytes += size(outcome);
                waited |= cx.expired(Timer::Linger, common.linger_ms - cx.now.since(*since));
            }
        }
        let least = self.limit(common).least();
        let full = if waits {
            count >= MOST_ITEMS || bytes >= least
        } else {
            count >= FULL || bytes >= least / 2.0
        };
        self.refusals.watch(cx);
        (count > 0 && (full || ask.hurry || waited)) || self.due(cx.now, table).is_some()
    }

    /// An outcome that was refused, whose turn it is, and that is not under way.
    fn due(&self, now: Now, table: &JobTable) -> Option<Key> {
        let waits = |key| table.get(key).is_some_and(Job::is_unsent);
        self.refusals.due(now, waits)
    }

    fn send(&mut self, common: &mut Common, cx: &mut Cx, ask: &Ask, table: &mut JobTable) {
        let now = cx.now;
        let alone = self.due(now, table);
        let (mut sync, keys) = self.fill(common.index, self.limit(common), alone, false, table);
        let mut room = MAX_SYNC_ITEMS.saturating_sub(sync.items());
        if common.retry.is_away() || alone.is_some() {
            // What can be done without is not to be what is refused.
            room = 0;
        }
        for (key, text) in &ask.progress {
            let Some(job) = table.get(*key).filter(|job| job.session == common.index) else {
                continue;
            };
            if room > 0 {
                sync.progress.push((job.name(), text.clone()));
                room -= 1;
            }
        }
        // What is not asked for cannot be missed: an answer with fewer means that there are no more.
        let mut expected = 0.0;
        let in_vain = keys.is_empty() && self.is_limited(common, table);
        if !in_vain && common.may_ask(now) && self.may_fetch(common) {
            (sync.want, expected) = self.demand(common, ask, table);
            sync.want_bytes = expected as u64;
            if let Some(job) = common.line.job_bytes() {
                expected = expected.min(f64::from(sync.want) * job);
            }
            expected = expected.max(self.left_bytes);
        }
        if self.must_report_setup(ask) {
            sync.setup_failed.clone_from(&ask.setup_failed);
            self.setup_reported.clone_from(&ask.setup_failed);
        }
        sync.cores = u32::try_from(ask.cores.max(1)).unwrap_or(u32::MAX);
        for flight in &self.flights {
            match &flight.what {
                What::Sync { seq, want, .. } if *want > 0 => sync.awaiting.push(*seq),
                _ => {}
            }
        }
        // One is left out for a goodbye, which a page says that may come back.
        self.seq = (self.seq + 2).max(now.wall.max(0.0) as u64);
        sync.seq = self.seq;
        for key in &keys {
            if let Some(JobState::Ended { sent, .. }) =
                table.get_mut(*key).map(|job| &mut job.state)
            {
                *sent = true;
            }
        }
        if let Some(hello) = &common.hello {
            cx.out.push(Action::Store(Write::Registration(Registration {
                stage: common.stage,
                nickname: common.nickname.clone(),
                seq: self.seq,
                hello: hello.clone(),
            })));
        }
        let sizes = keys.iter().filter_map(|key| table.get(*key)?.outcome());
        let bytes = sizes.map(size).sum();
        let large = keys_bytes(&keys, table) >= LARGE;
        let what = What::Sync {
            token: sync.token.clone(),
            seq: sync.seq,
            keys,
            want: sync.want,
            expected,
            bytes,
            reports_setup: sync.setup_failed.is_some(),
        };
        let patience_ms = common.retry.patience_ms(common.lease_ms());
        let upload_ms = common.upload_ms(bytes);
        // A proxy that refuses what is large may not let this page see that.
        let probe = common.shall_probe() || large || alone.is_some();
        let id = common.send_within(cx, patience_ms, upload_ms, probe, Wire::Sync(sync));
        self.flights.push(Flight::new(id, now, what));
    }

    /// How many jobs to ask for, and how many bytes they may have together.
    fn demand(&self, common: &Common, ask: &Ask, table: &JobTable) -> (u32, f64) {
        if self.is_behind(common, ask, table) {
            return (0, 1.0);
        }
        let bytes = common.line.down.most().min(ask.room).max(1.0);
        let mut want = ask.want.saturating_sub(self.coming(common));
        if let Some(job) = common.line.job_bytes() {
            // A tracker that does not look at sizes is asked for as many as fit by experience.
            let spare = if self.sized { SPARE } else { 1.0 };
            let fit = (spare * bytes / job.max(1.0)).ceil().max(1.0);
            want = want.min(fit as usize);
        }
        if let Some(reach) = common.line.up.reach() {
            // Each job that is held stands in each request.
            let goes = self.deliverable(common, table);
            let mine = table
                .count(|job| job.session == common.index)
                .saturating_sub(goes);
            let names = (reach * NAMES / AROUND_NAME) as usize;
            want = want.min(names.saturating_sub(mine).max(usize::from(mine == 0)));
        }
        let want = u32::try_from(want).unwrap_or(u32::MAX);
        (want.min(self.most).min(MAX_SYNC_WANT), bytes)
    }

    /// How many outcomes the next request carries, about: they are not held any more when it is answered.
    fn deliverable(&self, common: &Common, table: &JobTable) -> usize {
        let limit = self.limit(common);
        let mut bytes = 0.0;
        let unsent = table.iter().filter(|job| {
            job.session == common.index && job.is_unsent() && !self.refusals.has(job.key)
        });
        let fits = |outcome: &&Outcome| {
            let size = size(outcome);
            let fits = bytes == 0.0 || limit.holds(bytes, size);
            bytes += size;
            fits
        };
        let most = self.together.min(MOST_ITEMS);
        unsent
            .filter_map(Job::outcome)
            .take_while(fits)
            .take(most)
            .count()
    }

    /// Whether the line is so far behind with results that more jobs would only make it worse.
    fn is_behind(&self, common: &Common, ask: &Ask, table: &JobTable) -> bool {
        let waiting = table
            .iter()
            .filter(|job| job.session == common.index && job.is_unsent())
            .filter(|job| !self.refusals.has(job.key));
        let (mut count, mut bytes) = (0, 0.0);
        for outcome in waiting.filter_map(Job::outcome) {
            count += 1;
            bytes += size(outcome);
        }
        // Twice what one request carries; texts are counted twofold.
        let most = common.line.up.reach().map_or(BEHIND, |reach| 4.0 * reach);
        count >= ask.cores.max(2) && bytes >= most
    }

    /// A request came to nothing: the next one asks for half as much, and carries half as much. It asks
    /// for as much as before where no transfer broke: a tracker that could not be reached, or that
    /// asks to be left alone, is not relieved by many small requests.
    fn failed(&mut self, common: &mut Common, flight: &Flight, fault: &Fault) {
        let What::Sync { want, bytes, .. } = &flight.what else {
            return;
        };
        let (up, down) = match (&fault.code, flight.begun) {
            (Code::Timeout, begun) => (begun.is_none(), true),
            (Code::Unreachable, None) => (true, false),
            (Code::Unreachable | Code::BadAnswer | Code::AnswerTooLarge, Some(_)) => (false, true),
            _ => (false, false),
        };
        if *want > 0 && down {
            self.most = (self.most.min(*want) / 2).max(1);
            common.line.down.failed();
        }
        if *bytes > 0.0 && up {
            common.line.up.failed();
        }
    }

    /// A request that says all there is to say, with as many outcomes as fit, and whose those are.
    /// What a goodbye does not name goes back. An outcome that was refused goes `alone`, or not.
    fn fill(
        &self,
        index: usize,
        limit: Limit,
        alone: Option<Key>,
        goodbye: bool,
        table: &JobTable,
    ) -> (Sync, Vec<Key>) {
        let mut sync = Sync {
            token: self.token.clone().unwrap_or_default(),
            ..Sync::default()
        };
        let mine = || table.iter().filter(|job| job.session == index);
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
            // An answer to the request that carries it is on its way. Should it turn out to be none of the
            // tracker's, then the lease must still be held: a result of one that was given back is not
            // taken. A goodbye says everything again.
            if !goodbye && !job.is_unsent() {
                bytes += (name.len() + 4) as f64;
                sync.holding.push(name);
                continue;
            }
            let size = size(outcome);
            let waits = match alone {
                Some(key) => job.key != key,
                None => self.refusals.has(job.key) || keys.len() >= self.together,
            };
            // One that never fits is for the tracker to refuse; but a goodbye must arrive.
            let fits = limit.holds(bytes, size) || (!goodbye && keys.is_empty());
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

    pub(super) fn answered(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        id: u32,
        got: Got,
        table: &mut JobTable,
    ) -> Option<Got> {
        let now = cx.now;
        let Some(at) = self.flights.iter().position(|flight| flight.id == id) else {
            return Some(got);
        };
        let flight = self.flights.remove(at);
        let (sent, begun) = (flight.sent, flight.begun);
        let flow_ms = flight.flow_ms;
        let mut got = Some(got);
        let outcome = match &flight.what {
            What::Sync { .. } => got.take().map(|got| word(Call::Sync, got)),
            What::Register | What::Bye => None,
        };
        if let Some(Word::Later { fault, blame, .. }) = &outcome {
            self.failed(common, &flight, fault);
            // Where it may be this text that something refuses, it is not worth another try.
            if *blame == Blame::None
                && matches!(
                    flight.what,
                    What::Sync {
                        reports_setup: true,
                        ..
                    }
                )
            {
                self.setup_reported = None;
            }
        }
        match flight.what {
            What::Register => {
                if let Some(hello) = common.registered(cx, sent, got?) {
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
                token,
                keys,
                want,
                bytes,
                ..
            } => match outcome? {
                Word::Done(Parsed::Sync(synced)) => {
                    common.answered(now, sent, flow_ms);
                    // Texts are counted twofold.
                    common.line.handed_in(bytes / 2.0, count(keys.len()));
                    common.version(&synced.app_version);
                    // Answers may come in another order than their requests were sent in.
                    if self.heard.is_none_or(|heard| sent.mono > heard.mono) {
                        self.heard = Some(sent);
                    }
                    self.synced = true;
                    self.together = self.together.saturating_mul(2);
                    self.refusals.retain(|key| !keys.contains(&key));
                    self.refusals.answered();
                    self.most = self.most.saturating_mul(4).min(MAX_SYNC_WANT);
                    self.sized = synced.left_bytes.is_some();
                    self.left_bytes = synced.left_bytes.unwrap_or(0.0);
                    if begun.is_some() {
                        let jobs = count(synced.jobs.len());
                        common.line.brought(flight.down, flow_ms, jobs);
                    }
                    self.take(common, cx, keys, want, synced, table);
                }
                Word::Done(_) | Word::DoneBefore => {
                    unsend(table, &keys);
                    let fault = Fault::bad_answer("The tracker's answer to a sync holds none.");
                    common.failed(cx, None, fault);
                }
                Word::Later {
                    fault,
                    retry_after_ms,
                    blame,
                } => {
                    unsend(table, &keys);
                    self.doubt(common, now, &keys, blame, &fault, table);
                    common.failed(cx, retry_after_ms, fault);
                }
                // Of a registration that has been given up meanwhile.
                Word::Refused(_) if self.token.as_ref() != Some(&token) => unsend(table, &keys),
                Word::Refused(fault) => {
                    unsend(table, &keys);
                    self.refused(common, cx, &keys, fault, table);
                }
            },
        }
        None
    }

    fn refused(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        keys: &[Key],
        fault: Fault,
        table: &mut JobTable,
    ) {
        let superseded = fault.code == Code::Tracker(ErrorCode::Superseded);
        if is_unknown(&fault) || (superseded && !self.synced) {
            // Leases are good under any registration.
            self.part();
        } else if superseded {
            common.fatal = Some(fault);
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge) && keys.len() > 1 {
            // It takes less than it has said.
            let sizes = keys.iter().filter_map(|key| table.get(*key)?.outcome());
            self.body = sizes.map(size).sum::<f64>().min(self.limit(common).least()) / 2.0;
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge)
            && let [key] = keys
        {
            let output = match table.get(*key).and_then(Job::outcome) {
                Some(Outcome::Done(text)) => Some(*text),
                _ => None,
            };
            let why = too_large(output, common);
            if !common.give_up(table, *key, &why) {
                // So it is not that which is too large.
                common.failed(cx, None, fault);
            }
        } else {
            self.doubt(common, cx.now, keys, Blame::Surely, &fault, table);
            common.failed(cx, None, fault);
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
        table: &mut JobTable,
    ) {
        match keys {
            _ if blame == Blame::None => {}
            [] => {}
            [key] => {
                if self.refusals.add(now, *key, blame) {
                    let why = format!("It was refused again and again: {}", fault.message);
                    common.give_up(table, *key, &why);
                }
            }
            more => self.together = (more.len() / PARTS).max(1),
        }
    }

    fn take(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        keys: Vec<Key>,
        want: u32,
        synced: Synced,
        table: &mut JobTable,
    ) {
        let (now, random) = (cx.now, cx.random);
        common.accepted += count(synced.accepted.len());
        common.rejected += count(synced.rejected.len());
        unsend(table, &keys);
        let acceptances = names(&synced.accepted);
        let rejections = names(&synced.rejected);
        for key in keys {
            if let Some(job) = table.get(key)
                && matches!(job.outcome(), Some(Outcome::Invalid(_)))
            {
                if self.flagged.len() >= FLAGGED {
                    self.flagged.remove(0);
                }
                self.flagged.push((job.number, job.attempt, now));
            }
            let Some(job) = table.get(key) else { continue };
            let rejected = rejections.contains(job.ticket.text());
            common.undelivered += u32::from(rejected && job.restored);
            // A result of which the answer says nothing was not in the request that it answers.
            let is_result = matches!(job.outcome(), Some(Outcome::Done(_)));
            if rejected || !is_result || acceptances.contains(job.ticket.text()) {
                table.remove(key);
            }
        }
        for lease in &synced.lost {
            if let Some(key) = table.by_ticket(lease)
                && table.get(key).is_some_and(|job| job.outcome().is_none())
            {
                table.remove(key);
            }
        }
        let mut granted = count(synced.jobs.len());
        let mut known: Names = table.iter().map(|job| job.ticket.text()).collect();
        for job in synced.jobs {
            if !known.insert(&job.lease) {
                table.freed.extend(job.data);
                continue;
            }
            let ticket = Ticket::Lease(job.lease);
            let key = table.add(common.index, job.number, job.attempt, ticket, job.data);
            if self.has_flagged(now, job.number, job.attempt) {
                table.end(key, Outcome::Released, now);
                granted -= 1;
            }
        }
        // Whatever it says, not all the time. Leases are kept sooner than it says, jobs asked for
        // later, at random: those who were told so together do not come back together.
        let told = synced.wait_ms.clamp(TOLD_MS.0, TOLD_MS.1);
        let keep = told.min(common.lease_ms() / 3.0);
        self.wait_ms = spread_ms(keep, random);
        common.longest_ms = keep;
        // Fewer than were asked for are all that there are, unless some were left out for their size.
        self.limited = synced.limited && table.iter().any(|job| job.session == common.index);
        if self.limited {
            // What was left out has nothing to do with its size.
            self.left_bytes = 0.0;
            common.dry = None;
        } else if granted < want && self.left_bytes == 0.0 {
            let longest = 2.0 * told;
            common.dry = Some(Due::after(now, spread_ms(longest, random)));
            if !table.iter().any(|job| job.session == common.index) {
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

    pub(super) fn farewell(&self, common: &Common, table: &JobTable) -> Vec<Wire> {
        let Some(token) = self.token.clone().filter(|_| !self.left) else {
            return Vec::new();
        };
        let limit = Limit {
            most: FAREWELL_BODY,
            about: f64::INFINITY,
        };
        let (mut sync, _) = self.fill(common.index, limit, None, true, table);
        sync.released.clear();
        if sync.items() == 0 {
            return vec![Wire::Bye { token }];
        }
        // Past the one that may be under way, before the next.
        sync.seq = self.seq + 1;
        vec![Wire::Sync(sync)]
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

/// What an outcome takes in a request.
fn size(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Done(text) => AROUND + f64::from(text.bytes),
        Outcome::Invalid(why) | Outcome::Failed(why) => AROUND + why.len() as f64,
        Outcome::Released => AROUND,
    }
}

fn keys_bytes(keys: &[Key], table: &JobTable) -> f64 {
    let outcomes = keys.iter().filter_map(|key| table.get(*key)?.outcome());
    outcomes.map(size).sum()
}

fn unsend(table: &mut JobTable, keys: &[Key]) {
    for key in keys {
        if let Some(job) = table.get_mut(*key)
            && let JobState::Ended { sent, .. } = &mut job.state
        {
            *sent = false;
        }
    }
}

fn names(list: &[String]) -> Names {
    list.iter().map(String::as_str).collect()
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
