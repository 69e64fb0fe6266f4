//! Pauses and resumes stages.

use distcompute_protocol::{MAX_MESSAGE, Stage, cut};

use crate::store::{Action, Store, StoreError};

/// Pauses one stage or all, with a message for volunteers, and logs the action. Returns how many the
/// operator had not paused before.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn pause(
    store: &dyn Store,
    stage: Option<Stage>,
    message: &str,
    who: &str,
) -> Result<u64, StoreError> {
    let message = cut(message.trim(), MAX_MESSAGE);
    let mut detail = named(stage);
    if !message.is_empty() {
        detail.push_str(&format!(": {message}"));
    }
    note(store, "pause", detail, who).await?;
    store.pause(&chosen(stage), &message).await
}

/// Resumes one stage or all, and logs the action. Returns how many were paused.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn resume(store: &dyn Store, stage: Option<Stage>, who: &str) -> Result<u64, StoreError> {
    note(store, "resume", named(stage), who).await?;
    store.resume(&chosen(stage)).await
}

fn chosen(stage: Option<Stage>) -> Vec<Stage> {
    stage.map_or_else(|| Stage::ALL.to_vec(), |stage| vec![stage])
}

fn named(stage: Option<Stage>) -> String {
    stage.map_or_else(|| "all stages".to_owned(), |stage| format!("stage {stage}"))
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
