//! Long operations of the operator, transaction by transaction.

use std::{future::Future, time::Instant};

/// Whether others get their turn between two transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// They do by themselves: the operations share the queue of one writer, or locks are fair.
    Fair,
    /// SQLite is not fair among processes that write: without a pause, this one would always be next,
    /// and the calls of a tracker's volunteers would wait.
    Taken,
}

impl Turns {
    /// Carries out a transaction, and lets others have as much time as it took.
    pub async fn after<T>(self, transaction: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = transaction.await;
        if self == Self::Taken {
            tokio::time::sleep(started.elapsed()).await;
        }
        done
    }
}
