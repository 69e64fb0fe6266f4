//! Files of jobs that the owner imports and exports.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use distcompute_protocol::{FILE_PREFIX, is_file_name};
use futures_util::StreamExt as _;
use ring::digest;
use tokio::{fs, io::AsyncWriteExt as _};

use crate::{
    files::objects::{ObjectError, Objects},
    rules::references::{self, Reference},
    store::{NewFile, Recorded, Store, StoreError},
};

/// How many files are asked for at once.
const ASKED: usize = 1_000;

/// The references of a list of jobs, each with the place of the first job that has it, from 1 on.
#[derive(Debug, Default)]
pub struct References {
    jobs: u64,
    stored: BTreeMap<Reference, u64>,
    local: BTreeMap<String, u64>,
    wrong: Option<String>,
}

impl References {
    /// Reads the references of the next job. `local`: also those to local files, as `./name`.
    pub fn of(&mut self, job: &str, local: bool) {
        self.jobs += 1;
        let at = self.jobs;
        let found = if local {
            references::local(job).map(|list| {
                for name in list {
                    self.local.entry(name).or_insert(at);
                }
                Vec::new()
            })
        } else {
            references::references(job)
        };
        match found {
            Ok(list) => {
                for one in list {
                    self.stored.entry(one).or_insert(at);
                }
            }
            Err(why) => {
                self.wrong.get_or_insert(format!("Job {at}: {why}"));
            }
        }
    }

    /// Checks that all of them can be resolved: that what they name is stored.
    ///
    /// # Errors
    /// Returns a sentence that says which cannot, or why the database failed.
    pub async fn check(&self, store: &dyn Store) -> Result<Result<(), String>, StoreError> {
        if let Some(why) = &self.wrong {
            return Ok(Err(why.clone()));
        }
        let all: Vec<_> = self.stored.iter().collect();
        for some in all.chunks(ASKED) {
            let hashes: BTreeSet<_> = some.iter().map(|(one, _)| one.file.clone()).collect();
            let known = store.touch_files(hashes.into_iter().collect()).await?;
            let known: BTreeMap<_, _> = known.into_iter().collect();
            let missing = some
                .iter()
                .find(|(one, _)| known.get(&one.file) != Some(&one.bytes));
            if let Some((one, at)) = missing {
                return Ok(Err(format!(
                    "Job {at} names {} with {} bytes, and no such file is stored.",
                    one.file, one.bytes
                )));
            }
        }
        Ok(Ok(()))
    }

    /// Stores the local files from a folder. Returns what they are called from now on.
    ///
    /// # Errors
    /// Returns a sentence that says which file is missing, or what failed.
    pub async fn add_from(
        &self,
        folder: &Path,
        store: &dyn Store,
        objects: &Objects,
    ) -> Result<BTreeMap<String, Reference>, String> {
        if let Some(why) = &self.wrong {
            return Err(why.clone());
        }
        let mut added = BTreeMap::new();
        for (name, at) in &self.local {
            let path = path_of(folder, name).ok_or_else(|| {
                format!("Job {at}: {name:?} is no name within {}.", folder.display())
            })?;
            let is_elsewhere = is_file_name(name) && !fs::try_exists(&path).await.unwrap_or(false);
            let reference = if is_elsewhere {
                let known = store.touch_files(vec![name.clone()]).await;
                let known =
                    known.map_err(|error| format!("The files cannot be looked up: {error}."))?;
                let Some((file, bytes)) = known.into_iter().next() else {
                    let folder = folder.display();
                    return Err(format!(
                        "Job {at} names {name}, which is not stored and not in {folder}."
                    ));
                };
                Reference { file, bytes }
            } else {
                let failed = |error: ObjectError| match error {
                    ObjectError::Missing => {
                        format!("Job {at} names {}, which is not there.", path.display())
                    }
                    other => format!("{} cannot be stored: {other:?}.", path.display()),
                };
                let (copy, file, bytes) = objects.copy_of(&path).await.map_err(failed)?;
                if is_file_name(name) && file != *name {
                    return Err(format!(
                        "{} has another hash: it is {file}.",
                        path.display()
                    ));
                }
                // A file that has a row is not deleted while it is stored.
                record(store, &file, bytes).await?;
                objects.publish(copy, &file).await.map_err(failed)?;
                is_stored(store, &file).await?;
                Reference { file, bytes }
            };
            added.insert(name.clone(), reference);
        }
        Ok(added)
    }
}

async fn record(store: &dyn Store, file: &str, bytes: u64) -> Result<(), String> {
    let new = NewFile {
        job: 0,
        lease: 0,
        hash: file.to_owned(),
        bytes,
        most_of_lease: u64::MAX,
        most_files: u64::MAX,
        most: 0,
    };
    match store.record_file(new).await {
        Ok(Recorded::Yes) => Ok(()),
        Ok(_) => Err(is_being_deleted(file)),
        Err(error) => Err(format!("{file} cannot be written down: {error}.")),
    }
}

async fn is_stored(store: &dyn Store, file: &str) -> Result<(), String> {
    match store.file_stored(file).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(is_being_deleted(file)),
        Err(error) => Err(format!("{file} cannot be written down: {error}.")),
    }
}

fn is_being_deleted(file: &str) -> String {
    format!("{file} is being deleted. Repeat this in a minute.")
}

/// The path of a name within a folder; `None` if it leads out of it.
fn path_of(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(path)
}

/// The files that were written.
#[derive(Debug, Default)]
pub struct Written {
    seen: BTreeSet<String>,
    /// How many there are that were not there.
    pub count: u64,
    /// Why others cannot be had from the store, a sentence each.
    pub failed: Vec<String>,
}

/// Writes the files that an output names into a folder, each once. One that is there with its size is not
/// read again.
///
/// # Errors
/// Returns a sentence that says why the folder cannot be written.
pub async fn write_files(
    output: &str,
    folder: &Path,
    objects: &Objects,
    written: &mut Written,
) -> Result<(), String> {
    for one in references::references(output).unwrap_or_default() {
        if !written.seen.insert(one.file.clone()) {
            continue;
        }
        match write_file(&one, folder, objects).await {
            Ok(is_new) => written.count += u64::from(is_new),
            Err(Unwritten::Unread(why)) => {
                let _ = fs::remove_file(partial(folder, &one.file)).await;
                written.failed.push(why);
            }
            Err(Unwritten::Folder(why)) => return Err(why),
        }
    }
    Ok(())
}

/// Where a file is while it is written.
fn partial(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.partial"))
}

/// Why a file was not written.
enum Unwritten {
    /// The store does not have it as it should.
    Unread(String),
    /// The folder cannot be written.
    Folder(String),
}

async fn write_file(one: &Reference, folder: &Path, objects: &Objects) -> Result<bool, Unwritten> {
    let target = folder.join(&one.file);
    let failed = |error: std::io::Error| {
        Unwritten::Folder(format!("{} cannot be written: {error}.", target.display()))
    };
    let there = fs::metadata(&target).await;
    if there.is_ok_and(|there| there.len() == one.bytes) {
        return Ok(false);
    }
    let unread = |error: ObjectError| {
        Unwritten::Unread(match error {
            ObjectError::Missing => format!(
                "{} is not in the store of files: name the one that the tracker uses with \
                 --object-store.",
                one.file
            ),
            other => format!("{} cannot be read: {other:?}.", one.file),
        })
    };
    let mut stream = objects.read(&one.file).await.map_err(unread)?;
    let partial = partial(folder, &one.file);
    let mut file = fs::File::create(&partial).await.map_err(failed)?;
    let mut hash = digest::Context::new(&digest::SHA256);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(unread)?;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    drop(file);
    let mut name = FILE_PREFIX.to_owned();
    for byte in hash.finish().as_ref() {
        name.push_str(&format!("{byte:02x}"));
    }
    if name != one.file {
        return Err(Unwritten::Unread(format!(
            "{} is damaged in the store: its hash is {name}.",
            one.file
        )));
    }
    fs::rename(&partial, &target).await.map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_lead_out_of_the_folder() {
        let of = |name| path_of(Path::new("/d"), name);
        assert_eq!(of("./a/b.bin"), Some("/d/a/b.bin".into()));
        assert_eq!(of("sha256-0"), Some("/d/sha256-0".into()));
        for name in ["../a", "./../a", "/etc/passwd", "./a/../../b"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
