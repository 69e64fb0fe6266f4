//! The store on SQLite: opening the file, the lock against a second tracker, and the trait, whose
//! operations stand in the files beside this one: `claims` and `flags` what workers do with jobs, `books` what
//! pages and the operator read, `jobs` what the operator puts in.

mod books;
mod claims;
mod flags;
mod jobs;
mod pace;
mod tally;
mod writer;

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

use self::writer::Writer;
use super::{
    Added, AsideRow, Claimed, MinuteRow, NewWorker, Output, Page, Rank, Status, Store, StoreError,
    StoreRules, WorkerRow,
};
use crate::clock::{Clock, Millis};

/// How long a statement waits for another process, an import say, to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections that read. They never wait for the writer, nor it for them.
const READERS: u32 = 4;

/// How long a tracker that starts waits for the lock: `import` looks at it for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The jobs and the books in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
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
        let mut connection = options.connect().await?;
        sqlx::migrate!("migrations/sqlite")
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(options.pragma("query_only", "on"));
        let writer = Writer::start(connection, rules, Arc::clone(&clock));
        Ok(Self {
            writer,
            readers,
            clock,
        })
    }

    /// What volunteers and pages wait for again and again, for the test that looks at its plans.
    #[doc(hidden)]
    pub const HOT_STATEMENTS: [&str; 9] = [
        claims::QUEUE_HEAD,
        claims::QUEUE_AHEAD,
        claims::WORKER,
        claims::ENQUEUE,
        claims::REPEATED,
        claims::LAST_OUTPUT,
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

/// Primary result codes of SQLite that mean "not now" rather than "wrong": busy, locked, no
/// memory, read-only, I/O error, full, cannot open.
const NOT_NOW: [u32; 7] = [5, 6, 7, 8, 10, 13, 14];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let not_now = match &error {
            sqlx::Error::Database(fault) => fault
                .code()
                .and_then(|code| code.parse::<u32>().ok())
                // The low byte is the primary code.
                .is_some_and(|code| NOT_NOW.contains(&(code & 0xff))),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            _ => false,
        };
        if not_now {
            Self::Unavailable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// How a stage stands in the tables.
fn column(stage: Stage) -> i64 {
    i64::try_from(stage.index()).unwrap_or(0)
}

/// A count or number as the rest of the program has it; the tables hold none below zero.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number from outside as the tables have it; none is too large to be simply unknown.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for SqliteStore {
    async fn register(&self, worker: NewWorker) -> Result<(), StoreError> {
        self.writer
            .run(move |unit| Box::pin(claims::register(unit, worker)))
            .await
    }

    async fn knows(&self, token: &str) -> Result<bool, StoreError> {
        books::knows(&self.readers, token).await
    }

    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError> {
        books::open_jobs(&self.readers, stage).await
    }

    async fn claim(&self, token: &str, lease_secret: String) -> Result<Claimed, StoreError> {
        let token = token.to_owned();
        self.writer
            .run(move |unit| Box::pin(claims::claim(unit, token, lease_secret)))
            .await
    }

    async fn note_progress(&self, token: &str, progress: String) -> Result<(), StoreError> {
        let token = token.to_owned();
        self.writer
            .run(move |unit| Box::pin(claims::note_progress(unit, token, progress)))
            .await
    }

    async fn complete(
        &self,
        token: &str,
        number: Option<u64>,
        data: String,
    ) -> Result<(), StoreError> {
        let token = token.to_owned();
        let number = number.map(signed);
        self.writer
            .run(move |unit| Box::pin(claims::complete(unit, token, number, data)))
            .await
    }

    async fn flag(&self, token: &str, number: Option<u64>) -> Result<(), StoreError> {
        let token = token.to_owned();
        let number = number.map(signed);
        self.writer
            .run(move |unit| Box::pin(flags::flag(unit, token, number)))
            .await
    }

    async fn leave(&self, token: &str) -> Result<(), StoreError> {
        let token = token.to_owned();
        self.writer
            .run(move |unit| Box::pin(claims::leave(unit, token)))
            .await
    }

    async fn drop_idle(&self, idle: Millis) -> Result<u64, StoreError> {
        self.writer
            .run(move |unit| Box::pin(claims::drop_idle(unit, idle)))
            .await
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

    async fn add_jobs(&self, inputs: &[String]) -> Result<Option<Added>, StoreError> {
        if inputs.is_empty() {
            return Ok(None);
        }
        let count = inputs.len();
        let list =
            serde_json::to_string(inputs).map_err(|error| StoreError::Failed(error.to_string()))?;
        let added = self
            .writer
            .run(move |unit| Box::pin(jobs::add(unit, list, count)))
            .await?;
        Ok(Some(added))
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        self.writer.run(|unit| Box::pin(jobs::wipe(unit))).await
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}
