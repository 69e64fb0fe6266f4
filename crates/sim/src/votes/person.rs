//! A volunteer with a registration at each stage, and what it knows of the jobs that it holds.

use distcompute_protocol::{Done, Failed, Stage, SyncRequest};
use distcompute_tracker::store::SyncReply;

use super::{flag, request_of};
use crate::trust::Liar;

/// How the work on a job has ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    Done(String),
    Flagged,
    Failed,
    Released,
}

/// A job that it holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) lease: String,
    pub(super) number: i64,
    pub(super) stage: Stage,
    pub(super) input: String,
    work: Option<Work>,
}

#[derive(Debug, Clone, Default)]
struct Seat {
    token: Option<String>,
    seq: u64,
    held: Vec<Held>,
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) key: String,
    pub(super) liar: Option<Liar>,
    /// Jobs that it has executed, and those that it will execute.
    pub(super) done: u32,
    pub(super) left: u32,
    seats: [Seat; 5],
}

impl Person {
    pub(super) fn new(key: String, liar: Option<Liar>, left: u32) -> Self {
        Self {
            key,
            liar,
            done: 0,
            left,
            seats: Default::default(),
        }
    }

    pub(super) fn token(&self, at: usize) -> Option<&str> {
        self.seats[at].token.as_deref()
    }

    pub(super) fn enrol(&mut self, at: usize, token: String) {
        self.seats[at].token = Some(token);
        self.seats[at].seq = 0;
    }

    /// The jobs that it has yet to execute.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        let held = self.seats.iter().flat_map(|seat| &seat.held);
        held.filter(|job| job.work.is_none())
    }

    pub(super) fn finish(&mut self, lease: &str, work: Work) {
        let mut held = self.seats.iter_mut().flat_map(|seat| &mut seat.held);
        if let Some(job) = held.find(|job| job.lease == lease) {
            job.work = Some(work);
        }
    }

    /// Whether it has something to report at a stage.
    pub(super) fn has_news(&self, at: usize) -> bool {
        self.seats[at].held.iter().any(|job| job.work.is_some())
    }

    pub(super) fn request(&mut self, at: usize) -> SyncRequest {
        let seat = &mut self.seats[at];
        seat.seq += 1;
        let mut request = request_of(seat.token.as_deref().unwrap_or_default(), seat.seq);
        for job in &seat.held {
            let lease = job.lease.clone();
            match &job.work {
                None => request.holding.push(lease),
                Some(Work::Done(data)) => request.done.push(Done {
                    lease,
                    data: data.clone(),
                }),
                Some(Work::Flagged) => request.invalid.push(flag(&lease)),
                Some(Work::Failed) => request.failed.push(Failed {
                    lease,
                    error: "it failed".to_owned(),
                }),
                Some(Work::Released) => request.released.push(lease),
            }
        }
        request
    }

    /// The database did not answer. Whether the sync was settled is not known, so nothing changes.
    pub(super) fn lose(&mut self, at: usize) {
        self.seats[at].seq += 1;
    }

    pub(super) fn hear(&mut self, at: usize, reply: SyncReply) {
        let seat = &mut self.seats[at];
        seat.held
            .retain(|job| job.work.is_none() && !reply.lost.contains(&job.lease));
        for granted in reply.granted {
            if seat.held.iter().any(|job| job.lease == granted.lease) {
                continue;
            }
            seat.held.push(Held {
                lease: granted.lease,
                number: granted.number,
                stage: granted.stage,
                input: granted.data.expect("small inputs come with the job"),
                work: None,
            });
        }
    }
}
