//! Whatever storage, the page, the cores and a tracker report to a hub, and in whatever order: it neither
//! panics nor loses a text, its actions make sense, and a stop ends.

use distcompute_engine::hub::action::{Registration, TrackerRequest, Wire};
use distcompute_engine::hub::event::{Event, Inherited};
use distcompute_engine::settings::Limits;
use distcompute_protocol::Stage;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::cases;
use super::driver::{
    Lease, Move, Reply, Sabotage, Shell, Tracker, core, hello, lease, step, tracker,
};

/// All that is said to a hub.
#[derive(Debug, Clone)]
struct Storm {
    kept: Vec<(Lease, Option<u8>)>,
    registration: Option<(bool, f64, u64)>,
    cores: Vec<(u32, bool)>,
    limits: Option<(f64, f64, f64)>,
    steps: Vec<Move>,
    /// How many of these happen before storage has answered.
    early: usize,
    tracker: Tracker,
}

fn storms() -> impl Strategy<Value = Storm> {
    (
        prop::collection::vec((lease(), prop::option::of(0_u8..3)), 0..4),
        prop::option::of((any::<bool>(), any::<f64>(), 0_u64..1 << 53)),
        prop::collection::vec((core(), any::<bool>()), 0..4),
        prop::option::of((1.0..1e6, 1.0..1e6, 1.0..1e5)),
        prop::collection::vec(step(), 0..60),
        prop_oneof![3 => Just(0), 1 => 0_usize..6],
        tracker(),
    )
        .prop_map(
            |(kept, registration, cores, limits, steps, early, tracker)| Storm {
                kept,
                registration,
                cores,
                limits,
                steps,
                early,
                tracker,
            },
        )
}

/// Whether the hub ends in the end.
fn weather(storm: Storm, sabotage: Option<Sabotage>) -> Shell {
    let limits = storm
        .limits
        .map_or(Limits::default(), |(job, stall, interval)| Limits {
            job_timeout_ms: Some(job),
            stall_ms: stall,
            progress_interval_ms: interval,
            ..Limits::default()
        });
    let mut shell = Shell::new(limits);
    shell.sabotage = sabotage;
    let kept = storm.kept.into_iter();
    let jobs = kept
        .map(|(lease, kind)| shell.stored(lease, kind))
        .collect();
    let cores = storm.cores.into_iter();
    let registration = storm
        .registration
        .map(|(syncs, lease_ms, seq)| Registration {
            stage: Stage::A,
            nickname: "Pod 3".to_owned(),
            seq,
            hello: hello(syncs, lease_ms, 1e6),
        });
    let early = storm.early.min(storm.steps.len());
    let (early, steps) = storm.steps.split_at(early);
    for step in early {
        shell.go(step);
    }
    shell.handle(Event::Restored {
        registrations: registration.into_iter().collect(),
        jobs,
        cores: cores
            .map(|(core, told)| Inherited {
                core,
                has_progress: told,
            })
            .collect(),
    });
    for step in steps {
        shell.go(step);
    }
    // However it came to this, a stop ends once the cores have done what they were told.
    shell.go(&Move::Stop(true));
    for _ in 0..300 {
        if shell.over {
            break;
        }
        shell.carry_out();
        shell.answer_as(storm.tracker);
        shell.go(&Move::Pass(1_000.0));
    }
    shell
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn a_hub_bears_anything_that_is_said_to_it_and_ends_when_it_is_to_finish(storm in storms()) {
        let shell = weather(storm, None);
        prop_assert!(shell.over, "{:?}", shell.scheduler);
    }
}

#[test]
fn a_broken_rule_is_noticed() {
    for sabotage in [
        Sabotage::KeepTexts,
        Sabotage::GiveTwice,
        Sabotage::HoldWhatIsDone,
        Sabotage::NeverOver,
    ] {
        let config = ProptestConfig {
            max_shrink_iters: 0,
            ..cases(2_000)
        };
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let noticed = runner.run(&storms(), |storm| {
            let shell = weather(storm, Some(sabotage));
            prop_assert!(shell.over, "it does not end");
            Ok(())
        });
        assert!(noticed.is_err(), "nobody notices {sabotage:?}");
    }
}

#[test]
fn a_result_under_a_lease_holds_nobody_up_where_the_tracker_knows_leases_no_longer() {
    let mut shell = Shell::new(Limits::default());
    let jobs = vec![shell.stored(Lease(1, true), Some(0))];
    shell.handle(Event::Restored {
        registrations: Vec::new(),
        jobs,
        cores: Vec::new(),
    });
    shell.go(&Move::Stop(true));
    let old = Reply::Hello {
        syncs: false,
        lease_ms: 300_000.0,
        max_body: 1e6,
    };
    for _ in 0..60 {
        while let Some(TrackerRequest { id, wire, .. }) = shell.flights.pop() {
            let reply = match wire {
                Wire::Register { .. } => &old,
                _ => &Reply::Plain,
            };
            shell.reply(id, reply);
        }
        shell.go(&Move::Pass(1_000.0));
    }
    assert!(shell.over, "{:?}", shell.scheduler.status(shell.now));
}
