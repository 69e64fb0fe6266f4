//! What the calls without a page read: who is registered, how many jobs are open, and the counters of the
//! project. Counters and indexes are read; no rows of a table are counted.

use std::time::Instant;

use distcompute_protocol::{ANONYMOUS, Stage};
use sqlx::{PgPool, Row as _};

use crate::{
    clock::Millis,
    rules::{estimate::WINDOW_MINUTES, secrets::fingerprint},
    store::{
        MOST_FAILING, Pause, Paused, StageCounts, Status, StoreError, column, costly::CostlyCount,
        signed, stage_of, unsigned,
    },
};

const MINUTE: Millis = 60_000;

pub(super) async fn knows(pool: &PgPool, token: &str) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar("select exists (select 1 from workers where token = $1)")
            .bind(fingerprint(token))
            .fetch_one(pool)
            .await?,
    )
}

pub(super) async fn worker_key(
    pool: &PgPool,
    token: &str,
) -> Result<Option<Option<String>>, StoreError> {
    let key = sqlx::query_scalar("select key from workers where token = $1");
    Ok(key.bind(fingerprint(token)).fetch_optional(pool).await?)
}

pub(super) async fn open_jobs(pool: &PgPool, stage: Stage) -> Result<u64, StoreError> {
    let open: i64 = sqlx::query_scalar(
        "select case when paused_at is null then open else 0 end from stage_counters \
         where stage = $1",
    )
    .bind(column(stage))
    .fetch_one(pool)
    .await?;
    Ok(unsigned(open))
}

pub(super) async fn status(
    pool: &PgPool,
    now: Option<Millis>,
    volunteers: &CostlyCount,
) -> Result<Status, StoreError> {
    // One snapshot, so that the numbers are consistent.
    let mut reading = pool
        .begin_with("begin transaction isolation level repeatable read read only")
        .await?;
    let (now, jobs, closed): (i64, i64, i64) =
        sqlx::query_as("select coalesce($1, tracker_now()), jobs, closed from totals where id = 1")
            .bind(now)
            .fetch_one(&mut *reading)
            .await?;
    let counters = sqlx::query(
        "select open, held, done, aside, workers, granted, accepted, rejected, lapsed, failed, \
         paused_at, paused_reason, paused_by_operator, waiting, checked, disputed, wrong, \
         (select count(*) from trust t where t.stage = stage_counters.stage and t.on_hold = 1) \
         from stage_counters order by stage",
    )
    .fetch_all(&mut *reading)
    .await?;
    let since = now.div_euclid(MINUTE) - WINDOW_MINUTES;
    let recent: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select stage, sum(done)::bigint, min(minute) from throughput \
         where minute >= $1 and minute <= $2 group by stage",
    )
    .bind(since)
    .bind(now.div_euclid(MINUTE))
    .fetch_all(&mut *reading)
    .await?;
    let mut stages = [StageCounts::default(); 5];
    for (counts, row) in stages.iter_mut().zip(&counters) {
        let number = |at: usize| row.try_get(at).map(unsigned);
        *counts = StageCounts {
            open: number(0)?,
            held: number(1)?,
            done: number(2)?,
            aside: number(3)?,
            workers: number(4)?,
            recent: 0,
            granted: number(5)?,
            accepted: number(6)?,
            rejected: number(7)?,
            lapsed: number(8)?,
            failed: number(9)?,
            failing: 0,
            waiting: number(13)?,
            checked: number(14)?,
            disputed: number(15)?,
            wrong: number(16)?,
            on_hold: number(17)?,
        };
    }
    let (began, workers) = (
        Instant::now(),
        stages.iter().map(|stage| stage.workers).sum(),
    );
    let volunteers = match volunteers.known(workers, began) {
        Some(known) => known,
        None => {
            let count = sqlx::query_scalar(VOLUNTEERS)
                .bind(ANONYMOUS)
                .fetch_one(&mut *reading)
                .await?;
            let count = unsigned(count);
            volunteers.made(count, Instant::now(), began.elapsed());
            count
        }
    };
    let failing: Vec<(i64, i64)> = sqlx::query_as(FAILING)
        .bind(signed(MOST_FAILING))
        .fetch_all(&mut *reading)
        .await?;
    reading.commit().await?;

    for (stage, found) in failing {
        stages[stage_of(stage)?.index()].failing = unsigned(found);
    }
    let mut paused: [Option<Paused>; 5] = Default::default();
    for (paused, row) in paused.iter_mut().zip(&counters) {
        let at: Option<Millis> = row.try_get(10)?;
        let reason: Option<String> = row.try_get(11)?;
        let by_operator = row.try_get(12)?;
        *paused = at.map(|at| Paused {
            at,
            pause: Pause::read(by_operator, reason),
        });
    }
    let mut start = now;
    for (stage, done, minute) in recent {
        if let Some(counts) = usize::try_from(stage)
            .ok()
            .and_then(|stage| stages.get_mut(stage))
        {
            counts.recent = unsigned(done);
        }
        start = start.min(minute * MINUTE);
    }
    Ok(Status {
        now,
        jobs: unsigned(jobs),
        closed: unsigned(closed),
        volunteers,
        stages,
        window_s: unsigned((now - start) / 1_000),
        paused,
    })
}

/// The number of volunteers, read from an index alone.
const VOLUNTEERS: &str = "select count(distinct case when key is not null then 'k:' || key \
     when nickname = $1 then 'a:' || address else 'n:' || nickname end) from workers";

/// The number of jobs per stage that have failed there and are being retried, up to the maximum
/// that matters.
pub(super) const FAILING: &str = "select s.stage, f.failing from stage_counters s, \
     lateral (select count(*) as failing from (select 1 from jobs j where j.stage = s.stage \
     and j.failures > 0 and j.state in ('open', 'held') limit $1) as few) as f";
