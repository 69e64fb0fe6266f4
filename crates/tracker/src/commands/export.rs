//! `export`: the outputs of a stage as JSON lines.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
};

use distcompute_protocol::Stage;

use super::{
    cli::{COMMAND_LINE, ExportArgs},
    open::open_to_read,
};
use crate::{
    operations::export::{Exported, write},
    store::{Action, StoreError},
};

/// Writes what the flags ask for.
///
/// # Errors
/// A sentence that says why it did not go through.
pub async fn run(args: &ExportArgs) -> Result<(), String> {
    let stage: Stage = args.stage.parse().map_err(|error| format!("{error}"))?;
    let store = open_to_read(&args.database).await?;
    let action = Action {
        who: COMMAND_LINE.to_owned(),
        action: "export",
        detail: format!("results of stage {stage}"),
    };
    match store.note_action(&action).await {
        Ok(()) => {}
        // Results must come off a full disk, and out of a read-only copy.
        Err(StoreError::Unavailable(why)) => {
            let _ = writeln!(
                io::stderr(),
                "the export is not in the log of actions, because nothing can be written: {why}"
            );
        }
        Err(error) => return Err(format!("The export cannot be written down: {error}.")),
    }
    let out: Box<dyn Write + Send> = match &args.output {
        Some(path) => Box::new(
            File::create(path)
                .map_err(|error| format!("{} cannot be written: {error}.", path.display()))?,
        ),
        None => Box::new(io::stdout()),
    };
    let to_terminal = args.output.is_none() && io::stdout().is_terminal();
    let written = write(store.as_ref(), stage, to_terminal, BufWriter::new(out)).await;
    store.close().await;
    if let Some(exported) = written? {
        report(stage, &exported);
    }
    Ok(())
}

/// Says on standard error what was exported: standard output may be the results themselves. Nothing is lost
/// where nobody reads this.
fn report(stage: Stage, exported: &Exported) {
    if let Some(first) = exported.unreadable.first() {
        let _ = writeln!(
            io::stderr(),
            "{} results, the first one of job {first}, begin with the JSON mark and are not JSON: a \
             tracker of an earlier version accepted them. They were written as strings, and import \
             will refuse them.",
            exported.unreadable.len()
        );
    }
    if exported.count > 0 {
        let _ = writeln!(
            io::stderr(),
            "exported {} results; to delete what they leave: prune --stage {stage} --before {}",
            exported.count,
            exported.last + 1
        );
    }
}
