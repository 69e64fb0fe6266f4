//! `workers`: who is registered, and the end of some by word of the operator.

use std::io::{self, Write as _};

use distcompute_protocol::Stage;

use crate::{
    audit::COMMAND_LINE,
    cli::WorkersArgs,
    confirm::confirmed,
    import::{open_store, open_to_read},
    list::line,
    rules::{bans::Banned, times},
    store::{Action, RegisteredRow, Store, StoreError},
};

/// Workers that are read at a time, and ended in one transaction.
const PAGE: u32 = 256;

/// Which workers: what is named must all be true of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Whom a ban of each of these would concern.
    pub banned: Vec<Banned>,
    /// Those at this stage.
    pub stage: Option<Stage>,
}

impl Chosen {
    /// Whether this is one of them.
    #[must_use]
    pub fn fits(&self, row: &RegisteredRow) -> bool {
        let mut named = self.banned.iter();
        named.all(|one| one.concerns(&row.nickname, &row.address))
            && self.stage.is_none_or(|stage| stage == row.stage)
    }
}

/// For people.
impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = self.banned.iter().map(|one| format!("of {one}"));
        let stage = self.stage.map(|stage| format!("at stage {stage}"));
        let parts: Vec<String> = named.chain(stage).collect();
        if parts.is_empty() {
            write!(f, "all workers")
        } else {
            write!(f, "workers {}", parts.join(" and "))
        }
    }
}

/// Lists the workers that the flags name, or ends them.
///
/// # Errors
/// A sentence that says what was not understood, or why it did not go through.
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
        let store = open_to_read(&args.database.database).await?;
        let listed = list(store.as_ref(), &chosen).await;
        store.close().await;
        return listed;
    }
    let question = format!("End {chosen}?");
    if !args.yes && !confirmed("Ending workers changes jobs.", &question)? {
        return Err("Nothing was changed.".to_owned());
    }
    let store = open_store(&args.database.database, false).await?;
    let outcome = end_noted(store.as_ref(), &chosen, COMMAND_LINE).await;
    store.close().await;
    let count = outcome.map_err(|error| format!("Ending workers failed: {error}."))?;
    writeln!(io::stdout(), "{}", ended(count)).map_err(|error| error.to_string())
}

/// Here the nickname of those who gave none is one like any other.
///
/// # Errors
/// A sentence: it is none.
pub fn nickname_of(typed: &str) -> Result<Banned, String> {
    crate::rules::names::nickname(typed).map(Banned::Nickname)
}

/// How many workers were ended, as people read it.
#[must_use]
pub fn ended(count: u64) -> String {
    match count {
        1 => "1 worker was ended".to_owned(),
        count => format!("{count} workers were ended"),
    }
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

/// Ends the workers that are chosen, and takes back what they hold. Says how many there were.
///
/// # Errors
/// The database failed; those who were ended before are.
pub async fn end(store: &dyn Store, chosen: &Chosen) -> Result<u64, StoreError> {
    let (mut after, mut ended) = (0, 0);
    loop {
        let rows = store.registrations(after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(ended);
        };
        after = last.id;
        let fitting = rows.into_iter().filter(|row| chosen.fits(row));
        let fitting: Vec<String> = fitting.map(|row| row.fingerprint).collect();
        if !fitting.is_empty() {
            ended += store.end_workers(fitting).await?;
        }
    }
}

/// The same, written down.
///
/// # Errors
/// The database failed; those who were ended before are.
pub async fn end_noted(store: &dyn Store, chosen: &Chosen, who: &str) -> Result<u64, StoreError> {
    let note = |detail: String| Action {
        who: who.to_owned(),
        action: "end",
        detail,
    };
    store.note_action(&note(chosen.to_string())).await?;
    let count = end(store, chosen).await?;
    store.note_action(&note(ended(count))).await?;
    Ok(count)
}
