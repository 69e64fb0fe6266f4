//! The hub: the worker that makes all requests and hands jobs to the compute workers.
//!
//! Its machine, [`Scheduler`], shares the jobs out among the cores, has the session of each stage ask
//! for more before they run out, keeps leases alive, ends jobs that hang, and follows the governor.
//!
//! A job is granted by a session and waits in the [job table](jobs); `dispatch` gives it to a core; the core
//! reports its outcome, which is stored; the session hands the outcome in, and the job leaves the table when
//! the tracker has acknowledged it.
//!
//! | module | contents |
//! | --- | --- |
//! | [`event`] | what the driver reports |
//! | [`action`] | what it does in return: requests, messages to compute workers, records to store |
//! | [`cx`] | the context of an event, and the deadlines by name |
//! | [`jobs`] | the jobs in this browser, from grant to delivery |
//! | `cores` | the state of each compute worker |
//! | `dispatch` | which core gets which job, and when to ask for more |
//! | `limits` | jobs and compute workers that take too long |
//! | `takeover` | how a hub takes over from another one, and from storage |
//! | `shutdown` | how it stops |
//! | `status` | what a page shows of it |
//! | [`session`] | how the jobs of one stage come and go, in both protocols |
//! | [`mod@file`] | what the driver reports of files, and does with them |
//! | [`files`] | the files of jobs: what is fetched, kept and uploaded |
//! | [`speed`] | how long jobs take, and how many to hold as a consequence |
//! | [`mod@line`] | how fast transfers are, and how large they may be as a consequence |
//! | [`mean`] | values that follow a series of measurements |
//! | [`governor`] | whether this browser may compute now, and why not |
//! | [`failing`] | pauses while jobs fail on this machine |

pub mod action;
mod cores;
pub mod cx;
mod dispatch;
pub mod event;
pub mod failing;
pub mod file;
pub mod files;
pub mod governor;
pub mod jobs;
mod limits;
pub mod line;
pub mod mean;
pub mod session;
mod shutdown;
pub mod speed;
mod status;
mod takeover;

use crate::list::IntoList;
use distcompute_protocol::Stage;

use crate::hub::action::{Action, TrackerResponse, Transfer, Wire, Write};
use crate::hub::cores::Core;
use crate::hub::cx::{Cx, Timer};
use crate::hub::event::{Event, Inherited};
use crate::hub::failing::Failing;
use crate::hub::files::{Files, Way};
use crate::hub::governor::{Surroundings, Verdict, Wish, govern};
use crate::hub::jobs::{Job, JobKey, JobTable, Outcome};
use crate::hub::session::Session;
use crate::hub::shutdown::Mode;
use crate::reason::Reason;
use crate::settings::{Limits, Settings};
use crate::sorted_map::SortedMap;
use crate::time::clock::{Due, Now, Steady};

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Counts {
    invalid: u64,
    failed: u64,
    compute_ms: f64,
}

/// The counts of a hub that is replaced, because it has died or the project has a new version.
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
    files: Files,
    failing: Failing,
    sessions: Vec<Session>,
    cores: SortedMap<Core>,
    settings: Settings,
    limits: Limits,
    /// When it is to be woken.
    timeout: Option<Due>,
    around: Surroundings,
    wish: Wish,
    /// When a pause of limited length ends.
    pause: Option<Due>,
    /// The clocks, and the wall clock's last reading, which hours of the day are compared with.
    clock: Steady,
    wall: f64,
    mode: Mode,
    /// Since when the governor has it rest.
    resting: Option<Now>,
    wanted: Option<u32>,
    counts: Counts,
    /// Jobs that each core has done for former hubs.
    earlier: Vec<(u32, u32)>,
    has_reported_fatal: bool,
    renewing: bool,
    /// Whether the records from storage have come. Nothing is done before.
    restored: bool,
    /// Events that wait for them.
    early: Vec<Event>,
    /// The cores of the former hub that have not reported yet, and since when they can. Until then the
    /// tracker is not told which jobs are held.
    takeover: Option<(Vec<Inherited>, Now)>,
    /// Whether they have been silent for so long that nothing is fetched for them.
    silent: bool,
    /// Whether the registrations of the former hub were given up.
    parted: bool,
    /// How long the cores could have worked, in milliseconds, and when it was last added to. Limits count
    /// neither pauses nor rests nor the machine's sleep.
    work_ms: f64,
    entered: Option<Now>,
    /// When progress was last sent.
    progress_sent: Option<Now>,
    /// When a core was last seen at work.
    worked: Option<Now>,
    /// A random number that stays the same, for the governor.
    own: f64,
}

impl Scheduler {
    /// A hub for these stages, in order of preference.
    #[must_use]
    pub fn new(stages: &[Stage], nickname: &str, settings: Settings, limits: Limits) -> Self {
        let session = |(index, stage): (usize, &Stage)| {
            Session::new(index, *stage, nickname.to_owned(), limits.linger_ms)
        };
        Self {
            table: JobTable::default(),
            files: Files::default(),
            failing: Failing::new(limits.slow_failing),
            sessions: stages.iter().enumerate().map(session).into_list(),
            cores: SortedMap::default(),
            settings,
            limits,
            timeout: None,
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
            has_reported_fatal: false,
            renewing: false,
            restored: false,
            early: Vec::new(),
            takeover: None,
            silent: false,
            parted: false,
            work_ms: 0.0,
            entered: None,
            progress_sent: None,
            worked: None,
            own: 0.0,
        }
    }

    /// The same hub with keys that no other hub of this page has given.
    #[must_use]
    pub fn with_keys_from(mut self, first: JobKey) -> Self {
        self.table.count_from(first);
        self
    }

    /// The same hub where the page sees these surroundings.
    #[must_use]
    pub fn with_surroundings(mut self, around: Surroundings) -> Self {
        self.around = around;
        self
    }

    /// Whether it has begun: it is known what storage had.
    #[must_use]
    pub fn is_restored(&self) -> bool {
        self.restored
    }

    /// The same hub after another one of the same visit, whose counts go on.
    #[must_use]
    pub fn with_counts(mut self, counted: &Counted) -> Self {
        for (stage, done) in &counted.by_stage {
            let session = self.sessions.iter_mut().find(|l| l.common.stage == *stage);
            if let Some(session) = session {
                session.common.accepted = *done;
            }
        }
        if let Some(session) = self.sessions.first_mut() {
            session.common.rejected = counted.rejected;
            session.common.undelivered = counted.undelivered;
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

    /// The files of the jobs.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The stage that a job came by, and its name.
    #[must_use]
    pub fn stage_of(&self, job: &Job) -> Option<(Stage, &str)> {
        let common = &self.sessions.get(job.session)?.common;
        let name = common.hello.as_ref().map(|hello| hello.stage_name.as_str());
        Some((common.stage, name.unwrap_or_default()))
    }

    /// The project's name, when it is known.
    #[must_use]
    pub fn project(&self) -> &str {
        let hello = self
            .sessions
            .iter()
            .find_map(|session| session.common.hello.as_ref());
        hello.map_or("", |hello| hello.project.as_str())
    }

    /// Handles an event. Nothing is done before [`Event::Restored`].
    pub fn handle(&mut self, cx: &mut Cx, event: Event) {
        // Deadlines use a time that nobody can set. Only hours of the day use the wall clock.
        let clocks = cx.now;
        self.wall = clocks.wall;
        cx.now = self.clock.read(clocks);
        self.enter(cx.now);
        self.note_work(cx.now);
        if matches!(event, Event::Restored { .. }) {
            self.restored = true;
            self.take(cx, event);
            self.pump(cx);
            for event in std::mem::take(&mut self.early) {
                self.take(cx, event);
                self.pump(cx);
            }
        } else if self.restored {
            // The content of the answer comes with the next event, and may make another request needless.
            let is_last = matches!(event, Event::Transfer(_, Transfer { ended: true, .. }));
            self.take(cx, event);
            if is_last {
                cx.now = clocks;
                return;
            }
            self.pump(cx);
        } else if let Event::Wish(_) | Event::File(_) = event {
            // The length of a pause counts from now, not from when storage has been read. And what of files
            // comes that early belongs to the records in storage.
            self.take(cx, event);
        } else {
            self.early.push(event);
        }
        let is_over = self.mode == Mode::Over;
        self.timeout = cx.next_timeout(clocks).filter(|_| !is_over);
        self.note_work(cx.now);
        cx.now = clocks;
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Due> {
        self.timeout
    }

    fn note_work(&mut self, now: Now) {
        if self.is_working() {
            self.worked = Some(now);
        }
    }

    fn take(&mut self, cx: &mut Cx, event: Event) {
        let now = cx.now;
        match event {
            Event::Restored {
                registrations,
                jobs,
                cores,
            } => {
                self.own = cx.random;
                self.takeover = Some((cores, now));
                self.restore(now, registrations, jobs);
            }
            Event::Resumed(core, job) => self.resume(cx, core, job),
            Event::RestoredLate(jobs) => self.restore_late(now, jobs),
            Event::EndedBefore(stored) => self.ended_before(now, stored),
            Event::CoreHere(core) => self.core_here(now, core),
            Event::CoreUp(core) => self.core_up(core),
            Event::CoreBroken(core, why) => self.core_broken(cx, core, why),
            Event::CoreDied(core, why) => self.core_died(now, core, &why),
            Event::Report(core, report) => self.report(cx, core, report),
            Event::Rests(core) => self.core_rests(core),
            Event::Recalled(core, keys) => self.recalled(core, keys),
            Event::Transfer(id, transfer) => {
                let _ = self
                    .sessions
                    .iter_mut()
                    .any(|session| session.transferred(now, id, transfer));
            }
            Event::Answered(id, response) => self.answered(cx, id, response),
            Event::Settings(settings) => self.settings = settings,
            Event::Nickname(nickname) => {
                for session in &mut self.sessions {
                    session.rename(&nickname);
                }
            }
            Event::Around(around) => self.around = around,
            Event::Wish(wish) => {
                self.wish = wish;
                // Kept as a length, because the wall clock may be set before the pause ends.
                self.pause = match wish {
                    Wish::Pause { until: Some(until) } => Some(Due::after(now, until - self.wall)),
                    _ => None,
                };
            }
            Event::Stop { finish } => self.stop(now, finish),
            Event::File(event) => {
                let ways = self.ways();
                self.files.handle(cx, event, &self.table, &ways);
            }
            Event::Tick => {}
        }
    }

    /// A request was answered, or not.
    fn answered(&mut self, cx: &Cx, id: u32, response: TrackerResponse) {
        let mut response = Some(response);
        let mut filled = None;
        for session in &mut self.sessions {
            let Some(untaken) = response.take() else {
                break;
            };
            let before = session.common.accepted;
            response = session.answered(cx, id, untaken, &mut self.table);
            if session.common.accepted > before {
                filled = session.common.stage.next();
            }
        }
        // A result of one stage may be a job of the next.
        for session in &mut self.sessions {
            if Some(session.common.stage) == filled {
                session.common.dry = None;
            }
        }
    }

    /// Does everything that is due now.
    fn pump(&mut self, cx: &mut Cx) {
        if self.mode == Mode::Over {
            return;
        }
        let verdict = self.verdict(cx.now, self.wall);
        let look_again = verdict.look_again.unwrap_or(f64::INFINITY);
        cx.arm(Timer::Governor, look_again - self.wall);
        let rest = verdict.rest.is_some();
        self.resting = match (rest, self.resting) {
            (true, None) => Some(cx.now),
            (true, since) => since,
            (false, _) => None,
        };
        self.renewing |= self.sessions.iter().any(|session| session.common.renewed);
        for session in &mut self.sessions {
            session.drop_leases(&mut self.table);
        }
        // A job that a core begins may have been taken from it meanwhile.
        self.begin_next(cx.now);
        self.end_what_hangs(cx);
        self.pump_files(cx);
        self.silent = self.are_unreported_silent(cx);
        let may = self.may_begin();
        self.recall(cx, !may);
        if may {
            self.set_intensity(cx, self.settings.intensity);
            self.share_out(cx);
            self.begin_next(cx.now);
        } else {
            let intensity = if rest { 0 } else { self.settings.intensity };
            self.set_intensity(cx, intensity);
            self.put_back(cx);
        }
        self.size(cx);
        let hurry = !self.may_begin() || !self.is_working();
        if self.has_taken_over(cx) {
            self.part();
            self.ask(cx, hurry);
        }
        self.keep(cx, f64::INFINITY);
        for text in std::mem::take(&mut self.table.freed) {
            self.files.forget(text.id);
            cx.out.push(Action::Free(text));
        }
        for name in self.table.forgotten.drain(..) {
            cx.out.push(Action::Store(Write::Delete(name)));
        }
        self.finish(cx);
        self.report_fatal(cx);
        self.watch(cx);
    }

    fn ways(&self) -> Vec<Way> {
        self.sessions.iter().map(Session::way).into_list()
    }

    /// Fetches and sends files, and ends the jobs whose files cannot be had or sent.
    fn pump_files(&mut self, cx: &mut Cx) {
        let ways = self.ways();
        for (key, outcome) in self.files.pump(cx, &mut self.table, &ways) {
            let Some(job) = self.table.get(key) else {
                continue;
            };
            let (session, ended) = (job.session, job.outcome().is_some());
            match outcome {
                Outcome::Failed(why) if ended => {
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.common.give_up(&mut self.table, key, &why);
                    }
                    self.note_failure(key, &why, cx.now);
                }
                Outcome::Failed(why) => {
                    self.counts.failed += 1;
                    self.note_failure(key, &why, cx.now);
                    self.table.end(key, Outcome::Failed(why), cx.now);
                }
                _ if ended => self.table.withdraw(key),
                outcome => self.table.end(key, outcome, cx.now),
            }
        }
    }

    /// The verdict of the governor. Hours of the day are compared with the `wall` clock.
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

    fn report_fatal(&mut self, cx: &mut Cx) {
        let fault = self
            .sessions
            .iter()
            .find_map(|session| session.common.fatal.clone());
        if let Some(fault) = fault.filter(|_| !self.has_reported_fatal) {
            self.has_reported_fatal = true;
            cx.out.push(Action::Fatal(fault));
        }
    }

    /// The last requests of a page that is being closed.
    #[must_use]
    pub fn farewell(&self, _now: Now) -> Vec<Wire> {
        let sessions = self.sessions.iter();
        sessions
            .flat_map(|session| session.farewell(&self.table))
            .into_list()
    }
}
