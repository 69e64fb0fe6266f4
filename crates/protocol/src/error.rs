//! The errors of the protocol: a stable code, the status and the text of each.

/// The response header that carries [`ErrorCode::as_str`] in our tracker's error answers.
pub const ERROR_HEADER: &str = "distcompute-error";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal;)*) => {
        /// Why a call was refused. The codes are stable; the texts are for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it stands in the header `Distcompute-Error` and in a JavaScript error.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The stage is not one of `a` to `e`.
    StageInvalid = "stage_invalid", 400;
    /// The project does not use this stage.
    StageDisabled = "stage_disabled", 400;
    /// The token is not, or no longer, that of a worker.
    WorkerUnknown = "worker_unknown", 404;
    /// No job is open at the worker's stage. Not a fault: wait and ask again.
    NoJobs = "no_jobs", 403;
    /// The worker holds no job that it could complete.
    NoOpenJob = "no_open_job", 403;
    /// The job was completed by somebody else.
    AlreadyCompleted = "already_completed", 403;
    /// The worker holds no job that it could flag.
    NotWorking = "not_working", 403;
    /// The call names another job than the one that the worker holds.
    WrongJob = "wrong_job", 403;
    /// A later sync of the same token was handled before this one: another client uses the token.
    Superseded = "superseded", 409;
    /// A parameter or the body is missing or malformed.
    InvalidRequest = "invalid_request", 422;
    /// The body is larger than the tracker takes.
    TooLarge = "too_large", 413;
    /// The body came so slowly that the tracker did not wait for its end.
    TooSlow = "too_slow", 408;
    /// What was asked for needs a right that the caller has not shown.
    NotAllowed = "not_allowed", 401;
    /// There is nothing at this address.
    NotFound = "not_found", 404;
    /// The address does not take this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The operator has banned this nickname or this address.
    Banned = "banned", 403;
    /// Browsers say that this call is no script's `fetch`, but a picture, a link or a form of a page.
    NotAFetch = "not_a_fetch", 403;
    /// The tracker is not known under the name that the request says in `Host`.
    WrongHost = "wrong_host", 421;
    /// More is asked from this address than the tracker takes: wait for `Retry-After`.
    TooManyRequests = "too_many_requests", 429;
    /// A fault of the tracker.
    Internal = "internal", 500;
    /// The tracker cannot work just now; the same call may go through later.
    Unavailable = "unavailable", 503;
}

impl ErrorCode {
    /// The code that `text` spells.
    #[must_use]
    pub fn from_code(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// The message to people, where the protocol fixes one.
    /// `StageInvalid` and `StageDisabled` name the stage and so have none here.
    #[must_use]
    pub fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::WorkerUnknown => {
                "The server could not find this worker. Did the worker time out?"
            }
            Self::NoJobs => {
                "Either there are no new jobs available, or there was an error whilst finding a \
                 job. Keep retrying, as jobs are dynamically created."
            }
            Self::NoOpenJob => "You do not have an open job.",
            Self::AlreadyCompleted => "This job has already been marked as completed.",
            Self::NotWorking => "This worker is not currently working on a job.",
            Self::Banned => {
                "The operator of this project takes no work under this nickname or from this address."
            }
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::Internal => "Internal Server Error",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_text() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.as_str()), Some(*code));
        }
        assert_eq!(ErrorCode::from_code("nonsense"), None);
    }
}
