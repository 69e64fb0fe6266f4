//! What the operator does beside the work of the volunteers: pruning, and the log of actions.
//!
//! A connection of its own, like that of an import in another process: a prune must not hold up the
//! group of volunteers' calls that the writer has collected.

use distcompute_protocol::Stage;
use sqlx::SqlitePool;

use crate::{
    clock::Millis,
    store::{Action, ActionRow, Pruned, StoreError, column, signed, unsigned},
};

pub(super) async fn prune(
    pool: &SqlitePool,
    stage: Stage,
    after: u64,
    before: u64,
    limit: u32,
) -> Result<Pruned, StoreError> {
    let mut unit = pool.begin_with("begin immediate").await?;
    let found: Vec<(i64, i64, String)> = sqlx::query_as(
        "select i.cursor, i.number, j.state from inputs i join jobs j on j.number = i.number \
         where i.stage = ? and i.cursor > ? and i.cursor < ? order by i.cursor limit ?",
    )
    .bind(column(stage) + 1)
    .bind(signed(after))
    .bind(signed(before))
    .bind(limit)
    .fetch_all(&mut *unit)
    .await?;
    let Some((last, _, _)) = found.last() else {
        return Ok(Pruned::default());
    };
    let last = Some(unsigned(*last));
    let closed: Vec<i64> = found
        .into_iter()
        .filter(|(_, _, state)| state == "closed")
        .map(|(_, number, _)| number)
        .collect();
    let list = serde_json::to_string(&closed).map_err(|e| StoreError::Failed(e.to_string()))?;
    for statement in [
        "delete from inputs where number in (select value from json_each(?))",
        "delete from leases where number in (select value from json_each(?))",
        "delete from flags where number in (select value from json_each(?))",
        "delete from avoided where number in (select value from json_each(?))",
    ] {
        sqlx::query(statement)
            .bind(&list)
            .execute(&mut *unit)
            .await?;
    }
    unit.commit().await?;
    Ok(Pruned {
        jobs: closed.len() as u64,
        last,
    })
}

pub(super) async fn note(
    pool: &SqlitePool,
    now: Millis,
    action: &Action,
) -> Result<(), StoreError> {
    sqlx::query("insert into actions (at, who, action, detail) values (?, ?, ?, ?)")
        .bind(now)
        .bind(&action.who)
        .bind(action.action)
        .bind(&action.detail)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn list(
    pool: &SqlitePool,
    after: u64,
    limit: u32,
) -> Result<Vec<ActionRow>, StoreError> {
    let rows: Vec<(i64, Millis, String, String, String)> = sqlx::query_as(
        "select id, at, who, action, detail from actions where id > ? order by id limit ?",
    )
    .bind(signed(after))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, at, who, action, detail)| ActionRow {
            id: unsigned(id),
            at,
            who,
            action,
            detail,
        })
        .collect())
}
