//! Counters against what is there: of stages, nicknames, address groups and workers.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_tracker::rules::names;

use super::Audit;
use super::rows::{Job, row_of};

impl Audit {
    pub(super) fn recount(&self, now: f64, jobs: &[Job]) {
        self.late_results(jobs);
        self.address_groups();
        let leases = self.leases("select id, number, stage, round, nickname, outcome from leases");
        let mut results: BTreeSet<(i64, usize, i64)> = BTreeSet::new();
        let mut made: BTreeSet<(i64, usize)> = BTreeSet::new();
        let mut outcomes = self.pruned.clone();
        let mut credits = self.pruned_by.clone();
        for lease in &leases {
            let outcome = lease.outcome.clone().unwrap_or_default();
            if outcome == "completed" {
                let new = results.insert((lease.number, lease.stage, lease.round));
                assert!(new, "{lease:?}: the same output is in the tables twice");
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
            "select stage, granted, accepted, lapsed, failed, workers, working from stage_counters",
            row_of::<7>,
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
            // Those that can deliver nothing are forgotten after a time.
            assert_eq!(
                taken, really[1],
                "accepted at stage {at} since the beginning"
            );
            for (counted, there, what) in [
                (granted, really[0], "granted"),
                (lapsed, really[2], "lapsed"),
                (failed, really[3], "failed"),
            ] {
                assert!(counted >= there, "{counted} {what} at stage {at}: {there}");
            }
            let throughput = self.of(
                "select cast(coalesce(sum(done), 0) as bigint) from throughput where stage = $1",
                row[0],
            );
            assert!(
                throughput <= accepted,
                "what was made at stage {at} by the minute"
            );
            let workers = self.of("select count(*) from workers where stage = $1", row[0]);
            assert_eq!(row[5], workers, "workers of stage {at}");
            let working = self.of(
                "select count(*) from workers where stage = $1 and works = 1",
                row[0],
            );
            assert_eq!(row[6], working, "workers of stage {at} with work");
        }
        let ranks: BTreeMap<String, i64> = self
            .all("select nickname, completed from leaderboard", |row| {
                (row.word(0), row.number(1))
            })
            .into_iter()
            .collect();
        assert_eq!(ranks, credits, "the leaderboard and what was made");
        let unseen = self.one(
            "select count(*) from workers w where works = 0 and (completed > 0 or exists \
             (select 1 from leases l where l.worker = w.id and l.ended_at is null))",
        );
        assert_eq!(unseen, 0, "workers with work that count as idle");
        let kept = self
            .one("select cast(coalesce(sum(octet_length(data)), 0) as bigint) from late_results");
        let counted = self.one("select late_bytes from totals");
        assert_eq!(counted, kept, "bytes of late results");
        self.texts(jobs);
        for (what, least) in self.tables.reserves() {
            assert!(self.one(least) >= 0, "the last {what} at {now}");
        }
    }

    /// What address groups hold and have earned, as their workers say.
    fn address_groups(&self) {
        let mut groups: BTreeMap<String, [i64; 2]> = BTreeMap::new();
        let workers = self.all(
            "select address, (select count(*) from leases l \
             where l.worker = w.id and l.ended_at is null), earned from workers w",
            |row| (row.word(0), [row.number(1), row.number(2)]),
        );
        for (address, [held, earned]) in workers {
            let Some(group) = names::sharing_group(&address) else {
                continue;
            };
            let group = groups.entry(group).or_default();
            *group = [group[0] + held, group[1] + earned];
        }
        groups.retain(|_, group| *group != [0, 0]);
        let counted: BTreeMap<String, [i64; 2]> = self
            .all("select name, held, earned from address_groups", |row| {
                (row.word(0), [row.number(1), row.number(2)])
            })
            .into_iter()
            .collect();
        assert_eq!(counted, groups, "what address groups hold and have earned");
    }
}
