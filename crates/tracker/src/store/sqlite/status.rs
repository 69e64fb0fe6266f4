//! What the calls without a page read: who is registered, how many jobs are open, and the counters of the
//! project. Counters and indexes are read; no rows of a table are counted.

use std::time::Instant;

use distcompute_protocol::{ANONYMOUS, Stage};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{
    clock::Millis,
    rules::{estimate::WINDOW_MINUTES, secrets::fingerprint},
    store::{
        MOST_FAILING, Pause, Paused, StageCounts, Status, StoreError, column, costly::CostlyCount,
        signed, stage_of, unsigned,
    },
};

const MINUTE: Millis = 60_000;

pub(super) fn knows(on: &Connection, token: &str) -> Result<bool, StoreError> {
    Ok(on
        .prepare_cached("select exists (select 1 from workers where token = ?)")?
        .query_row([fingerprint(token)], |row| row.get(0))?)
}

pub(super) fn worker_key(
    on: &Connection,
    token: &str,
) -> Result<Option<Option<String>>, StoreError> {
    Ok(on
        .prepare_cached("select key from workers where token = ?")?
        .query_row([fingerprint(token)], |row| row.get(0))
        .optional()?)
}

pub(super) fn open_jobs(on: &Connection, stage: Stage) -> Result<u64, StoreError> {
    let open = on
        .prepare_cached(
            "select case when paused_at is null then open else 0 end from stage_counters \
             where stage = ?",
        )?
        .query_row([column(stage)], |row| row.get(0))?;
    Ok(unsigned(open))
}

pub(super) fn status(
    on: &mut Connection,
    now: Millis,
    volunteers: &CostlyCount,
) -> Result<Status, StoreError> {
    // One transaction, so that the numbers are consistent.
    let reading = on.transaction()?;
    let (jobs, closed): (i64, i64) = reading
        .prepare_cached("select jobs, closed from totals where id = 1")?
        .query_row((), |row| row.try_into())?;
    let mut stages: [StageCounts; 5] = Default::default();
    let mut counters = reading.prepare_cached(
        "select open, held, done, aside, workers, granted, accepted, rejected, lapsed, failed, \
         paused_at, paused_reason, paused_by_operator, waiting, checked, disputed, wrong, \
         (select count(*) from trust t where t.stage = stage_counters.stage and t.on_hold = 1) \
         from stage_counters order by stage",
    )?;
    let mut paused: [Option<Paused>; 5] = Default::default();
    let mut read = counters.query(())?;
    for (counts, paused) in stages.iter_mut().zip(&mut paused) {
        let Some(row) = read.next()? else { break };
        *counts = stage_counts(row)?;
        let (at, reason): (Option<Millis>, Option<String>) = (row.get(10)?, row.get(11)?);
        let by_operator = row.get(12)?;
        *paused = at.map(|at| Paused {
            at,
            pause: Pause::read(by_operator, reason),
        });
    }
    drop(read);
    let (began, workers) = (
        Instant::now(),
        stages.iter().map(|stage| stage.workers).sum(),
    );
    let volunteers = match volunteers.known(workers, began) {
        Some(known) => known,
        None => {
            let count = reading
                .prepare_cached(VOLUNTEERS)?
                .query_row([ANONYMOUS], |row| row.get(0))?;
            let count = unsigned(count);
            volunteers.made(count, Instant::now(), began.elapsed());
            count
        }
    };
    let mut failing = reading.prepare_cached(FAILING)?;
    for (stage, counts) in Stage::ALL.into_iter().zip(&mut stages) {
        let found = failing.query_row((column(stage), signed(MOST_FAILING)), |row| row.get(0))?;
        counts.failing = unsigned(found);
    }
    let since = now.div_euclid(MINUTE) - WINDOW_MINUTES;
    let mut start = now;
    let mut recent = reading.prepare_cached(
        "select stage, sum(done), min(minute) from throughput \
         where minute >= ? and minute <= ? group by stage",
    )?;
    let mut recent = recent.query([since, now.div_euclid(MINUTE)])?;
    while let Some(row) = recent.next()? {
        let (stage, done, minute): (i64, i64, i64) = row.try_into()?;
        stages[stage_of(stage)?.index()].recent = unsigned(done);
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

fn stage_counts(row: &Row<'_>) -> rusqlite::Result<StageCounts> {
    let number = |at: usize| row.get(at).map(unsigned);
    Ok(StageCounts {
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
    })
}

/// The number of volunteers, read from an index alone.
const VOLUNTEERS: &str = "select count(distinct case when key is not null then 'k:' || key \
     when nickname = ? then 'a:' || address else 'n:' || nickname end) from workers";

/// The number of a stage's jobs that have failed there and are being retried, up to the maximum
/// that matters.
pub(super) const FAILING: &str = "select count(*) from (select 1 from jobs \
     where stage = ? and failures > 0 and state in ('open', 'held') limit ?)";
