//! The program: reads the command line, starts the logs, runs the command, says why it failed.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use distcompute_tracker::{
    audit, backup, bans,
    cli::{Cli, Command, ServeArgs},
    config::Settings,
    export, import, prune, requeue, resume,
    rules::terminal::harmless,
    serve, workers,
};
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

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
        .and_then(|runtime| runtime.block_on(run(cli.command)));
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

async fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Serve(args) => {
            let settings = gathered(&args)?;
            let obstacles = settings.obstacles();
            if !obstacles.is_empty() {
                return Err(said(&obstacles));
            }
            let filter = EnvFilter::try_new(&settings.log)
                .map_err(|error| format!("The log filter {:?}: {error}.", settings.log))?;
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .init();
            for sentence in settings.warnings() {
                tracing::warn!("{sentence}");
            }
            serve::run(settings).await
        }
        Command::CheckConfig(args) => {
            let settings = gathered(&args)?;
            let mut out = std::io::stdout();
            writeln!(out, "the configuration is fine").map_err(|error| error.to_string())?;
            for sentence in settings.warnings() {
                writeln!(out, "a warning: {sentence}").map_err(|error| error.to_string())?;
            }
            for sentence in settings.obstacles() {
                writeln!(out, "serve will refuse to start here: {sentence}")
                    .map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        Command::Import(args) => import::run(&args).await,
        Command::Export(args) => export::run(&args).await,
        Command::Backup(args) => backup::run(&args).await,
        Command::Prune(args) => prune::run(&args).await,
        Command::Audit(args) => audit::run(&args).await,
        Command::Requeue(args) => requeue::run(&args).await,
        Command::Workers(args) => workers::run(&args).await,
        Command::Ban(args) => bans::run(&args).await,
        Command::Pardon(args) => bans::run_pardon(&args).await,
        Command::Resume(args) => resume::run(&args).await,
    }
}

/// The settings, or all that is wrong with them, a line each.
fn gathered(args: &ServeArgs) -> Result<Settings, String> {
    Settings::gather(args).map_err(|sentences| said(&sentences))
}

fn said(sentences: &[String]) -> String {
    if let [sentence] = sentences {
        return sentence.clone();
    }
    format!(
        "{} things are wrong:\n- {}",
        sentences.len(),
        sentences.join("\n- ")
    )
}
