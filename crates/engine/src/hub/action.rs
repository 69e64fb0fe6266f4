//! What the rules have done: requests, words to cores and to the page, and what to store.

use distcompute_protocol::Stage;

use crate::client::call::{Answer, Call};
use crate::client::probe::Finding;
use crate::fault::Fault;
use crate::hub::jobs::{Key, Text};

/// A request to the tracker.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Comes back with the answer.
    pub id: u32,
    /// What is asked.
    pub wire: Wire,
    /// How long it may take until the answer begins, in milliseconds.
    pub limit_ms: u32,
    /// Whether to find out why, if it fails below HTTP.
    pub probe: bool,
    /// How long nothing more of the answer may come, in milliseconds, once it has begun.
    pub stall_ms: u32,
}

/// How far a request is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moved {
    /// The status of its answer.
    pub status: u16,
    /// Of its body. It has gone when the answer begins; before, nobody knows how far it is.
    pub up: f64,
    /// Of its answer, without what a compression saves.
    pub down: f64,
    /// Nothing more comes: the answer itself is told next.
    pub ended: bool,
}

/// What is asked of a tracker. Texts are put in by the shell, which keeps them.
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

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// It failed below HTTP; the browser's word for it.
    NotReached(String),
    /// The same, and why: a fault with the way to mend it.
    Found(Finding, Fault),
    /// No answer came in time.
    TimedOut,
    /// An answer, and what is in its body if its status is 200.
    Answered(Answer, Parsed),
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// None that the shell reads for the rules.
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
    /// Leases whose results are in the books.
    pub accepted: Vec<String>,
    /// Leases whose results are not wanted.
    pub rejected: Vec<String>,
    /// Leases that are not ours any more.
    pub lost: Vec<String>,
    /// When to ask again, in milliseconds.
    pub wait_ms: f64,
    /// As in [`Hello`].
    pub app_version: String,
    /// Bytes of the next open job, if it was left out for its size; 0: none was. `None`: the tracker
    /// does not look at sizes.
    pub left_bytes: Option<f64>,
    /// Fewer jobs than wanted because no more may be held: the next results make room.
    pub limited: bool,
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

/// What a browser keeps of a registration, so that it can go on with it after a reload.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Where it works.
    pub stage: Stage,
    /// Under which name it registered.
    pub nickname: String,
    /// The last `seq` that was sent, or that a goodbye may have used.
    pub seq: u64,
    /// What the tracker said.
    pub hello: Hello,
}

/// Something to store. Writes are done in order and nobody waits for them.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Under its stage.
    Registration(Registration),
    /// A job with its input and its latest checkpoint, under its ticket's text.
    Job(Key),
    /// A job's outcome, under its ticket's text.
    Outcome(Key),
    /// What is stored under this name.
    Delete(String),
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send this.
    Send(Outgoing),
    /// Put these jobs into a core's queue.
    Give {
        /// Which core.
        core: u32,
        /// Which jobs, in this order.
        keys: Vec<Key>,
    },
    /// Have a core give back what it has not started.
    Recall(u32),
    /// End the work on a job, started or not.
    StopJob {
        /// Which core.
        core: u32,
        /// Which job.
        key: Key,
    },
    /// How much a core works: 0 not at all, 10 all the time.
    Level {
        /// Which core.
        core: u32,
        /// In tenths.
        level: u8,
    },
    /// So many compute workers should exist.
    Cores(u32),
    /// End a core's worker, which does not listen any more, and start another.
    Replace {
        /// Which core.
        core: u32,
        /// Why, for people.
        why: String,
    },
    /// A job is known by another key from here on: its checkpoint moves along.
    Rekey {
        /// The key so far.
        from: Key,
        /// The new one.
        to: Key,
    },
    /// Nobody needs this text any more.
    Free(Text),
    /// Write this to storage.
    Store(Write),
    /// Load the worker script anew.
    Renew,
    /// Everything is put back and handed in.
    Stopped,
    /// It cannot go on.
    Fatal(Fault),
}
