//! The progress of the project: the store's counters, and estimates derived from them.

use distcompute_protocol::{DisabledStage, Stage, StageStatus, StatusInfo};

use crate::{
    config::Settings,
    rules::estimate::{StageLoad, Standing, time_left},
    store::Status,
};

/// Summarizes the enabled stages.
#[must_use]
pub fn summary(settings: &Settings, status: &Status) -> StatusInfo {
    let stages: Vec<_> = settings
        .stages
        .iter()
        .map(|(stage, name)| {
            let counts = status.stages[stage.index()];
            StageStatus {
                stage,
                name: name.to_owned(),
                open: counts.open,
                held: counts.held,
                done: counts.done,
                set_aside: counts.aside,
                workers: counts.workers,
                granted: counts.granted,
                accepted: counts.accepted,
                rejected: counts.rejected,
                lost: counts.lapsed,
                failed: counts.failed,
                paused: status.paused[stage.index()]
                    .as_ref()
                    .map(|paused| paused.pause.text().to_owned()),
                paused_by_operator: status.paused[stage.index()]
                    .as_ref()
                    .is_some_and(|paused| paused.pause.is_by_operator()),
            }
        })
        .collect();
    let disabled = disabled(settings, status);
    let sum = |count: fn(&StageStatus) -> u64| stages.iter().map(count).sum();
    let aside_at_disabled = Stage::ALL
        .into_iter()
        .filter(|stage| settings.stages.name(*stage).is_none());
    let aside_at_disabled: u64 = aside_at_disabled
        .map(|stage| status.stages[stage.index()].aside)
        .sum();
    let set_aside: u64 = sum(|stage| stage.set_aside);
    let standing = Standing {
        closed: status.closed,
        jobs: status.jobs,
        workers: sum(|stage| stage.workers),
        waiting: sum(|stage| stage.open + stage.held),
        failing: stages
            .iter()
            .map(|stage| status.stages[stage.stage.index()].failing)
            .sum(),
        disabled: disabled.iter().map(|stage| stage.jobs).sum(),
        paused: stages
            .iter()
            .filter(|stage| status.paused[stage.stage.index()].is_some())
            .map(|stage| stage.open)
            .sum(),
    };
    let left = time_left(standing, &loads(&stages, status), status.window_s);
    StatusInfo {
        project: settings.project.clone(),
        jobs: status.jobs,
        closed: status.closed,
        set_aside: set_aside + aside_at_disabled,
        volunteers: status.volunteers,
        estimate_s: left.ok(),
        estimate_unknown: left.err(),
        stages,
        disabled,
    }
}

/// The stages that have jobs waiting although they are not enabled; those jobs are never handed
/// out.
#[must_use]
pub fn disabled(settings: &Settings, status: &Status) -> Vec<DisabledStage> {
    let stages = Stage::ALL.into_iter();
    stages
        .filter(|stage| settings.stages.name(*stage).is_none())
        .filter_map(|stage| {
            let counts = status.stages[stage.index()];
            let jobs = counts.open + counts.held + counts.aside;
            let last = settings.stages.last();
            (jobs > 0).then(|| DisabledStage {
                stage,
                jobs,
                remedy: format!(
                    "Enable stage {stage} again in the configuration to have them finished. Where \
                     it is not wanted any more, nothing is lost: they are among the results of \
                     stage {last}."
                ),
            })
        })
        .collect()
}

/// The remaining work of each stage: all jobs except those that it has done and those that will not
/// reach it.
fn loads(stages: &[StageStatus], status: &Status) -> Vec<StageLoad> {
    let mut lost = 0;
    stages
        .iter()
        .map(|stage| {
            lost += stage.set_aside;
            StageLoad {
                remaining: status.jobs.saturating_sub(lost).saturating_sub(stage.done),
                recent: status.stages[stage.stage.index()].recent,
            }
        })
        .collect()
}
