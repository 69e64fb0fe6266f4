//! The books while operations are applied to them: what was read, what has changed, and the moves
//! that every operation is made of. Each move keeps the counters right.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use distcompute_protocol::{ErrorCode, MAX_REASON, RejectedWhy, Stage, cut};

use super::{
    Rules,
    operation::{Operation, Reply},
    rows::{
        Changes, End, Failure, Job, JobChange, LOOK_AHEAD, Lease, Output, Snapshot, StageChange,
        State, Worker,
    },
};
use crate::{
    clock::Millis,
    rules::{flags, names, stages},
};

/// Failures that are kept with a job.
const KEPT_FAILURES: usize = 5;

/// Where a job goes that is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind all others, and its volunteer is offered it last.
    Last,
    /// Where it was: nobody has ever worked on it.
    Kept,
}

/// The books.
pub(super) struct Books {
    pub(super) now: Millis,
    pub(super) rules: Rules,
    pub(super) workers: HashMap<i64, Worker>,
    pub(super) by_token: HashMap<String, i64>,
    pub(super) leases: HashMap<i64, Lease>,
    pub(super) idle: Vec<i64>,
    pub(super) lapsed: Vec<i64>,
    /// The unfinished leases of each worker.
    held: HashMap<i64, BTreeSet<i64>>,
    pub(super) jobs: HashMap<i64, Job>,
    queues: [VecDeque<i64>; 5],
    whole: [bool; 5],
    pub(super) open: [i64; 5],
    avoided: HashSet<(i64, String)>,
    flags: HashMap<(i64, Stage), BTreeSet<String>>,
    makers: HashMap<i64, String>,
    /// Outputs that were read or made by this group.
    pub(super) outputs: HashMap<(i64, Stage), String>,
    worker_ids: VecDeque<i64>,
    lease_ids: VecDeque<i64>,
    changed_jobs: BTreeMap<i64, Option<i64>>,
    changed_workers: BTreeSet<i64>,
    changed_leases: BTreeSet<i64>,
    new_leases: BTreeSet<i64>,
    new_workers: BTreeSet<i64>,
    changes: Changes,
}

impl Books {
    pub(super) fn new(read: Snapshot, rules: Rules) -> Self {
        let mut held: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for lease in read.leases.iter().filter(|lease| lease.ended.is_none()) {
            held.entry(lease.worker).or_default().insert(lease.id);
        }
        let mut flags: HashMap<(i64, Stage), BTreeSet<String>> = HashMap::new();
        for (number, stage, volunteer) in read.flags {
            flags.entry((number, stage)).or_default().insert(volunteer);
        }
        let whole = [0, 1, 2, 3, 4].map(|stage: usize| read.queues[stage].whole);
        let outputs = read.outputs.into_iter();
        Self {
            now: read.now,
            rules,
            by_token: read
                .workers
                .iter()
                .map(|w| (w.token.clone(), w.id))
                .collect(),
            workers: read.workers.into_iter().map(|w| (w.id, w)).collect(),
            leases: read.leases.into_iter().map(|l| (l.id, l)).collect(),
            idle: read.idle,
            lapsed: read.lapsed,
            held,
            jobs: read.jobs.into_iter().map(|j| (j.number, j)).collect(),
            queues: read.queues.map(|queue| queue.numbers.into()),
            whole,
            open: read.open,
            avoided: read.avoided.into_iter().collect(),
            flags,
            makers: read.makers.into_iter().collect(),
            outputs: outputs
                .map(|(number, stage, data)| ((number, stage), data))
                .collect(),
            worker_ids: read.worker_ids.into(),
            lease_ids: read.lease_ids.into(),
            changed_jobs: BTreeMap::new(),
            changed_workers: BTreeSet::new(),
            changed_leases: BTreeSet::new(),
            new_leases: BTreeSet::new(),
            new_workers: BTreeSet::new(),
            changes: Changes {
                now: read.now,
                ..Changes::default()
            },
        }
    }

    pub(super) fn apply(&mut self, operation: Operation) -> Result<Reply, ErrorCode> {
        match operation {
            Operation::Register(new) => self.register(new),
            Operation::Claim { token, secret } => self.claim(&token, secret),
            Operation::Complete {
                token,
                number,
                data,
            } => self.complete(&token, number, data),
            Operation::Flag { token, number } => self.flag(&token, number),
            Operation::Progress { token, text } => self.note_progress(&token, text),
            Operation::Leave { token } => self.leave(&token),
            Operation::Sync { request, secrets } => self.sync(request, secrets),
            Operation::DropIdle(_) => Ok(self.drop_idle()),
            Operation::EndLeases(_) => Ok(self.end_leases()),
            Operation::Requeue(list) => Ok(self.requeue(&list)),
        }
    }

    /// What is to be written.
    pub(super) fn changes(mut self) -> Changes {
        for (number, queued) in self.changed_jobs {
            if let Some(mut job) = self.jobs.remove(&number) {
                job.changed_at = self.now;
                self.changes.jobs.push(JobChange { job, queued });
            }
        }
        for id in self.new_leases {
            self.changes.new_leases.extend(self.leases.remove(&id));
        }
        for id in self.changed_leases {
            self.changes.leases.extend(self.leases.remove(&id));
        }
        for id in self.new_workers {
            self.changes.new_workers.extend(self.workers.remove(&id));
        }
        for id in self.changed_workers {
            self.changes.workers.extend(self.workers.remove(&id));
        }
        self.changes
    }

    // Reading.

    pub(super) fn worker_id(&self, token: &str) -> Result<i64, ErrorCode> {
        self.by_token
            .get(token)
            .copied()
            .ok_or(ErrorCode::WorkerUnknown)
    }

    /// The unfinished leases of a worker, oldest first.
    pub(super) fn held(&self, worker: i64) -> Vec<i64> {
        let held = self.held.get(&worker);
        held.map(|held| held.iter().copied().collect())
            .unwrap_or_default()
    }

    pub(super) fn volunteer(worker: &Worker) -> String {
        names::volunteer(&worker.nickname, worker.id)
    }

    // Marking.

    fn count(&mut self, stage: Stage) -> &mut StageChange {
        &mut self.changes.stages[stage.index()]
    }

    fn open_by(&mut self, stage: Stage, change: i64) {
        self.count(stage).open += change;
        self.open[stage.index()] += change;
    }

    /// A result that is not wanted.
    pub(super) fn count_rejected(&mut self, stage: Stage) {
        self.count(stage).rejected += 1;
    }

    /// Changes a worker, if it is still there.
    pub(super) fn with_worker(&mut self, id: i64, change: impl FnOnce(&mut Worker)) {
        if let Some(worker) = self.workers.get_mut(&id) {
            change(worker);
            if !self.new_workers.contains(&id) {
                self.changed_workers.insert(id);
            }
        }
    }

    pub(super) fn seen(&mut self, id: i64) {
        let now = self.now;
        self.with_worker(id, |worker| worker.last_seen = now);
    }

    fn with_lease(&mut self, id: i64, change: impl FnOnce(&mut Lease)) {
        if let Some(lease) = self.leases.get_mut(&id) {
            change(lease);
            if !self.new_leases.contains(&id) {
                self.changed_leases.insert(id);
            }
        }
    }

    fn with_job(&mut self, number: i64, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(&number) {
            change(job);
            self.changed_jobs.entry(number).or_insert(None);
        }
    }

    // Workers.

    pub(super) fn add_worker(&mut self, mut worker: Worker) {
        let Some(id) = self.worker_ids.pop_front() else {
            return;
        };
        worker.id = id;
        self.count(worker.stage).workers += 1;
        self.by_token.insert(worker.token.clone(), id);
        self.workers.insert(id, worker);
        self.new_workers.insert(id);
    }

    pub(super) fn forget_worker(&mut self, id: i64) {
        if let Some(worker) = self.workers.remove(&id) {
            self.by_token.remove(&worker.token);
            self.count(worker.stage).workers -= 1;
            self.changed_workers.remove(&id);
            if !self.new_workers.remove(&id) {
                self.changes.gone_workers.push(id);
            }
        }
    }

    // Jobs in the queue.

    /// Queues a job last at its stage.
    fn enqueue(&mut self, number: i64) {
        let Some(stage) = self.jobs.get(&number).map(|job| job.stage) else {
            return;
        };
        self.changes.queued += 1;
        let place = self.changes.queued;
        self.with_job(number, |job| {
            job.state = State::Open;
            job.lease = None;
        });
        self.changed_jobs.insert(number, Some(place));
        self.open_by(stage, 1);
        if self.whole[stage.index()] {
            self.queues[stage.index()].push_back(number);
        }
    }

    /// Opens a job at the place that it had.
    fn enqueue_where_it_was(&mut self, number: i64) {
        let Some(stage) = self.jobs.get(&number).map(|job| job.stage) else {
            return;
        };
        self.with_job(number, |job| {
            job.state = State::Open;
            job.lease = None;
        });
        self.open_by(stage, 1);
        self.queues[stage.index()].push_front(number);
    }

    fn avoid(&mut self, number: i64, volunteer: &str) {
        if self.avoided.insert((number, volunteer.to_owned())) {
            self.changes.avoided.push((number, volunteer.to_owned()));
        }
    }

    fn forget_avoided(&mut self, number: i64) {
        self.avoided.retain(|(avoided, _)| *avoided != number);
        self.changes
            .avoided
            .retain(|(avoided, _)| *avoided != number);
        self.changes.gone_avoided.push(number);
    }

    /// Takes the next job for a volunteer out of the queue: the first that it did not give back,
    /// or else the first.
    fn next_job(&mut self, stage: Stage, volunteer: &str) -> Option<i64> {
        let Self {
            queues,
            jobs,
            avoided,
            ..
        } = self;
        let queue = &mut queues[stage.index()];
        // What operations before this one took out of its turn is still in the list.
        let open = |number: &i64| {
            let job = jobs.get(number);
            job.is_some_and(|job| job.state == State::Open && job.stage == stage)
        };
        while queue.front().is_some_and(|number| !open(number)) {
            queue.pop_front();
        }
        let mut key = (0, volunteer.to_owned());
        let wanted = queue.iter().take(LOOK_AHEAD).position(|number| {
            key.0 = *number;
            open(number) && !avoided.contains(&key)
        });
        queue.remove(wanted.unwrap_or(0))
    }

    // Leases.

    /// Hands the next job to a worker. The lease.
    pub(super) fn grant(&mut self, worker: i64, secret: String, seq: Option<i64>) -> Option<i64> {
        let holder = self.workers.get(&worker)?;
        let (stage, nickname) = (holder.stage, holder.nickname.clone());
        let volunteer = Self::volunteer(holder);
        if self.lease_ids.is_empty() {
            return None;
        }
        let number = self.next_job(stage, &volunteer)?;
        let id = self.lease_ids.pop_front()?;
        let mut granted = (0, 0);
        self.with_job(number, |job| {
            job.attempt += 1;
            granted = (job.attempt, job.round);
        });
        let lease = Lease {
            id,
            secret,
            number,
            stage,
            round: granted.1,
            attempt: granted.0,
            worker,
            nickname,
            volunteer,
            granted_at: self.now,
            seq,
            ended: None,
        };
        self.leases.insert(id, lease);
        self.new_leases.insert(id);
        self.count(stage).granted += 1;
        self.hold(id);
        self.with_worker(worker, |worker| worker.last_lease = Some(id));
        Some(id)
    }

    /// Lets a lease hold its job, which is open.
    fn hold(&mut self, id: i64) {
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        let (number, stage, worker) = (lease.number, lease.stage, lease.worker);
        self.with_job(number, |job| {
            job.state = State::Held;
            job.lease = Some(id);
        });
        self.held.entry(worker).or_default().insert(id);
        self.open_by(stage, -1);
        self.count(stage).held += 1;
    }

    /// Gives an unfinished lease, or one whose job nobody has taken since it ended, to a worker.
    /// `false`: it is of no use any more.
    pub(super) fn keep(&mut self, id: i64, worker: i64) -> bool {
        let Some(lease) = self.leases.get(&id) else {
            return false;
        };
        let before = lease.worker;
        if lease.ended.is_none() {
            if before != worker {
                if let Some(held) = self.held.get_mut(&before) {
                    held.remove(&id);
                }
                self.held.entry(worker).or_default().insert(id);
                self.with_lease(id, |lease| lease.worker = worker);
            }
            return true;
        }
        let may_return = !matches!(
            lease.ended,
            Some((_, End::Completed | End::Flagged | End::Failed))
        );
        let job = self.jobs.get(&lease.number);
        let waits = job.is_some_and(|job| {
            job.state == State::Open && job.stage == lease.stage && job.round == lease.round
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

    /// Ends a lease; its job is held by nobody then, and must be moved on.
    fn end(&mut self, id: i64, end: End) {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.ended.is_none()) else {
            return;
        };
        let (worker, stage) = (lease.worker, lease.stage);
        if let Some(held) = self.held.get_mut(&worker) {
            held.remove(&id);
        }
        let now = self.now;
        self.with_lease(id, |lease| lease.ended = Some((now, end)));
        self.count(stage).held -= 1;
    }

    /// Whether a lease holds its job.
    pub(super) fn is_unfinished(&self, id: i64) -> bool {
        self.leases
            .get(&id)
            .is_some_and(|lease| lease.ended.is_none())
    }

    /// Ends a lease and opens its job for others.
    pub(super) fn put_back(&mut self, id: i64, end: End, place: Place) {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.ended.is_none()) else {
            return;
        };
        let (number, volunteer) = (lease.number, lease.volunteer.clone());
        self.end(id, end);
        match place {
            Place::Kept => self.enqueue_where_it_was(number),
            Place::Last => {
                self.avoid(number, &volunteer);
                self.enqueue(number);
            }
        }
    }

    /// Ends a lease as a failure, which counts on its job.
    pub(super) fn fail(&mut self, id: i64, end: End, text: &str) {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.ended.is_none()) else {
            return;
        };
        let (number, stage) = (lease.number, lease.stage);
        self.note_failure(id, text);
        let mut failures = 0;
        self.with_job(number, |job| {
            job.failures += 1;
            failures = job.failures;
        });
        if end == End::Failed {
            self.count(stage).failed += 1;
        } else {
            self.count(stage).lapsed += 1;
        }
        if failures < i64::from(self.rules.max_attempts) {
            self.put_back(id, end, Place::Last);
            return;
        }
        self.end(id, end);
        let times = if failures == 1 {
            "once".to_owned()
        } else {
            format!("{failures} times")
        };
        self.set_aside(number, format!("It failed {times} at this stage."));
    }

    /// Keeps a text with the job, for the operator.
    fn note_failure(&mut self, id: i64, text: &str) {
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        let failure = Failure {
            at: self.now,
            nickname: lease.nickname.clone(),
            text: cut(text, MAX_REASON),
        };
        let number = lease.number;
        self.with_job(number, |job| {
            job.errors.push(failure);
            if job.errors.len() > KEPT_FAILURES {
                job.errors.remove(0);
            }
        });
    }

    fn set_aside(&mut self, number: i64, reason: String) {
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

    /// Takes a job out of wherever it is: queue, hands, the operator's list, the closed ones. It
    /// is nowhere then, and must be moved on.
    fn take_out(&mut self, number: i64, end: End) {
        let Some(job) = self.jobs.get(&number) else {
            return;
        };
        let (state, stage, lease) = (job.state, job.stage, job.lease);
        match (state, lease) {
            (State::Open, _) => self.open_by(stage, -1),
            (State::Aside, _) => self.count(stage).aside -= 1,
            (State::Closed, _) => self.changes.closed -= 1,
            (State::Held, Some(lease)) => self.end(lease, end),
            (State::Held, None) => {}
        }
    }

    /// Why a result under this lease is not wanted.
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
            Some(_) => None,
        }
    }

    /// Takes a result, if it is still wanted.
    pub(super) fn accept(&mut self, id: i64, data: String) -> Result<(), RejectedWhy> {
        let Some(lease) = self.leases.get(&id).cloned() else {
            return Err(RejectedWhy::Unknown);
        };
        if matches!(lease.ended, Some((_, End::Completed))) {
            return Ok(());
        }
        if let Some(why) = self.refusal(id) {
            return Err(why);
        }
        let Some(job) = self.jobs.get(&lease.number) else {
            return Err(RejectedWhy::Unknown);
        };
        let (number, stage, has_past) =
            (job.number, job.stage, job.attempt > 1 || job.sent_back > 0);
        // Another lease may hold the job by now; what came first is what counts.
        if job.lease == Some(id) {
            self.end(id, End::Completed);
        } else {
            self.take_out(number, End::Overtaken);
            let now = self.now;
            self.with_lease(id, |lease| lease.ended = Some((now, End::Completed)));
        }
        self.changes.ordered += 1;
        let order = self.changes.ordered;
        self.outputs.insert((number, stage), data.clone());
        self.changes.outputs.push(Output {
            number,
            stage,
            order,
            data,
        });
        if has_past {
            self.forget_avoided(number);
        }
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
        let count = self.count(stage);
        count.done += 1;
        count.accepted += 1;
        self.changes.made[stage.index()] += 1;
        *self.changes.credits.entry(lease.nickname).or_default() += 1;
        self.with_worker(lease.worker, |worker| worker.completed += 1);
        self.makers.insert(number, lease.volunteer);
        Ok(())
    }

    /// Ends a lease because the job's input is bad, which may send the job back.
    pub(super) fn call_bad(&mut self, id: i64, why: &str) {
        let Some(lease) = self
            .leases
            .get(&id)
            .filter(|lease| lease.ended.is_none())
            .cloned()
        else {
            return;
        };
        let (number, stage) = (lease.number, lease.stage);
        let flagged = self.flags.entry((number, stage)).or_default();
        if flagged.insert(lease.volunteer.clone()) {
            self.changes
                .flags
                .push((number, stage, lease.volunteer.clone()));
        }
        let distinct = u32::try_from(flagged.len()).unwrap_or(u32::MAX);
        if !why.is_empty() {
            self.note_failure(id, why);
        }
        let mut counts = (0, 0);
        self.with_job(number, |job| {
            job.flagged += 1;
            counts = (job.flagged, job.sent_back);
        });
        let flagged = flags::Flagged {
            stage,
            distinct,
            total: u32::try_from(counts.0).unwrap_or(u32::MAX),
            sent_back: u32::try_from(counts.1).unwrap_or(u32::MAX),
        };
        match flags::verdict(flagged, self.rules.invalid_after) {
            flags::Verdict::PutBack => self.put_back(id, End::Flagged, Place::Last),
            flags::Verdict::SendBack(previous) => {
                self.end(id, End::Flagged);
                // Who made it wrong is the last who should make it again.
                let maker = self.makers.get(&number).cloned();
                self.redo(number, previous, maker);
                self.with_job(number, |job| job.sent_back += 1);
            }
            flags::Verdict::SetAside(reason) => {
                self.end(id, End::Flagged);
                // A result that was made of this input is of no use either.
                self.with_job(number, |job| job.round += 1);
                self.set_aside(number, reason);
            }
        }
    }

    /// Opens a job, which is nowhere, at a stage before its own: the outputs from there on are
    /// results no more, and leases of before count no more.
    fn redo(&mut self, number: i64, stage: Stage, maker: Option<String>) {
        self.forget_flags(number, stage);
        self.changes.gone_outputs.push((number, stage));
        self.changes
            .outputs
            .retain(|output| (output.number, output.stage) != (number, stage));
        self.outputs.remove(&(number, stage));
        self.forget_avoided(number);
        if let Some(maker) = maker {
            self.avoid(number, &maker);
        }
        self.count(stage).done -= 1;
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

    /// Forgets flags at the stage after one, which is to make that stage's input again.
    fn forget_flags(&mut self, number: i64, stage: Stage) {
        let Some(after) = stage.next() else { return };
        self.flags.remove(&(number, after));
        self.changes
            .flags
            .retain(|(flagged, at, _)| (*flagged, *at) != (number, after));
        self.changes.gone_flags.push((number, after));
    }

    /// Opens a job that is set aside or held, with nothing counted against it.
    pub(super) fn reopen(&mut self, number: i64) -> bool {
        let Some(job) = self.jobs.get(&number) else {
            return false;
        };
        let stage = job.stage;
        if !matches!(job.state, State::Aside | State::Held) {
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

    /// Has the stage of a lease make its result again, if that is the job's latest.
    pub(super) fn undo(&mut self, number: i64, id: i64) -> bool {
        let (Some(job), Some(lease)) = (self.jobs.get(&number), self.leases.get(&id)) else {
            return false;
        };
        let latest = match job.state {
            State::Closed => job.stage == lease.stage,
            _ => job.stage.previous() == Some(lease.stage),
        };
        let completed = matches!(lease.ended, Some((_, End::Completed)));
        // Within one round a stage makes one result.
        if !latest || !completed || lease.number != number || lease.round != job.round {
            return false;
        }
        let (stage, maker) = (lease.stage, lease.volunteer.clone());
        self.take_out(number, End::Requeued);
        self.redo(number, stage, Some(maker));
        self.start_afresh(number);
        true
    }

    fn start_afresh(&mut self, number: i64) {
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
