//! What holds of the parsers and the rules whatever they are given.

mod bounds;
mod driver;
mod nickname;
mod parsers;
mod restore;
mod rules;
mod storage;
mod storm;
mod takeover;

use proptest::prelude::ProptestConfig;

/// A failure prints the simplest case that still fails; what was found becomes a test of its own.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
