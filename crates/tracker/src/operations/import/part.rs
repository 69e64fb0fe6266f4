//! The parts of an import: a digest identifies the whole list, so that an interrupted import can
//! add the jobs that are missing.

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::read::Fault;
use crate::store::{Added, ImportPart, Store, StoreError};

/// The number of jobs in a part. Each part is one transaction; a running tracker waits for it, so
/// it is short.
const PART_JOBS: usize = 5_000;
const PART_BYTES: usize = 1 << 20;

/// Counts and hashes a list of jobs.
#[derive(Default)]
pub(crate) struct Tally {
    jobs: u64,
    texts: Sha256,
}

impl Tally {
    pub(crate) fn count(&mut self, job: &str) {
        self.jobs += 1;
        // The length is included so that no two lists hash the same bytes.
        self.texts.update((job.len() as u64).to_le_bytes());
        self.texts.update(job);
    }

    pub(crate) fn finish(self) -> Checked {
        let digest = self.texts.finalize();
        Checked {
            jobs: self.jobs,
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// A list of jobs that was checked in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The number of jobs.
    pub jobs: u64,
    /// A hash of their texts in order.
    pub digest: String,
}

/// Collects jobs into parts and sends each with the number of jobs before it.
pub(crate) struct Parts {
    sender: mpsc::Sender<(u64, Vec<String>)>,
    jobs: Vec<String>,
    bytes: usize,
    /// How many jobs were sent, or existed before.
    before: u64,
    /// How many existing jobs have yet to be skipped.
    there: u64,
}

impl Parts {
    /// Skips the first `there` jobs, which exist already.
    pub(crate) fn new(sender: mpsc::Sender<(u64, Vec<String>)>, there: u64) -> Self {
        Self {
            sender,
            jobs: Vec::new(),
            bytes: 0,
            before: there,
            there,
        }
    }

    pub(crate) fn push(&mut self, job: String) -> Result<(), Fault> {
        if self.there > 0 {
            self.there -= 1;
            return Ok(());
        }
        self.bytes += job.len();
        self.jobs.push(job);
        if self.jobs.len() >= PART_JOBS || self.bytes >= PART_BYTES {
            self.send()?;
        }
        Ok(())
    }

    pub(crate) fn send(&mut self) -> Result<(), Fault> {
        self.bytes = 0;
        let jobs = std::mem::take(&mut self.jobs);
        let before = self.before;
        self.before += jobs.len() as u64;
        self.sender
            .blocking_send((before, jobs))
            .map_err(|_| Fault::Stopped)
    }
}

/// Adds a part of an import, unless it was added before.
pub(crate) async fn add(
    store: &dyn Store,
    import: i64,
    (before, jobs): &(u64, Vec<String>),
) -> Result<Option<Added>, StoreError> {
    let before = *before;
    store.add_part(ImportPart { import, before }, jobs).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_the_same_only_in_the_same_order_and_divided_alike() {
        let of = |jobs: &[&str]| {
            let mut tally = Tally::default();
            jobs.iter().for_each(|job| tally.count(job));
            tally.finish()
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_eq!(of(&["a", "b"]).digest.len(), 64);
        for other in [&["b", "a"][..], &["ab"], &["", "ab"], &["a", "b", ""], &[]] {
            assert_ne!(of(&["a", "b"]), of(other), "{other:?}");
        }
    }

    #[tokio::test]
    async fn jobs_that_are_there_are_passed_over() {
        let (sender, mut parts) = mpsc::channel(4);
        let reading = tokio::task::spawn_blocking(move || {
            let mut parts = Parts::new(sender, 7_000);
            for job in 0..13_000 {
                parts.push(job.to_string()).expect("taken");
            }
            parts.send().expect("taken");
        });
        let mut found = Vec::new();
        while let Some((before, jobs)) = parts.recv().await {
            assert_eq!(jobs[0], before.to_string());
            found.push((before, jobs.len()));
        }
        reading.await.expect("an end");
        assert_eq!(found, [(7_000, 5_000), (12_000, 1_000)]);
    }
}
