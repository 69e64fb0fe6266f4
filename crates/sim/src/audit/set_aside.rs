//! Jobs that are set aside: one volunteer alone can set aside only so many.

use std::collections::BTreeSet;

use distcompute_tracker::{ledger::Failure, rules::attempts::WORKING};

use super::Audit;
use super::rows::row_of;
use crate::tables::Of;

impl Audit {
    /// Jobs that were set aside since this was asked last: what one volunteer can set aside is bounded.
    /// A job that failed has done so at `enough_failures` of them, or at all of the fewer who worked
    /// there within the hour before `now`; one whose input is called bad, by `enough_flags`.
    pub fn look_at_set_aside(&mut self, now: i64, enough_failures: usize, enough_flags: usize) {
        let aside = self.all(
            "select number, stage, round, errors from jobs where state = 'aside'",
            |row| (row_of::<3>(row), row.text(3)),
        );
        let before = std::mem::take(&mut self.set_aside);
        for ([number, stage, round], errors) in aside {
            self.set_aside.insert(number);
            if before.contains(&number) {
                continue;
            }
            // The job's own list of failures counts beside its leases: a lease that lapsed and was taken up
            // again ends in another way, and leases that ended long ago are thinned out, for example
            // after the tracker's clock was set forward by days.
            let errors: Vec<Failure> = errors.map_or_else(Vec::new, |text| {
                serde_json::from_str(&text).expect("failures")
            });
            let listed = errors.iter().filter(|failure| !failure.flagged);
            let listed = listed.map(Failure::by);
            let failed: BTreeSet<_> = self
                .tables
                .all(
                    "select stage, round, volunteer, coalesce(outcome, '') from leases \
                     where number = $1",
                    Of::Id(number),
                    |row| (row.number(0), row.number(1), row.word(2), row.word(3)),
                )
                .into_iter()
                .filter(|(at, of, ..)| (*at, *of) == (stage, round))
                .filter(|(.., outcome)| matches!(outcome.as_str(), "failed" | "lapsed" | "idle"))
                .map(|(.., who, _)| who)
                .chain(listed)
                .collect();
            // A flag is about an input, which may be the same in several rounds.
            let flagged: BTreeSet<_> = self
                .tables
                .all(
                    "select stage, volunteer from flags where number = $1 and exists ( \
                         select 1 from leases where leases.number = flags.number \
                         and leases.stage = flags.stage and leases.volunteer = flags.volunteer \
                         and outcome = 'flagged')",
                    Of::Id(number),
                    |row| (row.number(0), row.word(1)),
                )
                .into_iter()
                .filter(|(at, _)| *at == stage)
                .map(|(_, who)| who)
                .collect();
            let working = self.tables.all(
                "select volunteer, worked_at from volunteers where stage = $1",
                Of::Id(stage),
                |row| (row.word(0), row.number(1)),
            );
            let working: BTreeSet<_> = working
                .into_iter()
                .filter(|(_, at)| (now - *at).abs() < WORKING)
                .map(|(who, _)| who)
                .collect();
            let by_all = working.len() < enough_failures && working.is_subset(&failed);
            assert!(
                failed.len() >= enough_failures || by_all || flagged.len() >= enough_flags,
                "job {number} is set aside, failed at {failed:?}, flagged by {flagged:?}, while \
                 {working:?} work there; with the job stand {errors:?}"
            );
        }
    }
}
