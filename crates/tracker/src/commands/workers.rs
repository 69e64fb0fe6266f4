//! `workers`: lists the registered workers, or ends some.

use std::io::{self, Write as _};

use super::{
    cli::{COMMAND_LINE, WorkersArgs},
    confirm::confirmed,
    list::line,
    open::{open_store, open_to_read},
};
use crate::{
    operations::workers::{Chosen, PAGE, end_noted, ended, nickname_of},
    rules::{bans::Banned, times},
    store::Store,
};

/// Lists or ends the workers that match the flags.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(args: &WorkersArgs) -> Result<(), String> {
    let nickname = args.nickname.as_deref();
    let nickname = nickname.map(nickname_of).transpose()?;
    let address = args.address.as_deref().map(Banned::network).transpose()?;
    let stage = args.stage.as_ref();
    let stage = stage.map(|letter| letter.parse().map_err(|error| format!("{error}")));
    let chosen = Chosen {
        banned: nickname.into_iter().chain(address).collect(),
        stage: stage.transpose()?,
    };
    if !args.end {
        let store = open_to_read(&args.database).await?;
        let listed = list(store.as_ref(), &chosen).await;
        store.close().await;
        return listed;
    }
    let question = format!("End {chosen}?");
    if !args.yes && !confirmed("Ending workers changes jobs.", &question)? {
        return Err("Nothing was changed.".to_owned());
    }
    let store = open_store(&args.database).await?;
    let outcome = end_noted(store.as_ref(), &chosen, COMMAND_LINE).await;
    store.close().await;
    let count = outcome.map_err(|error| format!("Ending workers failed: {error}."))?;
    writeln!(io::stdout(), "{}", ended(count)).map_err(|error| error.to_string())
}

async fn list(store: &dyn Store, chosen: &Chosen) -> Result<(), String> {
    let mut after = 0;
    loop {
        let rows = store.registrations(after, PAGE).await;
        let rows = rows.map_err(|error| format!("The workers cannot be read: {error}."))?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.id;
        for row in rows.iter().filter(|row| chosen.fits(row)) {
            let address = if row.address.is_empty() {
                "-"
            } else {
                &row.address
            };
            let more = line(&[
                &row.stage.to_string(),
                &row.display_name,
                &row.nickname,
                address,
                row.key.as_deref().unwrap_or("-"),
                &format!("{} held", row.held),
                &format!("{} completed", row.completed),
                &format!("since {}", times::stamp(row.first_seen)),
                &format!("heard {}", times::stamp(row.last_seen)),
            ])?;
            if !more {
                return Ok(());
            }
        }
    }
}
