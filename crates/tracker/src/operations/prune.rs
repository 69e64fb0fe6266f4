//! Deletes what a finished job leaves behind once its result was exported. The jobs themselves, the
//! counters and the leaderboard stay.

use distcompute_protocol::Stage;

use crate::store::{Action, Store, StoreError};

/// Results that are looked at in one transaction: volunteers wait for it.
const AT_ONCE: u32 = 500;

/// Prunes step by step, so that volunteers get their turn, and writes it down. Says how many jobs.
///
/// # Errors
/// The database failed; what was pruned before stays so.
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
    // Written down before it is done: a log that lacks something is worse than one that says more.
    // On a full disk it is written down when there is room.
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
            // What is deleted is written to a log first, and a small part of it may have room where
            // a large one has not. Each part that goes through makes more.
            Err(StoreError::Unavailable(_)) if at_once > 1 => {
                at_once = (at_once / 8).max(1);
                // Where that fails too, the next attempt says what is the matter.
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

/// Writes an action down; `false` where nothing can be written just now.
async fn noted(store: &dyn Store, action: &Action) -> Result<bool, StoreError> {
    match store.note_action(action).await {
        Ok(()) => Ok(true),
        Err(StoreError::Unavailable(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
