//! One job with all that is known of it, jobs that are set aside, and the latest failures.

use sqlx::{PgPool, Row as _};

use super::rows;
use crate::{
    clock::Millis,
    store::{
        AsideRow, End, FailureRow, JOB_LEASES, JobLease, JobRow, JobText, Page, SHOWN_TEXT, Start,
        StoreError, Whereabouts, public_name, signed, stage_of, unsigned,
    },
};

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
