//! The queue of planned events, and the loop that takes them in the order of time.

use distcompute_engine::hub::event::Event;

use super::Browser;
use super::planned::{Arrival, Ending, Planned};
use crate::tracker::Tracker;

impl<T: Tracker> Browser<T> {
    pub(super) fn plan(&mut self, after: f64, what: Planned) {
        self.ticket += 1;
        // Whole microseconds can be sorted; floating-point numbers cannot.
        let at = ((self.t + after.max(0.0)) * 1000.0).ceil() as u64;
        self.queue.insert((at, self.ticket), what);
    }

    /// Runs for `ms`.
    pub fn run(&mut self, ms: f64) {
        self.run_until(ms, |_| false);
    }

    /// Runs until a condition holds, for at most `ms`. Returns whether it does.
    pub fn run_until(&mut self, ms: f64, is: impl Fn(&Self) -> bool) -> bool {
        let end = self.time() + ms;
        loop {
            if is(self) {
                return true;
            }
            if self.next().is_none_or(|at| at > end) {
                break;
            }
            self.step_on();
        }
        self.wait_until(end);
        is(self)
    }

    /// The time of the next event.
    pub fn next(&self) -> Option<f64> {
        let (at, _) = self.queue.first_key_value()?;
        Some((at.0 as f64 / 1000.0).max(self.t) + self.slept)
    }

    /// Takes the next event.
    pub fn step_on(&mut self) {
        if let Some(((at, _), what)) = self.queue.pop_first() {
            self.t = self.t.max(at as f64 / 1000.0);
            self.take(what);
        }
    }

    /// Lets time pass without events.
    pub fn wait_until(&mut self, time: f64) {
        self.t = self.t.max(time - self.slept);
    }

    pub(super) fn take(&mut self, what: Planned) {
        match what {
            Planned::Hub(generation, event) if generation == self.generation => self.happen(event),
            // The page may have ended the worker meanwhile.
            Planned::Here(hub, at, generation)
                if hub == self.generation && self.is_current(at, generation) =>
            {
                self.open_channel(at, generation);
                self.happen(Event::CoreHere(at));
            }
            Planned::Timer(timer) if timer == self.timer => self.happen(Event::Tick),
            Planned::ToCore(at, generation, arrival) if self.is_current(at, generation) => {
                self.arrive(at, arrival);
            }
            Planned::Step(at, generation, plan)
                if self.is_current(at, generation) && self.is_planned(at, plan) =>
            {
                self.step(at);
            }
            Planned::Slept(at, generation, plan)
                if self.is_current(at, generation) && self.is_planned(at, plan) =>
            {
                self.has_slept(at);
            }
            Planned::CoreTimer(at, generation, due)
                if self.is_current(at, generation) && self.is_timer(at, due) =>
            {
                self.core_timer(at);
            }
            Planned::Up(at, generation) if self.is_current(at, generation) => self.set_up(at),
            Planned::Successor(generation) if generation == self.generation && !self.stopped => {
                self.succeed();
            }
            Planned::Meet(hub, at, generation)
                if hub == self.generation && self.is_current(at, generation) =>
            {
                self.arrive(at, Arrival::Hub(hub));
            }
            Planned::Arrives {
                request,
                hub,
                asked,
                back_ms,
            } => self.arrives(request, hub, &asked, back_ms),
            Planned::Flows {
                request,
                hub,
                down,
                left,
                heard,
            } => self.flows(request, hub, down, left, heard),
            Planned::Stalls(request, generation, down) if generation == self.generation => {
                let flow = self.flowing.get(&request);
                if flow.is_some_and(|(now, _)| *now == down) {
                    let heard = Planned::Ending(request, generation, Box::new(Ending::TimedOut));
                    self.plan(0.0, heard);
                }
            }
            Planned::Ending(request, generation, heard) => self.hears(request, generation, *heard),
            _ => {}
        }
    }
}
