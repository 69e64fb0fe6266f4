//! The load generator: registers the volunteers, lets them work, and reports the result.

mod cli;
mod connection;
mod files;
mod measure;
mod record;
mod sync;
mod volunteer;

use std::{cell::RefCell, io::Write as _, process::ExitCode, rc::Rc, time::Duration};

use clap::Parser as _;
use tokio::{
    task::{JoinSet, LocalSet},
    time::{self, Instant},
};

use crate::{
    cli::{Cli, seconds},
    connection::Connection,
    measure::Measure,
    record::Record,
    volunteer::{Behaviour, Shared, Volunteer},
};

/// The maximum number of concurrent registrations, because a listening socket has a short queue.
const ARRIVING: usize = 64;

/// How often the progress is checked.
const LOOK: Duration = Duration::from_millis(5);

/// How long a volunteer waits when there are no jobs.
const NO_JOBS: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| LocalSet::new().block_on(&runtime, run(cli)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "distcompute-load: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    let shared = Rc::new(RefCell::new(Shared {
        measure: Measure::new()?,
        record: Record::new(cli.record.as_deref())?,
    }));
    let volunteers = gather(&cli, &shared).await?;
    let mut working = JoinSet::new();
    let every = seconds(cli.every_s);
    let count = u32::try_from(volunteers.len()).unwrap_or(u32::MAX).max(1);
    for (index, volunteer) in (0_u32..).zip(volunteers) {
        // Evenly distributed, like volunteers who arrive at different times.
        let first = every * index / count;
        working.spawn_local(work(volunteer, first, every));
    }
    tokio::select! {
        outcome = watch(&cli, &shared) => outcome?,
        Some(ended) = working.join_next() => {
            ended.unwrap_or_else(|error| Err(error.to_string()))?;
        }
    }
    let mut shared = shared.borrow_mut();
    shared.record.finish()?;
    print(&shared.measure.figures())
}

/// Registers all volunteers.
async fn gather(cli: &Cli, shared: &Rc<RefCell<Shared>>) -> Result<Vec<Volunteer>, String> {
    let mut arriving = JoinSet::new();
    let mut there = Vec::with_capacity(cli.connections);
    for index in 0..cli.connections {
        if arriving.len() >= ARRIVING {
            there.extend(arrived(&mut arriving).await?);
        }
        let url = &cli.url[index % cli.url.len()];
        let stage = cli.stage[index % cli.stage.len()];
        let mut volunteer = Volunteer::new(
            Connection::new(url)?,
            Rc::clone(shared),
            Behaviour {
                calls: cli.calls,
                batch: cli.batch,
                stage,
                retries: cli.drain.is_some(),
                index,
            },
        );
        arriving.spawn_local(async move { volunteer.register().await.map(|()| volunteer) });
    }
    while let Some(volunteer) = arrived(&mut arriving).await? {
        there.push(volunteer);
    }
    Ok(there)
}

async fn arrived(
    arriving: &mut JoinSet<Result<Volunteer, String>>,
) -> Result<Option<Volunteer>, String> {
    match arriving.join_next().await {
        None => Ok(None),
        Some(Ok(volunteer)) => volunteer.map(Some),
        Some(Err(error)) => Err(error.to_string()),
    }
}

/// Runs one volunteer; returns only with an error.
async fn work(mut volunteer: Volunteer, first: Duration, every: Duration) -> Result<(), String> {
    let mut next = Instant::now() + first;
    loop {
        if !every.is_zero() {
            time::sleep_until(next).await;
            next += every;
        }
        if !volunteer.turn().await? && every.is_zero() {
            time::sleep(NO_JOBS).await;
        }
    }
}

/// Starts and stops the measurement, and returns when everything is done.
async fn watch(cli: &Cli, shared: &Rc<RefCell<Shared>>) -> Result<(), String> {
    match cli.drain {
        Some(jobs) => drain(jobs, seconds(cli.patience_s), shared).await,
        None => measure(cli, shared).await,
    }
}

async fn measure(cli: &Cli, shared: &Rc<RefCell<Shared>>) -> Result<(), String> {
    let most = cli.at_most.unwrap_or(u64::MAX);
    until(shared, seconds(cli.warmup_s), most / 10).await;
    shared.borrow_mut().measure.open();
    until(shared, seconds(cli.seconds), most).await;
    shared.borrow_mut().measure.close();
    Ok(())
}

/// Returns when the time is over or the jobs are done.
async fn until(shared: &Rc<RefCell<Shared>>, limit: Duration, jobs: u64) {
    let end = Instant::now() + limit;
    while Instant::now() < end && shared.borrow().measure.jobs() < jobs {
        time::sleep(LOOK.min(limit)).await;
    }
}

/// Returns when `jobs` results were accepted, reporting the progress.
async fn drain(jobs: u64, patience: Duration, shared: &Rc<RefCell<Shared>>) -> Result<(), String> {
    shared.borrow_mut().measure.open();
    let mut last = (0, Instant::now());
    loop {
        time::sleep(LOOK).await;
        let now = shared.borrow().measure.jobs();
        if now >= jobs {
            return Ok(());
        }
        if now > last.0 {
            last = (now, Instant::now());
            print(&serde_json::json!({ "taken": now }))?;
        } else if last.1.elapsed() > patience {
            return Err(format!("Only {now} of {jobs} results were taken."));
        }
    }
}

fn print(line: &impl serde::Serialize) -> Result<(), String> {
    let line = serde_json::to_string(line).map_err(|error| error.to_string())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("Standard output: {error}."))
}
