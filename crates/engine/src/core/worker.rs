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

use std::collections::VecDeque;

use crate::core::rest::RestWatch;
use crate::core::throttle::{Ending, FULL, STOP, Stops, Throttle, ending};
use crate::hub::event::Progress;
use crate::hub::jobs::{Key, Outcome};
use crate::message::{Ended, FromCore, Job, Payload, Report, ToCore};
use crate::time::timers::Timers;

/// How often the turns of the event loop are measured before the first job.
const MEASURES: u32 = 3;

/// An asynchronous handler that was stopped, and whose error nobody caught, has so long to end.
const END_MS: f64 = 300.0;

/// What [`Worker::handle`] gets besides the event, and where it puts what follows.
#[derive(Debug)]
pub struct Cx<P: Payload> {
    /// The time.
    pub now: f64,
    /// A random number in `[0, 1)`.
    pub random: f64,
    /// What to do, in this order.
    pub out: Vec<Action<P>>,
}

impl<P: Payload> Cx<P> {
    /// At this time, with nothing to do yet.
    #[must_use]
    pub fn new(now: f64, random: f64) -> Self {
        Self {
            now,
            random,
            out: Vec::new(),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<P: Payload> {
    /// A message from the hub.
    Message(ToCore<P>),
    /// Another hub has taken over. Nothing comes from the former one any more.
    NewHub,
    /// The answer to [`Action::Measure`].
    Measured {
        /// As in the action.
        late: Option<f64>,
        /// How long the turns of the event loop took.
        ms: f64,
        /// The owner's code has workers of its own.
        nested: bool,
    },
    /// The owner's setup has ended, or has failed for this reason.
    SetUp(Result<(), String>),
    /// The job that is to begin says that its input is JSON, and it is not, for this reason.
    Unreadable(String),
    /// The handler of the running job has returned a promise, so the thread is free.
    Pending,
    /// The handler of this job has returned, or its promise was fulfilled.
    Returned(Key),
    /// The handler of this job has thrown, or its promise was rejected.
    Threw {
        /// The job.
        key: Key,
        /// What is reported of it.
        message: String,
        /// WebAssembly has trapped: the instance is not to be trusted any more.
        trap: bool,
    },
    /// The answer to [`Action::TakeOutput`]: the output, or why it cannot be handed in.
    Output(Result<P::Text, String>),
    /// The handler calls `progress`.
    Progress {
        /// So much of `total` is done.
        done: f64,
        /// 0: not known.
        total: f64,
        /// A word on it.
        text: String,
        /// The owner's code has workers of its own.
        nested: bool,
    },
    /// The answer to [`Action::ReadSignals`].
    Signals {
        /// What was signalled: an intensity, or [`STOP`].
        read: Vec<u8>,
        /// So many slots are left.
        left: usize,
    },
    /// The answer to [`Action::Sleep`]: whether it was possible to sleep.
    Slept(bool),
    /// The handler calls `ready`: it waits until it may work.
    Ready,
    /// The handler calls `invalid`, with this reason.
    Flagged(String),
    /// The handler calls `checkpoint`.
    Checkpoint(P::State),
    /// The error by which the running job was stopped reached the top of the event loop: no code
    /// of the owner's has caught it.
    Uncaught,
    /// [`Worker::next_timeout`] has passed.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action<P: Payload> {
    /// Send this to the hub.
    Post(FromCore<P>),
    /// Watch these slots for signals, and none of those before.
    Watch(Vec<P::Slot>),
    /// Measure how long some turns of the event loop take. `late`: as long after its time it was asked
    /// for, where a timer asked for it.
    Measure {
        /// To be returned with the answer.
        late: Option<f64>,
    },
    /// Call the owner's setup.
    SetUp,
    /// Call the handler with the job that [`Worker::running`] returns.
    Begin,
    /// Write the output of the job that has ended as a text.
    TakeOutput,
    /// Abort the signal of the running job, and let its `progress` and `ready` throw.
    Abort,
    /// Let the handler go on where it waits in `ready`.
    Wake,
    /// What the handler of the running job does from now on counts no more.
    Abandon,
    /// Read the slots.
    ReadSignals,
    /// Sleep without giving the thread up, for so many milliseconds.
    Sleep(f64),
    /// Let the handler go on. `progress` need not be handled before this time: only its last call
    /// counts.
    Resume {
        /// The time.
        until: f64,
    },
}

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
    queue: VecDeque<Job<P>>,
    running: Option<Running<P>>,
    /// The messages that have come are delivered before the next job begins.
    yields: bool,
    /// The job whose beginning was not reported yet.
    begun: Option<Key>,
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
            queue: VecDeque::new(),
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

    fn runs(&mut self, key: Key) -> bool {
        self.working().is_some_and(|run| run.job.key == key)
    }

    // Messages.

    fn take(&mut self, cx: &mut Cx<P>, message: ToCore<P>) {
        match message {
            ToCore::Jobs { project, jobs } => {
                self.project = project;
                self.queue.extend(jobs);
            }
            ToCore::Recall => {
                let keys = self.queue.drain(..).map(|job| job.key).collect();
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
                self.queue.retain(|job| job.key != key);
                if self.runs(key) {
                    self.stop(cx);
                }
            }
        }
    }

    fn set_intensity(&mut self, now: f64, intensity: u8) {
        self.rest.forget();
        self.throttle.set_intensity(now, intensity);
    }

    fn watch_slots(&mut self, cx: &mut Cx<P>, slots: Vec<P::Slot>) {
        self.has_slots = !slots.is_empty();
        self.stops = Stops::default();
        cx.out.push(Action::Watch(slots));
    }

    fn signalled(&mut self, cx: &mut Cx<P>, signal: u8) {
        if signal != STOP {
            self.set_intensity(cx.now, signal);
        } else if self.stops.by_signal() {
            self.stop(cx);
        }
    }

    fn stop(&mut self, cx: &mut Cx<P>) {
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
    fn meet(&mut self, cx: &mut Cx<P>) {
        self.watch_slots(cx, Vec::new());
        self.queue.clear();
        // The former hub may have died before it stored them, and so may the one after it.
        self.reported.append(&mut self.ended);
        let made = |(job, ended): &(Job<P>, Ended<P>)| {
            // A job that was given back is in storage.
            let made = ended.outcome != Outcome::Released;
            made.then(|| (job.clone(), ended.outcome.clone()))
        };
        let ended = self.reported.iter().filter_map(made).collect();
        let running = self.running().cloned();
        self.begun = running.as_ref().map(|job| job.key);
        cx.out.push(Action::Post(FromCore::Met { running, ended }));
        self.post_setup(cx);
        self.flush(cx, None);
        self.next_job(cx);
    }

    /// Sends what became of the setup, if that is over.
    fn post_setup(&self, cx: &mut Cx<P>) {
        let message = match &self.phase {
            Phase::Up => FromCore::Up,
            Phase::Broken(why) => FromCore::Broken(why.clone()),
            Phase::Measuring(_) | Phase::SettingUp => return,
        };
        cx.out.push(Action::Post(message));
    }

    /// Reports what there is to report, if anything.
    fn flush(&mut self, cx: &mut Cx<P>, progress: Option<Progress>) {
        self.timers.cancel(Timer::Flush);
        if progress.is_none() && !self.has_news() {
            return;
        }
        let results: Vec<Ended<P>> = self.ended.iter().map(|(_, ended)| ended.clone()).collect();
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

    fn has_news(&self) -> bool {
        self.begun.is_some() || !self.ended.is_empty()
    }

    /// Reports it in a moment, while the handler waits for something.
    fn flush_soon(&mut self, now: f64) {
        if self.has_news() && !self.timers.is_set(Timer::Flush) {
            let at = now + self.throttle.flush_in(now);
            self.timers.set(Timer::Flush, at);
        }
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
        let Some(job) = self.queue.pop_front() else {
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
        self.next_job(cx);
    }

    // A handler that is in the middle of its job.

    /// The handler calls `progress`, or has slept there.
    fn look(&mut self, cx: &mut Cx<P>) {
        if self.throttle.poll(cx.now) {
            cx.out.push(Action::ReadSignals);
        } else {
            self.look_on(cx);
        }
    }

    fn look_on(&mut self, cx: &mut Cx<P>) {
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

    fn slept(&mut self, cx: &mut Cx<P>, slept: bool) {
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
    fn resume(&mut self, cx: &mut Cx<P>) {
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
    fn ready(&mut self, cx: &mut Cx<P>) {
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
    fn watch(&mut self, cx: &Cx<P>) {
        if !self.watching {
            self.watching = true;
            self.rest.restart();
            self.look_later(cx);
        }
    }

    fn look_later(&mut self, cx: &Cx<P>) {
        let at = cx.now + RestWatch::look_in(cx.random);
        self.timers.set(Timer::Look, at);
    }

    fn measured(&mut self, cx: &mut Cx<P>, late: Option<f64>, ms: f64, nested: bool) {
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
    fn post_rest(&mut self, cx: &mut Cx<P>, waits: bool, nested: bool) {
        if self.rest.shall_say(cx.now, waits, nested) {
            cx.out.push(Action::Post(FromCore::Rests));
        }
    }
}

#[cfg(test)]
mod tests;
