//! The two sides of a copy that are PostgreSQL databases.
//!
//! The destination is filled in one transaction. If the copy is broken off, by whatever, the server
//! rolls it back.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _, postgres::PgRow};
use tokio::sync::mpsc;

use super::{Address, connection};
use crate::store::{
    StoreError,
    copy::{
        Batches, Kind, Row, STAGE_COUNTERS, Source, TABLES, Table, Target, Totals, Value, stopped,
    },
    unsigned,
};

/// Settings of a transaction that may take hours. The other side may be slow.
const PATIENT: &str = "select set_config('idle_in_transaction_session_timeout', '0', false), \
     set_config('statement_timeout', '0', false)";

/// A database that is copied.
pub struct CopySource(PgConnection);

impl CopySource {
    /// Opens a database for reading, as it is now.
    ///
    /// # Errors
    /// Returns a sentence that says why it cannot be copied.
    pub async fn open(address: &Address) -> Result<Self, String> {
        let opening = async {
            let mut connection = connection::connect_alone(address).await?;
            connection::check(&mut connection).await?;
            connection.execute(PATIENT).await?;
            // One snapshot, so that everything is of one moment.
            connection
                .execute("begin isolation level repeatable read read only")
                .await?;
            Ok::<_, StoreError>(connection)
        };
        let opened = opening.await;
        let opened =
            opened.map_err(|error| format!("The database {address} cannot be copied: {error}."));
        Ok(Self(opened?))
    }
}

#[async_trait]
impl Source for CopySource {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        count(&mut self.0, table).await
    }

    async fn read(
        &mut self,
        table: &'static Table,
        to: mpsc::Sender<Vec<Row>>,
    ) -> Result<(), StoreError> {
        read(&mut self.0, table, to).await
    }

    async fn totals(&mut self) -> Result<Totals, StoreError> {
        totals(&mut self.0).await
    }
}

/// A database that is filled.
pub struct CopyTarget(PgConnection);

impl CopyTarget {
    /// Opens an empty database, and makes the tables that it lacks.
    ///
    /// # Errors
    /// Returns a sentence that says why it cannot be used.
    pub async fn open(address: &Address) -> Result<Self, String> {
        let unusable = |error: StoreError| format!("Nothing can be copied to {address}: {error}.");
        let not_empty = |what: &str| {
            format!(
                "{address} is not empty: there are rows in its table {what}. Nothing was changed. Name \
                 an empty database, or one that does not have a tracker's tables yet."
            )
        };
        let opening = connection::connect_alone(address);
        let mut connection = opening.await.map_err(unusable)?;
        // First, so that a project of an earlier version is not touched.
        let has_jobs = sqlx::query_scalar("select to_regclass('jobs') is not null");
        let has_jobs: Result<bool, _> = has_jobs.fetch_one(&mut connection).await;
        if has_jobs.map_err(|error| unusable(error.into()))? {
            let found = has_rows(&mut connection, "jobs").await;
            if found.map_err(unusable)? {
                return Err(not_empty("jobs"));
            }
        }
        connection::prepare(&mut connection)
            .await
            .map_err(unusable)?;
        let begin = async |connection: &mut PgConnection| {
            connection.execute(PATIENT).await?;
            connection.execute("begin").await?;
            // What a copy that was broken off has left there takes up space until it is vacuumed,
            // and truncating gives that back at once. It also keeps everybody else out.
            let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
            let lock = format!("lock table {} in access exclusive mode", tables.join(", "));
            connection.execute(AssertSqlSafe(lock)).await?;
            for table in TABLES.iter().filter(|table| table.name != STAGE_COUNTERS) {
                if has_rows(connection, table.name).await? {
                    return Ok(Some(table.name));
                }
            }
            let truncate = format!("truncate {}", tables.join(", "));
            connection.execute(AssertSqlSafe(truncate)).await?;
            Ok::<_, StoreError>(None)
        };
        match begin(&mut connection).await.map_err(unusable)? {
            Some(table) => Err(not_empty(table)),
            None => Ok(Self(connection)),
        }
    }
}

#[async_trait]
impl Source for CopyTarget {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        count(&mut self.0, table).await
    }

    async fn read(
        &mut self,
        table: &'static Table,
        to: mpsc::Sender<Vec<Row>>,
    ) -> Result<(), StoreError> {
        read(&mut self.0, table, to).await
    }

    async fn totals(&mut self) -> Result<Totals, StoreError> {
        totals(&mut self.0).await
    }
}

#[async_trait]
impl Target for CopyTarget {
    async fn fill(
        &mut self,
        table: &'static Table,
        mut rows: mpsc::Receiver<Vec<Row>>,
    ) -> Result<(), StoreError> {
        let names: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
        let copy = format!("copy {} ({}) from stdin", table.name, names.join(", "));
        let mut copying = self.0.copy_in_raw(&copy).await?;
        while let Some(batch) = rows.recv().await {
            let mut lines = Vec::new();
            for row in &batch {
                if let Err(error) = write_line(&mut lines, table, row) {
                    let _ = copying.abort("it cannot be stored").await;
                    return Err(error);
                }
            }
            copying.send(lines).await?;
        }
        copying.finish().await?;
        if let Some(column) = table.identity {
            let next = format!(
                "select setval(pg_get_serial_sequence('{0}', '{column}'), \
                 coalesce(max({column}), 0) + 1, false) from {0}",
                table.name
            );
            self.0.execute(AssertSqlSafe(next)).await?;
        }
        Ok(())
    }

    async fn set_totals(&mut self, totals: &Totals) -> Result<(), StoreError> {
        sqlx::query(
            "update totals set jobs = $1, closed = $2, late_bytes = $3, last_cursor = $4 \
             where id = 1",
        )
        .bind(totals.jobs)
        .bind(totals.closed)
        .bind(totals.late_bytes)
        .bind(totals.last_cursor)
        .execute(&mut self.0)
        .await?;
        sqlx::query("update numbering set last_number = $1 where id = 1")
            .bind(totals.last_number)
            .execute(&mut self.0)
            .await?;
        for (sequence, last) in [
            ("queue_positions", totals.last_position),
            ("worker_ids", totals.last_worker),
            ("lease_ids", totals.last_lease),
        ] {
            sqlx::query("select setval($1::text::regclass, greatest($2, 1), $2 > 0)")
                .bind(sequence)
                .bind(last)
                .execute(&mut self.0)
                .await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>, who: &str, detail: &str) -> Result<(), StoreError> {
        sqlx::query(
            "insert into actions (at, who, action, detail) values (tracker_now(), $1, 'copy', $2)",
        )
        .bind(who)
        .bind(detail)
        .execute(&mut self.0)
        .await?;
        self.0.execute("commit").await?;
        // The server would do so within minutes, and plan badly until then. It need not succeed.
        if let Err(error) = self.0.execute("analyze").await {
            tracing::debug!(%error, "the tables are not analyzed");
        }
        Ok(())
    }
}

async fn has_rows(connection: &mut PgConnection, table: &str) -> Result<bool, StoreError> {
    let exists = format!("select exists (select from {table})");
    let found = sqlx::query_scalar(AssertSqlSafe(exists));
    Ok(found.fetch_one(connection).await?)
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

async fn count(connection: &mut PgConnection, table: &Table) -> Result<u64, StoreError> {
    let count = format!("select count(*) from {}", table.name);
    let count = sqlx::query_scalar(AssertSqlSafe(count));
    Ok(unsigned(count.fetch_one(connection).await?))
}

async fn read(
    connection: &mut PgConnection,
    table: &'static Table,
    to: mpsc::Sender<Vec<Row>>,
) -> Result<(), StoreError> {
    let columns = table.columns.iter().map(|(name, kind)| match kind {
        Kind::Bool => format!("{}::int::bigint", quoted(name)),
        Kind::Int | Kind::Text => quoted(name),
    });
    let columns: Vec<String> = columns.collect();
    let mut statement = format!("select {} from {}", columns.join(", "), table.name);
    if let Some(order) = table.order {
        statement.push_str(&format!(" order by {order}"));
    }
    let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(connection);
    let mut batches = Batches::new(to);
    while let Some(row) = rows.try_next().await? {
        if let Some(batch) = batches.push(values(table, &row)?) {
            let sent = batches.sender().send(batch).await;
            sent.map_err(|_| stopped())?;
        }
    }
    let rest = batches.take();
    let sent = batches.sender().send(rest).await;
    sent.map_err(|_| stopped())
}

fn values(table: &Table, row: &PgRow) -> Result<Row, StoreError> {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(at, (_, kind))| {
        Ok(match kind {
            Kind::Int | Kind::Bool => row.try_get::<Option<i64>, _>(at)?.map(Value::Int),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        }
        .unwrap_or(Value::Null))
    });
    values.collect()
}

/// Appends a row in the text format of `copy`.
fn write_line(line: &mut Vec<u8>, table: &Table, row: &Row) -> Result<(), StoreError> {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            line.push(b'\t');
        }
        match value {
            Value::Null => line.extend(b"\\N"),
            Value::Int(value) => line.extend(value.to_string().bytes()),
            Value::Text(text) => write_text(line, text).map_err(|()| {
                let (column, _) = table.columns[at];
                let key: Vec<String> = row
                    .iter()
                    .zip(table.columns)
                    .filter_map(|(value, (name, _))| Some(format!("{name} {}", value.int()?)))
                    .take(2)
                    .collect();
                StoreError::BadData(format!(
                    "column {column} of table {} contains U+0000, which PostgreSQL cannot store, in \
                     the row with {}",
                    table.name,
                    key.join(", ")
                ))
            })?,
        }
    }
    line.push(b'\n');
    Ok(())
}

fn write_text(line: &mut Vec<u8>, text: &str) -> Result<(), ()> {
    line.reserve(text.len());
    for byte in text.bytes() {
        match byte {
            0 => return Err(()),
            b'\\' => line.extend(b"\\\\"),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            b'\t' => line.extend(b"\\t"),
            other => line.push(other),
        }
    }
    Ok(())
}

async fn totals(connection: &mut PgConnection) -> Result<Totals, StoreError> {
    type Found = (i64, i64, i64, i64, i64, i64, i64, i64);
    let found: Found = sqlx::query_as(
        "select t.jobs, t.closed, t.late_bytes, n.last_number, t.last_cursor, \
         (select last_value - (not is_called)::int from queue_positions), \
         (select last_value - (not is_called)::int from worker_ids), \
         (select last_value - (not is_called)::int from lease_ids) from totals t, numbering n",
    )
    .fetch_one(connection)
    .await?;
    let (
        jobs,
        closed,
        late_bytes,
        last_number,
        last_cursor,
        last_position,
        last_worker,
        last_lease,
    ) = found;
    Ok(Totals {
        jobs,
        closed,
        late_bytes,
        last_number,
        last_cursor,
        last_position,
        last_worker,
        last_lease,
    })
}
