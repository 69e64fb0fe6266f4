//! The model: jobs, volunteers, the lane of jobs that wait for another opinion, and the operator's worker.

use super::{Liar, Scenario, liar::RIGHT};
use crate::random::Rng;
use distcompute_tracker::{
    clock::Millis,
    rules::{
        lane,
        trust::{
            Opinion, Policy, Record, Verdict, Voice, check_probability, most_waiting, verdict,
        },
    },
};

/// Longer projects are considered hung.
const MOST_ROUNDS: usize = 100_000;

/// With fewer established volunteers, the operator's worker confirms newcomers.
const FEW: usize = 5;

/// What came of a project, as shares of its jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Wrong outputs that count.
    pub wrong: f64,
    /// All executions, the operator's included.
    pub executions: f64,
    /// Those of the operator's worker.
    pub by_operator: f64,
    /// Jobs that were set aside because nobody could decide.
    pub set_aside: f64,
    /// Honest volunteers that were put on hold.
    pub honest_on_hold: usize,
    /// Jobs that were never settled.
    pub unfinished: usize,
}

/// Runs a project to its end.
#[must_use]
pub fn run(scenario: &Scenario) -> Outcome {
    let mut project = Project::new(scenario);
    let mut rounds = 0;
    while project.unsettled > 0 && rounds < MOST_ROUNDS {
        project.round();
        rounds += 1;
    }
    project.outcome()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Nobody has an opinion.
    New,
    /// In the lane.
    Waiting,
    /// The output counts on the word of one volunteer.
    Unchecked(u32),
    /// The output counts after a verdict.
    Settled(u32),
    SetAside,
}

struct Job {
    state: State,
    opinions: Vec<(By, u32)>,
    /// Its place in the lane.
    place: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// The index of a key.
    Key(usize),
    Operator,
}

/// What the tracker knows of a key, and how its owner lies.
struct Key {
    liar: Option<Liar>,
    record: Record,
    /// Opinions on jobs that are not settled.
    waiting: u32,
    /// Jobs that count on its word alone.
    unchecked: Vec<usize>,
    /// Jobs of others that it has confirmed.
    vouched: Vec<usize>,
    done: u32,
}

/// Somebody who is there, by the key of the moment.
struct Present {
    lies: bool,
    key: usize,
    left: u32,
}

struct Project<'s> {
    scenario: &'s Scenario,
    random: Rng,
    jobs: Vec<Job>,
    keys: Vec<Key>,
    present: Vec<Present>,
    /// Jobs without an opinion.
    new: Vec<usize>,
    /// Jobs that wait for another opinion: those that are disputed, and the others.
    disputed: Vec<usize>,
    lane: Vec<usize>,
    unsettled: usize,
    liars_come: usize,
    executions: usize,
    by_operator: usize,
    /// What the operator's worker may still execute.
    budget: f64,
    honest_on_hold: usize,
    /// How many volunteers share the lane, and the time.
    established: usize,
    now: Millis,
}

impl<'s> Project<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let new_job = || Job {
            state: State::New,
            opinions: Vec::new(),
            place: 0,
        };
        let mut project = Self {
            scenario,
            random: Rng::new(scenario.seed),
            jobs: std::iter::repeat_with(new_job)
                .take(scenario.jobs)
                .collect(),
            keys: Vec::new(),
            present: Vec::new(),
            new: (0..scenario.jobs).rev().collect(),
            disputed: Vec::new(),
            lane: Vec::new(),
            unsettled: scenario.jobs,
            liars_come: 0,
            executions: 0,
            by_operator: 0,
            budget: 0.0,
            honest_on_hold: 0,
            established: 0,
            now: 0,
        };
        let liars = (scenario.share * scenario.volunteers as f64).round() as usize;
        for at in 0..scenario.volunteers {
            let lies = at < liars;
            let key = project.newcomer(lies);
            // They have not all come at the same time, and so do not all leave at the same time.
            let left = 1 + project.below(scenario.jobs_each as usize) as u32;
            project.present.push(Present { lies, key, left });
        }
        project
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random.next_f64() * end as f64) as usize
    }

    /// Makes the key of somebody who comes.
    fn newcomer(&mut self, lies: bool) -> usize {
        let kinds = &self.scenario.liars;
        let liar = lies.then(|| kinds[self.liars_come % kinds.len()]);
        self.liars_come += usize::from(lies);
        self.keys.push(Key {
            liar,
            record: Record::default(),
            waiting: 0,
            unchecked: Vec::new(),
            vouched: Vec::new(),
            done: 0,
        });
        self.keys.len() - 1
    }

    /// Somebody new of the same kind takes the place.
    fn replace(&mut self, at: usize) {
        let key = self.newcomer(self.present[at].lies);
        self.present[at].key = key;
        self.present[at].left = self.scenario.jobs_each;
    }

    /// Everybody executes as many jobs as its speed is, in a random order.
    fn round(&mut self) {
        self.now += lane::MINUTE;
        self.established = self.established();
        let mut order: Vec<usize> = Vec::new();
        for (at, one) in self.present.iter().enumerate() {
            let speed = self.keys[one.key].liar.map_or(1, Liar::speed);
            order.extend(std::iter::repeat_n(at, speed));
        }
        for last in (1..order.len()).rev() {
            let other = self.below(last + 1);
            order.swap(last, other);
        }
        for at in order {
            self.work(at);
        }
        self.budget += self.scenario.operator;
        while self.budget >= 1.0 && self.operate() {
            self.budget -= 1.0;
        }
        self.budget = self.budget.min(1.0);
    }

    /// The volunteer executes a job, if there is one for it.
    fn work(&mut self, at: usize) {
        let policy = self.scenario.policy;
        let key = self.present[at].key;
        let record = self.keys[key].record;
        let confirms = record.may_confirm(policy);
        let job = match confirms.then(|| self.take_waiting(key)).flatten() {
            Some(job) => job,
            None if self.keys[key].waiting >= most_waiting(&record, 1) => return,
            None => match self.new.pop() {
                Some(job) => job,
                None => return,
            },
        };
        let others: Vec<u32> = self.jobs[job].opinions.iter().map(|one| one.1).collect();
        let Key { liar, done, .. } = self.keys[key];
        let is_liars = |by: &By| matches!(by, By::Key(key) if self.keys[*key].liar.is_some());
        let mut opinions = self.jobs[job].opinions.iter();
        let is_check = opinions.any(|(by, _)| is_liars(by));
        let output = liar.map_or(RIGHT, |liar| {
            liar.output(done, &others, is_check, &mut self.random)
        });
        self.executions += 1;
        self.keys[key].done += 1;
        self.jobs[job].opinions.push((By::Key(key), output));
        if others.is_empty() && self.random.next_f64() >= check_probability(policy, &record) {
            self.jobs[job].state = State::Unchecked(output);
            self.unsettled -= 1;
            self.keys[key].unchecked.push(job);
        } else {
            self.keys[key].waiting += 1;
            self.judge(job);
        }
        let present = &mut self.present[at];
        if present.key == key {
            present.left -= 1;
            if present.left == 0 || liar.is_some_and(|liar| liar.leaves(done + 1)) {
                self.replace(at);
            }
        }
    }

    /// Takes a random job out of the lane on which the key has no opinion, disputed ones first.
    fn take_waiting(&mut self, key: usize) -> Option<usize> {
        let begin = self.below(usize::MAX >> 12);
        let parts = lane::parts(self.established as i64);
        let part = match parts {
            1 => 0,
            _ => lane::part("secret", &key.to_string(), self.now, parts),
        };
        let places = lane::places(part, parts);
        let liar = self.keys[key].liar.filter(|_| self.scenario.choose);
        for lane in [&mut self.disputed, &mut self.lane] {
            let count = lane.len();
            let fits = |at: &usize| {
                let job = &self.jobs[lane[*at]];
                let mut opinions = job.opinions.iter();
                places.contains(&job.place) && opinions.all(|(by, _)| *by != By::Key(key))
            };
            let mut found = (0..count).map(|at| (begin + at) % count).filter(fits);
            let found = match liar {
                None => found.next(),
                Some(liar) => {
                    let all: Vec<usize> = found.collect();
                    let helps = |at: &&usize| {
                        let mut opinions = self.jobs[lane[**at]].opinions.iter();
                        opinions.any(|(_, output)| liar.knows(*output))
                    };
                    all.iter().find(helps).or(all.first()).copied()
                }
            };
            if let Some(at) = found {
                return Some(lane.swap_remove(at));
            }
        }
        None
    }

    fn judge(&mut self, job: usize) {
        let policy = self.scenario.policy;
        let voice = |by: By| match by {
            By::Operator => Voice::Operator,
            By::Key(key) if self.keys[key].record.is_established(policy) => Voice::Established,
            By::Key(_) => Voice::Newcomer,
        };
        let given = self.jobs[job].opinions.clone();
        let opinions: Vec<Opinion> = given
            .iter()
            .map(|&(by, output)| Opinion {
                output,
                voice: voice(by),
            })
            .collect();
        match verdict(policy, &opinions) {
            Verdict::Open { disputed } => self.wait(job, disputed),
            // The operator's worker decides.
            Verdict::SetAside if self.scenario.operator > 0.0 => self.wait(job, true),
            Verdict::SetAside => self.end(job, State::SetAside),
            Verdict::Settled { output } => {
                self.end(job, State::Settled(output));
                let final_word = opinions.iter().any(|one| one.voice == Voice::Operator);
                let first = given.iter().position(|(_, said)| *said == output);
                for (at, (by, said)) in given.into_iter().enumerate() {
                    let By::Key(key) = by else { continue };
                    if said == output {
                        self.keys[key].record.confirmed += 1;
                        if Some(at) != first && !final_word {
                            self.keys[key].vouched.push(job);
                        }
                    } else if final_word || self.decides_alone() {
                        self.hold(key);
                    } else {
                        // Only the operator puts on hold. Until then the key begins anew.
                        self.keys[key].record.confirmed = 0;
                        self.check_all(key);
                    }
                }
            }
        }
    }

    /// Whether a majority of established volunteers puts others on hold: there is no worker of the operator's. In a
    /// quorum nobody is established.
    fn decides_alone(&self) -> bool {
        let is_adaptive = matches!(self.scenario.policy, Policy::Adaptive { .. });
        is_adaptive && self.scenario.operator == 0.0
    }

    fn wait(&mut self, job: usize, disputed: bool) {
        self.jobs[job].state = State::Waiting;
        self.jobs[job].place = (self.random.next_u64() >> 1) as i64;
        let lane = if disputed {
            &mut self.disputed
        } else {
            &mut self.lane
        };
        lane.push(job);
    }

    fn end(&mut self, job: usize, state: State) {
        self.jobs[job].state = state;
        self.unsettled -= 1;
        for (by, _) in &self.jobs[job].opinions {
            if let By::Key(key) = by {
                self.keys[*key].waiting -= 1;
            }
        }
    }

    /// Puts a key on hold. What waits on its word alone is made anew, and its owner comes back.
    fn hold(&mut self, key: usize) {
        if self.keys[key].record.on_hold {
            return;
        }
        self.keys[key].record.on_hold = true;
        self.honest_on_hold += usize::from(self.keys[key].liar.is_none());
        if let Some(at) = self.present.iter().position(|one| one.key == key) {
            self.replace(at);
        }
        self.check_all(key);
        let alone =
            |job: &usize| matches!(self.jobs[*job].opinions[..], [(By::Key(one), _)] if one == key);
        let (again, kept): (Vec<_>, _) = self.lane.iter().copied().partition(alone);
        self.lane = kept;
        self.keys[key].waiting -= again.len() as u32;
        for job in again {
            self.jobs[job].opinions.clear();
            self.jobs[job].state = State::New;
            self.new.push(job);
        }
        self.look_again(key);
    }

    /// What the key has confirmed, and too few others, waits for another opinion.
    fn look_again(&mut self, key: usize) {
        let needed = self.scenario.policy.needed();
        for job in std::mem::take(&mut self.keys[key].vouched) {
            let State::Settled(output) = self.jobs[job].state else {
                continue;
            };
            let opinions = self.jobs[job].opinions.iter();
            let equal = opinions.filter(|(_, said)| *said == output);
            let others = equal.filter_map(|(by, _)| match by {
                By::Key(key) if !self.keys[*key].record.on_hold => Some(*key),
                _ => None,
            });
            let others: Vec<usize> = others.collect();
            if others.len() >= needed {
                continue;
            }
            self.unsettled += 1;
            match others.first() {
                Some(maker) => {
                    let known = &mut self.keys[*maker];
                    known.record.confirmed = known.record.confirmed.saturating_sub(1);
                    known.waiting += 1;
                    self.jobs[job].opinions = vec![(By::Key(*maker), output)];
                    self.judge(job);
                }
                None => {
                    self.jobs[job].opinions.clear();
                    self.jobs[job].state = State::New;
                    self.new.push(job);
                }
            }
        }
    }

    /// What counts on the key's word alone waits for another opinion.
    fn check_all(&mut self, key: usize) {
        for job in std::mem::take(&mut self.keys[key].unchecked) {
            if matches!(self.jobs[job].state, State::Unchecked(_)) {
                self.unsettled += 1;
                self.keys[key].waiting += 1;
                self.judge(job);
            }
        }
    }

    /// The operator's worker executes a job: one that is disputed, or that of a newcomer while few are established.
    fn operate(&mut self) -> bool {
        let job = if let Some(job) = self.disputed.pop() {
            job
        } else if self.established() < FEW && !self.lane.is_empty() {
            let at = self.nearest_to_established();
            self.lane.swap_remove(at)
        } else {
            return false;
        };
        self.executions += 1;
        self.by_operator += 1;
        self.jobs[job].opinions.push((By::Operator, RIGHT));
        self.judge(job);
        true
    }

    fn established(&self) -> usize {
        let policy = self.scenario.policy;
        let is_established = |one: &&Present| self.keys[one.key].record.is_established(policy);
        self.present.iter().filter(is_established).count()
    }

    /// Returns the place in the lane of a job whose volunteer has the most confirmations. It begins at a random
    /// place: if the newest one came first, liars that come back again and again would always be first.
    fn nearest_to_established(&mut self) -> usize {
        let count = self.lane.len();
        let begin = self.below(count);
        let confirmed = |at: &usize| match self.jobs[self.lane[*at]].opinions[0].0 {
            By::Key(key) => self.keys[key].record.confirmed,
            By::Operator => 0,
        };
        let places = (0..count).map(|at| (begin + at) % count);
        places.max_by_key(confirmed).unwrap_or_default()
    }

    fn outcome(&self) -> Outcome {
        let share = |count: usize| count as f64 / self.jobs.len() as f64;
        let count =
            |fits: fn(&State) -> bool| self.jobs.iter().filter(|job| fits(&job.state)).count();
        let is_wrong = |state: &State| matches!(state, State::Unchecked(output) | State::Settled(output) if *output != RIGHT);
        Outcome {
            wrong: share(count(is_wrong)),
            executions: share(self.executions),
            by_operator: share(self.by_operator),
            set_aside: share(count(|state| *state == State::SetAside)),
            honest_on_hold: self.honest_on_hold,
            unfinished: count(|state| matches!(state, State::New | State::Waiting)),
        }
    }
}
