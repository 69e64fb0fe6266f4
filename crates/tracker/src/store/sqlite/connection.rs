//! Connections to the file: their settings, and a pool of them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::Semaphore;

use crate::store::StoreError;

/// How long a statement waits for another process, such as an import, to finish its transaction,
/// and how long a caller waits for a connection.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// The size of the cache of prepared statements: there is room for all.
const STATEMENTS: usize = 128;

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Reading. It sees the last committed state while another connection writes.
    Read,
    /// Writing, in turns with other writers.
    Write,
    /// Reading a file that cannot be written: the file, its disk or a folder is read-only.
    Look,
}

/// Opens the file, creating it if `create` is set.
pub(super) fn open(path: &Path, create: bool, to: Use) -> Result<Connection, StoreError> {
    if to == Use::Look {
        return Ok(open_to_read(path)?);
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    if create {
        make_private(path);
    }
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Without QPSG, SQLite takes the value bound to `limit ?` into account when it plans, and plans
    // again each time a value is bound, even the same one: half of the cost of a claim.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "query_only", to == Use::Read)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Creates the file so that other users of the machine cannot read it. SQLite would apply the
/// umask, and it gives the files beside the database the same mode.
pub(super) fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // An existing file is left as it is; SQLite reports any other error.
    let _ = options.open(path);
}

/// Opens a file that cannot be changed, for example on a disk that is mounted read-only.
///
/// SQLite needs a shared-memory file beside a database in WAL mode. If that cannot be created and
/// does not exist, nobody is writing, so the file is read as immutable.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let attempt = |options: &str| {
        let connection = Connection::open_with_flags(uri(path, options), flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.query_row("select count(*) from sqlite_schema", (), |_| Ok(()))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    attempt("mode=ro").or_else(|error| {
        match std::fs::metadata(log_of(path)) {
            // The log's content belongs to the database and would be missing.
            Ok(log) if log.len() > 0 => Err(error),
            _ => attempt("immutable=1"),
        }
    })
}

/// The path of the write-ahead log that SQLite keeps beside a database file.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// The file as an SQLite URI.
fn uri(path: &Path, options: &str) -> String {
    let path = percent_encoding::percent_encode(
        path.as_os_str().as_encoded_bytes(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    format!("file:{path}?{options}")
}

/// A pool of connections, opened on demand. Work on a connection runs on a thread that may block.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    path: PathBuf,
    to: Use,
    free: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    connections: u32,
}

impl Pool {
    pub(super) fn new(path: &Path, to: Use, connections: u32) -> Self {
        Self(Arc::new(Shared {
            path: path.to_owned(),
            to,
            free: Mutex::default(),
            turns: Arc::new(Semaphore::new(connections as usize)),
            connections,
        }))
    }

    /// Runs a closure on a connection. It is not interrupted if the caller is dropped.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.0.turns).acquire_owned();
        let turn = tokio::time::timeout(BUSY_TIMEOUT, turn)
            .await
            .map_err(|_| StoreError::Unavailable("no connection is free".to_owned()))?
            .map_err(|_| StoreError::Unavailable("the tracker is stopping".to_owned()))?;
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = match shared.take() {
                Some(connection) => connection,
                None => open(&shared.path, false, shared.to)?,
            };
            let done = work(&mut connection);
            shared.free().push(connection);
            drop(turn);
            done
        });
        done.await
            .unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
    }

    /// Waits for the connections in use, refuses further use, and closes them.
    pub(super) async fn close(&self) {
        let all = self.0.turns.acquire_many(self.0.connections).await;
        self.0.turns.close();
        drop(all);
        self.0.free().clear();
    }
}

impl Shared {
    fn take(&self) -> Option<Connection> {
        self.free().pop()
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Only whole connections are added and removed, so a panic cannot leave the list
        // inconsistent.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
