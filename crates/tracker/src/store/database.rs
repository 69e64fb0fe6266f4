//! The interface between the writer and a database: load what a group of operations needs, store
//! what the ledger has decided, both in one transaction. Implementations decide nothing themselves.

use async_trait::async_trait;
use distcompute_protocol::Stage;

use super::{Added, ImportPart, Input, StoreError};
use crate::ledger::{Changes, Snapshot, Wanted};

/// A writing connection with at most one open transaction.
///
/// [`load`](Self::load) locks the rows that it reads until the transaction ends, jobs in the order
/// of their numbers, so that [`store`](Self::store) never overwrites a change that it has not seen.
#[async_trait]
pub trait Database: Send + 'static {
    /// Whether a transaction can fail because of another one ([`StoreError::Conflict`]).
    const CONFLICTS: bool;

    /// Begins a transaction.
    async fn begin(&mut self) -> Result<(), StoreError>;

    /// Reads the wanted rows, and the time.
    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError>;

    /// Writes changes.
    async fn store(&mut self, changes: Changes) -> Result<(), StoreError>;

    /// Reads the inputs of jobs at stages, in any order; some may be missing. Of those that are
    /// larger than `most` bytes, only the size is read.
    async fn inputs(&mut self, of: &[(i64, Stage)], most: u64) -> Result<Vec<Input>, StoreError>;

    /// Commits the transaction. When this returns, the changes are on disk.
    async fn commit(&mut self) -> Result<(), StoreError>;

    /// Rolls back the transaction, if there is one.
    async fn rollback(&mut self);

    /// Adds jobs at stage `a`, at least one, in a transaction of their own. Returns `None` if they
    /// are a part of an import that has been added already.
    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError>;

    /// Deletes all data, in a transaction of its own.
    async fn wipe(&mut self) -> Result<(), StoreError>;

    /// Tests whether the database accepts writes, by writing a value that is never read, in a
    /// transaction of its own.
    async fn probe(&mut self) -> Result<(), StoreError>;

    /// Closes the connection.
    async fn close(self);
}
