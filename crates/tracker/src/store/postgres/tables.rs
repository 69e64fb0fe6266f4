//! The writing connection: transactions are begun, filled and ended on it. If it breaks, the next
//! transaction opens a new one.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use distcompute_protocol::Stage;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{Address, connection, jobs, load, save};
use crate::{
    clock::Clock,
    ledger::{Changes, Snapshot, Wanted},
    store::{Added, Database, ImportPart, Input, StoreError},
};

/// The time limit of one step of a transaction. If the server does not answer in time, the
/// connection is dropped, and the server rolls back what was not committed.
const STEP: Duration = Duration::from_secs(30);

/// The isolation level is set explicitly because the server's default may differ. The statements of
/// `load` rely on seeing what was committed while they waited for a lock.
const BEGIN: &str = "begin isolation level read committed";

/// A writing connection to the tables.
pub struct Tables {
    address: Address,
    connection: Option<PgConnection>,
    /// Set in tests only; otherwise the time is the database's.
    clock: Option<Arc<dyn Clock>>,
    /// The results and counters of this transaction. All transactions update these rows, so they
    /// are written only when nothing but the commit is left to do.
    last: Option<Changes>,
}

impl Tables {
    pub(super) fn new(
        address: Address,
        connection: PgConnection,
        clock: Option<Arc<dyn Clock>>,
    ) -> Self {
        Self {
            address,
            connection: Some(connection),
            clock,
            last: None,
        }
    }

    /// The same without its connection, which belongs to the runtime that opened it. The next
    /// transaction opens one in its own.
    pub(super) fn disconnected(self) -> Self {
        Self {
            connection: None,
            ..self
        }
    }

    /// The connection itself, for statements that do not belong to the store.
    ///
    /// # Errors
    /// Returns an error if the connection has broken and no transaction has begun since.
    pub fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let gone = || StoreError::Unavailable("there is no connection".to_owned());
        self.connection.as_mut().ok_or_else(gone)
    }

    async fn begin_on(&mut self) -> Result<(), StoreError> {
        let connection = self.connection()?;
        step(async { Ok(connection.execute(BEGIN).await?) }).await?;
        Ok(())
    }

    /// Ends the transaction of an operation that the ledger does not settle.
    async fn end<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = match outcome {
            Ok(done) => self.commit().await.map(|()| done),
            Err(fault) => Err(fault),
        };
        if outcome.is_err() {
            self.rollback().await;
        }
        outcome
    }
}

/// Runs a step of a transaction with a time limit.
async fn step<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Unavailable("the server does not answer".to_owned());
    tokio::time::timeout(STEP, work).await.map_err(late)?
}

#[async_trait]
impl Database for Tables {
    const CONFLICTS: bool = true;

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.last = None;
        if self.connection.is_some() {
            match self.begin_on().await {
                // For example, the server was restarted since the last transaction.
                Err(StoreError::Unavailable(_)) => self.connection = None,
                done => return done,
            }
        }
        self.connection = Some(connection::connect(&self.address).await?);
        self.begin_on().await
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        let now = self.clock.as_ref().map(|clock| clock.now());
        step(load::load(self.connection()?, wanted, now)).await
    }

    async fn store(&mut self, changes: Changes) -> Result<(), StoreError> {
        step(save::save(self.connection()?, &changes)).await?;
        self.last = Some(changes);
        Ok(())
    }

    async fn inputs(&mut self, of: &[(i64, Stage)], most: u64) -> Result<Vec<Input>, StoreError> {
        // An output of this transaction is the input of the next stage, but is written only with
        // the commit.
        let outputs = self.last.iter().flat_map(|changes| &changes.outputs);
        let made: HashMap<(i64, Stage), load::Made<'_>> = outputs
            .filter_map(|output| Some(((output.number, output.stage.next()?), output)))
            .filter(|(of_job, _)| of.contains(of_job))
            .map(|(of_job, output)| (of_job, (output.data.as_deref(), output.from)))
            .collect();
        // Not `self.connection()`, which would borrow the outputs too.
        let gone = || StoreError::Unavailable("there is no connection".to_owned());
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        step(load::inputs_up_to(connection, of, made, most)).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        let last = self.last.take();
        let connection = self.connection()?;
        step(async {
            if let Some(changes) = last {
                save::counters(connection, &changes).await?;
            }
            connection.execute("commit").await?;
            Ok(())
        })
        .await
    }

    async fn rollback(&mut self) {
        self.last = None;
        let Ok(connection) = self.connection() else {
            return;
        };
        let undone = step(async { Ok(connection.execute("rollback").await?) }).await;
        if undone.is_err() {
            self.connection = None;
        }
    }

    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError> {
        self.begin().await?;
        let added = step(jobs::add(self.connection()?, inputs, part)).await;
        self.end(added).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.begin().await?;
        let now = self.clock.as_ref().map(|clock| clock.now());
        let wiped = jobs::wipe(self.connection()?, now).await;
        self.end(wiped).await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.begin().await?;
        let connection = self.connection()?;
        let written = step(async {
            connection
                .execute(
                    "insert into probe (id, at) values (1, tracker_now()) \
                     on conflict (id) do update set at = excluded.at",
                )
                .await?;
            Ok(())
        })
        .await;
        self.end(written).await
    }

    async fn close(mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the database");
        }
    }
}
