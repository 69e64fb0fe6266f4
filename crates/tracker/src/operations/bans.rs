//! Banning volunteers, for the operator.

use super::workers::{self, Chosen};
use crate::{
    rules::bans::Banned,
    store::{Action, Store, StoreError},
};

/// Adds a ban, ends all workers that it concerns, and logs the action. Returns how many were ended.
///
/// # Errors
/// Returns an error if the database fails. If the ban was stored before that, it remains in effect.
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

/// Lifts a ban and logs the action. Returns `false` if there was none.
///
/// # Errors
/// Returns an error if the database fails.
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
