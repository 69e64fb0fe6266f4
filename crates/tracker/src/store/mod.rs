//! Persistence, behind the trait [`Store`]. SQL is found in this module only.
//!
//! Every operation is atomic, and once it has returned `Ok` it is on disk. The `ledger` decides
//! what an operation does; a store reads and writes for it ([`Database`]) and answers queries.
//! Times come from the database's clock, so that several trackers on one database agree.

mod columns;
pub mod copy;
mod costly;
mod database;
mod fault;
mod files;
mod imports;
pub mod postgres;
mod requeue;
mod rows;
pub mod sqlite;
mod writer;

use std::collections::HashMap;

use async_trait::async_trait;
use distcompute_protocol::{ErrorCode, Stage, SyncRequest};

use self::rows::public_name;
pub use self::{
    database::Database,
    files::{
        FileLease, FileRows, FileTotals, GRANT_LASTS, GrantCursor, JobFile, NewFile, Recorded,
        SweptGrants,
    },
    imports::{
        Added, Import, ImportPart, ImportRow, KEY_AGE, KEYS, NewImport, PartPlace, place_of_part,
    },
    requeue::{Candidate, Move, RequeueFilter, ResultLease, States, ToRequeue},
    rows::{
        Action, ActionRow, AsideRow, BanRow, BrowserPair, CountedRow, FailureRow, Input,
        JOB_LEASES, JobLease, JobRow, JobText, MOST_FAILING, MOST_RANKS, MinuteRow, NameKey,
        Output, Page, Paused, Pruned, Rank, RankKey, RegisteredRow, Retraction, SHOWN_TEXT,
        StageCounts, Start, Status, TrustRow, Whereabouts, Which, WorkerRow,
    },
    writer::Writer,
};
pub use crate::ledger::{
    End, Failure, GrantedLease, LatestResult, NewWorker, Pause, ProvenKey, Recalled, Requeued,
    Rules as StoreRules, State, SyncReply,
};
use crate::{
    clock::Millis,
    ledger::Operation,
    rules::{
        bans::Banned,
        names,
        secrets::fingerprint,
        trust::{Policy, Trust},
    },
};

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The rules of the protocol forbid it; nothing has changed.
    #[error("refused: {}", .0.as_str())]
    Refused(ErrorCode),
    /// The database is temporarily unavailable. The same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The tracker is overloaded. The same call may succeed later.
    #[error("too many operations are waiting")]
    Busy,
    /// The transaction was rolled back because of a concurrent one; nothing has changed.
    #[error("the transaction conflicted with another one: {0}")]
    Conflict(String),
    /// The database does not accept a value; nothing has changed, and retrying does not help.
    #[error("the database does not accept a value: {0}")]
    BadData(String),
    /// An internal error of the database or of this program.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// How many jobs are requeued in one transaction, and how many are read at once to find them.
pub const REQUEUED_AT_ONCE: usize = 256;
const EXAMINED_AT_ONCE: usize = 2_048;

/// How many jobs are put back from the lane in one transaction.
const RECONSIDERED_AT_ONCE: u32 = 128;

/// The jobs, the workers and the operator's log. Tokens and lease secrets are passed in as they
/// are; only their fingerprints are stored.
///
/// Unless stated otherwise, an operation with an unknown `token` is refused with
/// [`ErrorCode::WorkerUnknown`].
#[async_trait]
pub trait Store: FileRows {
    /// The handle of the writing task, which the default methods below use.
    fn writer(&self) -> &Writer;

    /// Registers a worker.
    async fn register(&self, mut worker: NewWorker) -> Result<(), StoreError> {
        worker.token = fingerprint(&worker.token);
        self.writer().settle(Operation::Register(worker)).await
    }

    /// Puts back what the worker holds and hands it the next job, under a new lease with this
    /// secret. Jobs that its volunteer has given back come last. Refused with `NoJobs` if none is
    /// open. If the input is large, it is left out and must be read with
    /// [`read_inputs`](Self::read_inputs).
    async fn claim(&self, token: &str, secret: String) -> Result<GrantedLease, StoreError> {
        let token = fingerprint(token);
        let claim = Operation::Claim { token, secret };
        self.writer().settle(claim).await
    }

    /// Stores the worker's progress line.
    async fn note_progress(&self, token: &str, text: String) -> Result<(), StoreError> {
        let token = fingerprint(token);
        self.writer()
            .settle(Operation::Progress { token, text })
            .await
    }

    /// Accepts the output of the worker's job, which must be job `number` if that is given. A
    /// repeated completion is accepted and counts once.
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

    /// Flags the input of the worker's job as bad, and takes the job from the worker.
    async fn flag(&self, token: &str, number: Option<u64>) -> Result<(), StoreError> {
        let (token, number) = (fingerprint(token), number.map(signed));
        self.writer()
            .settle(Operation::Flag { token, number })
            .await
    }

    /// Removes the worker and puts its job back.
    async fn leave(&self, token: &str) -> Result<(), StoreError> {
        let token = fingerprint(token);
        self.writer().settle(Operation::Leave { token }).await
    }

    /// Reconciles the ledger with what a worker reports. Refused with `Superseded` if a later sync
    /// was handled before. If the granted inputs are large, they are left out and must be read with
    /// [`read_inputs`](Self::read_inputs).
    async fn sync(&self, request: SyncRequest) -> Result<SyncReply, StoreError> {
        let worker = fingerprint(&request.token);
        self.writer()
            .settle(Operation::Sync { worker, request })
            .await
    }

    /// Reads the inputs of granted jobs that were left out because they are large. Jobs whose input
    /// no longer exists, because they were taken away since, are removed from the list.
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

    /// Reads the inputs of jobs at stages, in any order; some may be missing.
    async fn inputs(&self, of: Vec<(i64, Stage)>) -> Result<Vec<(i64, Stage, String)>, StoreError>;

    /// Removes workers that have made no call for this long and puts their jobs back, a few hundred
    /// at a time so that other operations get their turn. Returns how many.
    async fn drop_idle(&self, idle: Millis) -> Result<u64, StoreError> {
        self.writer().settle(Operation::DropIdle(idle)).await
    }

    /// Removes workers that use sync and have made no call for this long, as `drop_idle` does.
    async fn drop_missed(&self, missed: Millis) -> Result<u64, StoreError> {
        self.writer().settle(Operation::DropMissed(missed)).await
    }

    /// Sets times that lie in the future to now. They were recorded while the clock was ahead, and
    /// would extend the time limits of their rows by as much. Both sweeps do this too.
    async fn correct_times(&self) -> Result<(), StoreError> {
        self.writer().settle(Operation::CorrectTimes).await
    }

    /// Ends the leases of workers that use sync and have not synced for this long, a few hundred
    /// workers at a time. Returns how many workers.
    async fn end_leases(&self, lease: Millis) -> Result<u64, StoreError> {
        self.writer().settle(Operation::EndLeases(lease)).await
    }

    /// The numbers of the jobs that a filter may match, in parts that are examined at once.
    async fn parts(
        &self,
        filter: &RequeueFilter,
    ) -> Result<Box<dyn Iterator<Item = Vec<i64>> + Send>, StoreError> {
        let jobs = self.status().await?.jobs;
        Ok(Box::new(filter.parts(jobs, EXAMINED_AT_ONCE)))
    }

    /// Lists those of these jobs that a filter matches, by number.
    async fn to_requeue(
        &self,
        filter: &RequeueFilter,
        numbers: &[i64],
    ) -> Result<Vec<ToRequeue>, StoreError> {
        let candidates = self.candidates(filter, numbers).await?;
        let decided = candidates
            .into_iter()
            .filter_map(|job| Some((job, filter.decide(&job)?)));
        let decided: Vec<(Candidate, Move)> = decided.collect();
        let discarded = decided.iter().filter_map(|(job, what)| match what {
            Move::Reopen => None,
            Move::Discard { stage, .. } => Some((job.number, *stage)),
        });
        let leases = self.result_leases(discarded.collect()).await?;
        let leases: HashMap<i64, ResultLease> =
            leases.into_iter().map(|one| (one.number, one)).collect();
        let matching = decided.into_iter().filter_map(|(job, what)| {
            let requeued = |lease| Requeued {
                number: job.number,
                round: job.round,
                state: job.state,
                lease,
            };
            Some(match what {
                Move::Reopen => ToRequeue {
                    job: requeued(None),
                    from: None,
                    results: None,
                },
                Move::Discard { stage, last } => {
                    // A job that was pruned has no leases.
                    let result = leases.get(&job.number)?;
                    ToRequeue {
                        job: requeued(Some(result.lease)),
                        from: Some((result.address.clone(), result.at)),
                        results: Some((stage, last)),
                    }
                }
            })
        });
        Ok(matching.collect())
    }

    /// Lists the jobs that a filter matches, by number.
    async fn matching(&self, filter: &RequeueFilter) -> Result<Vec<ToRequeue>, StoreError> {
        let mut matching = Vec::new();
        for part in self.parts(filter).await? {
            matching.extend(self.to_requeue(filter, &part).await?);
        }
        Ok(matching)
    }

    /// Requeues the jobs that a filter matches, with nothing counted against them. Returns how many.
    async fn requeue(&self, filter: &RequeueFilter) -> Result<u64, StoreError> {
        if filter.older_than.is_some() {
            self.correct_times().await?;
        }
        let mut requeued = 0;
        for part in self.parts(filter).await? {
            let found = self.to_requeue(filter, &part).await?;
            for jobs in found.chunks(REQUEUED_AT_ONCE) {
                let jobs = jobs.iter().map(|one| one.job).collect();
                requeued += self.requeue_jobs(jobs).await?;
            }
        }
        Ok(requeued)
    }

    /// Requeues jobs that were selected, in one transaction. Those that have changed since stay as
    /// they are. Returns how many were requeued.
    async fn requeue_jobs(&self, jobs: Vec<Requeued>) -> Result<u64, StoreError> {
        self.writer().settle(Operation::Requeue(jobs)).await
    }

    /// Has closed jobs go on at the stage after the one that closed them, in one transaction. Those
    /// that have changed since they were selected stay as they are. Returns how many go on.
    async fn reopen_jobs(&self, jobs: Vec<LatestResult>) -> Result<u64, StoreError> {
        self.writer().settle(Operation::Reopen(jobs)).await
    }

    /// Closes jobs that wait at the stage after the one that made their latest result, in one
    /// transaction. Those that have changed since they were selected stay as they are. Returns how
    /// many were closed.
    async fn close_jobs(&self, jobs: Vec<LatestResult>) -> Result<u64, StoreError> {
        self.writer().settle(Operation::Close(jobs)).await
    }

    /// Makes some results again that count on the word of a volunteer alone of whom another result was
    /// found wrong, at most `limit`. Returns how many rows were looked at; 0 if there is no such volunteer.
    async fn recall(&self, limit: u32) -> Result<u64, StoreError> {
        let trust = self.writer().trust();
        match self.doubted(trust, limit).await? {
            Some(recalled) => self.writer().settle(Operation::Recall(recalled)).await,
            None => Ok(0),
        }
    }

    /// Puts some jobs back into their queues whose opinions are of no use any more: of another version
    /// of the application, or of a stage whose results are not checked. Returns how many.
    async fn reconsider(&self, trust: Trust) -> Result<u64, StoreError> {
        let mut found = Vec::new();
        for (stage, policy) in Stage::ALL.into_iter().zip(trust.policies) {
            let version = (policy != Policy::Off).then_some(trust.version);
            found.extend(self.stale(stage, version, RECONSIDERED_AT_ONCE).await?);
            // The operator's worker would have decided.
            if trust.operators.is_empty() {
                found.extend(self.undecided(stage, RECONSIDERED_AT_ONCE).await?);
            }
        }
        if found.is_empty() {
            return Ok(0);
        }
        self.writer().settle(Operation::Reconsider(found)).await
    }

    /// Finds a volunteer whose results are to be made again, or that was put on hold and has confirmed
    /// results of others, and some of these.
    async fn doubted(&self, trust: Trust, limit: u32) -> Result<Option<Recalled>, StoreError>;

    /// Finds jobs of a stage that wait with as many opinions as a job is given.
    async fn undecided(&self, stage: Stage, limit: u32) -> Result<Vec<i64>, StoreError>;

    /// Finds jobs of a stage in the lane whose opinions are not of this version.
    async fn stale(
        &self,
        stage: Stage,
        version: Option<&'static str>,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError>;

    /// Puts a volunteer on hold at all stages, with the version of the application and with those with
    /// which it has worked, and has what counts on its word alone made again; or ends that, and it
    /// begins anew. Returns at how many stages and versions.
    async fn hold(&self, volunteer: &str, holds: bool) -> Result<u64, StoreError>;

    /// What is known of volunteers, by their names, from the one after `after` on.
    async fn trusted(&self, which: &Which) -> Result<Vec<TrustRow>, StoreError>;

    /// Lists the kinds of browsers of which outputs differed, those first of which most did.
    async fn browser_pairs(&self, limit: u32) -> Result<Vec<BrowserPair>, StoreError>;

    /// Lists results of a stage that no longer count, in the order in which they ceased to, after the
    /// cursor `after`.
    async fn retractions(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Retraction>, StoreError>;

    /// Those of these jobs whose result at a stage counts on the word of one volunteer.
    async fn unconfirmed(&self, stage: Stage, numbers: Vec<u64>) -> Result<Vec<u64>, StoreError>;

    /// Pauses stages, with a message for volunteers. Returns how many were not paused by the operator
    /// before.
    async fn pause(&self, stages: &[Stage], message: &str) -> Result<u64, StoreError> {
        let stages = stages.iter().copied().collect();
        let operation = Operation::Pause(stages, message.to_owned());
        self.writer().settle(operation).await
    }

    /// Resumes paused stages. Returns how many were paused.
    async fn resume(&self, stages: &[Stage]) -> Result<u64, StoreError> {
        let stages = stages.iter().copied().collect();
        self.writer().settle(Operation::Resume(stages)).await
    }

    /// Adds jobs at stage `a`, with consecutive numbers after the last one. Returns `None` if
    /// `inputs` is empty.
    async fn add_jobs(&self, inputs: &[String]) -> Result<Option<Added>, StoreError> {
        if inputs.is_empty() {
            return Ok(None);
        }
        self.writer().add(inputs.to_vec(), None).await
    }

    /// Adds a part of an import, and records that in the same transaction. Returns `None` if there
    /// was nothing to add, because the part is empty or has been added before.
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

    /// Begins an import, or continues an unfinished one of the same jobs. With an idempotency key,
    /// finds the import with this key, finished or not; refused with [`ErrorCode::KeyReused`] if that
    /// has other jobs. Keys beyond [`KEY_AGE`] and [`KEYS`] are forgotten.
    async fn begin_import(&self, import: &NewImport) -> Result<Import, StoreError>;

    /// Returns the numbers of the jobs of an import with an idempotency key, in the order of the
    /// jobs.
    async fn import_numbers(&self, id: i64) -> Result<Vec<Added>, StoreError>;

    /// Records that an import is finished.
    async fn end_import(&self, id: i64) -> Result<(), StoreError>;

    /// Lists imports that were interrupted or are running, oldest first.
    async fn unfinished_imports(&self) -> Result<Vec<ImportRow>, StoreError>;

    /// Deletes all data.
    async fn wipe(&self) -> Result<(), StoreError> {
        self.writer().wipe().await
    }

    /// Ends the workers with these fingerprints and takes back their jobs. Returns how many there
    /// were.
    async fn end_workers(&self, fingerprints: Vec<String>) -> Result<u64, StoreError> {
        self.writer()
            .settle(Operation::EndWorkers(fingerprints))
            .await
    }

    /// Adds a ban. Once this has returned, no new registration that it concerns succeeds; workers
    /// registered before stay. Returns `false` if the ban existed already and only its reason was
    /// updated.
    async fn ban(&self, banned: &Banned, reason: &str) -> Result<bool, StoreError>;

    /// Lifts a ban. Returns `false` if there was none.
    async fn pardon(&self, banned: &Banned) -> Result<bool, StoreError>;

    /// Lists bans by name, beginning after `after`.
    async fn bans(&self, after: &str, limit: u32) -> Result<Vec<BanRow>, StoreError>;

    /// Lists workers by row id, beginning after `after`.
    async fn registrations(&self, after: i64, limit: u32)
    -> Result<Vec<RegisteredRow>, StoreError>;

    /// Returns the tracker's secret of this name; `fresh` is kept if there is none.
    async fn tracker_key(&self, name: &str, fresh: &str) -> Result<String, StoreError>;

    /// Keeps a code by which the key that was proved may be linked until `expires_at`; it replaces the
    /// code of the same key. `code` is its fingerprint.
    async fn offer_link(
        &self,
        proven: &ProvenKey,
        code: &str,
        expires_at: Millis,
    ) -> Result<(), StoreError>;

    /// Links the key that offers the code with this fingerprint to the identity of the key that was
    /// proved, also for the workers that it has. Returns the sentence of a refusal, if there is one.
    async fn link(
        &self,
        proven: &ProvenKey,
        code: &str,
        now: Millis,
    ) -> Result<Option<&'static str>, StoreError>;

    /// Returns the tracker's secret of this name, if there is one.
    async fn kept_tracker_key(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Returns the identity of the key that a worker registered with; `None` if there is no worker with
    /// this token.
    async fn worker_key(&self, token: &str) -> Result<Option<Option<String>>, StoreError>;

    /// Lists the results of the volunteer with this key that count, in the order in which they began to
    /// count, after the cursor `after`. Fewer than `limit` may be returned although there are more, if
    /// they are large; an empty list means the end.
    async fn counted(
        &self,
        key: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<CountedRow>, StoreError>;

    /// Whether there is a worker with this token.
    async fn knows(&self, token: &str) -> Result<bool, StoreError>;

    /// How many jobs are open at a stage.
    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError>;

    /// Reads the counters.
    async fn status(&self) -> Result<Status, StoreError>;

    /// Lists the outputs of each of the last `minutes` minutes including the current one, by minute
    /// and stage. Minutes without an output are left out.
    async fn throughput(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError>;

    /// Lists the workers of a stage, newest first.
    async fn workers(&self, stage: Stage, page: Page<u64>) -> Result<Vec<WorkerRow>, StoreError>;

    /// Returns the newest worker with this name.
    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError>;

    /// Lists the nicknames by completed jobs, without the anonymous one.
    async fn leaderboard(&self, page: Page<RankKey>) -> Result<Vec<Rank>, StoreError>;

    /// Returns the rank of the nickname with this key, from 1 on, or `None` if more than
    /// [`MOST_RANKS`] precede it.
    async fn rank(&self, key: &RankKey) -> Result<Option<u64>, StoreError>;

    /// Searches the leaderboard for nicknames whose look ([`names::look`]) begins with `look`,
    /// sorted by look and age, from the key `from` on.
    async fn names_like(
        &self,
        look: &str,
        from: Option<NameKey>,
        limit: u32,
    ) -> Result<Vec<Rank>, StoreError>;

    /// Returns how many jobs were completed anonymously.
    async fn completed_unnamed(&self) -> Result<u64, StoreError>;

    /// For each of these looks ([`names::look`]), returns the nickname of the leaderboard that had
    /// it first, together with the look.
    async fn first_names(&self, looks: Vec<String>) -> Result<Vec<(String, String)>, StoreError>;

    /// Lists the jobs that are set aside, by number.
    async fn set_aside(&self, page: Page<u64>) -> Result<Vec<AsideRow>, StoreError>;

    /// Lists the latest failures, newest first.
    async fn failures(&self, limit: u32) -> Result<Vec<FailureRow>, StoreError>;

    /// Returns everything that is known about a job.
    async fn job(&self, number: u64) -> Result<Option<JobRow>, StoreError>;

    /// Lists the outputs of a stage in the order of completion, after the cursor `after`. Fewer
    /// than `limit` may be returned although there are more, if they are large; an empty list means
    /// the end.
    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError>;

    /// Returns the existing outputs of a stage for these jobs, in the order of completion. If they
    /// are large, the last ones may be left out.
    async fn results_of(&self, stage: Stage, numbers: &[u64]) -> Result<Vec<Output>, StoreError>;

    /// Like [`results`](Self::results), but returns only cursors and numbers.
    async fn result_numbers(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, u64)>, StoreError>;

    /// Reads these jobs, by number, without those that are too young for a filter, and finds which of
    /// their results fulfil its conditions. Its other conditions are not applied.
    async fn candidates(
        &self,
        filter: &RequeueFilter,
        numbers: &[i64],
    ) -> Result<Vec<Candidate>, StoreError>;

    /// Finds the leases of the results of jobs at stages. Results that do not count any more must not
    /// be asked for; those of pruned jobs are left out.
    async fn result_leases(&self, of: Vec<(i64, Stage)>) -> Result<Vec<ResultLease>, StoreError>;

    /// Returns the states of these jobs, by number; those that do not exist are left out.
    async fn whereabouts(&self, numbers: &[u64]) -> Result<Vec<Whereabouts>, StoreError>;

    /// Deletes the texts and the leases of closed jobs whose result at this stage has a cursor
    /// after `after` and before `before`, examining at most `limit` results. The jobs themselves
    /// stay, as do the counters and the leaderboard.
    async fn prune(
        &self,
        stage: Stage,
        after: u64,
        before: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError>;

    /// Frees disk space that the database holds and can do without, for when the disk is full.
    async fn make_room(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Records an action of the operator.
    async fn note_action(&self, action: &Action) -> Result<(), StoreError>;

    /// Lists the operator's actions, oldest first, after the position `after`.
    async fn actions(&self, after: u64, limit: u32) -> Result<Vec<ActionRow>, StoreError>;

    /// Finishes what is queued and closes the database.
    async fn close(&self);
}

/// If the inputs of an answer are larger than this together, as far as their sizes are known
/// beforehand, they are not read within the transaction that grants the jobs; nor is any input that
/// is larger by itself.
pub const READ_WITH_CHANGES: u64 = 64 * 1_024;

/// The total size of these inputs in bytes, as far as it is known or they have been read.
#[must_use]
pub fn input_bytes(granted: &[GrantedLease]) -> u64 {
    let read = |lease: &GrantedLease| lease.data.as_ref().map(|data| data.len() as u64);
    let bytes = granted
        .iter()
        .filter_map(|lease| lease.bytes.or(read(lease)));
    bytes.sum()
}

/// The key at which a search begins: look, age and nickname.
fn first_like(look: &str, from: Option<NameKey>) -> (String, Millis, String) {
    match from {
        Some(key) => (names::look(&key.nickname), key.since, key.nickname),
        None => (look.to_owned(), Millis::MIN, String::new()),
    }
}

/// The upper bound of all looks that begin with `look`, in byte order: no text continues with a
/// higher character.
fn end_of_looks(look: &str) -> String {
    format!("{look}{}", char::MAX)
}

/// The value of a stage in the tables.
fn column(stage: Stage) -> i64 {
    i64::try_from(stage.index()).unwrap_or(0)
}

/// The stage of a value from the tables.
fn stage_of(index: i64) -> Result<Stage, StoreError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| Stage::ALL.get(index).copied())
        .ok_or_else(|| StoreError::Failed(format!("there is no stage {index}")))
}

/// The state of a value from the tables.
fn state_of(word: &str) -> Result<State, StoreError> {
    State::from_word(word).ok_or_else(|| StoreError::Failed(format!("there is no state {word:?}")))
}

/// Converts a count or number from the tables, where none is negative.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Converts a number from outside. One beyond the tables' range becomes the largest value, which no
/// row has.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
