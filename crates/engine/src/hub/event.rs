//! What the driver reports to the hub.

use distcompute_protocol::Stage;

use crate::hub::action::{Got, Moved, Registration};
use crate::hub::governor::{Surroundings, Wish};
use crate::hub::jobs::{Key, Outcome, Text, Ticket};
use crate::settings::Settings;

/// What a core's worker has said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// It has begun this job.
    pub started: Option<Key>,
    /// How far a job is.
    pub progress: Option<Progress>,
    /// Jobs that have ended.
    pub results: Vec<Ended>,
    /// This job's state was handed over, to be stored.
    pub checkpoint: Option<Key>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub key: Key,
    /// So much of `total`.
    pub done: f64,
    /// 0: not known.
    pub total: f64,
    /// A word on it.
    pub text: String,
}

/// How a job has ended in its core.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The job.
    pub key: Key,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it was worked on, in milliseconds, rests not counted.
    pub ms: f64,
    /// The core's worker is not to be trusted any more.
    pub fatal: bool,
}

/// A job or an outcome that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The stage.
    pub stage: Stage,
    /// Its number.
    pub number: u64,
    /// How often it was handed out.
    pub attempt: u32,
    /// The right to hand its result in.
    pub ticket: Ticket,
    /// Its input.
    pub input: Option<Text>,
    /// What became of it. `None`: it was being worked on, and has a checkpoint.
    pub outcome: Option<Outcome>,
}

/// A compute worker of the hub before, which says what it does as soon as it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// Its place.
    pub core: u32,
    /// Whether the job that it had has told progress.
    pub has_progress: bool,
}

impl Inherited {
    /// A core of which the former hub has last shown this progress: so much done of so much in all.
    #[must_use]
    pub fn new(core: u32, done: f64, total: f64) -> Self {
        let has_progress = done > 0.0 || total > 0.0;
        Self { core, has_progress }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// What storage had, once. Whatever comes before waits for it.
    Restored {
        /// Registrations.
        registrations: Vec<Registration>,
        /// Jobs.
        jobs: Vec<Stored>,
        /// These compute workers have worked for another hub, and will say at what.
        cores: Vec<Inherited>,
    },
    /// What storage had, when it has answered only after jobs were begun without it.
    RestoredLate(Vec<Stored>),
    /// A compute worker of another hub works on this job, if any, under the key that that gave it.
    Resumed(u32, Option<(Key, Stored)>),
    /// A job that ended in a compute worker, of which the hub before may not have heard.
    EndedBefore(Stored),
    /// A compute worker exists at this place; it sets itself up.
    CoreHere(u32),
    /// It is ready for jobs.
    CoreUp(u32),
    /// Its setup failed.
    CoreBroken(u32, String),
    /// Its worker is gone.
    CoreDied(u32, String),
    /// It has said something.
    Report(u32, Report),
    /// It rests in the middle of its job, as it says at least every other second while it does.
    Rests(u32),
    /// These jobs it gives back unstarted.
    Recalled(u32, Vec<Key>),
    /// The answer to a request has begun, or more of it has come.
    Moved(u32, Moved),
    /// A request was answered, or not.
    Answered(u32, Got),
    /// The volunteer has other settings.
    Settings(Settings),
    /// The page sees other surroundings.
    Around(Surroundings),
    /// The volunteer's wish.
    Wish(Wish),
    /// The volunteer says stop.
    Stop {
        /// Running jobs are finished first.
        finish: bool,
    },
    /// Time has passed.
    Tick,
}
