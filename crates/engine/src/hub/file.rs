//! The files of jobs between the rules ([`files`](crate::hub::files)) and the driver: what it reports of them, and what
//! it does with them.

use crate::hub::jobs::JobKey;
use distcompute_protocol::ErrorCode;

/// A file that a text names.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// `sha256-` and 64 hexadecimal digits.
    pub name: String,
    /// Its size.
    pub bytes: f64,
    /// Where it can be fetched, as an absolute address. Empty: the text does not say.
    pub url: String,
}

impl Reference {
    /// Whether it is fetched for a job whose input names it.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        !self.url.is_empty()
    }
}

/// A file that a handler has put. The driver has its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// The compute worker, and its number for this call.
    pub core: u32,
    /// See `core`.
    pub id: u32,
    /// The job.
    pub key: JobKey,
    /// As in [`Reference`].
    pub name: String,
    /// Its size.
    pub bytes: f64,
    /// Its media type, where it has one.
    pub kind: Option<String>,
}

/// An upload as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The lease of the job that names the file.
    pub ticket: String,
    /// As in [`Reference`].
    pub name: String,
    /// Its size.
    pub bytes: f64,
    /// Its media type, where it has one.
    pub kind: Option<String>,
    /// What the tracker calls the upload, and the size of its parts, once it has begun.
    pub begun: Option<(String, f64)>,
    /// Whether the tracker has the file.
    pub done: bool,
}

/// How an attempt to fetch a file has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// All of it is here, with the right hash. `durable`: in storage.
    Whole {
        /// See there.
        durable: bool,
    },
    /// The transfer broke off, or nothing came for too long. The driver keeps what has come.
    Broken,
    /// The answer was another one than the file.
    Refused {
        /// Its status.
        status: u16,
        /// When to try again, in milliseconds, where it says so.
        retry_after_ms: Option<u32>,
    },
    /// It is not the file that was asked for: its hash or its size is another.
    Damaged,
    /// It could not be stored.
    Full,
}

/// The answer to a call of an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The upload has begun, or these parts are there. Addresses are absolute.
    Parts {
        /// What the upload is called and the size of its parts, where it has begun.
        begun: Option<(String, f64)>,
        /// The parts that are there.
        stored: Vec<u32>,
        /// Where others are sent.
        parts: Vec<(u32, String)>,
    },
    /// The part or the file is stored.
    Stored,
    /// The tracker goes on checking the file: ask again, in so many milliseconds.
    Checking(u32),
    /// It was refused, or could not be read.
    Refused {
        /// The status.
        status: u16,
        /// The tracker's code.
        code: Option<ErrorCode>,
        /// When to try again, in milliseconds, where it says so.
        retry_after_ms: Option<u32>,
        /// The beginning of what it says.
        text: String,
    },
    /// There was no answer.
    NotReached(String),
}

/// What the driver reports of files.
#[derive(Debug, Clone, PartialEq)]
pub enum FileEvent {
    /// The answer to [`FileAction::Measure`].
    Room {
        /// So many bytes files may have together.
        bytes: f64,
        /// Whether what is kept outlives the page.
        durable: bool,
        /// What is kept already, the oldest first, with its sizes.
        kept: Vec<(String, f64)>,
    },
    /// This text names files. Reported before the event that brings the text.
    Named {
        /// The number of the text.
        text: u32,
        /// The files, each once.
        refs: Vec<Reference>,
    },
    /// The uploads in storage. Reported before the jobs in it.
    Uploads(Vec<Record>),
    /// A file was opened, or is not there any more.
    Opened(String, bool),
    /// So many bytes of a file have come.
    Moved(String, f64),
    /// An attempt to fetch a file has ended, by the number that it had.
    Fetched(u32, String, Fetched),
    /// A handler has put a file.
    Put(Put),
    /// A file that was put is kept; `false`: only in memory.
    Kept(String, bool),
    /// A call of an upload was answered.
    Replied(u32, Reply),
}

/// What the driver does with files.
#[derive(Debug, Clone, PartialEq)]
pub enum FileAction {
    /// Find out how much room there is and what is kept.
    Measure,
    /// Have a file at hand that is kept.
    Open {
        /// Which.
        name: String,
        /// Its size.
        bytes: f64,
    },
    /// Fetch a file, or the rest of it where an attempt before has broken off.
    Fetch {
        /// Comes back with the end of the attempt.
        id: u32,
        /// Which.
        name: String,
        /// Its size.
        bytes: f64,
        /// Its address.
        url: String,
        /// Whether to keep it in memory only.
        memory: bool,
        /// How long nothing may come, in milliseconds.
        stall_ms: u32,
    },
    /// End the attempt to fetch a file, if there is one, and let go of what has come.
    Leave(String),
    /// Keep a file that was put.
    Keep {
        /// Which.
        name: String,
        /// Its size.
        bytes: f64,
    },
    /// A file need not be at hand any more, but is kept.
    Close(String),
    /// Delete a file.
    Drop {
        /// Which.
        name: String,
        /// Its size.
        bytes: f64,
    },
    /// Answer a `put`: nothing, or why it was refused, as `code: sentence`.
    Answer {
        /// The compute worker.
        core: u32,
        /// Its number for the call.
        put: u32,
        /// Why it was refused.
        refused: Option<String>,
    },
    /// End a call of an upload that is under way. It comes back all the same.
    Cancel(u32),
    /// Make a call of an upload.
    Call {
        /// Comes back with the answer.
        id: u32,
        /// Which.
        call: UploadCall,
        /// How long it may take, in milliseconds.
        limit_ms: u32,
    },
}

/// A call of an upload.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the protocol's own names")]
pub enum UploadCall {
    Begin {
        token: String,
        lease: String,
        bytes: f64,
        kind: Option<String>,
    },
    Parts {
        token: String,
        lease: String,
        upload: String,
        from: u32,
    },
    /// Send the bytes `from..to` of a file.
    Put {
        url: String,
        name: String,
        from: f64,
        to: f64,
    },
    Finish {
        token: String,
        lease: String,
        upload: String,
        sha256: String,
    },
}
