//! Where the tables of a world are, for the trackers that keep them and for whoever counts in them:
//! on SQLite in memory, or on a PostgreSQL, each world in a schema of its own.

use std::{
    cell::RefCell,
    path::PathBuf,
    process,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use distcompute_tracker::{
    clock::Clock,
    ledger::Changes,
    rules::secrets::fingerprint,
    store::{
        Database, Store, StoreError, Writer,
        postgres::{self, Address, PostgresStore},
        sqlite::{self, SqliteStore},
    },
};
use rusqlite::Connection;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, postgres::PgRow};
use tokio::runtime::Runtime;

/// Statements that are kept ready: more than there are.
const STATEMENTS: usize = 64;

/// Where the tables of worlds are.
#[derive(Debug, Clone, Default)]
pub enum Place {
    #[default]
    Memory,
    /// A database of this address.
    Postgres(String),
}

/// The tables of a world.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of them in each world"
)]
pub enum Tables {
    Sqlite {
        path: PathBuf,
        /// It also keeps a database in memory from going away.
        on: Connection,
    },
    Postgres {
        address: Address,
        schema: String,
        on: RefCell<PgConnection>,
        runtime: Rc<Runtime>,
    },
}

/// What a statement asks for, besides what stands in it.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    All,
    Id(i64),
    Token(&'a str),
}

/// A row of either.
pub trait Columns {
    fn int(&self, at: usize) -> Option<i64>;
    fn text(&self, at: usize) -> Option<String>;

    /// Of what cannot be missing.
    fn number(&self, at: usize) -> i64 {
        self.int(at).expect("a number")
    }

    fn word(&self, at: usize) -> String {
        self.text(at).expect("a text")
    }
}

impl Columns for rusqlite::Row<'_> {
    fn int(&self, at: usize) -> Option<i64> {
        self.get(at).expect("a number or nothing")
    }

    fn text(&self, at: usize) -> Option<String> {
        self.get(at).expect("a text or nothing")
    }
}

impl Columns for PgRow {
    fn int(&self, at: usize) -> Option<i64> {
        self.get(at)
    }

    fn text(&self, at: usize) -> Option<String> {
        self.get(at)
    }
}

/// Each world has a name of its own.
static NAMES: AtomicU64 = AtomicU64::new(0);

impl Tables {
    pub fn open(place: &Place, runtime: &Rc<Runtime>) -> Self {
        let name = NAMES.fetch_add(1, Ordering::SeqCst);
        let url = match place {
            Place::Memory => {
                let path = PathBuf::from(format!("file:/sim-{name}?vfs=memdb"));
                let on = Connection::open(&path).expect("a database");
                on.set_prepared_statement_cache_capacity(STATEMENTS);
                return Self::Sqlite { path, on };
            }
            Place::Postgres(url) => url,
        };
        let schema = format!("world_{}_{name}", process::id());
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{joint}options[search_path]={schema}");
        let on = runtime.block_on(async {
            let mut on = PgConnection::connect(&url).await.expect("a connection");
            let create = sqlx::AssertSqlSafe(format!("create schema {schema}"));
            on.execute(create).await.expect("a schema");
            on
        });
        Self::Postgres {
            address: url.parse().expect("an address"),
            schema,
            on: RefCell::new(on),
            runtime: Rc::clone(runtime),
        }
    }

    /// Opens a store on them, with something between its writer and the tables.
    pub async fn store(
        &self,
        clock: Arc<dyn Clock>,
        between: impl Between,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let store: Arc<dyn Store> = match self {
            Self::Sqlite { path, .. } => {
                let start = |tables: sqlite::Tables| between.start(tables);
                Arc::new(SqliteStore::open_with(path, true, clock, start).await?)
            }
            Self::Postgres { address, .. } => {
                let start = |tables: postgres::Tables| between.start(tables);
                Arc::new(PostgresStore::open_with(address, Some(clock), start).await?)
            }
        };
        Ok(store)
    }

    /// What a statement finds; what it asks for is its `$1`.
    pub fn all<T>(
        &self,
        statement: &'static str,
        of: Of<'_>,
        mut read: impl FnMut(&dyn Columns) -> T,
    ) -> Vec<T> {
        match self {
            Self::Sqlite { on, .. } => {
                let mut statement = on.prepare_cached(statement).expect("a statement");
                let rows = match of {
                    Of::All => statement.query(()),
                    Of::Id(id) => statement.query([id]),
                    Of::Token(token) => statement.query([fingerprint(token)]),
                };
                let mut rows = rows.expect("rows");
                let mut all = Vec::new();
                while let Some(row) = rows.next().expect("a row") {
                    all.push(read(row));
                }
                all
            }
            Self::Postgres { on, runtime, .. } => {
                let query = sqlx::query(statement);
                let query = match of {
                    Of::All => query,
                    Of::Id(id) => query.bind(id),
                    Of::Token(token) => query.bind(fingerprint(token)),
                };
                let rows = runtime.block_on(query.fetch_all(&mut *on.borrow_mut()));
                rows.expect("rows").iter().map(|row| read(row)).collect()
            }
        }
    }

    /// What changes whenever somebody has written, if the database has that.
    pub fn version(&self) -> Option<i64> {
        match self {
            Self::Sqlite { .. } => self
                .all("pragma data_version", Of::All, |row| row.number(0))
                .pop(),
            Self::Postgres { .. } => None,
        }
    }

    /// What each kind of number that was given last has before the largest that is there.
    pub fn reserves(&self) -> [(&'static str, &'static str); 4] {
        match self {
            Self::Sqlite { .. } => [
                (
                    "position",
                    "select max(last_position, 0) - coalesce((select max(position) from jobs), 0) \
                     from totals",
                ),
                ("cursor", CURSORS),
                (
                    "lease",
                    "select last_lease - coalesce((select max(id) from leases), 0) from totals",
                ),
                (
                    "worker",
                    "select last_worker - coalesce((select max(id) from workers), 0) from totals",
                ),
            ],
            Self::Postgres { .. } => [
                (
                    "position",
                    "select last_value - coalesce((select max(position) from jobs), 0) \
                     from queue_positions",
                ),
                ("cursor", CURSORS),
                (
                    "lease",
                    "select last_value - coalesce((select max(id) from leases), 0) from lease_ids",
                ),
                (
                    "worker",
                    "select last_value - coalesce((select max(id) from workers), 0) from worker_ids",
                ),
            ],
        }
    }
}

const CURSORS: &str =
    "select last_cursor - coalesce((select max(cursor) from inputs), 0) from totals";

impl Drop for Tables {
    fn drop(&mut self) {
        if let Self::Postgres {
            schema,
            on,
            runtime,
            ..
        } = self
        {
            let gone = sqlx::AssertSqlSafe(format!("drop schema {schema} cascade"));
            // Of a world that failed somebody may still be at work there.
            let _ = runtime.block_on(on.get_mut().execute("set lock_timeout = '5s'"));
            let _ = runtime.block_on(on.get_mut().execute(gone));
        }
    }
}

/// What is put between a store's writer and its tables.
pub trait Between: Send {
    fn start(self, tables: impl Interruptible) -> Writer;
}

/// Tables, of which a statement can be made to fail.
#[async_trait]
pub trait Interruptible: Database {
    /// Stores, and fails over it after so many `steps`, whatever these are here.
    async fn store_badly(&mut self, changes: Changes, steps: u32) -> Result<(), StoreError>;
}

#[async_trait]
impl Interruptible for sqlite::Tables {
    /// Steps of SQLite's machine; it may be done before.
    async fn store_badly(&mut self, changes: Changes, steps: u32) -> Result<(), StoreError> {
        let steps = i32::try_from(steps.max(1)).unwrap_or(i32::MAX);
        self.connection().progress_handler(steps, Some(|| true))?;
        let stored = self.store(changes).await;
        self.connection()
            .progress_handler(0, None::<fn() -> bool>)?;
        stored
    }
}

/// As when two transactions wait for each other.
const DEADLOCK: &str = "do $$ begin raise exception 'on purpose' using errcode = '40P01'; end $$";

/// A fault that is nobody's: the caller may try again.
const INTERNAL: &str = "do $$ begin raise exception 'on purpose' using errcode = 'XX000'; end $$";

#[async_trait]
impl Interruptible for postgres::Tables {
    /// Its remainder says how: before or after all is written, or because of another transaction.
    async fn store_badly(&mut self, changes: Changes, steps: u32) -> Result<(), StoreError> {
        if !steps.is_multiple_of(3) {
            self.store(changes).await?;
        }
        let fails = if steps % 3 == 2 { DEADLOCK } else { INTERNAL };
        self.connection()?.execute(fails).await?;
        Ok(())
    }
}

/// Whether this is the address of a database.
pub fn place(address: &str) -> Result<Place, String> {
    address.parse::<Address>()?;
    Ok(Place::Postgres(address.to_owned()))
}
