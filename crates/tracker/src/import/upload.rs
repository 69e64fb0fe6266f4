//! Jobs that come over HTTP, as JSON lines in a file: checked whole, then added batch by batch.

use std::{
    fs::File,
    io::{BufReader, Seek as _},
};

use tokio::sync::mpsc;

use super::{Batch, Fault, Format, read};
use crate::store::{Added, Store, StoreError};

/// Reads all of the file and counts its jobs.
///
/// # Errors
/// A line that cannot be a job.
pub async fn check(mut file: File) -> Result<(File, u64), Fault> {
    let checked = tokio::task::spawn_blocking(move || {
        file.rewind().map_err(Fault::Unreadable)?;
        let mut count = 0;
        read(BufReader::new(&file), Format::JsonLines, &mut |_| {
            count += 1;
            Ok(())
        })?;
        file.rewind().map_err(Fault::Unreadable)?;
        Ok((file, count))
    });
    checked.await.unwrap_or(Err(Fault::Stopped))
}

/// Adds the jobs of a file that was checked. What was added stays, also where it ends in an error.
pub async fn add(store: &dyn Store, file: File) -> (Vec<Added>, Result<(), StoreError>) {
    let (sender, mut batches) = mpsc::channel::<Vec<String>>(2);
    let reader = tokio::task::spawn_blocking(move || {
        let mut batch = Batch::new(sender);
        read(BufReader::new(file), Format::JsonLines, &mut |job| {
            batch.push(job)
        })?;
        batch.send()
    });
    let mut all: Vec<Added> = Vec::new();
    while let Some(batch) = batches.recv().await {
        match store.add_jobs(&batch).await {
            Ok(None) => {}
            Ok(Some(added)) => match all.last_mut() {
                Some(last) if last.last + 1 == added.first => last.last = added.last,
                _ => all.push(added),
            },
            // The reader ends when nobody takes what it reads.
            Err(error) => return (all, Err(error)),
        }
    }
    let read = match reader.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(StoreError::Failed(format!("{fault:?}"))),
        Err(error) => Err(StoreError::Failed(error.to_string())),
    };
    (all, read)
}
