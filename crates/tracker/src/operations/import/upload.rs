//! Jobs that come over HTTP, as JSON lines in a file: checked whole, then added part by part.

use std::{
    fs::File,
    io::{BufReader, Seek as _},
};

use tokio::sync::mpsc;

use super::{
    part::{self, Checked, Parts, Tally},
    read::{Fault, Format, read},
};
use crate::store::{Added, Import, Store, StoreError};

/// Reads all of the file and counts its jobs.
///
/// # Errors
/// A line that cannot be a job.
pub async fn check(mut file: File) -> Result<(File, Checked), Fault> {
    let checked = tokio::task::spawn_blocking(move || {
        file.rewind().map_err(Fault::Unreadable)?;
        let mut tally = Tally::default();
        read(BufReader::new(&file), Format::JsonLines, &mut |job| {
            tally.count(&job);
            Ok(())
        })?;
        file.rewind().map_err(Fault::Unreadable)?;
        Ok((file, tally.finish()))
    });
    checked.await.unwrap_or(Err(Fault::Stopped))
}

/// Adds the jobs of a file that was checked, but for those that are there. What was added stays, also
/// where it ends in an error.
pub async fn add(
    store: &dyn Store,
    import: Import,
    file: File,
) -> (Vec<Added>, Result<(), StoreError>) {
    let (sender, mut parts) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || {
        let mut parts = Parts::new(sender, import.done);
        read(BufReader::new(file), Format::JsonLines, &mut |job| {
            parts.push(job)
        })?;
        parts.send()
    });
    let mut all: Vec<Added> = Vec::new();
    while let Some(part) = parts.recv().await {
        match part::add(store, import.id, &part).await {
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
