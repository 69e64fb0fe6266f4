//! Deletes the data of finished jobs whose results were exported. The jobs themselves, the counters
//! and the leaderboard stay.

use distcompute_protocol::Stage;

use crate::store::{Action, Store, StoreError};

/// How many results are examined in one transaction; volunteers' calls wait for it.
const AT_ONCE: u32 = 500;

/// Prunes in small transactions, so that volunteers' calls get their turn, and logs the action.
/// Returns how many jobs were pruned.
///
/// # Errors
/// Returns an error if the database fails; what was pruned before stays pruned.
pub async fn prune(
    store: &dyn Store,
    stage: Stage,
    before: u64,
    who: &str,
) -> Result<u64, StoreError> {
    let note = |detail: String| Action {
        who: who.to_owned(),
        action: "prune",
        detail,
    };
    // Logged before it is done: an incomplete log is worse than one that lists an action that
    // failed. On a full disk, it is logged as soon as there is room.
    let begun = note(format!("results of stage {stage} before cursor {before}"));
    let mut noted = noted(store, &begun).await?;
    let (mut after, mut jobs, mut at_once) = (0, 0, AT_ONCE);
    loop {
        match store.prune(stage, after, before, at_once).await {
            Ok(pruned) => {
                jobs += pruned.jobs;
                let Some(last) = pruned.last else { break };
                after = last;
            }
            // Deletions are first written to the database's log; a small batch may fit where a
            // large one does not. Each batch that succeeds makes room for more.
            Err(StoreError::Unavailable(_)) if at_once > 1 => {
                at_once = (at_once / 8).max(1);
                // If that fails too, the next attempt returns the error.
                let _ = store.make_room().await;
                continue;
            }
            Err(error) => return Err(error),
        }
        if !noted {
            noted = self::noted(store, &begun).await?;
        }
    }
    if !noted {
        store.note_action(&begun).await?;
    }
    store
        .note_action(&note(format!("{jobs} jobs were pruned")))
        .await?;
    Ok(jobs)
}

/// Logs an action. Returns `false` if the database cannot be written at the moment.
async fn noted(store: &dyn Store, action: &Action) -> Result<bool, StoreError> {
    match store.note_action(action).await {
        Ok(()) => Ok(true),
        Err(StoreError::Unavailable(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
