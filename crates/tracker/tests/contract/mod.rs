//! The contract that every store must fulfil, written against the trait. The test program of each
//! store provides a constructor and lists these tests by name.

pub(crate) mod copies;
mod failures;
mod files;
mod jobs;
mod keys;
mod late;
mod leases;
mod lists;
mod operator;
mod shares;
mod stages;
pub(crate) mod strangers;
pub(crate) mod syncs;
pub(crate) mod trust;

use std::{
    any::Any,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
};

use distcompute_protocol::{ANONYMOUS, Done, ErrorCode, Stage, SyncRequest};
use distcompute_tracker::{
    clock::ManualClock,
    ledger::GrantedLease,
    rules::trust::Trust,
    store::{NewWorker, Page, Start, Status, Store, StoreError, StoreRules, SyncReply},
};

pub(crate) use self::{
    failures::*, files::*, jobs::*, keys::*, late::*, leases::*, lists::*, operator::*, shares::*,
    stages::*,
};

/// A time in November 2026.
pub(crate) const NOW: i64 = 1_795_440_000_000;

/// A page with the whole list.
const fn all<K>() -> Page<K> {
    Page::first(1_000)
}

/// A page of two rows, after the first row.
fn second<K>() -> Page<K> {
    page(Start::Offset(1), 2)
}

fn page<K>(start: Start<K>, limit: u32) -> Page<K> {
    Page { start, limit }
}

/// An empty store, its clock, and the resources that must live as long.
pub(crate) struct Given {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keep: Box<dyn Any>,
    /// Opens a further store on the same database, with other rules.
    pub(crate) reopen: Option<Reopen>,
}

pub(crate) type Reopen = Box<dyn Fn(StoreRules) -> Opening>;

pub(crate) type Opening = Pin<Box<dyn Future<Output = Arc<dyn Store>>>>;

/// Two stages; the flags of two volunteers send a job back.
pub(crate) const RULES: StoreRules = StoreRules {
    last_stage: Stage::B,
    invalid_after: 2,
    max_attempts: 5,
    pause_after: 3,
    slow_failing: true,
    lease_s: 300,
    late_bytes: 1_000,
    trust: Trust::OFF,
};

/// Generates the test functions of a store from the contract.
macro_rules! contract {
    ($make:path: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let given = $make(contract::RULES).await;
            contract::$name(&given).await;
            contract::check_counters(given.store.as_ref()).await;
            drop(given.keep);
        })*
    };
}
pub(crate) use contract;

/// The same for tests that need rules of their own.
macro_rules! contract_with {
    ($make:path: $($name:ident: $rules:expr;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let given = $make($rules).await;
            contract::trust::$name(&given).await;
            contract::check_counters(given.store.as_ref()).await;
            drop(given.keep);
        })*
    };
}
pub(crate) use contract_with;

impl Given {
    /// Adds a list with the store as the only one on its database.
    pub(crate) fn alone(self) -> (Self, Vec<Arc<dyn Store>>) {
        let stores = vec![Arc::clone(&self.store)];
        (self, stores)
    }

    async fn jobs(&self, count: usize) {
        let inputs: Vec<String> = (1..=count).map(|n| format!("input {n}")).collect();
        self.store.add_jobs(&inputs).await.expect("jobs");
    }

    async fn join(&self, token: &str, nickname: &str, stage: Stage) {
        // Without keys, volunteers are told apart by their addresses.
        let address = if nickname == ANONYMOUS {
            format!("192.0.2.{}", token.len())
        } else {
            let mut hasher = DefaultHasher::new();
            nickname.hash(&mut hasher);
            Ipv4Addr::from(0x0a00_0000 + (hasher.finish() & 0x00ff_ffff) as u32).to_string()
        };
        let worker = NewWorker {
            browser: String::new(),
            token: token.to_owned(),
            display_name: format!("name-{token}"),
            nickname: nickname.to_owned(),
            address,
            proven: None,
            stage,
        };
        self.store.register(worker).await.expect("a worker");
    }

    async fn take(&self, token: &str) -> u64 {
        let lease = self.store.claim(token, "secret".to_owned()).await;
        u64::try_from(lease.expect("a job").number).expect("a number")
    }

    async fn hand_in(&self, token: &str, data: &str) -> Result<(), StoreError> {
        self.store.complete(token, None, data.to_owned()).await
    }

    async fn status(&self) -> Status {
        self.store.status().await.expect("status")
    }

    async fn results(&self, stage: Stage) -> Vec<(u64, String)> {
        let outputs = self.store.results(stage, 0, 1_000).await.expect("results");
        outputs
            .into_iter()
            .map(|output| (output.number, output.data))
            .collect()
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> ErrorCode {
    match outcome {
        Err(StoreError::Refused(code)) => code,
        other => panic!("not refused: {other:?}"),
    }
}

/// Checks that every job is open, held, closed or set aside, and that the counters agree.
pub(crate) async fn check_counters(store: &dyn Store) {
    let status = store.status().await.expect("status");
    let alive: u64 = status
        .stages
        .iter()
        .map(|s| s.open + s.held + s.waiting + s.aside)
        .sum();
    assert_eq!(alive + status.closed, status.jobs, "{status:?}");
    let mut held = 0;
    for stage in Stage::ALL {
        let counts = status.stages[stage.index()];
        let workers = store.workers(stage, all()).await.expect("workers");
        assert_eq!(workers.len() as u64, counts.workers, "workers at {stage}");
        held += workers.iter().map(|worker| worker.held).sum::<u64>();
        let outputs = store.results(stage, 0, 1_000).await.expect("results");
        assert_eq!(outputs.len() as u64, counts.done, "outputs of {stage}");
        assert_eq!(store.open_jobs(stage).await.expect("open"), counts.open);
    }
    // A worker may hold a job of another stage, granted before it registered anew.
    assert_eq!(held, status.stages.iter().map(|s| s.held).sum::<u64>());
    let aside: u64 = status.stages.iter().map(|s| s.aside).sum();
    assert_eq!(
        store.set_aside(all()).await.expect("aside").len() as u64,
        aside
    );
}

impl Given {
    async fn sync(&self, request: SyncRequest) -> Result<SyncReply, StoreError> {
        self.store.sync(request).await
    }
}

/// Lets two workers register and take jobs. Returns every secret that they or the tracker created.
pub(crate) async fn secrets_of_some_work(store: &dyn Store) -> Vec<String> {
    let inputs = ["one", "two", "three"].map(str::to_owned);
    store.add_jobs(&inputs).await.expect("jobs");
    let mut secrets = vec![
        "0b1c6a8e-4f5d-4f7e-9a57-5a1f0d3c2b11".to_owned(),
        "7d9e2c54-1a3b-4c8d-8e6f-0a9b8c7d6e5f".to_owned(),
        "c1a1d5ec4e7a11ab1e5ec4e7a5ec4e71".to_owned(),
    ];
    for (n, token) in secrets[..2].iter().enumerate() {
        let worker = NewWorker {
            browser: String::new(),
            token: token.clone(),
            display_name: format!("name-{n}"),
            nickname: "a nickname that is no secret".to_owned(),
            address: String::new(),
            proven: None,
            stage: Stage::A,
        };
        store.register(worker).await.expect("registered");
    }
    let reply = store.sync(asks(&secrets[0], 1, 2)).await.expect("jobs");
    assert_eq!(reply.granted.len(), 2);
    let claim = secrets[2].clone();
    store.claim(&secrets[1], claim).await.expect("a job");
    for lease in reply.granted {
        let (_, secret) = lease.lease.split_once('-').expect("two parts");
        secrets.push(secret.to_owned());
    }
    secrets
}

fn asks(token: &str, seq: u64, want: u32) -> SyncRequest {
    SyncRequest {
        token: token.to_owned(),
        seq,
        want,
        ..SyncRequest::default()
    }
}

fn hands_in(token: &str, seq: u64, lease: &str, data: &str) -> SyncRequest {
    SyncRequest {
        done: vec![Done {
            lease: lease.to_owned(),
            data: data.to_owned(),
        }],
        ..asks(token, seq, 0)
    }
}

fn holds(token: &str, seq: u64, leases: &[&str]) -> SyncRequest {
    SyncRequest {
        holding: leases.iter().map(|lease| (*lease).to_owned()).collect(),
        ..asks(token, seq, 0)
    }
}

/// The leases that a worker holds according to the store, found by a sync that lists none.
async fn has(given: &Given, token: &str, seq: u64, want: u32) -> Vec<GrantedLease> {
    given
        .sync(asks(token, seq, want))
        .await
        .expect("jobs")
        .granted
}
