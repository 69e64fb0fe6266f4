//! What the hub knows of each compute worker.

use crate::hub::Scheduler;
use crate::hub::action::{Action, Write};
use crate::hub::cx::Cx;
use crate::hub::event::{Progress, Report};
use crate::hub::jobs::{Job, JobKey, JobState, Outcome};
use crate::hub::shutdown::Mode;
use crate::list::{IntoList, retain};
use crate::settings::Limits;
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now};

/// How long a core may take to acknowledge that it has stopped a job.
const GRACE_MS: f64 = 1_500.0;

/// How long a core may work on after it was told to rest in the middle of a job, and how long it may go
/// without reporting that it rests, before its worker is replaced. This is twice the time that a handler
/// should let pass between two calls of `progress`, and some more for a busy machine.
const REST_GRACE_MS: f64 = 5_000.0;

/// How long a core may take to give back its queue. If it takes longer, its job keeps the thread busy.
const RECALL_MS: f64 = 300.0;

/// The wait before a core whose setup failed is tried again.
const SETUP: Backoff = Backoff::doubling(2_000.0, 60_000.0).with_jitter(0.2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Starting,
    Up,
    Broken,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Core {
    pub(super) health: Health,
    pub(super) intensity: Option<u8>,
    /// The jobs that it was given and has not begun, in order.
    pub(super) queue: Vec<JobKey>,
    /// The job that it runs: the first that it was given, whether it has reported that or not. A handler
    /// that blocks its thread may report nothing before its end.
    pub(super) running: Option<JobKey>,
    /// Whether it has reported that this job has begun.
    pub(super) acknowledged: bool,
    pub(super) progress: Option<Progress>,
    /// The value of the scheduler's `work_ms` when its job began, and when it last reported progress.
    pub(super) began: f64,
    pub(super) reported: Option<f64>,
    /// Whether its latest progress has not been sent to the tracker.
    pub(super) has_news: bool,
    /// A job that it was told to stop, and since when.
    pub(super) stopping: Option<(JobKey, Now)>,
    /// Since when it has been asked to give back its queue.
    pub(super) recalled: Option<Now>,
    /// Whether it has reported that it rests, since it was told to.
    pub(super) rests: bool,
    /// How long it has been told to rest without reporting that it does, in milliseconds.
    pub(super) restless_ms: f64,
    pub(super) jobs: u64,
    pub(super) since: Now,
    pub(super) setups: u32,
    /// The error that its setup has thrown.
    pub(super) why: String,
    pub(super) retry: Option<Due>,
}

impl Core {
    /// Removes a job from the queue.
    fn unqueue(&mut self, key: JobKey) {
        retain(&mut self.queue, |queued| *queued != key);
    }

    pub(super) fn new(now: Now) -> Self {
        Self {
            health: Health::Starting,
            intensity: None,
            queue: Vec::new(),
            running: None,
            acknowledged: false,
            progress: None,
            began: 0.0,
            reported: None,
            has_news: false,
            stopping: None,
            recalled: None,
            rests: false,
            restless_ms: 0.0,
            jobs: 0,
            since: now,
            setups: 0,
            why: String::new(),
            retry: None,
        }
    }

    /// Whether it takes jobs, or is expected to.
    pub(super) fn is_able(&self) -> bool {
        self.health == Health::Up || (self.health == Health::Starting && self.setups == 0)
    }

    /// Whether it is expected to rest in the middle of a job, and may still be working.
    pub(super) fn is_restless(&self) -> bool {
        self.intensity == Some(0) && self.running.is_some() && self.stopping.is_none()
    }

    /// Whether it has reported recently that it rests in the middle of its job.
    pub(super) fn is_at_rest(&self) -> bool {
        self.rests && self.restless_ms < REST_GRACE_MS / 2.0
    }

    /// Notes that it runs this job. Returns the other job that it was believed to run, if any.
    pub(super) fn begin(&mut self, key: JobKey, work_ms: f64) -> Option<JobKey> {
        let before = self.running.filter(|before| *before != key);
        if self.running != Some(key) {
            self.rests = false;
            self.restless_ms = 0.0;
            self.running = Some(key);
            self.began = work_ms;
            self.acknowledged = false;
            self.progress = None;
            self.reported = None;
        }
        before
    }

    /// How long it may still take to give back its queue. The machine's sleep does not count.
    pub(super) fn recall_left_ms(&self, now: Now) -> Option<f64> {
        Some(RECALL_MS - now.awake_since(self.recalled?))
    }

    /// How long it may still take to stop its job.
    pub(super) fn stop_left_ms(&self, now: Now) -> Option<f64> {
        let (_, since) = self.stopping?;
        Some(GRACE_MS - now.since(since))
    }

    /// How long it may still work although it shall rest.
    pub(super) fn rest_left_ms(&self) -> Option<f64> {
        self.is_restless()
            .then_some(REST_GRACE_MS - self.restless_ms)
    }

    /// How much longer its job may run, in time in which cores work.
    pub(super) fn timeout_left_ms(&self, work_ms: f64, limits: &Limits) -> Option<f64> {
        self.running?;
        Some(limits.job_timeout_ms? - (work_ms - self.began))
    }

    /// How much longer its job may go without progress, in time in which cores work. A job that has
    /// reported none so far need not report any.
    pub(super) fn stall_left_ms(&self, work_ms: f64, limits: &Limits) -> Option<f64> {
        self.running?;
        Some(limits.stall_ms - (work_ms - self.reported?))
    }
}

impl Scheduler {
    pub(super) fn core_here(&mut self, now: Now, at: u32) {
        // A worker that replaces another one has none of its jobs.
        let mut core = Core::new(now);
        if let Some(before) = self.cores.get(at) {
            core.jobs = before.jobs;
            core.setups = before.setups;
            core.why.clone_from(&before.why);
        }
        self.empty(at);
        self.cores.insert(at, core);
    }

    /// Its setup has succeeded.
    pub(super) fn core_up(&mut self, at: u32) {
        if let Some(core) = self.cores.get_mut(at) {
            core.health = Health::Up;
            core.setups = 0;
        }
    }

    /// Its setup has failed.
    pub(super) fn core_broken(&mut self, cx: &Cx, at: u32, why: String) {
        // A worker whose setup failed runs none of the jobs that it was given.
        self.empty(at);
        if let Some(core) = self.cores.get_mut(at) {
            core.queue.clear();
            core.running = None;
            core.health = Health::Broken;
            core.why = why;
            core.retry = Some(Due::after(cx.now, SETUP.wait_ms(core.setups, cx.random)));
            core.setups = core.setups.saturating_add(1);
        }
    }

    /// It has reported that it rests in the middle of its job.
    pub(super) fn core_rests(&mut self, at: u32) {
        if let Some(core) = self.cores.get_mut(at).filter(|core| core.is_restless()) {
            core.rests = true;
            core.restless_ms = 0.0;
        }
    }

    pub(super) fn core_died(&mut self, now: Now, at: u32, why: &str) {
        let running = self.cores.get(at).and_then(|core| core.running);
        if let Some(key) = running.filter(|key| self.runs(at, *key)) {
            self.counts.failed += 1;
            let why = format!("The worker died: {why}");
            self.note_failure(key, &why, now);
            self.table.end(key, Outcome::Failed(why), now);
        }
        self.empty(at);
        self.reported(at);
        if let Some(core) = self.cores.get_mut(at) {
            let fresh = Core::new(now);
            *core = Core {
                jobs: core.jobs,
                setups: core.setups,
                ..fresh
            };
        }
    }

    /// A core's worker is to be replaced: its jobs go back to the table.
    pub(super) fn renew_core(&mut self, now: Now, at: u32) {
        self.empty(at);
        if let Some(core) = self.cores.get_mut(at) {
            *core = Core {
                jobs: core.jobs,
                ..Core::new(now)
            };
        }
    }

    /// Puts the jobs of a core back on the table.
    fn empty(&mut self, at: u32) {
        for job in self.table.iter_mut() {
            if job.core() == Some(at) {
                job.state = JobState::Ahead;
            }
        }
    }

    /// A core has given back what it had not started.
    pub(super) fn recalled(&mut self, at: u32, keys: Vec<JobKey>) {
        // A worker that was replaced may still answer. That says nothing about its successor.
        let core = self.cores.get_mut(at);
        let asked = core.and_then(|core| core.recalled.take());
        for key in keys.into_iter().filter(|_| asked.is_some()) {
            if let Some(job) = self.table.get_mut(key)
                && job.core() == Some(at)
            {
                job.state = JobState::Ahead;
            }
            if let Some(core) = self.cores.get_mut(at) {
                core.unqueue(key);
                core.running = core.running.filter(|running| *running != key);
            }
        }
    }

    /// Notes which job each core runs now: cores take their queue in order, and report it later.
    pub(super) fn begin_next(&mut self, now: Now) {
        for (at, core) in self.cores.iter_mut() {
            if core.running.is_none() && !core.queue.is_empty() {
                let key = core.queue.remove(0);
                let _ = core.begin(key, self.work_ms);
                if let Some(job) = self.table.get_mut(key).filter(|job| job.core() == Some(at)) {
                    let (core, since) = (at, now);
                    job.state = JobState::Running { core, since };
                }
            }
        }
    }

    /// Whether a job runs on this core.
    pub(super) fn runs(&self, at: u32, key: JobKey) -> bool {
        let job = self.table.get(key);
        job.is_some_and(|job| matches!(job.state, JobState::Running { core, .. } if core == at))
    }

    pub(super) fn report(&mut self, cx: &mut Cx, at: u32, report: Report) {
        let Some(core) = self.cores.get_mut(at) else {
            for ended in report.results {
                self.table.end(ended.key, ended.outcome, cx.now);
            }
            return;
        };
        let mut trapped = false;
        let mut replaced = None;
        let over: Vec<JobKey> = report.results.iter().map(|ended| ended.key).into_list();
        for ended in report.results {
            self.counts.compute_ms += ended.ms;
            core.unqueue(ended.key);
            if core.running == Some(ended.key) {
                core.running = None;
                core.progress = None;
                core.reported = None;
                core.has_news = false;
            }
            if core.stopping.is_some_and(|(key, _)| key == ended.key) {
                core.stopping = None;
                // The slot for out-of-band signals holds "stop" now, which is no intensity.
                core.intensity = None;
            }
            let session = self.table.get(ended.key).map(|job| job.session);
            let released = matches!(ended.outcome, Outcome::Released);
            if !released
                && let Some(session) = session.and_then(|session| self.sessions.get_mut(session))
            {
                session.common.job_ms.add(ended.ms, 1);
            }
            match ended.outcome {
                Outcome::Done(_) => {
                    core.jobs += 1;
                    self.failing.done();
                }
                Outcome::Invalid(_) => self.counts.invalid += 1,
                Outcome::Failed(ref why) => {
                    self.counts.failed += 1;
                    let job = self.table.get(ended.key).map_or(0, |job| job.number);
                    self.failing.failed(why, job, cx.now);
                }
                Outcome::Released => {}
            }
            let has = self
                .table
                .get(ended.key)
                .is_some_and(|job| job.core() == Some(at));
            // The result of a worker that was replaced is as good as any.
            if has || matches!(ended.outcome, Outcome::Done(_)) {
                self.table.end(ended.key, ended.outcome, cx.now);
            }
            if ended.fatal {
                let why = if released {
                    "Its handler went on after it was stopped."
                } else {
                    "Its WebAssembly trapped."
                };
                let why = why.to_owned();
                core.health = Health::Starting;
                trapped = true;
                cx.out.push(Action::Replace { core: at, why });
            }
        }
        // A job that began and ended since the last report is in both lists.
        if let Some(key) = report.started.filter(|key| !over.contains(key)) {
            // It may not be its job any more. Then the core is told to stop it.
            core.unqueue(key);
            replaced = core.begin(key, self.work_ms);
            core.acknowledged = true;
            // It was reclaimed from the queue, and has not been given to another core.
            let up = core.health == Health::Up;
            let free = |job: &Job| {
                job.core() == Some(at) || (up && job.taken && job.state == JobState::Ahead)
            };
            if let Some(job) = self.table.get_mut(key).filter(|job| free(job)) {
                let (core, since) = (at, cx.now);
                job.state = JobState::Running { core, since };
            }
        }
        if let Some(progress) = report.progress
            && core.running == Some(progress.key)
        {
            core.progress = Some(progress);
            core.reported = Some(self.work_ms);
            core.has_news = true;
        }
        if let Some(key) = report.checkpoint
            && let Some(job) = self.table.get_mut(key)
            && job.outcome().is_none()
        {
            job.resumable = true;
            cx.out.push(Action::Store(Write::Job(key)));
        }
        if trapped {
            core.queue.clear();
            core.running = None;
            self.empty(at);
        }
        self.take_back(at, replaced);
    }

    /// Puts a job back on the table of which it turns out that the core does not run it.
    pub(super) fn take_back(&mut self, at: u32, key: Option<JobKey>) {
        let job = key.and_then(|key| self.table.get_mut(key));
        if let Some(job) = job.filter(|job| job.core() == Some(at)) {
            job.state = JobState::Ahead;
        }
    }

    pub(super) fn note_failure(&mut self, key: JobKey, why: &str, now: Now) {
        let job = self.table.get(key).map_or(0, |job| job.number);
        self.failing.failed(why, job, now);
    }

    pub(super) fn is_working(&self) -> bool {
        self.cores.values().any(|core| core.running.is_some())
            || self
                .table
                .iter()
                .any(|job| matches!(job.state, JobState::Queued { .. }))
    }

    /// Whether a core is one of those that the volunteer wants.
    pub(super) fn is_wanted(&self, at: u32) -> bool {
        at < self.settings.cores
    }

    pub(super) fn set_intensity(&mut self, cx: &mut Cx, intensity: u8) {
        for (at, core) in self.cores.iter_mut() {
            if core.intensity != Some(intensity) && core.stopping.is_none() {
                core.intensity = Some(intensity);
                core.rests = false;
                core.restless_ms = 0.0;
                cx.out.push(Action::Intensity {
                    core: at,
                    intensity,
                });
            }
        }
    }

    /// Requests as many workers as there should be.
    pub(super) fn size(&mut self, cx: &mut Cx) {
        // A surplus core is ended once its jobs are done.
        let running = self.cores.iter().filter(|(_, core)| core.running.is_some());
        let running = running.map(|(at, _)| at + 1);
        let queued = self.table.iter().filter_map(|job| Some(job.core()? + 1));
        let busy = running.chain(queued).max().unwrap_or(0);
        let wanted = match self.mode {
            Mode::Run if self.resting.is_some() => busy.max(if self.cores.is_empty() {
                0
            } else {
                self.settings.cores
            }),
            Mode::Run => self.settings.cores.max(busy),
            _ => busy,
        };
        if self.wanted != Some(wanted) {
            self.wanted = Some(wanted);
            self.cores.retain(|at| at < wanted);
            cx.out.push(Action::Cores(wanted));
        }
    }
}
