//! The free space of the disk that the files of jobs are on. Below a floor nothing is taken, so that the
//! database on the same disk can go on.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::spawn_blocking;

use super::{FileError, folder::Folder};
use crate::rules::keep_free::KeepFree;

/// How long a disk is asked. One that is on the network may not answer.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// The disk of a folder.
#[derive(Debug)]
pub(super) struct Space {
    keep: KeepFree,
    coming: Arc<AtomicU64>,
}

/// Bytes that are on their way to the disk. Dropped, they have come or will not come.
#[derive(Debug)]
pub struct Coming {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What is known of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Its size.
    pub total: u64,
    /// How much of it this program may still write.
    pub free: u64,
}

impl Space {
    pub(super) fn new(keep: KeepFree) -> Self {
        Self {
            keep,
            coming: Arc::default(),
        }
    }

    /// Reserves room for some bytes, `for_a_while` if as many are deleted soon. A disk that does not say how
    /// full it is takes them.
    pub(super) async fn room(
        &self,
        folder: &Folder,
        bytes: u64,
        for_a_while: bool,
    ) -> Result<Coming, FileError> {
        let others = self.coming.fetch_add(bytes, Ordering::Relaxed);
        let coming = Coming {
            all: Arc::clone(&self.coming),
            bytes,
        };
        let Some(disk) = disk(folder).await else {
            return Ok(coming);
        };
        let Disk { total, free } = disk;
        let fits = match for_a_while {
            true => self
                .keep
                .leaves_room_for_a_while(total, free, others, bytes),
            false => self.keep.leaves_room(total, free, others, bytes),
        };
        if !fits {
            return Err(FileError::DiskFull {
                free: disk.free,
                keep: self.keep.of(disk.total),
            });
        }
        Ok(coming)
    }
}

/// The disk of a folder, or of the first one above it that is there.
pub(super) async fn disk(folder: &Folder) -> Option<Disk> {
    let root = folder.root().to_owned();
    let asked = spawn_blocking(move || {
        let there = root.ancestors().find(|path| path.is_dir());
        fs4::statvfs(there.unwrap_or(Path::new(".")))
    });
    let asked = tokio::time::timeout(ASKED_WITHIN, asked).await;
    match asked.ok()?.ok()? {
        Ok(stats) => Some(Disk {
            total: stats.total_space(),
            free: stats.available_space(),
        }),
        Err(error) => {
            tracing::debug!(%error, "the disk does not say how full it is");
            None
        }
    }
}
