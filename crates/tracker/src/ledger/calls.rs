//! The calls of the first protocol, which knows worker tokens and job numbers but no leases.

use distcompute_protocol::{ErrorCode, RejectedWhy};

use super::{
    operation::{GrantedLease, NewWorker},
    rows::{End, State, Worker},
    transitions::Position,
    unit_of_work::UnitOfWork,
};
use crate::rules::{allowance::Allowance, answer, bans, secrets};

impl UnitOfWork {
    pub(super) fn register(&mut self, new: NewWorker) -> Result<(), ErrorCode> {
        let key = new.proven.as_ref().map(|proven| {
            let identity = self.linked.get(&proven.thumbprint);
            identity.unwrap_or(&proven.thumbprint).clone()
        });
        // A key may be banned itself, or the identity that it is linked to.
        let proven = new.proven.as_ref().map(|proven| proven.thumbprint.as_str());
        let keys: Vec<&str> = proven.into_iter().chain(key.as_deref()).collect();
        let names = bans::names_of(&new.nickname, &new.address, &keys);
        if names.iter().any(|name| self.bans.contains(name)) {
            return Err(ErrorCode::Banned);
        }
        if let Some(proven) = new.proven {
            if !self.used_nonces.insert(proven.nonce.clone()) {
                return Err(ErrorCode::UseDpopNonce);
            }
            let (nonce, expires_at) = (proven.nonce, proven.expires_at);
            self.changes.nonces.insert(nonce, expires_at);
        }
        self.add_worker(Worker {
            id: 0,
            token: new.token,
            display_name: new.display_name,
            nickname: new.nickname,
            address: new.address,
            key,
            browser: new.browser,
            stage: new.stage,
            progress: String::new(),
            completed: 0,
            first_seen: self.now,
            last_seen: self.now,
            seq: -1,
            synced_at: None,
            last_lease: None,
            trouble: 0,
            rest_until: 0,
            noted_at: 0,
            allowance: Allowance::default(),
            works: false,
        });
        Ok(())
    }

    pub(super) fn claim(&mut self, token: &str, secret: &str) -> Result<GrantedLease, ErrorCode> {
        let worker = self.worker_id(token)?;
        let held = self.held(worker);
        for lease in &held {
            self.put_back(*lease, End::Released, Position::Last);
        }
        // This protocol has no call for a failure, so asking for another job while holding one
        // counts as one.
        self.weigh(worker, 0, held.len().min(1));
        let first = self.never_had_a_job(worker);
        let lease = if self.room(worker) > 0 {
            let id = self.lease_ids.front().copied();
            let made = |_| secrets::fingerprint(secret);
            let granted = id.and_then(|id| self.grant(worker, id, made, None));
            if granted.is_some() {
                self.lease_ids.pop_front();
            }
            granted
        } else {
            None
        };
        self.note_presence(worker, true, first);
        self.note_work(worker);
        let granted = lease.and_then(|lease| self.granted(lease, secret));
        let granted = granted.ok_or(ErrorCode::NoJobs)?;
        self.seen(worker);
        // A worker that claims jobs this way does not sync, so the lease must not end for lack of a
        // sync.
        self.with_worker(worker, |worker| worker.synced_at = None);
        Ok(granted)
    }

    pub(super) fn note_progress(&mut self, token: &str, text: String) -> Result<(), ErrorCode> {
        let worker = self.worker_id(token)?;
        self.with_worker(worker, |worker| worker.progress = text);
        self.seen(worker);
        Ok(())
    }

    /// The lease that a call refers to. Without a number, it is the only one that the worker holds.
    fn named_lease(&self, worker: i64, number: Option<i64>) -> Result<Option<i64>, ErrorCode> {
        let held = self.held(worker);
        let Some(number) = number else {
            return match held[..] {
                [] => Ok(None),
                [lease] => Ok(Some(lease)),
                _ => Err(ErrorCode::WrongJob),
            };
        };
        Ok(held.into_iter().find(|lease| {
            self.leases
                .get(lease)
                .is_some_and(|lease| lease.number == number)
        }))
    }

    pub(super) fn complete(
        &mut self,
        token: &str,
        number: Option<i64>,
        data: String,
    ) -> Result<(), ErrorCode> {
        let worker = self.worker_id(token)?;
        let Some(lease) = self.named_lease(worker, number)? else {
            return self.repeated(worker, number, &data);
        };
        match self.accept(lease, data) {
            Ok(()) => {
                self.weigh(worker, 1, 0);
                self.note_speed(worker, 1);
                self.note_work(worker);
                self.seen(worker);
                Ok(())
            }
            Err(RejectedWhy::Finished) => Err(ErrorCode::AlreadyCompleted),
            Err(_) => Err(ErrorCode::NoOpenJob),
        }
    }

    /// A completion of a job that the worker does not hold. It is accepted if it repeats an
    /// accepted one whose answer was lost, and refused otherwise.
    fn repeated(&self, worker: i64, number: Option<i64>, data: &str) -> Result<(), ErrorCode> {
        let Some(number) = number else {
            let last = self
                .workers
                .get(&worker)
                .and_then(|worker| worker.last_lease);
            let last = last.and_then(|id| self.leases.get(&id));
            let same = last.is_some_and(|lease| match lease.ended {
                Some((_, End::Completed)) => self.output(lease.number, lease.stage) == Some(data),
                Some((_, End::Opinion)) => {
                    let given = self.opinions.get(&lease.id);
                    given.is_some_and(|given| given.answer == answer::digest(data))
                }
                _ => false,
            });
            return if same {
                Ok(())
            } else {
                Err(ErrorCode::NoOpenJob)
            };
        };
        let mut by_another = false;
        for lease in self.leases.values() {
            if lease.worker != worker || lease.number != number {
                continue;
            }
            if matches!(lease.ended, Some((_, End::Completed | End::Opinion))) {
                return Ok(());
            }
            by_another |= self
                .jobs
                .get(&number)
                .is_some_and(|job| job.state == State::Closed || job.stage > lease.stage);
        }
        Err(if by_another {
            ErrorCode::AlreadyCompleted
        } else if !self.holds_any(worker) {
            ErrorCode::NoOpenJob
        } else {
            ErrorCode::WrongJob
        })
    }

    pub(super) fn flag(&mut self, token: &str, number: Option<i64>) -> Result<(), ErrorCode> {
        let worker = self.worker_id(token)?;
        if let Some(lease) = self.named_lease(worker, number)? {
            self.seen(worker);
            self.flag_input(lease, "");
            self.weigh(worker, 0, 1);
            return Ok(());
        }
        // If the answer to a flag was lost and the flag is repeated with its number, it counts
        // once.
        let before = number.is_some_and(|number| {
            self.leases.values().any(|lease| {
                (lease.worker, lease.number) == (worker, number)
                    && matches!(lease.ended, Some((_, End::Flagged)))
            })
        });
        if before {
            Ok(())
        } else if !self.holds_any(worker) {
            Err(ErrorCode::NotWorking)
        } else {
            Err(ErrorCode::WrongJob)
        }
    }

    pub(super) fn leave(&mut self, token: &str) -> Result<(), ErrorCode> {
        let worker = self.worker_id(token)?;
        for lease in self.held(worker) {
            self.put_back(lease, End::Left, Position::Last);
        }
        self.note_goodbye(worker);
        self.forget_worker(worker);
        Ok(())
    }
}
