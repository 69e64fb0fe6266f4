//! What the object stores share: the names of places, what goes wrong, and reading parts with their hash.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use ring::digest;

/// The folder of parts.
pub(super) const UPLOADS: &str = "uploads";

/// The folder of files.
pub(super) const FILES: &str = "files";

/// How much is read and hashed at once.
pub(super) const BLOCK: usize = 256 << 10;

/// Why the object store did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// It does not have it.
    Missing,
    /// It has no room.
    Full,
    /// Anything else; the text is for the log.
    Failed(String),
}

impl From<std::io::Error> for ObjectError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What a check of an upload has found.
#[derive(Debug)]
pub enum Check<T> {
    /// The parts are the file: it can be given its name.
    Right(T),
    /// This part is missing, or has the wrong size.
    Incomplete(u32),
    /// The hash is another one.
    WrongHash,
}

impl<T> Check<T> {
    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Check<U> {
        match self {
            Self::Right(checked) => Check::Right(to(checked)),
            Self::Incomplete(number) => Check::Incomplete(number),
            Self::WrongHash => Check::WrongHash,
        }
    }
}

/// How far a check is.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// The number of bytes that were read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn begin(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// What a sweep of unfinished uploads has found.
#[derive(Debug, Default)]
pub struct OldUploads {
    /// How many things it has deleted.
    pub deleted: u64,
    /// The uploads that are left, with the size of their parts.
    pub left: HashMap<u128, u64>,
}

impl OldUploads {
    /// Counts bytes of an upload by the name of its place.
    pub(super) fn is_there(&mut self, place: Option<&str>, bytes: u64) {
        let id = place.and_then(|place| u128::from_str_radix(place, 16).ok());
        if let Some(id) = id {
            *self.left.entry(id).or_default() += bytes;
        }
    }
}

/// The hash of a file.
pub(super) struct Hash(digest::Context);

impl Hash {
    pub(super) fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The name of the file.
    pub(super) fn name(self) -> String {
        let mut name = distcompute_protocol::FILE_PREFIX.to_owned();
        for byte in self.0.finish().as_ref() {
            use std::fmt::Write as _;
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}
