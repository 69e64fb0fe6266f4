//! Networks that lose, double and delay, and what sits between a browser and its tracker.

use distcompute_engine::reason::Reason;

use sim::{
    browser::{Browser, Faults, Work},
    tracker::Model,
};

use crate::fixtures::{browser_from, finishes_after};

fn browser(syncs: bool, jobs: usize, job_ms: f64) -> Browser<Model> {
    let mut browser = browser_from(11, syncs, jobs, 3, job_ms);
    browser.probe = 13;
    // A request that hangs takes its 20 s, and may hang again.
    browser.patience_ms = 400_000.0;
    browser
}

fn finishes(browser: &mut Browser<Model>, within: f64) {
    finishes_after(browser, within, 100_000.0);
}

#[test]
fn a_faulty_network_loses_nothing() {
    let faults = [
        Faults {
            request_lost: 0.3,
            ..Faults::default()
        },
        Faults {
            answer_lost: 0.3,
            ..Faults::default()
        },
        Faults {
            hangs: 0.2,
            ..Faults::default()
        },
        Faults {
            doubled: 0.4,
            ..Faults::default()
        },
        Faults {
            delayed: 0.2,
            ..Faults::default()
        },
        Faults {
            busy: 0.4,
            ..Faults::default()
        },
        Faults {
            broken: 0.4,
            ..Faults::default()
        },
        Faults {
            portal: 0.4,
            ..Faults::default()
        },
        Faults {
            cut: 0.4,
            ..Faults::default()
        },
        Faults {
            request_lost: 0.05,
            answer_lost: 0.05,
            hangs: 0.05,
            doubled: 0.05,
            delayed: 0.05,
            busy: 0.05,
            broken: 0.05,
            portal: 0.05,
            cut: 0.05,
            down: false,
            proxy: None,
        },
    ];
    for (at, faults) in faults.into_iter().enumerate() {
        for syncs in [true, false] {
            for job_ms in [30.0, 1_500.0] {
                eprintln!("fault {at}, sync {syncs}, jobs of {job_ms} ms");
                let mut browser = browser(syncs, 200, job_ms);
                browser.faults = faults;
                browser.run(60_000.0);
                assert_eq!(browser.fatal, None);
                browser.faults = Faults::default();
                finishes(&mut browser, 2_000_000.0);
                let status = browser.hub.status(browser.now());
                if syncs {
                    assert_eq!(status.jobs_rejected, 0);
                    assert_eq!(status.jobs_done, 200);
                }
            }
        }
    }
}

#[test]
fn without_network_work_goes_on_and_nothing_is_lost() {
    for syncs in [true, false] {
        let mut browser = browser(syncs, 2_000, 4_000.0);
        browser.run(20_000.0);
        browser.faults.down = true;
        let begun = browser.begun.len();
        browser.run(60_000.0);
        assert!(browser.begun.len() > begun);
        assert!(matches!(
            browser.reason(),
            Reason::Unreachable { .. } | Reason::Computing
        ));
        let begun: Vec<u64> = browser.begun.keys().copied().collect();
        assert!(!browser.hub.status(browser.now()).online);
        browser.faults.down = false;
        // As seldom as it asks while all is well, it tries again.
        browser.run(60_000.0);
        let unfinished = browser.tracker.unfinished();
        let mut lost = begun;
        lost.retain(|number| unfinished.contains(number));
        assert!(lost.is_empty(), "begun and lost: {lost:?}");
        let mut twice = browser.begun.clone();
        twice.retain(|_, begun| *begun > 1);
        assert!(twice.is_empty(), "begun more than once: {twice:?}");
    }
}

#[test]
fn a_request_that_hangs_costs_no_short_lease() {
    let mut browser = browser(true, 400, 1_500.0);
    browser.tracker.lease_ms = 9_000.0;
    for _ in 0..10 {
        browser.run(12_000.0);
        let sent = browser.sent.len();
        browser.faults.hangs = 1.0;
        assert!(browser.run_until(10_000.0, |browser| browser.sent.len() > sent));
        browser.faults.hangs = 0.0;
    }
    finishes(&mut browser, 300_000.0);
    assert!(browser.begun.values().all(|begun| *begun == 1));
    let failures = browser.tracker.jobs.iter().map(|job| job.failures);
    assert_eq!(failures.sum::<u32>(), 0);
}

#[test]
fn a_day_offline_with_open_results_is_no_loss() {
    let mut browser = browser(true, 2_000, 100.0);
    browser.run(20_000.0);
    browser.faults.down = true;
    browser.run(24.0 * 3_600_000.0);
    let begun = browser.begun.len();
    assert!(browser.tracker.closed() < begun);
    assert!(
        browser.sent.len() < 24 * 60 * 60,
        "{} requests",
        browser.sent.len()
    );
    browser.faults.down = false;
    browser.run(60_000.0);
    assert!(browser.tracker.closed() >= begun);
    assert!(browser.begun.values().all(|begun| *begun == 1));
}

#[test]
fn a_tracker_that_forgets_its_workers_costs_at_most_a_registration() {
    for syncs in [true, false] {
        let mut browser = browser(syncs, 300, 900.0);
        for _ in 0..8 {
            browser.run(6_000.0);
            browser.tracker.forget_workers();
        }
        finishes(&mut browser, 400_000.0);
        if syncs {
            // Leases are good under any registration.
            assert!(browser.begun.values().all(|begun| *begun == 1));
        }
    }
}

#[test]
fn a_tracker_of_the_first_protocol_that_names_no_codes() {
    for faults in [
        Faults::default(),
        Faults {
            request_lost: 0.2,
            answer_lost: 0.2,
            busy: 0.1,
            portal: 0.1,
            ..Faults::default()
        },
    ] {
        let mut browser = browser(false, 200, 300.0);
        browser.tracker.ours = false;
        browser.faults = faults;
        browser.run(30_000.0);
        // Progress does not tell that it has forgotten.
        browser.tracker.forget_workers();
        browser.run(30_000.0);
        browser.faults = Faults::default();
        finishes(&mut browser, 1_000_000.0);
    }
}

#[test]
fn an_old_tracker_that_forgets_during_a_long_job_is_found_out() {
    let mut browser = browser(false, 1, 1.0);
    browser.tracker.ours = false;
    browser.handler = Box::new(|_, begun| Work {
        progress_ms: Some(500.0),
        ..Work::of(if begun < 3 { 36_000_000.0 } else { 1_000.0 })
    });
    browser.run(60_000.0);
    browser.tracker.forget_workers();
    browser.run(2_000_000.0);
    assert_eq!(
        browser.begun[&1], 2,
        "it was begun again, under another registration"
    );
}

#[test]
fn a_tracker_that_says_wait_a_year_or_not_at_all_is_asked_all_the_same() {
    for (wait, least, most) in [(u32::MAX, 4, 80), (0, 100, 700)] {
        let mut browser = browser(true, 2, 3_600_000.0);
        browser.tracker.says_wait_s = Some(wait);
        browser.run(30_000.0);
        let sent = browser.sent.len();
        browser.run(600_000.0);
        let sent = browser.sent.len() - sent;
        assert!((least..most).contains(&sent), "{sent}");
        assert_eq!(browser.tracker.failures(), 0);
    }
}

#[test]
fn a_project_that_is_paused_says_so_takes_results_and_goes_on_later() {
    let mut browser = browser(true, 20, 3_000.0);
    browser.run(2_000.0);
    browser.tracker.paused = Some("Back on Monday.".to_owned());
    browser.run(60_000.0);
    let done = browser.tracker.closed();
    assert!(done > 0, "what was begun is handed in");
    let status = browser.hub.status(browser.now());
    let is_paused = matches!(status.reason, Reason::ProjectPaused { .. });
    assert!(is_paused, "{:?}", status.reason);
    assert_eq!(status.notice, "Back on Monday.");
    browser.run(600_000.0);
    assert_eq!(browser.tracker.closed(), done, "no job is handed out");
    browser.tracker.paused = None;
    finishes(&mut browser, 600_000.0);
    assert_eq!(browser.hub.status(browser.now()).notice, "");
}

#[test]
fn who_is_asked_to_wait_waits_says_so_and_loses_nothing() {
    for syncs in [true, false] {
        let mut browser = browser(syncs, 20, 300.0);
        browser.busy_status = 429;
        browser.retry_after_ms = Some(7_000);
        browser.faults.busy = 1.0;
        browser.run(5_000.0);
        let status = browser.hub.status(browser.now());
        assert!(
            matches!(status.reason, Reason::AskedToWait { .. }),
            "{:?}",
            status.reason
        );
        assert!(status.online, "the tracker answers");
        browser.faults.busy = 0.0;
        finishes(&mut browser, 120_000.0);
    }
}

#[test]
fn a_retry_after_of_a_year_is_not_believed() {
    for syncs in [true, false] {
        let mut browser = browser(syncs, 20, 300.0);
        browser.retry_after_ms = Some(u32::MAX);
        browser.faults.busy = 1.0;
        browser.run(2_000.0);
        browser.faults.busy = 0.0;
        finishes(&mut browser, 2_000_000.0);
    }
}
