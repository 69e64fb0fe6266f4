//! Leases: how they are granted, kept, and how they end.

use distcompute_protocol::{Granted, RejectedWhy, Stage};

use super::{End, Lease, Model};
use crate::tracker::weigh;

impl Model {
    pub(super) fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}-{:08}-0123456789abcdef01234567", self.names)
    }

    pub(super) fn sweep(&mut self, now: f64) {
        let over = self
            .live
            .iter()
            .filter(|name| self.leases[*name].until <= now);
        let over: Vec<String> = over.cloned().collect();
        for name in over {
            self.jobs[self.leases[&name].job].failures += 1;
            self.put_back(&name, End::Expired, true);
        }
        let idle = self.idle_ms;
        let dead = self.workers.iter().filter(|(_, w)| w.seen + idle <= now);
        let dead: Vec<String> = dead.map(|(token, _)| token.clone()).collect();
        for token in dead {
            self.bye(&token);
        }
    }

    pub(super) fn bye(&mut self, token: &str) {
        for name in self.held_by(token) {
            self.put_back(&name, End::Released, true);
        }
        self.workers.remove(token);
    }

    pub(super) fn held_by(&self, token: &str) -> Vec<String> {
        let held = self.live.iter();
        let held = held.filter(|name| self.leases[*name].token == token);
        held.cloned().collect()
    }

    pub(super) fn put_back(&mut self, name: &str, end: End, last: bool) {
        let Some(lease) = self.leases.get_mut(name) else {
            return;
        };
        if lease.ended.is_some() {
            return;
        }
        lease.ended = Some(end);
        self.live.remove(name);
        let at = lease.job;
        let job = &mut self.jobs[at];
        job.holder = None;
        let late = job.late.take();
        if last {
            self.places += 1;
            job.place = self.places;
        }
        self.queue
            .extend(job.stage.map(|stage| (stage, job.place, at)));
        if let Some((earlier, data)) = late {
            self.leases.get_mut(&earlier).expect("known").late = false;
            self.accept(&earlier, &data);
        }
    }

    /// What the next job at a stage takes in an answer.
    pub(super) fn next_bytes(&self, stage: Stage) -> Option<u64> {
        let mut queue = self.queue.range((stage, 0, 0)..);
        let first = queue.next().filter(|it| it.0 == stage)?;
        let input = self.jobs[first.2].inputs.get(&stage);
        Some(input.map_or(0, |input| weigh(input) as u64) + 160)
    }

    pub(super) fn grant(&mut self, now: f64, token: &str, seq: Option<u64>) -> Option<String> {
        let stage = self.workers[token].stage;
        let first = *self
            .queue
            .range((stage, 0, 0)..)
            .next()
            .filter(|it| it.0 == stage)?;
        self.queue.remove(&first);
        let at = first.2;
        let name = self.name("lease");
        let job = &mut self.jobs[at];
        job.attempt += 1;
        job.holder = Some(name.clone());
        // The first protocol knows no leases: only silence of two hours ends them.
        let until = if seq.is_some() {
            now + self.lease_ms
        } else {
            f64::INFINITY
        };
        let lease = Lease {
            job: at,
            stage,
            round: job.round,
            attempt: job.attempt,
            token: token.to_owned(),
            seq,
            until,
            ended: None,
            late: false,
        };
        self.leases.insert(name.clone(), lease);
        self.live.insert(name.clone());
        self.grants += 1;
        let input = self.jobs[at].inputs.get(&stage);
        self.handed_bytes += input.map_or(0, |input| weigh(input) as u64);
        self.most_held = self.most_held.max(self.held());
        Some(name)
    }

    pub(super) fn refusal(&self, name: &str) -> Option<RejectedWhy> {
        let Some(lease) = self.leases.get(name) else {
            return Some(RejectedWhy::Unknown);
        };
        let job = &self.jobs[lease.job];
        if lease.ended == Some(End::Completed) || lease.late {
            None
        } else if job.taken.contains_key(&lease.stage) {
            Some(RejectedWhy::Finished)
        } else if job.stage != Some(lease.stage) || job.round != lease.round {
            Some(RejectedWhy::Moved)
        } else if matches!(lease.ended, None | Some(End::Expired)) {
            None
        } else {
            Some(RejectedWhy::Unknown)
        }
    }

    pub(super) fn accept(&mut self, name: &str, data: &str) -> Option<RejectedWhy> {
        let refusal = self.refusal(name);
        let Some(lease) = self.leases.get_mut(name).filter(|_| refusal.is_none()) else {
            return refusal;
        };
        if lease.ended == Some(End::Completed) || lease.late {
            return None;
        }
        let job = &mut self.jobs[lease.job];
        if job.holder.as_deref().is_some_and(|holder| holder != name) {
            if job.late.is_some() {
                return Some(RejectedWhy::Finished);
            }
            lease.late = true;
            job.late = Some((name.to_owned(), data.to_owned()));
            return None;
        }
        lease.ended = Some(End::Completed);
        let (at, stage) = (lease.job, lease.stage);
        let expected = format!("out {} {stage}", at + 1);
        assert!(data.starts_with(&expected), "{expected:?} got {data:?}");
        let job = &mut self.jobs[at];
        job.late = None;
        match job.holder.take() {
            Some(holder) => {
                self.live.remove(&holder);
            }
            None => {
                self.queue.remove(&(stage, job.place, at));
            }
        }
        *job.taken.entry(stage).or_default() += 1;
        let next = self.stages.iter().position(|s| *s == stage).map(|i| i + 1);
        job.stage = next.and_then(|next| self.stages.get(next)).copied();
        if let Some(next) = job.stage {
            job.inputs.insert(next, data.to_owned());
            self.places += 1;
            job.place = self.places;
            self.queue.insert((next, job.place, at));
        } else {
            self.closed += 1;
        }
        None
    }

    pub(super) fn flag(&mut self, name: &str) {
        let at = self.leases[name].job;
        self.put_back(name, End::Flagged, true);
        self.jobs[at].flags += 1;
    }

    pub(super) fn granted(&self, name: &str) -> Granted {
        let lease = &self.leases[name];
        Granted {
            number: lease.job as u64 + 1,
            data: self.jobs[lease.job].inputs.get(&lease.stage).cloned(),
            lease: name.to_owned(),
            lease_s: (self.lease_ms / 1000.0) as u32,
            attempt: lease.attempt,
        }
    }

    pub(super) fn keep(&mut self, now: f64, name: &str, token: &str) -> bool {
        let lease_ms = self.lease_ms;
        let Some(lease) = self.leases.get_mut(name) else {
            return false;
        };
        let job = &mut self.jobs[lease.job];
        if lease.ended.is_some() {
            let waits = job.holder.is_none()
                && job.stage == Some(lease.stage)
                && job.round == lease.round
                && lease.ended == Some(End::Expired);
            if !waits {
                return false;
            }
            lease.ended = None;
            self.live.insert(name.to_owned());
            self.queue.remove(&(lease.stage, job.place, lease.job));
            job.holder = Some(name.to_owned());
        }
        lease.token = token.to_owned();
        lease.until = now + lease_ms;
        true
    }
}
