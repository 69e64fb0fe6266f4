//! The bodies of requests and responses.

use serde::{Deserialize, Serialize};

/// The body of a response that reports nothing but success.
pub const OK_TEXT: &str = "200 OK";

/// Answer of `GET /api/new?nickname=…&stage=…`: a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewWorker {
    /// The worker's secret, a UUID. Whoever has it can act as this worker.
    pub token: String,
    /// The worker's public name, `word-word-0..999`. Not unique.
    pub display_name: String,
    /// The project's name.
    pub project: String,
    /// What the project calls the stage, for example `Scraper`.
    pub stage_name: String,
}

/// Answer of `GET /api/new` with this tracker's extensions, for clients that support them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registration {
    /// The answer as the first protocol defines it.
    #[serde(flatten)]
    pub worker: NewWorker,
    /// What this tracker supports beyond the first protocol: `sync`.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Seconds after which a lease expires unless a sync renews it.
    #[serde(default)]
    pub lease_s: u32,
    /// The largest request body that the tracker accepts, in bytes.
    #[serde(default)]
    pub max_body: u64,
    /// Identifies the application version; a change tells clients to reload their worker script.
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
    /// The job's input at this stage. An older tracker may send `null`.
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
    /// The number of the job; clients of the first protocol do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// Body of `POST /api/flagInvalidData`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagInvalidData {
    /// The worker's secret.
    pub token: String,
    /// The number of the job whose input is bad; clients of the first protocol do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// One invalid parameter, in the 422 response.
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
    /// The value received, as text.
    pub input: Option<String>,
}

/// The body of a 422 response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ParameterFaults {
    /// All faults of the request.
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
