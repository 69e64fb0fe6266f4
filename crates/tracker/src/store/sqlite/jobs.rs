//! Adding jobs and deleting everything.

use rusqlite::{Connection, OptionalExtension as _};

use super::files;
use crate::{
    clock::Millis,
    store::{Added, ImportPart, StoreError, place_of_part, signed, unsigned},
};

/// Adds jobs with these inputs, at least one.
pub(super) fn add(
    on: &Connection,
    inputs: &[String],
    part: Option<ImportPart>,
    now: Millis,
) -> Result<Option<Added>, StoreError> {
    let count = signed(inputs.len() as u64);
    let mut has_key = false;
    if let Some(part) = part {
        let found: Option<(i64, bool)> = on
            .prepare_cached("select done, key is not null from imports where id = ?")?
            .query_row([part.import], |row| row.try_into())
            .optional()?;
        has_key = found.is_some_and(|(_, has_key)| has_key);
        let done = found.map(|(done, _)| done);
        if !place_of_part(done, part, inputs.len()).is_next()? {
            return Ok(None);
        }
        on.prepare_cached("update imports set done = done + ? where id = ?")?
            .execute((count, part.import))?;
    }
    let (last, tail): (i64, i64) = on
        .prepare_cached(
            "update totals set jobs = jobs + ?1, last_number = last_number + ?1, \
             last_position = last_position + ?1 where id = 1 \
             returning last_number, last_position",
        )?
        .query_row([count], |row| row.try_into())?;
    let first = last - count + 1;
    if let Some(part) = part.filter(|_| has_key) {
        note_numbers(on, part.import, first, last)?;
    }
    let places = (first..).zip(tail - count + 1..);
    // One table after the other, so that each grows at its end.
    let mut add = on.prepare_cached("insert into inputs (number, stage, data) values (?, 0, ?)")?;
    for ((number, _), data) in places.clone().zip(inputs) {
        add.execute((number, data))?;
    }
    let mut add =
        on.prepare_cached("insert into jobs (number, stage, position) values (?, 0, ?)")?;
    for (place, _) in places.zip(inputs) {
        add.execute(place)?;
    }
    files::of_inputs(on, first, inputs, now)?;
    on.prepare_cached("update stage_counters set open = open + ? where stage = 0")?
        .execute([count])?;
    Ok(Some(Added {
        first: unsigned(first),
        last: unsigned(last),
    }))
}

/// Records the numbers of jobs of an import. They extend its last range if they follow it.
fn note_numbers(on: &Connection, import: i64, first: i64, last: i64) -> Result<(), StoreError> {
    let extended = on
        .prepare_cached("update import_numbers set last = ? where import = ? and last = ? - 1")?
        .execute((last, import, first))?;
    if extended == 0 {
        on.prepare_cached("insert into import_numbers (import, first, last) values (?, ?, ?)")?
            .execute((import, first, last))?;
    }
    Ok(())
}

/// Deletes all data.
pub(super) fn wipe(on: &Connection, now: Millis) -> Result<(), StoreError> {
    on.execute(
        "update files set doomed_at = ? where state <> 'deleting'",
        [now],
    )?;
    on.execute_batch(
        "delete from jobs;
         delete from job_files;
         delete from inputs;
         delete from late_results;
         delete from workers;
         delete from address_groups;
         delete from leases;
         delete from flags;
         delete from avoided;
         delete from imports;
         delete from import_numbers;
         delete from leaderboard;
         delete from throughput;
         delete from volunteers;
         delete from failures;
         delete from opinions;
         delete from opinion_texts;
         delete from trust;
         delete from trust_version;
         delete from lane;
         delete from retractions;
         update stage_counters set open = 0, held = 0, done = 0, aside = 0, workers = 0, working = 0,
         granted = 0, accepted = 0, rejected = 0, lapsed = 0, failed = 0, failing = 0,
         paused_at = null, paused_reason = null, paused_by_operator = 0,
         waiting = 0, checked = 0, disputed = 0, wrong = 0;
         -- Not the ids of workers and leases: one of before must never fit something new.
         update totals set jobs = 0, closed = 0, last_number = 0, last_cursor = 0,
         last_position = 0, late_bytes = 0;",
    )?;
    Ok(())
}
