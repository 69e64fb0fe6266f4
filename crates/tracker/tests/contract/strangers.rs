//! Property: arbitrary calls of strangers, with leases that they were granted, old ones and made-up
//! ones, under any number of names and addresses, never cause an internal error and never take a
//! job from an honest worker. The results of honest workers count and stay valid, and in the end
//! all jobs are done.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use distcompute_protocol::{Done, Failed, Invalid, Stage, SyncRequest};
use distcompute_tracker::store::{NewWorker, Store, StoreError, StoreRules, SyncReply};
use proptest::{prelude::*, sample::Index};

use super::{Given, check_counters, syncs::cases};

const JOBS: usize = 12;
const HONEST: usize = 3;
const LEASE_MS: i64 = 300_000;
const IDLE_MS: i64 = 7_200_000;

/// Less than half a lease, so that honest clients sync in time.
const WAIT_MS: i64 = 100_000;

#[derive(Debug, Clone)]
enum Step {
    /// An honest client submits what it has, or reports that it is working on it, and asks for
    /// more.
    Works {
        who: usize,
        finishes: bool,
    },
    /// Time passes; honest clients sync and the tracker sweeps.
    Waits {
        times: usize,
    },
    Register {
        name: u8,
        address: u8,
    },
    Sync(Index, Box<Report>),
    Claim(Index),
    Complete(Index, Option<u64>),
    Flag(Index, Option<u64>),
    Leave(Index),
}

/// What a stranger reports in a sync; leases are picked from those that strangers know or make up.
#[derive(Debug, Clone)]
struct Report {
    repeats: bool,
    want: u32,
    cores: Option<u32>,
    holding: Vec<Index>,
    done: Vec<(Index, &'static str)>,
    failed: Vec<Index>,
    released: Vec<Index>,
    invalid: Vec<Index>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || prop::collection::vec(any::<Index>(), 0..4);
    let data = prop_oneof![Just("junk"), Just(""), Just("\0"), Just("<!json!>{")];
    let report = (
        any::<bool>(),
        prop_oneof![0..4_u32, Just(512), Just(u32::MAX)],
        prop_oneof![
            Just(None),
            Just(Some(0)),
            Just(Some(2)),
            Just(Some(u32::MAX))
        ],
        some(),
        prop::collection::vec((any::<Index>(), data), 0..4),
        some(),
        some(),
        some(),
    )
        .prop_map(|report| Report {
            repeats: report.0,
            want: report.1,
            cores: report.2,
            holding: report.3,
            done: report.4,
            failed: report.5,
            released: report.6,
            invalid: report.7,
        });
    let number = || proptest::option::of(0..=JOBS as u64 + 1);
    let step = prop_oneof![
        6 => (0..HONEST, any::<bool>()).prop_map(|(who, finishes)| Step::Works { who, finishes }),
        2 => (1..5_usize).prop_map(|times| Step::Waits { times }),
        3 => (any::<u8>(), any::<u8>())
            .prop_map(|(name, address)| Step::Register { name: name % 6, address: address % 3 }),
        12 => (any::<Index>(), report).prop_map(|(who, report)| Step::Sync(who, Box::new(report))),
        3 => any::<Index>().prop_map(Step::Claim),
        2 => (any::<Index>(), number()).prop_map(|(who, number)| Step::Complete(who, number)),
        2 => (any::<Index>(), number()).prop_map(|(who, number)| Step::Flag(who, number)),
        1 => any::<Index>().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Default)]
struct Honest {
    token: String,
    seq: u64,
    /// The leases it holds, and their jobs.
    holds: BTreeMap<String, u64>,
}

struct World<'g> {
    given: &'g Given,
    store: Arc<dyn Store>,
    honest: Vec<Honest>,
    /// Results of honest clients that were acknowledged.
    made: BTreeMap<u64, String>,
    /// Tokens of strangers, each with its last sync.
    strangers: Vec<(String, u64)>,
    /// Leases that strangers know or make up.
    leases: Vec<String>,
    secrets: u64,
}

/// A refusal is a valid answer; any other error is a fault caused by a stranger.
fn answered<T>(outcome: Result<T, StoreError>) -> Option<T> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(StoreError::Refused(_)) => None,
        Err(fault) => panic!("a call failed inside: {fault}"),
    }
}

impl World<'_> {
    async fn register(&self, token: &str, nickname: &str, address: &str) {
        let worker = NewWorker {
            browser: String::new(),
            token: token.to_owned(),
            display_name: format!("name of {token}"),
            nickname: nickname.to_owned(),
            address: address.to_owned(),
            proven: None,
            stage: Stage::A,
        };
        answered(self.store.register(worker).await).expect("anybody may");
    }

    async fn work(&mut self, who: usize, finishes: bool, want: u32) {
        let one = &mut self.honest[who];
        one.seq += 1;
        let text = |number: u64| format!("{number} by {who}");
        let (mut done, mut holding) = (Vec::new(), Vec::new());
        for (lease, number) in &one.holds {
            if finishes {
                let (lease, data) = (lease.clone(), text(*number));
                done.push(Done { lease, data });
            } else {
                holding.push(lease.clone());
            }
        }
        let submitted: Vec<String> = done.iter().map(|done| done.lease.clone()).collect();
        let request = SyncRequest {
            token: one.token.clone(),
            seq: one.seq,
            holding,
            done,
            want,
            cores: Some(2),
            ..SyncRequest::default()
        };
        let reply: SyncReply = self
            .store
            .sync(request)
            .await
            .expect("honest calls are served");
        assert_eq!(reply.rejected, [], "{who} worked for nothing");
        assert_eq!(reply.lost, [""; 0], "{who} was robbed");
        let accepted: BTreeSet<&String> = reply.accepted.iter().collect();
        assert_eq!(accepted, submitted.iter().collect(), "what {who} handed in");
        if finishes {
            let made = std::mem::take(&mut one.holds).into_values();
            self.made.extend(made.map(|number| (number, text(number))));
        }
        for granted in reply.granted {
            let number = u64::try_from(granted.number).expect("a number");
            assert!(!self.made.contains_key(&number), "{number} is done again");
            one.holds.insert(granted.lease, number);
        }
    }

    async fn wait(&mut self) {
        self.given.clock.advance(WAIT_MS);
        for who in 0..HONEST {
            self.work(who, false, 0).await;
        }
        self.store.end_leases(LEASE_MS).await.expect("swept");
        self.store.drop_idle(IDLE_MS).await.expect("swept");
    }

    fn picked(&self, picks: &[Index]) -> Vec<String> {
        picks
            .iter()
            .map(|pick| pick.get(&self.leases).clone())
            .collect()
    }

    async fn step(&mut self, step: Step) {
        let token = |who: &Index| who.get(&self.strangers).0.clone();
        match step {
            Step::Works { who, finishes } => self.work(who, finishes, 2).await,
            Step::Waits { times } => {
                for _ in 0..times {
                    self.wait().await;
                }
            }
            Step::Register { name, address } => {
                let token = format!("stranger {}", self.strangers.len());
                // One stranger uses the name of an honest client, and one is anonymous.
                let nickname = match name {
                    0 => "anonymous".to_owned(),
                    1 => "honest 0".to_owned(),
                    name => format!("stranger {name}"),
                };
                self.register(&token, &nickname, &format!("198.51.100.{address}"))
                    .await;
                self.strangers.push((token, 0));
            }
            Step::Sync(who, report) => {
                let who = who.index(self.strangers.len());
                self.stranger_syncs(who, *report).await;
            }
            Step::Claim(who) => {
                self.secrets += 1;
                let secret = format!("secret {}", self.secrets);
                answered(self.store.claim(&token(&who), secret).await);
            }
            Step::Complete(who, number) => {
                answered(
                    self.store
                        .complete(&token(&who), number, "junk".to_owned())
                        .await,
                );
            }
            Step::Flag(who, number) => {
                answered(self.store.flag(&token(&who), number).await);
            }
            Step::Leave(who) => {
                answered(self.store.leave(&token(&who)).await);
            }
        }
    }

    async fn stranger_syncs(&mut self, who: usize, report: Report) {
        let (token, seq) = &mut self.strangers[who];
        if !report.repeats {
            *seq += 1;
        }
        let (token, seq) = (token.clone(), *seq);
        let of = |leases: Vec<String>| leases.into_iter();
        let request = SyncRequest {
            token,
            seq,
            want: report.want,
            cores: report.cores,
            holding: self.picked(&report.holding),
            done: report
                .done
                .iter()
                .map(|(pick, data)| Done {
                    lease: pick.get(&self.leases).clone(),
                    data: (*data).to_owned(),
                })
                .collect(),
            failed: of(self.picked(&report.failed))
                .map(|lease| Failed {
                    lease,
                    error: "no".to_owned(),
                })
                .collect(),
            released: self.picked(&report.released),
            invalid: of(self.picked(&report.invalid))
                .map(|lease| Invalid {
                    lease,
                    reason: "bad".to_owned(),
                })
                .collect(),
            ..SyncRequest::default()
        };
        let Some(reply) = answered(self.store.sync(request).await) else {
            return;
        };
        for granted in reply.granted {
            self.leases.push(granted.lease);
        }
    }

    /// The strangers have left, and honest clients do the remaining jobs.
    async fn finish(&mut self) {
        let ended = IDLE_MS / WAIT_MS + 2;
        for _ in 0..ended {
            self.wait().await;
        }
        for round in 0.. {
            for who in 0..HONEST {
                self.work(who, true, 2).await;
            }
            let a = self.given.status().await.stages[0];
            if a.open + a.held == 0 {
                break;
            }
            assert!(round < 10 * JOBS, "it does not end: {a:?}");
            // A client from which a job was withheld in favour of others waits until they are no
            // longer expected.
            self.wait().await;
        }
        let results: BTreeMap<u64, String> =
            self.given.results(Stage::A).await.into_iter().collect();
        for (number, data) in &self.made {
            assert_eq!(
                results.get(number),
                Some(data),
                "the result of job {number}"
            );
        }
    }
}

async fn play(given: Given, _: Vec<Arc<dyn Store>>, steps: Vec<Step>) {
    given.jobs(JOBS).await;
    let mut world = World {
        given: &given,
        store: Arc::clone(&given.store),
        honest: Vec::new(),
        made: BTreeMap::new(),
        strangers: vec![("nobody".to_owned(), 0)],
        leases: ["", "1-x", "7-", "9-secret 1", "99999999999999999999-x"]
            .map(str::to_owned)
            .into(),
        secrets: 0,
    };
    for who in 0..HONEST {
        let token = format!("honest {who}");
        world
            .register(&token, &token, &format!("192.0.2.{who}"))
            .await;
        world.honest.push(Honest {
            token,
            ..Honest::default()
        });
    }
    for step in steps {
        world.step(step).await;
    }
    world.finish().await;
    check_counters(given.store.as_ref()).await;
}

pub(crate) fn whatever_strangers_call_honest_work_counts<M>(
    count: u32,
    make: impl Fn(StoreRules) -> M,
) where
    M: Future<Output = (Given, Vec<Arc<dyn Store>>)>,
{
    cases(count, steps(), make, play);
}
