//! A page: drives the [`Supervisor`], which starts and replaces workers and decides which tab computes.
//!
//! JavaScript that is called from here may call back: `spawn`, a listener, a getter of what a page has
//! replaced. So no borrow lasts over such a call, and actions that arise while another one is carried out
//! wait for their turn.

use super::arguments::{known, require_object, truth};
use super::bindings::now;
use super::display::Display;
use super::dom::{self, Aborter, JsCell, call, construct, navigator, promise, when_settled};
use super::goals::Goals;
use super::json::{kind_of, says, shown};
use super::object::{Made, array, field, flag, list, number, object, text};
use super::options::VolunteerOptions;
use super::page_message::{self, FromWorker, read_from_worker};
use super::settings::{given_settings, read_settings, write_limits, write_settings};
use super::status;
use super::tab_lock::{Notice, TabLock};
use super::tabs::{self, FromTab, Name, read_from_tab};
use core::cell::{Cell, RefCell};
use distcompute_engine::fault::Fault;
use distcompute_engine::hub::governor::Surroundings;
use distcompute_engine::page::channel::Listening;
use distcompute_engine::page::event::{Action, Command, Cx, Event, HubMessage, Id};
use distcompute_engine::page::goal::Goal;
use distcompute_engine::page::supervisor::Supervisor;
use distcompute_engine::page::view::View;
use distcompute_engine::settings::Settings;
use distcompute_engine::sorted_map::SortedMap;
use distcompute_engine::status::{Tell, Telling};
use distcompute_engine::time::clock::Now;
use gloo_timers::callback::{Interval, Timeout};
use js_sys::{Array, Function, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/bindings.js")]
extern "C" {
    /// The compiled package, where it is known.
    #[wasm_bindgen(js_name = compiledWasm)]
    fn compiled_wasm() -> JsValue;
}

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
    supervisor: RefCell<Supervisor>,
    /// What is to be done, and whether that is under way.
    actions: RefCell<Vec<Action>>,
    acting: Cell<bool>,
    closed: Cell<bool>,
    url: String,
    /// The name of the lock, of the channel between tabs, and of the entry in the tab's storage.
    name: String,
    /// Without locks each tab is a volunteer of its own and keeps its jobs under a name of its own.
    instance: RefCell<String>,
    spawn: Function,
    stages: Array,
    nickname: String,
    join_key: Option<String>,
    limits: JsValue,
    workers: RefCell<SortedMap<JsValue>>,
    /// The workers that were made compute workers, with their numbers as such.
    cores: RefCell<SortedMap<u32>>,
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
    timer: RefCell<Option<Interval>>,
    lock: RefCell<Option<Rc<TabLock>>>,
    /// Whether the browser has been asked for the queue for the lock, and has not answered.
    asking: Cell<bool>,
    /// The promises of `start` and `stop`.
    goals: Goals,
    /// Resolve the promises of [`Page::idle`].
    idlers: RefCell<Vec<Function>>,
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
            supervisor: RefCell::new(supervisor),
            actions: RefCell::default(),
            acting: Cell::default(),
            closed: Cell::default(),
            name: ["distcompute ", options.url.as_str()].concat(),
            url: options.url.as_str().to_owned(),
            instance: RefCell::default(),
            spawn: options.spawn,
            stages: array(stages.map(|stage| JsValue::from_str(stage.letter()))),
            nickname: options.nickname,
            join_key: options.join_key,
            limits: write_limits(&options.limits),
            workers: RefCell::default(),
            cores: RefCell::default(),
            counted: JsCell::default(),
            farewell: JsCell::default(),
            ended: Aborter::new(),
            channel: JsCell::default(),
            listening: Cell::default(),
            battery: JsCell::default(),
            surroundings: Cell::default(),
            timer: RefCell::default(),
            lock: RefCell::default(),
            asking: Cell::default(),
            goals: Goals::default(),
            idlers: RefCell::default(),
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

    /// Carries out a command of this page, and passes it on: it applies to all tabs.
    ///
    /// # Errors
    /// What is wrong with its argument.
    pub(crate) fn command(self: &Rc<Self>, name: Name, given: &JsValue) -> Result<(), Fault> {
        let command = self.read_command(name, given, given_settings)?;
        self.handle(Event::Command(command));
        self.post(tabs::write_command(name, given));
        Ok(())
    }

    fn read_command(
        &self,
        name: Name,
        given: &JsValue,
        settings: fn(&JsValue, &Settings) -> Result<Settings, Fault>,
    ) -> Result<Command, Fault> {
        Ok(match name {
            Name::Start => {
                if !self.supervisor.borrow().is_running() {
                    self.counted.take();
                }
                Command::Start
            }
            Name::Resume => Command::Resume,
            Name::Pause => Command::Pause {
                until: until(given, js_sys::Date::now())?,
            },
            Name::Stop => Command::Stop {
                finish: finish(given)?,
            },
            Name::Set => {
                require_object(given, "settings")?;
                let base = *self.supervisor.borrow().settings();
                Command::Set(settings(given, &base)?)
            }
        })
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
                let message = page_message::write_hub_command(&command, &settings);
                self.send(hub, message, None);
            }
            Action::Farewell => self.send_farewell(),
            Action::AnnounceEnd => {
                self.farewell.take();
                self.post(tabs::write_gone());
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
            utc_offset_min: -js_sys::Date::new_0().get_timezone_offset() as i32,
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

    fn set_lock(self: &Rc<Self>, on: bool) {
        if let Some(lock) = self.lock.take() {
            lock.withdraw();
        }
        if !on {
            return;
        }
        let page = Rc::clone(self);
        let notify = move |notice| match notice {
            Notice::Begin { locked } => {
                if !locked {
                    page.find_instance();
                }
                page.handle(Event::LockGranted);
            }
            Notice::Queued => page.handle(Event::LockTaken),
        };
        let lock = TabLock::request(&self.name, Box::new(notify));
        self.lock.replace(Some(lock));
    }

    /// Finds the name under which this tab has kept its jobs before a reload, or makes one. The entry in the
    /// tab's storage is gone while the tab lives, so that a copy of the tab does not find it.
    fn find_instance(&self) {
        let storage = dom::global("sessionStorage");
        let name = JsValue::from_str(&self.name);
        if self.instance.borrow().is_empty() {
            let kept = call(&storage, "getItem", &[&name]).ok();
            let kept = kept.and_then(|kept| kept.as_string());
            let new = || {
                let number = js_sys::Math::random() * 9_007_199_254_740_992.0;
                ["#", &(number as u64).to_string()].concat()
            };
            self.instance.replace(kept.unwrap_or_else(new));
        }
        let _ = call(&storage, "removeItem", &[&name]);
    }

    /// Asks the browser whether other tabs are in the queue for the lock.
    fn ask_for_others(self: &Rc<Self>) {
        // One question at a time: it may never be answered.
        if self.asking.replace(true) {
            return;
        }
        let Ok(locks) = call(&navigator("locks"), "query", &[]) else {
            self.asking.set(false);
            return;
        };
        let page = Rc::clone(self);
        let answered = move |locks: Result<JsValue, JsValue>| {
            page.asking.set(false);
            let locks = locks.unwrap_or_default();
            if field(&locks, "pending").is_some() {
                let pending = list(&locks, "pending");
                let mut names = pending.iter().filter_map(|lock| text(lock, "name"));
                let others_wait = names.any(|name| name == page.name);
                page.handle(Event::OthersWait(others_wait));
            }
        };
        when_settled(locks, Box::new(answered));
    }

    /// Listens to the other tabs.
    fn open_channel(self: &Rc<Self>) {
        let Ok(channel) = construct("BroadcastChannel", &[&self.name.as_str().into()]) else {
            return;
        };
        self.channel.set(channel.clone());
        if self.on(&channel, "message", Source::Channel).is_ok() {
            self.post(tabs::write_hello());
        }
    }

    fn channel_message(self: &Rc<Self>, event: &JsValue) {
        if !self.channel.get().is_object() {
            // It was closed when this message had arrived.
            return;
        }
        let mut listening = self.listening.get();
        let closed = listening.message(now());
        self.listening.set(listening);
        if let Some(ms) = closed {
            // A channel that is closed costs no time.
            let _ = call(&self.channel.take(), "close", &[]);
            let page = Rc::clone(self);
            let reopen = Timeout::new(ms, move || {
                if !page.closed.get() {
                    page.open_channel();
                }
            });
            reopen.forget();
            return;
        }
        // Only now: the browser may not deserialize the message before.
        let message = field(event, "data").unwrap_or_default();
        match read_from_tab(&message) {
            Some(FromTab::Hello) => self.post_status(),
            Some(FromTab::Gone) => self.handle(Event::OtherComputes(false)),
            Some(FromTab::Status(said)) => {
                if let Some(shown) = status::shown(&said) {
                    self.display.set_other_tab(shown);
                    self.handle(Event::OtherComputes(true));
                }
            }
            Some(FromTab::Command(name, given)) => {
                // If it cannot be read, the method of the other tab has thrown.
                if let Ok(command) = self.read_command(name, &given, read_settings) {
                    self.handle(Event::RemoteCommand(command));
                }
            }
            None => {}
        }
    }

    fn post_status(&self) {
        if self.supervisor.borrow().computes() {
            self.post(tabs::write_status(&self.display.status()));
        }
    }

    /// Posts a message to the other tabs.
    fn post(&self, message: Made) {
        let message = message.done();
        let channel = self.channel.get();
        if channel.is_object() {
            let _ = call(&channel, "postMessage", &[&message]);
        } else if let Ok(channel) = construct("BroadcastChannel", &[&self.name.as_str().into()]) {
            let _ = call(&channel, "postMessage", &[&message]);
            let _ = call(&channel, "close", &[]);
        }
    }

    fn spawn(self: &Rc<Self>, id: Id) {
        let thrown = match self.spawn.call0(&JsValue::UNDEFINED) {
            Ok(worker) => match self.watch(id, &worker) {
                Ok(true) => {
                    self.workers.borrow_mut().insert(id, worker);
                    return;
                }
                Ok(false) => {
                    self.handle(Event::NotAWorker(kind_of(&worker)));
                    return;
                }
                Err(thrown) => {
                    let _ = call(&worker, "terminate", &[]);
                    thrown
                }
            },
            Err(thrown) => thrown,
        };
        let message = ["spawn threw: ", &says(&thrown)].concat();
        self.handle(Event::WorkerDied(id, message));
    }

    /// Listens to a worker. Whether it is one.
    fn watch(self: &Rc<Self>, id: Id, worker: &JsValue) -> Result<bool, JsValue> {
        if !worker.is_object() || !js_sys::Reflect::get(worker, &"terminate".into())?.is_function()
        {
            return Ok(false);
        }
        self.on(worker, "message", Source::Message(id))?;
        self.on(worker, "error", Source::Error(id))?;
        self.on(worker, "messageerror", Source::MessageError(id))?;
        Ok(true)
    }

    fn receive(self: &Rc<Self>, id: Id, message: FromWorker) {
        let is_hub = self.supervisor.borrow().hub() == Some(id);
        let message = match message {
            FromWorker::Ready => return self.handle(Event::WorkerReady(id)),
            FromWorker::Failed(why) => return self.handle(Event::WorkerDied(id, why)),
            _ if !is_hub => return,
            FromWorker::Farewell(requests) => {
                self.farewell.set(requests);
                return;
            }
            FromWorker::Status(status) => {
                if status.is_object() && self.display.set_hub_status(status.clone()) {
                    self.counted.set(status);
                }
                HubMessage::Status
            }
            FromWorker::Fatal(error) => {
                self.display.set_fatal(error);
                HubMessage::Fatal
            }
            FromWorker::Hub(message) => message,
        };
        self.handle(Event::FromHub(id, message));
    }

    /// Sends a message to a worker, with the port that it contains.
    fn send(&self, id: Id, message: Made, port: Option<&JsValue>) {
        let worker = self.workers.borrow().get(id).cloned();
        if let Some(worker) = worker {
            let ports = array(port.into_iter().cloned());
            let _ = call(&worker, "postMessage", &[&message.done(), &ports]);
        }
    }

    fn make_hub(&self, id: Id) {
        let settings = *self.supervisor.borrow().settings();
        let cores = {
            let cores = self.cores.borrow();
            array(cores.values().map(|core| JsValue::from(*core)))
        };
        let before = field(&self.display.hub_status(), "cores").unwrap_or_default();
        let surroundings = page_message::write_surroundings(&self.read_surroundings());
        let setup = object()
            .with("url", &self.url)
            .with("stages", &self.stages)
            .with("nickname", &self.nickname)
            .with("joinKey", self.join_key.as_deref())
            .with("limits", &self.limits)
            .with("instance", &*self.instance.borrow())
            .with("settings", &write_settings(&settings))
            .with("surroundings", surroundings)
            .with("cores", &cores)
            .with("before", &before)
            .with("counted", &self.counted.get());
        let message = page_message::write_hub(&compiled_wasm(), setup);
        self.send(id, message, None);
    }

    /// Opens a channel between the hub and a compute worker.
    fn connect(&self, hub: Id, worker: Id, core: u32) {
        let Ok(channel) = construct("MessageChannel", &[]) else {
            return;
        };
        let port = |name| field(&channel, name).unwrap_or_default();
        let (one, other) = (port("port1"), port("port2"));
        self.cores.borrow_mut().insert(worker, core);
        let message = page_message::write_compute(&compiled_wasm(), core, &one);
        self.send(worker, message, Some(&one));
        let message = page_message::write_core(core, &other);
        self.send(hub, message, Some(&other));
    }

    /// Sends the requests for the end of the page. Those of a page outlive it; those of a worker often do not.
    fn send_farewell(&self) {
        let requests = object().with("requests", &self.farewell.get()).done();
        for request in list(&requests, "requests") {
            let member = |name| field(&request, name).unwrap_or_default();
            let headers = object().with("content-type", "application/json");
            let options = object()
                .with("method", "POST")
                .with("keepalive", true)
                // A redirect could lead the token elsewhere.
                .with("redirect", "error")
                .with("headers", headers)
                .with("body", &member("body"))
                .done();
            let sent = call(&js_sys::global(), "fetch", &[&member("url"), &options]);
            if let Ok(sent) = sent {
                // A rejection that nobody handles would be reported.
                when_settled(sent, Box::new(drop));
            }
        }
    }
}

/// When a pause ends.
fn until(for_ms: &JsValue, wall: f64) -> Result<Option<f64>, Fault> {
    if for_ms.is_undefined() || for_ms.is_null() {
        return Ok(None);
    }
    match for_ms.as_f64() {
        Some(ms) if ms >= 0.0 => Ok((ms < f64::INFINITY).then_some(wall + ms)),
        _ => {
            let what = "pause takes a number of milliseconds, 0 or more, or nothing; it was given ";
            Err(Fault::argument([what, &shown(for_ms), "."].concat()))
        }
    }
}

/// The option of `stop`.
fn finish(options: &JsValue) -> Result<bool, Fault> {
    if options.is_undefined() || options.is_null() {
        return Ok(false);
    }
    require_object(options, "the options of stop")?;
    known(options, "option of stop", &["finish"])?;
    Ok(truth(options, "finish")?.unwrap_or(false))
}
