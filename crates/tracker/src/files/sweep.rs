//! What nothing names any more is deleted, in pieces, so that other calls take turns with it.

use std::time::Duration;

use super::{FileError, Files};
use crate::{rules::file_grants::UPLOAD_LASTS, store::Store};

/// What a sweep has deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Uploads that were not finished.
    pub uploads: u64,
}

/// Deletes unfinished uploads, grants that are over, and files that no job has.
///
/// # Errors
/// Returns an error if the database or the object store fails. The next sweep does the rest.
pub async fn sweep(store: &dyn Store, files: &Files) -> Result<Swept, FileError> {
    let objects = files.there()?;
    let mut from = None;
    loop {
        from = store.sweep_grants(from).await?;
        if from.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut swept = Swept::default();
    loop {
        let hashes = store.begin_deletions().await?;
        if hashes.is_empty() {
            break;
        }
        for hash in hashes {
            objects.delete(&hash).await?;
            store.file_deleted(&hash).await?;
            swept.files += 1;
        }
    }
    let age = Duration::from_millis(UPLOAD_LASTS.unsigned_abs());
    swept.uploads = objects.delete_old_uploads(age).await?;
    Ok(swept)
}
