//! What can be asked of the ledger, what it answers, and what must be read for that.

use std::collections::BTreeSet;

use distcompute_protocol::{MAX_SYNC_WANT, Rejected, Stage, SyncRequest};

use super::rows::Wanted;
use crate::{clock::Millis, rules::bans};

/// A registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorker {
    /// The secret that the worker will be known by; in an operation, its fingerprint.
    pub token: String,
    /// Its public name.
    pub display_name: String,
    /// Its owner's name.
    pub nickname: String,
    /// Where the call came from; empty where that is not known.
    pub address: String,
    /// Where it works.
    pub stage: Stage,
}

/// A job that the operator wants worked on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requeued {
    /// The job: one that is set aside, or held.
    pub number: i64,
    /// The lease whose result is not to be trusted, if that is why: the job goes back to that
    /// lease's stage, wherever it is now, if that is its latest result.
    pub lease: Option<i64>,
}

/// What can be asked. Workers are named by the fingerprints of their tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Registers a worker.
    Register(NewWorker),
    /// Puts back what the worker holds and hands it one job, under a lease with this secret.
    Claim {
        /// The worker.
        token: String,
        /// For the lease.
        secret: String,
    },
    /// Takes the output of the worker's job.
    Complete {
        /// The worker.
        token: String,
        /// Its job, if it says which.
        number: Option<i64>,
        /// The output.
        data: String,
    },
    /// Calls the input of the worker's job bad.
    Flag {
        /// The worker.
        token: String,
        /// Its job, if it says which.
        number: Option<i64>,
    },
    /// Notes what a worker says of itself.
    Progress {
        /// The worker.
        token: String,
        /// One line.
        text: String,
    },
    /// Forgets a worker and puts back what it holds.
    Leave {
        /// The worker.
        token: String,
    },
    /// Makes the ledger agree with what a worker says.
    Sync {
        /// The worker, as in other operations.
        worker: String,
        /// What it says, with its token: the secrets of new leases are made of that.
        request: SyncRequest,
    },
    /// Forgets workers that were not heard from for so long.
    DropIdle(Millis),
    /// Forgets workers that sync and did not for so long.
    DropMissed(Millis),
    /// Ends leases that no sync held for the time of a lease.
    EndLeases(Millis),
    /// Has times that lie in the future count as now: they were written while the clock was ahead.
    CorrectTimes,
    /// Has jobs worked on again.
    Requeue(Vec<Requeued>),
    /// Has paused stages go on.
    Resume(BTreeSet<Stage>),
    /// Ends workers, by their fingerprints.
    EndWorkers(Vec<String>),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// This job was handed out.
    Granted(GrantedLease),
    /// The answer of a sync.
    Sync(SyncReply),
    /// It was done to so many.
    Count(u64),
}

macro_rules! typed {
    ($($kind:ty: $reply:pat => $value:expr;)*) => {$(
        /// The reply of an operation that is answered so; any other one comes back.
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
    /// Jobs that this worker holds and did not say that it holds.
    pub granted: Vec<GrantedLease>,
    /// Leases whose results are recorded.
    pub accepted: Vec<String>,
    /// Leases whose results are not wanted.
    pub rejected: Vec<Rejected>,
    /// Leases that the client need not work on any more.
    pub lost: Vec<String>,
    /// Open jobs at the worker's stage.
    pub open: u64,
    /// Seconds after which to ask again.
    pub wait_s: u32,
    /// The size of the next job, if it was left out for its size.
    pub left_bytes: u64,
    /// Whether there are fewer jobs than wanted because no more may be held.
    pub limited: bool,
}

/// A job that is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedLease {
    /// The lease as it stands on the wire.
    pub lease: String,
    /// The job.
    pub number: i64,
    /// The stage whose input goes with it.
    pub stage: Stage,
    /// How often it was handed out at this stage.
    pub attempt: i64,
    /// How many bytes that input has, where the ledger knows it.
    pub bytes: Option<u64>,
    /// That input. The ledger never sees it: whoever writes the changes reads it afterwards.
    pub data: Option<String>,
}

impl Reply {
    /// The jobs that are handed out, whose inputs are to be read.
    pub fn granted(&mut self) -> &mut [GrantedLease] {
        match self {
            Self::Granted(lease) => std::slice::from_mut(lease),
            Self::Sync(reply) => &mut reply.granted,
            Self::Done | Self::Count(_) => &mut [],
        }
    }
}

/// The wire name of a lease: its row, so that looking it up needs no index of random texts, and
/// its secret.
#[must_use]
pub(super) fn lease_name(id: i64, secret: &str) -> String {
    format!("{id}-{secret}")
}

/// The two parts of a lease's wire name.
pub(super) fn lease_parts(name: &str) -> Option<(i64, &str)> {
    let (id, secret) = name.split_once('-')?;
    // One spelling only: "+7" and "007" are no leases.
    let canonical = id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0');
    let id = id.parse().ok().filter(|_| canonical)?;
    Some((id, secret))
}

/// How many jobs a sync asks for, as far as one is given so many.
pub(super) fn wants(request: &SyncRequest) -> usize {
    usize::try_from(request.want.min(MAX_SYNC_WANT)).unwrap_or(usize::MAX)
}

impl Operation {
    /// Adds what this operation must know.
    fn wants(&self, wanted: &mut Wanted) {
        let mut worker = |token: &String, jobs: usize| {
            *wanted.workers.entry(token.clone()).or_default() += jobs;
        };
        match self {
            Self::Register(new) => {
                wanted.registrations += 1;
                wanted
                    .bans
                    .extend(bans::names_of(&new.nickname, &new.address));
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
            Self::CorrectTimes | Self::Resume(_) => {}
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
        }
    }

    /// Whether a volunteer asks for it, who can ask again: not the clock, nor the operator.
    #[must_use]
    pub fn is_a_volunteers(&self) -> bool {
        !matches!(
            self,
            Self::DropIdle(_)
                | Self::DropMissed(_)
                | Self::EndLeases(_)
                | Self::CorrectTimes
                | Self::Requeue(_)
                | Self::Resume(_)
                | Self::EndWorkers(_)
        )
    }

    /// How many bytes of results it carries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Complete { data, .. } => data.len(),
            Self::Sync { request, .. } => request.done.iter().map(|done| done.data.len()).sum(),
            _ => 0,
        }
    }

    /// How much it asks of a transaction, against one call of the first protocol.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Sync { request, .. } => 1 + wants(request) + request.items(),
            Self::Requeue(list) => 1 + list.len(),
            Self::EndWorkers(list) => 1 + list.len(),
            Self::DropIdle(_) | Self::DropMissed(_) | Self::EndLeases(_) => super::SWEEP,
            _ => 1,
        }
    }
}

/// What a group of operations must know.
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
