//! A project some of whose volunteers lie, and what the rules of trust let them get through.
//!
//! The rules are the tracker's own ([`distcompute_tracker::rules::trust`]). The rest is a model that knows neither
//! network nor leases: in each round everybody who is there executes one job.

mod liar;
mod project;

pub use liar::Liar;
pub(crate) use liar::RIGHT;
pub use project::{Outcome, run};

use distcompute_tracker::rules::trust::Policy;

/// A project.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub policy: Policy,
    pub jobs: usize,
    /// How many volunteers are there at a time. Whoever leaves is followed by somebody new of the same kind.
    pub volunteers: usize,
    /// The share of the volunteers that lies, and how: the next one that comes is of the next kind.
    pub share: f64,
    pub liars: Vec<Liar>,
    /// How many jobs a volunteer executes before it leaves.
    pub jobs_each: u32,
    /// Whether the liars look for the jobs of their clique, where they are given any choice.
    pub choose: bool,
    /// How many jobs the operator's own worker may execute in a round; 0 without one.
    pub operator: f64,
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        Scenario {
            policy: Policy::Adaptive { confirmations: 20 },
            jobs: 20_000,
            volunteers: 20,
            share: 0.1,
            liars: Liar::all().to_vec(),
            jobs_each: 1_000,
            choose: false,
            operator: 0.4,
            seed: 1,
        }
    }

    #[test]
    fn nearly_all_wrong_results_are_found() {
        let found = run(&scenario());
        assert!(found.wrong <= 0.001, "{found:?}");
        assert!(found.executions <= 1.45, "{found:?}");
        assert_eq!((found.honest_on_hold, found.unfinished), (0, 0));
    }

    #[test]
    fn without_checks_every_lie_counts() {
        let policy = Policy::Off;
        let found = run(&Scenario {
            policy,
            liars: vec![Liar::Rubbish],
            ..scenario()
        });
        assert!(found.wrong > 0.09, "{found:?}");
        assert!((found.executions - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn liars_cannot_keep_honest_newcomers_from_being_established() {
        for seed in 0..5 {
            let found = run(&Scenario {
                share: 0.3,
                liars: vec![Liar::Rubbish],
                seed,
                ..scenario()
            });
            assert_eq!(found.unfinished, 0, "{found:?}");
            assert!(found.by_operator < 0.1, "{found:?}");
        }
    }

    #[test]
    fn a_scenario_repeats_itself() {
        assert_eq!(run(&scenario()), run(&scenario()));
    }
}
