//! Reads what a group of operations wants, in as many statements as there are kinds of rows.
//! Lists go in as one JSON text: it is one statement for any length.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::Stage;
use serde::Serialize;
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::rows::{self, job_columns, lease_columns, worker_columns};
use crate::{
    clock::Millis,
    ledger::{Job, LOOK_AHEAD, Lease, Queue, SWEEP, Snapshot, Wanted, Worker},
    store::{StoreError, column, signed, stage_of},
};

pub(super) const WORKERS_BY_TOKEN: &str = concat!(
    "select ",
    worker_columns!(),
    " from json_each(?) e cross join workers w where w.token = e.value",
);

pub(super) const WORKERS_BY_ID: &str = concat!(
    "select ",
    worker_columns!(),
    " from json_each(?) e cross join workers w where w.id = e.value",
);

pub(super) const IDLE: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.last_seen < ? order by w.last_seen limit ?",
);

pub(super) const LAPSED: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.synced_at < ? order by w.synced_at limit ?",
);

/// The unfinished leases of workers.
pub(super) const HELD: &str = concat!(
    "select ",
    lease_columns!(),
    " from json_each(?) e cross join leases l where l.worker = e.value and l.ended_at is null",
);

pub(super) const LEASES_BY_ID: &str = concat!(
    "select ",
    lease_columns!(),
    " from json_each(?) e cross join leases l where l.id = e.value",
);

/// The leases that workers had of jobs.
pub(super) const PAST: &str = concat!(
    "select ",
    lease_columns!(),
    " from json_each(?) e cross join leases l",
    " where l.number = e.value ->> 1 and l.worker = e.value ->> 0",
);

pub(super) const JOBS: &str = concat!(
    "select ",
    job_columns!(),
    " from json_each(?) e cross join jobs j where j.number = e.value",
);

/// The head of a stage's queue.
pub(super) const HEADS: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.stage = ? and j.state = 'open' order by j.position, j.number limit ?",
);

/// Texts: the inputs of jobs at stages. The job and the stage are those of the list.
pub(super) const INPUTS: &str = "select i.number, i.stage, i.data from json_each(?) e \
     cross join inputs i where i.number = e.value ->> 0 and i.stage = e.value ->> 1";

fn json(list: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|error| StoreError::Failed(error.to_string()))
}

/// The rows that a statement finds by a list.
async fn by_list<T>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    list: String,
    read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let rows = sqlx::query(statement)
        .bind(list)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    now: Millis,
    wanted: &Wanted,
) -> Result<Snapshot, StoreError> {
    let mut read = Snapshot {
        now,
        ..Snapshot::default()
    };
    workers(connection, wanted, &mut read).await?;
    leases(connection, wanted, &mut read).await?;
    let mut numbers: BTreeSet<i64> = read.leases.iter().map(|lease| lease.number).collect();
    numbers.extend(&wanted.jobs);
    if !numbers.is_empty() {
        read.jobs = by_list(connection, JOBS, json(&numbers)?, rows::job).await?;
    }
    let missing = read.missing_leases();
    if !missing.is_empty() {
        let holding = by_list(connection, LEASES_BY_ID, json(&missing)?, rows::lease).await?;
        read.leases.extend(holding);
    }
    let missing = read.missing_workers();
    if !missing.is_empty() {
        let holders = by_list(connection, WORKERS_BY_ID, json(&missing)?, rows::worker).await?;
        read.workers.extend(holders);
    }
    if wanted.flags {
        flags(connection, &mut read).await?;
    }
    heads(connection, wanted, &mut read).await?;
    numbers_given(connection, wanted, &mut read).await?;
    Ok(read)
}

async fn workers(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    if !wanted.workers.is_empty() {
        let tokens: Vec<_> = wanted.workers.keys().collect();
        read.workers = by_list(connection, WORKERS_BY_TOKEN, json(&tokens)?, rows::worker).await?;
    }
    for (statement, age, idle) in [(IDLE, wanted.idle, true), (LAPSED, wanted.lapsed, false)] {
        let Some(age) = age else { continue };
        let found = sqlx::query(statement)
            .bind(read.now - age)
            .bind(signed(SWEEP as u64))
            .fetch_all(&mut *connection)
            .await?;
        let found: Vec<Worker> = found.iter().map(rows::worker).collect::<Result<_, _>>()?;
        let ids = found.iter().map(|worker| worker.id).collect();
        if idle {
            read.idle = ids;
        } else {
            read.lapsed = ids;
        }
        for worker in found {
            if read.workers.iter().all(|known| known.id != worker.id) {
                read.workers.push(worker);
            }
        }
    }
    Ok(())
}

async fn leases(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    if !read.workers.is_empty() {
        let workers: Vec<_> = read.workers.iter().map(|worker| worker.id).collect();
        read.leases = by_list(connection, HELD, json(&workers)?, rows::lease).await?;
    }
    let mut more: Vec<Lease> = Vec::new();
    let past = read.past(wanted);
    if !past.is_empty() {
        more.extend(by_list(connection, PAST, json(&past)?, rows::lease).await?);
    }
    let repeats = read.repeats(wanted);
    let held: BTreeSet<i64> = read.leases.iter().map(|lease| lease.id).collect();
    let ids: BTreeSet<i64> = wanted
        .leases
        .iter()
        .chain(&repeats)
        .copied()
        .filter(|id| !held.contains(id))
        .collect();
    if !ids.is_empty() {
        more.extend(by_list(connection, LEASES_BY_ID, json(&ids)?, rows::lease).await?);
    }
    if !repeats.is_empty() {
        // The output of a stage is the input of the one after.
        let last = more.iter().filter(|lease| repeats.contains(&lease.id));
        let outputs: Vec<_> = last.map(|l| (l.number, column(l.stage) + 1)).collect();
        let read_one = |row: &SqliteRow| {
            use sqlx::Row as _;
            let stage = stage_of(row.try_get::<i64, _>(1)? - 1)?;
            Ok((row.try_get(0)?, stage, row.try_get(2)?))
        };
        read.outputs = by_list(connection, INPUTS, json(&outputs)?, read_one).await?;
    }
    read.leases.extend(more);
    Ok(())
}

async fn flags(connection: &mut SqliteConnection, read: &mut Snapshot) -> Result<(), StoreError> {
    use sqlx::Row as _;
    let numbers = json(&read.jobs.iter().map(|job| job.number).collect::<Vec<_>>())?;
    let flag = |row: &SqliteRow| Ok((row.try_get(0)?, stage_of(row.try_get(1)?)?, row.try_get(2)?));
    read.flags = by_list(
        connection,
        "select f.number, f.stage, f.volunteer from json_each(?) e \
         cross join flags f where f.number = e.value",
        numbers.clone(),
        flag,
    )
    .await?;
    read.makers = by_list(
        connection,
        "select j.number, l.volunteer from json_each(?) e cross join jobs j \
         join leases l on l.id = (select max(m.id) from leases m where m.number = j.number \
         and m.stage = j.stage - 1 and m.outcome = 'completed') where j.number = e.value",
        numbers,
        |row| Ok((row.try_get(0)?, row.try_get(1)?)),
    )
    .await?;
    Ok(())
}

async fn heads(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let demand = read.demand(wanted);
    let mut known: BTreeSet<i64> = read.jobs.iter().map(|job| job.number).collect();
    for stage in Stage::ALL {
        let mut limit = demand[stage.index()];
        if limit == 0 {
            continue;
        }
        let mut jobs = head(connection, stage, limit).await?;
        let avoided = avoided(connection, &jobs).await?;
        if !avoided.is_empty() && jobs.len() == limit {
            // Some of these may not do for those who ask: there must be enough others.
            limit += LOOK_AHEAD;
            jobs = head(connection, stage, limit).await?;
            read.avoided.extend(self::avoided(connection, &jobs).await?);
        } else {
            read.avoided.extend(avoided);
        }
        read.queues[stage.index()] = Queue {
            numbers: jobs.iter().map(|job| job.number).collect(),
            whole: jobs.len() < limit,
        };
        read.jobs
            .extend(jobs.into_iter().filter(|job| known.insert(job.number)));
    }
    Ok(())
}

async fn head(
    connection: &mut SqliteConnection,
    stage: Stage,
    limit: usize,
) -> Result<Vec<Job>, StoreError> {
    let rows = sqlx::query(HEADS)
        .bind(column(stage))
        .bind(signed(limit as u64))
        .fetch_all(connection)
        .await?;
    rows.iter().map(rows::job).collect()
}

/// Who should rather not have which of these jobs.
async fn avoided(
    connection: &mut SqliteConnection,
    jobs: &[Job],
) -> Result<Vec<(i64, String)>, StoreError> {
    use sqlx::Row as _;
    let numbers: Vec<_> = jobs
        .iter()
        .filter(|job| job.has_past())
        .map(|job| job.number)
        .collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    by_list(
        connection,
        "select a.number, a.volunteer from json_each(?) e \
         cross join avoided a where a.number = e.value",
        json(&numbers)?,
        |row| Ok((row.try_get(0)?, row.try_get(1)?)),
    )
    .await
}

/// How many are open, and the ids that come next. Nobody else gives ids meanwhile: whoever writes
/// has the database for itself.
async fn numbers_given(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let open: Vec<(i64, i64)> = sqlx::query_as("select stage, open from stage_counters")
        .fetch_all(&mut *connection)
        .await?;
    let open: BTreeMap<_, _> = open.into_iter().collect();
    read.open = Stage::ALL.map(|stage| open.get(&column(stage)).copied().unwrap_or(0));
    let (worker, lease): (i64, i64) =
        sqlx::query_as("select last_worker, last_lease from totals where id = 1")
            .fetch_one(connection)
            .await?;
    read.worker_ids = (1..=signed(wanted.registrations as u64))
        .map(|n| worker + n)
        .collect();
    read.lease_ids = (1..=signed(wanted.grants() as u64))
        .map(|n| lease + n)
        .collect();
    Ok(())
}

/// The inputs of jobs at stages.
pub(super) async fn inputs(
    connection: &mut SqliteConnection,
    of: &[(i64, Stage)],
) -> Result<Vec<(i64, Stage, String)>, StoreError> {
    use sqlx::Row as _;
    let list: BTreeSet<_> = of
        .iter()
        .map(|(number, stage)| (*number, column(*stage)))
        .collect();
    by_list(connection, INPUTS, json(&list)?, |row| {
        Ok((row.try_get(0)?, stage_of(row.try_get(1)?)?, row.try_get(2)?))
    })
    .await
}
