//! The object store: a folder or a cloud's.
//!
//! It has two places: `uploads/ID/NUMBER` for parts, which anybody writes who has their address, and
//! `files/sha256-…`, which the tracker alone writes, after it has seen that the hash is right.

use std::{path::Path, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures_util::stream::BoxStream;

#[cfg(feature = "clouds")]
use super::cloud::Cloud;
pub use super::reading::{Check, ObjectError, OldUploads, Progress};
use super::{folder::Folder, location::Location};
use crate::rules::file_grants::Cut;

/// How long a probe takes at most. A cloud's client tries again for minutes, and the tracker starts after
/// the probe.
const PROBED_WITHIN: Duration = Duration::from_secs(5);

/// How long the deletion of a file takes at most: less than the time after which another tracker repeats
/// it, because one that comes later may delete what was uploaded since.
const DELETED_WITHIN: Duration = Duration::from_secs(120);

/// A file whose hash is right, and that has no name yet. What is not published is
/// [discarded](Objects::discard).
#[derive(Debug)]
pub enum Checked {
    /// A file in the folder.
    Folder(super::folder::Checked),
    /// What a cloud's store has been sent.
    #[cfg(feature = "clouds")]
    Cloud(super::cloud::Checked),
}

/// An object store.
#[derive(Debug)]
pub enum Objects {
    /// A folder of this machine.
    Folder(Folder),
    /// The store of a cloud.
    #[cfg(feature = "clouds")]
    Cloud(Box<Cloud>),
}

impl Objects {
    /// Opens the store at a location, `None` if that is off. Whether it can be reached is seen by
    /// [`probe`](Self::probe).
    ///
    /// # Errors
    /// Returns a sentence if it cannot be used.
    pub fn open(location: &Location) -> Result<Option<Self>, String> {
        match location {
            Location::Off => Ok(None),
            Location::Folder(folder) => Ok(Some(Self::Folder(Folder::new(folder)))),
            #[cfg(feature = "clouds")]
            Location::Cloud(url) => Ok(Some(Self::Cloud(Box::new(Cloud::new(url)?)))),
            #[cfg(not(feature = "clouds"))]
            Location::Cloud(url) => Err(format!(
                "object_store is {url}, and this program was built without the stores of clouds: take a \
                 released one, or build it with --features clouds."
            )),
        }
    }

    /// The folder, if the tracker itself takes and serves bytes.
    #[must_use]
    pub fn folder(&self) -> Option<&Folder> {
        match self {
            Self::Folder(folder) => Some(folder),
            #[cfg(feature = "clouds")]
            Self::Cloud(_) => None,
        }
    }

    /// The size of parts.
    #[must_use]
    pub fn part_bytes(&self) -> u64 {
        match self {
            Self::Folder(_) => super::folder::PART,
            #[cfg(feature = "clouds")]
            Self::Cloud(_) => super::cloud::PART,
        }
    }

    /// Writes, reads and deletes something small.
    ///
    /// # Errors
    /// Returns an error if that does not work.
    pub async fn probe(&self) -> Result<(), ObjectError> {
        let answered = tokio::time::timeout(PROBED_WITHIN, self.probe_it()).await;
        let why = "it does not answer within five seconds";
        answered.unwrap_or_else(|_| Err(ObjectError::Failed(why.to_owned())))
    }

    async fn probe_it(&self) -> Result<(), ObjectError> {
        match self {
            Self::Folder(folder) => folder.probe().await,
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => cloud.probe().await,
        }
    }

    /// The parts of an upload that are there with the right size, in ascending order.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn stored_parts(&self, upload: &str, cut: Cut) -> Result<Vec<u32>, ObjectError> {
        match self {
            Self::Folder(folder) => folder.stored_parts(upload, cut).await,
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => cloud.stored_parts(upload, cut).await,
        }
    }

    /// Reads the parts of an upload and compares size and hash. What is published afterwards is what
    /// was read here, even if parts are sent again meanwhile.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn check(
        &self,
        upload: &str,
        cut: Cut,
        name: &str,
        progress: &Arc<Progress>,
    ) -> Result<Check<Checked>, ObjectError> {
        match self {
            Self::Folder(folder) => {
                let check = folder.check(upload, cut, name, progress).await?;
                Ok(check.map(Checked::Folder))
            }
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => {
                let check = cloud.check(upload, cut, name, progress).await?;
                Ok(check.map(Checked::Cloud))
            }
        }
    }

    /// Gives a checked file its name. Once this has returned, it is on disk.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn publish(&self, checked: Checked, name: &str) -> Result<(), ObjectError> {
        match (self, checked) {
            (Self::Folder(folder), Checked::Folder(checked)) => folder.publish(checked, name).await,
            #[cfg(feature = "clouds")]
            (Self::Cloud(cloud), Checked::Cloud(checked)) => cloud.publish(checked, name).await,
            #[cfg(feature = "clouds")]
            _ => Err(ObjectError::Failed(
                "another store has checked it".to_owned(),
            )),
        }
    }

    /// Gives up a file that was checked: what is in the store of it is deleted.
    pub async fn discard(&self, checked: Checked) {
        match checked {
            // Its temporary file is deleted.
            Checked::Folder(checked) => drop(checked),
            #[cfg(feature = "clouds")]
            Checked::Cloud(checked) => checked.discard().await,
        }
    }

    /// The size of a file; `None` if the store does not have it.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, ObjectError> {
        match self {
            Self::Folder(folder) => folder.size(name).await,
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => cloud.size(name).await,
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Returns an error if the store fails or does not have the file.
    pub async fn read(
        &self,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        match self {
            Self::Folder(folder) => folder.read(name).await,
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => cloud.read(name).await,
        }
    }

    /// Reads a file of the owner's, to be published under the name that it has by its hash, which is
    /// returned with its size.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or the store fails.
    pub async fn copy_of(&self, file: &Path) -> Result<(Checked, String, u64), ObjectError> {
        match self {
            Self::Folder(folder) => {
                let (checked, name, bytes) = folder.copy_of(file).await?;
                Ok((Checked::Folder(checked), name, bytes))
            }
            #[cfg(feature = "clouds")]
            Self::Cloud(_) => {
                let (checked, name, bytes) = super::cloud::copy_of(file).await?;
                Ok((Checked::Cloud(checked), name, bytes))
            }
        }
    }

    /// Deletes a file, if it is there.
    ///
    /// # Errors
    /// Returns an error if the store fails, or takes minutes.
    pub async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let deleting = async {
            match self {
                Self::Folder(folder) => folder.delete(name).await,
                #[cfg(feature = "clouds")]
                Self::Cloud(cloud) => cloud.delete(name).await,
            }
        };
        let deleted = tokio::time::timeout(DELETED_WITHIN, deleting).await;
        deleted.unwrap_or_else(|_| {
            let why = "it takes minutes to delete a file";
            Err(ObjectError::Failed(why.to_owned()))
        })
    }

    /// Deletes the parts of an upload.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn delete_upload(&self, upload: &str) -> Result<(), ObjectError> {
        match self {
            Self::Folder(folder) => folder.delete_upload(upload).await,
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => cloud.delete_upload(upload).await,
        }
    }

    /// Deletes what was left of uploads longer ago than `age`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn delete_old_uploads(&self, age: Duration) -> Result<OldUploads, ObjectError> {
        match self {
            Self::Folder(folder) => folder.delete_old_uploads(age).await,
            #[cfg(feature = "clouds")]
            Self::Cloud(cloud) => cloud.delete_old_uploads(age).await,
        }
    }
}
