//! Requeues jobs, so that they are worked on again.

use std::collections::BTreeMap;

use crate::{
    clock::Millis,
    rules::times,
    store::{Action, RequeueFilter, Store, StoreError, ToRequeue, Whereabouts},
};

/// The outcome of a requeue, or of its dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many jobs match, or were requeued.
    pub requeued: u64,
    /// The matching jobs; only for a dry run.
    pub numbers: Option<Vec<u64>>,
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

/// Groups results by their origin, those with the most results first.
fn sources(found: &[ToRequeue]) -> Vec<Source> {
    let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
    for (address, at) in found.iter().filter_map(|one| one.from.as_ref()) {
        let source = sources.entry(address).or_insert_with(|| Source {
            address: address.clone(),
            results: 0,
            first: *at,
            last: *at,
        });
        source.results += 1;
        source.first = source.first.min(*at);
        source.last = source.last.max(*at);
    }
    let mut sources: Vec<Source> = sources.into_values().collect();
    sources.sort_by_key(|source| std::cmp::Reverse(source.results));
    sources
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
    let found = store.matching(filter).await?;
    let numbers = numbers(&found);
    Ok(Outcome {
        requeued: numbers.len() as u64,
        sources: sources(&found),
        left: left(store, filter, &numbers).await?,
        numbers: Some(numbers),
    })
}

/// Requeues the jobs that a filter matches, and logs the action.
///
/// # Errors
/// Returns an error if the database fails; jobs requeued before that stay requeued.
pub async fn requeue(
    store: &dyn Store,
    filter: &RequeueFilter,
    who: &str,
) -> Result<Outcome, StoreError> {
    let note = |detail: String| Action {
        who: who.to_owned(),
        action: "requeue",
        detail,
    };
    // Logged before it is done: an incomplete log is worse than one that lists an action that
    // failed.
    store.note_action(&note(described(filter))).await?;
    let named = if filter.numbers.is_empty() {
        Vec::new()
    } else {
        numbers(&store.matching(filter).await?)
    };
    let left = left(store, filter, &named).await?;
    let requeued = store.requeue(filter).await?;
    store
        .note_action(&note(format!("{requeued} jobs were requeued")))
        .await?;
    Ok(Outcome {
        requeued,
        numbers: None,
        sources: Vec::new(),
        left,
    })
}

fn numbers(found: &[ToRequeue]) -> Vec<u64> {
    let numbers = found.iter().map(|one| one.job.number);
    numbers
        .filter_map(|number| number.try_into().ok())
        .collect()
}

/// Explains why jobs that were named by number do not match the filter.
async fn left(
    store: &dyn Store,
    filter: &RequeueFilter,
    matching: &[u64],
) -> Result<Vec<Left>, StoreError> {
    let mut others = filter.numbers.clone();
    others.sort_unstable();
    others.dedup();
    others.retain(|number| !matching.contains(number));
    let found = store.whereabouts(&others).await?;
    let left = others.into_iter().map(|number| {
        let job = found.iter().find(|job| job.number == number);
        Left {
            number,
            why: why_not(job, filter),
        }
    });
    Ok(left.collect())
}

fn why_not(job: Option<&Whereabouts>, filter: &RequeueFilter) -> String {
    let Some(Whereabouts { stage, state, .. }) = job else {
        return "There is no such job.".to_owned();
    };
    let narrowed = filter.is_by_result()
        || filter.older_than.is_some()
        || filter.stage.is_some_and(|of| of != *stage);
    match state.as_str() {
        "open" if !filter.is_by_result() => format!(
            "It is open at stage {stage} and will be handed out. To have the stage before done again, \
             name whose result it is, --nickname, or a part of the result, --result-contains."
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
    let mut parts = vec![match &filter.nickname {
        Some(nickname) => format!("the latest results of {nickname:?}"),
        None if filter.is_by_result() => "the latest results".to_owned(),
        None if filter.numbers.is_empty() => "all jobs that are set aside".to_owned(),
        None => format!("jobs {:?}", filter.numbers),
    }];
    if filter.is_by_result() && !filter.numbers.is_empty() {
        parts.push(format!("of jobs {:?}", filter.numbers));
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
    parts.join(", ")
}
