//! Any interleaving of what clients and the network do leaves the books right: syncs whose answers
//! are lost, that are doubled, that are delayed past later ones, that two hubs send with one token,
//! mixed with calls of the first protocol, while leases end and workers vanish.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use distcompute_protocol::{Done, ErrorCode, Failed, Invalid, MAX_SYNC_WANT, Stage, SyncRequest};
use distcompute_tracker::store::{RequeueFilter, StoreError, SyncReply};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{ALL, Given, RULES, the_books_agree};

const JOBS: usize = 7;
const CLIENTS: usize = 3;
const LEASE_MS: i64 = 300_000;
const IDLE_MS: i64 = 7_200_000;

/// What becomes of a sync on its way.
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
    OldHandsIn {
        client: usize,
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

fn steps() -> impl Strategy<Value = Vec<Step>> {
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
        2 => client.clone().prop_map(|client| Step::OldHandsIn { client }),
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
    prop::collection::vec(step, 1..40)
}

/// A job as a client has it.
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
    /// Every lease that it ever saw, to hand in late.
    seen: Vec<Held>,
}

struct World<'g> {
    given: &'g Given,
    clients: Vec<Client>,
    delayed: Vec<(usize, SyncRequest)>,
    registrations: usize,
    secrets: u64,
    /// Who was told of a lease, by which sync.
    granted: HashMap<String, (String, u64)>,
    /// Leases whose results were accepted, with job and output.
    accepted: BTreeMap<String, (u64, String)>,
    old_completions: u64,
    /// Whether results may have been taken back.
    undone: bool,
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
        let secrets = (0..request.want.min(MAX_SYNC_WANT))
            .map(|_| {
                self.secrets += 1;
                format!("{:032x}", self.secrets)
            })
            .collect();
        match self.given.store.sync(request.clone(), secrets).await {
            Ok(reply) => {
                self.check(request, &reply);
                Some(reply)
            }
            Err(StoreError::Refused(ErrorCode::Superseded | ErrorCode::WorkerUnknown)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// What every answer must be, whether or not it arrives.
    fn check(&mut self, request: &SyncRequest, reply: &SyncReply) {
        for job in &reply.granted {
            assert!(job.data.is_some(), "a job without its input");
            let to = (request.token.clone(), request.seq);
            let before = self.granted.insert(job.lease.clone(), to.clone());
            assert!(
                before.is_none_or(|before| before == to),
                "one lease for two"
            );
        }
        let asked: BTreeSet<_> = request.done.iter().map(|done| &done.lease).collect();
        for lease in &reply.accepted {
            assert!(asked.contains(lease), "accepted what was not handed in");
            let done = request
                .done
                .iter()
                .find(|done| done.lease == *lease)
                .expect("asked");
            let number = done.data.split(' ').nth(1).and_then(|n| n.parse().ok());
            self.accepted
                .entry(lease.clone())
                .or_insert((number.expect("a number"), done.data.clone()));
        }
        for rejected in &reply.rejected {
            assert!(
                !self.accepted.contains_key(&rejected.lease),
                "a result that was accepted is rejected when it is sent again"
            );
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
            one.seen.push(held.clone());
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
            self.undone = true;
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
        let store = &self.given.store;
        match *step {
            Step::Sync { client, fate, .. } => self.sync(step, client, fate).await,
            Step::DelayedArrives => {
                if let Some((_, request)) = self.delayed.pop() {
                    self.send(&request).await;
                }
            }
            Step::OldHandsIn { client } => {
                // A lease of whenever, under whatever registration it has now.
                let one = &mut self.clients[client];
                let Some(held) = one.seen.first().cloned() else {
                    return;
                };
                one.seq += 1;
                let data = Self::output(&held, one.stage);
                let request = SyncRequest {
                    token: one.token.clone(),
                    seq: one.seq,
                    holding: one.holds.iter().map(|held| held.lease.clone()).collect(),
                    done: vec![Done {
                        lease: held.lease,
                        data,
                    }],
                    ..SyncRequest::default()
                };
                if let Some(reply) = self.send(&request).await {
                    self.learn(client, &request, &reply);
                }
            }
            Step::Claim { client } => {
                self.secrets += 1;
                let secret = format!("{:032x}", self.secrets);
                let _ = store.claim(&self.clients[client].token, secret).await;
            }
            Step::Complete { client } => {
                let data = format!("old {}", self.secrets);
                let before = self.credits().await;
                if self
                    .given
                    .hand_in(&self.clients[client].token, &data)
                    .await
                    .is_ok()
                {
                    self.old_completions += self.credits().await - before;
                }
            }
            Step::Flag { client } => {
                self.undone |= store.flag(&self.clients[client].token, None).await.is_ok();
            }
            Step::Leave { client } => {
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
                self.undone |= store.requeue(&filter).await.expect("requeued") > 0;
                let aside = RequeueFilter::default();
                store.requeue(&aside).await.expect("requeued");
            }
        }
    }

    async fn credits(&self) -> u64 {
        let ranks = self.given.store.leaderboard(ALL).await.expect("ranks");
        ranks.iter().map(|rank| rank.completed).sum()
    }

    async fn check_books(&self) {
        the_books_agree(self.given.store.as_ref()).await;
        let credits = self.credits().await;
        let stages = self.given.status().await.stages;
        let accepted: u64 = stages.iter().map(|stage| stage.accepted).sum();
        assert_eq!(accepted, credits, "each accepted result has one credit");
        // A lease that a call of the first protocol finished is accepted by a sync again.
        let told = self.accepted.len() as u64 + self.old_completions;
        assert!(credits <= told, "a credit for what nobody was told of");
        if !self.undone {
            let done: u64 = stages.iter().map(|stage| stage.done).sum();
            assert_eq!(done, credits, "each output counts once");
        }
        let mut outputs = BTreeSet::new();
        for stage in [Stage::A, Stage::B] {
            outputs.extend(self.given.results(stage).await);
        }
        if !self.undone {
            for (number, data) in self.accepted.values() {
                // A call of the first protocol may have finished that lease, with its own output.
                let kept = outputs.iter().any(|(of, output)| {
                    of == number && (output == data || output.starts_with("old "))
                });
                assert!(kept, "an accepted result vanished: {data}");
            }
        }
    }

    /// Whatever has happened, the jobs can be finished.
    async fn finish(&mut self) {
        let store = &self.given.store;
        self.given.clock.advance(IDLE_MS + 1);
        store.end_leases(LEASE_MS).await.expect("a sweep");
        store.drop_idle(IDLE_MS).await.expect("a sweep");
        store
            .requeue(&RequeueFilter::default())
            .await
            .expect("requeued");
        for stage in [Stage::A, Stage::B] {
            let token = format!("finisher {stage}");
            self.given.join(&token, "finisher", stage).await;
            while store.claim(&token, String::new()).await.is_ok() {
                self.given
                    .hand_in(&token, "finished")
                    .await
                    .expect("accepted");
            }
        }
        let status = self.given.status().await;
        assert_eq!(status.closed, JOBS as u64, "a job was lost: {status:?}");
        the_books_agree(self.given.store.as_ref()).await;
    }
}

async fn play(given: &Given, steps: &[Step]) {
    given.jobs(JOBS).await;
    let mut world = World {
        given,
        clients: (0..CLIENTS).map(|_| Client::default()).collect(),
        delayed: Vec::new(),
        registrations: 0,
        secrets: 0,
        granted: HashMap::new(),
        accepted: BTreeMap::new(),
        old_completions: 0,
        undone: false,
    };
    for client in 0..CLIENTS {
        world.join(client).await;
    }
    for step in steps {
        world.step(step).await;
        world.check_books().await;
    }
    world.finish().await;
}

/// Plays so many cases on stores that `make` gives.
pub(crate) fn any_interleaving_leaves_the_books_right<M>(cases: u32, make: impl Fn() -> M)
where
    M: Future<Output = Given>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    assert_eq!(RULES.lease_s, 300);
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let given = make().await;
                play(&given, &steps).await;
                given.store.close().await;
            });
            Ok(())
        })
        .expect("the books are right");
}
