//! Files in the object store of a cloud, or in one that speaks like it. Browsers send parts to it and
//! fetch files from it themselves, by addresses that the tracker signs; the tracker reads each part
//! once, to see its hash, and writes the file.

use std::{path::Path, sync::Arc, time::Duration};

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

use super::reading::{BLOCK, Check, FILES, Hash, ObjectError, Progress, UPLOADS};
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
    /// them by its own rules; what is known to be wrong is aborted.
    Large(Box<dyn MultipartUpload>),
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

    /// The address to which a part is sent. It cannot demand a size; what has another is no part.
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
        let range = (size > 0).then(|| GetRange::Bounded(0..size));
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
        progress.begin();
        let mut hash = Hash::new();
        let mut writing = None;
        let mut small = Bytes::new();
        for number in 0..cut.parts() {
            let size = cut.size(number).unwrap_or(0);
            let Some(bytes) = self.part_bytes(upload, number, size).await? else {
                abort(writing).await;
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
            let writing = match &mut writing {
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
            writing.put_part(bytes.into()).await?;
        }
        if hash.name() != name {
            abort(writing).await;
            return Ok(Check::WrongHash);
        }
        let whole = match writing {
            Some(writing) => Whole::Large(writing),
            None => Whole::Small(small),
        };
        Ok(Check::Right(Checked(whole)))
    }

    pub(super) async fn publish(&self, checked: Checked, name: &str) -> Result<(), ObjectError> {
        match checked.0 {
            Whole::Large(mut writing) => {
                writing.complete().await?;
            }
            Whole::Small(bytes) => {
                let options = PutOptions {
                    attributes: attributes(),
                    ..PutOptions::default()
                };
                let key = self.file(name)?;
                self.store.put_opts(&key, bytes.into(), options).await?;
            }
        }
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

    pub(super) async fn add(&self, file: &Path) -> Result<(String, u64), ObjectError> {
        // Read twice: the name must be known before the first byte is written.
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
        let name = hash.name();
        if self.size(&name).await? == Some(bytes) {
            return Ok((name, bytes));
        }
        let source = tokio::fs::File::open(file).await?;
        let cut = Cut { bytes, part: PART };
        let mut limited = source.take(bytes);
        let mut again = Hash::new();
        let mut writing = None;
        let mut part = Vec::new();
        for number in 0..cut.parts() {
            let size = cut.size(number).unwrap_or(0);
            part = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            (&mut limited).take(size).read_to_end(&mut part).await?;
            again.add(&part);
            if cut.parts() > 1 {
                let writing = match &mut writing {
                    Some(writing) => writing,
                    None => {
                        let options = PutMultipartOptions {
                            attributes: attributes(),
                            ..PutMultipartOptions::default()
                        };
                        let key = self.file(&name)?;
                        writing.insert(self.store.put_multipart_opts(&key, options).await?)
                    }
                };
                writing.put_part(std::mem::take(&mut part).into()).await?;
            }
        }
        if again.name() != name {
            abort(writing).await;
            let why = format!("{} changed while it was read", file.display());
            return Err(ObjectError::Failed(why));
        }
        let whole = match writing {
            Some(writing) => Whole::Large(writing),
            None => Whole::Small(part.into()),
        };
        self.publish(Checked(whole), &name).await?;
        Ok((name, bytes))
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

    pub(super) async fn delete_old_uploads(&self, age: Duration) -> Result<u64, ObjectError> {
        let Some(before) = std::time::SystemTime::now().checked_sub(age) else {
            return Ok(0);
        };
        let mut listed = self.store.list(Some(&self.prefix.clone().join(UPLOADS)));
        let mut deleted = 0;
        while let Some(object) = listed.try_next().await? {
            if std::time::SystemTime::from(object.last_modified) < before {
                self.remove(&object.location).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
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

/// Gives up what has been written. What stays behind if that fails is deleted by the store's own rules.
async fn abort(writing: Option<Box<dyn MultipartUpload>>) {
    if let Some(mut writing) = writing
        && let Err(error) = writing.abort().await
    {
        tracing::warn!(%error, "an upload to the store of files could not be given up");
    }
}
