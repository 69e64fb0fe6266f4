//! When outcomes that wait for delivery are written to storage.

use distcompute_engine::hub::event::Event;

use super::driver::{Move, Shell, successor};

/// So many cores have a job each, and the answer to the request for more never comes.
fn at_work(cores: u32) -> Shell {
    let mut shell = successor(cores, true);
    for core in 0..cores {
        shell.handle(Event::Resumed(core, None));
        shell.handle(Event::CoreUp(core));
    }
    let mut next = 0;
    for _ in 0..3 {
        shell.grant(&mut next);
        shell.go(&Move::Pass(1.0));
    }
    shell
}

#[test]
fn the_outcome_of_a_long_job_is_stored_after_a_second_and_that_of_a_quick_one_after_five() {
    for (took_ms, least_ms, most_ms) in [(150.0, 900.0, 1_100.0), (20.0, 4_900.0, 5_100.0)] {
        let mut shell = at_work(2);
        shell.go(&Move::Pass(took_ms));
        shell.carry_out();
        shell.go(&Move::Pass(least_ms));
        assert!(shell.stored.is_empty(), "after {least_ms} ms");
        shell.go(&Move::Pass(most_ms - least_ms));
        assert!(!shell.stored.is_empty(), "after {most_ms} ms");
    }
}

#[test]
fn with_an_outcome_that_is_due_all_others_are_stored() {
    let mut shell = at_work(2);
    shell.end_one(0);
    shell.go(&Move::Pass(4_500.0));
    shell.end_one(1);
    assert_eq!(shell.stored, [0; 0]);
    shell.go(&Move::Pass(600.0));
    assert_eq!(shell.stored, [2], "in one go");
}
