//! Results that are checked, at the real ledger: that its books balance whatever happens, and that it lets through what
//! the model says.

use distcompute_tracker::rules::trust::{CONFIRMATIONS, Policy};
use sim::{
    tables::{Place, place},
    trust::{self, Liar, Scenario},
    votes::{Mishaps, World},
};

fn scenario(seed: u64) -> Scenario {
    Scenario {
        policy: Policy::Adaptive { confirmations: 3 },
        jobs: 40,
        volunteers: 6,
        share: 0.34,
        liars: vec![
            Liar::Rubbish,
            Liar::Sometimes(0.3),
            Liar::Flagger,
            Liar::Clique(0),
        ],
        jobs_each: 30,
        choose: false,
        operator: 1.0,
        seed,
    }
}

const MISHAPS: Mishaps = Mishaps {
    rate: 0.1,
    operator: 0.2,
};

fn play(scenario: &Scenario, stages: usize, place: &Place) {
    World::new(scenario, stages, MISHAPS, place).run();
}

fn places() -> Vec<Place> {
    let server = std::env::var("DISTCOMPUTE_TEST_POSTGRES").ok();
    let server = server.map(|url| place(&url).expect("an address"));
    std::iter::once(Place::Memory).chain(server).collect()
}

#[test]
fn the_books_balance_after_every_undo_three_stages_deep() {
    for place in places() {
        for seed in 0..4 {
            play(&scenario(seed), 3, &place);
        }
    }
}

#[test]
fn they_balance_in_a_quorum_without_a_worker_of_the_operators() {
    for place in places() {
        for seed in 10..12 {
            let quorum = Scenario {
                policy: Policy::Quorum { volunteers: 2 },
                operator: 0.0,
                ..scenario(seed)
            };
            play(&quorum, 2, &place);
        }
    }
}

#[test]
fn the_ledger_lets_through_what_the_model_does() {
    let project = Scenario {
        policy: Policy::Adaptive {
            confirmations: CONFIRMATIONS,
        },
        jobs: 1_500,
        volunteers: 20,
        share: 0.1,
        liars: Liar::all().to_vec(),
        jobs_each: 400,
        choose: false,
        operator: 0.4,
        seed: 3,
    };
    let real = World::new(&project, 1, Mishaps::default(), &Place::Memory).run();
    let model = trust::run(&project);
    assert!(
        real.wrong <= 0.005 && model.wrong <= 0.005,
        "{real:?} {model:?}"
    );
    let difference = (real.executions - model.executions).abs();
    assert!(difference < 0.2, "{real:?} {model:?}");
    assert_eq!((real.honest_on_hold, real.set_aside), (0, 0.0), "{real:?}");
}
