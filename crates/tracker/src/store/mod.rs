//! What the tracker keeps, behind one trait. SQL stands here and nowhere else.
//!
//! An operation is one transaction: it happens as a whole or not at all, and when it has returned
//! `Ok` it is on disk. What an operation decides follows `rules`; times come from the store's own
//! clock, so that several trackers on one database agree on them.

pub mod sqlite;

use async_trait::async_trait;
use distcompute_protocol::{ErrorCode, Stage};

use crate::clock::Millis;

/// Why an operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The rules of the protocol forbid it; nothing changed.
    #[error("refused: {}", .0.as_str())]
    Refused(ErrorCode),
    /// The database cannot be written or read just now. The same call may go through later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A fault of the database or of this program.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// What the store must know of the project's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreRules {
    /// The last enabled stage: its output closes the job.
    pub last_stage: Stage,
    /// Flags by distinct volunteers that send a job back.
    pub invalid_after: u32,
}

/// A registration.
#[derive(Debug, Clone)]
pub struct NewWorker {
    /// The secret that the worker will be known by.
    pub token: String,
    /// Its public name.
    pub display_name: String,
    /// Its owner's name.
    pub nickname: String,
    /// Where it works.
    pub stage: Stage,
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
}

/// The state of the project, read from counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// When this was read.
    pub now: Millis,
    /// All jobs.
    pub jobs: u64,
    /// Jobs that went through all stages.
    pub closed: u64,
    /// Per stage, `a` to `e`, enabled or not.
    pub stages: [StageCounts; 5],
    /// How many seconds `recent` covers.
    pub window_s: u64,
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
    /// Its public name.
    pub display_name: String,
    /// Its owner's name.
    pub nickname: String,
    /// The job that it holds.
    pub job: Option<u64>,
    /// Its last progress line.
    pub progress: String,
    /// Jobs that it completed.
    pub completed: u64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it was last heard from.
    pub last_seen: Millis,
}

/// A line of the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rank {
    /// The nickname.
    pub nickname: String,
    /// Jobs completed under it.
    pub completed: u64,
}

/// A job that waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRow {
    /// The job's number.
    pub number: u64,
    /// Where it was set aside.
    pub stage: Stage,
    /// Why.
    pub reason: String,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many to pass over.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u32,
}

/// Numbers that were given to added jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

impl Added {
    /// How many jobs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// The jobs, the workers and the books.
///
/// A `token` that is not that of a worker is refused with [`ErrorCode::WorkerUnknown`] wherever
/// nothing else is said.
#[async_trait]
pub trait Store: Send + Sync {
    /// Registers a worker.
    async fn register(&self, worker: NewWorker) -> Result<(), StoreError>;

    /// Whether there is a worker with this token.
    async fn knows(&self, token: &str) -> Result<bool, StoreError>;

    /// How many jobs are open at a stage.
    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError>;

    /// Puts back what the worker holds and hands it the next job, under a new lease with this
    /// secret. Jobs that its volunteer gave back come last. Refused with `NoJobs` if none is open.
    async fn claim(&self, token: &str, lease_secret: String) -> Result<Claimed, StoreError>;

    /// Stores the worker's progress line.
    async fn note_progress(&self, token: &str, progress: String) -> Result<(), StoreError>;

    /// Takes the output of the worker's job, which must be job `number` if that is given.
    /// Repeating a completion is accepted and counts once.
    async fn complete(
        &self,
        token: &str,
        number: Option<u64>,
        data: String,
    ) -> Result<(), StoreError>;

    /// Notes that the input of the worker's job is bad, and lets go of the job.
    async fn flag(&self, token: &str, number: Option<u64>) -> Result<(), StoreError>;

    /// Forgets the worker and puts its job back.
    async fn leave(&self, token: &str) -> Result<(), StoreError>;

    /// Forgets workers that were not heard from for this long and puts their jobs back; at most
    /// a few hundred at a time, so that others get their turn. Says how many.
    async fn drop_idle(&self, idle: Millis) -> Result<u64, StoreError>;

    /// The counters.
    async fn status(&self) -> Result<Status, StoreError>;

    /// What was made in each of the last minutes, this one included, by minute and stage; minutes
    /// in which a stage made nothing are left out.
    async fn pace(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError>;

    /// The workers of a stage, newest first.
    async fn workers(&self, stage: Stage, page: Page) -> Result<Vec<WorkerRow>, StoreError>;

    /// The newest worker of this name.
    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError>;

    /// The nicknames, by completed jobs.
    async fn leaderboard(&self, page: Page) -> Result<Vec<Rank>, StoreError>;

    /// The jobs that wait for the operator, by number.
    async fn set_aside(&self, page: Page) -> Result<Vec<AsideRow>, StoreError>;

    /// Outputs of a stage in the order of completion, those behind the cursor `after`. Fewer than
    /// `limit` may come although there are more, if they are large; none means the end.
    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError>;

    /// Adds jobs at stage `a`, numbered on from the last one. `None` if there were none to add.
    async fn add_jobs(&self, inputs: &[String]) -> Result<Option<Added>, StoreError>;

    /// Forgets everything.
    async fn wipe(&self) -> Result<(), StoreError>;

    /// Finishes what was begun and closes the database.
    async fn close(&self);
}
