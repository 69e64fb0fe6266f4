//! Connections to the file: how each is set up, and those that several share.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::Semaphore;

use crate::store::StoreError;

/// How long a statement waits for another process, an import say, to finish its transaction; and a
/// caller for a connection.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Statements that are kept ready: all that there are.
const STATEMENTS: usize = 128;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Of another's transaction it sees what was there before.
    Read,
    /// As it takes turns with others that write.
    Write,
    /// Nobody writes: the file, its disk or a folder is read-only.
    Look,
}

/// Opens the file, making it if `create` says so.
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
    // Otherwise SQLite looks at what is bound to `limit ?` when it plans, and plans anew each time
    // that something is bound, the same thing included: half of what a claim costs.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "query_only", to == Use::Read)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Makes the file so that other users of the machine cannot read it. SQLite would go by the umask, and
/// gives the files that it keeps beside it the modes of this one.
fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // One that is there stays as it is, and what is wrong otherwise is said by SQLite.
    let _ = options.open(path);
}

/// Opens a file that nobody may change, on a disk that is mounted read-only, say.
///
/// SQLite keeps notes beside a file that is being written, and cannot read it without them. Where
/// they cannot be made and there are none, nobody writes: the file is read as it is.
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
            // What it holds belongs to the database and would be missing.
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

/// The file as a URI of SQLite's.
fn uri(path: &Path, options: &str) -> String {
    let path = percent_encoding::percent_encode(
        path.as_os_str().as_encoded_bytes(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    format!("file:{path}?{options}")
}

/// A few connections that many share; made when they are needed. What is done on one is done on a
/// thread where waiting for the disk holds up nobody else.
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

    /// Does something on a connection. A caller that goes away does not interrupt it.
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

    /// Waits for those who have a connection, lets nobody have one any more, and closes them.
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
        // Whole connections go in and out; nobody can leave the list half changed.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
