//! Outputs per minute. They are counted per minute and stage as they arrive, so this reads a few
//! hundred rows however many jobs there are.

use rusqlite::Connection;

use crate::{
    clock::Millis,
    store::{MinuteRow, StoreError, stage_of, unsigned},
};

const MINUTE: Millis = 60_000;

pub(super) fn throughput(
    on: &Connection,
    now: Millis,
    minutes: u32,
) -> Result<Vec<MinuteRow>, StoreError> {
    let since = now.div_euclid(MINUTE) - i64::from(minutes);
    let mut statement = on.prepare_cached(
        "select minute, stage, done from throughput \
         where minute > ? and minute <= ? order by minute, stage",
    )?;
    statement
        .query_and_then([since, now.div_euclid(MINUTE)], |row| {
            Ok(MinuteRow {
                minute: row.get(0)?,
                stage: stage_of(row.get(1)?)?,
                done: unsigned(row.get(2)?),
            })
        })?
        .collect()
}
