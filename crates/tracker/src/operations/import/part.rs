//! The jobs of an import in parts: which jobs they are as a whole, and which of them are still
//! missing where the import was broken off before.

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::read::Fault;
use crate::store::{Added, ImportPart, Store, StoreError};

/// A part is one transaction. A running tracker waits for it, so it is short.
const PART_JOBS: usize = 5_000;
const PART_BYTES: usize = 1 << 20;

/// What jobs are as a whole: how many, and a hash of their texts in their order.
#[derive(Default)]
pub(crate) struct Tally {
    jobs: u64,
    texts: Sha256,
}

impl Tally {
    pub(crate) fn count(&mut self, job: &str) {
        self.jobs += 1;
        // With its length, so that no two lists of texts have the same bytes.
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

/// Jobs that were all checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How many.
    pub jobs: u64,
    /// Which, in their order.
    pub digest: String,
}

/// Jobs on their way to the database, in parts with the number of jobs before each.
pub(crate) struct Parts {
    sender: mpsc::Sender<(u64, Vec<String>)>,
    jobs: Vec<String>,
    bytes: usize,
    /// Jobs that were handed on, or that were there before.
    before: u64,
    /// Jobs that are there and still to be passed over.
    there: u64,
}

impl Parts {
    /// Passes over the first jobs, which are `there`.
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

/// Adds a part of an import, if it is not there.
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
