//! What stands behind the class `Volunteer`: reads what JavaScript gives, tells the rules
//! (`engine::supervisor`) what has happened, and has the page (`volunteer.js`) do what they say.
//!
//! Anything may call back while it is called: no borrow is kept over a call into JavaScript, and
//! what the rules say while something is being done is done after it.

use super::error::to_js;
use super::face::{door, hand_over, now};
use super::json::{kind_of, says, shown};
use super::object::{array, as_text, object};
use super::options::{VolunteerOptions, known};
use super::settings::{
    given_settings, read_settings, require_object, truth, write_limits, write_settings,
};
use super::status;
use core::cell::{Cell, RefCell};
use distcompute_engine::fault::Fault;
use distcompute_engine::page::channel::Listening;
use distcompute_engine::page::event::{Action, Command, Cx, Event, HubCommand, HubMessage};
use distcompute_engine::page::supervisor::Supervisor;
use distcompute_engine::reason::Reason;
use distcompute_engine::status::{State, Status, Tell, Telling};
use distcompute_engine::time::clock::Now;
use wasm_bindgen::prelude::*;

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
  spawn: () => Global<"Worker">;
  settings?: Partial<VolunteerSettings> | undefined;
  limits?: VolunteerLimits | undefined;
} & (
  | { stage: StageName; stages?: undefined }
  | { stages: readonly [StageName, ...StageName[]]; stage?: undefined }
);

/**
 * A page's part in a project: starts the workers, replaces those that die, and says how things are.
 *
 * Nothing starts before `start()`. One tab of a browser computes for a tracker at a time, where
 * browsers have locks (not on plain `http`); the others have the state `"elsewhere"`, show its
 * status, and what is said in them goes for all tabs. When the page is left, jobs are put back.
 *
 * All methods throw `InvalidArgumentError` for what they do not take, and need no `this`.
 */
export interface Volunteer extends Freeable {}
export class Volunteer {
  /** Throws `InvalidArgumentError`, `InvalidURLError`, or `NotLoadedError` before the wasm is loaded. */
  constructor(options: VolunteerOptions);
  /** How things are: the same object until they change. */
  readonly status: VolunteerStatus;
  /**
   * Calls `listener` with the status, now and whenever it has changed, at most ten times a second.
   * Returns a function that ends that. With `status` this is a store: Svelte takes the volunteer as
   * it is, React by `useSyncExternalStore(volunteer.subscribe, () => volunteer.status)`.
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
}
"#;

#[wasm_bindgen(module = "/src/web/shell.js")]
extern "C" {
    /// A page, as `volunteer.js` has it.
    #[derive(Clone)]
    pub type Page;
    /// Has the page do something; never throws.
    #[wasm_bindgen(method)]
    fn perform(
        this: &Page,
        what: &str,
        a: &JsValue,
        b: &JsValue,
        c: &JsValue,
        d: &JsValue,
    ) -> JsValue;
}

/// The class itself stands in `volunteer.js`, and its types above.
#[wasm_bindgen(module = "/src/web/shell.js")]
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

/// What `volunteer.js` imports itself; named here so that it is in the package.
#[wasm_bindgen(module = "/src/web/shell.js")]
#[allow(dead_code, reason = "called by volunteer.js")]
extern "C" {
    fn forget(site: &str);
}

/// The class `Volunteer`, as JavaScript has it once the wasm is loaded.
pub fn class() -> JsValue {
    hand_over();
    CLASS.with(Clone::clone)
}

/// What stands behind the `Volunteer` of a page: a function that is told what happens.
pub fn open(options: &JsValue, page: Page) -> Result<JsValue, JsValue> {
    let cores = page.perform("cores", &U, &U, &U, &U).as_f64();
    let cores = cores.unwrap_or(1.0) as u32;
    let options = VolunteerOptions::read(options, cores).map_err(|fault| to_js(&fault))?;
    let stages = options
        .stages
        .iter()
        .map(|stage| JsValue::from_str(stage.letter()));
    let setup = object()
        .with("url", options.url.as_str())
        .with("stages", &array(stages))
        .with("nickname", &options.nickname)
        .with("limits", &write_limits(&options.limits))
        .done();
    let settings = options.settings;
    let blank = status::write(&Status::new(Reason::Stopped, settings));
    page.perform("open", &options.spawn, &setup, &blank, &U);
    let inner = Inner {
        supervisor: RefCell::new(Supervisor::new(settings, false)),
        actions: RefCell::default(),
        acting: Cell::new(false),
        page: RefCell::new(Some(page)),
        untold: Cell::new(false),
        telling: Cell::default(),
        listening: Cell::default(),
    };
    // Freed with the page that holds it, as soon as `inner` has let go of that.
    Ok(door(Box::new(move |what, a, b| {
        if what == "message" {
            return Ok(inner.message());
        }
        inner.told(&what, &a, &b).map_err(|fault| to_js(&fault))?;
        Ok(U)
    })))
}

const U: JsValue = JsValue::UNDEFINED;

struct Inner {
    supervisor: RefCell<Supervisor>,
    /// What is to be done, in this order, and whether somebody is doing it.
    actions: RefCell<Vec<Action>>,
    acting: Cell<bool>,
    /// `None` once it was let go of.
    page: RefCell<Option<Page>>,
    /// Whether the page's listeners are to hear of a change.
    untold: Cell<bool>,
    telling: Cell<Telling>,
    listening: Cell<Listening>,
}

impl Inner {
    /// The channel has a message: for how long it is to be closed instead of being read, if so.
    fn message(&self) -> JsValue {
        let mut listening = self.listening.get();
        let closed = listening.message(now());
        self.listening.set(listening);
        closed.map_or(U, JsValue::from)
    }

    /// What the page tells.
    fn told(&self, what: &str, a: &JsValue, b: &JsValue) -> Result<(), Fault> {
        let number = |value: &JsValue| value.as_f64().unwrap_or(-1.0) as u32;
        let id = number(a);
        self.happened(match what {
            "free" => Event::Freed,
            "granted" => Event::LockGranted,
            "taken" => Event::LockTaken,
            "tick" => Event::Tick,
            "left" => Event::Left,
            "returned" => Event::Returned,
            "heirs" => Event::OthersWait(a.is_truthy()),
            "elsewhere" => Event::OtherComputes(a.is_truthy()),
            "there" => {
                let Some(shown) = status::shown(a) else {
                    return Ok(());
                };
                self.perform("see", &shown, &U, &U, &U);
                Event::OtherComputes(true)
            }
            "hidden" => Event::Hidden(a.is_truthy()),
            "ready" => Event::WorkerReady(id),
            "died" => Event::WorkerDied(id, says(b)),
            "useless" => Event::NotAWorker(kind_of(a)),
            "hub:status" => Event::FromHub(id, HubMessage::Status),
            "hub:cores" => Event::FromHub(id, HubMessage::Cores(number(b))),
            "hub:replace" => Event::FromHub(id, HubMessage::Replace(number(b))),
            "hub:stopped" => Event::FromHub(id, HubMessage::Stopped),
            "hub:renew" => Event::FromHub(id, HubMessage::Renew),
            "hub:fatal" => Event::FromHub(id, HubMessage::Fatal),
            "heard" => {
                Event::RemoteCommand(self.word(&as_text(a).unwrap_or_default(), b, false)?)
            }
            "later" => {
                let mut telling = self.telling.get();
                telling.came_back();
                self.telling.set(telling);
                self.show();
                return Ok(());
            }
            _ => Event::Command(self.word(what, a, true)?),
        });
        Ok(())
    }

    /// What the volunteer says, `here` or in another tab, which may run another version of this.
    fn word(&self, what: &str, given: &JsValue, here: bool) -> Result<Command, Fault> {
        Ok(match what {
            "start" => {
                if !self.supervisor.borrow().is_running() {
                    self.perform("recount", &U, &U, &U, &U);
                }
                Command::Start
            }
            "resume" => Command::Resume,
            "pause" => Command::Pause {
                until: until(given, js_sys::Date::now())?,
            },
            "stop" => Command::Stop {
                finish: finish(given)?,
            },
            "set" => {
                let base = *self.supervisor.borrow().settings();
                require_object(given, "settings")?;
                let read = if here { given_settings } else { read_settings };
                let settings = read(given, &base)?;
                self.perform("keep", &write_settings(&settings), &U, &U, &U);
                Command::Set(settings)
            }
            _ => return Err(Fault::argument("There is no such word.")),
        })
    }

    fn happened(&self, event: Event) {
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
            // What `act` calls may bring more.
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

    fn act(&self, action: Action) {
        let (what, a, b, c, d): (_, JsValue, JsValue, JsValue, JsValue) = match action {
            Action::Lock(on) => ("lock", on.into(), U, U, U),
            Action::Ticks(on) => ("ticks", on.into(), U, U, U),
            Action::Spawn(id) => ("spawn", id.into(), U, U, U),
            Action::Terminate(id) => ("end", id.into(), U, U, U),
            Action::MakeHub(id) => ("lead", id.into(), U, U, U),
            Action::Connect { hub, worker, core } => {
                ("connect", hub.into(), worker.into(), core.into(), U)
            }
            Action::ToHub(id, order) => {
                let (kind, given, message) = match order {
                    HubCommand::CoreDied { core, message } => ("died", core.into(), message.into()),
                    HubCommand::Settings => ("settings", U, U),
                    HubCommand::Pause { until } => ("pause", or_null(until), U),
                    HubCommand::Resume => ("resume", U, U),
                    HubCommand::Stop { finish } => ("stop", finish.into(), U),
                    HubCommand::Ping => ("ping", U, U),
                };
                ("order", id.into(), kind.into(), given, message)
            }
            Action::Farewell => ("farewell", U, U, U, U),
            Action::AnnounceEnd => ("gone", U, U, U, U),
            Action::Close => ("close", U, U, U, U),
        };
        self.perform(what, &a, &b, &c, &d);
        if what == "close" {
            self.page.replace(None);
        }
    }

    fn perform(&self, what: &str, a: &JsValue, b: &JsValue, c: &JsValue, d: &JsValue) -> JsValue {
        let page = self.page.borrow().clone();
        page.map_or(U, |page| page.perform(what, a, b, c, d))
    }

    /// Tells listeners and other tabs, where something has changed and it is time.
    fn show(&self) {
        let (computes, reason, problem) = {
            let supervisor = self.supervisor.borrow();
            let problem = supervisor.problem().map(JsValue::from_str);
            (supervisor.computes(), supervisor.reason(), problem)
        };
        // What the page knows better than the hub, or the other tab.
        let (state, reason) = reason.map_or((U, U), |reason| {
            let state = State::of(&reason).as_str();
            (state.into(), status::write_reason(&reason).done())
        });
        let problem = problem.unwrap_or(U);
        let changed = self.perform("view", &computes.into(), &state, &reason, &problem);
        if changed.is_truthy() {
            self.untold.set(true);
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
                self.perform("show", &U, &U, &U, &U);
            }
            Tell::After(ms) => {
                self.perform("later", &ms.into(), &U, &U, &U);
            }
            Tell::Soon => {}
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
        _ => Err(Fault::argument(format!(
            "pause takes a number of milliseconds, 0 or more, or nothing; it was given {}.",
            shown(for_ms)
        ))),
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

fn or_null(number: Option<f64>) -> JsValue {
    number.map_or(JsValue::NULL, JsValue::from)
}
