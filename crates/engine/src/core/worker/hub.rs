//! The messages of the hub, reports to it, and its successor.

use super::{Action, Cx, Phase, Timer, Worker};
use crate::core::throttle::{STOP, Stops};
use crate::hub::event::Progress;
use crate::hub::jobs::Outcome;
use crate::list::{IntoList, retain};
use crate::message::{Ended, FromCore, Job, Payload, Report, ToCore};

impl<P: Payload> Worker<P> {
    pub(super) fn take(&mut self, cx: &mut Cx<P>, message: ToCore<P>) {
        match message {
            ToCore::Jobs { project, mut jobs } => {
                self.project = project;
                jobs.reverse();
                jobs.append(&mut self.queue);
                self.queue = jobs;
            }
            ToCore::Recall => {
                let queue = std::mem::take(&mut self.queue);
                let keys = queue.iter().rev().map(|job| job.key).into_list();
                cx.out.push(Action::Post(FromCore::Recalled(keys)));
            }
            ToCore::Intensity(intensity) => {
                self.set_intensity(cx.now, intensity);
                if self.running.as_ref().is_some_and(|run| run.waits) {
                    self.ready(cx);
                }
                self.watch(cx);
            }
            ToCore::Signals(slots) => self.watch_slots(cx, slots),
            ToCore::Stop { key, signalled } => {
                if signalled {
                    self.stops.by_message();
                }
                retain(&mut self.queue, |job| job.key != key);
                if self.runs(key) {
                    self.stop(cx);
                }
            }
        }
    }

    pub(super) fn set_intensity(&mut self, now: f64, intensity: u8) {
        self.rest.forget();
        self.throttle.set_intensity(now, intensity);
    }

    pub(super) fn watch_slots(&mut self, cx: &mut Cx<P>, slots: Vec<P::Slot>) {
        self.has_slots = !slots.is_empty();
        self.stops = Stops::default();
        cx.out.push(Action::Watch(slots));
    }

    pub(super) fn signalled(&mut self, cx: &mut Cx<P>, signal: u8) {
        if signal != STOP {
            self.set_intensity(cx.now, signal);
        } else if self.stops.by_signal() {
            self.stop(cx);
        }
    }

    pub(super) fn stop(&mut self, cx: &mut Cx<P>) {
        let Some(run) = self.working().filter(|run| !run.stopped) else {
            return;
        };
        run.stopped = true;
        let waits = run.waits;
        cx.out.push(Action::Abort);
        if waits {
            self.ready(cx);
        }
    }

    /// Another hub wants to know what this worker does. It takes over the job that runs; what only
    /// waits in the queue comes again.
    pub(super) fn meet(&mut self, cx: &mut Cx<P>) {
        self.watch_slots(cx, Vec::new());
        self.queue.clear();
        // The former hub may have died before it stored them, and so may the one after it.
        self.reported.append(&mut self.ended);
        let made = |(job, ended): &(Job<P>, Ended<P>)| {
            // A job that was given back is in storage.
            let made = ended.outcome != Outcome::Released;
            made.then(|| (job.clone(), ended.outcome.clone()))
        };
        let ended = self.reported.iter().filter_map(made).into_list();
        let running = self.running().cloned();
        self.begun = running.as_ref().map(|job| job.key);
        cx.out
            .push(Action::Post(FromCore::Handover { running, ended }));
        self.post_setup(cx);
        self.flush(cx, None);
        self.post_spent(cx);
        self.next_job(cx);
    }

    /// Sends again that this worker must be replaced: the former hub may have died before it did so.
    pub(super) fn post_spent(&self, cx: &mut Cx<P>) {
        let last = self.reported.iter().rev().find(|(_, ended)| ended.fatal);
        if let Some((job, _)) = last {
            // What became of the job is sent by `Handover`.
            let ended = Ended {
                key: job.key,
                outcome: Outcome::Released,
                ms: 0.0,
                fatal: true,
            };
            cx.out.push(Action::Post(FromCore::Report(Report {
                results: vec![ended],
                ..Report::default()
            })));
        }
    }

    /// Sends what became of the setup, if that is over.
    pub(super) fn post_setup(&self, cx: &mut Cx<P>) {
        let message = match &self.phase {
            Phase::Up => FromCore::Up,
            Phase::Broken(why) => FromCore::Broken(why.clone()),
            // A hub that hears nothing of it starts another worker.
            Phase::Measuring(_) | Phase::SettingUp | Phase::Spent => return,
        };
        cx.out.push(Action::Post(message));
    }

    /// Reports what there is to report, if anything.
    pub(super) fn flush(&mut self, cx: &mut Cx<P>, progress: Option<Progress>) {
        self.timers.cancel(Timer::Flush);
        if progress.is_none() && !self.has_news() {
            return;
        }
        let results: Vec<Ended<P>> = self
            .ended
            .iter()
            .map(|(_, ended)| ended.clone())
            .into_list();
        if !results.is_empty() {
            self.reported = std::mem::take(&mut self.ended);
        }
        cx.out.push(Action::Post(FromCore::Report(Report {
            started: self.begun.take(),
            progress,
            results,
            checkpoint: None,
        })));
        self.throttle.sent(cx.now);
    }

    pub(super) fn has_news(&self) -> bool {
        self.begun.is_some() || !self.ended.is_empty()
    }

    /// Reports it in a moment, while the handler waits for something.
    pub(super) fn flush_soon(&mut self, now: f64) {
        if self.has_news() && !self.timers.is_set(Timer::Flush) {
            let at = now + self.throttle.flush_in(now);
            self.timers.set(Timer::Flush, at);
        }
    }
}
