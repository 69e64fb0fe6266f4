//! A small world for one browser: a clock that only the world moves, a network with faults, compute
//! workers, storage, and the scheduler that is to be proved. It knows a tracker only as a
//! [`Tracker`]. After every step it checks what must always hold.

mod core;

use std::collections::{BTreeMap, BTreeSet};

use distcompute_engine::client::call::Answer;
use distcompute_engine::core::throttle::STOP;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{
    Action, Got, Granted, Moved, Outgoing, Parsed, Registration, Synced, Wire, Write,
};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Event, Inherited, Stored};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::{Job, JobState, Key, Outcome, Text, Ticket};
use distcompute_engine::message::{Job as Task, ToCore};
use distcompute_engine::reason::Reason;
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::{Done, Failed, Invalid, Progress as ProgressLine, Stage, SyncRequest};

use self::core::{Arrival, Cores};
use crate::tracker::{Asked, Content, Said, Tracker, weigh};

/// A message between two threads takes so long.
const MESSAGE_MS: f64 = 1.0;
/// The page starts a worker within this.
const SPAWN_MS: f64 = 30.0;
const SETUP_MS: f64 = 20.0;
const NICKNAME: &str = "Cluster 2";

/// 2026-11-25.
const EPOCH_MS: f64 = 1_795_564_800_000.0;

/// How often it is looked whether idle cores are right to be idle.
const EXCUSE_MS: f64 = 15_000.0;

/// What outputs begin with.
pub const GOOD: &str = "out";
pub const BAD: &str = "bad";

/// Dice with a seed.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// In `[0, 1)`.
    pub fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How often each fault happens, as a share of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub request_lost: f64,
    pub answer_lost: f64,
    pub hangs: f64,
    pub doubled: f64,
    pub delayed: f64,
    pub busy: f64,
    pub broken: f64,
    pub portal: f64,
    /// An answer ends before its end.
    pub cut: f64,
    /// Nothing gets through.
    pub down: bool,
    /// Answers in the tracker's name.
    pub proxy: Option<Proxy>,
}

/// A proxy that refuses whatever carries more than so many bytes of results, with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxy {
    pub limit: usize,
    pub status: u16,
}

/// A result that is refused may be tried again for so long, while others are answered.
const REFUSED_MS: f64 = 7_200_000.0;

/// The shell waits so long for storage that does not answer.
const STORAGE_MS: f64 = 5_000.0;

impl Faults {
    pub const RATES: usize = 9;

    pub fn list(mut self) -> [f64; Self::RATES] {
        self.list_mut().map(|rate| *rate)
    }

    pub fn list_mut(&mut self) -> [&mut f64; Self::RATES] {
        [
            &mut self.request_lost,
            &mut self.answer_lost,
            &mut self.hangs,
            &mut self.doubled,
            &mut self.delayed,
            &mut self.busy,
            &mut self.broken,
            &mut self.portal,
            &mut self.cut,
        ]
    }
}

/// How a job ends in its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    Throws,
    Flags,
    /// It never returns, and hears nothing.
    Hangs,
    /// Its WebAssembly traps.
    Traps,
    /// Its worker is gone.
    Dies,
}

/// What a job is to a handler.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub ms: f64,
    pub fate: Fate,
    /// Blocks its thread.
    pub blocks: bool,
    /// Calls `progress` so often, in milliseconds of work.
    pub progress_ms: Option<f64>,
    pub checkpoint: bool,
    /// Bytes of output beyond a name.
    pub bytes: usize,
    /// Its output is bad, as whoever gets it as input will see.
    pub spoils: bool,
}

impl Work {
    pub fn of(ms: f64) -> Self {
        Self {
            ms,
            fate: Fate::Done,
            blocks: true,
            progress_ms: None,
            checkpoint: false,
            bytes: 0,
            spoils: false,
        }
    }
}

/// What a handler makes of job `number` when it is begun here for the nth time, counted from 1.
pub type Handler = Box<dyn Fn(u64, u32) -> Work>;

#[derive(Debug, Clone)]
enum Happens {
    /// To the hub, of this life.
    Hub(u64, Event),
    /// The hub, of this life, gets the channel to a compute worker, of that life.
    Here(u64, u32, u64),
    Timer(u64),
    ToCore(u32, u64, Arrival),
    Step(u32, u64, u64),
    Slept(u32, u64, u64),
    /// The timer of a compute worker, for a deadline.
    CoreTimer(u32, u64, f64),
    Up(u32, u64),
    /// Another hub is there, of this life.
    Successor(u64),
    /// It asks a compute worker, of that life, what it does.
    Meet(u64, u32, u64),
    /// A request reaches the tracker; the answer is to be heard so much later, or never.
    Arrives {
        request: u32,
        hub: u64,
        asked: Asked,
        back_ms: Option<f64>,
    },
    Heard(u32, u64, Box<Heard>),
    /// A part of an answer has come over the line; so many bytes are still to come.
    Flows {
        request: u32,
        hub: u64,
        down: f64,
        left: f64,
        heard: Box<Heard>,
    },
    /// Nothing more has come of this answer since it had so many bytes.
    Stalls(u32, u64, f64),
}

/// What the line to the tracker carries, in bytes per millisecond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub down: f64,
    pub up: f64,
    /// How often a part of an answer is lost and sent again, as a share.
    pub loss: f64,
}

impl Line {
    /// A line of so many Mbit/s both ways.
    pub fn of(mbit: f64) -> Self {
        Self {
            down: 125.0 * mbit,
            up: 125.0 * mbit,
            loss: 0.0,
        }
    }
}

/// A part of an answer, in milliseconds of the line.
const PART_MS: f64 = 50.0;

/// What a call takes beside its texts, in bytes.
const HEAD: f64 = 500.0;

#[derive(Debug, Clone)]
enum Heard {
    NotReached,
    TimedOut,
    Said(Said),
}

/// What storage keeps of a job.
#[derive(Debug, Clone)]
struct Kept {
    stage: Stage,
    number: u64,
    attempt: u32,
    ticket: Ticket,
    input: Option<String>,
    outcome: Option<KeptOutcome>,
}

#[derive(Debug, Clone)]
enum KeptOutcome {
    Done(String),
    Other(Outcome),
}

pub struct World<T> {
    pub tracker: T,
    pub hub: Scheduler,
    pub handler: Handler,
    pub faults: Faults,
    pub delay_ms: f64,
    /// What the line carries; without it, everything at once.
    pub line: Option<Line>,
    /// Outputs stand for their bytes instead of having them.
    pub light: bool,
    /// When the line is free again, each way.
    up_free: f64,
    down_free: f64,
    /// What has come of each answer under way.
    flowing: BTreeMap<u32, (f64, f64)>,
    /// Bytes that came over the line, each way.
    pub carried_down: f64,
    pub carried_up: f64,
    pub dice: Dice,
    /// Setups fail while this is true.
    pub setup_fails: bool,
    pub retry_after_ms: Option<u32>,
    /// The status of the answers of [`Faults::busy`].
    pub busy_status: u16,
    /// What is checked beyond what always holds.
    pub patience_ms: f64,
    stages: Vec<Stage>,
    nickname: String,
    settings: Settings,
    limits: Limits,
    around: Surroundings,
    wish: Wish,
    /// When a pause of some length is over, as [`time`](Self::time) has it.
    pause_ends: Option<f64>,
    /// The clocks and the time at the hub's last event.
    last_read: (Now, f64),
    /// Sleep that no clock showed: the wall clock was set back between the same two events.
    hidden: f64,
    t: f64,
    slept: f64,
    set: f64,
    queue: BTreeMap<(u64, u64), Happens>,
    ticket: u64,
    life: u64,
    timer: u64,
    cores: Cores,
    /// The life of the worker that the hub has a channel to.
    channels: BTreeMap<u32, u64>,
    texts: BTreeMap<u32, String>,
    last_text: u32,
    flights: BTreeMap<u32, u64>,
    /// Bytes of the bodies of requests under way.
    bodies: BTreeMap<u32, f64>,
    /// How long nothing of an answer may come.
    stall_ms: f64,
    store: BTreeMap<String, Kept>,
    registrations: BTreeMap<Stage, Registration>,
    /// Since when cores have been idle without an excuse.
    idle: BTreeMap<u32, f64>,
    /// When it is next looked whether there is one.
    excused_at: f64,
    /// The stages of this browser's registrations, and the registration at each that it uses.
    stage_of: BTreeMap<String, Stage>,
    registered: BTreeMap<Stage, String>,
    /// How long the tracker has each registration rest, because its jobs fail, and the hub stay away.
    rests_until: BTreeMap<Stage, f64>,
    /// The same of the rests that the hub takes by itself.
    hub_rests_until: f64,
    idle_ticks: u32,
    idle_since: f64,
    wants: u32,
    pub stopped: bool,
    pub renews: bool,
    pub fatal: Option<String>,
    /// When requests were sent.
    pub sent: Vec<f64>,
    pub asked: Vec<&'static str>,
    /// What all cores have worked, in milliseconds.
    pub worked_ms: f64,
    pub replaced: u32,
    pub begun: BTreeMap<u64, u32>,
    pub begun_at: Vec<f64>,
    pub given_at: Vec<f64>,
    pub resumed: u32,
    pub most_ahead: usize,
    /// Look for what `next_timeout` sleeps through, at every so-manieth step.
    pub probe: u64,
    steps: u64,
    pub trace: bool,
    /// Nothing can be written to storage.
    pub full: bool,
    /// Storage never answers.
    silent: bool,
    /// The hub waits for storage.
    waits_for_storage: bool,
    /// Since when results wait at the hub while the tracker could be reached.
    waits: BTreeMap<Key, f64>,
    /// Something could not be written, or was wiped.
    lossy: bool,
    sabotage: Option<Sabotage>,
    dropped: BTreeSet<String>,
}

/// A rule that is broken on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A result that cannot be stored is taken for delivered.
    DropWhenFull,
    /// A refusal by a page is taken for a network that is away, whatever its status.
    BodyFirst,
    /// The hub waits for storage without end.
    WaitForStorage,
}

/// What the texts of an answer weigh.
fn weight(heard: &Heard) -> f64 {
    let Heard::Said(said) = heard else { return 0.0 };
    let text = |data: &Option<String>| data.as_deref().map_or(0, weigh);
    let bytes = match &said.content {
        Content::Sync(sync) => {
            let inputs = sync.jobs.iter().map(|job| text(&job.data) + 160);
            inputs.sum::<usize>() + 50 * sync.accepted.len()
        }
        Content::Job { data, .. } => text(data),
        _ => said.answer.body.len(),
    };
    bytes as f64
}

/// What the body of a request weighs.
fn body(asked: &Asked) -> f64 {
    let bytes = match asked {
        Asked::Sync(sync) => {
            let done: usize = sync.done.iter().map(|done| weigh(&done.data) + 80).sum();
            done + 50 * (sync.items() - sync.done.len())
        }
        Asked::Complete { data, .. } => weigh(data),
        _ => 0,
    };
    bytes as f64
}

impl<T: Tracker> World<T> {
    pub fn new(tracker: T, stages: &[Stage], cores: u32, seed: u64) -> Self {
        let settings = Settings {
            cores,
            intensity: 10,
            ..Settings::default()
        };
        let limits = Limits::default();
        let mut world = Self {
            tracker,
            hub: Scheduler::new(stages, NICKNAME, settings, limits),
            handler: Box::new(|_, _| Work::of(100.0)),
            faults: Faults::default(),
            delay_ms: 20.0,
            line: None,
            light: false,
            up_free: 0.0,
            down_free: 0.0,
            flowing: BTreeMap::new(),
            carried_down: 0.0,
            carried_up: 0.0,
            dice: Dice(seed),
            setup_fails: false,
            retry_after_ms: Some(2_000),
            busy_status: 503,
            patience_ms: 80_000.0,
            stages: stages.to_vec(),
            nickname: NICKNAME.to_owned(),
            settings,
            limits,
            around: Surroundings::default(),
            wish: Wish::Run,
            pause_ends: None,
            last_read: (Now::default(), f64::INFINITY),
            hidden: 0.0,
            t: 1_000.0,
            slept: 0.0,
            set: 0.0,
            queue: BTreeMap::new(),
            ticket: 0,
            life: 0,
            timer: 0,
            cores: BTreeMap::new(),
            channels: BTreeMap::new(),
            texts: BTreeMap::new(),
            last_text: 0,
            flights: BTreeMap::new(),
            bodies: BTreeMap::new(),
            stall_ms: 20_000.0,
            store: BTreeMap::new(),
            registrations: BTreeMap::new(),
            idle: BTreeMap::new(),
            excused_at: 0.0,
            stage_of: BTreeMap::new(),
            registered: BTreeMap::new(),
            rests_until: BTreeMap::new(),
            hub_rests_until: f64::NEG_INFINITY,
            idle_ticks: 0,
            idle_since: 0.0,
            wants: 0,
            stopped: false,
            renews: false,
            fatal: None,
            sent: Vec::new(),
            asked: Vec::new(),
            worked_ms: 0.0,
            replaced: 0,
            begun: BTreeMap::new(),
            begun_at: Vec::new(),
            given_at: Vec::new(),
            resumed: 0,
            most_ahead: 0,
            probe: 0,
            steps: 0,
            trace: false,
            full: false,
            silent: false,
            waits_for_storage: false,
            waits: BTreeMap::new(),
            lossy: false,
            sabotage: None,
            dropped: BTreeSet::new(),
        };
        world.plan(
            0.0,
            Happens::Hub(
                0,
                Event::Restored {
                    registrations: Vec::new(),
                    jobs: Vec::new(),
                    cores: Vec::new(),
                },
            ),
        );
        world
    }

    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.hub = self.scheduler();
        self
    }

    pub fn named(mut self, nickname: &str) -> Self {
        nickname.clone_into(&mut self.nickname);
        self.hub = self.scheduler();
        self
    }

    pub fn now(&self) -> Now {
        Now {
            mono: self.t,
            wall: EPOCH_MS + self.t + self.slept + self.set,
        }
    }

    /// Time as it passes for everybody.
    pub fn time(&self) -> f64 {
        self.t + self.slept
    }

    /// Time as the clocks can show it to the hub.
    fn shown_time(&self) -> f64 {
        self.time() - self.hidden
    }

    /// The hub is about to read the clocks.
    fn look_at_clocks(&mut self) {
        let (now, time) = (self.now(), self.time());
        let (last, at) = self.last_read;
        let shown = (now.wall - last.wall).max(now.mono - last.mono);
        self.hidden += (time - at - shown).max(0.0);
        self.last_read = (now, time);
    }

    pub fn reason(&self) -> Reason {
        self.hub.reason(self.now())
    }

    pub fn running(&self) -> usize {
        self.cores.values().filter(|core| core.is_running()).count()
    }

    pub fn workers(&self) -> usize {
        self.cores.len()
    }

    pub fn stored(&self) -> usize {
        self.store.len()
    }

    pub fn break_a_rule(&mut self, sabotage: Sabotage) {
        self.sabotage = Some(sabotage);
    }

    /// Storage never answers, from the beginning on.
    pub fn silence_storage(&mut self) {
        (self.silent, self.lossy) = (true, true);
        self.queue.clear();
        self.begin_without_storage(Vec::new());
    }

    fn begin_without_storage(&mut self, cores: Vec<Inherited>) {
        self.waits_for_storage = true;
        if self.sabotage == Some(Sabotage::WaitForStorage) {
            return;
        }
        let restored = Event::Restored {
            registrations: Vec::new(),
            jobs: Vec::new(),
            cores,
        };
        self.hub_hears(STORAGE_MS, restored);
    }

    /// Whether the hub waits for storage.
    pub fn waits_for_storage(&self) -> bool {
        self.waits_for_storage && !self.stopped
    }

    fn plan(&mut self, after: f64, what: Happens) {
        self.ticket += 1;
        // Microseconds, so that time has an order.
        let at = ((self.t + after.max(0.0)) * 1000.0).ceil() as u64;
        self.queue.insert((at, self.ticket), what);
    }

    // What people do.

    pub fn tell(&mut self, event: Event) {
        match &event {
            Event::Settings(settings) => self.settings = *settings,
            Event::Around(around) => self.around = *around,
            Event::Wish(wish) => {
                self.wish = *wish;
                self.pause_ends = match wish {
                    Wish::Pause { until: Some(until) } => {
                        Some(self.shown_time() + (until - self.now().wall))
                    }
                    _ => None,
                };
            }
            _ => {}
        }
        self.happen(event);
    }

    pub fn settings(&mut self, change: impl Fn(&mut Settings)) {
        let mut settings = self.settings;
        change(&mut settings);
        self.tell(Event::Settings(settings));
    }

    /// The machine sleeps: nothing runs, connections break, and one of its clocks may stand still.
    pub fn sleep(&mut self, ms: f64) {
        self.slept += ms;
        for (request, life) in self.flights.clone() {
            self.plan(
                0.0,
                Happens::Heard(request, life, Box::new(Heard::NotReached)),
            );
        }
    }

    /// The page is frozen: clocks go on, and nothing runs. What comes meanwhile is heard afterwards.
    pub fn freeze(&mut self, ms: f64) {
        self.t += ms;
        for core in self.cores.values_mut() {
            core.freeze(ms);
        }
        self.idle.clear();
        self.waits.clear();
    }

    /// Somebody clears the site's data.
    pub fn wipe(&mut self) {
        self.store.clear();
        self.registrations.clear();
        self.lossy = true;
    }

    /// Somebody sets the clock.
    pub fn set_clock(&mut self, by_ms: f64) {
        self.set += by_ms;
    }

    /// The page is closed: its last words, if any, then nothing. Storage stays.
    pub fn close(&mut self, farewell: bool) {
        if farewell {
            for wire in self.hub.farewell(self.now()) {
                let asked = self.asked_by(&wire);
                let body = match &asked {
                    Asked::Sync(sync) => sync.done.iter().map(|done| done.data.len()).sum(),
                    _ => 0,
                };
                assert!(body < 64_000, "browsers let 64 KiB outlive a page");
                let arrives = Happens::Arrives {
                    request: 0,
                    hub: 0,
                    asked,
                    back_ms: None,
                };
                self.plan(self.delay_ms / 2.0, arrives);
            }
        }
        self.cores.clear();
        self.texts.clear();
        self.flights.clear();
        self.flowing.clear();
        self.bodies.clear();
        self.idle.clear();
        self.life += 1;
        self.timer += 1;
        self.stopped = true;
    }

    /// The page is opened again.
    pub fn open(&mut self) {
        self.stopped = false;
        self.renews = false;
        self.wants = 0;
        self.hub = self.scheduler();
        self.restore(Vec::new());
    }

    /// The hub begins with what storage has.
    fn restore(&mut self, cores: Vec<Inherited>) {
        self.waits.clear();
        if self.silent {
            self.begin_without_storage(cores);
            self.tell_successor();
            return;
        }
        let registrations = self.registrations.values().cloned().collect();
        let store: Vec<Kept> = self.store.values().cloned().collect();
        let mut jobs = Vec::new();
        for kept in store {
            let input = kept.input.map(|text| self.keep(text));
            let outcome = kept.outcome.map(|outcome| match outcome {
                KeptOutcome::Done(text) => Outcome::Done(self.keep(text)),
                KeptOutcome::Other(outcome) => outcome,
            });
            let (stage, number, attempt) = (kept.stage, kept.number, kept.attempt);
            jobs.push(Stored {
                stage,
                number,
                attempt,
                ticket: kept.ticket,
                input,
                outcome,
            });
        }
        self.happen(Event::Restored {
            registrations,
            jobs,
            cores,
        });
        self.tell_successor();
    }

    /// The page tells a new hub how it is there, and what is left of a pause.
    fn tell_successor(&mut self) {
        self.happen(Event::Around(self.around));
        if self.wish != Wish::Run {
            let left = self.pause_ends.map(|ends| ends - self.shown_time());
            let until = left.map(|left| self.now().wall + left);
            self.happen(Event::Wish(Wish::Pause { until }));
        }
    }

    pub fn forget_sessions(&mut self) {
        self.registrations.clear();
    }

    /// Results of an earlier visit that were not delivered.
    pub fn leave_results(&mut self, leases: Vec<(String, u64, Stage)>) {
        for (lease, number, stage) in leases {
            let kept = Kept {
                stage,
                number,
                attempt: 1,
                ticket: Ticket::Lease(lease.clone()),
                input: None,
                outcome: Some(KeptOutcome::Done(format!("out {number} {stage}"))),
            };
            self.store.insert(lease, kept);
        }
    }

    /// The hub vanishes; its cores work on, and soon there is another.
    pub fn kill_hub(&mut self) {
        if self.stopped {
            return;
        }
        self.life += 1;
        self.timer += 1;
        self.flights.clear();
        self.flowing.clear();
        self.bodies.clear();
        self.channels.clear();
        self.texts.clear();
        self.idle.clear();
        let first = (self.dice.roll() * 2e9) as Key;
        self.hub = self.scheduler().with_keys_from(first);
        for core in self.cores.values_mut() {
            core.lose_hub();
        }
        self.plan(SPAWN_MS, Happens::Successor(self.life));
    }

    fn scheduler(&self) -> Scheduler {
        Scheduler::new(&self.stages, &self.nickname, self.settings, self.limits)
    }

    fn succeed(&mut self) {
        // What the page knows of them.
        let cores = self.cores.iter().map(|(at, core)| Inherited {
            core: *at,
            has_progress: core.has_told(),
        });
        self.restore(cores.collect());
        let lives: Vec<(u32, u64)> = self
            .cores
            .iter()
            .map(|(at, core)| (*at, core.life))
            .collect();
        for (at, life) in lives {
            self.plan(MESSAGE_MS, Happens::Here(self.life, at, life));
            self.plan(2.0 * MESSAGE_MS, Happens::Meet(self.life, at, life));
        }
    }

    /// A worker vanishes.
    pub fn kill_core(&mut self, at: u32) {
        if self.lose(at) {
            self.hub_hears(
                MESSAGE_MS,
                Event::CoreDied(at, "unreachable executed".to_owned()),
            );
            self.spawn(at, 1_000.0);
        }
    }

    // The scenario of things.

    /// Goes on for so long.
    pub fn run(&mut self, ms: f64) {
        self.run_until(ms, |_| false);
    }

    /// Goes on until something is so; `false`: it was not within `ms`.
    pub fn run_until(&mut self, ms: f64, is: impl Fn(&Self) -> bool) -> bool {
        let end = self.time() + ms;
        loop {
            if is(self) {
                return true;
            }
            if self.next().is_none_or(|at| at > end) {
                break;
            }
            self.step_on();
        }
        self.wait_until(end);
        is(self)
    }

    /// When something happens next, as [`time`](Self::time) has it.
    pub fn next(&self) -> Option<f64> {
        let (at, _) = self.queue.first_key_value()?;
        Some((at.0 as f64 / 1000.0).max(self.t) + self.slept)
    }

    /// Does what happens next.
    pub fn step_on(&mut self) {
        if let Some(((at, _), what)) = self.queue.pop_first() {
            self.t = self.t.max(at as f64 / 1000.0);
            self.take(what);
        }
    }

    /// Nothing happens until then.
    pub fn wait_until(&mut self, time: f64) {
        self.t = self.t.max(time - self.slept);
    }

    fn take(&mut self, what: Happens) {
        match what {
            Happens::Hub(life, event) if life == self.life => self.happen(event),
            // The page joins no worker to the hub that it has ended meanwhile.
            Happens::Here(hub, at, life) if hub == self.life && self.lives(at, life) => {
                self.open_channel(at, life);
                self.happen(Event::CoreHere(at));
            }
            Happens::Timer(timer) if timer == self.timer => self.happen(Event::Tick),
            Happens::ToCore(at, life, arrival) if self.lives(at, life) => {
                self.arrive(at, arrival);
            }
            Happens::Step(at, life, plan) if self.lives(at, life) && self.is_planned(at, plan) => {
                self.step(at);
            }
            Happens::Slept(at, life, plan) if self.lives(at, life) && self.is_planned(at, plan) => {
                self.has_slept(at);
            }
            Happens::CoreTimer(at, life, due) if self.lives(at, life) && self.is_timer(at, due) => {
                self.core_timer(at);
            }
            Happens::Up(at, life) if self.lives(at, life) => self.set_up(at),
            Happens::Successor(life) if life == self.life && !self.stopped => self.succeed(),
            Happens::Meet(hub, at, life) if hub == self.life && self.lives(at, life) => {
                self.arrive(at, Arrival::Hub(hub));
            }
            Happens::Arrives {
                request,
                hub,
                asked,
                back_ms,
            } => {
                let said = self.tracker.call(self.time(), &asked);
                self.note_rest(&asked, said.as_ref(), back_ms.unwrap_or(0.0));
                let heard = Box::new(said.map_or(Heard::NotReached, Heard::Said));
                match (back_ms, self.line) {
                    (Some(back_ms), Some(_)) => {
                        let left = HEAD + weight(&heard);
                        let begins = Happens::Flows {
                            request,
                            hub,
                            down: 0.0,
                            left,
                            heard,
                        };
                        self.plan(back_ms, begins);
                    }
                    (Some(back_ms), None) => {
                        self.plan(back_ms, Happens::Heard(request, hub, heard));
                    }
                    (None, _) => {}
                }
            }
            Happens::Flows {
                request,
                hub,
                down,
                left,
                heard,
            } => self.flows(request, hub, down, left, heard),
            Happens::Stalls(request, life, down)
                if life == self.life
                    && self
                        .flowing
                        .get(&request)
                        .is_some_and(|(now, _)| *now == down) =>
            {
                self.plan(
                    0.0,
                    Happens::Heard(request, life, Box::new(Heard::TimedOut)),
                );
            }
            Happens::Heard(request, life, heard) => {
                // The limit was for the first byte; then there is another.
                let begun = self.flowing.get(&request).copied();
                if matches!(*heard, Heard::TimedOut)
                    && begun.is_some_and(|(_, at)| self.t - at < self.stall_ms)
                {
                    return;
                }
                if life != self.life || self.flights.remove(&request).is_none() {
                    return;
                }
                let flowed = self.flowing.remove(&request);
                let up = self.bodies.remove(&request).unwrap_or(0.0);
                if let Heard::Said(said) = &*heard {
                    let status = said.answer.status;
                    // Without a line everything comes at once.
                    let down = flowed.map_or(HEAD + weight(&heard), |(down, _)| down);
                    if flowed.is_none() {
                        let (down, ended) = (0.0, false);
                        self.happen(Event::Moved(
                            request,
                            Moved {
                                status,
                                up,
                                down,
                                ended,
                            },
                        ));
                    }
                    let ended = true;
                    self.happen(Event::Moved(
                        request,
                        Moved {
                            status,
                            up,
                            down,
                            ended,
                        },
                    ));
                }
                let got = match *heard {
                    Heard::NotReached => Got::NotReached("Failed to fetch".to_owned()),
                    Heard::TimedOut => Got::TimedOut,
                    Heard::Said(said) => self.read(said),
                };
                self.happen(Event::Answered(request, got));
            }
            _ => {}
        }
    }

    /// A part of an answer has come.
    fn flows(&mut self, request: u32, life: u64, down: f64, left: f64, heard: Box<Heard>) {
        let Some(line) = self.line.filter(|_| life == self.life) else {
            return;
        };
        let Some(up) = self.bodies.get(&request).copied() else {
            return;
        };
        if !self.flights.contains_key(&request) {
            return;
        }
        self.flowing.insert(request, (down, self.t));
        self.plan(self.stall_ms, Happens::Stalls(request, life, down));
        if left <= 0.0 {
            self.plan(0.0, Happens::Heard(request, life, heard));
            return;
        }
        let status = match &*heard {
            Heard::Said(said) => said.answer.status,
            // It breaks off later.
            Heard::NotReached | Heard::TimedOut => 200,
        };
        let ended = false;
        self.happen(Event::Moved(
            request,
            Moved {
                status,
                up,
                down,
                ended,
            },
        ));
        let part = left.min(line.down * PART_MS);
        let mut takes_ms = part / line.down;
        if self.dice.roll() < line.loss {
            takes_ms += 200.0 + 800.0 * self.dice.roll();
        }
        self.down_free = self.down_free.max(self.t) + takes_ms;
        self.carried_down += part;
        let comes = Happens::Flows {
            request,
            hub: life,
            down: down + part,
            left: left - part,
            heard,
        };
        self.plan(self.down_free - self.t, comes);
    }

    /// A text of a result, as a core's report brings it.
    pub fn keep(&mut self, text: String) -> Text {
        self.last_text += 1;
        let bytes = weigh(&text) as u32 + 2;
        self.texts.insert(self.last_text, text);
        Text {
            id: self.last_text,
            bytes,
        }
    }

    fn read(&mut self, said: Said) -> Got {
        let parsed = match said.content {
            Content::Nothing => Parsed::Nothing,
            Content::Hello(hello) => Parsed::Hello(hello),
            Content::Alive(alive) => Parsed::Alive(alive),
            Content::Job { number, data } => {
                let data = data.map(|data| self.keep(data));
                Parsed::Job { number, data }
            }
            Content::Unreadable => Parsed::Unreadable("It is no JSON.".to_owned()),
            Content::Sync(mut sync) => {
                sync.accepted.extend(std::mem::take(&mut self.dropped));
                for lease in &sync.accepted {
                    let taken = self.tracker.has_taken(lease);
                    assert!(taken, "lease {lease} is accepted and not in the books");
                }
                let mut jobs = Vec::new();
                for job in sync.jobs {
                    let data = job.data.map(|data| self.keep(data));
                    let (number, lease, attempt) = (job.number, job.lease, job.attempt);
                    jobs.push(Granted {
                        number,
                        data,
                        lease,
                        attempt,
                    });
                }
                Parsed::Sync(Synced {
                    jobs,
                    accepted: sync.accepted,
                    rejected: sync.rejected.into_iter().map(|it| it.lease).collect(),
                    lost: sync.lost,
                    wait_ms: f64::from(sync.wait_s) * 1000.0,
                    app_version: sync.app_version,
                    left_bytes: Some(sync.left_bytes as f64),
                    limited: sync.limited,
                })
            }
        };
        Got::Answered(said.answer, parsed)
    }

    /// Something happens to the hub.
    fn happen(&mut self, event: Event) {
        if self.stopped {
            return;
        }
        self.waits_for_storage &= !matches!(event, Event::Restored { .. });
        let tick = event == Event::Tick;
        // The hub waits for the answer's content, which is the next event.
        let is_last = matches!(event, Event::Moved(_, Moved { ended: true, .. }));
        let random = self.dice.roll();
        self.look_at_clocks();
        let now = self.now();
        if self.trace && !tick {
            eprintln!("{:>10.1} -> {event:?}", self.t);
        }
        let mut cx = Cx::new(now, random);
        self.hub.handle(&mut cx, event);
        let actions = cx.out;
        if tick && actions.is_empty() {
            if self.t - self.idle_since > 3_000.0 {
                (self.idle_since, self.idle_ticks) = (self.t, 0);
            }
            self.idle_ticks += 1;
            assert!(
                self.idle_ticks < 60,
                "a busy loop at {}: {:?}",
                self.t,
                self.hub.next_timeout()
            );
        } else {
            self.idle_ticks = 0;
        }
        for action in actions {
            if self.trace {
                eprintln!("{:>10.1}    {action:?}", self.t);
            }
            self.act(action);
            if self.stopped {
                return;
            }
        }
        if !is_last {
            self.check();
        }
        self.timer += 1;
        if let Some(due) = self.hub.next_timeout() {
            // As a browser does it.
            let due = due.left_ms(now);
            self.plan(due.clamp(1.0, 2e9).ceil(), Happens::Timer(self.timer));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(outgoing) => self.send(outgoing),
            Action::Give { core, keys } => {
                self.given_at.push(self.t);
                let mut jobs = Vec::new();
                for key in keys {
                    let job = self
                        .hub
                        .table()
                        .get(key)
                        .expect("a job that is given is there");
                    let task = Task {
                        key,
                        number: job.number,
                        stage: self.hub.stage_of(job).expect("its stage is known").0,
                        stage_name: String::new(),
                        attempt: job.attempt,
                        ticket: job.ticket.clone(),
                        input: job.input.map(|text| self.texts[&text.id].clone()),
                        resume: job.resumable.then_some(()),
                    };
                    for (at, other) in &self.cores {
                        let has = other.has(key);
                        assert!(!has, "job {key} is given to {core} while {at} has it");
                    }
                    jobs.push(task);
                }
                let project = String::new();
                self.say(core, ToCore::Jobs { project, jobs });
            }
            // Checkpoints are kept under the rights to hand the jobs in.
            Action::Rekey { .. } => {}
            Action::Recall(core) => self.say(core, ToCore::Recall),
            Action::StopJob { core, key } => {
                let signalled = self.signal(core, STOP);
                self.say(core, ToCore::Stop { key, signalled });
            }
            Action::Level { core, level } => {
                self.signal(core, level);
                self.say(core, ToCore::Intensity(level));
            }
            Action::Cores(want) => {
                self.wants = want;
                self.cores.split_off(&want);
                for at in 0..want {
                    if !self.cores.contains_key(&at) {
                        self.spawn(at, SPAWN_MS);
                    }
                }
            }
            Action::Replace { core, .. } => {
                self.replaced += 1;
                self.lose(core);
                self.spawn(core, SPAWN_MS);
            }
            Action::Free(text) => {
                assert!(
                    self.texts.remove(&text.id).is_some(),
                    "text {} freed twice",
                    text.id
                );
            }
            Action::Store(write) => self.write(write),
            Action::Renew => {
                self.renews = true;
                self.close(false);
            }
            Action::Stopped => self.close(false),
            Action::Fatal(fault) => {
                self.fatal = Some(fault.code.as_str().to_owned());
                self.close(false);
            }
        }
    }

    fn write(&mut self, write: Write) {
        if self.silent {
            return;
        }
        if self.full && !matches!(write, Write::Delete(_)) {
            self.lossy = true;
            if let (Some(Sabotage::DropWhenFull), Write::Outcome(key)) = (self.sabotage, &write)
                && let Some(job) = self.hub.table().get(*key)
                && matches!(job.outcome(), Some(Outcome::Done(_)))
            {
                self.dropped.insert(job.name());
            }
            return;
        }
        match write {
            Write::Registration(registration) => {
                self.registrations.insert(registration.stage, registration);
            }
            Write::Delete(name) => {
                let was = self.store.remove(&name).is_some();
                assert!(was || self.lossy, "{name} is not stored");
            }
            Write::Job(key) | Write::Outcome(key) => {
                let Some(job) = self.hub.table().get(key) else {
                    return;
                };
                let text = |text: &Text| self.texts[&text.id].clone();
                let kept = Kept {
                    stage: self.hub.stage_of(job).expect("its stage is known").0,
                    number: job.number,
                    attempt: job.attempt,
                    ticket: job.ticket.clone(),
                    input: job.input.as_ref().map(text),
                    outcome: job.outcome().map(|outcome| match outcome {
                        Outcome::Done(data) => KeptOutcome::Done(text(data)),
                        other => KeptOutcome::Other(other.clone()),
                    }),
                };
                self.store.insert(job.name(), kept);
            }
        }
    }

    fn asked_by(&self, wire: &Wire) -> Asked {
        let text = |text: &Text| {
            self.texts
                .get(&text.id)
                .expect("a text that is sent")
                .clone()
        };
        match wire.clone() {
            Wire::Register { stage, nickname } => Asked::Register(stage, nickname),
            Wire::NewJob { token } => Asked::NewJob(token),
            Wire::Complete {
                token,
                number,
                data,
            } => Asked::Complete {
                token,
                number,
                data: text(&data),
            },
            Wire::Flag { token, number } => Asked::Flag { token, number },
            Wire::Progress { token, .. } => Asked::Progress(token),
            Wire::Validate { token } => Asked::Validate(token),
            Wire::Bye { token } => Asked::Bye(token),
            Wire::Sync(sync) => Asked::Sync(SyncRequest {
                token: sync.token,
                seq: sync.seq,
                holding: sync.holding,
                done: sync
                    .done
                    .iter()
                    .filter(|(lease, _)| !self.dropped.contains(lease))
                    .map(|(lease, data)| Done {
                        lease: lease.clone(),
                        data: text(data),
                    })
                    .collect(),
                invalid: sync
                    .invalid
                    .into_iter()
                    .map(|(lease, reason)| Invalid { lease, reason })
                    .collect(),
                released: sync.released,
                failed: sync
                    .failed
                    .into_iter()
                    .map(|(lease, error)| Failed { lease, error })
                    .collect(),
                progress: sync
                    .progress
                    .into_iter()
                    .map(|(lease, text)| ProgressLine { lease, text })
                    .collect(),
                want: sync.want,
                want_bytes: Some(sync.want_bytes),
                cores: Some(sync.cores),
                awaiting: sync.awaiting,
                setup_failed: sync.setup_failed,
            }),
        }
    }

    fn send(&mut self, outgoing: Outgoing) {
        let Outgoing {
            id,
            wire,
            limit_ms,
            stall_ms,
            ..
        } = outgoing;
        self.stall_ms = f64::from(stall_ms);
        let asked = self.asked_by(&wire);
        let body = body(&asked);
        self.bodies.insert(id, body);
        self.sent.push(self.time());
        self.asked.push(match wire {
            Wire::Register { .. } => "new",
            Wire::Sync(_) => "sync",
            Wire::NewJob { .. } => "newJob",
            Wire::Complete { .. } => "completeJob",
            Wire::Flag { .. } => "flagInvalidData",
            Wire::Progress { .. } => "updateProgress",
            Wire::Validate { .. } => "validateWorker",
            Wire::Bye { .. } => "bye",
        });
        let carried = match &asked {
            Asked::Sync(sync) => sync.done.iter().map(|done| done.data.len()).sum(),
            Asked::Complete { data, .. } => data.len(),
            _ => 0,
        };
        let life = self.life;
        assert!(
            self.flights.insert(id, life).is_none(),
            "request {id} sent twice"
        );
        let limit = f64::from(limit_ms);
        let heard = |heard| Happens::Heard(id, life, Box::new(heard));
        self.plan(limit, heard(Heard::TimedOut));
        let faults = self.faults;
        let half = self.delay_ms / 2.0;
        // The body is on its way before anything can come back.
        let half = half
            + self.line.map_or(0.0, |line| {
                self.up_free = self.up_free.max(self.t) + (HEAD + body) / line.up;
                self.carried_up += HEAD + body;
                self.up_free - self.t
            });
        let mut dice = self.dice.roll();
        let mut is = |share: f64| {
            dice -= share;
            dice < 0.0
        };
        let arrives = |back_ms| Happens::Arrives {
            request: id,
            hub: life,
            asked,
            back_ms,
        };
        if faults.down || is(faults.request_lost) {
            self.plan(half, heard(Heard::NotReached));
        } else if let Some(proxy) = faults.proxy.filter(|proxy| carried > proxy.limit) {
            let answer = Answer {
                status: proxy.status,
                body: "<html><center>nginx</center></html>".to_owned(),
                ..Answer::default()
            };
            let said = match self.sabotage {
                Some(Sabotage::BodyFirst) => Heard::NotReached,
                _ => Heard::Said(Said {
                    answer,
                    content: Content::Nothing,
                }),
            };
            self.plan(self.delay_ms, heard(said));
        } else if is(faults.answer_lost) {
            self.plan(half, arrives(None));
            self.plan(self.delay_ms, heard(Heard::NotReached));
        } else if is(faults.hangs) {
            // Nothing comes until the limit.
        } else if is(faults.doubled) {
            let again = arrives.clone()(None);
            self.plan(half, arrives(Some(half)));
            let later = self.dice.roll() * 10_000.0;
            self.plan(half + later, again);
        } else if is(faults.delayed) {
            let (there, back) = (self.dice.roll() * 25_000.0, self.dice.roll() * 25_000.0);
            self.plan(there, arrives(Some(back)));
        } else if is(faults.busy) {
            let retry_after_ms = self.retry_after_ms.filter(|_| self.dice.roll() < 0.5);
            let answer = Answer {
                status: self.busy_status,
                retry_after_ms,
                ..Answer::default()
            };
            let said = Said {
                answer,
                content: Content::Nothing,
            };
            self.plan(self.delay_ms, heard(Heard::Said(said)));
        } else if is(faults.broken) {
            let body = "Internal Server Error".to_owned();
            let answer = Answer {
                status: 500,
                body,
                ..Answer::default()
            };
            let said = Said {
                answer,
                content: Content::Nothing,
            };
            self.plan(self.delay_ms, heard(Heard::Said(said)));
        } else if is(faults.portal) {
            let body = "<!doctype html><title>Hotel Wi-Fi</title>".to_owned();
            let answer = Answer {
                status: 200,
                body,
                ..Answer::default()
            };
            let said = Said {
                answer,
                content: Content::Unreadable,
            };
            self.plan(self.delay_ms, heard(Heard::Said(said)));
        } else if is(faults.cut) {
            self.plan(half, arrives(None));
            let answer = Answer {
                status: 200,
                body: "{".to_owned(),
                ..Answer::default()
            };
            let said = Said {
                answer,
                content: Content::Unreadable,
            };
            self.plan(self.delay_ms, heard(Heard::Said(said)));
        } else {
            let back_ms = self.delay_ms / 2.0;
            self.plan(half, arrives(Some(back_ms)));
        }
    }

    // Compute workers.

    fn hub_hears(&mut self, after: f64, event: Event) {
        self.plan(after, Happens::Hub(self.life, event));
    }

    // What always holds.

    fn check(&mut self) {
        self.steps += 1;
        let table = self.hub.table();
        let ahead =
            table.count(|job| matches!(job.state, JobState::Ahead | JobState::Queued { .. }));
        self.most_ahead = self.most_ahead.max(ahead);
        // Texts: what the table needs, and what workers have on the way to it.
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

    /// Notes whose registration this is, and for how long it is told to stay away because its jobs
    /// fail: to twice as long, as whoever lacks jobs is spread.
    fn note_rest(&mut self, asked: &Asked, said: Option<&Said>, back_ms: f64) {
        let hello = said.map(|said| &said.content);
        if let (Asked::Register(stage, _), Some(Content::Hello(hello))) = (asked, hello) {
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

    /// Whether the hub has one job at a time, and a rest after each that fails, because most do. What
    /// remains of the rest is none of the time that a core may be idle.
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

    /// Whether nothing is to be had although jobs are open: they are withheld from this volunteer, or
    /// so many of its jobs fail that it is given fewer, or none for a while.
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
        // The time of a rest counts for nobody.
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

    /// A pause is over once it has lasted as long as was asked for, however the clocks are set.
    fn check_pause(&self) {
        if let (Some(ends), Reason::Paused { .. }) = (self.pause_ends, self.reason()) {
            let late = self.shown_time() - ends;
            assert!(late < 2_000.0, "still paused {late} ms after the pause");
        }
    }

    /// No result waits for ever behind one that is refused, and nor does that one.
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

    /// Whether something is due before `next_timeout` says so.
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
