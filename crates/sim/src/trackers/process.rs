//! One process of the tracker: the real application, with a clock and random numbers of the simulation.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use axum::Router;
use clap::Parser as _;
use distcompute_protocol::Stage;
use distcompute_tracker::{
    clock::{Clock, Millis},
    config::{ServeArgs, Settings},
    random::Random,
    rules::sweeps::Schedule,
    store::Store,
};

use super::faults::Failpoint;
use crate::random::Rng;

/// Registrations that one address may make a minute: honest clients make few.
const REGISTRATIONS: u32 = 20;

/// How the project is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Stages from `a` on.
    pub stages: usize,
    pub lease_s: u32,
    pub idle_s: u32,
    pub max_attempts: u32,
    pub invalid_after: u32,
    pub max_body: u32,
    /// Processes on the database.
    pub processes: usize,
}

impl Rules {
    pub(super) fn settings(&self, version: u32) -> Settings {
        let mut flags: Vec<String> = ["serve", "--project", "Simulated"]
            .map(str::to_owned)
            .to_vec();
        for stage in self.enabled() {
            flags.extend(["--stage".to_owned(), format!("{stage}=Stage {stage}")]);
        }
        for (name, value) in [
            ("--lease-s", self.lease_s),
            ("--idle-timeout-s", self.idle_s),
            ("--max-attempts", self.max_attempts),
            ("--invalid-after", self.invalid_after),
            ("--max-body", self.max_body),
            ("--app-version", version),
            ("--limit-registrations", REGISTRATIONS),
        ] {
            flags.extend([name.to_owned(), value.to_string()]);
        }
        let args = ServeArgs::parse_from(flags);
        Settings::gather(&args).expect("the settings are right")
    }

    pub fn enabled(&self) -> &'static [Stage] {
        &Stage::ALL[..self.stages]
    }
}

/// A clock that is set.
#[derive(Debug, Default)]
pub(super) struct SetClock(pub(super) AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// Numbers that follow from a seed.
pub(super) struct Seeded(pub(super) Mutex<Rng>);

impl Random for Seeded {
    fn bits(&self) -> u128 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let half = |rng: &mut Rng| u128::from((rng.next_f64() * 2f64.powi(53)) as u64);
        (half(&mut rng) << 75) ^ (half(&mut rng) << 40) ^ half(&mut rng)
    }
}

/// A periodic sweep and when it is due next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) schedule: Schedule,
    pub(super) at: f64,
}

impl Due {
    pub(super) fn begin(schedule: Schedule, now: f64) -> Self {
        let at = now + schedule.first.as_millis() as f64;
        Self { schedule, at }
    }

    pub(super) fn next(&mut self, now: f64) -> bool {
        let due = self.at <= now;
        if due {
            self.at = now + self.schedule.every.as_millis() as f64;
        }
        due
    }
}

pub(super) struct Process {
    pub(super) store: Arc<dyn Store>,
    pub(super) router: Router,
    pub(super) failpoint: Arc<Failpoint>,
    pub(super) clock: Arc<SetClock>,
    pub(super) idle: Due,
    pub(super) leases: Due,
}

impl Process {
    /// Whether a failpoint is set in it.
    pub(super) fn is_armed(&self) -> bool {
        let crash = self.failpoint.crash.lock();
        crash.unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
