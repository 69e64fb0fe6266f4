//! How a hub takes over from another one whose compute workers are at work.

use distcompute_engine::hub::action::{TrackerRequest, Wire};
use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::jobs::{Job, JobState};
use proptest::prelude::*;

use super::cases;
use super::driver::{Lease, Move, Reply, Shell, Tracker, successor};

proptest! {
    #![proptest_config(cases(50))]

    #[test]
    fn nothing_is_fetched_for_cores_that_stay_silent_to_their_new_hub(
        report in prop::collection::vec(any::<bool>(), 1..4),
        waits in prop::collection::vec(500.0..5_000.0, 60),
    ) {
        let mut shell = successor(report.len() as u32, true);
        let mut next = 0;
        for (core, _) in report.iter().enumerate().filter(|(_, reports)| **reports) {
            shell.handle(Event::Resumed(core as u32, None));
            shell.handle(Event::CoreUp(core as u32));
        }
        let began = shell.now.mono;
        let mut waits = waits.into_iter().cycle();
        while shell.now.mono - began < 125_000.0 {
            shell.grant(&mut next);
            shell.go(&Move::Pass(waits.next().unwrap_or(1_000.0)));
        }
        let reporting = report.iter().filter(|reports| **reports).count();
        for _ in 0..20 {
            let wanted = shell.grant(&mut next);
            prop_assert_eq!(wanted, 0, "jobs for cores that are silent");
            shell.go(&Move::Pass(5_000.0));
        }
        if reporting == 0 {
            prop_assert_eq!(shell.held(), 0, "they were fetched for nobody");
        }
        // What they do is theirs again as soon as they report.
        for core in 0..report.len() as u32 {
            shell.handle(Event::Resumed(core, None));
            shell.handle(Event::CoreUp(core));
        }
        for _ in 0..3 {
            shell.grant(&mut next);
            shell.go(&Move::Pass(4_000.0));
        }
        prop_assert_eq!(shell.held(), report.len());
    }
}

#[test]
fn a_registration_that_a_silent_core_may_work_for_asks_for_no_other_job() {
    let mut shell = successor(2, false);
    shell.handle(Event::Resumed(1, None));
    shell.handle(Event::CoreUp(1));
    // Its token has had a job before, whose result was not delivered.
    let before = shell.stored(Lease(9, false), Some(0));
    shell.handle(Event::EndedBefore(before));
    let asks = |shell: &Shell| {
        let inherited = |wire: &&Wire| matches!(wire, Wire::NewJob { token } if token == "9-lease");
        shell.sent.iter().filter(inherited).count()
    };
    let step = |shell: &mut Shell| {
        shell.answer_as(Tracker::Legacy);
        shell.go(&Move::Pass(1_000.0));
    };
    for _ in 0..60 {
        step(&mut shell);
    }
    let handed_in = |wire: &Wire| matches!(wire, Wire::Complete { .. });
    assert!(shell.sent.iter().any(handed_in));
    assert_eq!(asks(&shell), 0, "{:?}", shell.sent);
    let others = |wire: &Wire| matches!(wire, Wire::NewJob { .. });
    assert!(shell.sent.iter().any(others), "others may ask");
    shell.handle(Event::Resumed(0, None));
    shell.handle(Event::CoreUp(0));
    for _ in 0..60 {
        step(&mut shell);
    }
    assert!(asks(&shell) > 0, "it is free now");
}

#[test]
fn what_was_fetched_for_the_last_able_core_goes_back_at_once_when_that_core_goes() {
    let mut shell = successor(2, true);
    for core in 0..2 {
        shell.handle(Event::Resumed(core, None));
    }
    shell.handle(Event::CoreBroken(0, "no kernel".to_owned()));
    shell.handle(Event::CoreUp(1));
    let granted = Reply::Sync {
        jobs: vec![(1, 1), (2, 1)],
        accepted: Vec::new(),
        lost: Vec::new(),
        wait_ms: 60_000.0,
    };
    for TrackerRequest { id, wire, .. } in std::mem::take(&mut shell.flights) {
        assert!(matches!(wire, Wire::Sync(_)));
        shell.reply(id, &granted);
    }
    let mut next = 3;
    shell.grant(&mut next);
    let sent = shell.sent.len();
    // The core ends when its job does; the other job is nobody's.
    shell.go(&Move::Settings(1, 10));
    let released = shell.sent[sent..].iter().filter_map(|wire| match wire {
        Wire::Sync(sync) => Some(sync.released.clone()),
        _ => None,
    });
    assert_eq!(released.collect::<Vec<_>>(), [["2-lease"]]);
}

#[test]
fn a_job_waits_for_no_core_that_works_on_another_one() {
    let mut shell = successor(1, true);
    // A core that two hubs were in reach of: what it does now counts.
    for (of, key) in [(1, 5), (2, 6)] {
        let stored = shell.stored(Lease(of, true), None);
        shell.handle(Event::Resumed(0, Some((key, stored))));
    }
    let runs = |job: &Job| matches!(job.state, JobState::Running { core: 0, .. });
    let table = shell.scheduler.table();
    assert_eq!(table.keys(runs), [6]);
    shell.go(&Move::Stop(true));
    for _ in 0..10 {
        shell.carry_out();
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(1_000.0));
    }
    assert!(shell.over);
}
