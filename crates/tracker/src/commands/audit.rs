//! `audit`: prints the log of the operator's actions, one per line, oldest first.

use crate::{
    commands::{cli::AuditArgs, list::line, open::open_to_read},
    rules::times,
    store::Store,
};

/// The number of actions per page.
const PAGE: u32 = 1_000;

/// Prints the log.
///
/// # Errors
/// Returns a sentence that says why it cannot be read.
pub async fn run(args: &AuditArgs) -> Result<(), String> {
    let store = open_to_read(&args.database).await?;
    let printed = print(store.as_ref()).await;
    store.close().await;
    printed
}

async fn print(store: &dyn Store) -> Result<(), String> {
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
            let at = times::stamp(row.at);
            if !line(&[&at, &row.who, &row.action, &row.detail])? {
                return Ok(());
            }
        }
    }
    let unfinished = store.unfinished_imports().await;
    for row in unfinished.map_err(|error| format!("The imports cannot be read: {error}."))? {
        let at = times::stamp(row.at);
        let detail = format!(
            "not finished: {} of {} jobs from {} are there; where it is not under way, the same \
             import again adds the rest",
            row.done, row.jobs, row.source
        );
        if !line(&[&at, &row.who, "import", &detail])? {
            return Ok(());
        }
    }
    Ok(())
}
