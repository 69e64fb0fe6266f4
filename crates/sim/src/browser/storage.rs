//! The storage of the browser: what the hub has stored, what a new hub reads, and storage that fails.

use distcompute_engine::hub::action::Write;
use distcompute_engine::hub::event::{Event, Inherited, Stored};
use distcompute_engine::hub::jobs::{Outcome, Text, Ticket};
use distcompute_protocol::Stage;

use super::{Browser, Sabotage};
use crate::tracker::Tracker;

/// How long the driver waits for storage that does not answer.
const STORAGE_MS: f64 = 5_000.0;

/// A job as it is stored.
#[derive(Debug, Clone)]
pub(super) struct StoredJob {
    stage: Stage,
    number: u64,
    attempt: u32,
    ticket: Ticket,
    input: Option<String>,
    outcome: Option<StoredOutcome>,
}

#[derive(Debug, Clone)]
pub(super) enum StoredOutcome {
    Done(String),
    Other(Outcome),
}

impl<T: Tracker> Browser<T> {
    pub fn stored(&self) -> usize {
        self.store.len()
    }

    /// Storage never answers, from the beginning on.
    pub fn silence_storage(&mut self) {
        (self.silent, self.lossy) = (true, true);
        self.queue.clear();
        self.begin_without_storage(Vec::new());
    }

    fn begin_without_storage(&mut self, cores: Vec<Inherited>) {
        self.waits_for_storage = true;
        if self.sabotage == Some(Sabotage::WaitForStorage) {
            return;
        }
        let restored = Event::Restored {
            registrations: Vec::new(),
            jobs: Vec::new(),
            cores,
        };
        self.hub_hears(STORAGE_MS, restored);
    }

    /// Whether the hub waits for storage.
    pub fn waits_for_storage(&self) -> bool {
        self.waits_for_storage && !self.stopped
    }

    /// The volunteer clears the site's data.
    pub fn wipe(&mut self) {
        self.store.clear();
        self.registrations.clear();
        self.lossy = true;
    }

    /// The hub begins with what storage has.
    pub(super) fn restore(&mut self, cores: Vec<Inherited>) {
        self.waits.clear();
        if self.silent {
            self.begin_without_storage(cores);
            self.tell_successor();
            return;
        }
        let registrations = self.registrations.values().cloned().collect();
        let store: Vec<StoredJob> = self.store.values().cloned().collect();
        let mut jobs = Vec::new();
        for kept in store {
            let input = kept.input.map(|text| self.keep(text));
            let outcome = kept.outcome.map(|outcome| match outcome {
                StoredOutcome::Done(text) => Outcome::Done(self.keep(text)),
                StoredOutcome::Other(outcome) => outcome,
            });
            let (stage, number, attempt) = (kept.stage, kept.number, kept.attempt);
            jobs.push(Stored {
                stage,
                number,
                attempt,
                ticket: kept.ticket,
                input,
                outcome,
            });
        }
        self.happen(Event::Restored {
            registrations,
            jobs,
            cores,
        });
        self.tell_successor();
    }

    pub fn forget_sessions(&mut self) {
        self.registrations.clear();
    }

    /// Results of an earlier visit that were not delivered.
    pub fn leave_results(&mut self, leases: Vec<(String, u64, Stage)>) {
        for (lease, number, stage) in leases {
            let kept = StoredJob {
                stage,
                number,
                attempt: 1,
                ticket: Ticket::Lease(lease.clone()),
                input: None,
                outcome: Some(StoredOutcome::Done(format!("out {number} {stage}"))),
            };
            self.store.insert(lease, kept);
        }
    }

    pub(super) fn write(&mut self, write: Write) {
        if self.silent {
            return;
        }
        if self.full && !matches!(write, Write::Delete(_)) {
            self.lossy = true;
            if let (Some(Sabotage::DropWhenFull), Write::Outcome(key)) = (self.sabotage, &write)
                && let Some(job) = self.hub.table().get(*key)
                && matches!(job.outcome(), Some(Outcome::Done(_)))
            {
                self.dropped.insert(job.name());
            }
            return;
        }
        match write {
            Write::Registration(registration) => {
                self.registrations.insert(registration.stage, registration);
            }
            Write::Uploads(..) => {}
            Write::Delete(name) => {
                let was = self.store.remove(&name).is_some();
                assert!(was || self.lossy, "{name} is not stored");
            }
            Write::Job(key) | Write::Outcome(key) => {
                let Some(job) = self.hub.table().get(key) else {
                    return;
                };
                let text = |text: &Text| self.texts[&text.id].clone();
                let kept = StoredJob {
                    stage: self.hub.stage_of(job).expect("its stage is known").0,
                    number: job.number,
                    attempt: job.attempt,
                    ticket: job.ticket.clone(),
                    input: job.input.as_ref().map(text),
                    outcome: job.outcome().map(|outcome| match outcome {
                        Outcome::Done(data) => StoredOutcome::Done(text(data)),
                        other => StoredOutcome::Other(other.clone()),
                    }),
                };
                self.store.insert(job.name(), kept);
            }
        }
    }
}
