//! Queries of pages, of `jobCount` and of `results`. They read counters and indexes and do not
//! count table rows.

use std::time::Instant;

use distcompute_protocol::{ANONYMOUS, Stage};
use futures_util::{Stream, TryStreamExt as _};
use sqlx::{PgPool, Row as _, postgres::PgRow};

use super::rows;

use crate::{
    clock::Millis,
    ledger::{Confirmation, Doubt, Recall},
    rules::{
        estimate::WINDOW_MINUTES,
        secrets::fingerprint,
        trust::{Policy, Trust},
    },
    store::{
        AsideRow, BrowserPair, Candidate, CountedRow, End, FailureRow, JOB_LEASES, JobLease,
        JobRow, JobText, MOST_FAILING, MOST_RANKS, NameKey, Output, Page, Pause, Paused, Rank,
        RankKey, Recalled, RegisteredRow, RequeueFilter, ResultLease, Retraction, SHOWN_TEXT,
        StageCounts, Start, Status, StoreError, TrustRow, Whereabouts, Which, WorkerRow, column,
        costly::CostlyCount, end_of_looks, first_like, public_name, signed, stage_of, state_of,
        unsigned,
    },
};

/// How much text one call for results reads before it ends early.
const RESULT_BYTES: usize = 8 << 20;

const MINUTE: Millis = 60_000;

/// Begins a transaction whose statements all see the tables as they were at the first of them.
const ONE_STATE: &str = "begin isolation level repeatable read read only";

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

pub(super) async fn counted(
    pool: &PgPool,
    key: &str,
    after: u64,
    limit: u32,
) -> Result<Vec<CountedRow>, StoreError> {
    // Of what is listed, all is there to be hashed: a result that has been taken back meanwhile would be
    // missing, and a page of such results would look like the end.
    let mut reading = pool.begin_with(ONE_STATE).await?;
    let listed: Vec<(i64, i64, i64, Option<Millis>, i64)> = sqlx::query_as(COUNTED)
        .bind(format!("k:{key}"))
        .bind(signed(after))
        .bind(i64::from(limit))
        .fetch_all(&mut *reading)
        .await?;
    let mut bytes = 0;
    let fitting = listed.into_iter().enumerate().take_while(|(at, row)| {
        bytes += unsigned(row.4);
        *at == 0 || bytes <= HASHED
    });
    let mut found = Vec::new();
    for (_, (cursor, number, stage, at, _)) in fitting {
        let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
            "select sha256(convert_to(data, 'UTF8')) from inputs \
             where number = $1 and stage in ($2, $2 + 1) order by stage",
        )
        .bind(number)
        .bind(stage)
        .fetch_all(&mut *reading)
        .await?;
        let Ok([input, output]) = <[Vec<u8>; 2]>::try_from(hashes) else {
            continue;
        };
        found.push(CountedRow {
            cursor: unsigned(cursor),
            number: unsigned(number),
            stage: stage_of(stage)?,
            at: at.unwrap_or_default(),
            input,
            output,
        });
    }
    Ok(found)
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

/// Cursors of the results of a volunteer that count: the output is there, and nobody has made it again
/// since.
pub(super) const COUNTED: &str = "select o.cursor, l.number, l.stage, l.ended_at, \
     octet_length(i.data)::bigint + octet_length(o.data) \
     from leases l join inputs o on o.number = l.number and o.stage = l.stage + 1 \
     join inputs i on i.number = l.number and i.stage = l.stage \
     where l.volunteer = $1 and l.outcome = 'completed' \
     and l.volunteer >= 'k:' and l.volunteer < 'k;' and o.cursor > $2 \
     and not exists (select 1 from leases b where b.number = l.number and b.stage = l.stage \
         and b.outcome = 'completed' and b.id > l.id) \
     order by o.cursor limit $3";

/// The total size of the texts of one page that are hashed, in bytes; exceeded at most by one job's.
const HASHED: u64 = 16 << 20;

type WorkerColumns = (
    i64,
    String,
    String,
    Option<i64>,
    i64,
    String,
    i64,
    i64,
    i64,
    bool,
);

fn worker_row(columns: WorkerColumns) -> WorkerRow {
    let (
        id,
        display_name,
        nickname,
        job,
        held,
        progress,
        completed,
        first_seen,
        last_seen,
        unverified,
    ) = columns;
    WorkerRow {
        id: unsigned(id),
        display_name,
        nickname,
        unverified,
        job: job.map(unsigned),
        held: unsigned(held),
        progress,
        completed: unsigned(completed),
        first_seen,
        last_seen,
    }
}

/// The number of volunteers, read from an index alone.
const VOLUNTEERS: &str = "select count(distinct case when key is not null then 'k:' || key \
     when nickname = $1 then 'a:' || address else 'n:' || nickname end) from workers";

/// The number of jobs per stage that have failed there and are being retried, up to the maximum
/// that matters.
pub(super) const FAILING: &str = "select s.stage, f.failing from stage_counters s, \
     lateral (select count(*) as failing from (select 1 from jobs j where j.stage = s.stage \
     and j.failures > 0 and j.state in ('open', 'held') limit $1) as few) as f";

/// The columns of a worker for display.
macro_rules! shown {
    () => {
        "select id, display_name, nickname, \
         (select min(number) from leases l where l.worker = w.id and l.ended_at is null), \
         (select count(*) from leases l where l.worker = w.id and l.ended_at is null), \
         progress, completed, first_seen, last_seen, \
         exists (select 1 from leaderboard b where b.nickname = w.nickname \
             and b.key is distinct from w.key and b.key is not null) from workers w "
    };
}

/// A page of the workers of a stage.
pub(super) const WORKERS: &str = concat!(
    shown!(),
    "where stage = $1 order by id desc limit $2 offset $3"
);

/// Workers that registered up to and including a given one, newest first.
pub(super) const WORKERS_FROM: &str = concat!(
    shown!(),
    "where stage = $1 and id <= $3 order by id desc limit $2"
);
pub(super) const WORKERS_BEFORE: &str = concat!(
    shown!(),
    "where stage = $1 and id > $3 order by id limit $2"
);

/// The columns of a leaderboard entry.
macro_rules! ranked {
    () => {
        "select nickname, completed, worker, since, case when key is not null then verified end \
         from leaderboard where nickname <> $1 and "
    };
}

/// A page of the leaderboard.
pub(super) const LEADERBOARD: &str = concat!(
    ranked!(),
    "true order by completed desc, nickname limit $2 offset $3"
);

/// Nicknames with as many jobs as a given one, on either side of it by name; then all those with
/// fewer or more. A single statement for both would not use the index.
pub(super) const RANKS_EQUAL_FROM: &str = concat!(
    ranked!(),
    "completed = $3 and nickname >= $4 order by completed desc, nickname limit $2"
);
pub(super) const RANKS_LOWER: &str = concat!(
    ranked!(),
    "completed < $3 order by completed desc, nickname limit $2"
);
pub(super) const RANKS_EQUAL_BEFORE: &str = concat!(
    ranked!(),
    "completed = $3 and nickname < $4 order by completed, nickname desc limit $2"
);
pub(super) const RANKS_HIGHER: &str = concat!(
    ranked!(),
    "completed > $3 order by completed, nickname desc limit $2"
);

/// How many nicknames precede a given one, up to a maximum.
pub(super) const RANK: &str = "select \
     (select count(*) from (select 1 from leaderboard \
         where completed > $1 and nickname <> $3 \
         order by completed, nickname desc limit $4) as higher) + \
     (select count(*) from (select 1 from leaderboard \
         where completed = $1 and nickname < $2 and nickname <> $3 \
         order by completed, nickname desc limit $4) as equal)";

/// Nicknames whose look lies between two.
pub(super) const NAMES_LIKE: &str = concat!(
    ranked!(),
    "(look, since, nickname) >= ($3, $4, $5) and look < $6 \
     order by look, since, nickname limit $2"
);

/// The columns of jobs that are set aside.
macro_rules! aside {
    () => {
        "select number, stage, reason, errors from jobs where state = 'aside' "
    };
}
pub(super) const ASIDE: &str = concat!(aside!(), "order by number limit $1 offset $2");
pub(super) const ASIDE_FROM: &str = concat!(aside!(), "and number >= $2 order by number limit $1");
pub(super) const ASIDE_BEFORE: &str =
    concat!(aside!(), "and number < $2 order by number desc limit $1");

/// The nickname that had each look first.
pub(super) const FIRST_NAMES: &str = "select wanted.look, first.nickname \
     from unnest($1::text[]) as wanted (look) cross join lateral ( \
         select nickname from leaderboard l where l.look = wanted.look \
         order by since, nickname limit 1 \
     ) as first";

/// A page of the outputs of a stage.
pub(super) const RESULTS: &str = "select cursor, number, data from inputs \
     where stage = $1 and cursor > $2 order by cursor limit $3";

/// A page of outputs without their data.
const RESULT_NUMBERS: &str = "select cursor, number from inputs \
     where stage = $1 and cursor > $2 order by cursor limit $3";

/// The outputs of a stage for given jobs.
const RESULTS_OF: &str = "select cursor, number, data from inputs \
     where number = any($1::bigint[]) and stage = $2 and cursor is not null order by cursor";

pub(super) async fn workers(
    pool: &PgPool,
    stage: Stage,
    page: Page<u64>,
) -> Result<Vec<WorkerRow>, StoreError> {
    let (statement, place, is_reversed) = match page.start {
        Start::Offset(offset) => (WORKERS, offset, false),
        Start::From(id) => (WORKERS_FROM, id, false),
        Start::Before(id) => (WORKERS_BEFORE, id, true),
    };
    let mut rows: Vec<WorkerColumns> = sqlx::query_as(statement)
        .bind(column(stage))
        .bind(i64::from(page.limit))
        .bind(signed(place))
        .fetch_all(pool)
        .await?;
    if is_reversed {
        rows.reverse();
    }
    Ok(rows.into_iter().map(worker_row).collect())
}

pub(super) async fn worker(
    pool: &PgPool,
    stage: Stage,
    name: &str,
) -> Result<Option<WorkerRow>, StoreError> {
    let row: Option<WorkerColumns> = sqlx::query_as(concat!(
        shown!(),
        "where stage = $1 and display_name = $2 order by id desc limit 1"
    ))
    .bind(column(stage))
    .bind(name)
    .fetch_optional(pool)
    .await?;
    Ok(row.map(worker_row))
}

/// Lists workers by row id, for the operator.
pub(super) async fn registrations(
    pool: &PgPool,
    after: i64,
    limit: u32,
) -> Result<Vec<RegisteredRow>, StoreError> {
    let rows = sqlx::query(
        "select id, token, display_name, nickname, address, stage, \
         (select count(*) from leases l where l.worker = w.id and l.ended_at is null), \
         completed, first_seen, last_seen, key from workers w where id > $1 order by id limit $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RegisteredRow {
                id: row.try_get(0)?,
                fingerprint: row.try_get(1)?,
                display_name: row.try_get(2)?,
                nickname: row.try_get(3)?,
                address: row.try_get(4)?,
                stage: stage_of(row.try_get(5)?)?,
                held: unsigned(row.try_get(6)?),
                completed: unsigned(row.try_get(7)?),
                first_seen: row.try_get(8)?,
                last_seen: row.try_get(9)?,
                key: row.try_get(10)?,
            })
        })
        .collect()
}

pub(super) async fn leaderboard(
    pool: &PgPool,
    page: Page<RankKey>,
) -> Result<Vec<Rank>, StoreError> {
    let limit = i64::from(page.limit);
    let ((equal, others), key, is_reversed) = match page.start {
        Start::Offset(offset) => {
            let query = sqlx::query_as(LEADERBOARD).bind(ANONYMOUS).bind(limit);
            let rows = query.bind(signed(offset)).fetch_all(pool).await?;
            return Ok(rows.into_iter().map(rank_row).collect());
        }
        Start::From(key) => ((RANKS_EQUAL_FROM, RANKS_LOWER), key, false),
        Start::Before(key) => ((RANKS_EQUAL_BEFORE, RANKS_HIGHER), key, true),
    };
    let completed = signed(key.completed);
    let query = sqlx::query_as(equal).bind(ANONYMOUS).bind(limit);
    let query = query.bind(completed).bind(key.nickname);
    let mut rows: Vec<RankColumns> = query.fetch_all(pool).await?;
    let left = limit - signed(rows.len() as u64);
    if left > 0 {
        let query = sqlx::query_as(others).bind(ANONYMOUS).bind(left);
        rows.extend(query.bind(completed).fetch_all(pool).await?);
    }
    if is_reversed {
        rows.reverse();
    }
    Ok(rows.into_iter().map(rank_row).collect())
}

type RankColumns = (String, i64, Option<String>, Millis, Option<i64>);

fn rank_row((nickname, completed, worker, since, verified): RankColumns) -> Rank {
    Rank {
        nickname,
        completed: unsigned(completed),
        verified: verified.map(unsigned),
        worker,
        since,
    }
}

pub(super) async fn rank(pool: &PgPool, key: &RankKey) -> Result<Option<u64>, StoreError> {
    let before: i64 = sqlx::query_scalar(RANK)
        .bind(signed(key.completed))
        .bind(&key.nickname)
        .bind(ANONYMOUS)
        .bind(signed(MOST_RANKS))
        .fetch_one(pool)
        .await?;
    let before = unsigned(before);
    Ok((before < MOST_RANKS).then_some(before + 1))
}

pub(super) async fn names_like(
    pool: &PgPool,
    look: &str,
    from: Option<NameKey>,
    limit: u32,
) -> Result<Vec<Rank>, StoreError> {
    let (first, since, nickname) = first_like(look, from);
    let rows: Vec<RankColumns> = sqlx::query_as(NAMES_LIKE)
        .bind(ANONYMOUS)
        .bind(i64::from(limit))
        .bind(first)
        .bind(since)
        .bind(nickname)
        .bind(end_of_looks(look))
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(rank_row).collect())
}

pub(super) async fn completed_unnamed(pool: &PgPool) -> Result<u64, StoreError> {
    let completed: Option<i64> =
        sqlx::query_scalar("select completed from leaderboard where nickname = $1")
            .bind(ANONYMOUS)
            .fetch_optional(pool)
            .await?;
    Ok(completed.map_or(0, unsigned))
}

pub(super) async fn first_names(
    pool: &PgPool,
    looks: Vec<String>,
) -> Result<Vec<(String, String)>, StoreError> {
    let found = sqlx::query_as(FIRST_NAMES).bind(looks);
    Ok(found.fetch_all(pool).await?)
}

pub(super) async fn set_aside(pool: &PgPool, page: Page<u64>) -> Result<Vec<AsideRow>, StoreError> {
    let (statement, place, is_reversed) = match page.start {
        Start::Offset(offset) => (ASIDE, offset, false),
        Start::From(number) => (ASIDE_FROM, number, false),
        Start::Before(number) => (ASIDE_BEFORE, number, true),
    };
    let mut rows = sqlx::query(statement)
        .bind(i64::from(page.limit))
        .bind(signed(place))
        .fetch_all(pool)
        .await?;
    if is_reversed {
        rows.reverse();
    }
    rows.iter()
        .map(|row| {
            Ok(AsideRow {
                number: unsigned(row.try_get(0)?),
                stage: stage_of(row.try_get(1)?)?,
                reason: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
                errors: rows::failures(row.try_get(3)?),
            })
        })
        .collect()
}

pub(super) async fn whereabouts(
    pool: &PgPool,
    numbers: &[u64],
) -> Result<Vec<Whereabouts>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|number| signed(*number)).collect();
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "select number, stage, state from jobs where number = any($1) order by number",
    )
    .bind(numbers)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(number, stage, state)| {
            Ok(Whereabouts {
                number: unsigned(number),
                stage: stage_of(stage)?,
                state,
            })
        })
        .collect()
}

/// The latest failures.
pub(super) const FAILURES: &str = "select id, at, number, stage, nickname, worker, kind, error \
     from failures order by id desc limit $1";

pub(super) async fn failures(pool: &PgPool, limit: u32) -> Result<Vec<FailureRow>, StoreError> {
    let rows = sqlx::query(FAILURES)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(FailureRow {
                id: unsigned(row.try_get(0)?),
                at: row.try_get(1)?,
                number: unsigned(row.try_get(2)?),
                stage: stage_of(row.try_get(3)?)?,
                nickname: row.try_get(4)?,
                worker: row.try_get(5)?,
                end: End::from_word(row.try_get(6)?),
                error: row.try_get(7)?,
            })
        })
        .collect()
}

/// Reads everything that is known about a job.
pub(super) async fn job(pool: &PgPool, number: i64) -> Result<Option<JobRow>, StoreError> {
    // One snapshot, so that the rows are consistent.
    let mut reading = pool
        .begin_with("begin transaction isolation level repeatable read read only")
        .await?;
    let job = sqlx::query(concat!(
        "select ",
        crate::store::columns::job_columns!(),
        " from jobs j where j.number = $1"
    ))
    .bind(number)
    .fetch_optional(&mut *reading)
    .await?;
    let Some(job) = job.as_ref().map(rows::job).transpose()? else {
        return Ok(None);
    };
    let texts: Vec<(i64, String, i64)> = sqlx::query_as(
        "select stage, left(data, $2), char_length(data)::bigint from inputs where number = $1 \
         order by stage",
    )
    .bind(number)
    .bind(i32::try_from(SHOWN_TEXT).unwrap_or(i32::MAX))
    .fetch_all(&mut *reading)
    .await?;
    type Columns = (
        i64,
        String,
        Option<String>,
        Millis,
        Option<Millis>,
        Option<String>,
    );
    let leases: Vec<Columns> = sqlx::query_as(
        "select l.stage, l.nickname, w.display_name, l.granted_at, l.ended_at, l.outcome \
         from leases l left join workers w on w.id = l.worker where l.number = $1 \
         order by l.id desc limit $2",
    )
    .bind(number)
    .bind(i64::from(JOB_LEASES))
    .fetch_all(&mut *reading)
    .await?;
    let flags: Vec<(i64, String, Millis)> = sqlx::query_as(
        "select stage, volunteer, flagged_at from flags where number = $1 order by flagged_at",
    )
    .bind(number)
    .fetch_all(&mut *reading)
    .await?;
    reading.commit().await?;
    let texts = texts.into_iter().map(|(stage, text, length)| JobText {
        stage: unsigned(stage),
        text,
        length: unsigned(length),
    });
    let leases =
        leases
            .into_iter()
            .map(|(stage, nickname, worker, granted_at, ended_at, outcome)| {
                Ok(JobLease {
                    stage: stage_of(stage)?,
                    nickname,
                    worker: worker.unwrap_or_default(),
                    granted_at,
                    ended: ended_at.zip(outcome.as_deref().and_then(End::from_word)),
                })
            });
    let flags = flags
        .into_iter()
        .map(|(stage, who, at)| Ok((stage_of(stage)?, public_name(&who), at)));
    Ok(Some(JobRow {
        number: unsigned(job.number),
        stage: job.stage,
        state: job.state,
        attempt: unsigned(job.attempt),
        failures: unsigned(job.failures),
        sent_back: unsigned(job.sent_back),
        reason: job.reason,
        errors: job.errors,
        changed_at: job.changed_at,
        texts: texts.collect(),
        leases: leases.collect::<Result<_, StoreError>>()?,
        flags: flags.collect::<Result<_, StoreError>>()?,
    }))
}

/// Jobs that may be requeued, unless they have changed lately.
macro_rules! candidates {
    ($matching:literal) => {
        concat!(
            "select j.number, j.stage, j.state, j.round, j.failures, ",
            $matching,
            " from jobs j where j.number = any($1) and ($2::bigint is null \
             or least(j.changed_at, coalesce($3, tracker_now())) <= coalesce($3, tracker_now()) - $2) \
             order by j.number"
        )
    };
}

const CANDIDATES: &str = candidates!("null::bigint");

/// The same, with the earliest stage whose result fulfils conditions. Of the leases that have
/// completed a stage, the latest one has made its result; results of the stages that the job has yet
/// to pass were discarded.
const CANDIDATES_BY_RESULT: &str = candidates!(
    "(select min(l.stage) from leases l where l.number = j.number and l.outcome = 'completed' \
     and l.stage <= j.stage - (j.state <> 'closed')::int and ($4::bigint is null or l.stage = $4) \
     and ($5::text is null or l.nickname = $5) and ($6::text is null or l.address = $6) \
     and ($7::bigint is null or l.ended_at >= $7) and ($8::bigint is null or l.ended_at < $8) \
     and not exists (select 1 from leases m where m.number = l.number and m.stage = l.stage \
     and m.id > l.id and m.outcome = 'completed') \
     and ($10::text is null or l.volunteer = $10) \
     and ($9::text is null or exists (select 1 from inputs i where i.number = l.number \
     and i.stage = l.stage + 1 and strpos(i.data, $9) > 0)))"
);

pub(super) async fn candidates(
    pool: &PgPool,
    now: Option<Millis>,
    filter: &RequeueFilter,
    numbers: &[i64],
) -> Result<Vec<Candidate>, StoreError> {
    type Found = (i64, i64, String, i64, i64, Option<i64>);
    let rows: Vec<Found> = if filter.is_by_result() {
        sqlx::query_as(CANDIDATES_BY_RESULT)
            .bind(numbers)
            .bind(filter.older_than)
            .bind(now)
            .bind(filter.stage.map(column))
            .bind(&filter.nickname)
            .bind(&filter.address)
            .bind(filter.since)
            .bind(filter.until)
            .bind(&filter.result_contains)
            .bind(&filter.volunteer)
            .fetch_all(pool)
            .await?
    } else {
        sqlx::query_as(CANDIDATES)
            .bind(numbers)
            .bind(filter.older_than)
            .bind(now)
            .fetch_all(pool)
            .await?
    };
    let candidates = rows.into_iter().map(|row| {
        let (number, stage, state, round, failures, matching) = row;
        Ok(Candidate {
            number,
            stage: stage_of(stage)?,
            state: state_of(&state)?,
            round,
            failures,
            matching: matching.map(stage_of).transpose()?,
        })
    });
    candidates.collect()
}

pub(super) async fn result_leases(
    pool: &PgPool,
    of: &[(i64, Stage)],
) -> Result<Vec<ResultLease>, StoreError> {
    let (numbers, stages): (Vec<i64>, Vec<i64>) = of
        .iter()
        .map(|(number, stage)| (*number, column(*stage)))
        .unzip();
    type Found = (i64, i64, i64, String, Option<Millis>);
    let rows: Vec<Found> = sqlx::query_as(
        "select wanted.number, wanted.stage, l.id, l.address, l.ended_at \
         from unnest($1::bigint[], $2::bigint[]) as wanted (number, stage) \
         cross join lateral (select id, address, ended_at from leases m \
         where m.number = wanted.number and m.stage = wanted.stage and m.outcome = 'completed' \
         order by m.id desc limit 1) l",
    )
    .bind(numbers)
    .bind(stages)
    .fetch_all(pool)
    .await?;
    let leases = rows.into_iter().map(|(number, stage, lease, address, at)| {
        Ok(ResultLease {
            number,
            stage: stage_of(stage)?,
            lease,
            address,
            at: at.unwrap_or_default(),
        })
    });
    leases.collect()
}

pub(super) async fn results(
    pool: &PgPool,
    stage: Stage,
    after: i64,
    limit: u32,
) -> Result<Vec<Output>, StoreError> {
    let query = sqlx::query_as(RESULTS)
        .bind(column(stage) + 1)
        .bind(after)
        .bind(i64::from(limit));
    gather(query.fetch(pool)).await
}

pub(super) async fn results_of(
    pool: &PgPool,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<Output>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|number| signed(*number)).collect();
    let query = sqlx::query_as(RESULTS_OF)
        .bind(numbers)
        .bind(column(stage) + 1);
    gather(query.fetch(pool)).await
}

pub(super) async fn result_numbers(
    pool: &PgPool,
    stage: Stage,
    after: i64,
    limit: u32,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(RESULT_NUMBERS)
        .bind(column(stage) + 1)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(cursor, number)| (unsigned(cursor), unsigned(number)))
        .collect())
}

/// A volunteer whose results are to be made again, or were confirmed by it. A command does not know
/// whom the configuration trusts, and leaves the latter to the tracker.
pub(super) const DOUBTED: &str = "select stage, volunteer, version, on_hold, doubted, looked \
    from trust where doubted > 0 and (doubted = 1 or $1) order by doubted limit 1";

/// Results that count on its word alone; of one on hold, also those on which nobody else has an
/// opinion.
pub(super) const RESTING: &str = "select o.number, o.lease from opinions o \
    where o.volunteer = $1 and o.stage = $2 and o.version = $3 \
    and (o.state = 'alone' or o.state = 'waiting') and o.answer not like '!%' \
    and (o.state = 'alone' or ($4 <> 0 and exists (select 1 from jobs j where j.number = o.number \
        and j.state = 'waiting' and j.stage = o.stage and j.opinions = 1))) limit $5";

/// What it has confirmed, from a lease on; with the round of the job, the result that rests on too few
/// others, and whether the volunteer of that result is on hold too. The operator's word is enough.
pub(super) const CONFIRMED: &str = "select o.lease, o.number, j.round, \
    case when w.state = 'right' and w.lease < o.lease and o.answer not like '!%' \
        and (j.stage > o.stage or (j.stage = o.stage and j.state = 'closed')) \
        and not exists (select 1 from opinions q where q.number = o.number and q.stage = o.stage \
            and q.state = 'right' and q.lease >= w.lease and q.volunteer = any($5)) \
        and (select count(distinct q.volunteer) from opinions q where q.number = o.number \
            and q.stage = o.stage and q.state = 'right' and q.lease >= w.lease \
            and q.answer not like '!%' and not exists (select 1 from trust t \
                where t.stage = q.stage and t.volunteer = q.volunteer and t.version = q.version \
                and t.on_hold = 1)) < $6 \
    then w.lease end, \
    exists (select 1 from trust t where t.stage = w.stage and t.volunteer = w.volunteer \
        and t.version = w.version and t.on_hold = 1) \
    from opinions o join jobs j on j.number = o.number \
    left join opinions w on w.lease = (select max(l.id) from leases l where l.number = o.number \
        and l.stage = o.stage and l.outcome = 'completed') \
    where o.volunteer = $1 and o.stage = $2 and o.version = $3 and o.state = 'right' \
    and o.lease > $4 order by o.lease limit $7";

pub(super) async fn doubted(
    pool: &PgPool,
    trust: Trust,
    limit: u32,
) -> Result<Option<Recalled>, StoreError> {
    let found: Option<(i64, String, String, i64, i64, i64)> = sqlx::query_as(DOUBTED)
        .bind(trust.is_on())
        .fetch_optional(pool)
        .await?;
    let Some((stage, volunteer, version, on_hold, doubted, looked)) = found else {
        return Ok(None);
    };
    let policy = trust.policy(stage_of(stage)?);
    let what = if doubted == Doubt::Alone.number() {
        let found = sqlx::query_as(RESTING)
            .bind(&volunteer)
            .bind(stage)
            .bind(&version)
            .bind(on_hold)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
        Recall::Alone(found)
    } else if on_hold != 0 && policy != Policy::Off {
        let rows: Vec<(i64, i64, i64, Option<i64>, bool)> = sqlx::query_as(CONFIRMED)
            .bind(&volunteer)
            .bind(stage)
            .bind(&version)
            .bind(looked)
            .bind(trust.operators)
            .bind(signed(policy.needed() as u64))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
        let read = |(lease, number, round, result, is_void)| Confirmation {
            lease,
            number,
            round,
            result,
            is_void,
        };
        Recall::Confirmed(rows.into_iter().map(read).collect())
    } else {
        Recall::Confirmed(Vec::new())
    };
    Ok(Some(Recalled {
        stage: stage_of(stage)?,
        volunteer,
        version,
        on_hold: on_hold != 0,
        what,
    }))
}

/// Jobs with as many opinions as a job is given.
pub(super) const UNDECIDED: &str = "select number from jobs where stage = $1 and opinions >= 5 \
    and state = 'waiting' limit $2";

pub(super) async fn undecided(
    pool: &PgPool,
    stage: Stage,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let found = sqlx::query_scalar(UNDECIDED).bind(column(stage));
    Ok(found.bind(i64::from(limit)).fetch_all(pool).await?)
}

pub(super) async fn stale(
    pool: &PgPool,
    stage: Stage,
    version: Option<&str>,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let Some(version) = version else {
        let all = sqlx::query_scalar("select number from lane where stage = $1 limit $2");
        let all = all.bind(column(stage)).bind(i64::from(limit));
        return Ok(all.fetch_all(pool).await?);
    };
    let mut found = Vec::new();
    for statement in [
        "select number from lane where stage = $1 and version < $2 limit $3",
        "select number from lane where stage = $1 and version > $2 limit $3",
    ] {
        let numbers: Vec<i64> = sqlx::query_scalar(statement)
            .bind(column(stage))
            .bind(version)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
        found.extend(numbers);
    }
    Ok(found)
}

/// The columns of what is known of a volunteer.
macro_rules! trusted {
    ($which:literal) => {
        concat!(
            "select stage, volunteer, version, confirmed, agreed, refuted, waiting, unchecked, \
             on_hold from trust ",
            $which
        )
    };
}

pub(super) async fn trusted(pool: &PgPool, which: &Which) -> Result<Vec<TrustRow>, StoreError> {
    let rows = match which {
        Which::Volunteer(who) => {
            sqlx::query(trusted!("where volunteer = $1 order by stage, version"))
                .bind(who)
                .fetch_all(pool)
                .await?
        }
        Which::OnHold(limit) => {
            sqlx::query(trusted!("where on_hold = 1 limit $1"))
                .bind(i64::from(*limit))
                .fetch_all(pool)
                .await?
        }
    };
    let read = |row: &PgRow| {
        let number = |at: usize| row.try_get(at).map(unsigned);
        Ok(TrustRow {
            stage: stage_of(row.try_get(0)?)?,
            volunteer: row.try_get(1)?,
            version: row.try_get(2)?,
            confirmed: number(3)?,
            right: number(4)?,
            wrong: number(5)?,
            waiting: number(6)?,
            unchecked: number(7)?,
            on_hold: row.try_get::<i64, _>(8)? != 0,
        })
    };
    rows.iter().map(read).collect()
}

/// Kinds of browsers of which outputs differed. There are few.
const BROWSER_PAIRS: &str = "select stage, one, other, agreed, differed from browser_pairs \
    where differed > 0 order by differed desc, stage, one collate \"C\", other collate \"C\" limit $1";

pub(super) async fn browser_pairs(
    pool: &PgPool,
    limit: u32,
) -> Result<Vec<BrowserPair>, StoreError> {
    let rows: Vec<(i64, String, String, i64, i64)> = sqlx::query_as(BROWSER_PAIRS)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    let read = |(stage, one, other, agreed, differed)| {
        Ok(BrowserPair {
            stage: stage_of(stage)?,
            browsers: (one, other),
            agreed: unsigned(agreed),
            differed: unsigned(differed),
        })
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn retractions(
    pool: &PgPool,
    stage: Stage,
    after: u64,
    limit: u32,
) -> Result<Vec<Retraction>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select cursor, number, at from retractions where stage = $1 and cursor > $2 \
         order by cursor limit $3",
    )
    .bind(column(stage))
    .bind(signed(after))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter().map(|(cursor, number, at)| Retraction {
        cursor: unsigned(cursor),
        number: unsigned(number),
        at,
    });
    Ok(rows.collect())
}

pub(super) async fn unconfirmed(
    pool: &PgPool,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<u64>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|number| signed(*number)).collect();
    let found: Vec<i64> = sqlx::query_scalar(
        "select number from opinions where number = any($1) and stage = $2 and state = 'alone'",
    )
    .bind(numbers)
    .bind(column(stage))
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().map(unsigned).collect())
}

/// Collects outputs until there is enough text for one call.
async fn gather(
    mut rows: impl Stream<Item = Result<(i64, i64, String), sqlx::Error>> + Unpin,
) -> Result<Vec<Output>, StoreError> {
    let mut outputs = Vec::new();
    let mut bytes = 0;
    while let Some((cursor, number, data)) = rows.try_next().await? {
        bytes += data.len();
        outputs.push(Output {
            cursor: unsigned(cursor),
            number: unsigned(number),
            data,
        });
        if bytes >= RESULT_BYTES {
            break;
        }
    }
    Ok(outputs)
}
