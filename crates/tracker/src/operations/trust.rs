//! What the operator does about volunteers whose results are checked.

use crate::{
    operations::{
        requeue,
        turns::{Pieces, Turns},
    },
    rules::trust,
    store::{Action, RequeueFilter, Store, StoreError, Which},
};

/// What became of the work of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reverted {
    /// How many jobs were put back at once; others follow from what rests on the volunteer's word.
    pub jobs: u64,
    /// Whether the volunteer is on hold: at all stages, if the results of any are checked.
    pub on_hold: bool,
}

/// Puts the volunteer with a key on hold, has everything done again that it has handed in, and logs
/// that.
///
/// # Errors
/// Returns an error if the database fails; what was done before stays done.
pub async fn revert(
    store: &dyn Store,
    key: &str,
    who: &str,
    turns: Turns,
) -> Result<Reverted, StoreError> {
    note(store, "revert", format!("the work of the key {key}"), who).await?;
    let volunteer = trust::volunteer_of(key);
    store.hold(&volunteer, true).await?;
    let filter = RequeueFilter {
        volunteer: Some(volunteer.clone()),
        ..RequeueFilter::default()
    };
    let outcome = requeue::requeue(store, &filter, who, turns).await?;
    recall(store, &mut Pieces::new(turns)).await?;
    let known = store.trusted(&Which::Volunteer(volunteer)).await?;
    Ok(Reverted {
        jobs: outcome.requeued,
        on_hold: known.iter().any(|row| row.on_hold),
    })
}

/// Makes results again whose volunteer was found wrong, until none is left. Returns how many rows were looked at. What
/// is left to do is stored, so that it goes on after a crash.
///
/// # Errors
/// Returns an error if the database fails; what was done before stays done.
pub async fn recall(store: &dyn Store, pieces: &mut Pieces) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let rows = u32::try_from(pieces.rows()).unwrap_or(u32::MAX);
        let found = pieces.after(store.recall(rows)).await?;
        if found == 0 {
            return Ok(all);
        }
        all += found;
    }
}

/// Ends the hold of the volunteer with a key, who then begins anew, and logs that. Returns whether it
/// was on hold.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn release(store: &dyn Store, key: &str, who: &str) -> Result<bool, StoreError> {
    note(store, "release", format!("the key {key}"), who).await?;
    let stages = store.hold(&trust::volunteer_of(key), false).await?;
    Ok(stages > 0)
}

async fn note(
    store: &dyn Store,
    action: &'static str,
    detail: String,
    who: &str,
) -> Result<(), StoreError> {
    let who = who.to_owned();
    let action = Action {
        who,
        action,
        detail,
    };
    store.note_action(&action).await
}
