//! What happens to jobs, leases and workers: the one place where that is decided.
//!
//! A group of operations is settled in three steps. The database reads what the group wants
//! ([`Wanted`] to [`Snapshot`]), [`settle`] applies the operations to that one after the other and
//! says what each is answered and what is to be written ([`Changes`]), and the database writes it.
//! There is no I/O here, no clock and no randomness: the time and the ids come with the snapshot,
//! secrets, or what they are made of, with the operations. So any database, and a simulator, can stand behind it.

mod calls;
mod operation;
mod rows;
mod sweep;
mod sync;
mod transitions;
mod unit_of_work;
mod volunteers;

pub use self::{
    operation::{GrantedLease, NewWorker, Operation, Reply, Requeued, SyncReply, group_wants},
    rows::{
        AVOIDERS, Changes, Credit, End, FORGOTTEN, Failure, FailureNote, Forget, Job, JobChange,
        KEPT_NOTES, LOOK_AHEAD, Lease, NOTED, News, Output, Queue, SPARE, SWEEP, Snapshot,
        StageChange, State, VOLUNTEERS, Volunteer, VolunteerChange, Wanted, Worker,
    },
};

use distcompute_protocol::{ErrorCode, Stage};

use self::unit_of_work::UnitOfWork;

/// What the ledger must know of the project's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The last enabled stage: its output closes the job.
    pub last_stage: Stage,
    /// Flags by distinct volunteers that send a job back.
    pub invalid_after: u32,
    /// Distinct volunteers at whom a job must fail to be set aside.
    pub max_attempts: u32,
    /// Distinct volunteers at whom everything must fail for a stage to be paused; 0: none ever is.
    pub pause_after: u32,
    /// Seconds without a sync after which the leases that syncs hold end.
    pub lease_s: u32,
    /// Bytes that late results may take together while others work on their jobs.
    pub late_bytes: u64,
}

/// What [`Rules::late_bytes`] is unless a test says otherwise: sixteen results of the largest kind.
pub const LATE_BYTES: u64 = 256 << 20;

/// Applies operations in their order. A refused one may have changed something too: a worker that
/// asks for a job and gets none has given back what it held.
#[must_use]
pub fn settle(
    snapshot: Snapshot,
    operations: Vec<Operation>,
    rules: Rules,
) -> (Vec<Result<Reply, ErrorCode>>, Changes) {
    let mut work = UnitOfWork::new(snapshot, rules);
    let replies = operations
        .into_iter()
        .map(|operation| work.apply(operation))
        .collect();
    (replies, work.changes())
}

#[cfg(test)]
mod tests;
