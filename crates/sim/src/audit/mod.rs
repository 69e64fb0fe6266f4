//! What must hold of the tracker's tables. They are read by SQL of its own, and not by the code that wrote them.

mod counters;
mod rows;
mod set_aside;
mod strangers;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use self::rows::{Lease, row_of};
use crate::tables::Tables;

pub use self::rows::{Avoiders, StageRow, WorkerRow};
pub use self::strangers::Before;

/// It looks at the tables by a connection of its own.
pub struct Audit {
    pub tables: Tables,
    /// What the database calls the tables as they were seen last.
    seen: Option<i64>,
    /// What was pruned: leases by stage and outcome, results by nickname.
    pruned: BTreeMap<(usize, String), i64>,
    pruned_by: BTreeMap<String, i64>,
    pruned_jobs: BTreeSet<i64>,
    set_aside: BTreeSet<i64>,
    /// What strangers have handed in, right or wrong, and the jobs and stages that they were given.
    junk: BTreeSet<String>,
    given: BTreeSet<(i64, usize)>,
}

/// What the simulation needs to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    pub open: [usize; 5],
    /// Jobs that are neither closed nor set aside.
    pub unfinished: usize,
}

impl Audit {
    pub fn new(tables: Tables) -> Self {
        Self {
            tables,
            seen: None,
            pruned: BTreeMap::new(),
            pruned_by: BTreeMap::new(),
            pruned_jobs: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            junk: BTreeSet::new(),
            given: BTreeSet::new(),
        }
    }

    /// Whether anything was written since the last call.
    pub fn is_news(&mut self) -> bool {
        let version = self.tables.version();
        let news = version.is_none() || version != self.seen;
        self.seen = version;
        news
    }

    /// Checks what must hold after every step; with `all`, also what takes long to count.
    pub fn look(&self, now: f64, stages: usize, all: bool) -> Look {
        let jobs = self.jobs();
        let mut holds: BTreeMap<i64, Lease> = BTreeMap::new();
        for lease in self.leases(
            "select id, number, stage, round, nickname, outcome from leases \
             where ended_at is null",
        ) {
            let (id, number) = (lease.id, lease.number);
            if let Some(other) = holds.insert(number, lease) {
                panic!(
                    "job {number} is held under two leases, {} and {id}",
                    other.id
                );
            }
        }
        let mut counts: BTreeMap<(usize, &str), i64> = BTreeMap::new();
        let mut done = [0; 5];
        for job in &jobs {
            *counts.entry((job.stage, job.state.as_str())).or_default() += 1;
            let held = holds.remove(&job.number);
            match (job.state.as_str(), held) {
                ("held", Some(lease)) => {
                    let agrees = job.lease == Some(lease.id)
                        && (lease.stage, lease.round) == (job.stage, job.round);
                    assert!(agrees, "{job:?} is held by {lease:?}");
                }
                ("held", None) => panic!("{job:?} is held by nobody"),
                (_, Some(lease)) => panic!("{job:?} is not held, says {lease:?}"),
                _ => assert!(job.lease.is_none(), "{job:?} has a lease"),
            }
            let reason = job.reason.as_ref().is_some_and(|reason| !reason.is_empty());
            assert_eq!(reason, job.state == "aside", "{job:?} and its reason");
            let closed = job.state == "closed";
            assert!(
                !closed || job.stage + 1 == stages,
                "{job:?} is closed too early"
            );
            for done in &mut done[..job.stage + usize::from(closed)] {
                *done += 1;
            }
        }
        assert!(holds.is_empty(), "leases of no job: {holds:?}");
        let count = |stage, state| counts.get(&(stage, state)).copied().unwrap_or(0);
        let mut look = Look::default();
        let rows = self.all(
            "select stage, open, held, done, aside from stage_counters order by stage",
            row_of::<5>,
        );
        for [stage, counted @ ..] in rows {
            let at = stage as usize;
            let really = [
                count(at, "open"),
                count(at, "held"),
                done[at],
                count(at, "aside"),
            ];
            assert_eq!(
                counted, really,
                "the counters of stage {stage} (open, held, done, aside) and what is there"
            );
            look.open[at] = really[0] as usize;
        }
        let closed: i64 = (0..5).map(|stage| count(stage, "closed")).sum();
        assert_eq!(self.one("select closed from totals"), closed, "closed jobs");
        assert_eq!(
            self.one("select jobs from totals"),
            jobs.len() as i64,
            "all jobs"
        );
        let aside: i64 = (0..5).map(|stage| count(stage, "aside")).sum();
        look.unfinished = jobs.len() - (closed + aside) as usize;
        if all {
            self.recount(now, &jobs);
        }
        look
    }
}
