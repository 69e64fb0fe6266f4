//! The task that writes, and its queue.
//!
//! All queued operations are settled as one group in one transaction, and answered when it is on
//! disk, so that many callers share one wait for the disk. One with large results is settled alone
//! after such a group, so that others wait for at most one of them. A refused operation does not affect the
//! others. A database error rolls back the whole group, and every caller gets it; but a group that
//! conflicted with another transaction is retried once first, and a group with a value that the
//! database does not accept is repeated operation by operation. A caller that is dropped does not
//! interrupt its operation.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use distcompute_protocol::ErrorCode;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::{self, JoinHandle},
    time::timeout,
};

use super::{Added, ImportPart, READ_WITH_CHANGES, StoreError, database::Database, input_bytes};
use crate::{
    ledger::{LogEvents, Operation, Pause, Reply, Rules, group_wants, settle},
    rules::{log_limit::LogLimit, trust::Trust},
};

/// The capacity of the queue; further callers wait for room.
const QUEUE: usize = 1_024;

/// How long callers wait for room in the queue before they are refused. Under overload every caller
/// would wait as long as its client does: clients wait 20 seconds for an answer, and the tracker
/// would do nothing but serve those who have just given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The maximum number of operations in one transaction, so that an import gets its turn.
const GROUP: usize = 128;

/// The size of results in bytes at which a group is full: a database accepts only so much in one
/// statement, and memory holds several copies of it.
const BYTES: usize = 16 << 20;

/// The size of results in bytes from which on an operation is settled alone. To write that much
/// takes longer than a group of ordinary operations.
const LARGE: usize = 1 << 20;

/// How many such operations may wait before the queue is read no further.
const MOST_LARGE: usize = 8;

/// The weight, by [`Operation::weight`], at which a group is full.
const WEIGHT: usize = 4_096;

type Caller<T> = oneshot::Sender<Result<T, StoreError>>;

enum Work {
    Settle(Box<Operation>, Caller<Reply>),
    Add(Vec<String>, Option<ImportPart>, Caller<Option<Added>>),
    Wipe(Caller<()>),
    Probe(Caller<()>),
}

/// How long the outcome of a write counts as the health of the database. Each probe is a write, and
/// anybody can request one.
const RECENT: Duration = Duration::from_secs(2);

/// The same for the failure of a volunteer's operation: on a full disk, large results fail while a
/// small probe still succeeds.
const FAILING: Duration = Duration::from_secs(10);

/// The outcome of the last write.
#[derive(Default)]
struct Health(Mutex<Option<Last>>);

/// The outcome of a write, and when it happened.
struct Last {
    at: Instant,
    of_volunteers: bool,
    outcome: Result<(), StoreError>,
}

impl Health {
    /// Records an outcome. Refusals and conflicts say nothing about the health of the database.
    fn note<T>(&self, of_volunteers: bool, outcome: &Result<T, StoreError>) {
        let outcome = match outcome {
            Ok(_) => Ok(()),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Failed(_))) => Err(error.clone()),
            Err(_) => return,
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A successful probe does not clear a recent failure of a larger write.
        let outweighed = last.as_ref().is_some_and(|last| {
            last.of_volunteers && last.outcome.is_err() && last.at.elapsed() < FAILING
        });
        if of_volunteers || !outweighed {
            *last = Some(Last {
                at: Instant::now(),
                of_volunteers,
                outcome,
            });
        }
    }

    fn recent(&self) -> Option<Result<(), StoreError>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref()?;
        let age = if last.of_volunteers && last.outcome.is_err() {
            FAILING
        } else {
            RECENT
        };
        (last.at.elapsed() < age).then(|| last.outcome.clone())
    }
}

/// The runtime of a writing thread. If the database cannot be opened, it is dropped where callers are
/// served, which must not wait for its end.
struct OwnRuntime(Option<runtime::Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A handle to the writing task.
pub struct Writer {
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    health: Arc<Health>,
    trust: Trust,
}

impl Writer {
    /// Starts the task, which owns the database from then on.
    pub fn start(database: impl Database, rules: Rules) -> Self {
        Self::new(rules, |queue, health| {
            task::spawn(write(database, rules, queue, health))
        })
    }

    /// Starts the task on a thread of its own, which runs nothing else: calls of the database may
    /// block, and what its server answers is read at once. If the threads that serve callers read it,
    /// each step of a transaction would wait behind what a hundred of them send.
    ///
    /// # Errors
    /// Returns an error if the system refuses what the thread needs.
    pub fn on_a_thread<D: Database>(
        rules: Rules,
    ) -> Result<impl FnOnce(D) -> Self + Send, StoreError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Failed(error.to_string()))?;
        let runtime = OwnRuntime(Some(runtime));
        Ok(move |database| {
            Self::new(rules, |queue, health| {
                task::spawn_blocking(move || {
                    if let Some(runtime) = &runtime.0 {
                        runtime.block_on(write(database, rules, queue, health));
                    }
                })
            })
        })
    }

    /// A writer that refuses everything, for a database that is opened for reading.
    #[must_use]
    pub fn none() -> Self {
        Self {
            queue: Mutex::new(None),
            task: tokio::sync::Mutex::new(None),
            health: Arc::default(),
            trust: Trust::OFF,
        }
    }

    /// How results are checked.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Checks whether the database can be written: by the outcome of a recent write, or else by a
    /// probe.
    ///
    /// # Errors
    /// Returns an error if it cannot be written, or if a volunteer's operation failed a moment ago.
    pub async fn check(&self) -> Result<(), StoreError> {
        if let Some(outcome) = self.health.recent() {
            return outcome;
        }
        self.ask(Some(PATIENCE), Work::Probe).await
    }

    fn new(
        rules: Rules,
        start: impl FnOnce(mpsc::Receiver<Work>, Arc<Health>) -> JoinHandle<()>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let health = Arc::<Health>::default();
        Self {
            queue: Mutex::new(Some(sender)),
            task: tokio::sync::Mutex::new(Some(start(receiver, Arc::clone(&health)))),
            health,
            trust: rules.trust,
        }
    }

    /// Queues an operation and waits until it is on disk.
    ///
    /// # Errors
    /// Returns an error if the operation is refused, the database fails, or the queue is full.
    pub async fn settle<T: TryFrom<Reply, Error = Reply>>(
        &self,
        operation: Operation,
    ) -> Result<T, StoreError> {
        let patience = operation.is_a_volunteers().then_some(PATIENCE);
        let settle = |caller| Work::Settle(Box::new(operation), caller);
        let reply = self.ask(patience, settle).await?;
        T::try_from(reply)
            .map_err(|reply| StoreError::Failed(format!("an operation has the reply {reply:?}")))
    }

    /// Adds jobs, at least one.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn add(
        &self,
        inputs: Vec<String>,
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError> {
        self.ask(None, |caller| Work::Add(inputs, part, caller))
            .await
    }

    /// Deletes all data.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn wipe(&self) -> Result<(), StoreError> {
        self.ask(None, Work::Wipe).await
    }

    async fn ask<T>(
        &self,
        patience: Option<Duration>,
        work: impl FnOnce(Caller<T>) -> Work,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the tracker is stopping".to_owned());
        let queue = self
            .queue
            .lock()
            .map_or(None, |queue| queue.clone())
            .ok_or_else(closed)?;
        let (caller, answer) = oneshot::channel();
        let place = queue.reserve_owned();
        let place = match patience {
            None => place.await,
            Some(patience) => timeout(patience, place)
                .await
                .map_err(|_| StoreError::Busy)?,
        };
        // The permit would return the sender, which could send more and keep the task from ending.
        drop(place.map_err(|_| closed())?.send(work(caller)));
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what is queued, accepts nothing more, and closes the database.
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

async fn write(
    database: impl Database,
    rules: Rules,
    mut queue: mpsc::Receiver<Work>,
    health: Arc<Health>,
) {
    let mut settling = Settling {
        database,
        rules,
        health,
        log: Log::default(),
    };
    let mut next = None;
    let mut large = VecDeque::new();
    loop {
        let work = match next.take() {
            Some(work) => work,
            None if large.is_empty() => match queue.recv().await {
                Some(work) => work,
                None => break,
            },
            None => match queue.try_recv() {
                Ok(work) => work,
                Err(_) => {
                    settling.settle_first(&mut large).await;
                    continue;
                }
            },
        };
        // The callers may be gone; their operations are carried out all the same.
        match work {
            Work::Add(inputs, part, caller) => {
                let _ = caller.send(settling.database.add(&inputs, part).await);
            }
            Work::Wipe(caller) => {
                let _ = caller.send(settling.database.wipe().await);
            }
            Work::Probe(caller) => {
                let outcome = settling.database.probe().await;
                settling.health.note(false, &outcome);
                let _ = caller.send(outcome);
            }
            Work::Settle(operation, caller) => {
                let mut group = Group::default();
                let mut found = Some((operation, caller));
                while let Some((operation, caller)) = found.take() {
                    if operation.bytes() < LARGE {
                        group.push(*operation, caller);
                    } else {
                        large.push_back((operation, caller));
                    }
                    if group.is_full() || large.len() >= MOST_LARGE {
                        break;
                    }
                    match queue.try_recv() {
                        Ok(Work::Settle(operation, caller)) => found = Some((operation, caller)),
                        Ok(other) => next = Some(other),
                        Err(_) => {}
                    }
                }
                settling.settle(group).await;
                // One for each group: what is large may be slow, but not for ever.
                settling.settle_first(&mut large).await;
            }
        }
    }
    settling.database.close().await;
}

/// Operations that are settled in one transaction, and who waits for them.
#[derive(Default)]
struct Group {
    operations: Vec<Operation>,
    callers: Vec<Caller<Reply>>,
    weight: usize,
    bytes: usize,
}

impl Group {
    fn push(&mut self, operation: Operation, caller: Caller<Reply>) {
        self.weight += operation.weight();
        self.bytes += operation.bytes();
        self.operations.push(operation);
        self.callers.push(caller);
    }

    fn is_full(&self) -> bool {
        self.operations.len() >= GROUP || self.weight >= WEIGHT || self.bytes >= BYTES
    }
}

/// Large operations that wait for their turn.
type Waiting = VecDeque<(Box<Operation>, Caller<Reply>)>;

/// What settles groups.
struct Settling<D> {
    database: D,
    rules: Rules,
    health: Arc<Health>,
    log: Log,
}

impl<D: Database> Settling<D> {
    async fn settle(&mut self, group: Group) {
        if group.operations.is_empty() {
            return;
        }
        let outcome = transact(&mut self.database, self.rules, group.operations).await;
        self.health.note(true, &outcome);
        if let Ok((_, events)) = &outcome {
            events.iter().for_each(|events| self.log.write(events));
        }
        answer(outcome.map(|(replies, _)| replies), group.callers);
    }

    /// Settles the first of these operations alone.
    async fn settle_first(&mut self, large: &mut Waiting) {
        if let Some((operation, caller)) = large.pop_front() {
            let mut group = Group::default();
            group.push(*operation, caller);
            self.settle(group).await;
        }
    }
}

type Replies = Vec<Result<Reply, StoreError>>;

/// The replies to a group, and the events to be logged.
type Done = (Replies, Vec<LogEvents>);

/// The operator's log of the work. Failures are rate limited so that they do not bury everything
/// else.
#[derive(Default)]
struct Log {
    failures: LogLimit,
    aside: LogLimit,
}

impl Log {
    fn write(&mut self, events: &LogEvents) {
        if let Some(count) = self.failures.left_out(events.now) {
            tracing::info!(count, "more jobs failed than are named here");
        }
        for failure in &events.failures {
            if self.failures.allows(events.now) {
                tracing::info!(
                    job = failure.end.map(|_| failure.number),
                    stage = %failure.stage,
                    nickname = ?failure.nickname,
                    worker = failure.worker,
                    end = failure.kind(),
                    error = ?failure.error.lines().next().unwrap_or_default(),
                    "{}",
                    if failure.end.is_some() { "a job failed" } else { "a setup failed" }
                );
            }
        }
        if let Some(count) = self.aside.left_out(events.now) {
            tracing::info!(count, "more jobs were set aside than are named here");
        }
        for (job, stage, reason) in &events.aside {
            if self.aside.allows(events.now) {
                tracing::info!(job, %stage, reason, "a job was set aside");
            }
        }
        for (stage, pause) in &events.pauses {
            match pause {
                Some(Pause::Failures(reason)) => {
                    tracing::info!(%stage, ?reason, "the stage is paused");
                }
                Some(Pause::Operator(message)) => {
                    tracing::info!(%stage, ?message, "the operator has paused the stage");
                }
                None => tracing::info!(%stage, "the stage is resumed"),
            }
        }
    }
}

fn answer(outcome: Result<Replies, StoreError>, callers: Vec<Caller<Reply>>) {
    match outcome {
        Ok(replies) => {
            for (caller, reply) in callers.into_iter().zip(replies) {
                let _ = caller.send(reply);
            }
        }
        Err(fault) => {
            for caller in callers {
                let _ = caller.send(Err(fault.clone()));
            }
        }
    }
}

async fn transact<D: Database>(
    database: &mut D,
    rules: Rules,
    group: Vec<Operation>,
) -> Result<Done, StoreError> {
    let again = D::CONFLICTS.then(|| group.clone());
    match (attempt(database, rules, group).await, again) {
        // The conflicting transaction has ended by now.
        (Err(StoreError::Conflict(why)), Some(group)) => {
            tracing::warn!(%why, "a group of operations is retried");
            attempt(database, rules, group).await
        }
        (Err(StoreError::BadData(_) | StoreError::Failed(_)), Some(group)) if group.len() > 1 => {
            one_by_one(database, rules, group).await
        }
        (outcome, _) => outcome,
    }
}

/// Settles a group operation by operation, so that only the one that the database does not accept
/// fails.
async fn one_by_one<D: Database>(
    database: &mut D,
    rules: Rules,
    group: Vec<Operation>,
) -> Result<Done, StoreError> {
    let (mut replies, mut events) = (Vec::with_capacity(group.len()), Vec::new());
    // An unavailable database is waited for once, not by each operation in turn.
    let mut gone: Option<String> = None;
    for operation in group {
        let outcome = match &gone {
            Some(why) => Err(StoreError::Unavailable(why.clone())),
            None => attempt(database, rules, vec![operation]).await,
        };
        match outcome {
            Ok((reply, more)) => {
                replies.extend(reply);
                events.extend(more);
            }
            Err(error) => {
                if let StoreError::Unavailable(why) = &error {
                    gone.get_or_insert_with(|| why.clone());
                }
                replies.push(Err(error));
            }
        }
    }
    Ok((replies, events))
}

async fn attempt(
    database: &mut impl Database,
    rules: Rules,
    group: Vec<Operation>,
) -> Result<Done, StoreError> {
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
) -> Result<Done, StoreError> {
    database.begin().await?;
    let mut wanted = group_wants(&group);
    if rules.trust.is_on() {
        wanted.trust = Some(rules.trust);
        wanted.dice = rand::random();
        wanted.secret = format!("{:x}{:x}", rand::random::<u128>(), rand::random::<u128>());
    }
    let snapshot = database.load(&wanted).await?;
    let (mut replies, changes) = settle(snapshot, group, rules);
    let events = changes.log_events();
    database.store(changes).await?;
    fill(database, &mut replies).await?;
    database.commit().await?;
    let replies = replies
        .into_iter()
        .map(|reply| reply.map_err(StoreError::Refused));
    Ok((replies.collect(), vec![events]))
}

/// Reads the inputs of granted jobs, except those of large answers, because all other operations
/// wait meanwhile. Of a large input whose size the ledger did not know, the size is read.
async fn fill(
    database: &mut impl Database,
    replies: &mut [Result<Reply, ErrorCode>],
) -> Result<(), StoreError> {
    let granted = replies.iter_mut().flatten().map(Reply::granted);
    let small = granted.filter(|granted| input_bytes(granted) <= READ_WITH_CHANGES);
    let mut granted: Vec<_> = small.flatten().collect();
    let wanted: Vec<_> = granted
        .iter()
        .map(|lease| (lease.number, lease.stage))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let inputs = database.inputs(&wanted, READ_WITH_CHANGES).await?;
    let inputs: HashMap<_, _> = inputs
        .into_iter()
        .map(|input| ((input.number, input.stage), input))
        .collect();
    for lease in &mut granted {
        let Some(input) = inputs.get(&(lease.number, lease.stage)) else {
            continue;
        };
        lease.bytes = Some(input.bytes);
        // Cloned, not removed: within one group a job may be granted, put back and granted again.
        lease.data.clone_from(&input.data);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use async_trait::async_trait;
    use distcompute_protocol::Stage;
    use futures_util::FutureExt as _;
    use tokio::{sync::Semaphore, time};

    use super::*;
    use crate::{
        ledger::{Changes, Snapshot, Wanted},
        store::Input,
    };

    /// An empty database that blocks in `commit` until it is released, and then fails a number of
    /// times.
    struct Faulty {
        leave: Arc<Semaphore>,
        faults: Vec<StoreError>,
        open: bool,
        commits: Arc<AtomicU32>,
        /// How long it takes to answer, as a server on the network does.
        answers_after: Option<Duration>,
    }

    #[async_trait]
    impl Database for Faulty {
        const CONFLICTS: bool = true;

        async fn begin(&mut self) -> Result<(), StoreError> {
            assert!(!self.open, "a transaction within another");
            self.open = true;
            // Those whose operations were settled before go on first.
            task::yield_now().await;
            if let Some(wait) = self.answers_after {
                time::sleep(wait).await;
            }
            Ok(())
        }

        async fn load(&mut self, _: &Wanted) -> Result<Snapshot, StoreError> {
            Ok(Snapshot::default())
        }

        async fn store(&mut self, _: Changes) -> Result<(), StoreError> {
            Ok(())
        }

        async fn inputs(&mut self, _: &[(i64, Stage)], _: u64) -> Result<Vec<Input>, StoreError> {
            Ok(Vec::new())
        }

        async fn commit(&mut self) -> Result<(), StoreError> {
            drop(self.leave.acquire().await);
            self.commits.fetch_add(1, Ordering::SeqCst);
            match self.faults.pop() {
                Some(fault) => Err(fault),
                None => {
                    self.open = false;
                    Ok(())
                }
            }
        }

        async fn rollback(&mut self) {
            self.open = false;
        }

        async fn add(
            &mut self,
            _: &[String],
            _: Option<ImportPart>,
        ) -> Result<Option<Added>, StoreError> {
            unreachable!("nobody adds jobs here")
        }

        async fn wipe(&mut self) -> Result<(), StoreError> {
            unreachable!("nobody wipes here")
        }

        async fn probe(&mut self) -> Result<(), StoreError> {
            self.commit().await
        }

        async fn close(self) {}
    }

    const RULES: Rules = Rules {
        last_stage: Stage::A,
        invalid_after: 2,
        max_attempts: 2,
        pause_after: 3,
        slow_failing: true,
        lease_s: 300,
        late_bytes: 1_000,
        trust: Trust::OFF,
    };

    /// Returns what a caller gets if the database fails with these errors, and how often it was
    /// asked to commit.
    async fn answered_after(faults: Vec<StoreError>) -> (Result<u64, StoreError>, u32) {
        let commits = Arc::<AtomicU32>::default();
        let database = Faulty {
            leave: Arc::new(Semaphore::new(1)),
            faults,
            open: false,
            commits: Arc::clone(&commits),
            answers_after: None,
        };
        let writer = Writer::start(database, RULES);
        let answer = writer.settle(Operation::DropIdle(0)).await;
        writer.close().await;
        (answer, commits.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_group_that_lost_against_another_transaction_is_done_once_more_and_no_other_is() {
        let conflict = || StoreError::Conflict("deadlock detected".to_owned());
        let (answer, commits) = answered_after(vec![conflict()]).await;
        assert!(matches!(answer, Ok(0)), "{answer:?}");
        assert_eq!(commits, 2);
        let (answer, commits) = answered_after(vec![conflict(), conflict()]).await;
        assert!(matches!(answer, Err(StoreError::Conflict(_))), "{answer:?}");
        assert_eq!(commits, 2);
        // Whether that transaction was committed is unknown, so it is not retried.
        let (answer, commits) =
            answered_after(vec![StoreError::Unavailable("gone".to_owned())]).await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
        assert_eq!(commits, 1);
    }

    #[tokio::test]
    async fn whether_it_can_be_written_is_known_from_the_last_writes_or_tried() {
        let full = || StoreError::Unavailable("the disk is full".to_owned());
        let check = async |faults: Vec<StoreError>, settles: u32| {
            let commits = Arc::<AtomicU32>::default();
            let database = Faulty {
                leave: Arc::new(Semaphore::new(1)),
                faults,
                open: false,
                commits: Arc::clone(&commits),
                answers_after: None,
            };
            let writer = Writer::start(database, RULES);
            for _ in 0..settles {
                let _: Result<u64, _> = writer.settle(Operation::DropIdle(0)).await;
            }
            let outcome = writer.check().await.is_ok();
            writer.close().await;
            (outcome, commits.load(Ordering::SeqCst))
        };
        assert_eq!(check(vec![], 0).await, (true, 1), "it is tried");
        assert_eq!(check(vec![full()], 0).await, (false, 1));
        assert_eq!(check(vec![], 1).await, (true, 1), "it is known");
        assert_eq!(check(vec![full()], 1).await, (false, 1), "it is known");
        assert_eq!(check(vec![full()], 2).await, (true, 2), "it was mended");
        assert!(Writer::none().check().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn ordinary_operations_wait_for_one_large_one_at_most() {
        let leave = Arc::new(Semaphore::new(0));
        let commits = Arc::<AtomicU32>::default();
        let database = Faulty {
            leave: Arc::clone(&leave),
            faults: Vec::new(),
            open: false,
            commits: Arc::clone(&commits),
            answers_after: None,
        };
        let writer = Arc::new(Writer::start(database, RULES));
        let ended = Arc::new(Mutex::new(Vec::new()));
        let ask = |name: &'static str, operation: Operation| {
            let (writer, ended) = (Arc::clone(&writer), Arc::clone(&ended));
            let commits = Arc::clone(&commits);
            task::spawn(async move {
                let _ = writer.settle::<()>(operation).await;
                let transaction = commits.load(Ordering::SeqCst);
                ended.lock().expect("no panic").push((transaction, name));
            })
        };
        let complete = |bytes: usize| Operation::Complete {
            token: "t".to_owned(),
            number: None,
            data: "x".repeat(bytes),
        };
        // While the first transaction is under way, the others queue.
        let mut asked = vec![ask("first", complete(1))];
        task::yield_now().await;
        for (name, bytes) in [
            ("large 1", LARGE),
            ("small 1", 1),
            ("large 2", 2 * LARGE),
            ("small 2", LARGE - 1),
            ("large 3", LARGE),
        ] {
            asked.push(ask(name, complete(bytes)));
            task::yield_now().await;
        }
        leave.add_permits(1);
        for one in asked {
            one.await.expect("it ends");
        }
        writer.close().await;
        let mut ended = ended.lock().expect("no panic").clone();
        ended.sort_unstable();
        let expected = [
            (1, "first"),
            (2, "small 1"),
            (2, "small 2"),
            (3, "large 1"),
            (4, "large 2"),
            (5, "large 3"),
        ];
        assert_eq!(ended, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn volunteers_who_wait_too_long_are_refused_and_sweeps_are_not() {
        let leave = Arc::new(Semaphore::new(0));
        let database = Faulty {
            leave: Arc::clone(&leave),
            faults: Vec::new(),
            open: false,
            commits: Arc::default(),
            answers_after: None,
        };
        let writer = Arc::new(Writer::start(database, RULES));
        let asking = Arc::clone(&writer);
        let sweep = async move { asking.settle::<u64>(Operation::DropIdle(0)).await };
        let leave_it = || {
            let (asking, token) = (Arc::clone(&writer), "t".to_owned());
            task::spawn(async move { asking.settle::<()>(Operation::Leave { token }).await })
        };
        // One group waits for the database, and a full queue behind it.
        let volunteers: Vec<_> = (0..GROUP + QUEUE + 1).map(|_| leave_it()).collect();
        let sweep = task::spawn(sweep);
        time::sleep(PATIENCE + Duration::from_secs(1)).await;
        let answered = volunteers.iter().filter(|asked| asked.is_finished());
        assert!((1..=GROUP).contains(&answered.count()));
        assert!(!sweep.is_finished());
        leave.add_permits(1);
        let (mut busy, mut served) = (0, 0);
        for asked in volunteers {
            match asked.await {
                Ok(Err(StoreError::Busy)) => busy += 1,
                // The empty database knows no workers.
                Ok(Err(StoreError::Refused(ErrorCode::WorkerUnknown))) => served += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(busy >= 1 && served >= QUEUE, "{busy} busy, {served} served");
        assert!(matches!(sweep.await, Ok(Ok(0))));
    }

    #[tokio::test]
    async fn a_writer_on_a_thread_does_not_wait_for_the_threads_of_its_callers() {
        let commits = Arc::<AtomicU32>::default();
        let database = Faulty {
            leave: Arc::new(Semaphore::new(1)),
            faults: Vec::new(),
            open: false,
            commits: Arc::clone(&commits),
            answers_after: Some(Duration::from_millis(1)),
        };
        let writer = Writer::on_a_thread(RULES).expect("a thread")(database);
        let mut asking = Box::pin(writer.settle::<u64>(Operation::DropIdle(0)));
        assert!(asking.as_mut().now_or_never().is_none());
        // The only thread of the callers is busy from here on.
        let began = Instant::now();
        while commits.load(Ordering::SeqCst) == 0 && began.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        assert_eq!(commits.load(Ordering::SeqCst), 1);
        assert!(matches!(asking.await, Ok(0)));
    }
}
