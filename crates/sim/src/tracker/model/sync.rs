//! How the model handles a `sync`.

use std::collections::BTreeSet;

use distcompute_protocol::{
    ErrorCode, MAX_SYNC_ITEMS, MAX_SYNC_WANT, Rejected, SyncAnswer, SyncRequest,
};
use distcompute_tracker::rules::wait::wait_s;

use super::calls::fine;
use super::{End, Model};
use crate::tracker::{ApiResponse, Content, Tracker as _, weigh};

impl Model {
    pub(super) fn sync(&mut self, now: f64, ask: &SyncRequest) -> ApiResponse {
        let body: usize = ask.done.iter().map(|done| weigh(&done.data) + 80).sum();
        if body + 50 * (ask.items() - ask.done.len()) > self.max_body {
            self.refused_bodies += 1;
            return self.refuse(413, ErrorCode::TooLarge);
        }
        if ask.items() > MAX_SYNC_ITEMS {
            return self.refuse(422, ErrorCode::InvalidRequest);
        }
        self.most_items = self.most_items.max(ask.items());
        let Some(worker) = self.workers.get_mut(&ask.token) else {
            return self.refuse(404, ErrorCode::WorkerUnknown);
        };
        let (last, stage) = (worker.seq, worker.stage);
        if last.is_some_and(|last| ask.seq < last) {
            return self.refuse(409, ErrorCode::Superseded);
        }
        worker.seq = Some(ask.seq);
        worker.seen = now;
        let mut said = SyncAnswer {
            jobs: Vec::new(),
            accepted: Vec::new(),
            rejected: Vec::new(),
            lost: Vec::new(),
            open: 0,
            wait_s: 0,
            app_version: self.app_version.clone(),
            left_bytes: 0,
            limited: false,
            unconfirmed: 0,
            paused: self.paused.clone(),
        };
        let reject = |lease: &str, why| Rejected {
            lease: lease.to_owned(),
            why,
        };
        let want = ask.want.min(MAX_SYNC_WANT) as usize;
        if last == Some(ask.seq) {
            for done in &ask.done {
                if self.has_taken(&done.lease) {
                    said.accepted.push(done.lease.clone());
                } else if let Some(why) = self.refusal(&done.lease) {
                    said.rejected.push(reject(&done.lease, why));
                }
            }
            for name in &ask.holding {
                if self
                    .leases
                    .get(name)
                    .is_none_or(|lease| lease.ended.is_some())
                {
                    said.lost.push(name.clone());
                }
            }
            let fresh = self.held_by(&ask.token).into_iter();
            let fresh = fresh.filter(|name| self.leases[name].seq == last);
            said.jobs = fresh.map(|name| self.granted(&name)).collect();
        } else {
            let mut told = BTreeSet::new();
            let mut new = 0;
            for done in &ask.done {
                told.insert(done.lease.as_str());
                let before = self.has_taken(&done.lease);
                match self.accept(&done.lease, &done.data) {
                    None => {
                        new += usize::from(!before);
                        said.accepted.push(done.lease.clone());
                    }
                    Some(why) => said.rejected.push(reject(&done.lease, why)),
                }
            }
            for invalid in &ask.invalid {
                let known = self.leases.get(&invalid.lease);
                if told.insert(&invalid.lease) && known.is_some_and(|l| l.ended.is_none()) {
                    self.flag(&invalid.lease);
                }
            }
            for failed in &ask.failed {
                if told.insert(&failed.lease)
                    && let Some(lease) = self.leases.get(&failed.lease)
                    && lease.ended.is_none()
                {
                    self.jobs[lease.job].failures += 1;
                    self.put_back(&failed.lease, End::Failed, true);
                }
            }
            for name in &ask.released {
                if told.insert(name) {
                    self.put_back(name, End::Released, true);
                }
            }
            let mut kept = BTreeSet::new();
            for name in &ask.holding {
                if told.contains(name.as_str()) {
                } else if self.keep(now, name, &ask.token) {
                    kept.insert(name.clone());
                } else {
                    said.lost.push(name.clone());
                }
            }
            for name in self.held_by(&ask.token) {
                let granted = self.leases[&name].seq;
                let awaited = granted.is_some_and(|seq| ask.awaiting.contains(&seq));
                if !kept.contains(&name) && (!awaited || told.contains(&*name)) {
                    let unheard = self.leases[&name].seq == last && !told.contains(&*name);
                    self.put_back(&name, End::Released, !unheard);
                }
            }
            for line in &ask.progress {
                self.lines.push(line.text.clone());
            }
            let (lease_ms, held) = (self.lease_ms as i64, self.held_by(&ask.token).len());
            let worker = self.workers.get_mut(&ask.token).expect("known");
            worker.allowance.cores = ask.cores.map_or(worker.allowance.cores, i64::from);
            worker.allowance = worker.allowance.after(new, now as i64, lease_ms);
            let mut room = worker.allowance.may_hold().saturating_sub(held);
            if !self.bounds_what_is_held {
                room = usize::MAX;
            }
            if held == 0 {
                worker.allowance = worker.allowance.begun(now as i64);
            }
            let mut bytes = 0;
            if self.paused.is_some() {
                room = 0;
            }
            for _ in 0..want.min(room) {
                // Where a lost answer was, this job comes first again; all others are in order.
                let Some(next) = self.next_bytes(stage) else {
                    break;
                };
                let most = ask
                    .want_bytes
                    .unwrap_or(u64::MAX)
                    .min(self.max_body as u64 / 2);
                if bytes > 0 && bytes + next > most && self.looks_at_sizes {
                    said.left_bytes = next;
                    break;
                }
                bytes += next;
                let Some(name) = self.grant(now, &ask.token, Some(ask.seq)) else {
                    break;
                };
                said.jobs.push(self.granted(&name));
            }
        }
        let open = if self.paused.is_some() {
            0
        } else {
            self.open(stage)
        };
        said.open = open as u64;
        if said.jobs.len() < want && said.left_bytes == 0 {
            let held = self.held_by(&ask.token).len();
            let may_hold = self.workers[&ask.token].allowance.may_hold();
            let is_paused = self.paused.is_some();
            said.limited = self.bounds_what_is_held && !is_paused && held > 0 && held >= may_hold;
            said.left_bytes = u64::from(said.limited);
        }
        let lacks_jobs = said.jobs.len() < want && said.left_bytes == 0;
        let (lacks_jobs, lease_s) = (lacks_jobs, (self.lease_ms / 1_000.0) as u32);
        said.wait_s = wait_s(lacks_jobs, open as i64, 1, lease_s);
        said.wait_s = self.says_wait_s.unwrap_or(said.wait_s);
        fine("{}", Content::Sync(said))
    }
}
