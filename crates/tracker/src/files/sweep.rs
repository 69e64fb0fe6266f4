//! What nothing names any more is deleted, in pieces, so that other calls take turns with it.

use std::time::Duration;

use super::{FileError, Files, objects::Objects};
use crate::{rules::file_grants::UPLOAD_LASTS, store::Store};

/// What a sweep has deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Uploads that were not finished.
    pub uploads: u64,
}

/// Deletes unfinished uploads, grants that are over, and files that no job has. What cannot be deleted
/// does not keep the rest from it.
///
/// # Errors
/// Returns the first error of the database or of the object store. The next sweep does the rest.
pub async fn sweep(store: &dyn Store, files: &Files) -> Result<Swept, FileError> {
    let objects = files.there()?;
    let mut swept = Swept::default();
    let grants = sweep_grants(store).await;
    let deletions = delete_files(store, objects, &mut swept).await;
    let uploads = sweep_uploads(files).await;
    swept.uploads = uploads?;
    grants?;
    deletions?;
    Ok(swept)
}

/// Deletes old uploads, and counts those that are left.
///
/// # Errors
/// Returns an error if the object store fails.
pub async fn sweep_uploads(files: &Files) -> Result<u64, FileError> {
    let age = Duration::from_millis(UPLOAD_LASTS.unsigned_abs());
    let old = files.there()?.delete_old_uploads(age).await?;
    files.uploads().find(old.left);
    Ok(old.deleted)
}

async fn sweep_grants(store: &dyn Store) -> Result<(), FileError> {
    let mut from = None;
    loop {
        from = store.sweep_grants(from).await?.next;
        if from.is_none() {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

/// Deletes files until there are no more, or some of a piece cannot be deleted.
async fn delete_files(
    store: &dyn Store,
    objects: &Objects,
    swept: &mut Swept,
) -> Result<(), FileError> {
    loop {
        let hashes = store.begin_deletions().await?;
        if hashes.is_empty() {
            return Ok(());
        }
        let mut failed = None;
        for hash in hashes {
            match objects.delete(&hash).await {
                Ok(()) => {
                    store.file_deleted(&hash).await?;
                    swept.files += 1;
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
}
