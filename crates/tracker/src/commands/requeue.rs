//! `requeue`: requeues jobs so that they are worked on again.

use std::{
    io::{self, Read as _, Write as _},
    path::Path,
};

use distcompute_protocol::Stage;

use super::{
    cli::{COMMAND_LINE, JobState, RequeueArgs},
    confirm::confirmed,
    open::{open_store, open_to_read, turns},
};
use crate::{
    operations::requeue::{Left, Outcome, described, dry_run, requeue},
    rules::{bans, terminal::harmless, times},
    store::{RequeueFilter, States},
};

/// Requeues the jobs that match the flags.
///
/// # Errors
/// Returns a sentence that says which flag is invalid, or why the command failed.
pub async fn run(args: &RequeueArgs) -> Result<(), String> {
    let filter = filter(args)?;
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
    let turns = turns(&args.database)?;
    let store = open_store(&args.database).await?;
    let outcome = requeue(store.as_ref(), &filter, COMMAND_LINE, turns).await;
    store.close().await;
    let outcome = outcome.map_err(|error| format!("Requeueing failed: {error}."))?;
    print(&outcome, "requeued")
}

fn filter(args: &RequeueArgs) -> Result<RequeueFilter, String> {
    let mut filter = RequeueFilter {
        states: match (args.all, &args.state[..]) {
            (true, _) => Some(States::ALL),
            (false, []) => None,
            (false, states) => Some(chosen(states)),
        },
        stage: parsed(args.stage.as_deref())?,
        to: parsed(args.to.as_deref())?,
        older_than: args
            .older_than
            .as_deref()
            .map(times::duration)
            .transpose()?,
        nickname: args.nickname.clone(),
        volunteer: None,
        result_contains: args.result_contains.clone(),
        address: args.address.as_deref().map(bans::group).transpose()?,
        since: args.since.as_deref().map(times::moment).transpose()?,
        until: args.until.as_deref().map(times::moment).transpose()?,
        ..RequeueFilter::default()
    };
    for text in &args.job {
        add_jobs(&mut filter, text).map_err(|why| format!("--job {text}: {why}"))?;
    }
    if let Some(path) = &args.jobs_from {
        let name = path.display();
        let text = read(path).map_err(|error| format!("{name} cannot be read: {error}."))?;
        let lines = text.lines().map(str::trim).enumerate();
        for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
            add_jobs(&mut filter, line).map_err(|why| format!("{name}, line {}: {why}", at + 1))?;
        }
        if !filter.is_by_number() {
            return Err(format!("{name} names no job. Nothing was changed."));
        }
    }
    Ok(filter)
}

fn parsed(letter: Option<&str>) -> Result<Option<Stage>, String> {
    let stage = letter.map(str::parse).transpose();
    stage.map_err(|error| format!("{error}"))
}

fn chosen(states: &[JobState]) -> States {
    let has = |state| states.contains(&state);
    States {
        open: has(JobState::Open),
        failed: has(JobState::Failed),
        held: has(JobState::Held),
        set_aside: has(JobState::SetAside),
        done: has(JobState::Done),
    }
}

/// Adds a number or a range of numbers.
fn add_jobs(filter: &mut RequeueFilter, text: &str) -> Result<(), String> {
    let unreadable = |_| "It is no number of a job, and no range such as 10-20.".to_owned();
    let Some((first, last)) = text.split_once('-') else {
        filter.numbers.push(text.parse().map_err(unreadable)?);
        return Ok(());
    };
    let first: u64 = first.trim().parse().map_err(unreadable)?;
    let last: u64 = last.trim().parse().map_err(unreadable)?;
    if first > last {
        return Err(format!(
            "The range ends before it begins; {last}-{first} would not."
        ));
    }
    filter.ranges.push((first, last));
    Ok(())
}

fn read(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// How many numbers are printed, and how many reasons.
const PRINTED: usize = 100;

fn print(outcome: &Outcome, what: &str) -> Result<(), String> {
    let count = outcome.requeued;
    let jobs = if count == 1 { "job" } else { "jobs" };
    let mut text = format!("{what} {count} {jobs}");
    if let Some(numbers) = &outcome.numbers
        && !numbers.is_empty()
    {
        let listed: Vec<_> = numbers.iter().take(PRINTED).map(u64::to_string).collect();
        text.push_str(&format!(": {}", listed.join(", ")));
        let more = count - listed.len() as u64;
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
    }
    let stages = Stage::ALL.into_iter().zip(outcome.discarded);
    for (stage, count) in stages.filter(|(_, count)| *count > 0) {
        let results = if count == 1 { "result" } else { "results" };
        text.push_str(&format!(
            "\n{count} {results} of stage {stage} would be discarded"
        ));
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
    for Left { number, why } in outcome.left.iter().take(PRINTED) {
        text.push_str(&format!("\njob {number}: {why}"));
    }
    let more = outcome.left.len().saturating_sub(PRINTED);
    if more > 0 {
        text.push_str(&format!(
            "\n{more} more jobs that were named stay as they are"
        ));
    }
    writeln!(io::stdout(), "{}", harmless(&text)).map_err(|error| error.to_string())
}
