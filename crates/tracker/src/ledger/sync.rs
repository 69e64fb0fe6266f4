//! Sync: the ledger is reconciled with what a client reports as held. This repairs the effects of
//! lost answers; it is sound because syncs are ordered by `seq` and leases cannot be guessed.

use std::collections::{BTreeSet, HashSet};

use distcompute_protocol::{
    Done, ErrorCode, MAX_PROGRESS, Progress, Rejected, RejectedWhy, SyncRequest, cut,
};

use super::{
    operation::{self, GrantedLease, SyncReply, lease_name, lease_parts},
    rows::End,
    transitions::Position,
    unit_of_work::UnitOfWork,
};
use crate::rules::{
    payload,
    secrets::{self, LeaseSecrets},
    wait::{self, wait_s},
};

/// The size of a job in an answer in addition to its input, in bytes.
const AROUND: u64 = 160;

impl UnitOfWork {
    /// The lease with this wire name, if the secret is right.
    fn by_name(&self, name: &str) -> Option<i64> {
        let (id, secret) = lease_parts(name)?;
        self.leases
            .get(&id)
            .filter(|lease| lease.secret == secrets::fingerprint(secret))?;
        Some(id)
    }

    pub(super) fn sync(
        &mut self,
        name: &str,
        request: SyncRequest,
    ) -> Result<SyncReply, ErrorCode> {
        let worker = self.worker_id(name)?;
        let seq = i64::try_from(request.seq).map_err(|_| ErrorCode::InvalidRequest)?;
        let last = self.workers.get(&worker).map_or(-1, |worker| worker.seq);
        if seq < last {
            return Err(ErrorCode::Superseded);
        }
        let first = self.never_had_a_job(worker);
        let wants = operation::wants(&request);
        let mut reply = if seq == last {
            self.answer_again(worker, seq, &request)
        } else {
            self.reconcile(worker, seq, last, request)
        };
        self.note_presence(worker, wants > 0, first);
        self.note_work(worker);
        let now = self.now;
        let holds = self.holds_any(worker);
        self.with_worker(worker, |worker| {
            worker.seq = seq;
            worker.last_seen = now;
            worker.synced_at = holds.then_some(now);
        });
        let row = self.workers.get(&worker);
        let stage = row.map(|row| row.stage.index());
        let (mut open, at_work, all) = stage.map_or((0, 0, 0), |at| {
            (self.open[at], self.at_work[at], self.enrolled[at])
        });
        let waited = row.filter(|row| !row.works);
        let waited = waited.map(|row| now - row.first_seen);
        let crowd = wait::crowd(at_work, all, waited);
        if let Some(pause) = stage.and_then(|at| self.paused[at].as_ref()) {
            open = 0;
            reply.paused = pause.is_by_operator().then(|| pause.text().to_owned());
        }
        reply.open = u64::try_from(open).unwrap_or(0);
        // A worker at its limit has work to do, and asks again when some of it is done.
        let lacks_jobs = reply.granted.len() < wants && reply.left_bytes == 0 && !reply.limited;
        // The open jobs are not available to this worker, so it need not come back soon.
        let rests = self.rests(worker);
        let may_begin = self.may_begin(worker);
        if lacks_jobs && (self.is_withheld(worker) || self.room(worker) == 0 || !may_begin) {
            open = 0;
        }
        // Jobs that wait for an opinion are work for those who may give one.
        // Of those in other parts of the lane it is given none before the next minute.
        let may_confirm = self.may_confirm(worker) && self.has_whole_lane(worker);
        if let Some(at) = stage.filter(|_| reply.paused.is_none() && may_confirm) {
            open += self.waiting[at];
        }
        reply.unconfirmed = self.unconfirmed(worker);
        reply.wait_s = wait_s(lacks_jobs, open, crowd, self.rules.lease_s);
        if lacks_jobs && let Some(most) = self.next_audit_s(worker) {
            reply.wait_s = reply.wait_s.min(most);
        }
        if lacks_jobs {
            let rest_s = u32::try_from(rests.div_euclid(1_000) + 1).unwrap_or(u32::MAX);
            let at_least = if rests > 0 { rest_s } else { 0 };
            reply.wait_s = reply.wait_s.max(at_least);
        }
        Ok(reply)
    }

    fn reconcile(&mut self, worker: i64, seq: i64, last: i64, request: SyncRequest) -> SyncReply {
        let wants = operation::wants(&request);
        let mut reply = SyncReply::default();
        // Before any changes: the client reported these for the leases that it holds now.
        self.note_lines(worker, &request.progress);
        if let Some(error) = &request.setup_failed {
            self.note_setup_failed(worker, &tidy(error));
        }
        // Leases about which the request reports more than that they are held.
        let mut reported = BTreeSet::new();
        if let Some(cores) = request.cores {
            self.note_cores(worker, cores);
        }
        // A result that was accepted before does not count again.
        let good = self.take_results(request.done, &mut reply, &mut reported);
        let mut bad = reply
            .rejected
            .iter()
            .filter(|one| one.why == RejectedWhy::Invalid)
            .count();
        for invalid in &request.invalid {
            if let Some(lease) = self.by_name(&invalid.lease)
                && reported.insert(lease)
            {
                bad += usize::from(self.flag_input(lease, &tidy(&invalid.reason)));
            }
        }
        for failed in &request.failed {
            if let Some(lease) = self.by_name(&failed.lease)
                && reported.insert(lease)
            {
                bad += usize::from(self.fail(lease, End::Failed, &tidy(&failed.error)));
            }
        }
        // However many leases are given back, it is one occasion, such as a closed page or a lost
        // answer.
        let mut gave_back = false;
        for released in &request.released {
            if let Some(lease) = self.by_name(released)
                && reported.insert(lease)
            {
                gave_back |= self.is_unfinished(lease);
                self.put_back(lease, End::Released, Position::Last);
            }
        }
        let mut kept = BTreeSet::new();
        let mut lost = HashSet::new();
        for name in request.holding {
            match self.by_name(&name) {
                Some(lease) if reported.contains(&lease) || kept.contains(&lease) => {}
                Some(lease) if self.keep(lease, worker) => {
                    kept.insert(lease);
                }
                _ => {
                    if lost.insert(name.clone()) {
                        reply.lost.push(name);
                    }
                }
            }
        }
        for lease in self.held(worker) {
            // The client cannot list leases of an answer that is still arriving.
            let granted = self.leases.get(&lease).and_then(|lease| lease.seq);
            let awaited = granted.and_then(|seq| u64::try_from(seq).ok());
            let awaited = awaited.is_some_and(|seq| request.awaiting.contains(&seq));
            if kept.contains(&lease) || (awaited && !reported.contains(&lease)) {
                continue;
            }
            // Granted by the previous sync and unknown to the client: that answer was lost, and
            // nobody has worked on the job.
            let unreceived = granted == Some(last) && !reported.contains(&lease);
            let position = if unreceived {
                Position::Kept
            } else {
                Position::Last
            };
            self.put_back(lease, End::Released, position);
            gave_back = true;
        }
        self.weigh(worker, good, bad + usize::from(gave_back));
        self.note_speed(worker, good);
        let want = wants.min(self.room(worker));
        let secrets = LeaseSecrets::new(&request.token);
        let mut bytes = 0_u64;
        let mut ids = self.ids_for(worker, want);
        while let Some(id) = ids.last().copied() {
            if let Some(most) = request.want_bytes {
                let Some(next) = self.next_job_bytes(worker) else {
                    break;
                };
                // One job is always granted, because otherwise it could never be handed out. A job
                // whose size is unknown, because this very group opened it, is granted alone.
                let all = bytes.saturating_add(next.unwrap_or(u64::MAX));
                if bytes > 0 && all > most.min(self.room) {
                    reply.left_bytes = next.unwrap_or(1);
                    break;
                }
                bytes = all;
            }
            let mut secret = String::new();
            let made = |lease| {
                secret = secrets.of_lease(lease, seq);
                secrets::fingerprint(&secret)
            };
            let Some(lease) = self.grant(worker, id, made, Some(seq)) else {
                break;
            };
            ids.pop();
            reply.granted.extend(self.granted(lease, &secret));
        }
        self.return_ids(worker, ids);
        // In the order of the leases, as it is when the answer is repeated.
        reply
            .granted
            .sort_by_key(|granted| lease_parts(&granted.lease).map(|(id, _)| id));
        if reply.granted.len() < wants && reply.left_bytes == 0 && self.is_at_limit(worker) {
            reply.limited = true;
        }
        if bytes != u64::MAX {
            self.room = self.room.saturating_sub(bytes);
        }
        reply
    }

    /// The size of the next job for a worker in an answer, in bytes.
    fn next_job_bytes(&mut self, worker: i64) -> Option<Option<u64>> {
        let row = self.workers.get(&worker)?;
        let (stage, volunteer) = (row.stage, Self::volunteer(row));
        let number = match self.next_in_lane(worker) {
            Some(number) => number,
            None if self.may_begin(worker) => self.peek_job(stage, &volunteer)?,
            None => self.next_audit(worker)?.number,
        };
        let size = self.size(number, stage);
        Some(size.map(|bytes| bytes.saturating_add(AROUND)))
    }

    /// The answer to a sync that was already handled: nothing changes, and the answer is
    /// reconstructed from the leases.
    fn answer_again(&mut self, worker: i64, seq: i64, request: &SyncRequest) -> SyncReply {
        let mut reply = SyncReply::default();
        let mut answered = HashSet::new();
        for done in &request.done {
            if !answered.insert(done.lease.clone()) {
                continue;
            }
            let lease = self
                .by_name(&done.lease)
                .and_then(|id| self.leases.get(&id));
            match lease {
                Some(lease) if self.is_acknowledged(lease.id) => {
                    reply.accepted.push(done.lease.clone());
                }
                _ => {
                    let why = lease.map_or(Some(RejectedWhy::Unknown), |_| self.unwanted(done));
                    // A result that would be accepted now was not part of the request when it was
                    // handled: it is neither accepted nor rejected, and the next sync will submit
                    // it.
                    reply.rejected.extend(why.map(|why| Rejected {
                        lease: done.lease.clone(),
                        why,
                    }));
                }
            }
        }
        let reported = self.reported(request);
        let mut lost = HashSet::new();
        for name in &request.holding {
            let lease = self.by_name(name);
            let kept = lease.is_some_and(|id| self.is_unfinished(id) || reported.contains(&id));
            if !kept && lost.insert(name) {
                reply.lost.push(name.clone());
            }
        }
        let secrets = LeaseSecrets::new(&request.token);
        for lease in self.held(worker) {
            let secret = secrets.of_lease(lease, seq);
            // Excludes leases that were granted to another token under the same number, or by a
            // tracker that derived secrets differently; the next sync puts their jobs back.
            let fingerprint = secrets::fingerprint(&secret);
            if self
                .leases
                .get(&lease)
                .is_some_and(|lease| lease.seq == Some(seq) && lease.secret == fingerprint)
            {
                reply.granted.extend(self.granted(lease, &secret));
            }
        }
        reply
    }

    /// Leases about which a request reports more than that they are held.
    fn reported(&self, request: &SyncRequest) -> BTreeSet<i64> {
        let done = request.done.iter().map(|done| &done.lease);
        let invalid = request.invalid.iter().map(|invalid| &invalid.lease);
        let failed = request.failed.iter().map(|failed| &failed.lease);
        let names = done.chain(invalid).chain(failed).chain(&request.released);
        names.filter_map(|name| self.by_name(name)).collect()
    }

    /// Accepts results. Returns how many of them are new and recorded.
    fn take_results(
        &mut self,
        list: Vec<Done>,
        reply: &mut SyncReply,
        reported: &mut BTreeSet<i64>,
    ) -> usize {
        let mut new = 0;
        let mut answered = HashSet::new();
        for done in list {
            let before = (self.changes.ordered, self.new_opinions.len());
            // If a lease is listed twice in one request, the first entry counts.
            if !answered.insert(done.lease.clone()) {
                continue;
            }
            let lease = self.by_name(&done.lease);
            reported.extend(lease);
            let outcome = match lease {
                None => Err(RejectedWhy::Unknown),
                Some(lease) => match payload::check(&done.data) {
                    // A job whose output can never be stored must not be retried for ever.
                    Err(why) if !self.is_acknowledged(lease) => {
                        self.fail(
                            lease,
                            End::Failed,
                            &format!("The output was refused: {why}"),
                        );
                        Err(RejectedWhy::Invalid)
                    }
                    _ => self.accept(lease, done.data),
                },
            };
            match outcome {
                Ok(()) => reply.accepted.push(done.lease),
                Err(why) => {
                    if let Some(stage) = lease.and_then(|id| Some(self.leases.get(&id)?.stage)) {
                        self.count_rejected(stage);
                    }
                    reply.rejected.push(Rejected {
                        lease: done.lease,
                        why,
                    });
                }
            }
            // It counts, or it waits for another opinion.
            new += usize::from(before != (self.changes.ordered, self.new_opinions.len()));
        }
        new
    }

    fn unwanted(&self, done: &Done) -> Option<RejectedWhy> {
        if payload::check(&done.data).is_err() {
            return Some(RejectedWhy::Invalid);
        }
        self.refusal(self.by_name(&done.lease)?)
    }

    pub(super) fn granted(&self, id: i64, secret: &str) -> Option<GrantedLease> {
        let lease = self.leases.get(&id)?;
        Some(GrantedLease {
            lease: lease_name(id, secret),
            number: lease.number,
            stage: lease.stage,
            attempt: lease.attempt.max(1),
            bytes: self.size(lease.number, lease.stage),
            data: None,
        })
    }

    /// A worker has one line on the dashboard: the progress of its only job, or of each job with
    /// its number.
    fn note_lines(&mut self, worker: i64, list: &[Progress]) {
        let lines: Vec<(i64, String)> = list
            .iter()
            .filter_map(|progress| {
                let lease = self.leases.get(&self.by_name(&progress.lease)?)?;
                Some((lease.number, tidy(&progress.text)))
            })
            .collect();
        let line = match &lines[..] {
            [] => return,
            [(_, text)] => text.clone(),
            several => {
                let parts: Vec<_> = several
                    .iter()
                    .map(|(n, text)| format!("#{n}: {text}"))
                    .collect();
                parts.join(" · ")
            }
        };
        self.with_worker(worker, |worker| worker.progress = cut(&line, MAX_PROGRESS));
    }
}

/// Removes from a text for people what no database column can store.
fn tidy(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
