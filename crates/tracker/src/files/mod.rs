//! Files of jobs: where their bytes are, how they get there, and who may name and fetch them.
//!
//! The bytes are in an object store ([`objects`]), a folder or a cloud's; which jobs a file belongs to
//! is in the database ([`FileRows`](crate::store::FileRows)). Everything that entitles to bytes is a
//! signed text ([`file_grants`](crate::rules::file_grants)).

pub mod addresses;
mod checks;
#[cfg(feature = "clouds")]
pub mod cloud;
pub mod folder;
pub mod location;
pub mod objects;
mod reading;
pub mod results;
mod space;
pub mod sweep;
pub mod uploads;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

pub use self::space::{Coming, Disk};
use self::{
    checks::Checks,
    location::Location,
    objects::{ObjectError, Objects},
    space::Space,
};
use crate::{
    clock::Millis,
    rules::{
        file_grants::Upload,
        keep_free::KeepFree,
        unfinished::{Caps, LEAST_COUNTED, Over, Unfinished},
    },
    store::StoreError,
};

/// How much may be stored, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In one file.
    pub file: u64,
    /// In all files of a lease.
    pub per_job: u64,
    /// In all files of the project; 0: no limit.
    pub total: u64,
    /// In all uploads that an address group begins within a day; 0: no limit.
    pub per_day: u64,
    /// In all uploads that have begun and are not finished; 0: no limit.
    pub unfinished: u64,
    /// How much of the disk is kept free.
    pub keep_free: KeepFree,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 1 << 30,
            per_job: 2 << 30,
            total: 0,
            per_day: 20 << 30,
            unfinished: 64 << 30,
            keep_free: KeepFree::default(),
        }
    }
}

/// Why a call about files was refused or has failed.
#[derive(Debug, Clone)]
pub enum FileError {
    /// The project takes no files.
    Off,
    /// There is no such file, or no such address of one.
    Unknown,
    /// The lease does not entitle to it.
    NotGranted(String),
    /// The bytes do not have the hash.
    WrongHash,
    /// This part is missing, or has the wrong size.
    Incomplete(u32),
    /// The address or the upload has expired.
    Expired,
    /// It is larger than allowed; the sentence says than what.
    TooLarge(String),
    /// The files of the project are as large together as they may be.
    Full,
    /// The store has no room.
    StoreFull,
    /// The disk has less free than is kept free.
    DiskFull {
        /// How many bytes it has.
        free: u64,
        /// How many are kept free.
        keep: u64,
    },
    /// As much as may be has begun and is not finished.
    Unfinished(Over),
    /// The same call may succeed soon.
    Busy,
    /// The object store does not answer as it should; the text is for the log.
    Away(String),
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for FileError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ObjectError> for FileError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing => Self::Unknown,
            ObjectError::Full => Self::StoreFull,
            ObjectError::Failed(why) => Self::Away(why),
        }
    }
}

/// The files of a project.
pub struct Files {
    objects: Option<Objects>,
    limits: Limits,
    checks: Checks,
    day: Day,
    unfinished: Mutex<Unfinished>,
    space: Space,
}

impl Files {
    /// Keeps files at a location.
    ///
    /// # Errors
    /// Returns a sentence if the location cannot be used.
    pub fn new(location: &Location, limits: Limits) -> Result<Self, String> {
        Ok(Self::with(Objects::open(location)?, limits))
    }

    /// Takes no files.
    #[must_use]
    pub fn off() -> Self {
        Self::with(None, Limits::default())
    }

    fn with(objects: Option<Objects>, limits: Limits) -> Self {
        Self {
            objects,
            limits,
            checks: Checks::default(),
            day: Day::default(),
            unfinished: Mutex::default(),
            space: Space::new(limits.keep_free),
        }
    }

    /// Where the bytes are; `None` if the project takes no files.
    #[must_use]
    pub fn objects(&self) -> Option<&Objects> {
        self.objects.as_ref()
    }

    /// The same, for calls that need it.
    ///
    /// # Errors
    /// Returns an error if the project takes no files.
    pub fn there(&self) -> Result<&Objects, FileError> {
        self.objects.as_ref().ok_or(FileError::Off)
    }

    /// How much may be stored.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts an upload of an address group. If the group has none left, says after what time it has.
    ///
    /// # Errors
    /// Returns that time.
    pub fn count(&self, group: IpAddr, bytes: u64) -> Result<(), Duration> {
        let bytes = bytes.max(LEAST_COUNTED);
        self.day.take(group, bytes, self.limits.per_day)
    }

    fn uploads(&self) -> MutexGuard<'_, Unfinished> {
        let uploads = self.unfinished.lock();
        uploads.unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an upload that begins or goes on among those that are not finished.
    ///
    /// # Errors
    /// Returns an error if as much as may be is unfinished.
    pub fn goes_on(&self, upload: &Upload, now: Millis) -> Result<(), FileError> {
        let caps = Caps {
            // Twice: what is begun anew counts until the addresses of its parts have expired.
            lease: self.limits.per_job.saturating_mul(2),
            all: self.limits.unfinished,
        };
        let entered = self.uploads().enter(upload, caps, now);
        entered.map_err(FileError::Unfinished)
    }

    /// A part of an upload has come.
    pub fn came(&self, place: &str, now: Millis) {
        if let Ok(id) = u128::from_str_radix(place, 16) {
            self.uploads().came(id, now);
        }
    }

    /// An upload is finished. Returns whether it was counted.
    pub fn ended(&self, upload: &Upload) -> bool {
        self.uploads().leave(upload.id)
    }

    /// How many bytes uploads have together that are not finished, as announced.
    #[must_use]
    pub fn unfinished_bytes(&self) -> u64 {
        self.uploads().bytes()
    }

    /// Reserves room on the disk for some bytes. In a cloud there is always some.
    ///
    /// # Errors
    /// Returns an error if the disk had too little free with them.
    pub async fn room(&self, bytes: u64) -> Result<Option<Coming>, FileError> {
        match self.there()?.folder() {
            Some(folder) => self.space.room(folder, bytes, false).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same for bytes that take the place of as many others soon.
    async fn room_for_a_while(&self, bytes: u64) -> Result<Option<Coming>, FileError> {
        match self.there()?.folder() {
            Some(folder) => self.space.room(folder, bytes, true).await.map(Some),
            None => Ok(None),
        }
    }

    /// The disk, if files are in a folder.
    pub async fn disk(&self) -> Option<Disk> {
        space::disk(self.objects.as_ref()?.folder()?).await
    }
}

/// How long what was uploaded counts.
const DAY: Duration = Duration::from_secs(86_400);

/// When there are more address groups than this, those whose day is over are removed.
const MANY_GROUPS: usize = 10_000;

/// What address groups have uploaded, since the first upload of a day each.
#[derive(Default)]
struct Day(Mutex<HashMap<IpAddr, (Instant, u64)>>);

impl Day {
    fn take(&self, group: IpAddr, bytes: u64, most: u64) -> Result<(), Duration> {
        if most == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut groups = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if groups.len() > MANY_GROUPS {
            groups.retain(|_, (since, _)| now - *since < DAY);
        }
        let (since, taken) = groups.entry(group).or_insert((now, 0));
        if now - *since >= DAY {
            (*since, *taken) = (now, 0);
        }
        let all = taken.saturating_add(bytes);
        if all > most {
            return Err(DAY.saturating_sub(now - *since));
        }
        *taken = all;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_group_uploads_as_much_as_it_may_in_a_day() {
        let day = Day::default();
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        assert_eq!(day.take(one, 60, 100), Ok(()));
        let hour = Duration::from_secs(3_600);
        tokio::time::advance(hour).await;
        assert_eq!(day.take(one, 41, 100), Err(DAY - hour));
        assert_eq!(
            day.take(one, 40, 100),
            Ok(()),
            "what is refused is not counted"
        );
        assert_eq!(day.take(other, 100, 100), Ok(()));
        assert_eq!(day.take(one, u64::MAX, 0), Ok(()), "no limit");
        tokio::time::advance(DAY - hour).await;
        assert_eq!(day.take(one, 100, 100), Ok(()));
        assert_eq!(day.take(one, u64::MAX, 100), Err(DAY));
    }
}
