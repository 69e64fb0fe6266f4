//! Sleep, and clocks that people set: waits and limits count time as it passes.

use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::governor::Wish;
use distcompute_engine::hub::jobs::JobState;
use distcompute_engine::reason::Reason;
use distcompute_engine::settings::Limits;

use sim::{
    browser::{Browser, Work},
    tracker::Model,
};

use crate::fixtures::{HOUR, begun, both, browser, finishes, pause};

const MONTH: f64 = 30.0 * 24.0 * HOUR;

#[test]
fn after_a_sleep_a_sync_comes_before_the_next_job() {
    for ms in [600_000.0, 3.0 * HOUR] {
        for at in [10_000.0, 10_700.0, 11_930.0, 12_345.0] {
            let mut browser = browser(true, 400, 2, 1_500.0);
            browser.run(at);
            assert!(
                browser
                    .hub
                    .table()
                    .count(|job| job.state == JobState::Ahead)
                    > 0
            );
            browser.sleep(ms);
            let (given, syncs) = (browser.given_at.len(), browser.tracker.calls["sync"]);
            assert!(browser.run_until(60_000.0, |browser| browser.given_at.len() > given));
            assert!(
                browser.tracker.calls["sync"] > syncs,
                "a sync before the next job"
            );
            // Nobody took the jobs meanwhile: none is done twice.
            finishes(&mut browser, 600_000.0);
            begun(&browser, 1);
        }
    }
}

#[test]
fn an_answer_that_a_sleep_delayed_does_not_count_as_slow() {
    both(|syncs| {
        let mut browser = browser(syncs, 4_000, 2, 100.0);
        for _ in 0..20 {
            browser.run(3_000.0);
            browser.set_clock(2.0 * HOUR);
        }
        browser.run(10_000.0);
        browser.most_ahead = 0;
        browser.run(20_000.0);
        assert!(browser.most_ahead < 80, "{} ahead", browser.most_ahead);
    });
}

#[test]
fn a_clock_that_is_set_back_or_forward_hurts_nobody() {
    both(|syncs| {
        let mut browser = browser(syncs, 300, 2, 700.0);
        for by in [-5.0, 3.0, -48.0, 0.2, 700.0, -700.0] {
            browser.run(8_000.0);
            browser.set_clock(by * HOUR);
        }
        assert_eq!(browser.fatal, None);
        finishes(&mut browser, 300_000.0);
        begun(&browser, 1);
    });
}

/// Has the clock be wrong from the start, or set while something is waited for, forward and back.
fn whatever_the_clock_says(scenario: impl Fn(&mut Browser<Model>, &dyn Fn(&mut Browser<Model>))) {
    for (start, later) in [
        (0.0, MONTH),
        (0.0, -MONTH),
        (MONTH, -MONTH),
        (-MONTH, MONTH),
    ] {
        let mut browser = browser(true, 6, 2, 2_000.0);
        browser.set_clock(start);
        scenario(&mut browser, &|browser| browser.set_clock(later));
    }
}

#[test]
fn a_pause_lasts_as_long_as_was_asked_for_whatever_the_clock_says() {
    whatever_the_clock_says(|browser, correct| {
        browser.run(1_000.0);
        let until = Some(browser.now().wall + 6_000.0);
        browser.tell(Event::Wish(Wish::Pause { until }));
        browser.run(2_000.0);
        correct(browser);
        let paused = |browser: &Browser<Model>| matches!(browser.reason(), Reason::Paused { .. });
        // A clock that gets ahead counts as a sleep: the pause may be over.
        assert!(browser.run_until(6_000.0, |browser| !paused(browser)));
        finishes(browser, 60_000.0);
    });
}

#[test]
fn a_page_that_names_the_end_of_a_pause_names_it_by_the_clock_as_it_is_now() {
    let mut browser = browser(true, 6, 2, 2_000.0);
    browser.set_clock(MONTH);
    browser.run(1_000.0);
    let until = Some(browser.now().wall + HOUR);
    browser.tell(Event::Wish(Wish::Pause { until }));
    browser.run(60_000.0);
    browser.set_clock(-MONTH);
    browser.run(60_000.0);
    let Reason::Paused { until: Some(until) } = browser.reason() else {
        panic!("{:?}", browser.reason());
    };
    let left = until - browser.now().wall;
    assert!((left - (HOUR - 120_000.0)).abs() < 1_500.0, "{left}");
}

#[test]
fn each_wait_of_a_hub_is_over_in_its_time_whatever_the_clock_says() {
    // For jobs where there are none.
    whatever_the_clock_says(|browser, correct| {
        finishes(browser, 60_000.0);
        browser.run(500.0);
        correct(browser);
        browser.tracker.add(2);
        finishes(browser, 60_000.0);
    });
    // For a tracker that is away, and for one that says when to come back.
    whatever_the_clock_says(|browser, correct| {
        browser.faults.down = true;
        browser.run(100_000.0);
        correct(browser);
        browser.faults.down = false;
        finishes(browser, 140_000.0);
    });
    whatever_the_clock_says(|browser, correct| {
        browser.faults.busy = 1.0;
        browser.retry_after_ms = Some(20_000);
        browser.run(5_000.0);
        correct(browser);
        browser.faults.busy = 0.0;
        finishes(browser, 120_000.0);
    });
    // For a core whose setup fails.
    whatever_the_clock_says(|browser, correct| {
        browser.setup_fails = true;
        browser.run(30_000.0);
        correct(browser);
        browser.setup_fails = false;
        finishes(browser, 140_000.0);
    });
    // For a stop with a tracker that is away, and for what is finished first.
    for finish in [true, false] {
        whatever_the_clock_says(|browser, correct| {
            browser.run(1_000.0);
            browser.faults.down = true;
            browser.tell(Event::Stop { finish });
            browser.run(500.0);
            correct(browser);
            assert!(browser.run_until(40_000.0, |browser| browser.stopped));
        });
    }
    // For a handler that does not hear that it shall stop.
    whatever_the_clock_says(|browser, correct| {
        browser.handler = Box::new(|_, _| Work::of(HOUR));
        browser.run(1_000.0);
        browser.tell(Event::Stop { finish: false });
        correct(browser);
        assert!(browser.run_until(10_000.0, |browser| browser.stopped));
    });
}

#[test]
fn leases_are_kept_whatever_the_clock_says() {
    whatever_the_clock_says(|browser, correct| {
        browser.handler = Box::new(|_, _| Work {
            progress_ms: Some(500.0),
            ..Work::of(HOUR)
        });
        browser.run(60_000.0);
        correct(browser);
        browser.run(900_000.0);
        assert_eq!(browser.tracker.held(), 2);
        browser.set_clock(-MONTH);
        finishes(browser, 4.0 * HOUR);
        begun(browser, 1);
    });
}

#[test]
fn limits_count_work_and_neither_pauses_nor_sleep_nor_rests() {
    both(|syncs| {
        let limits = Limits {
            job_timeout_ms: Some(20_000.0),
            stall_ms: 15_000.0,
            ..Limits::default()
        };
        let mut browser = browser(syncs, 4, 2, 12_000.0).with_limits(limits);
        browser.run(5_000.0);
        pause(&mut browser);
        browser.run(60_000.0);
        browser.tell(Event::Wish(Wish::Run));
        browser.run(2_000.0);
        browser.sleep(HOUR);
        browser.run(2_000.0);
        browser.settings(|settings| settings.intensity = 2);
        browser.run(10_000.0);
        finishes(&mut browser, 400_000.0);
        assert_eq!(browser.replaced, 0);
    });
}
