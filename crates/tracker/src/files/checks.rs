//! Checks of uploads, which go on while nobody waits for them. A call that finishes an upload waits
//! for a while, and finds the same check again when it is repeated.

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

/// How many checks may run and wait, and how many outcomes are kept.
const MOST: usize = 4_096;

/// How long the outcome of a check is kept for the repetition of its call.
const KEPT: Duration = Duration::from_secs(60);

type Outcome = Result<(), FileError>;

/// The checks that run, and those that have ended within the last minute, by upload and hash.
pub(super) struct Checks {
    by_name: Arc<Mutex<HashMap<String, Running>>>,
    turns: Arc<Semaphore>,
}

#[derive(Clone)]
struct Running {
    progress: Arc<Progress>,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            by_name: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

fn lock(of: &Mutex<HashMap<String, Running>>) -> MutexGuard<'_, HashMap<String, Running>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Checks {
    /// Waits for the check with this name, which `work` does if it does not run yet. Returns its
    /// outcome, or the number of bytes that were read if it takes longer than `patience`.
    pub(super) async fn wait<W, F>(
        &self,
        name: String,
        patience: Duration,
        work: W,
    ) -> Result<Outcome, u64>
    where
        W: FnOnce(Arc<Progress>) -> F,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let running = {
            let mut checks = lock(&self.by_name);
            match checks.get(&name) {
                Some(running) => running.clone(),
                None if checks.len() >= MOST => return Ok(Err(FileError::Busy)),
                None => {
                    let progress = Arc::<Progress>::default();
                    let running = self.start(name.clone(), &progress, work(Arc::clone(&progress)));
                    checks.insert(name.clone(), running.clone());
                    running
                }
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
            Ok(outcome) => {
                // Only a success is told again, to a repetition that crosses its answer.
                if outcome.is_err() {
                    lock(&self.by_name).remove(&name);
                }
                Ok(outcome)
            }
            Err(_) => Err(progress.bytes()),
        }
    }

    fn start(
        &self,
        name: String,
        progress: &Arc<Progress>,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Running {
        let (sender, outcome) = watch::channel(None);
        let (turns, by_name) = (Arc::clone(&self.turns), Arc::clone(&self.by_name));
        tokio::spawn(async move {
            let turn = turns.acquire().await;
            let ended = work.await;
            drop(turn);
            sender.send_replace(Some(ended));
            time::sleep(KEPT).await;
            lock(&by_name).remove(&name);
        });
        Running {
            progress: Arc::clone(progress),
            outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_takes_long_goes_on_and_is_found_again() {
        let checks = Checks::default();
        let times = Arc::new(AtomicU32::new(0));
        let ask = || {
            let times = Arc::clone(&times);
            checks.wait(
                "x".to_owned(),
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
        assert!(matches!(ask().await, Ok(Ok(()))));
        assert_eq!(times.load(Ordering::SeqCst), 1);
        time::sleep(KEPT * 2).await;
        assert!(lock(&checks.by_name).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_is_done_again_and_few_run_at_once() {
        let checks = Checks::default();
        let fail = || {
            let name = "x".to_owned();
            checks.wait(name, KEPT, |_| async { Err(FileError::WrongHash) })
        };
        assert!(matches!(fail().await, Ok(Err(FileError::WrongHash))));
        let again = checks.wait("x".to_owned(), KEPT, |_| async { Ok(()) });
        assert!(matches!(again.await, Ok(Ok(()))));
        let slow = |name: usize| {
            checks.wait(name.to_string(), Duration::from_secs(15), |_| async {
                time::sleep(Duration::from_secs(10)).await;
                Ok(())
            })
        };
        let all = futures_util::future::join_all((0..2 * AT_ONCE).map(slow)).await;
        let ended = all.iter().filter(|one| one.is_ok()).count();
        assert_eq!(ended, AT_ONCE);
    }
}
