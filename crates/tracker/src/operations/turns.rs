//! Long operations of the operator, transaction by transaction.

use std::{
    future::Future,
    time::{Duration, Instant},
};

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

/// How long a transaction may take, so that the calls of volunteers, which wait for it, hardly notice.
const WANTED: Duration = Duration::from_millis(10);

/// How many rows one changes at first, at least and at most.
const FIRST: usize = 32;
const LEAST: usize = 16;
const MOST: usize = 256;

/// A long operation in transactions that are as large as their time allows: smaller on a slow disk, and while a tracker
/// has much to do, because they wait for that.
#[derive(Debug)]
pub struct Pieces {
    turns: Turns,
    rows: usize,
}

impl Pieces {
    /// Begins an operation.
    #[must_use]
    pub fn new(turns: Turns) -> Self {
        Self { turns, rows: FIRST }
    }

    /// How many rows the next transaction is to change.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Carries out a transaction, and lets others have their turn.
    pub async fn after<T>(&mut self, transaction: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let timed = async {
            let done = transaction.await;
            (done, started.elapsed())
        };
        let (done, took) = self.turns.after(timed).await;
        self.rows = next_rows(self.rows, took);
        done
    }
}

fn next_rows(rows: usize, took: Duration) -> usize {
    let next = if took > 2 * WANTED {
        rows / 2
    } else if took < WANTED {
        rows * 2
    } else {
        rows
    };
    next.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_large_as_their_time_allows() {
        let after = |each: &dyn Fn(usize) -> Duration| {
            let sizes = (0..10).scan(FIRST, |rows, _| {
                *rows = next_rows(*rows, each(*rows));
                Some(*rows)
            });
            sizes.last()
        };
        let ms = Duration::from_millis;
        assert_eq!(after(&|_| ms(1)), Some(MOST), "of a database that is fast");
        assert_eq!(
            after(&|_| ms(60)),
            Some(LEAST),
            "beside much work of others"
        );
        let slow = |rows: usize| ms(2) + Duration::from_micros(150) * rows as u32;
        let rows = after(&slow).expect("a size");
        assert!((WANTED..=2 * WANTED).contains(&slow(rows)), "{rows}");
    }
}
