//! Files in the object store of a cloud, or in one that speaks like it. Browsers send parts to it and
//! fetch files from it themselves, by addresses that the tracker signs; the tracker reads each part
//! once, to see its hash, and writes the file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
use distcompute_protocol::{FILE_TYPE, is_file_name};
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
    path::Path as Key,
    signer::{Method, Signer},
};
use tokio::{io::AsyncReadExt as _, task::spawn_blocking};

use super::reading::{BLOCK, Check, FILES, Hash, ObjectError, OldUploads, Progress, UPLOADS};
use crate::rules::file_grants::Cut;

/// The size of parts, which are also those of the file as it is written: stores demand 5 MiB.
pub(super) const PART: u64 = 8 << 20;

/// How long a signed address of a file is valid. Browsers ask the tracker for one when they need it.
const FETCH_LASTS: Duration = Duration::from_secs(900);

/// A cloud's object store.
#[derive(Debug)]
pub struct Cloud {
    store: Arc<dyn ObjectStore>,
    signer: Arc<dyn Signer>,
    prefix: Key,
    /// Headers that a part must be sent with.
    headers: &'static [(&'static str, &'static str)],
}

/// A file whose hash is right.
pub struct Checked(Whole);

enum Whole {
    /// In one part, which is in memory.
    Small(Bytes),
    /// All parts are written, and become an object when that is completed. Dropped, the store deletes
    /// them by its own rules; whoever can aborts it.
    Large(Box<dyn MultipartUpload>),
    /// A file of the owner's, which is sent when it is published.
    Local(PathBuf, u64),
}

impl Checked {
    pub(super) async fn discard(self) {
        if let Whole::Large(writing) = self.0 {
            abort(Some(writing)).await;
        }
    }
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checked")
    }
}

impl From<object_store::Error> for ObjectError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Cloud {
    /// Opens the store at this address, with the secrets and options of the environment.
    pub(super) fn new(url: &url::Url) -> Result<Self, String> {
        // The default of TLS; that a part of the program has set one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = |error: object_store::Error| format!("object_store {url}: {error}.");
        let prefix = Key::from_url_path(url.path()).map_err(|error| wrong(error.into()))?;
        let address = url.to_string();
        let cloud = match url.scheme() {
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_url(address);
                let store = Arc::new(builder.build().map_err(wrong)?);
                Self {
                    signer: store.clone(),
                    store,
                    prefix,
                    headers: &[],
                }
            }
            "az" => {
                let builder = MicrosoftAzureBuilder::from_env().with_url(address);
                let store = Arc::new(builder.build().map_err(wrong)?);
                Self {
                    signer: store.clone(),
                    store,
                    prefix,
                    headers: &[("x-ms-blob-type", "BlockBlob")],
                }
            }
            _ => {
                let builder = AmazonS3Builder::from_env().with_url(address);
                let store = Arc::new(builder.build().map_err(wrong)?);
                Self {
                    signer: store.clone(),
                    store,
                    prefix,
                    headers: &[],
                }
            }
        };
        Ok(cloud)
    }

    fn key(&self, folder: &str, name: &str) -> Key {
        self.prefix.clone().join(folder).join(name)
    }

    fn file(&self, name: &str) -> Result<Key, ObjectError> {
        if !is_file_name(name) {
            return Err(ObjectError::Missing);
        }
        Ok(self.key(FILES, name))
    }

    fn part(&self, upload: &str, number: u32) -> Key {
        self.key(UPLOADS, upload).join(number.to_string())
    }

    /// The headers that a part must be sent with.
    #[must_use]
    pub fn headers(&self) -> &'static [(&'static str, &'static str)] {
        self.headers
    }

    /// The address to which a part is sent. It cannot demand a size, because the signers of
    /// `object_store` refuse `content-length`; what has another is no part.
    ///
    /// # Errors
    /// Returns an error if it cannot be signed.
    pub async fn part_address(
        &self,
        upload: &str,
        number: u32,
        lasts: Duration,
    ) -> Result<String, ObjectError> {
        let key = self.part(upload, number);
        let signed = self.signer.signed_url(Method::PUT, &key, lasts);
        Ok(signed.await?.into())
    }

    /// The address from which a file is fetched.
    ///
    /// # Errors
    /// Returns an error if it cannot be signed.
    pub async fn file_address(&self, name: &str) -> Result<String, ObjectError> {
        let key = self.file(name)?;
        let signed = self.signer.signed_url(Method::GET, &key, FETCH_LASTS);
        Ok(signed.await?.into())
    }

    pub(super) async fn probe(&self) -> Result<(), ObjectError> {
        let key = self.key(UPLOADS, "probe");
        self.store.put(&key, PutPayload::from_static(b"x")).await?;
        self.store.delete(&key).await?;
        Ok(())
    }

    pub(super) async fn stored_parts(
        &self,
        upload: &str,
        cut: Cut,
    ) -> Result<Vec<u32>, ObjectError> {
        let mut listed = self.store.list(Some(&self.key(UPLOADS, upload)));
        let mut stored = Vec::new();
        while let Some(object) = listed.try_next().await? {
            let number = object.location.filename();
            let number = number.and_then(|name| name.parse().ok());
            if let Some(number) = number.filter(|number| cut.size(*number) == Some(object.size)) {
                stored.push(number);
            }
        }
        stored.sort_unstable();
        Ok(stored)
    }

    /// The bytes of a part, if it has this size.
    async fn part_bytes(
        &self,
        upload: &str,
        number: u32,
        size: u64,
    ) -> Result<Option<Bytes>, ObjectError> {
        // Never more than was said is read. A range of an empty object cannot be asked for.
        let range = (size > 0).then_some(GetRange::Bounded(0..size));
        let options = GetOptions::new().with_range(range);
        let got = match self
            .store
            .get_opts(&self.part(upload, number), options)
            .await
        {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if got.meta.size != size {
            return Ok(None);
        }
        let bytes = got.bytes().await?;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 == size))
    }

    pub(super) async fn check(
        &self,
        upload: &str,
        cut: Cut,
        name: &str,
        progress: &Progress,
    ) -> Result<Check<Checked>, ObjectError> {
        let mut writing = None;
        let checked = self.read_parts(upload, cut, name, progress, &mut writing);
        let checked = checked.await;
        // After an error too, or the store would keep what was written.
        let Ok(Check::Right(small)) = checked else {
            abort(writing).await;
            return checked.map(|check| check.map(|small| Checked(Whole::Small(small))));
        };
        let whole = match writing {
            Some(writing) => Whole::Large(writing),
            None => Whole::Small(small),
        };
        Ok(Check::Right(Checked(whole)))
    }

    /// Reads the parts, and begins to write the file if there are several. Returns the bytes of a single
    /// one.
    async fn read_parts(
        &self,
        upload: &str,
        cut: Cut,
        name: &str,
        progress: &Progress,
        writing: &mut Writing,
    ) -> Result<Check<Bytes>, ObjectError> {
        progress.begin();
        let mut hash = Hash::new();
        let mut small = Bytes::new();
        for number in 0..cut.parts() {
            let size = cut.size(number).unwrap_or(0);
            let Some(bytes) = self.part_bytes(upload, number, size).await? else {
                return Ok(Check::Incomplete(number));
            };
            progress.add(bytes.len());
            let part = bytes.clone();
            hash = spawn_blocking(move || {
                hash.add(&part);
                hash
            })
            .await
            .map_err(|error| ObjectError::Failed(error.to_string()))?;
            if cut.parts() == 1 {
                small = bytes;
                continue;
            }
            self.write_part(name, writing, bytes).await?;
        }
        Ok(match hash.name() == name {
            true => Check::Right(small),
            false => Check::WrongHash,
        })
    }

    /// Writes the next part of a file, and begins it with the first one.
    async fn write_part(
        &self,
        name: &str,
        writing: &mut Writing,
        bytes: Bytes,
    ) -> Result<(), ObjectError> {
        let writing = match writing {
            Some(writing) => writing,
            None => {
                let options = PutMultipartOptions {
                    attributes: attributes(),
                    ..PutMultipartOptions::default()
                };
                let key = self.file(name)?;
                writing.insert(self.store.put_multipart_opts(&key, options).await?)
            }
        };
        Ok(writing.put_part(bytes.into()).await?)
    }

    pub(super) async fn publish(&self, checked: Checked, name: &str) -> Result<(), ObjectError> {
        match checked.0 {
            Whole::Large(writing) => complete(writing).await,
            Whole::Small(bytes) => self.put(bytes, name).await,
            Whole::Local(file, bytes) => self.send(&file, bytes, name).await,
        }
    }

    async fn put(&self, bytes: Bytes, name: &str) -> Result<(), ObjectError> {
        let options = PutOptions {
            attributes: attributes(),
            ..PutOptions::default()
        };
        let key = self.file(name)?;
        self.store.put_opts(&key, bytes.into(), options).await?;
        Ok(())
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, ObjectError> {
        match self.store.head(&self.file(name)?).await {
            Ok(object) => Ok(Some(object.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn read(
        &self,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let got = self.store.get(&self.file(name)?).await?;
        Ok(got.into_stream().map_err(ObjectError::from).boxed())
    }

    /// Sends a file of the owner's that was read before, unless the store has it.
    async fn send(&self, file: &Path, bytes: u64, name: &str) -> Result<(), ObjectError> {
        if self.size(name).await? == Some(bytes) {
            return Ok(());
        }
        let mut writing = None;
        match self.send_parts(file, bytes, name, &mut writing).await {
            Ok(small) => match writing {
                Some(writing) => complete(writing).await,
                None => self.put(small, name).await,
            },
            Err(error) => {
                abort(writing).await;
                Err(error)
            }
        }
    }

    async fn send_parts(
        &self,
        file: &Path,
        bytes: u64,
        name: &str,
        writing: &mut Writing,
    ) -> Result<Bytes, ObjectError> {
        let source = tokio::fs::File::open(file).await?;
        let cut = Cut { bytes, part: PART };
        let mut limited = source.take(bytes);
        let mut hash = Hash::new();
        let mut small = Bytes::new();
        for number in 0..cut.parts() {
            let size = cut.size(number).unwrap_or(0);
            let mut part = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            (&mut limited).take(size).read_to_end(&mut part).await?;
            hash.add(&part);
            match cut.parts() {
                1 => small = part.into(),
                _ => self.write_part(name, writing, part.into()).await?,
            }
        }
        if hash.name() != name {
            let why = format!("{} changed while it was read", file.display());
            return Err(ObjectError::Failed(why));
        }
        Ok(small)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.remove(&self.file(name)?).await
    }

    async fn remove(&self, key: &Key) -> Result<(), ObjectError> {
        match self.store.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn delete_upload(&self, upload: &str) -> Result<(), ObjectError> {
        let mut listed = self.store.list(Some(&self.key(UPLOADS, upload)));
        while let Some(object) = listed.try_next().await? {
            self.remove(&object.location).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_old_uploads(
        &self,
        age: Duration,
    ) -> Result<OldUploads, ObjectError> {
        let before = std::time::SystemTime::now().checked_sub(age);
        let place = self.prefix.clone().join(UPLOADS);
        let mut listed = self.store.list(Some(&place));
        let mut old = OldUploads::default();
        while let Some(object) = listed.try_next().await? {
            let at = std::time::SystemTime::from(object.last_modified);
            if before.is_some_and(|before| at < before) {
                self.remove(&object.location).await?;
                old.deleted += 1;
            } else {
                let mut parts = object.location.prefix_match(&place).into_iter().flatten();
                let upload = parts.next();
                let upload = upload.as_ref().map(AsRef::as_ref);
                old.is_there(upload, object.size);
            }
        }
        Ok(old)
    }
}

/// A file that is being written in parts, once the first one is there.
type Writing = Option<Box<dyn MultipartUpload>>;

/// Reads a file of the owner's: its name must be known before the first byte is written.
pub(super) async fn copy_of(file: &Path) -> Result<(Checked, String, u64), ObjectError> {
    let mut hash = Hash::new();
    let mut source = tokio::fs::File::open(file).await?;
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        let read = source.read(&mut block).await?;
        let Some(read) = block.get(..read).filter(|read| !read.is_empty()) else {
            break;
        };
        hash.add(read);
        bytes += read.len() as u64;
    }
    let whole = Whole::Local(file.to_owned(), bytes);
    Ok((Checked(whole), hash.name(), bytes))
}

/// How a store answers with a file: as a download of no type, which no browser runs.
fn attributes() -> Attributes {
    Attributes::from_iter([
        (Attribute::ContentType, FILE_TYPE),
        (Attribute::ContentDisposition, "attachment"),
        (
            Attribute::CacheControl,
            "private, max-age=31536000, immutable",
        ),
    ])
}

/// Makes an object of what has been written.
async fn complete(mut writing: Box<dyn MultipartUpload>) -> Result<(), ObjectError> {
    match writing.complete().await {
        Ok(_) => Ok(()),
        Err(error) => {
            // If it is complete nevertheless, there is nothing to give up.
            abort(Some(writing)).await;
            Err(error.into())
        }
    }
}

/// Gives up what has been written. What stays behind if that fails is deleted by the store's own rules.
async fn abort(writing: Writing) {
    if let Some(mut writing) = writing
        && let Err(error) = writing.abort().await
    {
        tracing::warn!(%error, "an upload to the store of files could not be given up");
    }
}
