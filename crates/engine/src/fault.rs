//! Everything that can go wrong, with the name and the stable code that JavaScript sees.
//!
//! What an answer of the tracker means is not decided here but in [`crate::client::call`].

use core::fmt;
use distcompute_protocol::ErrorCode;

/// The kind of a fault: the `name` of the JavaScript error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No job is open at this stage. Not a fault of anybody: wait and ask again.
    ZeroJob,
    /// The tracker does not know this worker, or no longer.
    WorkerTimedOut,
    /// The worker does not hold the job that the call is about.
    NoOpenJob,
    /// The tracker answered with something that it should not.
    Server,
    /// The tracker's address is not one.
    InvalidUrl,
    /// A dump that `load` cannot take.
    Dump,
    /// An argument that the call cannot take.
    InvalidArgument,
    /// No answer came from the tracker's address.
    Unreachable,
    /// The time that the caller gave ran out.
    Timeout,
    /// The caller's signal said stop.
    Abort,
}

impl Kind {
    /// The `name` of the JavaScript error.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroJob => "ZeroJobError",
            Self::WorkerTimedOut => "WorkerTimedOutError",
            Self::NoOpenJob => "NoOpenJobError",
            Self::Server => "ServerError",
            Self::InvalidUrl => "InvalidURLError",
            Self::Dump => "DumpError",
            Self::InvalidArgument => "InvalidArgumentError",
            Self::Unreachable => "UnreachableError",
            Self::Timeout => "TimeoutError",
            Self::Abort => "AbortError",
        }
    }
}

/// The stable code of a fault: those of the protocol, and those that arise on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// What the tracker said.
    Tracker(ErrorCode),
    /// What answered is not a tracker: a web page, a proxy, a captive portal.
    NotATracker,
    /// An answer of the tracker that cannot be read.
    BadAnswer,
    /// An answer that went on past any that the protocol knows; the rest was not read.
    AnswerTooLarge,
    /// A job whose data says that it is JSON and is not.
    BadJobData,
    /// The address is not one.
    InvalidUrl,
    /// The dump is not one.
    InvalidDump,
    /// The argument is not one that the call takes.
    InvalidArgument,
    /// The tracker has another address now.
    Moved,
    /// Something answers, but lets no page of this origin read it.
    OriginForbidden,
    /// No answer came.
    Unreachable,
    /// Time ran out.
    Timeout,
    /// The caller's signal said stop.
    Aborted,
}

impl Code {
    /// The code as JavaScript sees it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tracker(code) => code.as_str(),
            Self::NotATracker => "not_a_tracker",
            Self::BadAnswer => "bad_answer",
            Self::AnswerTooLarge => "answer_too_large",
            Self::BadJobData => "bad_job_data",
            Self::InvalidUrl => "invalid_url",
            Self::InvalidDump => "invalid_dump",
            Self::InvalidArgument => "invalid_argument",
            Self::Moved => "moved",
            Self::OriginForbidden => "origin_forbidden",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
        }
    }
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind, which becomes the error's `name`.
    pub kind: Kind,
    /// The stable code.
    pub code: Code,
    /// What happened and what to do, for people.
    pub message: String,
    /// The HTTP status, where the tracker answered.
    pub status: Option<u16>,
    /// Where the tracker is now, where it has moved.
    pub address: Option<String>,
}

impl Fault {
    /// A fault that arose on this side.
    #[must_use]
    pub fn new(kind: Kind, code: Code, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
            status: None,
            address: None,
        }
    }

    /// An argument that the call cannot take.
    #[must_use]
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, Code::InvalidArgument, message)
    }

    /// The worker holds no job.
    #[must_use]
    pub fn no_open_job(code: ErrorCode) -> Self {
        let text = code.text().unwrap_or("This worker holds no such job.");
        Self::new(
            Kind::NoOpenJob,
            Code::Tracker(code),
            format!("{text} Take one with newJob()."),
        )
    }

    /// An answer that cannot be read.
    #[must_use]
    pub fn bad_answer(message: impl Into<String>) -> Self {
        Self::new(Kind::Server, Code::BadAnswer, message)
    }

    /// Whether a call that would have ended the job that the worker holds has, by failing so,
    /// shown that the worker holds it no longer. After any other fault the call can be repeated.
    #[must_use]
    pub fn ends_job(&self) -> bool {
        matches!(self.kind, Kind::NoOpenJob | Kind::WorkerTimedOut)
    }

    /// The same fault with the size of the request, in characters.
    #[must_use]
    pub fn with_size(mut self, characters: u32) -> Self {
        let kb = characters.div_ceil(1_000);
        self.message.push_str(&format!(" The request has {kb} kB."));
        self
    }

    /// The same fault with the tracker's new address.
    #[must_use]
    pub fn with_address(mut self, address: &str) -> Self {
        self.address = Some(address.to_owned());
        self
    }

    /// Whether waiting is not what helps: there is no tracker that this page could use. It is tried
    /// again all the same, since somebody may mend that.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(
            self.code,
            Code::NotATracker
                | Code::BadAnswer
                | Code::AnswerTooLarge
                | Code::Moved
                | Code::OriginForbidden
                | Code::Tracker(ErrorCode::NotAllowed | ErrorCode::Banned)
        )
    }

    /// The same fault with the status of the answer that it was read from.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl core::error::Error for Fault {}
