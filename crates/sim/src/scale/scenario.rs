//! What a run is of.

use std::ops::Range;

use distcompute_engine::settings::{Hours, Limits};

use crate::random::Rng;

/// How much a tracker can take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Requests a second.
    pub per_s: f64,
    /// How long a request may wait before it is told to come back, and when that is at the earliest.
    /// `None`: it waits until the browser gives it up.
    pub sheds: Option<(f64, u32)>,
}

/// A trace of events.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// How many volunteers the tracker has.
    pub volunteers: u32,
    /// Of these, one in so many is simulated, with its share of everything.
    pub one_in: u32,
    /// What each of them works with.
    pub cores: u32,
    /// Jobs at the start.
    pub jobs: u64,
    /// How long a job takes on a machine of the middle.
    pub job_ms: f64,
    /// Machines are up to so many times faster or slower.
    pub machines_differ: f64,
    /// Volunteers begin within so long.
    pub joins_within_ms: f64,
    /// When nobody listens.
    pub away: Range<f64>,
    /// `None`: any number of requests is answered at once.
    pub capacity: Option<Capacity>,
    /// Jobs that are added: when, and how many.
    pub import: Option<(f64, u64)>,
    /// The hours of a volunteer.
    pub hours: Option<fn(&mut Rng) -> Option<Hours>>,
    pub lease_s: u32,
    /// What the tracker says in place of what its rules would.
    pub wait_s: Option<u32>,
    pub limits: Limits,
    /// How long it lasts.
    pub seconds: u32,
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            volunteers: 1_000_000,
            one_in: 1,
            cores: 4,
            jobs: 100_000_000,
            job_ms: 1_800_000.0,
            machines_differ: 2.0,
            joins_within_ms: 0.0,
            away: 0.0..0.0,
            capacity: None,
            import: None,
            hours: None,
            lease_s: 1_800,
            wait_s: None,
            limits: Limits::default(),
            seconds: 600,
            seed: 1,
        }
    }
}
