//! `cargo run -p sim`: what a seed makes happen.

use std::{
    io::{self, Write as _},
    ops::Range,
    process::ExitCode,
};

use clap::Parser;
use sim::{
    hunt::{hunt, shrink},
    run::{Sabotage, simulate},
    scenario::Scenario,
    tables::{self, Place},
    trackers::moment,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates projects in virtual time, each from its seed.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The world of this seed
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The worlds of these seeds
    #[arg(long, value_name = "A..B", value_parser = range, default_value = "0..100")]
    seeds: Range<u64>,
    /// Tell what happens, also where nothing goes wrong
    #[arg(long, requires = "seed")]
    story: bool,
    /// Break this rule on purpose, to see whether it is noticed
    #[arg(long = "break", value_name = "RULE")]
    sabotage: Option<Sabotage>,
    /// Keep the tables on this PostgreSQL (postgres://…), each world's in a schema of its own
    #[arg(long, value_name = "ADDRESS", value_parser = tables::place)]
    database: Option<Place>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text} is no range like 0..1000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    Ok(number(from)?..number(to)?)
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let place = args.database.unwrap_or_default();
    let mut out = io::stdout();
    let failed = match args.seed {
        Some(seed) if args.story => {
            let scenario = Scenario::draw(seed);
            writeln!(out, "{scenario:#?}")?;
            let ended = simulate(&scenario, &place, args.sabotage, true);
            for line in ended.trace.story.iter().flatten() {
                writeln!(out, "{line}")?;
            }
            writeln!(out, "{} {:?}", moment(ended.at), ended.fault)?;
            ended.fault.is_some()
        }
        _ => {
            let seeds = args.seed.map_or(args.seeds, |seed| seed..seed + 1);
            let all = seeds.end - seeds.start;
            let found = hunt(seeds, &place, args.sabotage, |done| {
                if done.is_multiple_of(100) {
                    let _ = writeln!(io::stderr(), "{done} of {all} worlds");
                }
            });
            for (seed, fault) in &found {
                writeln!(out, "seed {seed}: {fault}")?;
            }
            if let Some((seed, _)) = found.first() {
                writeln!(out)?;
                tell_shortest(*seed, &place, args.sabotage)?;
            }
            let failed = found.len() as u64;
            writeln!(out, "{} passed; {failed} failed", all - failed)?;
            failed > 0
        }
    };
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The shortest story that ends as badly.
fn tell_shortest(seed: u64, place: &Place, sabotage: Option<Sabotage>) -> io::Result<()> {
    let mut out = io::stdout();
    let (scenario, ended) = shrink(&Scenario::draw(seed), place, sabotage);
    writeln!(
        out,
        "\nThe shortest scenario of seed {seed} that still fails:\n{scenario:#?}\n"
    )?;
    for line in ended.trace.story.iter().flatten() {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "{}  {}\n",
        moment(ended.at),
        ended.fault.unwrap_or_default()
    )?;
    writeln!(out, "To see it again: cargo run -p sim -- --seed {seed}")
}
