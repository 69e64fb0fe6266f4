//! The record of a run: a hash of all answers, and, on demand, a line of text for each event.

use distcompute_engine::client::call::Answer;
use distcompute_protocol::{ErrorCode, Granted, SyncAnswer};

use crate::tracker::ApiRequest;

/// The record of a run.
#[derive(Debug, Default)]
pub struct Trace {
    pub hash: u64,
    pub story: Option<Vec<String>>,
}

impl Trace {
    /// Adds a line, which is built only if the story is wanted.
    pub fn tell(&mut self, now: f64, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{}  {}", moment(now), line()));
        }
    }

    pub(super) fn mix(&mut self, bytes: &[u8]) {
        // FNV-1a.
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// A virtual time as text.
pub fn moment(ms: f64) -> String {
    let total = ms.max(0.0) as u64;
    let (s, ms) = (total / 1000, total % 1000);
    let (day, hour, minute, s) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    format!("{day}d {hour:02}:{minute:02}:{s:02}.{ms:03}")
}

/// A request, for people.
pub(super) fn told(asked: &ApiRequest) -> String {
    let names = |leases: Vec<&str>| {
        let ids = leases
            .iter()
            .map(|lease| lease.split('-').next().unwrap_or_default());
        format!("[{}]", ids.collect::<Vec<_>>().join(" "))
    };
    match asked {
        ApiRequest::Register(stage, nickname) => format!("registers as {nickname} at {stage}"),
        ApiRequest::Sync(sync) => format!(
            "syncs {}: holds {}, done {}, invalid {}, failed {}, released {}, wants {}",
            sync.seq,
            names(sync.holding.iter().map(String::as_str).collect()),
            names(sync.done.iter().map(|it| it.lease.as_str()).collect()),
            names(sync.invalid.iter().map(|it| it.lease.as_str()).collect()),
            names(sync.failed.iter().map(|it| it.lease.as_str()).collect()),
            names(sync.released.iter().map(String::as_str).collect()),
            sync.want
        ),
        ApiRequest::NewJob(_) => "newJob".to_owned(),
        ApiRequest::Complete { number, .. } => format!("completes job {number}"),
        ApiRequest::Flag { number, .. } => format!("flags job {number}"),
        ApiRequest::Progress(_) => "progress".to_owned(),
        ApiRequest::Validate(_) => "validates".to_owned(),
        ApiRequest::Bye(_) => "says goodbye".to_owned(),
    }
}

/// An answer, for people.
pub(super) fn heard(answer: &Answer) -> String {
    if answer.status != 200 {
        return format!(
            "{} {}",
            answer.status,
            answer.code.map_or("", ErrorCode::as_str)
        );
    }
    let Ok(sync) = serde_json::from_str::<SyncAnswer>(&answer.body) else {
        return cut_to(&answer.body);
    };
    let granted = |job: &Granted| {
        let id = job.lease.split('-').next().unwrap_or_default();
        format!("{id} of job {}", job.number)
    };
    let jobs: Vec<String> = sync.jobs.iter().map(granted).collect();
    format!(
        "granted [{}], accepted {}, rejected {:?}, lost {}, {} open",
        jobs.join(", "),
        sync.accepted.len(),
        sync.rejected.iter().map(|it| it.why).collect::<Vec<_>>(),
        sync.lost.len(),
        sync.open
    )
}

pub(super) fn cut_to(text: &str) -> String {
    distcompute_protocol::cut(text, 60)
}
