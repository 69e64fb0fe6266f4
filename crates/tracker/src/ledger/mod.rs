//! The ledger: all decisions about jobs, leases and workers.
//!
//! A group of operations is settled in three steps. The database reads what the group needs
//! ([`Wanted`] to [`Snapshot`]); [`settle`] applies the operations one after the other, which
//! yields their replies and the changes to write ([`Changes`]); and the database writes the
//! changes. The ledger does no I/O and uses no clock or randomness: the time and new ids come with
//! the snapshot, and secrets, or the values they are derived from, with the operations. So it works
//! with any database, and with a simulated one.

mod audits;
mod calls;
mod confirmers;
mod lane;
mod operation;
mod opinions;
mod recall;
mod rows;
mod sweep;
mod sync;
mod transitions;
mod unit_of_work;
mod volunteers;
mod votes;
mod words;

pub(crate) use self::operation::lease_parts;
pub use self::{
    confirmers::{AUDIT_LOOKS, Confirmers, LANE, OWN_LOOKS},
    operation::{
        GrantedLease, LatestResult, NewWorker, Operation, ProvenKey, Reply, Requeued, SyncReply,
        group_wants,
    },
    opinions::{
        Confirmation, Doubt, Entry, Opinion, OpinionState, OpinionText, Recall, Recalled, Standing,
        StandingChange, TextSource, Waiting,
    },
    rows::{
        AVOIDERS, Changes, Credit, End, FORGOTTEN, Failure, FailureNote, Forget, Job, JobChange,
        KEPT_NOTES, LOOK_AHEAD, Lease, LogEvents, NOTED, Output, Pause, Queue, SPARE, SWEEP,
        Snapshot, StageChange, State, VOLUNTEERS, Volunteer, VolunteerChange, Wanted, Worker,
    },
};

use distcompute_protocol::{ErrorCode, Stage};

use self::unit_of_work::UnitOfWork;
use crate::rules::trust::Trust;

/// The project's rules, as far as the ledger depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The last enabled stage: its output closes the job.
    pub last_stage: Stage,
    /// The number of distinct volunteers whose flags send a job back.
    pub invalid_after: u32,
    /// The number of distinct volunteers with whom a job must fail to be set aside.
    pub max_attempts: u32,
    /// The number of distinct volunteers with whom every job must fail for a stage to be paused; 0:
    /// never.
    pub pause_after: u32,
    /// Whether registrations most of whose jobs fail are given fewer jobs, and pauses.
    pub slow_failing: bool,
    /// Seconds without a sync after which leases that are renewed by syncs end.
    pub lease_s: u32,
    /// The maximum total size of late results that are kept while others work on their jobs, in
    /// bytes.
    pub late_bytes: u64,
    /// How results are checked.
    pub trust: Trust,
}

/// The value of [`Rules::late_bytes`] outside tests: sixteen results of the maximum size.
pub const LATE_BYTES: u64 = 256 << 20;

/// Applies operations in order. Even a refused one may have changed something: a worker that asks
/// for a job and gets none has given back the one it held.
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
