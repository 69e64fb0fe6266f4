//! The end of workers by word of the operator.

use distcompute_protocol::Stage;

use crate::{
    rules::{bans::Banned, names},
    store::{Action, RegisteredRow, Store, StoreError},
};

/// Workers that are read at a time, and ended in one transaction.
pub const PAGE: u32 = 256;

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

/// Here the nickname of those who gave none is one like any other.
///
/// # Errors
/// A sentence: it is none.
pub fn nickname_of(typed: &str) -> Result<Banned, String> {
    names::nickname(typed).map(Banned::Nickname)
}

/// How many workers were ended, as people read it.
#[must_use]
pub fn ended(count: u64) -> String {
    match count {
        1 => "1 worker was ended".to_owned(),
        count => format!("{count} workers were ended"),
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
