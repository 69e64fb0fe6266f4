//! What stands between the writer and the tables of such a world: its dice follow from a seed, and a transaction is
//! broken off on purpose.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use distcompute_protocol::Stage;
use distcompute_tracker::{
    ledger::{Changes, Rules, Snapshot, Wanted},
    store::{Added, Database, ImportPart, Input, StoreError, Writer},
};

use crate::{
    random::Rng,
    tables::{Between, Interruptible},
};

pub(super) struct Interrupted {
    rules: Rules,
    dice: Rng,
    breaks: Arc<AtomicU32>,
}

impl Interrupted {
    pub(super) fn new(rules: Rules, seed: u64, breaks: &Arc<AtomicU32>) -> Self {
        Self {
            rules,
            dice: Rng::new(seed ^ 0xd1ce),
            breaks: Arc::clone(breaks),
        }
    }
}

impl Between for Interrupted {
    fn start(self, tables: impl Interruptible) -> Writer {
        let rules = self.rules;
        let tables = Interrupting {
            tables,
            dice: self.dice,
            breaks: self.breaks,
        };
        Writer::start(tables, rules)
    }
}

struct Interrupting<T> {
    tables: T,
    dice: Rng,
    breaks: Arc<AtomicU32>,
}

#[async_trait]
impl<T: Interruptible> Database for Interrupting<T> {
    const CONFLICTS: bool = T::CONFLICTS;

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.tables.begin().await
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        let dice = self.dice.next_u64();
        let wanted = Wanted {
            dice,
            secret: dice.to_string(),
            ..wanted.clone()
        };
        self.tables.load(&wanted).await
    }

    async fn store(&mut self, changes: Changes) -> Result<(), StoreError> {
        if self.breaks.swap(0, Ordering::SeqCst) == 0 {
            return self.tables.store(changes).await;
        }
        let steps = 1 + (self.dice.next_f64() * 300.0) as u32;
        self.tables.store_badly(changes, steps).await
    }

    async fn inputs(&mut self, of: &[(i64, Stage)], most: u64) -> Result<Vec<Input>, StoreError> {
        self.tables.inputs(of, most).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.tables.commit().await
    }

    async fn rollback(&mut self) {
        self.tables.rollback().await;
    }

    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError> {
        self.tables.add(inputs, part).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.tables.wipe().await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.tables.probe().await
    }

    async fn close(self) {
        self.tables.close().await;
    }
}
