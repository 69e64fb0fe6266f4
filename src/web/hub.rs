//! The hub worker: carries out what the scheduler says. All requests, timers and writes to storage
//! of a volunteer are made here; nothing is decided, and nothing is computed.

use super::bindings::{now, tell_page};
use super::browser::warn;
use super::futures::spawn;
use super::http::{Outcome as Came, Sent, attempt, find};
use super::json;
use super::message::{Js, read_from_core, write_to_core};
use super::object::{amount, field, flag, list, number, object, small, text};
use super::settings::{read_limits, read_settings};
use super::signals::Signals;
use super::texts::Texts;
use super::{status, wire};
use core::cell::{Cell, RefCell};
use distcompute_engine::client::address::Address;
use distcompute_engine::client::exchange::Patience;
use distcompute_engine::client::probe::Finding;
use distcompute_engine::core::throttle::{FULL, STOP};
use distcompute_engine::fault::Fault;
use distcompute_engine::hub::action::{
    Action, TrackerRequest, TrackerResponse, Transfer, Wire, Write,
};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Ended, Event, Inherited, Report, Stored};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::{JobKey, Outcome};
use distcompute_engine::hub::{Counted, Scheduler};
use distcompute_engine::message::{self, FromCore, Job, ToCore};
use distcompute_engine::page::supervisor::MOST_CORES;
use distcompute_engine::settings::Settings;
use distcompute_engine::sorted_map::SortedMap;
use distcompute_engine::status::{BEAT_MS, tell_in};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;
use gloo_timers::callback::Timeout;
use js_sys::{Array, JsString};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    async fn read(site: &str, most: u32, late: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = write)]
    fn write_entries(site: &str, entries: &Array) -> js_sys::Promise;
}

#[wasm_bindgen(module = "/src/web/worker.js")]
extern "C" {
    fn receive(port: &Port, hear: &JsValue);
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn wall_clock() -> f64;

    /// The way to a compute worker.
    #[wasm_bindgen(js_name = MessagePort)]
    type Port;
    #[wasm_bindgen(method, structural, js_name = postMessage)]
    fn post(this: &Port, message: &JsValue);
    #[wasm_bindgen(method, structural)]
    fn close(this: &Port);
}

/// Keys of a hub's jobs begin somewhere below this.
const FIRST_KEY: f64 = 2_000_000_000.0;

/// No timer is set for longer: a machine that slept looks up soon after.
const LONGEST_MS: f64 = 30_000.0;

/// So many entries of what is stored are read: more than any hub has written, and few enough for any
/// memory.
const MOST_STORED: u32 = 10_000;

/// The rules are told so often how far an answer is.
const MOVED_MS: f64 = 100.0;

/// A compute worker as the hub reaches it.
struct Place {
    port: Port,
    signals: Signals,
}

impl Place {
    fn post(&self, message: &ToCore<Js>) {
        self.port.post(&write_to_core(message));
    }

    /// Gives a worker that receives messages new slots for signals.
    fn top_up(&mut self) {
        if let Some(slots) = self.signals.top_up() {
            self.post(&ToCore::Signals(slots.to_vec()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.port.close();
    }
}

/// The hub.
pub(crate) struct Hub {
    scheduler: RefCell<Scheduler>,
    texts: RefCell<Texts>,
    places: RefCell<SortedMap<Place>>,
    /// The last checkpoint of each job that is here.
    states: RefCell<SortedMap<JsValue>>,
    url: Address,
    join_key: Option<String>,
    site: String,
    /// What waits to be written to storage.
    writes: RefCell<Array>,
    sent: Cell<f64>,
    received: Cell<f64>,
    timer: RefCell<Option<Timeout>>,
    told: Cell<f64>,
    /// When the page was told how to say goodbye, and how.
    said_farewell: RefCell<(f64, Vec<Wire>)>,
    changed: Cell<bool>,
    /// The compute workers that have worked for a hub before this one.
    cores: Vec<Inherited>,
}

fn clock() -> Now {
    Now {
        mono: now(),
        wall: wall_clock(),
    }
}

fn tell_fatal(fault: &Fault) {
    let error = status::write_fault(fault);
    tell_page("fatal", &object().with("error", error).done());
}

fn say_page(t: &str) {
    tell_page(t, &JsValue::UNDEFINED);
}

impl Hub {
    /// Becomes the hub, as the page's message says. Returns the function that takes the page's further messages;
    /// `undefined` if the hub cannot begin.
    pub(crate) fn begin(setup: &JsValue) -> JsValue {
        match Self::new(setup) {
            Ok(hub) => {
                let hub = Rc::new(hub);
                let begun = Rc::clone(&hub);
                spawn(Box::pin(begun.restore()));
                let hear: Box<dyn Fn(JsValue)> = Box::new(move |message| hub.hear(&message));
                Closure::wrap(hear).into_js_value()
            }
            Err(fault) => {
                tell_fatal(&fault);
                JsValue::UNDEFINED
            }
        }
    }

    fn new(setup: &JsValue) -> Result<Self, Fault> {
        let url = Address::parse(&text(setup, "url").unwrap_or_default())?;
        let stages = list(setup, "stages");
        let stages: Vec<Stage> = stages
            .iter()
            .filter_map(|stage| stage.as_string()?.parse().ok())
            .collect();
        let nickname = text(setup, "nickname").unwrap_or_default();
        let instance = text(setup, "instance").unwrap_or_default();
        let settings = field(setup, "settings").unwrap_or_default();
        let settings = read_settings(&settings, &Settings::default())?;
        let limits = read_limits(&field(setup, "limits").unwrap_or_default())?;
        let around = surroundings(&field(setup, "surroundings").unwrap_or_default());
        let before = field(setup, "counted").unwrap_or_default();
        // Without locks each tab is a volunteer of its own, which keeps what is its own.
        let site = format!("{}{instance}", url.as_str());
        let scheduler = Scheduler::new(&stages, &nickname, settings, limits)
            .with_counts(&counted(&before))
            .with_surroundings(around)
            .with_keys_from((js_sys::Math::random() * FIRST_KEY) as JobKey);
        Ok(Self {
            scheduler: RefCell::new(scheduler),
            cores: inherited(setup),
            texts: RefCell::default(),
            places: RefCell::default(),
            states: RefCell::default(),
            url,
            join_key: text(setup, "joinKey"),
            site,
            writes: RefCell::default(),
            sent: Cell::new(amount(&before, "bytesSent")),
            received: Cell::new(amount(&before, "bytesReceived")),
            timer: RefCell::new(None),
            told: Cell::new(f64::NEG_INFINITY),
            said_farewell: RefCell::new((f64::NEG_INFINITY, Vec::new())),
            changed: Cell::new(true),
        })
    }

    /// Begins with what an earlier visit has left.
    async fn restore(self: Rc<Self>) {
        let hub = Rc::clone(&self);
        let late: Box<dyn Fn(JsValue)> = Box::new(move |kept| hub.restore_late(kept));
        let late = Closure::wrap(late).into_js_value();
        let kept = read(&self.site, MOST_STORED, &late).await;
        let (mut registrations, mut jobs) = (Vec::new(), Vec::new());
        let mut states: Vec<(String, JsValue)> = Vec::new();
        let mut unreadable = 0;
        let entries: Vec<JsValue> = kept
            .dyn_into::<Array>()
            .map_or_else(|_| Vec::new(), |entries| entries.to_vec());
        for entry in &entries {
            if let Some(registration) = wire::registration(entry) {
                registrations.push(registration);
            } else if let Some(stored) = wire::stored(entry, &mut self.texts.borrow_mut()) {
                if let Some(state) = field(entry, "state") {
                    states.push((stored.ticket.text().to_owned(), state));
                }
                jobs.push(stored);
            } else {
                unreadable += 1;
            }
        }
        warn_of(unreadable);
        self.handle(Event::Restored {
            registrations,
            jobs,
            cores: self.cores.clone(),
        });
        for (ticket, state) in states {
            let key = self.scheduler.borrow().table().by_ticket(&ticket);
            if let Some(key) = key {
                self.states.borrow_mut().insert(key, state);
            }
        }
    }

    /// Storage has answered after all, when jobs were long begun without it.
    fn restore_late(self: &Rc<Self>, kept: JsValue) {
        let entries = kept
            .dyn_into::<Array>()
            .map_or_else(|_| Vec::new(), |kept| kept.to_vec());
        let stored = |entry: &JsValue| wire::stored(entry, &mut self.texts.borrow_mut());
        let jobs = entries.iter().filter_map(stored).collect();
        self.handle(Event::RestoredLate(jobs));
    }

    /// Something happened.
    fn handle(self: &Rc<Self>, event: Event) {
        let random = js_sys::Math::random();
        let mut cx = Cx::new(clock(), random);
        self.scheduler.borrow_mut().handle(&mut cx, event);
        for action in cx.out {
            self.act(action);
        }
        self.flush();
        self.changed.set(true);
        self.tell();
    }

    fn act(self: &Rc<Self>, action: Action) {
        match action {
            Action::Send(request) => {
                if matches!(request.wire, Wire::Sync(_)) {
                    // The goodbye that the page has is an older word now, and would not be heard.
                    self.said_farewell.borrow_mut().0 = f64::NEG_INFINITY;
                    self.told.set(f64::NEG_INFINITY);
                }
                let hub = Rc::clone(self);
                spawn(Box::pin(hub.send(request)));
            }
            Action::Give { core, keys } => self.give(core, &keys),
            Action::Recall(core) => self.post(core, &ToCore::Recall),
            Action::StopJob { core, key } => {
                let signalled = self.signal(core, STOP);
                self.post(core, &ToCore::Stop { key, signalled });
            }
            Action::Intensity { core, intensity } => {
                self.signal(core, intensity);
                self.post(core, &ToCore::Intensity(intensity));
            }
            Action::Cores(want) => {
                self.places.borrow_mut().retain(|core| core < want);
                tell_page("cores", &object().with("want", want).done());
            }
            Action::Replace { core, why } => {
                self.places.borrow_mut().remove(core);
                let replace = object().with("core", core).with("reason", &why);
                tell_page("replace", &replace.done());
            }
            Action::Rekey { from, to } => {
                let mut states = self.states.borrow_mut();
                if let Some(state) = states.remove(from) {
                    states.insert(to, state);
                }
            }
            Action::Free(text) => {
                self.texts.borrow_mut().forget(text);
            }
            Action::Store(write) => self.store(write),
            Action::Renew => say_page("renew"),
            Action::Stopped => {
                // What came last counts too.
                self.tell_now(clock());
                say_page("stopped");
            }
            Action::Fatal(fault) => tell_fatal(&fault),
        }
    }

    /// Signals an intensity or a stop to a worker whose event loop may be blocked. Whether it did.
    fn signal(&self, core: u32, signal: u8) -> bool {
        let mut places = self.places.borrow_mut();
        places
            .get_mut(core)
            .is_some_and(|place| place.signals.send(signal))
    }

    fn post(&self, core: u32, message: &ToCore<Js>) {
        if let Some(place) = self.places.borrow().get(core) {
            place.post(message);
        }
    }

    fn give(&self, core: u32, keys: &[JobKey]) {
        let scheduler = self.scheduler.borrow();
        let (texts, states) = (self.texts.borrow(), self.states.borrow());
        let jobs = keys.iter().filter_map(|key| {
            let job = scheduler.table().get(*key)?;
            let (stage, stage_name) = scheduler.stage_of(job)?;
            Some(Job {
                key: *key,
                number: job.number,
                attempt: job.attempt,
                ticket: job.ticket.clone(),
                stage,
                stage_name: stage_name.to_owned(),
                input: job.input.and_then(|input| texts.text(input)),
                resume: states.get(*key).cloned(),
            })
        });
        let jobs = jobs.collect();
        let project = scheduler.project().to_owned();
        self.post(core, &ToCore::Jobs { project, jobs });
    }

    async fn send(self: Rc<Self>, request: TrackerRequest) {
        let TrackerRequest {
            id,
            wire,
            limit_ms,
            probe,
            stall_ms,
        } = request;
        let (path, body) = wire::request(&wire, &self.texts.borrow());
        let url = self.url.join(&path);
        let patience = Patience {
            first_ms: limit_ms,
            stall_ms,
            whole_ms: None,
        };
        let told = Cell::new(f64::NEG_INFINITY);
        let on = |transfer: Transfer| {
            let at = now();
            if told.get() == f64::NEG_INFINITY {
                // Its answer has begun, so all of the request is there.
                self.sent.set(self.sent.get() + transfer.up);
            }
            if transfer.ended || at - told.get() >= MOVED_MS {
                told.set(at);
                self.handle(Event::Transfer(id, transfer));
            }
        };
        let join_key = self.join_key.as_deref();
        let sent = Sent {
            call: wire.call(),
            url: &url,
            body: body.as_ref(),
            // Only a registration needs it.
            join_key: join_key.filter(|_| matches!(wire, Wire::Register { .. })),
        };
        let response = match attempt(sent, patience, &on).await {
            Came::Answered(reply) => {
                self.received.set(self.received.get() + reply.bytes);
                let answer = reply.beginning();
                let parsed = wire::parsed(&wire, &answer, &reply.body, &self.texts);
                TrackerResponse::Answered(answer, parsed)
            }
            Came::NotReached(thrown) => {
                let finding = if probe {
                    find(&self.url).await
                } else {
                    Finding::Unknown
                };
                match finding.fault(self.url.as_str()) {
                    Some(fault) => TrackerResponse::Found(finding, fault),
                    None => TrackerResponse::NotReached(json::says(&thrown)),
                }
            }
            Came::TimedOut => TrackerResponse::TimedOut,
        };
        self.handle(Event::Answered(id, response));
    }

    fn store(&self, write: Write) {
        let scheduler = self.scheduler.borrow();
        let (name, value) = match write {
            Write::Registration(registration) => wire::write_registration(&registration),
            Write::Delete(name) => {
                let entry = Array::of2(&format!("outcome {name}").into(), &JsValue::UNDEFINED);
                self.writes.borrow().push(&entry);
                (format!("job {name}"), JsValue::UNDEFINED)
            }
            Write::Job(key) | Write::Outcome(key) => {
                let Some(job) = scheduler.table().get(key) else {
                    return;
                };
                let Some((stage, _)) = scheduler.stage_of(job) else {
                    return;
                };
                let state = self.states.borrow().get(key).cloned().unwrap_or_default();
                wire::write_job(job, stage, &self.texts.borrow(), &state)
            }
        };
        self.writes.borrow().push(&Array::of2(&name.into(), &value));
    }

    /// Hands over what is to be written, all at once. Nobody waits for it.
    fn flush(&self) {
        if self.writes.borrow().length() == 0 {
            return;
        }
        let writes = self.writes.take();
        // It resolves to whether it worked; what did not is still here, and delivered from here.
        let _ = write_entries(&self.site, &writes);
        let scheduler = self.scheduler.borrow();
        let mut states = self.states.borrow_mut();
        states.retain(|key| scheduler.table().get(key).is_some());
    }

    /// Tells the page what has changed, not too often, and sets the timer for what is due next.
    fn tell(self: &Rc<Self>) {
        if !self.scheduler.borrow().is_restored() {
            return;
        }
        let at = clock();
        let wait = || {
            let holds = self.scheduler.borrow().table().iter().next().is_some();
            tell_in(at.mono - self.told.get(), self.changed.get(), holds)
        };
        if wait() <= 0.0 {
            self.tell_now(at);
        }
        let due = self.scheduler.borrow().next_timeout();
        let due = due.map_or(LONGEST_MS, |due| due.left_ms(at));
        // A timer may come a little early, and one that is due at once must not starve messages.
        let wait = due.min(wait()).clamp(1.0, LONGEST_MS).ceil() as u32;
        let hub = Rc::clone(self);
        let timer = Timeout::new(wait, move || hub.handle(Event::Tick));
        // The one before is cancelled.
        self.timer.replace(Some(timer));
    }

    fn tell_now(&self, at: Now) {
        let mut all = self.scheduler.borrow().status(at);
        (all.bytes_sent, all.bytes_received) = (self.sent.get(), self.received.get());
        let status = status::write(&all);
        tell_page("status", &object().with("status", &status).done());
        self.told.set(at.mono);
        self.changed.set(false);
        let wires = self.scheduler.borrow().farewell(at);
        let mut said = self.said_farewell.borrow_mut();
        // A page may be closed soon after Start: a new registration is told at once.
        let is_due = at.mono - said.0 >= BEAT_MS || wires.len() != said.1.len();
        if is_due && wires != said.1 {
            let requests = Array::new();
            for wire in &wires {
                let (path, body) = wire::request(wire, &self.texts.borrow());
                let body = body.map(JsValue::from);
                let request = object().with("url", &self.url.join(&path));
                requests.push(&request.with("body", body.as_ref()).done());
            }
            tell_page("farewell", &object().with("requests", &requests).done());
            *said = (at.mono, wires);
        }
    }

    /// What the page says.
    fn hear(self: &Rc<Self>, message: &JsValue) {
        let word = text(message, "t").unwrap_or_default();
        // No page has more.
        let core = small(message, "core").filter(|core| *core < MOST_CORES);
        let core = core.unwrap_or_default();
        let event = match word.as_str() {
            "core" => {
                let port = field(message, "port").map(JsCast::dyn_into);
                let Some(Ok(port)) = port else { return };
                self.meet(core, port);
                Event::CoreHere(core)
            }
            "died" => {
                self.places.borrow_mut().remove(core);
                Event::CoreDied(core, text(message, "message").unwrap_or_default())
            }
            "settings" => {
                let settings = field(message, "settings").unwrap_or_default();
                let base = Settings::default();
                Event::Settings(read_settings(&settings, &base).unwrap_or(base))
            }
            "surroundings" => {
                let around = field(message, "surroundings").unwrap_or_default();
                Event::Around(surroundings(&around))
            }
            "pause" => {
                let until = number(message, "until");
                Event::Wish(Wish::Pause { until })
            }
            "resume" => Event::Wish(Wish::Run),
            "stop" => Event::Stop {
                finish: flag(message, "finish"),
            },
            "ping" => {
                self.told.set(f64::NEG_INFINITY);
                Event::Tick
            }
            _ => return,
        };
        self.handle(event);
    }

    /// A compute worker is here.
    fn meet(self: &Rc<Self>, core: u32, port: Port) {
        let hub = Rc::clone(self);
        let hear: Box<dyn Fn(JsValue)> = Box::new(move |message| {
            if let Some(message) = read_from_core(&message) {
                hub.hear_core(core, message);
            }
        });
        receive(&port, &Closure::wrap(hear).into_js_value());
        let mut place = Place {
            port,
            signals: Signals::new(FULL),
        };
        place.top_up();
        self.places.borrow_mut().insert(core, place);
    }

    /// What a compute worker says.
    fn hear_core(self: &Rc<Self>, core: u32, message: FromCore<Js>) {
        let event = match message {
            FromCore::Up => Event::CoreUp(core),
            FromCore::Broken(why) => Event::CoreBroken(core, why),
            FromCore::Recalled(keys) => Event::Recalled(core, keys),
            FromCore::Rests => Event::Rests(core),
            FromCore::Report(report) => Event::Report(core, self.report(report)),
            FromCore::Handover { running, ended } => {
                for (job, outcome) in ended {
                    if let Some(stored) = self.stored(job, Some(outcome)) {
                        self.handle(Event::EndedBefore(stored));
                    }
                }
                let running = running.and_then(|job| Some((job.key, self.stored(job, None)?)));
                Event::Resumed(core, running)
            }
        };
        let idle = matches!(&event, Event::Report(_, report) if report.started.is_none());
        self.handle(event);
        if let Some(place) = self.places.borrow_mut().get_mut(core)
            && idle
        {
            place.top_up();
        }
    }

    /// A job of a compute worker as if it came from storage.
    fn stored(&self, job: Job<Js>, outcome: Option<Outcome<JsString>>) -> Option<Stored> {
        if !wire::is_secret(job.ticket.text()) {
            return None;
        }
        let outcome = match outcome {
            Some(Outcome::Released) => return None,
            outcome => outcome.map(|outcome| self.keep(outcome)),
        };
        let mut texts = self.texts.borrow_mut();
        Some(Stored {
            stage: job.stage,
            number: job.number,
            attempt: job.attempt,
            ticket: job.ticket,
            input: job.input.map(|input| texts.keep(input)),
            outcome,
        })
    }

    fn keep(&self, outcome: Outcome<JsString>) -> Outcome {
        match outcome {
            Outcome::Done(output) => Outcome::Done(self.texts.borrow_mut().keep(output)),
            Outcome::Invalid(why) => Outcome::Invalid(why),
            Outcome::Failed(why) => Outcome::Failed(why),
            Outcome::Released => Outcome::Released,
        }
    }

    fn report(&self, report: message::Report<Js>) -> Report {
        let ended = |ended: message::Ended<Js>| Ended {
            key: ended.key,
            outcome: self.keep(ended.outcome),
            ms: ended.ms,
            fatal: ended.fatal,
        };
        let checkpoint = report.checkpoint.map(|(key, state)| {
            self.states.borrow_mut().insert(key, state);
            key
        });
        Report {
            started: report.started,
            progress: report.progress,
            results: report.results.into_iter().map(ended).collect(),
            checkpoint,
        }
    }
}

/// Another version of this package, or another script of this origin, has stored something else.
fn warn_of(unreadable: u32) {
    if unreadable > 0 {
        let count = unreadable.to_string();
        let what = " of the records that this browser keeps for the tracker cannot be read and are passed \
             over. forget() deletes all of them.";
        warn(&["distcompute: ", &count, what].concat());
    }
}

/// The page knows the places, and what the hub before has last said of them.
fn inherited(setup: &JsValue) -> Vec<Inherited> {
    let before = list(setup, "before");
    let inherited = |core: f64| {
        let mut before = before.iter();
        let before = before.find(|before| number(before, "core") == Some(core));
        let shown = |name| before.and_then(|before| number(before, name));
        let (done, total) = (shown("done"), shown("total"));
        Inherited::new(
            core as u32,
            done.unwrap_or_default(),
            total.unwrap_or_default(),
        )
    };
    let cores = list(setup, "cores").into_iter();
    cores
        .filter_map(|core| core.as_f64().map(inherited))
        .collect()
}

/// What the status of the hub before says that it has counted.
fn counted(status: &JsValue) -> Counted {
    let count = |name| small(status, name).unwrap_or_default();
    let by_stage = field(status, "jobsByStage").unwrap_or_default();
    let done = |stage: Stage| Some((stage, small(&by_stage, stage.letter())?));
    let cores = list(status, "cores").into_iter();
    let cores = cores.filter_map(|core| Some((small(&core, "core")?, small(&core, "jobs")?)));
    Counted {
        by_stage: Stage::ALL.into_iter().filter_map(done).collect(),
        invalid: count("jobsInvalid"),
        failed: count("jobsFailed"),
        rejected: count("jobsRejected"),
        undelivered: count("notDelivered"),
        compute_ms: amount(status, "computeMs"),
        cores: cores.collect(),
    }
}

fn surroundings(of: &JsValue) -> Surroundings {
    Surroundings {
        hidden: flag(of, "hidden"),
        on_battery: field(of, "onBattery").map(|value| value.is_truthy()),
        utc_offset_min: number(of, "utcOffsetMin").unwrap_or_default() as i32,
    }
}
