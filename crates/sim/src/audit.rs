//! What must hold of a tracker's books, counted in its tables by nobody who has written them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rusqlite::{Connection, Params, Row};

use crate::world::{BAD, GOOD};

/// A connection of its own, which also keeps a database in memory from going away.
pub struct Audit {
    on: Connection,
    /// What pruning has taken away: leases by stage and outcome, results by nickname.
    pruned: BTreeMap<(usize, String), i64>,
    pruned_by: BTreeMap<String, i64>,
    pruned_jobs: BTreeSet<i64>,
}

/// What the world wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    pub open: [usize; 5],
    pub finished: bool,
}

#[derive(Debug)]
struct Job {
    number: i64,
    stage: usize,
    state: String,
    round: i64,
    lease: Option<i64>,
    reason: Option<String>,
}

#[derive(Debug, Clone)]
struct Lease {
    id: i64,
    number: i64,
    stage: usize,
    round: i64,
    nickname: String,
    outcome: Option<String>,
}

impl Audit {
    pub fn open(path: &Path) -> Self {
        Self {
            on: Connection::open(path).expect("a database"),
            pruned: BTreeMap::new(),
            pruned_by: BTreeMap::new(),
            pruned_jobs: BTreeSet::new(),
        }
    }

    fn all<T>(
        &self,
        statement: &'static str,
        with: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let mut statement = self.on.prepare_cached(statement).expect("a statement");
        let rows = statement.query_map(with, read).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn one(&self, statement: &'static str) -> i64 {
        self.all(statement, (), |row| row.get(0))[0]
    }

    fn jobs(&self) -> Vec<Job> {
        self.all(
            "select number, stage, state, round, lease, reason from jobs order by number",
            (),
            |row| {
                Ok(Job {
                    number: row.get(0)?,
                    stage: row.get::<_, u32>(1)? as usize,
                    state: row.get(2)?,
                    round: row.get(3)?,
                    lease: row.get(4)?,
                    reason: row.get(5)?,
                })
            },
        )
    }

    fn leases(&self, statement: &'static str) -> Vec<Lease> {
        self.all(statement, (), |row| {
            Ok(Lease {
                id: row.get(0)?,
                number: row.get(1)?,
                stage: row.get::<_, u32>(2)? as usize,
                round: row.get(3)?,
                nickname: row.get(4)?,
                outcome: row.get(5)?,
            })
        })
    }

    /// What must hold after every step; `all`: also what takes long to count.
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
            (),
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
        look.finished = closed + aside == jobs.len() as i64;
        if all {
            self.recount(now, &jobs);
        }
        look
    }

    fn recount(&self, now: f64, jobs: &[Job]) {
        let leases = self.leases("select id, number, stage, round, nickname, outcome from leases");
        let mut results: BTreeSet<(i64, usize, i64)> = BTreeSet::new();
        let mut made: BTreeSet<(i64, usize)> = BTreeSet::new();
        let mut outcomes = self.pruned.clone();
        let mut credits = self.pruned_by.clone();
        for lease in &leases {
            let outcome = lease.outcome.clone().unwrap_or_default();
            if outcome == "completed" {
                let new = results.insert((lease.number, lease.stage, lease.round));
                assert!(new, "{lease:?}: the same output is in the books twice");
                made.insert((lease.number, lease.stage));
                *credits.entry(lease.nickname.clone()).or_default() += 1;
            }
            *outcomes.entry((lease.stage, outcome)).or_default() += 1;
        }
        for job in jobs
            .iter()
            .filter(|job| !self.pruned_jobs.contains(&job.number))
        {
            let done = job.stage + usize::from(job.state == "closed");
            for stage in 0..done {
                assert!(
                    made.contains(&(job.number, stage)),
                    "{job:?}: nobody made {stage}"
                );
            }
        }
        let rows = self.all(
            "select stage, granted, accepted, lapsed, failed, workers from stage_counters",
            (),
            row_of::<6>,
        );
        for row in rows {
            let at = row[0] as usize;
            let of = |words: &[&str]| {
                let of = outcomes.iter().filter(|((stage, word), _)| {
                    *stage == at && (words.is_empty() || words.contains(&word.as_str()))
                });
                of.map(|(_, count)| count).sum::<i64>()
            };
            let accepted = of(&["completed"]);
            let really = [of(&[]), accepted, of(&["lapsed", "idle"]), of(&["failed"])];
            // A lease that ended and was taken up again has ended twice.
            let [granted, taken, lapsed, failed] = [row[1], row[2], row[3], row[4]];
            assert_eq!(
                [granted, taken, failed],
                [really[0], really[1], really[3]],
                "granted, accepted and failed at stage {at} since the beginning"
            );
            assert!(
                lapsed >= really[2],
                "{lapsed} lapsed at stage {at}: {}",
                really[2]
            );
            let throughput = self.all(
                "select coalesce(sum(done), 0) from throughput where stage = ?",
                [row[0]],
                |row| row.get::<_, i64>(0),
            )[0];
            assert!(
                throughput <= accepted,
                "what was made at stage {at} by the minute"
            );
            let workers = self.all(
                "select count(*) from workers where stage = ?",
                [row[0]],
                |row| row.get::<_, i64>(0),
            )[0];
            assert_eq!(row[5], workers, "workers of stage {at}");
        }
        let ranks: BTreeMap<String, i64> = self
            .all("select nickname, completed from leaderboard", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .into_iter()
            .collect();
        assert_eq!(ranks, credits, "the leaderboard and what was made");
        self.texts(jobs);
        for (what, least) in [
            (
                "position",
                "select max(last_position, 0) - coalesce((select max(position) from jobs), 0) from totals",
            ),
            (
                "cursor",
                "select last_cursor - coalesce((select max(cursor) from inputs), 0) from totals",
            ),
            (
                "lease",
                "select last_lease - coalesce((select max(id) from leases), 0) from totals",
            ),
            (
                "worker",
                "select last_worker - coalesce((select max(id) from workers), 0) from totals",
            ),
        ] {
            assert!(self.one(least) >= 0, "the last {what} at {now}");
        }
    }

    /// Every stage that a job has come through has left its text, and no other.
    fn texts(&self, jobs: &[Job]) {
        let texts: BTreeMap<(i64, usize), String> = self
            .all("select number, stage, data from inputs", (), |row| {
                Ok(((row.get(0)?, row.get::<_, u32>(1)? as usize), row.get(2)?))
            })
            .into_iter()
            .collect();
        let mut seen = 0;
        for job in jobs
            .iter()
            .filter(|job| !self.pruned_jobs.contains(&job.number))
        {
            let last = job.stage + usize::from(job.state == "closed");
            for stage in 0..=last {
                let text = texts.get(&(job.number, stage));
                let text = text.unwrap_or_else(|| panic!("{job:?} lacks its text {stage}"));
                let number = job.number;
                let right = if stage == 0 {
                    *text == format!("in {number}")
                } else {
                    let letter = char::from(b'a' + stage as u8 - 1);
                    [GOOD, BAD].iter().any(|kind| {
                        let name = format!("{kind} {number} {letter}");
                        text.strip_prefix(&name)
                            .is_some_and(|rest| rest.trim_matches('x').is_empty())
                    })
                };
                assert!(right, "text {stage} of {job:?} is {text:?}");
                seen += 1;
            }
        }
        assert_eq!(seen, texts.len(), "texts of no stage that was done");
    }

    /// A result that was answered as accepted is in the books.
    pub fn assert_taken(&self, lease: &str) {
        let id: i64 = lease
            .split('-')
            .next()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let found = self.all(
            "select outcome, number from leases where id = ?",
            [id],
            |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?)),
        );
        match &found[..] {
            [(Some(outcome), _)] if outcome == "completed" => {}
            [] if self.pruned.values().sum::<i64>() > 0 => {}
            other => panic!("lease {id} was accepted, and the books say {other:?}"),
        }
    }

    /// The last sync of a worker.
    pub fn last_seq(&self, token: &str) -> Option<i64> {
        let seq = self.all("select seq from workers where token = ?", [token], |row| {
            row.get(0)
        });
        seq.into_iter().next().filter(|seq| *seq >= 0)
    }

    /// The leases that a worker holds.
    pub fn held_by(&self, token: &str) -> BTreeSet<i64> {
        self.all(
            "select l.id from leases l join workers w on w.id = l.worker \
             where w.token = ? and l.ended_at is null",
            [token],
            |row| row.get(0),
        )
        .into_iter()
        .collect()
    }
}

fn row_of<const N: usize>(row: &Row<'_>) -> rusqlite::Result<[i64; N]> {
    let mut values = [0; N];
    for (at, value) in values.iter_mut().enumerate() {
        *value = row.get(at)?;
    }
    Ok(values)
}
