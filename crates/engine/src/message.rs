//! The messages between the hub and a compute worker.
//!
//! Job data, outputs and checkpoints can be large, or hold values that only JavaScript can, so they
//! stay with the driver: a [`Payload`] says what stands for them. In the browser these are JavaScript
//! values, in the simulation plain Rust ones.

use core::fmt::Debug;

use distcompute_protocol::Stage;

use crate::hub::event::Progress;
use crate::hub::jobs::{JobKey, Outcome, Ticket};

/// What stands for the values that only the driver can hold.
pub trait Payload: Clone + Debug + PartialEq {
    /// The input or the output of a job.
    type Text: Clone + Debug + PartialEq;
    /// A checkpoint.
    type State: Clone + Debug + PartialEq;
    /// A slot for one out-of-band signal: something that a worker can read while its event loop is
    /// blocked.
    type Slot: Clone + Debug + PartialEq;
    /// The files that the input of a job names.
    type Files: Clone + Debug + PartialEq;
}

/// A job as a compute worker has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job<P: Payload> {
    /// What the hub knows it by.
    pub key: JobKey,
    /// Its number at the tracker.
    pub number: u64,
    /// How often it was handed out at this stage.
    pub attempt: u32,
    /// The right to hand its result in.
    pub ticket: Ticket,
    /// Its stage.
    pub stage: Stage,
    /// What the project calls the stage.
    pub stage_name: String,
    /// Its input. `None`: `null`, as old trackers may send.
    pub input: Option<P::Text>,
    /// Its last checkpoint.
    pub resume: Option<P::State>,
    /// The files that its input names.
    pub files: Option<P::Files>,
}

/// A message from the hub to a compute worker.
#[derive(Debug, Clone, PartialEq)]
pub enum ToCore<P: Payload> {
    /// More jobs for its queue.
    Jobs {
        /// The name of the project.
        project: String,
        /// The jobs, in this order.
        jobs: Vec<Job<P>>,
    },
    /// Give back the queue.
    Recall,
    /// How much of the time to work, in tenths: 0 not at all, 10 all the time.
    Intensity(u8),
    /// The slots to watch from now on for out-of-band signals. What was signalled in the slots before
    /// has been sent as a message too.
    Signals(Vec<P::Slot>),
    /// Stop this job, or remove it from the queue.
    Stop {
        /// Which job.
        key: JobKey,
        /// The same was also sent as an out-of-band signal.
        signalled: bool,
    },
}

/// A message from a compute worker to its hub.
#[derive(Debug, Clone, PartialEq)]
pub enum FromCore<P: Payload> {
    /// Its setup has succeeded: it takes jobs.
    Up,
    /// Its setup has failed, and why.
    Broken(String),
    /// The answer to a new hub: what it is doing, and what it reported last, of which the former hub
    /// may not have taken note.
    Handover {
        /// The job that runs, under the key that the former hub gave it.
        running: Option<Job<P>>,
        /// Jobs that have ended, without their inputs.
        ended: Vec<(Job<P>, Outcome<P::Text>)>,
    },
    /// What has happened since the last report.
    Report(Report<P>),
    /// The queue is given back: the keys of its jobs.
    Recalled(Vec<JobKey>),
    /// It was told to pause in the middle of a job, and rests.
    Rests,
}

/// What has happened since the last report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<P: Payload> {
    /// This job has begun.
    pub started: Option<JobKey>,
    /// How far a job is.
    pub progress: Option<Progress>,
    /// Jobs that have ended.
    pub results: Vec<Ended<P>>,
    /// A checkpoint of a job.
    pub checkpoint: Option<(JobKey, P::State)>,
}

impl<P: Payload> Default for Report<P> {
    fn default() -> Self {
        Self {
            started: None,
            progress: None,
            results: Vec::new(),
            checkpoint: None,
        }
    }
}

/// How a job has ended in a compute worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended<P: Payload> {
    /// The job.
    pub key: JobKey,
    /// What became of it.
    pub outcome: Outcome<P::Text>,
    /// How long it was worked on, in milliseconds, rests not counted.
    pub ms: f64,
    /// The worker is not to be trusted any more, and must be replaced.
    pub fatal: bool,
}
