//! `ban` and `pardon`: who may not register, by word of the operator.

use std::io::{self, Write as _};

use crate::{
    audit::COMMAND_LINE,
    cli::{BanArgs, BannedArgs, PardonArgs},
    import::{open_store, open_to_read},
    list::line,
    rules::{bans::Banned, terminal::harmless, times},
    store::{Action, BanRow, Store, StoreError},
    workers::{self, Chosen},
};

/// Bans that are read at a time.
const PAGE: u32 = 1_000;

/// Bans whom the flags name, or says who is banned.
///
/// # Errors
/// A sentence that says what was not understood, or why it did not go through.
pub async fn run(args: &BanArgs) -> Result<(), String> {
    if args.list {
        let store = open_to_read(&args.database.database).await?;
        let listed = list(store.as_ref()).await;
        store.close().await;
        return listed;
    }
    let banned = named(&args.banned)?;
    let store = open_store(&args.database.database, false).await?;
    let outcome = ban(store.as_ref(), &banned, &args.reason, COMMAND_LINE).await;
    store.close().await;
    let ended = outcome.map_err(|error| format!("Banning failed: {error}."))?;
    say(&format!(
        "banned {banned}; {}. What came from there before still counts: requeue has it done again",
        workers::ended(ended)
    ))
}

/// Takes the ban back that the flags name.
///
/// # Errors
/// A sentence that says what was not understood, or why it did not go through.
pub async fn run_pardon(args: &PardonArgs) -> Result<(), String> {
    let banned = named(&args.banned)?;
    let store = open_store(&args.database.database, false).await?;
    let outcome = pardon(store.as_ref(), &banned, COMMAND_LINE).await;
    store.close().await;
    if outcome.map_err(|error| format!("Pardoning failed: {error}."))? {
        say(&format!("pardoned {banned}"))
    } else {
        Err(format!(
            "There is no ban of {banned}; ban --list says who is banned."
        ))
    }
}

/// Whom the flags name.
fn named(args: &BannedArgs) -> Result<Banned, String> {
    match (&args.nickname, &args.address) {
        (Some(nickname), _) => Banned::nickname(nickname),
        (None, Some(address)) => Banned::network(address),
        (None, None) => Err("Say whom: --nickname or --address.".to_owned()),
    }
}

fn say(text: &str) -> Result<(), String> {
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
                None => ("unknown", name.clone()),
            };
            if !line(&[&times::stamp(*at), kind, &whom, reason])? {
                return Ok(());
            }
        }
    }
}

/// Bans somebody, ends all workers whom that concerns, and writes it down. Says how many were ended.
///
/// # Errors
/// The database failed. Where the ban was written down before that, it stands.
pub async fn ban(
    store: &dyn Store,
    banned: &Banned,
    reason: &str,
    who: &str,
) -> Result<u64, StoreError> {
    let mut detail = banned.to_string();
    if !reason.is_empty() {
        detail.push_str(&format!(": {reason}"));
    }
    store.note_action(&action(who, "ban", detail)).await?;
    store.ban(banned, reason).await?;
    let chosen = Chosen {
        banned: vec![banned.clone()],
        stage: None,
    };
    workers::end(store, &chosen).await
}

/// Takes a ban back and writes it down. `false`: there was none.
///
/// # Errors
/// The database failed.
pub async fn pardon(store: &dyn Store, banned: &Banned, who: &str) -> Result<bool, StoreError> {
    let detail = banned.to_string();
    store.note_action(&action(who, "pardon", detail)).await?;
    store.pardon(banned).await
}

fn action(who: &str, action: &'static str, detail: String) -> Action {
    Action {
        who: who.to_owned(),
        action,
        detail,
    }
}
