//! `audit`: what the operator did, a line an action, oldest first.

use std::io::{ErrorKind, Write as _};

use crate::{
    cli::AuditArgs,
    import::open_to_read,
    rules::{terminal::harmless, times},
    store::Store,
};

/// Who acts where a command does.
pub const COMMAND_LINE: &str = "command line";

/// Actions that are read at a time.
const PAGE: u32 = 1_000;

/// Prints the log.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub async fn run(args: &AuditArgs) -> Result<(), String> {
    let store = open_to_read(&args.database.database).await?;
    let printed = print(store.as_ref()).await;
    store.close().await;
    printed
}

async fn print(store: &dyn Store) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let mut after = 0;
    loop {
        let actions = store
            .actions(after, PAGE)
            .await
            .map_err(|error| format!("The log cannot be read: {error}."))?;
        let Some(last) = actions.last() else {
            break;
        };
        after = last.id;
        for row in &actions {
            let line = format!(
                "{}\t{}\t{}\t{}",
                times::stamp(row.at),
                row.who,
                row.action,
                row.detail
            );
            match writeln!(out, "{}", harmless(&line)) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(|error| error.to_string())?,
            }
        }
    }
    let unfinished = store.unfinished_imports().await;
    for row in unfinished.map_err(|error| format!("The imports cannot be read: {error}."))? {
        let line = format!(
            "{}\t{}\timport\tnot finished: {} of {} jobs from {} are there; where it is \
             not under way, the same import again adds the rest",
            times::stamp(row.at),
            row.who,
            row.done,
            row.jobs,
            row.source
        );
        match writeln!(out, "{}", harmless(&line)) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(|error| error.to_string())?,
        }
    }
    Ok(())
}
