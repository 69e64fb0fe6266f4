//! When a request is sent, and what it says.

use distcompute_protocol::MAX_SYNC_ITEMS;

use crate::hub::action::{Action, Registration, Sync, Wire, Write};
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::{Job, JobKey, JobState, JobTable, Outcome};
use crate::hub::session::sync::Syncs;
use crate::hub::session::sync::bounds::{Limit, MOST_ITEMS, size};
use crate::hub::session::sync::flight::{Flight, What};
use crate::hub::session::{Common, Demand};
use crate::hub::speed::FULL;
use crate::time::clock::Now;

/// The largest body of a goodbye: browsers send at most 64 KiB for a page that is being closed.
const FAREWELL_BODY: f64 = 48_000.0;

/// A request with this many bytes of outcomes may be refused for its size.
const LARGE: f64 = 200_000.0;

impl Syncs {
    pub(crate) fn pump(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        demand: &Demand,
        table: &mut JobTable,
    ) {
        if self.left {
            return;
        }
        if self.may_send() {
            self.pump_next(common, cx, demand, table);
        }
        if self.may_follow(common, cx, table) {
            self.send(common, cx, demand, table);
        }
    }

    /// Sends what is due where the tracker has committed all requests under way.
    fn pump_next(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        demand: &Demand,
        table: &mut JobTable,
    ) {
        let now = cx.now;
        let mine = |job: &&Job| job.session == common.index;
        let any = table.iter().any(|job| mine(&job));
        if self.token.is_none() {
            if any || demand.want > 0 || self.must_report_setup(demand) {
                let id = common.register(cx);
                self.flights.push(Flight::new(id, now, What::Register));
            }
            return;
        }
        self.refusals.retain(&|key| table.get(key).is_some());
        let waits = !demand.hurry && common.line.is_worth_waiting(demand.ahead.0, demand.ahead.1);
        let asks = demand.low
            && !waits
            && (!self.is_limited(common, table) || self.has_results(common, table))
            && common.may_ask(now)
            && self.may_fetch(common)
            && self.jobs_to_request(common, demand, table).0 > 0;
        let proves = self.flights.is_empty() && self.refusals.are_unproven();
        let keeps = any && (self.is_silent(cx) || proves);
        let delivers = self.must_deliver(common, cx, demand, waits, table);
        let moves_jobs = (asks || delivers) && !self.ends_at_once(common);
        if moves_jobs || keeps || !demand.progress.is_empty() || self.must_report_setup(demand) {
            self.send(common, cx, demand, table);
        }
    }

    /// Whether the setup fails with an error that was not reported to the tracker yet.
    fn must_report_setup(&self, demand: &Demand) -> bool {
        demand.setup_failed.is_some() && demand.setup_failed != self.setup_reported
    }

    /// Whether the tracker would grant nothing until it has results.
    fn is_limited(&self, common: &Common, table: &JobTable) -> bool {
        self.limited && table.iter().any(|job| job.session == common.index)
    }

    fn has_results(&self, common: &Common, table: &JobTable) -> bool {
        let mut mine = table.iter().filter(|job| job.session == common.index);
        mine.any(|job| job.is_unsent() && !self.refusals.has(job.key))
    }

    /// Whether it is time to keep the leases.
    fn is_silent(&self, cx: &mut Cx) -> bool {
        let left = self.wait_ms - cx.now.since(self.committed_at());
        cx.expired(Timer::Keepalive, left)
    }

    /// Whether outcomes should be sent. If the request `waits` for more of them, only once it is full.
    fn must_deliver(
        &self,
        common: &Common,
        cx: &mut Cx,
        demand: &Demand,
        waits: bool,
        table: &JobTable,
    ) -> bool {
        let mut count = 0;
        let mut bytes = 0.0;
        let mut waited = false;
        let ready = |job: &&Job| {
            job.session == common.index && job.is_unsent() && !self.refusals.has(job.key)
        };
        for job in table.iter().filter(ready) {
            if let JobState::Ended { outcome, since, .. } = &job.state {
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
        (count > 0 && (full || demand.hurry || waited)) || self.due(cx.now, table).is_some()
    }

    /// Whether a request follows another one before the answer to that has begun. Only if it is full of results,
    /// because it may arrive first, and then the tracker refuses the other one.
    fn may_follow(&self, common: &Common, cx: &mut Cx, table: &JobTable) -> bool {
        if common.retry.is_away() || !self.refusals.is_empty() || self.together < MOST_ITEMS {
            return false;
        }
        let Some(left_ms) = self.follows_in_ms(common, cx.now) else {
            return false;
        };
        let unsent = table
            .iter()
            .filter(|job| job.session == common.index && job.is_unsent());
        let (mut count, mut bytes) = (0, 0.0);
        for outcome in unsent.filter_map(Job::outcome) {
            count += 1;
            bytes += size(outcome);
        }
        let is_full = count >= MOST_ITEMS / 2 || bytes >= self.limit(common).least() / 2.0;
        is_full && cx.expired(Timer::Uploaded, left_ms)
    }

    /// A refused outcome that may be tried again now.
    fn due(&self, now: Now, table: &JobTable) -> Option<JobKey> {
        let waits = |key| table.get(key).is_some_and(Job::is_unsent);
        self.refusals.due(now, waits)
    }

    fn send(&mut self, common: &mut Common, cx: &mut Cx, demand: &Demand, table: &mut JobTable) {
        let now = cx.now;
        let alone = self.due(now, table);
        let (mut sync, keys) = self.fill(common.index, self.limit(common), alone, false, table);
        let mut room = MAX_SYNC_ITEMS.saturating_sub(sync.items());
        if common.retry.is_away() || alone.is_some() {
            // If progress were in this request, it could be what is refused.
            room = 0;
        }
        for (key, text) in &demand.progress {
            let Some(job) = table.get(*key).filter(|job| job.session == common.index) else {
                continue;
            };
            if room > 0 {
                sync.progress.push((job.name(), text.clone()));
                room -= 1;
            }
        }
        // An answer with fewer jobs than `want` means that no more are open, so `want` must be exact.
        let mut expected = 0.0;
        let in_vain = keys.is_empty() && self.is_limited(common, table);
        if !in_vain && common.may_ask(now) && self.may_fetch(common) {
            (sync.want, expected) = self.jobs_to_request(common, demand, table);
            sync.want_bytes = expected as u64;
            if let Some(job) = common.line.job_bytes() {
                expected = expected.min(f64::from(sync.want) * job);
            }
            expected = expected.max(self.left_bytes);
        }
        if self.must_report_setup(demand) {
            sync.setup_failed.clone_from(&demand.setup_failed);
            self.setup_reported.clone_from(&demand.setup_failed);
        }
        sync.cores = u32::try_from(demand.cores.max(1)).unwrap_or(u32::MAX);
        for flight in &self.flights {
            match &flight.what {
                What::Sync { seq, want, .. } if *want > 0 => sync.awaiting.push(*seq),
                _ => {}
            }
        }
        // The number between two requests is left for a goodbye, after which the page may come back.
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
        // A proxy that refuses large bodies may answer without CORS headers, which looks like no network.
        let probe = common.shall_probe() || large || alone.is_some();
        let id = common.send_within(cx, patience_ms, upload_ms, probe, Wire::Sync(sync));
        self.flights.push(Flight::new(id, now, what));
    }

    /// Builds a request with everything that is held and as many outcomes as fit, and returns the jobs of
    /// these outcomes. Jobs that a goodbye does not list are given back. An outcome that was refused is sent
    /// only if it is the one that goes `alone`.
    fn fill(
        &self,
        index: usize,
        limit: Limit,
        alone: Option<JobKey>,
        goodbye: bool,
        table: &JobTable,
    ) -> (Sync, Vec<JobKey>) {
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
            // The request that carries it is under way. If its answer turns out not to be the tracker's, the
            // lease must still be held, because a result under a lease that was given back is not accepted.
            // A goodbye repeats everything but results that wait for their files, which are held for the next visit.
            if job.held || (!goodbye && !job.is_unsent()) {
                bytes += (name.len() + 4) as f64;
                sync.holding.push(name);
                continue;
            }
            let size = size(outcome);
            let waits = match alone {
                Some(key) => job.key != key,
                None => self.refusals.has(job.key) || keys.len() >= self.together,
            };
            // An outcome that never fits is sent anyway, for the tracker to refuse. But a goodbye must arrive.
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

    pub(crate) fn farewell(&self, common: &Common, table: &JobTable) -> Vec<Wire> {
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
        // After the request that may be under way, and before the next one of a page that comes back.
        sync.seq = self.seq + 1;
        vec![Wire::Sync(sync)]
    }
}

fn keys_bytes(keys: &[JobKey], table: &JobTable) -> f64 {
    let outcomes = keys.iter().filter_map(|key| table.get(*key)?.outcome());
    outcomes.map(size).sum()
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
