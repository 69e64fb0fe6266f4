//! Outputs by cursor, what was taken back of them, and what counts for a volunteer.

use distcompute_protocol::Stage;
use futures_util::{Stream, TryStreamExt as _};
use sqlx::PgPool;

use crate::{
    clock::Millis,
    store::{CountedRow, Output, Retraction, StoreError, column, signed, stage_of, unsigned},
};

/// How much text one call for results reads before it ends early.
const RESULT_BYTES: usize = 8 << 20;

/// Begins a transaction whose statements all see the tables as they were at the first of them.
const ONE_STATE: &str = "begin isolation level repeatable read read only";

pub(super) async fn counted(
    pool: &PgPool,
    key: &str,
    after: u64,
    limit: u32,
) -> Result<Vec<CountedRow>, StoreError> {
    // Of what is listed, all is there to be hashed: a result that has been taken back meanwhile would be
    // missing, and a page of such results would look like the end.
    let mut reading = pool.begin_with(ONE_STATE).await?;
    let listed: Vec<(i64, i64, i64, Option<Millis>, i64)> = sqlx::query_as(COUNTED)
        .bind(format!("k:{key}"))
        .bind(signed(after))
        .bind(i64::from(limit))
        .fetch_all(&mut *reading)
        .await?;
    let mut bytes = 0;
    let fitting = listed.into_iter().enumerate().take_while(|(at, row)| {
        bytes += unsigned(row.4);
        *at == 0 || bytes <= HASHED
    });
    let mut found = Vec::new();
    for (_, (cursor, number, stage, at, _)) in fitting {
        let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
            "select sha256(convert_to(data, 'UTF8')) from inputs \
             where number = $1 and stage in ($2, $2 + 1) order by stage",
        )
        .bind(number)
        .bind(stage)
        .fetch_all(&mut *reading)
        .await?;
        let Ok([input, output]) = <[Vec<u8>; 2]>::try_from(hashes) else {
            continue;
        };
        found.push(CountedRow {
            cursor: unsigned(cursor),
            number: unsigned(number),
            stage: stage_of(stage)?,
            at: at.unwrap_or_default(),
            input,
            output,
        });
    }
    Ok(found)
}

/// Cursors of the results of a volunteer that count: the output is there, and nobody has made it again
/// since.
pub(super) const COUNTED: &str = "select o.cursor, l.number, l.stage, l.ended_at, \
     octet_length(i.data)::bigint + octet_length(o.data) \
     from leases l join inputs o on o.number = l.number and o.stage = l.stage + 1 \
     join inputs i on i.number = l.number and i.stage = l.stage \
     where l.volunteer = $1 and l.outcome = 'completed' \
     and l.volunteer >= 'k:' and l.volunteer < 'k;' and o.cursor > $2 \
     and not exists (select 1 from leases b where b.number = l.number and b.stage = l.stage \
         and b.outcome = 'completed' and b.id > l.id) \
     order by o.cursor limit $3";

/// The total size of the texts of one page that are hashed, in bytes; exceeded at most by one job's.
const HASHED: u64 = 16 << 20;

/// A page of the outputs of a stage.
pub(super) const RESULTS: &str = "select cursor, number, data from inputs \
     where stage = $1 and cursor > $2 order by cursor limit $3";

/// A page of outputs without their data.
const RESULT_NUMBERS: &str = "select cursor, number from inputs \
     where stage = $1 and cursor > $2 order by cursor limit $3";

/// The outputs of a stage for given jobs.
const RESULTS_OF: &str = "select cursor, number, data from inputs \
     where number = any($1::bigint[]) and stage = $2 and cursor is not null order by cursor";

pub(super) async fn results(
    pool: &PgPool,
    stage: Stage,
    after: i64,
    limit: u32,
) -> Result<Vec<Output>, StoreError> {
    let query = sqlx::query_as(RESULTS)
        .bind(column(stage) + 1)
        .bind(after)
        .bind(i64::from(limit));
    gather(query.fetch(pool)).await
}

pub(super) async fn results_of(
    pool: &PgPool,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<Output>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|number| signed(*number)).collect();
    let query = sqlx::query_as(RESULTS_OF)
        .bind(numbers)
        .bind(column(stage) + 1);
    gather(query.fetch(pool)).await
}

pub(super) async fn result_numbers(
    pool: &PgPool,
    stage: Stage,
    after: i64,
    limit: u32,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(RESULT_NUMBERS)
        .bind(column(stage) + 1)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(cursor, number)| (unsigned(cursor), unsigned(number)))
        .collect())
}

pub(super) async fn retractions(
    pool: &PgPool,
    stage: Stage,
    after: u64,
    limit: u32,
) -> Result<Vec<Retraction>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select cursor, number, at from retractions where stage = $1 and cursor > $2 \
         order by cursor limit $3",
    )
    .bind(column(stage))
    .bind(signed(after))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter().map(|(cursor, number, at)| Retraction {
        cursor: unsigned(cursor),
        number: unsigned(number),
        at,
    });
    Ok(rows.collect())
}

/// Collects outputs until there is enough text for one call.
async fn gather(
    mut rows: impl Stream<Item = Result<(i64, i64, String), sqlx::Error>> + Unpin,
) -> Result<Vec<Output>, StoreError> {
    let mut outputs = Vec::new();
    let mut bytes = 0;
    while let Some((cursor, number, data)) = rows.try_next().await? {
        bytes += data.len();
        outputs.push(Output {
            cursor: unsigned(cursor),
            number: unsigned(number),
            data,
        });
        if bytes >= RESULT_BYTES {
            break;
        }
    }
    Ok(outputs)
}
