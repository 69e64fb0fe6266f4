//! `reopen` and `close`: what becomes of jobs when a stage is added or taken away.

use std::io::{self, Write as _};

use distcompute_protocol::Stage;

use super::{
    cli::{COMMAND_LINE, StageChangeArgs},
    confirm::confirmed,
    open::{open_store, open_to_read, turns},
};
use crate::operations::stages::{Change, Changed, change};

/// Changes the jobs.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(what: Change, args: &StageChangeArgs) -> Result<(), String> {
    let stage: Stage = args.stage.parse().map_err(|error| format!("{error}"))?;
    let Some(before) = stage.previous() else {
        return Err(format!(
            "No stage comes before {stage}. Name the stage that was added after others, or taken away."
        ));
    };
    let question = match what {
        Change::Reopen => {
            format!("Have all jobs that were finished at stage {before} go on at {stage}?")
        }
        Change::Close => {
            format!(
                "Finish all jobs that wait at stage {stage}, with their results of stage {before}?"
            )
        }
    };
    let changed = if args.dry_run {
        let store = open_to_read(&args.database).await?;
        let found = change(store.as_ref(), what, (before, stage), None).await;
        store.close().await;
        found.map_err(|error| format!("The jobs cannot be read: {error}."))?
    } else {
        if !args.yes && !confirmed("This changes jobs.", &question)? {
            return Err("Nothing was changed.".to_owned());
        }
        let turns = turns(&args.database)?;
        let store = open_store(&args.database).await?;
        let log = Some((COMMAND_LINE, turns));
        let changed = change(store.as_ref(), what, (before, stage), log).await;
        store.close().await;
        changed.map_err(|error| {
            format!("Not all jobs were changed: {error}. The same command again changes the rest.")
        })?
    };
    let printed = sentence(what, (before, stage), changed, args.dry_run);
    writeln!(io::stdout(), "{printed}").map_err(|error| error.to_string())
}

fn sentence(what: Change, (before, stage): (Stage, Stage), changed: Changed, dry: bool) -> String {
    let jobs = match changed.jobs {
        1 => "1 job".to_owned(),
        count => format!("{count} jobs"),
    };
    let would = if dry { "would have " } else { "" };
    let mut text = match what {
        Change::Reopen if dry => format!("{jobs} would go on at stage {stage}"),
        Change::Reopen => {
            format!("{jobs} go on at stage {stage}, where the tracker has it enabled")
        }
        Change::Close => {
            format!("{would}finished {jobs} of stage {stage}, with the results of stage {before}")
        }
    };
    if changed.pruned > 0 {
        let left = changed.pruned;
        text.push_str(&format!("\n{left} more cannot, because they were pruned"));
    }
    text
}
