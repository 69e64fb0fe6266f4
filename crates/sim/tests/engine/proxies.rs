//! What answers in the tracker's name, and storage that never answers, each in a world of its own; and
//! that the world notices where a rule about it is broken.

use distcompute_protocol::Stage;
use sim::{
    tracker::Model,
    world::{Faults, Proxy, Sabotage, Work, World},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

const HOUR: f64 = 3_600_000.0;

fn world(syncs: bool, jobs: usize, job_ms: f64) -> World<Model> {
    let mut world = World::new(Model::new(&[Stage::A], jobs, syncs), &[Stage::A], 2, 7);
    world.handler = Box::new(move |_, _| Work::of(job_ms));
    world
}

/// Jobs of which some have large results, behind a proxy that refuses those.
fn refused(syncs: bool, status: u16, sabotage: Option<Sabotage>) {
    let mut world = world(syncs, 60, 1_000.0);
    // The first attempt at some makes more than the proxy lets pass.
    world.handler = Box::new(|number, begun| Work {
        bytes: if number % 10 == 0 && begun == 1 {
            6_000
        } else {
            0
        },
        ..Work::of(1_000.0)
    });
    world.patience_ms = HOUR;
    let limit = 5_000;
    world.faults = Faults {
        proxy: Some(Proxy { limit, status }),
        ..Faults::default()
    };
    if let Some(sabotage) = sabotage {
        world.break_a_rule(sabotage);
    }
    world.run(3.0 * HOUR);
    let left = world.hub.table().iter().count();
    assert_eq!(left, 0, "status {status}, sync {syncs}: jobs are left");
    assert!(world.hub.status(world.now()).jobs_done >= 54);
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
    let mut world = world(true, 10, 100.0);
    if let Some(sabotage) = sabotage {
        world.break_a_rule(sabotage);
    }
    world.silence_storage();
    world.run(60_000.0);
    let done = world.hub.status(world.now()).jobs_done;
    !world.waits_for_storage() && done == 10
}

#[test]
fn storage_that_never_answers_keeps_no_hub_from_its_jobs() {
    assert!(begins_without_storage(None));
    assert!(!begins_without_storage(Some(Sabotage::WaitForStorage)));
}
