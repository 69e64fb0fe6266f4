//! Volunteers some of whom lie, at the real ledger and its tables, without network and client: what counts in the end,
//! and whether the books of opinions balance after everything that can happen to them.

mod books;
mod person;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::{Arc, atomic::AtomicU32},
};

use distcompute_protocol::{Invalid, Stage, SyncRequest};
use distcompute_tracker::{
    clock::ManualClock,
    ledger::{LATE_BYTES, Rules},
    rules::trust::{Policy, Trust},
    store::{NewWorker, ProvenKey, RequeueFilter, Store},
};
use tokio::runtime::Runtime;

use self::{
    books::Books,
    person::{Person, Work},
    writer::Interrupted,
};
use crate::{
    random::Rng,
    tables::{Place, Tables},
    trust::{Liar, Outcome, RIGHT, Scenario},
};

/// A time in November 2026.
const EPOCH: i64 = 1_795_564_800_000;

/// How long a round takes.
const ROUND_MS: i64 = 10_000;

const LEASE_MS: i64 = 300_000;

/// Longer projects are considered hung.
const MOST_ROUNDS: usize = 20_000;

/// What may happen besides honest and dishonest work.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mishaps {
    /// How often a volunteer's sync, or its answer, is lost, a lease lapses, a job fails or is given back.
    pub rate: f64,
    /// How often in a round the operator does something, or the application gets a new version.
    pub operator: f64,
}

/// A project at the real ledger.
pub struct World {
    scenario: Scenario,
    mishaps: Mishaps,
    stages: usize,
    runtime: Rc<Runtime>,
    tables: Tables,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    random: Rng,
    version: u32,
    /// Counts down to a transaction that is broken off.
    breaks: Arc<AtomicU32>,
    people: Vec<Person>,
    own: Option<Person>,
    comers: usize,
    budget: f64,
    /// The outputs that were handed in for a job at a stage.
    said: BTreeMap<(i64, usize), Vec<u32>>,
    executions: usize,
    by_operator: usize,
    books: Books,
}

impl World {
    pub fn new(scenario: &Scenario, stages: usize, mishaps: Mishaps, place: &Place) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let runtime = Rc::new(runtime);
        let tables = Tables::open(place, &runtime);
        let clock = Arc::new(ManualClock::new(EPOCH));
        let breaks = Arc::<AtomicU32>::default();
        let rules = rules(scenario, stages, 0);
        let between = Interrupted::new(rules, scenario.seed, &breaks);
        let store = runtime
            .block_on(tables.store(clock.clone(), between))
            .expect("a store");
        let inputs: Vec<String> = (1..=scenario.jobs).map(|n| format!("in {n}")).collect();
        runtime.block_on(store.add_jobs(&inputs)).expect("jobs");
        let mut world = Self {
            scenario: scenario.clone(),
            mishaps,
            stages,
            runtime,
            tables,
            store,
            clock,
            random: Rng::new(scenario.seed ^ 0x707e),
            version: 0,
            breaks,
            people: Vec::new(),
            own: None,
            comers: 0,
            budget: 0.0,
            said: BTreeMap::new(),
            executions: 0,
            by_operator: 0,
            books: Books::default(),
        };
        if scenario.operator > 0.0 {
            world.own = Some(Person::new("own".to_owned(), None, u32::MAX));
        }
        let liars = (scenario.share * scenario.volunteers as f64).round() as usize;
        for at in 0..scenario.volunteers {
            let left = 1 + world.below(scenario.jobs_each as usize) as u32;
            let comer = world.comer(at < liars, left);
            world.people.push(comer);
        }
        world
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random.next_f64() * end as f64) as usize
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.next_f64() < share
    }

    fn comer(&mut self, lies: bool, left: u32) -> Person {
        let kinds = &self.scenario.liars;
        let nth = self.people.iter().filter(|one| one.liar.is_some()).count() + self.comers;
        let liar = lies.then(|| kinds[nth % kinds.len()]);
        self.comers += 1;
        Person::new(format!("v{}", self.comers), liar, left)
    }

    /// Runs the project to its end.
    pub fn run(&mut self) -> Outcome {
        let mut rounds = 0;
        while !self.is_finished() {
            rounds += 1;
            assert!(
                rounds < MOST_ROUNDS,
                "the project never ends: {:?}",
                self.runtime.block_on(self.store.status())
            );
            self.round(rounds);
        }
        self.sweep();
        self.check();
        self.outcome()
    }

    fn is_finished(&self) -> bool {
        let status = self
            .runtime
            .block_on(self.store.status())
            .expect("a status");
        let aside: u64 = status.stages.iter().map(|stage| stage.aside).sum();
        status.closed + aside == status.jobs
    }

    /// Everybody executes as many jobs as its speed is, in a random order.
    fn round(&mut self, round: usize) {
        let mut order: Vec<usize> = Vec::new();
        for (at, one) in self.people.iter().enumerate() {
            let speed = one.liar.map_or(1, Liar::speed);
            order.extend(std::iter::repeat_n(at, speed));
        }
        for last in (1..order.len()).rev() {
            let other = self.below(last + 1);
            order.swap(last, other);
        }
        let pause = ROUND_MS / i64::try_from(order.len().max(1)).unwrap_or(1);
        for at in order {
            self.clock.advance(pause.max(1));
            self.turn(at);
        }
        self.budget += self.scenario.operator;
        while self.budget >= 1.0 && self.operate() {
            self.budget -= 1.0;
        }
        self.budget = self.budget.min(1.0);
        if self.mishaps.operator > 0.0 {
            self.intervene();
        }
        self.sweep();
        let often = if self.mishaps.rate > 0.0 { 2 } else { 64 };
        if round.is_multiple_of(often) {
            self.check();
        }
    }

    fn sweep(&mut self) {
        let trust = rules(&self.scenario, self.stages, self.version).trust;
        let store = Arc::clone(&self.store);
        self.runtime.block_on(async {
            while matches!(store.end_leases(LEASE_MS).await, Ok(1..)) {}
            while matches!(store.drop_missed(10 * LEASE_MS).await, Ok(1..)) {}
            while matches!(store.recall(128).await, Ok(1..)) {}
            while matches!(store.reconsider(trust).await, Ok(1..)) {}
        });
    }

    /// A volunteer's turn: it hands in what it did and asks for the next job.
    fn turn(&mut self, at: usize) {
        let mut person = self.people[at].clone();
        let lies = person.liar.is_some();
        let worked = self.work(&mut person);
        if worked {
            self.executions += 1;
            person.left -= 1;
        }
        let leaves = person.liar.is_some_and(|liar| liar.leaves(person.done));
        let is_held = lies && self.is_on_hold(&person.key);
        if person.left == 0 || is_held || leaves {
            // It hands in what it has done, and is followed by somebody of the same kind.
            self.exchange(&mut person, 0);
            person = self.comer(lies, self.scenario.jobs_each);
        }
        self.people[at] = person;
    }

    fn is_on_hold(&self, key: &str) -> bool {
        let which = distcompute_tracker::store::Which::Volunteer(format!("k:{key}"));
        let rows = self
            .runtime
            .block_on(self.store.trusted(&which))
            .expect("rows");
        rows.iter().any(|row| row.on_hold)
    }

    /// Executes the jobs that a volunteer holds, hands the outputs in, and takes another job. Returns whether it had any.
    fn work(&mut self, person: &mut Person) -> bool {
        if person.held().next().is_none() {
            self.exchange(person, 1);
        }
        let held: Vec<_> = person.held().cloned().collect();
        for job in &held {
            let work = self.execute(person, job.number, job.stage, &job.input);
            person.finish(&job.lease, work);
        }
        if !held.is_empty() {
            let delivers = !self.chance(self.mishaps.rate);
            if delivers {
                self.exchange(person, 0);
            } else if self.chance(0.3) {
                // It falls silent for longer than its leases last.
                self.clock.advance(LEASE_MS + 1_000);
                self.sweep();
            }
        }
        !held.is_empty()
    }

    fn execute(&mut self, person: &mut Person, number: i64, stage: Stage, input: &str) -> Work {
        let key = (number, stage.index());
        let others = self.said.get(&key).cloned().unwrap_or_default();
        person.done += 1;
        if self.chance(self.mishaps.rate / 2.0) {
            return if self.chance(0.5) {
                Work::Failed
            } else {
                Work::Released
            };
        }
        if person.liar == Some(Liar::Flagger) && stage != Stage::A {
            return Work::Flagged;
        }
        // Honest volunteers notice some inputs that are no outputs of the stage before.
        if person.liar.is_none() && input.starts_with("lie") && self.chance(0.5) {
            return Work::Flagged;
        }
        let done = person.done - 1;
        let is_check = !others.is_empty();
        let output = person.liar.map_or(RIGHT, |liar| {
            liar.output(done, &others, is_check, &mut self.random)
        });
        self.said.entry(key).or_default().push(output);
        Work::Done(if output == RIGHT {
            format!("{input} {stage}")
        } else {
            format!("lie {output} {number} {stage}")
        })
    }

    /// The operator's worker executes a job, if there is one for it.
    fn operate(&mut self) -> bool {
        let Some(mut own) = self.own.take() else {
            return false;
        };
        let worked = self.work(&mut own);
        self.own = Some(own);
        self.executions += usize::from(worked);
        self.by_operator += usize::from(worked);
        worked
    }

    /// Syncs the registrations of a volunteer. It asks at one of them, from the last stage on.
    fn exchange(&mut self, person: &mut Person, want: u32) {
        let mut want = want;
        for at in (0..self.stages).rev() {
            let stage = Stage::ALL[at];
            if want == 0 && !person.has_news(at) {
                continue;
            }
            self.register(person, stage);
            self.clock.advance(1);
            let mut request = person.request(at);
            request.want = want;
            let (loses_request, loses_answer) = (
                self.chance(self.mishaps.rate / 2.0),
                self.chance(self.mishaps.rate / 2.0),
            );
            if loses_request {
                continue;
            }
            if self.chance(self.mishaps.rate / 4.0) {
                self.breaks.store(1, std::sync::atomic::Ordering::SeqCst);
            }
            let repeats = self.chance(self.mishaps.rate);
            let answers = 1 + usize::from(repeats);
            for _ in 0..answers {
                let reply = self.runtime.block_on(self.store.sync(request.clone()));
                let Ok(reply) = reply else {
                    person.lose(at);
                    break;
                };
                if loses_answer {
                    break;
                }
                want -= u32::from(want > 0 && !reply.granted.is_empty());
                person.hear(at, reply);
            }
            if loses_answer {
                return;
            }
        }
    }

    fn register(&mut self, person: &mut Person, stage: Stage) {
        let at = stage.index();
        let known = person.token(at).map(str::to_owned);
        let store = Arc::clone(&self.store);
        let is_known = known.is_some_and(|token| {
            let knows = self.runtime.block_on(store.knows(&token));
            knows.unwrap_or(true)
        });
        if is_known {
            return;
        }
        let token = format!("{:032x}", self.random.next_u64());
        let worker = NewWorker {
            browser: String::new(),
            token: token.clone(),
            display_name: token.clone(),
            nickname: person.key.clone(),
            address: "192.0.2.1".to_owned(),
            proven: Some(ProvenKey {
                thumbprint: person.key.clone(),
                nonce: token.clone(),
                expires_at: EPOCH * 2,
            }),
            stage,
        };
        if self.runtime.block_on(self.store.register(worker)).is_ok() {
            person.enrol(at, token);
        }
    }

    /// Something that the operator does, or that happens to the tracker.
    fn intervene(&mut self) {
        if !self.chance(self.mishaps.operator) {
            return;
        }
        let store = Arc::clone(&self.store);
        let jobs = self.scenario.jobs;
        let number = 1 + self.below(jobs) as u64;
        match self.below(6) {
            0 => {
                let filter = RequeueFilter {
                    numbers: vec![number],
                    to: Some(Stage::A),
                    ..RequeueFilter::default()
                };
                let _ = self.runtime.block_on(store.requeue(&filter));
            }
            1 => {
                let at = self.below(self.people.len());
                let volunteer = format!("k:{}", self.people[at].key);
                let filter = RequeueFilter {
                    volunteer: Some(volunteer.clone()),
                    ..RequeueFilter::default()
                };
                let _ = self.runtime.block_on(store.hold(&volunteer, true));
                let _ = self.runtime.block_on(store.requeue(&filter));
                let _ = self.runtime.block_on(store.hold(&volunteer, false));
            }
            2 => {
                let _ = self
                    .runtime
                    .block_on(store.requeue(&RequeueFilter::default()));
            }
            3 => {
                let at = self.below(self.people.len());
                let volunteer = format!("k:{}", self.people[at].key);
                let _ = self.runtime.block_on(store.hold(&volunteer, true));
                self.sweep();
                let _ = self.runtime.block_on(store.hold(&volunteer, false));
            }
            _ => {
                self.version += u32::from(self.chance(0.5));
                self.restart();
            }
        }
    }

    fn restart(&mut self) {
        self.runtime.block_on(self.store.close());
        let rules = rules(&self.scenario, self.stages, self.version);
        let seed = self.random.next_u64();
        let between = Interrupted::new(rules, seed, &self.breaks);
        let opening = self.tables.store(self.clock.clone(), between);
        self.store = self.runtime.block_on(opening).expect("a store");
    }

    fn check(&mut self) {
        self.books.check(&self.tables, self.stages);
    }

    fn outcome(&mut self) -> Outcome {
        let share = |count: usize| count as f64 / self.scenario.jobs as f64;
        let last = Stage::ALL[self.stages - 1];
        let results = self
            .runtime
            .block_on(self.store.results(last, 0, u32::MAX))
            .expect("results");
        let right = |number: u64| {
            let stages = Stage::ALL[..self.stages].iter();
            let made = stages.map(|stage| format!(" {stage}")).collect::<String>();
            format!("in {number}{made}")
        };
        let wrong = results
            .iter()
            .filter(|result| result.data != right(result.number));
        let status = self
            .runtime
            .block_on(self.store.status())
            .expect("a status");
        let aside: u64 = status.stages.iter().map(|stage| stage.aside).sum();
        let honest: BTreeSet<&str> = self
            .people
            .iter()
            .filter(|person| person.liar.is_none())
            .map(|person| person.key.as_str())
            .collect();
        let on_hold = honest.iter().filter(|key| self.is_on_hold(key)).count();
        Outcome {
            wrong: share(wrong.count()),
            executions: share(self.executions),
            by_operator: share(self.by_operator),
            set_aside: share(aside as usize),
            honest_on_hold: on_hold,
            unfinished: 0,
        }
    }
}

/// The rules of a tracker, with a version of the application.
fn rules(scenario: &Scenario, stages: usize, version: u32) -> Rules {
    let mut policies = [Policy::Off; 5];
    policies[..stages].fill(scenario.policy);
    let operators: &'static [String] = if scenario.operator > 0.0 {
        vec!["k:own".to_owned()].leak()
    } else {
        &[]
    };
    Rules {
        last_stage: Stage::ALL[stages - 1],
        invalid_after: 2,
        max_attempts: 50,
        pause_after: 0,
        slow_failing: false,
        lease_s: 300,
        late_bytes: LATE_BYTES,
        trust: Trust {
            policies,
            operators,
            version: format!("{version}").leak(),
            // What the model knows nothing of.
            audits_per_minute: if stages > 1 { 12 } else { 0 },
        },
    }
}

/// A flag in a request.
fn flag(lease: &str) -> Invalid {
    Invalid {
        lease: lease.to_owned(),
        reason: "it looks odd".to_owned(),
    }
}

/// A request of a registration.
fn request_of(token: &str, seq: u64) -> SyncRequest {
    SyncRequest {
        token: token.to_owned(),
        seq,
        cores: Some(1),
        ..SyncRequest::default()
    }
}
