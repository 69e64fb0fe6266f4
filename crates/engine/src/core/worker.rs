//! The loop of a compute worker: one job after the other, each by a call of the owner's handler.
//!
//! [`Worker`] decides which job runs when, what is reported to the hub and when, what becomes of a job,
//! and what a new hub is sent. The driver calls the handler, delivers what comes of it as [`Event`]s,
//! and carries out the [`Action`]s. A handler may keep its thread busy: while it runs, only what it
//! calls itself (`progress`, `checkpoint`, `invalid`) reaches the machine.
//!
//! A call of `progress` is a dialogue, because it may have to read signals and sleep without giving the
//! thread up: [`Event::Progress`] is answered by [`Action::ReadSignals`] or [`Action::Sleep`], each of
//! which the driver answers at once, until [`Action::Resume`] says that the handler may go on.
//!
//! Times are those of one clock that only grows, in milliseconds.

mod event;
mod handler;
mod hub;

pub use event::{Action, Cx, Event};

use crate::core::rest::RestWatch;
use crate::core::throttle::{Ending, FULL, Stops, Throttle, ending};
use crate::hub::event::Progress;
use crate::hub::jobs::{JobKey, Outcome};
use crate::message::{Ended, FromCore, Job, Payload, Report};
use crate::time::timers::Timers;

/// How often the turns of the event loop are measured before the first job.
const MEASURES: u32 = 3;

/// An asynchronous handler that was stopped, and whose error nobody caught, has so long to end.
const END_MS: f64 = 300.0;

/// The deadlines of a compute worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// The next job may begin.
    Next,
    /// What there is to report has waited long enough.
    Flush,
    /// It is due to look whether an asynchronous handler rests.
    Look,
    /// The handler waits in `ready`, and may be allowed to go on.
    Ready,
    /// The handler was stopped and should have ended.
    Abandon,
}

/// How far a worker is.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// It measures how long turns of the event loop take while the thread is free, so many times more.
    Measuring(u32),
    /// The owner's setup runs.
    SettingUp,
    /// It takes jobs.
    Up,
    /// The setup has failed.
    Broken(String),
    /// It is not to be trusted any more, has reported that, and will be replaced. A job that began here
    /// would only be lost.
    Spent,
}

/// The job that runs.
#[derive(Debug, Clone, PartialEq)]
struct Running<P: Payload> {
    job: Job<P>,
    /// Its handler has returned a promise.
    is_async: bool,
    /// It was stopped.
    stopped: bool,
    /// Its handler says that the input is bad, and why.
    flaw: Option<String>,
    /// Its handler waits in `ready`.
    waits: bool,
    /// What its handler said last in `progress`, where it waits there; and whether it has workers.
    looking: Option<(Progress, bool)>,
    /// Its handler has ended after so much work; its output is being written.
    ended_ms: Option<f64>,
}

/// A compute worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker<P: Payload> {
    throttle: Throttle,
    stops: Stops,
    rest: RestWatch,
    timers: Timers<Timer>,
    phase: Phase,
    project: String,
    /// The jobs that wait, the next one last.
    queue: Vec<Job<P>>,
    running: Option<Running<P>>,
    /// The messages that have come are delivered before the next job begins.
    yields: bool,
    /// The job whose beginning was not reported yet.
    begun: Option<JobKey>,
    /// What was not reported yet of jobs that have ended, and what was reported last.
    ended: Vec<(Job<P>, Ended<P>)>,
    reported: Vec<(Job<P>, Ended<P>)>,
    /// Whether there are slots for signals that were not used.
    has_slots: bool,
    /// It is looked now and then whether the handler rests.
    watching: bool,
}

impl<P: Payload> Worker<P> {
    /// A worker that has just started.
    #[must_use]
    pub fn new(cx: &mut Cx<P>) -> Self {
        cx.out.push(Action::Measure { late: None });
        Self {
            throttle: Throttle::new(cx.now, FULL),
            stops: Stops::default(),
            rest: RestWatch::default(),
            timers: Timers::default(),
            phase: Phase::Measuring(MEASURES),
            project: String::new(),
            queue: Vec::new(),
            running: None,
            yields: false,
            begun: None,
            ended: Vec::new(),
            reported: Vec::new(),
            has_slots: false,
            watching: false,
        }
    }

    /// When to deliver the next [`Event::Tick`]. A time that has come: as soon as the messages that
    /// have arrived are delivered.
    #[must_use]
    pub fn next_timeout(&self) -> Option<f64> {
        self.timers.next()
    }

    /// The job that runs.
    #[must_use]
    pub fn running(&self) -> Option<&Job<P>> {
        self.running.as_ref().map(|run| &run.job)
    }

    /// Whether this job runs, or waits in the queue.
    #[must_use]
    pub fn has(&self, key: JobKey) -> bool {
        self.running().is_some_and(|job| job.key == key)
            || self.queue.iter().any(|job| job.key == key)
    }

    /// The name of the project, as the hub sent it last.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Whether the worker is to rest, whatever it owes.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.throttle.is_paused()
    }

    /// Takes what happened.
    pub fn handle(&mut self, cx: &mut Cx<P>, event: Event<P>) {
        match event {
            Event::Message(message) => {
                self.take(cx, message);
                self.next_job(cx);
            }
            Event::NewHub => self.meet(cx),
            Event::Measured { late, ms, nested } => self.measured(cx, late, ms, nested),
            Event::SetUp(result) => {
                self.phase = match result {
                    Ok(()) => Phase::Up,
                    Err(why) => Phase::Broken(why),
                };
                self.post_setup(cx);
                self.next_job(cx);
            }
            Event::Unreadable(why) => {
                let message = format!("the data says that it is JSON and is not: {why}");
                self.finish(cx, Some(Outcome::Invalid(message)), false);
            }
            Event::Pending => {
                if let Some(run) = &mut self.running {
                    run.is_async = true;
                    self.flush_soon(cx.now);
                    self.watch(cx);
                }
            }
            Event::Returned(key) if self.runs(key) => self.returned(cx),
            Event::Threw { key, message, trap } if self.runs(key) => {
                self.threw(cx, message, trap);
            }
            Event::Output(output) => self.output(cx, output),
            Event::Progress {
                done,
                total,
                text,
                nested,
            } => {
                if let Some(run) = self.working() {
                    let key = run.job.key;
                    let progress = Progress {
                        key,
                        done,
                        total,
                        text,
                    };
                    run.looking = Some((progress, nested));
                    // What is done here is no work of the handler's.
                    self.throttle.rest(cx.now);
                    self.look(cx);
                }
            }
            Event::Signals { read, left } => {
                self.has_slots = left > 0;
                for signal in read {
                    self.signalled(cx, signal);
                }
                self.look_on(cx);
            }
            Event::Slept(slept) => self.slept(cx, slept),
            Event::Ready => self.ready(cx),
            Event::Flagged(why) => {
                // A handler that was told to stop judges nothing any more.
                if let Some(run) = self.working().filter(|run| !run.stopped) {
                    run.flaw.get_or_insert(why);
                }
            }
            Event::Checkpoint(state) => {
                if let Some(key) = self.working().map(|run| run.job.key) {
                    self.flush(cx, None);
                    let checkpoint = Some((key, state));
                    cx.out.push(Action::Post(FromCore::Report(Report {
                        checkpoint,
                        ..Report::default()
                    })));
                }
            }
            Event::Uncaught => {
                let is_async = |run: &Running<P>| run.is_async && run.stopped;
                if self.running.as_ref().is_some_and(is_async)
                    && !self.timers.is_set(Timer::Abandon)
                {
                    self.timers.set(Timer::Abandon, cx.now + END_MS);
                }
            }
            Event::Tick => {
                while let Some((timer, due)) = self.timers.take_due(cx.now) {
                    self.fire(cx, timer, due);
                }
            }
            // Of a job that was abandoned.
            Event::Returned(_) | Event::Threw { .. } => {}
        }
    }

    fn fire(&mut self, cx: &mut Cx<P>, timer: Timer, due: f64) {
        match timer {
            Timer::Next => {
                self.yields = false;
                self.next_job(cx);
            }
            Timer::Flush => self.flush(cx, None),
            Timer::Look => {
                let late = Some(cx.now - due);
                cx.out.push(Action::Measure { late });
            }
            Timer::Ready => self.ready(cx),
            Timer::Abandon => {
                cx.out.push(Action::Abandon);
                self.threw(cx, String::new(), true);
            }
        }
    }

    /// The job that runs, if its handler has not ended.
    fn working(&mut self) -> Option<&mut Running<P>> {
        self.running.as_mut().filter(|run| run.ended_ms.is_none())
    }

    fn runs(&mut self, key: JobKey) -> bool {
        self.working().is_some_and(|run| run.job.key == key)
    }

    // Jobs.

    /// Begins the next job, or waits for the time when it may begin.
    fn next_job(&mut self, cx: &mut Cx<P>) {
        if self.phase != Phase::Up || self.running.is_some() || self.yields {
            return;
        }
        match self.throttle.wait(cx.now, !self.queue.is_empty()) {
            None => self.begin(cx),
            Some(wait) => {
                self.yields = wait == 0.0;
                if !self.yields {
                    self.flush(cx, None);
                }
                if wait.is_finite() {
                    self.timers.set(Timer::Next, cx.now + wait);
                } else {
                    self.timers.cancel(Timer::Next);
                }
            }
        }
    }

    fn begin(&mut self, cx: &mut Cx<P>) {
        let Some(job) = self.queue.pop() else {
            return;
        };
        self.timers.cancel(Timer::Next);
        self.begun = Some(job.key);
        let flush = self.throttle.begin_job(cx.now, job.stage);
        self.running = Some(Running {
            job,
            is_async: false,
            stopped: false,
            flaw: None,
            waits: false,
            looking: None,
            ended_ms: None,
        });
        if flush {
            self.flush(cx, None);
        }
        cx.out.push(Action::Begin);
    }

    fn returned(&mut self, cx: &mut Cx<P>) {
        let Some(run) = self.working() else { return };
        match ending(run.stopped, run.flaw.is_some(), false) {
            Ending::Done => {
                // What it takes to write the output is no work at the job.
                let ms = self.throttle.end_job(cx.now);
                if let Some(run) = &mut self.running {
                    run.ended_ms = Some(ms);
                }
                cx.out.push(Action::TakeOutput);
            }
            _ => self.finish(cx, None, false),
        }
    }

    /// Its handler threw. `fatal`: this worker is not to be trusted any more.
    fn threw(&mut self, cx: &mut Cx<P>, message: String, fatal: bool) {
        self.finish(cx, Some(Outcome::Failed(message)), fatal);
    }

    fn output(&mut self, cx: &mut Cx<P>, output: Result<P::Text, String>) {
        if self
            .running
            .as_ref()
            .is_some_and(|run| run.ended_ms.is_some())
        {
            let outcome = output.map_or_else(
                |why| Outcome::Failed(format!("the output cannot be handed in: {why}")),
                Outcome::Done,
            );
            self.finish(cx, Some(outcome), false);
        }
    }

    /// The running job is over. `outcome`: what its handler makes of it, unless it was stopped or has
    /// called the input bad.
    fn finish(&mut self, cx: &mut Cx<P>, outcome: Option<Outcome<P::Text>>, fatal: bool) {
        let Some(run) = self.running.take() else {
            return;
        };
        let ms = run
            .ended_ms
            .unwrap_or_else(|| self.throttle.end_job(cx.now));
        let outcome = match (run.flaw, run.stopped) {
            (Some(why), _) => Outcome::Invalid(why),
            (None, true) => Outcome::Released,
            (None, false) => outcome.unwrap_or(Outcome::Released),
        };
        self.begun = None;
        self.timers.cancel(Timer::Ready);
        self.timers.cancel(Timer::Abandon);
        let mut job = run.job;
        // The hub has these.
        (job.input, job.resume) = (None, None);
        let ended = Ended {
            key: job.key,
            outcome,
            ms,
            fatal,
        };
        self.ended.push((job, ended));
        if fatal {
            self.phase = Phase::Spent;
            self.flush(cx, None);
        }
        self.next_job(cx);
    }
}

#[cfg(test)]
mod tests;
