//! Who may not register, by word of the operator.

use super::workers::{self, Chosen};
use crate::{
    rules::bans::Banned,
    store::{Action, Store, StoreError},
};

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
