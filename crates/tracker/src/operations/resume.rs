//! Resumes stages that were paused because every job failed there.

use distcompute_protocol::Stage;

use crate::store::{Action, Store, StoreError};

/// Resumes one stage or all, and logs the action. Returns how many were paused.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn resume(store: &dyn Store, stage: Option<Stage>, who: &str) -> Result<u64, StoreError> {
    let stages = stage.map_or_else(|| Stage::ALL.to_vec(), |stage| vec![stage]);
    let detail = stage.map_or_else(|| "all stages".to_owned(), |stage| format!("stage {stage}"));
    let action = Action {
        who: who.to_owned(),
        action: "resume",
        detail,
    };
    store.note_action(&action).await?;
    store.resume(&stages).await
}
