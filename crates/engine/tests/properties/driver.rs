//! The hub's driver, as far as its rules need one: it checks what must hold after each event.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{
    Action, Granted, Hello, Parsed, Registration, Synced, TrackerRequest, TrackerResponse, Wire,
    Write,
};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Ended, Event, Inherited, Progress, Report, Stored};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::{Job, JobKey, JobState, Outcome, Text, Ticket};
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::{ErrorCode, Stage};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Which of the things that there are: mostly one of them, now and then one that there is not.
pub(super) type Which = prop::sample::Index;

#[derive(Debug, Clone)]
pub(super) enum Move {
    Pass(f64),
    Here(u32),
    Up(u32),
    Broken(u32),
    Died(u32),
    Report {
        core: u32,
        started: Option<Which>,
        progress: Option<(Which, f64, f64)>,
        results: Vec<(Which, u8, f64, bool)>,
        checkpoint: Option<Which>,
    },
    Recalled(u32, Vec<Which>),
    Rests(u32),
    Resumed(u32, Option<(Which, Lease)>),
    Made(Lease, u8),
    Late(Vec<(Lease, Option<u8>)>),
    Answered(Which, Reply),
    Settings(u32, u8),
    /// Whether it is another one.
    Nickname(bool),
    Around(bool, Option<bool>, i32),
    Pause(Option<f64>),
    Resume,
    Stop(bool),
}

/// One of few leases, so that they meet again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease(pub(super) u8, pub(super) bool);

impl Lease {
    pub(super) fn ticket(self) -> Ticket {
        let text = format!("{}-lease", self.0);
        if self.1 {
            Ticket::Lease(text)
        } else {
            Ticket::Token(text)
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Reply {
    Nothing,
    Late,
    Status(u16, Option<ErrorCode>, Option<u32>),
    Unreadable,
    Hello {
        syncs: bool,
        lease_ms: f64,
        max_body: f64,
    },
    Sync {
        jobs: Vec<(u8, u32)>,
        accepted: Vec<u8>,
        lost: Vec<u8>,
        wait_ms: f64,
    },
    Alive(bool),
    Job(u64, bool),
    Plain,
}

pub(super) fn core() -> impl Strategy<Value = u32> {
    prop_oneof![20 => 0_u32..4, 1 => 0_u32..1_024]
}

pub(super) fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..1e6, 1 => 0.0..1e300]
}

pub(super) fn lease() -> impl Strategy<Value = Lease> {
    (0_u8..12, prop::bool::weighted(0.8)).prop_map(|(of, syncs)| Lease(of, syncs))
}

pub(super) fn reply() -> impl Strategy<Value = Reply> {
    let lease_ms = prop_oneof![3 => Just(300_000.0), 1 => any::<f64>()];
    let max_body = prop_oneof![3 => Just(1e6), 1 => any::<f64>()];
    prop_oneof![
        1 => Just(Reply::Nothing),
        1 => Just(Reply::Late),
        3 => (
            prop::sample::select(vec![200_u16, 400, 403, 404, 409, 413, 422, 500, 503]),
            prop::option::of(prop::sample::select(ErrorCode::ALL)),
            any::<Option<u32>>(),
        ).prop_map(|(status, code, after)| Reply::Status(status, code, after)),
        1 => Just(Reply::Unreadable),
        6 => (prop::bool::weighted(0.7), lease_ms, max_body).prop_map(|(syncs, lease_ms, max_body)| {
            Reply::Hello { syncs, lease_ms, max_body }
        }),
        6 => (
            prop::collection::vec((0_u8..12, any::<u32>()), 0..6),
            prop::collection::vec(0_u8..12, 0..4),
            prop::collection::vec(0_u8..12, 0..3),
            1_000.0..3_600_000.0,
        ).prop_map(|(jobs, accepted, lost, wait_ms)| Reply::Sync { jobs, accepted, lost, wait_ms }),
        1 => any::<bool>().prop_map(Reply::Alive),
        4 => (1_u64..1 << 53, any::<bool>()).prop_map(|(number, data)| Reply::Job(number, data)),
        4 => Just(Reply::Plain),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Move> {
    let which = any::<Which>;
    let report = (
        core(),
        prop::option::of(which()),
        prop::option::of((which(), amount(), amount())),
        prop::collection::vec(
            (which(), 0_u8..4, amount(), prop::bool::weighted(0.1)),
            0..4,
        ),
        prop::option::weighted(0.2, which()),
    );
    prop_oneof![
        4 => prop_oneof![0.0..3_000.0, 0.0..400_000.0].prop_map(Move::Pass),
        3 => core().prop_map(Move::Here),
        3 => core().prop_map(Move::Up),
        1 => core().prop_map(Move::Broken),
        1 => core().prop_map(Move::Died),
        6 => report.prop_map(|(core, started, progress, results, checkpoint)| Move::Report {
            core, started, progress, results, checkpoint,
        }),
        1 => (core(), prop::collection::vec(which(), 0..4)).prop_map(|(core, keys)| Move::Recalled(core, keys)),
        1 => core().prop_map(Move::Rests),
        1 => (core(), prop::option::of((which(), lease()))).prop_map(|(core, job)| Move::Resumed(core, job)),
        1 => (lease(), 0_u8..4).prop_map(|(lease, kind)| Move::Made(lease, kind)),
        1 => prop::collection::vec((lease(), prop::option::of(0_u8..3)), 0..3).prop_map(Move::Late),
        12 => (which(), reply()).prop_map(|(which, reply)| Move::Answered(which, reply)),
        1 => (1_u32..=1_024, 1_u8..=10).prop_map(|(cores, level)| Move::Settings(cores, level)),
        1 => any::<bool>().prop_map(Move::Nickname),
        1 => (any::<bool>(), any::<Option<bool>>(), any::<i32>()).prop_map(|(a, b, c)| Move::Around(a, b, c)),
        1 => prop::option::of(amount()).prop_map(Move::Pause),
        2 => Just(Move::Resume),
        1 => prop::bool::weighted(0.7).prop_map(Move::Stop),
    ]
}

/// The hub's shell, as far as the rules need one.
pub(super) struct Shell {
    pub(super) scheduler: Scheduler,
    pub(super) now: Now,
    /// Whether it has stopped.
    pub(super) over: bool,
    /// The texts that it keeps.
    pub(super) texts: BTreeSet<u32>,
    pub(super) last: u32,
    /// Requests that are under way.
    pub(super) flights: Vec<TrackerRequest>,
    /// Keys that some core was given.
    pub(super) keys: Vec<JobKey>,
    /// What the page and the cores have been told and have not done yet.
    pub(super) told: Vec<Action>,
    /// All requests so far.
    pub(super) sent: Vec<Wire>,
    /// How many outcomes were stored at a time.
    pub(super) stored: Vec<usize>,
    pub(super) sabotage: Option<Sabotage>,
}

/// A rule that is broken on purpose between the hub and its shell, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sabotage {
    /// A text that is not needed any more is kept.
    KeepTexts,
    /// A job is given to the next core too.
    GiveTwice,
    /// A result that is handed in is named as held, too.
    HoldWhatIsDone,
    /// The hub does not say that it is over.
    NeverOver,
}

impl Shell {
    pub(super) fn new(limits: Limits) -> Self {
        let stages = [Stage::A, Stage::B];
        let scheduler = Scheduler::new(&stages, "Pod 3", Settings::default(), limits);
        Self {
            scheduler: scheduler.with_keys_from(1_000),
            now: Now {
                mono: 0.0,
                wall: 1.7e12,
            },
            over: false,
            texts: BTreeSet::new(),
            last: 0,
            flights: Vec::new(),
            keys: Vec::new(),
            told: Vec::new(),
            sent: Vec::new(),
            stored: Vec::new(),
            sabotage: None,
        }
    }

    pub(super) fn text(&mut self) -> Text {
        self.last += 1;
        self.texts.insert(self.last);
        Text {
            id: self.last,
            bytes: 100,
        }
    }

    pub(super) fn key(&self, which: Which) -> JobKey {
        // One in seventeen is nobody's.
        let odd = which.index(17) == 0 || self.keys.is_empty();
        if odd {
            which.index(1 << 20) as JobKey
        } else {
            self.keys[which.index(self.keys.len())]
        }
    }

    pub(super) fn outcome(&mut self, kind: u8) -> Outcome {
        match kind {
            0 => Outcome::Done(self.text()),
            1 => Outcome::Failed("no".to_owned()),
            2 => Outcome::Invalid("no".to_owned()),
            _ => Outcome::Released,
        }
    }

    pub(super) fn stored(&mut self, lease: Lease, kind: Option<u8>) -> Stored {
        Stored {
            stage: if lease.0.is_multiple_of(3) {
                Stage::B
            } else {
                Stage::A
            },
            number: u64::from(lease.0) + 1,
            attempt: 1,
            ticket: lease.ticket(),
            input: Some(self.text()),
            outcome: kind.map(|kind| self.outcome(kind)),
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        let mut cx = Cx::new(self.now, 0.5);
        self.scheduler.handle(&mut cx, event);
        let is_stored = |action: &&Action| matches!(action, Action::Store(Write::Outcome(_)));
        let stored = cx.out.iter().filter(is_stored).count();
        self.stored.extend((stored > 0).then_some(stored));
        for action in self.tamper(cx.out) {
            match action {
                Action::Send(request) => {
                    if let Wire::Sync(sync) = &request.wire {
                        assert!(
                            sync.done
                                .iter()
                                .all(|(_, text)| self.texts.contains(&text.id))
                        );
                        let names: BTreeSet<_> = sync.done.iter().map(|(lease, _)| lease).collect();
                        assert!(sync.holding.iter().all(|lease| !names.contains(lease)));
                    }
                    self.sent.push(request.wire.clone());
                    self.flights.push(request);
                }
                Action::Give { core, keys } => {
                    for key in &keys {
                        let job = self
                            .scheduler
                            .table()
                            .get(*key)
                            .expect("a job that is there");
                        assert_eq!(job.core(), Some(core));
                    }
                    self.keys.extend(keys);
                }
                Action::Free(text) => {
                    assert!(self.texts.remove(&text.id), "freed twice: {text:?}");
                }
                Action::Intensity { intensity, .. } => assert!(intensity <= 10),
                Action::Stopped => self.over = true,
                Action::Cores(cores) => assert!(cores <= 1_024, "{cores} workers"),
                Action::StopJob { .. } | Action::Replace { .. } => self.told.push(action),
                _ => {}
            }
        }
        self.check();
    }

    pub(super) fn tamper(&self, mut actions: Vec<Action>) -> Vec<Action> {
        let of = |sabotage| self.sabotage == Some(sabotage);
        actions.retain(|action| match action {
            Action::Free(_) => !of(Sabotage::KeepTexts),
            Action::Stopped => !of(Sabotage::NeverOver),
            _ => true,
        });
        for action in &mut actions {
            match action {
                Action::Give { core, .. } if of(Sabotage::GiveTwice) => *core += 1,
                Action::Send(TrackerRequest {
                    wire: Wire::Sync(sync),
                    ..
                }) if of(Sabotage::HoldWhatIsDone) => {
                    let done = sync.done.iter().map(|(lease, _)| lease.clone());
                    sync.holding.extend(done);
                }
                _ => {}
            }
        }
        actions
    }

    pub(super) fn check(&self) {
        let (scheduler, now) = (&self.scheduler, self.now);
        if !scheduler.is_restored() {
            // It keeps what happens, and does nothing about it yet.
            return;
        }
        // Where everything is over nobody waits for what has yet to be let go of.
        let freed = scheduler.table().freed.iter();
        let mut needed: BTreeSet<u32> = freed.map(|text| text.id).collect();
        for job in scheduler.table().iter() {
            needed.extend(job.input.map(|text| text.id));
            if let Some(Outcome::Done(text)) = job.outcome() {
                needed.insert(text.id);
            }
        }
        assert_eq!(
            self.texts, needed,
            "texts that are kept, and those that are needed"
        );
        assert!(
            scheduler
                .next_timeout()
                .is_none_or(|due| due.left_ms(now) > 0.0),
            "due at once, for ever"
        );
        let status = scheduler.status(now);
        for job in scheduler.table().iter() {
            if let JobState::Running { core, .. } = job.state {
                let core = status.cores.iter().find(|of| of.core == core);
                let runs = core.and_then(|core| core.job.as_ref());
                assert_eq!(
                    runs.map(|job| job.number),
                    Some(job.number),
                    "a job waits for a core that does not run it"
                );
            }
        }
        let is_number = |number: f64| number.is_finite() && number >= 0.0;
        assert!(
            is_number(status.compute_ms),
            "computed for {}",
            status.compute_ms
        );
        for core in &status.cores {
            assert!(is_number(core.jobs_per_minute));
            if let Some(job) = &core.job {
                assert!(is_number(job.done) && is_number(job.total), "{job:?}");
            }
        }
        let _ = scheduler.farewell(now);
    }

    pub(super) fn answer(&mut self, which: Which, reply: &Reply) {
        if self.flights.is_empty() {
            return;
        }
        let TrackerRequest { id, wire, .. } =
            self.flights.swap_remove(which.index(self.flights.len()));
        // The shell reads each body as what the request asked for.
        let fits = match reply {
            Reply::Hello { .. } => matches!(wire, Wire::Register { .. }),
            Reply::Sync { .. } => matches!(wire, Wire::Sync(_)),
            Reply::Alive(_) => matches!(wire, Wire::Validate { .. }),
            Reply::Job(..) => matches!(wire, Wire::NewJob { .. }),
            _ => true,
        };
        self.reply(id, if fits { reply } else { &Reply::Unreadable });
    }

    pub(super) fn reply(&mut self, id: u32, reply: &Reply) {
        let answer = |status| Answer {
            status,
            ..Answer::default()
        };
        let fine = |parsed| TrackerResponse::Answered(answer(200), parsed);
        let got = match reply.clone() {
            Reply::Nothing => TrackerResponse::NotReached("no".to_owned()),
            Reply::Late => TrackerResponse::TimedOut,
            Reply::Status(status, code, retry_after_ms) => {
                let answer = Answer {
                    code,
                    retry_after_ms,
                    ..answer(status)
                };
                TrackerResponse::Answered(answer, Parsed::Nothing)
            }
            Reply::Unreadable => fine(Parsed::Unreadable("no".to_owned())),
            Reply::Hello {
                syncs,
                lease_ms,
                max_body,
            } => fine(Parsed::Hello(hello(syncs, lease_ms, max_body))),
            Reply::Sync {
                jobs,
                accepted,
                lost,
                wait_ms,
            } => {
                let leases = |of: Vec<u8>| of.into_iter().map(|of| format!("{of}-lease")).collect();
                let jobs = jobs.into_iter().map(|(of, attempt)| Granted {
                    number: u64::from(of) + 1,
                    data: (of % 2 == 0).then(|| self.text()),
                    lease: format!("{of}-lease"),
                    attempt,
                });
                fine(Parsed::Sync(Synced {
                    jobs: jobs.collect(),
                    accepted: leases(accepted),
                    lost: leases(lost),
                    wait_ms,
                    ..Synced::default()
                }))
            }
            Reply::Alive(alive) => {
                let body = if alive { "True" } else { "False" }.to_owned();
                TrackerResponse::Answered(
                    Answer {
                        body,
                        ..answer(200)
                    },
                    Parsed::Alive(alive),
                )
            }
            Reply::Job(number, data) => {
                let data = data.then(|| self.text());
                fine(Parsed::Job { number, data })
            }
            Reply::Plain => {
                let body = "200 OK".to_owned();
                TrackerResponse::Answered(
                    Answer {
                        body,
                        ..answer(200)
                    },
                    Parsed::Nothing,
                )
            }
        };
        self.handle(Event::Answered(id, got));
    }

    pub(super) fn go(&mut self, step: &Move) {
        let event = match step.clone() {
            Move::Pass(ms) => {
                (self.now.mono, self.now.wall) = (self.now.mono + ms, self.now.wall + ms);
                Event::Tick
            }
            Move::Here(core) => Event::CoreHere(core),
            Move::Up(core) => Event::CoreUp(core),
            Move::Broken(core) => Event::CoreBroken(core, "no kernel".to_owned()),
            Move::Died(core) => Event::CoreDied(core, "trapped".to_owned()),
            Move::Report {
                core,
                started,
                progress,
                results,
                checkpoint,
            } => {
                let results = results.into_iter().map(|(which, kind, ms, fatal)| Ended {
                    key: self.key(which),
                    outcome: self.outcome(kind),
                    ms,
                    fatal,
                });
                let results = results.collect();
                let progress = progress.map(|(which, done, total)| Progress {
                    key: self.key(which),
                    done,
                    total,
                    text: "x".to_owned(),
                });
                Event::Report(
                    core,
                    Report {
                        started: started.map(|which| self.key(which)),
                        progress,
                        results,
                        checkpoint: checkpoint.map(|which| self.key(which)),
                    },
                )
            }
            Move::Rests(core) => Event::Rests(core),
            Move::Recalled(core, keys) => {
                let keys = keys.into_iter().map(|which| self.key(which));
                Event::Recalled(core, keys.collect())
            }
            Move::Resumed(core, job) => {
                let job = job.map(|(which, lease)| (self.key(which), self.stored(lease, None)));
                Event::Resumed(core, job)
            }
            Move::Made(lease, kind) => Event::EndedBefore(self.stored(lease, Some(kind))),
            Move::Late(kept) => {
                let kept = kept.into_iter();
                let jobs = kept.map(|(lease, kind)| self.stored(lease, kind));
                Event::RestoredLate(jobs.collect())
            }
            Move::Answered(which, reply) => return self.answer(which, &reply),
            Move::Settings(cores, intensity) => Event::Settings(Settings {
                cores,
                intensity,
                ..Settings::default()
            }),
            Move::Nickname(other) => {
                let nickname = if other { "New" } else { "Pod 3" };
                Event::Nickname(nickname.to_owned())
            }
            Move::Around(hidden, on_battery, utc_offset_min) => Event::Around(Surroundings {
                hidden,
                on_battery,
                utc_offset_min,
            }),
            Move::Pause(ms) => Event::Wish(Wish::Pause {
                until: ms.map(|ms| self.now.wall + ms),
            }),
            Move::Resume => Event::Wish(Wish::Run),
            Move::Stop(finish) => Event::Stop { finish },
        };
        self.handle(event);
    }
}

/// How a tracker answers a hub that stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Tracker {
    /// It takes what it is sent.
    Takes,
    /// It says that all is well, and takes nothing.
    Ignores,
    /// It does not know `sync` any more.
    Legacy,
    /// It refuses, in a way that does not pass.
    Refuses,
    /// It cannot be reached.
    Gone,
}

impl Shell {
    /// The cores and the page do what they were told, and the jobs that run come to an end.
    pub(super) fn carry_out(&mut self) {
        for action in std::mem::take(&mut self.told) {
            match action {
                Action::StopJob { core, key } => self.ends(core, key, Outcome::Released),
                Action::Replace { core, .. } => {
                    self.handle(Event::CoreHere(core));
                    self.handle(Event::CoreUp(core));
                }
                _ => {}
            }
        }
        let status = self.scheduler.status(self.now);
        for core in status.cores {
            let Some(job) = core.job else { continue };
            let runs = |of: &&Job| of.number == job.number && of.core() == Some(core.core);
            let key = self.scheduler.table().iter().find(runs).map(|job| job.key);
            if let Some(key) = key {
                let output = Outcome::Done(self.text());
                self.ends(core.core, key, output);
            }
        }
    }

    /// The job that a core runs ends with an output.
    pub(super) fn end_one(&mut self, core: u32) {
        let runs =
            |job: &&Job| matches!(job.state, JobState::Running { core: at, .. } if at == core);
        let job = self.scheduler.table().iter().find(runs);
        let key = job.expect("the core runs a job").key;
        let output = Outcome::Done(self.text());
        self.ends(core, key, output);
    }

    pub(super) fn ends(&mut self, core: u32, key: JobKey, outcome: Outcome) {
        let ended = Ended {
            key,
            outcome,
            ms: 1.0,
            fatal: false,
        };
        let report = Report {
            results: vec![ended],
            ..Report::default()
        };
        self.handle(Event::Report(core, report));
    }

    pub(super) fn answer_as(&mut self, tracker: Tracker) {
        let flights = std::mem::take(&mut self.flights);
        for TrackerRequest { id, wire, .. } in flights {
            let reply = match (tracker, &wire) {
                (Tracker::Gone, _) => Reply::Nothing,
                (Tracker::Refuses, _) => Reply::Status(400, Some(ErrorCode::InvalidRequest), None),
                (Tracker::Legacy, Wire::Sync(_)) => {
                    Reply::Status(404, Some(ErrorCode::WorkerUnknown), None)
                }
                (_, Wire::Register { .. }) => Reply::Hello {
                    syncs: tracker != Tracker::Legacy,
                    lease_ms: 300_000.0,
                    max_body: 1e6,
                },
                (_, Wire::Sync(sync)) => {
                    let done = sync.done.iter().map(|(lease, _)| lease);
                    let number = |lease: &String| lease.trim_end_matches("-lease").parse().ok();
                    Reply::Sync {
                        jobs: Vec::new(),
                        accepted: match tracker {
                            Tracker::Takes => done.filter_map(number).collect(),
                            _ => Vec::new(),
                        },
                        lost: Vec::new(),
                        wait_ms: 60_000.0,
                    }
                }
                (_, Wire::Validate { .. }) => Reply::Alive(true),
                _ => Reply::Plain,
            };
            self.reply(id, &reply);
        }
    }
}

pub(super) fn tracker() -> impl Strategy<Value = Tracker> {
    prop_oneof![
        Just(Tracker::Takes),
        Just(Tracker::Ignores),
        Just(Tracker::Legacy),
        Just(Tracker::Refuses),
        Just(Tracker::Gone),
    ]
}

pub(super) fn hello(syncs: bool, lease_ms: f64, max_body: f64) -> Hello {
    Hello {
        token: "secret".to_owned(),
        syncs,
        files: false,
        lease_ms,
        max_body,
        ..Hello::default()
    }
}

/// A hub that follows another one, in a browser that wants so many cores.
pub(super) fn successor(cores: u32, syncs: bool) -> Shell {
    let mut shell = Shell::new(Limits::default());
    shell.handle(Event::Settings(Settings {
        cores,
        intensity: 10,
        ..Settings::default()
    }));
    let registration = Registration {
        stage: Stage::A,
        nickname: "Pod 3".to_owned(),
        seq: 1,
        hello: hello(syncs, 300_000.0, 1e6),
    };
    let inherited = |core| Inherited {
        core,
        has_progress: false,
    };
    shell.handle(Event::Restored {
        registrations: vec![registration],
        jobs: Vec::new(),
        cores: (0..cores).map(inherited).collect(),
    });
    for core in 0..cores {
        shell.handle(Event::CoreHere(core));
    }
    shell
}

impl Shell {
    /// Answers all requests as a tracker that has jobs, and returns how many were asked for.
    pub(super) fn grant(&mut self, next: &mut u8) -> u32 {
        let mut wanted = 0;
        for TrackerRequest { id, wire, .. } in std::mem::take(&mut self.flights) {
            let reply = match wire {
                Wire::Register { .. } => Reply::Hello {
                    syncs: true,
                    lease_ms: 300_000.0,
                    max_body: 1e6,
                },
                Wire::Sync(sync) => {
                    wanted += sync.want;
                    let first = *next;
                    *next += sync.want as u8;
                    Reply::Sync {
                        jobs: (first..*next).map(|of| (of, 1)).collect(),
                        accepted: Vec::new(),
                        lost: Vec::new(),
                        wait_ms: 10_000.0,
                    }
                }
                _ => Reply::Plain,
            };
            self.reply(id, &reply);
        }
        wanted
    }

    pub(super) fn held(&self) -> usize {
        let table = self.scheduler.table();
        table.count(|job| job.outcome().is_none())
    }
}
