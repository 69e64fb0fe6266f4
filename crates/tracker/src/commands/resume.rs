//! `resume`: resumes stages that were paused because everything failed there.

use std::io::{self, Write as _};

use super::{
    cli::{COMMAND_LINE, ResumeArgs},
    open::open_store,
};
use crate::operations::resume::resume;

/// Resumes the given stage, or all stages.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(args: &ResumeArgs) -> Result<(), String> {
    let stage = match &args.stage {
        Some(letter) => Some(letter.parse().map_err(|error| format!("{error}"))?),
        None => None,
    };
    let store = open_store(&args.database).await?;
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
