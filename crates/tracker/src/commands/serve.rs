//! `serve` and `check-config`: what the flags, the environment and the configuration file say together, and
//! what is wrong with it.

use std::io::{self, IsTerminal as _, Write as _};

use tracing_subscriber::EnvFilter;

use crate::{
    config::{ServeArgs, Settings},
    serve,
};

/// Starts the logs and serves until the process is told to stop.
///
/// # Errors
/// All that is wrong with the settings, or why it cannot serve.
pub async fn run(args: &ServeArgs) -> Result<(), String> {
    let settings = gathered(args)?;
    let obstacles = settings.obstacles();
    if !obstacles.is_empty() {
        return Err(said(&obstacles));
    }
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| format!("The log filter {:?}: {error}.", settings.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    for sentence in settings.warnings() {
        tracing::warn!("{sentence}");
    }
    serve::run(settings).await
}

/// Says all that is wrong with the settings, and what `serve` would warn of.
///
/// # Errors
/// All that is wrong with the settings.
pub fn check(args: &ServeArgs) -> Result<(), String> {
    let settings = gathered(args)?;
    let mut out = io::stdout();
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
