//! How many outputs were made in each of the last minutes: a row a minute and stage is kept as they
//! come in, so a few hundred are read, however many jobs there are.

use distcompute_protocol::Stage;
use sqlx::SqlitePool;

use crate::store::unsigned;
use crate::{
    clock::Millis,
    store::{MinuteRow, StoreError},
};

const MINUTE: Millis = 60_000;

pub(super) async fn pace(
    pool: &SqlitePool,
    now: Millis,
    minutes: u32,
) -> Result<Vec<MinuteRow>, StoreError> {
    let since = now.div_euclid(MINUTE) - i64::from(minutes);
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select minute, stage, done from throughput where minute > ? order by minute, stage",
    )
    .bind(since)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(minute, stage, done)| {
            let stage = *Stage::ALL.get(usize::try_from(stage).ok()?)?;
            Some(MinuteRow {
                minute,
                stage,
                done: unsigned(done),
            })
        })
        .collect())
}
