//! What a tracker is to a browser: requests, answers, and the trait [`Tracker`], which the real one and the
//! [`Model`] implement.

mod model;

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::action::Hello;
use distcompute_protocol::{Stage, SyncAnswer, SyncRequest};

pub use self::model::{End, Job, Lease, Model, Worker};

/// A request as a tracker gets it.
#[derive(Debug, Clone)]
pub enum ApiRequest {
    Register(Stage, String),
    Sync(SyncRequest),
    NewJob(String),
    Complete {
        token: String,
        number: u64,
        data: String,
    },
    Flag {
        token: String,
        number: u64,
    },
    Progress(String),
    Validate(String),
    Bye(String),
}

impl ApiRequest {
    /// The token of the worker that sends it.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Register(..) => None,
            Self::Sync(sync) => Some(&sync.token),
            Self::NewJob(token)
            | Self::Complete { token, .. }
            | Self::Flag { token, .. }
            | Self::Progress(token)
            | Self::Validate(token)
            | Self::Bye(token) => Some(token),
        }
    }
}

/// An answer, with what a client reads in it.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    pub answer: Answer,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Nothing,
    /// It is not what it should be.
    Unreadable,
    Hello(Hello),
    Sync(SyncAnswer),
    Alive(bool),
    Job {
        number: u64,
        data: Option<String>,
    },
}

/// A tracker: the model, or the real one.
pub trait Tracker {
    /// Handles a request at `now`, in milliseconds of its own clock. `None`: nobody answers.
    fn call(&mut self, now: f64, asked: &ApiRequest) -> Option<ApiResponse>;
    /// How many jobs are open at `stage`.
    fn open(&self, stage: Stage) -> usize;
    /// Whether any is.
    fn is_open(&self, stage: Stage) -> bool {
        self.open(stage) > 0
    }
    /// Whether it would give a job of `stage` to this volunteer, whose registration there is `token`,
    /// when it asks for one.
    fn lets(&self, _stage: Stage, _nickname: &str, _token: Option<&str>) -> bool {
        true
    }
    /// For how long it gives nothing to a registration because its jobs fail, in milliseconds.
    fn rests_ms(&self, _token: &str) -> f64 {
        0.0
    }
    /// Whether every job has gone through all of its stages.
    fn is_finished(&self) -> bool;
    /// Whether the result of this lease was ever taken into the tables.
    fn has_taken(&self, lease: &str) -> bool;
}

/// A text that stands for one of `bytes` bytes, so that simulations of lines need no memory for them.
pub fn weighing(text: &str, bytes: usize) -> String {
    format!("{text} *{bytes}")
}

/// How many bytes a text stands for.
pub fn weigh(text: &str) -> usize {
    let bytes = text
        .rsplit_once(" *")
        .and_then(|(_, bytes)| bytes.parse().ok());
    bytes.unwrap_or(text.len())
}
