//! The bodies of requests and answers.

use serde::{Deserialize, Serialize};

/// The body of an answer that says no more than that it worked.
pub const OK_TEXT: &str = "200 OK";

/// Answer of `GET /api/new?nickname=…&stage=…`: a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewWorker {
    /// The worker's secret, a UUID: it alone is the right to act as this worker.
    pub token: String,
    /// The worker's public name, `word-word-0..999`. Not unique.
    pub display_name: String,
    /// The project's name.
    pub project: String,
    /// What the project calls the stage, for example `Scraper`.
    pub stage_name: String,
}

/// Answer of `GET /api/new` with what ours adds, for clients that know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registration {
    /// What every tracker says.
    #[serde(flatten)]
    pub worker: NewWorker,
    /// What this tracker can do beyond the first protocol: `sync`.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Seconds after which a lease ends unless a sync holds it.
    #[serde(default)]
    pub lease_s: u32,
    /// The largest body that a request may have, in bytes.
    #[serde(default)]
    pub max_body: u64,
    /// Changes when clients should load their worker script anew.
    #[serde(default)]
    pub app_version: String,
}

/// Body of `POST /api/validateWorker`, `/api/newJob` and `/api/bye`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenBody {
    /// The worker's secret.
    pub token: String,
}

/// Answer of `POST /api/newJob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewJob {
    /// The job's input at this stage. An older tracker may say `null`.
    pub data: Option<String>,
    /// The job's number, counted from 1.
    pub number: u64,
}

/// Body of `POST /api/updateProgress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateProgress {
    /// The worker's secret.
    pub token: String,
    /// One line for people.
    pub progress: String,
}

/// Body of `POST /api/completeJob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompleteJob {
    /// The worker's secret.
    pub token: String,
    /// The output, which is the next stage's input.
    pub data: String,
    /// The job that this is the output of; clients of the first protocol do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// Body of `POST /api/flagInvalidData`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagInvalidData {
    /// The worker's secret.
    pub token: String,
    /// The job whose input is bad; clients of the first protocol do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// One fault of a request's parameters, in the 422 answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ParameterFault {
    /// The kind of fault, for example `missing` or `string_type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is, for example `["query", "stage"]`.
    pub loc: Vec<String>,
    /// A sentence for people.
    pub msg: String,
    /// What was given, as text.
    pub input: Option<String>,
}

/// The body of a 422 answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ParameterFaults {
    /// Each fault.
    pub detail: Vec<ParameterFault>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_is_what_the_python_client_writes_and_reads() {
        let body: CompleteJob =
            serde_json::from_str(r#"{"token":"t","data":"d"}"#).expect("no number");
        assert_eq!(body.number, None);
        assert_eq!(
            serde_json::to_string(&body).expect("serialises"),
            r#"{"token":"t","data":"d"}"#
        );
        let job: NewJob = serde_json::from_str(r#"{"data":null,"number":7}"#).expect("null data");
        assert_eq!(
            job,
            NewJob {
                data: None,
                number: 7
            }
        );
    }
}
