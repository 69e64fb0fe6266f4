//! A worker with a hub and handlers, in virtual time: single cases, random courses of events, and rules
//! that are broken on purpose.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::Stage;
use proptest::prelude::*;

use super::*;
use crate::core::throttle::STOP;
use crate::hub::jobs::Ticket;
use crate::message::ToCore;

#[derive(Debug, Clone, PartialEq)]
struct Plain;

impl Payload for Plain {
    type Text = String;
    type State = u32;
    type Slot = u32;
    type Files = ();
}

/// A rule of the worker that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    /// A new hub is not sent what was reported last.
    ForgetsWhatWasReported,
    /// What waited in the queue is still done after a takeover.
    KeepsTheQueue,
    /// What a stopped handler returns is handed in.
    HandsInWhatWasStopped,
    /// The driver is told of no deadline but those that have come.
    MissesDeadlines,
}

/// What a job's handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    Returns,
    Throws,
    Flags,
    /// Calls `progress` every 10 ms of work, for a while.
    Progresses,
    /// Returns a promise.
    Waits,
    /// Returns a promise, and waits in `ready`.
    WaitsForReady,
}

const HANDLERS: [Handler; 6] = [
    Handler::Returns,
    Handler::Throws,
    Handler::Flags,
    Handler::Progresses,
    Handler::Waits,
    Handler::WaitsForReady,
];

/// A worker and all that it needs.
struct Rig {
    worker: Worker<Plain>,
    now: f64,
    sabotage: Option<Sabotage>,
    /// The last key and number that a job was given.
    last: u32,
    handlers: BTreeMap<u64, Handler>,
    /// Signals that were not read yet.
    signals: Vec<u8>,
    slots: usize,
    /// What the hub of the moment was sent.
    inbox: Vec<FromCore<Plain>>,
    /// Jobs that were begun, how often, and those of them that were stopped.
    begun: BTreeMap<u64, u32>,
    stopped: BTreeSet<JobKey>,
    /// Jobs whose handlers have ended, and those of which a hub took note; the keys of all results.
    over: BTreeSet<JobKey>,
    noted: BTreeSet<JobKey>,
    keys: Vec<JobKey>,
    /// Keys that were withdrawn: recalled, stopped in the queue, or given by a hub that is gone.
    withdrawn: BTreeSet<JobKey>,
    given: BTreeMap<JobKey, Job<Plain>>,
    /// The worker is to be replaced.
    spent: bool,
    /// The job that was begun last.
    current: Option<JobKey>,
    resumed_at: Option<f64>,
    woken: bool,
}

impl Rig {
    fn new(sabotage: Option<Sabotage>) -> Self {
        let mut cx = Cx::new(1_000.0, 0.5);
        let worker = Worker::new(&mut cx);
        let mut rig = Self {
            worker,
            now: 1_000.0,
            sabotage,
            last: 0,
            handlers: BTreeMap::new(),
            signals: Vec::new(),
            slots: 0,
            inbox: Vec::new(),
            begun: BTreeMap::new(),
            stopped: BTreeSet::new(),
            over: BTreeSet::new(),
            noted: BTreeSet::new(),
            keys: Vec::new(),
            withdrawn: BTreeSet::new(),
            given: BTreeMap::new(),
            spent: false,
            current: None,
            resumed_at: None,
            woken: false,
        };
        rig.carry_out(cx.out);
        rig
    }

    fn tell(&mut self, event: Event<Plain>) {
        let mut cx = Cx::new(self.now, 0.5);
        self.worker.handle(&mut cx, event);
        self.carry_out(cx.out);
    }

    fn message(&mut self, message: ToCore<Plain>) {
        self.tell(Event::Message(message));
    }

    fn carry_out(&mut self, actions: Vec<Action<Plain>>) {
        for action in actions {
            match action {
                Action::Post(message) => self.post(message),
                Action::Watch(slots) => {
                    self.slots = slots.len();
                    self.signals.clear();
                }
                Action::Measure { late } => self.tell(Event::Measured {
                    late,
                    ms: 1.0,
                    nested: false,
                }),
                Action::SetUp => self.tell(Event::SetUp(Ok(()))),
                Action::Begin => self.begin(),
                Action::TakeOutput => {
                    let key = self.worker.running().expect("a job").key;
                    self.tell(Event::Output(Ok(format!("output {key}"))));
                }
                Action::Abort => {
                    let key = self.worker.running().expect("a job").key;
                    self.stopped.insert(key);
                }
                Action::Wake => self.woken = true,
                Action::Abandon => {
                    let key = self.current.expect("a job was begun");
                    self.over.insert(key);
                }
                Action::ReadSignals => {
                    let read = std::mem::take(&mut self.signals);
                    let left = self.slots;
                    self.tell(Event::Signals { read, left });
                }
                Action::Sleep(ms) => {
                    assert!(ms > 0.0);
                    self.now += ms;
                    self.tell(Event::Slept(true));
                }
                Action::Resume { until } => self.resumed_at = Some(until),
            }
        }
    }

    fn post(&mut self, message: FromCore<Plain>) {
        let mut message = message;
        match &mut message {
            FromCore::Handover { ended, .. }
                if self.sabotage == Some(Sabotage::ForgetsWhatWasReported) =>
            {
                ended.clear();
            }
            FromCore::Report(report) if self.sabotage == Some(Sabotage::HandsInWhatWasStopped) => {
                for ended in &mut report.results {
                    ended.outcome = Outcome::Done(String::new());
                }
            }
            _ => {}
        }
        if let FromCore::Report(report) = &message {
            for ended in &report.results {
                self.spent |= ended.fatal;
                if ended.outcome != Outcome::Released {
                    self.keys.push(ended.key);
                }
                let is_done = matches!(ended.outcome, Outcome::Done(_));
                assert!(
                    !(is_done && self.stopped.contains(&ended.key)),
                    "job {} was stopped and is handed in",
                    ended.key
                );
            }
        }
        if let FromCore::Recalled(keys) = &message {
            self.withdrawn.extend(keys);
        }
        self.inbox.push(message);
    }

    fn begin(&mut self) {
        let job = self.worker.running().expect("a job").clone();
        assert!(
            !self.withdrawn.contains(&job.key),
            "job {} was withdrawn and begins",
            job.key
        );
        assert!(
            !self.spent,
            "job {} begins in a worker that is spent",
            job.key
        );
        *self.begun.entry(job.number).or_default() += 1;
        let key = job.key;
        self.current = Some(key);
        match self.handlers[&job.number] {
            Handler::Returns => {
                self.now += f64::from(key % 4);
                self.end(Event::Returned(key));
            }
            Handler::Throws => self.end(threw(key)),
            Handler::Flags => {
                self.tell(Event::Flagged("not an image".to_owned()));
                self.end(threw(key));
            }
            Handler::Progresses => {
                for step in 0..key % 40 {
                    self.now += 10.0;
                    self.progress(f64::from(step));
                    if self.stopped.contains(&key) {
                        return self.end(threw(key));
                    }
                }
                self.end(Event::Returned(key));
            }
            Handler::Waits => self.tell(Event::Pending),
            Handler::WaitsForReady => {
                self.tell(Event::Pending);
                self.tell(Event::Ready);
            }
        }
    }

    fn progress(&mut self, done: f64) {
        if self.resumed_at.take().is_some_and(|until| self.now < until) {
            return;
        }
        self.tell(Event::Progress {
            done,
            total: 40.0,
            text: String::new(),
            nested: false,
        });
        assert!(self.resumed_at.is_some(), "the handler goes on");
    }

    /// The handler of the running job ends.
    fn end(&mut self, event: Event<Plain>) {
        let key = self.worker.running().expect("a job").key;
        self.over.insert(key);
        self.tell(event);
    }

    fn jobs(&mut self, handlers: &[Handler]) -> Vec<JobKey> {
        let mut jobs = Vec::new();
        for handler in handlers {
            self.last += 1;
            let number = u64::from(self.last);
            self.handlers.insert(number, *handler);
            let job = Job {
                key: self.last,
                number,
                attempt: 1,
                ticket: Ticket::Lease(format!("lease {number}")),
                stage: Stage::A,
                stage_name: "Scraper".to_owned(),
                input: Some("input".to_owned()),
                resume: None,
                files: None,
            };
            self.given.insert(job.key, job.clone());
            jobs.push(job);
        }
        let keys = jobs.iter().map(|job| job.key).collect();
        let project = "Tests".to_owned();
        self.message(ToCore::Jobs { project, jobs });
        keys
    }

    fn stop(&mut self, key: JobKey, signalled: bool) {
        let runs = self.worker.running().is_some_and(|job| job.key == key);
        if !runs {
            self.withdrawn.insert(key);
        }
        self.message(ToCore::Stop { key, signalled });
    }

    /// Delivers what is due within `ms`.
    fn advance(&mut self, ms: f64) {
        let end = self.now + ms;
        let (mut at, mut same) = (f64::NEG_INFINITY, 0);
        let missed = self.sabotage == Some(Sabotage::MissesDeadlines);
        while let Some(due) = self.worker.next_timeout().filter(|due| *due <= end) {
            if missed && due != self.now {
                break;
            }
            self.now = self.now.max(due);
            same = if self.now > at { 0 } else { same + 1 };
            assert!(same < 20, "a deadline at {due} does not pass");
            at = self.now;
            self.tell(Event::Tick);
            let left = self.worker.next_timeout().filter(|next| *next < at);
            assert_eq!(left, None, "a deadline before {at} is left");
        }
        self.now = self.now.max(end);
    }

    /// The hub takes note of what it was sent; the last report with results is lost where it dies first.
    fn note(&mut self, dies: bool) {
        let has_results = |message: &FromCore<Plain>| matches!(message, FromCore::Report(report) if !report.results.is_empty());
        let last = self.inbox.iter().rposition(has_results);
        let end = if dies {
            // Without a later report, what came when they met may be lost too.
            last.unwrap_or(0)
        } else {
            self.inbox.len()
        };
        for message in self.inbox.drain(..).take(end) {
            match message {
                FromCore::Report(report) => {
                    self.noted
                        .extend(report.results.iter().map(|ended| ended.key));
                }
                FromCore::Handover { ended, .. } => {
                    self.noted.extend(ended.iter().map(|(job, _)| job.key));
                }
                _ => {}
            }
        }
    }

    /// The hub dies, and another takes over.
    fn new_hub(&mut self) {
        self.note(true);
        let running = self.worker.running().map(|job| job.key);
        let queued: Vec<JobKey> = self.given.keys().copied().collect();
        let queued = queued
            .into_iter()
            .filter(|key| Some(*key) != running && !self.over.contains(key));
        let queued: Vec<JobKey> = queued.collect();
        self.withdrawn.extend(&queued);
        self.tell(Event::NewHub);
        if self.sabotage == Some(Sabotage::KeepsTheQueue) {
            let jobs = queued.iter().map(|key| self.given[key].clone()).collect();
            let project = String::new();
            self.message(ToCore::Jobs { project, jobs });
        }
    }

    /// Everything that runs ends, and what must hold then is checked.
    fn settle(&mut self) {
        self.signals.clear();
        self.message(ToCore::Intensity(FULL));
        for _ in 0..1_000 {
            self.advance(100.0);
            match self.worker.running().map(|job| job.key) {
                Some(key) => self.end(Event::Returned(key)),
                None if self.worker.queue.is_empty() || self.spent => break,
                None => {}
            }
        }
        self.advance(1_000.0);
        assert_eq!(self.worker.running(), None);
        self.note(false);
        for key in &self.over {
            // What was given back is in the storage of the hub.
            let noted = self.noted.contains(key) || self.stopped.contains(key);
            assert!(noted, "the result of job {key} is lost");
        }
        let keys: BTreeSet<JobKey> = self.keys.iter().copied().collect();
        assert_eq!(
            keys.len(),
            self.keys.len(),
            "reported twice: {:?}",
            self.keys
        );
        let twice = self.begun.iter().find(|(_, count)| **count > 1);
        assert_eq!(twice, None, "a job was begun twice");
        for (key, job) in &self.given {
            let begun = self.begun.contains_key(&job.number);
            assert!(
                begun || self.spent || self.withdrawn.contains(key),
                "job {key} is neither begun nor withdrawn"
            );
        }
    }
}

fn threw(key: JobKey) -> Event<Plain> {
    Event::Threw {
        key,
        message: "Error: no such shard".to_owned(),
        trap: false,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Jobs(Vec<usize>),
    Recall,
    Intensity(u8),
    StopRunning { signalled: bool },
    StopQueued,
    Signal(u8),
    NewHub,
    Advance(f64),
    Ends(u8),
    Uncaught,
    Progress,
    Checkpoint,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(0..HANDLERS.len(), 1..4).prop_map(Step::Jobs),
        1 => Just(Step::Recall),
        2 => (0_u8..=10).prop_map(Step::Intensity),
        2 => any::<bool>().prop_map(|signalled| Step::StopRunning { signalled }),
        1 => Just(Step::StopQueued),
        1 => (0_u8..=10).prop_map(Step::Signal),
        2 => Just(Step::NewHub),
        4 => (0.0..2_000.0).prop_map(Step::Advance),
        4 => (0_u8..3).prop_map(Step::Ends),
        1 => Just(Step::Uncaught),
        1 => Just(Step::Progress),
        1 => Just(Step::Checkpoint),
    ];
    prop::collection::vec(step, 1..60)
}

fn play(steps: &[Step], sabotage: Option<Sabotage>) {
    let mut rig = Rig::new(sabotage);
    for step in steps {
        let running = rig.worker.running().map(|job| job.key);
        match step {
            Step::Jobs(handlers) => {
                let handlers: Vec<Handler> = handlers.iter().map(|at| HANDLERS[*at]).collect();
                rig.jobs(&handlers);
            }
            Step::Recall => rig.message(ToCore::Recall),
            Step::Intensity(intensity) => rig.message(ToCore::Intensity(*intensity)),
            Step::StopRunning { signalled } => {
                if let Some(key) = running {
                    if *signalled {
                        rig.signals.push(STOP);
                    }
                    rig.stop(key, *signalled);
                }
            }
            Step::StopQueued => {
                let queued = rig.worker.queue.last().map(|job| job.key);
                if let Some(key) = queued {
                    rig.stop(key, false);
                }
            }
            Step::Signal(intensity) => rig.signals.push(*intensity),
            Step::NewHub => rig.new_hub(),
            Step::Advance(ms) => rig.advance(*ms),
            Step::Ends(how) => {
                if let Some(key) = running {
                    if *how == 2 {
                        rig.tell(Event::Flagged("not an image".to_owned()));
                    }
                    rig.end(if *how == 0 {
                        Event::Returned(key)
                    } else {
                        threw(key)
                    });
                }
            }
            Step::Uncaught => rig.tell(Event::Uncaught),
            Step::Progress => {
                if running.is_some() {
                    rig.resumed_at = None;
                    rig.progress(1.0);
                }
            }
            Step::Checkpoint => rig.tell(Event::Checkpoint(7)),
        }
        rig.advance(0.0);
    }
    rig.settle();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// No result is lost or reported twice across takeovers, no job is begun twice or after it was
    /// withdrawn, what was stopped is never handed in, and every deadline passes.
    #[test]
    fn each_job_is_begun_once_and_its_result_reaches_a_hub(steps in steps()) {
        play(&steps, None);
    }
}

/// A course of events that meets each of the rules.
fn course() -> Vec<Step> {
    vec![
        Step::Jobs(vec![0, 1]),
        Step::Advance(100.0),
        Step::NewHub,
        Step::Jobs(vec![4, 0]),
        Step::Advance(100.0),
        Step::NewHub,
        Step::StopRunning { signalled: false },
        Step::Ends(0),
        Step::Advance(100.0),
        Step::Intensity(2),
        Step::Jobs(vec![4, 4]),
        Step::Advance(500.0),
        Step::Ends(0),
        Step::Advance(500.0),
    ]
}

#[test]
fn rules_that_are_broken_on_purpose_are_noticed() {
    use std::panic::catch_unwind;
    play(&course(), None);
    for (sabotage, message) in [
        (Sabotage::ForgetsWhatWasReported, "is lost"),
        (Sabotage::KeepsTheQueue, "was withdrawn and begins"),
        (
            Sabotage::HandsInWhatWasStopped,
            "was stopped and is handed in",
        ),
        (Sabotage::MissesDeadlines, "is neither begun nor withdrawn"),
    ] {
        let result = catch_unwind(|| play(&course(), Some(sabotage)));
        let panic = result.expect_err("it is noticed");
        let said = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default();
        assert!(said.contains(message), "{sabotage:?}: {said}");
    }
}

impl Rig {
    fn results(&self) -> Vec<&Ended<Plain>> {
        let reports = self.inbox.iter().filter_map(|message| match message {
            FromCore::Report(report) => Some(&report.results),
            _ => None,
        });
        reports.flatten().collect()
    }

    fn up() -> Self {
        let rig = Self::new(None);
        assert_eq!(rig.inbox, [FromCore::Up]);
        rig
    }
}

#[test]
fn a_setup_that_failed_is_reported_to_each_hub_and_no_job_begins() {
    let mut cx: Cx<Plain> = Cx::new(0.0, 0.5);
    let mut worker = Worker::new(&mut cx);
    for left in (0..MEASURES).rev() {
        let mut cx = Cx::new(0.0, 0.5);
        let (late, ms, nested) = (None, 1.0, false);
        worker.handle(&mut cx, Event::Measured { late, ms, nested });
        let wanted = if left > 0 {
            Action::Measure { late: None }
        } else {
            Action::SetUp
        };
        assert_eq!(cx.out, [wanted]);
    }
    let why = "Error: no model".to_owned();
    let broken = Action::Post(FromCore::Broken(why.clone()));
    let mut cx = Cx::new(0.0, 0.5);
    worker.handle(&mut cx, Event::SetUp(Err(why)));
    assert_eq!(cx.out, vec![broken.clone()]);
    let mut cx = Cx::new(0.0, 0.5);
    worker.handle(&mut cx, Event::NewHub);
    assert!(cx.out.contains(&broken));
    assert_eq!(worker.next_timeout(), None);
}

#[test]
fn jobs_that_are_short_share_a_report() {
    let mut rig = Rig::up();
    rig.jobs(&[Handler::Returns; 300]);
    rig.advance(1_000.0);
    assert_eq!(rig.results().len(), 300);
    let reports = rig.inbox.len();
    assert!(reports < 150, "{reports} reports");
}

#[test]
fn a_beginning_is_reported_in_a_moment_while_a_handler_waits() {
    let mut rig = Rig::up();
    let keys = rig.jobs(&[Handler::Returns, Handler::Waits]);
    rig.advance(20.0);
    let begun = |message: &FromCore<Plain>| matches!(message, FromCore::Report(report) if report.started == Some(keys[1]));
    assert!(rig.inbox.iter().any(begun));
    assert_eq!(rig.results().len(), 1);
}

#[test]
fn input_that_claims_to_be_json_and_is_not_is_invalid() {
    let mut rig = Rig::up();
    rig.jobs(&[Handler::Waits]);
    rig.tell(Event::Unreadable("Unexpected end".to_owned()));
    rig.advance(1.0);
    let message = "the data says that it is JSON and is not: Unexpected end";
    let outcome = Outcome::Invalid(message.to_owned());
    assert_eq!(rig.results()[0].outcome, outcome);
}

#[test]
fn a_stop_by_signal_and_by_message_stops_one_job() {
    let mut rig = Rig::up();
    rig.message(ToCore::Signals((0..16).collect()));
    let keys = rig.jobs(&[Handler::Waits, Handler::Waits]);
    rig.advance(300.0);
    rig.signals.push(STOP);
    rig.progress(1.0);
    assert_eq!(rig.resumed_at, Some(f64::NEG_INFINITY));
    assert!(rig.stopped.contains(&keys[0]));
    rig.end(threw(keys[0]));
    let (key, signalled) = (keys[0], true);
    rig.message(ToCore::Stop { key, signalled });
    rig.advance(300.0);
    assert!(!rig.stopped.contains(&keys[1]));
    assert_eq!(rig.results()[0].outcome, Outcome::Released);
}

#[test]
fn a_handler_that_does_not_end_after_an_uncaught_stop_is_abandoned() {
    let mut rig = Rig::up();
    let keys = rig.jobs(&[Handler::Waits]);
    rig.tell(Event::Uncaught);
    rig.advance(1_000.0);
    assert!(rig.worker.running().is_some(), "nobody stopped it");
    rig.stop(keys[0], false);
    rig.tell(Event::Uncaught);
    rig.advance(END_MS - 1.0);
    assert!(rig.worker.running().is_some());
    rig.advance(2.0);
    assert_eq!(rig.worker.running(), None);
    let ended = rig.results()[0].clone();
    assert_eq!((ended.outcome, ended.fatal), (Outcome::Released, true));
    // It settles after all, which is nobody's result any more.
    rig.tell(Event::Returned(keys[0]));
    assert_eq!(rig.results().len(), 1);
}

#[test]
fn a_handler_that_waits_to_be_ready_goes_on_after_a_pause_or_a_stop() {
    for stops in [false, true] {
        let mut rig = Rig::up();
        rig.jobs(&[Handler::WaitsForReady]);
        assert!(rig.woken, "nothing is owed");
        rig.message(ToCore::Intensity(0));
        rig.woken = false;
        rig.tell(Event::Ready);
        rig.advance(10_000.0);
        assert!(!rig.woken);
        let rests = rig.inbox.iter().filter(|it| **it == FromCore::Rests);
        assert!((8..=11).contains(&rests.count()), "once a second");
        if stops {
            rig.stop(1, false);
        } else {
            rig.message(ToCore::Intensity(FULL));
        }
        assert!(rig.woken);
    }
}

#[test]
fn a_busy_handler_works_as_much_of_the_time_as_it_is_told() {
    let mut rig = Rig::up();
    rig.message(ToCore::Signals((0..16).collect()));
    rig.message(ToCore::Intensity(3));
    rig.jobs(&[Handler::Waits]);
    let (begun, mut worked) = (rig.now, 0.0);
    while rig.now - begun < 60_000.0 {
        rig.now += 7.0;
        worked += 7.0;
        rig.progress(worked);
    }
    let share = worked / (rig.now - begun);
    assert!((share - 0.3).abs() < 0.01, "{share}");
}

#[test]
fn what_a_new_hub_is_sent_is_sent_to_the_one_after_it_too() {
    let mut rig = Rig::up();
    let keys = rig.jobs(&[Handler::Waits, Handler::Waits]);
    rig.advance(100.0);
    rig.message(ToCore::Intensity(0));
    rig.end(Event::Returned(keys[0]));
    for _ in 0..3 {
        rig.inbox.clear();
        rig.tell(Event::NewHub);
        let FromCore::Handover { running, ended } = &rig.inbox[0] else {
            panic!("{:?}", rig.inbox[0]);
        };
        assert_eq!(*running, None);
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].0.input, None, "the hub has the inputs");
        assert_eq!(ended[0].1, Outcome::Done("output 1".to_owned()));
    }
}

#[test]
fn a_checkpoint_is_sent_at_once_and_after_what_came_before() {
    let mut rig = Rig::up();
    let keys = rig.jobs(&[Handler::Returns, Handler::Waits]);
    rig.tell(Event::Checkpoint(7));
    let FromCore::Report(last) = rig.inbox.last().expect("a report") else {
        panic!("{:?}", rig.inbox);
    };
    assert_eq!(last.checkpoint, Some((keys[1], 7)));
    assert_eq!(rig.results().len(), 1);
}

#[test]
fn nothing_begins_after_a_trap_and_each_hub_is_told_to_replace_the_worker() {
    let mut rig = Rig::up();
    let keys = rig.jobs(&[Handler::Waits, Handler::Returns]);
    let (key, message, trap) = (keys[0], "unreachable".to_owned(), true);
    rig.end(Event::Threw { key, message, trap });
    rig.advance(1_000.0);
    assert!(rig.worker.has(keys[1]) && rig.worker.running().is_none());
    for _ in 0..2 {
        assert!(rig.results().iter().any(|ended| ended.fatal));
        rig.inbox.clear();
        rig.tell(Event::NewHub);
    }
}
