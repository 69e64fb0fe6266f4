//! Uploads: beginning, continuing and finishing them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use distcompute_protocol::{MAX_FILE_REFS, MAX_PARTS, PartAddress, UploadParts};

use super::{
    FileError, Files,
    addresses::Addresses,
    checks::Name,
    objects::{Check, Objects, Progress},
};
use crate::{
    clock::Millis,
    rules::file_grants::{Cut, PART_LASTS, Part, Upload},
    store::{NewFile, Recorded, Store},
};

/// Checks that a file of this size may be uploaded: as far as that is known when it begins.
///
/// # Errors
/// Returns an error if it is too large, or there is no room.
pub async fn admit(
    store: &dyn Store,
    files: &Files,
    bytes: u64,
    is_owner: bool,
) -> Result<(), FileError> {
    let (objects, limits) = (files.there()?, files.limits());
    let most = limits.file.min(Cut::most(objects.part_bytes()));
    if bytes > most {
        return Err(FileError::TooLarge(format!(
            "The file has {bytes} bytes, and this project takes files of at most {most}: max_file."
        )));
    }
    if !is_owner && bytes > limits.per_job {
        return Err(of_job_too_large());
    }
    if limits.total > 0 {
        let totals = store.file_totals().await?;
        if totals.bytes.saturating_add(bytes.max(1)) > limits.total {
            return Err(FileError::Full);
        }
    }
    files.room(bytes).await.map(drop)
}

/// Which parts are stored, and the addresses of some that are not.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn parts(
    objects: &Objects,
    addresses: &Addresses,
    upload: &Upload,
    from: u32,
    now: Millis,
) -> Result<UploadParts, FileError> {
    let cut = cut(objects, upload);
    let stored = objects.stored_parts(&upload.place(), cut).await?;
    let missing = (from..cut.parts()).filter(|number| stored.binary_search(number).is_err());
    let parts = part_addresses(objects, addresses, upload, missing, now).await?;
    Ok(UploadParts { stored, parts })
}

/// The addresses of the first of these parts.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn part_addresses(
    objects: &Objects,
    addresses: &Addresses,
    upload: &Upload,
    numbers: impl Iterator<Item = u32>,
    now: Millis,
) -> Result<Vec<PartAddress>, FileError> {
    let cut = cut(objects, upload);
    let mut parts = Vec::new();
    for number in numbers.take(MAX_PARTS) {
        let Some(bytes) = cut.size(number) else {
            break;
        };
        let until = upload.until.min(now + PART_LASTS);
        let (url, headers): (_, Option<BTreeMap<_, _>>) = match objects {
            Objects::Folder(_) => {
                let part = Part {
                    upload: upload.place(),
                    number,
                    bytes,
                    until,
                };
                (addresses.of_part(&part), None)
            }
            #[cfg(feature = "clouds")]
            Objects::Cloud(cloud) => {
                let lasts = Duration::from_millis((until - now).unsigned_abs());
                let url = cloud.part_address(&upload.place(), number, lasts).await?;
                let headers = cloud.headers().iter();
                let headers = headers.map(|(name, value)| ((*name).into(), (*value).into()));
                (
                    url,
                    Some(headers.collect()).filter(|all: &BTreeMap<_, _>| !all.is_empty()),
                )
            }
        };
        parts.push(PartAddress {
            number,
            url,
            headers,
        });
    }
    Ok(parts)
}

/// How an upload is cut into parts.
#[must_use]
pub fn cut(objects: &Objects, upload: &Upload) -> Cut {
    Cut {
        bytes: upload.bytes,
        part: objects.part_bytes(),
    }
}

/// Finishes an upload: its file has the name afterwards. If that takes long, returns how many bytes
/// were checked within `patience`; the same call again waits on.
///
/// # Errors
/// Returns an error if the parts are not the file, if there is no room, or if the store fails.
pub async fn finish(
    store: &Arc<dyn Store>,
    files: &Arc<Files>,
    upload: &Upload,
    name: &str,
    patience: Duration,
) -> Result<Option<u64>, FileError> {
    let objects = files.there()?;
    // The answer to an earlier call may have been lost.
    if is_finished(store.as_ref(), objects, upload, name).await? {
        if files.ended(upload) {
            // Another upload has brought the same file.
            let _ = objects.delete_upload(&upload.place()).await;
        }
        return Ok(None);
    }
    let key = Name {
        lease: upload.lease,
        upload: format!("{} {name}", upload.place()),
    };
    let own = (Arc::clone(store), Arc::clone(files));
    let of = (upload.clone(), name.to_owned());
    let work = |progress: Arc<Progress>| async move {
        check(own.0.as_ref(), &own.1, &of.0, &of.1, &progress).await
    };
    match files.checks.wait(key, patience, work).await {
        // An earlier call, or another tracker, has finished it meanwhile and deleted its parts.
        Ok(Err(FileError::Incomplete(number))) => {
            match is_finished(store.as_ref(), objects, upload, name).await? {
                true => {
                    files.ended(upload);
                    Ok(None)
                }
                false => Err(FileError::Incomplete(number)),
            }
        }
        Ok(outcome) => outcome.map(|()| None),
        Err(bytes) => Ok(Some(bytes)),
    }
}

async fn is_finished(
    store: &dyn Store,
    objects: &Objects,
    upload: &Upload,
    name: &str,
) -> Result<bool, FileError> {
    Ok(store.is_recorded(upload.job, upload.lease, name).await?
        && objects.size(name).await? == Some(upload.bytes))
}

async fn check(
    store: &dyn Store,
    files: &Files,
    upload: &Upload,
    name: &str,
    progress: &Arc<Progress>,
) -> Result<(), FileError> {
    let (objects, limits) = (files.there()?, files.limits());
    let (place, cut) = (upload.place(), cut(objects, upload));
    let file = NewFile {
        job: upload.job,
        lease: upload.lease,
        hash: name.to_owned(),
        bytes: upload.bytes,
        most_of_lease: limits.per_job,
        most_files: MAX_FILE_REFS as u64,
        most: limits.total,
    };
    // Asked before it is read, and written to a cloud.
    admitted(store.would_record(&file).await?)?;
    // Several parts are written once more, as one file, and deleted then.
    let coming = match cut.parts() {
        1 => None,
        _ => files.room_for_a_while(upload.bytes).await?,
    };
    let checked = match objects.check(&place, cut, name, progress).await? {
        Check::Right(checked) => checked,
        Check::Incomplete(number) => return Err(FileError::Incomplete(number)),
        Check::WrongHash => return Err(FileError::WrongHash),
    };
    // Recorded first: what has a row is found by the sweep, whatever happens next. No result may name it
    // until it is said to be stored.
    let recorded = store.record_file(file).await.map_err(FileError::from);
    if let Err(error) = recorded.and_then(admitted) {
        objects.discard(checked).await;
        return Err(error);
    }
    objects.publish(checked, name).await?;
    if !store.file_stored(name).await? {
        return Err(FileError::Busy);
    }
    files.ended(upload);
    // What is left is deleted by the sweep.
    let _ = objects.delete_upload(&place).await;
    drop(coming);
    Ok(())
}

fn admitted(recorded: Recorded) -> Result<(), FileError> {
    match recorded {
        Recorded::Yes => Ok(()),
        Recorded::Deleting => Err(FileError::Busy),
        Recorded::TooLarge => Err(of_job_too_large()),
        Recorded::Full => Err(FileError::Full),
    }
}

fn of_job_too_large() -> FileError {
    let sentence = format!(
        "The files of this job would be larger together than this project allows (files_per_job), or \
         more than {MAX_FILE_REFS}."
    );
    FileError::TooLarge(sentence)
}
