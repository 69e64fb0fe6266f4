//! `ban` and `pardon`: manage the bans of nicknames and addresses.

use std::io::{self, Write as _};

use super::{
    cli::{BanArgs, BannedArgs, COMMAND_LINE, PardonArgs},
    list::line,
    open::{open_store, open_to_read},
};
use crate::{
    operations::{
        bans::{ban, pardon},
        workers,
    },
    rules::{bans::Banned, terminal::harmless, times},
    store::{BanRow, Store},
};

/// The number of bans per page.
const PAGE: u32 = 1_000;

/// Adds a ban, or lists the bans.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(args: &BanArgs) -> Result<(), String> {
    if args.list {
        let store = open_to_read(&args.database).await?;
        let listed = list(store.as_ref()).await;
        store.close().await;
        return listed;
    }
    let banned = named(&args.banned)?;
    let store = open_store(&args.database).await?;
    let outcome = ban(store.as_ref(), &banned, &args.reason, COMMAND_LINE).await;
    store.close().await;
    let ended = outcome.map_err(|error| format!("Banning failed: {error}."))?;
    print(&format!(
        "banned {banned}; {}. What came from there before still counts: requeue has it done again",
        workers::ended(ended)
    ))
}

/// Lifts a ban.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run_pardon(args: &PardonArgs) -> Result<(), String> {
    let banned = named(&args.banned)?;
    let store = open_store(&args.database).await?;
    let outcome = pardon(store.as_ref(), &banned, COMMAND_LINE).await;
    store.close().await;
    if outcome.map_err(|error| format!("Pardoning failed: {error}."))? {
        print(&format!("pardoned {banned}"))
    } else {
        Err(format!(
            "There is no ban of {banned}; ban --list says who is banned."
        ))
    }
}

/// The subject of the ban, from the flags.
fn named(args: &BannedArgs) -> Result<Banned, String> {
    match (&args.nickname, &args.address, &args.key) {
        (Some(nickname), ..) => Banned::nickname(nickname),
        (None, Some(address), _) => Banned::network(address),
        (None, None, Some(key)) => Banned::key(key),
        (None, None, None) => Err("Say whom: --nickname, --address or --key.".to_owned()),
    }
}

fn print(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{}", harmless(text)).map_err(|error| error.to_string())
}

async fn list(store: &dyn Store) -> Result<(), String> {
    let mut after = String::new();
    loop {
        let bans = store.bans(&after, PAGE).await;
        let bans = bans.map_err(|error| format!("The bans cannot be read: {error}."))?;
        let Some(last) = bans.last() else {
            return Ok(());
        };
        after.clone_from(&last.name);
        for BanRow { name, at, reason } in &bans {
            let (kind, whom) = match Banned::from_name(name) {
                Some(Banned::Nickname(nickname)) => ("nickname", nickname),
                Some(Banned::Network(network)) => ("address", network),
                Some(Banned::Key(key)) => ("key", key),
                None => ("unknown", name.clone()),
            };
            if !line(&[&times::stamp(*at), kind, &whom, reason])? {
                return Ok(());
            }
        }
    }
}
