//! What a caller who means harm may change: nothing but what it was given.

use super::Audit;
use super::rows::{Job, Lease};

/// The tables before a stranger's call.
pub struct Before {
    jobs: Vec<Job>,
    leases: Vec<Lease>,
}

impl Audit {
    /// A stranger is about to hand this in.
    pub fn note_junk(&mut self, text: &str) {
        self.junk.insert(text.to_owned());
    }

    /// What there is to be compared after a stranger's call: all jobs, and the leases of who has no
    /// honest address (`scenario::HONEST`).
    pub fn before(&self) -> Before {
        Before {
            jobs: self.jobs(),
            leases: self.leases(
                "select id, number, stage, round, nickname, outcome from leases \
                 where address not like '192.0.2.%'",
            ),
        }
    }

    /// A stranger's call has moved nothing but jobs that strangers held before, or were given now. Of a
    /// job that they held until they fell silent, and which somebody else holds now, it may have a
    /// result kept.
    pub fn assert_moved_by_right(&mut self, before: &Before, who: &str) {
        let after = self.before();
        let jobs = after.leases.iter().map(|it| (it.number, it.stage));
        self.given.extend(jobs);
        assert_eq!(before.jobs.len(), after.jobs.len(), "jobs come and go");
        for (was, is) in before.jobs.iter().zip(&after.jobs) {
            if was == is {
                continue;
            }
            let is_theirs = |leases: &[Lease], id: i64| leases.iter().any(|it| it.id == id);
            let mut theirs = before
                .leases
                .iter()
                .filter(|it| (it.number, it.stage, it.round) == (was.number, was.stage, was.round));
            let may_end = theirs.any(|it| match it.outcome.as_deref() {
                None => true,
                Some(outcome) => ["lapsed", "idle"].contains(&outcome),
            });
            let held = was.lease.is_none_or(|id| is_theirs(&before.leases, id));
            let is_kept = (was.stage, was.round, was.lease) == (is.stage, is.round, is.lease)
                && was.late.is_none();
            let is_given = was.state == "open"
                && is.lease.is_some_and(|id| {
                    is_theirs(&after.leases, id) && !is_theirs(&before.leases, id)
                });
            assert!(
                is_given || may_end && (held || is_kept),
                "{who} moves {was:?} to {is:?}"
            );
        }
    }
}
