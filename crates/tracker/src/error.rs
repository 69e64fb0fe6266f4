//! The one place where a refusal or a fault becomes an HTTP answer: status, text, and the header
//! `Distcompute-Error`. What went wrong inside is logged here and never sent.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ERROR_HEADER, ErrorCode, ParameterFault, ParameterFaults, cut};

use crate::{limited_log::LimitedLog, store::StoreError};

/// How much of what was given is quoted back.
const QUOTED: usize = 100;

/// Seconds after which a client may ask again when the database is away or busy.
const RETRY_AFTER: &str = "5";

/// What anybody can have written to the log again and again while something is broken.
static AWAY: LimitedLog = LimitedLog::new();
static BAD_DATA: LimitedLog = LimitedLog::new();
static INTERNAL: LimitedLog = LimitedLog::new();

/// What a refusal says, beside its answer, for those who write a page of it.
#[derive(Debug, Clone)]
pub struct Sentence(pub String);

/// Why a request was not served.
#[derive(Debug)]
pub enum ApiError {
    /// Refused with the text that the protocol fixes for this code.
    Refused(ErrorCode),
    /// Refused with a sentence of its own.
    Said(ErrorCode, String),
    /// The parameters or the body are not what the call takes.
    Faults(Vec<ParameterFault>),
    /// More is asked for than this caller may: it is to come back after so many seconds.
    Wait(u64),
    /// The database is away, or something is broken. The text is for the log.
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

impl From<(ErrorCode, String)> for ApiError {
    fn from((code, sentence): (ErrorCode, String)) -> Self {
        Self::Said(code, sentence)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut retry_after = HeaderValue::from_static(RETRY_AFTER);
        let (code, text) = match self {
            Self::Wait(seconds) => {
                retry_after = seconds.into();
                let text = format!(
                    "More is asked from your address than this project takes. Come back in \
                     {seconds} s."
                );
                (ErrorCode::TooManyRequests, text)
            }
            Self::Refused(code) => (code, code.text().unwrap_or(code.as_str()).to_owned()),
            Self::Said(code, sentence) => (code, sentence),
            Self::Faults(detail) => return faults(ParameterFaults { detail }),
            Self::Store(StoreError::Unavailable(why) | StoreError::Conflict(why)) => {
                AWAY.write(|| tracing::warn!(%why, "the database is not available"));
                (
                    ErrorCode::Unavailable,
                    "The tracker cannot reach its database just now. Try again.".to_owned(),
                )
            }
            // Said to many, and seen in the figures.
            Self::Store(StoreError::Busy) => (
                ErrorCode::Unavailable,
                "More is asked of the tracker than it can do just now. Try again.".to_owned(),
            ),
            Self::Store(StoreError::BadData(why)) => {
                BAD_DATA.write(|| tracing::warn!(%why, "the database does not take a value"));
                let message = "The database cannot keep this.";
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

/// A fault of one parameter.
#[must_use]
pub fn fault(kind: &str, loc: &[&str], msg: &str, input: Option<String>) -> ParameterFault {
    ParameterFault {
        kind: kind.to_owned(),
        loc: loc.iter().map(|part| (*part).to_owned()).collect(),
        msg: msg.to_owned(),
        input,
    }
}

/// What was given, short enough to be sent back.
#[must_use]
pub fn quoted(text: &str) -> String {
    cut(text, QUOTED)
}
