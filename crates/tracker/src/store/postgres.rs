//! The PostgreSQL store: opening the database, and the implementation of [`Store`]. As for SQLite,
//! `load` and `save` serve the ledger, `jobs` adds and deletes jobs, and the other modules serve pages,
//! the operator and exports.
//!
//! Any number of trackers share one database: no state that another tracker needs is kept in the
//! process, and times come from the database's clock.

mod address;
mod admin;
mod candidates;
mod connection;
mod copy;
mod files;
mod job_pages;
mod jobs;
mod leaderboard;
mod links;
mod load;
mod results;
mod rows;
mod save;
mod status;
mod tables;
mod throughput;
mod votes;
mod workers;

use std::sync::Arc;

use async_trait::async_trait;
use distcompute_protocol::Stage;
use sqlx::PgPool;

pub use self::{
    address::Address,
    copy::{CopySource, CopyTarget},
    tables::Tables,
};
use super::{
    Action, ActionRow, Added, AsideRow, BanRow, BrowserPair, Candidate, CountedRow, FailureRow,
    Import, ImportRow, JobRow, MinuteRow, NameKey, NewImport, Output, Page, ProvenKey, Pruned,
    Rank, RankKey, Recalled, RegisteredRow, RequeueFilter, ResultLease, Retraction, Status, Store,
    StoreError, StoreRules, TrustRow, Whereabouts, Which, WorkerRow, Writer, costly::CostlyCount,
    signed,
};
use crate::{
    clock::{Clock, Millis},
    rules::{bans::Banned, trust::Trust},
};

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    writer: Writer,
    readers: PgPool,
    /// A single connection for the operator's calls.
    admin: PgPool,
    /// Set in tests only; otherwise the time is the database's.
    clock: Option<Arc<dyn Clock>>,
    volunteers: CostlyCount,
}

impl PostgresStore {
    /// Opens the database and migrates its tables. Times come from the database's clock, unless a
    /// test passes another one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached or was written by a later version.
    pub async fn open(
        address: &Address,
        rules: StoreRules,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<Self, StoreError> {
        let writer = Writer::on_a_thread(rules)?;
        let start = |tables: Tables| writer(tables.disconnected());
        let store = Self::open_with(address, clock, start).await?;
        // Has the writer connect, which keeps copies from overwriting the database. If it cannot, its
        // first operation says so; on a full disk, the operator can still prune.
        let _ = store.writer.check().await;
        Ok(store)
    }

    /// Like [`open`](Self::open), but the caller starts the writer: the simulation inserts itself
    /// between the writer and the tables.
    ///
    /// # Errors
    /// Same as [`open`](Self::open).
    pub async fn open_with(
        address: &Address,
        clock: Option<Arc<dyn Clock>>,
        start: impl FnOnce(Tables) -> Writer,
    ) -> Result<Self, StoreError> {
        let mut connection = connection::connect(address).await?;
        connection::prepare(&mut connection).await?;
        let tables = Tables::new(address.clone(), connection, clock.clone());
        Ok(Self {
            writer: start(tables),
            readers: connection::pool(address, connection::READERS),
            admin: connection::pool(address, 1),
            clock,
            volunteers: CostlyCount::default(),
        })
    }

    /// The writer's frequent statements, for the test that examines their query plans.
    #[doc(hidden)]
    pub const WRITER_STATEMENTS: [&str; 10] = [
        load::QUEUE,
        load::DRAW,
        load::WORKERS,
        load::JOBS,
        load::LEASES,
        load::PAST,
        load::INPUTS,
        load::INPUTS_UP_TO,
        save::ROWS,
        save::COUNTERS,
    ];

    /// The settings under which they run.
    #[doc(hidden)]
    pub const WRITER_SETTINGS: &str = connection::WRITING;

    /// The pages' statements, for the same test.
    #[doc(hidden)]
    pub const READER_STATEMENTS: [&str; 14] = [
        workers::WORKERS,
        workers::WORKERS_FROM,
        workers::WORKERS_BEFORE,
        leaderboard::LEADERBOARD,
        leaderboard::RANKS_EQUAL_FROM,
        leaderboard::RANKS_EQUAL_BEFORE,
        leaderboard::RANKS_LOWER,
        leaderboard::RANKS_HIGHER,
        leaderboard::RANK,
        leaderboard::NAMES_LIKE,
        job_pages::ASIDE,
        job_pages::ASIDE_FROM,
        job_pages::ASIDE_BEFORE,
        results::RESULTS,
    ];

    /// The reading connections, for that test.
    #[doc(hidden)]
    #[must_use]
    pub fn readers(&self) -> &PgPool {
        &self.readers
    }

    fn now(&self) -> Option<Millis> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn writer(&self) -> &Writer {
        &self.writer
    }

    async fn knows(&self, token: &str) -> Result<bool, StoreError> {
        status::knows(&self.readers, token).await
    }

    async fn offer_link(
        &self,
        proven: &ProvenKey,
        code: &str,
        expires_at: Millis,
    ) -> Result<(), StoreError> {
        links::offer(&self.admin, proven, code, expires_at).await
    }

    async fn link(
        &self,
        proven: &ProvenKey,
        code: &str,
        now: Millis,
    ) -> Result<Option<&'static str>, StoreError> {
        links::link(&self.admin, proven, code, now).await
    }

    async fn kept_tracker_key(&self, name: &str) -> Result<Option<String>, StoreError> {
        admin::kept_tracker_key(&self.readers, name).await
    }

    async fn worker_key(&self, token: &str) -> Result<Option<Option<String>>, StoreError> {
        status::worker_key(&self.readers, token).await
    }

    async fn counted(
        &self,
        key: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<CountedRow>, StoreError> {
        results::counted(&self.readers, key, after, limit).await
    }

    async fn inputs(&self, of: Vec<(i64, Stage)>) -> Result<Vec<(i64, Stage, String)>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        load::inputs(&mut connection, &of).await
    }

    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError> {
        status::open_jobs(&self.readers, stage).await
    }

    async fn status(&self) -> Result<Status, StoreError> {
        status::status(&self.readers, self.now(), &self.volunteers).await
    }

    async fn throughput(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError> {
        throughput::throughput(&self.readers, self.now(), minutes).await
    }

    async fn workers(&self, stage: Stage, page: Page<u64>) -> Result<Vec<WorkerRow>, StoreError> {
        workers::workers(&self.readers, stage, page).await
    }

    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError> {
        workers::worker(&self.readers, stage, name).await
    }

    async fn leaderboard(&self, page: Page<RankKey>) -> Result<Vec<Rank>, StoreError> {
        leaderboard::leaderboard(&self.readers, page).await
    }

    async fn rank(&self, key: &RankKey) -> Result<Option<u64>, StoreError> {
        leaderboard::rank(&self.readers, key).await
    }

    async fn names_like(
        &self,
        look: &str,
        from: Option<NameKey>,
        limit: u32,
    ) -> Result<Vec<Rank>, StoreError> {
        leaderboard::names_like(&self.readers, look, from, limit).await
    }

    async fn completed_unnamed(&self) -> Result<u64, StoreError> {
        leaderboard::completed_unnamed(&self.readers).await
    }

    async fn first_names(&self, looks: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
        leaderboard::first_names(&self.readers, looks).await
    }

    async fn set_aside(&self, page: Page<u64>) -> Result<Vec<AsideRow>, StoreError> {
        job_pages::set_aside(&self.readers, page).await
    }

    async fn results_of(&self, stage: Stage, numbers: &[u64]) -> Result<Vec<Output>, StoreError> {
        results::results_of(&self.readers, stage, numbers).await
    }

    async fn doubted(&self, trust: Trust, limit: u32) -> Result<Option<Recalled>, StoreError> {
        votes::doubted(&self.readers, trust, limit).await
    }

    async fn undecided(&self, stage: Stage, limit: u32) -> Result<Vec<i64>, StoreError> {
        votes::undecided(&self.readers, stage, limit).await
    }

    async fn stale(
        &self,
        stage: Stage,
        version: Option<&'static str>,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        votes::stale(&self.readers, stage, version, limit).await
    }

    async fn hold(&self, volunteer: &str, holds: bool) -> Result<u64, StoreError> {
        admin::hold(&self.admin, volunteer, holds, self.now()).await
    }

    async fn trusted(&self, which: &Which) -> Result<Vec<TrustRow>, StoreError> {
        votes::trusted(&self.readers, which).await
    }

    async fn browser_pairs(&self, limit: u32) -> Result<Vec<BrowserPair>, StoreError> {
        votes::browser_pairs(&self.readers, limit).await
    }

    async fn retractions(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Retraction>, StoreError> {
        results::retractions(&self.readers, stage, after, limit).await
    }

    async fn unconfirmed(&self, stage: Stage, numbers: Vec<u64>) -> Result<Vec<u64>, StoreError> {
        votes::unconfirmed(&self.readers, stage, &numbers).await
    }

    async fn result_numbers(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        results::result_numbers(&self.readers, stage, signed(after), limit).await
    }

    async fn failures(&self, limit: u32) -> Result<Vec<FailureRow>, StoreError> {
        job_pages::failures(&self.readers, limit).await
    }

    async fn job(&self, number: u64) -> Result<Option<JobRow>, StoreError> {
        job_pages::job(&self.readers, signed(number)).await
    }

    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError> {
        results::results(&self.readers, stage, signed(after), limit).await
    }

    async fn candidates(
        &self,
        filter: &RequeueFilter,
        numbers: &[i64],
    ) -> Result<Vec<Candidate>, StoreError> {
        candidates::candidates(&self.readers, self.now(), filter, numbers).await
    }

    async fn result_leases(&self, of: Vec<(i64, Stage)>) -> Result<Vec<ResultLease>, StoreError> {
        candidates::result_leases(&self.readers, &of).await
    }

    async fn whereabouts(&self, numbers: &[u64]) -> Result<Vec<Whereabouts>, StoreError> {
        job_pages::whereabouts(&self.readers, numbers).await
    }

    async fn ban(&self, banned: &Banned, reason: &str) -> Result<bool, StoreError> {
        let now = self.clock.as_ref().map(|clock| clock.now());
        admin::ban(&self.admin, now, &banned.name(), reason).await
    }

    async fn pardon(&self, banned: &Banned) -> Result<bool, StoreError> {
        admin::pardon(&self.admin, &banned.name()).await
    }

    async fn tracker_key(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        admin::tracker_key(&self.admin, name, fresh).await
    }

    async fn bans(&self, after: &str, limit: u32) -> Result<Vec<BanRow>, StoreError> {
        admin::bans(&self.readers, after, limit).await
    }

    async fn registrations(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<RegisteredRow>, StoreError> {
        workers::registrations(&self.readers, after, limit).await
    }

    async fn prune(
        &self,
        stage: Stage,
        after: u64,
        before: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError> {
        admin::prune(&self.admin, stage, after, before, limit, self.now()).await
    }

    async fn begin_import(&self, import: &NewImport) -> Result<Import, StoreError> {
        admin::begin_import(&self.admin, self.now(), import).await
    }

    async fn import_numbers(&self, id: i64) -> Result<Vec<Added>, StoreError> {
        admin::import_numbers(&self.readers, id).await
    }

    async fn end_import(&self, id: i64) -> Result<(), StoreError> {
        admin::end_import(&self.admin, self.now(), id).await
    }

    async fn unfinished_imports(&self) -> Result<Vec<ImportRow>, StoreError> {
        admin::unfinished_imports(&self.readers).await
    }

    async fn note_action(&self, action: &Action) -> Result<(), StoreError> {
        admin::note(&self.admin, self.now(), action).await
    }

    async fn actions(&self, after: u64, limit: u32) -> Result<Vec<ActionRow>, StoreError> {
        admin::list(&self.readers, after, limit).await
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        self.admin.close().await;
    }
}
