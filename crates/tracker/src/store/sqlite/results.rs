//! Outputs by cursor, what was taken back of them, and what counts for a volunteer.

use distcompute_protocol::Stage;
use rusqlite::{Connection, Rows};
use sha2::{Digest as _, Sha256};

use crate::{
    clock::Millis,
    store::{CountedRow, Output, Retraction, StoreError, column, signed, stage_of, unsigned},
};

/// How much text one call for results reads before it ends early.
const RESULT_BYTES: usize = 8 << 20;

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
