//! Whole worlds: that they repeat, that broken rules are noticed and told in the shortest way, and the
//! seeds that once failed.
//! Many more are lived through by `npm test -- sim`.

use sim::{
    hunt::{hunt, shrink},
    run::{Sabotage, simulate},
    scenario::{Event, Fate, Scenario},
    tables::Place,
};

/// Seeds in whose worlds something was wrong once: `docs/simulation.md` says what.
const ONCE_FAILED: [u64; 3] = [1, 192, 2718];

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..4 {
        let scenario = Scenario::draw(seed);
        let [one, other] = [(); 2].map(|()| simulate(&scenario, &Place::Memory, None, true));
        assert_eq!(one.trace.hash, other.trace.hash);
        assert_eq!(one.trace.story, other.trace.story);
    }
}

#[test]
fn what_once_failed_holds() {
    for seed in ONCE_FAILED {
        let ended = simulate(&Scenario::draw(seed), &Place::Memory, None, false);
        assert_eq!(ended.fault, None, "seed {seed}");
    }
}

#[test]
fn whatever_strangers_call_moves_nothing_of_others() {
    let scenarios = (0..).map(Scenario::draw);
    let attacked = scenarios.filter(|scenario| !scenario.attackers.is_empty());
    let mut calls = Vec::new();
    for scenario in attacked.take(12) {
        let ended = simulate(&scenario, &Place::Memory, None, true);
        assert_eq!(ended.fault, None, "seed {}", scenario.seed);
        let story = ended.trace.story.into_iter().flatten();
        calls.extend(story.filter(|line| line.contains("  stranger ")));
    }
    // They were given jobs and handed in, had leases of every kind refused, and broke off what they said.
    for what in [
        "granted [",
        "accepted 1",
        "rejected [Unknown",
        "completes job",
        "flags job",
        "lost 1",
        "409 superseded",
        "422 ",
    ] {
        let is_there = calls.iter().any(|call| call.contains(what));
        assert!(is_there, "no stranger's call has {what:?}: {calls:#?}");
    }
}

#[test]
fn strangers_see_what_is_given_back_or_hoarded_where_that_is_let_through() {
    for (sabotage, what) in [
        (Sabotage::DeliverGivenBack, " moves Job "),
        (Sabotage::AllowAnything, ", and may hold "),
    ] {
        let found = hunt(0..40, &Place::Memory, Some(sabotage), |_| {});
        let is_it = found.iter().any(|(_, fault)| fault.contains(what));
        assert!(is_it, "{sabotage:?}: {found:#?}");
    }
}

#[test]
fn a_rule_that_is_broken_on_purpose_is_noticed_within_a_thousand_worlds() {
    for sabotage in Sabotage::ALL {
        let mut seeds = (0..1_000).step_by(10);
        let found = seeds.find_map(|from| {
            let mut found = hunt(from..from + 10, &Place::Memory, Some(sabotage), |_| {});
            (!found.is_empty()).then(|| found.swap_remove(0))
        });
        let (seed, fault) = found.unwrap_or_else(|| panic!("{sabotage:?} goes unnoticed"));
        eprintln!("{sabotage:?}: seed {seed}: {fault}");
    }
}

/// One in which there is much to leave out, and one in which a storage is full when results come.
const CROWDED: u64 = 42;
const FULL: u64 = 78;

/// Whether nothing goes wrong for those who are still there, but for what is done to them.
fn is_faultless(scenario: &Scenario) -> bool {
    let browsers = scenario.browsers.iter();
    let mut browsers = browsers.filter(|browser| !browser.absent);
    let mut olds = scenario.olds.iter().filter(|old| !old.absent);
    let none = |rates: [f64; _]| rates.iter().all(|rate| *rate == 0.0);
    browsers.all(|browser| none(browser.faults.list())) && olds.all(|old| none(old.faults.list()))
}

#[test]
fn of_a_course_that_fails_only_that_is_left_over_which_it_fails() {
    // Results count twice: it takes one browser with one job.
    let scenario = Scenario::draw(CROWDED);
    assert!(scenario.events.len() > 3 && scenario.jobs > 3 && scenario.browsers.len() > 1);
    assert!(!is_faultless(&scenario));
    let (shortest, ended) = shrink(&scenario, &Place::Memory, Some(Sabotage::CountTwice));
    let fault = ended.fault.expect("it fails still");
    assert!(fault.contains("the counters of stage 0"), "{fault}");
    assert_eq!((shortest.jobs, &shortest.events[..]), (1, &[][..]));
    let there = shortest.browsers.iter().filter(|it| !it.absent).count();
    let olds = shortest.olds.iter().filter(|it| !it.absent).count();
    assert_eq!((there, olds), (1, 0));
    assert!(is_faultless(&shortest));
    // What is told is what happened in that one.
    let again = simulate(&shortest, &Place::Memory, Some(Sabotage::CountTwice), true);
    assert_eq!(again.trace.story, ended.trace.story);
}

#[test]
fn what_a_course_needs_to_fail_stays_in_it() {
    // What cannot be stored is lost: somebody's storage must be full.
    let scenario = Scenario::draw(FULL);
    let (shortest, ended) = shrink(&scenario, &Place::Memory, Some(Sabotage::DropWhenFull));
    let fault = ended.fault.expect("it fails still");
    assert!(
        fault.contains("is accepted and not in the tables"),
        "{fault}"
    );
    let fills = |(_, event): &(f64, Event)| matches!(event, Event::To(_, Fate::Full(true)));
    assert!(
        shortest.events.len() < scenario.events.len() && shortest.events.iter().any(fills),
        "{shortest:#?}"
    );
    let mut without = shortest;
    without.events.retain(|event| !fills(event));
    let ended = simulate(
        &without,
        &Place::Memory,
        Some(Sabotage::DropWhenFull),
        false,
    );
    assert_eq!(ended.fault, None);
}
