//! Everything that can go wrong, with the error name and the stable code that JavaScript gets.
//!
//! Which answer of a tracker is which fault is decided in [`crate::client::call`].

use core::fmt;
use distcompute_protocol::ErrorCode;

/// The kind of a fault: the `name` of the JavaScript error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No job is open at this stage. This is no error: wait and ask again.
    ZeroJob,
    /// The tracker does not know this worker, or has ended its registration.
    WorkerTimedOut,
    /// The worker does not hold the job that the call is about.
    NoOpenJob,
    /// The tracker, or something in its place, gave an unexpected answer.
    Server,
    /// The tracker's address is not a valid URL, or is not that of a tracker.
    InvalidUrl,
    /// `load` was called with something other than a dump.
    Dump,
    /// An argument is invalid.
    InvalidArgument,
    /// No answer came from the tracker's address.
    Unreachable,
    /// The caller's time limit has passed.
    Timeout,
    /// The caller's signal was aborted.
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

/// The stable code of a fault: one of the protocol's, or one that arises in the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A code of the protocol.
    Tracker(ErrorCode),
    /// A web page, a proxy or a captive portal answered instead of a tracker.
    NotATracker,
    /// An answer of the tracker that cannot be read.
    BadAnswer,
    /// The answer was longer than any of the protocol, and was not read to its end.
    AnswerTooLarge,
    /// The data of a job is marked as JSON and cannot be parsed.
    BadJobData,
    /// The address is invalid.
    InvalidUrl,
    /// The dump is invalid.
    InvalidDump,
    /// The argument is invalid.
    InvalidArgument,
    /// The tracker has another address now.
    Moved,
    /// Something answers, but the browser does not let a page of this origin read it (CORS).
    OriginForbidden,
    /// No answer came.
    Unreachable,
    /// The time limit has passed.
    Timeout,
    /// This browser has no key of the volunteer.
    NoKey,
    /// The caller's signal was aborted.
    Aborted,
}

impl Code {
    /// The code that JavaScript gets.
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
            Self::NoKey => "no_key",
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
    /// What happened and what to do about it, for people.
    pub message: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The tracker's new address, if it has moved.
    pub address: Option<String>,
}

impl Fault {
    /// A fault without status and address.
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

    /// An invalid argument.
    #[must_use]
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, Code::InvalidArgument, message)
    }

    /// The worker does not hold the job that the call is about.
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

    /// Whether a call that was to end the worker's job has shown, by this fault, that the worker
    /// does not hold the job any more. After any other fault the call can be repeated.
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

    /// Whether waiting alone does not help, because there is no tracker that this page could use.
    /// The call is still retried, since an operator may fix that.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(
            self.code,
            Code::NotATracker
                | Code::BadAnswer
                | Code::AnswerTooLarge
                | Code::Moved
                | Code::OriginForbidden
                | Code::Tracker(
                    ErrorCode::NotAllowed | ErrorCode::Banned | ErrorCode::JoinKeyRequired
                )
        )
    }

    /// The same fault with the status of the answer.
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

/// The part of a text before the first of these ASCII characters. (Searching for a `char` links 2 KB of the standard
/// library.)
#[must_use]
pub fn before<'a>(text: &'a str, marks: &[u8]) -> &'a str {
    let end = text.bytes().position(|byte| marks.contains(&byte));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The first line of a text.
#[must_use]
pub fn first_line(text: &str) -> &str {
    before(text, b"\r\n")
}

/// The two sides of the first colon that a space follows. (Searching for a text that is longer than a character
/// links 5 KB of the standard library.)
#[must_use]
pub fn split_at_colon(text: &str) -> Option<(&str, &str)> {
    let at = text.as_bytes().windows(2).position(|two| two == b": ")?;
    Some((text.get(..at)?, text.get(at + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_before_the_first_of_some_characters() {
        assert_eq!(before("a/b?c", b"?/"), "a");
        assert_eq!(before("ä", b"/"), "ä");
        assert_eq!(first_line("ä: b\r\nc"), "ä: b");
        assert_eq!(first_line(""), "");
    }
}
