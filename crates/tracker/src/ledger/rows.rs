//! What the ledger knows of the tables: rows as they are read, what a group of operations wants to
//! have read, and what is to be written in the end. A database does nothing but fill and empty these.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::Stage;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Millis,
    rules::{
        allowance::{Allowance, Group},
        attempts::Failing,
        names,
    },
};

/// Workers that one sweep takes: others must get their turn.
pub const SWEEP: usize = 200;

/// How many more jobs than are asked for are read from the head of a queue, because an operation
/// before may take one out of its order.
pub const SPARE: usize = 32;

/// Rows of each kind that one sweep forgets for their age.
pub const FORGOTTEN: i64 = 5_000;

/// Volunteers that are remembered to be offered a job last: the latest, those at whom it failed first.
/// Rules need fewer, and a job must not become slow to hand out because a thousand names gave it back.
pub const AVOIDERS: i64 = 32;

/// How far from its head a queue is searched for a job that the volunteer did not give back. Those
/// jobs go to the tail, so this is only ever reached where little else is left.
pub const LOOK_AHEAD: usize = 256;

/// Volunteers of one stage that are read of each kind: the rules look at fewer.
pub const VOLUNTEERS: usize = 256;

/// Failures that are kept in the log of all jobs, and that one group writes at most.
pub const KEPT_NOTES: i64 = 500;
/// See [`KEPT_NOTES`].
pub const NOTED: usize = 50;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// How it stands in the tables.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What a word of the tables means.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Where a job is.
    State {
        /// Anybody may take it.
        Open = "open",
        /// A worker holds it.
        Held = "held",
        /// All stages are done.
        Closed = "closed",
        /// It waits for the operator.
        Aside = "aside",
    }
}

words! {
    /// How a lease ended.
    End {
        /// Its result is recorded.
        Completed = "completed",
        /// Its holder called the input bad.
        Flagged = "flagged",
        /// Its holder could not do the work.
        Failed = "failed",
        /// Its holder gave it back, or does not know of it.
        Released = "released",
        /// Its holder said goodbye.
        Left = "left",
        /// Its holder was not heard from for the idle timeout.
        Idle = "idle",
        /// No sync held it for the time of a lease.
        Lapsed = "lapsed",
        /// An earlier lease's result came after all. Trackers up to November 2026 wrote it; by now such
        /// a result is kept until this lease ends.
        Overtaken = "overtaken",
        /// The operator took it back.
        Requeued = "requeued",
    }
}

/// The last failure of a job at one volunteer, or why that volunteer called its input bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Millis,
    /// Under whose name.
    pub nickname: String,
    /// What happened. Empty where many failed after it, so that a job's row stays small.
    pub text: String,
    /// Who counts as the volunteer. Empty in what trackers up to November 2026 have written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volunteer: String,
    /// It called the input bad, which does not count as a failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flagged: bool,
}

impl Failure {
    /// Who counts as the volunteer.
    #[must_use]
    pub fn by(&self) -> String {
        if self.volunteer.is_empty() {
            names::volunteer(&self.nickname, "")
        } else {
            self.volunteer.clone()
        }
    }
}

/// A failure as the log of all jobs has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureNote {
    /// When.
    pub at: Millis,
    /// The job; 0 where it was the setup of a client's workers that failed.
    pub number: i64,
    /// Where it failed.
    pub stage: Stage,
    /// Under whose name.
    pub nickname: String,
    /// The public name of the worker; empty if that is gone.
    pub worker: String,
    /// How the lease ended; `None` for a setup.
    pub end: Option<End>,
    /// What happened.
    pub error: String,
}

impl FailureNote {
    /// What kind of failure stands in the tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.end.map_or("setup", End::word)
    }
}

/// A volunteer at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volunteer {
    /// Where.
    pub stage: Stage,
    /// Who.
    pub name: String,
    /// When it last held a job there; 0: never.
    pub worked_at: Millis,
    /// When it last asked for one; 0: never, or it has said goodbye.
    pub asked_at: Millis,
    /// When it last failed, and what failed since the stage last made a result.
    pub failing: Option<(Millis, Failing)>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its row.
    pub id: i64,
    /// The fingerprint of its secret.
    pub token: String,
    /// Its public name.
    pub display_name: String,
    /// Its owner's name.
    pub nickname: String,
    /// Where it registered from; empty where that is not known.
    pub address: String,
    /// Where it works.
    pub stage: Stage,
    /// What it says of itself.
    pub progress: String,
    /// Results of its that count.
    pub completed: i64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it was last heard from.
    pub last_seen: Millis,
    /// Its last sync; -1: there was none.
    pub seq: i64,
    /// When its last sync was. `None`: none of its leases ends for want of a sync.
    pub synced_at: Option<Millis>,
    /// The newest lease that it was granted.
    pub last_lease: Option<i64>,
    /// How badly its jobs go, by `rules::trouble`, and until when it is given none because of that.
    pub trouble: i64,
    /// See `trouble`.
    pub rest_until: Millis,
    /// When its volunteer's row was last brought up to date; 0: never.
    pub noted_at: Millis,
    /// How many jobs it may hold.
    pub allowance: Allowance,
    /// It holds a job or has finished one, and is counted among those.
    pub works: bool,
}

/// A lease: the right to hand in one job's result at one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its row, and the public part of its name on the wire.
    pub id: i64,
    /// The fingerprint of the secret part.
    pub secret: String,
    /// The job.
    pub number: i64,
    /// The stage at which it was granted.
    pub stage: Stage,
    /// The job's round then.
    pub round: i64,
    /// How often the job was handed out at this stage, this time included.
    pub attempt: i64,
    /// The worker that holds it, or held it last.
    pub worker: i64,
    /// Who gets the credit.
    pub nickname: String,
    /// Who counts as the volunteer.
    pub volunteer: String,
    /// The address group of the worker that it was granted to; empty where that is not known.
    pub address: String,
    /// When it was granted.
    pub granted_at: Millis,
    /// The sync that granted it. `None`: a call of the first protocol did.
    pub seq: Option<i64>,
    /// How and when it ended. `None`: it has not.
    pub ended: Option<(Millis, End)>,
    /// Its result came after it had ended and was acknowledged, whatever became of it.
    pub late: bool,
}

/// A job, without its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub number: i64,
    /// Where it waits.
    pub stage: Stage,
    /// Whether it is open.
    pub state: State,
    /// How often it was handed out at this stage.
    pub attempt: i64,
    /// How often it was ever flagged.
    pub flagged: i64,
    /// How often it went back to the stage before.
    pub sent_back: i64,
    /// Grows when earlier leases are to count no more.
    pub round: i64,
    /// Failures at this stage, repeated ones included.
    pub failures: i64,
    /// The last of each volunteer, oldest first, and why it called the input bad.
    pub errors: Vec<Failure>,
    /// Why it was set aside.
    pub reason: Option<String>,
    /// The lease under which it is held.
    pub lease: Option<i64>,
    /// An earlier lease whose result is kept: it counts if the one that holds the job ends without
    /// one.
    pub late: Option<i64>,
    /// When it last changed.
    pub changed_at: Millis,
}

impl Job {
    /// Whether anybody may have had reason to give it back at this stage: if not, nobody is to be
    /// offered it last, and the database need not be asked.
    #[must_use]
    pub fn has_past(&self) -> bool {
        self.attempt > 0 || self.sent_back > 0
    }
}

/// What a group of operations has to know. The database adds what follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Workers by token, with the leases that they hold and their jobs, and how many more jobs
    /// each may be handed: so many are read from the heads of their stages.
    pub workers: BTreeMap<String, usize>,
    /// Leases by id, with their workers, their jobs, and the leases that hold these.
    pub leases: BTreeSet<i64>,
    /// Jobs by number, with the leases that hold them.
    pub jobs: BTreeSet<i64>,
    /// Leases that a worker had of a job, if it does not hold that job now.
    pub past: BTreeSet<(String, i64)>,
    /// Workers whose newest lease and its output matter, if they hold nothing now.
    pub repeats: BTreeSet<String>,
    /// Whether flags and makers of the jobs matter (not of those at the heads of queues).
    pub flags: bool,
    /// Whether it matters who works and fails at the stages of the workers.
    pub volunteers: bool,
    /// Workers that were not heard from for so long, at most [`SWEEP`].
    pub idle: Option<Millis>,
    /// The age at which a worker that syncs is missed.
    pub missed: Option<Millis>,
    /// Workers that hold leases by sync and did not sync for so long, at most [`SWEEP`].
    pub lapsed: Option<Millis>,
    /// How many workers may be registered: so many ids are given.
    pub registrations: usize,
    /// The names under which these may be banned.
    pub bans: BTreeSet<String>,
    /// Workers that ask for no more than so many bytes: the sizes of the jobs that they may be handed
    /// matter.
    pub sized: BTreeSet<String>,
}

impl Wanted {
    /// How many jobs may be handed out: so many ids of leases are given.
    #[must_use]
    pub fn grants(&self) -> usize {
        self.workers.values().sum()
    }
}

/// The head of a stage's queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Open jobs in their order.
    pub numbers: Vec<i64>,
    /// Whether this is the whole queue.
    pub whole: bool,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The time by the database's clock.
    pub now: Millis,
    /// Workers that were asked for, swept, or hold leases that were asked for.
    pub workers: Vec<Worker>,
    /// Workers that are to be swept for being idle.
    pub idle: Vec<i64>,
    /// Workers whose leases are to be swept.
    pub lapsed: Vec<i64>,
    /// Leases that were asked for or are held by the workers.
    pub leases: Vec<Lease>,
    /// Their jobs, and those at the heads of queues.
    pub jobs: Vec<Job>,
    /// The heads of the queues that jobs are asked from.
    pub queues: [Queue; 5],
    /// Open jobs at each stage.
    pub open: [i64; 5],
    /// Workers at each stage.
    pub enrolled: [i64; 5],
    /// Those of them that hold a job or have finished one.
    pub at_work: [i64; 5],
    /// Bytes of the late results that are kept.
    pub late_bytes: u64,
    /// When a stage was paused, if it is.
    pub paused: [Option<Millis>; 5],
    /// Whether anybody may have failed at a stage since it last made a result.
    pub failing: [bool; 5],
    /// Volunteers that work at the stages where that matters, ask for jobs, or fail.
    pub volunteers: Vec<Volunteer>,
    /// Jobs in queues with volunteers that should rather not have them; `true`: it failed there.
    pub avoided: Vec<(i64, String, bool)>,
    /// Who called the input of a job bad, at a stage.
    pub flags: Vec<(i64, Stage, String)>,
    /// Who made the input that a job has at its stage.
    pub makers: Vec<(i64, String)>,
    /// Outputs that may be sent again: a job, the stage that made it, the text.
    pub outputs: Vec<(i64, Stage, String)>,
    /// How many bytes the inputs of jobs have at their stages: of those at the heads of queues, and of
    /// those that workers may be about to put back.
    pub sizes: Vec<(i64, Stage, u64)>,
    /// What is held by the address groups of these workers; one that is not there holds nothing.
    pub groups: BTreeMap<String, Group>,
    /// Those of the wanted names that are banned.
    pub bans: BTreeSet<String>,
    /// Ids for new workers and new leases.
    pub worker_ids: Vec<i64>,
    /// Ids for new leases.
    pub lease_ids: Vec<i64>,
}

/// A job after the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobChange {
    /// Its row.
    pub job: Job,
    /// It is queued last: its position among those that this group queues, from 1. `None`: it keeps
    /// its position.
    pub queued: Option<i64>,
}

/// What has changed of a volunteer at a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolunteerChange {
    /// When it last held a job.
    pub worked_at: Option<Millis>,
    /// When it last asked for one.
    pub asked_at: Option<Millis>,
    /// What failed there.
    pub failing: Option<Failing>,
}

/// A new result: the input of the stage after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The job.
    pub number: i64,
    /// The stage that made it.
    pub stage: Stage,
    /// Its position among the outputs of this group, from 1.
    pub order: i64,
    /// The text. `None`: the one that was kept for this job.
    pub data: Option<String>,
}

/// Changes of one stage's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // They are the columns, and described there.
pub struct StageChange {
    pub failing: i64,
    pub open: i64,
    pub held: i64,
    pub done: i64,
    pub aside: i64,
    pub workers: i64,
    pub working: i64,
    pub granted: i64,
    pub accepted: i64,
    pub rejected: i64,
    pub lapsed: i64,
    pub failed: i64,
}

/// From when on rows are kept; at most [`FORGOTTEN`] of each kind go at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forget {
    /// Leases that ended so that they can deliver nothing.
    pub given_back: Millis,
    /// Leases that failed, and those whose results could still come late.
    pub overdue: Millis,
    /// Who is to be offered which job last.
    pub avoided: Millis,
}

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs in the order of their numbers.
    pub jobs: Vec<JobChange>,
    /// How many places at the ends of queues are given.
    pub queued: i64,
    /// How many places among the outputs are given; not all may be taken in the end.
    pub ordered: i64,
    /// Leases that are granted.
    pub new_leases: Vec<Lease>,
    /// Leases that were there before: holder and end may differ, nothing else.
    pub leases: Vec<Lease>,
    /// Leases of before that nobody ever heard of.
    pub gone_leases: Vec<i64>,
    /// Workers that register.
    pub new_workers: Vec<Worker>,
    /// Workers that were there before.
    pub workers: Vec<Worker>,
    /// Workers that are forgotten.
    pub gone_workers: Vec<i64>,
    /// Outputs that are no results any more: to be deleted before `outputs` are written.
    pub gone_outputs: Vec<(i64, Stage)>,
    /// Results, in order. One that is there already is replaced.
    pub outputs: Vec<Output>,
    /// Late results by job, to be written after `outputs`, which may be made of them: one that is
    /// kept, or `None` where the one that was is not needed any more.
    pub late: BTreeMap<i64, Option<String>>,
    /// Flags to be forgotten, before `flags` are written: a job and a stage.
    pub gone_flags: Vec<(i64, Stage)>,
    /// Who called an input bad. One that is there already stays.
    pub flags: Vec<(i64, Stage, String)>,
    /// Jobs that nobody avoids any more, before `avoided` is written.
    pub gone_avoided: Vec<i64>,
    /// Who should be offered a job last; `true`: not while others are there. One that is there already
    /// stays, and never becomes milder.
    pub avoided: Vec<(i64, String, bool)>,
    /// Stages that have made a result: no failure of before stands against anybody. To be written
    /// before `volunteers`.
    pub calmed: BTreeSet<Stage>,
    /// Volunteers that were heard of, by stage and name. Times only grow, but for an `asked_at` of 0,
    /// which is a goodbye; `None` leaves what is there.
    pub volunteers: BTreeMap<(Stage, String), VolunteerChange>,
    /// Volunteers that were not heard of since are forgotten; at most [`FORGOTTEN`].
    pub forget_volunteers: Option<Millis>,
    /// What is older is forgotten.
    pub forget: Option<Forget>,
    /// Failures for the log, in order: at most [`NOTED`].
    pub failures: Vec<FailureNote>,
    /// Stages that are paused, with the reason, or go on.
    pub pauses: BTreeMap<Stage, Option<String>>,
    /// By how much address groups hold and have earned more.
    pub groups: BTreeMap<String, Group>,
    /// The counters.
    pub stages: [StageChange; 5],
    /// Jobs that went through all stages.
    pub closed: i64,
    /// Results by nickname.
    pub credits: BTreeMap<String, Credit>,
    /// Results by stage.
    pub made: [i64; 5],
    /// The time by the database's clock.
    pub now: Millis,
    /// Whether times in the future are to count as now. `Some(true)`: also where nothing but old leases
    /// tells that the clock was ahead.
    pub corrects: Option<bool>,
}

/// What a nickname has earned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credit {
    /// How many results.
    pub results: i64,
    /// The public name of a worker that earned them; none where all of them are forgotten already.
    pub worker: Option<String>,
}

/// What the operator's log says of a group of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// When.
    pub now: Millis,
    /// What failed.
    pub failures: Vec<FailureNote>,
    /// What was set aside: a job, where, and why.
    pub aside: Vec<(i64, Stage, String)>,
    /// Stages that are paused, with the reason, or go on.
    pub pauses: Vec<(Stage, Option<String>)>,
}

impl Changes {
    /// Bytes of the late results that are kept from now on.
    #[must_use]
    pub fn late_bytes(&self) -> u64 {
        let kept = self.late.values().flatten();
        kept.map(|data| data.len() as u64).sum()
    }

    /// What is worth a line in the log.
    #[must_use]
    pub fn news(&self) -> News {
        let jobs = self.jobs.iter().map(|change| &change.job);
        let aside = jobs.filter(|job| job.state == State::Aside);
        let aside = aside.map(|job| {
            let why = job.reason.clone().unwrap_or_default();
            (job.number, job.stage, why)
        });
        let pauses = self.pauses.iter();
        News {
            now: self.now,
            failures: self.failures.clone(),
            aside: aside.collect(),
            pauses: pauses.map(|(stage, why)| (*stage, why.clone())).collect(),
        }
    }
}

/// The second step of reading: what follows from the workers and the leases that they hold.
impl Snapshot {
    /// How many jobs to read from the head of each stage's queue.
    #[must_use]
    pub fn demand(&self, wanted: &Wanted) -> [usize; 5] {
        let mut demand = [0; 5];
        for worker in &self.workers {
            let count = wanted.workers.get(&worker.token).copied().unwrap_or(0);
            demand[worker.stage.index()] += count;
        }
        demand.map(|count| if count == 0 { 0 } else { count + SPARE })
    }

    /// The stages of which it matters who works and fails there.
    #[must_use]
    pub fn watched(&self, wanted: &Wanted) -> Vec<Stage> {
        let mut stages = BTreeSet::new();
        if wanted.volunteers {
            stages.extend(self.workers.iter().map(|worker| worker.stage));
            stages.extend(self.leases.iter().map(|lease| lease.stage));
        }
        // Who failed at a job is not offered it while others are there.
        let failed = self.avoided.iter().filter(|(.., failed)| *failed);
        let failed: BTreeSet<i64> = failed.map(|(number, ..)| *number).collect();
        let queued = |stage: &Stage| {
            let mut numbers = self.queues[stage.index()].numbers.iter();
            numbers.any(|number| failed.contains(number))
        };
        stages.extend(Stage::ALL.into_iter().filter(queued));
        stages.into_iter().collect()
    }

    /// The past leases to read: a worker and a job that it does not hold.
    #[must_use]
    pub fn past(&self, wanted: &Wanted) -> Vec<(i64, i64)> {
        let asked = wanted.past.iter();
        asked
            .filter_map(|(token, number)| {
                let worker = self.workers.iter().find(|w| w.token == *token)?;
                let held = self.held_by(worker.id).any(|l| l.number == *number);
                (!held).then_some((worker.id, *number))
            })
            .collect()
    }

    /// The newest leases to read with their outputs: of workers that hold nothing.
    #[must_use]
    pub fn repeats(&self, wanted: &Wanted) -> Vec<i64> {
        let asked = wanted.repeats.iter();
        asked
            .filter_map(|token| {
                let worker = self.workers.iter().find(|w| w.token == *token)?;
                worker
                    .last_lease
                    .filter(|_| self.held_by(worker.id).next().is_none())
            })
            .collect()
    }

    /// The address groups of the workers that were read.
    #[must_use]
    pub fn address_groups(&self) -> BTreeSet<String> {
        let addresses = self.workers.iter().map(|worker| &worker.address);
        addresses
            .filter_map(|address| names::sharing_group(address))
            .collect()
    }

    /// Workers of leases that were read and that were not read themselves.
    #[must_use]
    pub fn missing_workers(&self) -> BTreeSet<i64> {
        let known: BTreeSet<i64> = self.workers.iter().map(|worker| worker.id).collect();
        let held = self.leases.iter().map(|lease| lease.worker);
        held.filter(|id| !known.contains(id)).collect()
    }

    /// Leases that hold jobs that were read, or whose results are kept, and were not read themselves.
    #[must_use]
    pub fn missing_leases(&self) -> BTreeSet<i64> {
        let known: BTreeSet<i64> = self.leases.iter().map(|lease| lease.id).collect();
        let holding = self.jobs.iter().flat_map(|job| [job.lease, job.late]);
        holding.flatten().filter(|id| !known.contains(id)).collect()
    }

    /// The jobs whose sizes are to be read: those at the heads of queues, where anybody asks for bytes,
    /// and those that such a worker holds and does not name, because they may be handed to it again.
    #[must_use]
    pub fn to_measure(&self, wanted: &Wanted) -> Vec<(i64, Stage)> {
        let sized = self
            .workers
            .iter()
            .filter(|worker| wanted.sized.contains(&worker.token));
        let unnamed = sized.flat_map(|worker| self.held_by(worker.id));
        let unnamed = unnamed.filter(|lease| !wanted.leases.contains(&lease.id));
        unnamed.map(|lease| (lease.number, lease.stage)).collect()
    }

    fn held_by(&self, worker: i64) -> impl Iterator<Item = &Lease> {
        let leases = self.leases.iter();
        leases.filter(move |lease| lease.worker == worker && lease.ended.is_none())
    }
}
