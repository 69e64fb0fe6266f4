//! Exports the outputs of a stage as JSON lines, one page of the database at a time.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Write},
    path::PathBuf,
};

use distcompute_protocol::Stage;

use crate::{
    files::objects::Objects,
    operations::job_files::{Written, write_files},
    rules::{payload, terminal::harmless_json},
    store::{Output, Store},
};

/// The number of outputs per page.
const PAGE: u32 = 1_000;

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many results.
    pub count: u64,
    /// The cursor of the last one.
    pub last: u64,
    /// How many results were left out because they count on the word of one volunteer.
    pub unsettled: u64,
    /// How many files were written that were not there.
    pub files: u64,
    /// Why files that results name were not written, a sentence each.
    pub missing: Vec<String>,
    /// Jobs whose results begin with the JSON mark but are not JSON. They were written as strings.
    pub unreadable: Vec<u64>,
}

/// How results are written.
#[derive(Debug, Default)]
pub struct How {
    /// For a terminal: without control characters.
    pub to_terminal: bool,
    /// Leave out those that count on the word of one volunteer.
    pub settled: bool,
    /// Write the files that they name, from this store to this folder.
    pub files: Option<(PathBuf, Objects)>,
}

/// Writes the results of a stage. Returns `None` if the reader closed the pipe.
///
/// # Errors
/// Returns a sentence if the results cannot be read or written.
pub async fn write(
    store: &dyn Store,
    stage: Stage,
    how: &How,
    mut out: impl Write,
) -> Result<Option<Exported>, String> {
    let mut exported = Exported::default();
    let mut files = Written::default();
    loop {
        let outputs = store
            .results(stage, exported.last, PAGE)
            .await
            .map_err(|error| format!("The results cannot be read: {error}."))?;
        let Some(last) = outputs.last() else { break };
        exported.last = last.cursor;
        let unsettled = if how.settled {
            let numbers = outputs.iter().map(|output| output.number).collect();
            let found = store.unconfirmed(stage, numbers).await;
            found.map_err(|error| format!("The results cannot be read: {error}."))?
        } else {
            Vec::new()
        };
        let unsettled: BTreeSet<u64> = unsettled.into_iter().collect();
        for output in &outputs {
            if unsettled.contains(&output.number) {
                exported.unsettled += 1;
                continue;
            }
            exported.count += 1;
            if payload::check(&output.data).is_err() {
                exported.unreadable.push(output.number);
            }
            if let Some((folder, objects)) = &how.files {
                write_files(&output.data, folder, objects, &mut files).await?;
            }
            let line = line(output);
            let line = if how.to_terminal {
                harmless_json(&line)
            } else {
                line.into()
            };
            match writeln!(out, "{line}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(None),
                written => written.map_err(|error| format!("Writing failed: {error}."))?,
            }
        }
    }
    out.flush()
        .map_err(|error| format!("Writing failed: {error}."))?;
    (exported.files, exported.missing) = (files.count, files.failed);
    Ok(Some(exported))
}

/// Formats one output: JSON as it is, other text as a JSON string. Invalid JSON behind the JSON
/// mark is text too.
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
