//! What is planned, in the order of time, and the loop that takes one after the other.

use distcompute_engine::hub::event::Event;

use super::Browser;
use super::planned::{Arrival, Ending, Planned};
use crate::tracker::Tracker;

impl<T: Tracker> Browser<T> {
    pub(super) fn plan(&mut self, after: f64, what: Planned) {
        self.ticket += 1;
        // Microseconds, so that time has an order.
        let at = ((self.t + after.max(0.0)) * 1000.0).ceil() as u64;
        self.queue.insert((at, self.ticket), what);
    }

    /// Goes on for so long.
    pub fn run(&mut self, ms: f64) {
        self.run_until(ms, |_| false);
    }

    /// Goes on until something is so; `false`: it was not within `ms`.
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

    /// When something happens next, as [`time`](Self::time) has it.
    pub fn next(&self) -> Option<f64> {
        let (at, _) = self.queue.first_key_value()?;
        Some((at.0 as f64 / 1000.0).max(self.t) + self.slept)
    }

    /// Does what happens next.
    pub fn step_on(&mut self) {
        if let Some(((at, _), what)) = self.queue.pop_first() {
            self.t = self.t.max(at as f64 / 1000.0);
            self.take(what);
        }
    }

    /// Nothing happens until then.
    pub fn wait_until(&mut self, time: f64) {
        self.t = self.t.max(time - self.slept);
    }

    pub(super) fn take(&mut self, what: Planned) {
        match what {
            Planned::Hub(life, event) if life == self.life => self.happen(event),
            // The page joins no worker to the hub that it has ended meanwhile.
            Planned::Here(hub, at, life) if hub == self.life && self.lives(at, life) => {
                self.open_channel(at, life);
                self.happen(Event::CoreHere(at));
            }
            Planned::Timer(timer) if timer == self.timer => self.happen(Event::Tick),
            Planned::ToCore(at, life, arrival) if self.lives(at, life) => {
                self.arrive(at, arrival);
            }
            Planned::Step(at, life, plan) if self.lives(at, life) && self.is_planned(at, plan) => {
                self.step(at);
            }
            Planned::Slept(at, life, plan) if self.lives(at, life) && self.is_planned(at, plan) => {
                self.has_slept(at);
            }
            Planned::CoreTimer(at, life, due) if self.lives(at, life) && self.is_timer(at, due) => {
                self.core_timer(at);
            }
            Planned::Up(at, life) if self.lives(at, life) => self.set_up(at),
            Planned::Successor(life) if life == self.life && !self.stopped => self.succeed(),
            Planned::Meet(hub, at, life) if hub == self.life && self.lives(at, life) => {
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
            Planned::Stalls(request, life, down) if life == self.life => {
                let flow = self.flowing.get(&request);
                if flow.is_some_and(|(now, _)| *now == down) {
                    let heard = Planned::Ending(request, life, Box::new(Ending::TimedOut));
                    self.plan(0.0, heard);
                }
            }
            Planned::Ending(request, life, heard) => self.hears(request, life, *heard),
            _ => {}
        }
    }
}
