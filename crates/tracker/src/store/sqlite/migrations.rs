//! Schema migrations. The version of a file is the number of migrations applied to it, kept in
//! SQLite's `user_version`.

use rusqlite::{Connection, TransactionBehavior, functions::FunctionFlags};

use crate::{
    rules::{names, secrets},
    store::{StoreError, signed},
};

const MIGRATIONS: [&str; 23] = [
    include_str!("../../../migrations/sqlite/0001_jobs_workers_leases.sql"),
    include_str!("../../../migrations/sqlite/0002_rounds_failures_syncs.sql"),
    include_str!("../../../migrations/sqlite/0003_actions.sql"),
    include_str!("../../../migrations/sqlite/0005_failures.sql"),
    include_str!("../../../migrations/sqlite/0008_failing.sql"),
    include_str!("../../../migrations/sqlite/0009_probe.sql"),
    include_str!("../../../migrations/sqlite/0010_imports.sql"),
    include_str!("../../../migrations/sqlite/0011_looks.sql"),
    include_str!("../../../migrations/sqlite/0012_late_results.sql"),
    include_str!("../../../migrations/sqlite/0013_allowances.sql"),
    include_str!("../../../migrations/sqlite/0020_fingerprints.sql"),
    include_str!("../../../migrations/sqlite/0021_old_rows.sql"),
    include_str!("../../../migrations/sqlite/0023_bans.sql"),
    include_str!("../../../migrations/sqlite/0024_work.sql"),
    include_str!("../../../migrations/sqlite/0026_conditions.sql"),
    include_str!("../../../migrations/sqlite/0027_job_keys.sql"),
    include_str!("../../../migrations/sqlite/0028_operator_pause.sql"),
    include_str!("../../../migrations/sqlite/0029_keys.sql"),
    include_str!("../../../migrations/sqlite/0030_trust.sql"),
    include_str!("../../../migrations/sqlite/0032_lane_parts.sql"),
    include_str!("../../../migrations/sqlite/0033_browsers.sql"),
    include_str!("../../../migrations/sqlite/0034_files.sql"),
    include_str!("../../../migrations/sqlite/0035_storing.sql"),
];

/// Applies the missing migrations, all or none. A file of a later version is refused.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    let unit = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated it meanwhile.
    let version = version(&unit)?;
    let missing = MIGRATIONS.get(version..).ok_or_else(|| {
        let known = MIGRATIONS.len();
        StoreError::Failed(format!(
            "its tables are of version {version}, and this tracker knows those up to {known}"
        ))
    })?;
    // PostgreSQL has such a function built in.
    let deterministic = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    unit.create_scalar_function("fingerprint", 1, deterministic, |call| {
        Ok(secrets::fingerprint(&call.get::<String>(0)?))
    })?;
    for migration in missing {
        unit.execute_batch(migration)?;
    }
    fill_looks(&unit)?;
    unit.execute_batch("drop table if exists _sqlx_migrations")?;
    let version = signed(MIGRATIONS.len() as u64);
    unit.pragma_update(None, "user_version", version)?;
    unit.commit()?;
    Ok(())
}

/// Fills the column of looks, which SQL cannot compute.
pub(super) fn fill_looks(on: &Connection) -> Result<(), StoreError> {
    let mut unfilled = on.prepare("select nickname from leaderboard where look is null")?;
    let nicknames: Vec<String> = unfilled
        .query_map((), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut fill = on.prepare("update leaderboard set look = ? where nickname = ?")?;
    for nickname in nicknames {
        fill.execute((names::look(&nickname), nickname))?;
    }
    Ok(())
}

/// Refuses a file of another version, when it cannot be migrated because it is read-only.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let (version, known) = (version(connection)?, MIGRATIONS.len());
    if version == known {
        return Ok(());
    }
    Err(StoreError::Failed(format!(
        "its tables are of version {version}, this tracker reads version {known}, and they cannot be \
         brought up to date where nothing can be written: copy the file elsewhere first"
    )))
}

/// Refuses to copy a file of another version: copying does not change it.
pub(super) fn check_to_copy(connection: &Connection) -> Result<(), StoreError> {
    let (version, known) = (version(connection)?, MIGRATIONS.len());
    if version == known {
        return Ok(());
    }
    let remedy = if version > known {
        "a later version of this program wrote it, and can copy it"
    } else {
        "audit --database brings them up to date, after a backup"
    };
    Err(StoreError::Failed(format!(
        "its tables are of version {version}, and this program copies those of version {known}: {remedy}"
    )))
}

/// How many migrations have been applied to a file.
fn version(connection: &Connection) -> Result<usize, StoreError> {
    let mut version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 && connection.table_exists(None, "_sqlx_migrations")? {
        // Trackers up to November 2026 used a table of migrations. It is kept until the next
        // migration runs, so that such a tracker can still open the file.
        let last = "select coalesce(max(version), 0) from _sqlx_migrations";
        version = connection.query_row(last, (), |row| row.get(0))?;
    }
    usize::try_from(version)
        .map_err(|_| StoreError::Failed(format!("its tables are of version {version}")))
}
