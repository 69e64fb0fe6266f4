//! Inputs and results: what jobs have left behind, what is kept that came late, what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use super::Audit;
use super::rows::Job;
use crate::{
    browser::{BAD, GOOD},
    tables::Of,
};

impl Audit {
    /// A result is kept for a job that somebody holds, under a lease that lapsed there before, and for
    /// no other.
    pub(super) fn late_results(&self, jobs: &[Job]) {
        let mut kept: BTreeSet<i64> = self
            .all("select number from late_results", |row| row.number(0))
            .into_iter()
            .collect();
        for job in jobs {
            let Some(late) = job.late else { continue };
            assert!(kept.remove(&job.number), "{job:?}: no late result");
            assert_eq!(job.state, "held", "{job:?} has a late result");
            let found = self.tables.all(
                "select stage, round, outcome, late from leases where id = $1",
                Of::Id(late),
                |row| {
                    let of = (row.number(0) as usize, row.number(1));
                    (of, row.word(2), row.number(3) == 1)
                },
            );
            let [(of, outcome, late)] = &found[..] else {
                panic!("{job:?}: its late lease is gone");
            };
            let lapsed = ["lapsed", "idle"].contains(&outcome.as_str());
            assert!(
                *of == (job.stage, job.round) && lapsed && *late,
                "{job:?}: {found:?}"
            );
        }
        assert!(kept.is_empty(), "late results of no job: {kept:?}");
    }

    /// Every stage that a job has come through has left its text, and no other.
    pub(super) fn texts(&self, jobs: &[Job]) {
        let texts: BTreeMap<(i64, usize), String> = self
            .all("select number, stage, data from inputs", |row| {
                ((row.number(0), row.number(1) as usize), row.word(2))
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
                    }) || self.given.contains(&(number, stage - 1)) && self.junk.contains(text)
                };
                assert!(right, "text {stage} of {job:?} is {text:?}");
                seen += 1;
            }
        }
        assert_eq!(seen, texts.len(), "texts of no stage that was done");
    }

    /// A result that was answered as accepted is in the tables, or was kept for the case that whoever
    /// worked on the job then made none.
    pub fn assert_taken(&self, lease: &str) {
        let id: i64 = lease
            .split('-')
            .next()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let found = self.tables.all(
            "select outcome, late from leases where id = $1",
            Of::Id(id),
            |row| (row.text(0), row.number(1) == 1),
        );
        match &found[..] {
            [(_, true)] => {}
            [(Some(outcome), false)] if outcome == "completed" => {}
            [] if self.pruned.values().sum::<i64>() > 0 => {}
            other => panic!("lease {id} was accepted, and the tables say {other:?}"),
        }
    }
}
