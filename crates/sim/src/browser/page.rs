//! What the volunteer and the page do: settings, closing and opening, and a hub that is replaced.

use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::event::{Event, Inherited};
use distcompute_engine::hub::governor::Wish;
use distcompute_engine::hub::jobs::JobKey;
use distcompute_engine::settings::Settings;

use super::planned::Planned;
use super::{Browser, MESSAGE_MS, SPAWN_MS};
use crate::tracker::{ApiRequest, Tracker};

impl<T: Tracker> Browser<T> {
    pub fn tell(&mut self, event: Event) {
        match &event {
            Event::Settings(settings) => self.settings = *settings,
            Event::Around(around) => self.around = *around,
            Event::Wish(wish) => {
                self.wish = *wish;
                self.pause_ends = match wish {
                    Wish::Pause { until: Some(until) } => {
                        Some(self.shown_time() + (until - self.now().wall))
                    }
                    _ => None,
                };
            }
            _ => {}
        }
        self.happen(event);
    }

    pub fn settings(&mut self, change: impl Fn(&mut Settings)) {
        let mut settings = self.settings;
        change(&mut settings);
        self.tell(Event::Settings(settings));
    }

    /// The page is closed, with or without a goodbye. Storage stays.
    pub fn close(&mut self, farewell: bool) {
        if farewell {
            for wire in self.hub.farewell(self.now()) {
                let asked = self.asked_by(&wire);
                let body = match &asked {
                    ApiRequest::Sync(sync) => sync.done.iter().map(|done| done.data.len()).sum(),
                    _ => 0,
                };
                assert!(body < 64_000, "browsers let 64 KiB outlive a page");
                let arrives = Planned::Arrives {
                    request: 0,
                    hub: 0,
                    asked,
                    back_ms: None,
                };
                self.plan(self.delay_ms / 2.0, arrives);
            }
        }
        self.cores.clear();
        self.texts.clear();
        self.flights.clear();
        self.flowing.clear();
        self.bodies.clear();
        self.idle.clear();
        self.generation += 1;
        self.timer += 1;
        self.stopped = true;
    }

    /// The page is opened again.
    pub fn open(&mut self) {
        self.stopped = false;
        self.renews = false;
        self.wants = 0;
        self.hub = self.scheduler();
        self.restore(Vec::new());
    }

    /// The page reports its surroundings and what is left of a pause to a new hub.
    pub(super) fn tell_successor(&mut self) {
        self.happen(Event::Around(self.around));
        if self.wish != Wish::Run {
            let left = self.pause_ends.map(|ends| ends - self.shown_time());
            let until = left.map(|left| self.now().wall + left);
            self.happen(Event::Wish(Wish::Pause { until }));
        }
    }

    /// The hub dies. Its cores work on, and the page starts another hub.
    pub fn kill_hub(&mut self) {
        if self.stopped {
            return;
        }
        self.generation += 1;
        self.timer += 1;
        self.flights.clear();
        self.flowing.clear();
        self.bodies.clear();
        self.channels.clear();
        self.texts.clear();
        self.idle.clear();
        let first = (self.rng.next_f64() * 2e9) as JobKey;
        self.hub = self.scheduler().with_keys_from(first);
        for core in self.cores.values_mut() {
            core.lose_hub();
        }
        self.plan(SPAWN_MS, Planned::Successor(self.generation));
    }

    pub(super) fn scheduler(&self) -> Scheduler {
        Scheduler::new(&self.stages, &self.nickname, self.settings, self.limits)
    }

    pub(super) fn succeed(&mut self) {
        // The page knows which cores run, and whether they have shown progress.
        let cores = self.cores.iter().map(|(at, core)| Inherited {
            core: *at,
            has_progress: core.has_told(),
        });
        self.restore(cores.collect());
        let lives: Vec<(u32, u64)> = self
            .cores
            .iter()
            .map(|(at, core)| (*at, core.generation))
            .collect();
        for (at, generation) in lives {
            self.plan(MESSAGE_MS, Planned::Here(self.generation, at, generation));
            self.plan(
                2.0 * MESSAGE_MS,
                Planned::Meet(self.generation, at, generation),
            );
        }
    }

    /// A compute worker dies.
    pub fn kill_core(&mut self, at: u32) {
        if self.lose(at) {
            self.hub_hears(
                MESSAGE_MS,
                Event::CoreDied(at, "unreachable executed".to_owned()),
            );
            self.spawn(at, 1_000.0);
        }
    }
}
