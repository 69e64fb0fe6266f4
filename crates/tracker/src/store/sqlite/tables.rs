//! The connection that writes, as the ledger's writer uses it. Nothing here waits for another task:
//! the writer has a thread for it.

use std::sync::Arc;

use async_trait::async_trait;
use distcompute_protocol::Stage;
use rusqlite::Connection;

use super::{jobs, load, save};
use crate::{
    clock::Clock,
    ledger::{Changes, Snapshot, Wanted},
    store::{Added, Database, ImportPart, StoreError},
};

/// The one connection that writes.
pub struct Tables {
    pub(super) connection: Connection,
    pub(super) clock: Arc<dyn Clock>,
}

impl Tables {
    /// The connection itself, for hooks of SQLite's own.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Leaves checkpoints to others until the log has so many pages. SQLite goes on with its own limit
    /// where it cannot be set.
    pub(super) fn checkpoint_from(&self, pages: u32) {
        let set = self
            .connection
            .pragma_update(None, "wal_autocheckpoint", pages);
        if let Err(error) = set {
            tracing::debug!(%error, "the writer checkpoints by itself");
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
    // Whoever writes has the database for itself.
    const CONFLICTS: bool = false;

    async fn begin(&mut self) -> Result<(), StoreError> {
        // `immediate`: a transaction that turns from reading to writing could not wait for its
        // turn. It is also the lock on all that is read.
        self.run("begin immediate")
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        load::load(&self.connection, self.clock.now(), wanted)
    }

    async fn store(&mut self, changes: Changes) -> Result<(), StoreError> {
        save::save(&self.connection, &changes)
    }

    async fn inputs(
        &mut self,
        of: &[(i64, Stage)],
    ) -> Result<Vec<(i64, Stage, String)>, StoreError> {
        load::inputs(&self.connection, of)
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("commit")
    }

    async fn rollback(&mut self) {
        // SQLite may have ended the transaction by itself, so an error here says nothing.
        let _ = self.run("rollback");
        // Where the disk is full, the log may have no room left and the file itself some that was
        // freed in it: what the log holds is moved there, and the log begins anew.
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
        let added = jobs::add(&self.connection, inputs, part);
        self.finish(added).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.begin().await?;
        let wiped = jobs::wipe(&self.connection);
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
