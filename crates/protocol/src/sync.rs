//! `POST /api/sync`: one call that carries everything that a browser with many cores has to say.
//!
//! It is reconciling: the tracker makes its books agree with what the client says it holds, so that
//! an answer that was lost heals at the next call. How, `docs/protocol.md` says.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// How a tracker announces in its answer to `new` that it takes `sync`.
pub const SYNC_EXTENSION: &str = "sync";

/// How many entries all lists of one sync may have together.
pub const MAX_SYNC_ITEMS: usize = 4096;

/// How many jobs one sync is handed at most, whatever it wants. Usually `want_bytes` is the bound.
pub const MAX_SYNC_WANT: u32 = 1024;

/// The longest reason or error text, in characters; what is longer is cut. An error's name, message and
/// cause have room in it, and two thousand characters of its stack.
pub const MAX_REASON: usize = 4000;

/// Body of `POST /api/sync`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncRequest {
    /// The worker's secret.
    pub token: String,
    /// The order of a token's syncs: any number above the last one is a new sync, the same number is a
    /// repetition, and a lower one is refused. The client sends `max(last + 2, now in ms)`, and keeps
    /// `last + 1` for the goodbye of a page that is closed meanwhile.
    pub seq: u64,
    /// The leases that this client believes are its own and unfinished.
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
    /// How many bytes the inputs of new jobs may have together, so that the answer is one that the
    /// client's line can carry. One job is handed out whatever it weighs. Without it, the tracker's
    /// own bound counts alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_bytes: Option<u64>,
    /// How many jobs this client works on at the same time: so many, and one more, it may hold before
    /// it has shown how fast it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// The `seq` of syncs whose answers have begun to arrive and have not ended: what they granted
    /// counts as held although `holding` cannot name it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<u64>,
    /// What the setup of this client's compute workers throws, where none of them gets ready: nothing
    /// else would tell the project of it. Said once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_failed: Option<String>,
}

impl SyncRequest {
    /// How many entries its lists have together.
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

/// Reads a list, of which no more is built than is needed to see that it is too long.
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
    /// Jobs that this client now holds and did not say that it holds.
    pub jobs: Vec<Granted>,
    /// Leases of `done` whose results are in the books.
    pub accepted: Vec<String>,
    /// Leases of `done` whose results are not wanted.
    pub rejected: Vec<Rejected>,
    /// Leases of `holding` whose jobs somebody else has, or has finished.
    pub lost: Vec<String>,
    /// How many jobs are open at the worker's stage.
    pub open: u64,
    /// After how many seconds to ask again. A client with something to hand in need not wait.
    pub wait_s: u32,
    /// Changes when clients should load their worker script anew.
    pub app_version: String,
    /// Fewer jobs than wanted because of a bound in bytes: the size of the next one's input. 0: no job
    /// was left out for its size. A tracker that says this knows `want_bytes` and `awaiting`.
    #[serde(default)]
    pub left_bytes: u64,
    /// Fewer jobs than wanted because the worker, or all of its address, hold as many as they may: ask
    /// again with the next results.
    #[serde(default)]
    pub limited: bool,
}

/// A job that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Granted {
    /// The job's number, counted from 1.
    pub number: u64,
    /// The job's input at this stage.
    pub data: Option<String>,
    /// The right to hand its result in: unguessable, for this job, stage and attempt alone.
    pub lease: String,
    /// Seconds until the lease ends, unless a sync holds it.
    pub lease_s: u32,
    /// How often the job was handed out at this stage, this time included.
    pub attempt: u32,
}

/// A result that is not wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rejected {
    /// The lease.
    pub lease: String,
    /// Why.
    pub why: RejectedWhy,
}

/// Why a result is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RejectedWhy {
    /// There is no such lease, or no longer.
    Unknown,
    /// Somebody else's result was first.
    Finished,
    /// The job has gone back, or its input was called bad: it is done again from another input.
    Moved,
    /// The data holds U+0000, or begins with the JSON mark and is not JSON. It counts as a failure.
    Invalid,
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
