//! Fault injection between a process of the tracker and its database: where it dies, which statement fails, and which
//! rule is broken on purpose.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use distcompute_protocol::Stage;
use distcompute_tracker::{
    ledger::{self, Changes, End, Snapshot, State, Wanted},
    rules::allowance::MOST_HELD,
    store::{Added, Database, ImportPart, Input, StoreError, Writer},
};

use crate::tables::{Between, Interruptible};

/// Where a tracker's process dies, or a statement fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    Begun,
    Read,
    Written,
    /// After so many steps, as [`Interruptible`] has them. `dies`: the process; otherwise it only fails.
    Statement {
        steps: u32,
        dies: bool,
    },
    /// The transaction is on disk, and nobody is told.
    Committed,
}

/// A rule of the tracker that is broken on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    GrantTwice,
    ForgetSeq,
    CountTwice,
    DeliverGivenBack,
    AllowAnything,
}

/// What stands between a process and its database.
#[derive(Debug, Default)]
pub(super) struct Failpoint {
    pub(super) crash: Mutex<Option<Crash>>,
    pub(super) dead: AtomicBool,
}

impl Failpoint {
    pub(super) fn take(&self, which: impl Fn(Crash) -> bool) -> Option<Crash> {
        let mut crash = self.crash.lock().unwrap_or_else(PoisonError::into_inner);
        crash.take_if(|crash| which(*crash))
    }

    pub(super) fn at(&self, point: Crash) -> Result<(), StoreError> {
        if self.take(|crash| crash == point).is_some() {
            self.dead.store(true, Ordering::SeqCst);
        }
        self.check()
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the process is dead".to_owned()));
        }
        Ok(())
    }
}

/// The tables of a process that may die.
struct FailingTables<T> {
    tables: T,
    failpoint: Arc<Failpoint>,
    sabotage: Option<Sabotage>,
}

/// Puts [`FailingTables`] before the tables of a process.
pub(super) struct FaultInjection {
    pub(super) failpoint: Arc<Failpoint>,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) rules: ledger::Rules,
}

impl Between for FaultInjection {
    fn start(self, tables: impl Interruptible) -> Writer {
        let tables = FailingTables {
            tables,
            failpoint: self.failpoint,
            sabotage: self.sabotage,
        };
        Writer::start(tables, self.rules)
    }
}

impl<T> FailingTables<T> {
    fn spoil(&self, read: &mut Snapshot) {
        match self.sabotage {
            Some(Sabotage::GrantTwice) => {
                // Held jobs look as if they were open and next.
                for job in &mut read.jobs {
                    let queue = &mut read.queues[job.stage.index()];
                    if job.state == State::Held && !queue.numbers.is_empty() {
                        job.state = State::Open;
                        queue.numbers.insert(0, job.number);
                    }
                }
            }
            Some(Sabotage::ForgetSeq) => {
                for worker in &mut read.workers {
                    worker.seq = -1;
                }
            }
            Some(Sabotage::DeliverGivenBack) => {
                // Leases that were given back look as if nothing had been heard of them.
                for (_, end) in read.leases.iter_mut().filter_map(|it| it.ended.as_mut()) {
                    if *end == End::Released {
                        *end = End::Lapsed;
                    }
                }
            }
            Some(Sabotage::AllowAnything) => {
                for worker in &mut read.workers {
                    worker.allowance.earned = MOST_HELD as i64;
                }
            }
            Some(Sabotage::CountTwice) | None => {}
        }
    }
}

#[async_trait]
impl<T: Interruptible> Database for FailingTables<T> {
    const CONFLICTS: bool = T::CONFLICTS;

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.failpoint.check()?;
        self.tables.begin().await?;
        self.failpoint.at(Crash::Begun)
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        let mut read = self.tables.load(wanted).await?;
        self.spoil(&mut read);
        self.failpoint.at(Crash::Read)?;
        Ok(read)
    }

    async fn store(&mut self, mut changes: Changes) -> Result<(), StoreError> {
        if self.sabotage == Some(Sabotage::CountTwice) {
            for (stage, made) in changes.stages.iter_mut().zip(changes.made) {
                stage.done += made;
            }
        }
        let crash = self
            .failpoint
            .take(|crash| matches!(crash, Crash::Statement { .. }));
        let Some(Crash::Statement { steps, dies }) = crash else {
            self.tables.store(changes).await?;
            return self.failpoint.at(Crash::Written);
        };
        let stored = self.tables.store_badly(changes, steps).await;
        if stored.is_err() {
            self.failpoint.dead.store(dies, Ordering::SeqCst);
        }
        stored
    }

    async fn inputs(&mut self, of: &[(i64, Stage)], most: u64) -> Result<Vec<Input>, StoreError> {
        self.tables.inputs(of, most).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.tables.commit().await?;
        self.failpoint.at(Crash::Committed)
    }

    async fn rollback(&mut self) {
        self.tables.rollback().await;
    }

    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError> {
        self.failpoint.check()?;
        self.tables.add(inputs, part).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.failpoint.check()?;
        self.tables.wipe().await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.tables.probe().await
    }

    async fn close(self) {
        self.tables.close().await;
    }
}
