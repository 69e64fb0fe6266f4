//! What queries take and return: rows, counts, pages and filters.

use distcompute_protocol::Stage;

use super::{End, Failure, Pause, State};
use crate::clock::Millis;

/// The input of a job at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The job's number.
    pub number: i64,
    /// The stage.
    pub stage: Stage,
    /// Its size in bytes.
    pub bytes: u64,
    /// The text, unless it was left out for its size.
    pub data: Option<String>,
}

/// Counts of the jobs and the workers of one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageCounts {
    /// Open jobs, which any worker of the stage may claim.
    pub open: u64,
    /// Jobs held by a worker.
    pub held: u64,
    /// Valid outputs of this stage.
    pub done: u64,
    /// Jobs that are set aside for the operator.
    pub aside: u64,
    /// Connected workers.
    pub workers: u64,
    /// Outputs produced within the window of the estimate.
    pub recent: u64,
    /// Leases granted so far.
    pub granted: u64,
    /// Results accepted so far, including those later flagged as bad.
    pub accepted: u64,
    /// Results rejected so far.
    pub rejected: u64,
    /// Leases that ended because their worker timed out.
    pub lapsed: u64,
    /// Failures reported so far.
    pub failed: u64,
    /// Open and held jobs that have failed at this stage before, counted up to [`MOST_FAILING`].
    pub failing: u64,
    /// Jobs whose output waits for another opinion.
    pub waiting: u64,
    /// Results that were settled by the opinions of several volunteers so far.
    pub checked: u64,
    /// Jobs of which two opinions differed so far.
    pub disputed: u64,
    /// Opinions that were found wrong so far.
    pub wrong: u64,
    /// Volunteers on hold.
    pub on_hold: u64,
}

/// The maximum to which failing jobs of a stage are counted. They are counted on each request, and
/// the count only matters when failing jobs are all that is left of a project, which more than
/// these never are.
pub const MOST_FAILING: u64 = 1_000;

/// The state of the project, read from counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// When the counters were read.
    pub now: Millis,
    /// All jobs.
    pub jobs: u64,
    /// Jobs that have completed all stages.
    pub closed: u64,
    /// Distinct volunteers who are connected, regardless of their number of browsers, cores and
    /// stages: all workers of a nickname count as one, and so do all anonymous workers of an
    /// address. With so many workers that counting takes long, the count may be some seconds old.
    pub volunteers: u64,
    /// Per stage, `a` to `e`, enabled or not.
    pub stages: [StageCounts; 5],
    /// The window of `recent`, in seconds.
    pub window_s: u64,
    /// The stages that are paused.
    pub paused: [Option<Paused>; 5],
}

/// When and why a stage was paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// When it was paused.
    pub at: Millis,
    /// Why.
    pub pause: Pause,
}

/// Outputs that a stage produced in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteRow {
    /// The minute, counted from the Unix epoch.
    pub minute: i64,
    /// The stage.
    pub stage: Stage,
    /// How many.
    pub done: u64,
}

/// A connected worker, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its position in the order of registration.
    pub id: u64,
    /// Its public name.
    pub display_name: String,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// Whether the nickname belongs to the key of another volunteer.
    pub unverified: bool,
    /// The job that it holds; the one with the lowest number if there are several.
    pub job: Option<u64>,
    /// How many jobs it holds.
    pub held: u64,
    /// Its last progress line.
    pub progress: String,
    /// Jobs that it completed.
    pub completed: u64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it last made a call.
    pub last_seen: Millis,
}

/// A worker, as the operator's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredRow {
    /// Its row id.
    pub id: i64,
    /// The fingerprint of its token.
    pub fingerprint: String,
    /// Its public name.
    pub display_name: String,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// The address it registered from; empty if unknown.
    pub address: String,
    /// The identity of the volunteer's key, if it has one.
    pub key: Option<String>,
    /// The stage it works at.
    pub stage: Stage,
    /// How many jobs it holds.
    pub held: u64,
    /// Jobs that it completed.
    pub completed: u64,
    /// When it registered.
    pub first_seen: Millis,
    /// When it last made a call.
    pub last_seen: Millis,
}

/// How often two kinds of browsers handed in the same where results are checked, and how often not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserPair {
    /// The stage.
    pub stage: Stage,
    /// The kinds.
    pub browsers: (String, String),
    /// How many pairs of outputs were equal.
    pub agreed: u64,
    /// How many differed.
    pub differed: u64,
}

/// A result of a volunteer that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedRow {
    /// The cursor of the result, which is also the cursor for the next page.
    pub cursor: u64,
    /// The job.
    pub number: u64,
    /// The stage.
    pub stage: Stage,
    /// When the result began to count.
    pub at: Millis,
    /// The SHA-256 of the input.
    pub input: Vec<u8>,
    /// The SHA-256 of the output.
    pub output: Vec<u8>,
}

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanRow {
    /// The key of the row, which is also the cursor for the next page.
    pub name: String,
    /// When the ban was added.
    pub at: Millis,
    /// The operator's reason; may be empty.
    pub reason: String,
}

/// An entry of the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rank {
    /// The nickname.
    pub nickname: String,
    /// How many jobs were completed under it.
    pub completed: u64,
    /// How many of them were done by the key that the nickname belongs to; `None` if it belongs to
    /// nobody.
    pub verified: Option<u64>,
    /// The first worker that completed one, if known.
    pub worker: Option<String>,
    /// When that was; 0 if it was before trackers recorded it.
    pub since: Millis,
}

/// The key of a nickname in the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankKey {
    /// How many jobs were completed under it.
    pub completed: u64,
    /// The nickname.
    pub nickname: String,
}

/// The key of a nickname among the results of a search. The sort order begins with the nickname's
/// look, which is derived from the nickname and is not stored here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameKey {
    /// When its first job was completed.
    pub since: Millis,
    /// The nickname.
    pub nickname: String,
}

/// The last rank that is determined, because finding a rank costs as many steps.
pub const MOST_RANKS: u64 = 10_000;

/// A job that is set aside for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRow {
    /// The job's number.
    pub number: u64,
    /// The stage at which it was set aside.
    pub stage: Stage,
    /// The reason.
    pub reason: String,
    /// Its most recent failures, oldest first.
    pub errors: Vec<Failure>,
}

/// A failure of any job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// Its position in the log.
    pub id: u64,
    /// When it happened.
    pub at: Millis,
    /// The job; 0 if the setup of a client's workers failed.
    pub number: u64,
    /// The stage at which it failed.
    pub stage: Stage,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// The public name of the worker; empty if it is no longer known.
    pub worker: String,
    /// How the lease ended; `None` for a setup, or for a value that a later version wrote and this
    /// one does not know.
    pub end: Option<End>,
    /// The error.
    pub error: String,
}

/// Everything that is known about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its number.
    pub number: u64,
    /// The stage at which it is, or was closed.
    pub stage: Stage,
    /// Its state.
    pub state: State,
    /// How often it has been handed out at this stage.
    pub attempt: u64,
    /// How often it has failed at this stage.
    pub failures: u64,
    /// How often it was sent back to the previous stage.
    pub sent_back: u64,
    /// Why it was set aside, if it was.
    pub reason: Option<String>,
    /// Each volunteer's latest failures at this stage.
    pub errors: Vec<Failure>,
    /// When it last changed.
    pub changed_at: Millis,
    /// Its inputs, from stage `a` on; after that of the last stage, its result.
    pub texts: Vec<JobText>,
    /// Its leases, newest first, at most [`JOB_LEASES`].
    pub leases: Vec<JobLease>,
    /// Flags of bad inputs: the stage, the nickname, the time.
    pub flags: Vec<(Stage, String, Millis)>,
}

/// How many leases of a job its page shows.
pub const JOB_LEASES: u32 = 100;

/// How much of a text is read for display, in characters.
pub const SHOWN_TEXT: u32 = 2_000;

/// The beginning of a text of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobText {
    /// The stage whose input this is, from 0; 5 for the result of the last stage.
    pub stage: u64,
    /// At most the first [`SHOWN_TEXT`] characters.
    pub text: String,
    /// The full length in characters.
    pub length: u64,
}

/// One lease of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    /// The stage.
    pub stage: Stage,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// The public name of the worker; empty if it no longer exists.
    pub worker: String,
    /// When it was granted.
    pub granted_at: Millis,
    /// When and how it ended.
    pub ended: Option<(Millis, End)>,
}

/// The public part of a volunteer's key in the tables, which for anonymous volunteers contains the
/// address.
pub(super) fn public_name(volunteer: &str) -> String {
    volunteer
        .strip_prefix("n:")
        .unwrap_or(distcompute_protocol::ANONYMOUS)
        .to_owned()
}

/// The state of a job, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The job's number.
    pub number: u64,
    /// The stage at which it is, or was closed.
    pub stage: Stage,
    /// `open`, `held`, `closed` or `aside`.
    pub state: String,
}

/// An output of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its position in the order of completion.
    pub cursor: u64,
    /// The job's number.
    pub number: u64,
    /// The text that the worker submitted.
    pub data: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// Where the page begins.
    pub start: Start<K>,
    /// The maximum number of rows.
    pub limit: u32,
}

/// The position of a page. Rows have keys in the order of the list. Finding a position by key costs
/// the same at any depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start<K> {
    /// After this many rows, each of which costs a step to skip.
    Offset(u64),
    /// At the row with this key, or at the next one if it no longer exists.
    From(K),
    /// The rows that end just before this key, in the order of the list.
    Before(K),
}

impl<K> Page<K> {
    /// The first `limit` rows of a list.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self {
            start: Start::Offset(0),
            limit,
        }
    }
}

/// An action of the operator, to be recorded in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Who acted: an address, or the command line.
    pub who: String,
    /// The kind: `import`, `jobs`, `export`, `requeue`, `reopen`, `close`, `pause`, `resume`, `ban`,
    /// `pardon`, `end`, `prune`, `reset`, `copy`, `revert` or `release`.
    pub action: &'static str,
    /// A sentence with details.
    pub detail: String,
}

/// A recorded action of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRow {
    /// Its position in the log.
    pub id: u64,
    /// When it happened.
    pub at: Millis,
    /// Who acted.
    pub who: String,
    /// The kind.
    pub action: String,
    /// A sentence with details.
    pub detail: String,
}

/// A result that counted once and no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retraction {
    /// Its position in the order of retractions, which is the order of results too.
    pub cursor: u64,
    /// The job's number.
    pub number: u64,
    /// When it was retracted.
    pub at: Millis,
}

/// Which volunteers are listed with what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Volunteer(String),
    /// Those on hold, up to a number.
    OnHold(u32),
}

/// What is known of a volunteer at a stage, with a version of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRow {
    /// The stage.
    pub stage: Stage,
    /// The volunteer.
    pub volunteer: String,
    /// The version.
    pub version: String,
    /// Results that were confirmed since one was last found wrong.
    pub confirmed: u64,
    /// Opinions that were confirmed.
    pub right: u64,
    /// Opinions that were refuted.
    pub wrong: u64,
    /// Opinions that wait for others.
    pub waiting: u64,
    /// Results that count on its word alone.
    pub unchecked: u64,
    /// Whether it is given no jobs.
    pub on_hold: bool,
}

/// The outcome of pruning one part of the results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Jobs whose data was deleted.
    pub jobs: u64,
    /// The cursor of the last result examined; `None` if there were none left.
    pub last: Option<u64>,
}
