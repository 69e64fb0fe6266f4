//! The hub worker: carries out what the scheduler says. All requests, timers and writes to storage
//! of a volunteer are made here; nothing is decided, and nothing is computed.

mod cores;
mod files;
mod keys;
mod page;
mod storage;

use self::cores::Place;
use self::page::{counted, inherited, say_page, surroundings, tell_fatal};
use super::bindings::{now, tell_page};
use super::dom::callback;
use super::futures::spawn;
use super::http::{Outcome as Came, Sent, find};
use super::json;
use super::object::{amount, field, list, object, text};
use super::settings::{read_limits, read_settings};
use super::shared::Shared;
use super::texts::Texts;
use super::wire;
use core::cell::Cell;
use distcompute_engine::client::address::Address;
use distcompute_engine::client::exchange::Patience;
use distcompute_engine::client::probe::Finding;
use distcompute_engine::client::proof::Prover;
use distcompute_engine::core::throttle::STOP;
use distcompute_engine::fault::Fault;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{Action, TrackerRequest, TrackerResponse, Transfer, Wire};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Event, Inherited};
use distcompute_engine::hub::file::FileEvent;
use distcompute_engine::hub::jobs::JobKey;
use distcompute_engine::list::IntoList;
use distcompute_engine::message::ToCore;
use distcompute_engine::settings::Settings;
use distcompute_engine::sorted_map::SortedMap;
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;
use gloo_timers::callback::Timeout;
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Keys of a hub's jobs begin somewhere below this.
const FIRST_KEY: f64 = 2_000_000_000.0;

/// The rules are told so often how far an answer is.
const MOVED_MS: f64 = 100.0;

/// The hub.
pub(crate) struct Hub {
    scheduler: Shared<Scheduler>,
    texts: Shared<Texts>,
    places: Shared<SortedMap<Place>>,
    /// The last checkpoint of each job that is here.
    states: Shared<SortedMap<JsValue>>,
    url: Address,
    join_key: Option<String>,
    site: String,
    prover: Shared<Prover>,
    /// What waits to be written to storage.
    writes: Shared<Array>,
    sent: Cell<f64>,
    received: Cell<f64>,
    timer: Shared<Option<Timeout>>,
    told: Cell<f64>,
    /// When the page was told how to say goodbye, and how.
    said_farewell: Shared<(f64, Vec<Wire>)>,
    changed: Cell<bool>,
    /// The compute workers that have worked for a hub before this one.
    cores: Vec<Inherited>,
}

fn clock() -> Now {
    Now {
        mono: now(),
        wall: js_sys::Date::now(),
    }
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
                callback(move |message| hub.hear(&message))
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
            .into_list();
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
            scheduler: Shared::new(scheduler),
            cores: inherited(setup),
            texts: Shared::default(),
            places: Shared::default(),
            states: Shared::default(),
            url,
            join_key: text(setup, "joinKey"),
            site,
            prover: Shared::default(),
            writes: Shared::default(),
            sent: Cell::new(amount(&before, "bytesSent")),
            received: Cell::new(amount(&before, "bytesReceived")),
            timer: Shared::new(None),
            told: Cell::new(f64::NEG_INFINITY),
            said_farewell: Shared::new((f64::NEG_INFINITY, Vec::new())),
            changed: Cell::new(true),
        })
    }

    /// Something happened.
    fn handle(self: &Rc<Self>, event: Event) {
        // What texts name is known before the texts are.
        let named = self.texts.borrow_mut().take_named(&self.url);
        for (text, refs) in named {
            self.handle(Event::File(FileEvent::Named { text, refs }));
        }
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
            Action::File(action) => self.file(action),
            Action::Renew => say_page("renew"),
            Action::Stopped => {
                // What came last counts too.
                self.tell_now(clock());
                say_page("stopped");
            }
            Action::Fatal(fault) => tell_fatal(&fault),
        }
    }

    async fn send(self: Rc<Self>, request: TrackerRequest) {
        let TrackerRequest {
            id,
            wire,
            limit_ms,
            probe,
            stall_ms,
        } = request;
        let begun = now();
        let (path, body) = wire::request(&wire, &self.texts.borrow());
        let written_ms = now() - begun;
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
                let transfer = Transfer {
                    written_ms,
                    ..transfer
                };
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
            proof: None,
        };
        let response = match self.exchange(sent, patience, &on).await {
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
}
