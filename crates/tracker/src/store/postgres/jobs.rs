//! Adding jobs and deleting everything.

use distcompute_protocol::Stage;
use sqlx::PgConnection;

use super::files;
use crate::{
    clock::Millis,
    store::{Added, ImportPart, StoreError, column, place_of_part, unsigned},
};

/// Adds jobs with these inputs.
///
/// They are sent as one array in one statement rather than as parameters per job, which is several
/// times as fast and does not limit their number.
pub(super) async fn add(
    connection: &mut PgConnection,
    inputs: &[String],
    part: Option<ImportPart>,
) -> Result<Option<Added>, StoreError> {
    let count = i64::try_from(inputs.len()).unwrap_or(i64::MAX);
    let mut has_key = false;
    if let Some(part) = part {
        let found: Option<(i64, bool)> =
            sqlx::query_as("select done, key is not null from imports where id = $1 for update")
                .bind(part.import)
                .fetch_optional(&mut *connection)
                .await?;
        has_key = found.is_some_and(|(_, has_key)| has_key);
        let done = found.map(|(done, _)| done);
        if !place_of_part(done, part, inputs.len()).is_next()? {
            return Ok(None);
        }
        sqlx::query("update imports set done = done + $1 where id = $2")
            .bind(count)
            .bind(part.import)
            .execute(&mut *connection)
            .await?;
    }
    // Concurrent calls that add jobs wait for this row, so that numbers have no gaps. No
    // transaction that hands out jobs uses it.
    let last: i64 = sqlx::query_scalar(
        "update numbering set last_number = last_number + $1 where id = 1 returning last_number",
    )
    .bind(count)
    .fetch_one(&mut *connection)
    .await?;
    let first = last - count + 1;
    if let Some(part) = part.filter(|_| has_key) {
        note_numbers(connection, part.import, first, last).await?;
    }
    sqlx::query(
        "insert into inputs (number, stage, data) select $1 + ordinality - 1, 0, data \
         from unnest($2::text[]) with ordinality as given (data, ordinality)",
    )
    .bind(first)
    .bind(inputs)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into jobs (number, stage, position) \
         select number, 0, nextval('queue_positions') from generate_series($1, $2) as number",
    )
    .bind(first)
    .bind(last)
    .execute(&mut *connection)
    .await?;
    sqlx::query("update totals set jobs = jobs + $1 where id = 1")
        .bind(count)
        .execute(&mut *connection)
        .await?;
    sqlx::query("update stage_counters set open = open + $1 where stage = $2")
        .bind(count)
        .bind(column(Stage::A))
        .execute(&mut *connection)
        .await?;
    files::of_inputs(connection, first, inputs).await?;
    Ok(Some(Added {
        first: unsigned(first),
        last: unsigned(last),
    }))
}

/// Records the numbers of jobs of an import. They extend its last range if they follow it.
async fn note_numbers(
    connection: &mut PgConnection,
    import: i64,
    first: i64,
    last: i64,
) -> Result<(), StoreError> {
    let extended =
        sqlx::query("update import_numbers set last = $1 where import = $2 and last = $3 - 1")
            .bind(last)
            .bind(import)
            .bind(first)
            .execute(&mut *connection)
            .await?;
    if extended.rows_affected() == 0 {
        sqlx::query("insert into import_numbers (import, first, last) values ($1, $2, $3)")
            .bind(import)
            .bind(first)
            .bind(last)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Deletes all data.
pub(super) async fn wipe(
    connection: &mut PgConnection,
    now: Option<Millis>,
) -> Result<(), StoreError> {
    // `truncate` takes constant time and space whatever the size; it waits until there are no
    // readers or writers.
    sqlx::raw_sql(
        "truncate jobs, job_files, inputs, late_results, address_groups, workers, leases, flags, avoided, leaderboard, throughput, imports,
             import_numbers, volunteers, failures, opinions, opinion_texts, trust, trust_version, lane,
             retractions;
         update numbering set last_number = 0;
         update totals set jobs = 0, closed = 0, last_cursor = 0, late_bytes = 0;
         update stage_counters set open = 0, held = 0, done = 0, aside = 0, workers = 0, working = 0,
             failing = 0, paused_at = null, paused_reason = null, paused_by_operator = false,
             waiting = 0, checked = 0, disputed = 0, wrong = 0;",
    )
    .execute(&mut *connection)
    .await?;
    // No job has them any more.
    sqlx::query(
        "update files set doomed_at = coalesce($1, tracker_now()) where state <> 'deleting'",
    )
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
