//! Copying a whole database to an empty one of either kind: the list of what there is to copy, and
//! the interface of the two sides. `operations::copy` brings them together.
//!
//! A table is read as a stream of batches, so that memory holds a few megabytes of it and the
//! largest row. The destination becomes visible as a whole, when [`Target::finish`] is called.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::StoreError;

/// The kind of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// A text.
    Text,
    /// An integer, 0 or 1, that PostgreSQL keeps as a boolean.
    Bool,
}

use Kind::{Bool, Int, Text};

/// A table that exists in both stores, with the same columns.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// All of its columns.
    pub columns: &'static [(&'static str, Kind)],
    /// The column by which it is read, if that is cheap: a table that is filled in the order of its
    /// key is filled faster, and its file is in that order.
    pub(super) order: Option<&'static str>,
    /// The column whose values PostgreSQL assigns.
    pub(super) identity: Option<&'static str>,
}

const fn table(
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    order: Option<&'static str>,
) -> Table {
    Table {
        name,
        columns,
        order,
        identity: None,
    }
}

const fn numbered(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        name,
        columns,
        order: Some("id"),
        identity: Some("id"),
    }
}

/// All tables, except for those in [`NOT_COPIED`].
pub const TABLES: [Table; 29] = [
    table(
        "jobs",
        &[
            ("number", Int),
            ("stage", Int),
            ("state", Text),
            ("position", Int),
            ("attempt", Int),
            ("flagged", Int),
            ("sent_back", Int),
            ("reason", Text),
            ("round", Int),
            ("failures", Int),
            ("errors", Text),
            ("lease", Int),
            ("changed_at", Int),
            ("late", Int),
            ("opinions", Int),
        ],
        Some("number"),
    ),
    table(
        "inputs",
        &[
            ("number", Int),
            ("stage", Int),
            ("cursor", Int),
            ("data", Text),
        ],
        None,
    ),
    table("late_results", &[("number", Int), ("data", Text)], None),
    table(
        "files",
        &[
            ("hash", Text),
            ("bytes", Int),
            ("state", Text),
            ("doomed_at", Int),
            ("at", Int),
        ],
        None,
    ),
    table(
        "job_files",
        &[
            ("job", Int),
            ("lease", Int),
            ("hash", Text),
            ("at", Int),
            ("kept", Int),
        ],
        None,
    ),
    table(
        "opinions",
        &[
            ("lease", Int),
            ("number", Int),
            ("stage", Int),
            ("volunteer", Text),
            ("nickname", Text),
            ("version", Text),
            ("answer", Text),
            ("state", Text),
            ("browser", Text),
        ],
        Some("lease"),
    ),
    table("opinion_texts", &[("lease", Int), ("data", Text)], None),
    table(
        "trust",
        &[
            ("stage", Int),
            ("volunteer", Text),
            ("version", Text),
            ("confirmed", Int),
            ("agreed", Int),
            ("refuted", Int),
            ("waiting", Int),
            ("unchecked", Int),
            ("on_hold", Int),
            ("doubted", Int),
            ("looked", Int),
            ("at", Int),
        ],
        None,
    ),
    table(
        "browser_pairs",
        &[
            ("stage", Int),
            ("one", Text),
            ("other", Text),
            ("agreed", Int),
            ("differed", Int),
        ],
        None,
    ),
    table(
        "trust_version",
        &[("id", Int), ("version", Text), ("since", Int)],
        None,
    ),
    table(
        "lane",
        &[
            ("number", Int),
            ("stage", Int),
            ("version", Text),
            ("disputed", Int),
            ("place", Int),
            ("volunteer", Text),
            ("at", Int),
        ],
        None,
    ),
    table(
        "retractions",
        &[
            ("cursor", Int),
            ("stage", Int),
            ("number", Int),
            ("at", Int),
        ],
        None,
    ),
    table(
        "workers",
        &[
            ("id", Int),
            ("token", Text),
            ("display_name", Text),
            ("nickname", Text),
            ("stage", Int),
            ("progress", Text),
            ("completed", Int),
            ("first_seen", Int),
            ("last_seen", Int),
            ("seq", Int),
            ("synced_at", Int),
            ("last_lease", Int),
            ("address", Text),
            ("trouble", Int),
            ("rest_until", Int),
            ("noted_at", Int),
            ("cores", Int),
            ("earned", Int),
            ("shown_since", Int),
            ("shown_results", Int),
            ("works", Int),
            ("key", Text),
            ("browser", Text),
        ],
        Some("id"),
    ),
    table(
        "leases",
        &[
            ("id", Int),
            ("secret", Text),
            ("number", Int),
            ("stage", Int),
            ("round", Int),
            ("attempt", Int),
            ("worker", Int),
            ("nickname", Text),
            ("volunteer", Text),
            ("granted_at", Int),
            ("seq", Int),
            ("ended_at", Int),
            ("outcome", Text),
            ("late", Int),
            ("address", Text),
        ],
        Some("id"),
    ),
    table(
        "flags",
        &[
            ("number", Int),
            ("stage", Int),
            ("volunteer", Text),
            ("flagged_at", Int),
        ],
        None,
    ),
    table(
        "avoided",
        &[
            ("number", Int),
            ("volunteer", Text),
            ("failed", Int),
            ("at", Int),
        ],
        None,
    ),
    table(
        "leaderboard",
        &[
            ("nickname", Text),
            ("completed", Int),
            ("worker", Text),
            ("look", Text),
            ("since", Int),
            ("key", Text),
            ("verified", Int),
        ],
        None,
    ),
    table(
        "volunteers",
        &[
            ("stage", Int),
            ("volunteer", Text),
            ("worked_at", Int),
            ("asked_at", Int),
            ("failed_at", Int),
            ("failed_jobs", Text),
            ("tries", Int),
            ("error", Text),
        ],
        None,
    ),
    table(
        "throughput",
        &[("minute", Int), ("stage", Int), ("done", Int)],
        None,
    ),
    table(
        "address_groups",
        &[("name", Text), ("held", Int), ("earned", Int)],
        None,
    ),
    numbered(
        "failures",
        &[
            ("id", Int),
            ("at", Int),
            ("number", Int),
            ("stage", Int),
            ("nickname", Text),
            ("worker", Text),
            ("kind", Text),
            ("error", Text),
        ],
    ),
    numbered(
        "imports",
        &[
            ("id", Int),
            ("at", Int),
            ("who", Text),
            ("source", Text),
            ("digest", Text),
            ("jobs", Int),
            ("done", Int),
            ("ended_at", Int),
            ("key", Text),
        ],
    ),
    table(
        "import_numbers",
        &[("import", Int), ("first", Int), ("last", Int)],
        None,
    ),
    table(
        "bans",
        &[("name", Text), ("at", Int), ("reason", Text)],
        None,
    ),
    table(
        "linked_keys",
        &[("key", Text), ("identity", Text), ("at", Int)],
        None,
    ),
    table(
        "link_codes",
        &[("code", Text), ("key", Text), ("expires_at", Int)],
        None,
    ),
    table("tracker_keys", &[("name", Text), ("secret", Text)], None),
    numbered(
        "actions",
        &[
            ("id", Int),
            ("at", Int),
            ("who", Text),
            ("action", Text),
            ("detail", Text),
        ],
    ),
    table(
        STAGE_COUNTERS,
        &[
            ("stage", Int),
            ("open", Int),
            ("held", Int),
            ("done", Int),
            ("aside", Int),
            ("workers", Int),
            ("granted", Int),
            ("accepted", Int),
            ("rejected", Int),
            ("lapsed", Int),
            ("failed", Int),
            ("failing", Int),
            ("paused_at", Int),
            ("paused_reason", Text),
            ("working", Int),
            ("paused_by_operator", Bool),
            ("waiting", Int),
            ("checked", Int),
            ("disputed", Int),
            ("wrong", Int),
            ("established", Int),
            ("established_at", Int),
            ("audited_at", Int),
        ],
        Some("stage"),
    ),
];

/// The table that has rows in an empty database too.
pub(super) const STAGE_COUNTERS: &str = "stage_counters";

/// Tables that are not copied row by row: what they hold is in [`Totals`], is never read (`probe`),
/// or belongs to the migrations.
pub const NOT_COPIED: [&str; 7] = [
    "used_nonces",
    // Kept by triggers.
    "file_totals",
    "totals",
    "numbering",
    "probe",
    "_sqlx_migrations",
    "sqlite_sequence",
];

/// What the stores keep differently: SQLite in one row, PostgreSQL in rows and sequences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // They are the columns of SQLite's table, and described there.
pub struct Totals {
    pub jobs: i64,
    pub closed: i64,
    pub late_bytes: i64,
    pub last_number: i64,
    pub last_cursor: i64,
    pub last_position: i64,
    pub last_worker: i64,
    pub last_lease: i64,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Absent.
    Null,
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
}

impl Value {
    fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => size_of::<Self>(),
            Self::Text(text) => size_of::<Self>() + text.len(),
        }
    }

    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The values of a row, in the order of [`Table::columns`].
pub type Row = Vec<Value>;

/// How many rows a batch has at most, and at how many bytes it is full.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 2 << 20;

/// Collects rows to batches and sends them on.
pub(super) struct Batches {
    rows: Vec<Row>,
    bytes: usize,
    sender: mpsc::Sender<Vec<Row>>,
}

impl Batches {
    pub(super) fn new(sender: mpsc::Sender<Vec<Row>>) -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
            sender,
        }
    }

    /// Adds a row. Returns the batch and where to send it when it is full.
    pub(super) fn push(&mut self, row: Row) -> Option<Vec<Row>> {
        self.bytes += row.iter().map(Value::bytes).sum::<usize>();
        self.rows.push(row);
        let is_full = self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES;
        is_full.then(|| self.take())
    }

    pub(super) fn take(&mut self) -> Vec<Row> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }

    pub(super) fn sender(&self) -> &mpsc::Sender<Vec<Row>> {
        &self.sender
    }
}

/// The error when nobody receives the batches any more; the receiver has an error of its own.
pub(super) fn stopped() -> StoreError {
    StoreError::Failed("reading was stopped".to_owned())
}

/// The number and the contents of rows, whatever their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many rows.
    pub rows: u64,
    /// The sum of the rows' hashes, in four parts.
    sum: [u64; 4],
    /// For `jobs`: how many jobs of each stage are in each state.
    pub states: BTreeMap<(i64, String), i64>,
}

impl Tally {
    /// Adds rows of a table.
    pub fn add(&mut self, table: &Table, rows: &[Row]) {
        for row in rows {
            self.rows += 1;
            let mut hash = Sha256::new();
            for value in row {
                match value {
                    Value::Null => hash.update([0]),
                    Value::Int(value) => {
                        hash.update([1]);
                        hash.update(value.to_be_bytes());
                    }
                    Value::Text(text) => {
                        hash.update([2]);
                        hash.update((text.len() as u64).to_be_bytes());
                        hash.update(text);
                    }
                }
            }
            let hash = hash.finalize();
            for (sum, part) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
                let part = part.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(part);
            }
            if table.name == "jobs"
                && let (Some(stage), Some(state)) = (row[1].int(), row[2].text())
            {
                *self.states.entry((stage, state.to_owned())).or_default() += 1;
            }
        }
    }
}

/// The database that is copied. It is read as it was when it was opened, and never written.
#[async_trait]
pub trait Source: Send {
    /// The number of rows of a table.
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError>;

    /// Sends all rows of a table.
    async fn read(
        &mut self,
        table: &'static Table,
        to: mpsc::Sender<Vec<Row>>,
    ) -> Result<(), StoreError>;

    /// Reads the totals.
    async fn totals(&mut self) -> Result<Totals, StoreError>;
}

/// The database that is filled. It was empty when it was opened, nobody else uses it, and if it is
/// dropped before it is finished, it is as if it had never been opened.
#[async_trait]
pub trait Target: Source {
    /// Fills a table with the rows that it receives, until the sender is dropped.
    async fn fill(
        &mut self,
        table: &'static Table,
        rows: mpsc::Receiver<Vec<Row>>,
    ) -> Result<(), StoreError>;

    /// Sets the totals.
    async fn set_totals(&mut self, totals: &Totals) -> Result<(), StoreError>;

    /// Adds a line to the log of actions, and makes everything visible and permanent.
    async fn finish(self: Box<Self>, who: &str, detail: &str) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Table = table("two", &[("name", Text), ("at", Int)], None);

    fn tally(rows: &[Row]) -> Tally {
        let mut tally = Tally::default();
        rows.iter()
            .for_each(|row| tally.add(&TWO, std::slice::from_ref(row)));
        tally
    }

    #[test]
    fn a_tally_depends_on_the_contents_and_not_on_the_order() {
        let row = |name: &str, at| vec![Value::Text(name.to_owned()), at];
        let rows = [row("a", Value::Int(1)), row("b", Value::Null)];
        let turned = [rows[1].clone(), rows[0].clone()];
        assert_eq!(tally(&rows), tally(&turned));
        for other in [
            vec![rows[0].clone()],
            vec![rows[0].clone(), rows[0].clone()],
            vec![row("a", Value::Int(1)), row("b", Value::Int(0))],
            vec![row("a", Value::Null), row("b", Value::Int(1))],
            vec![row("ab", Value::Int(1)), row("", Value::Null)],
        ] {
            assert_ne!(tally(&rows), tally(&other), "{other:?}");
        }
    }

    #[test]
    fn a_batch_is_full_by_its_rows_or_by_its_bytes() {
        let (sender, _receiver) = mpsc::channel(1);
        let mut batches = Batches::new(sender);
        let large = || vec![Value::Text("x".repeat(BATCH_BYTES))];
        assert_eq!(batches.push(large()).map(|batch| batch.len()), Some(1));
        for _ in 1..BATCH_ROWS {
            assert_eq!(batches.push(vec![Value::Null]), None);
        }
        let full = batches.push(vec![Value::Null]);
        assert_eq!(full.map(|batch| batch.len()), Some(BATCH_ROWS));
        assert_eq!(batches.take().len(), 0);
    }
}
