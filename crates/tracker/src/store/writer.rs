//! The task that writes, and the queue in front of it.
//!
//! What is waiting is settled as one group, in one transaction, and answered when that is on disk,
//! so that many callers share one wait for the disk. An operation that is refused does not disturb
//! the others. A fault of the database undoes the whole group, and each caller is told. A caller that
//! goes away does not interrupt its operation.

use std::{collections::HashMap, sync::Mutex};

use distcompute_protocol::ErrorCode;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::{self, JoinHandle},
};

use super::{Added, StoreError, database::Database};
use crate::ledger::{Operation, Reply, Rules, group_wants, settle};

/// Operations that may wait before callers have to.
const QUEUE: usize = 1_024;

/// Operations that share one transaction at most: an import must get its turn.
const GROUP: usize = 128;

/// How much a group may weigh, by [`Operation::weight`], before no more is added to it.
const WEIGHT: usize = 4_096;

type Caller<T> = oneshot::Sender<Result<T, StoreError>>;

enum Work {
    Settle(Operation, Caller<Reply>),
    Add(Vec<String>, Caller<Added>),
    Wipe(Caller<()>),
}

/// The way to the writing task.
pub struct Writer {
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task, which owns the database from then on.
    pub fn start(database: impl Database, rules: Rules) -> Self {
        Self::new(|queue| task::spawn(write(database, rules, queue)))
    }

    /// Starts the task on a thread of its own, for a database that is waited for by standing still.
    pub fn start_on_a_thread(database: impl Database, rules: Rules) -> Self {
        Self::new(|queue| {
            let here = Handle::current();
            task::spawn_blocking(move || here.block_on(write(database, rules, queue)))
        })
    }

    fn new(start: impl FnOnce(mpsc::Receiver<Work>) -> JoinHandle<()>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self {
            queue: Mutex::new(Some(sender)),
            task: tokio::sync::Mutex::new(Some(start(receiver))),
        }
    }

    /// Queues an operation and waits until it is on disk.
    ///
    /// # Errors
    /// It was refused, or the database failed.
    pub async fn settle(&self, operation: Operation) -> Result<Reply, StoreError> {
        self.ask(|caller| Work::Settle(operation, caller)).await
    }

    /// Adds jobs, at least one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add(&self, inputs: Vec<String>) -> Result<Added, StoreError> {
        self.ask(|caller| Work::Add(inputs, caller)).await
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// The database failed.
    pub async fn wipe(&self) -> Result<(), StoreError> {
        self.ask(Work::Wipe).await
    }

    async fn ask<T>(&self, work: impl FnOnce(Caller<T>) -> Work) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the tracker is stopping".to_owned());
        let queue = self
            .queue
            .lock()
            .map_or(None, |queue| queue.clone())
            .ok_or_else(closed)?;
        let (caller, answer) = oneshot::channel();
        queue.send(work(caller)).await.map_err(|_| closed())?;
        drop(queue);
        answer.await.map_err(|_| closed())?
    }

    /// Does what is queued, takes nothing more, and closes the database.
    pub async fn close(&self) {
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

async fn write(mut database: impl Database, rules: Rules, mut queue: mpsc::Receiver<Work>) {
    let mut next = None;
    loop {
        let work = match next.take() {
            Some(work) => work,
            None => match queue.recv().await {
                Some(work) => work,
                None => break,
            },
        };
        // The callers may have gone; what they asked for is done all the same.
        match work {
            Work::Add(inputs, caller) => {
                let _ = caller.send(database.add(&inputs).await);
            }
            Work::Wipe(caller) => {
                let _ = caller.send(database.wipe().await);
            }
            Work::Settle(operation, caller) => {
                let mut weight = operation.weight();
                let (mut group, mut callers) = (vec![operation], vec![caller]);
                while group.len() < GROUP && weight < WEIGHT {
                    match queue.try_recv() {
                        Ok(Work::Settle(operation, caller)) => {
                            weight += operation.weight();
                            group.push(operation);
                            callers.push(caller);
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                answer(transact(&mut database, rules, group).await, callers);
            }
        }
    }
    database.close().await;
}

type Replies = Vec<Result<Reply, ErrorCode>>;

fn answer(outcome: Result<Replies, StoreError>, callers: Vec<Caller<Reply>>) {
    match outcome {
        Ok(replies) => {
            for (caller, reply) in callers.into_iter().zip(replies) {
                let _ = caller.send(reply.map_err(StoreError::Refused));
            }
        }
        Err(fault) => {
            for caller in callers {
                let _ = caller.send(Err(fault.clone()));
            }
        }
    }
}

async fn transact(
    database: &mut impl Database,
    rules: Rules,
    group: Vec<Operation>,
) -> Result<Replies, StoreError> {
    let outcome = in_transaction(database, rules, group).await;
    if outcome.is_err() {
        database.rollback().await;
    }
    outcome
}

async fn in_transaction(
    database: &mut impl Database,
    rules: Rules,
    group: Vec<Operation>,
) -> Result<Replies, StoreError> {
    database.begin().await?;
    let snapshot = database.load(&group_wants(&group)).await?;
    let (mut replies, changes) = settle(snapshot, group, rules);
    database.store(changes).await?;
    fill(database, &mut replies).await?;
    database.commit().await?;
    Ok(replies)
}

/// Reads the inputs of the jobs that are handed out.
async fn fill(database: &mut impl Database, replies: &mut Replies) -> Result<(), StoreError> {
    let granted = replies.iter_mut().flatten().flat_map(Reply::granted);
    let mut granted: Vec<_> = granted.collect();
    let wanted: Vec<_> = granted
        .iter()
        .map(|lease| (lease.number, lease.stage))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let inputs = database.inputs(&wanted).await?;
    let inputs: HashMap<_, _> = inputs
        .into_iter()
        .map(|(number, stage, data)| ((number, stage), data))
        .collect();
    for lease in &mut granted {
        // Not removed: within one group a job may be handed out, put back and handed out again.
        lease.data = inputs.get(&(lease.number, lease.stage)).cloned();
    }
    Ok(())
}
