//! Rows of opinions: what volunteers have handed in where results are checked, what is known of each volunteer, and
//! the lane of jobs that wait for another opinion.

use distcompute_protocol::Stage;

use super::words::words;
use crate::{
    clock::Millis,
    rules::trust::{self, Record},
};

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
    /// The digest of the output; of a flag, `!` and the digest of the output that it calls bad.
    pub answer: String,
    /// What became of it.
    pub state: OpinionState,
    /// The kind of the browser that made it; empty if unknown.
    pub browser: String,
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

    /// The stage at which it says something about its volunteer. A flag belongs to the stage whose input it calls
    /// bad.
    #[must_use]
    pub fn judged_at(&self) -> Stage {
        match self.stage.next() {
            Some(next) if self.flagged().is_some() => next,
            _ => self.stage,
        }
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
            unverified: !trust::is_verified(&self.volunteer),
        }
    }
}

/// What has changed about a volunteer. Numbers are added, and never make a total negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // They are the columns, and described there.
pub struct StandingChange {
    pub confirmed: i64,
    pub right: i64,
    pub wrong: i64,
    pub waiting: i64,
    pub unchecked: i64,
    pub on_hold: Option<bool>,
    pub doubted: Option<Doubt>,
    pub looked: Option<i64>,
}

/// What is to be looked at of a volunteer that was found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing.
    Nothing,
    /// What counts on its word alone.
    Alone,
    /// What it has confirmed.
    Confirmed,
}

impl Doubt {
    /// The value in the tables.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Alone => 1,
            Self::Confirmed => 2,
        }
    }
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
    /// Whether it is on hold.
    pub on_hold: bool,
    /// Which of its results.
    pub what: Recall,
}

/// Results that a volunteer has handed in. If there are none, this part is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Jobs with the leases of opinions that count alone, or wait alone.
    Alone(Vec<(i64, i64)>),
    /// Results of others that it has confirmed, in the order of the leases.
    Confirmed(Vec<Confirmation>),
}

impl Recall {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Alone(list) => list.len(),
            Self::Confirmed(list) => list.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An opinion of a volunteer on hold that was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Its lease.
    pub lease: i64,
    /// The job.
    pub number: i64,
    /// The round of the job when it was read.
    pub round: i64,
    /// The lease of the result that it has confirmed, if that result counts and rests on the word of too few others.
    pub result: Option<i64>,
    /// Whether the volunteer of that result is on hold too.
    pub is_void: bool,
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
