//! `cargo run --profile serve -p sim --bin checked`: how fast a tracker's store takes results in, without checks and with
//! them, and how long syncs take while the results of a key are reverted. There is no network in between. What comes
//! out is JSON, one line a measurement; `npm run bench -- checked` makes a page of it.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use distcompute_protocol::{Done, Stage, SyncRequest};
use distcompute_tracker::{
    clock::SystemClock,
    ledger::LATE_BYTES,
    operations::{trust::revert, turns::Turns},
    rules::trust::{Policy, Trust},
    store::{
        NewWorker, ProvenKey, Store, StoreRules,
        postgres::{Address, PostgresStore},
        sqlite::SqliteStore,
    },
};
use rusqlite::Connection;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::runtime;

/// Measures a store with and without checks.
#[derive(Debug, Parser)]
struct Args {
    /// How many jobs there are
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    jobs: Vec<usize>,
    /// How long syncs are measured, in seconds
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many results are reverted
    #[arg(long, default_value_t = 100_000)]
    revert: usize,
    /// An empty PostgreSQL database, whose tables are deleted; without it, the store is SQLite
    #[arg(long)]
    postgres: Option<String>,
    /// A folder for databases of SQLite
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

/// How many volunteers sync side by side, and how many jobs each takes at a time.
const VOLUNTEERS: usize = 32;
const BATCH: u32 = 16;

/// How many jobs are added in one transaction.
const PART: usize = 20_000;

/// Registrations need no nonces of this age.
const FAR: i64 = i64::MAX / 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for _ in 0..args.rounds {
            for jobs in &args.jobs {
                for policy in ["off", "adaptive"] {
                    throughput(&args, *jobs, policy).await?;
                }
            }
            if args.revert > 0 {
                reverting(&args).await?;
            }
        }
        Ok(())
    })
}

/// A new store with jobs, and volunteers that have been confirmed often.
struct Project {
    store: Arc<dyn Store>,
    volunteers: Vec<Volunteer>,
}

async fn project(
    args: &Args,
    jobs: usize,
    policy: &str,
) -> Result<Project, Box<dyn std::error::Error>> {
    let policy: Policy = policy.parse()?;
    let mut policies = [Policy::Off; 5];
    policies[0] = policy;
    let rules = StoreRules {
        last_stage: Stage::A,
        invalid_after: 5,
        max_attempts: 5,
        pause_after: 3,
        slow_failing: true,
        lease_s: 300,
        late_bytes: LATE_BYTES,
        trust: Trust {
            policies,
            operators: vec!["k:own".to_owned()].leak(),
            version: "1",
            audits_per_minute: 1,
        },
    };
    let keys: Vec<String> = (0..VOLUNTEERS).map(|n| format!("volunteer{n}")).collect();
    let rows = keys.iter().map(|key| {
        format!(
            "insert into trust (stage, volunteer, version, confirmed, agreed, refuted, waiting, \
             unchecked, on_hold, doubted) values (0, 'k:{key}', '1', 4000, 0, 0, 0, 0, 0, 0);"
        )
    });
    let rows: String = rows.collect();
    let store: Arc<dyn Store> = match &args.postgres {
        Some(url) => {
            let mut on = PgConnection::connect(url).await?;
            on.execute("drop schema public cascade; create schema public")
                .await?;
            let address: Address = url.parse().map_err(|error| format!("{error:?}"))?;
            let store = PostgresStore::open(&address, rules, None).await?;
            on.execute(sqlx::AssertSqlSafe(rows)).await?;
            Arc::new(store)
        }
        None => {
            let path = file(&args.folder);
            let clock = Arc::new(SystemClock);
            let store = SqliteStore::open(&path, true, rules, clock).await?;
            Connection::open(&path)?.execute_batch(&rows)?;
            Arc::new(store)
        }
    };
    let mut left = jobs;
    while left > 0 {
        let part = left.min(PART);
        let inputs: Vec<String> = (0..part).map(|n| format!("input {n}")).collect();
        store.add_jobs(&inputs).await?;
        left -= part;
    }
    let mut volunteers = Vec::new();
    for key in keys {
        let worker = NewWorker {
            token: format!("token of {key}"),
            display_name: key.clone(),
            nickname: key.clone(),
            // As if from everywhere: one address has a limit.
            address: format!("10.0.{}.1", volunteers.len()),
            proven: Some(ProvenKey {
                thumbprint: key.clone(),
                nonce: key.clone(),
                expires_at: FAR,
            }),
            browser: String::new(),
            stage: Stage::A,
        };
        let token = worker.token.clone();
        store.register(worker).await?;
        volunteers.push(Volunteer {
            store: Arc::clone(&store),
            token,
            seq: 0,
            held: Vec::new(),
            times: Vec::new(),
            done: 0,
        });
    }
    Ok(Project { store, volunteers })
}

/// The file of the database, without one that was there.
fn file(folder: &Path) -> PathBuf {
    let path = folder.join("checked.db");
    for end in ["", "-wal", "-shm", "-lock"] {
        let mut name = path.clone().into_os_string();
        name.push(end);
        // There may be none.
        let _ = fs::remove_file(name);
    }
    path
}

struct Volunteer {
    store: Arc<dyn Store>,
    token: String,
    seq: u64,
    held: Vec<String>,
    times: Vec<f64>,
    done: usize,
}

impl Volunteer {
    /// Hands in what it holds and takes as many jobs again. Returns how many it was given.
    async fn sync(&mut self) -> usize {
        self.seq += 1;
        let done = std::mem::take(&mut self.held).into_iter();
        let done: Vec<Done> = done
            .map(|lease| Done {
                lease,
                data: "the same".to_owned(),
            })
            .collect();
        let began = Instant::now();
        let reply = self.store.sync(SyncRequest {
            token: self.token.clone(),
            seq: self.seq,
            cores: Some(BATCH),
            want: BATCH,
            done,
            ..SyncRequest::default()
        });
        let reply = reply.await.expect("an answer");
        self.times.push(began.elapsed().as_secs_f64() * 1e3);
        self.done += reply.accepted.len();
        self.held
            .extend(reply.granted.into_iter().map(|one| one.lease));
        self.held.len()
    }

    /// Syncs until there are no jobs, or it is time to end.
    async fn work(mut self, until: Instant) -> Self {
        while Instant::now() < until && self.sync().await > 0 {}
        self
    }
}

async fn all(volunteers: Vec<Volunteer>, until: Instant) -> Vec<Volunteer> {
    let tasks: Vec<_> = volunteers
        .into_iter()
        .map(|volunteer| tokio::spawn(volunteer.work(until)))
        .collect();
    let mut ended = Vec::new();
    for task in tasks {
        ended.push(task.await.expect("a volunteer"));
    }
    ended
}

async fn throughput(
    args: &Args,
    jobs: usize,
    policy: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let Project { store, volunteers } = project(args, jobs, policy).await?;
    let began = Instant::now();
    let ended = all(volunteers, began + Duration::from_secs(args.seconds)).await;
    let took = began.elapsed().as_secs_f64();
    let done: usize = ended.iter().map(|one| one.done).sum();
    let times: Vec<f64> = ended.iter().flat_map(|one| one.times.clone()).collect();
    store.close().await;
    print(&json!({
        "store": name(args),
        "what": policy,
        "jobs": jobs,
        "results_per_s": (done as f64 / took).round(),
        "p50_ms": quantile(times.clone(), 0.5),
        "p99_ms": quantile(times, 0.99),
    }))
}

/// One volunteer does all that is reverted, then the others sync meanwhile.
async fn reverting(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let Project {
        store,
        mut volunteers,
    } = project(args, args.revert + 200_000, "adaptive").await?;
    let mut one = volunteers.remove(0);
    while one.done < args.revert && one.sync().await > 0 {}
    let reverted = Arc::clone(&store);
    let began = Instant::now();
    let reverting = tokio::spawn(async move {
        let done = revert(reverted.as_ref(), "volunteer0", "bench", Turns::Fair).await;
        (done.expect("reverted").jobs, began.elapsed())
    });
    let mut times = Vec::new();
    while !reverting.is_finished() {
        volunteers = all(volunteers, Instant::now() + Duration::from_millis(500)).await;
        times.extend(
            volunteers
                .iter_mut()
                .flat_map(|one| std::mem::take(&mut one.times)),
        );
    }
    let (jobs, took) = reverting.await?;
    store.close().await;
    print(&json!({
        "store": name(args),
        "what": "reverting",
        "jobs": jobs,
        "results_per_s": (jobs as f64 / took.as_secs_f64()).round(),
        "p50_ms": quantile(times.clone(), 0.5),
        "p99_ms": quantile(times, 0.99),
    }))
}

fn name(args: &Args) -> &'static str {
    if args.postgres.is_some() {
        "postgres"
    } else {
        "sqlite"
    }
}

fn quantile(mut times: Vec<f64>, share: f64) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let at = (times.len() as f64 * share).ceil() as usize;
    let time = times.get(at.saturating_sub(1))?;
    Some((time * 100.0).round() / 100.0)
}

fn print(line: &serde_json::Value) -> Result<(), Box<dyn std::error::Error>> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
