//! Which core gets which job, and when the sessions ask for more.

use crate::list::{IntoList, retain};
use distcompute_protocol::{MAX_REASON, cut};

use crate::hub::Scheduler;
use crate::hub::action::{Action, Write};
use crate::hub::cores::{Core, Health};
use crate::hub::cx::{Cx, Timer};
use crate::hub::event::Progress;
use crate::hub::jobs::{Job, JobKey, JobState, Outcome};
use crate::hub::line::HELD_BYTES;
use crate::hub::session::{Demand, Session};
use crate::hub::shutdown::Mode;
use crate::hub::speed::Speed;
use crate::sorted_map::SortedMap;
use crate::time::clock::Now;

/// A job that runs longer than this holds up the jobs that are queued behind it.
const LONG_MS: f64 = 1_000.0;

/// What a job takes besides its handler: the hub passes on its data and its result, whichever core has it.
const HANDLING_MS: f64 = 0.05;

/// Outcomes that have waited longer than this for delivery are written to storage.
const STORE_MS: f64 = 1_000.0;

/// The same for jobs that took less than `QUICK_MS`, which are mostly delivered by then: writing and deleting a
/// record takes a browser 0.3 ms of its processors, and a few seconds of work are soon done again.
const STORE_QUICK_MS: f64 = 5_000.0;

/// See `STORE_QUICK_MS`.
const QUICK_MS: f64 = 100.0;

impl Scheduler {
    /// Whether jobs may be begun.
    pub(super) fn may_begin(&self) -> bool {
        self.mode == Mode::Run
            && self.resting.is_none()
            && !self.renewing
            && !self.has_reported_fatal
            && (self.cores.is_empty()
                || self.cores.iter().any(|(at, core)| self.can_take(at, core)))
    }

    /// Whether jobs are fetched for a core.
    fn can_take(&self, at: u32, core: &Core) -> bool {
        core.is_able() && self.is_wanted(at) && !(self.silent && self.is_unreported(at))
    }

    pub(super) fn speed(&self, session: &Session) -> Speed {
        let rest = 10.0 / f64::from(self.settings.intensity.clamp(1, 10));
        Speed {
            job_ms: session.common.job_ms.get().map(|ms| ms * rest),
            answer_ms: session.common.answer_ms.get().unwrap_or(100.0),
            lease_ms: session.lease_ms(),
            linger_ms: self.limits.linger_ms,
            cores: self.settings.cores.max(1),
        }
    }

    /// Gives free cores their next jobs.
    pub(super) fn share_out(&mut self, cx: &mut Cx) {
        let fresh: Vec<bool> = self
            .sessions
            .iter()
            .map(|session| session.is_fresh(cx.now))
            .into_list();
        let depth: Vec<usize> = self
            .sessions
            .iter()
            .map(|l| self.speed(l).queue())
            .into_list();
        // Each job goes to the core that has the fewest.
        let mut cores: Vec<(usize, u32)> = Vec::new();
        for (at, core) in self.cores.iter() {
            let held_up = core.recalled.is_some() || self.runs_long(cx.now, core);
            if core.health == Health::Up && self.is_wanted(at) && !held_up {
                cores.push((usize::from(core.running.is_some()), at));
            }
        }
        for job in self.table.iter() {
            if let JobState::Queued { core } = job.state
                && let Some(load) = cores.iter_mut().find(|(_, at)| *at == core)
            {
                load.0 += 1;
            }
        }
        let mut ahead: Vec<(bool, usize, JobKey)> = Vec::new();
        let taking_over = !self.unreported().is_empty();
        for job in self.table.iter() {
            // A core that has not reported yet may be running a job that storage had.
            let known = !(taking_over && job.resumable) && self.files.are_ready(job);
            if job.state == JobState::Ahead && known && fresh.get(job.session) == Some(&true) {
                let rank = (!job.resumable, job.session, job.key);
                // Usually an append, because the table is sorted by key.
                ahead.insert(ahead.partition_point(|before| *before < rank), rank);
            }
        }
        let mut given: SortedMap<Vec<JobKey>> = SortedMap::default();
        for (_, session, key) in ahead {
            let Some(free) = cores.iter_mut().min_by_key(|(load, _)| *load) else {
                break;
            };
            let most = 1 + depth.get(session).copied().unwrap_or(0);
            if free.0 >= most {
                break;
            }
            free.0 += 1;
            let core = free.1;
            if let Some(job) = self.table.get_mut(key) {
                job.state = JobState::Queued { core };
            }
            match given.get_mut(core) {
                Some(keys) => keys.push(key),
                None => given.insert(core, vec![key]),
            }
        }
        for (at, keys) in given.iter_mut() {
            let (core, keys) = (at, std::mem::take(keys));
            if let Some(core) = self.cores.get_mut(at) {
                core.queue.extend(&keys);
            }
            cx.out.push(Action::Give { core, keys });
        }
    }

    /// Gives back the jobs that were not begun. After a rest as long as a lease, or when stopping at
    /// once, stops the running ones too.
    pub(super) fn put_back(&mut self, cx: &mut Cx) {
        let overdue = self.is_overdue(cx);
        for key in self.table.keys(|job| job.state == JobState::Ahead) {
            let keep = self.table.get(key).is_some_and(|job| job.resumable);
            if keep && matches!(self.mode, Mode::Run) && !overdue {
                continue;
            }
            self.table.end(key, Outcome::Released, cx.now);
        }
        if overdue || matches!(self.mode, Mode::Stop { finish: false, .. }) {
            for (at, core) in self.cores.iter_mut() {
                if let Some(key) = core.running
                    && core.stopping.is_none()
                {
                    core.stopping = Some((key, cx.now));
                    cx.out.push(Action::StopJob { core: at, key });
                }
            }
        }
    }

    /// How long a job may still run before it holds up those that are queued behind it. The machine's
    /// sleep does not count.
    pub(super) fn long_job_left_ms(&self, now: Now, core: &Core) -> Option<f64> {
        match self.table.get(core.running?)?.state {
            JobState::Running { since, .. } => Some(LONG_MS - now.awake_since(since)),
            _ => None,
        }
    }

    fn runs_long(&self, now: Now, core: &Core) -> bool {
        let left = self.long_job_left_ms(now, core);
        left.is_some_and(|left| left <= 0.0)
    }

    /// Asks for the queues of cores that shall begin nothing, or whose job takes long. From a busy core
    /// the queue is reclaimed without waiting for its acknowledgement.
    pub(super) fn recall(&mut self, cx: &mut Cx, all: bool) {
        let long =
            |(_, core): &(u32, &Core)| self.runs_long(cx.now, core) && !core.queue.is_empty();
        let long: Vec<u32> = self.cores.iter().filter(long).map(|(at, _)| at).into_list();
        for (at, core) in self.cores.iter_mut() {
            let unbegun = !core.queue.is_empty() || (core.running.is_some() && !core.acknowledged);
            let shall = all || at >= self.settings.cores || long.contains(&at);
            if shall && core.recalled.is_none() && unbegun {
                core.recalled = Some(cx.now);
                cx.out.push(Action::Recall(at));
            }
            if core.recall_left_ms(cx.now).is_some_and(|left| left <= 0.0) {
                retain(&mut core.queue, |key| match self.table.get_mut(*key) {
                    // Only once for each job: it may be the one that keeps the core busy.
                    Some(job) if job.core() == Some(at) && !job.taken => {
                        (job.state, job.taken) = (JobState::Ahead, true);
                        false
                    }
                    _ => true,
                });
            }
        }
    }

    /// Whether the rest has lasted for a lease: the tracker may have given the jobs to others.
    fn is_overdue(&self, cx: &mut Cx) -> bool {
        let Some(since) = self.resting else {
            return false;
        };
        let leases = self.sessions.iter().map(Session::lease_ms);
        let lease = leases.fold(f64::INFINITY, f64::min);
        cx.expired(Timer::Rest, lease - cx.now.since(since))
    }

    /// Lets the sessions ask for jobs and deliver outcomes.
    pub(super) fn ask(&mut self, cx: &mut Cx, hurry: bool) {
        let may = self.may_begin();
        let (mut cores, mut idle) = (0, 0);
        for (at, core) in self.cores.iter() {
            if self.can_take(at, core) {
                cores += 1;
                idle += usize::from(core.running.is_none());
            }
        }
        let spare = self
            .table
            .count(|job| matches!(job.state, JobState::Ahead | JobState::Queued { .. }));
        let unfinished = self.table.iter().filter(|job| job.outcome().is_none());
        let held = unfinished.filter_map(|job| job.input);
        let held: f64 = held.map(|input| f64::from(input.bytes)).sum();
        let room = HELD_BYTES - held;
        let coming: usize = self.sessions.iter().map(Session::coming).sum();
        let unfinished = self.table.count(|job| job.outcome().is_none());
        let most = self.failing.may_hold(cx).saturating_sub(unfinished);
        let setup_failed = self.setup_failed();
        let silent = !self.unreported().is_empty();
        let mut first = true;
        for index in 0..self.sessions.len() {
            let speed = self.speed(&self.sessions[index]);
            let target = idle + speed.ahead();
            // One job may always be held, whatever its size.
            let may_hold = room > 0.0 || spare == 0;
            let want = if may && first && cores > 0 && may_hold {
                target.saturating_sub(spare).min(most)
            } else {
                0
            };
            let soon = spare + coming;
            let low = soon < idle || speed.is_low(soon.saturating_sub(idle));
            let progress = self.due_progress(cx, index);
            let session = &mut self.sessions[index];
            let each_ms = speed.job_ms.unwrap_or(f64::INFINITY) / cores.max(1) as f64;
            let each_ms = each_ms.max(HANDLING_MS);
            let asked = Demand {
                want,
                low,
                hurry,
                ahead: (spare, spare as f64 * each_ms),
                cores,
                progress,
                room,
                silent,
                // Reported at the first stage only, because all stages share the setup.
                setup_failed: setup_failed.clone().filter(|_| index == 0),
            };
            session.pump(cx, &asked, &mut self.table);
            // A later stage is asked only where the preferred ones have no jobs.
            first &= !session.common.may_ask(cx.now) || session.common.retry.is_away();
        }
    }

    /// The error of the setup, if it keeps all cores from getting ready.
    fn setup_failed(&self) -> Option<String> {
        let fails = |core: &Core| core.health != Health::Up && core.setups > 0;
        let all = !self.cores.is_empty() && self.cores.values().all(fails);
        let wanted = self.mode == Mode::Run && self.resting.is_none();
        let first = self.cores.values().next().filter(|_| all && wanted)?;
        Some(cut(&first.why, MAX_REASON))
    }

    /// Takes the progress lines that are due to be sent.
    fn due_progress(&mut self, cx: &mut Cx, session: usize) -> Vec<(JobKey, String)> {
        let mut lines = Vec::new();
        if !self.cores.values().any(|core| core.has_news) {
            return lines;
        }
        // The lines of all cores share a request.
        let due = self.progress_sent.is_none_or(|told| {
            let left = self.limits.progress_interval_ms - cx.now.since(told);
            told == cx.now || cx.expired(Timer::Progress, left)
        });
        if !due || !self.sessions[session].may_speak(cx.now) {
            return lines;
        }
        for (_, core) in self.cores.iter_mut() {
            let Some(progress) = core.progress.as_ref().filter(|_| core.has_news) else {
                continue;
            };
            if self
                .table
                .get(progress.key)
                .is_some_and(|job| job.session == session)
            {
                lines.push((progress.key, line(progress)));
                core.has_news = false;
                self.progress_sent = Some(cx.now);
            }
        }
        lines
    }

    /// Writes outcomes to storage once one of them has waited for long enough, or for `most_ms`: all that wait
    /// then, because each transaction takes a browser about a millisecond of its processors.
    pub(super) fn keep(&mut self, cx: &mut Cx, most_ms: f64) {
        let is_due = self
            .table
            .iter()
            .filter_map(store_after)
            .any(|(since, ms)| cx.expired(Timer::Store, ms.min(most_ms) - cx.now.since(since)));
        if !is_due {
            return;
        }
        for job in self.table.iter_mut() {
            let key = job.key;
            if store_after(job).is_some()
                && let JobState::Ended { stored, .. } = &mut job.state
            {
                *stored = true;
                cx.out.push(Action::Store(Write::Outcome(key)));
            }
        }
    }
}

/// Since when the outcome of a job waits that has not been stored, and after how many milliseconds it should be.
fn store_after(job: &Job) -> Option<(Now, f64)> {
    match &job.state {
        JobState::Ended {
            outcome,
            since,
            took_ms,
            stored: false,
            ..
        } if *outcome != Outcome::Released => {
            let is_quick = *took_ms < QUICK_MS;
            // What waits for its files is for the next visit, where the page is closed before.
            let ms = if is_quick { STORE_QUICK_MS } else { STORE_MS };
            Some((*since, if job.held { 0.0 } else { ms }))
        }
        _ => None,
    }
}

/// One line for people.
fn line(progress: &Progress) -> String {
    let share = progress.done / progress.total;
    let percent = (share.is_finite() && progress.total > 0.0)
        .then(|| format!("{} %", (100.0 * share).clamp(0.0, 100.0) as u32));
    match (percent, progress.text.as_str()) {
        (Some(percent), "") => percent,
        (Some(percent), text) => format!("{text} ({percent})"),
        (None, text) => text.to_owned(),
    }
}
