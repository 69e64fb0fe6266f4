//! The supervisor: which workers are started, replaced and terminated, and which of a browser's tabs
//! computes. What the workers do is decided in the [hub](crate::hub) and in [`core`](crate::core).
//!
//! Silence is counted in ticks of the page's timer, one per second, and not by a clock: while a page is
//! frozen, or its timer is slowed down because the tab is hidden, no ticks are counted, so a hub is not
//! taken for dead because its page was asleep.

use crate::page::event::{Action, Command, Cx, Event, HubCommand, HubMessage, Id};
use crate::page::slot::{Slot, Worker};
use crate::reason::Reason;
use crate::settings::Settings;
use crate::time::clock::{Due, Steady};

/// Ticks without a message from the hub after which it is pinged.
pub const ASK_AFTER: u32 = 5;
/// Ticks without a message from the hub after which it is replaced.
pub const DEAD_AFTER: u32 = 10;
/// Ticks within which a worker has to call `work()`.
pub const READY_WITHIN: u32 = 60;
/// Ticks within which a hub has to give its jobs back.
pub const STOPPED_WITHIN: u32 = 15;
/// Ticks without an announcement after which another tab counts as gone.
pub const FORGOTTEN_AFTER: u32 = 15;
/// The most compute workers that are started, whatever the hub wants.
pub const MOST_CORES: u32 = 1024;

/// The lock by which one tab of a browser computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TabLock {
    /// Not wanted.
    None,
    /// Requested; no answer yet.
    Requested,
    /// Held by another tab; this one is in the queue.
    Queued,
    /// Held by this tab.
    Held,
}

/// The hub was asked to stop.
#[derive(Debug)]
struct Shutdown {
    /// Whether running jobs are finished first.
    finish: bool,
    /// Ticks since then.
    ticks: u32,
}

/// The machine of a page: its workers, and its part among the tabs of the browser.
#[derive(Debug)]
pub struct Supervisor {
    settings: Settings,
    /// Whether the volunteer wants to compute.
    running: bool,
    /// The time that only grows, and the reading of the wall clock.
    clock: Steady,
    wall: f64,
    /// The pause, and when it ends if it ends by itself.
    pause: Option<Option<Due>>,
    hidden: bool,
    /// Whether the page has been left and not come back.
    away: bool,
    failed: bool,
    freed: bool,
    lock: TabLock,
    /// Whether other tabs are in the queue for the lock.
    others_wait: bool,
    /// Ticks since another tab last announced that it computes.
    other_computes: Option<u32>,
    /// The slot of the hub, followed by those of the compute workers.
    slots: Vec<Slot>,
    /// How many compute workers the hub wants.
    wanted: u32,
    /// Whether this hub has reported its status.
    hub_reported: bool,
    /// Ticks since the last message from the hub.
    silent_ticks: u32,
    shutdown: Option<Shutdown>,
    /// Why a worker was last replaced, for people.
    problem: Option<String>,
    ticking: bool,
    closed: bool,
    /// The worker that was started last.
    last: Id,
}

impl Supervisor {
    /// A page that computes nothing yet.
    #[must_use]
    pub fn new(settings: Settings, hidden: bool) -> Self {
        Self {
            settings,
            running: false,
            clock: Steady::default(),
            wall: 0.0,
            pause: None,
            hidden,
            away: false,
            failed: false,
            freed: false,
            lock: TabLock::None,
            others_wait: false,
            other_computes: None,
            slots: vec![Slot::default()],
            wanted: 0,
            hub_reported: false,
            silent_ticks: 0,
            shutdown: None,
            problem: None,
            ticking: false,
            closed: false,
            last: 0,
        }
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the volunteer wants to compute.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Whether this is the tab that computes.
    #[must_use]
    pub fn computes(&self) -> bool {
        self.lock == TabLock::Held
    }

    /// The hub, once it can receive messages.
    #[must_use]
    pub fn hub(&self) -> Option<Id> {
        self.slots[0].ready()
    }

    /// Why this browser computes or does not. `None`: the reason in the hub's status applies.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.lock {
            TabLock::None if self.running => Some(Reason::Hidden),
            TabLock::None if self.failed => Some(Reason::Failed),
            TabLock::None if self.other_computes.is_some() => Some(Reason::AnotherTab),
            TabLock::None => Some(Reason::Stopped),
            TabLock::Requested => Some(Reason::Starting),
            TabLock::Queued => Some(Reason::AnotherTab),
            TabLock::Held => match (&self.shutdown, self.trouble()) {
                (Some(Shutdown { finish: true, .. }), _) => Some(Reason::Finishing),
                (Some(_), _) => Some(Reason::Stopping),
                (None, Some(at)) => {
                    let until = self.clock.wall_of(at);
                    Some(Reason::WorkerFailed { until })
                }
                (None, None) => (!self.hub_reported).then_some(Reason::Starting),
            },
        }
    }

    /// What went wrong, for people, if the reason is that no worker can be started.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self.reason() {
            Some(Reason::WorkerFailed { .. } | Reason::Failed) => self.problem.as_deref(),
            _ => None,
        }
    }

    /// When the next worker is started, if none is able to work.
    fn trouble(&self) -> Option<f64> {
        let (hub, cores) = self.slots.split_first()?;
        hub.trouble().or_else(|| {
            let mut soonest = None;
            for core in cores {
                let until = core.trouble()?;
                soonest = Some(soonest.map_or(until, |other: f64| other.min(until)));
            }
            soonest
        })
    }

    /// Handles an event.
    pub fn handle(&mut self, cx: &mut Cx, event: Event) {
        let clocks = cx.now;
        self.wall = clocks.wall;
        cx.now = self.clock.read(clocks);
        match event {
            _ if self.freed && matches!(event, Event::Command(_) | Event::RemoteCommand(_)) => {}
            Event::Command(command) => self.apply(cx, command),
            // A page that was never started does not start with another tab; its pauses end with it.
            Event::RemoteCommand(Command::Start) if !self.running => {}
            Event::RemoteCommand(command) => self.apply(cx, command),
            Event::Freed => {
                self.freed = true;
                self.other_computes = None;
                self.apply(cx, Command::Stop { finish: false });
            }
            Event::LockGranted if self.lock != TabLock::None => self.lock = TabLock::Held,
            Event::LockTaken if self.lock == TabLock::Requested => self.lock = TabLock::Queued,
            Event::LockGranted | Event::LockTaken => {}
            Event::OthersWait(others_wait) => self.others_wait = others_wait,
            Event::OtherComputes(computes) => {
                self.other_computes = (computes && !self.freed).then_some(0);
            }
            Event::WorkerReady(id) => self.worker_ready(cx, id),
            Event::WorkerDied(id, message) => self.worker_died(cx, id, message),
            Event::NotAWorker(what) => {
                self.problem = Some(format!("spawn must return a Worker. It returned {what}."));
                self.fail(cx);
            }
            Event::FromHub(id, message) if self.hub() == Some(id) => {
                self.silent_ticks = 0;
                self.hub_message(cx, message);
            }
            Event::FromHub(..) => {}
            Event::Tick => self.tick(cx),
            Event::Hidden(hidden) => self.hidden = hidden,
            Event::Left => {
                if self.lock == TabLock::Held {
                    // A tab in the queue takes over with the jobs that this one leaves in storage.
                    self.end(cx, !self.others_wait);
                }
                self.away = true;
            }
            Event::Returned => self.away = false,
        }
        self.settle(cx);
        cx.now = clocks;
    }

    fn apply(&mut self, cx: &mut Cx, command: Command) {
        match command {
            Command::Start => {
                self.running = true;
                self.failed = false;
                for slot in &mut self.slots {
                    slot.waits = None;
                }
                self.apply(cx, Command::Resume);
            }
            Command::Resume => {
                if self.pause.take().is_some() {
                    self.send(cx, HubCommand::Resume);
                }
            }
            Command::Pause { until } if self.running => {
                // Kept as a length: the wall clock may be set before it ends.
                self.pause = Some(until.map(|until| Due::after(cx.now, until - self.wall)));
                self.send(cx, HubCommand::Pause { until });
            }
            Command::Pause { .. } => {}
            Command::Stop { finish } => {
                self.running = false;
                self.failed = false;
                self.pause = None;
                let begun = self.shutdown.as_ref().is_some_and(|l| finish || !l.finish);
                if self.lock == TabLock::Held && !begun {
                    self.shut_down(cx, finish);
                }
            }
            Command::Set(settings) => {
                self.settings = settings;
                self.send(cx, HubCommand::Settings);
            }
        }
    }

    fn send(&self, cx: &mut Cx, command: HubCommand) {
        if let Some(hub) = self.hub() {
            cx.out.push(Action::ToHub(hub, command));
        }
    }

    fn hub_message(&mut self, cx: &mut Cx, message: HubMessage) {
        match message {
            HubMessage::Status => self.hub_reported = true,
            HubMessage::Cores(wanted) => self.wanted = wanted.min(MOST_CORES),
            HubMessage::Replace(core) => {
                let slot = self.slots.get_mut(core.saturating_add(1) as usize);
                if let Some(slot) = slot
                    && let Some(worker) = &slot.worker
                {
                    cx.out.push(Action::Terminate(worker.id));
                    slot.lost(cx.now, cx.random);
                    self.problem = Some("A worker had to be ended again and again.".to_owned());
                }
            }
            HubMessage::Stopped => {
                // A hub that stops by itself cannot go on: it is not started again.
                self.running &= self.shutdown.is_some();
                self.end(cx, false);
            }
            HubMessage::Renew => {
                let mut hub = core::mem::take(&mut self.slots[0]);
                if let Some(worker) = hub.ready() {
                    cx.out.push(Action::Terminate(worker));
                }
                hub.lost(cx.now, cx.random);
                self.end_all(cx);
                self.slots[0] = hub;
                self.hub_reported = false;
                self.problem = Some("The project was renewed again and again.".to_owned());
            }
            HubMessage::Fatal => {
                self.problem = None;
                self.fail(cx);
            }
        }
    }

    fn slot_of(&self, id: Id) -> Option<usize> {
        self.slots.iter().position(|slot| slot.is(id))
    }

    fn worker_ready(&mut self, cx: &mut Cx, id: Id) {
        let Some(index) = self.slot_of(id) else {
            return;
        };
        let worker = self.slots[index].worker.as_mut();
        if worker.is_some_and(|worker| worker.ready.replace(cx.now).is_some()) {
            return;
        }
        if index == 0 {
            self.silent_ticks = 0;
            cx.out.push(Action::MakeHub(id));
            if let Some(due) = self.pause
                && due.is_none_or(|due| !due.is_over(cx.now))
            {
                let until = due.map(|due| self.wall + due.left_ms(cx.now));
                self.send(cx, HubCommand::Pause { until });
            }
        }
        let Some(hub) = self.hub() else {
            return;
        };
        for (core, slot) in (0..).zip(self.slots.iter_mut().skip(1)) {
            if let Some(worker) = &mut slot.worker
                && worker.ready.is_some()
                && (index == 0 || worker.id == id)
            {
                worker.connected = true;
                let worker = worker.id;
                cx.out.push(Action::Connect { hub, worker, core });
            }
        }
        if index == 0 && self.shutdown.is_some() {
            self.send(cx, HubCommand::Stop { finish: true });
        }
    }

    fn worker_died(&mut self, cx: &mut Cx, id: Id, said: String) {
        let Some(index) = self.slot_of(id) else {
            return;
        };
        let slot = &mut self.slots[index];
        let was_ready = slot.ready().is_some();
        let connected = slot.is_connected();
        slot.lost(cx.now, cx.random);
        cx.out.push(Action::Terminate(id));
        let message = if was_ready {
            said
        } else {
            let nothing = "its script cannot be loaded";
            let why = if said.is_empty() { nothing } else { &said };
            format!(
                "A worker did not start: {why}. Check the address that spawn gives to new Worker(), and \
                 what the page's Content-Security-Policy allows."
            )
        };
        self.problem = Some(message.clone());
        if connected {
            let core = index as u32 - 1;
            self.send(cx, HubCommand::CoreDied { core, message });
        }
        if index == 0
            && self
                .shutdown
                .as_ref()
                .is_some_and(|shutdown| !shutdown.finish)
        {
            self.end(cx, true);
        }
    }

    fn tick(&mut self, cx: &mut Cx) {
        self.other_computes = self
            .other_computes
            .map(|ticks| ticks + 1)
            .filter(|ticks| *ticks < FORGOTTEN_AFTER);
        if let Some(hub) = self.hub() {
            self.silent_ticks += 1;
            if self.silent_ticks == ASK_AFTER {
                self.send(cx, HubCommand::Ping);
            } else if self.silent_ticks >= DEAD_AFTER {
                let message = "The hub has been silent for too long.".to_owned();
                self.worker_died(cx, hub, message);
            }
        }
        let mut late = None;
        for worker in self.slots.iter_mut().filter_map(|p| p.worker.as_mut()) {
            worker.ticks += 1;
            if worker.ready.is_none() && worker.ticks >= READY_WITHIN {
                late = Some(worker.id);
            }
        }
        // One per tick, because each takes its slot out of the list.
        if let Some(id) = late {
            let what = "it has not called work() within a minute".to_owned();
            self.worker_died(cx, id, what);
        }
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.ticks += 1;
            if !shutdown.finish && shutdown.ticks >= STOPPED_WITHIN {
                self.end(cx, true);
            }
        }
    }

    /// Asks the hub to finish its jobs or to give them back. Without a hub, ends at once.
    fn shut_down(&mut self, cx: &mut Cx, finish: bool) {
        let works = self.slots.iter().any(Slot::is_connected);
        if self.hub().is_some() || (finish && works) {
            self.send(cx, HubCommand::Stop { finish });
            self.shutdown = Some(Shutdown { finish, ticks: 0 });
        } else {
            self.end(cx, true);
        }
    }

    fn fail(&mut self, cx: &mut Cx) {
        self.running = false;
        self.failed = true;
        self.end(cx, false);
    }

    fn end_all(&mut self, cx: &mut Cx) {
        self.shrink(cx, 0);
        self.slots.push(Slot::default());
    }

    /// Terminates the workers of all slots past the first `slots`.
    fn shrink(&mut self, cx: &mut Cx, slots: usize) {
        while self.slots.len() > slots {
            if let Some(worker) = self.slots.pop().and_then(|slot| slot.worker) {
                cx.out.push(Action::Terminate(worker.id));
            }
        }
    }

    /// Terminates all workers and releases the lock.
    fn end(&mut self, cx: &mut Cx, farewell: bool) {
        if farewell {
            cx.out.push(Action::Farewell);
        }
        self.end_all(cx);
        self.wanted = 0;
        self.hub_reported = false;
        self.others_wait = false;
        self.shutdown = None;
        if self.lock == TabLock::Held {
            cx.out.push(Action::AnnounceEnd);
        }
        if self.lock != TabLock::None {
            self.lock = TabLock::None;
            cx.out.push(Action::Lock(false));
        }
    }

    /// Brings lock, workers and timer in line with the state, after any event.
    fn settle(&mut self, cx: &mut Cx) {
        let visible = !self.hidden || self.settings.background;
        if self.lock == TabLock::Held && self.shutdown.is_none() && self.others_wait && !visible {
            self.shut_down(cx, false);
        }
        let wants = self.running && !self.away && visible;
        match self.lock {
            TabLock::None if wants => {
                self.lock = TabLock::Requested;
                cx.out.push(Action::Lock(true));
            }
            TabLock::Requested | TabLock::Queued if !wants => {
                self.lock = TabLock::None;
                cx.out.push(Action::Lock(false));
            }
            TabLock::Held if self.shutdown.as_ref().is_none_or(|l| l.finish) => self.fill_slots(cx),
            _ => {}
        }
        let ticks = self.lock == TabLock::Held || self.other_computes.is_some();
        if ticks != self.ticking {
            self.ticking = ticks;
            cx.out.push(Action::Ticks(ticks));
        }
        if self.freed && self.lock == TabLock::None && !self.closed {
            self.closed = true;
            cx.out.push(Action::Close);
        }
    }

    /// Starts workers for the empty slots whose wait is over, and terminates those past what is wanted.
    fn fill_slots(&mut self, cx: &mut Cx) {
        let slots = self.wanted as usize + 1;
        self.shrink(cx, slots);
        self.slots.resize_with(slots, Slot::default);
        // All workers run the same script: while the hub's fails to start, the others would as well.
        let waits = self.slots[0].worker.is_none() && !self.slots[0].is_due(cx.now);
        for slot in &mut self.slots {
            if slot.is_due(cx.now) && !waits {
                self.last += 1;
                slot.worker = Some(Worker {
                    id: self.last,
                    ready: None,
                    ticks: 0,
                    connected: false,
                });
                cx.out.push(Action::Spawn(self.last));
            }
        }
    }
}

#[cfg(test)]
mod tests;
