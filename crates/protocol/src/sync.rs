//! `POST /api/sync`: one call that carries everything that a browser with many cores reports and
//! asks for.
//!
//! The call reconciles state: the tracker makes its records agree with what the client reports as
//! held, so the next call repairs the effects of a lost answer. `docs/protocol.md` describes how.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// The name by which a tracker announces support for `sync` in its answer to `new`.
pub const SYNC_EXTENSION: &str = "sync";

/// The maximum number of entries that all lists of one sync may have together.
pub const MAX_SYNC_ITEMS: usize = 4096;

/// The maximum number of jobs that one sync grants, whatever it asks for. Usually `want_bytes` is
/// the tighter bound.
pub const MAX_SYNC_WANT: u32 = 1024;

/// The longest reason or error text, in characters; longer texts are truncated. It has room for an
/// error's name, message and cause and two thousand characters of its stack.
pub const MAX_REASON: usize = 4000;

/// The maximum length of [`SyncAnswer::paused`] in characters.
pub const MAX_MESSAGE: usize = 200;

/// Body of `POST /api/sync`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncRequest {
    /// The worker's secret.
    pub token: String,
    /// The sequence number, which orders a token's syncs: a number above the last one is a new sync,
    /// the same number is a retry, and a lower one is refused. The client sends
    /// `max(last + 2, now in ms)` and reserves `last + 1` for the goodbye of a page that is closed
    /// meanwhile.
    pub seq: u64,
    /// The unfinished leases that this client believes it holds.
    #[serde(default, deserialize_with = "few")]
    pub holding: Vec<String>,
    /// Results.
    #[serde(default, deserialize_with = "few")]
    pub done: Vec<Done>,
    /// Leases whose input is bad.
    #[serde(default, deserialize_with = "few")]
    pub invalid: Vec<Invalid>,
    /// Leases that are given back unfinished.
    #[serde(default, deserialize_with = "few")]
    pub released: Vec<String>,
    /// Leases whose work failed.
    #[serde(default, deserialize_with = "few")]
    pub failed: Vec<Failed>,
    /// Progress lines.
    #[serde(default, deserialize_with = "few")]
    pub progress: Vec<Progress>,
    /// How many more jobs this client could start.
    #[serde(default)]
    pub want: u32,
    /// The maximum total size of the inputs of new jobs, in bytes, chosen so that the client's
    /// connection can carry the answer. One job is granted whatever its size. If absent, only the
    /// tracker's own bound applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_bytes: Option<u64>,
    /// How many jobs this client works on at the same time. Until it has shown how fast it is, it
    /// may hold one more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// The `seq` of syncs whose answers have begun to arrive and are not complete. Jobs that they
    /// granted count as held although `holding` cannot name them yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<u64>,
    /// The error thrown by the setup of this client's compute workers, if none of them becomes
    /// ready: the project learns of it in no other way. Sent once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_failed: Option<String>,
}

impl SyncRequest {
    /// How many entries the lists have together.
    #[must_use]
    pub fn items(&self) -> usize {
        self.holding.len()
            + self.done.len()
            + self.invalid.len()
            + self.released.len()
            + self.failed.len()
            + self.progress.len()
            + self.awaiting.len()
    }
}

/// Deserializes a list, but builds no more entries than it takes to see that the list is too long.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(of: D) -> Result<Vec<T>, D::Error> {
    of.deserialize_seq(Few(PhantomData))
}

struct Few<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut few = Vec::new();
        while few.len() <= MAX_SYNC_ITEMS {
            match list.next_element()? {
                Some(item) => few.push(item),
                None => return Ok(few),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(few)
    }
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {
    /// The lease under which the job was worked on.
    pub lease: String,
    /// The output, which is the next stage's input.
    pub data: String,
}

/// A bad input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invalid {
    /// The lease under which the job was handed out.
    pub lease: String,
    /// What is wrong with the input, for people.
    #[serde(default)]
    pub reason: String,
}

/// A failure of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failed {
    /// The lease under which the job was worked on.
    pub lease: String,
    /// What happened, for people.
    #[serde(default)]
    pub error: String,
}

/// A progress line of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// The lease under which the job is worked on.
    pub lease: String,
    /// One line for people.
    pub text: String,
}

/// Answer of `POST /api/sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncAnswer {
    /// Jobs that this client now holds and did not list in `holding`.
    pub jobs: Vec<Granted>,
    /// Leases of `done` whose results are recorded.
    pub accepted: Vec<String>,
    /// Leases of `done` whose results were rejected.
    pub rejected: Vec<Rejected>,
    /// Leases of `holding` whose jobs another worker holds or has finished.
    pub lost: Vec<String>,
    /// How many jobs are open at the worker's stage.
    pub open: u64,
    /// Seconds to wait before the next sync. A client that has results to submit need not wait.
    pub wait_s: u32,
    /// Identifies the application version; a change tells clients to reload their worker script.
    pub app_version: String,
    /// If a bound in bytes left fewer jobs than wanted: the size of the next job's input. 0: no job
    /// was left out for its size. A tracker that sends this field supports `want_bytes` and
    /// `awaiting`.
    #[serde(default)]
    pub left_bytes: u64,
    /// Fewer jobs than wanted were granted because the worker, or all workers of its address, hold
    /// as many as they may. Ask again with the next results.
    #[serde(default)]
    pub limited: bool,
    /// How many of the volunteer's results at this stage wait for the opinion of another volunteer. They
    /// count, and are credited, when it agrees.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconfirmed: u64,
    /// If the operator has paused the stage: the message for volunteers, which may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// A job that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Granted {
    /// The job's number, counted from 1.
    pub number: u64,
    /// The job's input at this stage.
    pub data: Option<String>,
    /// The right to submit the job's result: an unguessable text, valid for this job, stage and
    /// attempt only.
    pub lease: String,
    /// Seconds until the lease expires unless a sync renews it.
    pub lease_s: u32,
    /// How often the job has been handed out at this stage, including this time.
    pub attempt: u32,
}

/// A result that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rejected {
    /// The lease.
    pub lease: String,
    /// Why it was rejected.
    pub why: RejectedWhy,
}

/// Why a result was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RejectedWhy {
    /// The lease does not exist, or no longer exists.
    Unknown,
    /// Another worker's result was first.
    Finished,
    /// The job was sent back, or its input was flagged as bad: it is processed again with another
    /// input.
    Moved,
    /// The data contains U+0000, or begins with the JSON mark and is not valid JSON. Counts as a
    /// failure.
    Invalid,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_a_client_has_nothing_for_may_be_left_out() {
        let request: SyncRequest =
            serde_json::from_str(r#"{"token":"t","seq":7,"done":[{"lease":"1-x","data":"d"}]}"#)
                .expect("a sync");
        assert_eq!((request.seq, request.want, request.items()), (7, 0, 1));
        assert_eq!(request.done[0].data, "d");
    }

    #[test]
    fn a_refusal_says_why_in_one_word() {
        let rejected = Rejected {
            lease: "1-x".to_owned(),
            why: RejectedWhy::Finished,
        };
        let text = serde_json::to_string(&rejected).expect("JSON");
        assert_eq!(text, r#"{"lease":"1-x","why":"finished"}"#);
    }
}
