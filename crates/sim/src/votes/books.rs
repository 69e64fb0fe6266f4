//! What must hold of the tables of opinions, counted by SQL of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::tables::{Of, Tables};

#[derive(Debug)]
struct Job {
    number: i64,
    stage: i64,
    state: String,
    opinions: i64,
}

#[derive(Debug)]
struct Opinion {
    lease: i64,
    number: i64,
    stage: i64,
    volunteer: String,
    nickname: String,
    version: String,
    answer: String,
    state: String,
}

impl Opinion {
    fn is_flag(&self) -> bool {
        self.answer.starts_with('!')
    }
}

/// What was seen of the results so far.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// The cursors of results by job and stage.
    published: BTreeMap<(i64, i64), i64>,
    /// The cursors of results that have gone, and were named.
    retracted: BTreeSet<(i64, i64, i64)>,
}

impl Books {
    pub(super) fn check(&mut self, tables: &Tables, stages: usize) {
        let jobs = tables.all(
            "select number, stage, state, opinions from jobs order by number",
            Of::All,
            |row| Job {
                number: row.number(0),
                stage: row.number(1),
                state: row.word(2),
                opinions: row.number(3),
            },
        );
        let opinions = tables.all(
            "select lease, number, stage, volunteer, nickname, version, answer, state from opinions \
             order by lease",
            Of::All,
            |row| Opinion {
                lease: row.number(0),
                number: row.number(1),
                stage: row.number(2),
                volunteer: row.word(3),
                nickname: row.word(4),
                version: row.word(5),
                answer: row.word(6),
                state: row.word(7),
            },
        );
        let leases: BTreeMap<i64, (i64, i64, String, String)> = tables
            .all(
                "select id, number, stage, coalesce(outcome, ''), nickname from leases",
                Of::All,
                |row| {
                    let of = (row.number(1), row.number(2), row.word(3), row.word(4));
                    (row.number(0), of)
                },
            )
            .into_iter()
            .collect();
        jobs_and_opinions(tables, &jobs, &opinions);
        alone(&jobs, &opinions, &leases);
        standings(tables, &opinions);
        counters(tables, &jobs, &opinions, &leases);
        self.results(tables, &jobs, stages);
    }

    /// Every stage that a job has passed has one result, and each that went was named.
    fn results(&mut self, tables: &Tables, jobs: &[Job], stages: usize) {
        let outputs: BTreeMap<(i64, i64), i64> = tables
            .all(
                "select number, stage, cursor from inputs where stage > 0",
                Of::All,
                |row| ((row.number(0), row.number(1) - 1), row.number(2)),
            )
            .into_iter()
            .collect();
        let mut expected = BTreeSet::new();
        for job in jobs {
            let last = job.stage + i64::from(job.state == "closed");
            assert!(last <= stages as i64, "{job:?}");
            expected.extend((0..last).map(|stage| (job.number, stage)));
        }
        let there: BTreeSet<_> = outputs.keys().copied().collect();
        assert_eq!(there, expected, "results of passed stages");
        let named = tables.all(
            "select number, stage, cursor from retractions",
            Of::All,
            |row| (row.number(0), row.number(1), row.number(2)),
        );
        self.retracted.extend(named);
        for ((number, stage), cursor) in &self.published {
            if outputs.get(&(*number, *stage)) == Some(cursor) {
                continue;
            }
            let is_named =
                |one: &&(i64, i64, i64)| (one.0, one.1) == (*number, *stage) && one.2 > *cursor;
            assert!(
                self.retracted.iter().any(|one| is_named(&one)),
                "the result of job {number} at {stage} is gone, and was not named"
            );
        }
        self.published = outputs;
    }
}

/// A job waits in the lane if there are opinions on it and nobody holds it; they are of different volunteers, and
/// their texts are there.
fn jobs_and_opinions(tables: &Tables, jobs: &[Job], opinions: &[Opinion]) {
    let lane: BTreeMap<i64, i64> = tables
        .all("select number, stage from lane", Of::All, |row| {
            (row.number(0), row.number(1))
        })
        .into_iter()
        .collect();
    let texts: BTreeSet<i64> = tables
        .all("select lease from opinion_texts", Of::All, |row| {
            row.number(0)
        })
        .into_iter()
        .collect();
    let mut needed = BTreeSet::new();
    let mut on: BTreeMap<i64, Vec<&Opinion>> = BTreeMap::new();
    for opinion in opinions {
        if opinion.state == "waiting" {
            on.entry(opinion.number).or_default().push(opinion);
        }
        if ["waiting", "undecided"].contains(&opinion.state.as_str()) && !opinion.is_flag() {
            needed.insert(opinion.lease);
        }
    }
    assert_eq!(texts, needed, "the texts of opinions that wait");
    for job in jobs {
        let given = on.remove(&job.number).unwrap_or_default();
        let votes = given.iter().filter(|one| !one.is_flag()).count() as i64;
        assert_eq!(job.opinions, votes, "{job:?} and {given:?}");
        assert!(
            given.iter().all(|one| one.stage == job.stage),
            "{job:?}: {given:?}"
        );
        let volunteers: BTreeSet<_> = given.iter().map(|one| &one.volunteer).collect();
        let own = given
            .iter()
            .filter(|one| one.is_flag() && one.volunteer == "k:own");
        let others = given.len() - own.count();
        assert!(volunteers.len() >= others, "one opinion each: {given:?}");
        assert_eq!(
            job.state == "waiting",
            lane.contains_key(&job.number),
            "{job:?} in the lane"
        );
        if let Some(stage) = lane.get(&job.number) {
            assert!(*stage == job.stage && votes > 0, "{job:?} waits at {stage}");
        }
        let rests = ["open", "closed"].contains(&job.state.as_str());
        assert!(!rests || votes == 0, "{job:?} has opinions");
    }
    assert!(on.is_empty(), "opinions on no job: {on:?}");
}

/// What counts on one word is the result of a stage that its job has passed, and nobody else's.
fn alone(jobs: &[Job], opinions: &[Opinion], leases: &BTreeMap<i64, (i64, i64, String, String)>) {
    let places: BTreeMap<i64, &Job> = jobs.iter().map(|job| (job.number, job)).collect();
    let mut last: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for (id, (number, stage, outcome, _)) in leases {
        if outcome == "completed" {
            last.insert((*number, *stage), *id);
        }
    }
    for opinion in opinions.iter().filter(|one| one.state == "alone") {
        let job = places[&opinion.number];
        let passed = job.stage > opinion.stage || job.state == "closed";
        assert!(passed, "{opinion:?} counts, and {job:?}");
        let result = last.get(&(opinion.number, opinion.stage));
        assert_eq!(result, Some(&opinion.lease), "{opinion:?} is the result");
    }
}

/// What is known of volunteers is what their opinions say.
fn standings(tables: &Tables, opinions: &[Opinion]) {
    let mut really: BTreeMap<(i64, String, String), [i64; 4]> = BTreeMap::new();
    for opinion in opinions {
        let stage = opinion.stage + i64::from(opinion.is_flag());
        let key = (stage, opinion.volunteer.clone(), opinion.version.clone());
        let counts = really.entry(key).or_default();
        match opinion.state.as_str() {
            "right" => counts[0] += 1,
            "wrong" => counts[1] += 1,
            "waiting" if !opinion.is_flag() => counts[2] += 1,
            "alone" => counts[3] += 1,
            _ => {}
        }
    }
    really.retain(|_, counts| *counts != [0; 4]);
    let mut counted: BTreeMap<(i64, String, String), [i64; 4]> = tables
        .all(
            "select stage, volunteer, version, agreed, refuted, waiting, unchecked from trust",
            Of::All,
            |row| {
                let key = (row.number(0), row.word(1), row.word(2));
                let counts = std::array::from_fn(|at| row.number(3 + at));
                (key, counts)
            },
        )
        .into_iter()
        .collect();
    counted.retain(|_, counts| *counts != [0; 4]);
    assert_eq!(counted, really, "what is known of volunteers");
}

/// Counters and credits.
fn counters(
    tables: &Tables,
    jobs: &[Job],
    opinions: &[Opinion],
    leases: &BTreeMap<i64, (i64, i64, String, String)>,
) {
    let counted = tables.all(
        "select stage, open, held, waiting, aside, accepted from stage_counters order by stage",
        Of::All,
        |row| -> [i64; 6] { std::array::from_fn(|at| row.number(at)) },
    );
    for [stage, counted @ ..] in counted {
        let of = |state: &str| {
            let jobs = jobs.iter();
            jobs.filter(|job| job.stage == stage && job.state == state)
                .count() as i64
        };
        let completed = leases
            .values()
            .filter(|(_, at, outcome, _)| *at == stage && outcome == "completed")
            .count() as i64;
        let really = [
            of("open"),
            of("held"),
            of("waiting"),
            of("aside"),
            completed,
        ];
        assert_eq!(
            counted, really,
            "open, held, waiting, aside, accepted at {stage}"
        );
    }
    let mut credits: BTreeMap<&str, i64> = BTreeMap::new();
    for (_, _, outcome, nickname) in leases.values() {
        if outcome == "completed" {
            *credits.entry(nickname).or_default() += 1;
        }
    }
    for opinion in opinions {
        let is_credited = opinion.state == "right" && !opinion.is_flag();
        let is_result = leases
            .get(&opinion.lease)
            .is_some_and(|(_, _, outcome, _)| outcome == "completed");
        if is_credited && !is_result {
            *credits.entry(&opinion.nickname).or_default() += 1;
        }
    }
    let ranks: BTreeMap<String, i64> = tables
        .all(
            "select nickname, completed from leaderboard",
            Of::All,
            |row| (row.word(0), row.number(1)),
        )
        .into_iter()
        .collect();
    let credits: BTreeMap<String, i64> = credits
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    assert_eq!(ranks, credits, "credits");
}
