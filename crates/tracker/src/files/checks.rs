//! Checks of uploads, which go on while nobody waits for them. A call that finishes an upload waits
//! for a while, and finds the same check again when it is repeated. The checks of a lease run one after
//! the other, so that no lease holds up those of others.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, sync::watch, time};

use super::{FileError, objects::Progress};

/// How many files are read at once; others wait.
const AT_ONCE: usize = 4;

/// How many checks may run and wait, of all leases and of one.
const MOST: usize = 4_096;
const MOST_OF_LEASE: usize = 64;

type Outcome = Result<(), FileError>;

/// The checks that run or wait.
pub(super) struct Checks {
    running: Arc<Mutex<ByName>>,
    turns: Arc<Semaphore>,
}

/// What is checked: the lease that it belongs to, and the upload and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// 0: the owner's, whose uploads have turns of their own each.
    pub(super) lease: i64,
    pub(super) upload: String,
}

#[derive(Default)]
struct ByName {
    all: HashMap<Name, Running>,
    /// The turns of a lease, and how many of its checks run or wait.
    leases: HashMap<i64, (Arc<Semaphore>, usize)>,
}

#[derive(Clone)]
struct Running {
    progress: Arc<Progress>,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl ByName {
    /// Counts another check of a lease, and returns the turns of that lease.
    fn enter(&mut self, name: &Name) -> Option<Arc<Semaphore>> {
        if self.all.len() >= MOST {
            return None;
        }
        if name.lease == 0 {
            return Some(Arc::new(Semaphore::new(1)));
        }
        let of_lease = self.leases.entry(name.lease);
        let (turns, count) = of_lease.or_insert_with(|| (Arc::new(Semaphore::new(1)), 0));
        if *count >= MOST_OF_LEASE {
            return None;
        }
        *count += 1;
        Some(Arc::clone(turns))
    }

    fn leave(&mut self, name: &Name) {
        self.all.remove(name);
        if let Some((_, count)) = self.leases.get_mut(&name.lease) {
            *count -= 1;
            if *count == 0 {
                self.leases.remove(&name.lease);
            }
        }
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            running: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

fn lock(of: &Mutex<ByName>) -> MutexGuard<'_, ByName> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Checks {
    /// Waits for the check with this name, which `work` does if it does not run yet. Returns its
    /// outcome, or the number of bytes that were read if it takes longer than `patience`.
    pub(super) async fn wait<W, F>(
        &self,
        name: Name,
        patience: Duration,
        work: W,
    ) -> Result<Outcome, u64>
    where
        W: FnOnce(Arc<Progress>) -> F,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let running = {
            let mut running = lock(&self.running);
            if let Some(running) = running.all.get(&name) {
                running.clone()
            } else {
                let Some(turn) = running.enter(&name) else {
                    return Ok(Err(FileError::Busy));
                };
                let progress = Arc::<Progress>::default();
                let work = work(Arc::clone(&progress));
                let begun = self.start(name.clone(), turn, progress, work);
                running.all.insert(name, begun.clone());
                begun
            }
        };
        let Running {
            progress,
            mut outcome,
        } = running;
        let ended = time::timeout(patience, outcome.wait_for(Option::is_some)).await;
        let ended = ended.map(|ended| match ended {
            Ok(outcome) => outcome.clone().unwrap_or(Err(FileError::Busy)),
            Err(_) => Err(FileError::Busy),
        });
        match ended {
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(progress.bytes()),
        }
    }

    fn start(
        &self,
        name: Name,
        of_lease: Arc<Semaphore>,
        progress: Arc<Progress>,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Running {
        let (sender, outcome) = watch::channel(None);
        let (turns, running) = (Arc::clone(&self.turns), Arc::clone(&self.running));
        tokio::spawn(async move {
            let own_turn = of_lease.acquire().await;
            let turn = turns.acquire().await;
            let ended = work.await;
            drop((turn, own_turn));
            // A repetition after this finds what the check has recorded.
            lock(&running).leave(&name);
            sender.send_replace(Some(ended));
        });
        Running { progress, outcome }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn named(lease: i64, upload: &str) -> Name {
        Name {
            lease,
            upload: upload.to_owned(),
        }
    }

    /// Waits 15 s for a check that takes 10 s.
    async fn slow(checks: &Checks, lease: i64, upload: &str) -> Result<Outcome, u64> {
        let patience = Duration::from_secs(15);
        let work = checks.wait(named(lease, upload), patience, |_| async {
            time::sleep(Duration::from_secs(10)).await;
            Ok(())
        });
        work.await
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_takes_long_goes_on_and_is_found_again() {
        let checks = Checks::default();
        let times = Arc::new(AtomicU32::new(0));
        let ask = || {
            let times = Arc::clone(&times);
            checks.wait(
                named(1, "x"),
                Duration::from_secs(10),
                move |progress| async move {
                    times.fetch_add(1, Ordering::SeqCst);
                    progress.add(7);
                    time::sleep(Duration::from_secs(25)).await;
                    Ok(())
                },
            )
        };
        assert!(matches!(ask().await, Err(7)));
        assert!(matches!(ask().await, Err(7)));
        assert!(matches!(ask().await, Ok(Ok(()))));
        assert_eq!(times.load(Ordering::SeqCst), 1);
        let running = lock(&checks.running);
        assert!(running.all.is_empty() && running.leases.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_is_done_again_and_few_run_at_once() {
        let checks = Checks::default();
        let fail = || {
            let patience = Duration::from_secs(60);
            checks.wait(named(1, "x"), patience, |_| async {
                Err(FileError::WrongHash)
            })
        };
        assert!(matches!(fail().await, Ok(Err(FileError::WrongHash))));
        let again = checks.wait(named(1, "x"), Duration::from_secs(60), |_| async { Ok(()) });
        assert!(matches!(again.await, Ok(Ok(()))));
        let all = join_all((1..=8).map(|lease| slow(&checks, lease, "x"))).await;
        let ended = all.iter().filter(|one| one.is_ok()).count();
        assert_eq!(ended, AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_holds_up_no_other_one() {
        let checks = Checks::default();
        let uploads: Vec<String> = (0..=MOST_OF_LEASE).map(|at| at.to_string()).collect();
        let many = join_all(uploads.iter().map(|upload| slow(&checks, 1, upload)));
        let (many, other) = tokio::join!(many, slow(&checks, 2, "x"));
        assert!(matches!(other, Ok(Ok(()))));
        // One has ended, one is too many, and the others wait.
        let ended = many.iter().filter(|one| matches!(one, Ok(Ok(())))).count();
        let busy = |one: &&Result<Outcome, u64>| matches!(one, Ok(Err(FileError::Busy)));
        assert_eq!((ended, many.iter().filter(busy).count()), (1, 1));
    }
}
