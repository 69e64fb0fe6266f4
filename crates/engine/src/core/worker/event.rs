//! What happens to a compute worker, and what it decides.

use crate::hub::jobs::JobKey;
use crate::message::{FromCore, Payload, ToCore};

/// What [`Worker::handle`](super::Worker::handle) gets besides the event, and where it puts what follows.
#[derive(Debug)]
pub struct Cx<P: Payload> {
    /// The time.
    pub now: f64,
    /// A random number in `[0, 1)`.
    pub random: f64,
    /// What to do, in this order.
    pub out: Vec<Action<P>>,
}

impl<P: Payload> Cx<P> {
    /// At this time, with nothing to do yet.
    #[must_use]
    pub fn new(now: f64, random: f64) -> Self {
        Self {
            now,
            random,
            out: Vec::new(),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<P: Payload> {
    /// A message from the hub.
    Message(ToCore<P>),
    /// Another hub has taken over. Nothing comes from the former one any more.
    NewHub,
    /// The answer to [`Action::Measure`].
    Measured {
        /// As in the action.
        late: Option<f64>,
        /// How long the turns of the event loop took.
        ms: f64,
        /// The owner's code has workers of its own.
        nested: bool,
    },
    /// The owner's setup has ended, or has failed for this reason.
    SetUp(Result<(), String>),
    /// The job that is to begin says that its input is JSON, and it is not, for this reason.
    Unreadable(String),
    /// The handler of the running job has returned a promise, so the thread is free.
    Pending,
    /// The handler of this job has returned, or its promise was fulfilled.
    Returned(JobKey),
    /// The handler of this job has thrown, or its promise was rejected.
    Threw {
        /// The job.
        key: JobKey,
        /// What is reported of it.
        message: String,
        /// WebAssembly has trapped: the instance is not to be trusted any more.
        trap: bool,
    },
    /// The answer to [`Action::TakeOutput`]: the output, or why it cannot be handed in.
    Output(Result<P::Text, String>),
    /// The handler calls `progress`.
    Progress {
        /// So much of `total` is done.
        done: f64,
        /// 0: not known.
        total: f64,
        /// A word on it.
        text: String,
        /// The owner's code has workers of its own.
        nested: bool,
    },
    /// The answer to [`Action::ReadSignals`].
    Signals {
        /// What was signalled: an intensity, or [`STOP`](crate::core::throttle::STOP).
        read: Vec<u8>,
        /// So many slots are left.
        left: usize,
    },
    /// The answer to [`Action::Sleep`]: whether it was possible to sleep.
    Slept(bool),
    /// The handler calls `ready`: it waits until it may work.
    Ready,
    /// The handler calls `invalid`, with this reason.
    Flagged(String),
    /// The handler calls `checkpoint`.
    Checkpoint(P::State),
    /// The error by which the running job was stopped reached the top of the event loop: no code
    /// of the owner's has caught it.
    Uncaught,
    /// [`Worker::next_timeout`](super::Worker::next_timeout) has passed.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action<P: Payload> {
    /// Send this to the hub.
    Post(FromCore<P>),
    /// Watch these slots for signals, and none of those before.
    Watch(Vec<P::Slot>),
    /// Measure how long some turns of the event loop take. `late`: as long after its time it was asked
    /// for, where a timer asked for it.
    Measure {
        /// To be returned with the answer.
        late: Option<f64>,
    },
    /// Call the owner's setup.
    SetUp,
    /// Call the handler with the job that [`Worker::running`](super::Worker::running) returns.
    Begin,
    /// Write the output of the job that has ended as a text.
    TakeOutput,
    /// Abort the signal of the running job, and let its `progress` and `ready` throw.
    Abort,
    /// Let the handler go on where it waits in `ready`.
    Wake,
    /// What the handler of the running job does from now on counts no more.
    Abandon,
    /// Read the slots.
    ReadSignals,
    /// Sleep without giving the thread up, for so many milliseconds.
    Sleep(f64),
    /// Let the handler go on. `progress` need not be handled before this time: only its last call
    /// counts.
    Resume {
        /// The time.
        until: f64,
    },
}
