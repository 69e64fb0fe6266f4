//! What a tracker says of the project: additions of ours, which older trackers do not have.

use serde::{Deserialize, Serialize};

use crate::Stage;

/// Answer of `GET /api/project`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectInfo {
    /// The project's name.
    pub project: String,
    /// What it is about, as plain text; may be empty.
    pub description: String,
    /// The enabled stages, in the order of the work.
    pub stages: Vec<StageInfo>,
}

/// An enabled stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageInfo {
    /// Its letter.
    pub stage: Stage,
    /// What the project calls it.
    pub name: String,
}

/// Answer of `GET /api/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusInfo {
    /// The project's name.
    pub project: String,
    /// All jobs.
    pub jobs: u64,
    /// Jobs that went through all stages.
    pub closed: u64,
    /// Jobs that wait for the operator.
    pub set_aside: u64,
    /// Distinct volunteers who are there: all workers of a nickname are one, and all unnamed workers of
    /// an address.
    #[serde(default)]
    pub volunteers: u64,
    /// Seconds until all is done at the present pace; `None` where nobody can say.
    pub estimate_s: Option<u64>,
    /// Why nobody can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_unknown: Option<EstimateUnknown>,
    /// The enabled stages, in the order of the work.
    pub stages: Vec<StageStatus>,
    /// Stages that are not enabled although jobs wait at them.
    #[serde(default)]
    pub disabled: Vec<DisabledStage>,
}

/// Why nobody can say how long a project will still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EstimateUnknown {
    /// Jobs wait at a stage that is not enabled.
    StageDisabled,
    /// A stage with jobs is paused for the operator, because everything failed there.
    StagePaused,
    /// No volunteers are there.
    NoVolunteers,
    /// All jobs that are left have failed before.
    OnlyFailing,
    /// All jobs that are left are set aside for the operator.
    SetAside,
    /// A stage with work left has finished nothing of late.
    NoPace,
}

/// A stage that is not enabled although jobs wait at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DisabledStage {
    /// Its letter.
    pub stage: Stage,
    /// How many jobs wait there: open, held or set aside.
    pub jobs: u64,
    /// What the operator can do, as a sentence.
    pub remedy: String,
}

/// The counters of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageStatus {
    /// Its letter.
    pub stage: Stage,
    /// What the project calls it.
    pub name: String,
    /// Jobs that anybody may take.
    pub open: u64,
    /// Jobs that a worker holds.
    pub held: u64,
    /// Outputs of this stage that count.
    pub done: u64,
    /// Jobs that wait for the operator.
    pub set_aside: u64,
    /// Connected workers.
    pub workers: u64,
    /// Leases that were ever granted: how often a job was handed out.
    pub granted: u64,
    /// Results that were ever accepted, those that were called bad later among them.
    pub accepted: u64,
    /// Results that were not wanted.
    pub rejected: u64,
    /// Leases that ended because nothing was heard of their holder.
    pub lost: u64,
    /// Failures that were reported.
    pub failed: u64,
    /// Why no job of this stage is handed out until the operator has it go on: the error that its
    /// volunteers share. `None`: it is not paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// A line of the answer of `GET /api/results?stage=…&after=…&limit=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultLine {
    /// Its place in the order of completion, for the next call's `after`.
    pub cursor: u64,
    /// The job's number.
    pub number: u64,
    /// The output, as the worker handed it in; not there where the call says `data=false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}
