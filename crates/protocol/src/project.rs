//! Information about the project: extensions of the first protocol, which older trackers lack.

use serde::{Deserialize, Serialize};

use crate::Stage;

/// Answer of `GET /api/project`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectInfo {
    /// The project's name.
    pub project: String,
    /// What the project is about, as plain text. May be empty.
    pub description: String,
    /// The enabled stages, in processing order.
    pub stages: Vec<StageInfo>,
    /// The address of the volunteer page on this tracker, from its own path on: `/volunteer/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volunteer_page: Option<String>,
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
    /// Jobs that have completed all stages.
    pub closed: u64,
    /// Jobs that are set aside until the operator decides about them.
    pub set_aside: u64,
    /// Distinct volunteers who are connected. All workers of a nickname count as one, and so do all
    /// anonymous workers of an address.
    #[serde(default)]
    pub volunteers: u64,
    /// Estimated seconds until all jobs are done at the present rate, or `None` if that cannot be
    /// estimated.
    pub estimate_s: Option<u64>,
    /// Why there is no estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_unknown: Option<EstimateUnknown>,
    /// The enabled stages, in processing order.
    pub stages: Vec<StageStatus>,
    /// Stages that have jobs waiting although they are not enabled.
    #[serde(default)]
    pub disabled: Vec<DisabledStage>,
    /// Enabled stages that finished jobs have not been through, because they were added later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedStage>,
}

/// Why the remaining time of a project cannot be estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EstimateUnknown {
    /// Jobs are waiting at a stage that is not enabled.
    StageDisabled,
    /// A stage that has jobs is paused until the operator resumes it, because every job failed
    /// there.
    StagePaused,
    /// No volunteers are connected.
    NoVolunteers,
    /// All remaining jobs have failed before.
    OnlyFailing,
    /// All remaining jobs are set aside for the operator.
    SetAside,
    /// A stage with jobs left has not completed any recently.
    NoPace,
}

/// A stage that has jobs waiting although it is not enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DisabledStage {
    /// Its letter.
    pub stage: Stage,
    /// How many jobs are at this stage: open, held or set aside.
    pub jobs: u64,
    /// What the operator can do about it, as a sentence.
    pub remedy: String,
}

/// An enabled stage that some finished jobs have not been through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkippedStage {
    /// Its letter.
    pub stage: Stage,
    /// How many jobs were finished at the stage before it.
    pub jobs: u64,
    /// What the operator can do about it, as a sentence.
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
    /// Open jobs, which any worker of the stage may claim.
    pub open: u64,
    /// Jobs held by a worker.
    pub held: u64,
    /// Valid outputs of this stage.
    pub done: u64,
    /// Jobs that are set aside for the operator.
    pub set_aside: u64,
    /// Connected workers.
    pub workers: u64,
    /// Leases granted so far, that is, how often jobs were handed out.
    pub granted: u64,
    /// Results accepted so far, including those later flagged as bad.
    pub accepted: u64,
    /// Results rejected so far.
    pub rejected: u64,
    /// Leases that ended because their worker timed out.
    pub lost: u64,
    /// Failures reported so far.
    pub failed: u64,
    /// If the stage is paused: the error that its volunteers have in common, or the operator's
    /// message. No job of a paused stage is handed out until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Whether the operator has paused the stage, and not the tracker because every job failed there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused_by_operator: bool,
    /// Jobs whose output waits for the opinion of another volunteer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// Results that were settled by the opinions of several volunteers so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub checked: u64,
    /// Jobs of which the first two opinions differed so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub disputed: u64,
    /// Opinions that were found wrong so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wrong: u64,
    /// Volunteers that are on hold because a result of theirs was wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub on_hold: u64,
}

/// A result that counted once and no longer does: a line of the response to
/// `GET /api/retractions?stage=…&after=…&limit=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetractionLine {
    /// The position in the order of retractions, which follow results in one order; pass it as
    /// `after` to continue from here.
    pub cursor: u64,
    /// The job's number. Its results with lower cursors no longer count.
    pub number: u64,
}

/// A line of the response to `GET /api/results?stage=…&after=…&limit=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultLine {
    /// The position in the order of completion; pass it as `after` to continue from here.
    pub cursor: u64,
    /// The job's number.
    pub number: u64,
    /// The output, as the worker submitted it; absent if the call says `data=false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
