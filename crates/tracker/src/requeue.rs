//! `requeue`: has jobs worked on again.

use std::io::{self, IsTerminal as _, Write as _};

use crate::{
    audit::COMMAND_LINE,
    cli::RequeueArgs,
    clock::Millis,
    import::open_store,
    store::{Action, RequeueFilter, Store, StoreError},
};

/// Requeues what the flags name.
///
/// # Errors
/// A sentence that says what was not understood, or why it did not go through.
pub async fn run(args: &RequeueArgs) -> Result<(), String> {
    let filter = RequeueFilter {
        numbers: args.job.clone(),
        stage: match &args.stage {
            Some(letter) => Some(letter.parse().map_err(|error| format!("{error}"))?),
            None => None,
        },
        older_than: args.older_than.as_deref().map(duration).transpose()?,
        nickname: args.nickname.clone(),
    };
    if !args.yes && !confirmed(&filter)? {
        return Err("Nothing was changed.".to_owned());
    }
    let store = open_store(&args.database.database, false).await?;
    let outcome = requeue(store.as_ref(), &filter, COMMAND_LINE).await;
    store.close().await;
    let count = outcome.map_err(|error| format!("Requeueing failed: {error}."))?;
    let jobs = if count == 1 { "job" } else { "jobs" };
    writeln!(io::stdout(), "requeued {count} {jobs}").map_err(|error| error.to_string())
}

/// Requeues and writes it down. Says how many jobs.
///
/// # Errors
/// The database failed; what was requeued before stays so.
pub async fn requeue(
    store: &dyn Store,
    filter: &RequeueFilter,
    who: &str,
) -> Result<u64, StoreError> {
    let note = |detail: String| Action {
        who: who.to_owned(),
        action: "requeue",
        detail,
    };
    // Written down before it is done: a log that lacks something is worse than one that says more.
    store.note_action(&note(meant(filter))).await?;
    let count = store.requeue(filter).await?;
    store
        .note_action(&note(format!("{count} jobs were requeued")))
        .await?;
    Ok(count)
}

/// What a filter means, for people.
fn meant(filter: &RequeueFilter) -> String {
    let mut parts = vec![match &filter.nickname {
        Some(nickname) => format!("the latest results of {nickname:?}"),
        None if filter.numbers.is_empty() => "all jobs that are set aside".to_owned(),
        None => format!("jobs {:?}", filter.numbers),
    }];
    parts.extend(filter.stage.map(|stage| format!("at stage {stage}")));
    let age = filter.older_than.map(|age| age / 1_000);
    parts.extend(age.map(|age| format!("unchanged for {age} s")));
    parts.join(", ")
}

/// A duration as `90s`, `15m`, `1h` or `2d`, in milliseconds.
fn duration(text: &str) -> Result<Millis, String> {
    let unit = |letter| match letter {
        's' => Some(1_000),
        'm' => Some(60_000),
        'h' => Some(3_600_000),
        'd' => Some(86_400_000),
        _ => None,
    };
    let millis = text.char_indices().next_back().and_then(|(at, letter)| {
        let count: Millis = text[..at].parse().ok().filter(|count| *count >= 0)?;
        count.checked_mul(unit(letter)?)
    });
    millis.ok_or_else(|| format!("{text:?} is no duration; write 90s, 15m, 1h or 2d."))
}

fn confirmed(filter: &RequeueFilter) -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Err("Requeueing changes jobs. Add --yes if that is meant.".to_owned());
    }
    let ask = || -> io::Result<String> {
        let mut err = io::stderr();
        write!(err, "Have worked on again: {}? Type yes: ", meant(filter))?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    ask()
        .map(|answer| answer.trim() == "yes")
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(90_000));
        assert_eq!(duration("2d"), Ok(172_800_000));
        for bad in [
            "",
            "h",
            "1",
            "-1h",
            "1.5h",
            "1 h",
            "99999999999999999d",
            "1é",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
