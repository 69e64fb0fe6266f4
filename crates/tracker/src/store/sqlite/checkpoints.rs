//! Moves committed pages from the write-ahead log into the database file, beside the writer.
//!
//! SQLite does this by itself in the commit that lets the log grow past 4 MB, so a result of 15 MB has
//! everybody wait for its pages to be written and flushed twice. Here another connection does it once a
//! second. The writer keeps a limit of its own for a log that grows faster than that.

use std::{path::Path, time::Duration};

use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::connection::{Pool, Use, log_of};

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// A shorter log is left alone: SQLite's own limit is 1,000 pages of 4 KiB.
const SHORT_BYTES: u64 = 4 << 20;

/// The length, in pages of 4 KiB, from which the writer itself moves what is left: 64 MB.
pub(super) const WRITER_PAGES: u32 = 16_384;

/// Checkpoints once a second, until it is dropped.
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
            loop {
                looks.tick().await;
                let long = tokio::fs::metadata(&log)
                    .await
                    .is_ok_and(|log| log.len() > SHORT_BYTES);
                if !long {
                    continue;
                }
                let moved = on.with(|on| {
                    on.query_row("pragma wal_checkpoint(passive)", (), |_| Ok(()))
                        .map_err(Into::into)
                });
                if let Err(error) = moved.await {
                    tracing::debug!(%error, "a checkpoint failed; the writer does the next one");
                }
            }
        });
        Self { task, connection }
    }

    /// Waits for one that is under way, and closes its connection.
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
