//! `requeue`: requeues jobs so that they are worked on again.

use std::io::{self, Write as _};

use super::{
    cli::{COMMAND_LINE, RequeueArgs},
    confirm::confirmed,
    open::{open_store, open_to_read},
};
use crate::{
    operations::requeue::{Outcome, described, dry_run, requeue},
    rules::{bans, terminal::harmless, times},
    store::RequeueFilter,
};

/// Requeues the jobs that match the flags.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(args: &RequeueArgs) -> Result<(), String> {
    let filter = RequeueFilter {
        numbers: args.job.clone(),
        stage: match &args.stage {
            Some(letter) => Some(letter.parse().map_err(|error| format!("{error}"))?),
            None => None,
        },
        older_than: args
            .older_than
            .as_deref()
            .map(times::duration)
            .transpose()?,
        nickname: args.nickname.clone(),
        result_contains: args.result_contains.clone(),
        address: args.address.as_deref().map(bans::group).transpose()?,
        since: args.since.as_deref().map(times::moment).transpose()?,
        until: args.until.as_deref().map(times::moment).transpose()?,
    };
    if args.dry_run {
        let store = open_to_read(&args.database).await?;
        let found = dry_run(store.as_ref(), &filter).await;
        store.close().await;
        let found = found.map_err(|error| format!("The jobs cannot be read: {error}."))?;
        return print(&found, "would requeue");
    }
    let question = format!("Have worked on again: {}?", described(&filter));
    if !args.yes && !confirmed("Requeueing changes jobs.", &question)? {
        return Err("Nothing was changed.".to_owned());
    }
    let store = open_store(&args.database).await?;
    let outcome = requeue(store.as_ref(), &filter, COMMAND_LINE).await;
    store.close().await;
    let outcome = outcome.map_err(|error| format!("Requeueing failed: {error}."))?;
    print(&outcome, "requeued")
}

fn print(outcome: &Outcome, what: &str) -> Result<(), String> {
    let count = outcome.requeued;
    let jobs = if count == 1 { "job" } else { "jobs" };
    let mut text = format!("{what} {count} {jobs}");
    if let Some(numbers) = &outcome.numbers
        && !numbers.is_empty()
    {
        let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
        text.push_str(&format!(": {}", numbers.join(", ")));
    }
    for source in &outcome.sources {
        let (since, until) = (times::stamp(source.first), times::stamp(source.last));
        text.push_str(&format!(
            "\n{}: {} {} from {since} to {until}",
            if source.address.is_empty() {
                "an address that is not known"
            } else {
                &source.address
            },
            source.results,
            if source.results == 1 {
                "result"
            } else {
                "results"
            },
        ));
    }
    for left in &outcome.left {
        text.push_str(&format!("\njob {}: {}", left.number, left.why));
    }
    writeln!(io::stdout(), "{}", harmless(&text)).map_err(|error| error.to_string())
}
