//! Requeues jobs, so that they are worked on again.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::Millis,
    operations::turns::{Pieces, Turns},
    rules::times,
    store::{Action, RequeueFilter, States, Store, StoreError, ToRequeue, Whereabouts},
};

/// How many numbers a dry run lists.
pub const LISTED: usize = 10_000;

/// The outcome of a requeue, or of its dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many jobs match, or were requeued.
    pub requeued: u64,
    /// The matching jobs, at most the first [`LISTED`]; only for a dry run.
    pub numbers: Option<Vec<u64>>,
    /// How many results of each stage would be discarded; only for a dry run.
    pub discarded: [u64; 5],
    /// The origins of the results that would be discarded, those with the most results first; only
    /// for a dry run.
    pub sources: Vec<Source>,
    /// Jobs that were named by number and do not match.
    pub left: Vec<Left>,
}

/// The results from one address group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The address group, as `address` takes it; empty if unknown.
    pub address: String,
    /// How many results.
    pub results: u64,
    /// When the first arrived.
    pub first: Millis,
    /// When the last arrived.
    pub last: Millis,
}

/// What a dry run has found so far.
#[derive(Default)]
struct Found {
    jobs: u64,
    numbers: Vec<u64>,
    discarded: [u64; 5],
    sources: BTreeMap<String, Source>,
}

impl Found {
    fn add(&mut self, one: &ToRequeue) {
        self.jobs += 1;
        if self.numbers.len() < LISTED {
            self.numbers.extend(u64::try_from(one.job.number));
        }
        if let Some((first, last)) = one.results {
            for count in &mut self.discarded[first.index()..=last.index()] {
                *count += 1;
            }
        }
        let Some((address, at)) = &one.from else {
            return;
        };
        let source = self
            .sources
            .entry(address.clone())
            .or_insert_with(|| Source {
                address: address.clone(),
                results: 0,
                first: *at,
                last: *at,
            });
        source.results += 1;
        source.first = source.first.min(*at);
        source.last = source.last.max(*at);
    }

    /// The origins, those with the most results first.
    fn sources(self) -> Vec<Source> {
        let mut sources: Vec<Source> = self.sources.into_values().collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.results));
        sources
    }
}

/// A job that remains unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The job.
    pub number: u64,
    /// The reason, and what can be done, as a sentence.
    pub why: String,
}

/// Reports which jobs a filter matches, without changing them.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn dry_run(store: &dyn Store, filter: &RequeueFilter) -> Result<Outcome, StoreError> {
    let (mut found, mut others) = (Found::default(), named(filter));
    for part in store.parts(filter).await? {
        for one in store.to_requeue(filter, &part).await? {
            forget(&mut others, &one);
            found.add(&one);
        }
    }
    Ok(Outcome {
        requeued: found.jobs,
        numbers: Some(std::mem::take(&mut found.numbers)),
        discarded: found.discarded,
        sources: found.sources(),
        left: left(store, filter, others).await?,
    })
}

/// Requeues the jobs that a filter matches, some at a time, and logs the action. After each of these
/// transactions, the caller may have the tracker's calls go first.
///
/// # Errors
/// Returns an error if the database fails; jobs requeued before that stay requeued.
pub async fn requeue(
    store: &dyn Store,
    filter: &RequeueFilter,
    who: &str,
    turns: Turns,
) -> Result<Outcome, StoreError> {
    let note = |detail: String| Action {
        who: who.to_owned(),
        action: "requeue",
        detail,
    };
    // Logged before it is done: an incomplete log is worse than one that lists an action that
    // failed.
    store.note_action(&note(described(filter))).await?;
    if filter.older_than.is_some() {
        store.correct_times().await?;
    }
    let (mut requeued, mut others) = (0, named(filter));
    let mut pieces = Pieces::new(turns);
    for part in store.parts(filter).await? {
        let found = store.to_requeue(filter, &part).await?;
        found.iter().for_each(|one| forget(&mut others, one));
        let mut left = found.as_slice();
        while !left.is_empty() {
            let (piece, rest) = left.split_at(pieces.rows().min(left.len()));
            left = rest;
            let jobs = piece.iter().map(|one| one.job).collect();
            requeued += pieces.after(store.requeue_jobs(jobs)).await?;
        }
    }
    store
        .note_action(&note(format!("{requeued} jobs were requeued")))
        .await?;
    Ok(Outcome {
        requeued,
        left: left(store, filter, others).await?,
        ..Outcome::default()
    })
}

/// The jobs that are named one by one, and have not been found to match.
fn named(filter: &RequeueFilter) -> BTreeSet<u64> {
    filter.numbers.iter().copied().collect()
}

fn forget(others: &mut BTreeSet<u64>, found: &ToRequeue) {
    if let Ok(number) = u64::try_from(found.job.number) {
        others.remove(&number);
    }
}

/// How many jobs are looked up at once.
const EXPLAINED: usize = 1_000;

/// Explains why jobs that were named by number do not match the filter.
async fn left(
    store: &dyn Store,
    filter: &RequeueFilter,
    others: BTreeSet<u64>,
) -> Result<Vec<Left>, StoreError> {
    let others: Vec<u64> = others.into_iter().collect();
    let mut left = Vec::new();
    for part in others.chunks(EXPLAINED) {
        let found = store.whereabouts(part).await?;
        let found: BTreeMap<u64, &Whereabouts> =
            found.iter().map(|job| (job.number, job)).collect();
        left.extend(part.iter().map(|number| Left {
            number: *number,
            why: why_not(found.get(number).copied(), filter),
        }));
    }
    Ok(left)
}

fn why_not(job: Option<&Whereabouts>, filter: &RequeueFilter) -> String {
    let Some(Whereabouts { stage, state, .. }) = job else {
        return "There is no such job.".to_owned();
    };
    let narrowed = filter.is_by_result()
        || filter.older_than.is_some()
        || filter.states.is_some()
        || filter.to.is_some_and(|to| to > *stage)
        || filter.stage.is_some_and(|of| of != *stage);
    match state.as_str() {
        "open" if !filter.is_by_result() && filter.to.is_none() => format!(
            "It is open at stage {stage} and will be handed out. To have an earlier stage done again, \
             say to which stage it should go back: --to."
        ),
        "closed" if !narrowed => "It is finished and its texts were pruned, so it cannot be done \
                                  again. Import its input as a new job."
            .to_owned(),
        _ => format!("It is {state} at stage {stage}, and the other filters do not fit it."),
    }
}

/// Describes a filter for people.
#[must_use]
pub fn described(filter: &RequeueFilter) -> String {
    let named = named_jobs(filter);
    let mut parts = vec![match (&filter.nickname, &named) {
        (Some(nickname), _) => format!("the results of {nickname:?}"),
        (None, _) if filter.volunteer.is_some() => {
            let volunteer = filter.volunteer.as_deref().unwrap_or_default();
            format!("the results of the volunteer {volunteer}")
        }
        (None, _) if filter.is_by_result() => "the results".to_owned(),
        (None, Some(named)) => named.clone(),
        (None, None) => match filter.states {
            Some(states) => format!("all jobs that are {}", words(states)),
            None => "all jobs that are set aside".to_owned(),
        },
    }];
    if filter.is_by_result() {
        parts.extend(named.iter().map(|named| format!("of {named}")));
    }
    if filter.is_by_result() || named.is_some() {
        let states = filter.states.map(words);
        parts.extend(states.map(|states| format!("of jobs that are {states}")));
    }
    parts.extend(
        filter
            .result_contains
            .as_ref()
            .map(|text| format!("containing {text:?}")),
    );
    let address = filter.address.as_ref();
    parts.extend(address.map(|address| format!("from {address}")));
    let since = filter.since.map(times::stamp);
    parts.extend(since.map(|since| format!("of {since} or later")));
    let until = filter.until.map(times::stamp);
    parts.extend(until.map(|until| format!("before {until}")));
    parts.extend(filter.stage.map(|stage| format!("at stage {stage}")));
    let age = filter.older_than.map(|age| age / 1_000);
    parts.extend(age.map(|age| format!("unchanged for {age} s")));
    parts.extend(filter.to.map(|to| format!("back to stage {to}")));
    parts.join(", ")
}

/// How many numbers and ranges are written out in the log.
const WRITTEN: usize = 20;

fn named_jobs(filter: &RequeueFilter) -> Option<String> {
    let single = filter.numbers.iter().map(u64::to_string);
    let ranges = filter.ranges.iter();
    let ranges = ranges.map(|(first, last)| format!("{first} to {last}"));
    let named: Vec<String> = single.chain(ranges).collect();
    if named.is_empty() {
        return None;
    }
    let more = named.len().saturating_sub(WRITTEN);
    let written = named[..named.len() - more].join(", ");
    Some(match more {
        0 => format!("jobs {written}"),
        more => format!("jobs {written} and {more} more"),
    })
}

fn words(states: States) -> String {
    if states == States::ALL {
        return "in any state".to_owned();
    }
    let words = [
        (states.open, "open"),
        (states.failed, "failed"),
        (states.held, "held"),
        (states.set_aside, "set aside"),
        (states.done, "done"),
    ];
    let words = words.into_iter().filter(|(selected, _)| *selected);
    words.map(|(_, word)| word).collect::<Vec<_>>().join(" or ")
}
