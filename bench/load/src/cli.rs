//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use distcompute_protocol::Stage;

/// Simulates many volunteers in one process, for benchmarks and crash tests of a tracker.
///
/// The last line on standard output is the result, as JSON.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// The address of a tracker, such as `http://127.0.0.1:8080`; volunteers are distributed over
    /// all that are given
    #[arg(long, required = true)]
    pub(crate) url: Vec<String>,
    /// The number of volunteers, each with a connection of its own
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// The calls that volunteers make
    #[arg(long, value_enum, default_value_t = Calls::Old)]
    pub(crate) calls: Calls,
    /// How many jobs a sync asks for
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: u32,
    /// The stages at which volunteers register, in turn
    #[arg(long, value_delimiter = ',', default_value = "a")]
    pub(crate) stage: Vec<Stage>,
    /// Seconds between two turns of a volunteer; 0 means no pause
    #[arg(long, default_value_t = 0.0)]
    pub(crate) every_s: f64,
    /// Seconds of warm-up before the measurement
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warmup_s: f64,
    /// Seconds of measurement
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// End the measurement when this many jobs are done, a tenth of which are the warm-up
    #[arg(long)]
    pub(crate) at_most: Option<u64>,
    /// Continue until this many results were accepted, however often the tracker is unavailable
    /// meanwhile
    #[arg(long, conflicts_with_all = ["at_most", "every_s"])]
    pub(crate) drain: Option<u64>,
    /// Seconds without a result after which `--drain` gives up
    #[arg(long, default_value_t = 30.0)]
    pub(crate) patience_s: f64,
    /// A file to which a line is written for each result that was answered 200
    #[arg(long)]
    pub(crate) record: Option<PathBuf>,
}

/// The calls that volunteers make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calls {
    /// newJob and completeJob, once per job
    Old,
    /// sync, which submits the results of the jobs from the last one and asks for as many again
    Sync,
    /// One sync, which takes a job, and then beginnings of uploads for it
    Uploads,
    /// One sync, which takes a job, and then requests for the file that its input names, where it is
    /// redirected to a store
    Files,
}

/// Converts seconds to a duration, limited to what a duration can hold.
pub(crate) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}
