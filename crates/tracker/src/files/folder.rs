//! Files in a folder of this machine. The tracker takes and serves them itself.
//!
//! No path contains anything from a caller but digits of a fixed form: files have the names of their
//! hashes, uploads random ones. Everything is written under a temporary name and renamed.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use distcompute_protocol::is_file_name;
use futures_util::{StreamExt as _, stream::BoxStream};
use tempfile::{NamedTempFile, TempPath};
use tokio::task::spawn_blocking;

use super::reading::{BLOCK, Check, FILES, Hash, ObjectError, OldUploads, Progress, UPLOADS};
use crate::rules::file_grants::Cut;

/// The size of parts: what a slow line carries in half a minute.
pub(super) const PART: u64 = 4 << 20;

/// The folder of what is being written.
const TEMPORARY: &str = "temporary";

/// A folder of files.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// A file whose hash is right.
#[derive(Debug)]
pub struct Checked(TempPath);

/// A part that is being received.
#[derive(Debug)]
pub struct NewPart {
    file: tokio::fs::File,
    path: TempPath,
    target: PathBuf,
}

/// A file that is open for reading.
#[derive(Debug)]
pub struct Opened {
    file: File,
    /// Its size.
    pub bytes: u64,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, name: &str) -> Result<PathBuf, ObjectError> {
        if !is_file_name(name) {
            return Err(ObjectError::Missing);
        }
        Ok(self.root.join(FILES).join(name))
    }

    fn upload(&self, upload: &str) -> Result<PathBuf, ObjectError> {
        let is_place = upload.len() == 32 && upload.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_place {
            return Err(ObjectError::Missing);
        }
        Ok(self.root.join(UPLOADS).join(upload))
    }

    /// A file without a name that others know.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        let folder = self.root.join(TEMPORARY);
        make_folder(&folder)?;
        tempfile::Builder::new().prefix("new-").tempfile_in(folder)
    }

    /// Does work on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let folder = self.clone();
        spawn_blocking(move || work(&folder))
            .await
            .map_err(|error| ObjectError::Failed(error.to_string()))?
    }

    pub(super) async fn probe(&self) -> Result<(), ObjectError> {
        self.blocking(|folder| {
            // The folder is made when the first file comes.
            let there = folder.root.ancestors().find(|path| path.is_dir());
            let there = there.unwrap_or(Path::new("."));
            let mut file = tempfile::tempfile_in(there)?;
            file.write_all(b"x")?;
            Ok(())
        })
        .await
    }

    /// Begins to receive a part.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub async fn new_part(&self, upload: &str, number: u32) -> Result<NewPart, ObjectError> {
        let target = self.upload(upload)?.join(number.to_string());
        self.blocking(move |folder| {
            let (file, path) = folder.temporary()?.into_parts();
            Ok(NewPart {
                file: tokio::fs::File::from_std(file),
                path,
                target,
            })
        })
        .await
    }

    pub(super) async fn stored_parts(
        &self,
        upload: &str,
        cut: Cut,
    ) -> Result<Vec<u32>, ObjectError> {
        let place = self.upload(upload)?;
        self.blocking(move |_| {
            let entries = match fs::read_dir(&place) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut stored = Vec::new();
            for entry in entries {
                let entry = entry?;
                let number = entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse().ok());
                let size = number.and_then(|number| cut.size(number));
                if let (Some(number), Some(size)) = (number, size)
                    && entry.metadata().is_ok_and(|of| of.len() == size)
                {
                    stored.push(number);
                }
            }
            stored.sort_unstable();
            Ok(stored)
        })
        .await
    }

    pub(super) async fn check(
        &self,
        upload: &str,
        cut: Cut,
        name: &str,
        progress: &Arc<Progress>,
    ) -> Result<Check<Checked>, ObjectError> {
        let (place, name) = (self.upload(upload)?, name.to_owned());
        let progress = Arc::clone(progress);
        self.blocking(move |folder| folder.check_parts(&place, cut, &name, &progress))
            .await
    }

    fn check_parts(
        &self,
        place: &Path,
        cut: Cut,
        name: &str,
        progress: &Progress,
    ) -> Result<Check<Checked>, ObjectError> {
        progress.begin();
        let mut hash = Hash::new();
        let checked = if cut.parts() == 1 {
            // A part that is sent again gets a new file under the old name; this one stays.
            let Some(path) = self.linked(&place.join("0"), cut.bytes)? else {
                return Ok(Check::Incomplete(0));
            };
            // Windows writes only what was opened for writing to the disk.
            let mut file = File::options().read(true).write(true).open(&path)?;
            let read = copy(&mut file, &mut hash, None, progress, cut.bytes)?;
            if read != cut.bytes {
                return Ok(Check::Incomplete(0));
            }
            // As old as this name of it is, or the sweep would take it for one that was left behind.
            file.set_modified(SystemTime::now())?;
            file.sync_all()?;
            path
        } else {
            let (mut whole, path) = self.temporary()?.into_parts();
            for number in 0..cut.parts() {
                let size = cut.size(number).unwrap_or(0);
                let part = File::open(place.join(number.to_string()));
                let mut part = match part {
                    Ok(part) => part,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Check::Incomplete(number));
                    }
                    Err(error) => return Err(error.into()),
                };
                let read = copy(&mut part, &mut hash, Some(&mut whole), progress, size)?;
                if read != size {
                    return Ok(Check::Incomplete(number));
                }
            }
            whole.sync_all()?;
            path
        };
        if hash.name() != name {
            return Ok(Check::WrongHash);
        }
        Ok(Check::Right(Checked(checked)))
    }

    /// A second name for a part, under which it cannot be replaced.
    fn linked(&self, part: &Path, bytes: u64) -> Result<Option<TempPath>, ObjectError> {
        let path = self.temporary()?.into_temp_path();
        fs::remove_file(&path)?;
        match fs::hard_link(part, &path) {
            Ok(()) => Ok(Some(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // This file system has no second names.
            Err(_) => self.copied(part, bytes),
        }
    }

    /// A copy of a part, which is too long if the part is.
    fn copied(&self, part: &Path, bytes: u64) -> Result<Option<TempPath>, ObjectError> {
        let part = match File::open(part) {
            Ok(part) => part,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut copy, path) = self.temporary()?.into_parts();
        io::copy(&mut part.take(bytes.saturating_add(1)), &mut copy)?;
        Ok(Some(path))
    }

    pub(super) async fn publish(&self, checked: Checked, name: &str) -> Result<(), ObjectError> {
        let target = self.file(name)?;
        self.blocking(move |folder| folder.name(checked, &target))
            .await
    }

    fn name(&self, checked: Checked, target: &Path) -> Result<(), ObjectError> {
        let folder = self.root.join(FILES);
        make_folder(&folder)?;
        checked.0.persist(target).map_err(|error| {
            // Something else has deleted it: the same call succeeds when it is repeated.
            ObjectError::Failed(format!("a file cannot be named: {}", error.error))
        })?;
        sync_folder(&folder)?;
        Ok(())
    }

    pub(super) async fn copy_of(&self, file: &Path) -> Result<(Checked, String, u64), ObjectError> {
        let source = file.to_owned();
        self.blocking(move |folder| {
            let (mut whole, path) = folder.temporary()?.into_parts();
            let mut hash = Hash::new();
            let mut source = File::open(source)?;
            let progress = Progress::default();
            let bytes = copy(
                &mut source,
                &mut hash,
                Some(&mut whole),
                &progress,
                u64::MAX,
            )?;
            whole.sync_all()?;
            Ok((Checked(path), hash.name(), bytes))
        })
        .await
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, ObjectError> {
        let file = self.file(name)?;
        self.blocking(move |_| match fs::metadata(file) {
            Ok(of) => Ok(Some(of.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Returns an error if it is not there or cannot be read.
    pub async fn open(&self, name: &str) -> Result<Opened, ObjectError> {
        let path = self.file(name)?;
        self.blocking(move |_| {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            Ok(Opened { file, bytes })
        })
        .await
    }

    pub(super) async fn read(
        &self,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let opened = self.open(name).await?;
        let bytes = opened.bytes;
        let stream = opened.range(0, bytes).await?;
        Ok(stream.map(|read| read.map_err(ObjectError::from)).boxed())
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let file = self.file(name)?;
        self.blocking(move |_| present(fs::remove_file(file)).map_err(Into::into))
            .await
    }

    pub(super) async fn delete_upload(&self, upload: &str) -> Result<(), ObjectError> {
        let place = self.upload(upload)?;
        self.blocking(move |_| present(fs::remove_dir_all(place)).map_err(Into::into))
            .await
    }

    pub(super) async fn delete_old_uploads(
        &self,
        age: Duration,
    ) -> Result<OldUploads, ObjectError> {
        self.blocking(move |folder| {
            let before = SystemTime::now().checked_sub(age);
            let mut old = OldUploads::default();
            for place in [UPLOADS, TEMPORARY] {
                let entries = match fs::read_dir(folder.root.join(place)) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error.into()),
                };
                for entry in entries {
                    let entry = entry?;
                    // The time of a folder is that of the last part that came.
                    let modified = entry.metadata().and_then(|of| of.modified());
                    let is_folder = entry.file_type()?.is_dir();
                    if modified.is_ok_and(|at| before.is_some_and(|before| at < before)) {
                        present(if is_folder {
                            fs::remove_dir_all(entry.path())
                        } else {
                            fs::remove_file(entry.path())
                        })?;
                        old.deleted += 1;
                    } else if is_folder {
                        old.is_there(entry.file_name().to_str(), bytes_in(&entry.path()));
                    }
                }
            }
            Ok(old)
        })
        .await
    }
}

/// The size of the files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|of| of.len()).sum()
}

impl NewPart {
    /// Writes some bytes.
    ///
    /// # Errors
    /// Returns an error if they cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        use tokio::io::AsyncWriteExt as _;
        Ok(self.file.write_all(bytes).await?)
    }

    /// Puts the part in its place, where it replaces an earlier one.
    ///
    /// # Errors
    /// Returns an error if that does not work.
    pub async fn finish(mut self) -> Result<(), ObjectError> {
        use tokio::io::AsyncWriteExt as _;
        self.file.flush().await?;
        let finishing = spawn_blocking(move || {
            if let Some(folder) = self.target.parent() {
                make_folder(folder)?;
            }
            let renamed = self.path.persist(&self.target);
            renamed.map_err(|error| ObjectError::from(error.error))
        });
        finishing
            .await
            .map_err(|error| ObjectError::Failed(error.to_string()))?
    }
}

impl Opened {
    /// The bytes from `from` on, as many as `count`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub async fn range(
        self,
        from: u64,
        count: u64,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
        let mut file = tokio::fs::File::from_std(self.file);
        if from > 0 {
            file.seek(io::SeekFrom::Start(from)).await?;
        }
        let step = |(mut file, left): (tokio::fs::File, u64)| async move {
            if left == 0 {
                return None;
            }
            let block = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let mut buffer = Vec::with_capacity(block);
            let mut limited = (&mut file).take(block as u64);
            match limited.read_buf(&mut buffer).await {
                // The file is shorter than it was: the answer breaks off, and the client sees that.
                Ok(0) => Some((Err(io::ErrorKind::UnexpectedEof.into()), (file, 0))),
                Ok(read) => Some((Ok(Bytes::from(buffer)), (file, left - read as u64))),
                Err(error) => Some((Err(error), (file, 0))),
            }
        };
        Ok(futures_util::stream::unfold((file, count), step).boxed())
    }
}

/// Reads at most `most` bytes and one more, hashes them, and writes them.
fn copy(
    from: &mut File,
    hash: &mut Hash,
    mut into: Option<&mut File>,
    progress: &Progress,
    most: u64,
) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut limited = from.take(most.saturating_add(1));
    let mut all = 0;
    loop {
        let read = limited.read(&mut block)?;
        let Some(read) = block.get(..read).filter(|read| !read.is_empty()) else {
            return Ok(all);
        };
        hash.add(read);
        if let Some(into) = &mut into {
            into.write_all(read)?;
        }
        all += read.len() as u64;
        progress.add(read.len());
    }
}

/// Makes a folder that other users of the machine cannot read.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Has the names in a folder written to disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// What is not there need not be deleted.
fn present(deleted: io::Result<()>) -> io::Result<()> {
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
