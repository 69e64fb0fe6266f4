//! Whole worlds: that they repeat, that broken rules are noticed, and the seeds that once failed.
//! Many more are lived through by `npm test -- sim`.

use sim::{
    course::Course,
    hunt::hunt,
    life::{Sabotage, live},
};

/// Seeds in whose worlds something was wrong once: `docs/simulation.md` says what.
const ONCE_FAILED: [u64; 1] = [1];

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..4 {
        let course = Course::draw(seed);
        let [one, other] = [(); 2].map(|()| live(&course, None, true));
        assert_eq!(one.trace.hash, other.trace.hash);
        assert_eq!(one.trace.story, other.trace.story);
    }
}

#[test]
fn what_once_failed_holds() {
    for seed in ONCE_FAILED {
        let ended = live(&Course::draw(seed), None, false);
        assert_eq!(ended.fault, None, "seed {seed}");
    }
}

#[test]
fn a_rule_that_is_broken_on_purpose_is_noticed_within_a_thousand_worlds() {
    for sabotage in Sabotage::ALL {
        let mut seeds = (0..1_000).step_by(10);
        let found = seeds.find_map(|from| {
            let mut found = hunt(from..from + 10, Some(sabotage), |_| {});
            (!found.is_empty()).then(|| found.swap_remove(0))
        });
        let (seed, fault) = found.unwrap_or_else(|| panic!("{sabotage:?} goes unnoticed"));
        eprintln!("{sabotage:?}: seed {seed}: {fault}");
    }
}
