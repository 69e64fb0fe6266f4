//! Rows of opinions: what volunteers have handed in where results are checked, what is known of each volunteer, and
//! the lane of jobs that wait for another opinion.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::Stage;

use super::rows::{SPARE, Snapshot, Wanted, words};
use crate::{
    clock::Millis,
    rules::trust::{Policy, Record},
};

/// How many jobs of the lane are read for a volunteer whose own fill what was read for all.
pub const LANE: i64 = 32;

/// How many jobs of the lane the operator's own worker chooses from.
pub const OWN_LOOKS: usize = 64;

/// How long a job may wait for an opinion until the operator's own worker takes it, however many
/// others could.
const LONG: Millis = 600_000;

words! {
    /// What became of an opinion.
    OpinionState {
        /// It waits for others.
        Waiting = "waiting",
        /// Its output counts on the word of its volunteer alone.
        Alone = "alone",
        /// Others have confirmed it.
        Right = "right",
        /// Others have refuted it.
        Wrong = "wrong",
        /// The job was set aside because no opinion found a majority.
        Undecided = "undecided",
        /// It says nothing any more: the input was made again, or the version changed.
        Void = "void",
    }
}

/// What a volunteer has handed in for a job: an output, or the flag by which it calls one bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The lease under which it was handed in.
    pub lease: i64,
    /// The job.
    pub number: i64,
    /// The stage of the output.
    pub stage: Stage,
    /// Whose it is ([`crate::rules::trust::identity`]).
    pub volunteer: String,
    /// The nickname that gets the credit.
    pub nickname: String,
    /// The version of the application that made it.
    pub version: String,
    /// The digest of the output; of a flag, [`FLAG`] and the digest of the output that it calls bad.
    pub answer: String,
    /// What became of it.
    pub state: OpinionState,
}

/// What the answer of a flag begins with.
const FLAG: char = '!';

impl Opinion {
    /// The answer of a flag.
    #[must_use]
    pub fn flag_of(answer: &str) -> String {
        format!("{FLAG}{answer}")
    }

    /// The answer that it calls bad, if it is a flag.
    #[must_use]
    pub fn flagged(&self) -> Option<&str> {
        self.answer.strip_prefix(FLAG)
    }

    /// Whether it is an output that waits for other opinions.
    #[must_use]
    pub fn is_vote(&self) -> bool {
        self.state == OpinionState::Waiting && self.flagged().is_none()
    }
}

/// What is known of a volunteer at a stage, with the current version of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The stage.
    pub stage: Stage,
    /// The volunteer.
    pub volunteer: String,
    /// Results that were confirmed since one was last found wrong.
    pub confirmed: i64,
    /// How many of its opinions wait for others.
    pub waiting: i64,
    /// How many results count on its word alone.
    pub unchecked: i64,
    /// Whether it is given no more jobs.
    pub on_hold: bool,
}

impl Standing {
    /// What the rules of trust ask for.
    #[must_use]
    pub fn record(&self) -> Record {
        Record {
            confirmed: u32::try_from(self.confirmed.max(0)).unwrap_or(u32::MAX),
            on_hold: self.on_hold,
        }
    }
}

/// What has changed about a volunteer. Numbers are added, and never make a total negative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // They are the columns, and described there.
pub struct StandingChange {
    pub confirmed: i64,
    pub right: i64,
    pub wrong: i64,
    pub waiting: i64,
    pub unchecked: i64,
    pub on_hold: Option<bool>,
    /// Whether what counts on its word alone is to be made again.
    pub doubted: Option<bool>,
}

/// The text of an opinion that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpinionText {
    /// The lease of the opinion.
    pub lease: i64,
    /// Where the text is.
    pub source: TextSource,
}

/// Where a text is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// Here.
    Text(String),
    /// It is the output of a job at a stage, which is about to be deleted.
    Output(i64, Stage),
}

/// A job in the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The stage.
    pub stage: Stage,
    /// The version of the application that the opinions are of.
    pub version: String,
    /// Whether the opinions differ.
    pub disputed: bool,
    /// Its position, which is random.
    pub place: i64,
    /// Who gave the first opinion.
    pub volunteer: String,
    /// Since when it waits.
    pub at: Millis,
}

/// Results of a volunteer that are to be made again, because one of its results was found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// The volunteer.
    pub volunteer: String,
    /// The stage.
    pub stage: Stage,
    /// The version of the application.
    pub version: String,
    /// Jobs with the leases of the opinions. If there are none, the volunteer is done with.
    pub opinions: Vec<(i64, i64)>,
}

/// A job in the lane, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The job.
    pub number: i64,
    /// Who gave the first opinion.
    pub volunteer: String,
    /// Since when it waits.
    pub at: Millis,
}

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

    /// How many jobs of the lane are read at each stage.
    #[must_use]
    pub fn demand(&self) -> BTreeMap<Stage, usize> {
        let mut demand = BTreeMap::new();
        for ((stage, _), count) in &self.volunteers {
            *demand.entry(*stage).or_insert(SPARE) += count;
        }
        demand
    }

    /// The operator's own workers.
    #[must_use]
    pub fn own(&self) -> Vec<(Stage, String)> {
        self.own.iter().cloned().collect()
    }

    /// Those for whom nothing was read although there is more.
    #[must_use]
    pub fn lacking(&self, read: &Snapshot) -> Vec<(Stage, String)> {
        let mut given: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
        for opinion in &read.opinions {
            let who = given.entry(opinion.number).or_default();
            who.insert(&opinion.volunteer);
        }
        let lacks = |stage: Stage, who: &str| {
            let (numbers, whole) = &read.lane[stage.index()];
            let is_own = |number: &i64| given.get(number).is_some_and(|given| given.contains(who));
            !whole && numbers.iter().all(is_own)
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
    /// Jobs of which the opinions are read: those that have some that wait, and those that may lose
    /// results.
    #[must_use]
    pub fn with_opinions(&self, wanted: &Wanted) -> BTreeSet<i64> {
        let may_lose = |number: &i64| wanted.flags || wanted.jobs.contains(number);
        let jobs = self.jobs.iter();
        jobs.filter(|job| job.opinions > 0 || may_lose(&job.number))
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
        let leases = self.leases.iter().filter(|lease| lease.ended.is_none());
        let leases = leases.map(|lease| (lease.stage, lease.identity()));
        let opinions = self.opinions.iter();
        let opinions = opinions.map(|opinion| (opinion.stage, opinion.volunteer.clone()));
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

    /// Adds jobs of the lane for all who may give opinions.
    pub fn enter(&mut self, stage: Stage, limit: usize, disputed: &[Waiting], others: &[Waiting]) {
        let numbers = disputed.iter().chain(others).map(|one| one.number);
        let whole = disputed.len() < limit && others.len() < limit;
        self.lane[stage.index()] = (numbers.collect(), whole);
    }

    /// Adds jobs of the lane for the operator's own worker: the disputed ones, and while `few` others
    /// can confirm, those of the volunteers that have been confirmed the most. If the newest came first,
    /// liars that come back again and again would always be first.
    pub fn enter_own(
        &mut self,
        stage: Stage,
        who: String,
        few: bool,
        disputed: Vec<Waiting>,
        mut others: Vec<Waiting>,
        known: &[Standing],
    ) {
        let before = self.now - LONG;
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
        let all = Stage::ALL.into_iter().zip(&self.lane);
        let all = all.flat_map(|(stage, (numbers, _))| numbers.iter().map(move |n| (*n, stage)));
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
