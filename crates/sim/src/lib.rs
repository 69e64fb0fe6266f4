//! Volunteers, trackers and networks in virtual time. Everything that happens follows from a seed.
//!
//! | module | holds |
//! | --- | --- |
//! | [`scenario`] | who is there, what goes wrong and when: drawn from a seed, and shrunk |
//! | [`run`] | a whole world, one event after the other |
//! | [`scale`] | a million browsers without faults, and what the tracker gets of them |
//! | [`trust`] | a project some of whose volunteers lie, in a simpler model |
//! | [`votes`] | the same at the real ledger and its tables |
//! | [`browser`] | one browser: its clocks, network, compute workers, storage, and the real hub |
//! | [`old`] | a client of the first protocol |
//! | [`attacker`] | somebody who calls whatever can be called |
//! | [`trackers`] | the real tracker, of one process or two, and how they die |
//! | [`tables`] | where the tracker's tables are: in memory or on a PostgreSQL |
//! | [`audit`] | what must hold of its tables |
//! | [`tracker`] | what a tracker is to a browser, and a model of one |
//! | [`random`] | random numbers that follow from a seed |
//! | [`hunt`] | many seeds, and the shortest scenario that still fails |
#![allow(
    missing_docs,
    reason = "it is not published, and its names say what they are"
)]

pub mod attacker;
pub mod audit;
pub mod browser;
pub mod hunt;
pub mod old;
pub mod random;
pub mod run;
pub mod scale;
pub mod scenario;
pub mod tables;
pub mod tracker;
pub mod trackers;
pub mod trust;
pub mod votes;
