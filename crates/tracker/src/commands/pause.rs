//! `pause` and `resume`: whether jobs of a stage are handed out.

use std::io::{self, Write as _};

use distcompute_protocol::Stage;

use super::{
    cli::{COMMAND_LINE, PauseArgs, ResumeArgs},
    open::open_store,
};
use crate::operations::pause::{pause, resume};

/// Pauses the given stage, or all stages.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(args: &PauseArgs) -> Result<(), String> {
    let stage = parsed(args.stage.as_deref())?;
    if args.message.contains('\0') {
        return Err("--message must not contain U+0000.".to_owned());
    }
    let store = open_store(&args.database).await?;
    let outcome = pause(store.as_ref(), stage, &args.message, COMMAND_LINE).await;
    store.close().await;
    let count = outcome.map_err(|error| format!("Pausing failed: {error}."))?;
    let sentence = match count {
        0 => "the message is changed; all of these stages were paused".to_owned(),
        1 => "paused 1 stage; resume has its jobs handed out again".to_owned(),
        count => format!("paused {count} stages; resume has their jobs handed out again"),
    };
    print(&sentence)
}

/// Resumes the given stage, or all stages.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run_resume(args: &ResumeArgs) -> Result<(), String> {
    let stage = parsed(args.stage.as_deref())?;
    let store = open_store(&args.database).await?;
    let outcome = resume(store.as_ref(), stage, COMMAND_LINE).await;
    store.close().await;
    let count = outcome.map_err(|error| format!("Resuming failed: {error}."))?;
    let sentence = match count {
        0 => "no stage was paused".to_owned(),
        1 => "resumed 1 stage".to_owned(),
        count => format!("resumed {count} stages"),
    };
    print(&sentence)
}

fn parsed(letter: Option<&str>) -> Result<Option<Stage>, String> {
    let stage = letter.map(str::parse).transpose();
    stage.map_err(|error| format!("{error}"))
}

fn print(sentence: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{sentence}").map_err(|error| error.to_string())
}
