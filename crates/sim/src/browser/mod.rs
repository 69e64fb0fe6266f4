//! One browser of a volunteer: its clocks, a network with faults, compute workers, storage, and the real hub. It
//! knows a tracker only as a [`Tracker`]. After every step it checks what must always hold.

mod checks;
mod clock;
mod cores;
mod hub;
mod network;
mod page;
mod planned;
mod queue;
mod storage;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::Registration;
use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::JobKey;
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;

use self::cores::Cores;
use self::planned::Planned;
use self::storage::StoredJob;
use crate::random::Rng;
use crate::tracker::Tracker;

pub use self::cores::{BAD, Fate, GOOD, Handler, Work};
pub use self::network::{Faults, Line, Proxy};

/// A message between two threads takes so long.
const MESSAGE_MS: f64 = 1.0;

/// The page starts a worker within this.
const SPAWN_MS: f64 = 30.0;

const NICKNAME: &str = "Cluster 2";

pub struct Browser<T> {
    pub tracker: T,
    pub hub: Scheduler,
    pub handler: Handler,
    pub faults: Faults,
    pub delay_ms: f64,
    /// What the line carries; without it, everything at once.
    pub line: Option<Line>,
    /// Outputs have a size instead of so many bytes.
    pub light: bool,
    /// When the line is free again, in each direction.
    up_free: f64,
    down_free: f64,
    /// For each answer under way: the bytes that have arrived, and when the last did.
    flowing: BTreeMap<u32, (f64, f64)>,
    /// Bytes that came over the line, each way.
    pub carried_down: f64,
    pub carried_up: f64,
    pub rng: Rng,
    /// Setups fail while this is true.
    pub setup_fails: bool,
    pub retry_after_ms: Option<u32>,
    /// The status of the answers of [`Faults::busy`].
    pub busy_status: u16,
    /// How long a core may be idle while jobs are open.
    pub patience_ms: f64,
    stages: Vec<Stage>,
    nickname: String,
    settings: Settings,
    limits: Limits,
    around: Surroundings,
    wish: Wish,
    /// When a pause of limited length ends, by [`time`](Self::time).
    pause_ends: Option<f64>,
    /// The clocks and the time at the hub's last event.
    last_read: (Now, f64),
    /// Sleep that no clock showed, because the wall clock was set back between the same two events.
    hidden: f64,
    t: f64,
    slept: f64,
    set: f64,
    queue: BTreeMap<(u64, u64), Planned>,
    ticket: u64,
    generation: u64,
    timer: u64,
    cores: Cores,
    /// The generation of the worker that the hub has a channel to.
    channels: BTreeMap<u32, u64>,
    texts: BTreeMap<u32, String>,
    last_text: u32,
    flights: BTreeMap<u32, u64>,
    /// Bytes of the bodies of requests under way.
    bodies: BTreeMap<u32, f64>,
    /// How long an answer may make no progress.
    stall_ms: f64,
    store: BTreeMap<String, StoredJob>,
    registrations: BTreeMap<Stage, Registration>,
    /// Since when cores have been idle without a reason.
    idle: BTreeMap<u32, f64>,
    /// When to check next whether there is one.
    excused_at: f64,
    /// The stage of each registration of this browser, and the registration in use at each stage.
    stage_of: BTreeMap<String, Stage>,
    registered: BTreeMap<Stage, String>,
    /// Until when the tracker gives nothing at a stage because jobs fail, and the hub does not ask.
    rests_until: BTreeMap<Stage, f64>,
    /// Until when the hub rests by itself because jobs fail.
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
    /// At every how many steps `next_timeout` is checked; 0 for never.
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
    waits: BTreeMap<JobKey, f64>,
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
    /// A refusal in the form of a web page is taken for a lost network, whatever its status.
    BodyFirst,
    /// The hub waits for storage without end.
    WaitForStorage,
}

impl<T: Tracker> Browser<T> {
    pub fn new(tracker: T, stages: &[Stage], cores: u32, seed: u64) -> Self {
        let settings = Settings {
            cores,
            intensity: 10,
            ..Settings::default()
        };
        let limits = Limits::default();
        let mut browser = Self {
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
            rng: Rng::new(seed),
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
            generation: 0,
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
        browser.plan(
            0.0,
            Planned::Hub(
                0,
                Event::Restored {
                    registrations: Vec::new(),
                    jobs: Vec::new(),
                    cores: Vec::new(),
                },
            ),
        );
        browser
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

    pub fn running(&self) -> usize {
        self.cores.values().filter(|core| core.is_running()).count()
    }

    pub fn workers(&self) -> usize {
        self.cores.len()
    }

    pub fn break_a_rule(&mut self, sabotage: Sabotage) {
        self.sabotage = Some(sabotage);
    }
}
