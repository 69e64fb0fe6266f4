//! `cargo run -p sim`: what a seed makes happen.

use std::{
    io::{self, Write as _},
    ops::Range,
};

use clap::Parser;
use distcompute_protocol::Stage;
use sim::{
    tracker::{Model, Tracker as _},
    world::World,
};

/// Simulates projects in virtual time, each from its seed.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The world of this seed
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The worlds of these seeds
    #[arg(long, value_name = "A..B", value_parser = range, default_value = "0..10")]
    seeds: Range<u64>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text} is no range like 0..1000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    Ok(number(from)?..number(to)?)
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let seeds = args.seed.map_or(args.seeds, |seed| seed..seed + 1);
    for seed in seeds {
        let mut world = World::new(Model::new(&[Stage::A], 100, true), &[Stage::A], 2, seed);
        let finished = world.run_until(600_000.0, |world| world.tracker.is_finished());
        assert!(finished, "seed {seed} did not finish");
        let ms = world.time();
        writeln!(io::stdout(), "seed {seed}: all jobs are done after {ms} ms")?;
    }
    Ok(())
}
