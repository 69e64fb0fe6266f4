//! A million volunteers without faults: the real hub of each, and a tracker that only counts.
//!
//! Volunteers know nothing of each other, so they are run in parts, each with its share of the jobs
//! and of what the tracker can take, and what was counted is summed. What comes out does not depend
//! on how many threads there are.

mod scenario;
mod tracker;
mod trial;
mod volunteer;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use crate::random::Rng;

use self::volunteer::Volunteer;
pub use self::{
    scenario::{Capacity, Scenario},
    tracker::{Second, Sums},
    trial::{Trial, trials},
};

/// So many volunteers are in memory at once, on each thread.
const PART: u32 = 50_000;

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// What was counted in each second.
    pub seconds: Vec<Second>,
    /// Over all of it.
    pub sums: Sums,
    /// What is in the volunteers' job tables at the end: unfinished jobs, and outcomes.
    pub job_tables: (u64, u64),
}

impl Trace {
    /// The mean over these seconds.
    #[must_use]
    pub fn mean(&self, seconds: &Range<u32>, of: impl Fn(&Second) -> u64) -> f64 {
        let part = self.part(seconds);
        part.iter().map(of).sum::<u64>() as f64 / part.len() as f64
    }

    /// The highest mean over so many seconds in a row among these.
    #[must_use]
    pub fn peak(&self, seconds: &Range<u32>, over: u32, of: impl Fn(&Second) -> u64) -> f64 {
        let rows = self.part(seconds).windows(over as usize);
        let sums = rows.map(|row| row.iter().map(&of).sum::<u64>());
        sums.max().unwrap_or(0) as f64 / f64::from(over)
    }

    fn part(&self, seconds: &Range<u32>) -> &[Second] {
        &self.seconds[seconds.start as usize..seconds.end as usize]
    }

    /// How many seconds after `start` so many volunteers had been given jobs.
    #[must_use]
    pub fn given_after(&self, start: u32, volunteers: u64) -> Option<u32> {
        let mut given = 0;
        let reached = self.seconds.iter().position(|second| {
            given += second.first_jobs;
            given >= volunteers
        });
        Some(u32::try_from(reached?).ok()?.saturating_sub(start))
    }

    /// Adds what other volunteers made, each of whom stands for so many.
    fn add(&mut self, other: &Self, each: u64) {
        self.seconds.resize(other.seconds.len(), Second::default());
        for (sum, second) in self.seconds.iter_mut().zip(&other.seconds) {
            sum.requests += each * second.requests;
            sum.served += each * second.served;
            sum.in_vain += each * second.in_vain;
            sum.finished += each * second.finished;
            sum.first_jobs += each * second.first_jobs;
        }
        let (sums, more) = (&mut self.sums, &other.sums);
        sums.open += each * more.open;
        sums.held += each * more.held;
        sums.finished += each * more.finished;
        sums.lapsed += each * more.lapsed;
        sums.result_waits_ms += each as f64 * more.result_waits_ms;
        sums.events += more.events;
        self.job_tables.0 += each * other.job_tables.0;
        self.job_tables.1 += each * other.job_tables.1;
    }
}

/// Runs a scenario on so many threads.
#[must_use]
pub fn run(scenario: &Scenario, threads: usize) -> Trace {
    let simulated = scenario.volunteers / scenario.one_in;
    let parts = simulated.div_ceil(PART);
    let next = AtomicU32::new(0);
    let whole = Mutex::new(Trace::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= parts {
                        return;
                    }
                    let trace = run_part(scenario, part, parts * scenario.one_in);
                    if let Ok(mut whole) = whole.lock() {
                        whole.add(&trace, u64::from(scenario.one_in));
                    }
                }
            });
        }
    });
    whole.into_inner().unwrap_or_default()
}

/// Runs one of so many parts, of which a sample may be run.
fn run_part(scenario: &Scenario, part: u32, parts: u32) -> Trace {
    let count = scenario.volunteers / parts;
    let jobs = scenario.jobs / u64::from(parts);
    let mut tracker = tracker::Tracker::new(scenario, count, jobs, parts);
    let mut seeds = Rng::new(scenario.seed ^ (u64::from(part) << 32));
    let mut volunteers: Vec<Volunteer> = (0..count)
        .map(|_| Volunteer::new(scenario, seeds.next_u64()))
        .collect();
    let end = 1_000.0 * f64::from(scenario.seconds);
    // Times are positive, so their bits are in their order.
    let moment = |t: f64| Reverse(t.to_bits());
    let mut queue: BinaryHeap<(Reverse<u64>, Reverse<u32>)> = BinaryHeap::new();
    for (index, volunteer) in (0..).zip(&volunteers) {
        queue.push((moment(volunteer.next()), Reverse(index)));
    }
    while let Some((Reverse(bits), Reverse(index))) = queue.pop() {
        let t = f64::from_bits(bits);
        if t >= end {
            break;
        }
        let volunteer = &mut volunteers[index as usize];
        volunteer.wake(t, index, scenario, &mut tracker);
        let next = volunteer.next();
        if next.is_finite() {
            queue.push((moment(next), Reverse(index)));
        }
    }
    let mut job_tables = (0, 0);
    for volunteer in &volunteers {
        let (unfinished, ended) = volunteer.table();
        job_tables.0 += unfinished;
        job_tables.1 += ended;
    }
    Trace {
        seconds: tracker.seconds,
        sums: tracker.sums,
        job_tables,
    }
}
