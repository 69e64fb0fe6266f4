//! The `distcompute-tracker` program: parses the command line, runs the command and prints the
//! error if it fails.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use distcompute_tracker::{
    commands::{self, cli::Cli},
    rules::terminal::harmless,
};
use mimalloc::MiMalloc;

/// mimalloc instead of the system allocator: with thousands of connections with small buffers, and
/// groups whose rows live for a millisecond, it measured faster and used less memory.
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
            // If standard error cannot be written to, there is nowhere left to report the failure.
            let _ = writeln!(
                std::io::stderr(),
                "distcompute-tracker: {}",
                harmless(&sentence)
            );
            ExitCode::FAILURE
        }
    }
}
