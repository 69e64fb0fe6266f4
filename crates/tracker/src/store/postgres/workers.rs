//! Workers, by page and by name, for the dashboard and for the operator.

use distcompute_protocol::Stage;
use sqlx::{PgPool, Row as _};

use crate::store::{
    Page, RegisteredRow, Start, StoreError, WorkerRow, column, signed, stage_of, unsigned,
};

type WorkerColumns = (
    i64,
    String,
    String,
    Option<i64>,
    i64,
    String,
    i64,
    i64,
    i64,
    bool,
);

fn worker_row(columns: WorkerColumns) -> WorkerRow {
    let (
        id,
        display_name,
        nickname,
        job,
        held,
        progress,
        completed,
        first_seen,
        last_seen,
        unverified,
    ) = columns;
    WorkerRow {
        id: unsigned(id),
        display_name,
        nickname,
        unverified,
        job: job.map(unsigned),
        held: unsigned(held),
        progress,
        completed: unsigned(completed),
        first_seen,
        last_seen,
    }
}

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
    "where stage = $1 order by id desc limit $2 offset $3"
);

/// Workers that registered up to and including a given one, newest first.
pub(super) const WORKERS_FROM: &str = concat!(
    shown!(),
    "where stage = $1 and id <= $3 order by id desc limit $2"
);

pub(super) const WORKERS_BEFORE: &str = concat!(
    shown!(),
    "where stage = $1 and id > $3 order by id limit $2"
);

pub(super) async fn workers(
    pool: &PgPool,
    stage: Stage,
    page: Page<u64>,
) -> Result<Vec<WorkerRow>, StoreError> {
    let (statement, place, is_reversed) = match page.start {
        Start::Offset(offset) => (WORKERS, offset, false),
        Start::From(id) => (WORKERS_FROM, id, false),
        Start::Before(id) => (WORKERS_BEFORE, id, true),
    };
    let mut rows: Vec<WorkerColumns> = sqlx::query_as(statement)
        .bind(column(stage))
        .bind(i64::from(page.limit))
        .bind(signed(place))
        .fetch_all(pool)
        .await?;
    if is_reversed {
        rows.reverse();
    }
    Ok(rows.into_iter().map(worker_row).collect())
}

pub(super) async fn worker(
    pool: &PgPool,
    stage: Stage,
    name: &str,
) -> Result<Option<WorkerRow>, StoreError> {
    let row: Option<WorkerColumns> = sqlx::query_as(concat!(
        shown!(),
        "where stage = $1 and display_name = $2 order by id desc limit 1"
    ))
    .bind(column(stage))
    .bind(name)
    .fetch_optional(pool)
    .await?;
    Ok(row.map(worker_row))
}

/// Lists workers by row id, for the operator.
pub(super) async fn registrations(
    pool: &PgPool,
    after: i64,
    limit: u32,
) -> Result<Vec<RegisteredRow>, StoreError> {
    let rows = sqlx::query(
        "select id, token, display_name, nickname, address, stage, \
         (select count(*) from leases l where l.worker = w.id and l.ended_at is null), \
         completed, first_seen, last_seen, key from workers w where id > $1 order by id limit $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RegisteredRow {
                id: row.try_get(0)?,
                fingerprint: row.try_get(1)?,
                display_name: row.try_get(2)?,
                nickname: row.try_get(3)?,
                address: row.try_get(4)?,
                stage: stage_of(row.try_get(5)?)?,
                held: unsigned(row.try_get(6)?),
                completed: unsigned(row.try_get(7)?),
                first_seen: row.try_get(8)?,
                last_seen: row.try_get(9)?,
                key: row.try_get(10)?,
            })
        })
        .collect()
}
