//! The program: reads the command line, runs the command, says why it failed.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use distcompute_tracker::{
    commands::{self, cli::Cli},
    rules::terminal::harmless,
};
use mimalloc::MiMalloc;

/// Thousands of connections with small buffers, and groups whose rows live for a millisecond: measured,
/// the system's allocator needs more memory and more time for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("The runtime does not start: {error}."))
        .and_then(|runtime| runtime.block_on(commands::run(cli.command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // Nothing can be done where even standard error is gone.
            let _ = writeln!(
                std::io::stderr(),
                "distcompute-tracker: {}",
                harmless(&sentence)
            );
            ExitCode::FAILURE
        }
    }
}
