//! `copy`: copies a whole project to an empty database of either kind.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::cli::{COMMAND_LINE, CopyArgs};
use crate::{
    database_url::DatabaseUrl,
    operations::copy::{Copied, Progress, copy, doubts},
};

/// Copies the project.
///
/// # Errors
/// Returns a sentence that says why nothing was copied.
pub async fn run(args: &CopyArgs) -> Result<(), String> {
    let from: DatabaseUrl = args.from.parse()?;
    let to: DatabaseUrl = args.to.parse()?;
    if from == to {
        return Err("--from and --to are the same database.".to_owned());
    }
    let mut source = from.copy_source().await?;
    let mut target = to.copy_target().await?;
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} rows {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let copying = copy(
        source.as_mut(),
        target.as_mut(),
        |progress| match progress {
            Progress::Rows(rows) => bar.set_length(rows),
            Progress::Copying(table) => bar.set_message(format!("copying {table}")),
            Progress::Checking(table) => bar.set_message(format!("checking {table}")),
            Progress::Done(rows) => bar.inc(rows),
        },
    );
    let copied = tokio::select! {
        copied = copying => copied,
        _ = tokio::signal::ctrl_c() => Err(
            "Interrupted. Nothing was copied: the destination is as empty as before, and the same \
             command begins anew.".to_owned()
        ),
    };
    bar.finish_and_clear();
    let copied = copied?;
    let detail = format!("{} jobs from {from}", copied.totals.jobs);
    target.finish(COMMAND_LINE, &detail).await.map_err(|error| {
        format!(
            "Whether the copy was finished is not known: {error}. The same command again says whether \
             the destination is empty."
        )
    })?;
    for doubt in doubts(&copied) {
        let _ = writeln!(io::stderr(), "a warning: {doubt}");
    }
    let printed = summary(&copied, &from, &to);
    writeln!(io::stdout(), "{printed}").map_err(|error| error.to_string())
}

fn summary(copied: &Copied, from: &DatabaseUrl, to: &DatabaseUrl) -> String {
    let mut text = format!("copied {from} to {to}, and compared every row:\n");
    for (table, rows) in copied.tables.iter().filter(|(_, rows)| *rows > 0) {
        text.push_str(&format!("  {table}: {rows} rows\n"));
    }
    let mut stages: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for ((stage, state), count) in &copied.states {
        let word = match state.as_str() {
            "closed" => "finished",
            "aside" => "set aside",
            other => other,
        };
        let stage = stages.entry(*stage).or_default();
        stage.push(format!("{count} {word}"));
    }
    for (stage, counts) in stages {
        let letter = u8::try_from(stage).map_or('?', |stage| char::from(b'a' + stage));
        text.push_str(&format!(
            "  jobs at stage {letter}: {}\n",
            counts.join(", ")
        ));
    }
    let database = to.written();
    text.push_str(&format!(
        "Now set database = \"{database}\" in the configuration (or --database, or \
         DISTCOMPUTE_DATABASE), and start the tracker. Keep {from} as a backup, and do not serve it \
         again: its volunteers would do the same jobs."
    ));
    text
}
