//! The one connection that writes, and the task that owns it.
//!
//! Operations queue up here; what is waiting is done in one transaction and answered when that is
//! on disk, so that many callers share one wait for the disk. An operation that is refused has
//! changed nothing and does not disturb the others. A fault of the database undoes the whole
//! group, and each caller is told. A caller that goes away does not interrupt its operation.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::tally::Tally;
use crate::{
    clock::Clock,
    store::{StoreError, StoreRules},
};

/// Operations that may wait before callers have to.
const QUEUE: usize = 1_024;

/// Operations that share one transaction at most: an import must get its turn.
const GROUP: usize = 128;

/// What an operation works on: the open transaction and what is summed up until its end.
pub(super) struct Unit {
    pub(super) connection: SqliteConnection,
    pub(super) tally: Tally,
    pub(super) rules: StoreRules,
    pub(super) clock: Arc<dyn Clock>,
}

/// An operation in the queue.
trait Operation: Send {
    /// Does it. An error is a fault of the database; a refusal is not.
    fn run<'u>(&'u mut self, unit: &'u mut Unit) -> BoxFuture<'u, Result<(), StoreError>>;

    /// Answers the caller: with the fault that undid the group, or with its own outcome.
    fn finish(self: Box<Self>, fault: Option<StoreError>);
}

struct Pending<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send + 'static,
    F: for<'u> FnOnce(&'u mut Unit) -> BoxFuture<'u, Result<T, StoreError>> + Send + 'static,
{
    fn run<'u>(&'u mut self, unit: &'u mut Unit) -> BoxFuture<'u, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else {
                return Ok(());
            };
            let outcome = work(unit).await;
            let fault = match &outcome {
                Ok(_) | Err(StoreError::Refused(_)) => Ok(()),
                Err(fault) => Err(fault.clone()),
            };
            self.outcome = Some(outcome);
            fault
        })
    }

    fn finish(self: Box<Self>, fault: Option<StoreError>) {
        let answer = match (fault, self.outcome) {
            (None, Some(outcome)) => outcome,
            (Some(fault), _) => Err(fault),
            (None, None) => Err(StoreError::Failed("the operation did not run".to_owned())),
        };
        // The caller may have gone; what it asked for is done all the same.
        let _ = self.caller.send(answer);
    }
}

/// The way to the writing task.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Operation>>>>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        connection: SqliteConnection,
        rules: StoreRules,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let unit = Unit {
            connection,
            tally: Tally::default(),
            rules,
            clock,
        };
        Self {
            queue: Mutex::new(Some(sender)),
            task: tokio::sync::Mutex::new(Some(tokio::spawn(write(unit, receiver)))),
        }
    }

    /// Queues an operation and waits until it is on disk.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'u> FnOnce(&'u mut Unit) -> BoxFuture<'u, Result<T, StoreError>> + Send + 'static,
    {
        let closed = || StoreError::Unavailable("the tracker is stopping".to_owned());
        let queue = self
            .queue
            .lock()
            .map_or(None, |queue| queue.clone())
            .ok_or_else(closed)?;
        let (caller, answer) = oneshot::channel();
        let pending = Pending {
            work: Some(work),
            outcome: None,
            caller,
        };
        queue.send(Box::new(pending)).await.map_err(|_| closed())?;
        drop(queue);
        answer.await.map_err(|_| closed())?
    }

    /// Does what is queued, takes nothing more, and closes the connection.
    pub(super) async fn close(&self) {
        if let Ok(mut queue) = self.queue.lock() {
            queue.take();
        }
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writing task ended badly");
        }
    }
}

async fn write(mut unit: Unit, mut queue: mpsc::Receiver<Box<dyn Operation>>) {
    while let Some(first) = queue.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let fault = transact(&mut unit, &mut group).await.err();
        if fault.is_some() {
            unit.tally = Tally::default();
            // SQLite may have ended the transaction by itself, so an error here says nothing.
            let _ = unit.connection.execute("rollback").await;
        }
        for operation in group {
            operation.finish(fault.clone());
        }
    }
    if let Err(error) = unit.connection.close().await {
        tracing::warn!(%error, "closing the database");
    }
}

async fn transact(unit: &mut Unit, group: &mut [Box<dyn Operation>]) -> Result<(), StoreError> {
    // `immediate`: a transaction that turns from reading to writing could not wait for its turn.
    unit.connection.execute("begin immediate").await?;
    for operation in group {
        operation.run(unit).await?;
    }
    std::mem::take(&mut unit.tally)
        .settle(&mut unit.connection)
        .await?;
    unit.connection.execute("commit").await?;
    Ok(())
}
