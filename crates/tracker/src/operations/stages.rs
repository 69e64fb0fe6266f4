//! What becomes of jobs when a stage is added after the last one, or taken away: finished jobs go on
//! at the added stage, and jobs that wait at one that was taken away are finished with the results that
//! they have. A tracker does neither by itself.

use std::collections::HashMap;

use distcompute_protocol::Stage;

use super::turns::Turns;
use crate::store::{
    Action, Candidate, LatestResult, REQUEUED_AT_ONCE, RequeueFilter, State, Store, StoreError,
};

/// What to do with jobs whose latest result is the one before a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Those that are closed go on at the stage.
    Reopen,
    /// Those that wait at the stage are closed.
    Close,
}

/// How many jobs were changed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// How many jobs.
    pub jobs: u64,
    /// How many cannot be, because they were pruned: their results are gone.
    pub pruned: u64,
}

impl Change {
    /// The name of the action in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reopen => "reopen",
            Self::Close => "close",
        }
    }

    /// Whether this changes a job.
    fn concerns(self, job: &Candidate, stage: Stage, before: Stage) -> bool {
        match self {
            Self::Reopen => job.state == State::Closed && job.stage == before,
            Self::Close => job.state != State::Closed && job.stage == stage,
        }
    }
}

/// Changes the jobs, some at a time, and logs the action; a dry run only counts them. `before` is
/// the stage before `stage`.
///
/// # Errors
/// Returns an error if the database fails; jobs that were changed before that stay changed.
pub async fn change(
    store: &dyn Store,
    change: Change,
    (before, stage): (Stage, Stage),
    log: Option<(&str, Turns)>,
) -> Result<Changed, StoreError> {
    let note = async |detail: String| match log {
        Some((who, _)) => {
            let who = who.to_owned();
            let action = change.name();
            let action = Action {
                who,
                action,
                detail,
            };
            store.note_action(&action).await
        }
        None => Ok(()),
    };
    note(match change {
        Change::Reopen => {
            format!("jobs that were finished at stage {before} go on at stage {stage}")
        }
        Change::Close => format!("jobs that wait at stage {stage} are finished at stage {before}"),
    })
    .await?;
    let all = RequeueFilter::default();
    let mut changed = Changed::default();
    for part in store.parts(&all).await? {
        let mut jobs = store.candidates(&all, &part).await?;
        jobs.retain(|job| change.concerns(job, stage, before));
        let results = jobs.iter().map(|job| (job.number, before)).collect();
        let leases = store.result_leases(results).await?;
        changed.pruned += (jobs.len() - leases.len()) as u64;
        let leases: HashMap<i64, i64> = leases.iter().map(|one| (one.number, one.lease)).collect();
        let latest = jobs.iter().filter_map(|job| {
            Some(LatestResult {
                number: job.number,
                round: job.round,
                lease: *leases.get(&job.number)?,
            })
        });
        let latest: Vec<LatestResult> = latest.collect();
        let Some((_, turns)) = log else {
            changed.jobs += latest.len() as u64;
            continue;
        };
        for jobs in latest.chunks(REQUEUED_AT_ONCE) {
            let jobs = jobs.to_vec();
            let done = async {
                match change {
                    Change::Reopen => store.reopen_jobs(jobs).await,
                    Change::Close => store.close_jobs(jobs).await,
                }
            };
            changed.jobs += turns.after(done).await?;
        }
    }
    let count = changed.jobs;
    note(match change {
        Change::Reopen => format!("{count} jobs go on"),
        Change::Close => format!("{count} jobs were finished"),
    })
    .await?;
    Ok(changed)
}
