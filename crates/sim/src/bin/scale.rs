//! `cargo run --profile serve -p sim --bin scale`: a million volunteers on paper. What comes out is
//! JSON, one line a trial; `npm run bench -- scale` makes a page of it.

use std::{
    io::{self, Write as _},
    time::Instant,
};

use clap::Parser;
use serde_json::{Value, json};
use sim::scale::{Second, Trace, Trial, run, trials};

/// Simulates a million volunteers without faults.
#[derive(Debug, Parser)]
struct Args {
    /// Simulate at most one volunteer in so many, with its share of the tracker
    #[arg(long, default_value_t = 1)]
    one_in: u32,
    /// Only what has this in its name, or is varied in it
    #[arg(long, default_value = "")]
    only: String,
    /// How many parts are run at once
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// How many points a line of the plot has, at most.
const POINTS: usize = 300;

/// Seconds over which a peak is a mean: one, or where only a sample is run so many that chance does
/// not make it.
fn window_s(one_in: u32) -> u32 {
    if one_in == 1 { 1 } else { 10 }
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    for mut trial in trials() {
        let named = trial
            .varied
            .map_or(trial.name.as_str(), |(setting, _)| setting);
        if !named.contains(&args.only) {
            continue;
        }
        let one_in = &mut trial.scenario.one_in;
        *one_in = args.one_in.max(*one_in);
        let since = Instant::now();
        let trace = run(&trial.scenario, args.threads);
        let mut line = figures(&trial, &trace);
        line["took_s"] = rounded(since.elapsed().as_secs_f64(), 10.0);
        if let Some((setting, value)) = trial.varied {
            line["setting"] = json!(setting);
            line["value"] = json!(value);
        } else {
            line["series"] = series(&trace);
        }
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

fn figures(trial: &Trial, trace: &Trace) -> Value {
    let Trial {
        name,
        scenario,
        steady,
        event,
        ..
    } = trial;
    let usual = trace.mean(steady, |second| second.requests);
    let jobs = trace.mean(steady, |second| second.finished);
    let window_s = window_s(scenario.one_in);
    let peak = trace.peak(event, window_s, |second| second.requests);
    let sums = trace.sums;
    let cores = f64::from(scenario.volunteers) * f64::from(scenario.cores);
    let per =
        |sum: f64, parts: f64, digits: f64| (parts > 0.0).then(|| rounded(sum / parts, digits));
    json!({
        "name": name,
        "volunteers": scenario.volunteers,
        "simulated": scenario.volunteers / scenario.one_in,
        "lease_s": scenario.lease_s,
        "jobs_per_s": rounded(jobs, 1.0),
        "requests_per_s": rounded(usual, 1.0),
        "requests_per_job": per(usual, jobs, 1_000.0),
        "peak_per_s": rounded(peak, 1.0),
        "peak_over_s": window_s,
        "peak_by_usual": per(peak, usual, 100.0),
        "overloaded_s": trace.seconds.iter().filter(|second| second.requests > second.served).count(),
        "at_work_after_s": trace.given_after(event.start, u64::from(scenario.volunteers) * 99 / 100),
        "result_waits_s": per(sums.result_waits_ms / 1_000.0, sums.finished as f64, 100.0),
        "held_per_core": rounded(sums.held as f64 / cores, 100.0),
        "lapsed": sums.lapsed,
        "finished": sums.finished,
        "events": sums.events,
    })
}

/// The trace in so many parts, in requests a second: means, and the highest second of each.
fn series(trace: &Trace) -> Value {
    let step = trace.seconds.len().div_ceil(POINTS).max(1);
    let parts = || trace.seconds.chunks(step);
    let mean = |of: fn(&Second) -> u64| {
        let mean = |part: &[Second]| part.iter().map(of).sum::<u64>() as f64 / part.len() as f64;
        parts()
            .map(|part| rounded(mean(part), 1.0))
            .collect::<Vec<_>>()
    };
    json!({
        "step_s": step,
        "requests": mean(|second| second.requests),
        "served": mean(|second| second.served),
        "in_vain": mean(|second| second.in_vain),
    })
}

fn rounded(value: f64, parts: f64) -> Value {
    json!((value * parts).round() / parts)
}
