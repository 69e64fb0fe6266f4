//! A page: drives the [`Supervisor`], which starts and replaces workers and decides which tab computes.
//!
//! JavaScript that is called from here may call back: `spawn`, a listener, a getter of what a page has
//! replaced. So no borrow lasts over such a call, and actions that arise while another one is carried out
//! wait for their turn.

mod commands;
mod tabs;
mod workers;

use super::bindings::now;
use super::display::Display;
use super::dom::{self, Aborter, JsCell, call, construct, promise, when_settled};
use super::goals::Goals;
use super::json::says;
use super::object::{array, field, flag, number};
use super::options::VolunteerOptions;
use super::page_message::{self, read_from_worker};
use super::settings::write_limits;
use super::shared::Shared;
use super::tab_lock::TabLock;
use super::tabs::write_gone;
use core::cell::Cell;
use distcompute_engine::client::address::Address;
use distcompute_engine::fault::Fault;
use distcompute_engine::hub::governor::Surroundings;
use distcompute_engine::page::channel::Listening;
use distcompute_engine::page::event::{Action, Cx, Event, Id};
use distcompute_engine::page::goal::Goal;
use distcompute_engine::page::supervisor::Supervisor;
use distcompute_engine::page::view::View;
use distcompute_engine::sorted_map::SortedMap;
use distcompute_engine::status::{Tell, Telling};
use distcompute_engine::time::clock::Now;
use gloo_timers::callback::{Interval, Timeout};
use js_sys::{Array, Function, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// The interval of [`Event::Tick`].
const TICK_MS: u32 = 1_000;

/// What a page listens to.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Something around the page may have changed.
    Surroundings,
    /// The page is being left.
    Leave,
    /// The page is shown, perhaps again.
    Show,
    /// A message from another tab.
    Channel,
    /// A message from a worker.
    Message(Id),
    /// A worker has failed.
    Error(Id),
    /// A message from a worker cannot be deserialized.
    MessageError(Id),
}

/// A page, its workers and its part among the tabs of the browser.
pub(crate) struct Page {
    supervisor: Shared<Supervisor>,
    /// What is to be done, and whether that is under way.
    actions: Shared<Vec<Action>>,
    acting: Cell<bool>,
    closed: Cell<bool>,
    url: String,
    /// The name of the lock, of the channel between tabs, and of the entry in the tab's storage.
    name: String,
    /// Without locks each tab is a volunteer of its own and keeps its jobs under a name of its own.
    instance: Shared<String>,
    spawn: Function,
    stages: Array,
    nickname: Shared<String>,
    join_key: Option<String>,
    limits: JsValue,
    workers: Shared<SortedMap<JsValue>>,
    /// The workers that were made compute workers, with their numbers as such.
    cores: Shared<SortedMap<u32>>,
    /// The status from whose counts the next hub goes on: counters begin at `start`.
    counted: JsCell,
    /// The requests that the hub has prepared for the end of the page.
    farewell: JsCell,
    /// Removes all event listeners.
    ended: Aborter,
    channel: JsCell,
    listening: Cell<Listening>,
    battery: JsCell,
    surroundings: Cell<Option<Surroundings>>,
    timer: Shared<Option<Interval>>,
    lock: Shared<Option<Rc<TabLock>>>,
    /// Whether the browser has been asked for the queue for the lock, and has not answered.
    asking: Cell<bool>,
    /// The promises of `start` and `stop`.
    goals: Goals,
    /// Resolve the promises of [`Page::idle`].
    idlers: Shared<Vec<Function>>,
    pub(crate) display: Display,
    /// Whether listeners and other tabs are still to be notified of a change, and when they were last.
    unannounced: Cell<bool>,
    telling: Cell<Telling>,
}

impl Page {
    pub(crate) fn open(options: VolunteerOptions) -> Rc<Self> {
        let supervisor = Supervisor::new(options.settings, false);
        let stages = options.stages.iter();
        let page = Rc::new(Self {
            display: Display::new(View::of(&supervisor)),
            supervisor: Shared::new(supervisor),
            actions: Shared::default(),
            acting: Cell::default(),
            closed: Cell::default(),
            name: ["distcompute ", options.url.as_str()].concat(),
            url: options.url.as_str().to_owned(),
            instance: Shared::default(),
            spawn: options.spawn,
            stages: array(stages.map(|stage| JsValue::from_str(stage.letter()))),
            nickname: Shared::new(options.nickname),
            join_key: options.join_key,
            limits: write_limits(&options.limits),
            workers: Shared::default(),
            cores: Shared::default(),
            counted: JsCell::default(),
            farewell: JsCell::default(),
            ended: Aborter::new(),
            channel: JsCell::default(),
            listening: Cell::default(),
            battery: JsCell::default(),
            surroundings: Cell::default(),
            timer: Shared::default(),
            lock: Shared::default(),
            asking: Cell::default(),
            goals: Goals::default(),
            idlers: Shared::default(),
            unannounced: Cell::default(),
            telling: Cell::default(),
        });
        page.listen();
        page
    }

    /// Listens to all that happens to the page. What the browser does not have stays unknown.
    fn listen(self: &Rc<Self>) {
        let window = js_sys::global();
        let document = dom::global("document");
        let _ = self.on(&document, "visibilitychange", Source::Surroundings);
        let _ = self.on(&window, "pagehide", Source::Leave);
        let _ = self.on(&window, "pageshow", Source::Show);
        if let Ok(battery) = call(&dom::global("navigator"), "getBattery", &[]) {
            let page = Rc::clone(self);
            let known = move |battery: Result<JsValue, JsValue>| {
                if let Ok(battery) = battery {
                    let _ = page.on(&battery, "chargingchange", Source::Surroundings);
                    page.battery.set(battery);
                    page.look();
                }
            };
            when_settled(battery, Box::new(known));
        }
        self.open_channel();
        self.look();
    }

    /// Listens to events until the page is closed.
    fn on(self: &Rc<Self>, target: &JsValue, kind: &str, source: Source) -> Result<(), JsValue> {
        let page = Rc::clone(self);
        let listener = dom::callback(move |event| page.event(source, &event));
        let given = [&kind.into(), &listener, &self.ended.options()];
        call(target, "addEventListener", &given).map(drop)
    }

    fn event(self: &Rc<Self>, source: Source, event: &JsValue) {
        let is_there = |id| self.workers.borrow().get(id).is_some();
        match source {
            Source::Surroundings => self.look(),
            Source::Leave => self.leave(),
            Source::Show => {
                if flag(event, "persisted") {
                    self.handle(Event::Returned);
                }
            }
            Source::Channel => self.channel_message(event),
            Source::Message(id) | Source::Error(id) | Source::MessageError(id) if !is_there(id) => {
            }
            Source::Message(id) => {
                let message = field(event, "data").unwrap_or_default();
                if number(&message, "dc") == Some(1.0)
                    && let Some(message) = read_from_worker(&message)
                {
                    self.receive(id, message);
                }
            }
            Source::Error(id) => {
                let message = field(event, "message");
                let message = message.map_or_else(String::new, |message| says(&message));
                self.handle(Event::WorkerDied(id, message));
            }
            Source::MessageError(id) => {
                let message = "its message could not be read".to_owned();
                self.handle(Event::WorkerDied(id, message));
            }
        }
    }

    /// Ends all. No listener is called any more.
    pub(crate) fn free(self: &Rc<Self>) {
        self.display.remove_listeners();
        self.handle(Event::Freed);
        self.goals.end();
    }

    /// A promise that settles when a goal is reached, or cannot be.
    pub(crate) fn promise_of(&self, goal: Goal) -> Promise {
        let promise = self.goals.add(goal);
        if self.closed.get() {
            self.goals.end();
        } else {
            self.settle_goals();
        }
        promise
    }

    fn settle_goals(&self) {
        if self.goals.is_empty() {
            return;
        }
        let wanted = if self.supervisor.borrow().is_running() {
            Goal::Started
        } else {
            Goal::Stopped
        };
        self.goals.look(wanted, &self.display.status());
    }

    /// A promise that is resolved when this tab does not compute.
    pub(crate) fn idle(&self) -> Promise {
        let (idle, resolve) = promise();
        self.idlers.borrow_mut().push(resolve);
        self.resolve_idlers();
        idle
    }

    fn resolve_idlers(&self) {
        if !self.supervisor.borrow().computes() {
            for resolve in self.idlers.take() {
                // `resolve` of a promise does not throw.
                let _ = resolve.call0(&JsValue::UNDEFINED);
            }
        }
    }

    /// The name of the lock by which one tab computes.
    pub(crate) fn lock_name(&self) -> &str {
        &self.name
    }

    /// The tracker's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same, parsed.
    pub(crate) fn address(&self) -> Result<Address, Fault> {
        Address::parse(&self.url)
    }

    /// The name under which the hub keeps what it stores.
    pub(crate) fn site(&self) -> String {
        [self.url.as_str(), &self.instance.borrow()].concat()
    }

    /// Something happened.
    fn handle(self: &Rc<Self>, event: Event) {
        if self.closed.get() {
            return;
        }
        let now = Now {
            mono: now(),
            wall: js_sys::Date::now(),
        };
        let mut cx = Cx::new(now, js_sys::Math::random());
        self.supervisor.borrow_mut().handle(&mut cx, event);
        self.actions.borrow_mut().append(&mut cx.out);
        if self.acting.replace(true) {
            return;
        }
        loop {
            let mut actions = self.actions.borrow_mut();
            if actions.is_empty() {
                break;
            }
            let first = actions.remove(0);
            drop(actions);
            self.act(first);
        }
        self.acting.set(false);
        self.show();
    }

    fn act(self: &Rc<Self>, action: Action) {
        match action {
            Action::Lock(on) => self.set_lock(on),
            Action::Ticks(on) => {
                let page = Rc::clone(self);
                let timer = on.then(|| Interval::new(TICK_MS, move || page.tick()));
                self.timer.replace(timer);
            }
            Action::Spawn(id) => self.spawn(id),
            Action::Terminate(id) => {
                self.cores.borrow_mut().remove(id);
                let worker = self.workers.borrow_mut().remove(id);
                if let Some(worker) = worker {
                    let _ = call(&worker, "terminate", &[]);
                }
            }
            Action::MakeHub(id) => self.make_hub(id),
            Action::Connect { hub, worker, core } => self.connect(hub, worker, core),
            Action::ToHub(hub, command) => {
                let settings = *self.supervisor.borrow().settings();
                let nickname = self.nickname.borrow();
                let message = page_message::write_hub_command(&command, &settings, &nickname);
                self.send(hub, message, None);
            }
            Action::Farewell => self.send_farewell(),
            Action::AnnounceEnd => {
                self.farewell.take();
                self.post(write_gone());
            }
            Action::Close => {
                self.closed.set(true);
                self.timer.take();
                self.ended.abort();
                let _ = call(&self.channel.take(), "close", &[]);
            }
        }
    }

    /// Updates the status, and notifies listeners and other tabs of a change when it is time.
    fn show(self: &Rc<Self>) {
        self.resolve_idlers();
        let view = View::of(&self.supervisor.borrow());
        if self.display.update(view) {
            self.unannounced.set(true);
            self.settle_goals();
        }
        if !self.unannounced.get() {
            return;
        }
        let mut telling = self.telling.get();
        let tell = telling.changed(now());
        self.telling.set(telling);
        match tell {
            Tell::Now => {
                self.unannounced.set(false);
                self.post_status();
                self.display.call_listeners();
            }
            Tell::After(ms) => {
                let page = Rc::clone(self);
                let later = Timeout::new(ms.ceil() as u32, move || {
                    let mut telling = page.telling.get();
                    telling.came_back();
                    page.telling.set(telling);
                    page.show();
                });
                later.forget();
            }
            Tell::Soon => {}
        }
    }

    fn tick(self: &Rc<Self>) {
        self.look();
        self.ask_for_others();
        self.handle(Event::Tick);
    }

    /// Looks at what may have changed around the page.
    fn look(self: &Rc<Self>) {
        let surroundings = self.read_surroundings();
        if self.surroundings.replace(Some(surroundings)) == Some(surroundings) {
            return;
        }
        let hub = self.supervisor.borrow().hub();
        if let Some(hub) = hub {
            self.send(hub, page_message::write_around(&surroundings), None);
        }
        self.handle(Event::Hidden(surroundings.hidden));
    }

    fn read_surroundings(&self) -> Surroundings {
        let hidden = field(&dom::global("document"), "hidden");
        let battery = self.battery.get();
        let charging = battery.is_object().then(|| flag(&battery, "charging"));
        Surroundings {
            hidden: hidden.is_some_and(|hidden| hidden == JsValue::TRUE),
            on_battery: charging.map(|charging| !charging),
            utc_offset_min: -timezone_offset() as i32,
        }
    }

    /// The page is being left.
    fn leave(self: &Rc<Self>) {
        let instance = self.instance.borrow().clone();
        if !instance.is_empty() {
            let given = [&self.name.as_str().into(), &instance.into()];
            let _ = call(&dom::global("sessionStorage"), "setItem", &given);
        }
        self.handle(Event::Left);
    }
}

/// By how many minutes UTC is ahead of local time.
fn timezone_offset() -> f64 {
    let date = construct("Date", &[]);
    let offset = date.and_then(|date| call(&date, "getTimezoneOffset", &[]));
    offset.unwrap_or_default().as_f64().unwrap_or_default()
}
