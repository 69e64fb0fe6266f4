//! `trust`, `revert` and `release`: what is known of volunteers whose results are checked.

use std::io::{self, Write as _};

use super::{
    cli::{COMMAND_LINE, RevertArgs, TrustArgs, TrustCommand},
    list::line,
    open::{open_store, open_to_read, turns},
};
use crate::{
    operations::trust::{Reverted, release, revert},
    rules::trust,
    store::{Store, TrustRow, Which},
};

/// How many volunteers on hold are listed.
const LISTED: u32 = 1_000;

/// Shows what is known of a volunteer, or of those on hold.
///
/// # Errors
/// Returns a sentence that says why it failed.
pub async fn run(args: &TrustArgs) -> Result<(), String> {
    let TrustCommand::Show(args) = &args.command;
    let store = open_to_read(&args.database).await?;
    let which = match &args.key {
        Some(key) => Which::Volunteer(trust::volunteer_of(key)),
        None => Which::OnHold(LISTED),
    };
    let mut listed = list(store.as_ref(), &which).await;
    if listed.is_ok() && args.key.is_none() {
        listed = list_browsers(store.as_ref()).await;
    }
    store.close().await;
    listed
}

async fn list(store: &dyn Store, which: &Which) -> Result<(), String> {
    let rows = store.trusted(which).await;
    let rows = rows.map_err(|error| format!("The volunteers cannot be listed: {error}."))?;
    if rows.is_empty() {
        return print(match which {
            Which::Volunteer(_) => "nothing was handed in with this key where results are checked",
            Which::OnHold(_) => "no volunteer is on hold",
        });
    }
    for row in &rows {
        if !shown(row)? {
            break;
        }
    }
    Ok(())
}

/// Shows which kinds of browsers do not compute the same: a handler's `Math` may differ between them.
async fn list_browsers(store: &dyn Store) -> Result<(), String> {
    let pairs = store.browser_pairs(LISTED).await;
    let pairs = pairs.map_err(|error| format!("The browsers cannot be listed: {error}."))?;
    for pair in pairs {
        let (one, other) = &pair.browsers;
        let all = pair.agreed + pair.differed;
        let counts = format!("{} of {all} differed", pair.differed);
        if !line(&[one, other, pair.stage.letter(), &counts])? {
            break;
        }
    }
    Ok(())
}

/// Prints a line. Returns `false` if nobody reads it.
fn shown(row: &TrustRow) -> Result<bool, String> {
    let state = if row.on_hold { "on hold" } else { "" };
    let counts = [
        (row.confirmed, "confirmed"),
        (row.right, "right"),
        (row.wrong, "wrong"),
        (row.waiting, "waiting"),
        (row.unchecked, "unchecked"),
    ];
    let counts = counts
        .map(|(count, what)| format!("{count} {what}"))
        .join(", ");
    let key = row.volunteer.strip_prefix("k:").unwrap_or(&row.volunteer);
    line(&[key, row.stage.letter(), &row.version, &counts, state])
}

/// Has everything done again that was handed in with a key.
///
/// # Errors
/// Returns a sentence that says why it failed.
pub async fn run_revert(args: &RevertArgs) -> Result<(), String> {
    let store = open_store(&args.database).await?;
    let turns = turns(&args.database)?;
    let outcome = revert(store.as_ref(), &args.key, COMMAND_LINE, turns).await;
    store.close().await;
    let Reverted { jobs, on_hold } =
        outcome.map_err(|error| format!("Reverting failed: {error}."))?;
    let hold = if on_hold {
        "the key is on hold at every stage"
    } else {
        "the key is not on hold: no results have been checked in this project"
    };
    print(&format!(
        "{hold}; {jobs} jobs are done again. ban --key ends its workers and keeps it out"
    ))
}

/// Ends the hold of a key.
///
/// # Errors
/// Returns a sentence that says why it failed.
pub async fn run_release(args: &RevertArgs) -> Result<(), String> {
    let store = open_store(&args.database).await?;
    let outcome = release(store.as_ref(), &args.key, COMMAND_LINE).await;
    store.close().await;
    if outcome.map_err(|error| format!("Releasing failed: {error}."))? {
        print("the key is given jobs again, and its results are checked like a newcomer's")
    } else {
        Err("This key is not on hold; trust show lists those that are.".to_owned())
    }
}

fn print(sentence: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{sentence}").map_err(|error| error.to_string())
}
