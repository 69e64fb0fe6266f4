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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::store::copy::Value;

    /// A database in memory, which may store something else than it is given.
    #[derive(Default)]
    struct Memory {
        rows: BTreeMap<&'static str, Vec<Row>>,
        totals: Totals,
        fault: Option<Fault>,
    }

    #[derive(Clone, Copy)]
    enum Fault {
        Loses,
        Doubles,
        Alters,
        Miscounts,
    }

    #[async_trait]
    impl Source for Memory {
        async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
            Ok(self.rows.get(table.name).map_or(0, Vec::len) as u64)
        }

        async fn read(
            &mut self,
            table: &'static Table,
            to: mpsc::Sender<Vec<Row>>,
        ) -> Result<(), StoreError> {
            let rows = self.rows.get(table.name).cloned().unwrap_or_default();
            let sent = to.send(rows).await;
            sent.map_err(|error| StoreError::Failed(error.to_string()))
        }

        async fn totals(&mut self) -> Result<Totals, StoreError> {
            Ok(self.totals)
        }
    }

    #[async_trait]
    impl Target for Memory {
        async fn fill(
            &mut self,
            table: &'static Table,
            mut rows: mpsc::Receiver<Vec<Row>>,
        ) -> Result<(), StoreError> {
            let kept = self.rows.entry(table.name).or_default();
            while let Some(batch) = rows.recv().await {
                kept.extend(batch);
            }
            if table.name == "bans" {
                match self.fault {
                    Some(Fault::Loses) => drop(kept.pop()),
                    Some(Fault::Doubles) => kept.push(kept[0].clone()),
                    Some(Fault::Alters) => kept[0][2] = Value::Text("other".to_owned()),
                    Some(Fault::Miscounts) | None => {}
                }
            }
            Ok(())
        }

        async fn set_totals(&mut self, totals: &Totals) -> Result<(), StoreError> {
            self.totals = *totals;
            if matches!(self.fault, Some(Fault::Miscounts)) {
                self.totals.last_lease -= 1;
            }
            Ok(())
        }

        async fn finish(self: Box<Self>, _who: &str, _detail: &str) -> Result<(), StoreError> {
            Ok(())
        }
    }

    async fn copied(fault: Option<Fault>) -> Result<Copied, String> {
        let ban = |name: &str| {
            let text = |text: &str| Value::Text(text.to_owned());
            vec![text(name), Value::Int(7), text("junk")]
        };
        let mut source = Memory {
            rows: BTreeMap::from([("bans", vec![ban("Mallory"), ban("Trudy")])]),
            totals: Totals {
                last_lease: 9,
                ..Totals::default()
            },
            fault: None,
        };
        let mut target = Memory {
            fault,
            ..Memory::default()
        };
        copy(&mut source, &mut target, |_| {}).await
    }

    #[tokio::test]
    async fn a_copy_that_differs_in_anything_is_refused() {
        assert!(copied(None).await.is_ok());
        for (fault, what) in [
            (Fault::Loses, "its table bans (1 rows instead of 2)"),
            (Fault::Doubles, "its table bans (3 rows instead of 2)"),
            (Fault::Alters, "its table bans (2 rows instead of 2)"),
            (Fault::Miscounts, "its totals"),
        ] {
            let why = copied(Some(fault)).await.expect_err(what);
            assert!(why.contains(&format!("{what} differs")), "{why}");
        }
    }
}
