//! What the owner of the project does: import, requeue, and resume stages that were paused.

use std::sync::Arc;

use distcompute_tracker::store::{RequeueFilter, Store};

use super::Trackers;

impl Trackers {
    fn anybody(&self) -> Option<Arc<dyn Store>> {
        let process = self.processes.iter().flatten().next()?;
        Some(Arc::clone(&process.store))
    }

    pub fn import(&mut self, count: usize) {
        let inputs: Vec<String> = (1..=count)
            .map(|n| format!("in {}", self.jobs + n))
            .collect();
        if let Some(store) = self.anybody()
            && self.runtime.block_on(store.add_jobs(&inputs)).is_ok()
        {
            self.jobs += count;
        }
        self.look();
    }

    pub fn requeue(&mut self, filter: &RequeueFilter) {
        if let Some(store) = self.anybody() {
            let done = self.runtime.block_on(store.requeue(filter));
            let now = self.now;
            self.trace.tell(now, || format!("requeued: {done:?}"));
        }
        self.remove_dead();
        self.look();
    }

    /// Resumes all stages.
    pub(super) fn resume(&mut self) {
        let now = self.now;
        let Some(store) = self.anybody() else {
            self.resumes = now + 60_000.0;
            return;
        };
        let done = self.runtime.block_on(store.resume(self.rules.enabled()));
        self.trace.tell(now, || format!("resumed: {done:?}"));
        self.resumes = if done.is_ok() {
            f64::INFINITY
        } else {
            now + 60_000.0
        };
        for before in &mut self.before {
            before.since = before.failures;
        }
        self.remove_dead();
    }
}
