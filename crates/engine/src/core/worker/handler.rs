//! A handler that is in the middle of its job: its calls of `progress` and `ready`, and whether it rests
//! while the worker is paused.

use super::{Action, Cx, Phase, Timer, Worker};
use crate::core::rest::RestWatch;
use crate::message::{FromCore, Payload};

impl<P: Payload> Worker<P> {
    /// The handler calls `progress`, or has slept there.
    pub(super) fn look(&mut self, cx: &mut Cx<P>) {
        if self.throttle.poll(cx.now) {
            cx.out.push(Action::ReadSignals);
        } else {
            self.look_on(cx);
        }
    }

    pub(super) fn look_on(&mut self, cx: &mut Cx<P>) {
        let Some(run) = self.running.as_mut() else {
            return;
        };
        let Some((progress, nested)) = run.looking.clone() else {
            return;
        };
        let (stopped, is_async) = (run.stopped, run.is_async);
        if stopped {
            self.resume(cx);
            return;
        }
        if self.throttle.show(cx.now) {
            self.flush(cx, Some(progress));
        } else if self.throttle.flush(cx.now) {
            self.flush(cx, None);
        }
        let ms = self.throttle.nap(cx.now);
        // To sleep here would keep a handler from telling its own workers to rest.
        if ms > 0.0 && !(is_async && nested) {
            cx.out.push(Action::Sleep(ms));
        } else {
            self.resume(cx);
        }
    }

    pub(super) fn slept(&mut self, cx: &mut Cx<P>, slept: bool) {
        let looking = self.running.as_ref().and_then(|run| run.looking.as_ref());
        let Some(nested) = looking.map(|(_, nested)| *nested) else {
            return;
        };
        let paused = self.is_paused();
        if paused && slept {
            self.post_rest(cx, true, nested);
        }
        // A worker that no signal can reach must not sleep for ever.
        if !slept || (!self.has_slots && paused) {
            self.resume(cx);
        } else {
            self.look(cx);
        }
    }

    /// The handler goes on.
    pub(super) fn resume(&mut self, cx: &mut Cx<P>) {
        self.throttle.work(cx.now);
        let Some(run) = self.running.as_mut() else {
            return;
        };
        run.looking = None;
        let until = if run.stopped {
            f64::NEG_INFINITY
        } else {
            self.throttle.next_look(self.has_news())
        };
        cx.out.push(Action::Resume { until });
    }

    /// The handler waits until it may work: whether that is now.
    pub(super) fn ready(&mut self, cx: &mut Cx<P>) {
        let Some(run) = self.running.as_mut() else {
            return;
        };
        let ms = if run.stopped {
            0.0
        } else {
            self.throttle.nap(cx.now)
        };
        run.waits = ms > 0.0;
        if run.waits {
            self.throttle.rest(cx.now);
            self.timers.set(Timer::Ready, cx.now + ms);
        } else {
            self.throttle.work(cx.now);
            self.timers.cancel(Timer::Ready);
            cx.out.push(Action::Wake);
        }
    }

    // Whether it rests while it is paused.

    /// Looks now and then whether an asynchronous handler rests, as long as this worker is paused.
    pub(super) fn watch(&mut self, cx: &Cx<P>) {
        if !self.watching {
            self.watching = true;
            self.rest.restart();
            self.look_later(cx);
        }
    }

    pub(super) fn look_later(&mut self, cx: &Cx<P>) {
        let at = cx.now + RestWatch::look_in(cx.random);
        self.timers.set(Timer::Look, at);
    }

    pub(super) fn measured(&mut self, cx: &mut Cx<P>, late: Option<f64>, ms: f64, nested: bool) {
        if let Some(late) = late {
            self.rest.looked(late, ms);
            let run = self.running.as_ref();
            let waits = run.filter(|run| run.is_async).map(|run| run.waits);
            if let Some(waits) = waits.filter(|_| self.is_paused()) {
                self.post_rest(cx, waits, nested);
                self.look_later(cx);
            } else {
                self.watching = false;
            }
        } else if let Phase::Measuring(left) = &mut self.phase {
            self.rest.measured(ms);
            *left -= 1;
            cx.out.push(if *left > 0 {
                Action::Measure { late: None }
            } else {
                self.phase = Phase::SettingUp;
                Action::SetUp
            });
        }
    }

    /// Reports that this worker rests in the middle of its job, where it does and that is due.
    pub(super) fn post_rest(&mut self, cx: &mut Cx<P>, waits: bool, nested: bool) {
        if self.rest.shall_say(cx.now, waits, nested) {
            cx.out.push(Action::Post(FromCore::Rests));
        }
    }
}
