//! The ledger's view of the tables: the rows it reads, what a group of operations wants read, and
//! the changes to write. A database only fills and empties these structures.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::{ANONYMOUS, Stage};
use serde::{Deserialize, Serialize};

use super::{
    opinions::{Entry, Opinion, OpinionText, Standing, StandingChange},
    words::words,
};
use crate::{
    clock::Millis,
    rules::{
        allowance::{Allowance, GroupTotals},
        attempts::Failing,
        bans::Banned,
        names,
        trust::{self, Trust},
    },
};

/// The maximum number of workers that one sweep handles, so that other operations get their turn.
pub const SWEEP: usize = 200;

/// How many more jobs than requested are read from the head of a queue, because an earlier
/// operation of the group may take one out of order.
pub const SPARE: usize = 32;

/// The maximum number of rows of each kind that one sweep deletes because of their age.
pub const FORGOTTEN: i64 = 5_000;

/// How many volunteers per job are remembered as those who should be offered it last: those with
/// whom it failed first, then the most recent. The rules need fewer, and handing out a job must not
/// become slow because a thousand names have given it back.
pub const AVOIDERS: i64 = 32;

/// How far into a queue to search for a job that the volunteer did not give back. Jobs that were
/// given back go to the tail, so this is reached only if few other jobs are left.
pub const LOOK_AHEAD: usize = 256;

/// The maximum number of volunteers of each kind that are read per stage; the rules examine fewer.
pub const VOLUNTEERS: usize = 256;

/// The number of failures kept in the log of all jobs.
pub const KEPT_NOTES: i64 = 500;
/// The maximum number of failures that one group writes to the log.
pub const NOTED: usize = 50;

words! {
    /// The state of a job.
    State {
        /// Open: any worker of the stage may claim it.
        Open = "open",
        /// A worker holds it.
        Held = "held",
        /// It has an output that waits for another opinion.
        Waiting = "waiting",
        /// All stages are completed.
        Closed = "closed",
        /// Set aside for the operator.
        Aside = "aside",
    }
}

words! {
    /// How a lease ended.
    End {
        /// Its result is recorded.
        Completed = "completed",
        /// Its result is an opinion, and not the one that was recorded.
        Opinion = "opinion",
        /// The worker flagged the input as bad.
        Flagged = "flagged",
        /// The worker reported that the work failed.
        Failed = "failed",
        /// The worker gave it back, or does not know of it.
        Released = "released",
        /// The worker said goodbye.
        Left = "left",
        /// The worker made no call for the idle timeout.
        Idle = "idle",
        /// No sync renewed it in time.
        Lapsed = "lapsed",
        /// The result of an earlier lease arrived after all. Written by trackers up to November
        /// 2026; now such a result is kept until this lease ends.
        Overtaken = "overtaken",
        /// The operator took it back.
        Requeued = "requeued",
    }
}

/// A volunteer's latest failure of a job, or the reason for which the volunteer flagged its input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it happened.
    pub at: Millis,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// What happened. Emptied after many later failures, so that a job's row stays small.
    pub text: String,
    /// The key of the volunteer. Empty in rows written by trackers up to November 2026.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volunteer: String,
    /// The volunteer flagged the input, which does not count as a failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flagged: bool,
}

impl Failure {
    /// The key of the volunteer.
    #[must_use]
    pub fn by(&self) -> String {
        if self.volunteer.is_empty() {
            names::volunteer(None, &self.nickname, "")
        } else {
            self.volunteer.clone()
        }
    }
}

/// An entry in the log of failures of all jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureNote {
    /// When it happened.
    pub at: Millis,
    /// The job; 0 if the setup of a client's workers failed.
    pub number: i64,
    /// The stage at which it failed.
    pub stage: Stage,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// The public name of the worker; empty if it no longer exists.
    pub worker: String,
    /// How the lease ended; `None` for a setup.
    pub end: Option<End>,
    /// The error.
    pub error: String,
}

impl FailureNote {
    /// The kind of failure, as a value for the tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.end.map_or("setup", End::word)
    }
}

/// A volunteer at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volunteer {
    /// The stage.
    pub stage: Stage,
    /// The key of the volunteer.
    pub name: String,
    /// When it last held a job of the stage; 0: never.
    pub worked_at: Millis,
    /// When it last asked for one; 0: never, or it has said goodbye.
    pub asked_at: Millis,
    /// When it last failed, and what has failed since the stage last produced a result.
    pub failing: Option<(Millis, Failing)>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its row id.
    pub id: i64,
    /// The fingerprint of its token.
    pub token: String,
    /// Its public name.
    pub display_name: String,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// The address it registered from; empty if unknown.
    pub address: String,
    /// The volunteer's key, as the thumbprint of the identity that it stands for. `None`: it
    /// registered without one.
    pub key: Option<String>,
    /// The kind of its browser; empty if unknown.
    pub browser: String,
    /// The stage it works at.
    pub stage: Stage,
    /// Its progress line.
    pub progress: String,
    /// How many of its results are valid.
    pub completed: i64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it last made a call.
    pub last_seen: Millis,
    /// The sequence number of its last sync; -1 if there was none.
    pub seq: i64,
    /// The time of its last sync. `None`: its leases do not end for lack of a sync.
    pub synced_at: Option<Millis>,
    /// The newest lease that it was granted.
    pub last_lease: Option<i64>,
    /// How badly its jobs fail, see `rules::trouble`.
    pub trouble: i64,
    /// Until when it is given no jobs because of that.
    pub rest_until: Millis,
    /// When its volunteer's row was last updated; 0: never.
    pub noted_at: Millis,
    /// How many jobs it may hold.
    pub allowance: Allowance,
    /// Whether it holds a job or has finished one; such workers are counted per stage.
    pub works: bool,
}

/// A lease: the right to submit the result of one job at one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its row id, which is the public part of its name on the wire.
    pub id: i64,
    /// The fingerprint of the secret part.
    pub secret: String,
    /// The job.
    pub number: i64,
    /// The stage at which it was granted.
    pub stage: Stage,
    /// The job's round at that time.
    pub round: i64,
    /// How often the job has been handed out at this stage, including this time; 0: it is an audit.
    pub attempt: i64,
    /// The worker that holds it, or held it last.
    pub worker: i64,
    /// The nickname that gets the credit.
    pub nickname: String,
    /// The key of the volunteer.
    pub volunteer: String,
    /// The address group of the worker that it was granted to; empty if unknown.
    pub address: String,
    /// When it was granted.
    pub granted_at: Millis,
    /// The sequence number of the sync that granted it. `None`: a call of the first protocol did.
    pub seq: Option<i64>,
    /// When and how it ended; `None` while it is unfinished.
    pub ended: Option<(Millis, End)>,
    /// Its result arrived after the lease had ended and was acknowledged, whatever became of it.
    pub late: bool,
}

/// A job, without its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub number: i64,
    /// The stage at which it is.
    pub stage: Stage,
    /// Its state.
    pub state: State,
    /// How often it has been handed out at this stage.
    pub attempt: i64,
    /// How often it has been flagged in total.
    pub flagged: i64,
    /// How often it was sent back to the previous stage.
    pub sent_back: i64,
    /// Increased to invalidate all earlier leases of the job.
    pub round: i64,
    /// Failures at this stage, including repeated ones.
    pub failures: i64,
    /// The latest failure or flag of each volunteer, oldest first.
    pub errors: Vec<Failure>,
    /// Why it was set aside, if it was.
    pub reason: Option<String>,
    /// The lease under which it is held.
    pub lease: Option<i64>,
    /// An earlier lease whose late result is kept: it becomes the job's result if the current lease
    /// ends without one.
    pub late: Option<i64>,
    /// How many opinions on its output at this stage wait for others.
    pub opinions: i64,
    /// When it last changed.
    pub changed_at: Millis,
}

impl Worker {
    /// Who it counts as where distinct volunteers are needed.
    #[must_use]
    pub fn identity(&self) -> String {
        let volunteer = names::volunteer(self.key.as_deref(), &self.nickname, &self.address);
        let group = names::sharing_group(&self.address).unwrap_or_default();
        trust::identity(&volunteer, &group)
    }
}

impl Lease {
    /// Who its volunteer counts as where distinct volunteers are needed.
    #[must_use]
    pub fn identity(&self) -> String {
        trust::identity(&self.volunteer, &self.address)
    }

    /// Whether the operator's own worker makes a result again that counts. The job itself is not held.
    #[must_use]
    pub fn is_audit(&self) -> bool {
        self.attempt == 0
    }
}

impl Job {
    /// Whether any volunteer may have given it back at this stage. If not, the database need not be
    /// asked who should be offered it last.
    #[must_use]
    pub fn has_past(&self) -> bool {
        self.attempt > 0 || self.sent_back > 0
    }
}

/// What a group of operations needs to have read. The database adds the rows that depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Workers by token, with the leases that they hold and their jobs. The value is how many more
    /// jobs each may be granted: so many are read from the heads of their stages' queues.
    pub workers: BTreeMap<String, usize>,
    /// Leases by id, with their workers, their jobs, and the leases that hold those jobs.
    pub leases: BTreeSet<i64>,
    /// Jobs by number, with the leases that hold them.
    pub jobs: BTreeSet<i64>,
    /// The earlier leases that a worker had of a job, unless it holds that job now.
    pub past: BTreeSet<(String, i64)>,
    /// Workers whose newest lease and its output are needed, if they hold nothing now.
    pub repeats: BTreeSet<String>,
    /// Whether the flags and the makers of the jobs are needed (except for those at the heads of
    /// queues).
    pub flags: bool,
    /// Whether it is needed who works and fails at the workers' stages.
    pub volunteers: bool,
    /// Workers that have made no call for this long, at most [`SWEEP`].
    pub idle: Option<Millis>,
    /// The same for workers that use sync.
    pub missed: Option<Millis>,
    /// Workers that hold leases by sync and have not synced for this long, at most [`SWEEP`].
    pub lapsed: Option<Millis>,
    /// How many workers may be registered, that is, how many ids are needed.
    pub registrations: usize,
    /// The names under which those that register may be banned.
    pub bans: BTreeSet<String>,
    /// Keys of those that register, which may be linked to the identity of another one.
    pub keys: BTreeSet<String>,
    /// Nonces that may have been used before, with the time after which each is refused for its
    /// age.
    pub nonces: BTreeMap<String, Millis>,
    /// Workers that limit the size of new jobs in bytes, so the sizes of candidates are needed.
    pub sized: BTreeSet<String>,
    /// How results are checked, if they are: what is known of the volunteers is needed.
    pub trust: Option<Trust>,
    /// Random bits that nobody can guess, where results are checked.
    pub dice: u64,
    /// A secret that nobody can guess, for a database that has none.
    pub secret: String,
    /// Opinions by lease, whatever became of them.
    pub opinions: BTreeSet<i64>,
}

impl Wanted {
    /// How many jobs may be granted, that is, how many lease ids are needed.
    #[must_use]
    pub fn grants(&self) -> usize {
        self.workers.values().sum()
    }
}

/// The head of a stage's queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// The first open jobs, in order.
    pub numbers: Vec<i64>,
    /// Whether this is the whole queue.
    pub whole: bool,
}

/// What was read for a group of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The time by the database's clock.
    pub now: Millis,
    /// Workers that were wanted, are being swept, or hold wanted leases.
    pub workers: Vec<Worker>,
    /// Workers to sweep because they are idle.
    pub idle: Vec<i64>,
    /// Workers to sweep because their leases have expired.
    pub lapsed: Vec<i64>,
    /// Leases that were wanted or are held by the workers.
    pub leases: Vec<Lease>,
    /// The jobs of the leases, and those at the heads of queues.
    pub jobs: Vec<Job>,
    /// The heads of the queues from which jobs are requested.
    pub queues: [Queue; 5],
    /// The number of open jobs at each stage.
    pub open: [i64; 5],
    /// The number of workers at each stage.
    pub enrolled: [i64; 5],
    /// The number of those workers that hold a job or have finished one.
    pub at_work: [i64; 5],
    /// The total size of the late results that are kept, in bytes.
    pub late_bytes: u64,
    /// The stages that are paused.
    pub paused: [Option<Pause>; 5],
    /// Whether any volunteer may have failed at a stage since it last produced a result.
    pub failing: [bool; 5],
    /// Volunteers that work, ask for jobs or fail, at the stages where that is needed.
    pub volunteers: Vec<Volunteer>,
    /// Queued jobs with volunteers who should be offered them last; `true`: the job failed with
    /// that volunteer.
    pub avoided: Vec<(i64, String, bool)>,
    /// Which volunteers flagged the input of a job, and at which stage.
    pub flags: Vec<(i64, Stage, String)>,
    /// The volunteers that produced the current inputs of jobs.
    pub makers: Vec<(i64, String)>,
    /// Outputs whose completion may be repeated: the job, the stage that produced it, the text.
    pub outputs: Vec<(i64, Stage, String)>,
    /// The sizes of job inputs in bytes, for jobs at the heads of queues and for those that workers
    /// may be about to put back.
    pub sizes: Vec<(i64, Stage, u64)>,
    /// What the address groups of these workers hold. A group that is absent holds nothing.
    pub groups: BTreeMap<String, GroupTotals>,
    /// The wanted names that are banned.
    pub bans: BTreeSet<String>,
    /// The identities of the wanted keys that are linked to another one.
    pub linked: BTreeMap<String, String>,
    /// The wanted nonces that have been used before.
    pub used_nonces: BTreeSet<String>,
    /// The opinions on the jobs that have any, and on those that may be undone.
    pub opinions: Vec<Opinion>,
    /// What is known of volunteers at the stages whose results are checked.
    pub standings: Vec<Standing>,
    /// Jobs that wait for another opinion, by the part of the lane, and whether these are all.
    pub lane: BTreeMap<(Stage, u32), (Vec<i64>, bool)>,
    /// The part of the lane of each volunteer that asks and may give an opinion.
    pub parts: BTreeMap<(Stage, String), u32>,
    /// How many volunteers could confirm that asked for jobs recently, at the stages where this is
    /// needed, and whether they were counted anew.
    pub established: BTreeMap<Stage, (i64, bool)>,
    /// Further ones for certain volunteers.
    pub lane_for: BTreeMap<(Stage, String), Vec<i64>>,
    /// The number of jobs that wait for an opinion at each stage.
    pub waiting: [i64; 5],
    /// Results that count on one word, as leases of opinions, for the operator's own workers if it is
    /// time to make one again.
    pub audits: BTreeMap<(Stage, String), Vec<i64>>,
    /// The version of the application whose results are checked, and since when.
    pub version: (String, Millis),
    /// Random bits, as they were wanted.
    pub dice: u64,
    /// Ids for new workers.
    pub worker_ids: Vec<i64>,
    /// Ids for new leases.
    pub lease_ids: Vec<i64>,
}

/// A changed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobChange {
    /// Its new row.
    pub job: Job,
    /// Whether it moves to the tail of its queue: its position among the jobs that this group
    /// queues, from 1. `None`: it keeps its position.
    pub queued: Option<i64>,
}

/// What has changed about a volunteer at a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolunteerChange {
    /// When it last held a job.
    pub worked_at: Option<Millis>,
    /// When it last asked for a job.
    pub asked_at: Option<Millis>,
    /// What has failed.
    pub failing: Option<Failing>,
}

/// A new result, which is the input of the next stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The job.
    pub number: i64,
    /// The stage that produced it.
    pub stage: Stage,
    /// Its position among the outputs of this group, from 1.
    pub order: i64,
    /// The text. `None`: the opinion `from`, or else the late result that was kept for this job.
    pub data: Option<String>,
    /// The lease whose opinion it is.
    pub from: Option<i64>,
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
    pub waiting: i64,
    pub checked: i64,
    pub disputed: i64,
    pub wrong: i64,
}

/// Up to when rows are deleted because of their age; at most [`FORGOTTEN`] of each kind at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forget {
    /// For leases that ended in such a way that no result can follow.
    pub given_back: Millis,
    /// For leases that failed, and those whose results could still arrive late.
    pub overdue: Millis,
    /// For volunteers who should be offered a job last.
    pub avoided: Millis,
    /// For nonces that are refused for their age, and codes for linking keys.
    pub expired: Millis,
    /// For what is known of volunteers of whom nothing was confirmed.
    pub unknown: Millis,
}

/// The changes to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs in the order of their numbers.
    pub jobs: Vec<JobChange>,
    /// How many positions at the tails of queues are needed.
    pub queued: i64,
    /// How many positions in the order of outputs are needed; some may remain unused.
    pub ordered: i64,
    /// Leases that were granted.
    pub new_leases: Vec<Lease>,
    /// Existing leases; only their worker and their end may have changed.
    pub leases: Vec<Lease>,
    /// Existing leases to delete because no client ever received them.
    pub gone_leases: Vec<i64>,
    /// New workers.
    pub new_workers: Vec<Worker>,
    /// Changed workers.
    pub workers: Vec<Worker>,
    /// Workers to delete.
    pub gone_workers: Vec<i64>,
    /// Outputs that are no longer valid; deleted before `outputs` are written.
    pub gone_outputs: Vec<(i64, Stage)>,
    /// New results, in order. An existing one is replaced.
    pub outputs: Vec<Output>,
    /// Late results by job, written after `outputs`, which may be copied from them: one to keep, or
    /// `None` to delete the one that was kept.
    pub late: BTreeMap<i64, Option<String>>,
    /// Flags to delete before `flags` are written, by job and stage.
    pub gone_flags: Vec<(i64, Stage)>,
    /// New flags of inputs. An existing one stays.
    pub flags: Vec<(i64, Stage, String)>,
    /// Jobs whose entries in `avoided` are deleted before the new ones are written.
    pub gone_avoided: Vec<i64>,
    /// Volunteers who should be offered a job last; `true`: not while there are others. An existing
    /// entry is never weakened.
    pub avoided: Vec<(i64, String, bool)>,
    /// Stages that have produced a result, which clears the earlier failures of all volunteers.
    /// Written before `volunteers`.
    pub recovered: BTreeSet<Stage>,
    /// Activity of volunteers, by stage and name. Times only increase, except that an `asked_at` of
    /// 0 records a goodbye; `None` leaves the stored value.
    pub volunteers: BTreeMap<(Stage, String), VolunteerChange>,
    /// Volunteers inactive since this time are deleted, at most [`FORGOTTEN`].
    pub forget_volunteers: Option<Millis>,
    /// Rows to delete because of their age.
    pub forget: Option<Forget>,
    /// Failures for the log, in order; at most [`NOTED`].
    pub failures: Vec<FailureNote>,
    /// Stages that are paused or resumed (`None`).
    pub pauses: BTreeMap<Stage, Option<Pause>>,
    /// Changes of what address groups hold and have earned.
    pub groups: BTreeMap<String, GroupTotals>,
    /// Changes of the counters per stage.
    pub stages: [StageChange; 5],
    /// How many jobs completed the last stage.
    pub closed: i64,
    /// New opinions.
    pub new_opinions: Vec<Opinion>,
    /// Existing opinions; only their state may have changed.
    pub opinions: Vec<Opinion>,
    /// Texts of opinions to keep; written before outputs are deleted.
    pub texts: Vec<OpinionText>,
    /// Leases whose texts of opinions are deleted, after `outputs` are written.
    pub gone_texts: Vec<i64>,
    /// What has changed about volunteers, by stage, volunteer and version.
    pub standings: BTreeMap<(Stage, String, String), StandingChange>,
    /// Jobs that enter the lane of those that wait for an opinion, or leave it (`None`).
    pub lane: BTreeMap<i64, Option<Entry>>,
    /// Results that no longer count, with their positions among the outputs of this group.
    pub retracted: Vec<(i64, Stage, i64)>,
    /// The version of the application, if it is another one than before.
    pub version: Option<String>,
    /// Stages at which a result is made again that counts.
    pub audited: BTreeSet<Stage>,
    /// How many opinions of two kinds of browsers agreed, and how many differed.
    pub browsers: BTreeMap<(Stage, String, String), (i64, i64)>,
    /// How many volunteers could confirm, where they were counted anew.
    pub established: BTreeMap<Stage, i64>,
    /// Results to credit, by nickname.
    pub credits: BTreeMap<String, Credit>,
    /// Nonces that were used, with the time after which each is refused for its age.
    pub nonces: BTreeMap<String, Millis>,
    /// How many results each stage produced.
    pub made: [i64; 5],
    /// The time by the database's clock.
    pub now: Millis,
    /// Whether to set times in the future to now. `Some(true)`: scan jobs even if only old leases
    /// show that the clock was ahead.
    pub corrects: Option<bool>,
}

/// Why no jobs of a stage are handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pause {
    /// Every job failed there, with this error in common. The stage resumes with the next result.
    Failures(String),
    /// The operator has paused it, with this message for volunteers. Results are accepted.
    Operator(String),
}

impl Pause {
    /// The pause that a row of the database says.
    #[must_use]
    pub fn read(by_operator: bool, text: Option<String>) -> Self {
        let text = text.unwrap_or_default();
        if by_operator {
            Self::Operator(text)
        } else {
            Self::Failures(text)
        }
    }

    /// The error or the message.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Failures(text) | Self::Operator(text) => text,
        }
    }

    /// Whether the operator has paused the stage.
    #[must_use]
    pub fn is_by_operator(&self) -> bool {
        matches!(self, Self::Operator(_))
    }
}

/// What a nickname is credited with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credit {
    /// How many results.
    pub results: i64,
    /// The public name of a worker that earned them; absent if all of them have been removed
    /// already.
    pub worker: Option<String>,
    /// How many of them each key has earned, in the order of the first result. A nickname without
    /// an owner belongs to the first of these.
    pub keys: Vec<(String, i64)>,
}

impl Credit {
    /// Adds results of a volunteer.
    pub fn add(&mut self, volunteer: &str, results: i64) {
        self.results += results;
        let Some(key) = names::key_of(volunteer) else {
            return;
        };
        match self.keys.iter_mut().find(|(known, _)| known == key) {
            Some((_, count)) => *count += results,
            None => self.keys.push((key.to_owned(), results)),
        }
    }
}

/// Events of a group of operations for the operator's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogEvents {
    /// When they happened.
    pub now: Millis,
    /// The failures.
    pub failures: Vec<FailureNote>,
    /// Jobs that were set aside, with their stage and the reason.
    pub aside: Vec<(i64, Stage, String)>,
    /// Stages that were paused or resumed (`None`).
    pub pauses: Vec<(Stage, Option<Pause>)>,
}

impl Changes {
    /// Of each nickname that is credited with results of keys: the key that it belongs to if it has
    /// no owner yet, and all keys with their results. Nobody owns the anonymous one.
    pub fn keyed_credits(&self) -> impl Iterator<Item = (&str, &str, i64)> {
        let named = self.credits.iter().filter(|(name, _)| *name != ANONYMOUS);
        named.flat_map(|(name, credit)| {
            let keys = credit.keys.iter();
            keys.map(|(key, results)| (name.as_str(), key.as_str(), *results))
        })
    }

    /// The total size of the late results that these changes keep, in bytes.
    #[must_use]
    pub fn late_bytes(&self) -> u64 {
        let kept = self.late.values().flatten();
        kept.map(|data| data.len() as u64).sum()
    }

    /// The events worth logging.
    #[must_use]
    pub fn log_events(&self) -> LogEvents {
        let jobs = self.jobs.iter().map(|change| &change.job);
        let aside = jobs.filter(|job| job.state == State::Aside);
        let aside = aside.map(|job| {
            let why = job.reason.clone().unwrap_or_default();
            (job.number, job.stage, why)
        });
        let pauses = self.pauses.iter();
        LogEvents {
            now: self.now,
            failures: self.failures.clone(),
            aside: aside.collect(),
            pauses: pauses.map(|(stage, why)| (*stage, why.clone())).collect(),
        }
    }
}

/// The second step of reading: what depends on the workers and the leases that they hold.
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

    /// The stages for which it is needed who works and fails there.
    #[must_use]
    pub fn watched(&self, wanted: &Wanted) -> Vec<Stage> {
        let mut stages = BTreeSet::new();
        if wanted.volunteers {
            stages.extend(self.workers.iter().map(|worker| worker.stage));
            stages.extend(self.leases.iter().map(|lease| lease.stage));
        }
        // A job is not offered to a volunteer with whom it failed while there are others.
        let failed = self.avoided.iter().filter(|(.., failed)| *failed);
        let failed: BTreeSet<i64> = failed.map(|(number, ..)| *number).collect();
        let queued = |stage: &Stage| {
            let mut numbers = self.queues[stage.index()].numbers.iter();
            numbers.any(|number| failed.contains(number))
        };
        stages.extend(Stage::ALL.into_iter().filter(queued));
        stages.into_iter().collect()
    }

    /// The past leases to read: pairs of a worker and a job that it does not hold.
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

    /// The newest leases of workers that hold nothing, to be read with their outputs.
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

    /// The names under which the identities of linked keys may be banned.
    #[must_use]
    pub fn names_of_linked(&self) -> Vec<String> {
        let identities = self.linked.values().cloned();
        identities.map(|key| Banned::Key(key).name()).collect()
    }

    /// The address groups of the workers that were read.
    #[must_use]
    pub fn address_groups(&self) -> BTreeSet<String> {
        let addresses = self.workers.iter().map(|worker| &worker.address);
        addresses
            .filter_map(|address| names::sharing_group(address))
            .collect()
    }

    /// Workers of leases that were read, which have not been read themselves.
    #[must_use]
    pub fn missing_workers(&self) -> BTreeSet<i64> {
        let known: BTreeSet<i64> = self.workers.iter().map(|worker| worker.id).collect();
        let held = self.leases.iter().map(|lease| lease.worker);
        held.filter(|id| !known.contains(id)).collect()
    }

    /// Leases that hold jobs that were read, or whose late results are kept, which have not been
    /// read themselves.
    #[must_use]
    pub fn missing_leases(&self) -> BTreeSet<i64> {
        let known: BTreeSet<i64> = self.leases.iter().map(|lease| lease.id).collect();
        let holding = self.jobs.iter().flat_map(|job| [job.lease, job.late]);
        holding.flatten().filter(|id| !known.contains(id)).collect()
    }

    /// The jobs whose sizes are needed: those at the heads of queues if any worker limits the size,
    /// and those that such a worker holds without listing them, because they may be granted to it
    /// again.
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
