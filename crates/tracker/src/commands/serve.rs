//! `serve` and `check-config`: combine flags, environment and configuration file into settings, and
//! report what is wrong with them.

use std::io::{self, IsTerminal as _, Write as _};

use tracing_subscriber::EnvFilter;

use crate::{
    config::{ServeArgs, Settings},
    files::objects::Objects,
    serve,
};

/// Initializes logging and serves until the process is asked to stop.
///
/// # Errors
/// Returns everything that is wrong with the settings, or why the tracker cannot serve.
pub async fn run(args: &ServeArgs) -> Result<(), String> {
    let settings = load_settings(args)?;
    let obstacles = settings.obstacles();
    if !obstacles.is_empty() {
        return Err(one_per_line(&obstacles));
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

/// Reports everything that is wrong with the settings, and the warnings that `serve` would log.
///
/// # Errors
/// Returns everything that is wrong with the settings.
pub async fn check(args: &ServeArgs) -> Result<(), String> {
    let settings = load_settings(args)?;
    let mut out = io::stdout();
    writeln!(out, "the configuration is fine").map_err(|error| error.to_string())?;
    for sentence in settings.warnings() {
        writeln!(out, "a warning: {sentence}").map_err(|error| error.to_string())?;
    }
    if let Some(objects) = Objects::open(&settings.object_store)?
        && let Err(error) = objects.probe().await
    {
        let place = &settings.object_store;
        let sentence = format!("the files of jobs cannot be kept in {place}: {error:?}");
        writeln!(out, "a warning: {sentence}").map_err(|error| error.to_string())?;
    }
    for sentence in settings.obstacles() {
        writeln!(out, "serve will refuse to start here: {sentence}")
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Returns the settings, or everything that is wrong with them, one sentence per line.
fn load_settings(args: &ServeArgs) -> Result<Settings, String> {
    Settings::gather(args).map_err(|sentences| one_per_line(&sentences))
}

fn one_per_line(sentences: &[String]) -> String {
    if let [sentence] = sentences {
        return sentence.clone();
    }
    format!(
        "{} things are wrong:\n- {}",
        sentences.len(),
        sentences.join("\n- ")
    )
}
