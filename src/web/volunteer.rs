//! The class `Volunteer`: what a page calls. What follows is in [`Page`].

use super::arguments::{get, known, require_object};
use super::bindings::bind_methods;
use super::client::promise;
use super::dom::{self, call, navigator, within};
use super::error::to_js;
use super::http::Failure;
use super::keys;
use super::object::{flag, object};
use super::options::{VolunteerOptions, signal};
use super::page::Page;
use super::tabs::Name;
use distcompute_engine::fault::{Code, Fault, Kind};
use distcompute_engine::page::goal::Goal;
use js_sys::{Function, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What `new Volunteer` takes: `stage`, or `stages` with the first choice first. */
export type VolunteerOptions = {
  /** The tracker's address in full, for example `"https://tracker.example.com"`. */
  url: string;
  /** The public name on the leaderboard, at most 128 characters. Default `"anonymous"`. */
  nickname?: string | undefined;
  /** The join key of a project that is not for everybody. */
  joinKey?: string | undefined;
  /**
   * Makes a worker whose script calls `work`; the hub and all cores run the same script. Write
   * `() => new Worker(new URL("./worker.js", import.meta.url), { type: "module" })`, and bundlers
   * find the script.
   */
  spawn: () => Global<"Worker">;
  /** What the volunteer wants at first; a missing setting has its default. */
  settings?: Partial<VolunteerSettings> | undefined;
  /** Limits that the project sets for its jobs; a missing one has its default. */
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
   * Returns a function that ends that, as `signal` does when it is aborted. With `status` this is a
   * store: Svelte takes the volunteer as it is, React by
   * `useSyncExternalStore(volunteer.subscribe, () => volunteer.status)`.
   */
  subscribe(
    listener: (status: VolunteerStatus) => void,
    options?: { signal?: Global<"AbortSignal"> | undefined },
  ): () => void;
  /**
   * Calls `listener` with each event of a type, as an `EventTarget` does. Events come with changes of
   * the status, at most ten times a second.
   */
  addEventListener<Type extends keyof VolunteerEventMap>(
    type: Type,
    listener: VolunteerEventListener<Type>,
    options?: boolean | VolunteerEventOptions,
  ): void;
  /** Ends what `addEventListener` began with the same listener. */
  removeEventListener<Type extends keyof VolunteerEventMap>(
    type: Type,
    listener: VolunteerEventListener<Type>,
    options?: boolean | { capture?: boolean },
  ): void;
  /**
   * Computes, or goes on after a pause; after a failure it tries again.
   *
   * The promise resolves when it is known how it goes: this browser computes, or waits, rests, or leaves
   * it to another tab. It rejects with `StartError` where it cannot compute, whose `cause` is the error
   * of the status, and with `AbortError` where `stop` was called before. Whoever is not interested may
   * ignore it.
   */
  start(): Promise<void>;
  /**
   * Rests for so many milliseconds, or until `resume()`. Jobs that have not been begun are put back
   * at once. Does nothing where nothing has been started.
   */
  pause(forMs?: number): void;
  /** Goes on after a pause. */
  resume(): void;
  /**
   * Puts all jobs back and ends; with `finish`, after what runs is done.
   *
   * The promise resolves when nothing runs any more, and rejects with `AbortError` where `start` was
   * called before. Whoever is not interested may ignore it.
   */
  stop(options?: { finish?: boolean }): Promise<void>;
  /**
   * Changes some of the settings, or the nickname, of at most 128 characters.
   *
   * Jobs that are held when the nickname changes are finished and credited to the former one; those that
   * come afterwards are credited to the new one. The nickname changes in all tabs of this browser.
   *
   * Throws `InvalidArgumentError` where one of them is wrong, and then changes none.
   */
  set(changes: Partial<VolunteerSettings> & { nickname?: string | undefined }): void;
  /**
   * Has this device show a code, by which it becomes the same volunteer as another device: call
   * `link(code)` there while the code is taken.
   *
   * Rejects with `DistcomputeError`, with the code `no_key` where this browser can have no key.
   */
  linkCode(): Promise<VolunteerLinkCode>;
  /**
   * Makes the device that shows this code the same volunteer as this one. What it has done before stays
   * that of another volunteer.
   *
   * Rejects with `DistcomputeError`: `link_code_unknown` where no device shows this code, `link_refused`
   * where the devices cannot be linked, for the reason in the message.
   */
  link(code: string): Promise<void>;
  /**
   * Stops, and deletes everything that this browser keeps for the tracker. Rejects with
   * `TimeoutError` where a tab does not let go of it.
   */
  forget(): Promise<void>;
  /** Stops and lets go of everything; no listener is called any more. Safe to call twice. */
  free(): void;
}

/** What `linkCode()` resolves to. */
export interface VolunteerLinkCode {
  /** The code that the volunteer types on the other device. */
  readonly code: string;
  /** Until when it is taken, in milliseconds as `Date.now()`. */
  readonly expiresAt: number;
}

/** The events of a `Volunteer`. */
export interface VolunteerEventMap {
  /** The status has changed. */
  statuschange: VolunteerEvent<VolunteerStatus>;
  /** The tracker has taken results: how many more, and how many since the start. */
  job: VolunteerEvent<{
    /** How many more since the last such event. */
    readonly done: number;
    /** How many since the start. */
    readonly jobsDone: number;
  }>;
  /** A job has failed here, or the status has another error: `job` is that job's number. */
  failure: VolunteerEvent<{
    /** The error's name. */
    readonly name: string;
    /** Its message. */
    readonly message: string;
    /** Its code, where it is the status's `error`. */
    readonly code?: string;
    /** The number of the job, where one has failed. */
    readonly job?: number;
    /** When it failed, in milliseconds since 1970. */
    readonly at?: number;
  }>;
}

/** An event, as `CustomEvent` has it. */
export type VolunteerEvent<Detail> = Global<"Event"> & {
  /** What the event is about. */
  readonly detail: Detail;
};

/** A function, or an object with a method `handleEvent`. */
export type VolunteerEventListener<Type extends keyof VolunteerEventMap> =
  | ((event: VolunteerEventMap[Type]) => void)
  | {
      /** Is called with each event. */
      handleEvent(event: VolunteerEventMap[Type]): void;
    };

/** The options of `addEventListener`, as an `EventTarget` has them. */
export interface VolunteerEventOptions {
  /** Has no effect here: there is no tree of targets. */
  capture?: boolean | undefined;
  /** Whether the listener is called once only. */
  once?: boolean | undefined;
  /** Has no effect here: no event can be cancelled. */
  passive?: boolean | undefined;
  /** Ends the listening when it is aborted. */
  signal?: Global<"AbortSignal"> | undefined;
}
"#;

/// A page's part in a project. JavaScript's class of that name, which may be used before the WebAssembly is
/// loaded, is in `bindings.js`.
#[wasm_bindgen(private, skip_typescript, js_name = LoadedVolunteer)]
pub struct Volunteer {
    page: Rc<Page>,
}

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    /// Deletes what is stored for a site.
    #[wasm_bindgen(catch, js_name = forget)]
    async fn delete(site: &str, url: &str) -> Result<JsValue, JsValue>;
}

impl Volunteer {
    /// A volunteer of these options, which computes nothing yet.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn open(options: &JsValue) -> Result<JsValue, JsValue> {
        let cores = navigator("hardwareConcurrency")
            .as_f64()
            .unwrap_or_default();
        let options = VolunteerOptions::read(options, cores as u32);
        let page = Page::open(options.map_err(|fault| to_js(&fault))?);
        let volunteer: JsValue = Self { page }.into();
        bind_methods(&volunteer);
        Ok(volunteer)
    }
}

#[wasm_bindgen(js_class = LoadedVolunteer)]
impl Volunteer {
    /// How things are.
    #[wasm_bindgen(getter)]
    pub fn status(&self) -> JsValue {
        self.page.display.status()
    }

    /// Calls a listener now and at each change. Returns a function that ends that.
    ///
    /// # Errors
    /// Where the listener is no function, or the options are wrong.
    pub fn subscribe(&self, listener: &JsValue, options: &JsValue) -> Result<JsValue, JsValue> {
        if !listener.is_function() {
            return Err(to_js(&Fault::argument("subscribe takes a function.")));
        }
        let signal = read_signal(options).map_err(|fault| to_js(&fault))?;
        if signal
            .as_ref()
            .is_some_and(|signal| flag(signal, "aborted"))
        {
            return Ok(dom::callback(drop));
        }
        let listener: Function = listener.clone().unchecked_into();
        let number = self.page.display.add_listener(listener);
        let page = Rc::clone(&self.page);
        let end = dom::callback(move |_| page.display.remove_listener(number));
        if let Some(signal) = signal {
            // A signal that throws ends nothing; the function that is returned does.
            let _ = call(&signal, "addEventListener", &[&"abort".into(), &end]);
        }
        Ok(end)
    }

    /// Calls a listener with each event of a type.
    ///
    /// # Errors
    /// What an `EventTarget` does not take.
    #[wasm_bindgen(js_name = addEventListener)]
    pub fn add_event_listener(
        &self,
        kind: &JsValue,
        listener: &JsValue,
        options: &JsValue,
    ) -> Result<(), JsValue> {
        let events = &self.page.display.events;
        let added = events.add(kind, listener, options);
        added.map_err(|fault| to_js(&fault))
    }

    /// Ends that.
    ///
    /// # Errors
    /// What an `EventTarget` does not take.
    #[wasm_bindgen(js_name = removeEventListener)]
    pub fn remove_event_listener(
        &self,
        kind: &JsValue,
        listener: &JsValue,
        options: &JsValue,
    ) -> Result<(), JsValue> {
        let events = &self.page.display.events;
        let removed = events.remove(kind, listener, options);
        removed.map_err(|fault| to_js(&fault))
    }

    /// Computes, or goes on. Returns a promise of the outcome.
    pub fn start(&self) -> Result<Promise, JsValue> {
        self.command(Name::Start, &JsValue::UNDEFINED)?;
        Ok(self.page.promise_of(Goal::Started))
    }

    /// Rests for so many milliseconds, or until `resume()`.
    ///
    /// # Errors
    /// Where the argument is no such number.
    pub fn pause(&self, for_ms: &JsValue) -> Result<(), JsValue> {
        self.command(Name::Pause, for_ms)
    }

    /// Goes on after a pause.
    pub fn resume(&self) -> Result<(), JsValue> {
        self.command(Name::Resume, &JsValue::UNDEFINED)
    }

    /// Puts all jobs back and ends; with `finish`, after what runs is done. Returns a promise of the end.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn stop(&self, options: &JsValue) -> Result<Promise, JsValue> {
        self.command(Name::Stop, options)?;
        Ok(self.page.promise_of(Goal::Stopped))
    }

    /// Changes some of the settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn set(&self, settings: &JsValue) -> Result<(), JsValue> {
        self.command(Name::Set, settings)
    }

    /// Has this device show a code for linking it.
    #[wasm_bindgen(js_name = linkCode)]
    pub fn link_code(&self) -> Promise {
        let page = Rc::clone(&self.page);
        promise(Box::pin(async move { keys::offer(&page.address()?).await }))
    }

    /// Links the device that shows a code.
    pub fn link(&self, code: &JsValue) -> Promise {
        let (page, code) = (Rc::clone(&self.page), code.clone());
        promise(Box::pin(async move {
            keys::link(&page.address()?, &code).await
        }))
    }

    /// Stops, and deletes all that this browser keeps for the tracker.
    pub fn forget(&self) -> Promise {
        let page = Rc::clone(&self.page);
        promise(Box::pin(async move {
            let stopped = page.command(Name::Stop, &JsValue::UNDEFINED);
            debug_assert!(stopped.is_ok(), "it needs no argument");
            match forget(&page).await {
                Ok(()) => Ok(JsValue::UNDEFINED),
                Err(cause) => {
                    let message = "What this browser keeps could not be deleted. Close its other tabs of \
                                   this project and try again.";
                    let fault = Fault::new(Kind::Timeout, Code::Timeout, message);
                    Err(Failure::new(fault, cause))
                }
            }
        }))
    }

    /// Stops and lets go of everything. In the place of wasm-bindgen's own `free`: the workers have to be
    /// ended first, and later calls do nothing.
    pub fn free(&self) {
        self.page.free();
    }
}

impl Volunteer {
    fn command(&self, name: Name, given: &JsValue) -> Result<(), JsValue> {
        let done = self.page.command(name, given);
        done.map_err(|fault| to_js(&fault))
    }
}

/// The option of `subscribe`.
fn read_signal(options: &JsValue) -> Result<Option<JsValue>, Fault> {
    if options.is_undefined() || options.is_null() {
        return Ok(None);
    }
    require_object(options, "the options of subscribe")?;
    known(options, "option of subscribe", &["signal"])?;
    let signal = get(options, "signal")?.map(signal).transpose()?;
    Ok(signal.map(Into::into))
}

/// How long a running hub may take to give its jobs back, in milliseconds.
const IDLE_WITHIN_MS: u32 = 60_000;

/// How long another tab may take to do the same and to let go of the lock.
const LET_GO_WITHIN_MS: u32 = 30_000;

/// Deletes what is stored, once no tab computes.
async fn forget(page: &Page) -> Result<(), JsValue> {
    within(IDLE_WITHIN_MS, &page.idle()).await?;
    let locks = navigator("locks");
    if locks.is_object() {
        let limit = [&JsValue::from(LET_GO_WITHIN_MS)];
        let signal = call(&dom::global("AbortSignal"), "timeout", &limit).unwrap_or_default();
        let options = object().with("signal", &signal).done();
        let granted = dom::callback(|_| ());
        let given = [&page.lock_name().into(), &options, &granted];
        let free = call(&locks, "request", &given)?;
        // Browsers without `AbortSignal.timeout` wait for ever.
        within(LET_GO_WITHIN_MS + 1_000, &free).await?;
    }
    delete(&page.site(), page.url()).await.map(drop)
}
