//! The ledger's operations, their replies, and what must be read for each.

use std::collections::BTreeSet;

use distcompute_protocol::{MAX_SYNC_WANT, Rejected, Stage, SyncRequest};

use super::{
    opinions::{Recall, Recalled},
    rows::{State, Wanted},
};
use crate::{clock::Millis, rules::bans};

/// A registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorker {
    /// The worker's token; within an operation, the fingerprint of the token.
    pub token: String,
    /// Its public name.
    pub display_name: String,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// The address that the call came from; empty if unknown.
    pub address: String,
    /// The key that the volunteer has proved to hold.
    pub proven: Option<ProvenKey>,
    /// The kind of its browser ([`crate::rules::browser::kind`]); empty if unknown.
    pub browser: String,
    /// The stage it works at.
    pub stage: Stage,
}

/// A key whose possession was proved with a nonce of this tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenKey {
    /// The thumbprint of the public key.
    pub thumbprint: String,
    /// The nonce, which is accepted once.
    pub nonce: String,
    /// When the nonce is refused for its age.
    pub expires_at: Millis,
}

/// A job to requeue, as it was when it was selected. If it has changed since, it stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requeued {
    /// The job.
    pub number: i64,
    /// Its round.
    pub round: i64,
    /// Its state: open after a failure, held, or set aside. It does not matter if results are
    /// discarded.
    pub state: State,
    /// The lease whose result is to be discarded, together with the results that later stages made
    /// from it, if that is the reason. The job goes back to that lease's stage from wherever it is.
    pub lease: Option<i64>,
}

/// A job and its latest result, as they were when the job was selected. If it has changed since, it
/// stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatestResult {
    /// The job.
    pub number: i64,
    /// Its round.
    pub round: i64,
    /// The lease of the result.
    pub lease: i64,
}

/// An operation of the ledger. Workers are identified by the fingerprints of their tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Registers a worker.
    Register(NewWorker),
    /// Puts back what the worker holds and hands it one job, under a lease with this secret.
    Claim {
        /// The worker.
        token: String,
        /// The secret of the new lease.
        secret: String,
    },
    /// Accepts the output of the worker's job.
    Complete {
        /// The worker.
        token: String,
        /// Its job, if the call names one.
        number: Option<i64>,
        /// The output.
        data: String,
    },
    /// Flags the input of the worker's job as bad.
    Flag {
        /// The worker.
        token: String,
        /// Its job, if the call names one.
        number: Option<i64>,
    },
    /// Stores the worker's progress line.
    Progress {
        /// The worker.
        token: String,
        /// One line.
        text: String,
    },
    /// Removes a worker and puts back its jobs.
    Leave {
        /// The worker.
        token: String,
    },
    /// Reconciles the ledger with what a worker reports.
    Sync {
        /// The worker, as in other operations.
        worker: String,
        /// The report, including the token, from which the secrets of new leases are derived.
        request: SyncRequest,
    },
    /// Removes workers that have made no call for this long.
    DropIdle(Millis),
    /// Removes workers that use sync and have not synced for this long.
    DropMissed(Millis),
    /// Ends leases that no sync has renewed for this long.
    EndLeases(Millis),
    /// Sets times that lie in the future to now: they were recorded while the clock was ahead.
    CorrectTimes,
    /// Requeues jobs.
    Requeue(Vec<Requeued>),
    /// Has closed jobs go on at the stage after the one that closed them.
    Reopen(Vec<LatestResult>),
    /// Closes jobs that wait at the stage after the one that made their latest result.
    Close(Vec<LatestResult>),
    /// Makes results again that counted on the word of a volunteer alone.
    Recall(Recalled),
    /// Puts jobs back into their queues whose opinions are of another version of the application, or
    /// of a stage whose results are no longer checked.
    Reconsider(Vec<i64>),
    /// Pauses stages, with a message for volunteers.
    Pause(BTreeSet<Stage>, String),
    /// Resumes paused stages.
    Resume(BTreeSet<Stage>),
    /// Ends the workers with these fingerprints.
    EndWorkers(Vec<String>),
}

/// The reply to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The operation was carried out.
    Done,
    /// This job was handed out.
    Granted(GrantedLease),
    /// The answer of a sync.
    Sync(SyncReply),
    /// The operation affected this many rows.
    Count(u64),
}

macro_rules! typed {
    ($($kind:ty: $reply:pat => $value:expr;)*) => {$(
        /// Converts the reply of an operation that has this kind; any other reply is returned as
        /// the error.
        impl TryFrom<Reply> for $kind {
            type Error = Reply;

            fn try_from(reply: Reply) -> Result<Self, Reply> {
                match reply {
                    $reply => Ok($value),
                    other => Err(other),
                }
            }
        }
    )*};
}

typed! {
    (): Reply::Done => ();
    GrantedLease: Reply::Granted(lease) => lease;
    SyncReply: Reply::Sync(reply) => reply;
    u64: Reply::Count(count) => count;
}

/// The answer of a sync.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReply {
    /// Jobs that this worker holds and did not list.
    pub granted: Vec<GrantedLease>,
    /// Leases whose results are recorded.
    pub accepted: Vec<String>,
    /// Leases whose results were rejected.
    pub rejected: Vec<Rejected>,
    /// Leases on which the client can stop working.
    pub lost: Vec<String>,
    /// Open jobs at the worker's stage.
    pub open: u64,
    /// Seconds to wait before the next sync.
    pub wait_s: u32,
    /// The size of the next job's input, if it was left out for its size.
    pub left_bytes: u64,
    /// Whether fewer jobs than wanted were granted because the worker may hold no more.
    pub limited: bool,
    /// How many of the volunteer's results wait for other opinions.
    pub unconfirmed: u64,
    /// The operator's message, if the operator has paused the stage.
    pub paused: Option<String>,
}

/// A job that is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedLease {
    /// The lease's name on the wire.
    pub lease: String,
    /// The job.
    pub number: i64,
    /// The stage at which it is granted.
    pub stage: Stage,
    /// How often the job has been handed out at this stage.
    pub attempt: i64,
    /// The size of the input in bytes, if the ledger knows it.
    pub bytes: Option<u64>,
    /// The input. The ledger never sees it: the writer reads it afterwards.
    pub data: Option<String>,
}

impl Reply {
    /// The granted jobs, whose inputs are to be read.
    pub fn granted(&mut self) -> &mut [GrantedLease] {
        match self {
            Self::Granted(lease) => std::slice::from_mut(lease),
            Self::Sync(reply) => &mut reply.granted,
            Self::Done | Self::Count(_) => &mut [],
        }
    }
}

/// The wire name of a lease: its row id, so that finding it needs no index of random texts, and its
/// secret.
#[must_use]
pub(super) fn lease_name(id: i64, secret: &str) -> String {
    format!("{id}-{secret}")
}

/// Splits a lease's wire name into its two parts.
pub(crate) fn lease_parts(name: &str) -> Option<(i64, &str)> {
    let (id, secret) = name.split_once('-')?;
    // Only the canonical spelling is accepted: "+7" and "007" name no lease.
    let canonical = id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0');
    let id = id.parse().ok().filter(|_| canonical)?;
    Some((id, secret))
}

/// How many jobs a sync asks for, limited to the maximum that one may be granted.
pub(super) fn wants(request: &SyncRequest) -> usize {
    usize::try_from(request.want.min(MAX_SYNC_WANT)).unwrap_or(usize::MAX)
}

impl Operation {
    /// Adds what this operation needs to have read.
    fn wants(&self, wanted: &mut Wanted) {
        let mut worker = |token: &String, jobs: usize| {
            *wanted.workers.entry(token.clone()).or_default() += jobs;
        };
        match self {
            Self::Register(new) => {
                wanted.registrations += 1;
                let proven = new.proven.as_ref();
                let keys: Vec<&str> = proven
                    .map(|key| key.thumbprint.as_str())
                    .into_iter()
                    .collect();
                wanted
                    .bans
                    .extend(bans::names_of(&new.nickname, &new.address, &keys));
                if let Some(proven) = &new.proven {
                    wanted.keys.insert(proven.thumbprint.clone());
                    wanted
                        .nonces
                        .insert(proven.nonce.clone(), proven.expires_at);
                }
            }
            Self::Claim { token, .. } => worker(token, 1),
            Self::Progress { token, .. } | Self::Leave { token } => worker(token, 0),
            Self::Complete { token, number, .. } => {
                worker(token, 0);
                match number {
                    Some(number) => {
                        wanted.past.insert((token.clone(), *number));
                    }
                    None => {
                        wanted.repeats.insert(token.clone());
                    }
                }
            }
            Self::Flag { token, number } => {
                worker(token, 0);
                wanted.flags = true;
                wanted.volunteers = true;
                if let Some(number) = number {
                    wanted.past.insert((token.clone(), *number));
                }
            }
            Self::Sync {
                worker: name,
                request,
            } => {
                let want = wants(request);
                worker(name, want);
                if request.want_bytes.is_some() && want > 0 {
                    wanted.sized.insert(name.clone());
                }
                wanted.flags |= !request.invalid.is_empty();
                wanted.volunteers |= !request.invalid.is_empty() || !request.failed.is_empty();
                wanted.volunteers |= request.done.iter().any(|done| done.data.contains('\0'));
                let done = request.done.iter().map(|done| &done.lease);
                let invalid = request.invalid.iter().map(|invalid| &invalid.lease);
                let failed = request.failed.iter().map(|failed| &failed.lease);
                let progress = request.progress.iter().map(|progress| &progress.lease);
                let plain = request.holding.iter().chain(&request.released);
                let names = plain
                    .chain(done)
                    .chain(invalid)
                    .chain(failed)
                    .chain(progress);
                let ids = names.filter_map(|name| lease_parts(name).map(|(id, _)| id));
                wanted.leases.extend(ids);
            }
            Self::CorrectTimes | Self::Pause(..) | Self::Resume(_) => {}
            Self::Recall(recalled) => match &recalled.what {
                Recall::Alone(list) => {
                    wanted.jobs.extend(list.iter().map(|(number, _)| number));
                }
                Recall::Confirmed(list) => {
                    let undone = list.iter().filter(|one| one.result.is_some());
                    wanted.jobs.extend(undone.map(|one| one.number));
                    wanted
                        .opinions
                        .extend(list.iter().filter_map(|one| one.result));
                }
            },
            Self::Reconsider(list) => wanted.jobs.extend(list),
            Self::EndWorkers(list) => {
                for token in list {
                    wanted.workers.entry(token.clone()).or_default();
                }
            }
            Self::DropIdle(age) => {
                wanted.idle = Some(*age);
                wanted.volunteers = true;
            }
            Self::DropMissed(age) => {
                wanted.missed = Some(*age);
                wanted.volunteers = true;
            }
            Self::EndLeases(age) => {
                wanted.lapsed = Some(*age);
                wanted.volunteers = true;
            }
            Self::Requeue(list) => {
                wanted.jobs.extend(list.iter().map(|one| one.number));
                wanted
                    .leases
                    .extend(list.iter().filter_map(|one| one.lease));
            }
            Self::Reopen(list) | Self::Close(list) => {
                wanted.jobs.extend(list.iter().map(|one| one.number));
                wanted.leases.extend(list.iter().map(|one| one.lease));
            }
        }
    }

    /// Whether the operation comes from a volunteer, who can retry it, and not from a timer or the
    /// operator.
    #[must_use]
    pub fn is_a_volunteers(&self) -> bool {
        !matches!(
            self,
            Self::DropIdle(_)
                | Self::DropMissed(_)
                | Self::EndLeases(_)
                | Self::CorrectTimes
                | Self::Requeue(_)
                | Self::Reopen(_)
                | Self::Close(_)
                | Self::Recall(_)
                | Self::Reconsider(_)
                | Self::Pause(..)
                | Self::Resume(_)
                | Self::EndWorkers(_)
        )
    }

    /// The size of the results it carries, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Complete { data, .. } => data.len(),
            Self::Sync { request, .. } => request.done.iter().map(|done| done.data.len()).sum(),
            _ => 0,
        }
    }

    /// The load of this operation on a transaction, relative to one call of the first protocol.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Sync { request, .. } => 1 + wants(request) + request.items(),
            Self::Requeue(list) => 1 + list.len(),
            Self::Reopen(list) | Self::Close(list) => 1 + list.len(),
            Self::EndWorkers(list) => 1 + list.len(),
            Self::Recall(recalled) => 1 + recalled.what.len(),
            Self::Reconsider(list) => 1 + list.len(),
            Self::DropIdle(_) | Self::DropMissed(_) | Self::EndLeases(_) => super::SWEEP,
            _ => 1,
        }
    }
}

/// What a group of operations needs to have read.
#[must_use]
pub fn group_wants<'o>(operations: impl IntoIterator<Item = &'o Operation>) -> Wanted {
    let mut wanted = Wanted::default();
    for operation in operations {
        operation.wants(&mut wanted);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_one_spelling() {
        assert_eq!(lease_parts(&lease_name(7, "ab-c")), Some((7, "ab-c")));
        for name in [
            "",
            "7",
            "-7-x",
            "+7-x",
            "07-x",
            "x-7",
            "99999999999999999999-x",
            "٣-x",
        ] {
            assert_eq!(lease_parts(name), None, "{name}");
        }
    }
}
