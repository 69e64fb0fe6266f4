//! Moves committed pages from the write-ahead log into the database file, in the background.
//!
//! By default, SQLite does this in the commit that makes the log exceed 4 MB, so after a result of
//! 15 MB all callers wait until its pages are written and flushed twice. Here a separate connection
//! does it once a second. The writer keeps a limit of its own for a log that grows faster than
//! that.

use std::{path::Path, time::Duration};

use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::connection::{Pool, Use, log_of};

/// How often the size of the log is checked.
const INTERVAL: Duration = Duration::from_secs(1);

/// A shorter log is left alone: SQLite's default limit is 1,000 pages of 4 KiB.
const SHORT_BYTES: u64 = 4 << 20;

/// The length, in pages of 4 KiB, from which the writer itself checkpoints: 64 MB.
pub(super) const WRITER_PAGES: u32 = 16_384;

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
