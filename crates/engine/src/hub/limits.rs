//! Which jobs take too long, and which compute workers do not do what they are told.

use crate::hub::Scheduler;
use crate::hub::action::Action;
use crate::hub::cores::Health;
use crate::hub::cx::{Cx, Timer};
use crate::hub::event::Inherited;
use crate::hub::jobs::{JobKey, JobState, Outcome};
use crate::list::IntoList;
use crate::time::clock::Now;

/// How often it is checked whether a core rests. A longer gap means that the machine slept, and counts
/// as this much.
const REST_LOOK_MS: f64 = 1_000.0;

/// How often working time is added up at least, while a core works.
const BEAT_MS: f64 = 10_000.0;

fn is_over(left_ms: Option<f64>) -> bool {
    left_ms.is_some_and(|left| left <= 0.0)
}

impl Scheduler {
    /// Adds up the time in which cores could work. A long gap without an event means that the machine
    /// slept, whatever the clocks show.
    pub(super) fn enter(&mut self, now: Now) {
        if let Some(entered) = self.entered
            && self.resting.is_none()
        {
            let passed = (now.mono - entered.mono).clamp(0.0, 2.0 * BEAT_MS);
            self.work_ms += passed * f64::from(self.settings.intensity) / 10.0;
        }
        if let Some(entered) = self.entered {
            let passed = (now.mono - entered.mono).clamp(0.0, REST_LOOK_MS);
            for (_, core) in self.cores.iter_mut() {
                if core.is_restless() {
                    core.restless_ms += passed;
                }
            }
        }
        self.entered = Some(now);
    }

    /// Ends jobs that take too long or have stalled, and replaces cores that do not do as told.
    pub(super) fn end_what_hangs(&mut self, cx: &mut Cx) {
        let resting = self.resting.is_some();
        let mut over: Vec<(u32, JobKey, Outcome, String)> = Vec::new();
        let mut restless: Vec<u32> = Vec::new();
        for (at, core) in self.cores.iter_mut() {
            if core.retry.is_some_and(|retry| retry.is_over(cx.now)) {
                core.retry = None;
                core.health = Health::Starting;
                let why = "Its setup failed.".to_owned();
                cx.out.push(Action::Replace { core: at, why });
            }
            if let Some((key, _)) = core.stopping {
                if is_over(core.stop_left_ms(cx.now)) {
                    let why = "It did not hear that it should stop.".to_owned();
                    over.push((at, key, Outcome::Released, why));
                }
                continue;
            }
            let Some(key) = core.running else { continue };
            let job = self.table.get(key);
            if !job.is_some_and(
                |job| matches!(job.state, JobState::Running { core, .. } if core == at),
            ) {
                // The job has ended here, or another core has it.
                core.stopping = Some((key, cx.now));
                cx.out.push(Action::StopJob { core: at, key });
                continue;
            }
            if is_over(core.rest_left_ms()) {
                restless.push(at);
                continue;
            }
            if resting {
                continue;
            }
            if is_over(core.timeout_left_ms(self.work_ms, &self.limits)) {
                let why = "The job took longer than its owner allows (jobTimeoutMs).".to_owned();
                over.push((at, key, Outcome::Failed(why.clone()), why));
            } else if is_over(core.stall_left_ms(self.work_ms, &self.limits)) {
                let why = "The job has stalled: no progress for longer than stallMs.".to_owned();
                over.push((at, key, Outcome::Failed(why.clone()), why));
            }
        }
        let silent = |inherited: &&Inherited| self.silence_left_ms(**inherited) <= 0.0;
        let silent: Vec<Inherited> = self.unreported().iter().filter(silent).copied().into_list();
        for Inherited { core, .. } in silent.into_iter().filter(|_| !resting) {
            self.reported(core);
            let why = "It was silent for longer than jobTimeoutMs or stallMs.".to_owned();
            cx.out.push(Action::Replace { core, why });
        }
        for at in restless {
            // Not a failure: the job is resumed from its checkpoint, or given back if it has none.
            self.renew_core(cx.now, at);
            let why = "It went on working while it was told to rest.".to_owned();
            cx.out.push(Action::Replace { core: at, why });
        }
        for (at, key, outcome, why) in over {
            if let Outcome::Failed(why) = &outcome {
                self.counts.failed += 1;
                self.note_failure(key, why, cx.now);
            }
            if self.runs(at, key) {
                self.table.end(key, outcome, cx.now);
            }
            self.renew_core(cx.now, at);
            cx.out.push(Action::Replace { core: at, why });
        }
    }

    /// Arms the timers of the cores. Called last, when it is known what they do from here on.
    pub(super) fn watch(&self, cx: &mut Cx) {
        let now = cx.now;
        let mut arm = |name, left: Option<f64>| cx.arm(name, left.unwrap_or(f64::INFINITY));
        let share = f64::from(self.settings.intensity) / 10.0;
        let mut arm_work = |name, left: Option<f64>| {
            if let Some(left) = left.filter(|left| self.resting.is_none() && left.is_finite()) {
                arm(name, Some(left / share));
                arm(Timer::WorkTime, Some(BEAT_MS));
            }
        };
        for inherited in self.unreported() {
            arm_work(Timer::Silence, Some(self.silence_left_ms(*inherited)));
        }
        for core in self.cores.values() {
            arm_work(
                Timer::JobTimeout,
                core.timeout_left_ms(self.work_ms, &self.limits),
            );
            arm_work(Timer::Stall, core.stall_left_ms(self.work_ms, &self.limits));
        }
        for core in self.cores.values() {
            if !core.queue.is_empty() {
                arm(Timer::Recall, core.recall_left_ms(now));
                if core.recalled.is_none() {
                    arm(Timer::LongJob, self.long_job_left_ms(now, core));
                }
            }
            arm(Timer::Setup, core.retry.map(|retry| retry.left_ms(now)));
            arm(Timer::StopJob, core.stop_left_ms(now));
            let rest = core.rest_left_ms();
            arm(Timer::RestLook, rest.map(|left| left.min(REST_LOOK_MS)));
        }
    }
}
