//! The operator's writes that are independent of the volunteers' work: pruning, imports, bans and
//! the log of actions.
//!
//! They use a separate connection, like an import in another process does: a prune must not hold up
//! the volunteers' calls that the writer has collected.

use distcompute_protocol::{ErrorCode, Stage};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::files;
use crate::{
    clock::Millis,
    store::{
        Action, ActionRow, Added, BanRow, Import, ImportRow, KEY_AGE, KEYS, NewImport, Pruned,
        StoreError, column, signed, unsigned,
    },
};

pub(super) fn prune(
    on: &mut Connection,
    stage: Stage,
    after: u64,
    before: u64,
    limit: u32,
    now: Millis,
) -> Result<Pruned, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statement = unit.prepare_cached(
        "select i.cursor, i.number, j.state = 'closed' from inputs i \
         join jobs j on j.number = i.number \
         where i.stage = ? and i.cursor > ? and i.cursor < ? order by i.cursor limit ?",
    )?;
    let bounds = (column(stage) + 1, signed(after), signed(before), limit);
    let found: Vec<(i64, i64, bool)> = statement
        .query_map(bounds, |row| row.try_into())?
        .collect::<Result<_, _>>()?;
    drop(statement);
    let Some((last, _, _)) = found.last() else {
        return Ok(Pruned::default());
    };
    let last = Some(unsigned(*last));
    let closed = found.into_iter().filter(|(_, _, closed)| *closed);
    let closed: Vec<i64> = closed.map(|(_, number, _)| number).collect();
    for statement in [
        "update trust set unchecked = max(unchecked - 1, 0) where (stage, volunteer, version) in \
         (select stage, volunteer, version from opinions where number = ? and state = 'alone')",
        "delete from opinion_texts where lease in (select lease from opinions where number = ?)",
        "delete from opinions where number = ?",
        "delete from inputs where number = ?",
        // A result that counts may be about to be made again.
        "delete from leases where number = ? and ended_at is not null",
        "delete from flags where number = ?",
        "delete from avoided where number = ?",
    ] {
        let mut statement = unit.prepare_cached(statement)?;
        for number in &closed {
            statement.execute([number])?;
        }
    }
    files::forget(&unit, &closed, now)?;
    unit.commit()?;
    Ok(Pruned {
        jobs: closed.len() as u64,
        last,
    })
}

/// The tracker's secret of a name; `fresh` is kept if there is none.
pub(super) fn tracker_key(on: &Connection, name: &str, fresh: &str) -> Result<String, StoreError> {
    if let Some(secret) = kept_tracker_key(on, name)? {
        return Ok(secret);
    }
    let add = "insert into tracker_keys (name, secret) values (?, ?) on conflict do nothing";
    on.execute(add, [name, fresh])?;
    Ok(kept_tracker_key(on, name)?.unwrap_or_default())
}

pub(super) fn kept_tracker_key(on: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let kept = "select secret from tracker_keys where name = ?";
    Ok(on.query_row(kept, [name], |row| row.get(0)).optional()?)
}

/// Moves the content of the write-ahead log into the database file, and truncates the log.
pub(super) fn make_room(on: &Connection) -> Result<(), StoreError> {
    on.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(()))?;
    Ok(())
}

pub(super) fn begin_import(
    on: &mut Connection,
    now: Millis,
    new: &NewImport,
) -> Result<Import, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known: Option<(i64, i64, bool, String)> = match &new.key {
        Some(key) => unit
            .prepare_cached(
                "select id, done, ended_at is not null, digest from imports where key = ?",
            )?
            .query_row([key], |row| row.try_into()),
        None => unit
            .prepare_cached(
                "select id, done, false, digest from imports \
                 where digest = ? and ended_at is null and key is null order by id limit 1",
            )?
            .query_row([&new.digest], |row| row.try_into()),
    }
    .optional()?;
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
            let jobs = signed(new.jobs);
            unit.prepare_cached(
                "insert into imports (at, who, source, digest, jobs, key) \
                 values (?, ?, ?, ?, ?, ?)",
            )?
            .execute((now, &new.who, &new.source, &new.digest, jobs, &new.key))?;
            let id = unit.last_insert_rowid();
            if new.key.is_some() {
                forget_keys(&unit, now, id)?;
            }
            Import {
                id,
                done: 0,
                is_finished: false,
            }
        }
    };
    unit.commit()?;
    Ok(import)
}

/// Deletes imports whose keys are too old, or too many imports ago.
fn forget_keys(on: &Connection, now: Millis, latest: i64) -> Result<(), StoreError> {
    for (condition, bound) in [("at < ?", now - KEY_AGE), ("id <= ?", latest - KEYS)] {
        let of = format!("from imports where key is not null and {condition}");
        let numbers = format!("delete from import_numbers where import in (select id {of})");
        on.prepare_cached(&numbers)?.execute([bound])?;
        on.prepare_cached(&format!("delete {of}"))?
            .execute([bound])?;
    }
    Ok(())
}

pub(super) fn import_numbers(on: &Connection, id: i64) -> Result<Vec<Added>, StoreError> {
    let mut statement = on
        .prepare_cached("select first, last from import_numbers where import = ? order by first")?;
    statement
        .query_and_then([id], |row| {
            Ok(Added {
                first: unsigned(row.get(0)?),
                last: unsigned(row.get(1)?),
            })
        })?
        .collect()
}

pub(super) fn end_import(on: &Connection, now: Millis, id: i64) -> Result<(), StoreError> {
    on.prepare_cached("update imports set ended_at = ? where id = ?")?
        .execute((now, id))?;
    Ok(())
}

pub(super) fn unfinished_imports(on: &Connection) -> Result<Vec<ImportRow>, StoreError> {
    let mut statement = on.prepare_cached(
        "select at, who, source, jobs, done from imports where ended_at is null order by id",
    )?;
    statement
        .query_and_then((), |row| {
            Ok(ImportRow {
                at: row.get(0)?,
                who: row.get(1)?,
                source: row.get(2)?,
                jobs: unsigned(row.get(3)?),
                done: unsigned(row.get(4)?),
            })
        })?
        .collect()
}

pub(super) fn note(on: &Connection, now: Millis, action: &Action) -> Result<(), StoreError> {
    on.prepare_cached("insert into actions (at, who, action, detail) values (?, ?, ?, ?)")?
        .execute((now, &action.who, action.action, &action.detail))?;
    Ok(())
}

pub(super) fn list(on: &Connection, after: u64, limit: u32) -> Result<Vec<ActionRow>, StoreError> {
    let mut statement = on.prepare_cached(
        "select id, at, who, action, detail from actions where id > ? order by id limit ?",
    )?;
    statement
        .query_and_then((signed(after), limit), |row| {
            Ok(ActionRow {
                id: unsigned(row.get(0)?),
                at: row.get(1)?,
                who: row.get(2)?,
                action: row.get(3)?,
                detail: row.get(4)?,
            })
        })?
        .collect()
}

/// Adds a ban and returns whether it is new.
pub(super) fn ban(
    on: &Connection,
    now: Millis,
    name: &str,
    reason: &str,
) -> Result<bool, StoreError> {
    let unit = on.unchecked_transaction()?;
    let known = unit
        .prepare_cached("update bans set reason = ?2 where name = ?1")?
        .execute((name, reason))?;
    if known == 0 {
        unit.prepare_cached("insert into bans (name, at, reason) values (?, ?, ?)")?
            .execute((name, now, reason))?;
    }
    unit.commit()?;
    Ok(known == 0)
}

pub(super) fn pardon(on: &Connection, name: &str) -> Result<bool, StoreError> {
    let gone = on
        .prepare_cached("delete from bans where name = ?")?
        .execute([name])?;
    Ok(gone > 0)
}

/// Puts a volunteer on hold, or ends that. One on hold has a row at each stage with the version of the
/// application, so that it is on hold where it has handed nothing in yet.
pub(super) fn hold(
    on: &mut Connection,
    volunteer: &str,
    holds: bool,
    now: Millis,
) -> Result<u64, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if holds {
        let added = "insert into trust (stage, volunteer, version, confirmed, agreed, refuted, waiting, \
                     unchecked, on_hold, doubted, looked, at) \
                     select c.stage, ?1, v.version, 0, 0, 0, 0, 0, 0, 0, 0, ?2 \
                     from stage_counters c join trust_version v on v.id = 1 where true \
                     on conflict (stage, volunteer, version) do nothing";
        unit.execute(added, (volunteer, now))?;
    }
    let changed = unit.execute(
        "update trust set on_hold = ?1, doubted = case when ?1 then 1 else doubted end, \
             confirmed = 0, at = ?3 where volunteer = ?2 and on_hold <> ?1",
        (holds, volunteer, now),
    )?;
    unit.commit()?;
    Ok(changed as u64)
}

pub(super) fn bans(on: &Connection, after: &str, limit: u32) -> Result<Vec<BanRow>, StoreError> {
    let mut statement = on
        .prepare_cached("select name, at, reason from bans where name > ? order by name limit ?")?;
    statement
        .query_and_then((after, limit), |row| {
            Ok(BanRow {
                name: row.get(0)?,
                at: row.get(1)?,
                reason: row.get(2)?,
            })
        })?
        .collect()
}
