//! `export`: writes the outputs of a stage as JSON lines.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
};

use distcompute_protocol::Stage;

use super::{
    cli::{COMMAND_LINE, ExportArgs},
    open::{open_objects, open_to_read},
};
use crate::{
    operations::export::{Exported, How, write},
    store::{Action, StoreError},
};

/// Exports the results. Files that the store does not have keep nothing else from being exported.
///
/// # Errors
/// Returns a sentence that says why it failed, or how many files are missing.
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
        // Exporting must work on a full disk and from a read-only copy, so not being able to log
        // the action is only reported.
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
    let files = match &args.files {
        None => None,
        Some(folder) => {
            let objects = open_objects(&args.database, &args.object_store)?;
            let objects = objects.ok_or("The project takes no files: object_store is off.")?;
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("{} cannot be made: {error}.", folder.display()))?;
            Some((folder.clone(), objects))
        }
    };
    let how = How {
        to_terminal,
        settled: args.settled,
        files,
    };
    let written = write(store.as_ref(), stage, &how, BufWriter::new(out)).await;
    store.close().await;
    let Some(exported) = written? else {
        return Ok(());
    };
    report(stage, &exported);
    match exported.missing.len() {
        0 => Ok(()),
        1 => Err("A file that results name was not written. All results were.".to_owned()),
        many => Err(format!(
            "{many} files that results name were not written. All results were."
        )),
    }
}

/// Reports on standard error what was exported, because standard output may be the results. Failing
/// to write it loses nothing.
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
    if exported.unsettled > 0 {
        let _ = writeln!(
            io::stderr(),
            "left out {} results that count on the word of one volunteer; without --settled they are \
             exported too",
            exported.unsettled
        );
    }
    for why in &exported.missing {
        let _ = writeln!(io::stderr(), "{why}");
    }
    if exported.files > 0 {
        let _ = writeln!(io::stderr(), "wrote {} files", exported.files);
    }
    if exported.count > 0 {
        let _ = writeln!(
            io::stderr(),
            "exported {} results; to delete what they leave: prune --stage {stage} --before {}",
            exported.count,
            exported.last + 1
        );
    } else {
        let _ = writeln!(io::stderr(), "exported 0 results of stage {stage}");
    }
}
