//! What the writer needs of a database: to read what a group of operations wants, to write what
//! the ledger has decided, and to do both in one transaction. Nothing is decided here.

use async_trait::async_trait;
use distcompute_protocol::Stage;

use super::{Added, ImportPart, StoreError};
use crate::ledger::{Changes, Snapshot, Wanted};

/// A connection to the tables that writes, with at most one transaction.
///
/// [`load`](Self::load) locks what it reads until the transaction ends, jobs in the order of their
/// numbers, so that [`store`](Self::store) writes over nothing that it has not seen.
#[async_trait]
pub trait Database: Send + 'static {
    /// Whether a transaction can lose against another ([`StoreError::Conflict`]).
    const CONFLICTS: bool;

    /// Begins a transaction.
    async fn begin(&mut self) -> Result<(), StoreError>;

    /// Reads what is wanted, and the time.
    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError>;

    /// Writes changes.
    async fn store(&mut self, changes: Changes) -> Result<(), StoreError>;

    /// The inputs of jobs at stages, in any order; some may be missing.
    async fn inputs(
        &mut self,
        of: &[(i64, Stage)],
    ) -> Result<Vec<(i64, Stage, String)>, StoreError>;

    /// Ends the transaction; when this returns, it is on disk.
    async fn commit(&mut self) -> Result<(), StoreError>;

    /// Undoes the transaction, if there is one.
    async fn rollback(&mut self);

    /// Adds jobs at stage `a`, at least one, in a transaction of their own; `None` where they are a
    /// part of an import that is there already.
    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError>;

    /// Forgets everything, in a transaction of its own.
    async fn wipe(&mut self) -> Result<(), StoreError>;

    /// Writes something that nobody reads, in a transaction of its own: whether that works.
    async fn probe(&mut self) -> Result<(), StoreError>;

    /// Lets go of the database.
    async fn close(self);
}
