//! The writing connection, as the writer uses it. Calls block, so the writer runs on a thread of
//! its own.

use std::sync::Arc;

use async_trait::async_trait;
use distcompute_protocol::Stage;
use rusqlite::Connection;

use super::{checkpoints::KEPT_BYTES, jobs, load, save};
use crate::{
    clock::Clock,
    ledger::{Changes, Snapshot, Wanted},
    store::{Added, Database, ImportPart, Input, StoreError, signed},
};

/// The only writing connection.
pub struct Tables {
    pub(super) connection: Connection,
    pub(super) clock: Arc<dyn Clock>,
}

impl Tables {
    /// The connection itself, for SQLite's hooks.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Leaves checkpoints to the background task until the log has this many pages. If the limit
    /// cannot be set, SQLite keeps its default.
    pub(super) fn checkpoint_from(&self, pages: u32) {
        let set = self
            .connection
            .pragma_update(None, "wal_autocheckpoint", pages);
        if let Err(error) = set {
            tracing::debug!(%error, "the writer checkpoints by itself");
        }
        // A log that became long while somebody read an old state gives its room back.
        let limit = self
            .connection
            .pragma_update(None, "journal_size_limit", signed(KEPT_BYTES));
        if let Err(error) = limit {
            tracing::debug!(%error, "the log stays as long as it once was");
        }
    }

    fn run(&self, statement: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(statement)?.execute(())?;
        Ok(())
    }

    async fn finish<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let committed = match outcome {
            Ok(done) => self.commit().await.map(|()| done),
            Err(error) => Err(error),
        };
        if committed.is_err() {
            self.rollback().await;
        }
        committed
    }
}

#[async_trait]
impl Database for Tables {
    // A writing transaction has exclusive access.
    const CONFLICTS: bool = false;

    async fn begin(&mut self) -> Result<(), StoreError> {
        // `immediate`: a transaction that begins by reading could not wait for its turn to write.
        // This also locks everything that is read.
        self.run("begin immediate")
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        load::load(&self.connection, self.clock.now(), wanted)
    }

    async fn store(&mut self, changes: Changes) -> Result<(), StoreError> {
        save::save(&self.connection, &changes)
    }

    async fn inputs(&mut self, of: &[(i64, Stage)], most: u64) -> Result<Vec<Input>, StoreError> {
        load::inputs_up_to(&self.connection, of, most)
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("commit")
    }

    async fn rollback(&mut self) {
        // SQLite may have ended the transaction by itself, so an error here means nothing.
        let _ = self.run("rollback");
        // On a full disk, the log may have no room left while the database file has free pages: a
        // checkpoint moves the log's content there, and the log starts over.
        let _ = self
            .connection
            .query_row("pragma wal_checkpoint(passive)", (), |_| Ok(()));
    }

    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError> {
        self.begin().await?;
        let added = jobs::add(&self.connection, inputs, part, self.clock.now());
        self.finish(added).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.begin().await?;
        let wiped = jobs::wipe(&self.connection, self.clock.now());
        self.finish(wiped).await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.begin().await?;
        let written = self.run(
            "insert into probe (id, filler) values (1, zeroblob(65536)) \
             on conflict (id) do update set filler = excluded.filler",
        );
        self.finish(written).await
    }

    async fn close(self) {
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "closing the database");
        }
    }
}
