//! A million volunteers by a sample of them: what is counted adds up, and no herd thunders.

use sim::scale::{Capacity, Scenario, Trace, Trial, run, trials};

const MINUTE: u32 = 60;

/// The trial of this name, with so few volunteers.
fn sample(name: &str, volunteers: u32) -> Trial {
    let mut all = trials().into_iter();
    let trial = all.find(|trial| trial.varied.is_none() && trial.name == name);
    let mut trial = trial.expect("there is such a trial");
    trial.scenario.one_in = trial.scenario.volunteers / volunteers;
    trial
}

/// The most requests in ten seconds of the event, by what is usual.
fn peak_by_usual(trial: &Trial, trace: &Trace) -> f64 {
    let peak = trace.peak(&trial.event, 10, |second| second.requests);
    peak / trace.mean(&trial.steady, |second| second.requests)
}

#[test]
fn a_tracker_that_comes_back_meets_no_herd() {
    let trial = sample("away for 1 hour", 2_000);
    let trace = run(&trial.scenario, 2);
    let herd = peak_by_usual(&trial, &trace);
    assert!((0.5..=2.0).contains(&herd), "{herd}");
    assert_eq!(trace.sums.lapsed, 0);
}

#[test]
fn nor_does_one_where_all_are_alike_and_began_together() {
    let mut trial = sample("away for 1 hour", 2_000);
    trial.scenario.joins_within_ms = 0.0;
    trial.scenario.machines_differ = 1.0;
    let herd = peak_by_usual(&trial, &run(&trial.scenario, 2));
    assert!((0.5..=2.0).contains(&herd), "{herd}");
}

#[test]
fn a_million_that_wait_ask_as_often_as_they_are_told() {
    let trial = sample("jobs appear", 2_000);
    let trace = run(&trial.scenario, 2);
    // Waits are between 333 s, which is two thirds of a million's share of 2,000 a second, and twice
    // that.
    let waiting = trace.mean(&(900..trial.event.start), |second| second.requests);
    assert!((1_800.0..=2_200.0).contains(&waiting), "{waiting}");
    let herd = peak_by_usual(&trial, &trace);
    assert!(herd <= 2.0, "{herd}");
    let all_after = trace.given_after(trial.event.start, 1_000_000);
    assert!(
        all_after.is_some_and(|seconds| seconds <= 667),
        "{all_after:?}"
    );
}

#[test]
fn what_each_asks_does_not_depend_on_how_many_are_simulated() {
    let rate = |volunteers| {
        let trial = sample("jobs of 100 s", volunteers);
        let trace = run(&trial.scenario, 2);
        trace.mean(&trial.steady, |second| second.requests)
    };
    let (few, many) = (rate(500), rate(2_000));
    assert!((few / many - 1.0).abs() < 0.05, "{few} {many}");
}

#[test]
fn every_job_is_finished_once_and_what_comes_out_follows_from_the_seed() {
    let scenario = Scenario {
        volunteers: 60_000,
        one_in: 100,
        jobs: 500_000,
        job_ms: 10_000.0,
        seconds: 5 * MINUTE,
        ..Scenario::default()
    };
    let trace = run(&scenario, 2);
    let sums = trace.sums;
    assert_eq!((sums.open, sums.held, sums.finished), (0, 0, 500_000));
    assert_eq!(trace.job_tables, (0, 0));
    let finished: u64 = trace.seconds.iter().map(|second| second.finished).sum();
    assert_eq!(finished, 500_000);
    assert_eq!(run(&scenario, 1), trace);
    let other = Scenario {
        seed: 2,
        ..scenario
    };
    assert_ne!(run(&other, 1), trace);
}

#[test]
fn in_the_middle_of_it_every_job_is_in_one_place() {
    let scenario = Scenario {
        volunteers: 50_000,
        one_in: 100,
        jobs: 1_000_000,
        job_ms: 10_000.0,
        seconds: MINUTE,
        ..Scenario::default()
    };
    let trace = run(&scenario, 1);
    let sums = trace.sums;
    assert_eq!(sums.open + sums.held + sums.finished, 1_000_000);
    // Besides what is in the job tables, answers are on their way.
    let (unfinished, ended) = trace.job_tables;
    assert!(sums.finished > 0 && unfinished > 0);
    let off = (unfinished + ended).abs_diff(sums.held) as f64 / sums.held as f64;
    assert!(off < 0.05, "{sums:?} {:?}", trace.job_tables);
}

#[test]
fn a_million_that_begin_at_once_are_all_at_work_within_minutes() {
    let mut trial = sample("all at once", 2_000);
    trial.scenario.seconds = 20 * MINUTE;
    let trace = run(&trial.scenario, 2);
    let after = trace.given_after(0, 990_000);
    assert!(
        after.is_some_and(|seconds| seconds <= 10 * MINUTE),
        "{after:?}"
    );
}

#[test]
fn a_tracker_that_is_asked_for_too_much_serves_as_many_as_it_can_because_it_says_no_in_time() {
    let mut trial = sample("all at once", 2_000);
    trial.scenario.seconds = 20 * MINUTE;
    // To keep these leases alone takes twice as many requests as it can do.
    trial.scenario.lease_s = 300;
    let capacity = trial.scenario.capacity.expect("it is limited");
    let mut served = |sheds| {
        trial.scenario.capacity = Some(Capacity { sheds, ..capacity });
        let trace = run(&trial.scenario, 2);
        trace.mean(&(10 * MINUTE..20 * MINUTE), |second| second.served)
    };
    let in_turn = served(capacity.sheds);
    assert!(in_turn > 0.95 * capacity.per_s, "{in_turn}");
    // One that lets everybody wait works for those who have just given up.
    let in_vain = served(None);
    assert!(in_vain < 0.5 * in_turn, "{in_vain} of {in_turn}");
}
