//! The SQLite store: opening the file, the lock against a second tracker, and the implementation of
//! [`Store`]. `load` and `save` serve the ledger, `jobs` adds and deletes jobs; pages, the operator and
//! exports read through `status`, `workers`, `leaderboard`, `job_pages`, `candidates`, `results` and `votes`.
//!
//! SQLite is called on threads that may block: the writer has its own, readers borrow one.

mod admin;
mod backup;
mod candidates;
mod checkpoints;
mod connection;
mod copy;
mod files;
mod job_pages;
mod jobs;
mod leaderboard;
mod links;
mod load;
mod migrations;
mod results;
mod rows;
mod save;
mod status;
mod tables;
mod throughput;
mod votes;
mod workers;

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
pub use self::{
    backup::backup,
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

/// The page cache of the writing connection, in KiB. It holds what a group touches and the upper
/// levels of the indexes of millions of jobs. A larger one is slower, because each commit walks
/// through it; other pages come from the operating system's cache.
const CACHE_KIB: i64 = 8 << 10;

/// The number of reading connections. In WAL mode, they and the writer do not wait for each other.
const READERS: u32 = 4;

/// How often a starting tracker tries to get the lock, because `import` holds it for a moment when
/// it checks it.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A store in an SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Pool,
    /// A single connection for the operator's calls.
    admin: Pool,
    /// Absent for read-only files, and in simulations, which have no second thread.
    checkpoints: Option<Checkpoints>,
    clock: Arc<dyn Clock>,
    volunteers: Arc<CostlyCount>,
}

impl SqliteStore {
    /// Opens the file, creating it if `create` is set, and migrates its tables.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, is not a database, or was written by a later
    /// version.
    pub async fn open(
        path: &Path,
        create: bool,
        rules: StoreRules,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let writer = Writer::on_a_thread(rules)?;
        let start = |tables: Tables| {
            tables.checkpoint_from(WRITER_PAGES);
            writer(tables)
        };
        let mut store = Self::open_with(path, create, clock, start).await?;
        store.checkpoints = Some(Checkpoints::start(path));
        Ok(store)
    }

    /// Opens a file that cannot be written, for reading. Operations that would change it are
    /// refused.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a database, or was written by another
    /// version.
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

    /// Like [`open`](Self::open), but the caller starts the writer: the simulation inserts itself
    /// between the writer and the tables.
    ///
    /// # Errors
    /// Same as [`open`](Self::open).
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

    /// The statements that write the rows of each job, for the test that examines what they execute.
    #[doc(hidden)]
    pub const ROW_STATEMENTS: [&str; 7] = [
        save::CHANGE_WORKER,
        save::ADD_LEASE,
        save::CHANGE_LEASE,
        save::CHANGE_JOB,
        save::ADD_OUTPUT,
        save::ADD_OPINION,
        save::CHANGE_STANDING,
    ];

    /// The frequent statements of volunteers' calls and pages, for the test that examines their
    /// query plans.
    #[doc(hidden)]
    pub const HOT_STATEMENTS: [&str; 55] = [
        load::HEADS,
        load::FIRST_PLACE,
        load::LAST_PLACE,
        load::FROM_PLACE,
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
        load::INPUT_UP_TO,
        load::WORKED,
        load::ASKED,
        load::FAILED,
        load::SIZE,
        load::LINKED,
        load::USED_NONCE,
        save::OLD_NONCES,
        save::OLD_CODES,
        load::OPINIONS,
        load::OPINION,
        load::STANDING,
        load::LANE,
        load::LANE_ABOVE,
        load::LANE_BELOW,
        load::ESTABLISHED,
        votes::DOUBTED,
        votes::RESTING,
        votes::UNDECIDED,
        load::AUDITS,
        save::OLD_TRUST,
        votes::STALE_BELOW,
        votes::STALE_ABOVE,
        save::OLD_GIVEN_BACK,
        save::OLD_OVERDUE,
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
        job_pages::FAILURES,
        results::RESULTS,
        status::FAILING,
    ];
}

/// The exclusive right to serve a database file, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct ServeLock(#[allow(dead_code)] File); // Held, not read: closing it lets go.

impl ServeLock {
    /// Acquires the lock. Returns `None` if another tracker serves this file.
    ///
    /// # Errors
    /// Returns an error if the lock file cannot be created.
    pub async fn take(database: &Path) -> std::io::Result<Option<Self>> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = Self::try_take(database)? {
                return Ok(Some(lock));
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Ok(None)
    }

    /// Whether a tracker is serving this file.
    #[must_use]
    pub fn is_held(database: &Path) -> bool {
        matches!(Self::try_take(database), Ok(None))
    }

    fn try_take(database: &Path) -> std::io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        // Private, because anybody who can open it can lock it and keep a tracker from starting.
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

/// The path of the lock file. The database itself cannot be locked: that would release SQLite's own
/// locks.
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
        self.readers.with(move |on| status::knows(on, &token)).await
    }

    async fn offer_link(
        &self,
        proven: &ProvenKey,
        code: &str,
        expires_at: Millis,
    ) -> Result<(), StoreError> {
        let (proven, code) = (proven.clone(), code.to_owned());
        self.admin
            .with(move |on| links::offer(on, &proven, &code, expires_at))
            .await
    }

    async fn link(
        &self,
        proven: &ProvenKey,
        code: &str,
        now: Millis,
    ) -> Result<Option<&'static str>, StoreError> {
        let (proven, code) = (proven.clone(), code.to_owned());
        self.admin
            .with(move |on| links::link(on, &proven, &code, now))
            .await
    }

    async fn kept_tracker_key(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.readers
            .with(move |on| admin::kept_tracker_key(on, &name))
            .await
    }

    async fn worker_key(&self, token: &str) -> Result<Option<Option<String>>, StoreError> {
        let token = token.to_owned();
        self.readers
            .with(move |on| status::worker_key(on, &token))
            .await
    }

    async fn counted(
        &self,
        key: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<CountedRow>, StoreError> {
        let key = key.to_owned();
        self.readers
            .with(move |on| results::counted(on, &key, after, limit))
            .await
    }

    async fn inputs(&self, of: Vec<(i64, Stage)>) -> Result<Vec<(i64, Stage, String)>, StoreError> {
        self.readers.with(move |on| load::inputs(on, &of)).await
    }

    async fn open_jobs(&self, stage: Stage) -> Result<u64, StoreError> {
        self.readers
            .with(move |on| status::open_jobs(on, stage))
            .await
    }

    async fn status(&self) -> Result<Status, StoreError> {
        let (now, volunteers) = (self.clock.now(), Arc::clone(&self.volunteers));
        self.readers
            .with(move |on| status::status(on, now, &volunteers))
            .await
    }

    async fn throughput(&self, minutes: u32) -> Result<Vec<MinuteRow>, StoreError> {
        let now = self.clock.now();
        self.readers
            .with(move |on| throughput::throughput(on, now, minutes))
            .await
    }

    async fn workers(&self, stage: Stage, page: Page<u64>) -> Result<Vec<WorkerRow>, StoreError> {
        self.readers
            .with(move |on| workers::workers(on, stage, &page))
            .await
    }

    async fn worker(&self, stage: Stage, name: &str) -> Result<Option<WorkerRow>, StoreError> {
        let name = name.to_owned();
        self.readers
            .with(move |on| workers::worker(on, stage, &name))
            .await
    }

    async fn leaderboard(&self, page: Page<RankKey>) -> Result<Vec<Rank>, StoreError> {
        self.readers
            .with(move |on| leaderboard::leaderboard(on, &page))
            .await
    }

    async fn rank(&self, key: &RankKey) -> Result<Option<u64>, StoreError> {
        let key = key.clone();
        self.readers
            .with(move |on| leaderboard::rank(on, &key))
            .await
    }

    async fn names_like(
        &self,
        look: &str,
        from: Option<NameKey>,
        limit: u32,
    ) -> Result<Vec<Rank>, StoreError> {
        let look = look.to_owned();
        self.readers
            .with(move |on| leaderboard::names_like(on, &look, from, limit))
            .await
    }

    async fn completed_unnamed(&self) -> Result<u64, StoreError> {
        self.readers
            .with(|on| leaderboard::completed_unnamed(on))
            .await
    }

    async fn first_names(&self, looks: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
        self.readers
            .with(move |on| leaderboard::first_names(on, looks))
            .await
    }

    async fn set_aside(&self, page: Page<u64>) -> Result<Vec<AsideRow>, StoreError> {
        self.readers
            .with(move |on| job_pages::set_aside(on, &page))
            .await
    }

    async fn results_of(&self, stage: Stage, numbers: &[u64]) -> Result<Vec<Output>, StoreError> {
        let numbers = numbers.to_vec();
        self.readers
            .with(move |on| results::results_of(on, stage, &numbers))
            .await
    }

    async fn doubted(&self, trust: Trust, limit: u32) -> Result<Option<Recalled>, StoreError> {
        self.readers
            .with(move |on| votes::doubted(on, trust, limit))
            .await
    }

    async fn undecided(&self, stage: Stage, limit: u32) -> Result<Vec<i64>, StoreError> {
        self.readers
            .with(move |on| votes::undecided(on, stage, limit))
            .await
    }

    async fn stale(
        &self,
        stage: Stage,
        version: Option<&'static str>,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        self.readers
            .with(move |on| votes::stale(on, stage, version, limit))
            .await
    }

    async fn hold(&self, volunteer: &str, holds: bool) -> Result<u64, StoreError> {
        let (now, volunteer) = (self.clock.now(), volunteer.to_owned());
        self.admin
            .with(move |on| admin::hold(on, &volunteer, holds, now))
            .await
    }

    async fn trusted(&self, which: &Which) -> Result<Vec<TrustRow>, StoreError> {
        let which = which.clone();
        self.readers
            .with(move |on| votes::trusted(on, &which))
            .await
    }

    async fn browser_pairs(&self, limit: u32) -> Result<Vec<BrowserPair>, StoreError> {
        self.readers
            .with(move |on| votes::browser_pairs(on, limit))
            .await
    }

    async fn retractions(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Retraction>, StoreError> {
        self.readers
            .with(move |on| results::retractions(on, stage, after, limit))
            .await
    }

    async fn unconfirmed(&self, stage: Stage, numbers: Vec<u64>) -> Result<Vec<u64>, StoreError> {
        self.readers
            .with(move |on| votes::unconfirmed(on, stage, &numbers))
            .await
    }

    async fn result_numbers(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        self.readers
            .with(move |on| results::result_numbers(on, stage, signed(after), limit))
            .await
    }

    async fn failures(&self, limit: u32) -> Result<Vec<FailureRow>, StoreError> {
        self.readers
            .with(move |on| job_pages::failures(on, limit))
            .await
    }

    async fn job(&self, number: u64) -> Result<Option<JobRow>, StoreError> {
        self.readers
            .with(move |on| job_pages::job(on, signed(number)))
            .await
    }

    async fn results(
        &self,
        stage: Stage,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Output>, StoreError> {
        self.readers
            .with(move |on| results::results(on, stage, signed(after), limit))
            .await
    }

    async fn candidates(
        &self,
        filter: &RequeueFilter,
        numbers: &[i64],
    ) -> Result<Vec<Candidate>, StoreError> {
        let (now, filter, numbers) = (self.clock.now(), filter.clone(), numbers.to_vec());
        self.readers
            .with(move |on| candidates::candidates(on, now, &filter, &numbers))
            .await
    }

    async fn result_leases(&self, of: Vec<(i64, Stage)>) -> Result<Vec<ResultLease>, StoreError> {
        self.readers
            .with(move |on| candidates::result_leases(on, &of))
            .await
    }

    async fn whereabouts(&self, numbers: &[u64]) -> Result<Vec<Whereabouts>, StoreError> {
        let numbers = numbers.to_vec();
        self.readers
            .with(move |on| job_pages::whereabouts(on, &numbers))
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

    async fn tracker_key(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        let (name, fresh) = (name.to_owned(), fresh.to_owned());
        self.admin
            .with(move |on| admin::tracker_key(on, &name, &fresh))
            .await
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
            .with(move |on| workers::registrations(on, after, limit))
            .await
    }

    async fn prune(
        &self,
        stage: Stage,
        after: u64,
        before: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError> {
        let now = self.clock.now();
        self.admin
            .with(move |on| admin::prune(on, stage, after, before, limit, now))
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

    async fn import_numbers(&self, id: i64) -> Result<Vec<Added>, StoreError> {
        self.readers
            .with(move |on| admin::import_numbers(on, id))
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
