//! What must hold after every step: no core is idle without a reason, no result waits for ever, `next_timeout` is
//! never too late, and no text leaks.

use std::collections::BTreeSet;

use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::jobs::{Job, JobState, Outcome};
use distcompute_engine::reason::Reason;
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;

use super::Browser;
use crate::tracker::{ApiRequest, ApiResponse, Content, Tracker};

/// How often the check for idle cores asks the tracker whether it would grant anything.
const EXCUSE_MS: f64 = 15_000.0;

/// How long a refused result may be tried again while other requests are answered.
const REFUSED_MS: f64 = 7_200_000.0;

impl<T: Tracker> Browser<T> {
    pub(super) fn check(&mut self) {
        self.steps += 1;
        let table = self.hub.table();
        let ahead =
            table.count(|job| matches!(job.state, JobState::Ahead | JobState::Queued { .. }));
        self.most_ahead = self.most_ahead.max(ahead);
        // The texts that the job table needs; those on their way from workers to the hub come on top.
        if self.steps.is_multiple_of(16) {
            let mut needed: BTreeSet<u32> = BTreeSet::new();
            for job in table.iter() {
                needed.extend(job.input.map(|text| text.id));
                if let Some(Outcome::Done(text)) = job.outcome() {
                    needed.insert(text.id);
                }
            }
            for id in &needed {
                assert!(self.texts.contains_key(id), "text {id} freed too early");
            }
            let on_the_way = self.texts.len() - needed.len();
            assert!(on_the_way < 600, "{on_the_way} texts leak");
        }
        self.check_idle();
        self.check_pause();
        self.check_waits();
        if self.probe > 0 && self.steps.is_multiple_of(self.probe) {
            self.look_for_what_is_slept_through();
        }
    }

    /// No text is left that the table does not need.
    pub fn check_texts(&self) {
        let table = self.hub.table();
        let needed = table.iter().map(|job| {
            let done = matches!(job.outcome(), Some(Outcome::Done(_)));
            usize::from(job.input.is_some()) + usize::from(done)
        });
        assert_eq!(self.texts.len(), needed.sum::<usize>(), "texts leak");
    }

    /// Notes the stage of a registration, and until when it is given nothing because its jobs fail. Hubs spread
    /// their next request over twice the time that the tracker says.
    pub(super) fn note_rest(
        &mut self,
        asked: &ApiRequest,
        said: Option<&ApiResponse>,
        back_ms: f64,
    ) {
        let hello = said.map(|said| &said.content);
        if let (ApiRequest::Register(stage, _), Some(Content::Hello(hello))) = (asked, hello) {
            self.stage_of.insert(hello.token.clone(), *stage);
        }
        let Some(token) = asked.token() else { return };
        let Some(stage) = self.stage_of.get(token).copied() else {
            return;
        };
        let rests_ms = self.tracker.rests_ms(token);
        if rests_ms > 0.0 {
            let until = self.t + back_ms + 2.0 * (rests_ms + 1_000.0);
            self.rests_until.insert(stage, until);
        }
        self.registered.insert(stage, token.to_owned());
    }

    /// Whether the hub takes only one job at a time, and rests after each failure, because most jobs fail. The
    /// rest does not count as idle time.
    fn is_wary(&mut self) -> bool {
        let Reason::JobsFail { until } = self.reason() else {
            return false;
        };
        let left = until - self.now().wall;
        if left > 0.0 {
            self.hub_rests_until = self.t + left;
        }
        self.hub.table().count(|job| job.outcome().is_none()) > 0
    }

    /// Whether the tracker grants nothing although jobs are open: they are withheld from this volunteer, or so
    /// many of its jobs fail that it is given fewer, or none for a while.
    fn is_excused(&self, open: &[Stage]) -> bool {
        open.iter().all(|stage| {
            let token = self.registered.get(stage).map(String::as_str);
            self.t < self.rests_until(*stage) || !self.tracker.lets(*stage, &self.nickname, token)
        })
    }

    fn rests_until(&self, stage: Stage) -> f64 {
        let until = self.rests_until.get(&stage);
        until.copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// No core that may work is idle for long while there is something to do.
    fn check_idle(&mut self) {
        let computes = matches!(
            self.reason(),
            Reason::Computing
                | Reason::Fetching
                | Reason::NoJobs { .. }
                | Reason::Starting
                | Reason::JobsFail { .. }
        );
        let open = self.stages.iter().copied();
        let open: Vec<Stage> = open.filter(|stage| self.tracker.is_open(*stage)).collect();
        if self.is_wary() {
            self.idle.clear();
        }
        if !self.idle.is_empty() && !open.is_empty() && self.t >= self.excused_at {
            self.excused_at = self.t + EXCUSE_MS;
            if self.is_excused(&open) {
                self.idle.clear();
            }
        }
        // Rests do not count as idle time.
        let rested = open.iter().map(|stage| self.rests_until(*stage));
        let rested = rested.fold(f64::INFINITY, f64::min);
        let rested = rested.max(self.hub_rests_until);
        let open = !open.is_empty();
        let reached = !self.faults.down;
        for (at, core) in &self.cores {
            if core.is_free() && computes && open && reached {
                let since = *self.idle.entry(*at).or_insert(self.t);
                let since = since.max(rested);
                let idle = self.t - since;
                assert!(
                    idle < self.patience_ms,
                    "core {at} idle for {idle} ms at {}",
                    self.t
                );
            } else {
                self.idle.remove(at);
            }
        }
    }

    /// A pause ends after the time that was asked for, however the clocks are set.
    fn check_pause(&self) {
        if let (Some(ends), Reason::Paused { .. }) = (self.pause_ends, self.reason()) {
            let late = self.shown_time() - ends;
            assert!(late < 2_000.0, "still paused {late} ms after the pause");
        }
    }

    /// Neither a refused result nor the results behind it wait for ever.
    fn check_waits(&mut self) {
        if self.faults.down || self.faults.proxy.is_none() {
            self.waits.clear();
            return;
        }
        let done = |job: &Job| matches!(job.outcome(), Some(Outcome::Done(_)));
        let table = self.hub.table();
        self.waits
            .retain(|key, _| table.get(*key).is_some_and(done));
        for job in table.iter().filter(|job| done(job)) {
            let since = *self.waits.entry(job.key).or_insert(self.t);
            let waited = self.t - since;
            assert!(
                waited < REFUSED_MS,
                "the result of job {} waits for {waited} ms at {}",
                job.number,
                self.t
            );
        }
    }

    /// Asserts that nothing is due before `next_timeout`: a tick before it changes nothing.
    fn look_for_what_is_slept_through(&self) {
        let now = self.now();
        let due = self
            .hub
            .next_timeout()
            .map_or(100_000_000.0, |due| due.left_ms(now))
            .min(100_000_000.0);
        for share in [0.3, 0.999] {
            let ms = (due * share).min(due - 1.0);
            if ms <= 0.0 {
                continue;
            }
            let then = Now {
                mono: now.mono + ms,
                wall: now.wall + ms,
            };
            let mut cx = Cx::new(then, 0.5);
            self.hub.clone().handle(&mut cx, Event::Tick);
            assert!(
                cx.out.is_empty(),
                "slept through at {}+{ms} of {due}: {:?}",
                self.t,
                cx.out
            );
        }
    }
}
