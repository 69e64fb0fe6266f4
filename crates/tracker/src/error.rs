//! Maps errors to HTTP responses: the status, the text and the `Distcompute-Error` header. Internal
//! errors are logged here and their details are never sent to the client.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ERROR_HEADER, ErrorCode, ParameterFault, ParameterFaults, cut};

use crate::{
    files::FileError, limited_log::LimitedLog, rules::unfinished::Over, store::StoreError,
};

/// Characters of an invalid value that are quoted back to the client.
const QUOTED: usize = 100;

/// Seconds after which a client may retry when the database is unavailable or busy.
const RETRY_AFTER: &str = "5";

/// Anybody can trigger these log lines at will while something is broken, so their rate is limited.
static AWAY: LimitedLog = LimitedLog::new();
static BAD_DATA: LimitedLog = LimitedLog::new();
static STORE_AWAY: LimitedLog = LimitedLog::new();
static STORE_FULL: LimitedLog = LimitedLog::new();
static UNFINISHED: LimitedLog = LimitedLog::new();
static INTERNAL: LimitedLog = LimitedLog::new();

/// The sentence of a refusal, attached to the response as an extension so that `pages::refusal` can
/// render it as HTML.
#[derive(Debug, Clone)]
pub struct Sentence(pub String);

/// Why a request was refused or failed.
#[derive(Debug)]
pub enum ApiError {
    /// Refused, with the text that the protocol fixes for this code.
    Refused(ErrorCode),
    /// Refused, with a specific sentence.
    Explained(ErrorCode, String),
    /// The parameters or the body are invalid.
    Faults(Vec<ParameterFault>),
    /// Rate limited: the caller may retry after this many seconds.
    Wait(u64),
    /// The database is unavailable, or an internal error occurred. The details are for the log
    /// only.
    Store(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(code) => Self::Refused(code),
            other => Self::Store(other),
        }
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Off => Self::Refused(ErrorCode::FilesOff),
            FileError::Unknown => Self::Refused(ErrorCode::FileUnknown),
            FileError::NotGranted(sentence) => Self::Explained(ErrorCode::FileNotGranted, sentence),
            FileError::WrongHash => {
                let sentence = "The parts do not have this hash together. Send all of them again.";
                Self::Explained(ErrorCode::UploadWrongHash, sentence.to_owned())
            }
            FileError::Incomplete(number) => {
                let sentence =
                    format!("Part {number} is missing or has another size. Send it again.");
                Self::Explained(ErrorCode::UploadIncomplete, sentence)
            }
            FileError::Expired => Self::Refused(ErrorCode::UploadExpired),
            FileError::TooLarge(sentence) => Self::Explained(ErrorCode::UploadTooLarge, sentence),
            FileError::Full => Self::Refused(ErrorCode::FilesFull),
            FileError::StoreFull => Self::Refused(ErrorCode::StoreFull),
            FileError::DiskFull { free, keep } => {
                STORE_FULL.write(|| {
                    tracing::warn!(
                        free,
                        keep,
                        "the disk of the files of jobs is nearly full: uploads are refused"
                    );
                });
                Self::Refused(ErrorCode::StoreFull)
            }
            FileError::Unfinished(Over::Lease) => {
                let sentence = "Uploads of this lease are unfinished that are more than the files of a \
                                job may be: finish them, or try again in an hour.";
                Self::Explained(ErrorCode::StoreFull, sentence.to_owned())
            }
            FileError::Unfinished(Over::All) => {
                UNFINISHED.write(|| {
                    tracing::warn!("uploads are refused: files_unfinished is reached");
                });
                let sentence = "So much is being uploaded to this project that the tracker takes no \
                                more just now. Try again later.";
                Self::Explained(ErrorCode::StoreFull, sentence.to_owned())
            }
            FileError::Busy => Self::Store(StoreError::Busy),
            FileError::Away(why) => {
                STORE_AWAY.write(|| tracing::warn!(%why, "the store of files is not available"));
                let sentence =
                    "The tracker cannot reach the store of its files just now. Try again.";
                Self::Explained(ErrorCode::Unavailable, sentence.to_owned())
            }
            FileError::Store(error) => error.into(),
        }
    }
}

impl From<(ErrorCode, String)> for ApiError {
    fn from((code, sentence): (ErrorCode, String)) -> Self {
        Self::Explained(code, sentence)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut retry_after = HeaderValue::from_static(RETRY_AFTER);
        let (code, text) = match self {
            Self::Wait(seconds) => {
                retry_after = seconds.into();
                let text = format!(
                    "There are too many requests from your address. Try again in {seconds} s."
                );
                (ErrorCode::TooManyRequests, text)
            }
            Self::Refused(code) => (code, code.text().unwrap_or(code.as_str()).to_owned()),
            Self::Explained(code, sentence) => (code, sentence),
            Self::Faults(detail) => return faults(ParameterFaults { detail }),
            Self::Store(StoreError::Unavailable(why) | StoreError::Conflict(why)) => {
                AWAY.write(|| tracing::warn!(%why, "the database is not available"));
                (
                    ErrorCode::Unavailable,
                    "The tracker cannot reach its database just now. Try again.".to_owned(),
                )
            }
            // Not logged: under load this answer goes to many clients, and the metrics count it.
            Self::Store(StoreError::Busy) => (
                ErrorCode::Unavailable,
                "The tracker is overloaded at the moment. Try again.".to_owned(),
            ),
            Self::Store(StoreError::BadData(why)) => {
                BAD_DATA.write(|| tracing::warn!(%why, "the database does not accept a value"));
                let message = "The database cannot store this.";
                return faults(ParameterFaults {
                    detail: vec![fault("value_error", &["body"], message, None)],
                });
            }
            Self::Store(error) => {
                INTERNAL.write(|| tracing::error!(%error, "internal error"));
                (
                    ErrorCode::Internal,
                    ErrorCode::Internal.text().unwrap_or_default().to_owned(),
                )
            }
        };
        let mut answer = (
            status(code),
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
            text.clone(),
        )
            .into_response();
        answer.extensions_mut().insert(Sentence(text));
        mark(&mut answer, code);
        if [ErrorCode::Unavailable, ErrorCode::TooManyRequests].contains(&code) {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, retry_after);
        }
        answer
    }
}

fn faults(faults: ParameterFaults) -> Response {
    let code = ErrorCode::InvalidRequest;
    let mut answer = (status(code), axum::Json(faults)).into_response();
    mark(&mut answer, code);
    answer
}

fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn mark(answer: &mut Response, code: ErrorCode) {
    let name = HeaderName::from_static(ERROR_HEADER);
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(code.as_str()));
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Builds the description of one invalid parameter.
#[must_use]
pub fn fault(kind: &str, loc: &[&str], msg: &str, input: Option<String>) -> ParameterFault {
    ParameterFault {
        kind: kind.to_owned(),
        loc: loc.iter().map(|part| (*part).to_owned()).collect(),
        msg: msg.to_owned(),
        input,
    }
}

/// Shortens a value received from a client so that it can be quoted in the answer.
#[must_use]
pub fn quoted(text: &str) -> String {
    cut(text, QUOTED)
}
