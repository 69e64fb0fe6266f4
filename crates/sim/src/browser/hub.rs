//! The driver of the hub: it delivers events, carries out actions, and keeps the timer.

use distcompute_engine::core::throttle::STOP;
use distcompute_engine::hub::action::{Action, Transfer};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::Event;
use distcompute_engine::message::{Job as Task, ToCore};
use distcompute_engine::reason::Reason;

use super::planned::Planned;
use super::{Browser, SPAWN_MS};
use crate::tracker::Tracker;

impl<T: Tracker> Browser<T> {
    pub fn reason(&self) -> Reason {
        self.hub.reason(self.now())
    }

    /// Something happens to the hub.
    pub(super) fn happen(&mut self, event: Event) {
        if self.stopped {
            return;
        }
        self.waits_for_storage &= !matches!(event, Event::Restored { .. });
        let tick = event == Event::Tick;
        // The hub waits for the answer's content, which is the next event.
        let is_last = matches!(event, Event::Transfer(_, Transfer { ended: true, .. }));
        let random = self.rng.next_f64();
        self.look_at_clocks();
        let now = self.now();
        if self.trace && !tick {
            eprintln!("{:>10.1} -> {event:?}", self.t);
        }
        let mut cx = Cx::new(now, random);
        self.hub.handle(&mut cx, event);
        let actions = cx.out;
        if tick && actions.is_empty() {
            if self.t - self.idle_since > 3_000.0 {
                (self.idle_since, self.idle_ticks) = (self.t, 0);
            }
            self.idle_ticks += 1;
            assert!(
                self.idle_ticks < 60,
                "a busy loop at {}: {:?}",
                self.t,
                self.hub.next_timeout()
            );
        } else {
            self.idle_ticks = 0;
        }
        for action in actions {
            if self.trace {
                eprintln!("{:>10.1}    {action:?}", self.t);
            }
            self.act(action);
            if self.stopped {
                return;
            }
        }
        if !is_last {
            self.check();
        }
        self.timer += 1;
        if let Some(due) = self.hub.next_timeout() {
            // Browsers round timers up to whole milliseconds.
            let due = due.left_ms(now);
            self.plan(due.clamp(1.0, 2e9).ceil(), Planned::Timer(self.timer));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(request) => self.send(request),
            Action::Give { core, keys } => {
                self.given_at.push(self.t);
                let mut jobs = Vec::new();
                for key in keys {
                    let job = self
                        .hub
                        .table()
                        .get(key)
                        .expect("a job that is given is there");
                    let task = Task {
                        key,
                        number: job.number,
                        stage: self.hub.stage_of(job).expect("its stage is known").0,
                        stage_name: String::new(),
                        attempt: job.attempt,
                        ticket: job.ticket.clone(),
                        input: job.input.map(|text| self.texts[&text.id].clone()),
                        resume: job.resumable.then_some(()),
                        files: None,
                    };
                    for (at, other) in &self.cores {
                        let has = other.has(key);
                        assert!(!has, "job {key} is given to {core} while {at} has it");
                    }
                    jobs.push(task);
                }
                let project = String::new();
                self.say(core, ToCore::Jobs { project, jobs });
            }
            // Checkpoints are kept under the rights to hand the jobs in.
            Action::Rekey { .. } => {}
            Action::Recall(core) => self.say(core, ToCore::Recall),
            Action::StopJob { core, key } => {
                let signalled = self.signal(core, STOP);
                self.say(core, ToCore::Stop { key, signalled });
            }
            Action::Intensity { core, intensity } => {
                self.signal(core, intensity);
                self.say(core, ToCore::Intensity(intensity));
            }
            Action::Cores(want) => {
                self.wants = want;
                self.cores.split_off(&want);
                for at in 0..want {
                    if !self.cores.contains_key(&at) {
                        self.spawn(at, SPAWN_MS);
                    }
                }
            }
            Action::Replace { core, .. } => {
                self.replaced += 1;
                self.lose(core);
                self.spawn(core, SPAWN_MS);
            }
            Action::Free(text) => {
                assert!(
                    self.texts.remove(&text.id).is_some(),
                    "text {} freed twice",
                    text.id
                );
            }
            Action::Store(write) => self.write(write),
            // Its jobs name no files.
            Action::File(_) => {}
            Action::Renew => {
                self.renews = true;
                self.close(false);
            }
            Action::Stopped => self.close(false),
            Action::Fatal(fault) => {
                self.fatal = Some(fault.code.as_str().to_owned());
                self.close(false);
            }
        }
    }

    pub(super) fn hub_hears(&mut self, after: f64, event: Event) {
        self.plan(after, Planned::Hub(self.generation, event));
    }
}
