//! Copies a whole project to an empty database, and compares the two before the copy becomes
//! visible.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::store::{
    StoreError,
    copy::{Row, Source, TABLES, Table, Tally, Target, Totals},
};

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many rows are to be copied, and then to be read again.
    Rows(u64),
    /// This table is copied.
    Copying(&'static str),
    /// This table of the copy is read.
    Checking(&'static str),
    /// So many more rows were copied or read.
    Done(u64),
}

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// The number of rows of each table.
    pub tables: Vec<(&'static str, u64)>,
    /// How many jobs of each stage, from 0, are in each state.
    pub states: BTreeMap<(i64, String), i64>,
    /// The totals.
    pub totals: Totals,
}

/// How many batches may wait between the two sides.
const WAITING: usize = 1;

/// Copies all tables. The destination is not finished yet: its rows are the caller's to make
/// visible.
///
/// # Errors
/// Returns a sentence that says which side failed, or where the two differ.
pub async fn copy(
    from: &mut dyn Source,
    to: &mut dyn Target,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Copied, String> {
    let mut copied = Copied::default();
    let mut all = 0;
    for table in &TABLES {
        let rows = from.count(table).await.map_err(|error| unread(&error))?;
        copied.tables.push((table.name, rows));
        all += rows;
    }
    progress(Progress::Rows(2 * all));
    let mut tallies = Vec::new();
    for table in &TABLES {
        progress(Progress::Copying(table.name));
        let tally = transfer(from, to, table, &mut progress).await?;
        if table.name == "jobs" {
            copied.states.clone_from(&tally.states);
        }
        tallies.push(tally);
    }
    copied.totals = from.totals().await.map_err(|error| unread(&error))?;
    to.set_totals(&copied.totals)
        .await
        .map_err(|error| unwritten(&error))?;
    for (table, tally) in TABLES.iter().zip(tallies) {
        progress(Progress::Checking(table.name));
        compare(to, table, &tally, &mut progress).await?;
    }
    let totals = to.totals().await.map_err(|error| unwritten(&error))?;
    if totals != copied.totals {
        return Err(differs("its totals"));
    }
    Ok(copied)
}

async fn transfer(
    from: &mut dyn Source,
    to: &mut dyn Target,
    table: &'static Table,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<Tally, String> {
    let (out, mut read) = mpsc::channel::<Vec<Row>>(WAITING);
    let (write, into) = mpsc::channel::<Vec<Row>>(WAITING);
    let passing = async {
        // Moved into the future: when it ends, both sides end too.
        let write = write;
        let mut tally = Tally::default();
        while let Some(batch) = read.recv().await {
            tally.add(table, &batch);
            let count = batch.len() as u64;
            if write.send(batch).await.is_err() {
                read.close();
                break;
            }
            progress(Progress::Done(count));
        }
        tally
    };
    let (read, tally, written) = tokio::join!(from.read(table, out), passing, to.fill(table, into));
    // If writing fails, reading is stopped, and not the other way round.
    written.map_err(|error| unwritten(&error))?;
    read.map_err(|error| unread(&error))?;
    Ok(tally)
}

/// Reads a table of the copy, and compares it with what was read from the source.
async fn compare(
    copy: &mut dyn Target,
    table: &'static Table,
    expected: &Tally,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(), String> {
    let (out, mut read) = mpsc::channel::<Vec<Row>>(WAITING);
    let counting = async {
        let mut tally = Tally::default();
        while let Some(batch) = read.recv().await {
            tally.add(table, &batch);
            progress(Progress::Done(batch.len() as u64));
        }
        tally
    };
    let (read, found) = tokio::join!(copy.read(table, out), counting);
    read.map_err(|error| unwritten(&error))?;
    if found == *expected {
        return Ok(());
    }
    Err(differs(&format!(
        "its table {} ({} rows instead of {})",
        table.name, found.rows, expected.rows
    )))
}

fn unread(error: &StoreError) -> String {
    format!("The source cannot be read: {error}. Nothing was copied.")
}

fn unwritten(error: &StoreError) -> String {
    format!(
        "The destination cannot be written: {error}. Nothing was copied: the destination is as empty as \
         before, and the same command begins anew."
    )
}

fn differs(what: &str) -> String {
    format!(
        "The copy is not the same as the source: {what} differs. Nothing was copied: the destination is \
         as empty as before."
    )
}

/// Where the counters of a project differ from its jobs, as sentences. They were copied as they are.
#[must_use]
pub fn doubts(copied: &Copied) -> Vec<String> {
    let of = |wanted: &str| -> i64 {
        let states = copied.states.iter();
        states
            .filter(|((_, state), _)| state == wanted)
            .map(|(_, count)| count)
            .sum()
    };
    let all: i64 = copied.states.values().sum();
    let mut doubts = Vec::new();
    for (what, counted, counter) in [
        ("jobs", all, copied.totals.jobs),
        ("finished jobs", of("closed"), copied.totals.closed),
    ] {
        if counted != counter {
            doubts.push(format!(
                "the source counts {counter} {what} and has {counted}; the copy does the same"
            ));
        }
    }
    doubts
}
