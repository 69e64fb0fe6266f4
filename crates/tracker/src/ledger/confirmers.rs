//! Which opinions, volunteers and jobs of the lane are read for a group of operations.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::Stage;

use super::{
    opinions::{Opinion, Standing, Waiting},
    rows::{SPARE, Snapshot, Wanted},
};
use crate::{
    clock::Millis,
    rules::{
        lane,
        trust::{FEW, Policy, Trust},
    },
};

/// How many jobs of the lane are read for a volunteer whose own fill what was read for all.
pub const LANE: i64 = 32;

/// How many jobs of the lane the operator's own worker chooses from.
pub const OWN_LOOKS: usize = 64;

/// How many opinions are looked at for one that counts on one word.
pub const AUDIT_LOOKS: i64 = 64;

/// How long a job may wait for an opinion until the operator's own worker takes it, however many
/// others could.
const LONG: Millis = 600_000;

/// The volunteers of a group that ask for jobs and may give opinions on those of others, with how many
/// jobs each wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmers {
    volunteers: BTreeMap<(Stage, String), usize>,
    own: BTreeSet<(Stage, String)>,
}

impl Confirmers {
    /// Finds them among the workers that were read, of whose volunteers it was read what is known.
    #[must_use]
    pub fn new(read: &Snapshot, wanted: &Wanted) -> Self {
        let mut found = Self::default();
        let Some(trust) = wanted.trust else {
            return found;
        };
        for worker in &read.workers {
            let count = wanted.workers.get(&worker.token).copied().unwrap_or(0);
            let policy = trust.policies[worker.stage.index()];
            if count == 0 || policy == Policy::Off {
                continue;
            }
            let key = (worker.stage, worker.identity());
            if trust.is_operator(&key.1) {
                found.own.insert(key);
                continue;
            }
            let mut known = read.standings.iter();
            let known = known.find(|one| (one.stage, &one.volunteer) == (key.0, &key.1));
            if known
                .map(Standing::record)
                .unwrap_or_default()
                .may_confirm(policy)
            {
                *found.volunteers.entry(key).or_default() += count;
            }
        }
        found
    }

    /// The stages at which jobs of the lane are read.
    #[must_use]
    pub fn stages(&self) -> BTreeSet<Stage> {
        let all = self.volunteers.keys().chain(&self.own);
        all.map(|(stage, _)| *stage).collect()
    }

    /// The stages at which the lane is divided, so that the secret is needed.
    #[must_use]
    pub fn are_divided(&self, read: &Snapshot) -> bool {
        let stages = self.volunteers.keys().map(|(stage, _)| *stage);
        stages.into_iter().any(|stage| read.lane_parts(stage) > 1)
    }

    /// The part of the lane of each volunteer. The secret is that of the database.
    #[must_use]
    pub fn parts(&self, read: &Snapshot, secret: &str) -> BTreeMap<(Stage, String), u32> {
        let volunteers = self.volunteers.keys();
        volunteers
            .map(|(stage, who)| {
                let parts = read.lane_parts(*stage);
                let part = match parts {
                    1 => 0,
                    _ => lane::part(secret, who, read.now, parts),
                };
                ((*stage, who.clone()), part)
            })
            .collect()
    }

    /// How many jobs are read of each part of the lane.
    #[must_use]
    pub fn demand(&self, read: &Snapshot) -> BTreeMap<(Stage, u32), usize> {
        let mut demand = BTreeMap::new();
        for (key, count) in &self.volunteers {
            let part = read.parts.get(key).copied().unwrap_or(0);
            *demand.entry((key.0, part)).or_insert(SPARE) += count;
        }
        demand
    }

    /// The operator's own workers.
    #[must_use]
    pub fn own(&self) -> Vec<(Stage, String)> {
        self.own.iter().cloned().collect()
    }

    /// Whether a worker of the operator's own asks at a stage.
    #[must_use]
    pub fn has_own(&self, stage: Stage) -> bool {
        self.own.iter().any(|(at, _)| *at == stage)
    }

    /// Those for whom nothing was read although there is more. Where the lane is divided there are others for what is
    /// left, and other parts for these.
    #[must_use]
    pub fn lacking(&self, read: &Snapshot) -> Vec<(Stage, String)> {
        let mut given: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
        for opinion in &read.opinions {
            let who = given.entry(opinion.number).or_default();
            who.insert(&opinion.volunteer);
        }
        let lacks = |stage: Stage, who: &str| {
            let Some((numbers, whole)) = read.lane.get(&(stage, 0)) else {
                return false;
            };
            let is_own = |number: &i64| given.get(number).is_some_and(|given| given.contains(who));
            read.lane_parts(stage) == 1 && !whole && numbers.iter().all(is_own)
        };
        let volunteers = self.volunteers.keys();
        volunteers
            .filter(|(stage, who)| lacks(*stage, who))
            .cloned()
            .collect()
    }
}

/// The reading of opinions, and of what depends on them.
impl Snapshot {
    /// Jobs of which the opinions are read: those that have some that wait, those that may lose
    /// results, and those of which a result is made again.
    #[must_use]
    pub fn with_opinions(&self, wanted: &Wanted) -> BTreeSet<i64> {
        let may_lose = |number: &i64| wanted.flags || wanted.jobs.contains(number);
        let audits = self.leases.iter().filter(|lease| lease.is_audit());
        let audited: BTreeSet<i64> = audits.map(|lease| lease.number).collect();
        let needs = |number: &i64| may_lose(number) || audited.contains(number);
        let jobs = self.jobs.iter();
        jobs.filter(|job| job.opinions > 0 || needs(&job.number))
            .map(|job| job.number)
            .collect()
    }

    /// Leases of opinions that were read, which have not been read themselves.
    #[must_use]
    pub fn missing_voters(&self) -> BTreeSet<i64> {
        let known: BTreeSet<i64> = self.leases.iter().map(|lease| lease.id).collect();
        let given = self.opinions.iter().map(|opinion| opinion.lease);
        given.filter(|id| !known.contains(id)).collect()
    }

    /// Volunteers, by stage, of whom it is needed what is known and was not read yet.
    #[must_use]
    pub fn unjudged(&self, wanted: &Wanted) -> BTreeSet<(Stage, String)> {
        let Some(trust) = wanted.trust else {
            return BTreeSet::new();
        };
        let workers = self.workers.iter();
        let workers = workers.map(|worker| (worker.stage, worker.identity()));
        // Also of leases that have ended: they may be handed in late by a worker that has been linked, or has
        // another address by now.
        let leases = self.leases.iter();
        let leases = leases.map(|lease| (lease.stage, lease.identity()));
        let opinions = self.opinions.iter();
        let opinions = opinions.map(|opinion| (opinion.judged_at(), opinion.volunteer.clone()));
        let mut needed: BTreeSet<_> = workers
            .chain(leases)
            .chain(opinions)
            .filter(|(stage, _)| trust.policies[stage.index()] != Policy::Off)
            .collect();
        for one in &self.standings {
            needed.remove(&(one.stage, one.volunteer.clone()));
        }
        needed
    }

    /// Into how many parts the lane of a stage is divided.
    #[must_use]
    pub fn lane_parts(&self, stage: Stage) -> u32 {
        let established = self.established.get(&stage).map_or(0, |(count, _)| *count);
        lane::parts(established)
    }

    /// Whether those who share the lane were last counted at a time that is recent.
    #[must_use]
    pub fn is_recent(&self, counted_at: Millis) -> bool {
        (counted_at..counted_at + lane::MINUTE).contains(&self.now)
    }

    /// Takes the number of those who share the lane of a stage from the last count, or from the volunteers that
    /// asked for jobs recently and could confirm. The operator's own workers do not count.
    pub fn share_lane(
        &mut self,
        stage: Stage,
        trust: &Trust,
        counted: i64,
        anew: Option<Vec<String>>,
    ) {
        let others = anew.map(|all| all.iter().filter(|who| !trust.is_operator(who)).count());
        let is_new = others.is_some();
        let established = others.map_or(counted, |count| count as i64);
        self.established.insert(stage, (established, is_new));
    }

    /// Whether it is time to make a result again that counts, after the last time.
    #[must_use]
    pub fn is_audit_due(&self, trust: &Trust, last: Millis) -> bool {
        let interval = trust.audit_interval();
        interval.is_some_and(|interval| !(last..last + interval).contains(&self.now))
    }

    /// Adds results that count on one word, for the operator's own workers at a stage.
    pub fn enter_audits(&mut self, confirmers: &Confirmers, stage: Stage, found: &[Opinion]) {
        let workers = confirmers.own.iter().filter(|(at, _)| *at == stage);
        for own in workers.cloned() {
            let leases = found.iter().map(|opinion| opinion.lease).collect();
            self.audits.insert(own, leases);
        }
    }

    /// Adds jobs of a part of the lane for all who may give opinions.
    pub fn enter(
        &mut self,
        part: (Stage, u32),
        limit: usize,
        disputed: &[Waiting],
        others: &[Waiting],
    ) {
        let numbers = disputed.iter().chain(others).map(|one| one.number);
        let whole = disputed.len() < limit && others.len() < limit;
        self.lane.insert(part, (numbers.collect(), whole));
    }

    /// Adds jobs of the lane for the operator's own worker: the disputed ones, and while few others
    /// can confirm, those of the volunteers that have been confirmed the most. If the newest came first,
    /// liars that come back again and again would always be first.
    pub fn enter_own(
        &mut self,
        trust: &Trust,
        (stage, who): (Stage, String),
        disputed: Vec<Waiting>,
        mut others: Vec<Waiting>,
        known: &[Standing],
    ) {
        let before = self.now - LONG;
        let established = self.established.get(&stage).map_or(0, |(count, _)| *count);
        let is_adaptive = matches!(trust.policy(stage), Policy::Adaptive { .. });
        let few = is_adaptive && established < FEW;
        others.retain(|one| few || one.at < before);
        let confirmed: BTreeMap<&str, i64> = known
            .iter()
            .map(|one| (one.volunteer.as_str(), one.confirmed))
            .collect();
        others.sort_by_key(|one| {
            let confirmed = confirmed.get(one.volunteer.as_str());
            std::cmp::Reverse(confirmed.copied().unwrap_or(0))
        });
        let numbers = disputed.into_iter().chain(others).map(|one| one.number);
        self.lane_for.insert((stage, who), numbers.collect());
    }

    /// The jobs of the lane that were found, with their stages.
    pub fn in_lane(&self) -> impl Iterator<Item = (i64, Stage)> {
        let all = self.lane.iter();
        let all =
            all.flat_map(|((stage, _), (numbers, _))| numbers.iter().map(move |n| (*n, *stage)));
        let of_some = self.lane_for.iter();
        let of_some = of_some.flat_map(|((stage, _), found)| found.iter().map(|n| (*n, *stage)));
        all.chain(of_some)
    }

    /// Those whose rows were not read yet.
    #[must_use]
    pub fn unread_in_lane(&self) -> Vec<i64> {
        let known: BTreeSet<i64> = self.jobs.iter().map(|job| job.number).collect();
        let found: BTreeSet<i64> = self.in_lane().map(|(number, _)| number).collect();
        found.difference(&known).copied().collect()
    }
}
