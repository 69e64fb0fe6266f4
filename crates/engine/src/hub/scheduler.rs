//! The hub's brain: events go in with their time, actions come out.
//!
//! It shares the jobs on the table out among the cores, has each link ask for more before they run
//! out, keeps leases alive, ends what hangs, and carries out what the governor says. It knows no
//! core's thread and no browser: whoever runs it does as it says.

use distcompute_protocol::{MAX_REASON, Stage, cut};

use crate::fault::Fault;
use crate::hub::action::{Action, Got, Moved, Session, Wire, Write};
use crate::hub::failing::Failing;
use crate::hub::governor::{Surroundings, Verdict, Wish, govern};
use crate::hub::jobs::{Job, JobTable, Key, Outcome, Place, Text, Ticket};
use crate::hub::session::{Ask, Ids, Link};
use crate::hub::speed::{HELD_BYTES, Speed};
use crate::reason::Reason;
use crate::settings::{Limits, Settings};
use crate::sorted_map::SortedMap;
use crate::status;
use crate::status::LastError;
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now, Steady};

/// How long a core that was told to stop a job may take to hear it.
const GRACE_MS: f64 = 1_500.0;

/// A core that has been told to rest in the middle of its job may take so long to do so, and may be
/// silent about it for so long, before its worker is ended. Twice as long as a handler should let pass
/// between two calls of `progress`, and some for a machine that is busy.
const REST_GRACE_MS: f64 = 5_000.0;

/// So often it is looked whether it rests. A longer gap is a sleep, of which no more is counted.
const REST_LOOK_MS: f64 = 1_000.0;

/// A job that takes so long holds up those that are queued behind it.
const LONG_MS: f64 = 1_000.0;

/// A core that does not give back what it has queued within this is busy with its job.
const RECALL_MS: f64 = 300.0;

/// How long a stop may take in all: for a tracker that does not answer nobody waits.
const STOP_MS: f64 = 6_000.0;

/// A core that was told to finish may take as long as it wants, its results not.
const DELIVER_MS: f64 = 15_000.0;

/// While a core works time is entered at least so often.
const BEAT_MS: f64 = 10_000.0;

/// How long cores that have worked for another hub may take to say at what.
const MEETING_MS: f64 = 1_000.0;

/// A core that has no job for a moment is still at work, as far as people are concerned.
const BETWEEN_MS: f64 = 2_000.0;

/// Results that have waited so long are written to storage.
const STORE_MS: f64 = 1_000.0;

/// The wait before a core whose setup failed is tried again.
const SETUP: Backoff = Backoff::doubling(2_000.0, 60_000.0).with_jitter(0.2);

/// What a core's worker has said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// It has begun this job.
    pub started: Option<Key>,
    /// How far a job is.
    pub progress: Option<Progress>,
    /// Jobs that have ended.
    pub results: Vec<Ended>,
    /// This job's state was handed over, to be stored.
    pub checkpoint: Option<Key>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub key: Key,
    /// So much of `total`.
    pub done: f64,
    /// 0: not known.
    pub total: f64,
    /// A word on it.
    pub text: String,
}

/// How a job has ended in its core.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The job.
    pub key: Key,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it was worked on, in milliseconds, rests not counted.
    pub ms: f64,
    /// The core's worker is not to be trusted any more.
    pub fatal: bool,
}

/// A job or an outcome that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The stage.
    pub stage: Stage,
    /// Its number.
    pub number: u64,
    /// How often it was handed out.
    pub attempt: u32,
    /// The right to hand its result in.
    pub ticket: Ticket,
    /// Its input.
    pub input: Option<Text>,
    /// What became of it. `None`: it was being worked on, and has a checkpoint.
    pub outcome: Option<Outcome>,
}

/// A compute worker of the hub before, which says what it does as soon as it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// Its place.
    pub core: u32,
    /// Whether the job that it had has told progress.
    pub told: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// What storage had, once, before anything else.
    Restored {
        /// Registrations.
        sessions: Vec<Session>,
        /// Jobs.
        jobs: Vec<Stored>,
        /// These compute workers have worked for another hub, and will say at what.
        cores: Vec<Inherited>,
    },
    /// A compute worker of another hub works on this job, if any, under the key that that gave it.
    Met(u32, Option<(Key, Stored)>),
    /// A job that ended in a compute worker, of which the hub before may not have heard.
    Made(Stored),
    /// A compute worker exists at this place; it sets itself up.
    CoreHere(u32),
    /// It is ready for jobs.
    CoreUp(u32),
    /// Its setup failed.
    CoreBroken(u32, String),
    /// Its worker is gone.
    CoreDied(u32, String),
    /// It has said something.
    Report(u32, Report),
    /// It rests in the middle of its job, as it says at least every other second while it does.
    Rests(u32),
    /// These jobs it gives back unstarted.
    Recalled(u32, Vec<Key>),
    /// The answer to a request has begun, or more of it has come.
    Moved(u32, Moved),
    /// A request was answered, or not.
    Answered(u32, Got),
    /// The volunteer has other settings.
    Settings(Settings),
    /// The page sees other surroundings.
    Around(Surroundings),
    /// The volunteer's wish.
    Wish(Wish),
    /// The volunteer says stop.
    Stop {
        /// Running jobs are finished first.
        finish: bool,
    },
    /// Time has passed.
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Starting,
    Up,
    Broken,
}

#[derive(Debug, Clone, PartialEq)]
struct Core {
    health: Health,
    level: Option<u8>,
    /// What it was given and has not begun, in this order.
    queue: Vec<Key>,
    /// What it works on: the first that it was given, whether it has said so or not. A handler that
    /// blocks its thread may say nothing before its end.
    running: Option<Key>,
    /// Whether it has said so.
    said: bool,
    progress: Option<Progress>,
    /// The reading of the scheduler's `work_ms` when its job began, and when progress was reported.
    began: f64,
    reported: Option<f64>,
    /// Whether the tracker has not been told.
    untold: bool,
    /// A job that it was told to stop, and since when.
    stopping: Option<(Key, Now)>,
    /// Since when it is to give back what it has queued.
    recalled: Option<Now>,
    /// Whether it has said that it rests, since it was told to.
    rests: bool,
    /// For how long it has been told to rest and has not said that it does.
    restless_ms: f64,
    jobs: u64,
    since: Now,
    setups: u32,
    /// What its setup has thrown.
    why: String,
    retry: Option<Due>,
}

impl Core {
    /// Whether it works, or will as far as is known.
    fn is_able(&self) -> bool {
        self.health == Health::Up || (self.health == Health::Starting && self.setups == 0)
    }

    /// Whether it works on a job although it shall rest, as far as is known.
    fn is_restless(&self) -> bool {
        self.level == Some(0) && self.running.is_some() && self.stopping.is_none()
    }

    /// Whether it rests in the middle of its job, by its own word, which must be a fresh one.
    fn is_at_rest(&self) -> bool {
        self.rests && self.restless_ms < REST_GRACE_MS / 2.0
    }

    fn begin(&mut self, key: Key, work_ms: f64) {
        if self.running != Some(key) {
            self.rests = false;
            self.restless_ms = 0.0;
            self.running = Some(key);
            self.began = work_ms;
            self.said = false;
            self.progress = None;
            self.reported = None;
        }
    }

    fn new(now: Now) -> Self {
        Self {
            health: Health::Starting,
            level: None,
            queue: Vec::new(),
            running: None,
            said: false,
            progress: None,
            began: 0.0,
            reported: None,
            untold: false,
            stopping: None,
            recalled: None,
            rests: false,
            restless_ms: 0.0,
            jobs: 0,
            since: now,
            setups: 0,
            why: String::new(),
            retry: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Run,
    /// Since when; `finish`: what runs is finished first.
    Stop {
        since: Now,
        finish: bool,
    },
    /// Everything is delivered; the registrations are given up.
    Leave {
        since: Now,
    },
    Over,
}

/// What is counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Counts {
    invalid: u64,
    failed: u64,
    compute_ms: f64,
}

/// What a hub has counted that another one follows: after a new version of the project, or its death.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "as in the status")]
pub struct Counted {
    pub by_stage: Vec<(Stage, u32)>,
    pub invalid: u32,
    pub failed: u32,
    pub rejected: u32,
    pub undelivered: u32,
    pub compute_ms: f64,
    /// Jobs by core.
    pub cores: Vec<(u32, u32)>,
}

/// The state of the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduler {
    table: JobTable,
    failing: Failing,
    links: Vec<Link>,
    cores: SortedMap<Core>,
    ids: Ids,
    settings: Settings,
    limits: Limits,
    around: Surroundings,
    wish: Wish,
    /// When a pause of some length ends.
    pause: Option<Due>,
    /// What the clocks say, and the wall clock's reading by which hours of the day go.
    clock: Steady,
    wall: f64,
    mode: Mode,
    /// Since when the governor says rest.
    resting: Option<Now>,
    wanted: Option<u32>,
    counts: Counts,
    /// Jobs that each core has done for hubs before this one.
    earlier: Vec<(u32, u32)>,
    told_fatal: bool,
    renewing: bool,
    /// Whether it is known what storage had; nothing is done before.
    restored: bool,
    /// The cores that have not said yet what they do for another hub, and since when: before that
    /// the tracker must not be told what is held.
    meeting: Option<(Vec<Inherited>, Now)>,
    /// Whether the registration of the hub before was given up.
    parted: bool,
    /// What the cores could have worked, in milliseconds, and up to when: limits count neither
    /// pauses nor rests nor the machine's sleep.
    work_ms: f64,
    entered: Option<Now>,
    /// When progress was told last.
    told: Option<Now>,
    /// When a core was last seen at work.
    worked: Option<Now>,
    /// A random number of this browser's own, drawn when it begins.
    own: f64,
}

impl Scheduler {
    /// A hub for these stages, in order of preference.
    #[must_use]
    pub fn new(stages: &[Stage], nickname: &str, settings: Settings, limits: Limits) -> Self {
        let link = |(index, stage): (usize, &Stage)| {
            Link::new(index, *stage, nickname.to_owned(), limits.linger_ms)
        };
        Self {
            table: JobTable::default(),
            failing: Failing::default(),
            links: stages.iter().enumerate().map(link).collect(),
            cores: SortedMap::default(),
            ids: Ids::default(),
            settings,
            limits,
            around: Surroundings::default(),
            wish: Wish::Run,
            pause: None,
            clock: Steady::default(),
            wall: 0.0,
            mode: Mode::Run,
            resting: None,
            wanted: None,
            counts: Counts::default(),
            earlier: Vec::new(),
            told_fatal: false,
            renewing: false,
            restored: false,
            meeting: None,
            parted: false,
            work_ms: 0.0,
            entered: None,
            told: None,
            worked: None,
            own: 0.0,
        }
    }

    /// The same hub with keys that no other hub of this page has given.
    #[must_use]
    pub fn with_keys_from(mut self, first: Key) -> Self {
        self.table.count_from(first);
        self
    }

    /// The same hub after another one of the same visit, whose counts go on.
    #[must_use]
    pub fn with_counts(mut self, counted: &Counted) -> Self {
        for (stage, done) in &counted.by_stage {
            let link = self.links.iter_mut().find(|l| l.common.stage == *stage);
            if let Some(link) = link {
                link.common.accepted = *done;
            }
        }
        if let Some(link) = self.links.first_mut() {
            link.common.rejected = counted.rejected;
            link.common.undelivered = counted.undelivered;
        }
        self.counts.invalid = u64::from(counted.invalid);
        self.counts.failed = u64::from(counted.failed);
        self.counts.compute_ms = counted.compute_ms;
        self.earlier.clone_from(&counted.cores);
        self
    }

    /// The jobs.
    #[must_use]
    pub fn table(&self) -> &JobTable {
        &self.table
    }

    /// The stage that a job came by, and its name.
    #[must_use]
    pub fn stage_of(&self, job: &Job) -> Option<(Stage, &str)> {
        let common = &self.links.get(job.link)?.common;
        let name = common.hello.as_ref().map(|hello| hello.stage_name.as_str());
        Some((common.stage, name.unwrap_or_default()))
    }

    /// The project's name, when it is known.
    #[must_use]
    pub fn project(&self) -> &str {
        let hello = self
            .links
            .iter()
            .find_map(|link| link.common.hello.as_ref());
        hello.map_or("", |hello| hello.project.as_str())
    }

    /// Something happened at `now`. `random` is in `[0, 1)`. Nothing is done before
    /// [`Event::Restored`].
    pub fn handle(&mut self, now: Now, random: f64, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.wall = now.wall;
        let now = self.clock.read(now);
        self.enter(now);
        self.note_work(now);
        self.restored |= matches!(event, Event::Restored { .. });
        // What is in the answer is told next, and may be all that is wanted.
        let is_last = matches!(event, Event::Moved(_, Moved { ended: true, .. }));
        self.take(now, random, event, &mut out);
        if self.restored && !is_last {
            self.pump(now, &mut out);
        }
        self.note_work(now);
        out
    }

    fn note_work(&mut self, now: Now) {
        if self.is_working() {
            self.worked = Some(now);
        }
    }

    /// Enters the time in which cores could work. A gap without a tick is a sleep, whatever the
    /// clocks say.
    fn enter(&mut self, now: Now) {
        if let Some(entered) = self.entered
            && self.resting.is_none()
        {
            let passed = (now.mono - entered.mono).clamp(0.0, 2.0 * BEAT_MS);
            self.work_ms += passed * f64::from(self.settings.intensity) / 10.0;
        }
        if let Some(entered) = self.entered {
            let passed = (now.mono - entered.mono).clamp(0.0, REST_LOOK_MS);
            for (_, core) in self.cores.iter_mut() {
                if core.is_restless() {
                    core.restless_ms += passed;
                }
            }
        }
        self.entered = Some(now);
    }

    fn take(&mut self, now: Now, random: f64, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Restored {
                sessions,
                jobs,
                cores,
            } => {
                self.own = random;
                self.meeting = Some((cores, now));
                self.restore(now, sessions, jobs);
            }
            Event::Met(core, job) => self.meet(now, core, job),
            Event::Made(stored) => self.made(now, stored),
            Event::CoreHere(core) => self.core_here(now, core),
            Event::CoreUp(core) => {
                if let Some(core) = self.cores.get_mut(core) {
                    core.health = Health::Up;
                    core.setups = 0;
                }
            }
            Event::CoreBroken(core, why) => {
                if let Some(core) = self.cores.get_mut(core) {
                    core.health = Health::Broken;
                    core.why = why;
                    core.retry = Some(Due::after(now, SETUP.wait_ms(core.setups, random)));
                    core.setups = core.setups.saturating_add(1);
                }
            }
            Event::CoreDied(core, why) => self.core_died(now, core, &why),
            Event::Report(core, report) => self.report(now, core, report, out),
            Event::Rests(core) => {
                if let Some(core) = self.cores.get_mut(core).filter(|core| core.is_restless()) {
                    core.rests = true;
                    core.restless_ms = 0.0;
                }
            }
            Event::Recalled(at, keys) => {
                // What a worker says that was given up is not of the one in its place.
                let core = self.cores.get_mut(at);
                let asked = core.and_then(|core| core.recalled.take());
                for key in keys.into_iter().filter(|_| asked.is_some()) {
                    if let Some(job) = self.table.get_mut(key)
                        && job.core() == Some(at)
                    {
                        job.place = Place::Ahead;
                    }
                    if let Some(core) = self.cores.get_mut(at) {
                        core.queue.retain(|queued| *queued != key);
                        core.running = core.running.filter(|running| *running != key);
                    }
                }
            }
            Event::Moved(id, moved) => {
                let _ = self.links.iter_mut().any(|link| link.moved(now, id, moved));
            }
            Event::Answered(id, got) => {
                let mut got = Some(got);
                let mut filled = None;
                for link in &mut self.links {
                    let Some(untaken) = got.take() else { break };
                    let before = link.common.accepted;
                    got = link.answered(now, random, id, untaken, &mut self.table);
                    if link.common.accepted > before {
                        filled = link.common.stage.next();
                    }
                }
                // What one stage made is the next one's to take.
                for link in &mut self.links {
                    if Some(link.common.stage) == filled {
                        link.common.dry = None;
                    }
                }
            }
            Event::Settings(settings) => self.settings = settings,
            Event::Around(around) => self.around = around,
            Event::Wish(wish) => {
                self.wish = wish;
                // The wall clock may be set before it ends: what was asked for is its length.
                self.pause = match wish {
                    Wish::Pause { until: Some(until) } => Some(Due::after(now, until - self.wall)),
                    _ => None,
                };
            }
            Event::Stop { finish } => match self.mode {
                Mode::Run => self.mode = Mode::Stop { since: now, finish },
                // Twice means at once.
                Mode::Stop { finish: true, .. } if !finish => {
                    self.mode = Mode::Stop { since: now, finish };
                }
                _ => {}
            },
            Event::Tick => {}
        }
    }

    fn restore(&mut self, now: Now, sessions: Vec<Session>, jobs: Vec<Stored>) {
        for session in sessions {
            let link = self
                .links
                .iter_mut()
                .find(|l| l.common.stage == session.stage);
            if let Some(link) = link {
                link.restore(session);
            }
        }
        for stored in jobs {
            let outcome = stored.outcome.clone();
            let Some(job) = self.add(stored).and_then(|key| self.table.get_mut(key)) else {
                continue;
            };
            job.resumable = outcome.is_none();
            job.restored = matches!(outcome, Some(Outcome::Done(_)));
            if let Some(outcome) = outcome {
                job.place = Place::Ended {
                    outcome,
                    since: now,
                    sent: false,
                    stored: true,
                };
            }
        }
    }

    /// Puts a job that came another way than from the tracker on the table.
    fn add(&mut self, stored: Stored) -> Option<Key> {
        let mut links = self.links.iter();
        let Some(index) = links.position(|l| l.common.stage == stored.stage) else {
            // A stage that this page does not work at any more: its lease will end.
            self.table.forgotten.push(stored.ticket.text().to_owned());
            self.free(&stored);
            return None;
        };
        let (number, attempt) = (stored.number, stored.attempt);
        let add =
            |table: &mut JobTable| table.add(index, number, attempt, stored.ticket, stored.input);
        Some(add(&mut self.table))
    }

    fn free(&mut self, stored: &Stored) {
        self.table.freed.extend(stored.input);
        if let Some(Outcome::Done(text)) = &stored.outcome {
            self.table.freed.push(*text);
        }
    }

    /// A core that has worked for another hub has ended a job.
    fn made(&mut self, now: Now, stored: Stored) {
        let outcome = stored.outcome.clone();
        let known = self.table.by_ticket(stored.ticket.text());
        if let Some(job) = known.and_then(|known| self.table.get(known))
            && job.number != stored.number
        {
            // A worker of the first protocol has one job after the other by the same token. What a
            // core works on, or storage has, is the later one. Of two that have ended nobody knows.
            let (key, either) = (job.key, job.outcome().is_some() && !job.restored);
            self.free(&stored);
            if either {
                self.table.withdraw(key);
            }
            return;
        }
        let key = match known {
            Some(known) => {
                self.table.freed.extend(stored.input);
                Some(known)
            }
            None => self.add(stored),
        };
        if let (Some(key), Some(outcome)) = (key, outcome) {
            self.table.end(key, outcome, now);
        }
    }

    /// A core that has worked for another hub says what it does.
    fn meet(&mut self, now: Now, at: u32, job: Option<(Key, Stored)>) {
        self.met(at);
        let Some((key, stored)) = job else { return };
        // It may have a checkpoint, and so have come from storage too.
        let mut known = self.table.by_ticket(stored.ticket.text());
        if let Some(job) = known.and_then(|known| self.table.get(known))
            && job.number != stored.number
        {
            // Its worker had that one before, and has handed it in.
            self.table.remove(job.key);
            known = None;
        }
        if let Some(known) = known {
            self.table.freed.extend(stored.input);
            self.table.rename(known, key);
        } else if let Some(new) = self.add(stored) {
            self.table.rename(new, key);
        }
        let work_ms = self.work_ms;
        let core = self.cores.get_mut(at);
        if let (Some(core), Some(job)) = (core, self.table.get_mut(key))
            && job.outcome().is_none()
        {
            core.begin(key, work_ms);
            job.place = Place::Running {
                core: at,
                since: now,
            };
        }
    }

    /// Nothing that a core has done for the hub before is unknown any more.
    fn met(&mut self, at: u32) {
        if let Some((cores, _)) = &mut self.meeting {
            cores.retain(|inherited| inherited.core != at);
        }
    }

    /// The cores that have not said yet what they do for the hub before.
    fn unmet(&self) -> &[Inherited] {
        self.meeting.as_ref().map_or(&[], |(cores, _)| cores)
    }

    /// Whether all cores have said what they do, or had time enough to.
    fn has_met(&self, now: Now) -> bool {
        let since = self.meeting.as_ref().map(|(_, since)| *since);
        self.unmet().is_empty() || since.is_some_and(|since| now.since(since) >= MEETING_MS)
    }

    /// How long a core of the hub before may say nothing, in time in which cores could work.
    fn silence_ms(&self, inherited: Inherited) -> f64 {
        let limit = self.limits.job_timeout_ms.unwrap_or(f64::INFINITY);
        let stall = if inherited.told {
            self.limits.stall_ms
        } else {
            f64::INFINITY
        };
        limit.min(stall)
    }

    /// A core that did not say in time what it does is busy. A sync that does not name its job would
    /// put that back, but not under another registration; leases are good under any.
    fn part(&mut self) {
        if !self.unmet().is_empty() && !self.parted {
            self.parted = true;
            for link in &mut self.links {
                link.part();
            }
        }
    }

    fn core_here(&mut self, now: Now, at: u32) {
        // A new hub is told of running cores too; so what an old worker had is asked for again.
        let mut core = Core::new(now);
        if let Some(before) = self.cores.get(at) {
            core.jobs = before.jobs;
            core.setups = before.setups;
            core.why.clone_from(&before.why);
        }
        self.empty(at);
        self.cores.insert(at, core);
    }

    /// What a core had goes back to the table.
    fn empty(&mut self, at: u32) {
        for job in self.table.iter_mut() {
            if job.core() == Some(at) {
                job.place = Place::Ahead;
            }
        }
    }

    fn core_died(&mut self, now: Now, at: u32, why: &str) {
        let running = self.cores.get(at).and_then(|core| core.running);
        if let Some(key) = running.filter(|key| self.runs(at, *key)) {
            self.counts.failed += 1;
            let why = format!("The worker died: {why}");
            self.note_failure(key, &why, now);
            self.table.end(key, Outcome::Failed(why), now);
        }
        self.empty(at);
        self.met(at);
        if let Some(core) = self.cores.get_mut(at) {
            let fresh = Core::new(now);
            *core = Core {
                jobs: core.jobs,
                setups: core.setups,
                ..fresh
            };
        }
    }

    /// Cores take what they were given in order, and say so later.
    fn begin_next(&mut self, now: Now) {
        for (at, core) in self.cores.iter_mut() {
            if core.running.is_none() && !core.queue.is_empty() {
                let key = core.queue.remove(0);
                core.begin(key, self.work_ms);
                if let Some(job) = self.table.get_mut(key).filter(|job| job.core() == Some(at)) {
                    let (core, since) = (at, now);
                    job.place = Place::Running { core, since };
                }
            }
        }
    }

    /// Whether a core works on a job that it was given.
    fn runs(&self, at: u32, key: Key) -> bool {
        let job = self.table.get(key);
        job.is_some_and(|job| matches!(job.place, Place::Running { core, .. } if core == at))
    }

    fn report(&mut self, now: Now, at: u32, report: Report, out: &mut Vec<Action>) {
        let Some(core) = self.cores.get_mut(at) else {
            for ended in report.results {
                self.table.end(ended.key, ended.outcome, now);
            }
            return;
        };
        let mut trapped = false;
        let over: Vec<Key> = report.results.iter().map(|ended| ended.key).collect();
        for ended in report.results {
            self.counts.compute_ms += ended.ms;
            core.queue.retain(|queued| *queued != ended.key);
            if core.running == Some(ended.key) {
                core.running = None;
                core.progress = None;
                core.reported = None;
                core.untold = false;
            }
            if core.stopping.is_some_and(|(key, _)| key == ended.key) {
                core.stopping = None;
                // The tower has said "stop" to it, which is no level.
                core.level = None;
            }
            let link = self.table.get(ended.key).map(|job| job.link);
            let released = matches!(ended.outcome, Outcome::Released);
            if !released && let Some(link) = link.and_then(|link| self.links.get_mut(link)) {
                link.common.job_ms.add(ended.ms, 1);
            }
            match ended.outcome {
                Outcome::Done(_) => {
                    core.jobs += 1;
                    self.failing.done();
                }
                Outcome::Invalid(_) => self.counts.invalid += 1,
                Outcome::Failed(ref why) => {
                    self.counts.failed += 1;
                    let job = self.table.get(ended.key).map_or(0, |job| job.number);
                    self.failing.failed(why, job, now);
                }
                Outcome::Released => {}
            }
            let has = self
                .table
                .get(ended.key)
                .is_some_and(|job| job.core() == Some(at));
            // A worker that was given up may still speak; its results are as good as any.
            if has || matches!(ended.outcome, Outcome::Done(_)) {
                self.table.end(ended.key, ended.outcome, now);
            }
            if ended.fatal {
                let why = if released {
                    "Its handler went on after it was stopped."
                } else {
                    "Its WebAssembly trapped."
                };
                let why = why.to_owned();
                core.health = Health::Starting;
                trapped = true;
                out.push(Action::Replace { core: at, why });
            }
        }
        // What began and ended since the last report is named twice.
        if let Some(key) = report.started.filter(|key| !over.contains(key)) {
            // Even if it is not its job any more: then it is told to stop.
            core.queue.retain(|queued| *queued != key);
            core.begin(key, self.work_ms);
            core.said = true;
            // What was taken out of it and has not been given to another.
            let up = core.health == Health::Up;
            let free = |job: &Job| {
                job.core() == Some(at) || (up && job.taken && job.place == Place::Ahead)
            };
            if let Some(job) = self.table.get_mut(key).filter(|job| free(job)) {
                let (core, since) = (at, now);
                job.place = Place::Running { core, since };
            }
        }
        if let Some(progress) = report.progress
            && core.running == Some(progress.key)
        {
            core.progress = Some(progress);
            core.reported = Some(self.work_ms);
            core.untold = true;
        }
        if let Some(key) = report.checkpoint
            && let Some(job) = self.table.get_mut(key)
            && job.outcome().is_none()
        {
            job.resumable = true;
            out.push(Action::Store(Write::Job(key)));
        }
        if trapped {
            core.queue.clear();
            core.running = None;
            self.empty(at);
        }
    }

    /// Does everything that is to be done now.
    fn pump(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.mode == Mode::Over {
            return;
        }
        let verdict = self.verdict(now, self.wall);
        let rest = verdict.rest.is_some();
        self.resting = match (rest, self.resting) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        self.renewing |= self.links.iter().any(|link| link.common.renewed);
        // What a core begins may not be its job any more.
        self.begin_next(now);
        self.end_what_hangs(now, out);
        let may = self.may_begin();
        self.recall(now, !may, out);
        if may {
            self.levels(self.settings.intensity, out);
            self.share_out(now, out);
            self.begin_next(now);
        } else {
            let level = if rest { 0 } else { self.settings.intensity };
            self.levels(level, out);
            self.put_back(now, out);
        }
        self.size(out);
        let hurry = !self.may_begin() || !self.is_working();
        if self.has_met(now) {
            self.part();
            self.ask(now, hurry, out);
        }
        self.keep(now, STORE_MS, out);
        out.extend(self.table.freed.drain(..).map(Action::Free));
        for name in self.table.forgotten.drain(..) {
            out.push(Action::Store(Write::Delete(name)));
        }
        self.finish(now, out);
        self.tell_fatal(out);
    }

    /// `now` is of this hub's own time; hours of the day go by the `wall` clock.
    fn verdict(&self, now: Now, wall: f64) -> Verdict {
        let left = self.pause.map(|pause| (pause, pause.left_ms(now)));
        match left {
            Some((pause, left)) if left > 0.0 => {
                let until = Some(self.clock.wall_of(pause.at()));
                return Verdict {
                    rest: Some(Reason::Paused { until }),
                    look_again: Some(wall + left),
                };
            }
            _ => {}
        }
        let wish = if left.is_some() { Wish::Run } else { self.wish };
        let now = Now { wall, ..now };
        govern(now, self.own, wish, &self.settings, &self.around)
    }

    /// Whether jobs may be begun.
    fn may_begin(&self) -> bool {
        self.mode == Mode::Run
            && self.resting.is_none()
            && !self.renewing
            && !self.told_fatal
            && (self.cores.is_empty() || self.cores.values().any(Core::is_able))
    }

    fn is_working(&self) -> bool {
        self.cores.values().any(|core| core.running.is_some())
            || self
                .table
                .iter()
                .any(|job| matches!(job.place, Place::Queued { .. }))
    }

    /// Whether a core is one of those that the volunteer wants.
    fn is_wanted(&self, at: u32) -> bool {
        at < self.settings.cores
    }

    fn speed(&self, link: &Link) -> Speed {
        let rest = 10.0 / f64::from(self.settings.intensity.clamp(1, 10));
        Speed {
            job_ms: link.common.job_ms.get().map(|ms| ms * rest),
            answer_ms: link.common.answer_ms.get().unwrap_or(100.0),
            lease_ms: link.lease_ms(),
            linger_ms: self.limits.linger_ms,
            cores: self.settings.cores.max(1),
        }
    }

    fn levels(&mut self, level: u8, out: &mut Vec<Action>) {
        for (at, core) in self.cores.iter_mut() {
            if core.level != Some(level) && core.stopping.is_none() {
                core.level = Some(level);
                core.rests = false;
                core.restless_ms = 0.0;
                out.push(Action::Level { core: at, level });
            }
        }
    }

    /// Gives free cores their next jobs.
    fn share_out(&mut self, now: Now, out: &mut Vec<Action>) {
        let fresh: Vec<bool> = self.links.iter().map(|link| link.is_fresh(now)).collect();
        let depth: Vec<usize> = self.links.iter().map(|l| self.speed(l).queue()).collect();
        // Running cores first by how little they have, so that none starves while another hoards.
        let mut cores: Vec<(usize, u32)> = Vec::new();
        for (at, core) in self.cores.iter() {
            let held_up = core.recalled.is_some() || self.runs_long(now, core);
            if core.health == Health::Up && self.is_wanted(at) && !held_up {
                cores.push((usize::from(core.running.is_some()), at));
            }
        }
        for job in self.table.iter() {
            if let Place::Queued { core } = job.place
                && let Some(load) = cores.iter_mut().find(|(_, at)| *at == core)
            {
                load.0 += 1;
            }
        }
        let mut ahead: Vec<(bool, usize, Key)> = Vec::new();
        let meeting = !self.unmet().is_empty();
        for job in self.table.iter() {
            // What storage had, a core that has not spoken may be working on.
            let known = !(meeting && job.resumable);
            if job.place == Place::Ahead && known && fresh.get(job.link) == Some(&true) {
                let rank = (!job.resumable, job.link, job.key);
                // Mostly the last: the table is in the order of keys.
                ahead.insert(ahead.partition_point(|before| *before < rank), rank);
            }
        }
        let mut given: SortedMap<Vec<Key>> = SortedMap::default();
        for (_, link, key) in ahead {
            let Some(free) = cores.iter_mut().min_by_key(|(load, _)| *load) else {
                break;
            };
            let most = 1 + depth.get(link).copied().unwrap_or(0);
            if free.0 >= most {
                break;
            }
            free.0 += 1;
            let core = free.1;
            if let Some(job) = self.table.get_mut(key) {
                job.place = Place::Queued { core };
            }
            match given.get_mut(core) {
                Some(keys) => keys.push(key),
                None => given.insert(core, vec![key]),
            }
        }
        for (at, keys) in given.iter_mut() {
            let (core, keys) = (at, std::mem::take(keys));
            if let Some(core) = self.cores.get_mut(at) {
                core.queue.extend(&keys);
            }
            out.push(Action::Give { core, keys });
        }
    }

    /// Gives up what was not begun; and what was, where that has been so for long.
    fn put_back(&mut self, now: Now, out: &mut Vec<Action>) {
        for key in self.table.keys(|job| job.place == Place::Ahead) {
            let keep = self.table.get(key).is_some_and(|job| job.resumable);
            if keep && matches!(self.mode, Mode::Run) && !self.overdue(now) {
                continue;
            }
            self.table.end(key, Outcome::Released, now);
        }
        if self.overdue(now) || matches!(self.mode, Mode::Stop { finish: false, .. }) {
            for (at, core) in self.cores.iter_mut() {
                if let Some(key) = core.running
                    && core.stopping.is_none()
                {
                    core.stopping = Some((key, now));
                    out.push(Action::StopJob { core: at, key });
                }
            }
        }
    }

    /// How long a core has worked on its job; no core works while the machine sleeps.
    fn runs_for(&self, now: Now, core: &Core) -> Option<f64> {
        match self.table.get(core.running?)?.place {
            Place::Running { since, .. } => Some(now.mono - since.mono),
            _ => None,
        }
    }

    fn runs_long(&self, now: Now, core: &Core) -> bool {
        self.runs_for(now, core).is_some_and(|ms| ms >= LONG_MS)
    }

    /// Has cores that shall begin nothing give back what they have queued, and those whose job takes
    /// long. Out of one that is too busy to hear that it is taken.
    fn recall(&mut self, now: Now, all: bool, out: &mut Vec<Action>) {
        let long = |(_, core): &(u32, &Core)| self.runs_long(now, core) && !core.queue.is_empty();
        let long: Vec<u32> = self.cores.iter().filter(long).map(|(at, _)| at).collect();
        for (at, core) in self.cores.iter_mut() {
            let unbegun = !core.queue.is_empty() || (core.running.is_some() && !core.said);
            let shall = all || at >= self.settings.cores || long.contains(&at);
            if shall && core.recalled.is_none() && unbegun {
                core.recalled = Some(now);
                out.push(Action::Recall(at));
            }
            let waited = core.recalled.map(|since| now.mono - since.mono);
            if waited.is_some_and(|ms| ms >= RECALL_MS) {
                core.queue.retain(|key| match self.table.get_mut(*key) {
                    // Once: the one that keeps the core busy, unsaid, might be among them.
                    Some(job) if job.core() == Some(at) && !job.taken => {
                        (job.place, job.taken) = (Place::Ahead, true);
                        false
                    }
                    _ => true,
                });
            }
        }
    }

    /// Whether the rest has lasted for a lease: then somebody else may have what was begun.
    fn overdue(&self, now: Now) -> bool {
        let lease = self
            .links
            .iter()
            .map(Link::lease_ms)
            .fold(f64::INFINITY, f64::min);
        self.resting.is_some_and(|since| now.since(since) >= lease)
    }

    /// Jobs that take too long, that have stalled, and cores that do not hear "stop".
    fn end_what_hangs(&mut self, now: Now, out: &mut Vec<Action>) {
        let resting = self.resting.is_some();
        let mut over: Vec<(u32, Key, Outcome, String)> = Vec::new();
        let mut restless: Vec<u32> = Vec::new();
        for (at, core) in self.cores.iter_mut() {
            if core.retry.is_some_and(|retry| retry.is_over(now)) {
                core.retry = None;
                core.health = Health::Starting;
                let why = "Its setup failed.".to_owned();
                out.push(Action::Replace { core: at, why });
            }
            if let Some((key, since)) = core.stopping {
                if now.since(since) >= GRACE_MS {
                    let why = "It did not hear that it should stop.".to_owned();
                    over.push((at, key, Outcome::Released, why));
                }
                continue;
            }
            let Some(key) = core.running else { continue };
            let job = self.table.get(key);
            if !job
                .is_some_and(|job| matches!(job.place, Place::Running { core, .. } if core == at))
            {
                // Somebody else has it.
                core.stopping = Some((key, now));
                out.push(Action::StopJob { core: at, key });
                continue;
            }
            if core.is_restless() && core.restless_ms >= REST_GRACE_MS {
                restless.push(at);
                continue;
            }
            let limit = self.limits.job_timeout_ms.unwrap_or(f64::INFINITY);
            let stalled = core
                .reported
                .map_or(0.0, |reported| self.work_ms - reported);
            if resting {
                continue;
            }
            if self.work_ms - core.began >= limit {
                let why = "The job took longer than its owner allows (jobTimeoutMs).".to_owned();
                over.push((at, key, Outcome::Failed(why.clone()), why));
            } else if stalled >= self.limits.stall_ms {
                let why = "The job has stalled: no progress for longer than stallMs.".to_owned();
                over.push((at, key, Outcome::Failed(why.clone()), why));
            }
        }
        let work_ms = self.work_ms;
        let silent = |inherited: &&Inherited| work_ms >= self.silence_ms(**inherited);
        let silent: Vec<Inherited> = self.unmet().iter().filter(silent).copied().collect();
        for Inherited { core, .. } in silent.into_iter().filter(|_| !resting) {
            self.met(core);
            let why = "It was silent for longer than jobTimeoutMs or stallMs.".to_owned();
            out.push(Action::Replace { core, why });
        }
        for at in restless {
            // No failure: its job goes on from its checkpoint, or goes back where it has none.
            self.renew_core(now, at);
            let why = "It went on working while it was told to rest.".to_owned();
            out.push(Action::Replace { core: at, why });
        }
        for (at, key, outcome, why) in over {
            if let Outcome::Failed(why) = &outcome {
                self.counts.failed += 1;
                self.note_failure(key, why, now);
            }
            if self.runs(at, key) {
                self.table.end(key, outcome, now);
            }
            self.renew_core(now, at);
            out.push(Action::Replace { core: at, why });
        }
    }

    fn note_failure(&mut self, key: Key, why: &str, now: Now) {
        let job = self.table.get(key).map_or(0, |job| job.number);
        self.failing.failed(why, job, now);
    }

    /// A core's worker is to be replaced: what it had goes back to the table.
    fn renew_core(&mut self, now: Now, at: u32) {
        self.empty(at);
        if let Some(core) = self.cores.get_mut(at) {
            *core = Core {
                jobs: core.jobs,
                ..Core::new(now)
            };
        }
    }

    /// Says how many workers there should be.
    fn size(&mut self, out: &mut Vec<Action>) {
        // One too many goes when its job is done.
        let running = self.cores.iter().filter(|(_, core)| core.running.is_some());
        let running = running.map(|(at, _)| at + 1);
        let queued = self.table.iter().filter_map(|job| Some(job.core()? + 1));
        let busy = running.chain(queued).max().unwrap_or(0);
        let wanted = match self.mode {
            Mode::Run if self.resting.is_some() => busy.max(if self.cores.is_empty() {
                0
            } else {
                self.settings.cores
            }),
            Mode::Run => self.settings.cores.max(busy),
            _ => busy,
        };
        if self.wanted != Some(wanted) {
            self.wanted = Some(wanted);
            self.cores.retain(|at| at < wanted);
            out.push(Action::Cores(wanted));
        }
    }

    /// Has the links ask for jobs and hand in outcomes.
    fn ask(&mut self, now: Now, hurry: bool, out: &mut Vec<Action>) {
        let may = self.may_begin();
        let (mut cores, mut idle) = (0, 0);
        for (at, core) in self.cores.iter() {
            if core.is_able() && self.is_wanted(at) {
                cores += 1;
                idle += usize::from(core.running.is_none());
            }
        }
        let spare = self
            .table
            .count(|job| matches!(job.place, Place::Ahead | Place::Queued { .. }));
        let unfinished = self.table.iter().filter(|job| job.outcome().is_none());
        let held = unfinished.filter_map(|job| job.input);
        let held: f64 = held.map(|input| f64::from(input.bytes)).sum();
        let room = HELD_BYTES - held;
        let coming: usize = self.links.iter().map(Link::coming).sum();
        let unfinished = self.table.count(|job| job.outcome().is_none());
        let most = self.failing.may_hold(now).saturating_sub(unfinished);
        let setup_failed = self.setup_failed();
        let mut first = true;
        for index in 0..self.links.len() {
            let speed = self.speed(&self.links[index]);
            let target = idle + speed.ahead();
            // One job always, whatever it weighs.
            let may_hold = room > 0.0 || spare == 0;
            let want = if may && first && cores > 0 && may_hold {
                target.saturating_sub(spare).min(most)
            } else {
                0
            };
            let soon = spare + coming;
            let low = soon < idle || speed.is_low(soon.saturating_sub(idle));
            let progress = self.due_progress(now, index);
            let link = &mut self.links[index];
            let each_ms = speed.job_ms.unwrap_or(f64::INFINITY) / cores.max(1) as f64;
            let asked = Ask {
                want,
                low,
                hurry,
                ahead: (spare, spare as f64 * each_ms),
                cores,
                progress,
                room,
                // One stage hears of it: the setup is that of all.
                setup_failed: setup_failed.clone().filter(|_| index == 0),
            };
            link.pump(now, &asked, &mut self.table, &mut self.ids, out);
            // Only where the stages before have nothing is a later one asked.
            first &= !link.common.may_ask(now) || link.common.retry.is_away();
        }
    }

    /// What the setup throws, where no core gets ready while jobs could be done.
    fn setup_failed(&self) -> Option<String> {
        let fails = |core: &Core| core.health != Health::Up && core.setups > 0;
        let all = !self.cores.is_empty() && self.cores.values().all(fails);
        let wanted = self.mode == Mode::Run && self.resting.is_none();
        let first = self.cores.values().next().filter(|_| all && wanted)?;
        Some(cut(&first.why, MAX_REASON))
    }

    /// Progress lines that the tracker should hear, and notes that it does.
    fn due_progress(&mut self, now: Now, link: usize) -> Vec<(Key, String)> {
        let interval = self.limits.progress_interval_ms;
        let mut lines = Vec::new();
        // All cores tell theirs together, so that they share a request.
        let due = self
            .told
            .is_none_or(|told| now.since(told) >= interval || told == now);
        if !due || !self.links[link].may_speak(now) {
            return lines;
        }
        for (_, core) in self.cores.iter_mut() {
            let Some(progress) = core.progress.as_ref().filter(|_| core.untold) else {
                continue;
            };
            if self
                .table
                .get(progress.key)
                .is_some_and(|job| job.link == link)
            {
                lines.push((progress.key, line(progress)));
                core.untold = false;
                self.told = Some(now);
            }
        }
        lines
    }

    /// Writes outcomes that wait to storage.
    fn keep(&mut self, now: Now, after_ms: f64, out: &mut Vec<Action>) {
        for job in self.table.iter_mut() {
            let key = job.key;
            if let Place::Ended {
                outcome,
                since,
                stored,
                ..
            } = &mut job.place
                && !*stored
                && *outcome != Outcome::Released
                && now.since(*since) >= after_ms
            {
                *stored = true;
                out.push(Action::Store(Write::Outcome(key)));
            }
        }
    }

    /// What follows when everything is done.
    fn finish(&mut self, now: Now, out: &mut Vec<Action>) {
        let busy = self.cores.values().any(|core| core.running.is_some());
        // What has a checkpoint is in storage, for whoever comes next.
        let undelivered = self
            .table
            .count(|job| !(job.resumable && job.place == Place::Ahead))
            > 0;
        let in_flight = self.links.iter().any(Link::is_busy);
        match self.mode {
            Mode::Run => {
                if self.renewing && !busy && !undelivered && !in_flight {
                    self.mode = Mode::Over;
                    out.push(Action::Renew);
                }
            }
            Mode::Stop { finish: true, .. } if busy => {
                // Results have their time from when the last one is there.
                self.mode = Mode::Stop {
                    since: now,
                    finish: true,
                };
            }
            Mode::Stop { since, finish } => {
                let limit = if finish { DELIVER_MS } else { STOP_MS };
                let late = now.since(since) >= limit && (!finish || self.is_away());
                if late || (!busy && !undelivered && !in_flight) {
                    self.mode = Mode::Leave { since: now };
                    self.keep(now, 0.0, out);
                    self.finish(now, out);
                }
            }
            Mode::Leave { since } => {
                let mut left = false;
                for link in &mut self.links {
                    left |= link.leave(now, &self.table, &mut self.ids, out);
                }
                if !left || now.since(since) >= STOP_MS || self.is_away() {
                    self.mode = Mode::Over;
                    out.push(Action::Stopped);
                }
            }
            Mode::Over => {}
        }
    }

    fn is_away(&self) -> bool {
        self.links.iter().any(|link| link.common.retry.is_away())
    }

    fn tell_fatal(&mut self, out: &mut Vec<Action>) {
        let fault = self.links.iter().find_map(|link| link.common.fatal.clone());
        if let Some(fault) = fault.filter(|_| !self.told_fatal) {
            self.told_fatal = true;
            out.push(Action::Fatal(fault));
        }
    }

    /// In how many milliseconds [`Event::Tick`] is due, if nothing happens before.
    #[must_use]
    pub fn due_ms(&self, now: Now) -> Option<f64> {
        if self.mode == Mode::Over {
            return None;
        }
        let wall = now.wall;
        let now = self.clock.at(now);
        let mut due: Vec<f64> = Vec::new();
        if let Some((_, since)) = self.meeting.as_ref().filter(|_| !self.has_met(now)) {
            due.push(MEETING_MS - now.since(*since));
        }
        due.extend(
            self.links
                .iter()
                .filter_map(|link| link.due_ms(now, &self.table)),
        );
        due.extend(self.failing.due_ms(now));
        let verdict = self.verdict(now, wall);
        due.extend(verdict.look_again.map(|at| at - wall));
        if let Some(since) = self.resting {
            let lease = self
                .links
                .iter()
                .map(Link::lease_ms)
                .fold(f64::INFINITY, f64::min);
            due.push(lease - now.since(since));
        }
        let share = f64::from(self.settings.intensity) / 10.0;
        let entered = self.entered.map_or(0.0, |entered| now.mono - entered.mono);
        if !self.unmet().is_empty() && self.resting.is_none() {
            let silences = self.unmet().iter().map(|core| self.silence_ms(*core));
            due.extend(silences.map(|ms| (ms - self.work_ms) / share - entered));
            due.push(BEAT_MS - entered);
        }
        for core in self.cores.values() {
            if !core.queue.is_empty() {
                let recalled = core
                    .recalled
                    .map(|since| RECALL_MS - (now.mono - since.mono));
                let long = self.runs_for(now, core).map(|ms| LONG_MS - ms);
                due.extend(recalled.or(long));
            }
            due.extend(core.retry.map(|retry| retry.left_ms(now)));
            due.extend(core.stopping.map(|(_, since)| GRACE_MS - now.since(since)));
            if core.is_restless() {
                due.push((REST_GRACE_MS - core.restless_ms - entered).min(REST_LOOK_MS));
            }
            if core.running.is_some() && self.resting.is_none() {
                let limit = self.limits.job_timeout_ms;
                let limit = limit.map(|limit| limit - (self.work_ms - core.began));
                let stall = core.reported;
                let stall = stall.map(|at| self.limits.stall_ms - (self.work_ms - at));
                // Time that no limit counts need not be entered.
                for ms in [limit, stall].into_iter().flatten() {
                    due.push(ms / share - entered);
                    due.push(BEAT_MS - entered);
                }
            }
            if core.untold {
                let told = self.told.map_or(0.0, |told| now.since(told));
                due.push(self.limits.progress_interval_ms - told);
            }
        }
        for job in self.table.iter() {
            if let Place::Ended {
                since,
                stored: false,
                ..
            } = &job.place
            {
                due.push(STORE_MS - now.since(*since));
            }
        }
        match self.mode {
            Mode::Stop { since, finish } => {
                let limit = if finish { DELIVER_MS } else { STOP_MS };
                due.push(limit - now.since(since));
            }
            Mode::Leave { since } => due.push(STOP_MS - now.since(since)),
            _ => {}
        }
        // What is over was looked at when it was; what it waits for is an event.
        due.into_iter().filter(|ms| *ms > 0.0).reduce(f64::min)
    }

    /// The last requests of a page that goes.
    #[must_use]
    pub fn farewell(&self, _now: Now) -> Vec<Wire> {
        let links = self.links.iter();
        links.flat_map(|link| link.farewell(&self.table)).collect()
    }

    /// Why it computes, or does not.
    #[must_use]
    pub fn reason(&self, now: Now) -> Reason {
        if self.told_fatal {
            return Reason::Failed;
        }
        match self.mode {
            Mode::Stop { finish: true, .. } => return Reason::Finishing,
            Mode::Stop { .. } | Mode::Leave { .. } => return Reason::Stopping,
            Mode::Over if !self.renewing => return Reason::Stopped,
            _ => {}
        }
        let wall = now.wall;
        let now = self.clock.at(now);
        if let Some(rest) = self.verdict(now, wall).rest {
            return rest;
        }
        if self.renewing {
            return Reason::Updating;
        }
        if self.failing.first().is_some() {
            return Reason::JobsFail {
                until: self
                    .clock
                    .wall_of(now.wall + self.failing.due_ms(now).unwrap_or(0.0)),
            };
        }
        if self.is_working() {
            return Reason::Computing;
        }
        // Between two short jobs, too.
        if self.worked.is_some_and(|at| now.since(at) < BETWEEN_MS) && !self.is_dry() {
            return Reason::Computing;
        }
        let until = |ms: f64| self.clock.wall_of(now.wall + ms);
        // While it is tried again, too.
        let broken = |core: &Core| core.health != Health::Up && core.setups > 0;
        if !self.cores.is_empty() && self.cores.values().all(broken) {
            let retry = self.cores.values().filter_map(|core| core.retry);
            let ms = retry.map(|retry| retry.left_ms(now)).reduce(f64::min);
            return Reason::SetupFailed {
                until: until(ms.unwrap_or(0.0)),
            };
        }
        let away = self
            .links
            .iter()
            .filter_map(|l| l.common.retry.left_ms(now));
        if let Some(ms) = away.reduce(f64::min) {
            let until = until(ms);
            return match self.trouble() {
                Some(_) => Reason::NoTracker { until },
                None if self.is_asked_to_wait() => Reason::AskedToWait { until },
                None => Reason::Unreachable { until },
            };
        }
        let mut dry = self.links.iter().map(|link| link.common.dry);
        if self.is_dry() {
            let left = dry.by_ref().flatten().map(|dry| dry.left_ms(now));
            return Reason::NoJobs {
                until: until(left.reduce(f64::min).unwrap_or(0.0)),
            };
        }
        let up = self.cores.values().any(|core| core.health == Health::Up);
        if up && self.worked.is_some() {
            Reason::Fetching
        } else {
            Reason::Starting
        }
    }

    /// Whether no stage has a job.
    fn is_dry(&self) -> bool {
        self.links.iter().all(|link| link.common.dry.is_some())
    }

    /// Whether all that keeps this browser from its tracker is that it is to ask more slowly.
    fn is_asked_to_wait(&self) -> bool {
        let mut away = self.links.iter().map(|link| &link.common.retry);
        away.all(|retry| !retry.is_away() || retry.is_asked_to_wait())
    }

    fn trouble(&self) -> Option<&Fault> {
        self.links.iter().find_map(|link| link.common.trouble())
    }

    /// What a page shows. Bytes are the shell's to count.
    #[must_use]
    pub fn status(&self, now: Now) -> status::Status {
        let mut all = status::Status::new(self.reason(now), self.settings);
        if let Reason::SetupFailed { .. } = all.reason {
            let first = self.cores.values().next();
            all.problem = first.map_or_else(String::new, |core| core.why.clone());
        }
        if let (Reason::JobsFail { .. }, Some(first)) = (&all.reason, self.failing.first()) {
            all.problem = format!("{}: {}", first.name, first.message);
        }
        all.last_error = self.failing.last().cloned().map(|error| LastError {
            at: self.clock.wall_of(error.at),
            ..error
        });
        all.trouble = self.trouble().cloned();
        for (at, core) in self.cores.iter() {
            all.cores.push(self.core_status(now, at, core));
        }
        let commons = || self.links.iter().map(|link| &link.common);
        for common in commons() {
            let done = u64::from(common.accepted);
            all.jobs_done += done;
            all.jobs_by_stage.push((common.stage, done));
        }
        let rejected: u32 = commons().map(|common| common.rejected).sum();
        all.jobs_rejected = u64::from(rejected);
        let undelivered: u32 = commons().map(|common| common.undelivered).sum();
        all.not_delivered = u64::from(undelivered);
        all.jobs_invalid = self.counts.invalid;
        let unfit: u32 = commons().map(|common| common.unfit).sum();
        all.jobs_failed = self.counts.failed + u64::from(unfit);
        all.compute_ms = self.counts.compute_ms;
        let done = |job: &Job| matches!(job.outcome(), Some(Outcome::Done(_)));
        all.waiting = self.table.count(done) as u64;
        let outputs = self.table.iter().filter_map(|job| match job.outcome() {
            // Counted as what it takes at most: twofold.
            Some(Outcome::Done(text)) => Some(f64::from(text.bytes) / 2.0),
            _ => None,
        });
        all.bytes_waiting = outputs.sum();
        all.online = !self.is_away() || self.is_asked_to_wait();
        self.project().clone_into(&mut all.project);
        for common in commons() {
            if let Some(hello) = &common.hello {
                all.stage_names
                    .push((common.stage, hello.stage_name.clone()));
                if all.display_name.is_empty() {
                    all.display_name.clone_from(&hello.display_name);
                }
            }
        }
        all
    }

    fn core_status(&self, now: Now, at: u32, core: &Core) -> status::Core {
        let job = core.running.and_then(|key| self.table.get(key));
        let progress = core.progress.as_ref();
        let now = self.clock.at(now);
        let minutes = now.since(core.since).max(1_000.0) / 60_000.0;
        let rate = core.jobs as f64 / minutes;
        let mut earlier = self.earlier.iter().filter(|(core, _)| *core == at);
        let earlier = earlier.next().map_or(0, |(_, jobs)| u64::from(*jobs));
        status::Core {
            core: at,
            state: match (core.health, &job) {
                (Health::Up, Some(_)) if core.level == Some(0) && core.is_at_rest() => {
                    status::CoreState::Paused
                }
                (Health::Up, Some(_)) => status::CoreState::Working,
                (Health::Up, None) => status::CoreState::Idle,
                _ => status::CoreState::Starting,
            },
            job: job.and_then(|job| {
                Some(status::CoreJob {
                    number: job.number,
                    stage: self.stage_of(job)?.0,
                    attempt: job.attempt,
                    done: progress.map_or(0.0, |progress| progress.done),
                    total: progress.map_or(0.0, |progress| progress.total),
                    text: progress.map_or_else(String::new, |progress| progress.text.clone()),
                })
            }),
            jobs: core.jobs + earlier,
            // Not more exactly: the status would be another one at each look.
            jobs_per_minute: (rate * 10.0).round() / 10.0,
        }
    }
}

/// One line for people.
fn line(progress: &Progress) -> String {
    let share = progress.done / progress.total;
    let percent = (share.is_finite() && progress.total > 0.0)
        .then(|| format!("{} %", (100.0 * share).clamp(0.0, 100.0) as u32));
    match (percent, progress.text.as_str()) {
        (Some(percent), "") => percent,
        (Some(percent), text) => format!("{text} ({percent})"),
        (None, text) => text.to_owned(),
    }
}
