//! Workers, by page and by name, for the dashboard and for the operator.

use distcompute_protocol::Stage;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::store::{
    Page, RegisteredRow, Start, StoreError, WorkerRow, column, signed, stage_of, unsigned,
};

/// The columns of a worker for display.
macro_rules! shown {
    () => {
        "select id, display_name, nickname, \
         (select min(number) from leases l where l.worker = w.id and l.ended_at is null), \
         (select count(*) from leases l where l.worker = w.id and l.ended_at is null), \
         progress, completed, first_seen, last_seen, \
         exists (select 1 from leaderboard b where b.nickname = w.nickname \
             and b.key is distinct from w.key and b.key is not null) from workers w "
    };
}

/// A page of the workers of a stage.
pub(super) const WORKERS: &str = concat!(
    shown!(),
    "where stage = ? order by id desc limit ? offset ?"
);

/// Workers that registered up to and including a given one, newest first.
pub(super) const WORKERS_FROM: &str = concat!(
    shown!(),
    "where stage = ? and id <= ? order by id desc limit ?"
);

pub(super) const WORKERS_BEFORE: &str =
    concat!(shown!(), "where stage = ? and id > ? order by id limit ?");

fn worker_row(row: &Row<'_>) -> rusqlite::Result<WorkerRow> {
    Ok(WorkerRow {
        id: unsigned(row.get(0)?),
        display_name: row.get(1)?,
        nickname: row.get(2)?,
        job: row.get::<_, Option<i64>>(3)?.map(unsigned),
        held: unsigned(row.get(4)?),
        progress: row.get(5)?,
        completed: unsigned(row.get(6)?),
        first_seen: row.get(7)?,
        last_seen: row.get(8)?,
        unverified: row.get(9)?,
    })
}

pub(super) fn workers(
    on: &Connection,
    stage: Stage,
    page: &Page<u64>,
) -> Result<Vec<WorkerRow>, StoreError> {
    let (stage, limit) = (column(stage), i64::from(page.limit));
    let (statement, which, is_reversed) = match page.start {
        Start::Offset(offset) => (WORKERS, [stage, limit, signed(offset)], false),
        Start::From(id) => (WORKERS_FROM, [stage, signed(id), limit], false),
        Start::Before(id) => (WORKERS_BEFORE, [stage, signed(id), limit], true),
    };
    let mut statement = on.prepare_cached(statement)?;
    let rows = statement.query_map(which, worker_row)?;
    let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    if is_reversed {
        rows.reverse();
    }
    Ok(rows)
}

pub(super) fn worker(
    on: &Connection,
    stage: Stage,
    name: &str,
) -> Result<Option<WorkerRow>, StoreError> {
    let newest = concat!(
        shown!(),
        "where stage = ? and display_name = ? order by id desc limit 1"
    );
    Ok(on
        .prepare_cached(newest)?
        .query_row((column(stage), name), worker_row)
        .optional()?)
}

/// Lists workers by row id, for the operator.
pub(super) fn registrations(
    on: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<RegisteredRow>, StoreError> {
    let mut statement = on.prepare_cached(
        "select id, token, display_name, nickname, address, stage, \
         (select count(*) from leases l where l.worker = w.id and l.ended_at is null), \
         completed, first_seen, last_seen, key from workers w where id > ? order by id limit ?",
    )?;
    statement
        .query_and_then((after, limit), |row| {
            Ok(RegisteredRow {
                id: row.get(0)?,
                fingerprint: row.get(1)?,
                display_name: row.get(2)?,
                nickname: row.get(3)?,
                address: row.get(4)?,
                stage: stage_of(row.get(5)?)?,
                held: unsigned(row.get(6)?),
                completed: unsigned(row.get(7)?),
                first_seen: row.get(8)?,
                last_seen: row.get(9)?,
                key: row.get(10)?,
            })
        })?
        .collect()
}
