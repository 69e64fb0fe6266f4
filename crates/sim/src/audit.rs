//! What must hold of a tracker's books, counted in its tables by nobody who has written them.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_tracker::{
    ledger::Failure,
    rules::{allowance::Allowance, attempts::WORKING, names},
};

use crate::{
    books::{Books, Columns, Of},
    browser::{BAD, GOOD},
};

/// It looks at the tables by a connection of its own.
pub struct Audit {
    pub books: Books,
    /// What the database calls the tables as they were seen last.
    seen: Option<i64>,
    /// What pruning has taken away: leases by stage and outcome, results by nickname.
    pruned: BTreeMap<(usize, String), i64>,
    pruned_by: BTreeMap<String, i64>,
    pruned_jobs: BTreeSet<i64>,
    set_aside: BTreeSet<i64>,
    /// What strangers have handed in, right or wrong, and the jobs and stages that they were given.
    junk: BTreeSet<String>,
    given: BTreeSet<(i64, usize)>,
}

/// The books before a stranger's call.
pub struct Before {
    jobs: Vec<Job>,
    leases: Vec<Lease>,
}

/// What the world wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    pub open: [usize; 5],
    /// Jobs that are neither closed nor set aside.
    pub unfinished: usize,
}

/// What the books have of a stage.
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

/// Who has tried an open job in vain.
#[derive(Debug, Default)]
pub struct Avoiders {
    /// Not to be given it while others are there.
    pub failed: BTreeSet<String>,
    /// Those who called its input bad.
    pub flagged: BTreeSet<String>,
}

#[derive(Debug, PartialEq)]
struct Job {
    number: i64,
    stage: usize,
    state: String,
    round: i64,
    lease: Option<i64>,
    reason: Option<String>,
    /// The lease whose result is kept until the one that holds the job ends.
    late: Option<i64>,
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
    pub fn new(books: Books) -> Self {
        Self {
            books,
            seen: None,
            pruned: BTreeMap::new(),
            pruned_by: BTreeMap::new(),
            pruned_jobs: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            junk: BTreeSet::new(),
            given: BTreeSet::new(),
        }
    }

    fn all<T>(&self, statement: &'static str, read: impl FnMut(&dyn Columns) -> T) -> Vec<T> {
        self.books.all(statement, Of::All, read)
    }

    fn one(&self, statement: &'static str) -> i64 {
        self.all(statement, |row| row.number(0))[0]
    }

    fn of(&self, statement: &'static str, id: i64) -> i64 {
        self.books.all(statement, Of::Id(id), |row| row.number(0))[0]
    }

    fn jobs(&self) -> Vec<Job> {
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

    fn leases(&self, statement: &'static str) -> Vec<Lease> {
        self.all(statement, |row| Lease {
            id: row.number(0),
            number: row.number(1),
            stage: row.number(2) as usize,
            round: row.number(3),
            nickname: row.word(4),
            outcome: row.text(5),
        })
    }

    /// Whether anybody has written since this was asked last.
    pub fn is_news(&mut self) -> bool {
        let version = self.books.version();
        let news = version.is_none() || version != self.seen;
        self.seen = version;
        news
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
        let rows = self.books.all(
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
        let rows = self.books.all(
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
        let rows = self.books.all(
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
                .books
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
                .books
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
            let working = self.books.all(
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

    fn recount(&self, now: f64, jobs: &[Job]) {
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
        for (what, least) in self.books.reserves() {
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

    /// A result is kept for a job that somebody holds, under a lease that lapsed there before, and for
    /// no other.
    fn late_results(&self, jobs: &[Job]) {
        let mut kept: BTreeSet<i64> = self
            .all("select number from late_results", |row| row.number(0))
            .into_iter()
            .collect();
        for job in jobs {
            let Some(late) = job.late else { continue };
            assert!(kept.remove(&job.number), "{job:?}: no late result");
            assert_eq!(job.state, "held", "{job:?} has a late result");
            let found = self.books.all(
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
    fn texts(&self, jobs: &[Job]) {
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

    /// A result that was answered as accepted is in the books, or was kept for the case that whoever
    /// worked on the job then made none.
    pub fn assert_taken(&self, lease: &str) {
        let id: i64 = lease
            .split('-')
            .next()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let found = self.books.all(
            "select outcome, late from leases where id = $1",
            Of::Id(id),
            |row| (row.text(0), row.number(1) == 1),
        );
        match &found[..] {
            [(_, true)] => {}
            [(Some(outcome), false)] if outcome == "completed" => {}
            [] if self.pruned.values().sum::<i64>() > 0 => {}
            other => panic!("lease {id} was accepted, and the books say {other:?}"),
        }
    }

    /// The last sync of a worker.
    pub fn last_seq(&self, token: &str) -> Option<i64> {
        let seq = self.books.all(
            "select seq from workers where token = $1",
            Of::Token(token),
            |row| row.number(0),
        );
        seq.into_iter().next().filter(|seq| *seq >= 0)
    }

    /// The leases that a worker holds.
    pub fn held_by(&self, token: &str) -> BTreeSet<i64> {
        let held = self.books.all(
            "select l.id from leases l join workers w on w.id = l.worker \
             where w.token = $1 and l.ended_at is null",
            Of::Token(token),
            |row| row.number(0),
        );
        held.into_iter().collect()
    }
}

fn row_of<const N: usize>(row: &dyn Columns) -> [i64; N] {
    std::array::from_fn(|at| row.number(at))
}
