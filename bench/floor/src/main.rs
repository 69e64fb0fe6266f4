//! The floor of the tracker's throughput: the same syncs of the same jobs, given to the store by one thread
//! that waits for a whole group at a time. What the tracker takes beyond this is HTTP: connections, JSON, and
//! the hand-overs between its tasks.

use std::{
    io::Write as _,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use distcompute_protocol::{Done, Stage, SyncRequest};
use distcompute_tracker::{
    database_url::DatabaseUrl,
    ledger::LATE_BYTES,
    rules::trust::Trust,
    store::{NewWorker, Store, StoreRules},
};
use futures_util::future::try_join_all;

/// Hands out and completes the jobs of a database without HTTP
#[derive(Parser)]
struct Cli {
    /// The database, which holds open jobs
    #[arg(long)]
    database: DatabaseUrl,
    /// How many workers sync in one group
    #[arg(long, default_value_t = 16)]
    group: usize,
    /// How many results a sync hands in, and how many jobs it takes
    #[arg(long, default_value_t = 16)]
    batch: u32,
    /// Seconds before the measurement
    #[arg(long, default_value_t = 1)]
    warmup_s: u64,
    /// Seconds of the measurement at most
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// How many jobs are completed at most
    #[arg(long, default_value_t = u64::MAX)]
    at_most: u64,
}

/// As `serve` has them by default.
const RULES: StoreRules = StoreRules {
    trust: Trust::OFF,
    last_stage: Stage::A,
    invalid_after: 2,
    max_attempts: 5,
    pause_after: 3,
    slow_failing: true,
    lease_s: 300,
    late_bytes: LATE_BYTES,
};

/// As many cores as a volunteer can have, so that the jobs of a turn are granted from the first one on.
const CORES: u32 = 128;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(&cli)));
    match outcome {
        Ok(rate) => {
            let line = serde_json::json!({ "jobs_per_s": rate });
            let _ = writeln!(std::io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "distcompute-floor: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the completed jobs per second.
async fn run(cli: &Cli) -> Result<f64, String> {
    let store = cli.database.open(false, RULES).await?;
    let workers = (0..cli.group).map(|index| Worker::register(&store, index, cli.batch));
    let mut workers = try_join_all(workers).await?;
    let warm = Instant::now() + Duration::from_secs(cli.warmup_s);
    let (mut done, mut begun) = (0, None);
    loop {
        let accepted = try_join_all(workers.iter_mut().map(|worker| worker.turn(&store))).await?;
        let group = accepted.iter().sum::<u64>();
        let now = Instant::now();
        // The first groups warm the caches up, but take no more than a tenth of the jobs.
        let (start, before) = match begun {
            None if now < warm && done < cli.at_most / 10 => {
                done += group;
                continue;
            }
            None => *begun.insert((now, done + group)),
            Some(begun) => begun,
        };
        done += group;
        let passed = now.duration_since(start);
        // All workers have handed in what they were granted, and were granted nothing.
        let is_over = group == 0 && workers.iter().all(|worker| worker.held.is_empty());
        if passed >= Duration::from_secs(cli.seconds) || done >= cli.at_most || is_over {
            store.close().await;
            let jobs = u32::try_from(done - before).unwrap_or(u32::MAX);
            if jobs == 0 {
                return Err("No job was completed: the database has too few.".to_owned());
            }
            return Ok(f64::from(jobs) / passed.as_secs_f64());
        }
    }
}

/// A worker, and the results that it hands in next.
struct Worker {
    token: String,
    seq: u64,
    batch: u32,
    held: Vec<Done>,
}

impl Worker {
    async fn register(store: &Arc<dyn Store>, index: usize, batch: u32) -> Result<Self, String> {
        let token = format!("floor {index}");
        let worker = NewWorker {
            browser: String::new(),
            token: token.clone(),
            display_name: token.clone(),
            nickname: format!("volunteer {index}"),
            address: format!("10.0.0.{}", index % 256),
            proven: None,
            stage: Stage::A,
        };
        let registered = store.register(worker).await;
        registered.map_err(|error| error.to_string())?;
        Ok(Self {
            token,
            seq: 0,
            batch,
            held: Vec::new(),
        })
    }

    /// Hands in what it holds, takes as many jobs, and returns how many results were accepted.
    async fn turn(&mut self, store: &Arc<dyn Store>) -> Result<u64, String> {
        self.seq += 1;
        let request = SyncRequest {
            token: self.token.clone(),
            seq: self.seq,
            done: std::mem::take(&mut self.held),
            want: self.batch,
            cores: Some(CORES),
            ..SyncRequest::default()
        };
        let reply = store.sync(request).await;
        let reply = reply.map_err(|error| error.to_string())?;
        let results = reply.granted.into_iter().map(|granted| Done {
            data: format!("result of job {}", granted.number),
            lease: granted.lease,
        });
        self.held = results.collect();
        Ok(reply.accepted.len() as u64)
    }
}
