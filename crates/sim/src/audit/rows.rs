//! Reading the tables: rows as the audit and the simulation need them.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_tracker::rules::allowance::Allowance;

use super::Audit;
use crate::{
    browser::BAD,
    tables::{Columns, Of},
};

/// What the tables have of a stage.
#[derive(Debug, Clone, Copy)]
pub struct StageRow {
    pub accepted: i64,
    /// Leases that ended without one.
    pub failures: i64,
    pub paused: bool,
}

/// What they have of a worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkerRow {
    pub trouble: i64,
    pub rest_until: i64,
    pub held: usize,
    pub allowance: Allowance,
}

/// The volunteers that have failed at an open job, or flagged it.
#[derive(Debug, Default)]
pub struct Avoiders {
    /// Not to be given it while others are there.
    pub failed: BTreeSet<String>,
    /// Those who called its input bad.
    pub flagged: BTreeSet<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Job {
    pub(super) number: i64,
    pub(super) stage: usize,
    pub(super) state: String,
    pub(super) round: i64,
    pub(super) lease: Option<i64>,
    pub(super) reason: Option<String>,
    /// The lease whose result is kept until the one that holds the job ends.
    pub(super) late: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) id: i64,
    pub(super) number: i64,
    pub(super) stage: usize,
    pub(super) round: i64,
    pub(super) nickname: String,
    pub(super) outcome: Option<String>,
}

impl Audit {
    pub(super) fn all<T>(
        &self,
        statement: &'static str,
        read: impl FnMut(&dyn Columns) -> T,
    ) -> Vec<T> {
        self.tables.all(statement, Of::All, read)
    }

    pub(super) fn one(&self, statement: &'static str) -> i64 {
        self.all(statement, |row| row.number(0))[0]
    }

    pub(super) fn of(&self, statement: &'static str, id: i64) -> i64 {
        self.tables.all(statement, Of::Id(id), |row| row.number(0))[0]
    }

    pub(super) fn jobs(&self) -> Vec<Job> {
        self.all(
            "select number, stage, state, round, lease, reason, late from jobs order by number",
            |row| Job {
                number: row.number(0),
                stage: row.number(1) as usize,
                state: row.word(2),
                round: row.number(3),
                lease: row.int(4),
                reason: row.text(5),
                late: row.int(6),
            },
        )
    }

    pub(super) fn leases(&self, statement: &'static str) -> Vec<Lease> {
        self.all(statement, |row| Lease {
            id: row.number(0),
            number: row.number(1),
            stage: row.number(2) as usize,
            round: row.number(3),
            nickname: row.word(4),
            outcome: row.text(5),
        })
    }

    /// All stages.
    pub fn stages(&self) -> Vec<StageRow> {
        self.all(
            "select accepted, lapsed + failed, paused_at from stage_counters order by stage",
            |row| StageRow {
                accepted: row.number(0),
                failures: row.number(1),
                paused: row.int(2).is_some(),
            },
        )
    }

    /// A worker, if it is still known.
    pub fn worker(&self, token: &str) -> Option<WorkerRow> {
        let rows = self.tables.all(
            "select trouble, rest_until, (select count(*) from leases l \
             where l.worker = w.id and l.ended_at is null), cores, earned \
             from workers w where token = $1",
            Of::Token(token),
            |row| WorkerRow {
                trouble: row.number(0),
                rest_until: row.number(1),
                held: row.number(2) as usize,
                allowance: Allowance {
                    cores: row.number(3),
                    earned: row.number(4),
                    ..Allowance::default()
                },
            },
        );
        rows.into_iter().next()
    }

    /// The volunteers that have asked for jobs of a stage since then.
    pub fn there(&self, stage: usize, since: i64) -> BTreeSet<String> {
        let rows = self.tables.all(
            "select volunteer, asked_at from volunteers where stage = $1",
            Of::Id(stage as i64),
            |row| (row.word(0), row.number(1)),
        );
        let there = rows.into_iter().filter(|(_, asked)| *asked > since);
        there.map(|(name, _)| name).collect()
    }

    /// The open jobs of a stage, and who has tried them in vain.
    pub fn avoiders(&self, stage: usize) -> BTreeMap<i64, Avoiders> {
        let mut all: BTreeMap<i64, Avoiders> = BTreeMap::new();
        let rows = self.tables.all(
            "select j.number, a.volunteer, f.volunteer from jobs j \
             left join avoided a on a.number = j.number and a.failed = 1 \
             left join flags f on f.number = j.number and f.stage = j.stage \
             where j.stage = $1 and j.state = 'open'",
            Of::Id(stage as i64),
            |row| (row.number(0), row.text(1), row.text(2)),
        );
        for (number, failed, flagged) in rows {
            let avoiders = all.entry(number).or_default();
            avoiders.failed.extend(failed);
            avoiders.flagged.extend(flagged);
        }
        all
    }

    /// Jobs whose inputs are bad, as everybody says who `stay`, and these are not `enough`.
    pub fn rounds(&self, stay: &[BTreeSet<String>; 5], enough: usize) -> BTreeSet<u64> {
        let mut flags: BTreeMap<(u64, usize), BTreeSet<String>> = BTreeMap::new();
        let rows = self.all(
            "select j.number, j.stage, f.volunteer, i.data from jobs j \
             join flags f on f.number = j.number and f.stage = j.stage \
             join inputs i on i.number = j.number and i.stage = j.stage \
             where j.state in ('open', 'held')",
            |row| {
                let of = (row.number(0) as u64, row.number(1) as usize);
                (of, row.word(2), row.word(3))
            },
        );
        for (of, volunteer, _) in rows.into_iter().filter(|row| row.2.starts_with(BAD)) {
            flags.entry(of).or_default().insert(volunteer);
        }
        let all = flags.into_iter().filter(|((_, stage), who)| {
            !stay[*stage].is_empty() && stay[*stage].is_subset(who) && who.len() < enough
        });
        all.map(|((number, _), _)| number).collect()
    }

    /// The last sync of a worker.
    pub fn last_seq(&self, token: &str) -> Option<i64> {
        let seq = self.tables.all(
            "select seq from workers where token = $1",
            Of::Token(token),
            |row| row.number(0),
        );
        seq.into_iter().next().filter(|seq| *seq >= 0)
    }

    /// The leases that a worker holds.
    pub fn held_by(&self, token: &str) -> BTreeSet<i64> {
        let held = self.tables.all(
            "select l.id from leases l join workers w on w.id = l.worker \
             where w.token = $1 and l.ended_at is null",
            Of::Token(token),
            |row| row.number(0),
        );
        held.into_iter().collect()
    }
}

pub(super) fn row_of<const N: usize>(row: &dyn Columns) -> [i64; N] {
    std::array::from_fn(|at| row.number(at))
}
