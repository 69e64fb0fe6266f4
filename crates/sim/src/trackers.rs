//! The real tracker: its routes, its rules and its SQL, of one process or two on one database. Their
//! clocks stand still until they are moved, and they die when they are told to.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Request, header},
};
use clap::Parser as _;
use distcompute_engine::client::call;
use distcompute_engine::client::call::{Answer, read_alive, read_retry_after};
use distcompute_engine::hub::action::Hello;
use distcompute_protocol::{
    ERROR_HEADER, ErrorCode, Granted, NewJob, Registration, SYNC_EXTENSION, Stage, SyncAnswer,
};
use distcompute_tracker::{
    admission::{
        address_limits::{AddressLimits, Uptime},
        bodies::Bodies,
    },
    clock::{Clock, Millis},
    config::{ServeArgs, Settings},
    http::router,
    ledger::{self, Changes, End, Snapshot, State, Wanted},
    random::Random,
    rules::{
        allowance::MOST_HELD,
        attempts::THERE,
        sweeps::{self, Schedule},
        trouble,
    },
    state::{App, Timeouts},
    store::{Added, Database, ImportPart, RequeueFilter, Store, StoreError, Writer},
};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::{
    audit::Audit,
    books::{Between, Books, Interruptible, Place},
    random::Rng,
    tracker::{Asked, Content, Said},
};

/// 2026-11-25, as a tracker has it at the beginning of the world.
const EPOCH_MS: i64 = 1_795_564_800_000;

/// After so many calls everything is counted.
const RECOUNT: u64 = 32;

/// The owner has mended what made a stage fail so long after it was paused.
const MENDED_MS: f64 = 600_000.0;

/// Failures without a result between them, before a stage may be paused.
const FAILURES: i64 = 10;

/// Registrations that one address may make a minute: honest clients make few.
const REGISTRATIONS: u32 = 20;

/// The proxy in front of the trackers, which says who called.
const PROXY: ([u8; 4], u16) = ([127, 0, 0, 1], 8_080);

/// No world has so many pauses.
const PAUSES: u32 = 40;

/// How the project is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Stages from `a` on.
    pub stages: usize,
    pub lease_s: u32,
    pub idle_s: u32,
    pub max_attempts: u32,
    pub invalid_after: u32,
    pub max_body: u32,
    /// Processes on the database.
    pub processes: usize,
}

impl Rules {
    fn settings(&self, version: u32) -> Settings {
        let mut flags: Vec<String> = ["serve", "--project", "Simulated"]
            .map(str::to_owned)
            .to_vec();
        for stage in self.enabled() {
            flags.extend(["--stage".to_owned(), format!("{stage}=Stage {stage}")]);
        }
        for (name, value) in [
            ("--lease-s", self.lease_s),
            ("--idle-timeout-s", self.idle_s),
            ("--max-attempts", self.max_attempts),
            ("--invalid-after", self.invalid_after),
            ("--max-body", self.max_body),
            ("--app-version", version),
            ("--limit-registrations", REGISTRATIONS),
        ] {
            flags.extend([name.to_owned(), value.to_string()]);
        }
        let args = ServeArgs::parse_from(flags);
        Settings::gather(&args).expect("the settings are right")
    }

    pub fn enabled(&self) -> &'static [Stage] {
        &Stage::ALL[..self.stages]
    }
}

/// Where a tracker's process dies, or a statement fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    Begun,
    Read,
    Written,
    /// After so many steps, as [`Interruptible`] has them. `dies`: the process; otherwise it only fails.
    Statement {
        steps: u32,
        dies: bool,
    },
    /// The transaction is on disk, and nobody is told.
    Committed,
}

/// A rule of the tracker that is broken on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    GrantTwice,
    ForgetSeq,
    CountTwice,
    DeliverGivenBack,
    AllowAnything,
}

/// Who calls, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    pub who: String,
    pub address: String,
}

/// An answer, and the tracker that gave it or died over it.
struct Answered {
    at: usize,
    answer: Answer,
    died: bool,
}

/// What stands between a process and its database.
#[derive(Debug, Default)]
struct Failpoint {
    crash: Mutex<Option<Crash>>,
    dead: AtomicBool,
}

impl Failpoint {
    fn take(&self, which: impl Fn(Crash) -> bool) -> Option<Crash> {
        let mut crash = self.crash.lock().unwrap_or_else(PoisonError::into_inner);
        crash.take_if(|crash| which(*crash))
    }

    fn at(&self, point: Crash) -> Result<(), StoreError> {
        if self.take(|crash| crash == point).is_some() {
            self.dead.store(true, Ordering::SeqCst);
        }
        self.check()
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the process is dead".to_owned()));
        }
        Ok(())
    }
}

/// The tables of a process that may die.
struct FailingTables<T> {
    tables: T,
    failpoint: Arc<Failpoint>,
    sabotage: Option<Sabotage>,
}

/// What makes them that.
struct FaultInjection {
    failpoint: Arc<Failpoint>,
    sabotage: Option<Sabotage>,
    rules: ledger::Rules,
}

impl Between for FaultInjection {
    fn start(self, tables: impl Interruptible) -> Writer {
        let tables = FailingTables {
            tables,
            failpoint: self.failpoint,
            sabotage: self.sabotage,
        };
        Writer::start(tables, self.rules)
    }
}

impl<T> FailingTables<T> {
    fn spoil(&self, read: &mut Snapshot) {
        match self.sabotage {
            Some(Sabotage::GrantTwice) => {
                // Held jobs look as if they were open and next.
                for job in &mut read.jobs {
                    let queue = &mut read.queues[job.stage.index()];
                    if job.state == State::Held && !queue.numbers.is_empty() {
                        job.state = State::Open;
                        queue.numbers.insert(0, job.number);
                    }
                }
            }
            Some(Sabotage::ForgetSeq) => {
                for worker in &mut read.workers {
                    worker.seq = -1;
                }
            }
            Some(Sabotage::DeliverGivenBack) => {
                // Leases that were given back look as if nothing had been heard of them.
                for (_, end) in read.leases.iter_mut().filter_map(|it| it.ended.as_mut()) {
                    if *end == End::Released {
                        *end = End::Lapsed;
                    }
                }
            }
            Some(Sabotage::AllowAnything) => {
                for worker in &mut read.workers {
                    worker.allowance.earned = MOST_HELD as i64;
                }
            }
            Some(Sabotage::CountTwice) | None => {}
        }
    }
}

#[async_trait]
impl<T: Interruptible> Database for FailingTables<T> {
    const CONFLICTS: bool = T::CONFLICTS;

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.failpoint.check()?;
        self.tables.begin().await?;
        self.failpoint.at(Crash::Begun)
    }

    async fn load(&mut self, wanted: &Wanted) -> Result<Snapshot, StoreError> {
        let mut read = self.tables.load(wanted).await?;
        self.spoil(&mut read);
        self.failpoint.at(Crash::Read)?;
        Ok(read)
    }

    async fn store(&mut self, mut changes: Changes) -> Result<(), StoreError> {
        if self.sabotage == Some(Sabotage::CountTwice) {
            for (stage, made) in changes.stages.iter_mut().zip(changes.made) {
                stage.done += made;
            }
        }
        let crash = self
            .failpoint
            .take(|crash| matches!(crash, Crash::Statement { .. }));
        let Some(Crash::Statement { steps, dies }) = crash else {
            self.tables.store(changes).await?;
            return self.failpoint.at(Crash::Written);
        };
        let stored = self.tables.store_badly(changes, steps).await;
        if stored.is_err() {
            self.failpoint.dead.store(dies, Ordering::SeqCst);
        }
        stored
    }

    async fn inputs(
        &mut self,
        of: &[(i64, Stage)],
    ) -> Result<Vec<(i64, Stage, String)>, StoreError> {
        self.tables.inputs(of).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.tables.commit().await?;
        self.failpoint.at(Crash::Committed)
    }

    async fn rollback(&mut self) {
        self.tables.rollback().await;
    }

    async fn add(
        &mut self,
        inputs: &[String],
        part: Option<ImportPart>,
    ) -> Result<Option<Added>, StoreError> {
        self.failpoint.check()?;
        self.tables.add(inputs, part).await
    }

    async fn wipe(&mut self) -> Result<(), StoreError> {
        self.failpoint.check()?;
        self.tables.wipe().await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.tables.probe().await
    }

    async fn close(self) {
        self.tables.close().await;
    }
}

/// A clock that is set.
#[derive(Debug, Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// Numbers that follow from a seed.
struct Seeded(Mutex<Rng>);

impl Random for Seeded {
    fn bits(&self) -> u128 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let half = |rng: &mut Rng| u128::from((rng.next_f64() * 2f64.powi(53)) as u64);
        (half(&mut rng) << 75) ^ (half(&mut rng) << 40) ^ half(&mut rng)
    }
}

/// A periodic sweep and when it is due next.
#[derive(Debug, Clone, Copy)]
struct Due {
    schedule: Schedule,
    at: f64,
}

impl Due {
    fn begin(schedule: Schedule, now: f64) -> Self {
        let at = now + schedule.first.as_millis() as f64;
        Self { schedule, at }
    }

    fn next(&mut self, now: f64) -> bool {
        let due = self.at <= now;
        if due {
            self.at = now + self.schedule.every.as_millis() as f64;
        }
        due
    }
}

struct Process {
    store: Arc<dyn Store>,
    router: Router,
    failpoint: Arc<Failpoint>,
    clock: Arc<SetClock>,
    idle: Due,
    leases: Due,
}

impl Process {
    /// Whether something is to go wrong in it.
    fn is_doomed(&self) -> bool {
        let crash = self.failpoint.crash.lock();
        crash.unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

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
    /// How long the world has lasted, in milliseconds, for what counts by no time of day.
    uptime: Arc<AtomicU64>,
    /// When those come back that are dead, and how long that takes them.
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
    /// Jobs that go round, because everybody who stays calls their inputs bad and that is not enough.
    pub rounds: BTreeSet<u64>,
    /// When the owner has paused stages go on.
    resumes: f64,
    paused: [bool; 5],
    pauses: u32,
    /// What stages had accepted when it was last looked, and their failures: then, and before they
    /// last accepted anything or were resumed.
    before: [Failed; 5],
    calls: u64,
    pub now: f64,
    pub trace: Trace,
}

/// What failed at a stage.
#[derive(Debug, Clone, Copy, Default)]
struct Failed {
    accepted: i64,
    failures: i64,
    since: i64,
}

/// What was said, as a fingerprint, and as a story if somebody wants to read it.
#[derive(Debug, Default)]
pub struct Trace {
    pub hash: u64,
    pub story: Option<Vec<String>>,
}

impl Trace {
    /// Adds a line that is made only where it is read.
    pub fn tell(&mut self, now: f64, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{}  {}", moment(now), line()));
        }
    }

    fn mix(&mut self, bytes: &[u8]) {
        // FNV-1a.
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// A virtual time as people read it.
pub fn moment(ms: f64) -> String {
    let total = ms.max(0.0) as u64;
    let (s, ms) = (total / 1000, total % 1000);
    let (day, hour, minute, s) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    format!("{day}d {hour:02}:{minute:02}:{s:02}.{ms:03}")
}

impl Trackers {
    pub fn new(seed: u64, rules: Rules, place: &Place, sabotage: Option<Sabotage>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let runtime = Rc::new(runtime);
        let audit = Audit::new(Books::open(place, &runtime));
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

    /// A process begins, where there is none.
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
        let opening = self.audit.books.store(clock.clone(), faults);
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

    /// A process dies, or fails, when it next comes to this.
    pub fn crash(&mut self, at: usize, crash: Crash) {
        if let Some(process) = &self.processes[at] {
            *process
                .failpoint
                .crash
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(crash);
        }
    }

    /// Nothing more happens to it.
    pub fn undoom(&mut self, at: usize) {
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

    /// Time comes to `now`, at which sweeps may be due.
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

    /// Starts what comes back, and sweeps where it is time.
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
            self.bury();
        }
        if self.resumes <= self.now {
            self.resume();
        }
        self.look();
    }

    /// Lets go of processes that have died over what they did.
    fn bury(&mut self) -> Vec<usize> {
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

    /// Looks at the books after something may have changed.
    fn look(&mut self) {
        let news = self.audit.is_news();
        if news || self.calls.is_multiple_of(RECOUNT) {
            self.count();
        }
    }

    fn count(&mut self) {
        let now = self.now;
        let every = self.calls.is_multiple_of(RECOUNT);
        let status = self.audit.look(now, self.rules.stages, every);
        self.open = status.open;
        let (failures, flags) = (self.rules.max_attempts, self.rules.invalid_after);
        self.audit
            .look_at_set_aside(self.time(), failures as usize, flags as usize);
        self.look_for_pauses();
        self.finished = status.unfinished == 0;
        if let Some(stay) = &self.stay
            && !self.finished
        {
            let enough = self.rules.invalid_after as usize;
            self.rounds = self.audit.rounds(stay, enough);
            self.finished = self.rounds.len() == status.unfinished;
        }
    }

    /// A stage is paused only where it makes no result, and then nothing is handed out there.
    fn look_for_pauses(&mut self) {
        for (at, row) in self.audit.stages().into_iter().enumerate() {
            let before = &mut self.before[at];
            if row.accepted != before.accepted {
                // Of failures in the same moment nobody knows whether they came before or after.
                before.since = before.failures;
            }
            let failures = row.failures - before.since;
            (before.accepted, before.failures) = (row.accepted, row.failures);
            if row.paused {
                self.open[at] = 0;
            }
            if row.paused && !self.paused[at] {
                assert!(
                    failures >= FAILURES,
                    "stage {at} is paused after {failures} failures"
                );
                self.pauses += 1;
                assert!(self.pauses < PAUSES, "stage {at} is paused again and again");
                self.resumes = self.resumes.min(self.now + MENDED_MS);
            }
            self.paused[at] = row.paused;
        }
    }

    /// How many jobs there are.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// Nobody comes or goes any more but these volunteers, at these stages.
    pub fn stay(&mut self, who: [BTreeSet<String>; 5]) {
        self.stay = Some(who);
    }

    /// Time at a tracker, as the books have it.
    fn time(&self) -> Millis {
        EPOCH_MS + self.now as i64 + self.ahead
    }

    /// Counts everything.
    pub fn recount(&mut self) {
        self.audit.look(self.now, self.rules.stages, true);
        for lease in &self.taken {
            self.audit.assert_taken(lease);
        }
    }

    // What the owner does.

    fn anybody(&self) -> Option<Arc<dyn Store>> {
        let process = self.processes.iter().flatten().next()?;
        Some(Arc::clone(&process.store))
    }

    pub fn import(&mut self, count: usize) {
        let inputs: Vec<String> = (1..=count)
            .map(|n| format!("in {}", self.jobs + n))
            .collect();
        if let Some(store) = self.anybody()
            && self.runtime.block_on(store.add_jobs(&inputs)).is_ok()
        {
            self.jobs += count;
        }
        self.look();
    }

    pub fn requeue(&mut self, filter: &RequeueFilter) {
        if let Some(store) = self.anybody() {
            let done = self.runtime.block_on(store.requeue(filter));
            let now = self.now;
            self.trace.tell(now, || format!("requeued: {done:?}"));
        }
        self.bury();
        self.look();
    }

    /// Has all stages go on.
    fn resume(&mut self) {
        let now = self.now;
        let Some(store) = self.anybody() else {
            self.resumes = now + 60_000.0;
            return;
        };
        let done = self.runtime.block_on(store.resume(self.rules.enabled()));
        self.trace.tell(now, || format!("resumed: {done:?}"));
        self.resumes = if done.is_ok() {
            f64::INFINITY
        } else {
            now + 60_000.0
        };
        for before in &mut self.before {
            before.since = before.failures;
        }
        self.bury();
    }

    // What volunteers ask.

    pub fn call(&mut self, now: f64, caller: &Caller, asked: &Asked) -> Option<Said> {
        self.pass_to(now);
        let before = self.before(asked);
        let Answered { at, answer, died } = self.send(caller, request(written(asked)))?;
        // A browser of the first protocol registers anew at each stage that it tries. Where all inputs are
        // bad, that may be more often than an address should: it waits, as it is told.
        if !matches!(asked, Asked::Register(..)) {
            assert_ne!(answer.status, 429, "{} asks for too much", caller.who);
        }
        let said = read(asked, answer);
        let idle = !died && is_idle(asked, &said);
        if !idle {
            self.trace.tell(now, || {
                let lost = if died { ", and dies over it" } else { "" };
                let (asked, heard) = (told(asked), heard(&said.answer));
                format!("{} → tracker {at}: {asked} ⇒ {heard}{lost}", caller.who)
            });
        }
        if !died && let Content::Sync(sync) = &said.content {
            for lease in &sync.accepted {
                self.audit.assert_taken(lease);
                self.taken.insert(lease.clone());
            }
        }
        if !idle || self.calls.is_multiple_of(RECOUNT) {
            self.look();
        }
        if let Some(before) = before {
            self.after(asked, &before, &said);
        }
        (!died).then_some(said)
    }

    /// A call of somebody who means harm: as [`Self::call`], but with a `body` of its own, and it moves
    /// no job of others.
    pub fn attack(
        &mut self,
        now: f64,
        caller: &Caller,
        asked: &Asked,
        body: Option<&str>,
    ) -> Option<Said> {
        self.pass_to(now);
        let seq = self.before(asked).filter(|_| body.is_none());
        let before = self.audit.before();
        let may_fail = self.processes.iter().flatten().any(Process::is_doomed);
        let (path, own) = written(asked);
        let request = request((path, body.map(str::to_owned).or(own)));
        let Answered { at, answer, died } = self.send(caller, request)?;
        let said = read(asked, answer);
        let Caller { who, address } = caller;
        self.trace.tell(now, || {
            let lost = if died { ", and dies over it" } else { "" };
            let (told, heard) = (told(asked), heard(&said.answer));
            let body = body.map(|body| format!(" as {}", cut_to(body)));
            let body = body.unwrap_or_default();
            format!("{who} ({address}) → tracker {at}: {told}{body} ⇒ {heard}{lost}")
        });
        let fails = said.answer.status >= 500;
        assert!(!fails || may_fail, "{who}'s call fails inside: {said:?}");
        if self.audit.is_news() {
            self.audit.assert_moved_by_right(&before, who);
            self.count();
        }
        if let Some(before) = seq {
            self.after(asked, &before, &said);
        }
        (!died).then_some(said)
    }

    /// Has one of the trackers answer.
    fn send(&mut self, caller: &Caller, mut request: Request<Body>) -> Option<Answered> {
        let up: Vec<usize> = (0..self.processes.len())
            .filter(|at| self.processes[*at].is_some())
            .collect();
        let roll = self.rng.next_f64();
        let at = *up.get((roll * up.len() as f64) as usize)?;
        let process = self.processes[at].as_ref()?;
        let address = caller.address.parse().expect("a header's value");
        request.headers_mut().insert("x-forwarded-for", address);
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from(PROXY)));
        let answering = async {
            let answer = process.router.clone().oneshot(request).await;
            let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body");
            (head, String::from_utf8(body.to_vec()).expect("a text"))
        };
        let (head, body) = self.runtime.block_on(answering);
        let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let code = header(ERROR_HEADER);
        let code = code.and_then(|code| ErrorCode::ALL.iter().find(|it| it.as_str() == code));
        let retry_after = header(header::RETRY_AFTER.as_str());
        let answer = Answer {
            status: head.status.as_u16(),
            code: code.copied(),
            retry_after_ms: retry_after.and_then(|text| read_retry_after(&text)),
            body,
            cut: false,
        };
        let died = !self.bury().is_empty();
        self.calls += 1;
        self.trace.mix(self.now.to_bits().to_le_bytes().as_slice());
        self.trace.mix(caller.who.as_bytes());
        self.trace.mix(answer.body.as_bytes());
        Some(Answered { at, answer, died })
    }

    /// What a worker holds before a sync, if that is an old one.
    fn before(&self, asked: &Asked) -> Option<BTreeSet<i64>> {
        let Asked::Sync(sync) = asked else {
            return None;
        };
        let last = self.audit.last_seq(&sync.token)?;
        (i64::try_from(sync.seq).ok()? <= last).then(|| self.audit.held_by(&sync.token))
    }

    /// An old word changes nothing.
    fn after(&self, asked: &Asked, before: &BTreeSet<i64>, said: &Said) {
        if let Asked::Sync(sync) = asked {
            let held = self.audit.held_by(&sync.token);
            assert!(
                *before == held,
                "sync {} was not the last word, and changed what its worker holds: {before:?} \
                 became {held:?} ({})",
                sync.seq,
                said.answer.status
            );
        }
    }

    pub fn open(&self, stage: Stage) -> usize {
        if self.is_up() {
            self.open[stage.index()]
        } else {
            0
        }
    }

    /// For how long a registration is given nothing because its jobs fail.
    pub fn rests_ms(&self, token: &str) -> f64 {
        let row = self.audit.worker(token);
        row.map_or(0.0, |row| {
            let left = (row.rest_until - self.time()).max(0);
            // More is left only where the tracker's clock was set back, and then nothing is.
            if left > trouble::rest(row.trouble) {
                0.0
            } else {
                left as f64
            }
        })
    }

    /// Whether a volunteer would be given a job of a stage that it can do something about: one that
    /// has not failed there and that it has not called bad, or one that is left to nobody else.
    pub fn lets(&self, stage: Stage, volunteer: &str, token: Option<&str>) -> bool {
        let row = token.and_then(|token| self.audit.worker(token));
        if row.is_some_and(|row| {
            row.held >= trouble::may_hold(row.trouble).min(row.allowance.may_hold())
        }) {
            return false;
        }
        let stage = stage.index();
        let there = self.audit.there(stage, self.time() - THERE);
        self.audit.avoiders(stage).values().any(|avoiders| {
            let flagged = avoiders.flagged.contains(volunteer);
            let failed = avoiders.failed.contains(volunteer);
            let is_tried = |other: &String| other == volunteer || avoiders.failed.contains(other);
            !failed || !flagged && there.iter().all(is_tried)
        })
    }

    /// Whether every job is finished or set aside, or goes round, after all, for a good reason.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    pub fn has_taken(&self, lease: &str) -> bool {
        self.taken.contains(lease)
    }
}

/// The path of a call and what it carries.
pub fn written(asked: &Asked) -> (String, Option<String>) {
    let call = match asked.clone() {
        Asked::Sync(sync) => {
            let body = serde_json::to_string(&sync).expect("JSON");
            return ("/api/sync".to_owned(), Some(body));
        }
        Asked::Register(stage, nickname) => call::Request::new_worker(&nickname, stage),
        Asked::NewJob(token) => call::Request::new_job(token),
        Asked::Complete {
            token,
            number,
            data,
        } => call::Request::complete_job(token, number, data),
        Asked::Flag { token, number } => call::Request::flag_invalid_data(token, number),
        Asked::Progress(token) => call::Request::update_progress(token, "half done".to_owned()),
        Asked::Validate(token) => call::Request::validate_worker(token),
        Asked::Bye(token) => call::Request::bye(token),
    };
    let body = call.body.map(|body| serde_json::to_string(&body));
    (call.path, body.map(|body| body.expect("JSON")))
}

fn request((path, body): (String, Option<String>)) -> Request<Body> {
    let request = match body {
        None => Request::get(path).body(Body::empty()),
        Some(body) => Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body)),
    };
    request.expect("a request")
}

/// What a client reads in an answer.
fn read(asked: &Asked, answer: Answer) -> Said {
    let body = answer.body.as_str();
    let content = match asked {
        _ if answer.status != 200 => Content::Nothing,
        Asked::Register(..) => serde_json::from_str(body).map_or(Content::Unreadable, |hello| {
            Content::Hello(read_hello(hello))
        }),
        Asked::Sync(_) => serde_json::from_str(body).map_or(Content::Unreadable, Content::Sync),
        Asked::NewJob(_) => serde_json::from_str(body)
            .map_or(Content::Unreadable, |NewJob { number, data }| {
                Content::Job { number, data }
            }),
        Asked::Validate(_) => read_alive(body).map_or(Content::Nothing, Content::Alive),
        _ => Content::Nothing,
    };
    Said { answer, content }
}

fn read_hello(said: Registration) -> Hello {
    Hello {
        token: said.worker.token,
        display_name: said.worker.display_name,
        project: said.worker.project,
        stage_name: said.worker.stage_name,
        syncs: said.extensions.iter().any(|it| it == SYNC_EXTENSION),
        lease_ms: f64::from(said.lease_s) * 1000.0,
        max_body: said.max_body as f64,
        app_version: said.app_version,
    }
}

/// Whether nothing happened: worlds are full of that.
fn is_idle(asked: &Asked, said: &Said) -> bool {
    match (asked, &said.content) {
        (Asked::Sync(asked), Content::Sync(said)) => {
            asked.items() == asked.holding.len() && said.jobs.is_empty() && said.lost.is_empty()
        }
        _ => said.answer.code == Some(ErrorCode::NoJobs),
    }
}

/// A request, for people.
fn told(asked: &Asked) -> String {
    let names = |leases: Vec<&str>| {
        let ids = leases
            .iter()
            .map(|lease| lease.split('-').next().unwrap_or_default());
        format!("[{}]", ids.collect::<Vec<_>>().join(" "))
    };
    match asked {
        Asked::Register(stage, nickname) => format!("registers as {nickname} at {stage}"),
        Asked::Sync(sync) => format!(
            "syncs {}: holds {}, done {}, invalid {}, failed {}, released {}, wants {}",
            sync.seq,
            names(sync.holding.iter().map(String::as_str).collect()),
            names(sync.done.iter().map(|it| it.lease.as_str()).collect()),
            names(sync.invalid.iter().map(|it| it.lease.as_str()).collect()),
            names(sync.failed.iter().map(|it| it.lease.as_str()).collect()),
            names(sync.released.iter().map(String::as_str).collect()),
            sync.want
        ),
        Asked::NewJob(_) => "newJob".to_owned(),
        Asked::Complete { number, .. } => format!("completes job {number}"),
        Asked::Flag { number, .. } => format!("flags job {number}"),
        Asked::Progress(_) => "progress".to_owned(),
        Asked::Validate(_) => "validates".to_owned(),
        Asked::Bye(_) => "says goodbye".to_owned(),
    }
}

/// An answer, for people.
fn heard(answer: &Answer) -> String {
    if answer.status != 200 {
        return format!(
            "{} {}",
            answer.status,
            answer.code.map_or("", ErrorCode::as_str)
        );
    }
    let Ok(sync) = serde_json::from_str::<SyncAnswer>(&answer.body) else {
        return cut_to(&answer.body);
    };
    let granted = |job: &Granted| {
        let id = job.lease.split('-').next().unwrap_or_default();
        format!("{id} of job {}", job.number)
    };
    let jobs: Vec<String> = sync.jobs.iter().map(granted).collect();
    format!(
        "granted [{}], accepted {}, rejected {:?}, lost {}, {} open",
        jobs.join(", "),
        sync.accepted.len(),
        sync.rejected.iter().map(|it| it.why).collect::<Vec<_>>(),
        sync.lost.len(),
        sync.open
    )
}

fn cut_to(text: &str) -> String {
    distcompute_protocol::cut(text, 60)
}
