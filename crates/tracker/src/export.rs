//! `export`: the outputs of a stage as JSON lines, a page of the database at a time.

use std::{
    fs::File,
    io::{BufWriter, ErrorKind, IsTerminal as _, Write},
};

use distcompute_protocol::Stage;

use crate::{
    audit::COMMAND_LINE,
    cli::ExportArgs,
    import::open_to_read,
    rules::{payload, terminal::harmless_json},
    store::{Action, Output, Store, StoreError},
};

/// Outputs that are read at a time.
const PAGE: u32 = 1_000;

/// Writes what the flags ask for.
///
/// # Errors
/// A sentence that says why it did not go through.
pub async fn run(args: &ExportArgs) -> Result<(), String> {
    let stage: Stage = args.stage.parse().map_err(|error| format!("{error}"))?;
    let store = open_to_read(&args.database.database).await?;
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
                std::io::stderr(),
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
        None => Box::new(std::io::stdout()),
    };
    let to_terminal = args.output.is_none() && std::io::stdout().is_terminal();
    let written = write(store.as_ref(), stage, to_terminal, BufWriter::new(out)).await;
    store.close().await;
    written
}

async fn write(
    store: &dyn Store,
    stage: Stage,
    to_terminal: bool,
    mut out: BufWriter<Box<dyn Write + Send>>,
) -> Result<(), String> {
    let (mut after, mut count) = (0, 0_u64);
    let mut unreadable: Vec<u64> = Vec::new();
    loop {
        let outputs = store
            .results(stage, after, PAGE)
            .await
            .map_err(|error| format!("The results cannot be read: {error}."))?;
        let Some(last) = outputs.last() else { break };
        after = last.cursor;
        count += outputs.len() as u64;
        for output in &outputs {
            if payload::check(&output.data).is_err() {
                unreadable.push(output.number);
            }
            let line = line(output);
            let line = if to_terminal {
                harmless_json(&line)
            } else {
                line.into()
            };
            match writeln!(out, "{line}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(|error| format!("Writing failed: {error}."))?,
            }
        }
    }
    out.flush()
        .map_err(|error| format!("Writing failed: {error}."))?;
    if let Some(first) = unreadable.first() {
        let _ = writeln!(
            std::io::stderr(),
            "{} results, the first one of job {first}, begin with the JSON mark and are not JSON: a \
             tracker of an earlier version accepted them. They were written as strings, and import \
             will refuse them.",
            unreadable.len()
        );
    }
    if count > 0 {
        // Standard output may be the results themselves. Nothing is lost where nobody reads this.
        let _ = writeln!(
            std::io::stderr(),
            "exported {count} results; to delete what they leave: prune --stage {stage} --before {}",
            after + 1
        );
    }
    Ok(())
}

/// One output: JSON as JSON, other text as a string. What only claims to be JSON is text too.
fn line(output: &Output) -> String {
    let data = payload::to_json(&output.data);
    format!("{{\"number\":{},\"data\":{data}}}", output.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(data: &str) -> String {
        line(&Output {
            cursor: 9,
            number: 7,
            data: data.to_owned(),
        })
    }

    #[test]
    fn json_comes_out_as_json_and_text_as_a_string() {
        assert_eq!(
            exported("<!json!>{\"a\": [1]}"),
            r#"{"number":7,"data":{"a":[1]}}"#
        );
        assert_eq!(exported("[1] \"x\""), r#"{"number":7,"data":"[1] \"x\""}"#);
    }

    #[test]
    fn each_output_is_one_line_of_valid_json() {
        assert_eq!(exported("<!json!>[1,\n 2]"), r#"{"number":7,"data":[1,2]}"#);
        assert_eq!(
            exported("<!json!>[NaN]"),
            r#"{"number":7,"data":"<!json!>[NaN]"}"#
        );
    }
}
