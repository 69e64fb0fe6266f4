//! The connection that writes, as the ledger's writer uses it.

use std::sync::Arc;

use async_trait::async_trait;
use distcompute_protocol::Stage;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::{jobs, load, save};
use crate::{
    clock::Clock,
    ledger::{Changes, Snapshot, Wanted},
    store::{Added, Database, StoreError},
};

pub(super) struct Tables {
    pub(super) connection: SqliteConnection,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Database for Tables {
    async fn begin(&mut self) -> Result<(), StoreError> {
        // `immediate`: a transaction that turns from reading to writing could not wait for its
        // turn. It is also the lock on all that is read.
        self.connection.execute("begin immediate").await?;
        Ok(())
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        load::load(&mut self.connection, self.clock.now(), wanted).await
    }

    async fn store(&mut self, changes: Changes) -> Result<(), StoreError> {
        save::save(&mut self.connection, changes).await
    }

    async fn inputs(
        &mut self,
        of: &[(i64, Stage)],
    ) -> Result<Vec<(i64, Stage, String)>, StoreError> {
        load::inputs(&mut self.connection, of).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.execute("commit").await?;
        Ok(())
    }

    async fn rollback(&mut self) {
        // SQLite may have ended the transaction by itself, so an error here says nothing.
        let _ = self.connection.execute("rollback").await;
    }

    async fn add(&mut self, inputs: &[String]) -> Result<Added, StoreError> {
        self.begin().await?;
        let added = jobs::add(&mut self.connection, inputs).await;
        self.finish(added).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.begin().await?;
        let wiped = jobs::wipe(&mut self.connection).await;
        self.finish(wiped).await
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the database");
        }
    }
}

impl Tables {
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
