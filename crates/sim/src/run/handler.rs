//! What jobs are to the browsers of a scenario: how long they take, and how they end.

use crate::{
    browser::{self, Work},
    random::Rng,
    scenario::Scenario,
};

/// Whether a job fails at everybody.
pub(super) fn is_lost(scenario: &Scenario, number: u64) -> bool {
    Rng::new(scenario.seed ^ (number << 24)).next_f64() < scenario.impossible
}

/// What jobs are to a browser.
pub(super) fn handler(scenario: &Scenario, at: usize) -> browser::Handler {
    let plan = scenario.browsers[at].clone();
    let scenario = scenario.clone();
    let seed = scenario.seed;
    Box::new(move |number, begun| {
        let mut rng = Rng::new(seed ^ (number << 20) ^ u64::from(begun) ^ ((at as u64) << 50));
        let lost = is_lost(&scenario, number);
        let mishap = rng.next_f64() < plan.mishaps && begun <= 3;
        let fate = match (rng.next_f64() * 6.0) as u32 {
            _ if lost => browser::Fate::Throws,
            _ if plan.always.is_some() => plan.always.unwrap_or(browser::Fate::Done),
            _ if !mishap => browser::Fate::Done,
            0 => browser::Fate::Throws,
            1 | 2 => browser::Fate::Flags,
            3 => browser::Fate::Hangs,
            4 => browser::Fate::Traps,
            _ => browser::Fate::Dies,
        };
        let ms = plan.job_ms * (0.2 + 1.6 * rng.next_f64());
        Work {
            ms,
            fate,
            blocks: rng.next_f64() < 0.7,
            progress_ms: (rng.next_f64() < 0.7).then_some((ms / 8.0).max(200.0)),
            checkpoint: plan.checkpoint,
            bytes: if rng.next_f64() < 0.05 { 6_000 } else { 0 },
            spoils: rng.next_f64() < plan.spoils,
        }
    })
}
