//! Stops and closed pages: what goes back, what is stored, and what the last request of a page says.

use distcompute_engine::hub::action::Wire;
use distcompute_engine::hub::event::Event;

use sim::browser::Work;

use crate::fixtures::{begun, both, browser, finishes};

#[test]
fn stop_puts_everything_back_and_leaves() {
    both(|syncs| {
        for job_ms in [20.0, 3_000.0] {
            let mut browser = browser(syncs, 4_000, 3, job_ms);
            browser.run(10_000.0);
            browser.tell(Event::Stop { finish: false });
            assert!(browser.run_until(3_000.0, |browser| browser.stopped));
            assert_eq!(
                (browser.tracker.held(), browser.tracker.workers.len()),
                (0, 0)
            );
            assert_eq!(browser.stored(), 0);
        }
    });
}

#[test]
fn stop_and_finish_hands_in_what_was_begun() {
    both(|syncs| {
        let mut browser = browser(syncs, 400, 3, 20_000.0);
        browser.run(30_000.0);
        browser.tell(Event::Stop { finish: true });
        browser.run(500.0);
        assert_eq!(
            browser.tracker.held(),
            3,
            "what is not begun goes back at once"
        );
        assert!(browser.run_until(25_000.0, |browser| browser.stopped));
        assert_eq!(browser.tracker.closed(), browser.begun.len());
        assert_eq!(
            (browser.tracker.held(), browser.tracker.workers.len()),
            (0, 0)
        );
    });
}

#[test]
fn what_a_stop_cannot_deliver_is_stored_and_delivered_at_the_next_visit() {
    both(|syncs| {
        for finish in [true, false] {
            let mut browser = browser(syncs, 30, 3, 10_000.0);
            browser.run(5_000.0);
            browser.tell(Event::Stop { finish: true });
            browser.faults.down = true;
            // They end in the moment in which nobody waits any longer.
            browser.run(5_300.0);
            if !finish {
                browser.tell(Event::Stop { finish });
            }
            assert!(browser.run_until(60_000.0, |browser| browser.stopped));
            assert_eq!(browser.stored(), 3, "finish {finish}");
            browser.faults.down = false;
            browser.open();
            finishes(&mut browser, 300_000.0);
            begun(&browser, 1);
        }
    });
}

#[test]
fn stop_waits_for_no_tracker() {
    both(|syncs| {
        for hangs in [0.0, 1.0] {
            let mut browser = browser(syncs, 30, 3, 500.0);
            browser.run(5_000.0);
            browser.faults.down = hangs == 0.0;
            browser.faults.hangs = hangs;
            browser.run(500.0);
            browser.tell(Event::Stop { finish: false });
            assert!(browser.run_until(15_000.0, |browser| browser.stopped));
        }
    });
}

#[test]
fn a_crash_loses_neither_results_nor_checkpoints() {
    both(|syncs| {
        let mut browser = browser(syncs, 12, 2, 5_000.0);
        browser.handler = Box::new(|number, _| Work {
            progress_ms: Some(300.0),
            checkpoint: number > 4,
            ..Work::of(5_000.0)
        });
        browser.run(6_000.0);
        browser.faults.down = true;
        browser.run(10_000.0);
        assert!(browser.stored() >= 2);
        let (stored, done) = (browser.stored(), browser.begun.len());
        browser.close(false);
        browser.run(60_000.0);
        browser.faults.down = false;
        browser.open();
        finishes(&mut browser, 300_000.0);
        assert!(browser.resumed > 0 && stored > 0 && done > 0);
        assert_eq!(browser.stored(), 0);
        let status = browser.hub.status(browser.now());
        assert_eq!((status.jobs_rejected, status.not_delivered), (0, 0));
    });
}

#[test]
fn the_last_words_put_back_what_cannot_be_resumed() {
    both(|syncs| {
        let mut browser = browser(syncs, 100, 2, 3_000.0);
        browser.handler = Box::new(|number, _| Work {
            progress_ms: Some(300.0),
            checkpoint: number % 2 == 0,
            ..Work::of(3_000.0)
        });
        browser.run(5_000.0);
        browser.close(true);
        browser.run(2_000.0);
        assert!(
            browser.tracker.held() > 0,
            "what has a checkpoint stays ours"
        );
        assert!(browser.tracker.held() <= browser.stored());
        assert!(browser.stored() > 0);
        browser.run(5_000.0);
        browser.open();
        finishes(&mut browser, 400_000.0);
    });
}

#[test]
fn the_last_words_fit_what_a_browser_lets_outlive_a_page() {
    let mut browser = browser(true, 12, 2, 300.0);
    browser.handler = Box::new(|_, _| Work {
        bytes: 12_000,
        ..Work::of(1_000.0)
    });
    browser.run_until(5_000.0, |browser| browser.running() == 2);
    // Results wait, more than fit.
    browser.faults.down = true;
    browser.run_until(10_000.0, |browser| {
        browser.hub.status(browser.now()).waiting >= 4
    });
    let words = browser.hub.farewell(browser.now());
    let [Wire::Sync(last)] = &words[..] else {
        panic!("{words:?}");
    };
    assert_eq!(last.done.len(), 2, "what fits into 64 KiB and no less");
    browser.faults.down = false;
    let closed = browser.tracker.closed();
    browser.close(true);
    browser.run(2_000.0);
    assert_eq!(browser.tracker.closed(), closed + 2);
    assert_eq!(browser.fatal, None);
}
