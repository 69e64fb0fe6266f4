//! Property: the store stays consistent under any interleaving of what clients and the network do.
//! Answers to syncs are lost, syncs are doubled or delayed past later ones, two hubs sync with one
//! token, results arrive after another worker has finished the job; all mixed with calls of the
//! first protocol, while leases expire and workers vanish. If trackers share a database, each step
//! goes to one of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use distcompute_protocol::{Done, ErrorCode, Failed, Invalid, RejectedWhy, Stage, SyncRequest};
use distcompute_tracker::store::{RequeueFilter, Store, StoreError, StoreRules, SyncReply};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use super::{Given, RULES, all, check_counters};

const JOBS: usize = 5;
const CLIENTS: usize = 4;
const LEASE_MS: i64 = 300_000;
const IDLE_MS: i64 = 7_200_000;

/// What happens to a sync in the network.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    AnswerLost,
    Doubled,
    Delayed,
}

#[derive(Debug, Clone)]
enum Step {
    Sync {
        client: usize,
        fate: Fate,
        done: usize,
        failed: bool,
        released: bool,
        invalid: bool,
        forgets: bool,
        want: u32,
    },
    DelayedArrives,
    HandsInLate {
        client: usize,
        which: Index,
        /// Whether to include results that were accepted before.
        any: bool,
    },
    Claim {
        client: usize,
    },
    Complete {
        client: usize,
    },
    Flag {
        client: usize,
    },
    Leave {
        client: usize,
    },
    Rejoin {
        client: usize,
    },
    Wait {
        ms: i64,
    },
    Sweep,
    Requeue,
}

/// The last stage: if there is only one stage, a result closes its job.
fn last_stage() -> impl Strategy<Value = Stage> {
    prop_oneof![Just(Stage::B), Just(Stage::A)]
}

/// Steps, each with the tracker that it goes to.
fn steps() -> impl Strategy<Value = Vec<(Index, Step)>> {
    let client = 0..CLIENTS;
    let fate = prop_oneof![
        4 => Just(Fate::Arrives),
        2 => Just(Fate::AnswerLost),
        1 => Just(Fate::Doubled),
        1 => Just(Fate::Delayed),
    ];
    let rarely = || proptest::bool::weighted(0.15);
    let sync = (
        client.clone(),
        fate,
        0..3_usize,
        rarely(),
        rarely(),
        rarely(),
        rarely(),
        0..4_u32,
    )
        .prop_map(
            |(client, fate, done, failed, released, invalid, forgets, want)| Step::Sync {
                client,
                fate,
                done,
                failed,
                released,
                invalid,
                forgets,
                want,
            },
        );
    let step = prop_oneof![
        12 => sync,
        2 => Just(Step::DelayedArrives),
        6 => (client.clone(), any::<Index>(), any::<bool>())
            .prop_map(|(client, which, any)| Step::HandsInLate { client, which, any }),
        2 => client.clone().prop_map(|client| Step::Claim { client }),
        2 => client.clone().prop_map(|client| Step::Complete { client }),
        1 => client.clone().prop_map(|client| Step::Flag { client }),
        1 => client.clone().prop_map(|client| Step::Leave { client }),
        1 => client.prop_map(|client| Step::Rejoin { client }),
        2 => prop_oneof![Just(1_000), Just(LEASE_MS + 1), Just(IDLE_MS + 1)]
            .prop_map(|ms| Step::Wait { ms }),
        2 => Just(Step::Sweep),
        1 => Just(Step::Requeue),
    ];
    prop::collection::vec((any::<Index>(), step), 1..40)
}

/// A job as its client sees it.
#[derive(Debug, Clone)]
struct Held {
    lease: String,
    number: u64,
}

#[derive(Debug, Default)]
struct Client {
    token: String,
    stage: usize,
    seq: u64,
    holds: Vec<Held>,
}

/// A lease as it was granted.
#[derive(Debug)]
struct Granted {
    token: String,
    seq: u64,
    number: u64,
    stage: Stage,
}

/// The valid result of a stage's work on a job: the first one.
#[derive(Debug)]
struct Made {
    data: String,
    /// The lease under which it was submitted. `None`: by a call of the first protocol, and it is
    /// not known yet which lease of its worker that was.
    lease: Option<String>,
}

struct World<'g> {
    given: &'g Given,
    /// All trackers of the database.
    stores: Vec<Arc<dyn Store>>,
    /// The one that this step goes to.
    store: Arc<dyn Store>,
    clients: Vec<Client>,
    delayed: Vec<(usize, SyncRequest)>,
    registrations: usize,
    secrets: u64,
    granted: HashMap<String, Granted>,
    /// All leases that any client was granted, to submit results late.
    known: Vec<String>,
    /// Which registration holds a lease, as far as clients know.
    holders: HashMap<String, String>,
    /// Leases that may have been given back, so that no result is accepted under them any more.
    given_back: BTreeSet<String>,
    /// Leases whose results were accepted.
    accepted: BTreeSet<String>,
    /// Results accepted for the first time in this step: they are valid, or are kept as late
    /// results.
    claims: Vec<((u64, Stage), Made)>,
    /// Late results that are or were kept.
    late: BTreeMap<(u64, Stage), Made>,
    /// The results that the store must contain.
    made: BTreeMap<(u64, Stage), Made>,
    /// Jobs whose results may have been discarded, which invalidates earlier leases.
    moved: BTreeSet<u64>,
    /// Whether this step may discard results.
    undoes: bool,
}

impl World<'_> {
    async fn join(&mut self, client: usize) {
        self.registrations += 1;
        let stage = client % 2;
        let token = format!("token {}", self.registrations);
        self.given
            .join(&token, &format!("nick {client}"), Stage::ALL[stage])
            .await;
        let one = &mut self.clients[client];
        one.token = token;
        one.stage = stage;
    }

    async fn send(&mut self, request: &SyncRequest) -> Option<SyncReply> {
        self.undoes |= !request.invalid.is_empty();
        match self.store.sync(request.clone()).await {
            Ok(reply) => {
                self.note_given_back(request);
                self.check(request, &reply);
                Some(reply)
            }
            Err(StoreError::Refused(ErrorCode::Superseded | ErrorCode::WorkerUnknown)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Records what a sync gives back: the leases that it says it releases, and those that it does
    /// not list.
    fn note_given_back(&mut self, request: &SyncRequest) {
        let failed = request.failed.iter().map(|failed| &failed.lease);
        let invalid = request.invalid.iter().map(|invalid| &invalid.lease);
        let given = failed.chain(invalid).chain(&request.released);
        self.given_back.extend(given.cloned());
        let unnamed = self.holders.iter().filter(|(lease, holder)| {
            **holder == request.token && !request.holding.contains(lease)
        });
        let unnamed: Vec<String> = unnamed.map(|(lease, _)| lease.clone()).collect();
        self.given_back.extend(unnamed);
        for lease in &request.holding {
            self.holders.insert(lease.clone(), request.token.clone());
        }
    }

    /// Records that a registration gives back all its jobs.
    fn gives_all_back(&mut self, client: usize) {
        let token = &self.clients[client].token;
        let all = self.holders.iter().filter(|(_, holder)| *holder == token);
        self.given_back.extend(all.map(|(lease, _)| lease.clone()));
    }

    /// Checks what must hold for every answer, whether or not it arrives.
    fn check(&mut self, request: &SyncRequest, reply: &SyncReply) {
        for job in &reply.granted {
            assert!(job.data.is_some(), "a job without its input");
            let granted = Granted {
                token: request.token.clone(),
                seq: request.seq,
                number: u64::try_from(job.number).expect("a number"),
                stage: job.stage,
            };
            if let Some(before) = self.granted.get(&job.lease) {
                let to = (&before.token, before.seq);
                assert_eq!(to, (&granted.token, granted.seq), "one lease for two");
            } else {
                self.known.push(job.lease.clone());
                self.holders
                    .insert(job.lease.clone(), request.token.clone());
                self.granted.insert(job.lease.clone(), granted);
            }
        }
        let answered = reply.accepted.len() + reply.rejected.len();
        assert_eq!(answered, request.done.len(), "an answer for each result");
        for done in &request.done {
            let why = reply.rejected.iter().find(|one| one.lease == done.lease);
            assert_ne!(reply.accepted.contains(&done.lease), why.is_some());
            self.judge(done, why.map(|rejected| rejected.why));
        }
    }

    /// Checks a result: the worker that holds the job when it arrives wins, and whatever was
    /// accepted once is accepted again.
    fn judge(&mut self, done: &Done, rejected: Option<RejectedWhy>) {
        let Granted { number, stage, .. } = self.granted[&done.lease];
        let moved = self.moved.contains(&number);
        let made = self.made.get_mut(&(number, stage));
        match rejected {
            None if self.accepted.insert(done.lease.clone()) => match made {
                Some(made) => {
                    let first = made.lease.get_or_insert_with(|| done.lease.clone());
                    assert!(
                        *first == done.lease || moved,
                        "a second result was accepted"
                    );
                }
                None => {
                    let (data, lease) = (done.data.clone(), Some(done.lease.clone()));
                    self.claims.push(((number, stage), Made { data, lease }));
                }
            },
            None => {}
            Some(_) if self.accepted.contains(&done.lease) => {
                panic!("a result that was accepted is rejected when it is sent again")
            }
            Some(RejectedWhy::Finished) => {
                let claims = self.claims.iter();
                let first = self.late.contains_key(&(number, stage))
                    || claims
                        .map(|(key, _)| key)
                        .any(|key| *key == (number, stage));
                assert!(
                    made.is_some() || first || moved,
                    "finished, but no result was accepted"
                );
            }
            Some(RejectedWhy::Unknown) => {
                let lease = &done.lease;
                assert!(self.given_back.contains(lease), "{lease} was forgotten");
            }
            Some(RejectedWhy::Moved) => assert!(moved, "moved, but nothing has moved it"),
            Some(why) => panic!("{why:?}: {done:?}"),
        }
    }

    fn learn(&mut self, client: usize, request: &SyncRequest, reply: &SyncReply) {
        let one = &mut self.clients[client];
        let gone: BTreeSet<&String> = request
            .done
            .iter()
            .map(|done| &done.lease)
            .chain(request.failed.iter().map(|failed| &failed.lease))
            .chain(request.invalid.iter().map(|invalid| &invalid.lease))
            .chain(&request.released)
            .chain(&reply.lost)
            .collect();
        one.holds.retain(|held| !gone.contains(&held.lease));
        for job in &reply.granted {
            let held = Held {
                lease: job.lease.clone(),
                number: u64::try_from(job.number).expect("a number"),
            };
            if one.holds.iter().all(|other| other.lease != held.lease) {
                one.holds.push(held);
            }
        }
    }

    fn output(held: &Held, stage: usize) -> String {
        format!("job {} of {stage} under {}", held.number, held.lease)
    }

    fn request(&mut self, step: &Step) -> SyncRequest {
        let Step::Sync {
            client,
            done,
            failed,
            released,
            invalid,
            forgets,
            want,
            ..
        } = *step
        else {
            unreachable!("a sync");
        };
        let one = &mut self.clients[client];
        one.seq += 1;
        if forgets {
            one.holds.clear();
        }
        let mut rest = one.holds.clone();
        let mut request = SyncRequest {
            token: one.token.clone(),
            seq: one.seq,
            want,
            ..SyncRequest::default()
        };
        let stage = one.stage;
        for held in rest.drain(..done.min(rest.len())) {
            let data = Self::output(&held, stage);
            request.done.push(Done {
                lease: held.lease,
                data,
            });
        }
        if failed && let Some(held) = rest.pop() {
            request.failed.push(Failed {
                lease: held.lease,
                error: "no luck".to_owned(),
            });
        }
        if released && let Some(held) = rest.pop() {
            request.released.push(held.lease);
        }
        if invalid && let Some(held) = rest.pop() {
            request.invalid.push(Invalid {
                lease: held.lease,
                reason: "odd".to_owned(),
            });
        }
        request.holding = rest.into_iter().map(|held| held.lease).collect();
        request
    }

    async fn sync(&mut self, step: &Step, client: usize, fate: Fate) {
        let request = self.request(step);
        match fate {
            Fate::Delayed => self.delayed.push((client, request)),
            Fate::AnswerLost => {
                self.send(&request).await;
            }
            Fate::Arrives => {
                if let Some(reply) = self.send(&request).await {
                    self.learn(client, &request, &reply);
                }
            }
            Fate::Doubled => {
                let (first, second) = (self.send(&request).await, self.send(&request).await);
                assert_eq!(first, second, "the same sync was answered differently");
                if let Some(reply) = second {
                    self.learn(client, &request, &reply);
                }
            }
        }
    }

    async fn step(&mut self, step: &Step) {
        let store = Arc::clone(&self.store);
        match *step {
            Step::Sync { client, fate, .. } => self.sync(step, client, fate).await,
            Step::DelayedArrives => {
                if let Some((_, request)) = self.delayed.pop() {
                    self.send(&request).await;
                }
            }
            Step::HandsInLate { client, which, any } => {
                // Any lease of any worker, under its current registration. The text is unique, so
                // that the test can tell which result is kept.
                let leases = self.known.iter();
                let leases = leases.filter(|lease| any || !self.accepted.contains(*lease));
                let leases: Vec<String> = leases.cloned().collect();
                if leases.is_empty() {
                    return;
                }
                let lease = which.get(&leases).clone();
                self.secrets += 1;
                let data = format!("late {} under {lease}", self.secrets);
                let one = &mut self.clients[client];
                one.seq += 1;
                let request = SyncRequest {
                    token: one.token.clone(),
                    seq: one.seq,
                    holding: one.holds.iter().map(|held| held.lease.clone()).collect(),
                    done: vec![Done { lease, data }],
                    ..SyncRequest::default()
                };
                if let Some(reply) = self.send(&request).await {
                    self.learn(client, &request, &reply);
                }
            }
            Step::Claim { client } => {
                self.secrets += 1;
                let secret = format!("{:032x}", self.secrets);
                self.gives_all_back(client);
                let _ = store.claim(&self.clients[client].token, secret).await;
            }
            Step::Complete { client } => {
                let data = format!("old {}", self.secrets);
                let token = &self.clients[client].token;
                if store.complete(token, None, data.clone()).await.is_ok() {
                    // The stored results show which job that was.
                    for (key, kept) in self.stored().await {
                        let made = Made {
                            data: kept,
                            lease: None,
                        };
                        if made.data == data {
                            self.made.entry(key).or_insert(made);
                        }
                    }
                }
            }
            Step::Flag { client } => {
                self.gives_all_back(client);
                self.undoes |= store.flag(&self.clients[client].token, None).await.is_ok();
            }
            Step::Leave { client } => {
                self.gives_all_back(client);
                let _ = store.leave(&self.clients[client].token).await;
                self.join(client).await;
            }
            Step::Rejoin { client } => self.join(client).await,
            Step::Wait { ms } => self.given.clock.advance(ms),
            Step::Sweep => {
                store.end_leases(LEASE_MS).await.expect("a sweep");
                store.drop_idle(IDLE_MS).await.expect("a sweep");
            }
            Step::Requeue => {
                let filter = RequeueFilter {
                    nickname: Some("nick 0".to_owned()),
                    ..RequeueFilter::default()
                };
                self.undoes |= store.requeue(&filter).await.expect("requeued") > 0;
                let aside = RequeueFilter::default();
                store.requeue(&aside).await.expect("requeued");
            }
        }
    }

    /// All stored results, by job and stage.
    async fn stored(&self) -> BTreeMap<(u64, Stage), String> {
        let mut stored = BTreeMap::new();
        for stage in [Stage::A, Stage::B] {
            let results = self.given.results(stage).await.into_iter();
            stored.extend(results.map(|(number, data)| ((number, stage), data)));
        }
        stored
    }

    async fn check_results(&mut self) {
        for store in &self.stores {
            check_counters(store.as_ref()).await;
        }
        let ranks = self.given.store.leaderboard(all()).await.expect("ranks");
        let credits: u64 = ranks.iter().map(|rank| rank.completed).sum();
        let stages = self.given.status().await.stages;
        let accepted: u64 = stages.iter().map(|stage| stage.accepted).sum();
        assert_eq!(accepted, credits, "each accepted result has one credit");
        let stored = self.stored().await;
        // A kept result counts once it is stored as the job's result, and not before.
        self.late.extend(std::mem::take(&mut self.claims));
        let counts = self
            .late
            .extract_if(.., |key, made| stored.get(key) == Some(&made.data));
        self.made.extend(counts);
        if self.undoes {
            let aside = self.given.store.set_aside(all()).await.expect("aside");
            self.moved.extend(aside.iter().map(|row| row.number));
            let gone = self.made.keys().filter(|key| !stored.contains_key(key));
            self.moved.extend(gone.map(|(number, _)| *number));
        }
        // For jobs that were moved, only the counters are known.
        self.made
            .retain(|(number, _), _| !self.moved.contains(number));
        let made = self.made.iter().map(|(key, made)| (*key, &made.data));
        let kept = stored
            .iter()
            .filter(|((number, _), _)| !self.moved.contains(number))
            .map(|(key, data)| (*key, data));
        assert!(
            made.eq(kept),
            "{:?}\nbut the store has\n{stored:?}",
            self.made
        );
        if self.moved.is_empty() {
            assert_eq!(stored.len() as u64, credits, "each output counts once");
        }
    }
}

/// Checks that the jobs can be finished, whatever has happened.
async fn finish(given: &Given, jobs: usize) {
    let store = &given.store;
    given.clock.advance(IDLE_MS + 1);
    store.end_leases(LEASE_MS).await.expect("a sweep");
    store.drop_idle(IDLE_MS).await.expect("a sweep");
    store
        .requeue(&RequeueFilter::default())
        .await
        .expect("requeued");
    for stage in [Stage::A, Stage::B] {
        let token = format!("finisher {stage}");
        given.join(&token, "finisher", stage).await;
        while store.claim(&token, String::new()).await.is_ok() {
            given.hand_in(&token, "finished").await.expect("accepted");
        }
    }
    let status = given.status().await;
    assert_eq!(status.closed, jobs as u64, "a job was lost: {status:?}");
    check_counters(store.as_ref()).await;
}

async fn play(given: Given, stores: Vec<Arc<dyn Store>>, steps: Vec<(Index, Step)>) {
    given.jobs(JOBS).await;
    let mut world = World {
        given: &given,
        store: Arc::clone(&given.store),
        stores,
        clients: (0..CLIENTS).map(|_| Client::default()).collect(),
        delayed: Vec::new(),
        registrations: 0,
        secrets: 0,
        granted: HashMap::new(),
        known: Vec::new(),
        holders: HashMap::new(),
        given_back: BTreeSet::new(),
        accepted: BTreeSet::new(),
        claims: Vec::new(),
        late: BTreeMap::new(),
        made: BTreeMap::new(),
        moved: BTreeSet::new(),
        undoes: false,
    };
    for client in 0..CLIENTS {
        world.join(client).await;
    }
    for (at, step) in &steps {
        world.store = Arc::clone(at.get(&world.stores));
        world.undoes = false;
        world.step(step).await;
        world.check_results().await;
    }
    finish(&given, JOBS).await;
}

/// Runs `count` cases on databases created by `make`, through all stores on each.
pub(super) fn cases<S, P, M, R>(count: u32, steps: S, make: impl Fn(StoreRules) -> M, play: P)
where
    S: Strategy,
    M: Future<Output = (Given, Vec<Arc<dyn Store>>)>,
    P: Fn(Given, Vec<Arc<dyn Store>>, S::Value) -> R,
    R: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    };
    assert_eq!(RULES.lease_s, 300);
    TestRunner::new(config)
        .run(&(last_stage(), steps), |(last_stage, steps)| {
            runtime.block_on(async {
                let (given, stores) = make(StoreRules {
                    last_stage,
                    ..RULES
                })
                .await;
                play(given, stores.clone(), steps).await;
                for store in stores {
                    store.close().await;
                }
            });
            Ok(())
        })
        .expect("a consistent store");
}

pub(crate) fn any_interleaving_leaves_the_store_consistent<M>(
    count: u32,
    make: impl Fn(StoreRules) -> M,
) where
    M: Future<Output = (Given, Vec<Arc<dyn Store>>)>,
{
    cases(count, steps(), make, play);
}

/// So few jobs that every client has had each of them.
const FEW: usize = 3;

/// A sync of a client that does not wait for the others.
#[derive(Debug, Clone)]
struct Turn {
    /// The tracker that it goes to.
    to: Index,
    /// Whether another tracker receives it at the same time.
    doubled: bool,
    answer_lost: bool,
    done: usize,
    released: bool,
    /// A lease known to any client, whose result it submits too.
    late: Option<Index>,
    want: u32,
}

fn turns() -> impl Strategy<Value = Vec<Vec<Turn>>> {
    let sometimes = || proptest::bool::weighted(0.3);
    let turn = (
        any::<Index>(),
        sometimes(),
        sometimes(),
        0..3_usize,
        sometimes(),
        proptest::option::weighted(0.7, any::<Index>()),
        0..4_u32,
    )
        .prop_map(
            |(to, doubled, answer_lost, done, released, late, want)| Turn {
                to,
                doubled,
                answer_lost,
                done,
                released,
                late,
                want,
            },
        );
    prop::collection::vec(prop::collection::vec(turn, 1..20), 2..6)
}

/// Everything that clients have been answered.
#[derive(Default)]
struct Answers {
    /// Leases in the order in which clients learned of them.
    known: Vec<Held>,
    /// By lease: the only token that it was ever granted to.
    holders: HashMap<String, String>,
    /// Leases whose results were accepted, by job.
    accepted: BTreeSet<(u64, String)>,
    /// All results that were submitted, by job.
    sent: HashMap<u64, Vec<(String, String)>>,
    /// Jobs that one of two answers to the same sync granted and the other did not.
    granted_once: BTreeSet<u64>,
}

async fn take_turns(
    stores: Vec<Arc<dyn Store>>,
    answers: Arc<Mutex<Answers>>,
    token: String,
    turns: Vec<Turn>,
) {
    let mut holds: Vec<Held> = Vec::new();
    for (turn, seq) in turns.into_iter().zip(1..) {
        let mut request = SyncRequest {
            token: token.clone(),
            seq,
            want: turn.want,
            ..SyncRequest::default()
        };
        let mut rest = holds.clone();
        let mut done: Vec<Held> = rest.drain(..turn.done.min(rest.len())).collect();
        if turn.released {
            request.released.extend(rest.pop().map(|held| held.lease));
        }
        request.holding = rest.iter().map(|held| held.lease.clone()).collect();
        {
            let mut answers = answers.lock().expect("unharmed");
            let late = turn.late.filter(|_| !answers.known.is_empty());
            let late = late.map(|late| late.get(&answers.known).clone());
            let new = late.filter(|late| done.iter().all(|held| held.lease != late.lease));
            done.extend(new);
            for held in &done {
                let data = format!("{} by {token} in {seq}", held.lease);
                let sent = answers.sent.entry(held.number).or_default();
                sent.push((held.lease.clone(), data.clone()));
                let lease = held.lease.clone();
                request.done.push(Done { lease, data });
            }
        }
        let at = turn.to.index(stores.len());
        let other = (at + 1) % stores.len();
        let first = stores[at].sync(request.clone());
        let (first, second) = if turn.doubled {
            let second = stores[other].sync(request.clone());
            let (first, second) = tokio::join!(first, second);
            (first.expect("answered"), Some(second.expect("answered")))
        } else {
            (first.await.expect("answered"), None)
        };
        let mut answers = answers.lock().expect("unharmed");
        if let Some(second) = &second {
            assert_eq!(first.accepted, second.accepted, "two answers to one sync");
            for (these, others) in [(&first, second), (second, &first)] {
                let once = these.granted.iter();
                let once = once.filter(|job| !others.granted.contains(job));
                let numbers = once.map(|job| u64::try_from(job.number).expect("a number"));
                answers.granted_once.extend(numbers);
            }
        }
        for lease in &first.accepted {
            let held = done.iter().find(|held| held.lease == *lease);
            let number = held.expect("what was handed in").number;
            answers.accepted.insert((number, lease.clone()));
        }
        let answered = first.accepted.len() + first.rejected.len();
        assert_eq!(answered, request.done.len(), "an answer for each result");
        // No lease expires here, so a late result belongs to a lease that was given back or to a
        // finished job.
        let late = |why| matches!(why, RejectedWhy::Finished | RejectedWhy::Unknown);
        assert!(first.rejected.iter().all(|one| late(one.why)));
        for job in &first.granted {
            let before = answers.holders.insert(job.lease.clone(), token.clone());
            assert!(
                before.is_none_or(|before| before == token),
                "one lease for two"
            );
        }
        if turn.answer_lost {
            continue;
        }
        holds = rest;
        holds.retain(|held| !first.lost.contains(&held.lease));
        for job in first.granted {
            let held = Held {
                lease: job.lease,
                number: u64::try_from(job.number).expect("a number"),
            };
            answers.known.push(held.clone());
            holds.push(held);
        }
    }
}

async fn play_at_once(given: Given, stores: Vec<Arc<dyn Store>>, turns: Vec<Vec<Turn>>) {
    given.jobs(FEW).await;
    let answers = Arc::<Mutex<Answers>>::default();
    let mut clients = Vec::new();
    for (client, turns) in turns.into_iter().enumerate() {
        let token = format!("token {client}");
        given.join(&token, "nick", Stage::A).await;
        let (stores, answers) = (stores.clone(), Arc::clone(&answers));
        clients.push(tokio::spawn(take_turns(stores, answers, token, turns)));
    }
    for client in clients {
        client.await.expect("a client");
    }
    for store in &stores {
        check_counters(store.as_ref()).await;
    }
    let stored: BTreeMap<u64, String> = given.results(Stage::A).await.into_iter().collect();
    {
        let answers = answers.lock().expect("unharmed");
        let mut first: BTreeMap<u64, &String> = BTreeMap::new();
        for (number, lease) in &answers.accepted {
            let other = first.insert(*number, lease);
            assert_eq!(other, None, "two results of job {number} were accepted");
            let kept = &stored[number];
            let sent = answers.sent[number].iter();
            let of_this = sent.filter(|(under, _)| under == lease);
            assert!(
                of_this.into_iter().any(|(_, data)| data == kept),
                "job {number}: accepted under {lease}, and the store has {kept}"
            );
        }
        assert!(stored.keys().eq(first.keys()), "{stored:?} {first:?}");
        // Two answers to one sync may differ only if a result arrived in between.
        for number in &answers.granted_once {
            assert!(stored.contains_key(number), "job {number} was granted once");
        }
    }
    finish(&given, FEW).await;
}

/// The same with clients that do not wait for each other. The individual answers cannot be
/// predicted then, but what must hold for all of them together can.
pub(crate) fn concurrent_syncs_leave_the_store_consistent<M>(
    count: u32,
    make: impl Fn(StoreRules) -> M,
) where
    M: Future<Output = (Given, Vec<Arc<dyn Store>>)>,
{
    cases(count, turns(), make, play_at_once);
}
