//! Jobs uploaded over HTTP as JSON lines, in a file: checked in full, then added part by part.

use std::{
    fs::File,
    io::{BufReader, Seek as _},
};

use tokio::sync::mpsc;

use super::{
    part::{self, Checked, Parts, Tally},
    read::{Fault, Format, read},
};
use crate::{
    operations::job_files::References,
    store::{Action, Added, Import, NewImport, Store, StoreError},
};

/// Why not all jobs were added.
#[derive(Debug)]
pub enum UploadError {
    /// A line is invalid, or the file cannot be read. Nothing was added.
    Source(Fault),
    /// A job names a file that is not stored. Nothing was added.
    Files(String),
    /// The database failed. Nothing was added.
    Store(StoreError),
    /// The database failed after some jobs had been added, which stay.
    Partial {
        /// How many jobs the file has.
        jobs: u64,
        /// How many of them are stored: the first ones of the file.
        there: u64,
        /// The jobs that this call added.
        added: Vec<Added>,
    },
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Adds the jobs of a file, and logs that as an action of `who`. If an upload of the same file was
/// interrupted before, adds the jobs that are missing. Returns the numbers of the added jobs.
///
/// An upload with an idempotency key is the same one whenever it is repeated: it continues until it
/// is complete, and adds nothing after that. The returned numbers are those of all its jobs.
///
/// # Errors
/// Returns an error if not all jobs were added; uploading the same file again adds the rest. A key
/// that was used for other jobs is refused with `KeyReused`. `has_files`: the project takes files, and
/// what the jobs name must be stored.
pub async fn upload(
    store: &dyn Store,
    file: File,
    who: &str,
    key: Option<String>,
    has_files: bool,
) -> Result<Vec<Added>, UploadError> {
    let (file, checked, named) = check(file).await.map_err(UploadError::Source)?;
    if has_files {
        named.check(store).await?.map_err(UploadError::Files)?;
    }
    let jobs = checked.jobs;
    let note = async |detail| {
        let action = Action {
            who: who.to_owned(),
            action: "jobs",
            detail,
        };
        store.note_action(&action).await
    };
    note(format!("{jobs} jobs")).await?;
    let new = NewImport {
        who: who.to_owned(),
        source: "a request".to_owned(),
        digest: checked.digest,
        jobs,
        key,
    };
    let import = store.begin_import(&new).await?;
    if import.is_finished {
        let added = store.import_numbers(import.id).await?;
        let numbers = ranges(&added);
        note(format!(
            "numbers {numbers} were added before, with the same key"
        ))
        .await?;
        return Ok(added);
    }
    if import.done > 0 {
        let there = import.done;
        note(format!(
            "goes on after {there} jobs, where it was broken off"
        ))
        .await?;
    }
    let (added, outcome) = add(store, import, file).await;
    let numbers = ranges(&added);
    if let Err(error) = outcome {
        if added.is_empty() {
            return Err(error.into());
        }
        note(format!("numbers {numbers}; then the database failed"))
            .await
            .unwrap_or_else(|error| tracing::error!(%error, "and that cannot be written down"));
        tracing::error!(%error, "not all jobs were added");
        let there = import.done + added.iter().map(Added::count).sum::<u64>();
        return Err(UploadError::Partial { jobs, there, added });
    }
    store.end_import(import.id).await?;
    note(format!("numbers {numbers} were added")).await?;
    if new.key.is_some() {
        return Ok(store.import_numbers(import.id).await?);
    }
    Ok(added)
}

/// Formats the numbers of jobs for people.
#[must_use]
pub fn ranges(added: &[Added]) -> String {
    let ranges: Vec<_> = added
        .iter()
        .map(|added| format!("{} to {}", added.first, added.last))
        .collect();
    if ranges.is_empty() {
        "none".to_owned()
    } else {
        ranges.join(", ")
    }
}

/// Reads and checks the whole file and counts its jobs.
async fn check(mut file: File) -> Result<(File, Checked, References), Fault> {
    let checked = tokio::task::spawn_blocking(move || {
        file.rewind().map_err(Fault::Unreadable)?;
        let mut tally = Tally::default();
        let mut named = References::default();
        read(BufReader::new(&file), Format::JsonLines, &mut |job| {
            tally.count(&job);
            named.of(&job, false);
            Ok(())
        })?;
        file.rewind().map_err(Fault::Unreadable)?;
        Ok((file, tally.finish(), named))
    });
    checked.await.unwrap_or(Err(Fault::Stopped))
}

/// Adds the jobs of a checked file that are missing. Jobs that were added stay, even if an error is
/// returned.
async fn add(
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
            // The reader ends when the channel is closed.
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
