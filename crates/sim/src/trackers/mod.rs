//! The real tracker: its routes, its rules and its SQL, of one process or two on one database. Their
//! clocks are set by the simulation, and they die where a scenario says so.

mod calls;
mod checks;
mod faults;
mod owner;
mod process;
mod story;

use std::{
    collections::BTreeSet,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use distcompute_tracker::{
    admission::{
        address_limits::{AddressLimits, Uptime},
        bodies::Bodies,
    },
    clock::Millis,
    files::Files,
    http::router,
    random::Random,
    rules::sweeps,
    state::{App, Timeouts},
};
use tokio::runtime::Runtime;

use self::checks::Failed;
use self::faults::{Failpoint, FaultInjection};
use self::process::{Due, Process, Seeded, SetClock};
use crate::{
    audit::Audit,
    random::Rng,
    tables::{Place, Tables},
};

pub use self::calls::{Caller, written};
pub use self::faults::{Crash, Sabotage};
pub use self::process::Rules;
pub use self::story::{Trace, moment};

/// 2026-11-25, as a tracker has it at the beginning of the world.
const EPOCH_MS: i64 = 1_795_564_800_000;

/// After so many calls everything is counted.
const RECOUNT: u64 = 32;

/// All processes.
pub struct Trackers {
    runtime: Rc<Runtime>,
    rules: Rules,
    sabotage: Option<Sabotage>,
    random: Arc<Seeded>,
    rng: Rng,
    processes: Vec<Option<Process>>,
    /// What the clock of their machine is ahead, in milliseconds.
    ahead: i64,
    /// How long the simulation has run, in milliseconds, for what does not depend on the time of day.
    uptime: Arc<AtomicU64>,
    /// For each process: when it comes back if it is dead, and how long that takes.
    back: Vec<(f64, f64)>,
    version: u32,
    /// Counts what is in the tables.
    pub audit: Audit,
    jobs: usize,
    taken: BTreeSet<String>,
    open: [usize; 5],
    finished: bool,
    /// The volunteers that stay, by stage, once nobody else comes any more.
    stay: Option<[BTreeSet<String>; 5]>,
    /// Jobs that are made again and again, because all who stay flag their inputs and that is too few flags.
    pub rounds: BTreeSet<u64>,
    /// When the owner has paused stages go on.
    resumes: f64,
    paused: [bool; 5],
    pauses: u32,
    /// For each stage, as of the last check: results accepted, failures, and failures before the last result
    /// or the last resumption.
    before: [Failed; 5],
    calls: u64,
    pub now: f64,
    pub trace: Trace,
}

impl Trackers {
    pub fn new(seed: u64, rules: Rules, place: &Place, sabotage: Option<Sabotage>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let runtime = Rc::new(runtime);
        let audit = Audit::new(Tables::open(place, &runtime));
        let mut trackers = Self {
            runtime,
            sabotage,
            random: Arc::new(Seeded(Mutex::new(Rng::new(seed ^ 0x7ac4_e75e)))),
            rng: Rng::new(seed ^ 0x0b5e_55ed),
            processes: Vec::new(),
            ahead: 0,
            uptime: Arc::default(),
            back: vec![(0.0, 1_000.0); rules.processes],
            version: 1,
            audit,
            rules,
            jobs: 0,
            taken: BTreeSet::new(),
            open: [0; 5],
            finished: false,
            stay: None,
            rounds: BTreeSet::new(),
            resumes: f64::INFINITY,
            paused: [false; 5],
            pauses: 0,
            before: [Failed::default(); 5],
            calls: 0,
            now: 0.0,
            trace: Trace::default(),
        };
        for at in 0..trackers.rules.processes {
            trackers.processes.push(None);
            trackers.start(at);
        }
        trackers
    }

    /// Starts a process, if it does not run.
    pub fn start(&mut self, at: usize) {
        if self.processes[at].is_some() {
            return;
        }
        let settings = Arc::new(self.rules.settings(self.version));
        let clock = Arc::new(SetClock::default());
        clock
            .0
            .store(EPOCH_MS + self.now as i64 + self.ahead, Ordering::SeqCst);
        let failpoint = Arc::<Failpoint>::default();
        let faults = FaultInjection {
            failpoint: Arc::clone(&failpoint),
            sabotage: self.sabotage,
            rules: settings.store_rules(),
        };
        let opening = self.audit.tables.store(clock.clone(), faults);
        let store = self.runtime.block_on(opening).expect("a store");
        let lasted = Arc::clone(&self.uptime);
        let uptime = Uptime::new(move || Duration::from_millis(lasted.load(Ordering::SeqCst)));
        let app = App {
            store: Arc::clone(&store),
            bodies: Arc::new(Bodies::new(settings.max_body)),
            address_limits: Arc::new(AddressLimits::with_clock(&settings.quotas, &uptime)),
            settings: Arc::clone(&settings),
            random: Arc::clone(&self.random) as Arc<dyn Random>,
            metrics: Arc::default(),
            response_cache: Arc::default(),
            files: Arc::new(Files::off()),
            keys: Arc::default(),
            timeouts: Timeouts {
                refusal_pause: Duration::ZERO,
                ..Timeouts::default()
            },
        };
        self.processes[at] = Some(Process {
            store,
            router: router(app).expect("a router"),
            failpoint,
            clock,
            idle: Due::begin(sweeps::for_workers(settings.sweep_interval_s), self.now),
            leases: Due::begin(sweeps::for_leases(settings.lease_s), self.now),
        });
    }

    /// A process ends at once, and comes back.
    pub fn kill(&mut self, at: usize) {
        self.back[at].0 = self.now + self.back[at].1;
        if let Some(process) = self.processes[at].take() {
            drop(process.router);
            process.failpoint.dead.store(true, Ordering::SeqCst);
            self.runtime.block_on(process.store.close());
        }
    }

    /// How long a process stays away that dies.
    pub fn comes_back_after(&mut self, at: usize, ms: f64) {
        self.back[at].1 = ms;
    }

    /// Has a process die, or fail, when it next gets to this point.
    pub fn crash(&mut self, at: usize, crash: Crash) {
        if let Some(process) = &self.processes[at] {
            *process
                .failpoint
                .crash
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(crash);
        }
    }

    /// Removes the failpoint of a process.
    pub fn disarm(&mut self, at: usize) {
        if let Some(process) = &self.processes[at] {
            process.failpoint.take(|_| true);
        }
    }

    pub fn set_clock(&mut self, by: i64) {
        self.ahead += by;
    }

    /// Clients are to load their scripts anew.
    pub fn new_version(&mut self) {
        self.version += 1;
        for at in 0..self.processes.len() {
            if self.processes[at].is_some() {
                self.kill(at);
                self.start(at);
            }
        }
    }

    pub fn is_up(&self) -> bool {
        self.processes.iter().any(Option::is_some)
    }

    /// Sets the clocks of all processes to `now`.
    pub fn pass_to(&mut self, now: f64) {
        self.now = now;
        self.uptime.store(now.max(0.0) as u64, Ordering::SeqCst);
        for process in self.processes.iter().flatten() {
            let time = EPOCH_MS + now as i64 + self.ahead;
            process.clock.0.store(time, Ordering::SeqCst);
        }
    }

    /// When a sweep is due, or a process comes back.
    pub fn next(&self) -> f64 {
        let due = self
            .processes
            .iter()
            .zip(&self.back)
            .map(|(process, back)| {
                process
                    .as_ref()
                    .map_or(back.0, |process| process.idle.at.min(process.leases.at))
            });
        due.fold(self.resumes, f64::min)
    }

    /// Restarts processes, and runs the sweeps that are due.
    pub fn go_on(&mut self) {
        for at in 0..self.processes.len() {
            if self.processes[at].is_none() && self.back[at].0 <= self.now {
                let now = self.now;
                self.trace.tell(now, || format!("tracker {at} is back"));
                self.start(at);
            }
        }
        let (idle, lease) = (self.rules.idle_s, self.rules.lease_s);
        for at in 0..self.processes.len() {
            let Some(process) = &mut self.processes[at] else {
                continue;
            };
            let store = Arc::clone(&process.store);
            if process.idle.next(self.now) {
                let age = i64::from(idle) * 1000;
                while let Ok(1..) = self.runtime.block_on(store.drop_idle(age)) {}
            }
            if process.leases.next(self.now) {
                let age = i64::from(lease) * 1000;
                while let Ok(1..) = self.runtime.block_on(store.end_leases(age)) {}
            }
            self.remove_dead();
        }
        if self.resumes <= self.now {
            self.resume();
        }
        self.look();
    }

    /// Removes processes that have died at a failpoint, and returns which.
    pub(super) fn remove_dead(&mut self) -> Vec<usize> {
        let dead = |process: &Process| process.failpoint.dead.load(Ordering::SeqCst);
        let dead: Vec<usize> = (0..self.processes.len())
            .filter(|at| self.processes[*at].as_ref().is_some_and(dead))
            .collect();
        for at in &dead {
            let now = self.now;
            self.trace.tell(now, || format!("tracker {at} dies"));
            self.kill(*at);
        }
        dead
    }

    /// How many jobs there are.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// From now on only these volunteers are there, by stage.
    pub fn stay(&mut self, who: [BTreeSet<String>; 5]) {
        self.stay = Some(who);
    }

    /// Time at a tracker, as the tables have it.
    pub(super) fn time(&self) -> Millis {
        EPOCH_MS + self.now as i64 + self.ahead
    }
}
