//! The calls of the protocol: what each one sends, and what each answer means to it.
//!
//! When a call is retried is decided in [`crate::client::exchange`].

mod answer;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use self::answer::may_be_json;
pub use self::answer::{Answer, Meaning, TOO_LARGE, read_alive, read_count, read_retry_after};
pub use self::request::{Body, Request};

/// A call of the protocol. The same status can mean different things to different calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Registers a worker.
    New,
    /// Asks whether the tracker still knows the worker.
    ValidateWorker,
    /// Asks how many jobs are open.
    JobCount,
    /// Takes a job.
    NewJob,
    /// Sends the progress line.
    UpdateProgress,
    /// Hands in a result.
    CompleteJob,
    /// Flags the job's input as invalid.
    FlagInvalidData,
    /// Ends the registration.
    Bye,
    /// Reports and requests everything at once, if the tracker supports it.
    Sync,
}

/// For answers with jobs, in bytes. No longer text crosses into WebAssembly.
const MOST_WITH_JOBS: u32 = 64 << 20;

/// For any other answer: a registration, a short text, or an error of which only the beginning is
/// shown.
const MOST_WITHOUT_JOBS: u32 = 64 << 10;

impl Call {
    /// The most bytes that are read of an answer with this status, after decompression. The
    /// transfer is aborted there.
    ///
    /// These are constants, because nothing that was negotiated can be the bound: a tracker hands
    /// out one job whatever `want_bytes` is, and `max_body` is only what the server claims.
    #[must_use]
    pub fn most_bytes(self, status: u16) -> u32 {
        match (self, status) {
            (Self::Sync | Self::NewJob, 200) => MOST_WITH_JOBS,
            _ => MOST_WITHOUT_JOBS,
        }
    }

    /// Whether it is a `GET`.
    fn is_get(self) -> bool {
        matches!(self, Self::New | Self::JobCount)
    }
}
