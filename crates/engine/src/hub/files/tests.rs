//! Whatever the network, storage and the cores do with files: each is fetched once at a time, none is deleted that is
//! needed, no more is kept than there is room for, no result goes out before its files, and everything ends.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::ErrorCode;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::{Files, Way};
use crate::hub::action::{Action, Write};
use crate::hub::cx::Cx;
use crate::hub::file::{Fetched, FileEvent, Put, Record, Reference, Reply};
use crate::hub::file::{FileAction, UploadCall};
use crate::hub::jobs::{JobKey, JobState, JobTable, Outcome, Text, Ticket};
use crate::time::clock::Now;

const MB: f64 = 1e6;
const ROOM: f64 = 10.0 * MB;

/// A rule that is broken on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sabotage {
    FetchesTwice,
    DropsWhatIsNeeded,
    HandsInEarly,
    KeepsTooMuch,
}

/// What happens.
#[derive(Debug, Clone)]
enum Move {
    Pass(f64),
    /// A job comes that names these files.
    Job(Vec<u8>),
    /// One that is ready begins.
    Begin(Index),
    /// One that runs puts a file.
    Put(Index, u8),
    /// One that runs ends, and names these files of those that it may name; or others.
    End(Index, bool),
    /// One is settled, or lost.
    Settle(Index),
    /// Something that the driver does ends, well or somehow.
    Done(Index, Option<u8>),
}

/// Something that the driver does.
#[derive(Debug, Clone, PartialEq)]
enum Doing {
    Fetch(u32, String, f64),
    Open(String),
    Keep(String),
    Call(u32, UploadCall),
}

struct World {
    files: Files,
    table: JobTable,
    way: Way,
    now: Now,
    timer: Option<f64>,
    doing: Vec<Doing>,
    /// Texts by number: the files that they name.
    texts: BTreeMap<u32, Vec<u8>>,
    /// What each running job has put.
    put: BTreeMap<JobKey, BTreeSet<u8>>,
    /// Files of which the tracker has all parts, by ticket.
    sent: BTreeSet<(String, String)>,
    stored: BTreeMap<String, Vec<Record>>,
    answered: BTreeMap<u32, Option<String>>,
    asked: u32,
    last: u32,
    fetches: Vec<(String, f64)>,
    over: Vec<(JobKey, Outcome)>,
    sabotage: Option<Sabotage>,
}

fn name(file: u8) -> String {
    format!("sha256-{file:064}")
}

fn size(file: u8) -> f64 {
    [0.0, 1.0, 4.0 * MB, 4.5 * MB, 9.0 * MB, 11.0 * MB][usize::from(file) % 6]
}

impl World {
    fn new(sabotage: Option<Sabotage>) -> Self {
        let way = Way {
            token: Some("token".to_owned()),
            takes: true,
            away: false,
        };
        Self {
            files: Files::default(),
            table: JobTable::default(),
            way,
            now: Now::default(),
            timer: None,
            doing: Vec::new(),
            texts: BTreeMap::new(),
            put: BTreeMap::new(),
            sent: BTreeSet::new(),
            stored: BTreeMap::new(),
            answered: BTreeMap::new(),
            asked: 0,
            last: 0,
            fetches: Vec::new(),
            over: Vec::new(),
            sabotage,
        }
    }

    /// Names a text and tells of its files.
    fn text(&mut self, names: Vec<u8>, with_url: bool) -> Text {
        self.last += 1;
        let id = self.last;
        let refs = names.iter().map(|file| Reference {
            name: name(*file),
            bytes: size(*file),
            url: if with_url {
                format!("http://t/{file}")
            } else {
                String::new()
            },
        });
        let refs: Vec<Reference> = refs.collect();
        self.texts.insert(id, names);
        if !refs.is_empty() {
            self.handle(FileEvent::Named { text: id, refs });
        }
        Text { id, bytes: 10 }
    }

    fn job(&mut self, names: Vec<u8>) -> JobKey {
        let input = self.text(names, true);
        self.last += 1;
        let ticket = Ticket::Lease(format!("{}-secret", self.last));
        let key = self.table.add(0, 7, 1, ticket, Some(input));
        self.pump();
        key
    }

    fn keys(&self, which: impl Fn(&JobState) -> bool) -> Vec<JobKey> {
        self.table.keys(|job| which(&job.state))
    }

    fn begin(&mut self, key: JobKey) {
        let since = self.now;
        let job = self.table.get_mut(key).expect("a job");
        job.state = JobState::Running { core: 0, since };
        self.pump();
    }

    fn puts(&mut self, key: JobKey, file: u8) -> u32 {
        self.asked += 1;
        let id = self.asked;
        self.put.entry(key).or_default().insert(file);
        self.handle(FileEvent::Put(Put {
            core: 0,
            id,
            key,
            name: name(file),
            bytes: size(file),
            kind: None,
        }));
        self.pump();
        id
    }

    fn end(&mut self, key: JobKey, names: Vec<u8>) {
        let output = self.text(names, false);
        self.table.end(key, Outcome::Done(output), self.now);
        self.pump();
    }

    fn settle(&mut self, key: JobKey) {
        self.table.remove(key);
        for text in std::mem::take(&mut self.table.freed) {
            self.files.forget(text.id);
            self.texts.remove(&text.id);
        }
        self.pump();
    }

    fn handle(&mut self, event: FileEvent) {
        let mut cx = Cx::new(self.now, 0.5);
        let ways = [self.way.clone()];
        self.files.handle(&mut cx, event, &self.table, &ways);
        self.act(cx.out);
    }

    fn pump(&mut self) {
        for _ in 0..2 {
            let mut cx = Cx::new(self.now, 0.5);
            let ways = [self.way.clone()];
            let over = self.files.pump(&mut cx, &mut self.table, &ways);
            self.timer = cx.next_timeout(self.now).map(|due| due.left_ms(self.now));
            self.act(cx.out);
            for (key, outcome) in over {
                self.over.push((key, outcome.clone()));
                if self
                    .table
                    .get(key)
                    .is_some_and(|job| job.outcome().is_some())
                {
                    self.table.remove(key);
                } else {
                    self.table.end(key, outcome, self.now);
                }
            }
        }
        self.check();
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            let action = match action {
                Action::File(action) => action,
                Action::Store(Write::Uploads(ticket, records)) => {
                    self.stored.insert(ticket, records);
                    continue;
                }
                other => panic!("{other:?}"),
            };
            match action {
                FileAction::Measure => {
                    let bytes = if self.sabotage == Some(Sabotage::KeepsTooMuch) {
                        2.0 * ROOM
                    } else {
                        ROOM
                    };
                    self.handle(FileEvent::Room {
                        bytes,
                        durable: true,
                        kept: Vec::new(),
                    });
                }
                FileAction::Open { name, .. } => self.doing.push(Doing::Open(name)),
                FileAction::Fetch {
                    id, name, bytes, ..
                } => {
                    let twice = self.sabotage == Some(Sabotage::FetchesTwice);
                    self.fetches.push((name.clone(), self.now.mono));
                    for _ in 0..=usize::from(twice) {
                        let is_same =
                            |doing: &Doing| matches!(doing, Doing::Fetch(_, of, _) if *of == name);
                        assert!(!self.doing.iter().any(is_same), "{name} is fetched twice");
                        self.doing.push(Doing::Fetch(id, name.clone(), bytes));
                    }
                }
                FileAction::Leave(name) => {
                    self.doing
                        .retain(|doing| !matches!(doing, Doing::Fetch(_, of, _) if *of == name));
                }
                FileAction::Keep { name, .. } => self.doing.push(Doing::Keep(name)),
                FileAction::Close(name) => self.refuse_if_needed(&name),
                FileAction::Drop { name, .. } => self.refuse_if_needed(&name),
                FileAction::Answer { put, refused, .. } => {
                    assert_eq!(self.answered.insert(put, refused), None, "answered twice");
                }
                FileAction::Call { id, call, .. } => self.doing.push(Doing::Call(id, call)),
                FileAction::Cancel(id) => {
                    let is_it = |doing: &Doing| matches!(doing, Doing::Call(of, _) if *of == id);
                    assert!(self.doing.iter().any(is_it), "nothing is cancelled");
                }
            }
        }
    }

    /// The files that jobs here run with, and those that are sent.
    fn needed(&self) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        for job in self.table.iter().filter(|job| job.core().is_some()) {
            let named = job.input.and_then(|text| self.texts.get(&text.id));
            needed.extend(named.into_iter().flatten().map(|file| name(*file)));
        }
        for (ticket, records) in &self.stored {
            let open =
                |record: &&Record| !self.sent.contains(&(ticket.clone(), record.name.clone()));
            if self.table.by_ticket(ticket).is_some() && self.sabotage.is_none() {
                let upload = |record: &&Record| {
                    self.files
                        .upload(ticket, &record.name)
                        .is_some_and(super::Upload::is_open)
                };
                let open = records.iter().filter(open).filter(upload);
                needed.extend(open.map(|record| record.name.clone()));
            }
        }
        needed
    }

    fn refuse_if_needed(&self, name: &str) {
        let mut needed = self.needed();
        if self.sabotage == Some(Sabotage::DropsWhatIsNeeded) {
            needed.insert(name.to_owned());
        }
        assert!(!needed.contains(name), "{name} is let go of and needed");
    }

    fn check(&self) {
        let here: f64 = self
            .files
            .files
            .iter()
            .filter(|file| file.state != super::State::Absent)
            .map(|file| file.bytes)
            .sum();
        assert!(here <= ROOM, "{here} bytes are kept");
        let calls = self
            .doing
            .iter()
            .filter(|doing| matches!(doing, Doing::Call(..)));
        assert!(calls.count() <= 3, "too many calls");
        let fetches = self
            .doing
            .iter()
            .filter(|doing| matches!(doing, Doing::Fetch(..)));
        assert!(fetches.count() <= 2, "too many files are fetched");
        for job in self.table.iter() {
            let Some(Outcome::Done(text)) = job.outcome() else {
                continue;
            };
            let goes = job.is_unsent() || self.sabotage == Some(Sabotage::HandsInEarly);
            for file in self.texts.get(&text.id).into_iter().flatten() {
                let sent = self.sent.contains(&(job.name(), name(*file)));
                let named = job.input.and_then(|text| self.texts.get(&text.id));
                let named = named.is_some_and(|named| named.contains(file));
                assert!(!goes || sent || named, "a result goes before its file");
            }
        }
        assert!(
            self.timer.is_none_or(|left| left > 0.0),
            "due at once, for ever"
        );
    }

    /// Something that the driver does ends: well, or as `how` says.
    fn done(&mut self, at: usize, how: Option<u8>) {
        match (self.doing.remove(at), how) {
            (Doing::Open(name), how) => self.handle(FileEvent::Opened(name, how.is_none())),
            (Doing::Keep(name), how) => self.handle(FileEvent::Kept(name, how.is_none())),
            (Doing::Fetch(id, name, bytes), how) => {
                let end = match how.map(|how| how % 8) {
                    None => Fetched::Whole { durable: true },
                    Some(0) => Fetched::Damaged,
                    Some(1) => Fetched::Full,
                    Some(2) => Fetched::Whole { durable: false },
                    Some(3) => Fetched::Refused {
                        status: 404,
                        retry_after_ms: None,
                    },
                    Some(4) => Fetched::Refused {
                        status: 503,
                        retry_after_ms: Some(90_000),
                    },
                    Some(5) => {
                        self.handle(FileEvent::Moved(name.clone(), bytes / 2.0));
                        Fetched::Broken
                    }
                    Some(_) => Fetched::Broken,
                };
                self.handle(FileEvent::Fetched(id, name, end));
            }
            (Doing::Call(id, call), None) => {
                let reply = self.good(&call);
                self.handle(FileEvent::Replied(id, reply));
            }
            (Doing::Call(id, call), Some(how)) => {
                let refused = |status, code| Reply::Refused {
                    status,
                    code,
                    retry_after_ms: None,
                    text: "no".to_owned(),
                };
                let reply = match how % 11 {
                    0 => Reply::NotReached("no".to_owned()),
                    1 => refused(503, Some(ErrorCode::Unavailable)),
                    2 => refused(410, Some(ErrorCode::UploadExpired)),
                    3 => refused(409, Some(ErrorCode::UploadIncomplete)),
                    4 => refused(409, Some(ErrorCode::UploadWrongHash)),
                    5 => refused(507, Some(ErrorCode::FilesFull)),
                    6 => refused(403, None),
                    7 => Reply::Checking(1_000),
                    9 => refused(507, Some(ErrorCode::StoreFull)),
                    8 => Reply::Parts {
                        begun: Some(("x".to_owned(), -1.0)),
                        stored: vec![7, u32::MAX],
                        parts: vec![(u32::MAX, String::new())],
                    },
                    _ => match self.good(&call) {
                        // It has worked, and its answer is lost.
                        Reply::Stored => Reply::NotReached("lost".to_owned()),
                        other => other,
                    },
                };
                self.handle(FileEvent::Replied(id, reply));
            }
        }
        self.pump();
    }

    /// What a tracker answers that does what it should.
    fn good(&mut self, call: &UploadCall) -> Reply {
        match call {
            UploadCall::Begin { bytes, .. } => Reply::Parts {
                begun: Some(("upload".to_owned(), MB)),
                stored: Vec::new(),
                parts: addresses(*bytes, 0),
            },
            UploadCall::Parts { lease, from, .. } => {
                let records = self.stored.get(lease).cloned().unwrap_or_default();
                let bytes = records.iter().map(|of| of.bytes).fold(0.0, f64::max);
                Reply::Parts {
                    begun: None,
                    stored: Vec::new(),
                    parts: addresses(bytes, *from),
                }
            }
            UploadCall::Put { .. } => Reply::Stored,
            UploadCall::Finish { lease, sha256, .. } => {
                let name = format!("sha256-{sha256}");
                self.sent.insert((lease.clone(), name));
                Reply::Stored
            }
        }
    }

    fn pass(&mut self, ms: f64) {
        // Timers of browsers count whole milliseconds.
        let ms = ms.ceil();
        self.now.mono += ms;
        self.now.wall += ms;
        self.pump();
    }

    fn play(&mut self, step: &Move) {
        match step {
            Move::Pass(ms) => self.pass(*ms),
            Move::Job(names) => {
                let names: BTreeSet<u8> = names.iter().copied().collect();
                self.job(names.into_iter().collect());
            }
            Move::Begin(which) => {
                let ready = self
                    .table
                    .keys(|job| job.state == JobState::Ahead && self.files.are_ready(job));
                if !ready.is_empty() {
                    self.begin(*which.get(&ready));
                }
            }
            Move::Put(which, file) => {
                let running = self.keys(|state| matches!(state, JobState::Running { .. }));
                if !running.is_empty() {
                    self.puts(*which.get(&running), *file);
                }
            }
            Move::End(which, honest) => {
                let running = self.keys(|state| matches!(state, JobState::Running { .. }));
                if running.is_empty() {
                    return;
                }
                let key = *which.get(&running);
                let put = self.put.get(&key).cloned().unwrap_or_default();
                let names = if *honest {
                    put.into_iter().collect()
                } else {
                    vec![3, 4]
                };
                self.end(key, names);
            }
            Move::Settle(which) => {
                let all = self.keys(|_| true);
                if !all.is_empty() {
                    self.settle(*which.get(&all));
                }
            }
            Move::Done(which, how) => {
                if !self.doing.is_empty() {
                    self.done(which.index(self.doing.len()), *how);
                }
            }
        }
    }

    /// From now on all goes well. Whether everything ends.
    fn calm(&mut self) {
        for _ in 0..3_000 {
            if !self.doing.is_empty() {
                self.done(0, None);
                continue;
            }
            let ready = self
                .table
                .keys(|job| job.state == JobState::Ahead && self.files.are_ready(job));
            if let Some(key) = ready.first() {
                self.begin(*key);
                continue;
            }
            let running = self.keys(|state| matches!(state, JobState::Running { .. }));
            if let Some(key) = running.first() {
                let put = self.put.get(key).cloned().unwrap_or_default();
                self.end(*key, put.into_iter().collect());
                continue;
            }
            let done = self.table.keys(|job| job.outcome().is_some() && !job.held);
            if let Some(key) = done.first() {
                self.settle(*key);
                continue;
            }
            if self.keys(|_| true).is_empty() {
                return;
            }
            let left = self.timer.expect("nothing is due, and jobs wait");
            self.pass(left);
        }
        panic!("it does not end: {:?}", self.table);
    }
}

fn addresses(bytes: f64, from: u32) -> Vec<(u32, String)> {
    let count = (bytes / MB).ceil().max(1.0) as u32;
    let last = count.min(from + 4);
    (from..last)
        .map(|part| (part, format!("http://t/{part}")))
        .collect()
}

fn steps() -> impl Strategy<Value = Vec<Move>> {
    let which = any::<Index>;
    let step = prop_oneof![
        2 => prop_oneof![0.0..2_000.0, 0.0..400_000.0].prop_map(Move::Pass),
        3 => prop::collection::vec(0_u8..6, 0..4).prop_map(Move::Job),
        3 => which().prop_map(Move::Begin),
        3 => (which(), 0_u8..6).prop_map(|(which, file)| Move::Put(which, file)),
        2 => (which(), prop::bool::weighted(0.9)).prop_map(|(which, honest)| Move::End(which, honest)),
        1 => which().prop_map(Move::Settle),
        12 => (which(), prop::option::weighted(0.4, any::<u8>())).prop_map(|(which, how)| Move::Done(which, how)),
    ];
    prop::collection::vec(step, 0..80)
}

fn run(steps: &[Move], sabotage: Option<Sabotage>) {
    let mut world = World::new(sabotage);
    for step in steps {
        world.play(step);
    }
    world.calm();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_come_once_stay_while_needed_and_go_before_their_results(steps in steps()) {
        run(&steps, None);
    }
}

#[test]
fn a_broken_rule_is_noticed() {
    for sabotage in [
        Sabotage::FetchesTwice,
        Sabotage::DropsWhatIsNeeded,
        Sabotage::HandsInEarly,
        Sabotage::KeepsTooMuch,
    ] {
        let config = ProptestConfig {
            cases: 200,
            failure_persistence: None,
            max_shrink_iters: 0,
            ..ProptestConfig::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let result = runner.run(&steps(), |steps| {
            run(&steps, Some(sabotage));
            Ok(())
        });
        std::panic::set_hook(hook);
        assert!(result.is_err(), "{sabotage:?} passes");
    }
}

/// Fetches that fail again and again.
fn failing(how: u8) -> (Vec<f64>, Vec<(JobKey, Outcome)>) {
    let mut world = World::new(None);
    world.job(vec![2]);
    for _ in 0..200 {
        if world.doing.is_empty() {
            match world.timer {
                Some(left) if world.over.is_empty() => world.pass(left),
                _ => break,
            }
        } else {
            world.done(0, Some(how));
        }
    }
    let at: Vec<f64> = world.fetches.iter().map(|(_, at)| *at).collect();
    let waits = at.windows(2).map(|two| two[1] - two[0]).collect();
    (waits, world.over)
}

#[test]
fn a_fetch_that_fails_is_repeated_after_growing_waits_and_then_its_job_is_given_back() {
    let (waits, over) = failing(7);
    assert_eq!(waits.len(), 8);
    assert!(waits.windows(2).all(|two| two[1] > two[0]), "{waits:?}");
    let all: f64 = waits.iter().sum();
    assert!(
        (120_000.0..600_000.0).contains(&all),
        "a minute without a network must pass: {all}"
    );
    assert!(matches!(over[..], [(_, Outcome::Released)]), "{over:?}");
}

#[test]
fn nothing_is_given_up_while_the_tracker_is_away_and_all_goes_on_at_once_when_it_is_back() {
    let mut world = World::new(None);
    world.way.away = true;
    world.job(vec![2]);
    for _ in 0..40 {
        if world.doing.is_empty() {
            let left = world.timer.expect("another attempt");
            world.pass(left);
        } else {
            world.done(0, Some(7));
        }
    }
    assert!(world.over.is_empty(), "{:?}", world.over);
    if !world.doing.is_empty() {
        world.done(0, Some(7));
    }
    world.way.away = false;
    world.pump();
    assert!(matches!(world.doing[..], [Doing::Fetch(..)]));
}

#[test]
fn a_server_says_how_long_to_wait() {
    let (waits, _) = failing(4);
    assert!(waits.iter().all(|wait| *wait >= 90_000.0), "{waits:?}");
}

#[test]
fn a_file_with_another_hash_is_fetched_once_more_and_then_fails_its_job() {
    let (waits, over) = failing(0);
    assert_eq!(waits.len(), 1);
    let [(_, Outcome::Failed(why))] = &over[..] else {
        panic!("{over:?}");
    };
    assert!(why.starts_with("file_damaged: "), "{why}");
}

#[test]
fn an_address_that_never_worked_fails_its_job_and_an_old_one_gives_it_back() {
    let (waits, over) = failing(3);
    assert_eq!(waits.len(), 0);
    assert!(matches!(&over[..], [(_, Outcome::Failed(why))] if why.starts_with("file_unknown: ")));

    let mut world = World::new(None);
    world.way.away = true;
    world.job(vec![2]);
    world.now.mono += 3e6;
    world.now.wall += 3e6;
    world.done(0, Some(3));
    assert!(
        matches!(world.over[..], [(_, Outcome::Released)]),
        "{:?}",
        world.over
    );
}

#[test]
fn storage_that_fails_leaves_the_memory() {
    let (waits, over) = failing(1);
    // The second attempt is told to use the memory; what a driver says of that is its affair.
    assert!(waits.len() > 3 && over.is_empty());
    let mut world = World::new(None);
    world.job(vec![2]);
    world.done(0, Some(1));
    world.pass(1_000.0);
    let no_disk = world
        .files
        .no_disk
        .is_some_and(|until| !until.is_over(world.now));
    assert!(no_disk);
    world.done(0, Some(2));
    assert!(world.keys(|state| *state == JobState::Ahead).len() == 1);
}

#[test]
fn two_jobs_share_a_file_and_one_that_fits_nowhere_fails() {
    let mut world = World::new(None);
    world.job(vec![2]);
    world.job(vec![2, 3]);
    world.job(vec![5]);
    assert_eq!(world.doing.len(), 2);
    assert!(
        matches!(&world.over[..], [(_, Outcome::Failed(why))] if why.starts_with("file_no_room: "))
    );
    world.done(0, None);
    world.done(0, None);
    let ready = world.table.keys(|job| world.files.are_ready(job));
    assert_eq!((ready.len(), world.fetches.len()), (2, 2));
}

#[test]
fn a_tracker_that_takes_no_files_refuses_what_is_put() {
    let mut world = World::new(None);
    world.way.takes = false;
    let key = world.job(Vec::new());
    world.begin(key);
    let id = world.puts(key, 2);
    let refused = world.answered[&id].clone().expect("a refusal");
    assert!(refused.starts_with("files_not_supported: "), "{refused}");
}

#[test]
fn a_result_waits_for_its_files_and_a_lost_lease_ends_their_uploads() {
    let mut world = World::new(None);
    let key = world.job(Vec::new());
    world.begin(key);
    let id = world.puts(key, 3);
    world.done(0, None);
    assert_eq!(world.answered[&id], None);
    world.end(key, vec![3]);
    assert!(
        world
            .table
            .get(key)
            .is_some_and(|job| job.held && !job.is_unsent())
    );
    assert!(world.files.status().sending == 1);
    let ticket = world.table.get(key).expect("a job").name();
    world.settle(key);
    assert!(matches!(world.doing[..], [Doing::Call(..)]));
    world.done(0, Some(0));
    world.pass(100_000.0);
    assert!(world.doing.is_empty() && world.files.uploads.is_empty());
    assert_eq!(world.stored[&ticket], []);
}

#[test]
fn an_upload_goes_on_after_a_reload_with_what_is_missing() {
    let mut world = World::new(None);
    let record = Record {
        ticket: "1-secret".to_owned(),
        name: name(2),
        bytes: size(2),
        kind: None,
        begun: Some(("upload".to_owned(), MB)),
        done: false,
    };
    world.handle(FileEvent::Uploads(vec![record]));
    let output = world.text(vec![2], false);
    let ticket = Ticket::Lease("1-secret".to_owned());
    let key = world.table.add(0, 7, 1, ticket, None);
    world.table.end(key, Outcome::Done(output), world.now);
    world.handle(FileEvent::Room {
        bytes: ROOM,
        durable: true,
        kept: vec![(name(2), size(2))],
    });
    world.pump();
    assert_eq!(world.doing, [Doing::Open(name(2))]);
    world.done(0, None);
    let [Doing::Call(id, UploadCall::Parts { from: 0, .. })] = world.doing[..] else {
        panic!("{:?}", world.doing);
    };
    world.doing.clear();
    world.handle(FileEvent::Replied(
        id,
        Reply::Parts {
            begun: None,
            stored: vec![0, 2],
            parts: vec![(1, "http://t/1".to_owned()), (3, "http://t/3".to_owned())],
        },
    ));
    world.pump();
    let sent = world.doing.iter().map(|doing| match doing {
        Doing::Call(_, UploadCall::Put { from, to, .. }) => (*from, *to),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        sent.collect::<Vec<_>>(),
        [(MB, 2.0 * MB), (3.0 * MB, 4.0 * MB)]
    );
    world.calm();
}

#[test]
fn a_file_that_the_browser_has_deleted_gives_its_job_back() {
    let mut world = World::new(None);
    let record = Record {
        ticket: "1-secret".to_owned(),
        name: name(2),
        bytes: size(2),
        kind: None,
        begun: None,
        done: false,
    };
    world.handle(FileEvent::Uploads(vec![record]));
    let output = world.text(vec![2], false);
    let ticket = Ticket::Lease("1-secret".to_owned());
    let key = world.table.add(0, 7, 1, ticket, None);
    world.table.end(key, Outcome::Done(output), world.now);
    world.pump();
    world.pass(1.0);
    assert!(
        matches!(world.over[..], [(_, Outcome::Released)]),
        "{:?}",
        world.over
    );
}

#[test]
fn calls_that_fail_end_after_growing_waits_and_only_where_the_tracker_is_there() {
    for (how, away, code) in [
        (1, false, "unavailable"),
        (0, false, "unreachable"),
        (0, true, ""),
        // Its store is full: for as long as it takes.
        (9, false, ""),
    ] {
        let mut world = World::new(None);
        let key = world.job(Vec::new());
        world.begin(key);
        world.puts(key, 2);
        world.done(0, None);
        world.end(key, vec![2]);
        let mut waits = Vec::new();
        for _ in 0..200 {
            if !world.over.is_empty() {
                break;
            }
            if world.doing.is_empty() {
                // The hub looks again when the tracker has answered.
                world.way.away = false;
                world.pump();
                let Some(left) = world.timer.filter(|_| world.doing.is_empty()) else {
                    continue;
                };
                waits.push(left);
                world.pass(left);
            } else {
                world.way.away = away;
                world.done(0, Some(how));
            }
        }
        let growing = waits.windows(2).all(|two| two[1] >= two[0] || two[0] < 2.0);
        assert!(
            growing && waits.iter().all(|wait| *wait <= 300_000.0),
            "{waits:?}"
        );
        if code.is_empty() {
            assert!(world.over.is_empty(), "{:?}", world.over);
            // What waited for a tracker that was away goes on at once.
            assert!(away || waits.len() > 40, "{waits:?}");
        } else {
            assert!(waits.len() < 30, "{waits:?}");
            let [(_, Outcome::Failed(why))] = &world.over[..] else {
                panic!("{:?}", world.over);
            };
            assert!(why.starts_with(code), "{why}");
        }
    }
}

#[test]
fn no_more_files_of_an_input_count_than_a_text_may_name() {
    let mut world = World::new(None);
    let refs = (0..20_000_u32).map(|file| Reference {
        name: format!("sha256-{:064}", u64::from(file.wrapping_mul(2_654_435_761))),
        bytes: 1.0,
        url: "http://t/".to_owned(),
    });
    world.last += 1;
    let id = world.last;
    world.handle(FileEvent::Named {
        text: id,
        refs: refs.collect(),
    });
    let ticket = Ticket::Lease("1-secret".to_owned());
    world
        .table
        .add(0, 7, 1, ticket, Some(Text { id, bytes: 10 }));
    world.pump();
    while !world.doing.is_empty() && world.fetches.len() < 20 {
        world.done(0, None);
    }
    assert_eq!(world.files.status().fetching as usize, 4_096 - 19 + 1);
}
