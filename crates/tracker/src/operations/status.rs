//! The progress of the project: the store's counters, and estimates derived from them.

use distcompute_protocol::{DisabledStage, SkippedStage, Stage, StageStatus, StatusInfo};

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
                waiting: counts.waiting,
                checked: counts.checked,
                disputed: counts.disputed,
                wrong: counts.wrong,
                on_hold: counts.on_hold,
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
        waiting: sum(|stage| stage.open + stage.held + stage.waiting),
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
        skipped: skipped(settings, status),
    }
}

/// How many jobs were closed at each stage: of those that have passed it, all that neither wait at the
/// next one nor have passed that too.
fn closed_at(status: &Status) -> [u64; 5] {
    let passed = |stage: Option<Stage>| stage.map_or(0, |stage| status.stages[stage.index()].done);
    let waiting = |stage: Option<Stage>| {
        stage.map_or(0, |stage| {
            let counts = status.stages[stage.index()];
            counts.open + counts.held + counts.waiting + counts.aside
        })
    };
    Stage::ALL.map(|stage| {
        let next = stage.next();
        passed(Some(stage)).saturating_sub(waiting(next) + passed(next))
    })
}

/// The enabled stages that finished jobs have not been through, because they were added later.
#[must_use]
pub fn skipped(settings: &Settings, status: &Status) -> Vec<SkippedStage> {
    let closed = closed_at(status);
    let stages = settings.stages.iter().skip(1);
    stages
        .filter_map(|(stage, _)| {
            let jobs = closed[stage.previous()?.index()];
            (jobs > 0).then(|| SkippedStage {
                stage,
                jobs,
                remedy: format!(
                    "They were finished before stage {stage} was enabled, and stay finished. To have \
                     them go on there: distcompute-tracker reopen --stage {stage}"
                ),
            })
        })
        .collect()
}

/// How many outputs of enabled stages will not be made, because their jobs were finished before the
/// stage was added.
#[must_use]
pub fn not_to_come(info: &StatusInfo) -> u64 {
    let stages = info.stages.len();
    let skipped = info.skipped.iter();
    skipped
        .map(|skipped| skipped.jobs * stages.saturating_sub(skipped.stage.index()) as u64)
        .sum()
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
            let jobs = counts.open + counts.held + counts.waiting + counts.aside;
            let last = settings.stages.last();
            (jobs > 0).then(|| DisabledStage {
                stage,
                jobs,
                remedy: format!(
                    "Enable stage {stage} again in the configuration to have them finished. Where \
                     it is not wanted any more, nothing is lost: they are among the results of \
                     stage {last}, and distcompute-tracker close --stage {stage} finishes them."
                ),
            })
        })
        .collect()
}

/// The remaining work of each stage: all jobs except those that it has done and those that will not
/// reach it.
fn loads(stages: &[StageStatus], status: &Status) -> Vec<StageLoad> {
    let closed = closed_at(status);
    let mut lost = 0;
    stages
        .iter()
        .map(|stage| {
            lost += stage.set_aside;
            // Jobs that were closed before this stage was added.
            lost += stage
                .stage
                .previous()
                .map_or(0, |before| closed[before.index()]);
            StageLoad {
                remaining: status.jobs.saturating_sub(lost).saturating_sub(stage.done),
                recent: status.stages[stage.stage.index()].recent,
            }
        })
        .collect()
}
