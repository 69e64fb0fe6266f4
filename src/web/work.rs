//! The types of `work`, which the owner's worker script calls, and the functions that the scripts of this folder
//! call. `work` itself is in `worker.js`, because it may be called before the WebAssembly is loaded.

use super::arguments::{get, known, require_object, whole};
use super::client;
use super::compute;
use super::dom::function;
use super::error::to_js;
use super::hub::Hub;
use super::json;
use super::object::object;
use super::shared::Shared;
use super::volunteer::Volunteer;
use distcompute_engine::fault::Fault;
use distcompute_engine::nearest::{nearest, unknown};
use distcompute_protocol::{JSON_MARK, Stage};
use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A job as its handler gets it; `Input` is the type of its data, which you know and nobody checks. */
export interface Job<Input = JobData> {
  /** Its number at the tracker, counted from 1. */
  readonly id: number;
  /** Its input. */
  readonly data: Input;
  /** Which attempt at it this is, counted from 1. */
  readonly attempt: number;
  /** The stage that it is at. */
  readonly stage: "a" | "b" | "c" | "d" | "e";
  /**
   * A file that the job's data names, as a `Blob`: it is in this browser before the job begins. Its type is what the
   * reference says, which nobody checks.
   *
   * Rejects with `InvalidArgumentError` where the argument is no reference, and with `FileError` (`file_unknown`)
   * where the data does not name the file or names no address of it.
   */
  file(reference: FileRef): Promise<Global<"Blob">>;
}

/** A reference to a file, anywhere in the data or in the output of a job. */
export interface FileRef {
  /** `sha256-` and the hash of its bytes, in 64 hexadecimal digits. */
  $file: string;
  /** Its size. */
  bytes: number;
  /** Its media type; `application/octet-stream` where there is none. */
  type?: string;
}

/**
 * What a handler gets besides its job. The functions need no `this`: take them out as you like.
 * `Setup` is what `setup` returns, `State` what the handler gives to `checkpoint`.
 */
export interface WorkContext<Setup = undefined, State = unknown> {
  /**
   * Says how far the job is, for people: `done` of `total`, both 0 or more, with a line of text of
   * at most 255 characters. Call it at least each second, and as often as you like: only the last
   * word is sent, a few times a minute.
   *
   * Here a handler that keeps its thread busy also rests, as the volunteer's settings ask, and
   * hears that it shall stop: then it throws `AbortError`, which you let pass. Where nobody catches
   * that, as in a timer or in what an engine calls back, it does no harm: the job is given back.
   *
   * A handler whose work is done by workers of its own does not rest here: see `ready`.
   *
   * Throws `InvalidArgumentError` where an argument is none.
   */
  progress(done: number, total: number, text?: string): void;
  /**
   * Aborted when the job shall stop: the volunteer has pressed Stop, or the job is somebody else's by
   * now. For `fetch` and the like in an async handler. What a handler returns after that is not handed
   * in, whole or not; the job is given back. `stop({ finish: true })` does not abort it.
   */
  readonly signal: Global<"AbortSignal">;
  /**
   * Whether the core shall rest: the volunteer has paused it, it runs on its battery, or the like. It
   * changes while an async handler waits for something, and at each `progress`.
   */
  readonly paused: boolean;
  /**
   * Resolves when the handler may work: after a pause, and after the rests that the volunteer's
   * `intensity` asks for. An async handler awaits it before each piece of work, or before each that it
   * gives to workers of its own. Rejects with `AbortError` when the job shall stop.
   *
   * A worker whose handler goes on for five seconds while it is paused is ended, and its job goes on
   * later from its last checkpoint. One that rests in `progress`, waits in `ready`, or waits for
   * something and has no workers of its own, is left alone.
   */
  ready(): Promise<void>;
  /**
   * Says that the job's data is bad, so that the stage before makes it again, and ends the job:
   * it throws, and whatever the handler does then is not handed in. TypeScript sees that nothing
   * comes after it in `return invalid("no such shard")`.
   */
  invalid(reason?: string): never;
  /**
   * Keeps what the job can go on from after a reload, a crash or a stop: anything that
   * `structuredClone` takes. Each one replaces the one before; every few seconds is often enough.
   *
   * Throws `InvalidArgumentError` where `state` cannot be cloned.
   */
  checkpoint(state: State): void;
  /**
   * Keeps a file in this browser and sends it to the tracker while the handler goes on. Resolves, when it is kept, to
   * the reference by which the output names it: the output is handed in when the tracker has all files that it
   * names. After a reload or a crash of the browser the rest of it is sent. A stream is read to its end, and written
   * to the browser's storage meanwhile; a large `Blob` may be in memory. `type` is its media type, by default the
   * blob's.
   *
   * Rejects with `InvalidArgumentError` where the argument is none of these or cannot be read, with `FileError` where
   * the tracker takes no files (`files_not_supported`) or the browser has no room (`file_no_room`), and with
   * `AbortError` when the job has ended. A file that the tracker does not take makes the job fail.
   */
  put(
    data: Global<"Blob", never> | Global<"ReadableStream", never> | ArrayBuffer | ArrayBufferView | string,
    options?: { type?: string | undefined },
  ): Promise<FileRef>;
  /** The last state that this job gave to `checkpoint`; `undefined` where there is none. */
  readonly restored: State | undefined;
  /** @deprecated The same as `restored`, which says in the console that it has another name now. */
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

/** What a handler returns. */
type Returned = JobOutput | PromiseLike<JobOutput>;

/** The same without what would be lost of it. */
type Handed<Value> =
  Value extends PromiseLike<infer Output> ? PromiseLike<Output & Kept<Output>>
  : Value & Kept<Value>;

/**
 * Does one job and returns its output, or a promise of it. May keep its thread busy for as long
 * as it takes. What it throws is reported as this job's failure, and the next job comes.
 */
export type WorkHandler<
  Input = JobData,
  Output extends Returned = Returned,
  Setup = undefined,
  State = unknown,
> = (job: Job<Input>, context: WorkContext<Setup, State>) => Output & Handed<Output>;

/** A handler and what it needs beforehand. */
export interface WorkParts<
  Input = JobData,
  Output extends Returned = Returned,
  Setup = undefined,
  State = unknown,
> {
  /** Runs once in each worker that computes, before its first job: loads a kernel or a model. */
  setup?: () => Setup | PromiseLike<Setup>;
  /** Does one job after the other, and gets what `setup` returned as `context.setup`. */
  handler: WorkHandler<Input, Output, Setup, State>;
}

/**
 * Makes this web worker one that a `Volunteer` can use. Call it once, in the script that the
 * volunteer's `spawn` starts; messages between the two have `dc: 1` and are not for you. It need not
 * wait for `loadWasm()`: the page hands its WebAssembly to its workers.
 *
 * The types come from the handler: `work((job: Job<{ seed: number }>) => …)`, or
 * `work<{ seed: number }>((job) => …)`.
 *
 * Throws `InvalidArgumentError` where there is no handler, when it is called a second time, and
 * anywhere but in a dedicated worker.
 */
export function work<
  Input = JobData,
  Output extends Returned = Returned,
  Setup extends undefined = undefined,
  State = unknown,
>(handler: WorkHandler<Input, Output, Setup, State>): void;
export function work<
  Input = JobData,
  Output extends Returned = Returned,
  Setup = undefined,
  State = unknown,
>(parts: WorkParts<Input, Output, Setup, State>): void;

/** The job that `runJob` gives to a handler. */
export interface JobToRun<Input = JobData, State = unknown> {
  /** Its input. */
  data: Input;
  /** The stage that it is at. Default `"a"`. */
  stage?: "a" | "b" | "c" | "d" | "e" | undefined;
  /** Which attempt at it this is. Default 1. */
  attempt?: number | undefined;
  /** What an earlier attempt gave to `checkpoint`. Default `undefined`. */
  restored?: State | undefined;
  /** The files that `data` names, by their `$file`: for example the `files` of another run. */
  files?: Readonly<Record<string, Global<"Blob">>> | undefined;
}

/** What became of a job that `runJob` gave to a handler. */
export interface JobRun<State = unknown> {
  /** The output as the tracker and the next stage would get it; `undefined` where the job failed. */
  output: JobData | undefined;
  /** All calls of `progress`, in their order. */
  progress: {
    /** The first argument. */
    done: number;
    /** The second one. */
    total: number;
    /** The third one. */
    text: string | undefined;
  }[];
  /** All states that were given to `checkpoint`, in their order. */
  checkpoints: State[];
  /** All files that were given to `put`, by their `$file`. */
  files: Record<string, Global<"Blob">>;
  /**
   * Why there is no output, as the tracker would hear it: `"setup"` or the handler has thrown
   * (`"failed"`), the output cannot be written as JSON (`"failed"`), or the handler has called `invalid`.
   */
  failure: {
    /** What has failed. */
    kind: "setup" | "failed" | "invalid";
    /** The error's name and message, its cause and its stack; or the reason given to `invalid`. */
    message: string;
  } | null;
}

/**
 * Runs `setup` and one job here, as a worker would: on a page, in a worker or in Node, to try a
 * handler or to test it. Nothing is sent to a tracker. Needs `await loadWasm()` before.
 *
 * Resolves whatever the handler does. Rejects with `InvalidArgumentError` where an argument is none, and
 * with `NotLoadedError`.
 */
export function runJob<
  Input = JobData,
  Output extends Returned = Returned,
  Setup extends undefined = undefined,
  State = unknown,
>(handler: WorkHandler<Input, Output, Setup, State>, job: JobToRun<Input, State>): Promise<JobRun<State>>;
export function runJob<
  Input = JobData,
  Output extends Returned = Returned,
  Setup = undefined,
  State = unknown,
>(parts: WorkParts<Input, Output, Setup, State>, job: JobToRun<Input, State>): Promise<JobRun<State>>;
"#;

#[wasm_bindgen(module = "/src/web/worker.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = work)]
    fn begin(parts: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = runJob)]
    fn run(parts: &JsValue, job: &JsValue) -> js_sys::Promise;
}

#[wasm_bindgen(module = "/src/web/worker.js")]
#[allow(dead_code, reason = "re-exported, never called from Rust")]
extern "C" {
    #[wasm_bindgen(reexport = "work", skip_typescript, js_name = work)]
    fn exported_work();

    #[wasm_bindgen(reexport = "runJob", skip_typescript, js_name = runJob)]
    fn exported_run_job();
}

#[wasm_bindgen(module = "/src/web/bindings.js")]
extern "C" {
    fn install(functions: &JsValue);
}

/// Runs when the WebAssembly is loaded.
#[wasm_bindgen(start, private)]
fn loaded() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&panic.to_string().into());
    }));
    install_functions();
}

/// Gives the scripts the functions that they call: those of the package that may be called before the WebAssembly
/// is loaded, and those by which `worker.js` runs jobs and begins the drivers of a worker. They are closures and
/// not exports, because every export is a member of the package.
fn install_functions() {
    let init: Box<dyn Fn(JsValue, JsValue) -> JsValue> =
        Box::new(|options, call_options| client::init(&options, &call_options).into());
    let begin_core: Box<dyn Fn(JsValue, JsValue) -> JsValue> =
        Box::new(|parts, port| compute::start(&parts, &port).into_js());
    let functions = object()
        .with("init", &Closure::wrap(init).into_js_value())
        .with("load", &function(|dump| client::load(&dump)))
        .with(
            "openVolunteer",
            &function(|options| Volunteer::open(&options)),
        )
        .with("misspelt", &function(|parts| Ok(misspelt(&parts))))
        .with(
            "readJob",
            &function(|job| read_job(&job).map_err(|fault| to_js(&fault))),
        )
        .with(
            "account",
            &function(|thrown| Ok(json::account(&thrown).into())),
        )
        .with("written", &function(|output| written(&output)))
        .with("hasher", &function(|_| Ok(hasher())))
        .with("beginHub", &function(|setup| Ok(Hub::begin(&setup))))
        .with("beginCore", &Closure::wrap(begin_core).into_js_value());
    install(&functions.done());
}

/// A function that takes the pieces of a file one after the other, and then returns their SHA-256, in hexadecimal
/// digits, if it is given nothing. `crypto.subtle` takes whole files only, and is missing in pages without https.
fn hasher() -> JsValue {
    let hash = Shared::new(Sha256::new());
    function(move |piece| {
        let Ok(piece) = piece.dyn_into::<Uint8Array>() else {
            return Ok(hex(&hash.take().finalize()).into());
        };
        // In small parts, which need little of the memory that WebAssembly never gives back.
        let mut at = 0;
        while at < piece.length() {
            let part = piece.subarray(at, piece.length().min(at + HASHED));
            hash.borrow_mut().update(part.to_vec());
            at += HASHED;
        }
        Ok(JsValue::UNDEFINED)
    })
}

/// So many bytes of a file are in the wasm at a time.
const HASHED: u32 = 65_536;

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

/// A handler's output as JSON.
fn written(output: &JsValue) -> Result<JsValue, JsValue> {
    match json::output(output) {
        Ok(json) => Ok(json.into()),
        Err(fault) => Err(to_js(&fault)),
    }
}

/// The job that `runJob` was given, as a hub hands one out: its data is written, and read again by the run.
fn read_job(job: &JsValue) -> Result<JsValue, Fault> {
    const STAGE: &str = "stage must be \"a\", \"b\", \"c\", \"d\" or \"e\".";
    require_object(job, "the job of runJob")?;
    let names = ["data", "stage", "attempt", "restored", "files"];
    known(job, "member of runJob's job", &names)?;
    let data = json::data(&get(job, "data")?.unwrap_or_default())?;
    let stage = match get(job, "stage")? {
        None => Stage::A,
        Some(stage) => {
            let letter = json::text(&stage, "stage")?;
            letter.parse().map_err(|_| Fault::argument(STAGE))?
        }
    };
    let most = f64::from(u32::MAX);
    let attempt = whole(job, "attempt", "from 1", 1.0, most)?.unwrap_or(1.0);
    Ok(object()
        .with("mark", JSON_MARK)
        .with("data", &data)
        .with("stage", stage.letter())
        .with("attempt", attempt)
        .with("restored", &get(job, "restored")?.unwrap_or_default())
        .with("files", &get(job, "files")?.unwrap_or_default())
        .done())
}

/// What is wrong with the names of the owner's `{ setup?, handler }`; `undefined` where nothing is.
/// Other members are the owner's own, which both find in `this`: only a function whose name is nearly
/// that of a missing one is refused, because it would never be called.
fn misspelt(parts: &JsValue) -> JsValue {
    const NAMES: [&str; 2] = ["setup", "handler"];
    let keys = if parts.is_object() {
        js_sys::Reflect::own_keys(parts).unwrap_or_default()
    } else {
        js_sys::Array::new()
    };
    let is_function =
        |key: &JsValue| js_sys::Reflect::get(parts, key).is_ok_and(|v| v.is_function());
    for key in keys.iter().filter(JsValue::is_string) {
        let Ok(name) = json::text(&key, "a name") else {
            continue;
        };
        let meant = nearest(&name, &NAMES).filter(|meant| !is_function(&JsValue::from_str(meant)));
        if meant.is_some() && is_function(&key) {
            return unknown("member of work's argument", &name, &NAMES)
                .message
                .into();
        }
    }
    JsValue::UNDEFINED
}

/// `work` as JavaScript calls it once the WebAssembly is loaded.
pub fn work(parts: &JsValue) -> Result<(), JsValue> {
    install_functions();
    begin(parts)
}

/// `runJob` as JavaScript calls it once the WebAssembly is loaded.
pub fn run_job(parts: &JsValue, job: &JsValue) -> js_sys::Promise {
    install_functions();
    run(parts, job)
}
