//! The calls of the protocol: what each one sends, and what each answer means to it.
//!
//! When a call is retried is decided in [`crate::client::exchange`].

use crate::client::address::encode;
use crate::fault::{Code, Fault, Kind};
use distcompute_protocol::{
    CompleteJob, ErrorCode, FlagInvalidData, OK_TEXT, Stage, TokenBody, UpdateProgress,
};
use serde::Serialize;

/// A call of the protocol. The same status can mean different things to different calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Registers a worker.
    New,
    /// Asks whether the tracker still knows the worker.
    ValidateWorker,
    /// Asks how many jobs are open.
    JobCount,
    /// Takes a job.
    NewJob,
    /// Sends the progress line.
    UpdateProgress,
    /// Hands in a result.
    CompleteJob,
    /// Flags the job's input as invalid.
    FlagInvalidData,
    /// Ends the registration.
    Bye,
    /// Reports and requests everything at once, if the tracker supports it.
    Sync,
}

/// The body of a request, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each names the wire type that it holds")]
pub enum Body {
    Token(TokenBody),
    Progress(UpdateProgress),
    Complete(CompleteJob),
    Flag(FlagInvalidData),
}

/// A request: a `GET` if there is no body, otherwise a `POST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which call it is.
    pub call: Call,
    /// Path and query, relative to the tracker's address.
    pub path: String,
    /// The JSON body.
    pub body: Option<Body>,
}

impl Request {
    fn get(call: Call, path: String) -> Self {
        Self {
            call,
            path,
            body: None,
        }
    }

    fn post(call: Call, path: &str, body: Body) -> Self {
        Self {
            call,
            path: path.to_owned(),
            body: Some(body),
        }
    }

    /// Registers a worker.
    #[must_use]
    pub fn new_worker(nickname: &str, stage: Stage) -> Self {
        let path = format!("/api/new?nickname={}&stage={stage}", encode(nickname));
        Self::get(Call::New, path)
    }

    /// Asks how many jobs are open at `stage`.
    #[must_use]
    pub fn job_count(stage: Stage) -> Self {
        Self::get(Call::JobCount, format!("/api/jobCount?stage={stage}"))
    }

    /// Asks whether the tracker still knows the worker.
    #[must_use]
    pub fn validate_worker(token: String) -> Self {
        let body = Body::Token(TokenBody { token });
        Self::post(Call::ValidateWorker, "/api/validateWorker", body)
    }

    /// Takes a job.
    #[must_use]
    pub fn new_job(token: String) -> Self {
        let body = Body::Token(TokenBody { token });
        Self::post(Call::NewJob, "/api/newJob", body)
    }

    /// Sends the progress line.
    #[must_use]
    pub fn update_progress(token: String, progress: String) -> Self {
        let body = Body::Progress(UpdateProgress { token, progress });
        Self::post(Call::UpdateProgress, "/api/updateProgress", body)
    }

    /// Hands in the output of job `number`. The number keeps a request that was delayed past the
    /// next `newJob` from closing the wrong job; a tracker of the first protocol ignores it.
    #[must_use]
    pub fn complete_job(token: String, number: u64, data: String) -> Self {
        let body = Body::Complete(CompleteJob {
            token,
            data,
            number: Some(number),
        });
        Self::post(Call::CompleteJob, "/api/completeJob", body)
    }

    /// Flags the input of job `number` as invalid.
    #[must_use]
    pub fn flag_invalid_data(token: String, number: u64) -> Self {
        let body = Body::Flag(FlagInvalidData {
            token,
            number: Some(number),
        });
        Self::post(Call::FlagInvalidData, "/api/flagInvalidData", body)
    }

    /// Ends the registration.
    #[must_use]
    pub fn bye(token: String) -> Self {
        Self::post(Call::Bye, "/api/bye", Body::Token(TokenBody { token }))
    }
}

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

    /// The most bytes that are read of an answer with this status, after decompression. The
    /// transfer is aborted there.
    ///
    /// These are constants, because nothing that was negotiated can be the bound: a tracker hands
    /// out one job whatever `want_bytes` is, and `max_body` is only what the server claims.
    #[must_use]
    pub fn most_bytes(self, status: u16) -> u32 {
        match (self, status) {
            (Self::Sync | Self::NewJob, 200) => MOST_WITH_JOBS,
            _ => MOST_WITHOUT_JOBS,
        }
    }

    /// Whether it is a `GET`.
    fn is_get(self) -> bool {
        matches!(self, Self::New | Self::JobCount)
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

/// For answers with jobs, in bytes. No longer text crosses into WebAssembly.
const MOST_WITH_JOBS: u32 = 64 << 20;

/// For any other answer: a registration, a short text, or an error of which only the beginning is
/// shown.
const MOST_WITHOUT_JOBS: u32 = 64 << 10;

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
            || (body.starts_with(['{', '[']) && !body.starts_with("{\"detail\":[")))
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Call; 9] = [
        Call::New,
        Call::ValidateWorker,
        Call::JobCount,
        Call::NewJob,
        Call::UpdateProgress,
        Call::CompleteJob,
        Call::FlagInvalidData,
        Call::Bye,
        Call::Sync,
    ];

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.to_owned(),
            ..Answer::default()
        }
    }

    fn fault(call: Call, status: u16, body: &str) -> (Kind, &'static str) {
        match call.meaning(&answer(status, body)) {
            Meaning::Failed(fault) => {
                assert_eq!(fault.status, Some(status));
                (fault.kind, fault.code.as_str())
            }
            other => panic!("{call:?} {status}: {other:?}"),
        }
    }

    #[test]
    fn who_is_banned_is_told_so_by_a_tracker_alone() {
        let text = ErrorCode::Banned.text().expect("ours");
        let by_ours = Answer {
            code: Some(ErrorCode::Banned),
            ..answer(403, text)
        };
        match Call::New.meaning(&by_ours) {
            Meaning::Failed(fault) => {
                assert_eq!((fault.kind, fault.code.as_str()), (Kind::Server, "banned"));
                assert_eq!(fault.message, text);
                assert!(fault.is_lasting());
            }
            other => panic!("{other:?}"),
        }
        // A proxy may drop the header; it does not say this by itself.
        assert_eq!(fault(Call::New, 403, text), (Kind::Server, "banned"));
        assert_eq!(
            fault(Call::New, 403, "Forbidden"),
            (Kind::Server, "not_allowed")
        );
    }

    #[test]
    fn a_403_means_what_the_call_makes_of_it() {
        let no_jobs = ErrorCode::NoJobs.text().expect("the protocol fixes it");
        assert_eq!(
            fault(Call::NewJob, 403, no_jobs),
            (Kind::ZeroJob, "no_jobs")
        );
        for call in [Call::NewJob, Call::CompleteJob, Call::JobCount, Call::Bye] {
            for text in ["Forbidden", "error code: 1020", "", PAGE, THEIRS] {
                assert_eq!(fault(call, 403, text), (Kind::Server, "not_allowed"));
            }
        }
        let by_ours = Answer {
            code: Some(ErrorCode::WrongJob),
            ..answer(403, "This job has already been marked as completed.")
        };
        for call in [Call::CompleteJob, Call::FlagInvalidData] {
            assert!(matches!(call.meaning(&by_ours), Meaning::Failed(f)
                if f.kind == Kind::NoOpenJob && f.code == Code::Tracker(ErrorCode::WrongJob)));
        }
    }

    #[test]
    fn a_completion_whose_answer_was_lost_is_done_and_not_an_error() {
        for code in [
            ErrorCode::NoOpenJob,
            ErrorCode::AlreadyCompleted,
            ErrorCode::NotWorking,
        ] {
            let refused = answer(403, code.text().expect("the protocol fixes it"));
            for call in [Call::CompleteJob, Call::FlagInvalidData] {
                assert_eq!(call.meaning(&refused), Meaning::DoneBefore);
            }
        }
    }

    #[test]
    fn a_404_of_a_registration_is_a_wrong_address_and_of_a_worker_that_it_is_gone() {
        assert_eq!(
            fault(Call::New, 404, "Not Found"),
            (Kind::InvalidUrl, "not_a_tracker")
        );
        let t3 = "The server could not find this worker. Did the worker time out?";
        for call in [Call::NewJob, Call::CompleteJob, Call::UpdateProgress] {
            assert_eq!(
                fault(call, 404, t3),
                (Kind::WorkerTimedOut, "worker_unknown")
            );
            for foreign in [
                "Not Found",
                "404 page not found",
                r#"{"detail":"Not Found"}"#,
                "",
            ] {
                assert_eq!(fault(call, 404, foreign), (Kind::Server, "not_a_tracker"));
            }
        }
    }

    #[test]
    fn a_stage_that_is_wrong_or_disabled_is_the_callers_fault() {
        assert_eq!(
            fault(Call::New, 400, "The worker stage 'c' is disabled."),
            (Kind::InvalidArgument, "stage_disabled")
        );
        assert_eq!(
            fault(Call::JobCount, 400, "Invalid worker stage: 'x'."),
            (Kind::InvalidArgument, "stage_invalid")
        );
    }

    /// What a proxy may send with any status.
    const PAGE: &str = " <!DOCTYPE html><html><center>nginx</center></html>";
    const THEIRS: &str = r#"{"error":{"code":1020,"message":"no"}}"#;

    #[test]
    fn a_web_page_is_never_taken_for_an_answer() {
        for call in ALL {
            assert_eq!(fault(call, 200, PAGE), (Kind::Server, "not_a_tracker"));
            for status in [201, 204, 301, 302, 304, 404, 405, 410] {
                let (_, code) = fault(call, status, PAGE);
                assert_eq!(code, "not_a_tracker", "{call:?} {status}");
            }
        }
    }

    /// What each status of somebody before the tracker means: to calls with a body, and to those
    /// without one.
    #[test]
    fn the_status_of_a_proxy_is_looked_at_before_its_body() {
        const LATER: &str = "later";
        let table = [
            (400, "not_allowed", "not_allowed"),
            (401, "not_allowed", "not_allowed"),
            (403, "not_allowed", "not_allowed"),
            (406, "not_allowed", "not_allowed"),
            (407, "not_allowed", "not_allowed"),
            (408, LATER, LATER),
            (409, "not_allowed", "not_allowed"),
            (413, "too_large", "not_allowed"),
            (414, "not_allowed", "not_allowed"),
            (421, LATER, LATER),
            (422, "not_allowed", "not_allowed"),
            (429, LATER, LATER),
            (431, "not_allowed", "not_allowed"),
            (451, "not_allowed", "not_allowed"),
            (500, "internal", "internal"),
            (501, "internal", "internal"),
            (502, LATER, LATER),
            (503, LATER, LATER),
            (504, LATER, LATER),
            (505, "internal", "internal"),
            (511, "not_allowed", "not_allowed"),
        ];
        for (status, posted, got) in table {
            for body in [PAGE, "", THEIRS, "[]"] {
                for call in ALL {
                    let expected = if call.is_get() { got } else { posted };
                    let found = match call.meaning(&answer(status, body)) {
                        Meaning::Later(fault) => {
                            assert_eq!(fault.status, Some(status));
                            LATER
                        }
                        Meaning::Failed(fault) => {
                            assert_eq!(fault.status, Some(status));
                            assert!(!fault.message.contains('<'), "{}", fault.message);
                            // Only what is too large is the caller's fault.
                            let its = fault.kind == Kind::InvalidArgument;
                            assert_eq!(its, expected == "too_large", "{call:?} {status}");
                            fault.code.as_str()
                        }
                        other => panic!("{call:?} {status} {body:?}: {other:?}"),
                    };
                    assert_eq!(found, expected, "{call:?} {status} {body:?}");
                }
            }
        }
    }

    #[test]
    fn a_200_that_is_empty_or_somebody_elses_is_no_answer_that_a_text_could_be() {
        for call in ALL {
            let reads_json = matches!(call, Call::New | Call::NewJob | Call::Sync);
            for body in ["", THEIRS, "[]", "null"] {
                let done = call.meaning(&answer(200, body)) == Meaning::Done;
                assert_eq!(done, reads_json, "{call:?} {body:?}");
            }
        }
    }

    #[test]
    fn a_200_counts_only_with_the_body_that_the_call_should_get() {
        for call in [Call::CompleteJob, Call::UpdateProgress, Call::Bye] {
            assert_eq!(call.meaning(&answer(200, "200 OK")), Meaning::Done);
            assert_eq!(call.meaning(&answer(200, "\"200 OK\"")), Meaning::Done);
            assert_eq!(fault(call, 200, ""), (Kind::Server, "bad_answer"));
        }
        assert_eq!(Call::JobCount.meaning(&answer(200, "12")), Meaning::Done);
        assert_eq!(fault(Call::JobCount, 200, "-1").1, "bad_answer");
        assert_eq!(fault(Call::ValidateWorker, 200, "maybe").1, "bad_answer");
    }

    #[test]
    fn who_is_asked_to_wait_is_told_so() {
        for call in ALL {
            let Meaning::Later(fault) = call.meaning(&answer(429, "")) else {
                panic!("{call:?} is tried again");
            };
            assert_eq!(fault.code, Code::Tracker(ErrorCode::TooManyRequests));
        }
    }

    #[test]
    fn an_overloaded_server_is_asked_again_whatever_its_proxy_says() {
        for call in ALL {
            for status in [408, 421, 429, 502, 503, 504, 522, 530] {
                let meaning = call.meaning(&answer(status, "<html>busy</html>"));
                assert!(matches!(meaning, Meaning::Later(_)), "{call:?} {status}");
            }
        }
    }

    #[test]
    fn every_other_status_is_a_server_error_that_says_what_came() {
        assert_eq!(
            fault(Call::NewJob, 500, "Internal Server Error"),
            (Kind::Server, "internal")
        );
        assert_eq!(
            fault(Call::CompleteJob, 422, r#"{"detail":[]}"#),
            (Kind::InvalidArgument, "invalid_request")
        );
        assert_eq!(
            fault(Call::CompleteJob, 413, ""),
            (Kind::InvalidArgument, "too_large")
        );
        let Meaning::Failed(fault) = Call::NewJob.meaning(&answer(418, "teapot")) else {
            panic!("not a failure");
        };
        assert!(fault.message.contains("418") && fault.message.contains("teapot"));
    }

    #[test]
    fn requests_carry_the_number_of_their_job() {
        let Some(Body::Complete(body)) = Request::complete_job("t".into(), 7, "out".into()).body
        else {
            panic!("no body");
        };
        assert_eq!((body.number, body.data.as_str()), (Some(7), "out"));
        let Some(Body::Flag(body)) = Request::flag_invalid_data("t".into(), 7).body else {
            panic!("no body");
        };
        assert_eq!(body.number, Some(7));
        assert_eq!(
            Request::new_worker("a b&c", Stage::B).path,
            "/api/new?nickname=a%20b%26c&stage=b"
        );
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        assert_eq!(read_retry_after(" 3 "), Some(3000));
        assert_eq!(read_retry_after("4294967295"), Some(u32::MAX));
        assert_eq!(read_retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(read_retry_after("-1"), None);
    }
}
