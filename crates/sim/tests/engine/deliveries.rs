//! Results: how they are split to fit, and what becomes of those of an earlier visit.

use distcompute_protocol::{Stage, SyncRequest};

use sim::{
    browser::{Browser, Work},
    tracker::{ApiRequest, Content, End, Model, Tracker},
};

use crate::fixtures::{both, browser, finishes, pause};

#[test]
fn what_came_too_late_is_counted() {
    let mut browser = browser(true, 6, 2, 3_000.0);
    browser.run(2_000.0);
    browser.faults.down = true;
    browser.run(6_000.0);
    browser.close(false);
    let stored = browser.stored();
    assert!(stored >= 2);
    // Somebody else does all of them.
    let hello = browser.tracker.call(
        browser.time(),
        &ApiRequest::Register(Stage::A, String::new()),
    );
    let Content::Hello(hello) = hello.expect("an answer").content else {
        panic!("no registration")
    };
    browser.run(400_000.0);
    let mut sync = SyncRequest {
        token: hello.token,
        seq: 1,
        want: 6,
        ..SyncRequest::default()
    };
    let said = browser
        .tracker
        .call(browser.time(), &ApiRequest::Sync(sync.clone()));
    let Content::Sync(said) = said.expect("an answer").content else {
        panic!("no sync")
    };
    assert_eq!(said.jobs.len(), 6);
    sync.seq = 2;
    sync.done = said
        .jobs
        .iter()
        .map(|job| distcompute_protocol::Done {
            lease: job.lease.clone(),
            data: format!("out {} a", job.number),
        })
        .collect();
    browser
        .tracker
        .call(browser.time(), &ApiRequest::Sync(sync));
    browser.faults.down = false;
    browser.open();
    browser.run(10_000.0);
    let status = browser.hub.status(browser.now());
    assert_eq!((status.not_delivered, status.jobs_done), (stored as u64, 0));
    assert_eq!(browser.stored(), 0);
}

#[test]
fn only_results_of_an_earlier_visit_count_as_not_delivered() {
    both(|syncs| {
        let mut browser = browser(syncs, 8, 2, 3_000.0);
        browser.run(2_000.0);
        browser.faults.down = true;
        browser.run(6_000.0);
        browser.close(false);
        assert!(browser.stored() >= 2);
        browser.faults.down = false;
        browser.open();
        browser.run(1_000.0);
        let before = browser.hub.status(browser.now());
        assert!(before.jobs_done >= 2, "{}", before.jobs_done);
        let ended = |browser: &Browser<Model>| {
            let table = browser.hub.table();
            let mut ended = table.iter().filter(|job| job.outcome().is_some());
            ended.next().map(|job| job.number as usize)
        };
        assert!(browser.run_until(20_000.0, |browser| ended(browser).is_some()));
        // Before it is handed in, somebody else is faster.
        let number = ended(&browser).expect("it has just ended");
        browser.tracker.end_lease_of(number, End::Expired);
        browser.tracker.close(number);
        finishes(&mut browser, 300_000.0);
        let status = browser.hub.status(browser.now());
        assert_eq!((status.jobs_rejected, status.not_delivered), (1, 0));
    });
}

#[test]
fn results_of_an_earlier_visit_are_delivered_even_if_nobody_may_compute() {
    let mut browser = browser(true, 3, 2, 3_000.0);
    browser.run(2_000.0);
    browser.faults.down = true;
    browser.run(6_000.0);
    browser.close(false);
    assert!(browser.stored() >= 2);
    browser.faults.down = false;
    pause(&mut browser);
    browser.forget_sessions();
    browser.open();
    browser.run(10_000.0);
    assert_eq!((browser.stored(), browser.running()), (0, 0));
}

#[test]
fn results_are_split_to_fit_and_one_that_never_fits_has_failed() {
    both(|syncs| {
        let mut browser = browser(syncs, 60, 4, 100.0);
        browser.tracker.max_body = 20_000;
        browser.handler = Box::new(|number, begun| Work {
            bytes: if number == 30 && begun == 1 {
                25_000
            } else {
                4_000
            },
            ..Work::of(100.0)
        });
        finishes(&mut browser, 200_000.0);
        assert_eq!(browser.begun[&30], 2);
        let others = browser.begun.iter().filter(|(number, _)| **number != 30);
        assert!(others.map(|(_, begun)| *begun).max() == Some(1));
        assert!(browser.tracker.refused_bodies <= 2);
    });
}

#[test]
fn a_body_that_is_refused_is_halved_and_no_further_than_need_be() {
    let mut browser = browser(true, 800, 2, 20.0);
    browser.handler = Box::new(|number, begun| Work {
        bytes: if number % 50 == 0 && begun == 1 {
            90_000
        } else {
            1_000
        },
        ..Work::of(20.0)
    });
    browser.run(100.0);
    // Smaller than it has announced.
    browser.tracker.max_body = 60_000;
    finishes(&mut browser, 300_000.0);
    let sent = browser.sent.len();
    browser.tracker.add(400);
    finishes(&mut browser, 300_000.0);
    assert!(
        browser.sent.len() - sent < 60,
        "{}",
        browser.sent.len() - sent
    );
}

#[test]
fn thousands_of_results_of_earlier_visits_are_delivered_beside_what_runs() {
    let mut browser = browser(true, 6_000, 2, 20_000.0);
    browser.tracker.bounds_what_is_held = false;
    let mut leases = Vec::new();
    for _ in 0..2 {
        let hello = browser
            .tracker
            .call(0.0, &ApiRequest::Register(Stage::A, String::new()));
        let Content::Hello(hello) = hello.expect("an answer").content else {
            panic!("no registration")
        };
        let mut sync = SyncRequest {
            token: hello.token,
            want: 500,
            ..SyncRequest::default()
        };
        for seq in 1..=5 {
            sync.seq = seq;
            let said = browser.tracker.call(0.0, &ApiRequest::Sync(sync.clone()));
            let Content::Sync(said) = said.expect("an answer").content else {
                panic!("no sync")
            };
            for job in said.jobs {
                sync.holding.push(job.lease.clone());
                leases.push((job.lease, job.number, Stage::A));
            }
        }
    }
    let count = leases.len();
    assert_eq!(count, 5_000);
    browser.leave_results(leases);
    browser.open();
    browser.run(60_000.0);
    assert_eq!(browser.hub.status(browser.now()).jobs_rejected, 0);
    assert!(
        browser.tracker.closed() >= 4_999,
        "{}",
        browser.tracker.closed()
    );
    assert!(browser.tracker.most_items <= 4_096);
    let begun = browser.begun.values();
    assert!(begun.max() <= Some(&1), "what runs is not put back");
}
