//! Writes what the ledger has decided: a statement for each kind of change, with many rows each.

use distcompute_protocol::Stage;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use crate::{
    clock::Millis,
    ledger::{Changes, Failure, JobChange, StageChange, Worker},
    store::{StoreError, column},
};

const MINUTE: Millis = 60_000;

/// Rows that one statement takes. Few sizes, so that each statement is prepared once and kept.
const SIZES: [usize; 3] = [64, 8, 1];

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Runs `before values (?, …), (?, …) after` over rows.
async fn each<T>(
    connection: &mut SqliteConnection,
    before: &str,
    columns: usize,
    after: &str,
    mut rows: &[T],
    bind: impl for<'q> Fn(Bound<'q>, &'q T) -> Bound<'q>,
) -> Result<(), StoreError> {
    let row = format!("({})", vec!["?"; columns].join(", "));
    for size in SIZES {
        if rows.len() < size {
            continue;
        }
        let statement = format!(
            "{before} values {} {after}",
            vec![row.as_str(); size].join(", ")
        );
        while rows.len() >= size {
            let (now, later) = rows.split_at(size);
            rows = later;
            let query = sqlx::query(AssertSqlSafe(statement.as_str()));
            let query = now.iter().fold(query, &bind);
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

pub(super) async fn save(
    connection: &mut SqliteConnection,
    changes: Changes,
) -> Result<(), StoreError> {
    let on = connection;
    workers(on, &changes).await?;
    leases(on, &changes).await?;
    // What was forgotten may have come anew after it in the same group.
    let gone = "delete from flags where (number, stage) in (";
    each(
        on,
        gone,
        2,
        ")",
        &changes.gone_flags,
        |q, (number, stage)| q.bind(*number).bind(column(*stage)),
    )
    .await?;
    let added = "insert into flags (number, stage, volunteer, flagged_at)";
    each(
        on,
        added,
        4,
        "on conflict do nothing",
        &changes.flags,
        |q, (number, stage, who)| {
            q.bind(*number)
                .bind(column(*stage))
                .bind(who)
                .bind(changes.now)
        },
    )
    .await?;
    let gone = "delete from avoided where number in (";
    each(on, gone, 1, ")", &changes.gone_avoided, |q, number| {
        q.bind(*number)
    })
    .await?;
    let added = "insert into avoided (number, volunteer)";
    each(
        on,
        added,
        2,
        "on conflict do nothing",
        &changes.avoided,
        |q, (number, who)| q.bind(*number).bind(who),
    )
    .await?;
    jobs(on, &changes).await?;
    outputs(on, &changes).await?;
    counters(on, &changes).await
}

fn bind_worker<'q>(query: Bound<'q>, worker: &'q Worker) -> Bound<'q> {
    query
        .bind(worker.id)
        .bind(&worker.progress)
        .bind(worker.completed)
        .bind(worker.last_seen)
        .bind(worker.seq)
        .bind(worker.synced_at)
        .bind(worker.last_lease)
}

async fn workers(on: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let added = "insert into workers (id, progress, completed, last_seen, seq, synced_at, \
                 last_lease, token, display_name, nickname, stage, first_seen)";
    each(on, added, 12, "", &changes.new_workers, |q, worker| {
        bind_worker(q, worker)
            .bind(&worker.token)
            .bind(&worker.display_name)
            .bind(&worker.nickname)
            .bind(column(worker.stage))
            .bind(worker.first_seen)
    })
    .await?;
    let changed = "update workers set progress = c.column2, completed = c.column3, \
                   last_seen = c.column4, seq = c.column5, synced_at = c.column6, \
                   last_lease = c.column7 from (";
    let which = ") as c where workers.id = c.column1";
    each(on, changed, 7, which, &changes.workers, bind_worker).await?;
    let gone = "delete from workers where id in (";
    each(on, gone, 1, ")", &changes.gone_workers, |q, id| q.bind(*id)).await
}

async fn leases(on: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let added = "insert into leases (id, secret, number, stage, round, attempt, worker, \
                 nickname, volunteer, granted_at, seq, ended_at, outcome)";
    each(on, added, 13, "", &changes.new_leases, |q, lease| {
        q.bind(lease.id)
            .bind(&lease.secret)
            .bind(lease.number)
            .bind(column(lease.stage))
            .bind(lease.round)
            .bind(lease.attempt)
            .bind(lease.worker)
            .bind(&lease.nickname)
            .bind(&lease.volunteer)
            .bind(lease.granted_at)
            .bind(lease.seq)
            .bind(lease.ended.map(|(at, _)| at))
            .bind(lease.ended.map(|(_, end)| end.word()))
    })
    .await?;
    let changed = "update leases set worker = c.column2, ended_at = c.column3, \
                   outcome = c.column4 from (";
    let which = ") as c where leases.id = c.column1";
    each(on, changed, 4, which, &changes.leases, |q, lease| {
        q.bind(lease.id)
            .bind(lease.worker)
            .bind(lease.ended.map(|(at, _)| at))
            .bind(lease.ended.map(|(_, end)| end.word()))
    })
    .await
}

async fn jobs(on: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let first: i64 = if changes.queued == 0 {
        0
    } else {
        sqlx::query_scalar(
            "update totals set last_position = last_position + ? where id = 1 \
             returning last_position",
        )
        .bind(changes.queued)
        .fetch_one(&mut *on)
        .await?
    } - changes.queued;
    let changed = "update jobs set stage = c.column2, state = c.column3, \
                   position = coalesce(c.column4, position), attempt = c.column5, \
                   flagged = c.column6, sent_back = c.column7, round = c.column8, \
                   failures = c.column9, errors = c.column10, reason = c.column11, \
                   lease = c.column12, changed_at = c.column13 from (";
    let which = ") as c where jobs.number = c.column1";
    each(
        on,
        changed,
        13,
        which,
        &changes.jobs,
        |q, JobChange { job, queued }| {
            q.bind(job.number)
                .bind(column(job.stage))
                .bind(job.state.word())
                .bind(queued.map(|place| first + place))
                .bind(job.attempt)
                .bind(job.flagged)
                .bind(job.sent_back)
                .bind(job.round)
                .bind(job.failures)
                .bind(failures(&job.errors))
                .bind(&job.reason)
                .bind(job.lease)
                .bind(job.changed_at)
        },
    )
    .await
}

fn failures(list: &[Failure]) -> Option<String> {
    if list.is_empty() {
        return None;
    }
    serde_json::to_string(list).ok()
}

async fn outputs(on: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let gone = "delete from inputs where (number, stage) in (";
    each(
        on,
        gone,
        2,
        ")",
        &changes.gone_outputs,
        |q, (number, stage)| q.bind(*number).bind(column(*stage) + 1),
    )
    .await?;
    if changes.outputs.is_empty() {
        return Ok(());
    }
    let last: i64 = sqlx::query_scalar(
        "update totals set last_cursor = last_cursor + ? where id = 1 returning last_cursor",
    )
    .bind(changes.ordered)
    .fetch_one(&mut *on)
    .await?;
    let first = last - changes.ordered;
    let added = "insert into inputs (number, stage, cursor, data)";
    let again = "on conflict (number, stage) do update \
                 set cursor = excluded.cursor, data = excluded.data";
    each(on, added, 4, again, &changes.outputs, |q, output| {
        q.bind(output.number)
            .bind(column(output.stage) + 1)
            .bind(first + output.order)
            .bind(&output.data)
    })
    .await
}

async fn counters(on: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    let stages: Vec<(Stage, StageChange)> = Stage::ALL
        .into_iter()
        .zip(changes.stages)
        .filter(|(_, change)| *change != StageChange::default())
        .collect();
    let changed = "update stage_counters set open = open + c.column2, held = held + c.column3, \
                   done = done + c.column4, aside = aside + c.column5, \
                   workers = workers + c.column6, granted = granted + c.column7, \
                   accepted = accepted + c.column8, rejected = rejected + c.column9, \
                   lapsed = lapsed + c.column10, failed = failed + c.column11 from (";
    let which = ") as c where stage_counters.stage = c.column1";
    each(on, changed, 11, which, &stages, |q, (stage, change)| {
        q.bind(column(*stage))
            .bind(change.open)
            .bind(change.held)
            .bind(change.done)
            .bind(change.aside)
            .bind(change.workers)
            .bind(change.granted)
            .bind(change.accepted)
            .bind(change.rejected)
            .bind(change.lapsed)
            .bind(change.failed)
    })
    .await?;
    let worker = changes.new_workers.iter().map(|worker| worker.id).max();
    let lease = changes.new_leases.iter().map(|lease| lease.id).max();
    if changes.closed != 0 || worker.is_some() || lease.is_some() {
        sqlx::query(
            "update totals set closed = closed + ?, last_worker = coalesce(?, last_worker), \
             last_lease = coalesce(?, last_lease) where id = 1",
        )
        .bind(changes.closed)
        .bind(worker)
        .bind(lease)
        .execute(&mut *on)
        .await?;
    }
    let credits: Vec<_> = changes.credits.iter().collect();
    let added = "insert into leaderboard (nickname, completed)";
    let again = "on conflict (nickname) do update set completed = completed + excluded.completed";
    each(on, added, 2, again, &credits, |q, (nickname, count)| {
        q.bind(*nickname).bind(**count)
    })
    .await?;
    let made: Vec<(Stage, i64)> = Stage::ALL
        .into_iter()
        .zip(changes.made)
        .filter(|(_, made)| *made != 0)
        .collect();
    let minute = changes.now.div_euclid(MINUTE);
    let added = "insert into throughput (minute, stage, done)";
    let again = "on conflict (minute, stage) do update set done = done + excluded.done";
    each(on, added, 3, again, &made, |q, (stage, made)| {
        q.bind(minute).bind(column(*stage)).bind(*made)
    })
    .await
}
