//! Anything that storage, the page, the cores and a tracker may say to a hub's rules, in any order:
//! they must neither panic nor lose a text, and what they say must make sense.

use std::collections::BTreeSet;

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{
    Action, Got, Granted, Hello, Outgoing, Parsed, Registration, Synced, Wire,
};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Ended, Event, Inherited, Progress, Report, Stored};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::{Job, JobState, Key, Outcome, Text, Ticket};
use distcompute_engine::reason::Reason;
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::{ErrorCode, Stage};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::cases;

/// Which of the things that there are: mostly one of them, now and then one that there is not.
type Which = prop::sample::Index;

#[derive(Debug, Clone)]
enum Move {
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
    Met(u32, Option<(Which, Lease)>),
    Made(Lease, u8),
    Late(Vec<(Lease, Option<u8>)>),
    Answered(Which, Reply),
    Settings(u32, u8),
    Around(bool, Option<bool>, i32),
    Pause(Option<f64>),
    Resume,
    Stop(bool),
}

/// One of few leases, so that they meet again.
#[derive(Debug, Clone, Copy)]
struct Lease(u8, bool);

impl Lease {
    fn ticket(self) -> Ticket {
        let text = format!("{}-lease", self.0);
        if self.1 {
            Ticket::Lease(text)
        } else {
            Ticket::Token(text)
        }
    }
}

#[derive(Debug, Clone)]
enum Reply {
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

fn core() -> impl Strategy<Value = u32> {
    prop_oneof![20 => 0_u32..4, 1 => 0_u32..1_024]
}

fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..1e6, 1 => 0.0..1e300]
}

fn lease() -> impl Strategy<Value = Lease> {
    (0_u8..12, prop::bool::weighted(0.8)).prop_map(|(of, syncs)| Lease(of, syncs))
}

fn reply() -> impl Strategy<Value = Reply> {
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

fn step() -> impl Strategy<Value = Move> {
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
        1 => (core(), prop::option::of((which(), lease()))).prop_map(|(core, job)| Move::Met(core, job)),
        1 => (lease(), 0_u8..4).prop_map(|(lease, kind)| Move::Made(lease, kind)),
        1 => prop::collection::vec((lease(), prop::option::of(0_u8..3)), 0..3).prop_map(Move::Late),
        12 => (which(), reply()).prop_map(|(which, reply)| Move::Answered(which, reply)),
        1 => (1_u32..=1_024, 1_u8..=10).prop_map(|(cores, level)| Move::Settings(cores, level)),
        1 => (any::<bool>(), any::<Option<bool>>(), any::<i32>()).prop_map(|(a, b, c)| Move::Around(a, b, c)),
        1 => prop::option::of(amount()).prop_map(Move::Pause),
        2 => Just(Move::Resume),
        1 => prop::bool::weighted(0.7).prop_map(Move::Stop),
    ]
}

/// The hub's shell, as far as the rules need one.
struct Shell {
    scheduler: Scheduler,
    now: Now,
    /// Whether it has stopped.
    over: bool,
    /// The texts that it keeps.
    texts: BTreeSet<u32>,
    last: u32,
    /// Requests that are under way.
    flights: Vec<Outgoing>,
    /// Keys that some core was given.
    keys: Vec<Key>,
    /// What the page and the cores have been told and have not done yet.
    told: Vec<Action>,
    /// All requests so far.
    sent: Vec<Wire>,
    sabotage: Option<Sabotage>,
}

/// A rule that is broken on purpose between the hub and its shell, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sabotage {
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
    fn new(limits: Limits) -> Self {
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
            sabotage: None,
        }
    }

    fn text(&mut self) -> Text {
        self.last += 1;
        self.texts.insert(self.last);
        Text {
            id: self.last,
            bytes: 100,
        }
    }

    fn key(&self, which: Which) -> Key {
        // One in seventeen is nobody's.
        let odd = which.index(17) == 0 || self.keys.is_empty();
        if odd {
            which.index(1 << 20) as Key
        } else {
            self.keys[which.index(self.keys.len())]
        }
    }

    fn outcome(&mut self, kind: u8) -> Outcome {
        match kind {
            0 => Outcome::Done(self.text()),
            1 => Outcome::Failed("no".to_owned()),
            2 => Outcome::Invalid("no".to_owned()),
            _ => Outcome::Released,
        }
    }

    fn stored(&mut self, lease: Lease, kind: Option<u8>) -> Stored {
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

    fn handle(&mut self, event: Event) {
        let mut cx = Cx::new(self.now, 0.5);
        self.scheduler.handle(&mut cx, event);
        for action in self.tamper(cx.out) {
            match action {
                Action::Send(outgoing) => {
                    if let Wire::Sync(sync) = &outgoing.wire {
                        assert!(
                            sync.done
                                .iter()
                                .all(|(_, text)| self.texts.contains(&text.id))
                        );
                        let names: BTreeSet<_> = sync.done.iter().map(|(lease, _)| lease).collect();
                        assert!(sync.holding.iter().all(|lease| !names.contains(lease)));
                    }
                    self.sent.push(outgoing.wire.clone());
                    self.flights.push(outgoing);
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
                Action::Level { level, .. } => assert!(level <= 10),
                Action::Stopped => self.over = true,
                Action::Cores(cores) => assert!(cores <= 1_024, "{cores} workers"),
                Action::StopJob { .. } | Action::Replace { .. } => self.told.push(action),
                _ => {}
            }
        }
        self.check();
    }

    fn tamper(&self, mut actions: Vec<Action>) -> Vec<Action> {
        let of = |sabotage| self.sabotage == Some(sabotage);
        actions.retain(|action| match action {
            Action::Free(_) => !of(Sabotage::KeepTexts),
            Action::Stopped => !of(Sabotage::NeverOver),
            _ => true,
        });
        for action in &mut actions {
            match action {
                Action::Give { core, .. } if of(Sabotage::GiveTwice) => *core += 1,
                Action::Send(Outgoing {
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

    fn check(&self) {
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

    fn answer(&mut self, which: Which, reply: &Reply) {
        if self.flights.is_empty() {
            return;
        }
        let Outgoing { id, wire, .. } = self.flights.swap_remove(which.index(self.flights.len()));
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

    fn reply(&mut self, id: u32, reply: &Reply) {
        let answer = |status| Answer {
            status,
            ..Answer::default()
        };
        let fine = |parsed| Got::Answered(answer(200), parsed);
        let got = match reply.clone() {
            Reply::Nothing => Got::NotReached("no".to_owned()),
            Reply::Late => Got::TimedOut,
            Reply::Status(status, code, retry_after_ms) => {
                let answer = Answer {
                    code,
                    retry_after_ms,
                    ..answer(status)
                };
                Got::Answered(answer, Parsed::Nothing)
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
                Got::Answered(
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
                Got::Answered(
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

    fn go(&mut self, step: &Move) {
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
            Move::Met(core, job) => {
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
enum Tracker {
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
    fn carry_out(&mut self) {
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

    fn ends(&mut self, core: u32, key: Key, outcome: Outcome) {
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

    fn answer_as(&mut self, tracker: Tracker) {
        let flights = std::mem::take(&mut self.flights);
        for Outgoing { id, wire, .. } in flights {
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

fn tracker() -> impl Strategy<Value = Tracker> {
    prop_oneof![
        Just(Tracker::Takes),
        Just(Tracker::Ignores),
        Just(Tracker::Legacy),
        Just(Tracker::Refuses),
        Just(Tracker::Gone),
    ]
}

fn hello(syncs: bool, lease_ms: f64, max_body: f64) -> Hello {
    Hello {
        token: "secret".to_owned(),
        syncs,
        lease_ms,
        max_body,
        ..Hello::default()
    }
}

/// All that is said to a hub.
#[derive(Debug, Clone)]
struct Storm {
    kept: Vec<(Lease, Option<u8>)>,
    registration: Option<(bool, f64, u64)>,
    cores: Vec<(u32, bool)>,
    limits: Option<(f64, f64, f64)>,
    steps: Vec<Move>,
    /// How many of these happen before storage has answered.
    early: usize,
    tracker: Tracker,
}

fn storms() -> impl Strategy<Value = Storm> {
    (
        prop::collection::vec((lease(), prop::option::of(0_u8..3)), 0..4),
        prop::option::of((any::<bool>(), any::<f64>(), 0_u64..1 << 53)),
        prop::collection::vec((core(), any::<bool>()), 0..4),
        prop::option::of((1.0..1e6, 1.0..1e6, 1.0..1e5)),
        prop::collection::vec(step(), 0..60),
        prop_oneof![3 => Just(0), 1 => 0_usize..6],
        tracker(),
    )
        .prop_map(
            |(kept, registration, cores, limits, steps, early, tracker)| Storm {
                kept,
                registration,
                cores,
                limits,
                steps,
                early,
                tracker,
            },
        )
}

/// Whether the hub ends in the end.
fn weather(storm: Storm, sabotage: Option<Sabotage>) -> Shell {
    let limits = storm
        .limits
        .map_or(Limits::default(), |(job, stall, interval)| Limits {
            job_timeout_ms: Some(job),
            stall_ms: stall,
            progress_interval_ms: interval,
            ..Limits::default()
        });
    let mut shell = Shell::new(limits);
    shell.sabotage = sabotage;
    let kept = storm.kept.into_iter();
    let jobs = kept
        .map(|(lease, kind)| shell.stored(lease, kind))
        .collect();
    let cores = storm.cores.into_iter();
    let registration = storm
        .registration
        .map(|(syncs, lease_ms, seq)| Registration {
            stage: Stage::A,
            nickname: "Pod 3".to_owned(),
            seq,
            hello: hello(syncs, lease_ms, 1e6),
        });
    let early = storm.early.min(storm.steps.len());
    let (early, steps) = storm.steps.split_at(early);
    for step in early {
        shell.go(step);
    }
    shell.handle(Event::Restored {
        registrations: registration.into_iter().collect(),
        jobs,
        cores: cores
            .map(|(core, told)| Inherited {
                core,
                has_progress: told,
            })
            .collect(),
    });
    for step in steps {
        shell.go(step);
    }
    // However it came to this, a stop ends once the cores have done what they were told.
    shell.go(&Move::Stop(true));
    for _ in 0..300 {
        if shell.over {
            break;
        }
        shell.carry_out();
        shell.answer_as(storm.tracker);
        shell.go(&Move::Pass(1_000.0));
    }
    shell
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn a_hub_bears_anything_that_is_said_to_it_and_ends_when_it_is_to_finish(storm in storms()) {
        let shell = weather(storm, None);
        prop_assert!(shell.over, "{:?}", shell.scheduler);
    }
}

#[test]
fn a_broken_rule_is_noticed() {
    for sabotage in [
        Sabotage::KeepTexts,
        Sabotage::GiveTwice,
        Sabotage::HoldWhatIsDone,
        Sabotage::NeverOver,
    ] {
        let config = ProptestConfig {
            max_shrink_iters: 0,
            ..cases(2_000)
        };
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let noticed = runner.run(&storms(), |storm| {
            let shell = weather(storm, Some(sabotage));
            prop_assert!(shell.over, "it does not end");
            Ok(())
        });
        assert!(noticed.is_err(), "nobody notices {sabotage:?}");
    }
}

#[test]
fn a_result_under_a_lease_holds_nobody_up_where_the_tracker_knows_leases_no_longer() {
    let mut shell = Shell::new(Limits::default());
    let jobs = vec![shell.stored(Lease(1, true), Some(0))];
    shell.handle(Event::Restored {
        registrations: Vec::new(),
        jobs,
        cores: Vec::new(),
    });
    shell.go(&Move::Stop(true));
    let old = Reply::Hello {
        syncs: false,
        lease_ms: 300_000.0,
        max_body: 1e6,
    };
    for _ in 0..60 {
        while let Some(Outgoing { id, wire, .. }) = shell.flights.pop() {
            let reply = match wire {
                Wire::Register { .. } => &old,
                _ => &Reply::Plain,
            };
            shell.reply(id, reply);
        }
        shell.go(&Move::Pass(1_000.0));
    }
    assert!(shell.over, "{:?}", shell.scheduler.status(shell.now));
}

/// A hub that follows another one, in a browser that wants so many cores.
fn successor(cores: u32, syncs: bool) -> Shell {
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
    fn grant(&mut self, next: &mut u8) -> u32 {
        let mut wanted = 0;
        for Outgoing { id, wire, .. } in std::mem::take(&mut self.flights) {
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

    fn held(&self) -> usize {
        let table = self.scheduler.table();
        table.count(|job| job.outcome().is_none())
    }
}

proptest! {
    #![proptest_config(cases(50))]

    #[test]
    fn nothing_is_fetched_for_cores_that_stay_silent_to_their_new_hub(
        report in prop::collection::vec(any::<bool>(), 1..4),
        waits in prop::collection::vec(500.0..5_000.0, 60),
    ) {
        let mut shell = successor(report.len() as u32, true);
        let mut next = 0;
        for (core, _) in report.iter().enumerate().filter(|(_, reports)| **reports) {
            shell.handle(Event::Resumed(core as u32, None));
            shell.handle(Event::CoreUp(core as u32));
        }
        let began = shell.now.mono;
        let mut waits = waits.into_iter().cycle();
        while shell.now.mono - began < 125_000.0 {
            shell.grant(&mut next);
            shell.go(&Move::Pass(waits.next().unwrap_or(1_000.0)));
        }
        let reporting = report.iter().filter(|reports| **reports).count();
        for _ in 0..20 {
            let wanted = shell.grant(&mut next);
            prop_assert_eq!(wanted, 0, "jobs for cores that are silent");
            shell.go(&Move::Pass(5_000.0));
        }
        if reporting == 0 {
            prop_assert_eq!(shell.held(), 0, "they were fetched for nobody");
        }
        // What they do is theirs again as soon as they report.
        for core in 0..report.len() as u32 {
            shell.handle(Event::Resumed(core, None));
            shell.handle(Event::CoreUp(core));
        }
        for _ in 0..3 {
            shell.grant(&mut next);
            shell.go(&Move::Pass(4_000.0));
        }
        prop_assert_eq!(shell.held(), report.len());
    }
}

#[test]
fn a_registration_that_a_silent_core_may_work_for_asks_for_no_other_job() {
    let mut shell = successor(2, false);
    shell.handle(Event::Resumed(1, None));
    shell.handle(Event::CoreUp(1));
    // Its token has had a job before, whose result was not delivered.
    let before = shell.stored(Lease(9, false), Some(0));
    shell.handle(Event::EndedBefore(before));
    let asks = |shell: &Shell| {
        let inherited = |wire: &&Wire| matches!(wire, Wire::NewJob { token } if token == "9-lease");
        shell.sent.iter().filter(inherited).count()
    };
    let step = |shell: &mut Shell| {
        shell.answer_as(Tracker::Legacy);
        shell.go(&Move::Pass(1_000.0));
    };
    for _ in 0..60 {
        step(&mut shell);
    }
    let handed_in = |wire: &Wire| matches!(wire, Wire::Complete { .. });
    assert!(shell.sent.iter().any(handed_in));
    assert_eq!(asks(&shell), 0, "{:?}", shell.sent);
    let others = |wire: &Wire| matches!(wire, Wire::NewJob { .. });
    assert!(shell.sent.iter().any(others), "others may ask");
    shell.handle(Event::Resumed(0, None));
    shell.handle(Event::CoreUp(0));
    for _ in 0..60 {
        step(&mut shell);
    }
    assert!(asks(&shell) > 0, "it is free now");
}

#[test]
fn what_was_fetched_for_the_last_able_core_goes_back_at_once_when_that_core_goes() {
    let mut shell = successor(2, true);
    for core in 0..2 {
        shell.handle(Event::Resumed(core, None));
    }
    shell.handle(Event::CoreBroken(0, "no kernel".to_owned()));
    shell.handle(Event::CoreUp(1));
    let granted = Reply::Sync {
        jobs: vec![(1, 1), (2, 1)],
        accepted: Vec::new(),
        lost: Vec::new(),
        wait_ms: 60_000.0,
    };
    for Outgoing { id, wire, .. } in std::mem::take(&mut shell.flights) {
        assert!(matches!(wire, Wire::Sync(_)));
        shell.reply(id, &granted);
    }
    let mut next = 3;
    shell.grant(&mut next);
    let sent = shell.sent.len();
    // The core ends when its job does; the other job is nobody's.
    shell.go(&Move::Settings(1, 10));
    let released = shell.sent[sent..].iter().filter_map(|wire| match wire {
        Wire::Sync(sync) => Some(sync.released.clone()),
        _ => None,
    });
    assert_eq!(released.collect::<Vec<_>>(), [["2-lease"]]);
}

#[test]
fn a_job_waits_for_no_core_that_works_on_another_one() {
    let mut shell = successor(1, true);
    // A core that two hubs were in reach of: what it does now counts.
    for (of, key) in [(1, 5), (2, 6)] {
        let stored = shell.stored(Lease(of, true), None);
        shell.handle(Event::Resumed(0, Some((key, stored))));
    }
    let runs = |job: &Job| matches!(job.state, JobState::Running { core: 0, .. });
    let table = shell.scheduler.table();
    assert_eq!(table.keys(runs), [6]);
    shell.go(&Move::Stop(true));
    for _ in 0..10 {
        shell.carry_out();
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(1_000.0));
    }
    assert!(shell.over);
}

fn restored(kept: &[(Lease, Option<u8>)]) -> Shell {
    let mut shell = Shell::new(Limits::default());
    let kept = kept.iter();
    let jobs = kept
        .map(|(lease, kind)| shell.stored(*lease, *kind))
        .collect();
    shell.handle(Event::Restored {
        registrations: Vec::new(),
        jobs,
        cores: Vec::new(),
    });
    shell
}

#[test]
fn a_stored_job_whose_outcome_is_stored_too_has_ended_whichever_comes_first() {
    let (job, outcome) = ((Lease(1, true), None), (Lease(1, true), Some(0)));
    for kept in [[job, outcome], [outcome, job]] {
        let shell = restored(&kept);
        let jobs = shell.scheduler.table().iter();
        let ended: Vec<_> = jobs.map(|job| job.outcome().is_some()).collect();
        assert_eq!(ended, [true]);
    }
    let alone = restored(&[job]);
    let mut jobs = alone.scheduler.table().iter();
    assert!(jobs.all(|job| job.resumable && job.state == JobState::Ahead));
}

#[test]
fn results_that_come_late_from_storage_are_handed_in_and_jobs_are_not_begun() {
    let mut shell = restored(&[]);
    let kept = [(Lease(1, true), None), (Lease(2, true), Some(0))];
    let jobs = kept.map(|(lease, kind)| shell.stored(lease, kind)).to_vec();
    shell.handle(Event::RestoredLate(jobs));
    let numbers = |shell: &Shell| {
        let jobs = shell.scheduler.table().iter();
        jobs.map(|job| job.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&shell), [3]);
    for _ in 0..10 {
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(1_000.0));
    }
    let syncs = shell.sent.iter().filter_map(|wire| match wire {
        Wire::Sync(sync) => Some(sync.done.iter().map(|(lease, _)| lease.clone())),
        _ => None,
    });
    assert_eq!(syncs.flatten().collect::<Vec<_>>(), ["2-lease"]);
    assert_eq!(numbers(&shell), Vec::<u64>::new());
}

#[test]
fn what_happens_before_storage_has_answered_is_done_afterwards() {
    let mut shell = Shell::new(Limits::default());
    let wall = shell.now.wall;
    shell.go(&Move::Here(0));
    shell.go(&Move::Up(0));
    shell.go(&Move::Pause(Some(10_000.0)));
    shell.go(&Move::Pass(4_000.0));
    assert!(shell.sent.is_empty());
    shell.handle(Event::Restored {
        registrations: Vec::new(),
        jobs: Vec::new(),
        cores: Vec::new(),
    });
    // The length of a pause counts from when it was asked for.
    let status = shell.scheduler.status(shell.now);
    let until = Some(wall + 10_000.0);
    assert_eq!(status.reason, Reason::Paused { until });
    assert_eq!(status.cores.len(), 1);
}

#[test]
fn the_checkpoint_of_a_job_moves_along_when_a_core_knows_it_by_another_key() {
    let mut shell = restored(&[(Lease(1, true), None)]);
    let from = shell.scheduler.table().iter().next().map(|job| job.key);
    let task = shell.stored(Lease(1, true), None);
    let mut cx = Cx::new(shell.now, 0.5);
    shell
        .scheduler
        .handle(&mut cx, Event::Resumed(0, Some((77, task))));
    let rekeyed = cx.out.iter().find_map(|action| match action {
        Action::Rekey { from, to } => Some((*from, *to)),
        _ => None,
    });
    assert_eq!(rekeyed, from.map(|from| (from, 77)));
}
