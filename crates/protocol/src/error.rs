//! The protocol's errors: a stable code, an HTTP status and a text for each.

/// The response header that carries [`ErrorCode::as_str`] in this tracker's error responses.
pub const ERROR_HEADER: &str = "distcompute-error";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal;)*) => {
        /// Why a call was refused. The codes are stable; the texts are for people and may change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code, as it appears in the `Distcompute-Error` header and in JavaScript errors.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status of this error.
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
    /// No job is open at the worker's stage. Not a fault: the client should wait and ask again.
    NoJobs = "no_jobs", 403;
    /// The worker holds no job to complete.
    NoOpenJob = "no_open_job", 403;
    /// Another worker has completed the job.
    AlreadyCompleted = "already_completed", 403;
    /// The worker holds no job to flag.
    NotWorking = "not_working", 403;
    /// The call names a job other than the one that the worker holds.
    WrongJob = "wrong_job", 403;
    /// A later sync of the same token was handled before this one: another client is using the
    /// token.
    Superseded = "superseded", 409;
    /// The idempotency key of this call was used before, for other jobs.
    KeyReused = "key_reused", 409;
    /// A parameter or the body is missing or malformed.
    InvalidRequest = "invalid_request", 422;
    /// The body is larger than the tracker accepts.
    TooLarge = "too_large", 413;
    /// The body arrived too slowly, and the tracker stopped waiting for it.
    TooSlow = "too_slow", 408;
    /// The call needs an authorization that the caller has not provided.
    NotAllowed = "not_allowed", 401;
    /// The project is not for everybody, and the caller has not sent its join key.
    JoinKeyRequired = "join_key_required", 401;
    /// A proof of a key needs a nonce of this tracker, which the answer contains: sign again.
    UseDpopNonce = "use_dpop_nonce", 401;
    /// The proof of a key is malformed, is for another call, or is not signed by the key.
    InvalidDpopProof = "invalid_dpop_proof", 400;
    /// No device shows this code for linking, or it has expired.
    LinkCodeUnknown = "link_code_unknown", 404;
    /// These keys cannot be linked: the text says why.
    LinkRefused = "link_refused", 409;
    /// There is nothing at this address.
    NotFound = "not_found", 404;
    /// The method is not allowed at this address.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The operator has banned this nickname or this address.
    Banned = "banned", 403;
    /// The browser's fetch metadata says that this call was not made by a script's `fetch`, but by
    /// an image, a link or a form of a page.
    NotAFetch = "not_a_fetch", 403;
    /// The `Host` header names a host that the tracker is not configured for.
    WrongHost = "wrong_host", 421;
    /// Too many requests from this address: wait for `Retry-After` seconds.
    TooManyRequests = "too_many_requests", 429;
    /// There is no such file, or the address of it is not, or no longer, valid.
    FileUnknown = "file_unknown", 404;
    /// The result names a file that was neither uploaded under its lease nor named by its input.
    FileNotGranted = "file_not_granted", 403;
    /// The bytes that were uploaded do not have the hash that the client says: upload them again.
    UploadWrongHash = "upload_wrong_hash", 409;
    /// Parts of the upload are missing.
    UploadIncomplete = "upload_incomplete", 409;
    /// The address of a part, or the upload, has expired.
    UploadExpired = "upload_expired", 410;
    /// The file, or the files of the job together, are larger than the tracker takes.
    UploadTooLarge = "upload_too_large", 413;
    /// The project has no room for further files.
    FilesFull = "files_full", 507;
    /// The store of files has no room at the moment: its disk is nearly full, or many uploads are
    /// unfinished. The same call may succeed later.
    StoreFull = "store_full", 507;
    /// The project takes no files.
    FilesOff = "files_off", 404;
    /// An internal error of the tracker.
    Internal = "internal", 500;
    /// The tracker is temporarily unavailable; retrying later may succeed.
    Unavailable = "unavailable", 503;
}

impl ErrorCode {
    /// Parses a code, the inverse of [`ErrorCode::as_str`].
    #[must_use]
    pub fn from_code(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// The message for people, where the protocol fixes one. `StageInvalid` and `StageDisabled`
    /// have none here because their messages name the stage.
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
                "The operator of this project takes no work under this nickname, with this key or from \
                 this address."
            }
            Self::JoinKeyRequired => {
                "This project is not open to everybody: it takes volunteers who have its join key. \
                 Ask the project for it, or for the whole address that contains it."
            }
            Self::UseDpopNonce => {
                "The proof of the key needs the nonce that this answer contains, in DPoP-Nonce. Each \
                 nonce is accepted once."
            }
            Self::LinkCodeUnknown => {
                "No device shows this code, or it is older than ten minutes. Have the new device show \
                 another one."
            }
            Self::KeyReused => {
                "This idempotency key was used before, for other jobs. Nothing was added: send other \
                 jobs under a new key."
            }
            Self::FileUnknown => {
                "There is no such file, or its address is not valid any more. Ask for the job again: it \
                 comes with a new address."
            }
            Self::UploadExpired => {
                "This address or this upload is older than the tracker keeps it. Ask for the addresses \
                 of the parts again; if that is refused too, begin the upload again."
            }
            Self::FilesFull => {
                "The project has no room for further files. Its operator deletes some or raises \
                 files_total; try again later."
            }
            Self::StoreFull => {
                "The store of this project's files is nearly full. What was uploaded is kept; try again \
                 later."
            }
            Self::FilesOff => {
                "This project takes no files: its operator has set object_store to off."
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
