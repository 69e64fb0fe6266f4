//! A model of a tracker: `sync` and the first protocol's calls as `docs/protocol.md` has them, with tables that can be
//! checked. It knows nothing of networks, clocks or clients.

mod calls;
mod leases;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use distcompute_protocol::Stage;
use distcompute_tracker::rules::allowance::Allowance;

use super::weighing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Released,
    Expired,
    Flagged,
    Failed,
}

#[derive(Debug, Clone)]
pub struct Lease {
    pub job: usize,
    pub stage: Stage,
    round: u32,
    attempt: u32,
    token: String,
    seq: Option<u64>,
    until: f64,
    pub ended: Option<End>,
    /// Its result came late and was acknowledged.
    late: bool,
}

#[derive(Debug, Clone)]
pub struct Job {
    /// `None`: closed.
    pub stage: Option<Stage>,
    pub inputs: BTreeMap<Stage, String>,
    /// How often a result was taken, by stage.
    pub taken: BTreeMap<Stage, u32>,
    holder: Option<String>,
    /// An earlier lease whose result is kept, and that result.
    late: Option<(String, String)>,
    place: u64,
    round: u32,
    attempt: u32,
    pub failures: u32,
    pub flags: u32,
}

#[derive(Debug, Clone)]
pub struct Worker {
    stage: Stage,
    seq: Option<u64>,
    seen: f64,
    allowance: Allowance,
    /// The job that its last completion was of: repeating it is answered like the first time.
    last: Option<u64>,
}

/// The model.
#[derive(Debug, Clone)]
pub struct Model {
    pub stages: Vec<Stage>,
    pub syncs: bool,
    /// Codes in headers, and completions that name their job.
    pub ours: bool,
    pub lease_ms: f64,
    pub idle_ms: f64,
    pub max_body: usize,
    pub app_version: String,
    pub jobs: Vec<Job>,
    pub leases: BTreeMap<String, Lease>,
    pub workers: BTreeMap<String, Worker>,
    /// Open jobs in the order in which they are handed out, leases that hold, jobs that are closed.
    queue: BTreeSet<(Stage, u64, usize)>,
    live: BTreeSet<String>,
    closed: usize,
    names: u64,
    places: u64,
    /// Requests by their call.
    pub calls: BTreeMap<&'static str, u32>,
    /// Lines that were heard.
    pub lines: Vec<String>,
    /// The most jobs that were held at once.
    pub most_held: usize,
    pub most_items: usize,
    pub refused_bodies: u32,
    /// The operator's message while all stages are paused.
    pub paused: Option<String>,
    /// Sent in place of the right value.
    pub says_wait_s: Option<u32>,
    /// Whether it limits the size of its answers. Older trackers do not.
    pub looks_at_sizes: bool,
    /// Whether a worker may hold only as many jobs as it has shown that it does.
    pub bounds_what_is_held: bool,
    /// Bytes that it has handed out, and leases.
    pub handed_bytes: u64,
    pub grants: u64,
}

impl Model {
    pub fn new(stages: &[Stage], jobs: usize, syncs: bool) -> Self {
        let mut model = Self {
            stages: stages.to_vec(),
            syncs,
            ours: true,
            lease_ms: 300_000.0,
            idle_ms: 7_200_000.0,
            max_body: 1_000_000,
            app_version: "1".to_owned(),
            jobs: Vec::new(),
            leases: BTreeMap::new(),
            workers: BTreeMap::new(),
            queue: BTreeSet::new(),
            live: BTreeSet::new(),
            closed: 0,
            names: 0,
            places: 0,
            calls: BTreeMap::new(),
            lines: Vec::new(),
            most_held: 0,
            most_items: 0,
            refused_bodies: 0,
            paused: None,
            says_wait_s: None,
            looks_at_sizes: true,
            bounds_what_is_held: true,
            handed_bytes: 0,
            grants: 0,
        };
        model.add(jobs);
        model
    }

    pub fn add(&mut self, jobs: usize) {
        for _ in 0..jobs {
            self.places += 1;
            let number = self.jobs.len() + 1;
            let first = self.stages[0];
            self.queue.insert((first, self.places, number - 1));
            self.jobs.push(Job {
                stage: Some(first),
                inputs: BTreeMap::from([(first, format!("in {number}"))]),
                taken: BTreeMap::new(),
                holder: None,
                late: None,
                place: self.places,
                round: 0,
                attempt: 0,
                failures: 0,
                flags: 0,
            });
        }
    }

    /// Jobs at the first stage, each with an input of so many bytes.
    pub fn add_heavy(&mut self, jobs: usize, bytes: usize) {
        let first = self.jobs.len();
        self.add(jobs);
        for job in &mut self.jobs[first..] {
            for input in job.inputs.values_mut() {
                *input = weighing(input, bytes);
            }
        }
    }

    pub fn closed(&self) -> usize {
        self.closed
    }

    /// The numbers of the jobs that are not closed.
    pub fn unfinished(&self) -> Vec<u64> {
        let numbered = self.jobs.iter().zip(1..);
        let open = numbered.filter(|(job, _)| job.stage.is_some());
        open.map(|(_, number)| number).collect()
    }

    /// How often jobs have failed.
    pub fn failures(&self) -> u32 {
        self.jobs.iter().map(|job| job.failures).sum()
    }

    pub fn held(&self) -> usize {
        self.live.len()
    }

    /// What must hold at any time. Panics otherwise.
    pub fn check(&self) {
        let open = self.queue.len();
        assert_eq!(open + self.live.len() + self.closed, self.jobs.len());
        // All of them each time would take too long.
        for (at, job) in self.jobs.iter().enumerate().take(300) {
            if let Some(name) = &job.holder {
                let lease = &self.leases[name];
                assert!(
                    lease.ended.is_none() && lease.job == at,
                    "a held job's lease"
                );
                assert_eq!(Some(lease.stage), job.stage);
            }
            for (stage, count) in &job.taken {
                assert_eq!(*count, 1, "job {} counted twice at {stage}", at + 1);
            }
        }
    }

    /// The tracker forgets all registrations, as after two hours without a word.
    pub fn forget_workers(&mut self) {
        let tokens: Vec<String> = self.workers.keys().cloned().collect();
        for token in tokens {
            for name in self.held_by(&token) {
                self.put_back(&name, End::Expired, true);
            }
            self.workers.remove(&token);
        }
    }

    /// The operator takes a job back.
    pub fn end_lease_of(&mut self, number: usize, end: End) {
        if let Some(name) = self.jobs[number - 1].holder.clone() {
            self.put_back(&name, end, true);
        }
    }

    /// Somebody else has finished a job that is open.
    pub fn close(&mut self, number: usize) {
        let job = &mut self.jobs[number - 1];
        let stage = job.stage.take().expect("it is open");
        self.queue.remove(&(stage, job.place, number - 1));
        job.taken.insert(stage, 1);
        self.closed += 1;
    }
}
