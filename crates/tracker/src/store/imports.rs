//! The parts of an import, which may be interrupted and continued.

use super::{StoreError, signed};
use crate::clock::Millis;

/// The numbers assigned to added jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

impl Added {
    /// How many jobs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// An import that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImport {
    /// Who imports: an address, or the command line.
    pub who: String,
    /// The source of the jobs, for people.
    pub source: String,
    /// A digest of the jobs in their order, by which an interrupted import is recognized.
    pub digest: String,
    /// How many jobs.
    pub jobs: u64,
    /// The idempotency key, by which the import is recognized instead of by its jobs, and also when
    /// it is finished.
    pub key: Option<String>,
}

/// How long an idempotency key is remembered, since its first use.
pub const KEY_AGE: Millis = 7 * 24 * 3_600 * 1_000;

/// How many of the latest imports keep their idempotency keys. A client that lost the answer to one
/// repeats it long before as many others have followed.
pub const KEYS: i64 = 100_000;

/// The progress of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: i64,
    /// How many of its jobs are stored; more than 0 if an earlier attempt was interrupted.
    pub done: u64,
    /// Whether all of its jobs are stored; only of an import with an idempotency key.
    pub is_finished: bool,
}

/// The position of some jobs within an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportPart {
    /// The id of the import.
    pub import: i64,
    /// How many of its jobs precede these.
    pub before: u64,
}

/// An unfinished import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// When it began.
    pub at: Millis,
    /// Who imports.
    pub who: String,
    /// The source of the jobs.
    pub source: String,
    /// How many jobs.
    pub jobs: u64,
    /// How many of them are stored.
    pub done: u64,
}

/// Decides what to do with a part of an import of which `done` jobs are stored.
#[must_use]
pub fn place_of_part(done: Option<i64>, part: ImportPart, count: usize) -> PartPlace {
    let (before, count) = (signed(part.before), signed(count as u64));
    match done {
        None => PartPlace::Gone,
        Some(done) if done == before => PartPlace::Next,
        // The answer to an earlier attempt was lost, or the same import is running twice.
        Some(done) if done >= before + count => PartPlace::There,
        Some(_) => PartPlace::Elsewhere,
    }
}

/// The decision of [`place_of_part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartPlace {
    /// The part is next: add it.
    Next,
    /// The part has been added before.
    There,
    /// The import does not exist any more, because everything was reset.
    Gone,
    /// The same import is being continued elsewhere, divided into other parts.
    Elsewhere,
}

impl PartPlace {
    /// Whether the part must be added.
    ///
    /// # Errors
    /// Returns an error if it cannot be added.
    pub fn is_next(self) -> Result<bool, StoreError> {
        match self {
            Self::Next => Ok(true),
            Self::There => Ok(false),
            Self::Gone => Err(StoreError::Failed(
                "all jobs were reset while these were imported".to_owned(),
            )),
            Self::Elsewhere => Err(StoreError::Failed(
                "the same jobs are being imported by somebody else".to_owned(),
            )),
        }
    }
}
