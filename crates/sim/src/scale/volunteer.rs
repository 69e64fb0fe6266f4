//! One browser of a million: the real hub, its cores reduced to times, and the one request under way.
//!
//! [`crate::browser::Browser`] is not used here, because it models what this simulation leaves out: faults,
//! storage, transfers in parts, and the machine of each compute worker with its messages, which means several
//! events for each job. Here a core is the end of the job that it runs, so that a thread can hold 50,000
//! volunteers at once. What is measured, the requests that trackers get, is decided by the hub, and that is
//! the engine's own. The rules of compute workers are checked in the other simulation.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{
    Action, Granted, Hello, Parsed, Synced, TrackerRequest, TrackerResponse, Wire,
};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Ended, Event, Report};
use distcompute_engine::hub::jobs::{JobKey, Outcome, Text};
use distcompute_engine::settings::Settings;
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;

use crate::random::Rng;

use super::{
    scenario::Scenario,
    tracker::{Asked, Said, Sent, Told, Tracker},
};

/// 2026-11-25, 00:00 UTC.
const MIDNIGHT: f64 = 1_795_564_800_000.0;

/// What an output takes in a request.
const OUTPUT_BYTES: u32 = 64;

/// A compute worker: what it was given, and when it will be done.
#[derive(Debug, Default)]
struct Core {
    queue: Vec<JobKey>,
    running: Option<Run>,
    resting: bool,
}

#[derive(Debug)]
struct Run {
    key: JobKey,
    ms: f64,
    /// When it ends; how much is left, while the core rests.
    ends: f64,
}

/// A browser.
#[derive(Debug)]
pub(super) struct Volunteer {
    hub: Scheduler,
    cores: Vec<Core>,
    rng: Rng,
    /// How long a job takes here against the project's mean, and an answer without a queue.
    slowness: f64,
    answer_ms: f64,
    /// When it begins.
    joins: f64,
    joined: bool,
    due: f64,
    /// The answer that is on its way, and when it comes. Outcomes of a registration come one at a
    /// time: a link has one request under way.
    flight: Option<(f64, u32, TrackerResponse)>,
}

impl Volunteer {
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let joins = scenario.joins_within_ms * rng.next_f64();
        let spread = scenario.machines_differ;
        let hours = scenario.hours.and_then(|hours| hours(&mut rng));
        let settings = Settings {
            cores: scenario.cores,
            intensity: 10,
            hours,
            ..Settings::default()
        };
        Self {
            hub: Scheduler::new(&[Stage::A], "", settings, scenario.limits),
            cores: Vec::new(),
            slowness: spread.powf(2.0 * rng.next_f64() - 1.0),
            answer_ms: 40.0 + 160.0 * rng.next_f64(),
            rng,
            joins,
            joined: false,
            due: f64::INFINITY,
            flight: None,
        }
    }

    /// When something happens to it next.
    pub(super) fn next(&self) -> f64 {
        if !self.joined {
            return self.joins;
        }
        let ends = self.cores.iter().filter(|core| !core.resting);
        let ends = ends.filter_map(|core| Some(core.running.as_ref()?.ends));
        let answer = self.flight.as_ref().map(|(at, ..)| *at);
        ends.chain(answer).fold(self.due, f64::min)
    }

    /// What the hub has on its table: unfinished jobs, and results.
    pub(super) fn table(&self) -> (u64, u64) {
        let table = self.hub.table();
        let done = table.count(|job| job.outcome().is_some());
        let all = table.count(|_| true);
        ((all - done) as u64, done as u64)
    }

    /// It is `t`: does everything that is due.
    pub(super) fn wake(&mut self, t: f64, index: u32, scenario: &Scenario, tracker: &mut Tracker) {
        let mut at = At {
            t,
            index,
            scenario,
            tracker,
        };
        if !self.joined {
            self.joined = true;
            let nothing = Event::Restored {
                registrations: Vec::new(),
                jobs: Vec::new(),
                cores: Vec::new(),
            };
            self.happen(&mut at, nothing);
        }
        for core in 0..self.cores.len() {
            let Core {
                running, resting, ..
            } = &mut self.cores[core];
            if let Some(run) = running.take_if(|run| run.ends <= t && !*resting) {
                self.end(&mut at, core, &run, done(t));
            }
        }
        if let Some((_, id, got)) = self.flight.take_if(|(at, ..)| *at <= t) {
            self.happen(&mut at, Event::Answered(id, got));
        }
        if self.due <= t {
            self.happen(&mut at, Event::Tick);
        }
    }

    fn happen(&mut self, at: &mut At<'_>, event: Event) {
        let now = Now {
            mono: at.t,
            wall: MIDNIGHT + at.t,
        };
        at.tracker.count_event();
        let mut cx = Cx::new(now, self.rng.next_f64());
        self.hub.handle(&mut cx, event);
        for action in cx.out {
            self.act(at, action);
        }
        let due = self.hub.next_timeout();
        let due = due.map_or(f64::INFINITY, |due| due.left_ms(now).ceil());
        self.due = at.t + due.max(1.0);
    }

    fn act(&mut self, at: &mut At<'_>, action: Action) {
        match action {
            Action::Send(request) => self.send(at, request),
            Action::Give { core, keys } => {
                let core = core as usize;
                self.cores[core].queue.extend(keys);
                self.begin(at, core);
            }
            Action::Recall(core) => {
                let state = &mut self.cores[core as usize];
                let keys = std::mem::take(&mut state.queue);
                let started = state.running.as_ref().map(|run| run.key);
                let report = Report {
                    started,
                    ..Report::default()
                };
                self.happen(at, Event::Report(core, report));
                self.happen(at, Event::Recalled(core, keys));
            }
            Action::StopJob { core, key } => {
                let running = &mut self.cores[core as usize].running;
                if let Some(run) = running.take_if(|run| run.key == key) {
                    self.end(at, core as usize, &run, Outcome::Released);
                }
            }
            Action::Intensity { core, intensity } => {
                let core = core as usize;
                let state = &mut self.cores[core];
                let rests = intensity == 0;
                if state.resting != rests {
                    state.resting = rests;
                    let sign = if rests { -1.0 } else { 1.0 };
                    if let Some(run) = &mut state.running {
                        run.ends += sign * at.t;
                    }
                    self.begin(at, core);
                }
            }
            Action::Cores(want) => {
                self.cores.truncate(want as usize);
                for core in self.cores.len() as u32..want {
                    self.cores.push(Core::default());
                    self.happen(at, Event::CoreHere(core));
                    self.happen(at, Event::CoreUp(core));
                }
            }
            Action::Free(_) | Action::Store(_) | Action::File(_) => {}
            Action::Rekey { .. }
            | Action::Replace { .. }
            | Action::Renew
            | Action::Stopped
            | Action::Fatal(_) => {
                unreachable!("without faults nobody does {action:?}")
            }
        }
    }

    /// Begins the next job, if the core is free.
    fn begin(&mut self, at: &At<'_>, core: usize) -> Option<JobKey> {
        let jitter = 0.9 + 0.2 * self.rng.next_f64();
        let core = &mut self.cores[core];
        if core.running.is_some() || core.resting || core.queue.is_empty() {
            return None;
        }
        let key = core.queue.remove(0);
        let ms = at.scenario.job_ms * self.slowness * jitter;
        let ends = at.t + ms;
        core.running = Some(Run { key, ms, ends });
        Some(key)
    }

    fn end(&mut self, at: &mut At<'_>, core: usize, run: &Run, outcome: Outcome) {
        let started = self.begin(at, core);
        let ended = Ended {
            key: run.key,
            outcome,
            ms: run.ms,
            fatal: false,
        };
        let report = Report {
            started,
            results: vec![ended],
            ..Report::default()
        };
        self.happen(at, Event::Report(core as u32, report));
    }

    fn send(&mut self, at: &mut At<'_>, request: TrackerRequest) {
        assert!(self.flight.is_none(), "a second request is under way");
        let asked = match request.wire {
            Wire::Register { .. } => Asked::Register,
            Wire::Sync(sync) => Asked::Sync(sync),
            other => unreachable!("a tracker that syncs is not asked {other:?}"),
        };
        let sent = Sent {
            t: at.t,
            by: at.index,
            answer_ms: self.answer_ms,
            limit_ms: f64::from(request.limit_ms),
        };
        let told = at.tracker.ask(&sent, asked);
        let answered = |said| {
            let status = 200;
            let answer = Answer {
                status,
                ..Answer::default()
            };
            TrackerResponse::Answered(answer, read(said, at.scenario))
        };
        let (after_ms, got) = match told {
            Told::Away => (
                0.0,
                TrackerResponse::NotReached("Failed to fetch".to_owned()),
            ),
            Told::Busy {
                after_ms,
                retry_after_ms,
            } => {
                let answer = Answer {
                    status: 503,
                    retry_after_ms: Some(retry_after_ms),
                    ..Answer::default()
                };
                (after_ms, TrackerResponse::Answered(answer, Parsed::Nothing))
            }
            Told::Said(after_ms, said) => (after_ms, answered(said)),
            Told::Nothing => (f64::INFINITY, TrackerResponse::TimedOut),
        };
        let after_ms = after_ms + self.answer_ms;
        let (after_ms, got) = if after_ms > sent.limit_ms {
            (sent.limit_ms, TrackerResponse::TimedOut)
        } else {
            (after_ms, got)
        };
        self.flight = Some((at.t + after_ms, request.id, got));
    }
}

/// Where and when something happens.
struct At<'w> {
    t: f64,
    index: u32,
    scenario: &'w Scenario,
    tracker: &'w mut Tracker,
}

/// An output, which tells when it was made.
fn done(t: f64) -> Outcome {
    let id = t as u32;
    let bytes = OUTPUT_BYTES;
    Outcome::Done(Text { id, bytes })
}

fn read(said: Said, scenario: &Scenario) -> Parsed {
    match said {
        Said::Hello => Parsed::Hello(Hello {
            token: "t".to_owned(),
            syncs: true,
            files: false,
            lease_ms: 1_000.0 * f64::from(scenario.lease_s),
            max_body: 16_777_216.0,
            ..Hello::default()
        }),
        Said::Sync {
            granted,
            accepted,
            lost,
            wait_s,
        } => {
            let job = |lease: u32| Granted {
                number: u64::from(lease),
                data: None,
                lease: lease.to_string(),
                attempt: 1,
            };
            Parsed::Sync(Synced {
                jobs: granted.into_iter().map(job).collect(),
                accepted,
                rejected: Vec::new(),
                lost,
                wait_ms: 1_000.0 * f64::from(wait_s),
                app_version: String::new(),
                left_bytes: Some(0.0),
                limited: false,
                paused: None,
                unconfirmed: 0,
            })
        }
    }
}
