//! Ending workers, for the operator.

use distcompute_protocol::Stage;

use crate::{
    rules::{bans::Banned, names},
    store::{Action, RegisteredRow, Store, StoreError},
};

/// How many workers are read at a time and ended in one transaction.
pub const PAGE: u32 = 256;

/// Selects workers. A worker must match every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Workers whom a ban of each of these would concern.
    pub banned: Vec<Banned>,
    /// Workers at this stage.
    pub stage: Option<Stage>,
}

impl Chosen {
    /// Whether a worker matches.
    #[must_use]
    pub fn fits(&self, row: &RegisteredRow) -> bool {
        let mut named = self.banned.iter();
        named.all(|one| one.concerns(&row.nickname, &row.address, row.key.as_deref()))
            && self.stage.is_none_or(|stage| stage == row.stage)
    }
}

/// Describes the selection for people.
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

/// Parses a nickname. Here, that of anonymous volunteers is treated like any other.
///
/// # Errors
/// Returns a sentence if the nickname is invalid.
pub fn nickname_of(typed: &str) -> Result<Banned, String> {
    names::nickname(typed).map(Banned::Nickname)
}

/// Says how many workers were ended, for people.
#[must_use]
pub fn ended(count: u64) -> String {
    match count {
        1 => "1 worker was ended".to_owned(),
        count => format!("{count} workers were ended"),
    }
}

/// Ends the selected workers and takes back their jobs. Returns how many there were.
///
/// # Errors
/// Returns an error if the database fails; workers ended before that stay ended.
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

/// Like [`end`], and logs the action.
///
/// # Errors
/// Returns an error if the database fails; workers ended before that stay ended.
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
