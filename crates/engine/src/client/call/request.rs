//! What each call sends.

use distcompute_protocol::{CompleteJob, FlagInvalidData, Stage, TokenBody, UpdateProgress};
use serde::Serialize;

use crate::client::address::encode;
use crate::client::call::Call;

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
    /// The project's join key, for a header: addresses are logged.
    pub join_key: Option<String>,
}

impl Request {
    fn get(call: Call, path: String) -> Self {
        Self {
            call,
            path,
            body: None,
            join_key: None,
        }
    }

    fn post(call: Call, path: &str, body: Body) -> Self {
        Self {
            call,
            path: path.to_owned(),
            body: Some(body),
            join_key: None,
        }
    }

    /// Registers a worker.
    #[must_use]
    pub fn new_worker(nickname: &str, stage: Stage) -> Self {
        let path = format!("/api/new?nickname={}&stage={stage}", encode(nickname));
        Self::get(Call::New, path)
    }

    /// The same request with the project's join key, if it has one.
    #[must_use]
    pub fn with_join_key(mut self, join_key: Option<String>) -> Self {
        self.join_key = join_key;
        self
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
