//! The compute workers of a browser: each runs the engine's own machine. The simulation is their event loop and
//! their clock, and plays the handlers.

mod handler;

use std::collections::{BTreeMap, VecDeque};

use distcompute_engine::core::throttle::{FULL, STOP, worth_signalling};
use distcompute_engine::core::worker::{Action, Cx, Event, Worker};
use distcompute_engine::hub::event::{self as hub_event, Stored};
use distcompute_engine::hub::jobs::{JobKey, Outcome};
use distcompute_engine::message::{self, FromCore, Job, ToCore};

use self::handler::Run;
use super::planned::{Arrival, Planned, Sim};
use super::{Browser, MESSAGE_MS};
use crate::random::Rng;
use crate::tracker::Tracker;

pub use self::handler::{BAD, Fate, GOOD, Handler, Work};

const SETUP_MS: f64 = 20.0;

/// Slots for out-of-band signals that a worker has at most.
const SLOTS: usize = 16;

/// The signal in the slots of a hub that is gone.
const GONE: u8 = 15;

/// How long the turns of the event loop take while the thread is free.
const TURNS_MS: f64 = 1.0;

#[derive(Debug, Clone)]
pub(super) struct Core {
    pub(super) generation: u64,
    worker: Worker<Sim>,
    rng: Rng,
    /// Its setup has succeeded.
    up: bool,
    broken: bool,
    run: Option<Run>,
    /// Messages that arrived while its thread was blocked.
    inbox: VecDeque<Arrival>,
    /// What its handler returned.
    output: Option<String>,
    /// The slots from which it reads signals.
    slots: VecDeque<u32>,
    /// The slots that the hub has not used, what it has used others for, and the last intensity of these.
    unused: VecDeque<u32>,
    used: BTreeMap<u32, u8>,
    signalled: u8,
    /// The number of the hub that it sends to.
    pub(super) hub: u64,
    /// The page has been shown progress.
    shown: bool,
    /// Steps that were planned before this are not taken.
    plan: u64,
    /// When its timer is due.
    timer: Option<f64>,
}

impl Core {
    pub(super) fn is_running(&self) -> bool {
        self.worker.running().is_some()
    }

    /// Whether it could begin a job at once.
    pub(super) fn is_free(&self) -> bool {
        self.up && !self.broken && !self.is_running() && !self.worker.is_paused()
    }

    /// Whether the page has been shown progress of the job that runs.
    pub(super) fn has_told(&self) -> bool {
        self.shown && self.is_running()
    }

    /// Whether it has a job, started or not, as far as it has received what the hub sent.
    pub(super) fn has(&self, key: JobKey) -> bool {
        // A busy worker has not received the recall yet.
        let recalled = |arrival: &Arrival| matches!(arrival, Arrival::Message(ToCore::Recall));
        !self.inbox.iter().any(recalled) && self.worker.has(key)
    }

    /// The hub has died, and with it its messages and its slots.
    pub(super) fn lose_hub(&mut self) {
        self.inbox.clear();
        for slot in self.unused.drain(..) {
            self.used.insert(slot, GONE);
        }
    }

    /// Reads the signals in its slots, as a worker in a browser does.
    fn read_signals(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(signal) = self.slots.front().and_then(|slot| self.used.get(slot)) {
            if *signal == GONE {
                self.slots.clear();
            } else {
                read.push(*signal);
                self.slots.pop_front();
            }
        }
        read
    }

    /// The page was frozen for `ms`.
    pub(super) fn freeze(&mut self, ms: f64) {
        if let Some(run) = &mut self.run {
            run.ends += ms;
        }
    }

    /// Whether messages and timers wait until the handler gives the thread up.
    fn is_blocked(&self) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| run.work.blocks || run.asks)
    }
}

impl<T: Tracker> Browser<T> {
    pub(super) fn spawn(&mut self, at: u32, after: f64) {
        if at >= self.wants {
            return;
        }
        self.ticket += 1;
        let generation = self.ticket;
        let mut cx = Cx::new(self.t, 0.5);
        let core = Core {
            generation,
            worker: Worker::new(&mut cx),
            rng: Rng::new(generation),
            up: false,
            broken: false,
            run: None,
            inbox: VecDeque::new(),
            output: None,
            slots: VecDeque::new(),
            unused: VecDeque::new(),
            used: BTreeMap::new(),
            signalled: FULL,
            hub: self.generation,
            shown: false,
            plan: 0,
            timer: None,
        };
        self.cores.insert(at, core);
        for action in cx.out {
            for event in self.core_acts(at, action) {
                self.tell_core(at, event);
            }
        }
        self.plan(after, Planned::Here(self.generation, at, generation));
        self.plan(after + SETUP_MS, Planned::Up(at, generation));
    }

    pub(super) fn is_current(&self, at: u32, generation: u64) -> bool {
        self.cores
            .get(&at)
            .is_some_and(|core| core.generation == generation)
    }

    /// The hub has got the channel to a worker, and gives it slots for signals.
    pub(super) fn open_channel(&mut self, at: u32, generation: u64) {
        self.channels.insert(at, generation);
        if let Some(core) = self.cores.get_mut(&at) {
            core.signalled = FULL;
            core.unused.clear();
        }
        self.give_slots(at);
    }

    fn give_slots(&mut self, at: u32) {
        let Some(core) = self.cores.get_mut(&at) else {
            return;
        };
        if core.unused.len() < SLOTS {
            while core.unused.len() < SLOTS {
                self.ticket += 1;
                core.unused.push_back(self.ticket as u32);
            }
            let slots = core.unused.iter().copied().collect();
            self.say(at, ToCore::Signals(slots));
        }
    }

    /// The hub sends a message.
    pub(super) fn say(&mut self, at: u32, message: ToCore<Sim>) {
        // A worker that is gone gets nothing, and nor does its replacement.
        if let Some(generation) = self.channels.get(&at) {
            let arrival = Arrival::Message(message);
            self.plan(MESSAGE_MS, Planned::ToCore(at, *generation, arrival));
        }
    }

    /// The hub signals an intensity or a stop. Returns whether it did.
    pub(super) fn signal(&mut self, at: u32, signal: u8) -> bool {
        let generation = self.channels.get(&at);
        let core = self.cores.get_mut(&at);
        let Some(core) = core.filter(|core| generation == Some(&core.generation)) else {
            return false;
        };
        let worth_it = worth_signalling(core.unused.len(), core.signalled, signal);
        if signal != STOP {
            core.signalled = signal;
        }
        let slot = if worth_it {
            core.unused.pop_front()
        } else {
            None
        };
        if let Some(slot) = slot {
            core.used.insert(slot, signal);
        }
        slot.is_some()
    }

    /// Something comes to a worker by a message.
    pub(super) fn arrive(&mut self, at: u32, arrival: Arrival) {
        if let Some(core) = self.cores.get_mut(&at) {
            core.inbox.push_back(arrival);
            self.go_on(at);
        }
    }

    /// The owner's setup has ended.
    pub(super) fn set_up(&mut self, at: u32) {
        let fails = self.setup_fails;
        if let Some(core) = self.cores.get_mut(&at) {
            core.up = !fails;
        }
        let why = "no model".to_owned();
        self.tell_core(at, Event::SetUp(if fails { Err(why) } else { Ok(()) }));
    }

    /// The timer of a worker.
    pub(super) fn core_timer(&mut self, at: u32) {
        let Some(core) = self.cores.get_mut(&at) else {
            return;
        };
        core.timer = None;
        if !core.is_blocked() {
            self.tell_core(at, Event::Tick);
        }
    }

    /// A worker has slept in `progress`.
    pub(super) fn has_slept(&mut self, at: u32) {
        self.tell_core(at, Event::Slept(true));
    }

    /// Removes a worker, with everything that it has not reported. Returns whether there was one.
    pub(super) fn lose(&mut self, at: u32) -> bool {
        self.cores.remove(&at).is_some()
    }

    /// Something happens to a worker.
    fn tell_core(&mut self, at: u32, event: Event<Sim>) {
        let mut events = VecDeque::from([event]);
        let Some(generation) = self.cores.get(&at).map(|core| core.generation) else {
            return;
        };
        while let Some(event) = events.pop_front() {
            // A handler may have ended its worker.
            let Some(core) = self
                .cores
                .get_mut(&at)
                .filter(|core| core.generation == generation)
            else {
                return;
            };
            let mut cx = Cx::new(self.t, core.rng.next_f64());
            core.worker.handle(&mut cx, event);
            for action in cx.out {
                if !self.is_current(at, generation) {
                    return;
                }
                if self.trace {
                    eprintln!("{:>10.1}    core {at}: {action:?}", self.t);
                }
                events.extend(self.core_acts(at, action));
            }
        }
        self.go_on(at);
    }

    /// Delivers what has come if the thread is free, and sets the timer.
    fn go_on(&mut self, at: u32) {
        let Some(core) = self.cores.get_mut(&at) else {
            return;
        };
        if core.is_blocked() {
            return;
        }
        match core.inbox.pop_front() {
            Some(Arrival::Message(message)) => {
                return self.tell_core(at, Event::Message(message));
            }
            Some(Arrival::Hub(generation)) => {
                core.hub = generation;
                return self.tell_core(at, Event::NewHub);
            }
            None => {}
        }
        let next = core.worker.next_timeout();
        if next != core.timer
            && let Some(due) = next
        {
            core.timer = next;
            let (wait, generation) = ((due - self.t).max(0.0).ceil(), core.generation);
            self.plan(wait, Planned::CoreTimer(at, generation, due));
        }
    }

    /// Whether a timer of this time is still wanted.
    pub(super) fn is_timer(&self, at: u32, due: f64) -> bool {
        self.cores
            .get(&at)
            .is_some_and(|core| core.timer == Some(due))
    }

    /// Carries out what a worker decides. Returns what comes of it at once.
    fn core_acts(&mut self, at: u32, action: Action<Sim>) -> Vec<Event<Sim>> {
        let Some(core) = self.cores.get_mut(&at) else {
            return Vec::new();
        };
        match action {
            Action::Post(message) => self.core_posts(at, message),
            Action::Watch(slots) => core.slots = slots.into(),
            Action::Measure { late } => {
                let (ms, nested) = (TURNS_MS, false);
                return vec![Event::Measured { late, ms, nested }];
            }
            // It takes a while, which is planned.
            Action::SetUp => {}
            Action::Begin => return self.begin(at),
            Action::TakeOutput => {
                let output = core.output.take().expect("a handler has returned");
                return vec![Event::Output(Ok(output))];
            }
            Action::Abort => {
                if let Some(run) = &mut core.run {
                    run.aborted = true;
                    // An asynchronous handler rejects at once; another throws where it asks.
                    if !run.work.blocks && !run.asks {
                        return vec![self.throws(at, "AbortError", false)];
                    }
                }
            }
            Action::Wake => self.next_piece(at),
            Action::Abandon => core.run = None,
            Action::ReadSignals => {
                let read = core.read_signals();
                let left = core.slots.len();
                return vec![Event::Signals { read, left }];
            }
            Action::Sleep(ms) => {
                core.plan += 1;
                let (generation, plan) = (core.generation, core.plan);
                self.plan(ms, Planned::Slept(at, generation, plan));
            }
            Action::Resume { until } => {
                if let Some(run) = &mut core.run {
                    (run.until, run.asks) = (until, false);
                    if run.aborted {
                        return vec![self.throws(at, "AbortError", false)];
                    }
                    return self.after_piece(at);
                }
            }
        }
        Vec::new()
    }

    /// A worker sends a message.
    fn core_posts(&mut self, at: u32, message: FromCore<Sim>) {
        let core = self.cores.get_mut(&at).expect("it is there");
        if let FromCore::Report(report) = &message {
            core.shown |= report.progress.is_some();
        }
        if core.hub != self.generation {
            return;
        }
        let event = match message {
            FromCore::Up => hub_event::Event::CoreUp(at),
            FromCore::Broken(why) => hub_event::Event::CoreBroken(at, why),
            FromCore::Recalled(keys) => hub_event::Event::Recalled(at, keys),
            FromCore::Rests => hub_event::Event::Rests(at),
            FromCore::Handover { running, ended } => {
                for (job, outcome) in ended {
                    let made = self.stored_as(job, Some(outcome));
                    self.hub_hears(MESSAGE_MS, hub_event::Event::EndedBefore(made));
                }
                let running = running.map(|job| (job.key, self.stored_as(job, None)));
                hub_event::Event::Resumed(at, running)
            }
            FromCore::Report(report) => {
                let idle = report.started.is_none();
                let report = self.report(report);
                self.hub_hears(MESSAGE_MS, hub_event::Event::Report(at, report));
                if idle {
                    self.give_slots(at);
                }
                return;
            }
        };
        self.hub_hears(MESSAGE_MS, event);
    }

    fn report(&mut self, report: message::Report<Sim>) -> hub_event::Report {
        let results = report.results.into_iter().map(|ended| hub_event::Ended {
            key: ended.key,
            outcome: self.keep_outcome(ended.outcome),
            ms: ended.ms,
            fatal: ended.fatal,
        });
        hub_event::Report {
            results: results.collect(),
            started: report.started,
            progress: report.progress,
            checkpoint: report.checkpoint.map(|(key, ())| key),
        }
    }

    fn keep_outcome(&mut self, outcome: Outcome<String>) -> Outcome {
        match outcome {
            Outcome::Done(text) => Outcome::Done(self.keep(text)),
            Outcome::Invalid(why) => Outcome::Invalid(why),
            Outcome::Failed(why) => Outcome::Failed(why),
            Outcome::Released => Outcome::Released,
        }
    }

    fn stored_as(&mut self, job: Job<Sim>, outcome: Option<Outcome<String>>) -> Stored {
        let outcome = outcome.map(|outcome| self.keep_outcome(outcome));
        Stored {
            stage: job.stage,
            number: job.number,
            attempt: job.attempt,
            ticket: job.ticket,
            input: job.input.map(|text| self.keep(text)),
            outcome,
        }
    }
}

/// Compute workers by their places.
pub(super) type Cores = BTreeMap<u32, Core>;
