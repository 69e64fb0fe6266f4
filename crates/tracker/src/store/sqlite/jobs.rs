//! What the operator puts in and takes away.

use distcompute_protocol::Stage;

use super::{unsigned, writer::Unit};
use crate::store::{Added, StoreError};

/// Adds `count` jobs, whose inputs are the strings of the JSON list.
///
/// One list in one statement, rather than a row of parameters for each job: it is several times
/// as fast and has no limit on their number.
pub(super) async fn add(unit: &mut Unit, list: String, count: usize) -> Result<Added, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last: i64 = sqlx::query_scalar(
        "update totals set last_number = last_number + ? where id = 1 returning last_number",
    )
    .bind(count)
    .fetch_one(&mut unit.connection)
    .await?;
    let first = last - count + 1;
    sqlx::query(
        "insert into inputs (number, stage, data) select ?1 + key, 0, value from json_each(?2)",
    )
    .bind(first)
    .bind(list)
    .execute(&mut unit.connection)
    .await?;
    let tail: i64 = sqlx::query_scalar(
        "select coalesce(max(position), 0) from jobs where stage = 0 and state = 'open'",
    )
    .fetch_one(&mut unit.connection)
    .await?;
    sqlx::query(
        "with recursive added (n) as (select 1 union all select n + 1 from added where n < ?1) \
         insert into jobs (number, stage, position) select ?2 + n - 1, 0, ?3 + n from added",
    )
    .bind(count)
    .bind(first)
    .bind(tail)
    .execute(&mut unit.connection)
    .await?;
    unit.tally.jobs += count;
    unit.tally.stage(Stage::A).open += count;
    Ok(Added {
        first: unsigned(first),
        last: unsigned(last),
    })
}

/// Forgets everything.
pub(super) async fn wipe(unit: &mut Unit) -> Result<(), StoreError> {
    for statement in [
        "delete from jobs",
        "delete from inputs",
        "delete from workers",
        "delete from leases",
        "delete from flags",
        "delete from avoided",
        "delete from leaderboard",
        "delete from throughput",
        "update stage_counters set open = 0, held = 0, done = 0, aside = 0, workers = 0",
        "update totals set jobs = 0, closed = 0, last_number = 0, last_cursor = 0",
    ] {
        sqlx::query(statement).execute(&mut unit.connection).await?;
    }
    // What the operations before this one in the group have summed up is gone with the rest.
    unit.tally = super::tally::Tally::default();
    Ok(())
}
