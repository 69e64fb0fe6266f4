//! The unit of work: the rows that were read for a group of operations, and their changes so far.
//! The state transitions are in `transitions`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use distcompute_protocol::{ErrorCode, Stage};

use super::{
    Rules,
    operation::{Operation, Reply},
    opinions::{Opinion, Standing},
    rows::{
        Changes, Job, JobChange, LOOK_AHEAD, Lease, Pause, Snapshot, StageChange, State, Volunteer,
        Worker,
    },
};
use crate::{
    clock::Millis,
    rules::{allowance::GroupTotals, attempts::THERE, dice::Dice, names},
};

/// The maximum total size of inputs that one group grants, in bytes, not counting one job per
/// caller: they are all in memory at the same time.
const GROUP_BYTES: u64 = 64 << 20;

/// The rows that were read, the changes, and the queues.
pub(super) struct UnitOfWork {
    pub(super) now: Millis,
    pub(super) rules: Rules,
    pub(super) workers: HashMap<i64, Worker>,
    pub(super) by_token: HashMap<String, i64>,
    pub(super) leases: HashMap<i64, Lease>,
    pub(super) idle: Vec<i64>,
    pub(super) lapsed: Vec<i64>,
    /// The unfinished leases of each worker.
    pub(super) held: HashMap<i64, BTreeSet<i64>>,
    pub(super) jobs: HashMap<i64, Job>,
    queues: [VecDeque<i64>; 5],
    whole: [bool; 5],
    pub(super) open: [i64; 5],
    /// The number of workers at each stage.
    pub(super) enrolled: [i64; 5],
    /// The number of those that hold a job or have finished one.
    pub(super) at_work: [i64; 5],
    /// How many more bytes of late results can be kept.
    pub(super) late_room: u64,
    /// The volunteers that each job avoids; the value is `true` if it failed with that volunteer.
    avoided: HashMap<i64, BTreeMap<String, bool>>,
    pub(super) paused: [Option<Pause>; 5],
    pub(super) may_fail: [bool; 5],
    pub(super) volunteers: HashMap<(Stage, String), Volunteer>,
    pub(super) flags: HashMap<(i64, Stage), BTreeSet<String>>,
    pub(super) makers: HashMap<i64, String>,
    groups: BTreeMap<String, GroupTotals>,
    /// Outputs that were read. Those that this group produces are in the changes.
    pub(super) outputs: HashMap<(i64, Stage), String>,
    /// The sizes of inputs in bytes, as far as they were read, or made by this group.
    pub(super) sizes: HashMap<(i64, Stage), u64>,
    /// How many more bytes of inputs this group may grant, not counting one job per caller.
    pub(super) room: u64,
    worker_ids: VecDeque<i64>,
    pub(super) lease_ids: VecDeque<i64>,
    pub(super) bans: BTreeSet<String>,
    pub(super) linked: BTreeMap<String, String>,
    pub(super) used_nonces: BTreeSet<String>,
    /// Opinions by lease, and their leases by job.
    pub(super) opinions: HashMap<i64, Opinion>,
    pub(super) opinions_of: HashMap<i64, BTreeSet<i64>>,
    pub(super) new_opinions: BTreeSet<i64>,
    pub(super) changed_opinions: BTreeSet<i64>,
    pub(super) standings: HashMap<(Stage, String), Standing>,
    /// What was read of each part of the lane, and the part of each volunteer.
    pub(super) lane: BTreeMap<(Stage, u32), Vec<i64>>,
    pub(super) parts: BTreeMap<(Stage, String), u32>,
    /// How many volunteers share the lane, where that was read.
    pub(super) established: BTreeMap<Stage, i64>,
    /// How many jobs of the lane each worker has been offered.
    pub(super) looked: HashMap<i64, usize>,
    pub(super) lane_for: BTreeMap<(Stage, String), Vec<i64>>,
    pub(super) waiting: [i64; 5],
    /// Results that may be made again, as leases of opinions.
    pub(super) audits: BTreeMap<(Stage, String), Vec<i64>>,
    /// Whether results that no longer count are named: where results are, or were, checked.
    pub(super) names_retractions: bool,
    /// Since when the application has its version.
    pub(super) version_since: Millis,
    pub(super) dice: Dice,
    changed_jobs: BTreeMap<i64, Option<i64>>,
    changed_workers: BTreeSet<i64>,
    changed_leases: BTreeSet<i64>,
    pub(super) new_leases: BTreeSet<i64>,
    new_workers: BTreeSet<i64>,
    pub(super) changes: Changes,
}

impl UnitOfWork {
    pub(super) fn new(read: Snapshot, rules: Rules) -> Self {
        let mut held: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for lease in read.leases.iter().filter(|lease| lease.ended.is_none()) {
            held.entry(lease.worker).or_default().insert(lease.id);
        }
        let mut flags: HashMap<(i64, Stage), BTreeSet<String>> = HashMap::new();
        for (number, stage, volunteer) in read.flags {
            flags.entry((number, stage)).or_default().insert(volunteer);
        }
        let mut avoided: HashMap<i64, BTreeMap<String, bool>> = HashMap::new();
        for (number, volunteer, failed) in read.avoided {
            avoided.entry(number).or_default().insert(volunteer, failed);
        }
        let mut opinions_of: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for opinion in &read.opinions {
            let of_job = opinions_of.entry(opinion.number).or_default();
            of_job.insert(opinion.lease);
        }
        let version = rules.trust.version;
        let is_new = rules.trust.is_on() && read.version.0 != version;
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
            enrolled: read.enrolled,
            at_work: read.at_work,
            late_room: rules.late_bytes.saturating_sub(read.late_bytes),
            avoided,
            paused: read.paused,
            may_fail: read.failing,
            volunteers: read
                .volunteers
                .into_iter()
                .map(|one| ((one.stage, one.name.clone()), one))
                .collect(),
            flags,
            makers: read.makers.into_iter().collect(),
            groups: read.groups,
            outputs: outputs
                .map(|(number, stage, data)| ((number, stage), data))
                .collect(),
            sizes: read
                .sizes
                .into_iter()
                .map(|(number, stage, bytes)| ((number, stage), bytes))
                .collect(),
            room: GROUP_BYTES,
            worker_ids: read.worker_ids.into(),
            lease_ids: read.lease_ids.into(),
            bans: read.bans,
            linked: read.linked,
            used_nonces: read.used_nonces,
            opinions: read.opinions.into_iter().map(|o| (o.lease, o)).collect(),
            opinions_of,
            new_opinions: BTreeSet::new(),
            changed_opinions: BTreeSet::new(),
            standings: read
                .standings
                .into_iter()
                .map(|one| ((one.stage, one.volunteer.clone()), one))
                .collect(),
            lane: read
                .lane
                .into_iter()
                .map(|(part, (numbers, _))| (part, numbers))
                .collect(),
            parts: read.parts,
            established: read
                .established
                .iter()
                .map(|(stage, (count, _))| (*stage, *count))
                .collect(),
            looked: HashMap::new(),
            lane_for: read.lane_for,
            waiting: read.waiting,
            audits: read.audits,
            names_retractions: rules.trust.is_on() || read.version.1 > 0,
            version_since: if is_new { read.now } else { read.version.1 },
            dice: Dice::new(read.dice),
            changed_jobs: BTreeMap::new(),
            changed_workers: BTreeSet::new(),
            changed_leases: BTreeSet::new(),
            new_leases: BTreeSet::new(),
            new_workers: BTreeSet::new(),
            changes: Changes {
                now: read.now,
                version: is_new.then(|| version.to_owned()),
                established: read
                    .established
                    .into_iter()
                    .filter_map(|(stage, (count, is_new))| is_new.then_some((stage, count)))
                    .collect(),
                ..Changes::default()
            },
        }
    }

    /// Applies an operation. This function defines which kind of reply each operation has.
    pub(super) fn apply(&mut self, operation: Operation) -> Result<Reply, ErrorCode> {
        match operation {
            Operation::Claim { token, secret } => self.claim(&token, &secret).map(Reply::Granted),
            Operation::Sync { worker, request } => self.sync(&worker, request).map(Reply::Sync),
            Operation::Register(new) => self.register(new).map(|()| Reply::Done),
            Operation::Complete {
                token,
                number,
                data,
            } => self.complete(&token, number, data).map(|()| Reply::Done),
            Operation::Flag { token, number } => self.flag(&token, number).map(|()| Reply::Done),
            Operation::Progress { token, text } => {
                self.note_progress(&token, text).map(|()| Reply::Done)
            }
            Operation::Leave { token } => self.leave(&token).map(|()| Reply::Done),
            Operation::CorrectTimes => {
                self.changes.corrects = Some(true);
                Ok(Reply::Done)
            }
            Operation::DropIdle(_) | Operation::DropMissed(_) => Ok(Reply::Count(self.drop_idle())),
            Operation::EndLeases(_) => Ok(Reply::Count(self.end_leases())),
            Operation::Requeue(list) => Ok(Reply::Count(self.requeue(&list))),
            Operation::Reopen(list) => Ok(Reply::Count(self.reopen_closed(&list))),
            Operation::Close(list) => Ok(Reply::Count(self.close_waiting(&list))),
            Operation::Recall(recalled) => Ok(Reply::Count(self.recall_all(&recalled))),
            Operation::Reconsider(list) => Ok(Reply::Count(self.reconsider(&list))),
            Operation::Pause(stages, message) => Ok(Reply::Count(self.pause(&stages, &message))),
            Operation::Resume(stages) => Ok(Reply::Count(self.resume(&stages))),
            Operation::EndWorkers(list) => Ok(Reply::Count(self.end_workers(&list))),
        }
    }

    /// Returns the changes to write.
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
        for id in self.new_opinions {
            self.changes.new_opinions.extend(self.opinions.remove(&id));
        }
        for id in self.changed_opinions {
            self.changes.opinions.extend(self.opinions.remove(&id));
        }
        for id in self.new_workers {
            self.changes.new_workers.extend(self.workers.remove(&id));
        }
        for id in self.changed_workers {
            self.changes.workers.extend(self.workers.remove(&id));
        }
        self.changes
    }

    // Queries.

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

    /// Whether a worker holds any job.
    pub(super) fn holds_any(&self, worker: i64) -> bool {
        self.held.get(&worker).is_some_and(|held| !held.is_empty())
    }

    pub(super) fn volunteer(worker: &Worker) -> String {
        names::volunteer(worker.key.as_deref(), &worker.nickname, &worker.address)
    }

    // Marking rows as changed.

    pub(super) fn count(&mut self, stage: Stage) -> &mut StageChange {
        &mut self.changes.stages[stage.index()]
    }

    pub(super) fn open_by(&mut self, stage: Stage, change: i64) {
        self.count(stage).open += change;
        self.open[stage.index()] += change;
    }

    /// Counts a rejected result.
    pub(super) fn count_rejected(&mut self, stage: Stage) {
        self.count(stage).rejected += 1;
    }

    /// Changes a worker, if it still exists.
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

    pub(super) fn with_lease(&mut self, id: i64, change: impl FnOnce(&mut Lease)) {
        if let Some(lease) = self.leases.get_mut(&id) {
            change(lease);
            if !self.new_leases.contains(&id) {
                self.changed_leases.insert(id);
            }
        }
    }

    pub(super) fn forget_lease(&mut self, id: i64) {
        if self.leases.remove(&id).is_some() {
            self.changed_leases.remove(&id);
            if !self.new_leases.remove(&id) {
                self.changes.gone_leases.push(id);
            }
        }
    }

    pub(super) fn with_job(&mut self, number: i64, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(&number) {
            change(job);
            self.changed_jobs.entry(number).or_insert(None);
        }
    }

    // Held leases.

    /// Adds a lease to those that a worker holds.
    pub(super) fn add_held(&mut self, worker: i64, lease: i64) {
        if self.held.entry(worker).or_default().insert(lease) {
            self.group_by(worker, 1, 0);
        }
    }

    /// Removes a lease from those that a worker holds.
    pub(super) fn remove_held(&mut self, worker: i64, lease: i64) {
        let held = self.held.get_mut(&worker);
        if held.is_some_and(|held| held.remove(&lease)) {
            self.group_by(worker, -1, 0);
        }
    }

    /// Adds to what the address group of a worker holds and has earned.
    pub(super) fn group_by(&mut self, worker: i64, held: i64, earned: i64) {
        let group = self.workers.get(&worker);
        let Some(group) = group.and_then(|row| names::sharing_group(&row.address)) else {
            return;
        };
        for groups in [&mut self.groups, &mut self.changes.groups] {
            let group = groups.entry(group.clone()).or_default();
            group.held += held;
            group.earned += earned;
        }
    }

    /// How many more jobs the address group of a worker may hold.
    pub(super) fn group_room(&self, worker: i64) -> usize {
        let group = self.workers.get(&worker);
        let group = group.and_then(|row| names::sharing_group(&row.address));
        group.map_or(usize::MAX, |group| {
            self.groups.get(&group).copied().unwrap_or_default().room()
        })
    }

    // Workers.

    fn enrol(&mut self, stage: Stage, change: i64) {
        self.count(stage).workers += change;
        self.enrolled[stage.index()] += change;
    }

    /// Updates whether a worker counts as one at work: one that holds a job or has finished one.
    pub(super) fn note_work(&mut self, id: i64) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let holds = self.holds_any(id);
        let works = holds || worker.completed > 0;
        if works == worker.works {
            return;
        }
        let stage = worker.stage;
        self.with_worker(id, |worker| worker.works = works);
        self.at_work_by(stage, if works { 1 } else { -1 });
    }

    fn at_work_by(&mut self, stage: Stage, change: i64) {
        self.count(stage).working += change;
        self.at_work[stage.index()] += change;
    }

    pub(super) fn add_worker(&mut self, mut worker: Worker) {
        let Some(id) = self.worker_ids.pop_front() else {
            return;
        };
        worker.id = id;
        self.enrol(worker.stage, 1);
        self.by_token.insert(worker.token.clone(), id);
        self.workers.insert(id, worker);
        self.new_workers.insert(id);
    }

    pub(super) fn forget_worker(&mut self, id: i64) {
        let earned = self.workers.get(&id).map_or(0, |row| row.allowance.earned);
        self.group_by(id, 0, -earned);
        if let Some(worker) = self.workers.remove(&id) {
            self.by_token.remove(&worker.token);
            self.enrol(worker.stage, -1);
            if worker.works {
                self.at_work_by(worker.stage, -1);
            }
            self.changed_workers.remove(&id);
            if !self.new_workers.remove(&id) {
                self.changes.gone_workers.push(id);
            }
        }
    }

    // Queues.

    /// Appends a job to the queue of its stage, or puts it into the lane if it waits for an opinion.
    pub(super) fn enqueue(&mut self, number: i64) {
        let Some(stage) = self.jobs.get(&number).map(|job| job.stage) else {
            return;
        };
        if self.enter_lane(number) {
            return;
        }
        self.changes.queued += 1;
        let position = self.changes.queued;
        self.with_job(number, |job| {
            job.state = State::Open;
            job.lease = None;
        });
        self.changed_jobs.insert(number, Some(position));
        self.open_by(stage, 1);
        if self.whole[stage.index()] {
            self.queues[stage.index()].push_back(number);
        }
    }

    /// Reopens a job at its previous position.
    pub(super) fn enqueue_where_it_was(&mut self, number: i64) {
        let Some(stage) = self.jobs.get(&number).map(|job| job.stage) else {
            return;
        };
        if self.enter_lane(number) {
            return;
        }
        self.with_job(number, |job| {
            job.state = State::Open;
            job.lease = None;
        });
        self.open_by(stage, 1);
        self.queues[stage.index()].push_front(number);
    }

    /// Marks a job to be offered to a volunteer last, or, if it has `failed` there, not while there
    /// are others.
    pub(super) fn avoid(&mut self, number: i64, volunteer: &str, failed: bool) {
        let known = self.avoids(number, volunteer);
        if known.is_some_and(|before| before || !failed) {
            return;
        }
        let avoided = self.avoided.entry(number).or_default();
        avoided.insert(volunteer.to_owned(), failed);
        let change = (number, volunteer.to_owned(), failed);
        self.changes.avoided.push(change);
    }

    /// Whether a job avoids a volunteer; `true` if it failed with that volunteer.
    fn avoids(&self, number: i64, volunteer: &str) -> Option<bool> {
        self.avoided.get(&number)?.get(volunteer).copied()
    }

    pub(super) fn forget_avoided(&mut self, number: i64) {
        self.avoided.remove(&number);
        self.changes
            .avoided
            .retain(|(avoided, ..)| *avoided != number);
        self.changes.gone_avoided.push(number);
    }

    /// The size of a job's input at a stage, in bytes; `None` if it is not known.
    pub(super) fn size(&self, number: i64, stage: Stage) -> Option<u64> {
        self.sizes.get(&(number, stage)).copied()
    }

    /// The output of a job at a stage, if it was read or is one of this group's.
    pub(super) fn output(&self, number: i64, stage: Stage) -> Option<&str> {
        let made = self.changes.outputs.iter().rev();
        let mut made = made.filter(|made| (made.number, made.stage) == (number, stage));
        let read = || self.outputs.get(&(number, stage));
        let found = match made.next() {
            Some(made) => made.data.as_ref(),
            None => read(),
        };
        found.map(String::as_str)
    }

    /// Takes the next job for a volunteer out of the queue.
    pub(super) fn next_job(&mut self, stage: Stage, volunteer: &str) -> Option<i64> {
        let at = self.next_place(stage, volunteer)?;
        self.queues[stage.index()].remove(at)
    }

    /// The job that [`Self::next_job`] would take.
    pub(super) fn peek_job(&mut self, stage: Stage, volunteer: &str) -> Option<i64> {
        let at = self.next_place(stage, volunteer)?;
        self.queues[stage.index()].get(at).copied()
    }

    fn next_place(&mut self, stage: Stage, volunteer: &str) -> Option<usize> {
        // Jobs that earlier operations took out of order are still in the list.
        while let Some(number) = self.queues[stage.index()].front().copied() {
            if self.is_open(number, stage) {
                break;
            }
            self.queues[stage.index()].pop_front();
        }
        self.find_job(stage, volunteer).0
    }

    fn is_open(&self, number: i64, stage: Stage) -> bool {
        let job = self.jobs.get(&number);
        job.is_some_and(|job| job.state == State::Open && job.stage == stage)
    }

    /// Finds the next job for a volunteer in the queue: the first that the volunteer did not give
    /// back, or else the first that need not be left to others. Also returns whether any are left
    /// to others.
    fn find_job(&self, stage: Stage, volunteer: &str) -> (Option<usize>, bool) {
        let (mut last, mut withheld) = (None, false);
        let queue = self.queues[stage.index()].iter();
        for (at, number) in queue.take(LOOK_AHEAD).enumerate() {
            if !self.is_open(*number, stage) {
                continue;
            }
            match self.avoids(*number, volunteer) {
                None => return (Some(at), withheld),
                Some(true) if self.is_for_others(*number, stage, volunteer) => withheld = true,
                Some(_) => last = last.or(Some(at)),
            }
        }
        (last, withheld)
    }

    /// Whether another volunteer is present with whom the job has not failed.
    fn is_for_others(&self, number: i64, stage: Stage, volunteer: &str) -> bool {
        let there = |other: &Volunteer| {
            other.stage == stage && other.name != volunteer && self.now - other.asked_at < THERE
        };
        let has_failed = |other: &Volunteer| self.avoids(number, &other.name) == Some(true);
        let mut others = self.volunteers.values();
        others.any(|other| there(other) && !has_failed(other))
    }

    /// Whether all open jobs are left to volunteers other than this worker's.
    pub(super) fn is_withheld(&self, worker: i64) -> bool {
        self.workers.get(&worker).is_some_and(|row| {
            let (found, withheld) = self.find_job(row.stage, &Self::volunteer(row));
            found.is_none() && withheld
        })
    }
}
