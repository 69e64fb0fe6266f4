//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use distcompute_protocol::Stage;

/// Many volunteers in one process, for benchmarks and crash tests of a tracker.
///
/// The last line on standard output is the result, as JSON.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// A tracker's address, as `http://127.0.0.1:8080`; volunteers spread over all that are given
    #[arg(long, required = true)]
    pub(crate) url: Vec<String>,
    /// Volunteers, each with a connection of its own
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// Which calls they make
    #[arg(long, value_enum, default_value_t = Calls::Old)]
    pub(crate) calls: Calls,
    /// How many jobs a sync asks for
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: u32,
    /// The stages that they register at, in turn
    #[arg(long, value_delimiter = ',', default_value = "a")]
    pub(crate) stage: Vec<Stage>,
    /// Seconds from one turn of a volunteer to its next; 0 is without a pause
    #[arg(long, default_value_t = 0.0)]
    pub(crate) every_s: f64,
    /// Seconds before anything is measured
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warmup_s: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// End the measurement when this many jobs are done, a tenth of which are the warm-up
    #[arg(long)]
    pub(crate) at_most: Option<u64>,
    /// Go on until this many results were taken, however often the tracker goes away meanwhile
    #[arg(long, conflicts_with_all = ["at_most", "every_s"])]
    pub(crate) drain: Option<u64>,
    /// Seconds without any result after which `--drain` gives up
    #[arg(long, default_value_t = 30.0)]
    pub(crate) patience_s: f64,
    /// A file that gets a line for each result that was answered 200
    #[arg(long)]
    pub(crate) record: Option<PathBuf>,
}

/// Which calls volunteers make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calls {
    /// newJob and completeJob, once a job
    Old,
    /// sync, which hands in what the last one gave and takes as many again
    Sync,
}

/// Seconds of the command line, as far as a duration can hold them.
pub(crate) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}
