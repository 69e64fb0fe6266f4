//! `work`: what the owner's worker script calls, and what becomes of that worker.

use super::compute::{Core, Parts, Port};
use super::face::{hear_page, tell_page};
use super::hub::Hub;
use super::json::kind_of;
use super::object::object;
use super::{error, options};
use crate::fault::Fault;
use core::cell::{Cell, OnceCell};
use js_sys::Function;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A job as its handler gets it. */
export interface Job {
  /** Its number at the tracker, counted from 1. */
  readonly id: number;
  /** Its input. */
  readonly data: JobData;
  /** Which attempt at it this is, counted from 1. */
  readonly attempt: number;
  /** The stage that it is at. */
  readonly stage: "a" | "b" | "c" | "d" | "e";
}

/** What a handler gets besides its job. The functions need no `this`: take them out as you like. */
export interface WorkContext<Setup = undefined> {
  /**
   * Says how far the job is, for people: `done` of `total`, both 0 or more, with a line of text of
   * at most 255 characters. Call it at least each second, and as often as you like: only the last
   * word is sent, a few times a minute.
   *
   * Here a handler that keeps its thread busy also rests, as the volunteer's settings ask, and
   * hears that it shall stop: then it throws `AbortError`, which you let pass.
   *
   * Throws `InvalidArgumentError` where an argument is none.
   */
  progress(done: number, total: number, text?: string): void;
  /** Aborted when the job shall stop. For `fetch` and the like in an async handler. */
  readonly signal: AbortSignal;
  /**
   * Says that the job's data is bad, so that the stage before makes it again, and ends the job:
   * it throws, and whatever the handler does then is not handed in.
   */
  invalid(reason?: string): never;
  /**
   * Keeps what the job can go on from after a reload, a crash or a stop: anything that
   * `structuredClone` takes. Each one replaces the one before; every few seconds is often enough.
   *
   * Throws `InvalidArgumentError` where `state` cannot be cloned.
   */
  checkpoint(state: unknown): void;
  /** What the last `checkpoint` of this job said; `undefined` where there is none. */
  readonly resume: any;
  /** What `setup` returned or resolved to. */
  readonly setup: Setup;
  /** The stage, `"a"` to `"e"`. */
  readonly stage: "a" | "b" | "c" | "d" | "e";
  /** What the project calls the stage, for example `"Scraper"`. */
  readonly stageName: string;
  /** The project's name, for example `"LAION-5B"`. */
  readonly project: string;
}

/**
 * Does one job and returns its output, or a promise of it. May keep its thread busy for as long
 * as it takes. What it throws is reported as this job's failure, and the next job comes.
 */
export type WorkHandler<Setup = undefined> = (
  job: Job,
  context: WorkContext<Setup>,
) => JobOutput | PromiseLike<JobOutput>;

/** A handler and what it needs beforehand. */
export interface WorkParts<Setup> {
  /** Runs once in each worker that computes, before its first job: loads a kernel or a model. */
  setup?: () => Setup | PromiseLike<Setup>;
  handler: WorkHandler<Setup>;
}

/**
 * Makes this web worker one that a `Volunteer` can use. Call it once, in the script that the
 * volunteer's `spawn` starts; messages between the two have `dc: 1` and are not for you.
 *
 * Throws `InvalidArgumentError` where there is no handler, when it is called a second time, and
 * anywhere but in a dedicated worker.
 */
export function work(handler: WorkHandler): void;
export function work<Setup>(parts: WorkParts<Setup>): void;
"#;

thread_local! {
    static CALLED: Cell<bool> = const { Cell::new(false) };
}

/// `work` as JavaScript calls it.
pub fn work(parts: &JsValue) -> Result<(), JsValue> {
    begin(parts).map_err(|fault| {
        tell_page(
            "error",
            &object(&[("message", fault.message.as_str().into())]),
        );
        error::to_js(&fault)
    })
}

fn begin(parts: &JsValue) -> Result<(), Fault> {
    let parts = read(parts)?;
    if CALLED.get() {
        return Err(Fault::argument("work() was called before in this worker."));
    }
    let (parts, core) = (Cell::new(Some(parts)), OnceCell::<Core>::new());
    let hub = OnceCell::<Rc<Hub>>::new();
    let hear = move |message: Message| match (message.t().as_str(), parts.take()) {
        ("hub", Some(_)) => {
            if let Some(begun) = Hub::begin(&message.setup()) {
                let _ = hub.set(begun);
            }
        }
        ("compute", Some(parts)) => {
            let _ = core.set(Core::start(parts, &message.port()));
        }
        // The hub has died, and another wants to know how far this one is.
        ("compute", None) => {
            if let Some(core) = core.get() {
                core.meet(message.port());
            }
        }
        (_, unused) => {
            parts.set(unused);
            if let Some(hub) = hub.get() {
                hub.hear(&message);
            }
        }
    };
    let hear: Box<dyn Fn(Message)> = Box::new(hear);
    if !hear_page(&Closure::wrap(hear).into_js_value()) {
        return Err(Fault::argument(
            "work() is for the script of a dedicated worker, which a Volunteer's spawn() starts.",
        ));
    }
    CALLED.set(true);
    tell_page("ready", &JsValue::UNDEFINED);
    Ok(())
}

fn read(value: &JsValue) -> Result<Parts, Fault> {
    if let Some(handler) = value.dyn_ref::<Function>() {
        return Ok(Parts {
            owner: JsValue::UNDEFINED,
            setup: None,
            handler: handler.clone(),
        });
    }
    if !value.is_object() {
        return Err(Fault::argument(format!(
            "work takes a function, or an object {{ setup?, handler }}; it was given {}.",
            kind_of(value)
        )));
    }
    let function = |name: &str| match options::get(value, name)? {
        None => Ok(None),
        Some(found) => found.dyn_into().map(Some).map_err(|found| {
            Fault::argument(format!(
                "{name} must be a function; it is {}.",
                kind_of(&found)
            ))
        }),
    };
    Ok(Parts {
        owner: value.clone(),
        setup: function("setup")?,
        handler: function("handler")?
            .ok_or_else(|| Fault::argument("work was given an object without a handler."))?,
    })
}

#[wasm_bindgen]
extern "C" {
    /// A message of the page.
    type Message;

    #[wasm_bindgen(method, getter, structural)]
    fn t(this: &Message) -> String;

    #[wasm_bindgen(method, getter, structural)]
    fn setup(this: &Message) -> JsValue;

    #[wasm_bindgen(method, getter, structural)]
    fn port(this: &Message) -> Port;
}
