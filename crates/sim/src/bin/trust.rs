//! `cargo run --profile serve -p sim --bin trust`: projects some of whose volunteers lie. What comes out is JSON, one
//! line a scenario; `npm run bench -- trust` makes a page of it.

use std::io::{self, Write as _};

use clap::Parser;
use distcompute_tracker::rules::trust::Policy;
use serde_json::json;
use sim::trust::{Liar, Outcome, Scenario, run};

/// Simulates projects some of whose volunteers lie.
#[derive(Debug, Parser)]
struct Args {
    /// The number of seeds of each scenario; what is printed are the means
    #[arg(long, default_value_t = 10)]
    seeds: u64,
}

const JOBS: usize = 20_000;

/// The liars that look for each other's results to confirm.
const CHOOSES: &str = "a clique that chooses";

/// The share of all executions that the operator's worker may add.
const OPERATOR: f64 = 0.02;

fn kinds() -> Vec<(&'static str, Vec<Liar>)> {
    vec![
        ("all kinds", Liar::all().to_vec()),
        ("rubbish", vec![Liar::Rubbish]),
        ("wrong in 1 %", vec![Liar::Sometimes(0.01)]),
        ("wrong in 2 %", vec![Liar::Sometimes(0.02)]),
        ("wrong in 5 %", vec![Liar::Sometimes(0.05)]),
        ("wrong in 10 %", vec![Liar::Sometimes(0.1)]),
        ("wrong in 1 %, careful", vec![Liar::Careful(0.01)]),
        ("wrong in 5 %, careful", vec![Liar::Careful(0.05)]),
        ("right for 20", vec![Liar::Sleeper]),
        ("hit and leave", vec![Liar::HitAndLeave]),
        ("pairs", (0..1_000).map(|at| Liar::Clique(at / 2)).collect()),
        ("one clique", vec![Liar::Clique(0)]),
        (CHOOSES, vec![Liar::Clique(0)]),
        ("flaggers", vec![Liar::Flagger]),
        ("20 times as fast", vec![Liar::Fast]),
    ]
}

/// How many volunteers are there at a time: few enough that most of them execute all jobs of their stay.
fn volunteers(jobs_each: u32) -> usize {
    (JOBS / jobs_each as usize).clamp(10, 20)
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let adaptive = |confirmations| Policy::Adaptive { confirmations };
    let quorum = Policy::Quorum { volunteers: 2 };
    for jobs_each in [100, 200, 1_000, 4_000] {
        row(
            &args,
            ("adaptive:20", adaptive(20)),
            ("none", &[]),
            0.0,
            jobs_each,
        )?;
    }
    let schemes = [
        ("adaptive:20", adaptive(20)),
        ("adaptive:40", adaptive(40)),
        ("quorum:2", quorum),
    ];
    for scheme in schemes {
        for share in [0.1, 0.3] {
            for jobs_each in [200, 1_000] {
                for (name, liars) in kinds() {
                    row(&args, scheme, (name, &liars), share, jobs_each)?;
                }
            }
        }
    }
    Ok(())
}

fn row(
    args: &Args,
    (scheme, policy): (&str, Policy),
    (name, liars): (&str, &[Liar]),
    share: f64,
    jobs_each: u32,
) -> io::Result<()> {
    let volunteers = volunteers(jobs_each);
    // A quorum needs no worker of the operator's.
    let operator = match policy {
        Policy::Quorum { .. } => 0.0,
        _ => OPERATOR * volunteers as f64,
    };
    let found: Vec<Outcome> = (0..args.seeds)
        .map(|seed| {
            run(&Scenario {
                policy,
                jobs: JOBS,
                volunteers,
                share,
                liars: liars.to_vec(),
                jobs_each,
                choose: name == CHOOSES,
                operator,
                seed,
            })
        })
        .collect();
    let mean = |of: fn(&Outcome) -> f64| {
        let sum: f64 = found.iter().map(of).sum();
        (sum / found.len() as f64 * 1e6).round() / 1e6
    };
    let line = json!({
        "scheme": scheme,
        "liars": name,
        "share": share,
        "jobs_each": jobs_each,
        "wrong_share": mean(|one| one.wrong),
        "executions_per_job": mean(|one| one.executions),
        "operator_per_job": mean(|one| one.by_operator),
        "bound": bound(policy, share),
        "set_aside": mean(|one| one.set_aside),
        "honest_on_hold": mean(|one| one.honest_on_hold as f64),
        "unfinished": found.iter().map(|one| one.unfinished).max(),
    });
    writeln!(io::stdout(), "{line}")
}

/// Sarmenta's bound on the share of wrong results of volunteers that have survived the checks of newcomers.
fn bound(policy: Policy, share: f64) -> Option<f64> {
    let Policy::Adaptive { confirmations } = policy else {
        return None;
    };
    let bound = share / ((1.0 - share) * f64::from(confirmations) * std::f64::consts::E);
    Some((bound * 1e6).round() / 1e6)
}
