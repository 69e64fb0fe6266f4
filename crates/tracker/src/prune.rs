//! `prune`: deletes what a finished job leaves behind once its result was exported. The jobs
//! themselves, the counters and the leaderboard stay.

use std::io::Write as _;

use distcompute_protocol::Stage;

use crate::{
    audit::COMMAND_LINE,
    cli::PruneArgs,
    import::open_store,
    store::{Action, Store, StoreError},
};

/// Results that are looked at in one transaction: volunteers wait for it.
const AT_ONCE: u32 = 500;

/// Prunes what the flags name.
///
/// # Errors
/// A sentence that says why it did not go through.
pub async fn run(args: &PruneArgs) -> Result<(), String> {
    let stage: Stage = args.stage.parse().map_err(|error| format!("{error}"))?;
    let store = open_store(&args.database.database, false).await?;
    let outcome = prune(store.as_ref(), stage, args.before, COMMAND_LINE).await;
    store.close().await;
    let pruned = outcome.map_err(|error| format!("Pruning failed: {error}."))?;
    writeln!(std::io::stdout(), "pruned {pruned} jobs").map_err(|error| error.to_string())
}

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
    let begun = note(format!("results of stage {stage} before cursor {before}"));
    store.note_action(&begun).await?;
    let (mut after, mut jobs) = (0, 0);
    loop {
        let pruned = store.prune(stage, after, before, AT_ONCE).await?;
        jobs += pruned.jobs;
        let Some(last) = pruned.last else { break };
        after = last;
    }
    store
        .note_action(&note(format!("{jobs} jobs were pruned")))
        .await?;
    Ok(jobs)
}
