//! The state transitions that operations are composed of: granting, putting back, failing,
//! completing, flagging and redoing a job. Each leaves the unit of work consistent, including the
//! counters.

use std::collections::BTreeSet;

use distcompute_protocol::{MAX_REASON, RejectedWhy, Stage, cut};

use super::{
    operation::{LatestResult, Requeued},
    rows::{End, Failure, FailureNote, Job, Lease, NOTED, Output, Pause, State},
    unit_of_work::UnitOfWork,
};
use crate::rules::{
    attempts::{self, Tried},
    flags, names, stages,
    trust::Policy,
};

/// How many failures of a job are kept with their texts.
const KEPT_FAILURES: usize = 5;

/// The position in the queue of a job that is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// At the tail; its volunteer is offered it last.
    Last,
    /// Where it was, because nobody has worked on it.
    Kept,
}

impl UnitOfWork {
    /// The ids of the next leases of a worker, the last one first. Where results are checked, they are
    /// in a random order: jobs that wait for an opinion are granted before others, and the order would
    /// tell which these are.
    pub(super) fn ids_for(&mut self, worker: i64, count: usize) -> Vec<i64> {
        let count = count.min(self.lease_ids.len());
        let mut ids: Vec<i64> = self.lease_ids.drain(..count).rev().collect();
        if self.is_checked_for(worker) {
            self.dice.shuffle(&mut ids);
        }
        ids
    }

    /// Takes back ids that were not needed. After some of them were used in a random order, the others
    /// stay unused: leases have ids in the order of the operations that granted them.
    pub(super) fn return_ids(&mut self, worker: i64, ids: Vec<i64>) {
        if !self.is_checked_for(worker) {
            for id in ids {
                self.lease_ids.push_front(id);
            }
        }
    }

    fn is_checked_for(&self, worker: i64) -> bool {
        let stage = self.workers.get(&worker).map(|row| row.stage);
        stage.is_some_and(|stage| self.policy(stage) != Policy::Off)
    }

    /// Grants the next job to a worker and returns the lease `id`. `fingerprint` makes the fingerprint
    /// of its secret.
    pub(super) fn grant(
        &mut self,
        worker: i64,
        id: i64,
        fingerprint: impl FnOnce(i64) -> String,
        seq: Option<i64>,
    ) -> Option<i64> {
        let holder = self.workers.get(&worker)?;
        let (stage, nickname) = (holder.stage, holder.nickname.clone());
        let address = names::sharing_group(&holder.address).unwrap_or_default();
        let volunteer = Self::volunteer(holder);
        match self.paused[stage.index()] {
            Some(Pause::Operator(_)) => return None,
            Some(Pause::Failures(_)) if !self.may_try(worker, stage, &volunteer) => return None,
            _ => {}
        }
        let number = match self.next_in_lane(worker) {
            Some(number) => number,
            None if self.may_begin(worker) => self.next_job(stage, &volunteer)?,
            None => return self.grant_audit(worker, id, fingerprint, seq),
        };
        let mut granted = (0, 0);
        self.with_job(number, |job| {
            job.attempt += 1;
            granted = (job.attempt, job.round);
        });
        let lease = Lease {
            id,
            secret: fingerprint(id),
            number,
            stage,
            round: granted.1,
            attempt: granted.0,
            worker,
            nickname,
            volunteer,
            address,
            granted_at: self.now,
            seq,
            ended: None,
            late: false,
        };
        self.leases.insert(id, lease);
        self.new_leases.insert(id);
        self.count(stage).granted += 1;
        if !self.holds_any(worker) {
            let now = self.now;
            self.with_worker(worker, |row| row.allowance = row.allowance.begun(now));
        }
        self.hold(id);
        self.with_worker(worker, |worker| worker.last_lease = Some(id));
        Some(id)
    }

    /// Has the operator's own worker make a result again that counts, if it is time to. The job stays
    /// where it is.
    fn grant_audit(
        &mut self,
        worker: i64,
        id: i64,
        fingerprint: impl FnOnce(i64) -> String,
        seq: Option<i64>,
    ) -> Option<i64> {
        let opinion = self.next_audit(worker)?;
        let round = self.jobs.get(&opinion.number)?.round;
        let holder = self.workers.get(&worker)?;
        let lease = Lease {
            id,
            secret: fingerprint(id),
            number: opinion.number,
            stage: opinion.stage,
            round,
            attempt: 0,
            worker,
            nickname: holder.nickname.clone(),
            volunteer: Self::volunteer(holder),
            address: names::sharing_group(&holder.address).unwrap_or_default(),
            granted_at: self.now,
            seq,
            ended: None,
            late: false,
        };
        self.audits.retain(|(stage, _), _| *stage != opinion.stage);
        self.changes.audited.insert(opinion.stage);
        self.leases.insert(id, lease);
        self.new_leases.insert(id);
        self.count(opinion.stage).granted += 1;
        self.add_held(worker, id);
        self.with_worker(worker, |worker| worker.last_lease = Some(id));
        Some(id)
    }

    /// Makes a lease the current one of its job, which is open.
    fn hold(&mut self, id: i64) {
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        let (number, stage, worker) = (lease.number, lease.stage, lease.worker);
        let mut waited = false;
        self.with_job(number, |job| {
            waited = job.state == State::Waiting;
            job.state = State::Held;
            job.lease = Some(id);
        });
        self.add_held(worker, id);
        if waited {
            self.leave_lane(number, stage);
        } else {
            self.open_by(stage, -1);
        }
        self.count(stage).held += 1;
    }

    /// Renews a lease for a worker: one that is unfinished, or one that timed out and whose job
    /// nobody has taken since. Returns `false` if it cannot be renewed.
    pub(super) fn keep(&mut self, id: i64, worker: i64) -> bool {
        let Some(lease) = self.leases.get(&id) else {
            return false;
        };
        let before = lease.worker;
        if lease.ended.is_none() {
            return before == worker || self.take_over(id, before, worker);
        }
        // Within the limit of what the worker may hold: otherwise, expired leases would accumulate.
        let may_return = self.is_overdue(id) && self.room(worker) > 0;
        let job = self.jobs.get(&lease.number);
        let waits = job.is_some_and(|job| {
            let is_free = match job.state {
                State::Open => true,
                State::Waiting => self.may_resume(lease),
                State::Held | State::Closed | State::Aside => false,
            };
            is_free && job.stage == lease.stage && job.round == lease.round
        });
        if may_return && waits {
            self.with_lease(id, |lease| {
                lease.worker = worker;
                lease.ended = None;
            });
            self.hold(id);
        }
        may_return && waits
    }

    /// Transfers an unfinished lease from one registration to another, as when a client registers
    /// anew.
    ///
    /// Together, the two may hold as many jobs as before: otherwise one could take jobs again and
    /// again for the other to hoard. Returns `false` if there is no room, and then the lease stays
    /// where it is.
    fn take_over(&mut self, id: i64, before: i64, worker: i64) -> bool {
        if !self.holds_any(worker) {
            let now = self.now;
            self.with_worker(worker, |row| row.allowance = row.allowance.begun(now));
        }
        self.remove_held(before, id);
        let taken = self.has_room_from(before, worker);
        let holder = if taken { worker } else { before };
        self.add_held(holder, id);
        if taken {
            self.with_lease(id, |lease| lease.worker = worker);
        }
        taken
    }

    /// Ends a lease. The caller must decide where its job, which is then held by no lease, goes
    /// next.
    pub(super) fn end(&mut self, id: i64, end: End) {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.ended.is_none()) else {
            return;
        };
        let (worker, stage, is_audit) = (lease.worker, lease.stage, lease.is_audit());
        self.remove_held(worker, id);
        let now = self.now;
        self.with_lease(id, |lease| lease.ended = Some((now, end)));
        if !is_audit {
            self.count(stage).held -= 1;
        }
    }

    /// Whether a lease is the current one of its job.
    pub(super) fn is_unfinished(&self, id: i64) -> bool {
        self.leases
            .get(&id)
            .is_some_and(|lease| lease.ended.is_none())
    }

    /// Whether a lease ended only because its worker timed out. A volunteer who gave a job back, or
    /// reported that it cannot be done, has no further say in it; otherwise a lease could be used
    /// after it was given up.
    pub(super) fn is_overdue(&self, id: i64) -> bool {
        let lease = self.leases.get(&id);
        lease.is_some_and(|lease| matches!(lease.ended, Some((_, End::Lapsed | End::Idle))))
    }

    /// Whether the result of a lease has been acknowledged.
    pub(super) fn is_acknowledged(&self, id: i64) -> bool {
        self.leases.get(&id).is_some_and(|lease| match lease.ended {
            None => false,
            Some((_, End::Completed | End::Opinion)) => true,
            Some(_) => lease.late,
        })
    }

    /// Ends a lease and reopens its job.
    pub(super) fn put_back(&mut self, id: i64, end: End, position: Position) {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.ended.is_none()) else {
            return;
        };
        let failed = matches!(end, End::Failed | End::Flagged | End::Lapsed | End::Idle);
        let (number, volunteer) = (lease.number, lease.volunteer.clone());
        if lease.is_audit() {
            self.end(id, end);
            return;
        }
        self.end(id, end);
        if self.count_late(number) {
            return;
        }
        match position {
            Position::Kept => {
                self.enqueue_where_it_was(number);
                // No client has received it, so none can refer to it.
                self.forget_lease(id);
            }
            Position::Last => {
                self.avoid(number, &volunteer, failed);
                self.enqueue(number);
            }
        }
    }

    /// Ends a lease as a failure, which is counted on its job. Returns `false` if it had ended
    /// before.
    pub(super) fn fail(&mut self, id: i64, end: End, text: &str) -> bool {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.ended.is_none()) else {
            return false;
        };
        let (number, stage, volunteer) = (lease.number, lease.stage, lease.volunteer.clone());
        if lease.is_audit() {
            self.log_failure(id, end, text);
            self.end(id, end);
            return true;
        }
        self.note_failing(stage, &volunteer, number, text);
        if end == End::Failed {
            self.count(stage).failed += 1;
        } else {
            self.count(stage).lapsed += 1;
        }
        // A failure says nothing about the job if everything fails at the stage.
        if matches!(self.paused[stage.index()], Some(Pause::Failures(_))) {
            self.log_failure(id, end, text);
            self.put_back(id, end, Position::Last);
            return true;
        }
        self.note_failure(id, end, text);
        self.with_job(number, |job| job.failures += 1);
        let tried = self.tried(number, stage);
        if attempts::is_hopeless(tried, self.rules.max_attempts) {
            self.end(id, end);
            if self.count_late(number) {
                return true;
            }
            let reason = format!(
                "It failed {} at this stage, at {}.",
                times(tried.tries),
                flags::volunteers(tried.volunteers)
            );
            self.set_aside(number, reason);
        } else {
            self.put_back(id, end, Position::Last);
        }
        self.consider_pause(stage);
        true
    }

    /// What is known about the volunteers who tried a job, after one of them has failed.
    fn tried(&self, number: i64, stage: Stage) -> Tried {
        let job = self.jobs.get(&number);
        let errors = job.map(|job| job.errors.as_slice()).unwrap_or_default();
        let failed = errors.iter().filter(|failure| !failure.flagged);
        let volunteers: BTreeSet<String> = failed.map(Failure::by).collect();
        let working = self.working(stage);
        Tried {
            tries: u64::try_from(job.map_or(0, |job| job.failures)).unwrap_or(0),
            untried: working.difference(&volunteers).count(),
            working: working.len(),
            volunteers: volunteers.len(),
        }
    }

    /// Adds a text to the log for the operator.
    fn log_failure(&mut self, id: i64, end: End, text: &str) {
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        if self.changes.failures.len() < NOTED {
            let worker = self.workers.get(&lease.worker);
            self.changes.failures.push(FailureNote {
                at: self.now,
                number: lease.number,
                stage: lease.stage,
                nickname: lease.nickname.clone(),
                worker: worker.map_or_else(String::new, |worker| worker.display_name.clone()),
                end: Some(end),
                error: cut(text, MAX_REASON),
            });
        }
    }

    /// Stores a text with the job and adds it to the log, for the operator.
    fn note_failure(&mut self, id: i64, end: End, text: &str) {
        self.log_failure(id, end, text);
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        let number = lease.number;
        let failure = Failure {
            at: self.now,
            nickname: lease.nickname.clone(),
            text: cut(text, MAX_REASON),
            volunteer: lease.volunteer.clone(),
            flagged: end == End::Flagged,
        };
        self.with_job(number, |job| {
            let is_same = |other: &Failure| {
                other.flagged == failure.flagged && other.by() == failure.volunteer
            };
            job.errors.retain(|other| !is_same(other));
            job.errors.push(failure);
            let old = job.errors.len().saturating_sub(KEPT_FAILURES);
            for other in &mut job.errors[..old] {
                other.text.clear();
            }
        });
    }

    pub(super) fn set_aside(&mut self, number: i64, reason: String) {
        let mut stage = None;
        self.with_job(number, |job| {
            job.state = State::Aside;
            job.reason = Some(reason);
            job.lease = None;
            stage = Some(job.stage);
        });
        if let Some(stage) = stage {
            self.count(stage).aside += 1;
        }
    }

    /// Takes a job out of its current state: the queue, a worker's lease, set aside, or closed. The
    /// caller must decide where it goes next.
    pub(super) fn take_out(&mut self, number: i64, end: End) {
        let Some(job) = self.jobs.get(&number) else {
            return;
        };
        let (state, stage, lease) = (job.state, job.stage, job.lease);
        match (state, lease) {
            (State::Open, _) => self.open_by(stage, -1),
            (State::Waiting, _) => self.leave_lane(number, stage),
            (State::Aside, _) => self.count(stage).aside -= 1,
            (State::Closed, _) => self.changes.closed -= 1,
            (State::Held, Some(lease)) => self.end(lease, end),
            (State::Held, None) => {}
        }
        self.drop_late(number);
    }

    /// Why a result under this lease is not accepted.
    pub(super) fn refusal(&self, id: i64) -> Option<RejectedWhy> {
        let Some(lease) = self.leases.get(&id) else {
            return Some(RejectedWhy::Unknown);
        };
        match self.jobs.get(&lease.number) {
            None => Some(RejectedWhy::Unknown),
            Some(job) if job.round != lease.round => Some(RejectedWhy::Moved),
            Some(job) if job.stage != lease.stage || job.state == State::Closed => {
                Some(RejectedWhy::Finished)
            }
            Some(_) if lease.ended.is_none() || self.is_overdue(id) => None,
            Some(_) if matches!(lease.ended, Some((_, End::Requeued))) => Some(RejectedWhy::Moved),
            Some(_) => Some(RejectedWhy::Unknown),
        }
    }

    /// Accepts a result, if it is still wanted.
    pub(super) fn accept(&mut self, id: i64, data: String) -> Result<(), RejectedWhy> {
        if self.is_acknowledged(id) {
            return Ok(());
        }
        if self.leases.get(&id).is_some_and(Lease::is_audit) {
            return self.finish_audit(id, data);
        }
        if let Some(why) = self.refusal(id) {
            return Err(why);
        }
        let lease = self.leases.get(&id);
        let Some(job) = lease.and_then(|lease| self.jobs.get(&lease.number)) else {
            return Err(RejectedWhy::Unknown);
        };
        let (number, stage, holder) = (job.number, job.stage, job.lease);
        if self.is_checked(number, stage) {
            return self.vote(id, data);
        }
        if holder == Some(id) {
            self.end(id, End::Completed);
            self.drop_late(number);
        } else if holder.is_some() {
            return self.keep_late(id, number, data);
        } else {
            self.take_out(number, End::Requeued);
        }
        self.record(id, Some(data));
        Ok(())
    }

    /// Keeps a late result while another lease holds the job, so that the work on the current lease
    /// is not wasted.
    fn keep_late(&mut self, id: i64, number: i64, data: String) -> Result<(), RejectedWhy> {
        let taken = self.jobs.get(&number).is_some_and(|job| job.late.is_some());
        // Only one is kept. If one was kept when this group began, it may become a result that has
        // yet to be written.
        if taken || self.changes.late.contains_key(&number) {
            return Err(RejectedWhy::Finished);
        }
        // A kept result has been acknowledged, so none is evicted to make room for another.
        let bytes = data.len() as u64;
        if bytes > self.late_room {
            return Err(RejectedWhy::Finished);
        }
        self.late_room -= bytes;
        self.with_job(number, |job| job.late = Some(id));
        self.with_lease(id, |lease| lease.late = true);
        self.changes.late.insert(number, Some(data));
        Ok(())
    }

    /// Turns the late result of a job into its result, after the job's lease has ended without one.
    /// Returns `false` if there is none, and then the caller must decide where the job goes next.
    fn count_late(&mut self, number: i64) -> bool {
        let Some(id) = self.jobs.get(&number).and_then(|job| job.late) else {
            return false;
        };
        let kept = self.changes.late.get(&number).cloned().flatten();
        self.drop_late(number);
        // Where results are checked, none is kept.
        let stage = self.jobs.get(&number).map(|job| job.stage);
        let counts = self.refusal(id).is_none()
            && stage.is_some_and(|stage| !self.is_checked(number, stage));
        if counts {
            self.record(id, kept);
        }
        counts
    }

    /// Discards the late result of a job.
    pub(super) fn drop_late(&mut self, number: i64) {
        if self.jobs.get(&number).is_some_and(|job| job.late.is_some()) {
            self.with_job(number, |job| job.late = None);
            self.changes.late.insert(number, None);
        }
    }

    /// Records the result of a lease and advances its job, which is held by no lease, to the next
    /// stage. Without `data`, the result is the late one that was kept.
    fn record(&mut self, id: i64, data: Option<String>) {
        let holder = self.leases.get(&id).map(|lease| lease.worker);
        self.publish(id, data, None, false);
        if let Some(holder) = holder {
            self.with_worker(holder, |worker| worker.completed += 1);
            self.note_work(holder);
        }
    }

    /// Makes the result of a lease the input of the next stage, or closes the job with it. Without
    /// `data`, the result is the opinion of the lease `from`, or the late one that was kept. One that
    /// counts `again` has been credited before.
    pub(super) fn publish(
        &mut self,
        id: i64,
        data: Option<String>,
        from: Option<i64>,
        again: bool,
    ) {
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        let Some(job) = self.jobs.get(&lease.number) else {
            return;
        };
        let (number, stage, has_past) =
            (job.number, job.stage, job.attempt > 1 || job.sent_back > 0);
        let holder = lease.worker;
        let (nickname, volunteer) = (lease.nickname.clone(), lease.volunteer.clone());
        let now = self.now;
        self.with_lease(id, |lease| lease.ended = Some((now, End::Completed)));
        self.changes.ordered += 1;
        let order = self.changes.ordered;
        if let (Some(data), Some(after)) = (&data, stage.next()) {
            self.sizes.insert((number, after), data.len() as u64);
        }
        self.changes.outputs.push(Output {
            number,
            stage,
            order,
            data,
            from,
        });
        if has_past {
            self.forget_avoided(number);
        }
        self.recover(stage);
        let next = stages::after(stage, self.rules.last_stage);
        self.with_job(number, |job| {
            job.failures = 0;
            job.errors.clear();
            job.reason = None;
            job.lease = None;
            match next {
                Some(next) => {
                    job.stage = next;
                    job.attempt = 0;
                }
                None => job.state = State::Closed,
            }
        });
        match next {
            Some(_) => self.enqueue(number),
            None => self.changes.closed += 1,
        }
        self.makers.insert(number, volunteer.clone());
        self.count(stage).done += 1;
        if again {
            return;
        }
        self.count(stage).accepted += 1;
        self.changes.made[stage.index()] += 1;
        let worker = self.workers.get(&holder);
        let credit = self.changes.credits.entry(nickname).or_default();
        credit.add(&volunteer, 1);
        if credit.worker.is_none() {
            credit.worker = worker.map(|worker| worker.display_name.clone());
        }
    }

    /// Ends a lease because the job's input is bad, which may send the job back to the previous
    /// stage.
    ///
    /// Returns `false` if it had ended before.
    pub(super) fn flag_input(&mut self, id: i64, why: &str) -> bool {
        let Some(lease) = self
            .leases
            .get(&id)
            .filter(|lease| lease.ended.is_none())
            .cloned()
        else {
            return false;
        };
        // The input was good enough for a result that counts.
        if lease.is_audit() {
            self.log_failure(id, End::Flagged, why);
            self.end(id, End::Flagged);
            return true;
        }
        let (number, stage) = (lease.number, lease.stage);
        let who = if self.rules.trust.is_on() {
            lease.identity()
        } else {
            lease.volunteer.clone()
        };
        let flagged = self.flags.entry((number, stage)).or_default();
        if flagged.insert(who.clone()) {
            self.changes.flags.push((number, stage, who));
        }
        let distinct = u32::try_from(flagged.len()).unwrap_or(u32::MAX);
        self.note_failure(id, End::Flagged, why);
        let mut sent_back = 0;
        self.with_job(number, |job| {
            job.flagged += 1;
            sent_back = job.sent_back;
        });
        let flagged = flags::Flagged {
            stage,
            distinct,
            sent_back: u32::try_from(sent_back).unwrap_or(u32::MAX),
        };
        // An input that counts on the word of one volunteer is made again and compared.
        if let Some(made) = self.disputable(&lease) {
            self.end(id, End::Flagged);
            self.drop_late(number);
            self.dispute_input(&lease, &made);
            return true;
        }
        match flags::verdict(flagged, self.rules.invalid_after) {
            flags::Verdict::PutBack => self.put_back(id, End::Flagged, Position::Last),
            flags::Verdict::SendBack(previous) => {
                self.end(id, End::Flagged);
                self.drop_late(number);
                // The volunteer who produced the bad output should be the last to be offered the
                // job.
                let maker = self.makers.get(&number).cloned();
                self.redo(number, previous, previous, maker, None);
                self.with_job(number, |job| job.sent_back += 1);
            }
            flags::Verdict::SetAside(reason) => {
                self.end(id, End::Flagged);
                self.drop_late(number);
                // A result that was computed from this input is of no use either.
                self.void_opinions(number, None);
                self.with_job(number, |job| job.round += 1);
                self.set_aside(number, reason);
            }
        }
        true
    }

    /// Reopens a job, which is held by no lease, at an earlier stage. Its outputs from that stage
    /// up to `last`, its latest one, and all earlier leases become invalid. With the lease of an opinion
    /// to `keep`, it waits there for another opinion.
    pub(super) fn redo(
        &mut self,
        number: i64,
        stage: Stage,
        last: Stage,
        maker: Option<String>,
        keep: Option<i64>,
    ) {
        self.void_opinions(number, keep);
        self.void_alone(number, stage);
        for gone in Stage::ALL {
            if gone < stage || gone > last {
                continue;
            }
            self.forget_flags(number, gone);
            self.changes.gone_outputs.push((number, gone));
            self.changes
                .outputs
                .retain(|output| (output.number, output.stage) != (number, gone));
            self.outputs.remove(&(number, gone));
            self.count(gone).done -= 1;
            if self.names_retractions {
                self.changes.ordered += 1;
                let order = self.changes.ordered;
                self.changes.retracted.push((number, gone, order));
            }
        }
        self.forget_avoided(number);
        if let Some(maker) = maker {
            self.avoid(number, &maker, false);
        }
        self.with_job(number, |job| {
            job.round += 1;
            job.stage = stage;
            job.attempt = 0;
            job.failures = 0;
            job.errors.clear();
            job.reason = None;
        });
        self.enqueue(number);
    }

    /// Deletes the flags at the stage after `stage`, which is about to produce that stage's input
    /// again.
    fn forget_flags(&mut self, number: i64, stage: Stage) {
        let Some(after) = stage.next() else { return };
        self.flags.remove(&(number, after));
        self.changes
            .flags
            .retain(|(flagged, at, _)| (*flagged, *at) != (number, after));
        self.changes.gone_flags.push((number, after));
    }

    /// Reopens a job that is set aside, held, or open after a failure, with nothing counted against
    /// it.
    pub(super) fn reopen(&mut self, selected: &Requeued) -> bool {
        let number = selected.number;
        let Some(job) = self.jobs.get(&number) else {
            return false;
        };
        let stage = job.stage;
        let may = match job.state {
            State::Aside | State::Held => true,
            State::Open => job.failures > 0,
            State::Closed | State::Waiting => false,
        };
        if !may || (job.round, job.state) != (selected.round, selected.state) {
            return false;
        }
        self.take_out(number, End::Requeued);
        self.forget_avoided(number);
        self.flags.remove(&(number, stage));
        self.changes
            .flags
            .retain(|(flagged, at, _)| (*flagged, *at) != (number, stage));
        self.changes.gone_flags.push((number, stage));
        self.start_afresh(number);
        self.enqueue(number);
        true
    }

    /// The stage of a lease whose result still counts, and the stage of the latest result of its
    /// job, whose round must still be this one.
    ///
    /// A round ends when results are discarded, so in this round the job can only have gained some.
    /// A pruned job has no leases.
    fn result_of(&self, number: i64, round: i64, lease: i64) -> Option<(Stage, Stage)> {
        let (job, lease) = (self.jobs.get(&number)?, self.leases.get(&lease)?);
        let completed = matches!(lease.ended, Some((_, End::Completed)));
        if lease.number != number || job.round != round || !completed {
            return None;
        }
        let last = match job.state {
            State::Closed => job.stage,
            _ => job.stage.previous()?,
        };
        (lease.stage <= last).then_some((lease.stage, last))
    }

    /// Discards the result of a lease and what later stages have made from it, and reopens the job
    /// at that stage.
    pub(super) fn undo(&mut self, selected: &Requeued, id: i64) -> bool {
        let number = selected.number;
        let Some((stage, last)) = self.result_of(number, selected.round, id) else {
            return false;
        };
        let maker = self.leases.get(&id).map(|lease| lease.volunteer.clone());
        self.take_out(number, End::Requeued);
        self.redo(number, stage, last, maker, None);
        self.start_afresh(number);
        true
    }

    /// Reopens a closed job at the stage after the one that closed it.
    pub(super) fn go_on(&mut self, selected: &LatestResult) -> bool {
        let number = selected.number;
        let found = self.result_of(number, selected.round, selected.lease);
        let is_closed = |job: &Job| job.state == State::Closed;
        let next = match found {
            Some((stage, last)) if stage == last => stage.next(),
            _ => None,
        };
        let Some(next) = next.filter(|_| self.jobs.get(&number).is_some_and(is_closed)) else {
            return false;
        };
        self.take_out(number, End::Requeued);
        self.with_job(number, |job| job.stage = next);
        self.start_afresh(number);
        self.enqueue(number);
        true
    }

    /// Closes a job that waits at the stage after the one that made its latest result.
    pub(super) fn close_early(&mut self, selected: &LatestResult) -> bool {
        let number = selected.number;
        let found = self.result_of(number, selected.round, selected.lease);
        let waits = |job: &Job| job.state != State::Closed;
        let stage = match found {
            Some((stage, last)) if stage == last => Some(stage),
            _ => None,
        };
        let Some(stage) = stage.filter(|_| self.jobs.get(&number).is_some_and(waits)) else {
            return false;
        };
        self.take_out(number, End::Requeued);
        self.void_opinions(number, None);
        self.forget_avoided(number);
        self.forget_flags(number, stage);
        self.start_afresh(number);
        self.with_job(number, |job| {
            job.stage = stage;
            job.state = State::Closed;
            job.lease = None;
        });
        self.changes.closed += 1;
        true
    }

    pub(super) fn start_afresh(&mut self, number: i64) {
        self.with_job(number, |job| {
            job.attempt = 0;
            job.flagged = 0;
            job.sent_back = 0;
            job.failures = 0;
            job.errors.clear();
            job.reason = None;
        });
    }
}

fn times(count: u64) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}
