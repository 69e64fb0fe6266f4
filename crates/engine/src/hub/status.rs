//! What a page shows of the hub.

use crate::fault::Fault;
use crate::hub::Scheduler;
use crate::hub::cores::{Core, Health};
use crate::hub::jobs::{Job, JobState, Outcome};
use crate::hub::shutdown::Mode;
use crate::reason::Reason;
use crate::status;
use crate::status::LastError;
use crate::time::clock::Now;

/// A core that has been without a job for less than this is still shown as computing.
const BETWEEN_MS: f64 = 2_000.0;

impl Scheduler {
    /// Why it computes, or does not.
    #[must_use]
    pub fn reason(&self, now: Now) -> Reason {
        if self.has_reported_fatal {
            return Reason::Failed;
        }
        match self.mode {
            Mode::Stop { finish: true, .. } => return Reason::Finishing,
            Mode::Stop { .. } | Mode::Leave { .. } => return Reason::Stopping,
            Mode::Over if !self.renewing => return Reason::Stopped,
            _ => {}
        }
        let wall = now.wall;
        let now = self.clock.at(now);
        if let Some(rest) = self.verdict(now, wall).rest {
            return rest;
        }
        if self.renewing {
            return Reason::Updating;
        }
        if self.failing.first().is_some() {
            return Reason::JobsFail {
                until: self
                    .clock
                    .wall_of(now.wall + self.failing.rest_left_ms(now)),
            };
        }
        if self.is_working() {
            return Reason::Computing;
        }
        // Between two short jobs, too.
        if self.worked.is_some_and(|at| now.since(at) < BETWEEN_MS) && !self.is_dry() {
            return Reason::Computing;
        }
        let until = |ms: f64| self.clock.wall_of(now.wall + ms);
        // Also while it is being tried again.
        let broken = |core: &Core| core.health != Health::Up && core.setups > 0;
        if !self.cores.is_empty() && self.cores.values().all(broken) {
            let retry = self.cores.values().filter_map(|core| core.retry);
            let ms = retry.map(|retry| retry.left_ms(now)).reduce(f64::min);
            return Reason::SetupFailed {
                until: until(ms.unwrap_or(0.0)),
            };
        }
        let away = self
            .sessions
            .iter()
            .filter_map(|l| l.common.retry.left_ms(now));
        if let Some(ms) = away.reduce(f64::min) {
            let until = until(ms);
            return match self.trouble() {
                Some(_) => Reason::NoTracker { until },
                None if self.is_asked_to_wait() => Reason::AskedToWait { until },
                None => Reason::Unreachable { until },
            };
        }
        let mut dry = self.sessions.iter().map(|session| session.common.dry);
        if self.is_dry() {
            let left = dry.by_ref().flatten().map(|dry| dry.left_ms(now));
            let until = until(left.reduce(f64::min).unwrap_or(0.0));
            let mut sessions = self.sessions.iter();
            // A page that works at several stages waits for those that are not paused.
            if sessions.all(|session| session.common.paused.is_some()) {
                return Reason::ProjectPaused { until };
            }
            return Reason::NoJobs { until };
        }
        let up = self.cores.values().any(|core| core.health == Health::Up);
        let is_coming = |job: &Job| job.state == JobState::Ahead && !self.files.are_ready(job);
        if up && (self.worked.is_some() || self.table.iter().any(is_coming)) {
            Reason::Fetching
        } else {
            Reason::Starting
        }
    }

    /// Whether no stage has a job.
    fn is_dry(&self) -> bool {
        self.sessions
            .iter()
            .all(|session| session.common.dry.is_some())
    }

    /// Whether the tracker is away only because it has asked this browser to slow down.
    fn is_asked_to_wait(&self) -> bool {
        let mut away = self.sessions.iter().map(|session| &session.common.retry);
        away.all(|retry| !retry.is_away() || retry.is_asked_to_wait())
    }

    fn trouble(&self) -> Option<&Fault> {
        self.sessions
            .iter()
            .find_map(|session| session.common.trouble())
    }

    /// The status that a page shows. The driver adds the bytes that it has transferred.
    #[must_use]
    pub fn status(&self, now: Now) -> status::Status {
        let mut all = status::Status::new(self.reason(now), self.settings);
        if let Reason::SetupFailed { .. } = all.reason {
            let first = self.cores.values().next();
            all.problem = first.map_or_else(String::new, |core| core.why.clone());
        }
        if let Reason::ProjectPaused { .. } = all.reason {
            let mut messages = self.sessions.iter().filter_map(|l| l.common.paused.clone());
            all.notice = messages.find(|text| !text.is_empty()).unwrap_or_default();
        }
        if let (Reason::JobsFail { .. }, Some(first)) = (&all.reason, self.failing.first()) {
            all.problem = format!("{}: {}", first.name, first.message);
        }
        all.last_error = self.failing.last().cloned().map(|error| LastError {
            at: self.clock.wall_of(error.at),
            ..error
        });
        all.trouble = self.trouble().cloned();
        for (at, core) in self.cores.iter() {
            all.cores.push(self.core_status(now, at, core));
        }
        let commons = || self.sessions.iter().map(|session| &session.common);
        for common in commons() {
            let done = u64::from(common.accepted);
            all.jobs_done += done;
            all.jobs_by_stage.push((common.stage, done));
        }
        all.jobs_unconfirmed = commons().fold(0, |sum: u64, common| {
            // What another server says in the tracker's name may be any number.
            sum.saturating_add(common.unconfirmed)
        });
        let rejected: u32 = commons().map(|common| common.rejected).sum();
        all.jobs_rejected = u64::from(rejected);
        let undelivered: u32 = commons().map(|common| common.undelivered).sum();
        all.not_delivered = u64::from(undelivered);
        all.jobs_invalid = self.counts.invalid;
        let unfit: u32 = commons().map(|common| common.unfit).sum();
        all.jobs_failed = self.counts.failed + u64::from(unfit);
        all.compute_ms = self.counts.compute_ms;
        let done = |job: &Job| matches!(job.outcome(), Some(Outcome::Done(_)));
        all.waiting = self.table.count(done) as u64;
        let outputs = self.table.iter().filter_map(|job| match job.outcome() {
            // Sizes are upper bounds, which count each character twice.
            Some(Outcome::Done(text)) => Some(f64::from(text.bytes) / 2.0),
            _ => None,
        });
        all.bytes_waiting = outputs.sum();
        all.files = self.files.status();
        all.online = !self.is_away() || self.is_asked_to_wait();
        self.project().clone_into(&mut all.project);
        for common in commons() {
            if let Some(hello) = &common.hello {
                all.stage_names
                    .push((common.stage, hello.stage_name.clone()));
                if all.display_name.is_empty() {
                    all.display_name.clone_from(&hello.display_name);
                }
            }
        }
        all
    }

    fn core_status(&self, now: Now, at: u32, core: &Core) -> status::Core {
        let job = core.running.and_then(|key| self.table.get(key));
        let progress = core.progress.as_ref();
        let now = self.clock.at(now);
        let minutes = now.since(core.since).max(1_000.0) / 60_000.0;
        let rate = core.jobs as f64 / minutes;
        let mut earlier = self.earlier.iter().filter(|(core, _)| *core == at);
        let earlier = earlier.next().map_or(0, |(_, jobs)| u64::from(*jobs));
        status::Core {
            core: at,
            state: match (core.health, &job) {
                (Health::Up, Some(_)) if core.intensity == Some(0) && core.is_at_rest() => {
                    status::CoreState::Paused
                }
                (Health::Up, Some(_)) => status::CoreState::Working,
                (Health::Up, None) => status::CoreState::Idle,
                _ => status::CoreState::Starting,
            },
            job: job.and_then(|job| {
                Some(status::CoreJob {
                    number: job.number,
                    stage: self.stage_of(job)?.0,
                    attempt: job.attempt,
                    done: progress.map_or(0.0, |progress| progress.done),
                    total: progress.map_or(0.0, |progress| progress.total),
                    text: progress.map_or_else(String::new, |progress| progress.text.clone()),
                })
            }),
            jobs: core.jobs + earlier,
            // Rounded, so that the status does not change each time it is read.
            jobs_per_minute: (rate * 10.0).round() / 10.0,
        }
    }
}
