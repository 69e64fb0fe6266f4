//! Jobs that may be requeued, and who has made their results.

use distcompute_protocol::Stage;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{
    clock::Millis,
    store::{Candidate, RequeueFilter, ResultLease, StoreError, column, stage_of, state_of},
};

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
