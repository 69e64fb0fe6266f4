//! `resume`: has stages go on that were paused because everything failed there.

use std::io::{self, Write as _};

use distcompute_protocol::Stage;

use crate::{
    audit::COMMAND_LINE,
    cli::ResumeArgs,
    import::open_store,
    store::{Action, Store, StoreError},
};

/// Has the stage go on that the flags name, or all.
///
/// # Errors
/// A sentence that says what was not understood, or why it did not go through.
pub async fn run(args: &ResumeArgs) -> Result<(), String> {
    let stage = match &args.stage {
        Some(letter) => Some(letter.parse().map_err(|error| format!("{error}"))?),
        None => None,
    };
    let store = open_store(&args.database.database, false).await?;
    let outcome = resume(store.as_ref(), stage, COMMAND_LINE).await;
    store.close().await;
    let count = outcome.map_err(|error| format!("Resuming failed: {error}."))?;
    let sentence = match count {
        0 => "no stage was paused".to_owned(),
        1 => "resumed 1 stage".to_owned(),
        count => format!("resumed {count} stages"),
    };
    writeln!(io::stdout(), "{sentence}").map_err(|error| error.to_string())
}

/// Has a stage go on, or all, and writes it down. Says how many were paused.
///
/// # Errors
/// The database failed.
pub async fn resume(store: &dyn Store, stage: Option<Stage>, who: &str) -> Result<u64, StoreError> {
    let stages = stage.map_or_else(|| Stage::ALL.to_vec(), |stage| vec![stage]);
    let detail = stage.map_or_else(|| "all stages".to_owned(), |stage| format!("stage {stage}"));
    let action = Action {
        who: who.to_owned(),
        action: "resume",
        detail,
    };
    store.note_action(&action).await?;
    store.resume(&stages).await
}
