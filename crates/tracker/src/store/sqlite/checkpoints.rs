//! Moves committed pages from the write-ahead log into the database file, in the background.
//!
//! By default, SQLite does this in the commit that makes the log exceed 4 MB, so after a result of
//! 15 MB all callers wait until its pages are written and flushed twice. Here a separate connection
//! does it once a second. The writer keeps a limit of its own for a log that grows faster than
//! that.
//!
//! Neither can move pages past the state that a reader of the file still sees. The tracker's own
//! readers end soon; another program's transaction may not, and the log then grows until the disk is
//! full. Nobody but the operator can end it, so the operator is told.

use std::{path::Path, time::Duration};

use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::connection::{Pool, Use, log_of};
use crate::store::unsigned;

/// How often the size of the log is checked.
const INTERVAL: Duration = Duration::from_secs(1);

/// A shorter log is left alone: SQLite's default limit is 1,000 pages of 4 KiB.
const SHORT_BYTES: u64 = 4 << 20;

/// The length, in pages of 4 KiB, from which the writer itself checkpoints: 64 MB.
pub(super) const WRITER_PAGES: u32 = 16_384;

const PAGE_BYTES: u64 = 4_096;

/// How much of the log stays on disk, empty, when the log starts over after it was longer.
pub(super) const KEPT_BYTES: u64 = PAGE_BYTES * WRITER_PAGES as u64;

/// How much must be left in the log by a checkpoint for the operator to be told.
const STUCK_BYTES: u64 = 4 * KEPT_BYTES;

/// What checkpoints leave in the log because somebody reads an old state of the file.
#[derive(Debug, Default)]
struct Stuck {
    /// The size of which the operator was told last; 0: of none.
    told: u64,
}

impl Stuck {
    /// Whether the operator is to be told that so many bytes are left: when they become too many,
    /// and each time that they have doubled.
    fn is_news(&mut self, left: u64) -> bool {
        if left < STUCK_BYTES {
            self.told = 0;
        }
        let news = left >= STUCK_BYTES.max(2 * self.told);
        if news {
            self.told = left;
        }
        news
    }
}

/// A background task that checkpoints once a second until it is dropped.
pub(super) struct Checkpoints {
    task: JoinHandle<()>,
    connection: Pool,
}

impl Checkpoints {
    pub(super) fn start(path: &Path) -> Self {
        let connection = Pool::new(path, Use::Write, 1);
        let log = log_of(path);
        let on = connection.clone();
        let task = tokio::spawn(async move {
            let mut looks = tokio::time::interval(INTERVAL);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut stuck = Stuck::default();
            loop {
                looks.tick().await;
                let long = tokio::fs::metadata(&log)
                    .await
                    .is_ok_and(|log| log.len() > SHORT_BYTES);
                if !long {
                    continue;
                }
                let left = on.with(|on| {
                    let left = on.query_row("pragma wal_checkpoint(passive)", (), |row| {
                        let (pages, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
                        Ok(pages - moved)
                    });
                    Ok(PAGE_BYTES * unsigned(left?))
                });
                match left.await {
                    Ok(left) if stuck.is_news(left) => tracing::warn!(
                        megabytes = left >> 20,
                        "the write-ahead log cannot be emptied, and grows: a program has been \
                         reading the database for long; end its transaction (`fuser` names the \
                         processes that have the file open)"
                    ),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "a checkpoint failed; the writer does the next one");
                    }
                }
            }
        });
        Self { task, connection }
    }

    /// Waits for a running checkpoint, and closes the connection.
    pub(super) async fn close(&self) {
        self.task.abort();
        self.connection.close().await;
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_told_of_a_log_that_grows_without_end_and_not_each_second() {
        let mut stuck = Stuck::default();
        let mut told = |left: u64| stuck.is_news(left << 20);
        assert!(!told(0) && !told(255), "as long as after large results");
        assert!(told(256));
        assert!(!told(256) && !told(511));
        assert!(told(512) && !told(600) && told(1_024));
        assert!(!told(0), "the reader has ended");
        assert!(told(300), "another one");
    }
}
