//! What the hub has its driver do: requests, messages to compute workers and to the page, records to store.

use distcompute_protocol::Stage;

use crate::client::call::{Answer, Call};
use crate::client::probe::Finding;
use crate::fault::Fault;
use crate::hub::file::FileAction;
use crate::hub::file::Record;
use crate::hub::jobs::{JobKey, Text};

/// A request to the tracker.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerRequest {
    /// Its number, which comes back with the answer.
    pub id: u32,
    /// What is asked.
    pub wire: Wire,
    /// How long it may take until the answer begins, in milliseconds.
    pub limit_ms: u32,
    /// Whether to find out why, if it fails below HTTP.
    pub probe: bool,
    /// How long the answer may make no progress once it has begun, in milliseconds.
    pub stall_ms: u32,
}

/// The progress of a request, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Transfer {
    /// The status of its answer.
    pub status: u16,
    /// Bytes of its body. They are counted when the answer begins; before, it is not known how many were
    /// sent.
    pub up: f64,
    /// How long its body took to be written, in milliseconds, before the browser had it: the connection is not to
    /// blame for that.
    pub written_ms: f64,
    /// Bytes of its answer, after decompression.
    pub down: f64,
    /// Whether this is all. The next event is the answer itself.
    pub ended: bool,
}

/// A request to the tracker. The driver puts in the texts, which it keeps.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the protocol's own names")]
pub enum Wire {
    Register {
        nickname: String,
        stage: Stage,
    },
    Sync(Sync),
    NewJob {
        token: String,
    },
    Complete {
        token: String,
        number: u64,
        data: Text,
    },
    Flag {
        token: String,
        number: u64,
    },
    Progress {
        token: String,
        text: String,
    },
    Validate {
        token: String,
    },
    Bye {
        token: String,
    },
}

impl Wire {
    /// Which call of the protocol it is.
    #[must_use]
    pub fn call(&self) -> Call {
        match self {
            Self::Register { .. } => Call::New,
            Self::Sync(_) => Call::Sync,
            Self::NewJob { .. } => Call::NewJob,
            Self::Complete { .. } => Call::CompleteJob,
            Self::Flag { .. } => Call::FlagInvalidData,
            Self::Progress { .. } => Call::UpdateProgress,
            Self::Validate { .. } => Call::ValidateWorker,
            Self::Bye { .. } => Call::Bye,
        }
    }
}

/// A `sync`, as [`distcompute_protocol::SyncRequest`], with numbers in place of outputs.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the protocol's own names")]
pub struct Sync {
    pub token: String,
    pub seq: u64,
    pub holding: Vec<String>,
    pub done: Vec<(String, Text)>,
    pub invalid: Vec<(String, String)>,
    pub released: Vec<String>,
    pub failed: Vec<(String, String)>,
    pub progress: Vec<(String, String)>,
    pub want: u32,
    pub want_bytes: u64,
    pub cores: u32,
    pub awaiting: Vec<u64>,
    pub setup_failed: Option<String>,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum TrackerResponse {
    /// It failed below HTTP, with the browser's message.
    NotReached(String),
    /// The same, and the cause was found out.
    Found(Finding, Fault),
    /// No answer came in time.
    TimedOut,
    /// An answer, and what is in its body if its status is 200.
    Answered(Answer, Parsed),
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// Nothing that the hub needs.
    Nothing,
    /// It is not what it should be, and why.
    Unreadable(String),
    /// Of a registration.
    Hello(Hello),
    /// Of a `sync`.
    Sync(Synced),
    /// Of `validateWorker`.
    Alive(bool),
    /// Of `newJob`.
    Job {
        /// Its number.
        number: u64,
        /// Its input.
        data: Option<Text>,
    },
}

/// A registration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hello {
    /// The worker's secret.
    pub token: String,
    /// Its public name.
    pub display_name: String,
    /// The project.
    pub project: String,
    /// The stage's name.
    pub stage_name: String,
    /// Whether the tracker takes `sync`.
    pub syncs: bool,
    /// Whether it takes files.
    pub files: bool,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: f64,
    /// The largest body that it takes, in bytes.
    pub max_body: f64,
    /// Changes when the worker script is to be loaded anew.
    pub app_version: String,
}

/// The answer of a `sync`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Synced {
    /// New jobs.
    pub jobs: Vec<Granted>,
    /// Leases whose results were accepted.
    pub accepted: Vec<String>,
    /// Leases whose results were rejected.
    pub rejected: Vec<String>,
    /// Leases that are not held any more.
    pub lost: Vec<String>,
    /// When to ask again, in milliseconds.
    pub wait_ms: f64,
    /// As in [`Hello`].
    pub app_version: String,
    /// The size of the next open job in bytes, if it was left out because of it; 0 if none was. `None`: the
    /// tracker does not limit answers by size.
    pub left_bytes: Option<f64>,
    /// Whether there are fewer jobs than asked for because no more may be held until results come.
    pub limited: bool,
    /// If the operator has paused the stage: the message for volunteers.
    pub paused: Option<String>,
    /// How many results of the volunteer at this stage wait for the opinion of another one.
    pub unconfirmed: u64,
}

/// A new job.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// Its number.
    pub number: u64,
    /// Its input.
    pub data: Option<Text>,
    /// Its lease.
    pub lease: String,
    /// How often it was handed out.
    pub attempt: u32,
}

/// What a browser stores of a registration, to resume it after a reload.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The stage.
    pub stage: Stage,
    /// The nickname that it was made with.
    pub nickname: String,
    /// The last `seq` that was sent.
    pub seq: u64,
    /// The tracker's answer.
    pub hello: Hello,
}

/// A change of the records in storage. They are written in order, and nothing waits for them.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A registration, under its stage.
    Registration(Registration),
    /// A job with its input and its latest checkpoint, under its ticket's text.
    Job(JobKey),
    /// A job's outcome, under its ticket's text.
    Outcome(JobKey),
    /// The uploads of the job with this ticket; none: delete their record.
    Uploads(String, Vec<Record>),
    /// Delete the records of this name.
    Delete(String),
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send this request.
    Send(TrackerRequest),
    /// Put these jobs into a core's queue.
    Give {
        /// Which core.
        core: u32,
        /// Which jobs, in this order.
        keys: Vec<JobKey>,
    },
    /// Ask a core to give back the jobs that it has not started.
    Recall(u32),
    /// Have a core stop a job, or remove it from its queue.
    StopJob {
        /// Which core.
        core: u32,
        /// Which job.
        key: JobKey,
    },
    /// How much a core works: 0 not at all, 10 all the time.
    Intensity {
        /// Which core.
        core: u32,
        /// In tenths.
        intensity: u8,
    },
    /// How many compute workers there should be.
    Cores(u32),
    /// End a core's worker, which does not do as told, and start another.
    Replace {
        /// Which core.
        core: u32,
        /// The reason, as a sentence.
        why: String,
    },
    /// A job has another key from here on. Its checkpoint moves along.
    Rekey {
        /// The key so far.
        from: JobKey,
        /// The new one.
        to: JobKey,
    },
    /// Drop this text, which is not needed any more.
    Free(Text),
    /// Write this to storage.
    Store(Write),
    /// Do this with a file.
    File(FileAction),
    /// Load the worker script anew.
    Renew,
    /// The hub has stopped.
    Stopped,
    /// The hub cannot go on, because of this error.
    Fatal(Fault),
}
