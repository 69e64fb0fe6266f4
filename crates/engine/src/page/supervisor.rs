//! The page's part: which workers there are, who replaces whom and when, and which of a browser's
//! tabs computes. What the workers do among themselves is not known here.
//!
//! Silence is counted in ticks of the page's own timer, one a second: a page that was frozen, or
//! whose timer a hidden tab has slowed down, has counted none meanwhile and judges nobody.

use crate::reason::Reason;
use crate::settings::Settings;
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now, Steady};

/// After so many ticks without a word from the hub it is asked whether it lives.
pub const ASK_AFTER: u32 = 5;
/// After so many it is dead.
pub const DEAD_AFTER: u32 = 10;
/// After so many ticks a worker that has not called `work()` never will.
pub const READY_WITHIN: u32 = 60;
/// After so many ticks a hub that puts jobs back has been waited for long enough.
pub const STOPPED_WITHIN: u32 = 15;
/// After so many ticks without a word another tab does not compute any more.
pub const FORGOTTEN_AFTER: u32 = 15;
/// A worker that has lived so long is replaced at once.
pub const LONG_LIFE_MS: f64 = 10_000.0;
/// More compute workers than this are never started, whatever the hub says.
pub const MOST_CORES: u32 = 1024;

/// The wait before a worker that has lived only shortly is replaced.
const RESPAWN: Backoff = Backoff::doubling(1_000.0, 60_000.0).with_jitter(0.5);

/// How long to wait before a worker is replaced, in milliseconds, after so many short lives in a
/// row. A worker that has lived long is replaced at once. `random` is in `[0, 1)`.
#[must_use]
pub fn respawn_ms(short_lives: u32, random: f64) -> f64 {
    match short_lives.checked_sub(1) {
        Some(failures) => RESPAWN.wait_ms(failures, random),
        None => 0.0,
    }
}

/// A worker, of all that this page has ever started.
pub type Id = u32;

/// What the volunteer says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Word {
    /// Compute; also after a pause.
    Start,
    /// Not now, until this time in milliseconds since 1970; `None` means until they say go on.
    Pause {
        /// When to go on.
        until: Option<f64>,
    },
    /// Go on after a pause.
    Resume,
    /// Compute no more.
    Stop {
        /// Whether to finish what runs.
        finish: bool,
    },
    /// These settings from now on.
    Set(Settings),
}

/// What the hub says, as far as it concerns the page's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubWord {
    /// How things are.
    Status,
    /// How many compute workers it wants.
    Cores(u32),
    /// This compute worker must be ended, and another must take its place.
    Replace(u32),
    /// All jobs are finished or put back.
    Stopped,
    /// The project has a new version, and no job runs.
    Renew,
    /// It cannot go on.
    Fatal,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The volunteer said something here.
    Said(Word),
    /// The volunteer said something in another tab.
    Heard(Word),
    /// The page wants no more of it.
    Freed,
    /// This tab is the one that computes.
    Granted,
    /// Another tab is; this one waits.
    Taken,
    /// Whether other tabs wait for this one.
    Heirs(bool),
    /// Whether another tab computes, as it says itself.
    Elsewhere(bool),
    /// A worker has called `work()`.
    Ready(Id),
    /// A worker is gone, or never came to be, with what the browser said.
    Died(Id, String),
    /// `spawn` gives no workers but this.
    Useless(String),
    /// A worker that claims to be the hub has said something.
    Hub(Id, HubWord),
    /// The page's timer, once a second while [`Action::Ticks`] says so.
    Tick,
    /// Whether the page is hidden.
    Hidden(bool),
    /// The page is left; it may come back.
    Left,
    /// It is back.
    Returned,
}

/// What the hub is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A core's worker is gone.
    Died {
        /// Its place.
        core: u32,
        /// What the browser said.
        message: String,
    },
    /// The settings have changed.
    Settings,
    /// Rest until this time in milliseconds since 1970, or until told.
    Pause {
        /// When to go on.
        until: Option<f64>,
    },
    /// Go on.
    Resume,
    /// End.
    Stop {
        /// Whether to finish what runs.
        finish: bool,
    },
    /// Say how things are.
    Ping,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask to be the tab that computes, and wait for it; or want it no more.
    Lock(bool),
    /// Whether to tick.
    Ticks(bool),
    /// Start a worker.
    Spawn(Id),
    /// End a worker.
    End(Id),
    /// Make this worker the hub.
    Hub(Id),
    /// Make this worker a core's, or tell it of its new hub, and join both by a channel.
    Connect {
        /// The hub.
        hub: Id,
        /// The core's worker.
        worker: Id,
        /// Its place.
        core: u32,
    },
    /// Tell the hub.
    Tell(Id, Order),
    /// Send the requests that say goodbye.
    Farewell,
    /// Tell the other tabs that this one does not compute any more.
    Gone,
    /// Let go of everything: nothing will happen any more.
    Close,
}

/// Whether this tab may compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Asked,
    Taken,
    Held,
}

#[derive(Debug)]
struct Worker {
    id: Id,
    ready: Option<Now>,
    /// Ticks until it was ready.
    ticks: u32,
    connected: bool,
}

/// Where a worker is, or is to be.
#[derive(Debug, Default)]
struct Place {
    worker: Option<Worker>,
    short_lives: u32,
    /// When the last one died, and how long to wait.
    waits: Option<(Now, f64)>,
}

impl Place {
    fn ready(&self) -> Option<Id> {
        let worker = self.worker.as_ref()?;
        worker.ready.map(|_| worker.id)
    }

    fn is(&self, id: Id) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.id == id)
    }

    fn is_due(&self, now: Now) -> bool {
        let waits = self.waits.is_some_and(|(died, ms)| now.since(died) < ms);
        self.worker.is_none() && !waits
    }

    fn is_connected(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.connected)
    }

    /// Its worker is gone.
    fn lost(&mut self, now: Now, random: f64) {
        let ready = self.worker.take().and_then(|worker| worker.ready);
        let long = ready.is_some_and(|ready| now.since(ready) >= LONG_LIFE_MS);
        self.short_lives = if long { 0 } else { self.short_lives + 1 };
        self.waits = Some((now, respawn_ms(self.short_lives, random)));
    }

    /// Where its workers live short lives and none is ready: when the next is tried, in the supervisor's
    /// own time.
    fn trouble(&self) -> Option<f64> {
        let (died, ms) = self.waits?;
        (self.short_lives > 0 && self.ready().is_none()).then_some(died.wall + ms)
    }
}

#[derive(Debug)]
struct Leaving {
    finish: bool,
    ticks: u32,
}

/// A page's workers and its place among the tabs.
#[derive(Debug)]
pub struct Supervisor {
    settings: Settings,
    running: bool,
    /// What the clocks say, and the wall clock's reading.
    clock: Steady,
    wall: f64,
    /// When a pause ends, if ever.
    pause: Option<Option<Due>>,
    hidden: bool,
    away: bool,
    failed: bool,
    freed: bool,
    key: Key,
    heirs: bool,
    /// Ticks since another tab said that it computes.
    elsewhere: Option<u32>,
    /// The hub's place, and then the cores'.
    places: Vec<Place>,
    /// How many cores the hub wants.
    wanted: u32,
    /// Whether the hub has said how things are.
    spoken: bool,
    /// Ticks since the hub was heard.
    quiet: u32,
    leaving: Option<Leaving>,
    problem: Option<String>,
    ticking: bool,
    closed: bool,
    last: Id,
}

impl Supervisor {
    /// Nothing runs.
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
            key: Key::None,
            heirs: false,
            elsewhere: None,
            places: vec![Place::default()],
            wanted: 0,
            spoken: false,
            quiet: 0,
            leaving: None,
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

    /// Whether the volunteer wants it to compute.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Whether this is the tab that computes.
    #[must_use]
    pub fn computes(&self) -> bool {
        self.key == Key::Held
    }

    /// The hub, where it can be told something.
    #[must_use]
    pub fn hub(&self) -> Option<Id> {
        self.places[0].ready()
    }

    /// Why it computes or does not; `None` where that is for the hub to say.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.key {
            Key::None if self.running => Some(Reason::Hidden),
            Key::None if self.failed => Some(Reason::Failed),
            Key::None if self.elsewhere.is_some() => Some(Reason::AnotherTab),
            Key::None => Some(Reason::Stopped),
            Key::Asked => Some(Reason::Starting),
            Key::Taken => Some(Reason::AnotherTab),
            Key::Held => match (&self.leaving, self.trouble()) {
                (Some(Leaving { finish: true, .. }), _) => Some(Reason::Finishing),
                (Some(_), _) => Some(Reason::Stopping),
                (None, Some(at)) => {
                    let until = self.clock.wall_of(at);
                    Some(Reason::WorkerFailed { until })
                }
                (None, None) => (!self.spoken).then_some(Reason::Starting),
            },
        }
    }

    /// What went wrong, where the reason is that no worker can be started; for people.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self.reason() {
            Some(Reason::WorkerFailed { .. } | Reason::Failed) => self.problem.as_deref(),
            _ => None,
        }
    }

    /// When the next worker is tried, where none can do anything.
    fn trouble(&self) -> Option<f64> {
        let (hub, cores) = self.places.split_first()?;
        hub.trouble().or_else(|| {
            let mut soonest = None;
            for core in cores {
                let until = core.trouble()?;
                soonest = Some(soonest.map_or(until, |other: f64| other.min(until)));
            }
            soonest
        })
    }

    /// Takes in what has happened and says what to do, in this order. `random` is in `[0, 1)`.
    pub fn handle(&mut self, now: Now, random: f64, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.wall = now.wall;
        let now = self.clock.read(now);
        match event {
            _ if self.freed && matches!(event, Event::Said(_) | Event::Heard(_)) => {}
            Event::Said(word) => self.apply(now, word, &mut out),
            // One that was not started is not; one that was goes on, wherever that is said.
            Event::Heard(Word::Start) if !self.running => {}
            Event::Heard(word) => self.apply(now, word, &mut out),
            Event::Freed => {
                self.freed = true;
                self.elsewhere = None;
                self.apply(now, Word::Stop { finish: false }, &mut out);
            }
            Event::Granted if self.key != Key::None => self.key = Key::Held,
            Event::Taken if self.key == Key::Asked => self.key = Key::Taken,
            Event::Granted | Event::Taken => {}
            Event::Heirs(heirs) => self.heirs = heirs,
            Event::Elsewhere(computes) => {
                self.elsewhere = (computes && !self.freed).then_some(0);
            }
            Event::Ready(id) => self.is_ready(now, id, &mut out),
            Event::Died(id, message) => self.died(now, random, id, message, &mut out),
            Event::Useless(what) => {
                self.problem = Some(format!("spawn must return a Worker. It returned {what}."));
                self.fail(&mut out);
            }
            Event::Hub(id, word) if self.hub() == Some(id) => {
                self.quiet = 0;
                self.obey(now, random, word, &mut out);
            }
            Event::Hub(..) => {}
            Event::Tick => self.tick(now, random, &mut out),
            Event::Hidden(hidden) => self.hidden = hidden,
            Event::Left => {
                if self.key == Key::Held {
                    // An heir goes on with the jobs.
                    self.clear(!self.heirs, &mut out);
                }
                self.away = true;
            }
            Event::Returned => self.away = false,
        }
        self.settle(now, &mut out);
        out
    }

    fn apply(&mut self, now: Now, word: Word, out: &mut Vec<Action>) {
        match word {
            Word::Start => {
                self.running = true;
                self.failed = false;
                for place in &mut self.places {
                    place.waits = None;
                }
                self.apply(now, Word::Resume, out);
            }
            Word::Resume => {
                if self.pause.take().is_some() {
                    self.tell(Order::Resume, out);
                }
            }
            Word::Pause { until } if self.running => {
                // What counts is its length: the wall clock may be set before it ends.
                self.pause = Some(until.map(|until| Due::after(now, until - self.wall)));
                self.tell(Order::Pause { until }, out);
            }
            Word::Pause { .. } => {}
            Word::Stop { finish } => {
                self.running = false;
                self.failed = false;
                self.pause = None;
                let begun = self.leaving.as_ref().is_some_and(|l| finish || !l.finish);
                if self.key == Key::Held && !begun {
                    self.leave(finish, out);
                }
            }
            Word::Set(settings) => {
                self.settings = settings;
                self.tell(Order::Settings, out);
            }
        }
    }

    fn tell(&self, order: Order, out: &mut Vec<Action>) {
        if let Some(hub) = self.hub() {
            out.push(Action::Tell(hub, order));
        }
    }

    fn obey(&mut self, now: Now, random: f64, word: HubWord, out: &mut Vec<Action>) {
        match word {
            HubWord::Status => self.spoken = true,
            HubWord::Cores(wanted) => self.wanted = wanted.min(MOST_CORES),
            HubWord::Replace(core) => {
                let place = self.places.get_mut(core.saturating_add(1) as usize);
                if let Some(place) = place
                    && let Some(worker) = &place.worker
                {
                    out.push(Action::End(worker.id));
                    place.lost(now, random);
                    self.problem = Some("A worker had to be ended again and again.".to_owned());
                }
            }
            HubWord::Stopped => {
                // One that stops without having been told has its reasons.
                self.running &= self.leaving.is_some();
                self.clear(false, out);
            }
            HubWord::Renew => {
                let mut hub = core::mem::take(&mut self.places[0]);
                out.extend(hub.ready().map(Action::End));
                hub.lost(now, random);
                self.end_all(out);
                self.places[0] = hub;
                self.spoken = false;
                self.problem = Some("The project was renewed again and again.".to_owned());
            }
            HubWord::Fatal => {
                self.problem = None;
                self.fail(out);
            }
        }
    }

    fn place_of(&self, id: Id) -> Option<usize> {
        self.places.iter().position(|place| place.is(id))
    }

    fn is_ready(&mut self, now: Now, id: Id, out: &mut Vec<Action>) {
        let Some(index) = self.place_of(id) else {
            return;
        };
        let worker = self.places[index].worker.as_mut();
        if worker.is_some_and(|worker| worker.ready.replace(now).is_some()) {
            return;
        }
        if index == 0 {
            self.quiet = 0;
            out.push(Action::Hub(id));
            if let Some(due) = self.pause
                && due.is_none_or(|due| !due.is_over(now))
            {
                let until = due.map(|due| self.wall + due.left_ms(now));
                self.tell(Order::Pause { until }, out);
            }
        }
        let Some(hub) = self.hub() else {
            return;
        };
        for (core, place) in (0..).zip(&mut self.places[1..]) {
            if let Some(worker) = &mut place.worker
                && worker.ready.is_some()
                && (index == 0 || worker.id == id)
            {
                worker.connected = true;
                let worker = worker.id;
                out.push(Action::Connect { hub, worker, core });
            }
        }
        if index == 0 && self.leaving.is_some() {
            self.tell(Order::Stop { finish: true }, out);
        }
    }

    fn died(&mut self, now: Now, random: f64, id: Id, said: String, out: &mut Vec<Action>) {
        let Some(index) = self.place_of(id) else {
            return;
        };
        let place = &mut self.places[index];
        let was_ready = place.ready().is_some();
        let connected = place.is_connected();
        place.lost(now, random);
        out.push(Action::End(id));
        let message = if was_ready {
            said
        } else {
            let nothing = "its script cannot be loaded";
            [
                "A worker did not start: ",
                if said.is_empty() { nothing } else { &said },
                ". Check the address that spawn gives to new Worker(), and what the page's \
                 Content-Security-Policy allows.",
            ]
            .concat()
        };
        self.problem = Some(message.clone());
        if connected {
            let core = index as u32 - 1;
            self.tell(Order::Died { core, message }, out);
        }
        if index == 0 && self.leaving.as_ref().is_some_and(|leaving| !leaving.finish) {
            self.clear(true, out);
        }
    }

    fn tick(&mut self, now: Now, random: f64, out: &mut Vec<Action>) {
        self.elsewhere = self
            .elsewhere
            .map(|ticks| ticks + 1)
            .filter(|ticks| *ticks < FORGOTTEN_AFTER);
        if let Some(hub) = self.hub() {
            self.quiet += 1;
            if self.quiet == ASK_AFTER {
                self.tell(Order::Ping, out);
            } else if self.quiet >= DEAD_AFTER {
                let message = "The hub has been silent for too long.".to_owned();
                self.died(now, random, hub, message, out);
            }
        }
        let mut late = None;
        for worker in self.places.iter_mut().filter_map(|p| p.worker.as_mut()) {
            worker.ticks += 1;
            if worker.ready.is_none() && worker.ticks >= READY_WITHIN {
                late = Some(worker.id);
            }
        }
        // One a tick is soon enough.
        if let Some(id) = late {
            let what = "it has not called work() within a minute".to_owned();
            self.died(now, random, id, what, out);
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.ticks += 1;
            if !leaving.finish && leaving.ticks >= STOPPED_WITHIN {
                self.clear(true, out);
            }
        }
    }

    /// Has the hub finish or put back its jobs; without a hub there is nobody to do it.
    fn leave(&mut self, finish: bool, out: &mut Vec<Action>) {
        let works = self.places.iter().any(Place::is_connected);
        if self.hub().is_some() || (finish && works) {
            self.tell(Order::Stop { finish }, out);
            self.leaving = Some(Leaving { finish, ticks: 0 });
        } else {
            self.clear(true, out);
        }
    }

    fn fail(&mut self, out: &mut Vec<Action>) {
        self.running = false;
        self.failed = true;
        self.clear(false, out);
    }

    fn end_all(&mut self, out: &mut Vec<Action>) {
        self.shrink(0, out);
        self.places.push(Place::default());
    }

    /// Leaves so many places.
    fn shrink(&mut self, places: usize, out: &mut Vec<Action>) {
        while self.places.len() > places {
            let worker = self.places.pop().and_then(|place| place.worker);
            out.extend(worker.map(|worker| Action::End(worker.id)));
        }
    }

    /// Ends everything, and lets another tab compute.
    fn clear(&mut self, farewell: bool, out: &mut Vec<Action>) {
        if farewell {
            out.push(Action::Farewell);
        }
        self.end_all(out);
        self.wanted = 0;
        self.spoken = false;
        self.heirs = false;
        self.leaving = None;
        if self.key == Key::Held {
            out.push(Action::Gone);
        }
        if self.key != Key::None {
            self.key = Key::None;
            out.push(Action::Lock(false));
        }
    }

    /// What follows from how things are, whatever has happened.
    fn settle(&mut self, now: Now, out: &mut Vec<Action>) {
        let visible = !self.hidden || self.settings.background;
        if self.key == Key::Held && self.leaving.is_none() && self.heirs && !visible {
            self.leave(false, out);
        }
        let wants = self.running && !self.away && visible;
        match self.key {
            Key::None if wants => {
                self.key = Key::Asked;
                out.push(Action::Lock(true));
            }
            Key::Asked | Key::Taken if !wants => {
                self.key = Key::None;
                out.push(Action::Lock(false));
            }
            Key::Held if self.leaving.as_ref().is_none_or(|l| l.finish) => self.people(now, out),
            _ => {}
        }
        let ticks = self.key == Key::Held || self.elsewhere.is_some();
        if ticks != self.ticking {
            self.ticking = ticks;
            out.push(Action::Ticks(ticks));
        }
        if self.freed && self.key == Key::None && !self.closed {
            self.closed = true;
            out.push(Action::Close);
        }
    }

    /// Fills the places that are due, and ends who is not wanted.
    fn people(&mut self, now: Now, out: &mut Vec<Action>) {
        let places = self.wanted as usize + 1;
        self.shrink(places, out);
        self.places.resize_with(places, Place::default);
        // All run one script: where the hub's worker fails, those of the cores would.
        let waits = self.places[0].worker.is_none() && !self.places[0].is_due(now);
        for place in &mut self.places {
            if place.is_due(now) && !waits {
                self.last += 1;
                place.worker = Some(Worker {
                    id: self.last,
                    ready: None,
                    ticks: 0,
                    connected: false,
                });
                out.push(Action::Spawn(self.last));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page whose clock the test moves, and all that it has been told to do.
    struct Page {
        supervisor: Supervisor,
        now: Now,
    }

    impl Page {
        fn new() -> Self {
            Self::with(Settings::default())
        }

        fn with(settings: Settings) -> Self {
            let wall = 1_000_000.0;
            Self {
                supervisor: Supervisor::new(settings, false),
                now: Now { mono: 0.0, wall },
            }
        }

        /// Computes, with a hub (worker 1) that has spoken and this many cores (workers 2, 3, …).
        fn computing(cores: u32) -> Self {
            let mut page = Self::new();
            page.does(Event::Said(Word::Start));
            page.does(Event::Granted);
            page.does(Event::Ready(1));
            page.does(Event::Hub(1, HubWord::Status));
            page.does(Event::Hub(1, HubWord::Cores(cores)));
            for id in 2..2 + cores {
                page.does(Event::Ready(id));
            }
            page
        }

        fn does(&mut self, event: Event) -> Vec<Action> {
            self.supervisor.handle(self.now, 1.0, event)
        }

        fn passes(&mut self, ms: f64) {
            self.now.mono += ms;
            self.now.wall += ms;
        }

        fn ticks(&mut self, times: u32) -> Vec<Action> {
            let tick = |_| {
                self.passes(1_000.0);
                self.does(Event::Tick)
            };
            (0..times).flat_map(tick).collect()
        }

        fn reason(&self) -> Option<Reason> {
            self.supervisor.reason()
        }
    }

    fn died(id: Id) -> Event {
        Event::Died(id, "unreachable executed".to_owned())
    }

    fn connect(hub: Id, worker: Id, core: u32) -> Action {
        Action::Connect { hub, worker, core }
    }

    const STOP: Word = Word::Stop { finish: false };
    const FINISH: Word = Word::Stop { finish: true };
    const PUT_BACK: Order = Order::Stop { finish: false };

    #[test]
    fn nothing_starts_by_itself_and_the_hub_says_how_many_cores_there_are() {
        let mut page = Page::new();
        assert_eq!(page.reason(), Some(Reason::Stopped));
        assert_eq!(page.does(Event::Hidden(true)), []);
        assert_eq!(page.does(Event::Hidden(false)), []);
        assert_eq!(page.does(Event::Said(Word::Start)), [Action::Lock(true)]);
        let granted = page.does(Event::Granted);
        assert_eq!(granted, [Action::Spawn(1), Action::Ticks(true)]);
        assert_eq!(page.does(Event::Ready(1)), [Action::Hub(1)]);
        assert_eq!(page.does(Event::Ready(1)), [], "once");
        assert_eq!(page.reason(), Some(Reason::Starting));
        page.does(Event::Hub(1, HubWord::Status));
        assert_eq!(page.reason(), None, "the hub's word");
        let wanted = page.does(Event::Hub(1, HubWord::Cores(2)));
        assert_eq!(wanted, [Action::Spawn(2), Action::Spawn(3)]);
        assert_eq!(page.does(Event::Ready(3)), [connect(1, 3, 1)]);
        assert_eq!(page.does(Event::Ready(2)), [connect(1, 2, 0)]);
        let wanted = page.does(Event::Hub(1, HubWord::Cores(1)));
        assert_eq!(wanted, [Action::End(3)]);
        assert_eq!(page.does(Event::Hub(2, HubWord::Cores(9))), [], "no hub");
    }

    #[test]
    fn a_core_that_dies_is_reported_and_replaced_later_each_time_that_it_lives_short() {
        let mut page = Page::computing(1);
        page.passes(LONG_LIFE_MS);
        let order = Order::Died {
            core: 0,
            message: "unreachable executed".to_owned(),
        };
        assert_eq!(
            page.does(died(2)),
            [
                Action::End(2),
                Action::Tell(1, order.clone()),
                Action::Spawn(3)
            ],
            "after a long life at once"
        );
        assert_eq!(page.does(Event::Ready(3)), [connect(1, 3, 0)]);
        let dies = page.does(died(3));
        assert_eq!(dies, [Action::End(3), Action::Tell(1, order)]);
        let until = page.now.wall + 1_000.0;
        assert_eq!(page.reason(), Some(Reason::WorkerFailed { until }));
        assert_eq!(page.supervisor.problem(), Some("unreachable executed"));
        assert_eq!(page.ticks(1), [Action::Spawn(4)]);
        page.does(Event::Ready(4));
        assert_eq!(page.reason(), None);
        page.does(died(4));
        assert_eq!(page.ticks(1), []);
        assert_eq!(page.ticks(1), [Action::Spawn(5)]);
        assert_eq!(page.does(died(2)), [], "nobody dies twice");
    }

    #[test]
    fn waits_double_from_a_second_to_a_minute() {
        let waits = |random| [0, 1, 2, 3, 6, 7, 1_000].map(|lives| respawn_ms(lives, random));
        let most = [0.0, 1e3, 2e3, 4e3, 32e3, 60e3, 60e3];
        assert_eq!(waits(1.0), most);
        assert_eq!(waits(0.0), most.map(|ms| ms / 2.0));
    }

    #[test]
    fn what_the_hub_wants_replaced_is_replaced_without_telling_it() {
        let mut page = Page::computing(2);
        page.passes(LONG_LIFE_MS);
        assert_eq!(
            page.does(Event::Hub(1, HubWord::Replace(1))),
            [Action::End(3), Action::Spawn(4)]
        );
        assert_eq!(page.does(Event::Ready(4)), [connect(1, 4, 1)]);
        assert_eq!(page.does(Event::Hub(1, HubWord::Replace(7))), []);
    }

    #[test]
    fn a_new_hub_gets_the_channels_of_the_cores_that_run_and_the_pause_that_is_on() {
        let mut page = Page::computing(2);
        let until = Some(page.now.wall + 60_000.0);
        page.does(Event::Said(Word::Pause { until }));
        page.passes(LONG_LIFE_MS);
        assert_eq!(page.does(died(1)), [Action::End(1), Action::Spawn(4)]);
        assert_eq!(
            page.does(Event::Ready(4)),
            [
                Action::Hub(4),
                Action::Tell(4, Order::Pause { until }),
                connect(4, 2, 0),
                connect(4, 3, 1)
            ]
        );
        page.passes(60_000.0);
        page.does(died(4));
        let ready = page.does(Event::Ready(5));
        assert_eq!(ready[..2], [Action::Hub(5), connect(5, 2, 0)], "it is over");
    }

    #[test]
    fn a_silent_hub_is_asked_and_then_replaced() {
        let mut page = Page::computing(0);
        page.passes(LONG_LIFE_MS);
        assert_eq!(page.ticks(ASK_AFTER - 1), []);
        assert_eq!(page.ticks(1), [Action::Tell(1, Order::Ping)]);
        page.does(Event::Hub(1, HubWord::Status));
        let ticks = page.ticks(DEAD_AFTER);
        assert_eq!(
            ticks,
            [
                Action::Tell(1, Order::Ping),
                Action::End(1),
                Action::Spawn(2)
            ]
        );
    }

    #[test]
    fn a_frozen_page_judges_nobody() {
        let mut page = Page::computing(1);
        page.ticks(3);
        page.passes(86_400_000.0);
        assert_eq!(page.ticks(1), []);
        assert_eq!(page.reason(), None);
    }

    #[test]
    fn who_never_calls_work_is_replaced_and_the_status_says_so() {
        let mut page = Page::new();
        page.does(Event::Said(Word::Start));
        page.does(Event::Granted);
        assert_eq!(page.ticks(READY_WITHIN - 1), []);
        assert_eq!(page.ticks(1), [Action::End(1)]);
        assert!(
            page.supervisor
                .problem()
                .is_some_and(|p| p.contains("work()"))
        );
        assert_eq!(page.ticks(1), [Action::Spawn(2)]);
        // Whose script cannot be loaded has no message.
        page.does(Event::Died(2, String::new()));
        assert!(
            page.supervisor
                .problem()
                .is_some_and(|p| p.contains("script"))
        );
        let Some(Reason::WorkerFailed { until }) = page.reason() else {
            panic!("{:?}", page.reason());
        };
        assert_eq!(until, page.now.wall + 2_000.0);
        // Start again means now.
        let again = page.does(Event::Said(Word::Start));
        assert_eq!(again, [Action::Spawn(3)]);
        page.does(Event::Ready(3));
        assert_eq!(page.reason(), Some(Reason::Starting));
    }

    #[test]
    fn a_spawn_that_gives_no_worker_is_not_tried_again_until_start() {
        let mut page = Page::new();
        page.does(Event::Said(Word::Start));
        page.does(Event::Granted);
        let useless = page.does(Event::Useless("a promise".to_owned()));
        assert!(useless.contains(&Action::Lock(false)));
        assert_eq!(page.reason(), Some(Reason::Failed));
        assert!(
            page.supervisor
                .problem()
                .is_some_and(|p| p.contains("promise"))
        );
        assert_eq!(page.ticks(100), []);
        let start = page.does(Event::Said(Word::Start));
        assert!(start.contains(&Action::Lock(true)));
        assert_eq!(page.reason(), Some(Reason::Starting));
    }

    #[test]
    fn stop_waits_for_the_hub_and_then_lets_go_of_everything() {
        let mut page = Page::computing(1);
        assert_eq!(
            page.does(Event::Said(FINISH)),
            [Action::Tell(1, Order::Stop { finish: true })]
        );
        assert_eq!(page.reason(), Some(Reason::Finishing));
        // The hub falls silent; there is no hurry.
        assert_eq!(
            page.ticks(2 * STOPPED_WITHIN),
            [
                Action::Tell(1, Order::Ping),
                Action::End(1),
                Action::Spawn(3)
            ]
        );
        // A new hub learns that it is to finish.
        let ready = page.does(Event::Ready(3));
        let last = Action::Tell(3, Order::Stop { finish: true });
        assert_eq!(ready, [Action::Hub(3), connect(3, 2, 0), last]);
        // Enough of that.
        let stop = page.does(Event::Said(STOP));
        assert_eq!(stop, [Action::Tell(3, PUT_BACK)]);
        assert_eq!(page.does(Event::Said(FINISH)), [], "no way back");
        assert_eq!(page.reason(), Some(Reason::Stopping));
        assert_eq!(
            page.does(Event::Hub(3, HubWord::Stopped)),
            [
                Action::End(2),
                Action::End(3),
                Action::Gone,
                Action::Lock(false),
                Action::Ticks(false)
            ]
        );
        assert_eq!(page.reason(), Some(Reason::Stopped));
    }

    #[test]
    fn a_hub_that_does_not_stop_is_ended_with_a_farewell() {
        let mut page = Page::computing(0);
        page.does(Event::Said(STOP));
        let ends = [
            Action::Farewell,
            Action::End(1),
            Action::Gone,
            Action::Lock(false),
            Action::Ticks(false),
        ];
        for _ in 1..STOPPED_WITHIN {
            assert_eq!(page.ticks(1), []);
            page.does(Event::Hub(1, HubWord::Status));
        }
        assert_eq!(page.ticks(1), ends);
        let mut page = Page::computing(0);
        page.does(Event::Said(STOP));
        let dies = page.does(died(1));
        assert_eq!(dies[0], Action::End(1));
        assert_eq!(dies[1], Action::Farewell);
        assert_eq!(page.reason(), Some(Reason::Stopped));
    }

    #[test]
    fn start_while_it_stops_starts_again_when_it_has_stopped() {
        let mut page = Page::computing(0);
        page.does(Event::Said(STOP));
        page.does(Event::Said(Word::Start));
        assert_eq!(page.reason(), Some(Reason::Stopping));
        let stopped = page.does(Event::Hub(1, HubWord::Stopped));
        assert_eq!(
            stopped[stopped.len() - 3..],
            [
                Action::Lock(false),
                Action::Lock(true),
                Action::Ticks(false)
            ]
        );
    }

    #[test]
    fn a_new_version_ends_all_workers_and_starts_as_many() {
        let mut page = Page::computing(1);
        page.passes(LONG_LIFE_MS);
        assert_eq!(
            page.does(Event::Hub(1, HubWord::Renew)),
            [
                Action::End(1),
                Action::End(2),
                Action::Spawn(3),
                Action::Spawn(4)
            ]
        );
        // One that is renewed again at once waits.
        page.does(Event::Ready(3));
        let again = page.does(Event::Hub(3, HubWord::Renew));
        assert_eq!(again, [Action::End(3), Action::End(4)]);
    }

    #[test]
    fn what_is_fatal_ends_everything_and_is_not_tried_again() {
        let mut page = Page::computing(1);
        let fatal = page.does(Event::Hub(1, HubWord::Fatal));
        assert!(fatal.contains(&Action::End(2)) && fatal.contains(&Action::Lock(false)));
        assert_eq!(page.reason(), Some(Reason::Failed));
        assert_eq!(page.supervisor.problem(), None, "the hub has said what");
        page.does(Event::Said(STOP));
        assert_eq!(page.reason(), Some(Reason::Stopped));
    }

    #[test]
    fn a_second_tab_waits_shows_the_first_and_says_what_it_is_told() {
        let mut page = Page::new();
        page.does(Event::Said(Word::Start));
        assert_eq!(page.does(Event::Taken), []);
        assert_eq!(page.reason(), Some(Reason::AnotherTab));
        let pause = Word::Pause { until: None };
        assert_eq!(page.does(Event::Said(pause)), []);
        // The first closes: the pause that was said is still on.
        page.does(Event::Granted);
        assert_eq!(
            page.does(Event::Ready(1)),
            [
                Action::Hub(1),
                Action::Tell(1, Order::Pause { until: None })
            ]
        );
        assert_eq!(
            page.does(Event::Heard(Word::Resume)),
            [Action::Tell(1, Order::Resume)]
        );
        assert_eq!(
            page.does(Event::Heard(STOP)),
            [Action::Tell(1, PUT_BACK)],
            "and is not said again"
        );
    }

    #[test]
    fn stop_in_any_tab_stops_those_that_wait_too() {
        let mut page = Page::new();
        page.does(Event::Said(Word::Start));
        page.does(Event::Taken);
        assert_eq!(page.does(Event::Heard(STOP)), [Action::Lock(false)]);
        assert_eq!(page.does(Event::Granted), [], "too late");
        assert_eq!(page.does(Event::Heard(Word::Resume)), []);
        assert_eq!(page.does(Event::Heard(Word::Start)), []);
        assert_eq!(page.reason(), Some(Reason::Stopped));
    }

    #[test]
    fn a_tab_that_was_never_started_shows_one_that_computes_until_it_is_silent() {
        let mut page = Page::new();
        let told = page.does(Event::Elsewhere(true));
        assert_eq!(told, [Action::Ticks(true)]);
        assert_eq!(page.reason(), Some(Reason::AnotherTab));
        page.ticks(FORGOTTEN_AFTER - 1);
        page.does(Event::Elsewhere(true));
        page.ticks(FORGOTTEN_AFTER - 1);
        assert_eq!(page.reason(), Some(Reason::AnotherTab));
        assert_eq!(page.ticks(1), [Action::Ticks(false)]);
        assert_eq!(page.reason(), Some(Reason::Stopped));
        page.does(Event::Elsewhere(true));
        let gone = page.does(Event::Elsewhere(false));
        assert_eq!(gone, [Action::Ticks(false)]);
    }

    #[test]
    fn a_hidden_page_gives_way_only_if_it_may_not_work_and_another_waits() {
        let mut page = Page::computing(0);
        page.does(Event::Heirs(true));
        assert_eq!(page.does(Event::Hidden(true)), []);
        let foreground = Settings {
            background: false,
            ..Settings::default()
        };
        page.does(Event::Heirs(false));
        page.does(Event::Said(Word::Set(foreground)));
        assert_eq!(
            page.does(Event::Heirs(true)),
            [Action::Tell(1, PUT_BACK)],
            "gives way"
        );
        page.does(Event::Hub(1, HubWord::Stopped));
        assert_eq!(page.reason(), Some(Reason::Hidden));
        assert_eq!(page.does(Event::Hidden(false)), [Action::Lock(true)]);
        page.does(Event::Taken);
        assert_eq!(page.does(Event::Hidden(true)), [Action::Lock(false)]);
    }

    #[test]
    fn a_page_that_is_left_says_goodbye_unless_an_heir_goes_on() {
        for heirs in [false, true] {
            let mut page = Page::computing(1);
            page.does(Event::Heirs(heirs));
            let left = page.does(Event::Left);
            assert_eq!(left.contains(&Action::Farewell), !heirs);
            for action in [Action::End(1), Action::End(2), Action::Lock(false)] {
                assert!(left.contains(&action), "{action:?}");
            }
            assert_eq!(page.does(Event::Hidden(true)), []);
            assert_eq!(page.does(Event::Returned), [Action::Lock(true)]);
        }
        let mut idle = Page::new();
        assert_eq!(idle.does(Event::Left), []);
        assert_eq!(idle.does(Event::Returned), []);
    }

    #[test]
    fn freed_means_stopped_for_good_here_and_nowhere_else() {
        let mut page = Page::computing(0);
        assert_eq!(page.does(Event::Freed), [Action::Tell(1, PUT_BACK)]);
        assert_eq!(page.does(Event::Said(Word::Start)), []);
        let stopped = page.does(Event::Hub(1, HubWord::Stopped));
        assert_eq!(stopped.last(), Some(&Action::Close));
        assert_eq!(page.does(Event::Freed), [], "once");
        assert_eq!(Page::new().does(Event::Freed), [Action::Close]);
    }

    #[test]
    fn settings_reach_the_hub() {
        let mut page = Page::computing(0);
        let settings = Settings {
            cores: 4,
            ..Settings::default()
        };
        let set = Word::Set(settings);
        assert_eq!(
            page.does(Event::Said(set)),
            [Action::Tell(1, Order::Settings)]
        );
        assert_eq!(*page.supervisor.settings(), settings);
        // Also where nothing runs: all tabs of a browser have the same.
        let mut other = Page::new();
        assert_eq!(other.does(Event::Heard(set)), []);
        assert_eq!(*other.supervisor.settings(), settings);
    }
}
