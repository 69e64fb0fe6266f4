//! The operator's writes that are independent of the volunteers' work: pruning, imports, bans and
//! the log of actions.
//!
//! They use a separate connection, like an import in another process does: a prune must not hold up
//! the volunteers' calls that the writer has collected.

use distcompute_protocol::{ErrorCode, Stage};
use sqlx::{PgConnection, PgPool};

use super::{files, load::BANS};
use crate::{
    clock::Millis,
    store::{
        Action, ActionRow, Added, BanRow, Import, ImportRow, KEY_AGE, KEYS, NewImport, Pruned,
        StoreError, column, signed, unsigned,
    },
};

pub(super) async fn prune(
    pool: &PgPool,
    stage: Stage,
    after: u64,
    before: u64,
    limit: u32,
    now: Option<Millis>,
) -> Result<Pruned, StoreError> {
    let mut unit = pool.begin().await?;
    let found: Vec<(i64, i64)> = sqlx::query_as(
        "select cursor, number from inputs \
         where stage = $1 and cursor > $2 and cursor < $3 order by cursor limit $4",
    )
    .bind(column(stage) + 1)
    .bind(signed(after))
    .bind(signed(before))
    .bind(i64::from(limit))
    .fetch_all(&mut *unit)
    .await?;
    let Some((last, _)) = found.last() else {
        return Ok(Pruned::default());
    };
    let last = Some(unsigned(*last));
    let numbers: Vec<i64> = found.into_iter().map(|(_, number)| number).collect();
    // Locked in the order in which all transactions lock jobs; none of them can be requeued
    // meanwhile.
    let closed: Vec<i64> = sqlx::query_scalar(
        "select number from jobs where number = any($1) and state = 'closed' \
         order by number for update",
    )
    .bind(&numbers)
    .fetch_all(&mut *unit)
    .await?;
    for statement in [
        "update trust t set unchecked = greatest(t.unchecked - c.results, 0) from ( \
             select k.stage, k.volunteer, k.version, o.results from ( \
                 select stage, volunteer, version, count(*) as results from opinions \
                 where number = any($1) and state = 'alone' group by stage, volunteer, version) o \
             join trust k on k.stage = o.stage and k.volunteer = o.volunteer \
                 and k.version = o.version \
             order by k.stage, k.volunteer collate \"C\", k.version collate \"C\" \
             for update of k) c \
         where t.stage = c.stage and t.volunteer = c.volunteer and t.version = c.version",
        "delete from opinion_texts where lease = any(array( \
             select lease from opinions where number = any($1)))",
        "delete from opinions where number = any($1)",
        "delete from inputs where number = any($1)",
        // A result that counts may be about to be made again.
        "delete from leases where number = any($1) and ended_at is not null",
        "delete from flags where number = any($1)",
        "delete from avoided where number = any($1)",
    ] {
        sqlx::query(statement)
            .bind(&closed)
            .execute(&mut *unit)
            .await?;
    }
    files::forget(&mut unit, &closed, now).await?;
    unit.commit().await?;
    Ok(Pruned {
        jobs: closed.len() as u64,
        last,
    })
}

pub(super) async fn begin_import(
    pool: &PgPool,
    now: Option<Millis>,
    new: &NewImport,
) -> Result<Import, StoreError> {
    let mut unit = pool.begin().await?;
    // If the same import is started twice at the same time, both continue one import.
    sqlx::query("lock table imports in share row exclusive mode")
        .execute(&mut *unit)
        .await?;
    let known: Option<(i64, i64, bool, String)> = match &new.key {
        Some(key) => {
            sqlx::query_as(
                "select id, done, ended_at is not null, digest from imports where key = $1",
            )
            .bind(key)
            .fetch_optional(&mut *unit)
            .await?
        }
        None => {
            sqlx::query_as(
                "select id, done, false, digest from imports \
                 where digest = $1 and ended_at is null and key is null order by id limit 1",
            )
            .bind(&new.digest)
            .fetch_optional(&mut *unit)
            .await?
        }
    };
    let import = match known {
        Some((_, _, _, digest)) if digest != new.digest => {
            return Err(StoreError::Refused(ErrorCode::KeyReused));
        }
        Some((id, done, is_finished, _)) => Import {
            id,
            done: unsigned(done),
            is_finished,
        },
        None => {
            let (id, at): (i64, Millis) = sqlx::query_as(
                "insert into imports (at, who, source, digest, jobs, key) \
                 values (coalesce($1, tracker_now()), $2, $3, $4, $5, $6) returning id, at",
            )
            .bind(now)
            .bind(&new.who)
            .bind(&new.source)
            .bind(&new.digest)
            .bind(signed(new.jobs))
            .bind(&new.key)
            .fetch_one(&mut *unit)
            .await?;
            if new.key.is_some() {
                forget_keys(&mut unit, at, id).await?;
            }
            Import {
                id,
                done: 0,
                is_finished: false,
            }
        }
    };
    unit.commit().await?;
    Ok(import)
}

/// Deletes imports whose keys are too old, or too many imports ago. One whose jobs are being added at
/// this moment is left for the next time: its transaction would wait for this one.
async fn forget_keys(
    connection: &mut PgConnection,
    now: Millis,
    latest: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "with forgotten as ( \
             delete from imports where id in ( \
                 select id from imports where key is not null and (at < $1 or id <= $2) \
                 for update skip locked) \
             returning id) \
         delete from import_numbers where import in (select id from forgotten)",
    )
    .bind(now - KEY_AGE)
    .bind(latest - KEYS)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn import_numbers(pool: &PgPool, id: i64) -> Result<Vec<Added>, StoreError> {
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("select first, last from import_numbers where import = $1 order by first")
            .bind(id)
            .fetch_all(pool)
            .await?;
    let rows = rows.into_iter().map(|(first, last)| Added {
        first: unsigned(first),
        last: unsigned(last),
    });
    Ok(rows.collect())
}

pub(super) async fn end_import(
    pool: &PgPool,
    now: Option<Millis>,
    id: i64,
) -> Result<(), StoreError> {
    sqlx::query("update imports set ended_at = coalesce($1, tracker_now()) where id = $2")
        .bind(now)
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn unfinished_imports(pool: &PgPool) -> Result<Vec<ImportRow>, StoreError> {
    let rows: Vec<(Millis, String, String, i64, i64)> = sqlx::query_as(
        "select at, who, source, jobs, done from imports where ended_at is null order by id",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(at, who, source, jobs, done)| ImportRow {
            at,
            who,
            source,
            jobs: unsigned(jobs),
            done: unsigned(done),
        })
        .collect())
}

pub(super) async fn note(
    pool: &PgPool,
    now: Option<Millis>,
    action: &Action,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into actions (at, who, action, detail) \
         values (coalesce($1, tracker_now()), $2, $3, $4)",
    )
    .bind(now)
    .bind(&action.who)
    .bind(action.action)
    .bind(&action.detail)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn list(
    pool: &PgPool,
    after: u64,
    limit: u32,
) -> Result<Vec<ActionRow>, StoreError> {
    let rows: Vec<(i64, Millis, String, String, String)> = sqlx::query_as(
        "select id, at, who, action, detail from actions where id > $1 order by id limit $2",
    )
    .bind(signed(after))
    .bind(i64::from(limit))
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

/// The tracker's secret of a name; `fresh` is kept if there is none.
pub(super) async fn tracker_key(
    pool: &PgPool,
    name: &str,
    fresh: &str,
) -> Result<String, StoreError> {
    sqlx::query("insert into tracker_keys (name, secret) values ($1, $2) on conflict do nothing")
        .bind(name)
        .bind(fresh)
        .execute(pool)
        .await?;
    Ok(kept_tracker_key(pool, name).await?.unwrap_or_default())
}

pub(super) async fn kept_tracker_key(
    pool: &PgPool,
    name: &str,
) -> Result<Option<String>, StoreError> {
    let kept = sqlx::query_scalar("select secret from tracker_keys where name = $1").bind(name);
    Ok(kept.fetch_optional(pool).await?)
}

/// Adds a ban and returns whether it is new. The exclusive lock waits for all registrations that
/// were checked before the ban.
pub(super) async fn ban(
    pool: &PgPool,
    now: Option<Millis>,
    name: &str,
    reason: &str,
) -> Result<bool, StoreError> {
    let mut unit = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(BANS)
        .execute(&mut *unit)
        .await?;
    let new: bool = sqlx::query_scalar(
        "insert into bans (name, at, reason) values ($1, coalesce($2, tracker_now()), $3) \
         on conflict (name) do update set reason = excluded.reason returning xmax = 0",
    )
    .bind(name)
    .bind(now)
    .bind(reason)
    .fetch_one(&mut *unit)
    .await?;
    unit.commit().await?;
    Ok(new)
}

pub(super) async fn pardon(pool: &PgPool, name: &str) -> Result<bool, StoreError> {
    let gone = sqlx::query("delete from bans where name = $1")
        .bind(name)
        .execute(pool)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Puts a volunteer on hold, or ends that. One on hold has a row at each stage with the version of the
/// application, so that it is on hold where it has handed nothing in yet.
pub(super) async fn hold(
    pool: &PgPool,
    volunteer: &str,
    holds: bool,
    now: Option<Millis>,
) -> Result<u64, StoreError> {
    let mut unit = pool.begin().await?;
    if holds {
        let added = "insert into trust (stage, volunteer, version, confirmed, agreed, refuted, waiting, \
                     unchecked, on_hold, doubted, looked, at) \
                     select c.stage, $1, v.version, 0, 0, 0, 0, 0, 0, 0, 0, coalesce($2, tracker_now()) \
                     from stage_counters c join trust_version v on v.id = 1 order by c.stage \
                     on conflict (stage, volunteer, version) do nothing";
        sqlx::query(added)
            .bind(volunteer)
            .bind(now)
            .execute(&mut *unit)
            .await?;
    }
    let changed = sqlx::query(
        "update trust t set on_hold = $1, doubted = case when $1 > 0 then 1 else t.doubted end, \
             confirmed = 0, at = coalesce($3, tracker_now()) from ( \
             select stage, volunteer, version from trust where volunteer = $2 and on_hold <> $1 \
             order by stage, version collate \"C\" for update) c \
         where t.stage = c.stage and t.volunteer = c.volunteer and t.version = c.version",
    )
    .bind(i64::from(holds))
    .bind(volunteer)
    .bind(now)
    .execute(&mut *unit)
    .await?;
    unit.commit().await?;
    Ok(changed.rows_affected())
}

pub(super) async fn bans(
    pool: &PgPool,
    after: &str,
    limit: u32,
) -> Result<Vec<BanRow>, StoreError> {
    // Byte order, as in SQLite.
    let rows: Vec<(String, Millis, String)> = sqlx::query_as(
        "select name, at, reason from bans where name collate \"C\" > $1 \
         order by name collate \"C\" limit $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(name, at, reason)| BanRow { name, at, reason })
        .collect())
}
