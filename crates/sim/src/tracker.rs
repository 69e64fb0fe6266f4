//! A model of a tracker: `sync` and the first protocol's calls as `docs/protocol.md` has them, with
//! books that can be checked. It knows nothing of networks, clocks or clients.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::action::Hello;
use distcompute_protocol::{
    ErrorCode, Granted, MAX_SYNC_ITEMS, MAX_SYNC_WANT, OK_TEXT, Rejected, RejectedWhy, Stage,
    SyncAnswer, SyncRequest,
};
use distcompute_tracker::rules::{allowance::Allowance, wait::wait_s};

/// A request as a tracker gets it.
#[derive(Debug, Clone)]
pub enum Asked {
    Register(Stage, String),
    Sync(SyncRequest),
    NewJob(String),
    Complete {
        token: String,
        number: u64,
        data: String,
    },
    Flag {
        token: String,
        number: u64,
    },
    Progress(String),
    Validate(String),
    Bye(String),
}

/// An answer, with what a client reads in it.
#[derive(Debug, Clone)]
pub struct Said {
    pub answer: Answer,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Nothing,
    /// It is not what it should be.
    Unreadable,
    Hello(Hello),
    Sync(SyncAnswer),
    Alive(bool),
    Job {
        number: u64,
        data: Option<String>,
    },
}

/// What any tracker is to the world: the model, or a real one.
pub trait Tracker {
    /// Handles a request at `now`, in milliseconds of its own clock. `None`: nobody answers.
    fn call(&mut self, now: f64, asked: &Asked) -> Option<Said>;
    /// How many jobs are open at `stage`.
    fn open(&self, stage: Stage) -> usize;
    /// Whether any is.
    fn is_open(&self, stage: Stage) -> bool {
        self.open(stage) > 0
    }
    /// Whether it would give a job of `stage` to this volunteer, whose registration there is `token`,
    /// when it asks for one.
    fn lets(&self, _stage: Stage, _nickname: &str, _token: Option<&str>) -> bool {
        true
    }
    /// For how long it gives nothing to a registration because its jobs fail, in milliseconds.
    fn rests_ms(&self, _token: &str) -> f64 {
        0.0
    }
    /// Whether every job has gone through all of its stages.
    fn is_finished(&self) -> bool;
    /// Whether the result of this lease was ever taken into the books.
    fn has_taken(&self, lease: &str) -> bool;
}

/// A text that stands for one of so many bytes, so that worlds with lines need no memory for them.
pub fn weighing(text: &str, bytes: usize) -> String {
    format!("{text} *{bytes}")
}

/// How many bytes a text stands for.
pub fn weigh(text: &str) -> usize {
    let bytes = text
        .rsplit_once(" *")
        .and_then(|(_, bytes)| bytes.parse().ok());
    bytes.unwrap_or(text.len())
}

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
    /// Says this instead of what it should.
    pub says_wait_s: Option<u32>,
    /// Whether it bounds its answers by what they weigh, as older ones do not.
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

    /// What the next job at a stage takes in an answer.
    fn next_bytes(&self, stage: Stage) -> Option<u64> {
        let mut queue = self.queue.range((stage, 0, 0)..);
        let first = queue.next().filter(|it| it.0 == stage)?;
        let input = self.jobs[first.2].inputs.get(&stage);
        Some(input.map_or(0, |input| weigh(input) as u64) + 160)
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

    pub fn held(&self) -> usize {
        self.live.len()
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

    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}-{:08}-0123456789abcdef01234567", self.names)
    }

    fn sweep(&mut self, now: f64) {
        let over = self
            .live
            .iter()
            .filter(|name| self.leases[*name].until <= now);
        let over: Vec<String> = over.cloned().collect();
        for name in over {
            self.jobs[self.leases[&name].job].failures += 1;
            self.put_back(&name, End::Expired, true);
        }
        let idle = self.idle_ms;
        let dead = self.workers.iter().filter(|(_, w)| w.seen + idle <= now);
        let dead: Vec<String> = dead.map(|(token, _)| token.clone()).collect();
        for token in dead {
            self.bye(&token);
        }
    }

    fn bye(&mut self, token: &str) {
        for name in self.held_by(token) {
            self.put_back(&name, End::Released, true);
        }
        self.workers.remove(token);
    }

    fn held_by(&self, token: &str) -> Vec<String> {
        let held = self.live.iter();
        let held = held.filter(|name| self.leases[*name].token == token);
        held.cloned().collect()
    }

    fn put_back(&mut self, name: &str, end: End, last: bool) {
        let Some(lease) = self.leases.get_mut(name) else {
            return;
        };
        if lease.ended.is_some() {
            return;
        }
        lease.ended = Some(end);
        self.live.remove(name);
        let at = lease.job;
        let job = &mut self.jobs[at];
        job.holder = None;
        let late = job.late.take();
        if last {
            self.places += 1;
            job.place = self.places;
        }
        self.queue
            .extend(job.stage.map(|stage| (stage, job.place, at)));
        if let Some((earlier, data)) = late {
            self.leases.get_mut(&earlier).expect("known").late = false;
            self.accept(&earlier, &data);
        }
    }

    fn grant(&mut self, now: f64, token: &str, seq: Option<u64>) -> Option<String> {
        let stage = self.workers[token].stage;
        let first = *self
            .queue
            .range((stage, 0, 0)..)
            .next()
            .filter(|it| it.0 == stage)?;
        self.queue.remove(&first);
        let at = first.2;
        let name = self.name("lease");
        let job = &mut self.jobs[at];
        job.attempt += 1;
        job.holder = Some(name.clone());
        // The first protocol knows no leases: only silence of two hours ends them.
        let until = if seq.is_some() {
            now + self.lease_ms
        } else {
            f64::INFINITY
        };
        let lease = Lease {
            job: at,
            stage,
            round: job.round,
            attempt: job.attempt,
            token: token.to_owned(),
            seq,
            until,
            ended: None,
            late: false,
        };
        self.leases.insert(name.clone(), lease);
        self.live.insert(name.clone());
        self.grants += 1;
        let input = self.jobs[at].inputs.get(&stage);
        self.handed_bytes += input.map_or(0, |input| weigh(input) as u64);
        self.most_held = self.most_held.max(self.held());
        Some(name)
    }

    fn refusal(&self, name: &str) -> Option<RejectedWhy> {
        let Some(lease) = self.leases.get(name) else {
            return Some(RejectedWhy::Unknown);
        };
        let job = &self.jobs[lease.job];
        if lease.ended == Some(End::Completed) || lease.late {
            None
        } else if job.taken.contains_key(&lease.stage) {
            Some(RejectedWhy::Finished)
        } else if job.stage != Some(lease.stage) || job.round != lease.round {
            Some(RejectedWhy::Moved)
        } else if matches!(lease.ended, None | Some(End::Expired)) {
            None
        } else {
            Some(RejectedWhy::Unknown)
        }
    }

    fn accept(&mut self, name: &str, data: &str) -> Option<RejectedWhy> {
        let refusal = self.refusal(name);
        let Some(lease) = self.leases.get_mut(name).filter(|_| refusal.is_none()) else {
            return refusal;
        };
        if lease.ended == Some(End::Completed) || lease.late {
            return None;
        }
        let job = &mut self.jobs[lease.job];
        if job.holder.as_deref().is_some_and(|holder| holder != name) {
            if job.late.is_some() {
                return Some(RejectedWhy::Finished);
            }
            lease.late = true;
            job.late = Some((name.to_owned(), data.to_owned()));
            return None;
        }
        lease.ended = Some(End::Completed);
        let (at, stage) = (lease.job, lease.stage);
        let expected = format!("out {} {stage}", at + 1);
        assert!(data.starts_with(&expected), "{expected:?} got {data:?}");
        let job = &mut self.jobs[at];
        job.late = None;
        match job.holder.take() {
            Some(holder) => {
                self.live.remove(&holder);
            }
            None => {
                self.queue.remove(&(stage, job.place, at));
            }
        }
        *job.taken.entry(stage).or_default() += 1;
        let next = self.stages.iter().position(|s| *s == stage).map(|i| i + 1);
        job.stage = next.and_then(|next| self.stages.get(next)).copied();
        if let Some(next) = job.stage {
            job.inputs.insert(next, data.to_owned());
            self.places += 1;
            job.place = self.places;
            self.queue.insert((next, job.place, at));
        } else {
            self.closed += 1;
        }
        None
    }

    fn flag(&mut self, name: &str) {
        let at = self.leases[name].job;
        self.put_back(name, End::Flagged, true);
        self.jobs[at].flags += 1;
    }

    fn granted(&self, name: &str) -> Granted {
        let lease = &self.leases[name];
        Granted {
            number: lease.job as u64 + 1,
            data: self.jobs[lease.job].inputs.get(&lease.stage).cloned(),
            lease: name.to_owned(),
            lease_s: (self.lease_ms / 1000.0) as u32,
            attempt: lease.attempt,
        }
    }

    fn keep(&mut self, now: f64, name: &str, token: &str) -> bool {
        let lease_ms = self.lease_ms;
        let Some(lease) = self.leases.get_mut(name) else {
            return false;
        };
        let job = &mut self.jobs[lease.job];
        if lease.ended.is_some() {
            let waits = job.holder.is_none()
                && job.stage == Some(lease.stage)
                && job.round == lease.round
                && lease.ended == Some(End::Expired);
            if !waits {
                return false;
            }
            lease.ended = None;
            self.live.insert(name.to_owned());
            self.queue.remove(&(lease.stage, job.place, lease.job));
            job.holder = Some(name.to_owned());
        }
        lease.token = token.to_owned();
        lease.until = now + lease_ms;
        true
    }

    fn sync(&mut self, now: f64, ask: &SyncRequest) -> Said {
        let body: usize = ask.done.iter().map(|done| weigh(&done.data) + 80).sum();
        if body + 50 * (ask.items() - ask.done.len()) > self.max_body {
            self.refused_bodies += 1;
            return self.refuse(413, ErrorCode::TooLarge);
        }
        if ask.items() > MAX_SYNC_ITEMS {
            return self.refuse(422, ErrorCode::InvalidRequest);
        }
        self.most_items = self.most_items.max(ask.items());
        let Some(worker) = self.workers.get_mut(&ask.token) else {
            return self.refuse(404, ErrorCode::WorkerUnknown);
        };
        let (last, stage) = (worker.seq, worker.stage);
        if last.is_some_and(|last| ask.seq < last) {
            return self.refuse(409, ErrorCode::Superseded);
        }
        worker.seq = Some(ask.seq);
        worker.seen = now;
        let mut said = SyncAnswer {
            jobs: Vec::new(),
            accepted: Vec::new(),
            rejected: Vec::new(),
            lost: Vec::new(),
            open: 0,
            wait_s: 0,
            app_version: self.app_version.clone(),
            left_bytes: 0,
            limited: false,
        };
        let reject = |lease: &str, why| Rejected {
            lease: lease.to_owned(),
            why,
        };
        let want = ask.want.min(MAX_SYNC_WANT) as usize;
        if last == Some(ask.seq) {
            for done in &ask.done {
                if self.has_taken(&done.lease) {
                    said.accepted.push(done.lease.clone());
                } else if let Some(why) = self.refusal(&done.lease) {
                    said.rejected.push(reject(&done.lease, why));
                }
            }
            for name in &ask.holding {
                if self
                    .leases
                    .get(name)
                    .is_none_or(|lease| lease.ended.is_some())
                {
                    said.lost.push(name.clone());
                }
            }
            let fresh = self.held_by(&ask.token).into_iter();
            let fresh = fresh.filter(|name| self.leases[name].seq == last);
            said.jobs = fresh.map(|name| self.granted(&name)).collect();
        } else {
            let mut told = BTreeSet::new();
            let mut new = 0;
            for done in &ask.done {
                told.insert(done.lease.as_str());
                let before = self.has_taken(&done.lease);
                match self.accept(&done.lease, &done.data) {
                    None => {
                        new += usize::from(!before);
                        said.accepted.push(done.lease.clone());
                    }
                    Some(why) => said.rejected.push(reject(&done.lease, why)),
                }
            }
            for invalid in &ask.invalid {
                let known = self.leases.get(&invalid.lease);
                if told.insert(&invalid.lease) && known.is_some_and(|l| l.ended.is_none()) {
                    self.flag(&invalid.lease);
                }
            }
            for failed in &ask.failed {
                if told.insert(&failed.lease)
                    && let Some(lease) = self.leases.get(&failed.lease)
                    && lease.ended.is_none()
                {
                    self.jobs[lease.job].failures += 1;
                    self.put_back(&failed.lease, End::Failed, true);
                }
            }
            for name in &ask.released {
                if told.insert(name) {
                    self.put_back(name, End::Released, true);
                }
            }
            let mut kept = BTreeSet::new();
            for name in &ask.holding {
                if told.contains(name.as_str()) {
                } else if self.keep(now, name, &ask.token) {
                    kept.insert(name.clone());
                } else {
                    said.lost.push(name.clone());
                }
            }
            for name in self.held_by(&ask.token) {
                let granted = self.leases[&name].seq;
                let awaited = granted.is_some_and(|seq| ask.awaiting.contains(&seq));
                if !kept.contains(&name) && (!awaited || told.contains(&*name)) {
                    let unheard = self.leases[&name].seq == last && !told.contains(&*name);
                    self.put_back(&name, End::Released, !unheard);
                }
            }
            for line in &ask.progress {
                self.lines.push(line.text.clone());
            }
            let (lease_ms, held) = (self.lease_ms as i64, self.held_by(&ask.token).len());
            let worker = self.workers.get_mut(&ask.token).expect("known");
            worker.allowance.cores = ask.cores.map_or(worker.allowance.cores, i64::from);
            worker.allowance = worker.allowance.after(new, now as i64, lease_ms);
            let mut room = worker.allowance.may_hold().saturating_sub(held);
            if !self.bounds_what_is_held {
                room = usize::MAX;
            }
            if held == 0 {
                worker.allowance = worker.allowance.begun(now as i64);
            }
            let mut bytes = 0;
            for _ in 0..want.min(room) {
                // Where a lost answer was, this job comes first again; all others are in order.
                let Some(next) = self.next_bytes(stage) else {
                    break;
                };
                let most = ask
                    .want_bytes
                    .unwrap_or(u64::MAX)
                    .min(self.max_body as u64 / 2);
                if bytes > 0 && bytes + next > most && self.looks_at_sizes {
                    said.left_bytes = next;
                    break;
                }
                bytes += next;
                let Some(name) = self.grant(now, &ask.token, Some(ask.seq)) else {
                    break;
                };
                said.jobs.push(self.granted(&name));
            }
        }
        let open = self.open(stage);
        said.open = open as u64;
        if said.jobs.len() < want && said.left_bytes == 0 {
            let held = self.held_by(&ask.token).len();
            let may_hold = self.workers[&ask.token].allowance.may_hold();
            said.limited = self.bounds_what_is_held && held > 0 && held >= may_hold;
            said.left_bytes = u64::from(said.limited);
        }
        let lacks_jobs = said.jobs.len() < want && said.left_bytes == 0;
        let (lacks_jobs, lease_s) = (lacks_jobs, (self.lease_ms / 1_000.0) as u32);
        said.wait_s = wait_s(lacks_jobs, open as i64, 1, lease_s);
        said.wait_s = self.says_wait_s.unwrap_or(said.wait_s);
        fine("{}", Content::Sync(said))
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

    fn refuse(&self, status: u16, code: ErrorCode) -> Said {
        let body = code.text().unwrap_or("No.").to_owned();
        let code = self.ours.then_some(code);
        let answer = Answer {
            status,
            code,
            retry_after_ms: None,
            body,
            cut: false,
        };
        Said {
            answer,
            content: Content::Nothing,
        }
    }

    /// The job that a worker of the first protocol holds.
    fn holds(&self, token: &str) -> Option<String> {
        self.held_by(token).into_iter().next()
    }

    fn end_job(&mut self, token: &str, number: u64, data: Option<&str>) -> Said {
        let none = match data {
            Some(_) => ErrorCode::NoOpenJob,
            None => ErrorCode::NotWorking,
        };
        let body = data.map_or(0, str::len) + 100;
        if body > self.max_body {
            self.refused_bodies += 1;
            return self.refuse(413, ErrorCode::TooLarge);
        }
        let Some(worker) = self.workers.get(token) else {
            return self.refuse(404, ErrorCode::WorkerUnknown);
        };
        let done_before = self.ours && worker.last == Some(number);
        let Some(name) = self.holds(token) else {
            return if done_before {
                ok()
            } else {
                self.refuse(403, none)
            };
        };
        if self.ours && self.leases[&name].job as u64 + 1 != number {
            return if done_before {
                ok()
            } else {
                self.refuse(403, ErrorCode::WrongJob)
            };
        }
        match data {
            Some(data) => {
                self.accept(&name, data);
            }
            None => self.flag(&name),
        }
        if let Some(worker) = self.workers.get_mut(token) {
            worker.last = Some(number);
        }
        ok()
    }
}

impl Asked {
    /// Whose it is.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Register(..) => None,
            Self::Sync(sync) => Some(&sync.token),
            Self::NewJob(token)
            | Self::Complete { token, .. }
            | Self::Flag { token, .. }
            | Self::Progress(token)
            | Self::Validate(token)
            | Self::Bye(token) => Some(token),
        }
    }
}

impl Tracker for Model {
    fn call(&mut self, now: f64, asked: &Asked) -> Option<Said> {
        self.sweep(now);
        let (call, token) = match asked {
            Asked::Register(..) => ("new", None),
            Asked::Sync(ask) => ("sync", Some(&ask.token)),
            Asked::NewJob(token) => ("newJob", Some(token)),
            Asked::Complete { token, .. } => ("completeJob", Some(token)),
            Asked::Flag { token, .. } => ("flagInvalidData", Some(token)),
            Asked::Progress(token) => ("updateProgress", Some(token)),
            Asked::Validate(token) => ("validateWorker", Some(token)),
            Asked::Bye(token) => ("bye", Some(token)),
        };
        *self.calls.entry(call).or_default() += 1;
        let known = token.is_some_and(|token| self.workers.contains_key(token));
        let heard = !matches!(asked, Asked::Validate(_));
        if let Some(worker) = token.and_then(|token| self.workers.get_mut(token))
            && heard
        {
            worker.seen = now;
        }
        let said = match asked {
            Asked::Register(stage, _) => {
                let token = self.name("token");
                let worker = Worker {
                    stage: *stage,
                    seq: None,
                    seen: now,
                    allowance: Allowance::default(),
                    last: None,
                };
                self.workers.insert(token.clone(), worker);
                fine(
                    "{}",
                    Content::Hello(Hello {
                        token,
                        display_name: "brave-otter-7".to_owned(),
                        project: "LAION-5B".to_owned(),
                        stage_name: "CPU".to_owned(),
                        syncs: self.syncs,
                        lease_ms: self.lease_ms,
                        max_body: self.max_body as f64,
                        app_version: self.app_version.clone(),
                    }),
                )
            }
            Asked::Sync(ask) => self.sync(now, ask),
            Asked::NewJob(_) | Asked::Bye(_) if !known => {
                self.refuse(404, ErrorCode::WorkerUnknown)
            }
            Asked::Progress(_) if !known && self.ours => self.refuse(404, ErrorCode::WorkerUnknown),
            Asked::NewJob(token) => {
                for name in self.held_by(token) {
                    self.put_back(&name, End::Released, true);
                }
                match self.grant(now, token, None) {
                    Some(name) => {
                        let Granted { number, data, .. } = self.granted(&name);
                        fine("{}", Content::Job { number, data })
                    }
                    None => self.refuse(403, ErrorCode::NoJobs),
                }
            }
            Asked::Complete {
                token,
                number,
                data,
            } => self.end_job(token, *number, Some(data)),
            Asked::Flag { token, number } => self.end_job(token, *number, None),
            Asked::Progress(_) => {
                self.lines.push(String::new());
                ok()
            }
            Asked::Validate(_) => {
                let text = if known { "True" } else { "False" };
                fine(text, Content::Alive(known))
            }
            Asked::Bye(token) => {
                self.bye(token);
                ok()
            }
        };
        self.check();
        Some(said)
    }

    fn open(&self, stage: Stage) -> usize {
        self.queue
            .range((stage, 0, 0)..)
            .take_while(|job| job.0 == stage)
            .count()
    }

    fn is_open(&self, stage: Stage) -> bool {
        self.queue
            .range((stage, 0, 0)..)
            .next()
            .is_some_and(|job| job.0 == stage)
    }

    fn is_finished(&self) -> bool {
        self.closed() == self.jobs.len()
    }

    fn has_taken(&self, lease: &str) -> bool {
        let lease = self.leases.get(lease);
        lease.is_some_and(|lease| lease.ended == Some(End::Completed) || lease.late)
    }
}

fn ok() -> Said {
    fine(OK_TEXT, Content::Nothing)
}

fn fine(body: &str, content: Content) -> Said {
    let answer = Answer {
        status: 200,
        body: body.to_owned(),
        ..Answer::default()
    };
    Said { answer, content }
}
