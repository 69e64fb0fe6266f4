//! The tracker as counters: what its ledger would answer where nothing goes wrong, by the ledger's
//! own rules for when to ask again, and how many requests it can take.

use distcompute_engine::hub::action::Sync;
use distcompute_tracker::rules::wait;

use super::scenario::Scenario;

/// What is asked.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is handed over once and never kept"
)]
pub(super) enum Asked {
    Register,
    Sync(Sync),
}

/// What comes back, and after how many milliseconds in the queue.
#[derive(Debug)]
pub(super) enum Told {
    /// Nobody listens.
    Away,
    /// 503.
    Busy {
        after_ms: f64,
        retry_after_ms: u32,
    },
    Said(f64, Said),
    /// Not in time.
    Nothing,
}

/// Who sends a request, and when.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) t: f64,
    pub(super) by: u32,
    pub(super) answer_ms: f64,
    pub(super) limit_ms: f64,
}

#[derive(Debug)]
pub(super) enum Said {
    Hello,
    Sync {
        granted: Vec<u32>,
        accepted: Vec<String>,
        lost: Vec<String>,
        wait_s: u32,
    },
}

/// What is counted in each second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Requests that reached the tracker.
    pub requests: u64,
    /// Those that it has answered with what was asked.
    pub served: u64,
    /// Those that found nobody.
    pub in_vain: u64,
    /// Jobs that were finished.
    pub finished: u64,
    /// Volunteers that were given jobs for the first time.
    pub first_jobs: u64,
}

/// Sums of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Jobs that nobody has.
    pub open: u64,
    /// Jobs that volunteers have, as the tracker believes.
    pub held: u64,
    /// Jobs that are finished.
    pub finished: u64,
    /// Leases that would have ended, because their holder was silent for too long.
    pub lapsed: u64,
    /// For how long results waited in the browser, in all.
    pub result_waits_ms: f64,
    /// What the schedulers were told.
    pub events: u64,
}

#[derive(Debug, Default)]
struct Worker {
    has_had_jobs: bool,
    held: Vec<u32>,
    heard: f64,
}

/// The tracker of one part of the volunteers.
#[derive(Debug)]
pub(super) struct Tracker {
    scenario: Scenario,
    /// How many such parts there are.
    parts: u32,
    workers: Vec<Worker>,
    registered: u64,
    last: u32,
    free_at: f64,
    pub(super) sums: Sums,
    pub(super) seconds: Vec<Second>,
}

impl Tracker {
    pub(super) fn new(scenario: &Scenario, volunteers: u32, jobs: u64, parts: u32) -> Self {
        Self {
            scenario: scenario.clone(),
            parts,
            workers: (0..volunteers).map(|_| Worker::default()).collect(),
            registered: 0,
            last: 0,
            free_at: 0.0,
            sums: Sums {
                open: jobs,
                ..Sums::default()
            },
            seconds: vec![Second::default(); scenario.seconds as usize + 1],
        }
    }

    pub(super) fn count_event(&mut self) {
        self.sums.events += 1;
    }

    /// A request is sent. What it asks is done at once, and answered after `answer_ms` and what it
    /// has to wait for; nobody hears of an answer that takes longer than `limit_ms`.
    pub(super) fn ask(&mut self, sent: &Sent, asked: Asked) -> Told {
        let t = sent.t;
        let second = &mut self.seconds[(t / 1_000.0) as usize];
        let away = &self.scenario.away;
        if away.contains(&t) {
            second.in_vain += 1;
            return Told::Away;
        }
        if let Some((_, jobs)) = self.scenario.import.take_if(|(at, _)| *at <= t) {
            self.sums.open += jobs / u64::from(self.parts);
        }
        second.requests += 1;
        let mut waits = 0.0;
        if let Some(capacity) = &self.scenario.capacity {
            self.free_at = self.free_at.max(t);
            waits = self.free_at - t;
            match capacity.sheds {
                Some((patience_ms, retry_after_ms)) if waits > patience_ms => {
                    return Told::Busy {
                        after_ms: patience_ms,
                        retry_after_ms,
                    };
                }
                // It is gone before its turn comes.
                None if waits > sent.limit_ms => return Told::Nothing,
                _ => {}
            }
            self.free_at += 1_000.0 * f64::from(self.parts) / capacity.per_s;
        }
        let arrives = waits + sent.answer_ms <= sent.limit_ms;
        second.served += u64::from(arrives);
        let worker = &mut self.workers[sent.by as usize];
        let heard = worker.heard.max(if t >= away.end { away.end } else { 0.0 });
        let silent_ms = t - heard;
        worker.heard = t;
        let sync = match asked {
            Asked::Register => {
                self.registered += 1;
                return Told::Said(waits, Said::Hello);
            }
            Asked::Sync(sync) => sync,
        };
        let lease_s = self.scenario.lease_s;
        let lapses = silent_ms > 1_000.0 * f64::from(lease_s);
        let sums = &mut self.sums;
        sums.lapsed += if lapses { worker.held.len() as u64 } else { 0 };
        let mut accepted = Vec::new();
        for (lease, output) in sync.done {
            sums.result_waits_ms += f64::from((t as u32).wrapping_sub(output.id));
            let id: u32 = lease.parse().unwrap_or(0);
            if let Some(place) = worker.held.iter().position(|held| *held == id) {
                worker.held.swap_remove(place);
                sums.held -= 1;
                sums.finished += 1;
                second.finished += 1;
            }
            accepted.push(lease);
        }
        let holding: Vec<u32> = sync.holding.iter().filter_map(|l| l.parse().ok()).collect();
        let before = worker.held.len();
        worker.held.retain(|held| holding.contains(held));
        let back = (before - worker.held.len()) as u64;
        sums.held -= back;
        sums.open += back;
        let lost = holding.iter().filter(|lease| !worker.held.contains(lease));
        let lost = lost.map(u32::to_string).collect();
        let count = u64::from(sync.want).min(sums.open) as u32;
        sums.open -= u64::from(count);
        sums.held += u64::from(count);
        let granted: Vec<u32> = (self.last + 1..=self.last + count).collect();
        self.last += count;
        worker.held.extend(&granted);
        if count > 0 && arrives && !worker.has_had_jobs {
            worker.has_had_jobs = true;
            second.first_jobs += 1;
        }
        let lacks = count < sync.want;
        let workers = (self.registered * u64::from(self.parts)) as i64;
        let wait_s = self
            .scenario
            .wait_s
            .unwrap_or_else(|| wait::wait_s(lacks, sums.open as i64, workers, lease_s));
        Told::Said(
            waits,
            Said::Sync {
                granted,
                accepted,
                lost,
                wait_s,
            },
        )
    }
}
