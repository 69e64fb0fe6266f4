//! What the driver reports to the hub.

use distcompute_protocol::Stage;

use crate::hub::action::{Registration, TrackerResponse, Transfer};
use crate::hub::file::FileEvent;
use crate::hub::governor::{Surroundings, Wish};
use crate::hub::jobs::{JobKey, Outcome, Text, Ticket};
use crate::settings::Settings;

/// A report of a compute worker.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The job that it has begun.
    pub started: Option<JobKey>,
    /// How far a job is.
    pub progress: Option<Progress>,
    /// Jobs that have ended.
    pub results: Vec<Ended>,
    /// The job of which it has sent a checkpoint.
    pub checkpoint: Option<JobKey>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub key: JobKey,
    /// How much of `total` is done.
    pub done: f64,
    /// The whole; 0 if it is not known.
    pub total: f64,
    /// A description.
    pub text: String,
}

/// How a job has ended in its core.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The job.
    pub key: JobKey,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it was worked on, in milliseconds, without rests.
    pub ms: f64,
    /// The worker cannot be used any more, and must be replaced.
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
    /// How it ended. `None`: it was running, and has a checkpoint.
    pub outcome: Option<Outcome>,
}

/// A compute worker of the former hub, which reports which job it runs as soon as its thread is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// Its place.
    pub core: u32,
    /// Whether its job had reported progress.
    pub has_progress: bool,
}

impl Inherited {
    /// A core whose job had done this much of that total when the former hub last showed it.
    #[must_use]
    pub fn new(core: u32, done: f64, total: f64) -> Self {
        let has_progress = done > 0.0 || total > 0.0;
        Self { core, has_progress }
    }
}

/// What the driver reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The records in storage, once. Events that come earlier wait for it.
    Restored {
        /// Registrations.
        registrations: Vec<Registration>,
        /// Jobs.
        jobs: Vec<Stored>,
        /// Compute workers of the former hub, which will report what they run.
        cores: Vec<Inherited>,
    },
    /// The records in storage, where it has answered only after [`Event::Restored`] went without.
    RestoredLate(Vec<Stored>),
    /// A compute worker of the former hub runs this job, if any, under the key that that hub gave it.
    Resumed(u32, Option<(JobKey, Stored)>),
    /// A job that ended in a compute worker, whose report the former hub may not have received.
    EndedBefore(Stored),
    /// A compute worker has started at this index, and runs its setup.
    CoreHere(u32),
    /// It is ready for jobs.
    CoreUp(u32),
    /// Its setup failed.
    CoreBroken(u32, String),
    /// Its worker has died.
    CoreDied(u32, String),
    /// It has sent a report.
    Report(u32, Report),
    /// It rests in the middle of its job. Reported at least every other second while it does.
    Rests(u32),
    /// It gives back these jobs, which it has not started.
    Recalled(u32, Vec<JobKey>),
    /// The answer to a request has begun, or more of it has arrived.
    Transfer(u32, Transfer),
    /// A request was answered, or has failed.
    Answered(u32, TrackerResponse),
    /// The volunteer has changed the settings.
    Settings(Settings),
    /// The volunteer has changed the nickname.
    Nickname(String),
    /// The page's surroundings have changed.
    Around(Surroundings),
    /// The volunteer has paused or resumed.
    Wish(Wish),
    /// The volunteer has stopped it.
    Stop {
        /// Running jobs are finished first.
        finish: bool,
    },
    /// What became of a file.
    File(FileEvent),
    /// [`Scheduler::next_timeout`](crate::hub::Scheduler::next_timeout) has passed.
    Tick,
}
