//! The store on SQLite: opening the file, the lock against a second tracker, and the trait. Beside
//! this file: `load` and `save` do what the ledger needs, `books` what pages and the operator read,
//! `jobs` what the operator puts in.

mod admin;
mod books;
mod jobs;
mod load;
mod pace;
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
use sqlx::{
    ConnectOptions as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use self::tables::Tables;
use super::{
    Action, ActionRow, AsideRow, MinuteRow, Output, Page, Pruned, Rank, RequeueFilter, Requeued,
    Status, Store, StoreError, StoreRules, WorkerRow, Writer, signed,
};
use crate::clock::Clock;

/// How long a statement waits for another process, an import say, to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Statements that are kept ready on the connection that writes: each at three sizes.
const STATEMENTS: usize = 256;

/// How much of the file that connection keeps in memory, in KiB: the upper levels of the indexes
/// of millions of jobs.
const CACHE_KIB: i64 = 64 << 10;

/// Connections that read. They never wait for the writer, nor it for them.
const READERS: u32 = 4;

/// How long a tracker that starts waits for the lock: `import` looks at it for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The jobs and the books in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    /// One connection, for the operator.
    admin: SqlitePool,
    clock: Arc<dyn Clock>,
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
        if !create && !path.exists() {
            let path = path.display();
            return Err(StoreError::Unavailable(format!("there is no file {path}")));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let writing = options
            .clone()
            .statement_cache_capacity(STATEMENTS)
            .pragma("cache_size", format!("-{CACHE_KIB}"));
        let mut connection = writing.connect().await?;
        sqlx::migrate!("migrations/sqlite")
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(options.clone().pragma("query_only", "on"));
        let admin = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(options);
        let tables = Tables {
            connection,
            clock: Arc::clone(&clock),
        };
        let writer = Writer::start(tables, rules);
        Ok(Self {
            writer,
            readers,
            admin,
            clock,
        })
    }

    /// What volunteers and pages wait for again and again, for the test that looks at its plans.
    #[doc(hidden)]
    pub const HOT_STATEMENTS: [&str; 13] = [
        load::HEADS,
        load::WORKERS_BY_TOKEN,
        load::WORKERS_BY_ID,
        load::IDLE,
        load::LAPSED,
        load::HELD,
        load::LEASES_BY_ID,
        load::PAST,
        load::JOBS,
        load::INPUTS,
        books::WORKERS,
        books::LEADERBOARD,
        books::RESULTS,
    ];

    /// The connections that read, for that test.
    #[doc(hidden)]
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }
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
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path(database))?;
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
        books::knows(&self.readers, token).await
    }

    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError> {
        books::open_jobs(&self.readers, stage).await
    }

    async fn status(&self) -> Result<Status, StoreError> {
        books::status(&self.readers, self.clock.now()).await
    }

    async fn pace(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError> {
        pace::pace(&self.readers, self.clock.now(), minutes).await
    }

    async fn workers(&self, stage: Stage, page: Page) -> Result<Vec<WorkerRow>, StoreError> {
        books::workers(&self.readers, stage, page).await
    }

    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError> {
        books::worker(&self.readers, stage, name).await
    }

    async fn leaderboard(&self, page: Page) -> Result<Vec<Rank>, StoreError> {
        books::leaderboard(&self.readers, page).await
    }

    async fn set_aside(&self, page: Page) -> Result<Vec<AsideRow>, StoreError> {
        books::set_aside(&self.readers, page).await
    }

    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError> {
        books::results(&self.readers, stage, signed(after), limit).await
    }

    async fn to_requeue(
        &self,
        filter: &RequeueFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Requeued)>, StoreError> {
        books::to_requeue(&self.readers, self.clock.now(), filter, after, limit).await
    }

    async fn prune(
        &self,
        stage: Stage,
        after: u64,
        before: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError> {
        admin::prune(&self.admin, stage, after, before, limit).await
    }

    async fn note_action(&self, action: &Action) -> Result<(), StoreError> {
        admin::note(&self.admin, self.clock.now(), action).await
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
