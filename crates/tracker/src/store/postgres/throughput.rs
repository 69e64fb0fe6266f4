//! Outputs per minute. They are counted per minute and stage as they arrive, so this reads a few
//! hundred rows however many jobs there are.

use distcompute_protocol::Stage;
use sqlx::PgPool;

use crate::{
    clock::Millis,
    store::{MinuteRow, StoreError, unsigned},
};

const MINUTE: Millis = 60_000;

pub(super) async fn throughput(
    pool: &PgPool,
    now: Option<Millis>,
    minutes: u32,
) -> Result<Vec<MinuteRow>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select minute, stage, done from throughput \
         where minute > coalesce($1, tracker_now()) / $2 - $3 \
         and minute <= coalesce($1, tracker_now()) / $2 order by minute, stage",
    )
    .bind(now)
    .bind(MINUTE)
    .bind(i64::from(minutes))
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
