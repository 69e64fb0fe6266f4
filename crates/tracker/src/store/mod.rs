//! What the tracker keeps, behind one trait. SQL stands here and nowhere else.
//!
//! An operation happens as a whole or not at all, and when it has returned `Ok` it is on disk. What
//! it does is decided by the `ledger`; a store reads and writes for it ([`Database`]) and answers
//! questions. Times come from the database's clock, so that several trackers on one database agree.

mod columns;
mod costly;
mod database;
mod fault;
pub mod postgres;
pub mod sqlite;
mod writer;

use std::collections::HashMap;

use async_trait::async_trait;
use distcompute_protocol::{ErrorCode, Stage, SyncRequest};

pub use self::{database::Database, writer::Writer};
pub use crate::ledger::{
    End, Failure, GrantedLease, NewWorker, Requeued, Rules as StoreRules, State, SyncReply,
};
use crate::{
    clock::Millis,
    ledger::Operation,
    rules::{bans::Banned, names, secrets::fingerprint},
};

/// Why an operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The rules of the protocol forbid it; nothing changed.
    #[error("refused: {}", .0.as_str())]
    Refused(ErrorCode),
    /// The database cannot be written or read just now. The same call may go through later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// More is asked than can be done. The same call may go through later.
    #[error("more is asked than can be done")]
    Busy,
    /// It lost against what somebody else did at the same time, and changed nothing.
    #[error("the database preferred another transaction: {0}")]
    Conflict(String),
    /// The database refuses a value: nothing changed, and nothing will by asking again.
    #[error("the database does not take a value: {0}")]
    BadData(String),
    /// A fault of the database or of this program.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// A job that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The job's number.
    pub number: u64,
    /// Its input at the worker's stage.
    pub data: Option<String>,
}

/// Jobs of one stage, and the workers that work there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageCounts {
    /// Jobs that anybody may take.
    pub open: u64,
    /// Jobs that a worker holds.
    pub held: u64,
    /// Outputs of this stage that count.
    pub done: u64,
    /// Jobs that wait for the operator.
    pub aside: u64,
    /// Connected workers.
    pub workers: u64,
    /// Outputs that were made in the window of the estimate.
    pub recent: u64,
    /// Leases that were ever granted.
    pub granted: u64,
    /// Results that were ever accepted, those that were called bad later among them.
    pub accepted: u64,
    /// Results that were not wanted.
    pub rejected: u64,
    /// Leases that ended because nothing was heard of their holder.
    pub lapsed: u64,
    /// Failures that were reported.
    pub failed: u64,
    /// Open and held jobs that have failed here before; counted up to [`MOST_FAILING`].
    pub failing: u64,
}

/// Failing jobs of a stage that are counted. They are counted when somebody looks, and more of them
/// are never all that is left of a project.
pub const MOST_FAILING: u64 = 1_000;

/// The state of the project, read from counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// When this was read.
    pub now: Millis,
    /// All jobs.
    pub jobs: u64,
    /// Jobs that went through all stages.
    pub closed: u64,
    /// Distinct volunteers who are there, whatever their number of browsers, cores and stages: all
    /// workers of a nickname, and all unnamed ones of an address. Where so many are registered that
    /// counting them takes long, the count may be some seconds old.
    pub volunteers: u64,
    /// Per stage, `a` to `e`, enabled or not.
    pub stages: [StageCounts; 5],
    /// How many seconds `recent` covers.
    pub window_s: u64,
    /// The stages that are paused.
    pub paused: [Option<Paused>; 5],
}

/// Why and since when a stage is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub at: Millis,
    /// The error that its volunteers share.
    pub reason: String,
}

/// Outputs that a stage made in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteRow {
    /// The minute, counted from 1970.
    pub minute: i64,
    /// The stage.
    pub stage: Stage,
    /// How many.
    pub done: u64,
}

/// A connected worker, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its place in the order of registration.
    pub id: u64,
    /// Its public name.
    pub display_name: String,
    /// Its owner's name.
    pub nickname: String,
    /// The job that it holds; of several, the lowest number.
    pub job: Option<u64>,
    /// How many it holds.
    pub held: u64,
    /// Its last progress line.
    pub progress: String,
    /// Jobs that it completed.
    pub completed: u64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it was last heard from.
    pub last_seen: Millis,
}

/// A worker, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredRow {
    /// Its row.
    pub id: i64,
    /// The fingerprint of its token.
    pub fingerprint: String,
    /// Its public name.
    pub display_name: String,
    /// Its owner's name.
    pub nickname: String,
    /// Where it registered from; empty where that is not known.
    pub address: String,
    /// Where it works.
    pub stage: Stage,
    /// How many jobs it holds.
    pub held: u64,
    /// Jobs that it completed.
    pub completed: u64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it was last heard from.
    pub last_seen: Millis,
}

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanRow {
    /// Its name in the tables; behind it come the others.
    pub name: String,
    /// Since when.
    pub at: Millis,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
}

/// A job that a filter means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToRequeue {
    /// Its place in the list.
    pub cursor: i64,
    /// The job.
    pub job: Requeued,
    /// If its result is not to be trusted: from which address group that came, and when.
    pub from: Option<(String, Millis)>,
}

/// A line of the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rank {
    /// The nickname.
    pub nickname: String,
    /// Jobs completed under it.
    pub completed: u64,
    /// The first worker that completed one, if it is known.
    pub worker: Option<String>,
    /// When that was; 0: before trackers wrote it down.
    pub since: Millis,
}

/// The place of a name in the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankKey {
    /// Jobs completed under it.
    pub completed: u64,
    /// The nickname.
    pub nickname: String,
}

/// The place of a name among those that a search finds. Its look belongs to it, and follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameKey {
    /// When it completed its first job.
    pub since: Millis,
    /// The nickname.
    pub nickname: String,
}

/// Ranks that are counted: finding the rank of a name costs as many steps.
pub const MOST_RANKS: u64 = 10_000;

/// A job that waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRow {
    /// The job's number.
    pub number: u64,
    /// Where it was set aside.
    pub stage: Stage,
    /// Why.
    pub reason: String,
    /// What went wrong of late, oldest first.
    pub errors: Vec<Failure>,
}

/// A failure, of whatever job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// Its place in the log.
    pub id: u64,
    /// When.
    pub at: Millis,
    /// The job; 0 where it was the setup of a client's workers that failed.
    pub number: u64,
    /// Where it failed.
    pub stage: Stage,
    /// Under whose name.
    pub nickname: String,
    /// The public name of the worker; empty if nobody knows it any more.
    pub worker: String,
    /// How the lease ended; `None` for a setup, or where a later tracker has written something new.
    pub end: Option<End>,
    /// What happened.
    pub error: String,
}

/// All that is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its number.
    pub number: u64,
    /// Where it waits, or was closed.
    pub stage: Stage,
    /// What became of it.
    pub state: State,
    /// How often it was handed out at this stage.
    pub attempt: u64,
    /// How often it failed at this stage.
    pub failures: u64,
    /// How often it went back to the stage before.
    pub sent_back: u64,
    /// Why it was set aside.
    pub reason: Option<String>,
    /// The last failures of each volunteer at this stage.
    pub errors: Vec<Failure>,
    /// When it last changed.
    pub changed_at: Millis,
    /// Its inputs, from that of stage `a` on; behind the last stage's, its result.
    pub texts: Vec<JobText>,
    /// Who had it, newest first, at most [`JOB_LEASES`].
    pub leases: Vec<JobLease>,
    /// Who called an input bad: the stage, the nickname, when.
    pub flags: Vec<(Stage, String, Millis)>,
}

/// Leases of one job that a page shows.
pub const JOB_LEASES: u32 = 100;

/// How much of a text is read to be shown, in characters.
pub const SHOWN_TEXT: u32 = 2_000;

/// The beginning of a text of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobText {
    /// Which stage's input it is, from 0; 5: the result of the last.
    pub stage: u64,
    /// At most [`SHOWN_TEXT`] characters of it.
    pub text: String,
    /// How many characters there are.
    pub length: u64,
}

/// A time that a job was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    /// Where.
    pub stage: Stage,
    /// To whom.
    pub nickname: String,
    /// The public name of the worker; empty if it is gone.
    pub worker: String,
    /// When.
    pub granted_at: Millis,
    /// When and how it ended.
    pub ended: Option<(Millis, End)>,
}

/// The nickname of a volunteer as the tables name it: addresses are nobody's business.
fn public_name(volunteer: &str) -> String {
    volunteer
        .strip_prefix("n:")
        .unwrap_or(distcompute_protocol::ANONYMOUS)
        .to_owned()
}

/// Which jobs are to be worked on again. What is named must all be true of a job; without numbers,
/// a nickname or a text, these are jobs that are set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequeueFilter {
    /// Jobs that are set aside, or held: those, with nothing counted against them. Closed ones go
    /// back to the stage that closed them.
    pub numbers: Vec<u64>,
    /// Jobs that wait at this stage; with a nickname or a text, results of this stage.
    pub stage: Option<Stage>,
    /// Jobs that have not changed for so long.
    pub older_than: Option<Millis>,
    /// Jobs whose latest result came from this nickname: back to the stage that made it.
    pub nickname: Option<String>,
    /// Jobs whose latest result contains this text: back to the stage that made it.
    pub result_contains: Option<String>,
    /// Jobs whose latest result came from these address groups: back to the stage that made it.
    pub address: Option<String>,
    /// Jobs whose latest result came then or later: back to the stage that made it.
    pub since: Option<Millis>,
    /// Jobs whose latest result came before this: back to the stage that made it.
    pub until: Option<Millis>,
}

impl RequeueFilter {
    /// Whether jobs are found by their latest result.
    #[must_use]
    pub fn is_by_result(&self) -> bool {
        self.nickname.is_some()
            || self.result_contains.is_some()
            || self.address.is_some()
            || self.since.is_some()
            || self.until.is_some()
    }
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The job's number.
    pub number: u64,
    /// The stage at which it waits or was closed.
    pub stage: Stage,
    /// `open`, `held`, `closed` or `aside`.
    pub state: String,
}

/// An output of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its place in the order of completion.
    pub cursor: u64,
    /// The job's number.
    pub number: u64,
    /// The text that the worker handed in.
    pub data: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// Where it is.
    pub start: Start<K>,
    /// How many rows to give at most.
    pub limit: u32,
}

/// Where a part of a list is. Rows have keys in the order of the list, and where one is found by its
/// key, the place costs the same however deep it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start<K> {
    /// Behind so many rows, each of which costs a step.
    Offset(u64),
    /// From the row with this key on, or from the next one if it is gone.
    From(K),
    /// Up to the row before this key. The rows come in the order of the list all the same.
    Before(K),
}

impl<K> Page<K> {
    /// The first rows of a list.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self {
            start: Start::Offset(0),
            limit,
        }
    }
}

/// Numbers that were given to added jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

/// An import, before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImport {
    /// From where: an address, or the command line.
    pub who: String,
    /// What the jobs come from, for people.
    pub source: String,
    /// Which jobs these are, in their order.
    pub digest: String,
    /// How many.
    pub jobs: u64,
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// Which.
    pub id: i64,
    /// How many of its jobs are there already: it was broken off before.
    pub done: u64,
}

/// The place of some jobs in an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportPart {
    /// The import.
    pub import: i64,
    /// How many of its jobs come before these.
    pub before: u64,
}

/// An import that was not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// When it began.
    pub at: Millis,
    /// From where.
    pub who: String,
    /// What the jobs come from.
    pub source: String,
    /// How many jobs.
    pub jobs: u64,
    /// How many of them are there.
    pub done: u64,
}

/// What is to be done with a part of an import, of which so many jobs are there.
#[must_use]
pub fn place_of_part(done: Option<i64>, part: ImportPart, count: usize) -> PartPlace {
    let (before, count) = (signed(part.before), signed(count as u64));
    match done {
        None => PartPlace::Gone,
        Some(done) if done == before => PartPlace::Next,
        // The answer of an earlier attempt was lost, or somebody imports the same at the same time.
        Some(done) if done >= before + count => PartPlace::There,
        Some(_) => PartPlace::Elsewhere,
    }
}

/// See [`place_of_part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartPlace {
    /// It is added.
    Next,
    /// It was added before.
    There,
    /// The import is not there any more: everything was reset.
    Gone,
    /// The same import goes on elsewhere, in other parts.
    Elsewhere,
}

impl PartPlace {
    /// Whether the part is to be added.
    ///
    /// # Errors
    /// It cannot be.
    pub fn is_next(self) -> Result<bool, StoreError> {
        match self {
            Self::Next => Ok(true),
            Self::There => Ok(false),
            Self::Gone => Err(StoreError::Failed(
                "all jobs were reset while these were imported".to_owned(),
            )),
            Self::Elsewhere => Err(StoreError::Failed(
                "the same jobs are being imported by somebody else".to_owned(),
            )),
        }
    }
}

/// Something that the operator did, before it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// From where: an address, or the command line.
    pub who: String,
    /// Which: `import`, `jobs`, `export`, `requeue`, `resume`, `ban`, `pardon`, `end`, `prune` or `reset`.
    pub action: &'static str,
    /// A sentence on what it concerned.
    pub detail: String,
}

/// Something that the operator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRow {
    /// Its place in the log.
    pub id: u64,
    /// When.
    pub at: Millis,
    /// From where.
    pub who: String,
    /// Which.
    pub action: String,
    /// What it concerned.
    pub detail: String,
}

/// A part of the results that was looked at, to be pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Jobs whose data was deleted.
    pub jobs: u64,
    /// The cursor of the last result that was looked at; `None`: there was none left.
    pub last: Option<u64>,
}

impl Added {
    /// How many jobs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Jobs that are looked at and put back in one go.
const REQUEUED_AT_ONCE: u32 = 256;

/// The jobs, the workers and what was done. Tokens and secrets are handed in as they are, and only their
/// fingerprints are kept.
///
/// A `token` that is not that of a worker is refused with [`ErrorCode::WorkerUnknown`] wherever
/// nothing else is said.
#[async_trait]
pub trait Store: Send + Sync {
    /// The way to the task that writes, for the operations below.
    fn writer(&self) -> &Writer;

    /// Registers a worker.
    async fn register(&self, mut worker: NewWorker) -> Result<(), StoreError> {
        worker.token = fingerprint(&worker.token);
        self.writer().settle(Operation::Register(worker)).await
    }

    /// Puts back what the worker holds and hands it the next job, under a new lease with this
    /// secret. Jobs that its volunteer gave back come last. Refused with `NoJobs` if none is open.
    async fn claim(&self, token: &str, secret: String) -> Result<Claimed, StoreError> {
        let token = fingerprint(token);
        let claim = Operation::Claim { token, secret };
        let lease: GrantedLease = self.writer().settle(claim).await?;
        Ok(Claimed {
            number: unsigned(lease.number),
            data: lease.data,
        })
    }

    /// Stores the worker's progress line.
    async fn note_progress(&self, token: &str, text: String) -> Result<(), StoreError> {
        let token = fingerprint(token);
        self.writer()
            .settle(Operation::Progress { token, text })
            .await
    }

    /// Takes the output of the worker's job, which must be job `number` if that is given.
    /// Repeating a completion is accepted and counts once.
    async fn complete(
        &self,
        token: &str,
        number: Option<u64>,
        data: String,
    ) -> Result<(), StoreError> {
        let (token, number) = (fingerprint(token), number.map(signed));
        self.writer()
            .settle(Operation::Complete {
                token,
                number,
                data,
            })
            .await
    }

    /// Notes that the input of the worker's job is bad, and lets go of the job.
    async fn flag(&self, token: &str, number: Option<u64>) -> Result<(), StoreError> {
        let (token, number) = (fingerprint(token), number.map(signed));
        self.writer()
            .settle(Operation::Flag { token, number })
            .await
    }

    /// Forgets the worker and puts its job back.
    async fn leave(&self, token: &str) -> Result<(), StoreError> {
        let token = fingerprint(token);
        self.writer().settle(Operation::Leave { token }).await
    }

    /// Makes the ledger agree with what a worker says. Refused with `Superseded` if a later one was
    /// handled before. Inputs that are large together are still to be read, by
    /// [`read_inputs`](Self::read_inputs).
    async fn sync(&self, request: SyncRequest) -> Result<SyncReply, StoreError> {
        let worker = fingerprint(&request.token);
        self.writer()
            .settle(Operation::Sync { worker, request })
            .await
    }

    /// Reads the inputs of an answer that were left out because they are large. Jobs that have none any
    /// more are left out of it: they were taken away since.
    async fn read_inputs(&self, granted: &mut Vec<GrantedLease>) -> Result<(), StoreError> {
        if input_bytes(granted) <= READ_WITH_CHANGES {
            return Ok(());
        }
        let of = granted.iter().map(|lease| (lease.number, lease.stage));
        let found = self.inputs(of.collect()).await?.into_iter();
        let mut found: HashMap<_, _> = found
            .map(|(number, stage, data)| ((number, stage), data))
            .collect();
        granted.retain_mut(|lease| {
            lease.data = found.remove(&(lease.number, lease.stage));
            lease.data.is_some()
        });
        Ok(())
    }

    /// The inputs of jobs at stages, in any order; some may be missing.
    async fn inputs(&self, of: Vec<(i64, Stage)>) -> Result<Vec<(i64, Stage, String)>, StoreError>;

    /// Forgets workers that were not heard from for this long and puts their jobs back; at most
    /// a few hundred at a time, so that others get their turn. Says how many.
    async fn drop_idle(&self, idle: Millis) -> Result<u64, StoreError> {
        self.writer().settle(Operation::DropIdle(idle)).await
    }

    /// Forgets workers that sync and were not heard from for this long, as `drop_idle` does.
    async fn drop_missed(&self, missed: Millis) -> Result<u64, StoreError> {
        self.writer().settle(Operation::DropMissed(missed)).await
    }

    /// Has times that lie in the future count as now. They were written while the clock was ahead, and
    /// what they belong to would outlast its time by as much. Both sweeps do this too.
    async fn correct_times(&self) -> Result<(), StoreError> {
        self.writer().settle(Operation::CorrectTimes).await
    }

    /// Ends the leases of workers that hold them by sync and did not sync for this long; a few
    /// hundred workers at a time. Says how many workers.
    async fn end_leases(&self, lease: Millis) -> Result<u64, StoreError> {
        self.writer().settle(Operation::EndLeases(lease)).await
    }

    /// The jobs that a filter means, by number.
    async fn meant(&self, filter: &RequeueFilter) -> Result<Vec<ToRequeue>, StoreError> {
        let (mut after, mut meant) = (0, std::collections::BTreeMap::new());
        loop {
            let found = self.to_requeue(filter, after, REQUEUED_AT_ONCE).await?;
            let Some(last) = found.last() else {
                return Ok(meant.into_values().collect());
            };
            after = last.cursor;
            meant.extend(found.into_iter().map(|one| (one.job.number, one)));
        }
    }

    /// Has jobs worked on again, with nothing counted against them. Says how many.
    async fn requeue(&self, filter: &RequeueFilter) -> Result<u64, StoreError> {
        if filter.older_than.is_some() {
            self.correct_times().await?;
        }
        let (mut after, mut requeued) = (0, 0);
        loop {
            let found = self.to_requeue(filter, after, REQUEUED_AT_ONCE).await?;
            let Some(last) = found.last() else {
                return Ok(requeued);
            };
            after = last.cursor;
            let list = found.into_iter().map(|one| one.job).collect();
            let count: u64 = self.writer().settle(Operation::Requeue(list)).await?;
            requeued += count;
        }
    }

    /// Has paused stages go on. Says how many were paused.
    async fn resume(&self, stages: &[Stage]) -> Result<u64, StoreError> {
        let stages = stages.iter().copied().collect();
        self.writer().settle(Operation::Resume(stages)).await
    }

    /// Adds jobs at stage `a`, numbered on from the last one. `None` if there were none to add.
    async fn add_jobs(&self, inputs: &[String]) -> Result<Option<Added>, StoreError> {
        if inputs.is_empty() {
            return Ok(None);
        }
        self.writer().add(inputs.to_vec(), None).await
    }

    /// Adds a part of an import, and notes in the same transaction that it is there. `None` if there
    /// was nothing to add: no jobs, or these were added before.
    async fn add_part(
        &self,
        part: ImportPart,
        inputs: &[String],
    ) -> Result<Option<Added>, StoreError> {
        if inputs.is_empty() {
            return Ok(None);
        }
        self.writer().add(inputs.to_vec(), Some(part)).await
    }

    /// Begins an import, or goes on with an unfinished one of the same jobs.
    async fn begin_import(&self, import: &NewImport) -> Result<Import, StoreError>;

    /// Notes that an import is finished.
    async fn end_import(&self, id: i64) -> Result<(), StoreError>;

    /// Imports that were broken off or go on just now, oldest first.
    async fn unfinished_imports(&self) -> Result<Vec<ImportRow>, StoreError>;

    /// Forgets everything.
    async fn wipe(&self) -> Result<(), StoreError> {
        self.writer().wipe().await
    }

    /// Ends workers, by their fingerprints, and takes back what they hold. Says how many there were.
    async fn end_workers(&self, fingerprints: Vec<String>) -> Result<u64, StoreError> {
        self.writer()
            .settle(Operation::EndWorkers(fingerprints))
            .await
    }

    /// Bans somebody: when this has returned, nobody whom it concerns is registered any more. Those who
    /// are registered already stay. `false`: the ban was there, and has a new reason now.
    async fn ban(&self, banned: &Banned, reason: &str) -> Result<bool, StoreError>;

    /// Takes a ban back. `false`: there was none.
    async fn pardon(&self, banned: &Banned) -> Result<bool, StoreError>;

    /// Bans by their names, those behind `after`.
    async fn bans(&self, after: &str, limit: u32) -> Result<Vec<BanRow>, StoreError>;

    /// Workers by their rows, those behind the row `after`.
    async fn registrations(&self, after: i64, limit: u32)
    -> Result<Vec<RegisteredRow>, StoreError>;

    /// Whether there is a worker with this token.
    async fn knows(&self, token: &str) -> Result<bool, StoreError>;

    /// How many jobs are open at a stage.
    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError>;

    /// The counters.
    async fn status(&self) -> Result<Status, StoreError>;

    /// What was made in each of the last minutes, this one included, by minute and stage; minutes
    /// in which a stage made nothing are left out.
    async fn pace(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError>;

    /// The workers of a stage, newest first.
    async fn workers(&self, stage: Stage, page: Page<u64>) -> Result<Vec<WorkerRow>, StoreError>;

    /// The newest worker of this name.
    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError>;

    /// The nicknames, by completed jobs; without the anonymous one.
    async fn leaderboard(&self, page: Page<RankKey>) -> Result<Vec<Rank>, StoreError>;

    /// The rank of whoever stands there, from 1 on. `None`: more than [`MOST_RANKS`] stand before.
    async fn rank(&self, key: &RankKey) -> Result<Option<u64>, StoreError>;

    /// The nicknames of the leaderboard whose look ([`names::look`])
    /// begins like this, by look and by age, from the name with the key `from` on.
    async fn names_like(
        &self,
        look: &str,
        from: Option<NameKey>,
        limit: u32,
    ) -> Result<Vec<Rank>, StoreError>;

    /// What was completed without a nickname.
    async fn completed_unnamed(&self) -> Result<u64, StoreError>;

    /// The nicknames of the leaderboard that had one of these looks first
    /// ([`names::look`]), each with its look.
    async fn first_names(&self, looks: Vec<String>) -> Result<Vec<(String, String)>, StoreError>;

    /// The jobs that wait for the operator, by number.
    async fn set_aside(&self, page: Page<u64>) -> Result<Vec<AsideRow>, StoreError>;

    /// The latest failures, newest first.
    async fn failures(&self, limit: u32) -> Result<Vec<FailureRow>, StoreError>;

    /// All that is known of a job.
    async fn job(&self, number: u64) -> Result<Option<JobRow>, StoreError>;

    /// Outputs of a stage in the order of completion, those behind the cursor `after`. Fewer than
    /// `limit` may come although there are more, if they are large; none means the end.
    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError>;

    /// The outputs of a stage for these jobs, those that there are, in the order of completion. Some
    /// may be left out if they are large: the last ones.
    async fn results_of(&self, stage: Stage, numbers: &[u64]) -> Result<Vec<Output>, StoreError>;

    /// As [`results`](Self::results), but cursors and numbers alone.
    async fn result_numbers(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, u64)>, StoreError>;

    /// A page of the jobs that a filter means, each with a cursor for the next page's `after`.
    async fn to_requeue(
        &self,
        filter: &RequeueFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ToRequeue>, StoreError>;

    /// Where these jobs are, by number; those that do not exist are left out.
    async fn whereabouts(&self, numbers: &[u64]) -> Result<Vec<Whereabouts>, StoreError>;

    /// Deletes the texts and the leases of closed jobs whose result at this stage has a cursor
    /// behind `after` and before `before`; looks at `limit` results at most. The jobs themselves
    /// stay, and so do the counters and the leaderboard.
    async fn prune(
        &self,
        stage: Stage,
        after: u64,
        before: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError>;

    /// Gives back what the database needs for itself and can do without, where a disk is full.
    async fn make_room(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Writes down what the operator does.
    async fn note_action(&self, action: &Action) -> Result<(), StoreError>;

    /// What the operator did, oldest first, behind the place `after`.
    async fn actions(&self, after: u64, limit: u32) -> Result<Vec<ActionRow>, StoreError>;

    /// Finishes what was begun and closes the database.
    async fn close(&self);
}

/// Inputs of one answer that together are larger than this are not read in the transaction that
/// hands the jobs out.
pub const READ_WITH_CHANGES: u64 = 64 * 1_024;

/// How many bytes these inputs have, as far as that is known or they are read.
#[must_use]
pub fn input_bytes(granted: &[GrantedLease]) -> u64 {
    let read = |lease: &GrantedLease| lease.data.as_ref().map(|data| data.len() as u64);
    let bytes = granted
        .iter()
        .filter_map(|lease| lease.bytes.or(read(lease)));
    bytes.sum()
}

/// The key of the first name that a search finds: its look, its age, itself.
fn first_like(look: &str, from: Option<NameKey>) -> (String, Millis, String) {
    match from {
        Some(key) => (names::look(&key.nickname), key.since, key.nickname),
        None => (look.to_owned(), Millis::MIN, String::new()),
    }
}

/// What lies behind all looks that begin like this, byte by byte: no text goes on with a higher
/// character.
fn end_of_looks(look: &str) -> String {
    format!("{look}{}", char::MAX)
}

/// How a stage stands in the tables.
fn column(stage: Stage) -> i64 {
    i64::try_from(stage.index()).unwrap_or(0)
}

/// What a stage of the tables is.
fn stage_of(index: i64) -> Result<Stage, StoreError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| Stage::ALL.get(index).copied())
        .ok_or_else(|| StoreError::Failed(format!("there is no stage {index}")))
}

/// A count or number as the rest of the program has it; the tables hold none below zero.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number from outside as the tables have it; none is too large to be simply unknown.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
