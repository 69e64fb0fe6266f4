//! The messages between the hub and its page.

use super::{Hub, clock};
use crate::web::bindings::tell_page;
use crate::web::object::{amount, field, flag, list, number, object, small, text};
use crate::web::settings::read_settings;
use crate::web::{status, wire};
use distcompute_engine::fault::Fault;
use distcompute_engine::hub::Counted;
use distcompute_engine::hub::event::{Event, Inherited};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::list::IntoList;
use distcompute_engine::page::supervisor::MOST_CORES;
use distcompute_engine::settings::Settings;
use distcompute_engine::status::{BEAT_MS, tell_in};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;
use gloo_timers::callback::Timeout;
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// No timer is set for longer: a machine that slept looks up soon after.
const LONGEST_MS: f64 = 30_000.0;

pub(super) fn tell_fatal(fault: &Fault) {
    let error = status::write_fault(fault);
    tell_page("fatal", &object().with("error", error).done());
}

pub(super) fn say_page(t: &str) {
    tell_page(t, &JsValue::UNDEFINED);
}

impl Hub {
    /// Tells the page what has changed, not too often, and sets the timer for what is due next.
    pub(super) fn tell(self: &Rc<Self>) {
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

    pub(super) fn tell_now(&self, at: Now) {
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
    pub(super) fn hear(self: &Rc<Self>, message: &JsValue) {
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
                if let Some(nickname) = text(message, "nickname") {
                    self.handle(Event::Nickname(nickname));
                }
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
}

/// The page knows the places, and what the hub before has last said of them.
pub(super) fn inherited(setup: &JsValue) -> Vec<Inherited> {
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
        .into_list()
}

/// What the status of the hub before says that it has counted.
pub(super) fn counted(status: &JsValue) -> Counted {
    let count = |name| small(status, name).unwrap_or_default();
    let by_stage = field(status, "jobsByStage").unwrap_or_default();
    let done = |stage: Stage| Some((stage, small(&by_stage, stage.letter())?));
    let cores = list(status, "cores").into_iter();
    let cores = cores.filter_map(|core| Some((small(&core, "core")?, small(&core, "jobs")?)));
    Counted {
        by_stage: Stage::ALL.into_iter().filter_map(done).into_list(),
        invalid: count("jobsInvalid"),
        failed: count("jobsFailed"),
        rejected: count("jobsRejected"),
        undelivered: count("notDelivered"),
        compute_ms: amount(status, "computeMs"),
        cores: cores.into_list(),
    }
}

pub(super) fn surroundings(of: &JsValue) -> Surroundings {
    Surroundings {
        hidden: flag(of, "hidden"),
        on_battery: field(of, "onBattery").map(|value| value.is_truthy()),
        utc_offset_min: number(of, "utcOffsetMin").unwrap_or_default() as i32,
    }
}
