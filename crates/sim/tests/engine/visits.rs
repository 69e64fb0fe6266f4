//! What a visit brings: every job is done once, whatever its length and its end, and whatever the settings.

use distcompute_engine::settings::Limits;
use distcompute_engine::status::State;
use distcompute_protocol::Stage;

use sim::{
    browser::{Browser, Fate, Work},
    tracker::{End, Model, Tracker},
};

use crate::fixtures::{HOUR, begun, both, browser, finishes};

#[test]
fn every_job_is_done_once() {
    both(|syncs| {
        for job_ms in [0.2, 5.0, 300.0, 5_000.0] {
            let mut browser = browser(syncs, 60, 3, job_ms);
            finishes(&mut browser, 200_000.0);
            begun(&browser, 1);
            assert_eq!(browser.hub.status(browser.now()).jobs_done, 60);
            assert_eq!(browser.tracker.held(), 0);
        }
    });
}

#[test]
fn jobs_of_changing_length_leave_no_core_idle() {
    both(|syncs| {
        let mut browser = browser(syncs, 1_500, 4, 1.0);
        browser.handler = Box::new(|number, _| {
            let ms = [0.5, 2_000.0, 30.0, 0.1, 400.0][(number as usize / 40) % 5];
            Work {
                progress_ms: Some(100.0),
                ..Work::of(ms)
            }
        });
        finishes(&mut browser, 1_800_000.0);
        begun(&browser, 1);
    });
}

#[test]
fn between_short_jobs_it_computes_or_waits_and_never_starts_again() {
    for (job_ms, delay_ms) in [(1.0, 20.0), (20.0, 300.0), (300.0, 1_000.0), (5.0, 4_000.0)] {
        let mut browser = browser(true, 400, 2, job_ms);
        browser.delay_ms = delay_ms;
        let seen = std::cell::RefCell::new(Vec::new());
        browser.run_until(2_000_000.0, |browser| {
            let state = State::of(&browser.reason());
            let mut seen = seen.borrow_mut();
            if seen.last() != Some(&state) {
                seen.push(state);
            }
            browser.tracker.is_finished()
        });
        let seen = seen.into_inner();
        assert!(browser.tracker.is_finished());
        assert_eq!(seen[..2], [State::Starting, State::Computing]);
        assert!(!seen[1..].contains(&State::Starting), "{job_ms}: {seen:?}");
    }
}

#[test]
fn jobs_that_are_queued_behind_a_long_one_are_not_held_up() {
    both(|syncs| {
        let mut browser = browser(syncs, 60, 2, 50.0);
        browser.handler =
            Box::new(|number, _| Work::of(if number == 20 { 60_000.0 } else { 50.0 }));
        assert!(browser.run_until(10_000.0, |browser| browser.tracker.closed() == 59));
        assert_eq!(browser.running(), 1);
        finishes(&mut browser, 100_000.0);
        begun(&browser, 1);
        assert_eq!(browser.replaced, 0);
    });
}

#[test]
fn settings_may_change_at_any_time() {
    both(|syncs| {
        for job_ms in [50.0, 2_000.0] {
            let mut browser = browser(syncs, 40_000, 1, job_ms);
            for cores in [4, 1, 8, 2, 3, 1, 6] {
                browser.settings(|settings| settings.cores = cores);
                browser.run(4_500.0);
                let worked = browser.worked_ms;
                browser.run(4_000.0);
                let share = (browser.worked_ms - worked) / (4_000.0 * f64::from(cores));
                assert_eq!(browser.workers(), cores as usize);
                assert!((0.95..1.01).contains(&share), "{share} of {cores} cores");
            }
            browser.settings(|settings| settings.intensity = 2);
            browser.run(1_000.0);
            let worked = browser.worked_ms;
            browser.run(10_000.0);
            let share = (browser.worked_ms - worked) / 60_000.0;
            assert!((0.15..0.25).contains(&share), "{share}");
            begun(&browser, 1);
        }
    });
}

#[test]
fn a_new_version_comes_after_the_running_jobs_and_once() {
    both(|syncs| {
        let mut browser = browser(syncs, 100, 2, 8_000.0);
        browser.handler = Box::new(|_, _| Work {
            progress_ms: Some(300.0),
            checkpoint: true,
            ..Work::of(8_000.0)
        });
        browser.run(20_000.0);
        browser.tracker.app_version = "2".to_owned();
        if syncs {
            assert!(browser.run_until(80_000.0, |browser| browser.renews));
            assert_eq!((browser.running(), browser.tracker.held()), (0, 0));
            assert_eq!(
                browser.tracker.closed(),
                browser.begun.len(),
                "all is delivered"
            );
            browser.open();
        }
        finishes(&mut browser, 600_000.0);
        assert!(!browser.renews, "and not again");
        begun(&browser, 1);
    });
}

#[test]
fn stages_are_served_in_the_order_of_preference() {
    both(|syncs| {
        for stages in [[Stage::B, Stage::A], [Stage::A, Stage::B]] {
            let model = Model::new(&[Stage::A, Stage::B], 200, syncs);
            let mut browser = Browser::new(model, &stages, 3, 3);
            browser.handler = Box::new(|_, _| Work::of(150.0));
            browser.run_until(400_000.0, |browser| browser.tracker.closed() >= 50);
            // Where the last stage is preferred, jobs are finished while others have not been begun.
            let jobs = browser.tracker.jobs.iter();
            let untouched = jobs.filter(|job| job.taken.is_empty()).count();
            let finishes_first = stages[0] == Stage::B;
            assert_eq!(untouched > 50, finishes_first, "{stages:?}: {untouched}");
            assert_eq!(untouched == 0, !finishes_first, "{stages:?}: {untouched}");
            finishes(&mut browser, 400_000.0);
            assert!(browser.tracker.jobs.iter().all(|job| job.taken.len() == 2));
            begun(&browser, 2);
        }
    });
}

#[test]
fn bad_jobs_are_reported_and_the_core_goes_on() {
    both(|syncs| {
        let limits = Limits {
            job_timeout_ms: Some(5_000.0),
            ..Limits::default()
        };
        let fates = [
            Fate::Throws,
            Fate::Flags,
            Fate::Hangs,
            Fate::Traps,
            Fate::Dies,
            Fate::Done,
        ];
        let mut browser = browser(syncs, 60, 3, 300.0).with_limits(limits);
        // In the first protocol each of the fifty that failed is refused once, 3 s apart.
        browser.patience_ms = 200_000.0;
        browser.handler = Box::new(move |number, begun| {
            let fate = if begun == 1 {
                fates[number as usize % 6]
            } else {
                Fate::Done
            };
            Work {
                fate,
                ..Work::of(300.0)
            }
        });
        finishes(&mut browser, 2_000_000.0);
        let status = browser.hub.status(browser.now());
        assert_eq!(status.jobs_invalid, 10);
        // A worker that dies takes along what it had not said yet: then another job is blamed.
        assert!(
            (30..=40).contains(&status.jobs_failed),
            "{}",
            status.jobs_failed
        );
        if syncs {
            assert_eq!(browser.tracker.failures() as u64, status.jobs_failed);
        }
        assert_eq!(
            browser
                .tracker
                .jobs
                .iter()
                .map(|job| job.flags)
                .sum::<u32>(),
            10
        );
    });
}

#[test]
fn a_job_that_always_fails_does_not_come_and_go_where_no_word_says_so() {
    let mut browser = browser(false, 2, 1, 100.0);
    browser.handler = Box::new(|number, _| Work {
        fate: if number == 1 {
            Fate::Throws
        } else {
            Fate::Done
        },
        ..Work::of(100.0)
    });
    browser.patience_ms = f64::INFINITY;
    browser.run(7_000_000.0);
    assert_eq!(browser.begun[&1], 3);
    assert_eq!(browser.tracker.closed(), 1);
    // The tracker has missed its worker, and somebody else could have it.
    browser.run(7_300_000.0);
    assert_eq!(browser.begun[&1], 4);
}

#[test]
fn a_job_that_stalls_is_ended() {
    both(|syncs| {
        let limits = Limits {
            stall_ms: 60_000.0,
            ..Limits::default()
        };
        let mut browser = browser(syncs, 3, 2, 3_000.0).with_limits(limits);
        browser.handler = Box::new(|number, begun| Work {
            fate: if number == 1 && begun == 1 {
                Fate::Hangs
            } else {
                Fate::Done
            },
            progress_ms: Some(100.0),
            ..Work::of(3_000.0)
        });
        finishes(&mut browser, 200_000.0);
        assert_eq!(browser.replaced, 1);
        // One that has never told its progress may take for ever.
        let mut browser = self::browser(syncs, 1, 1, 3_000.0).with_limits(limits);
        browser.handler = Box::new(|_, _| Work {
            progress_ms: None,
            ..Work::of(900_000.0)
        });
        finishes(&mut browser, 1_000_000.0);
        assert_eq!(browser.replaced, 0);
    });
}

#[test]
fn a_job_that_somebody_else_has_is_stopped_even_in_a_deaf_handler() {
    for progress_ms in [Some(200.0), None] {
        let mut browser = browser(true, 1, 1, 1.0);
        browser.handler = Box::new(move |number, _| Work {
            progress_ms,
            ..Work::of(if number == 1 { 90.0 * HOUR } else { 100.0 })
        });
        browser.run(20_000.0);
        browser.tracker.end_lease_of(1, End::Flagged);
        browser.tracker.close(1);
        browser.tracker.add(1);
        finishes(&mut browser, 100_000.0);
        assert_eq!(browser.replaced, u32::from(progress_ms.is_none()));
    }
}

#[test]
fn a_setup_that_fails_is_tried_again() {
    both(|syncs| {
        let mut browser = browser(syncs, 5, 2, 100.0);
        browser.setup_fails = true;
        browser.run(100_000.0);
        let status = browser.hub.status(browser.now());
        assert_eq!(status.reason.code(), "setup_failed");
        assert_eq!(status.problem, "no model");
        assert!((4..24).contains(&browser.replaced), "{}", browser.replaced);
        assert_eq!(
            browser.tracker.held(),
            0,
            "nobody holds jobs for cores that cannot work"
        );
        browser.setup_fails = false;
        finishes(&mut browser, 120_000.0);
    });
}

#[test]
fn cores_that_die_are_replaced() {
    both(|syncs| {
        let mut browser = browser(syncs, 300, 3, 400.0);
        browser.patience_ms = 150_000.0;
        for at in 0..30 {
            browser.run(777.0);
            browser.kill_core(at % 3);
        }
        finishes(&mut browser, 1_000_000.0);
    });
}
