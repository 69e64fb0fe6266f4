//! The two sides of a copy that are SQLite files.
//!
//! The destination is made under another name beside the file that is wanted, and gets its name
//! when it is complete and on disk. It needs no journal meanwhile: what is left of a copy that was
//! broken off is deleted by the next one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use rusqlite::{
    Connection, OpenFlags, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};
use tempfile::TempPath;
use tokio::sync::mpsc;

use super::{ServeLock, connection, migrations};
use crate::{
    clock::{Clock as _, SystemClock},
    store::{
        StoreError,
        copy::{Batches, Row, STAGE_COUNTERS, Source, Table, Target, Totals, Value, stopped},
        unsigned,
    },
};

/// A connection that is lent to threads that may block.
struct Lent(Option<Connection>);

impl Lent {
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Failed("the file was closed".to_owned());
        let connection = self.0.take().ok_or_else(gone)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&connection);
            (connection, done)
        });
        let (connection, done) = working
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        self.0 = Some(connection);
        done
    }
}

/// A file that is copied.
pub struct CopySource {
    connection: Lent,
    /// Absent where nothing can be written beside the file.
    _lock: Option<ServeLock>,
}

impl CopySource {
    /// Opens a file for reading, as it is now.
    ///
    /// # Errors
    /// Returns a sentence that says why it cannot be copied.
    pub async fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        if !path.exists() {
            return Err(format!("There is no database {shown}."));
        }
        let lock = match ServeLock::take(path).await {
            Ok(Some(lock)) => Some(lock),
            Ok(None) => {
                return Err(format!(
                    "A tracker serves {shown}. Stop it first: what it accepts from now on would not \
                     be in the copy."
                ));
            }
            // A file on a read-only disk or in a read-only folder.
            Err(_) => None,
        };
        let file = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let connection = connection::open_to_read(&file)?;
            migrations::check_to_copy(&connection)?;
            // One transaction, so that everything is of one moment.
            connection.execute_batch("begin; select count(*) from totals;")?;
            Ok::<_, StoreError>(connection)
        });
        let opened = opening.await.map_err(|error| error.to_string())?;
        let connection =
            opened.map_err(|error| format!("The database {shown} cannot be copied: {error}."))?;
        Ok(Self {
            connection: Lent(Some(connection)),
            _lock: lock,
        })
    }
}

#[async_trait]
impl Source for CopySource {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        self.connection.with(|on| count(on, table)).await
    }

    async fn read(
        &mut self,
        table: &'static Table,
        to: mpsc::Sender<Vec<Row>>,
    ) -> Result<(), StoreError> {
        self.connection.with(|on| read(on, table, to)).await
    }

    async fn totals(&mut self) -> Result<Totals, StoreError> {
        self.connection.with(totals).await
    }
}

/// A file that is filled.
pub struct CopyTarget {
    connection: Lent,
    /// The file, which is deleted unless it gets its name.
    unfinished: TempPath,
    to: PathBuf,
    _lock: ServeLock,
}

impl CopyTarget {
    /// Makes a file with the tables of an empty project.
    ///
    /// # Errors
    /// Returns a sentence that says why it cannot be made.
    pub async fn create(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let unwritten =
            |error: &dyn std::fmt::Display| format!("{shown} cannot be written: {error}.");
        if fs::symlink_metadata(path).is_ok() {
            return Err(format!(
                "{shown} is there already, and is not written over. Name a file that is not there."
            ));
        }
        let log = connection::log_of(path);
        if log.exists() {
            return Err(format!(
                "{} belongs to a database that is not there any more, and SQLite would take it for a \
                 part of the new one. Move it away first.",
                log.display()
            ));
        }
        let lock = ServeLock::take(path)
            .await
            .map_err(|error| unwritten(&error))?
            .ok_or_else(|| format!("Another copy to {shown}, or a tracker there, is running."))?;
        let unfinished = unfinished(path);
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritten(&error)),
            _ => {}
        }
        let file = unfinished.clone();
        let unfinished = TempPath::try_from_path(unfinished).map_err(|error| unwritten(&error))?;
        let opening = tokio::task::spawn_blocking(move || {
            connection::make_private(&file);
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&file, flags)?;
            // The file is thrown away if anything goes wrong, and is flushed as a whole at the end.
            connection.pragma_update(None, "journal_mode", "off")?;
            connection.pragma_update(None, "synchronous", "off")?;
            migrations::run(&mut connection)?;
            connection.execute_batch("begin")?;
            Ok::<_, StoreError>(connection)
        });
        let opened = opening.await.map_err(|error| error.to_string())?;
        Ok(Self {
            connection: Lent(Some(opened.map_err(|error| unwritten(&error))?)),
            unfinished,
            to: path.to_owned(),
            _lock: lock,
        })
    }
}

/// The name of a copy that is not complete.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-copying");
    name.into()
}

#[async_trait]
impl Source for CopyTarget {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        self.connection.with(|on| count(on, table)).await
    }

    async fn read(
        &mut self,
        table: &'static Table,
        to: mpsc::Sender<Vec<Row>>,
    ) -> Result<(), StoreError> {
        self.connection.with(|on| read(on, table, to)).await
    }

    async fn totals(&mut self) -> Result<Totals, StoreError> {
        self.connection.with(totals).await
    }
}

#[async_trait]
impl Target for CopyTarget {
    async fn fill(
        &mut self,
        table: &'static Table,
        rows: mpsc::Receiver<Vec<Row>>,
    ) -> Result<(), StoreError> {
        self.connection.with(|on| fill(on, table, rows)).await
    }

    async fn set_totals(&mut self, totals: &Totals) -> Result<(), StoreError> {
        let totals = *totals;
        let set = move |on: &Connection| {
            on.execute(
                "update totals set jobs = ?, closed = ?, late_bytes = ?, last_number = ?, \
                 last_cursor = ?, last_position = ?, last_worker = ?, last_lease = ? where id = 1",
                (
                    totals.jobs,
                    totals.closed,
                    totals.late_bytes,
                    totals.last_number,
                    totals.last_cursor,
                    totals.last_position,
                    totals.last_worker,
                    totals.last_lease,
                ),
            )?;
            Ok(())
        };
        self.connection.with(set).await
    }

    async fn finish(mut self: Box<Self>, who: &str, detail: &str) -> Result<(), StoreError> {
        let (who, detail) = (who.to_owned(), detail.to_owned());
        let end = move |on: &Connection| {
            let now = SystemClock.now();
            on.execute(
                "insert into actions (at, who, action, detail) values (?, ?, 'copy', ?)",
                (now, who, detail),
            )?;
            // PostgreSQL trackers of an earlier version leave it empty.
            migrations::fill_looks(on)?;
            on.execute_batch("commit")?;
            Ok(())
        };
        self.connection.with(end).await?;
        let connection = self.connection.0.take();
        let (unfinished, to) = (self.unfinished, self.to);
        let ending = tokio::task::spawn_blocking(move || {
            drop(connection);
            name(unfinished, &to)
        });
        let unnamed = |error: io::Error| StoreError::Unavailable(error.to_string());
        let ended = ending.await;
        ended
            .map_err(|error| StoreError::Failed(error.to_string()))?
            .map_err(unnamed)
    }
}

/// Gives a file its name when its content is on disk.
fn name(unfinished: TempPath, to: &Path) -> io::Result<()> {
    fs::File::open(&unfinished)?.sync_all()?;
    unfinished
        .persist_noclobber(to)
        .map_err(|error| error.error)?;
    #[cfg(unix)]
    {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn count(on: &Connection, table: &Table) -> Result<u64, StoreError> {
    let count = format!("select count(*) from {}", table.name);
    Ok(unsigned(on.query_row(&count, (), |row| row.get(0))?))
}

fn columns(table: &Table) -> String {
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    names.join(", ")
}

fn read(on: &Connection, table: &Table, to: mpsc::Sender<Vec<Row>>) -> Result<(), StoreError> {
    let mut statement = format!("select {} from {}", columns(table), table.name);
    if let Some(order) = table.order {
        statement.push_str(&format!(" order by {order}"));
    }
    let mut statement = on.prepare(&statement)?;
    let mut rows = statement.query(())?;
    let mut batches = Batches::new(to);
    while let Some(row) = rows.next()? {
        let values = (0..table.columns.len()).map(|at| value(table, at, row.get_ref(at)?));
        let values: Row = values.collect::<Result<_, StoreError>>()?;
        if let Some(batch) = batches.push(values) {
            let sent = batches.sender().blocking_send(batch);
            sent.map_err(|_| stopped())?;
        }
    }
    let rest = batches.take();
    let sent = batches.sender().blocking_send(rest);
    sent.map_err(|_| stopped())
}

fn value(table: &Table, at: usize, value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(value) => Ok(Value::Int(value)),
        ValueRef::Text(text) => match str::from_utf8(text) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(error) => Err(unreadable(table, at, &error.to_string())),
        },
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(unreadable(table, at, "it is no text")),
    }
}

fn unreadable(table: &Table, at: usize, why: &str) -> StoreError {
    let (column, _) = table.columns[at];
    StoreError::Failed(format!(
        "a value of column {column} of table {} cannot be read: {why}",
        table.name
    ))
}

fn fill(
    on: &Connection,
    table: &Table,
    mut rows: mpsc::Receiver<Vec<Row>>,
) -> Result<(), StoreError> {
    if table.name == STAGE_COUNTERS {
        on.execute("delete from stage_counters", ())?;
    }
    let places = vec!["?"; table.columns.len()].join(", ");
    let insert = format!(
        "insert into {} ({}) values ({places})",
        table.name,
        columns(table)
    );
    let mut insert = on.prepare(&insert)?;
    while let Some(batch) = rows.blocking_recv() {
        for row in &batch {
            insert.execute(params_from_iter(row.iter().map(bound)))?;
        }
    }
    Ok(())
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(value) => ValueRef::Integer(*value),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
    })
}

fn totals(on: &Connection) -> Result<Totals, StoreError> {
    Ok(on.query_row(
        "select jobs, closed, late_bytes, last_number, last_cursor, last_position, last_worker, \
         last_lease from totals where id = 1",
        (),
        |row| {
            Ok(Totals {
                jobs: row.get(0)?,
                closed: row.get(1)?,
                late_bytes: row.get(2)?,
                last_number: row.get(3)?,
                last_cursor: row.get(4)?,
                last_position: row.get(5)?,
                last_worker: row.get(6)?,
                last_lease: row.get(7)?,
            })
        },
    )?)
}
