//! One job with all that is known of it, jobs that are set aside, and the latest failures.

use rusqlite::{Connection, OptionalExtension as _};

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

pub(super) const ASIDE: &str = concat!(aside!(), "order by number limit ? offset ?");

pub(super) const ASIDE_FROM: &str = concat!(aside!(), "and number >= ? order by number limit ?");

pub(super) const ASIDE_BEFORE: &str =
    concat!(aside!(), "and number < ? order by number desc limit ?");

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
