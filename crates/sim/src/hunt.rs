//! Many seeds, and the shortest scenario that still fails.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{
    run::{Ended, Sabotage, simulate},
    scenario::Scenario,
    tables::Place,
};

/// Courses that are tried for a shorter one, at most.
const TRIES: usize = 3_000;

/// The seeds of a range that fail, in their order, with what went wrong. `told` hears of how many are
/// done, now and then.
pub fn hunt(
    seeds: Range<u64>,
    place: &Place,
    sabotage: Option<Sabotage>,
    told: impl Fn(u64) + Sync,
) -> Vec<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let done = AtomicU64::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end {
                return found;
            }
            let ended = simulate(&Scenario::draw(seed), place, sabotage, false);
            found.extend(ended.fault.map(|fault| (seed, fault)));
            told(done.fetch_add(1, Ordering::SeqCst) + 1);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<(u64, String)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .flat_map(|found| found.expect("its worlds are caught"))
            .collect()
    });
    found.sort();
    found
}

/// What went wrong, whatever its numbers: a scenario that fails otherwise is another story.
fn kind(ended: &Ended) -> Option<String> {
    let fault = ended.fault.as_ref()?;
    let words = fault.lines().next().unwrap_or_default();
    Some(
        words
            .chars()
            .filter(|it| !it.is_ascii_digit())
            .take(60)
            .collect(),
    )
}

/// Leaves out of a scenario whatever it fails without.
pub fn shrink(scenario: &Scenario, place: &Place, sabotage: Option<Sabotage>) -> (Scenario, Ended) {
    let mut best = (scenario.clone(), simulate(scenario, place, sabotage, true));
    let mut tries = 0;
    'again: loop {
        for smaller in best.0.smaller() {
            tries += 1;
            if tries > TRIES {
                break 'again;
            }
            let ended = simulate(&smaller, place, sabotage, true);
            if kind(&ended) == kind(&best.1) {
                best = (smaller, ended);
                continue 'again;
            }
        }
        break;
    }
    best
}
