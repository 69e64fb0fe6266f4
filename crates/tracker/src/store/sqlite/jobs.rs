//! What the operator puts in and takes away.

use sqlx::SqliteConnection;

use crate::store::{Added, StoreError, unsigned};

/// Adds jobs with these inputs, at least one.
///
/// One list in one statement, rather than a row of parameters for each job: it is several times
/// as fast and has no limit on their number.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    inputs: &[String],
) -> Result<Added, StoreError> {
    let count = i64::try_from(inputs.len()).unwrap_or(i64::MAX);
    let list =
        serde_json::to_string(inputs).map_err(|error| StoreError::Failed(error.to_string()))?;
    let (last, tail): (i64, i64) = sqlx::query_as(
        "update totals set jobs = jobs + ?1, last_number = last_number + ?1, \
         last_position = last_position + ?1 where id = 1 returning last_number, last_position",
    )
    .bind(count)
    .fetch_one(&mut *connection)
    .await?;
    let first = last - count + 1;
    sqlx::query(
        "insert into inputs (number, stage, data) select ?1 + key, 0, value from json_each(?2)",
    )
    .bind(first)
    .bind(list)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "with recursive added (n) as (select 1 union all select n + 1 from added where n < ?1) \
         insert into jobs (number, stage, position) select ?2 + n - 1, 0, ?3 + n from added",
    )
    .bind(count)
    .bind(first)
    .bind(tail - count)
    .execute(&mut *connection)
    .await?;
    sqlx::query("update stage_counters set open = open + ? where stage = 0")
        .bind(count)
        .execute(&mut *connection)
        .await?;
    Ok(Added {
        first: unsigned(first),
        last: unsigned(last),
    })
}

/// Forgets everything.
pub(super) async fn wipe(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for statement in [
        "delete from jobs",
        "delete from inputs",
        "delete from workers",
        "delete from leases",
        "delete from flags",
        "delete from avoided",
        "delete from leaderboard",
        "delete from throughput",
        "update stage_counters set open = 0, held = 0, done = 0, aside = 0, workers = 0, \
         granted = 0, accepted = 0, rejected = 0, lapsed = 0, failed = 0",
        // Not the ids of workers and leases: one of before must never fit something new.
        "update totals set jobs = 0, closed = 0, last_number = 0, last_cursor = 0, \
         last_position = 0",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}
