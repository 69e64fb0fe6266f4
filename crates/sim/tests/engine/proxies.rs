//! What answers in the tracker's name, and storage that never answers, each in a browser of its own; and
//! that the browser notices where a rule about it is broken.

use distcompute_protocol::Stage;
use sim::{
    browser::{Browser, Faults, Proxy, Sabotage, Work},
    tracker::Model,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fixtures::HOUR;

fn browser(syncs: bool, jobs: usize, job_ms: f64) -> Browser<Model> {
    let mut browser = Browser::new(Model::new(&[Stage::A], jobs, syncs), &[Stage::A], 2, 7);
    browser.handler = Box::new(move |_, _| Work::of(job_ms));
    browser
}

/// Jobs of which some have large results, behind a proxy that refuses those.
fn refused(syncs: bool, status: u16, sabotage: Option<Sabotage>) {
    let mut browser = browser(syncs, 60, 1_000.0);
    // The first attempt at some makes more than the proxy lets pass.
    browser.handler = Box::new(|number, begun| Work {
        bytes: if number % 10 == 0 && begun == 1 {
            6_000
        } else {
            0
        },
        ..Work::of(1_000.0)
    });
    browser.patience_ms = HOUR;
    let limit = 5_000;
    browser.faults = Faults {
        proxy: Some(Proxy { limit, status }),
        ..Faults::default()
    };
    if let Some(sabotage) = sabotage {
        browser.break_a_rule(sabotage);
    }
    browser.run(3.0 * HOUR);
    let left = browser.hub.table().iter().count();
    assert_eq!(left, 0, "status {status}, sync {syncs}: jobs are left");
    assert!(browser.hub.status(browser.now()).jobs_done >= 54);
}

#[test]
fn no_result_waits_for_ever_behind_one_that_a_proxy_refuses() {
    for status in [400, 403, 413, 422, 451, 500, 502] {
        refused(true, status, None);
    }
}

#[test]
fn a_refusal_that_is_taken_for_a_lost_network_is_noticed() {
    let broken = AssertUnwindSafe(|| refused(true, 413, Some(Sabotage::BodyFirst)));
    assert!(catch_unwind(broken).is_err());
}

/// Whether a hub whose storage never answers has begun within a minute.
fn begins_without_storage(sabotage: Option<Sabotage>) -> bool {
    let mut browser = browser(true, 10, 100.0);
    if let Some(sabotage) = sabotage {
        browser.break_a_rule(sabotage);
    }
    browser.silence_storage();
    browser.run(60_000.0);
    let done = browser.hub.status(browser.now()).jobs_done;
    !browser.waits_for_storage() && done == 10
}

#[test]
fn storage_that_never_answers_keeps_no_hub_from_its_jobs() {
    assert!(begins_without_storage(None));
    assert!(!begins_without_storage(Some(Sabotage::WaitForStorage)));
}
