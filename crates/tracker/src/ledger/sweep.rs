//! What nobody asks for but the clock and the operator: workers that fell silent, leases that no
//! sync held, jobs that are to be worked on again.

use super::{
    books::Books,
    operation::{Reply, Requeued},
    rows::End,
};

impl Books {
    /// Forgets the workers that were read as idle; that they never came back counts on their jobs.
    pub(super) fn drop_idle(&mut self) -> Reply {
        let idle = std::mem::take(&mut self.idle);
        let mut dropped = 0;
        for worker in idle {
            // An operation before this one in the group may have heard from it.
            let since = self.workers.get(&worker).map(|worker| worker.last_seen);
            if since.is_none_or(|since| since >= self.now) {
                continue;
            }
            for lease in self.held(worker) {
                self.fail(lease, End::Idle, "The worker was not heard from any more.");
            }
            self.forget_worker(worker);
            dropped += 1;
        }
        Reply::Count(dropped)
    }

    /// Ends the leases of workers that were read as not syncing any more.
    pub(super) fn end_leases(&mut self) -> Reply {
        let lapsed = std::mem::take(&mut self.lapsed);
        let mut ended = 0;
        for worker in lapsed {
            let since = self
                .workers
                .get(&worker)
                .and_then(|worker| worker.synced_at);
            if since.is_none_or(|since| since >= self.now) {
                continue;
            }
            for lease in self.held(worker) {
                self.fail(lease, End::Lapsed, "The lease ended without a word.");
            }
            self.with_worker(worker, |worker| worker.synced_at = None);
            ended += 1;
        }
        Reply::Count(ended)
    }

    pub(super) fn requeue(&mut self, list: &[Requeued]) -> Reply {
        let done = list.iter().filter(|one| match one.lease {
            None => self.reopen(one.number),
            Some(lease) => self.undo(one.number, lease),
        });
        Reply::Count(done.count() as u64)
    }
}
