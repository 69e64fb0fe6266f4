//! What stands behind the class `Volunteer`: reads what JavaScript gives, tells the rules
//! (`engine::house`) what has happened, and has the page (`volunteer.js`) do what they say.
//!
//! Anything may call back while it is called: no borrow is kept over a call into JavaScript, and
//! what the rules say while something is being done is done after it.

use super::face::{hand_over, now};
use super::json::{kind_of, says};
use super::object::{field, flag, number, object, small, text};
use super::options::VolunteerOptions;
use super::settings::{read_settings, truth, write_limits, write_settings};
use super::status::{write, write_reason};
use super::{error, settings};
use crate::engine::clock::Now;
use crate::engine::house::{Action, Event, House, HubWord, Id, Order, Word};
use crate::engine::reason::Reason;
use crate::engine::settings::Settings;
use crate::engine::status::{State, Status, Tell, Telling};
use crate::fault::{Code, Fault, Kind};
use core::cell::{Cell, RefCell};
use distcompute_protocol::Stage;
use js_sys::{Array, Promise};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What `new Volunteer` takes: `stage`, or `stages` with the first choice first. */
export type VolunteerOptions = {
  /** The tracker's address in full, for example `"https://tracker.example.com"`. */
  url: string;
  /** The public name on the leaderboard, at most 128 characters. Default `"anonymous"`. */
  nickname?: string | undefined;
  /**
   * Makes a worker whose script calls `work`; the hub and all cores run the same script. Write
   * `() => new Worker(new URL("./worker.js", import.meta.url), { type: "module" })`, and bundlers
   * find the script.
   */
  spawn: () => Worker;
  settings?: Partial<VolunteerSettings> | undefined;
  limits?: VolunteerLimits | undefined;
} & (
  | { stage: string; stages?: undefined }
  | { stages: readonly string[]; stage?: undefined }
);

/**
 * A page's part in a project: starts the workers, replaces those that die, and says how things are.
 *
 * Nothing starts before `start()`. One tab of a browser computes for a tracker at a time, where
 * browsers have locks (not on plain `http`); the others have the state `"elsewhere"`, show its
 * status, and what is said in them goes for all tabs. When the page is left, jobs are put back.
 *
 * All methods throw `InvalidArgumentError` for what they do not take.
 */
export class Volunteer {
  /** Throws `InvalidArgumentError`, `InvalidURLError`, or `NotLoadedError` before the wasm is loaded. */
  constructor(options: VolunteerOptions);
  /** How things are: the same object until they change. */
  readonly status: VolunteerStatus;
  /**
   * Calls `listener` when the status has changed, at most ten times a second, from the next change
   * on. Returns a function that ends that.
   */
  subscribe(listener: (status: VolunteerStatus) => void): () => void;
  /** Computes, or goes on after a pause; after a failure it tries again. */
  start(): void;
  /**
   * Rests for so many milliseconds, or until `resume()`. Jobs that have not been begun are put back
   * at once. Does nothing where nothing has been started.
   */
  pause(forMs?: number): void;
  /** Goes on after a pause. */
  resume(): void;
  /** Puts all jobs back and ends; with `finish`, after what runs is done. */
  stop(options?: { finish?: boolean }): void;
  /** Changes some of the settings. */
  set(settings: Partial<VolunteerSettings>): void;
  /**
   * Stops, and deletes everything that this browser keeps for the tracker. Rejects with
   * `TimeoutError` where a tab does not let go of it.
   */
  forget(): Promise<void>;
  /** Stops and lets go of everything; no listener is called any more. Safe to call twice. */
  free(): void;
  [Symbol.dispose](): void;
}
"#;

#[wasm_bindgen(module = "/src/web/volunteer.js")]
extern "C" {
    #[derive(Clone)]
    type Page;
    #[wasm_bindgen(constructor)]
    fn new(spawn: &JsValue, tell: &JsValue, name: &str) -> Page;
    #[wasm_bindgen(method)]
    fn perform(this: &Page, what: &str, a: &JsValue, b: &JsValue, c: &JsValue) -> JsValue;

    fn cores() -> u32;
}

/// The class itself stands in `volunteer.js`, and its types above.
#[wasm_bindgen(module = "/src/web/volunteer.js")]
#[allow(
    dead_code,
    non_snake_case,
    reason = "handed on to JavaScript, never called from Rust"
)]
extern "C" {
    #[wasm_bindgen(reexport, skip_typescript)]
    fn Volunteer();
    #[wasm_bindgen(thread_local_v2, js_name = Volunteer)]
    static CLASS: JsValue;
}

/// The class `Volunteer`, as JavaScript has it once the wasm is loaded.
pub fn class() -> JsValue {
    hand_over();
    CLASS.with(Clone::clone)
}

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn forget(site: &str) -> Result<JsValue, JsValue>;
}

/// What a `Volunteer` tells, and what it gets back.
type Ear = dyn Fn(String, JsValue, JsValue) -> Result<JsValue, JsValue>;

/// What stands behind a `Volunteer`: a function that is told things.
pub fn open(options: &JsValue) -> Result<JsValue, JsValue> {
    let options = VolunteerOptions::read(options, cores()).map_err(|fault| error::to_js(&fault))?;
    Ok(Inner::open(options))
}

struct Inner {
    url: String,
    stages: Vec<Stage>,
    nickname: String,
    limits: JsValue,
    /// Tells this page's workers from those of other pages, also after a hub was replaced.
    instance: String,
    house: RefCell<House>,
    /// What is to be done, in this order, and whether somebody is doing it.
    actions: RefCell<VecDeque<Action>>,
    acting: Cell<bool>,
    /// `None` once it was let go of.
    page: RefCell<Option<Page>>,
    /// What the hub said last, and what another tab did.
    latest: RefCell<JsValue>,
    there: RefCell<JsValue>,
    /// Why the hub cannot go on.
    fatal: RefCell<JsValue>,
    farewell: RefCell<JsValue>,
    /// What the page's part of the status was made from, and the status.
    view: RefCell<Option<View>>,
    status: RefCell<Option<JsValue>>,
    untold: Cell<bool>,
    telling: Cell<Telling>,
}

#[derive(PartialEq)]
struct View {
    reason: Option<Reason>,
    problem: Option<String>,
    settings: Settings,
}

impl Inner {
    fn open(options: VolunteerOptions) -> JsValue {
        let status = write(&Status::new(Reason::Stopped, options.settings));
        let url = options.url.as_str().to_owned();
        let name = format!("distcompute {url}");
        let inner = Rc::new(Self {
            url,
            stages: options.stages,
            nickname: options.nickname,
            limits: write_limits(&options.limits),
            instance: (js_sys::Math::random() * 9e15).to_string(),
            house: RefCell::new(House::new(options.settings, false)),
            actions: RefCell::default(),
            acting: Cell::new(false),
            page: RefCell::new(None),
            latest: RefCell::new(status.clone()),
            there: RefCell::new(status),
            fatal: RefCell::new(JsValue::NULL),
            farewell: RefCell::new(JsValue::UNDEFINED),
            view: RefCell::new(None),
            status: RefCell::new(None),
            untold: Cell::new(false),
            telling: Cell::default(),
        });
        let told = Rc::clone(&inner);
        let ear: Box<Ear> = Box::new(move |what, a, b| {
            let answer = told.told(&what, &a, &b);
            answer.map_err(|fault| error::to_js(&fault))
        });
        // Freed with the page that holds it, as soon as `inner` has let go of that.
        let ear = Closure::wrap(ear).into_js_value();
        let page = Page::new(&options.spawn, &ear, &name);
        inner.page.replace(Some(page));
        inner.view.replace(Some(inner.view()));
        inner.perform("look", &[]);
        ear
    }

    /// What JavaScript tells.
    fn told(self: &Rc<Self>, what: &str, a: &JsValue, b: &JsValue) -> Result<JsValue, Fault> {
        let id = || a.as_f64().unwrap_or_default() as Id;
        let event = match what {
            "view" => return Ok(self.status()),
            "subscribe" => {
                if !a.is_function() {
                    let kind = kind_of(a);
                    let message = format!("subscribe takes a function; it was given {kind}.");
                    return Err(Fault::argument(message));
                }
                return Ok(self.perform("subscribe", &[a]));
            }
            "start" => Event::Said(Word::Start),
            "pause" => Event::Said(Word::Pause {
                until: until(a, js_sys::Date::now())?,
            }),
            "resume" => Event::Said(Word::Resume),
            "stop" => Event::Said(Word::Stop { finish: finish(a)? }),
            "set" => {
                let base = *self.house.borrow().settings();
                settings::require_object(a, "settings")?;
                Event::Said(Word::Set(read_settings(a, &base)?))
            }
            "forget" => return Ok(self.forget().into()),
            "free" => {
                self.perform("hush", &[]);
                Event::Freed
            }
            "granted" => Event::Granted,
            "taken" => Event::Taken,
            "heirs" => Event::Heirs(a.is_truthy()),
            "tick" => Event::Tick,
            "left" => Event::Left,
            "returned" => Event::Returned,
            "around" => {
                self.tell_hub("surroundings", &[("surroundings", a.clone())]);
                Event::Hidden(flag(a, "hidden"))
            }
            "died" => Event::Died(id(), says(b)),
            "useless" => Event::Useless(kind_of(a)),
            "message" => match self.message(id(), b) {
                Some(event) => event,
                None => return Ok(JsValue::UNDEFINED),
            },
            "tab" => match self.tab(a) {
                Some(event) => event,
                None => return Ok(JsValue::UNDEFINED),
            },
            // "later"
            _ => {
                let mut telling = self.telling.get();
                telling.came_back();
                self.telling.set(telling);
                self.show();
                return Ok(JsValue::UNDEFINED);
            }
        };
        self.happened(event);
        Ok(JsValue::UNDEFINED)
    }

    /// What a worker says.
    fn message(&self, id: Id, message: &JsValue) -> Option<Event> {
        let kind = text(message, "t")?;
        match kind.as_str() {
            "ready" => return Some(Event::Ready(id)),
            "error" => {
                return Some(Event::Died(
                    id,
                    text(message, "message").unwrap_or_default(),
                ));
            }
            _ => {}
        }
        if self.house.borrow().hub() != Some(id) {
            return None;
        }
        let word = match kind.as_str() {
            "status" => {
                self.latest.replace(field(message, "status")?);
                self.changed();
                HubWord::Status
            }
            "farewell" => {
                self.farewell.replace(field(message, "requests")?);
                return None;
            }
            "cores" => HubWord::Cores(small(message, "want")?),
            "replace" => HubWord::Replace(small(message, "core")?),
            "stopped" => HubWord::Stopped,
            "renew" => HubWord::Renew,
            "fatal" => {
                self.fatal.replace(field(message, "error")?);
                HubWord::Fatal
            }
            _ => return None,
        };
        Some(Event::Hub(id, word))
    }

    /// What another tab says.
    fn tab(&self, message: &JsValue) -> Option<Event> {
        let word = match text(message, "t")?.as_str() {
            "hello" => {
                self.say_status();
                return None;
            }
            "status" => {
                self.there.replace(field(message, "status")?);
                self.changed();
                return Some(Event::Elsewhere(true));
            }
            "gone" => return Some(Event::Elsewhere(false)),
            "pause" => Word::Pause {
                until: number(message, "until"),
            },
            "resume" => Word::Resume,
            "stop" => Word::Stop {
                finish: flag(message, "finish"),
            },
            "settings" => {
                let base = *self.house.borrow().settings();
                Word::Set(read_settings(&field(message, "settings")?, &base).ok()?)
            }
            _ => return None,
        };
        Some(Event::Heard(word))
    }

    fn happened(&self, event: Event) {
        let wall = js_sys::Date::now();
        let mono = now();
        let random = js_sys::Math::random();
        let actions = self
            .house
            .borrow_mut()
            .handle(Now { mono, wall }, random, event);
        self.actions.borrow_mut().extend(actions);
        if self.acting.replace(true) {
            return;
        }
        loop {
            let action = self.actions.borrow_mut().pop_front();
            match action {
                Some(action) => self.act(action),
                None => break,
            }
        }
        self.acting.set(false);
        if !self.house.borrow().computes() {
            self.perform("idle", &[]);
        }
        self.show();
    }

    fn act(&self, action: Action) {
        match action {
            Action::Lock(on) => self.perform("lock", &[&on.into()]),
            Action::Ticks(on) => self.perform("ticks", &[&on.into()]),
            Action::Spawn(id) => self.perform("spawn", &[&id.into()]),
            Action::End(id) => self.perform("end", &[&id.into()]),
            Action::Hub(id) => self.post(id, "hub", &[("setup", self.setup())]),
            Action::Connect { hub, worker, core } => {
                self.perform("connect", &[&hub.into(), &worker.into(), &core.into()])
            }
            Action::Tell(id, order) => match order {
                Order::Died { core, message } => self.post(
                    id,
                    "died",
                    &[("core", core.into()), ("message", message.into())],
                ),
                Order::Settings => {
                    let settings = write_settings(self.house.borrow().settings());
                    self.post(id, "settings", &[("settings", settings)])
                }
                Order::Pause { until } => self.post(id, "pause", &[("until", or_null(until))]),
                Order::Resume => self.post(id, "resume", &[]),
                Order::Stop { finish } => self.post(id, "stop", &[("finish", finish.into())]),
                Order::Ping => self.post(id, "ping", &[]),
            },
            Action::Farewell => {
                let requests = self.farewell.replace(JsValue::UNDEFINED);
                self.perform("farewell", &[&requests])
            }
            Action::Repeat(word) => self.say(&write_word(&word)),
            Action::Gone => {
                self.farewell.replace(JsValue::UNDEFINED);
                self.say(&[("t", "gone".into())])
            }
            Action::Close => {
                self.perform("close", &[]);
                self.page.replace(None);
                JsValue::UNDEFINED
            }
        };
    }

    fn setup(&self) -> JsValue {
        let stages: Array = self
            .stages
            .iter()
            .map(|s| JsValue::from_str(s.letter()))
            .collect();
        let settings = write_settings(self.house.borrow().settings());
        object(&[
            ("url", self.url.as_str().into()),
            ("stages", stages.into()),
            ("nickname", self.nickname.as_str().into()),
            ("limits", self.limits.clone()),
            ("settings", settings),
            ("surroundings", self.perform("surroundings", &[])),
            ("instance", self.instance.as_str().into()),
        ])
    }

    /// Has the page do something.
    fn perform(&self, what: &str, given: &[&JsValue]) -> JsValue {
        let page = self.page.borrow().clone();
        let Some(page) = page else {
            return JsValue::UNDEFINED;
        };
        let nothing = JsValue::UNDEFINED;
        let given = |index: usize| given.get(index).copied().unwrap_or(&nothing);
        page.perform(what, given(0), given(1), given(2))
    }

    fn post(&self, id: Id, kind: &str, fields: &[(&str, JsValue)]) -> JsValue {
        let mut all = vec![("dc", JsValue::from(1)), ("t", kind.into())];
        all.extend_from_slice(fields);
        self.perform("post", &[&id.into(), &object(&all)])
    }

    fn tell_hub(&self, kind: &str, fields: &[(&str, JsValue)]) {
        let hub = self.house.borrow().hub();
        if let Some(hub) = hub {
            self.post(hub, kind, fields);
        }
    }

    fn say(&self, fields: &[(&str, JsValue)]) -> JsValue {
        self.perform("say", &[&object(fields)])
    }

    fn say_status(&self) {
        let computes = self.house.borrow().computes();
        if computes {
            self.say(&[("t", "status".into()), ("status", self.status())]);
        }
    }

    fn view(&self) -> View {
        let house = self.house.borrow();
        View {
            reason: house.reason(),
            problem: house.problem().map(str::to_owned),
            settings: *house.settings(),
        }
    }

    fn changed(&self) {
        self.status.replace(None);
        self.untold.set(true);
    }

    /// Tells listeners and other tabs, where something has changed and it is time.
    fn show(&self) {
        let view = Some(self.view());
        if *self.view.borrow() != view {
            self.view.replace(view);
            self.changed();
        }
        if !self.untold.get() {
            return;
        }
        let mut telling = self.telling.get();
        let tell = telling.changed(now());
        self.telling.set(telling);
        match tell {
            Tell::Now => {
                self.untold.set(false);
                self.say_status();
                self.perform("show", &[&self.status()]);
            }
            Tell::After(ms) => {
                self.perform("later", &[&ms.into()]);
            }
            Tell::Soon => {}
        }
    }

    /// What the hub says, or the other tab, and over it what the page knows better.
    fn status(&self) -> JsValue {
        if let Some(status) = self.status.borrow().clone() {
            return status;
        }
        let (view, elsewhere, computes) = {
            let house = self.house.borrow();
            (self.view(), house.is_elsewhere(), house.computes())
        };
        let source = if elsewhere { &self.there } else { &self.latest };
        let base = source.borrow().clone();
        let mut own = vec![("settings", write_settings(&view.settings))];
        let mut there = JsValue::NULL;
        if elsewhere {
            let said = |name| field(&base, name).unwrap_or(JsValue::NULL);
            there = object(&[("state", said("state")), ("reason", said("reason"))]);
        } else if !computes {
            own.push(("cores", Array::new().into()));
        }
        own.push(("elsewhere", there));
        if let Some(reason) = view.reason {
            own.push(("state", State::of(&reason).as_str().into()));
            own.push(("reason", write_reason(&reason)));
            own.push((
                "error",
                match view.problem {
                    Some(problem) => object(&[
                        ("name", "WorkerError".into()),
                        ("code", "worker_failed".into()),
                        ("message", problem.into()),
                    ]),
                    None if reason == Reason::Failed => self.fatal.borrow().clone(),
                    None => JsValue::NULL,
                },
            ));
        }
        let status = self.perform("merge", &[&base, &object(&own)]);
        self.status.replace(Some(status.clone()));
        status
    }

    /// Stops in all tabs, and deletes what is kept once none computes.
    fn forget(self: &Rc<Self>) -> Promise {
        let alone = self.perform("alone", &[]);
        self.happened(Event::Said(Word::Stop { finish: false }));
        let url = self.url.clone();
        future_to_promise(async move {
            let alone = JsFuture::from(Promise::resolve(&alone));
            let done = match alone.await {
                Ok(_) => forget(&url).await,
                Err(thrown) => Err(thrown),
            };
            done.map(|_| JsValue::UNDEFINED).map_err(|thrown| {
                let why = says(&thrown);
                let message = format!(
                    "What this browser keeps could not be deleted ({why}). Close its other tabs \
                     of this project and try again."
                );
                let fault = Fault::new(Kind::Timeout, Code::Timeout, message);
                error::to_js_with_cause(&fault, &thrown)
            })
        })
    }
}

/// When a pause ends.
fn until(for_ms: &JsValue, wall: f64) -> Result<Option<f64>, Fault> {
    if for_ms.is_undefined() || for_ms.is_null() {
        return Ok(None);
    }
    match for_ms.as_f64() {
        Some(ms) if ms >= 0.0 => Ok((ms < f64::INFINITY).then_some(wall + ms)),
        _ => Err(Fault::argument(
            "pause takes a number of milliseconds, 0 or more, or nothing.",
        )),
    }
}

/// The option of `stop`.
fn finish(options: &JsValue) -> Result<bool, Fault> {
    if options.is_undefined() || options.is_null() {
        return Ok(false);
    }
    settings::require_object(options, "the options of stop")?;
    Ok(truth(options, "finish")?.unwrap_or(false))
}

/// A word as it goes to other tabs.
fn write_word(word: &Word) -> Vec<(&'static str, JsValue)> {
    let kind = |kind: &str| ("t", JsValue::from_str(kind));
    match word {
        Word::Pause { until } => vec![kind("pause"), ("until", or_null(*until))],
        Word::Start | Word::Resume => vec![kind("resume")],
        Word::Stop { finish } => vec![kind("stop"), ("finish", (*finish).into())],
        Word::Set(settings) => vec![kind("settings"), ("settings", write_settings(settings))],
    }
}

fn or_null(number: Option<f64>) -> JsValue {
    number.map_or(JsValue::NULL, JsValue::from)
}
