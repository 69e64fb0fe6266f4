//! What a group of operations has changed, written in a handful of statements, however many
//! operations there were.
//!
//! The counters come last, with the commit: their rows are everybody's, and from there on one
//! tracker waits for the other. The row of the totals is always the first of them, so nobody can wait for
//! the rest while holding it back from others. Results are written behind it too: the order of
//! their cursors is then the order in which they become visible, and nobody who reads on from a
//! cursor misses one.

use distcompute_protocol::Stage;
use sqlx::PgConnection;

use crate::{
    clock::Millis,
    ledger::{Changes, Lease, StageChange},
    rules::names,
    store::{StoreError, column},
};

const MINUTE: Millis = 60_000;

/// Writes all but the results and the counters.
pub(super) async fn save(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    rows(connection, changes).await?;
    workers(connection, changes).await?;
    notes(connection, changes).await
}

/// What nearly every group changes, in one statement rather than four: between two statements
/// nothing happens but that the network is waited for. Each table is also given its keys as a list,
/// for the reason that `load` gives.
pub(super) const ROWS: &str = "\
with places as materialized ( \
    select queued, nextval('queue_positions') as position from generate_series(1, $1) as queued \
), jobs_changed as ( \
    update jobs j set stage = c.stage, state = c.state, \
        position = coalesce(places.position, j.position), attempt = c.attempt, \
        flagged = c.flagged, sent_back = c.sent_back, round = c.round, failures = c.failures, \
        errors = c.errors, reason = c.reason, lease = c.lease, changed_at = c.changed_at \
    from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], \
        $14::bigint[]) \
        as c (number, stage, state, queued, attempt, flagged, sent_back, round, failures, errors, \
            reason, lease, changed_at) \
    left join places on places.queued = c.queued \
    where j.number = c.number and j.number = any($2) \
), leases_granted as ( \
    insert into leases (id, secret, number, stage, round, attempt, worker, nickname, volunteer, \
        granted_at, seq, ended_at, outcome) \
    select * from unnest($15::bigint[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[], \
        $20::bigint[], $21::bigint[], $22::text[], $23::text[], $24::bigint[], $25::bigint[], \
        $26::bigint[], $27::text[]) \
), leases_changed as ( \
    update leases l set worker = c.worker, ended_at = c.ended_at, outcome = c.outcome \
    from unnest($28::bigint[], $29::bigint[], $30::bigint[], $31::text[]) \
        as c (id, worker, ended_at, outcome) \
    where l.id = c.id and l.id = any($28) \
) \
update workers w set progress = c.progress, completed = c.completed, last_seen = c.last_seen, \
    seq = c.seq, synced_at = c.synced_at, last_lease = c.last_lease \
from unnest($32::bigint[], $33::text[], $34::bigint[], $35::bigint[], $36::bigint[], \
    $37::bigint[], $38::bigint[]) \
    as c (id, progress, completed, last_seen, seq, synced_at, last_lease) \
where w.id = c.id and w.id = any($32)";

async fn rows(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let touched = changes.jobs.len() + changes.leases.len() + changes.workers.len();
    if touched + changes.new_leases.len() == 0 {
        return Ok(());
    }
    let jobs = || changes.jobs.iter().map(|change| &change.job);
    let errors = jobs()
        .map(|job| match job.errors.is_empty() {
            true => Ok(None),
            false => serde_json::to_string(&job.errors).map(Some),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    let ended_at = |lease: &Lease| lease.ended.map(|(at, _)| at);
    let outcome = |lease: &Lease| lease.ended.map(|(_, end)| end.word());
    let granted = || changes.new_leases.iter();
    let leases = || changes.leases.iter();
    let workers = || changes.workers.iter();
    sqlx::query(ROWS)
        .bind(changes.queued)
        .bind(jobs().map(|j| j.number).collect::<Vec<_>>())
        .bind(jobs().map(|j| column(j.stage)).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.state.word()).collect::<Vec<_>>())
        .bind(changes.jobs.iter().map(|c| c.queued).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.attempt).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.flagged).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.sent_back).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.round).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.failures).collect::<Vec<_>>())
        .bind(errors)
        .bind(jobs().map(|j| j.reason.as_deref()).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.lease).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.changed_at).collect::<Vec<_>>())
        .bind(granted().map(|l| l.id).collect::<Vec<_>>())
        .bind(granted().map(|l| l.secret.as_str()).collect::<Vec<_>>())
        .bind(granted().map(|l| l.number).collect::<Vec<_>>())
        .bind(granted().map(|l| column(l.stage)).collect::<Vec<_>>())
        .bind(granted().map(|l| l.round).collect::<Vec<_>>())
        .bind(granted().map(|l| l.attempt).collect::<Vec<_>>())
        .bind(granted().map(|l| l.worker).collect::<Vec<_>>())
        .bind(granted().map(|l| l.nickname.as_str()).collect::<Vec<_>>())
        .bind(granted().map(|l| l.volunteer.as_str()).collect::<Vec<_>>())
        .bind(granted().map(|l| l.granted_at).collect::<Vec<_>>())
        .bind(granted().map(|l| l.seq).collect::<Vec<_>>())
        .bind(granted().map(ended_at).collect::<Vec<_>>())
        .bind(granted().map(outcome).collect::<Vec<_>>())
        .bind(leases().map(|l| l.id).collect::<Vec<_>>())
        .bind(leases().map(|l| l.worker).collect::<Vec<_>>())
        .bind(leases().map(ended_at).collect::<Vec<_>>())
        .bind(leases().map(outcome).collect::<Vec<_>>())
        .bind(workers().map(|w| w.id).collect::<Vec<_>>())
        .bind(workers().map(|w| w.progress.as_str()).collect::<Vec<_>>())
        .bind(workers().map(|w| w.completed).collect::<Vec<_>>())
        .bind(workers().map(|w| w.last_seen).collect::<Vec<_>>())
        .bind(workers().map(|w| w.seq).collect::<Vec<_>>())
        .bind(workers().map(|w| w.synced_at).collect::<Vec<_>>())
        .bind(workers().map(|w| w.last_lease).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Workers that come and go.
async fn workers(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.new_workers.is_empty() {
        let each = || changes.new_workers.iter();
        sqlx::query(
            "insert into workers (id, token, display_name, nickname, stage, progress, completed, \
             first_seen, last_seen, seq, synced_at, last_lease) \
             select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], \
                 $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], \
                 $10::bigint[], $11::bigint[], $12::bigint[])",
        )
        .bind(each().map(|w| w.id).collect::<Vec<_>>())
        .bind(each().map(|w| w.token.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.display_name.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.nickname.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| column(w.stage)).collect::<Vec<_>>())
        .bind(each().map(|w| w.progress.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.completed).collect::<Vec<_>>())
        .bind(each().map(|w| w.first_seen).collect::<Vec<_>>())
        .bind(each().map(|w| w.last_seen).collect::<Vec<_>>())
        .bind(each().map(|w| w.seq).collect::<Vec<_>>())
        .bind(each().map(|w| w.synced_at).collect::<Vec<_>>())
        .bind(each().map(|w| w.last_lease).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    if !changes.gone_workers.is_empty() {
        sqlx::query("delete from workers where id = any($1)")
            .bind(&changes.gone_workers)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn at_stages(list: &[(i64, Stage)]) -> (Vec<i64>, Vec<i64>) {
    list.iter()
        .map(|(number, stage)| (*number, column(*stage)))
        .unzip()
}

/// Flags, outputs that do not count any more, and who avoids what.
async fn notes(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.gone_outputs.is_empty() {
        let (numbers, stages) = at_stages(&changes.gone_outputs);
        sqlx::query(
            "delete from inputs i using unnest($1::bigint[], $2::bigint[]) as g (number, stage) \
             where i.number = g.number and i.stage = g.stage + 1 and i.number = any($1)",
        )
        .bind(numbers)
        .bind(stages)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.gone_flags.is_empty() {
        let (numbers, stages) = at_stages(&changes.gone_flags);
        sqlx::query(
            "delete from flags f using unnest($1::bigint[], $2::bigint[]) as g (number, stage) \
             where f.number = g.number and f.stage = g.stage and f.number = any($1)",
        )
        .bind(numbers)
        .bind(stages)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.flags.is_empty() {
        let each = || changes.flags.iter();
        sqlx::query(
            "insert into flags (number, stage, volunteer, flagged_at) \
             select f.*, $4 from unnest($1::bigint[], $2::bigint[], $3::text[]) as f \
             on conflict do nothing",
        )
        .bind(each().map(|(number, ..)| *number).collect::<Vec<_>>())
        .bind(
            each()
                .map(|(_, stage, _)| column(*stage))
                .collect::<Vec<_>>(),
        )
        .bind(
            each()
                .map(|(.., volunteer)| volunteer.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(changes.now)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.gone_avoided.is_empty() {
        sqlx::query("delete from avoided where number = any($1)")
            .bind(&changes.gone_avoided)
            .execute(&mut *connection)
            .await?;
    }
    if !changes.avoided.is_empty() {
        let each = || changes.avoided.iter();
        sqlx::query(
            "insert into avoided (number, volunteer) \
             select * from unnest($1::bigint[], $2::text[]) on conflict do nothing",
        )
        .bind(each().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(
            each()
                .map(|(_, volunteer)| volunteer.as_str())
                .collect::<Vec<_>>(),
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Everybody's rows, in one statement, so that they are held for no round trip more than needed.
pub(super) const COUNTERS: &str = "\
with total as ( \
    update totals set closed = closed + $1, last_cursor = last_cursor + $2 where id = 1 \
    returning last_cursor - $2 as cursor \
), made as ( \
    insert into inputs (number, stage, cursor, data) \
    select o.number, o.stage + 1, total.cursor + o.place, o.data \
    from total, unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) \
        as o (number, stage, place, data) \
    order by o.place \
    on conflict (number, stage) do update set cursor = excluded.cursor, data = excluded.data \
), counted as ( \
    update stage_counters s set open = s.open + c.open, held = s.held + c.held, \
        done = s.done + c.done, aside = s.aside + c.aside, workers = s.workers + c.workers, \
        granted = s.granted + c.granted, accepted = s.accepted + c.accepted, \
        rejected = s.rejected + c.rejected, lapsed = s.lapsed + c.lapsed, \
        failed = s.failed + c.failed \
    from total, unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], \
        $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[]) \
        as c (stage, open, held, done, aside, workers, granted, accepted, rejected, lapsed, failed) \
    where s.stage = c.stage \
), credited as ( \
    insert into leaderboard (nickname, completed, worker, look, since) \
    select c.*, $23 from total, unnest($18::text[], $19::bigint[], $24::text[], $25::text[]) \
        as c (nickname, completed, worker, look) \
    on conflict (nickname) do update set completed = leaderboard.completed + excluded.completed, \
        worker = coalesce(leaderboard.worker, excluded.worker) \
), timed as ( \
    insert into throughput (minute, stage, done) \
    select $20, m.* from total, unnest($21::bigint[], $22::bigint[]) as m (stage, done) \
    on conflict (minute, stage) do update set done = throughput.done + excluded.done \
) select cursor from total";

/// Writes the results and the counters; the transaction is to be committed at once.
pub(super) async fn counters(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    let stages: Vec<_> = Stage::ALL
        .into_iter()
        .zip(&changes.stages)
        .filter(|(_, change)| **change != StageChange::default())
        .collect();
    if stages.is_empty() && changes.outputs.is_empty() && changes.closed == 0 {
        return Ok(());
    }
    let made: Vec<(i64, i64)> = Stage::ALL
        .into_iter()
        .zip(changes.made)
        .filter(|(_, made)| *made != 0)
        .map(|(stage, made)| (column(stage), made))
        .collect();
    let outputs = || changes.outputs.iter();
    let last = outputs().map(|output| output.order).max().unwrap_or(0);
    let count = |of: fn(&StageChange) -> i64| {
        stages
            .iter()
            .map(|(_, change)| of(change))
            .collect::<Vec<_>>()
    };
    let nicknames = || changes.credits.keys();
    let earned = || changes.credits.values();
    sqlx::query(COUNTERS)
        .bind(changes.closed)
        .bind(last)
        .bind(outputs().map(|o| o.number).collect::<Vec<_>>())
        .bind(outputs().map(|o| column(o.stage)).collect::<Vec<_>>())
        .bind(outputs().map(|o| o.order).collect::<Vec<_>>())
        .bind(outputs().map(|o| o.data.as_str()).collect::<Vec<_>>())
        .bind(stages.iter().map(|(s, _)| column(*s)).collect::<Vec<_>>())
        .bind(count(|c| c.open))
        .bind(count(|c| c.held))
        .bind(count(|c| c.done))
        .bind(count(|c| c.aside))
        .bind(count(|c| c.workers))
        .bind(count(|c| c.granted))
        .bind(count(|c| c.accepted))
        .bind(count(|c| c.rejected))
        .bind(count(|c| c.lapsed))
        .bind(count(|c| c.failed))
        .bind(nicknames().cloned().collect::<Vec<_>>())
        .bind(earned().map(|c| c.results).collect::<Vec<_>>())
        .bind(changes.now.div_euclid(MINUTE))
        .bind(made.iter().map(|(stage, _)| *stage).collect::<Vec<_>>())
        .bind(made.iter().map(|(_, made)| *made).collect::<Vec<_>>())
        .bind(changes.now)
        .bind(earned().map(|c| c.worker.clone()).collect::<Vec<_>>())
        .bind(nicknames().map(|n| names::look(n)).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    Ok(())
}
