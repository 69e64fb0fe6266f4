//! `prune`: deletes the data of finished jobs whose results were exported.

use std::io::{self, Write as _};

use distcompute_protocol::Stage;

use super::{
    cli::{COMMAND_LINE, PruneArgs},
    open::open_store,
};
use crate::{operations::prune::prune, store::StoreError};

/// Prunes the jobs.
///
/// # Errors
/// Returns a sentence that says why it failed.
pub async fn run(args: &PruneArgs) -> Result<(), String> {
    let stage: Stage = args.stage.parse().map_err(|error| format!("{error}"))?;
    let store = open_store(&args.database).await?;
    let outcome = prune(store.as_ref(), stage, args.before, COMMAND_LINE).await;
    store.close().await;
    let pruned = outcome.map_err(|error| match error {
        StoreError::Unavailable(why) => format!(
            "Nothing more can be pruned just now: {why}. Where the disk is full to the last byte, \
             free a few megabytes elsewhere on it and do it again: deleting is written to a log first."
        ),
        error => format!("Pruning failed: {error}."),
    })?;
    writeln!(io::stdout(), "pruned {pruned} jobs").map_err(|error| error.to_string())
}
