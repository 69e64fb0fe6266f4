//! Queries of pages, of `jobCount` and of `results`. They read counters and indexes and do not
//! count table rows.

use std::time::Instant;

use distcompute_protocol::{ANONYMOUS, Stage};
use rusqlite::{Connection, OptionalExtension as _, Row, Rows};
use sha2::{Digest as _, Sha256};

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

pub(super) fn counted(
    on: &Connection,
    key: &str,
    after: u64,
    limit: u32,
) -> Result<Vec<CountedRow>, StoreError> {
    let mut listed = on.prepare_cached(COUNTED)?;
    let mut text = on.prepare_cached("select data from inputs where number = ? and stage = ?")?;
    let mut hashed = |number: i64, stage: i64| {
        text.query_row((number, stage), |row| {
            let text = row.get_ref(0)?.as_bytes()?;
            Ok(Sha256::digest(text).to_vec())
        })
    };
    let mut rows = listed.query((format!("k:{key}"), signed(after), limit))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        bytes += unsigned(row.get(4)?);
        if bytes > HASHED && !found.is_empty() {
            break;
        }
        let (number, stage): (i64, i64) = (row.get(1)?, row.get(2)?);
        found.push(CountedRow {
            cursor: unsigned(row.get(0)?),
            number: unsigned(number),
            stage: stage_of(stage)?,
            at: row.get::<_, Option<Millis>>(3)?.unwrap_or_default(),
            input: hashed(number, stage)?,
            output: hashed(number, stage + 1)?,
        });
    }
    Ok(found)
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

/// The number of volunteers, read from an index alone.
const VOLUNTEERS: &str = "select count(distinct case when key is not null then 'k:' || key \
     when nickname = ? then 'a:' || address else 'n:' || nickname end) from workers";

/// The number of a stage's jobs that have failed there and are being retried, up to the maximum
/// that matters.
pub(super) const FAILING: &str = "select count(*) from (select 1 from jobs \
     where stage = ? and failures > 0 and state in ('open', 'held') limit ?)";

/// A page of the workers of a stage.
pub(super) const WORKERS: &str = concat!(
    shown!(),
    "where stage = ? order by id desc limit ? offset ?"
);

/// Workers that registered up to and including a given one, newest first.
pub(super) const WORKERS_FROM: &str = concat!(
    shown!(),
    "where stage = ? and id <= ? order by id desc limit ?"
);
pub(super) const WORKERS_BEFORE: &str =
    concat!(shown!(), "where stage = ? and id > ? order by id limit ?");

/// The columns of a leaderboard entry.
macro_rules! ranked {
    () => {
        "select nickname, completed, worker, since, iif(key is null, null, verified) \
         from leaderboard where nickname <> ? and "
    };
}

/// A page of the leaderboard.
pub(super) const LEADERBOARD: &str = concat!(
    ranked!(),
    "true order by completed desc, nickname limit ? offset ?"
);

/// Nicknames with as many jobs as a given one, on either side of it by name; then all those with
/// fewer or more. A single statement for both would not use the index.
pub(super) const RANKS_EQUAL_FROM: &str = concat!(
    ranked!(),
    "completed = ? and nickname >= ? order by nickname limit ?"
);
pub(super) const RANKS_LOWER: &str = concat!(
    ranked!(),
    "completed < ? order by completed desc, nickname limit ?"
);
pub(super) const RANKS_EQUAL_BEFORE: &str = concat!(
    ranked!(),
    "completed = ? and nickname < ? order by nickname desc limit ?"
);
pub(super) const RANKS_HIGHER: &str = concat!(
    ranked!(),
    "completed > ? order by completed, nickname desc limit ?"
);

/// How many nicknames precede a given one, up to a maximum.
pub(super) const RANK: &str = "select \
     (select count(*) from (select 1 from leaderboard \
         where completed > ?1 and nickname <> ?3 limit ?4)) + \
     (select count(*) from (select 1 from leaderboard \
         where completed = ?1 and nickname < ?2 and nickname <> ?3 limit ?4))";

/// Nicknames whose look lies between two.
pub(super) const NAMES_LIKE: &str = concat!(
    ranked!(),
    "(look, since, nickname) >= (?, ?, ?) and look < ? order by look, since, nickname limit ?"
);

/// The columns of jobs that are set aside.
macro_rules! aside {
    () => {
        "select number, stage, reason, errors from jobs where state = 'aside' "
    };
}
pub(super) const ASIDE: &str = concat!(aside!(), "order by number limit ? offset ?");
pub(super) const ASIDE_FROM: &str = concat!(aside!(), "and number >= ? order by number limit ?");
pub(super) const ASIDE_BEFORE: &str =
    concat!(aside!(), "and number < ? order by number desc limit ?");

/// The nickname that had a look first.
pub(super) const FIRST_NAME: &str =
    "select nickname from leaderboard where look = ? order by since, nickname limit 1";

/// A page of the outputs of a stage.
pub(super) const RESULTS: &str = "select cursor, number, data from inputs \
     where stage = ? and cursor > ? order by cursor limit ?";

/// A page of outputs without their data.
pub(super) const RESULT_NUMBERS: &str = "select cursor, number from inputs \
     where stage = ? and cursor > ? order by cursor limit ?";

/// The outputs of a stage for given jobs, passed as a JSON list.
pub(super) const RESULTS_OF: &str = "select i.cursor, i.number, i.data \
     from json_each(?) wanted cross join inputs i on i.number = wanted.value and i.stage = ? \
     where i.cursor is not null order by i.cursor";

/// Cursors of the results of a volunteer that count: the output is there, and nobody has made it again
/// since.
pub(super) const COUNTED: &str = "select o.cursor, l.number, l.stage, l.ended_at, \
     octet_length(i.data) + octet_length(o.data) \
     from leases l join inputs o on o.number = l.number and o.stage = l.stage + 1 \
     join inputs i on i.number = l.number and i.stage = l.stage \
     where l.volunteer = ? and l.outcome = 'completed' \
     and l.volunteer >= 'k:' and l.volunteer < 'k;' and o.cursor > ? \
     and not exists (select 1 from leases b where b.number = l.number and b.stage = l.stage \
         and b.outcome = 'completed' and b.id > l.id) \
     order by o.cursor limit ?";

/// The total size of the texts of one page that are hashed, in bytes; exceeded at most by one job's.
const HASHED: u64 = 16 << 20;

fn worker_row(row: &Row<'_>) -> rusqlite::Result<WorkerRow> {
    Ok(WorkerRow {
        id: unsigned(row.get(0)?),
        display_name: row.get(1)?,
        nickname: row.get(2)?,
        job: row.get::<_, Option<i64>>(3)?.map(unsigned),
        held: unsigned(row.get(4)?),
        progress: row.get(5)?,
        completed: unsigned(row.get(6)?),
        first_seen: row.get(7)?,
        last_seen: row.get(8)?,
        unverified: row.get(9)?,
    })
}

pub(super) fn workers(
    on: &Connection,
    stage: Stage,
    page: &Page<u64>,
) -> Result<Vec<WorkerRow>, StoreError> {
    let (stage, limit) = (column(stage), i64::from(page.limit));
    let (statement, which, is_reversed) = match page.start {
        Start::Offset(offset) => (WORKERS, [stage, limit, signed(offset)], false),
        Start::From(id) => (WORKERS_FROM, [stage, signed(id), limit], false),
        Start::Before(id) => (WORKERS_BEFORE, [stage, signed(id), limit], true),
    };
    let mut statement = on.prepare_cached(statement)?;
    let rows = statement.query_map(which, worker_row)?;
    let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    if is_reversed {
        rows.reverse();
    }
    Ok(rows)
}

pub(super) fn worker(
    on: &Connection,
    stage: Stage,
    name: &str,
) -> Result<Option<WorkerRow>, StoreError> {
    let newest = concat!(
        shown!(),
        "where stage = ? and display_name = ? order by id desc limit 1"
    );
    Ok(on
        .prepare_cached(newest)?
        .query_row((column(stage), name), worker_row)
        .optional()?)
}

/// Lists workers by row id, for the operator.
pub(super) fn registrations(
    on: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<RegisteredRow>, StoreError> {
    let mut statement = on.prepare_cached(
        "select id, token, display_name, nickname, address, stage, \
         (select count(*) from leases l where l.worker = w.id and l.ended_at is null), \
         completed, first_seen, last_seen, key from workers w where id > ? order by id limit ?",
    )?;
    statement
        .query_and_then((after, limit), |row| {
            Ok(RegisteredRow {
                id: row.get(0)?,
                fingerprint: row.get(1)?,
                display_name: row.get(2)?,
                nickname: row.get(3)?,
                address: row.get(4)?,
                stage: stage_of(row.get(5)?)?,
                held: unsigned(row.get(6)?),
                completed: unsigned(row.get(7)?),
                first_seen: row.get(8)?,
                last_seen: row.get(9)?,
                key: row.get(10)?,
            })
        })?
        .collect()
}

pub(super) fn leaderboard(on: &Connection, page: &Page<RankKey>) -> Result<Vec<Rank>, StoreError> {
    let ((equal, others), key) = match &page.start {
        Start::Offset(offset) => {
            return ranks(on, LEADERBOARD, (ANONYMOUS, page.limit, signed(*offset)));
        }
        Start::From(key) => ((RANKS_EQUAL_FROM, RANKS_LOWER), key),
        Start::Before(key) => ((RANKS_EQUAL_BEFORE, RANKS_HIGHER), key),
    };
    let completed = signed(key.completed);
    let mut found = ranks(on, equal, (ANONYMOUS, completed, &key.nickname, page.limit))?;
    let left = i64::from(page.limit) - signed(found.len() as u64);
    if left > 0 {
        found.extend(ranks(on, others, (ANONYMOUS, completed, left))?);
    }
    if matches!(page.start, Start::Before(_)) {
        found.reverse();
    }
    Ok(found)
}

fn ranks(
    on: &Connection,
    statement: &str,
    which: impl rusqlite::Params,
) -> Result<Vec<Rank>, StoreError> {
    on.prepare_cached(statement)?
        .query_and_then(which, |row| {
            Ok(Rank {
                nickname: row.get(0)?,
                completed: unsigned(row.get(1)?),
                worker: row.get(2)?,
                since: row.get(3)?,
                verified: row.get::<_, Option<i64>>(4)?.map(unsigned),
            })
        })?
        .collect()
}

pub(super) fn rank(on: &Connection, key: &RankKey) -> Result<Option<u64>, StoreError> {
    let limit = signed(MOST_RANKS);
    let which = (signed(key.completed), &key.nickname, ANONYMOUS, limit);
    let before = on
        .prepare_cached(RANK)?
        .query_row(which, |row| row.get(0))
        .map(unsigned)?;
    Ok((before < MOST_RANKS).then_some(before + 1))
}

pub(super) fn names_like(
    on: &Connection,
    look: &str,
    from: Option<NameKey>,
    limit: u32,
) -> Result<Vec<Rank>, StoreError> {
    let (first, since, nickname) = first_like(look, from);
    let end = end_of_looks(look);
    ranks(
        on,
        NAMES_LIKE,
        (ANONYMOUS, first, since, nickname, end, limit),
    )
}

pub(super) fn completed_unnamed(on: &Connection) -> Result<u64, StoreError> {
    let completed: Option<i64> = on
        .prepare_cached("select completed from leaderboard where nickname = ?")?
        .query_row([ANONYMOUS], |row| row.get(0))
        .optional()?;
    Ok(completed.map_or(0, unsigned))
}

pub(super) fn first_names(
    on: &Connection,
    looks: Vec<String>,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = on.prepare_cached(FIRST_NAME)?;
    let mut found = Vec::new();
    for look in looks {
        let name = statement.query_row([&look], |row| row.get(0)).optional()?;
        found.extend(name.map(|name| (look, name)));
    }
    Ok(found)
}

pub(super) fn set_aside(on: &Connection, page: &Page<u64>) -> Result<Vec<AsideRow>, StoreError> {
    let limit = i64::from(page.limit);
    let (statement, which, is_reversed) = match page.start {
        Start::Offset(offset) => (ASIDE, [limit, signed(offset)], false),
        Start::From(number) => (ASIDE_FROM, [signed(number), limit], false),
        Start::Before(number) => (ASIDE_BEFORE, [signed(number), limit], true),
    };
    let mut statement = on.prepare_cached(statement)?;
    let rows = statement.query_and_then(which, |row| {
        Ok(AsideRow {
            number: unsigned(row.get(0)?),
            stage: stage_of(row.get(1)?)?,
            reason: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            errors: rows::failures(row, 3)?,
        })
    })?;
    let mut rows: Vec<_> = rows.collect::<Result<_, StoreError>>()?;
    if is_reversed {
        rows.reverse();
    }
    Ok(rows)
}

pub(super) fn whereabouts(
    on: &Connection,
    numbers: &[u64],
) -> Result<Vec<Whereabouts>, StoreError> {
    let mut statement =
        on.prepare_cached("select number, stage, state from jobs where number = ?")?;
    let mut found = Vec::new();
    for number in numbers {
        let row = statement.query_row([signed(*number)], |row| row.try_into());
        if let Some((number, stage, state)) = row.optional()? {
            let stage = stage_of(stage)?;
            let number = unsigned(number);
            found.push(Whereabouts {
                number,
                stage,
                state,
            });
        }
    }
    Ok(found)
}

/// The latest failures.
pub(super) const FAILURES: &str = "select id, at, number, stage, nickname, worker, kind, error \
     from failures order by id desc limit ?";

pub(super) fn failures(on: &Connection, limit: u32) -> Result<Vec<FailureRow>, StoreError> {
    let mut statement = on.prepare_cached(FAILURES)?;
    statement
        .query_and_then([limit], |row| {
            Ok(FailureRow {
                id: unsigned(row.get(0)?),
                at: row.get(1)?,
                number: unsigned(row.get(2)?),
                stage: stage_of(row.get(3)?)?,
                nickname: row.get(4)?,
                worker: row.get(5)?,
                end: End::from_word(&row.get::<_, String>(6)?),
                error: row.get(7)?,
            })
        })?
        .collect()
}

/// Reads everything that is known about a job.
pub(super) fn job(on: &mut Connection, number: i64) -> Result<Option<JobRow>, StoreError> {
    // One transaction, so that the rows are consistent.
    let on = on.transaction()?;
    let job = on
        .prepare_cached(super::load::JOB)?
        .query_and_then([number], rows::job)?
        .next()
        .transpose()?;
    let Some(job) = job else {
        return Ok(None);
    };
    let texts = on
        .prepare_cached(
            "select stage, substr(data, 1, ?), length(data) from inputs where number = ? \
             order by stage",
        )?
        .query_and_then((SHOWN_TEXT, number), |row| {
            Ok(JobText {
                stage: unsigned(row.get(0)?),
                text: row.get(1)?,
                length: unsigned(row.get(2)?),
            })
        })?
        .collect::<Result<_, StoreError>>()?;
    let leases = on
        .prepare_cached(
            "select l.stage, l.nickname, w.display_name, l.granted_at, l.ended_at, l.outcome \
             from leases l left join workers w on w.id = l.worker where l.number = ? \
             order by l.id desc limit ?",
        )?
        .query_and_then((number, JOB_LEASES), |row| {
            let ended_at: Option<Millis> = row.get(4)?;
            let outcome: Option<String> = row.get(5)?;
            Ok(JobLease {
                stage: stage_of(row.get(0)?)?,
                nickname: row.get(1)?,
                worker: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                granted_at: row.get(3)?,
                ended: ended_at.zip(outcome.as_deref().and_then(End::from_word)),
            })
        })?
        .collect::<Result<_, StoreError>>()?;
    let flags = on
        .prepare_cached(
            "select stage, volunteer, flagged_at from flags where number = ? order by flagged_at",
        )?
        .query_and_then([number], |row| {
            let who: String = row.get(1)?;
            Ok((stage_of(row.get(0)?)?, public_name(&who), row.get(2)?))
        })?
        .collect::<Result<_, StoreError>>()?;
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
        texts,
        leases,
        flags,
    }))
}

/// A job that may be requeued, unless it has changed lately.
macro_rules! candidate {
    ($matching:literal) => {
        concat!(
            "select j.number, j.stage, j.state, j.round, j.failures, ",
            $matching,
            " from jobs j where j.number = ?1 and (?2 is null or min(j.changed_at, ?3) <= ?2)"
        )
    };
}

const CANDIDATE: &str = candidate!("null");

/// The same, with the earliest stage whose result fulfils conditions. Of the leases that have
/// completed a stage, the latest one has made its result; results of the stages that the job has yet
/// to pass were discarded.
const CANDIDATE_BY_RESULT: &str = candidate!(
    "(select min(l.stage) from leases l where l.number = j.number and l.outcome = 'completed' \
     and l.stage <= j.stage - (j.state <> 'closed') and (?4 is null or l.stage = ?4) \
     and (?5 is null or l.nickname = ?5) and (?6 is null or l.address = ?6) \
     and (?7 is null or l.ended_at >= ?7) and (?8 is null or l.ended_at < ?8) \
     and not exists (select 1 from leases m where m.number = l.number and m.stage = l.stage \
     and m.id > l.id and m.outcome = 'completed') \
     and (?10 is null or l.volunteer = ?10) \
     and (?9 is null or exists (select 1 from inputs i where i.number = l.number \
     and i.stage = l.stage + 1 and instr(i.data, ?9) > 0)))"
);

pub(super) fn candidates(
    on: &Connection,
    now: Millis,
    filter: &RequeueFilter,
    numbers: &[i64],
) -> Result<Vec<Candidate>, StoreError> {
    let before = filter.older_than.map(|age| now.saturating_sub(age));
    let read = |row: &Row<'_>| {
        let state: String = row.get(2)?;
        let matching: Option<i64> = row.get(5)?;
        Ok::<_, StoreError>(Candidate {
            number: row.get(0)?,
            stage: stage_of(row.get(1)?)?,
            state: state_of(&state)?,
            round: row.get(3)?,
            failures: row.get(4)?,
            matching: matching.map(stage_of).transpose()?,
        })
    };
    let mut found = Vec::new();
    if filter.is_by_result() {
        let mut statement = on.prepare_cached(CANDIDATE_BY_RESULT)?;
        for number in numbers {
            let which = (
                number,
                before,
                now,
                filter.stage.map(column),
                &filter.nickname,
                &filter.address,
                filter.since,
                filter.until,
                &filter.result_contains,
                &filter.volunteer,
            );
            found.extend(statement.query_and_then(which, read)?.next().transpose()?);
        }
    } else {
        let mut statement = on.prepare_cached(CANDIDATE)?;
        for number in numbers {
            let which = (number, before, now);
            found.extend(statement.query_and_then(which, read)?.next().transpose()?);
        }
    }
    Ok(found)
}

pub(super) fn result_leases(
    on: &Connection,
    of: &[(i64, Stage)],
) -> Result<Vec<ResultLease>, StoreError> {
    let mut statement = on.prepare_cached(
        "select id, address, ended_at from leases where number = ? and stage = ? \
         and outcome = 'completed' order by id desc limit 1",
    )?;
    let mut found = Vec::new();
    for (number, stage) in of {
        let result = statement.query_row((number, column(*stage)), |row| {
            Ok(ResultLease {
                number: *number,
                stage: *stage,
                lease: row.get(0)?,
                address: row.get(1)?,
                at: row.get::<_, Option<Millis>>(2)?.unwrap_or_default(),
            })
        });
        found.extend(result.optional()?);
    }
    Ok(found)
}

pub(super) fn results(
    on: &Connection,
    stage: Stage,
    after: i64,
    limit: u32,
) -> Result<Vec<Output>, StoreError> {
    let mut statement = on.prepare_cached(RESULTS)?;
    gather(statement.query((column(stage) + 1, after, limit))?)
}

pub(super) fn results_of(
    on: &Connection,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<Output>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|number| signed(*number)).collect();
    let list = serde_json::to_string(&numbers).unwrap_or_default();
    let mut statement = on.prepare_cached(RESULTS_OF)?;
    gather(statement.query((list, column(stage) + 1))?)
}

pub(super) fn result_numbers(
    on: &Connection,
    stage: Stage,
    after: i64,
    limit: u32,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let mut statement = on.prepare_cached(RESULT_NUMBERS)?;
    statement
        .query_and_then((column(stage) + 1, after, limit), |row| {
            Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)))
        })?
        .collect()
}

/// Collects outputs until there is enough text for one call.
fn gather(mut rows: Rows<'_>) -> Result<Vec<Output>, StoreError> {
    let mut outputs = Vec::new();
    let mut bytes = 0;
    while bytes < RESULT_BYTES
        && let Some(row) = rows.next()?
    {
        let data: String = row.get(2)?;
        bytes += data.len();
        outputs.push(Output {
            cursor: unsigned(row.get(0)?),
            number: unsigned(row.get(1)?),
            data,
        });
    }
    Ok(outputs)
}

/// A volunteer whose results are to be made again, or were confirmed by it. A command does not know
/// whom the configuration trusts, and leaves the latter to the tracker.
pub(super) const DOUBTED: &str = "select stage, volunteer, version, on_hold, doubted, looked \
    from trust where doubted > 0 and (doubted = 1 or ?) order by doubted limit 1";

/// Results that count on its word alone; of one on hold, also those on which nobody else has an
/// opinion.
pub(super) const RESTING: &str = "select o.number, o.lease from opinions o \
    where o.volunteer = ?1 and o.stage = ?2 and o.version = ?3 \
    and (o.state = 'alone' or o.state = 'waiting') and o.answer not like '!%' \
    and (o.state = 'alone' or (?4 and exists (select 1 from jobs j where j.number = o.number \
        and j.state = 'waiting' and j.stage = o.stage and j.opinions = 1))) limit ?5";

/// What it has confirmed, from a lease on; with the round of the job, the result that rests on too few
/// others, and whether the volunteer of that result is on hold too. The operator's word is enough.
pub(super) const CONFIRMED: &str = "select o.lease, o.number, j.round, \
    case when w.state = 'right' and w.lease < o.lease and o.answer not like '!%' \
        and (j.stage > o.stage or (j.stage = o.stage and j.state = 'closed')) \
        and not exists (select 1 from opinions q where q.number = o.number and q.stage = o.stage \
            and q.state = 'right' and q.lease >= w.lease \
            and q.volunteer in (select value from json_each(?5))) \
        and (select count(distinct q.volunteer) from opinions q where q.number = o.number \
            and q.stage = o.stage and q.state = 'right' and q.lease >= w.lease \
            and q.answer not like '!%' and not exists (select 1 from trust t \
                where t.stage = q.stage and t.volunteer = q.volunteer and t.version = q.version \
                and t.on_hold = 1)) < ?6 \
    then w.lease end, \
    exists (select 1 from trust t where t.stage = w.stage and t.volunteer = w.volunteer \
        and t.version = w.version and t.on_hold = 1) \
    from opinions o join jobs j on j.number = o.number \
    left join opinions w on w.lease = (select max(l.id) from leases l where l.number = o.number \
        and l.stage = o.stage and l.outcome = 'completed') \
    where o.volunteer = ?1 and o.stage = ?2 and o.version = ?3 and o.state = 'right' \
    and o.lease > ?4 order by o.lease limit ?7";

pub(super) fn doubted(
    on: &Connection,
    trust: Trust,
    limit: u32,
) -> Result<Option<Recalled>, StoreError> {
    type Row = (i64, String, String, bool, i64, i64);
    let found: Option<Row> = on
        .prepare_cached(DOUBTED)?
        .query_row([trust.is_on()], |row| row.try_into())
        .optional()?;
    let Some((stage, volunteer, version, on_hold, doubted, looked)) = found else {
        return Ok(None);
    };
    let policy = trust.policy(stage_of(stage)?);
    let what = if doubted == Doubt::Alone.number() {
        let found = on
            .prepare_cached(RESTING)?
            .query_map((&volunteer, stage, &version, on_hold, limit), |row| {
                row.try_into()
            })?
            .collect::<Result<_, _>>()?;
        Recall::Alone(found)
    } else if on_hold && policy != Policy::Off {
        let operators = serde_json::to_string(trust.operators).unwrap_or_default();
        let needed = signed(policy.needed() as u64);
        let which = (
            &volunteer, stage, &version, looked, operators, needed, limit,
        );
        let found = on
            .prepare_cached(CONFIRMED)?
            .query_map(which, |row| {
                Ok(Confirmation {
                    lease: row.get(0)?,
                    number: row.get(1)?,
                    round: row.get(2)?,
                    result: row.get(3)?,
                    is_void: row.get(4)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Recall::Confirmed(found)
    } else {
        Recall::Confirmed(Vec::new())
    };
    Ok(Some(Recalled {
        stage: stage_of(stage)?,
        volunteer,
        version,
        on_hold,
        what,
    }))
}

/// Jobs with as many opinions as a job is given.
pub(super) const UNDECIDED: &str = "select number from jobs where stage = ? and opinions >= 5 \
    and state = 'waiting' limit ?";

pub(super) fn undecided(on: &Connection, stage: Stage, limit: u32) -> Result<Vec<i64>, StoreError> {
    let mut statement = on.prepare_cached(UNDECIDED)?;
    let rows = statement.query_map((column(stage), limit), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn stale(
    on: &Connection,
    stage: Stage,
    version: Option<&str>,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    let Some(version) = version else {
        let all = "select number from lane where stage = ? limit ?";
        let mut statement = on.prepare_cached(all)?;
        let rows = statement.query_map((column(stage), limit), |row| row.get(0))?;
        return Ok(rows.collect::<Result<_, _>>()?);
    };
    for statement in [STALE_BELOW, STALE_ABOVE] {
        let mut statement = on.prepare_cached(statement)?;
        let rows = statement.query_map((column(stage), version, limit), |row| row.get(0))?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

/// Jobs of the lane with opinions of other versions: ranges of an index on both sides of the current
/// one.
pub(super) const STALE_BELOW: &str =
    "select number from lane where stage = ? and version < ? limit ?";
pub(super) const STALE_ABOVE: &str =
    "select number from lane where stage = ? and version > ? limit ?";

pub(super) fn trusted(on: &Connection, which: &Which) -> Result<Vec<TrustRow>, StoreError> {
    let columns =
        "stage, volunteer, version, confirmed, agreed, refuted, waiting, unchecked, on_hold";
    let read = |row: &Row<'_>| {
        let number = |at: usize| row.get(at).map(unsigned);
        Ok(TrustRow {
            stage: stage_of(row.get(0)?)?,
            volunteer: row.get(1)?,
            version: row.get(2)?,
            confirmed: number(3)?,
            right: number(4)?,
            wrong: number(5)?,
            waiting: number(6)?,
            unchecked: number(7)?,
            on_hold: row.get::<_, i64>(8)? != 0,
        })
    };
    match which {
        Which::Volunteer(who) => {
            let by = "where volunteer = ? order by stage, version";
            let mut statement = on.prepare_cached(&format!("select {columns} from trust {by}"))?;
            statement.query_and_then([who], read)?.collect()
        }
        Which::OnHold(limit) => {
            let by = "where on_hold = 1 limit ?";
            let mut statement = on.prepare_cached(&format!("select {columns} from trust {by}"))?;
            statement.query_and_then([limit], read)?.collect()
        }
    }
}

/// Kinds of browsers of which outputs differed. There are few.
const BROWSER_PAIRS: &str = "select stage, one, other, agreed, differed from browser_pairs \
    where differed > 0 order by differed desc, stage, one, other limit ?";

pub(super) fn browser_pairs(on: &Connection, limit: u32) -> Result<Vec<BrowserPair>, StoreError> {
    let mut statement = on.prepare_cached(BROWSER_PAIRS)?;
    let rows = statement.query_and_then([limit], |row| {
        Ok(BrowserPair {
            stage: stage_of(row.get(0)?)?,
            browsers: (row.get(1)?, row.get(2)?),
            agreed: unsigned(row.get(3)?),
            differed: unsigned(row.get(4)?),
        })
    })?;
    rows.collect()
}

pub(super) fn retractions(
    on: &Connection,
    stage: Stage,
    after: u64,
    limit: u32,
) -> Result<Vec<Retraction>, StoreError> {
    let mut statement = on.prepare_cached(
        "select cursor, number, at from retractions where stage = ? and cursor > ? \
         order by cursor limit ?",
    )?;
    let rows = statement.query_map((column(stage), signed(after), limit), |row| {
        Ok(Retraction {
            cursor: unsigned(row.get(0)?),
            number: unsigned(row.get(1)?),
            at: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn unconfirmed(
    on: &Connection,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<u64>, StoreError> {
    let mut statement = on.prepare_cached(
        "select exists (select 1 from opinions where number = ? and stage = ? and state = 'alone')",
    )?;
    let mut found = Vec::new();
    for number in numbers {
        let alone = statement.query_row((signed(*number), column(stage)), |row| row.get(0))?;
        found.extend(Some(*number).filter(|_| alone));
    }
    Ok(found)
}
