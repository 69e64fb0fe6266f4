//! The store on SQLite: opening the file, the lock against a second tracker, and the trait. Beside
//! this file: `load` and `save` do what the ledger needs, `queries` what pages and the operator read,
//! `jobs` what the operator puts in.
//!
//! SQLite is called on threads that may wait: the writer has one, readers borrow one.

mod admin;
mod backup;
mod checkpoints;
mod connection;
mod jobs;
mod load;
mod migrations;
mod pace;
mod queries;
mod rows;
mod save;
mod tables;

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use distcompute_protocol::Stage;

use self::checkpoints::{Checkpoints, WRITER_PAGES};
use self::connection::{Pool, Use};
pub use self::{backup::backup, tables::Tables};
use super::{
    Action, ActionRow, AsideRow, BanRow, FailureRow, Import, ImportRow, JobRow, MinuteRow, NameKey,
    NewImport, Output, Page, Pruned, Rank, RankKey, RegisteredRow, RequeueFilter, Status, Store,
    StoreError, StoreRules, ToRequeue, Whereabouts, WorkerRow, Writer, costly::CostlyCount, signed,
};
use crate::{clock::Clock, rules::bans::Banned};

/// How much of the file that connection keeps in memory, in KiB: what a group touches, and the upper
/// levels of the indexes of millions of jobs. More is slower, because each commit walks through it,
/// and what is not there comes from the system's own cache.
const CACHE_KIB: i64 = 8 << 10;

/// Connections that read. They never wait for the writer, nor it for them.
const READERS: u32 = 4;

/// How long a tracker that starts waits for the lock: `import` looks at it for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// What is kept, in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Pool,
    /// One connection, for the operator.
    admin: Pool,
    /// Absent where nobody writes, and in simulations, which have no second thread.
    checkpoints: Option<Checkpoints>,
    clock: Arc<dyn Clock>,
    volunteers: Arc<CostlyCount>,
}

impl SqliteStore {
    /// Opens the file, making it if `create` says so, and brings its tables up to date.
    ///
    /// # Errors
    /// The file cannot be opened, is no database, or comes from a later version.
    pub async fn open(
        path: &Path,
        create: bool,
        rules: StoreRules,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let start = |tables: Tables| {
            tables.checkpoint_from(WRITER_PAGES);
            Writer::start_on_a_thread(tables, rules)
        };
        let mut store = Self::open_with(path, create, clock, start).await?;
        store.checkpoints = Some(Checkpoints::start(path));
        Ok(store)
    }

    /// Opens a file that cannot be written, to look at it. What would change it is refused.
    ///
    /// # Errors
    /// The file cannot be read, is no database, or is not of this version.
    pub async fn open_to_read(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let readers = Pool::new(path, Use::Look, READERS);
        readers.with(|on| migrations::check(on)).await?;
        Ok(Self {
            writer: Writer::none(),
            readers,
            admin: Pool::new(path, Use::Look, 1),
            checkpoints: None,
            clock,
            volunteers: Arc::default(),
        })
    }

    /// The same with a writer that the caller starts: a simulation puts itself between the writer
    /// and the tables.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub async fn open_with(
        path: &Path,
        create: bool,
        clock: Arc<dyn Clock>,
        start: impl FnOnce(Tables) -> Writer,
    ) -> Result<Self, StoreError> {
        if !create && !path.exists() {
            let path = path.display();
            return Err(StoreError::Unavailable(format!("there is no file {path}")));
        }
        let file = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let mut connection = connection::open(&file, create, Use::Write)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            migrations::run(&mut connection)?;
            Ok::<_, StoreError>(connection)
        });
        let connection = opening
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))??;
        let tables = Tables {
            connection,
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            writer: start(tables),
            readers: Pool::new(path, Use::Read, READERS),
            admin: Pool::new(path, Use::Write, 1),
            checkpoints: None,
            clock,
            volunteers: Arc::default(),
        })
    }

    /// What volunteers and pages wait for again and again, for the test that looks at its plans.
    #[doc(hidden)]
    pub const HOT_STATEMENTS: [&str; 31] = [
        load::HEADS,
        load::WORKER_BY_TOKEN,
        load::WORKER_BY_ID,
        load::IDLE,
        load::MISSED,
        load::LAPSED,
        load::HELD,
        load::LEASE_BY_ID,
        load::PAST,
        load::JOB,
        load::INPUT,
        load::WORKED,
        load::ASKED,
        load::FAILED,
        load::SIZE,
        queries::WORKERS,
        queries::WORKERS_FROM,
        queries::WORKERS_BEFORE,
        queries::LEADERBOARD,
        queries::RANKS_EQUAL_FROM,
        queries::RANKS_EQUAL_BEFORE,
        queries::RANKS_LOWER,
        queries::RANKS_HIGHER,
        queries::RANK,
        queries::NAMES_LIKE,
        queries::ASIDE,
        queries::ASIDE_FROM,
        queries::ASIDE_BEFORE,
        queries::FAILURES,
        queries::RESULTS,
        queries::FAILING,
    ];
}

/// The right to serve a database file, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct ServeLock(#[allow(dead_code)] File); // Held, not read: closing it lets go.

impl ServeLock {
    /// Takes the lock. `None`: another tracker serves this file.
    ///
    /// # Errors
    /// The file that is locked cannot be made.
    pub async fn take(database: &Path) -> std::io::Result<Option<Self>> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = Self::try_take(database)? {
                return Ok(Some(lock));
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Ok(None)
    }

    /// Whether a tracker serves this file now.
    #[must_use]
    pub fn is_held(database: &Path) -> bool {
        matches!(Self::try_take(database), Ok(None))
    }

    fn try_take(database: &Path) -> std::io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        // Whoever can open it can lock it, and keep a tracker from starting.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(lock_path(database))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The file that is locked. The database itself cannot be: SQLite's own locks would be lost.
fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}

#[async_trait]
impl Store for SqliteStore {
    fn writer(&self) -> &Writer {
        &self.writer
    }

    async fn knows(&self, token: &str) -> Result<bool, StoreError> {
        let token = token.to_owned();
        self.readers
            .with(move |on| queries::knows(on, &token))
            .await
    }

    async fn inputs(&self, of: Vec<(i64, Stage)>) -> Result<Vec<(i64, Stage, String)>, StoreError> {
        self.readers.with(move |on| load::inputs(on, &of)).await
    }

    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError> {
        self.readers
            .with(move |on| queries::open_jobs(on, stage))
            .await
    }

    async fn status(&self) -> Result<Status, StoreError> {
        let (now, volunteers) = (self.clock.now(), Arc::clone(&self.volunteers));
        self.readers
            .with(move |on| queries::status(on, now, &volunteers))
            .await
    }

    async fn pace(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError> {
        let now = self.clock.now();
        self.readers
            .with(move |on| pace::pace(on, now, minutes))
            .await
    }

    async fn workers(&self, stage: Stage, page: Page<u64>) -> Result<Vec<WorkerRow>, StoreError> {
        self.readers
            .with(move |on| queries::workers(on, stage, &page))
            .await
    }

    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError> {
        let name = name.to_owned();
        self.readers
            .with(move |on| queries::worker(on, stage, &name))
            .await
    }

    async fn leaderboard(&self, page: Page<RankKey>) -> Result<Vec<Rank>, StoreError> {
        self.readers
            .with(move |on| queries::leaderboard(on, &page))
            .await
    }

    async fn rank(&self, key: &RankKey) -> Result<Option<u64>, StoreError> {
        let key = key.clone();
        self.readers.with(move |on| queries::rank(on, &key)).await
    }

    async fn names_like(
        &self,
        look: &str,
        from: Option<NameKey>,
        limit: u32,
    ) -> Result<Vec<Rank>, StoreError> {
        let look = look.to_owned();
        self.readers
            .with(move |on| queries::names_like(on, &look, from, limit))
            .await
    }

    async fn completed_unnamed(&self) -> Result<u64, StoreError> {
        self.readers.with(|on| queries::completed_unnamed(on)).await
    }

    async fn first_names(&self, looks: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
        self.readers
            .with(move |on| queries::first_names(on, looks))
            .await
    }

    async fn set_aside(&self, page: Page<u64>) -> Result<Vec<AsideRow>, StoreError> {
        self.readers
            .with(move |on| queries::set_aside(on, &page))
            .await
    }

    async fn results_of(&self, stage: Stage, numbers: &[u64]) -> Result<Vec<Output>, StoreError> {
        let numbers = numbers.to_vec();
        self.readers
            .with(move |on| queries::results_of(on, stage, &numbers))
            .await
    }

    async fn result_numbers(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        self.readers
            .with(move |on| queries::result_numbers(on, stage, signed(after), limit))
            .await
    }

    async fn failures(&self, limit: u32) -> Result<Vec<FailureRow>, StoreError> {
        self.readers
            .with(move |on| queries::failures(on, limit))
            .await
    }

    async fn job(&self, number: u64) -> Result<Option<JobRow>, StoreError> {
        self.readers
            .with(move |on| queries::job(on, signed(number)))
            .await
    }

    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError> {
        self.readers
            .with(move |on| queries::results(on, stage, signed(after), limit))
            .await
    }

    async fn to_requeue(
        &self,
        filter: &RequeueFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ToRequeue>, StoreError> {
        let (now, filter) = (self.clock.now(), filter.clone());
        self.readers
            .with(move |on| queries::to_requeue(on, now, &filter, after, limit))
            .await
    }

    async fn whereabouts(&self, numbers: &[u64]) -> Result<Vec<Whereabouts>, StoreError> {
        let numbers = numbers.to_vec();
        self.readers
            .with(move |on| queries::whereabouts(on, &numbers))
            .await
    }

    async fn ban(&self, banned: &Banned, reason: &str) -> Result<bool, StoreError> {
        let (now, name, reason) = (self.clock.now(), banned.name(), reason.to_owned());
        self.admin
            .with(move |on| admin::ban(on, now, &name, &reason))
            .await
    }

    async fn pardon(&self, banned: &Banned) -> Result<bool, StoreError> {
        let name = banned.name();
        self.admin.with(move |on| admin::pardon(on, &name)).await
    }

    async fn bans(&self, after: &str, limit: u32) -> Result<Vec<BanRow>, StoreError> {
        let after = after.to_owned();
        self.readers
            .with(move |on| admin::bans(on, &after, limit))
            .await
    }

    async fn registrations(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<RegisteredRow>, StoreError> {
        self.readers
            .with(move |on| queries::registrations(on, after, limit))
            .await
    }

    async fn prune(
        &self,
        stage: Stage,
        after: u64,
        before: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError> {
        self.admin
            .with(move |on| admin::prune(on, stage, after, before, limit))
            .await
    }

    async fn make_room(&self) -> Result<(), StoreError> {
        self.admin.with(|on| admin::make_room(on)).await
    }

    async fn begin_import(&self, import: &NewImport) -> Result<Import, StoreError> {
        let (now, import) = (self.clock.now(), import.clone());
        self.admin
            .with(move |on| admin::begin_import(on, now, &import))
            .await
    }

    async fn end_import(&self, id: i64) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.admin
            .with(move |on| admin::end_import(on, now, id))
            .await
    }

    async fn unfinished_imports(&self) -> Result<Vec<ImportRow>, StoreError> {
        self.readers.with(|on| admin::unfinished_imports(on)).await
    }

    async fn note_action(&self, action: &Action) -> Result<(), StoreError> {
        let (now, action) = (self.clock.now(), action.clone());
        self.admin
            .with(move |on| admin::note(on, now, &action))
            .await
    }

    async fn actions(&self, after: u64, limit: u32) -> Result<Vec<ActionRow>, StoreError> {
        self.readers
            .with(move |on| admin::list(on, after, limit))
            .await
    }

    async fn close(&self) {
        self.writer.close().await;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.close().await;
        }
        self.readers.close().await;
        self.admin.close().await;
    }
}
