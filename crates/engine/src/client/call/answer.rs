//! What each answer means: to which call, from a tracker or from a proxy in its place.

use distcompute_protocol::{ErrorCode, OK_TEXT};

use crate::client::call::Call;
use crate::fault::{Code, Fault, Kind};

/// An answer from the tracker's address, not necessarily from a tracker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Distcompute-Error`, if it has a known value.
    pub code: Option<ErrorCode>,
    /// The header `Retry-After` in milliseconds, if it is a number of seconds.
    pub retry_after_ms: Option<u32>,
    /// The body as text.
    pub body: String,
    /// Whether the body is only the beginning of one longer than [`Call::most_bytes`].
    pub cut: bool,
}

impl Answer {
    /// Whether the tracker has answered with `code`: in the header, or, for trackers without that
    /// header, by the text that the protocol defines for it.
    fn says(&self, code: ErrorCode) -> bool {
        match self.code {
            Some(said) => said == code,
            None => code.text() == Some(unquoted(&self.body)),
        }
    }
}

/// What an answer means to the call that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The call has succeeded; the answer's body is its result.
    Done,
    /// An earlier attempt, whose answer was lost, has succeeded.
    DoneBefore,
    /// The same request may succeed later. The fault applies if it is not retried any more.
    Later(Fault),
    /// The call has failed.
    Failed(Fault),
}

impl Call {
    /// What `answer` means to this call. The status is read before the body, because a proxy may
    /// answer in place of the tracker, with a page, an empty body, or JSON of its own. The whole
    /// table is in `docs/protocol.md`.
    #[must_use]
    pub fn meaning(self, answer: &Answer) -> Meaning {
        let status = answer.status;
        let failed = |kind, code, message: String| {
            Meaning::Failed(Fault::new(kind, code, message).with_status(status))
        };
        let not_allowed = |why: &str| {
            let code = Code::Tracker(ErrorCode::NotAllowed);
            let said = excerpt(&answer.body);
            failed(
                Kind::Server,
                code,
                format!("{why} (status {status}): {said}"),
            )
        };
        if is_temporary(status) {
            let (code, text) = match status {
                429 => (ErrorCode::TooManyRequests, "The project asks us to wait"),
                _ => (ErrorCode::Unavailable, "The tracker cannot answer just now"),
            };
            let (code, text) = (Code::Tracker(code), format!("{text} (status {status})."));
            return Meaning::Later(Fault::new(Kind::Server, code, text).with_status(status));
        }
        if let (400, Some(code)) = (status, stage_code(answer)) {
            let said = excerpt(&answer.body);
            return failed(Kind::InvalidArgument, Code::Tracker(code), said);
        }
        match (status, self) {
            (200, _) if looks_like_a_page(&answer.body) => {
                failed(Kind::Server, Code::NotATracker, page_text(status))
            }
            (200, _) if answer.cut => failed(
                Kind::Server,
                Code::AnswerTooLarge,
                format!(
                    "The answer is larger than {} kB and was not read to its end. Is the URL that of \
                     a tracker? A larger job belongs in a file that the job names.",
                    self.most_bytes(status) / 1_000
                ),
            ),
            (200, _) if self.body_fits(&answer.body) => Meaning::Done,
            (200, _) => failed(
                Kind::Server,
                Code::BadAnswer,
                format!(
                    "The tracker's answer cannot be read: {}",
                    excerpt(&answer.body)
                ),
            ),
            (403, Self::New) if answer.says(ErrorCode::Banned) => failed(
                Kind::Server,
                Code::Tracker(ErrorCode::Banned),
                excerpt(&answer.body),
            ),
            (401, Self::New) if answer.says(ErrorCode::JoinKeyRequired) => failed(
                Kind::Server,
                Code::Tracker(ErrorCode::JoinKeyRequired),
                excerpt(&answer.body),
            ),
            (403, Self::NewJob) if answer.says(ErrorCode::NoJobs) => failed(
                Kind::ZeroJob,
                Code::Tracker(ErrorCode::NoJobs),
                "No job is open at this stage just now. Wait and ask again.".to_owned(),
            ),
            (403, Self::CompleteJob | Self::FlagInvalidData) => match answer.code {
                Some(code) => Meaning::Failed(Fault::no_open_job(code).with_status(403)),
                None if REFUSED_REPEATS.contains(&answer.body.trim_ascii()) => Meaning::DoneBefore,
                None => not_allowed(REFUSES),
            },
            (404 | 405 | 410, Self::New | Self::JobCount) => failed(
                Kind::InvalidUrl,
                Code::NotATracker,
                format!("There is no tracker at this address (status {status}). Is the URL right?"),
            ),
            (404, _) if answer.says(ErrorCode::WorkerUnknown) => failed(
                Kind::WorkerTimedOut,
                Code::Tracker(ErrorCode::WorkerUnknown),
                "The tracker does not know this worker, or no longer. Register again with init()."
                    .to_owned(),
            ),
            // A proxy may answer so while the tracker is moved: results are kept and sent again.
            (201..=399 | 404 | 405 | 410, _) => failed(
                Kind::Server,
                Code::NotATracker,
                format!(
                    "There is no tracker at this address just now (status {status}): {}",
                    excerpt(&answer.body)
                ),
            ),
            (409, Self::Sync) if !is_foreign(answer) => failed(
                Kind::Server,
                Code::Tracker(ErrorCode::Superseded),
                "Another page works under this registration.".to_owned(),
            ),
            (413, _) if !self.is_get() => failed(
                Kind::InvalidArgument,
                Code::Tracker(ErrorCode::TooLarge),
                TOO_LARGE.to_owned(),
            ),
            (422, _) if !is_foreign(answer) => failed(
                Kind::InvalidArgument,
                Code::Tracker(ErrorCode::InvalidRequest),
                format!(
                    "The tracker refuses the request (status 422): {}",
                    excerpt(&answer.body)
                ),
            ),
            (status, _) => match refusal(status) {
                Some(why) => not_allowed(why),
                None => failed(
                    Kind::Server,
                    Code::Tracker(answer.code.unwrap_or(ErrorCode::Internal)),
                    format!(
                        "The tracker, or a proxy before it, answered with status {status}: {}",
                        excerpt(&answer.body)
                    ),
                ),
            },
        }
    }

    /// Whether the body of a 200 has the form that this call expects. The page of a captive portal,
    /// or a proxy's empty answer, must not be taken for an accepted result.
    fn body_fits(self, body: &str) -> bool {
        match self {
            // JSON, which the driver parses.
            Self::New | Self::NewJob | Self::Sync => true,
            Self::ValidateWorker => read_alive(body).is_some(),
            Self::JobCount => read_count(body).is_some(),
            Self::UpdateProgress | Self::CompleteJob | Self::FlagInvalidData | Self::Bye => {
                unquoted(body) == OK_TEXT
            }
        }
    }
}

/// The texts for a stage that is disabled, and for one that does not exist.
const DISABLED: &[u8] = b"is disabled";
const NO_STAGE: &[u8] = b"Invalid worker stage";

/// Which of the two a 400 means, if it comes from a tracker.
fn stage_code(answer: &Answer) -> Option<ErrorCode> {
    let has = |said: &[u8]| {
        answer
            .body
            .as_bytes()
            .windows(said.len())
            .any(|w| w == said)
    };
    match answer.code {
        Some(code) => Some(code),
        None if looks_like_a_page(&answer.body) => None,
        None if has(DISABLED) => Some(ErrorCode::StageDisabled),
        None => has(NO_STAGE).then_some(ErrorCode::StageInvalid),
    }
}

/// The message of a 413, to which the size is added if it is known.
pub const TOO_LARGE: &str = "The data is larger than the tracker, or a proxy before it, takes \
     (status 413).";

const REFUSES: &str = "Something before the tracker refuses the call";

/// The message for a refusal by a proxy, by its status. `None` for other statuses.
fn refusal(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => "Something before the tracker wants a login",
        407 => "A proxy of this network wants a login",
        414 => {
            "Something before the tracker takes no address of this length. Choose a shorter nickname"
        }
        431 => {
            "Something before the tracker takes no headers of this length. Delete the cookies of \
             its site"
        }
        451 => "Something before the tracker refuses the call for legal reasons",
        400 | 403 | 406 | 409 | 411 | 412 | 413 | 415 | 417 | 422 | 428 => REFUSES,
        511 => "This network wants to be logged in to: open any page in a new tab and do so",
        _ => return None,
    })
}

/// Whether an answer is certainly not a tracker's. A tracker names the error in the header, or
/// answers with a sentence, or, for a 422, with JSON that begins with `detail`.
fn is_foreign(answer: &Answer) -> bool {
    let body = answer.body.trim_ascii_start();
    answer.code.is_none()
        && (body.is_empty()
            || looks_like_a_page(body)
            || (may_be_json(body) && !body.starts_with("{\"detail\":[")))
}

/// Whether a text begins as an object or a list in JSON does.
pub(crate) fn may_be_json(text: &str) -> bool {
    text.starts_with('{') || text.starts_with('[')
}

/// The answers of a tracker of the first protocol to a worker that ends a job a second time.
///
/// This client only ends a job that the tracker gave it and that it has not ended, so the first
/// attempt has succeeded and its answer was lost: browsers repeat a POST by themselves when a
/// connection breaks, without reporting it. (Our tracker answers a repetition like the first
/// attempt, and names a real refusal in the header.)
const REFUSED_REPEATS: [&str; 3] = [
    "You do not have an open job.",
    "This job has already been marked as completed.",
    "This worker is not currently working on a job.",
];

/// Reads the answer of `jobCount`.
#[must_use]
pub fn read_count(body: &str) -> Option<u64> {
    unquoted(body).parse().ok()
}

/// Reads the answer of `validateWorker`.
#[must_use]
pub fn read_alive(body: &str) -> Option<bool> {
    match unquoted(body) {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    }
}

/// Reads the header `Retry-After` if it is a number of seconds. Dates are ignored.
#[must_use]
pub fn read_retry_after(header: &str) -> Option<u32> {
    header
        .trim_ascii()
        .parse::<u32>()
        .ok()
        .map(|s| s.saturating_mul(1000))
}

/// Removes the quotes of trackers that send plain texts as JSON strings.
fn unquoted(body: &str) -> &str {
    let text = body.trim_ascii();
    text.strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .unwrap_or(text)
}

fn looks_like_a_page(body: &str) -> bool {
    body.trim_ascii_start().starts_with('<')
}

fn page_text(status: u16) -> String {
    format!(
        "A web page came instead of the tracker's answer (status {status}). Is the URL that of a \
         tracker? On a public network, has its login page been passed?"
    )
}

/// The statuses of a server or proxy that is overloaded or being restarted. Those from 520 on are
/// used by content delivery networks. 421 means a connection to the wrong server; the next one may
/// be right.
fn is_temporary(status: u16) -> bool {
    matches!(
        status,
        408 | 421 | 425 | 429 | 502 | 503 | 504 | 520..=524 | 529 | 530
    )
}

fn excerpt(body: &str) -> String {
    let text = body.trim_ascii();
    if text.is_empty() {
        "(an empty body)".to_owned()
    } else if looks_like_a_page(text) {
        "(a web page)".to_owned()
    } else {
        distcompute_protocol::cut(text, 300)
    }
}
