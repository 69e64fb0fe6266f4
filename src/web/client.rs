//! `init`, `load` and the class `Client`: the Python library's calls, for JavaScript.
//!
//! Every call takes any value at all, works on a clone of what is held here, and keeps no borrow across
//! an await: two calls at once, and `free()` during a call, are safe.

use super::bindings::guard;
use super::browser::log;
use super::error::to_js;
use super::http::{Failure, Reply, Terms};
use super::json;
use super::object::object;
use super::options::{CallOptions, InitOptions, check};
use super::reader;
use super::shared::Shared;
use super::turn::Turns;
use core::future::Future;
use core::pin::Pin;
use distcompute_engine::client::call::{Call, Request, read_alive, read_count};
use distcompute_engine::client::session::{
    Dump, Session, bad_dump, bad_job_data, check_job, check_progress, check_worker,
};
use distcompute_engine::fault::Fault;
use distcompute_protocol::{ErrorCode, NewJob};
use js_sys::{JsString, Promise};
use serde::de::DeserializeOwned;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Anything that JSON can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** A job's input: the text, or what the JSON in it says. Trackers of old may hand out `null`. */
export type JobData = string | JsonValue[] | { [key: string]: JsonValue } | null;

/** An object that JSON writes whole: none of the kinds that it writes as `{}` or as a text. */
type PlainObject = object & {
  readonly [Symbol.toStringTag]?: undefined;
  readonly [Symbol.toPrimitive]?: undefined;
  readonly [Symbol.match]?: undefined;
  readonly [Symbol.hasInstance]?: undefined;
};

/**
 * A job's output: a text, an array or a plain object. Nothing in it is lost without a word: what JSON
 * cannot hold (a `Map`, a typed array, a `Date`, `NaN`, a function, `undefined` in a list, a promise)
 * is refused with its path, at any depth. Members of objects that are `undefined` are left out, and
 * an object with `toJSON` is what that returns.
 */
export type JobOutput = string | readonly unknown[] | PlainObject;

/** What JSON keeps of a value: `never` in the place of what it would lose. */
type Kept<Value> =
  unknown extends Value ? Value
  : Value extends string | number | boolean | null ? Value
  : Value extends bigint | symbol | undefined | Date ? never
  : Value extends { toJSON(): unknown } ? Value
  : Value extends readonly unknown[] ? { readonly [Key in keyof Value]: Kept<Value[Key]> }
  : Value extends PlainObject ? {
      [Key in keyof Value]: Key extends symbol ? never
        : undefined extends Value[Key] ? Kept<Exclude<Value[Key], undefined>> | undefined
        : Kept<Value[Key]>
    }
  : never;

/** A stage: `"a"` to `"e"`, or a word that begins with one of these letters. */
export type StageName = `${"a" | "b" | "c" | "d" | "e" | "A" | "B" | "C" | "D" | "E"}${string}`;

/** What `init` takes. */
export interface InitOptions {
  /** The tracker's address in full, for example `"https://tracker.example.com"`. */
  url: string;
  /** The stage to work at, `"a"` to `"e"`; of a longer word the first letter counts. */
  stage: StageName;
  /** Your public name on the leaderboard, at most 128 characters. Default `"anonymous"`. */
  nickname?: string;
  /** The join key of a project that is not for everybody. */
  joinKey?: string | undefined;
  /** Whether to write what happens to the console. Default `true`. */
  verbose?: boolean;
}

/** A session as plain JSON. It contains the worker's token, which is a secret. */
export interface ClientDump {
  version: number;
  url: string;
  stage: string;
  nickname: string;
  verbose: boolean;
  token: string;
  displayName: string;
  project: string;
  stageName: string;
  jobId: number | null;
  jobData: string | null;
}

/**
 * Registers a worker at the tracker.
 *
 * Rejects with `InvalidArgumentError` or `InvalidURLError` where the options are wrong or there is
 * no tracker at the address, and with `UnreachableError` where nothing answers.
 */
export function init(options: InitOptions, callOptions?: CallOptions): Promise<Client>;

/**
 * Goes on with a session that `dump()` saved, with the same worker and the same job. Asks nobody:
 * whether the tracker still knows the worker, `isAlive()` tells.
 *
 * Throws `DumpError` where `dump` is not what `dump()` returned.
 */
export function load(dump: ClientDump): Client;

/**
 * One worker, registered at a tracker by `init`: takes jobs, hands in results.
 *
 * Calls that change which job it holds run one after the other, in the order in which they were
 * made. The last argument of each call may be `{ signal, timeoutMs }`. A network that fails and
 * a tracker that is overloaded are asked again, with growing random waits, until time runs out.
 */
export interface Client extends Freeable {}
export class Client {
  private constructor();
  free(): void;
  /**
   * Leaves: the tracker puts a job that is held back for others. Never rejects, takes ten
   * seconds at most unless `timeoutMs` says otherwise, and is safe to call twice.
   */
  bye(options?: CallOptions): Promise<void>;
  /**
   * Hands in the output of the job that is held: it becomes the next stage's input, or the job
   * is closed. Resolves once the tracker has it, and clears `job`.
   *
   * The job stays held, so that the call can be repeated, until the tracker has answered: after
   * `AbortError`, `TimeoutError`, `UnreachableError`, `ServerError` and `InvalidArgumentError`.
   * Rejects with `NoOpenJobError` when this worker does not hold the job (any more).
   */
  completeJob<Output extends JobOutput>(
    data: Output & Kept<Output>,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * The session as plain JSON, for `load()`: a page that is loaded again goes on with the same
   * worker and job. It contains the worker's token, which is a secret.
   */
  dump(): ClientDump;
  /**
   * Says that the input of the job that is held is bad, and clears `job`. When enough
   * volunteers say so, the previous stage makes it again.
   *
   * Rejects with `NoOpenJobError` when this worker holds no job.
   */
  flagInvalidData(options?: CallOptions): Promise<void>;
  /**
   * Whether the tracker still knows this worker. It forgets one that has not been heard from
   * for the project's idle timeout.
   */
  isAlive(options?: CallOptions): Promise<boolean>;
  /** The number of jobs that are open at this stage: neither taken nor done. */
  jobCount(options?: CallOptions): Promise<number>;
  /**
   * Sends the progress line, which the dashboard shows, for example `"12 / 100 images"`. What
   * is longer than 255 characters is cut. It also tells the tracker that this worker is alive.
   */
  log(progress: string, options?: CallOptions): Promise<void>;
  /**
   * Takes a job, puts it in `job` and `jobId`, and resolves to its data. A job that is still
   * held is put back first, and let go of whether the call then works or not.
   *
   * Rejects with `ZeroJobError` when no job is open at this stage; wait and ask again, this is
   * not a fault. Rejects with `WorkerTimedOutError` when the tracker has forgotten this worker;
   * register again with `init`. Rejects with `ServerError` and the code `bad_job_data` when the
   * job's data says that it is JSON and is not; the job is held then, so that it can be flagged.
   */
  newJob(options?: CallOptions): Promise<JobData>;
  /** This worker's public name, for example `"hematin-hanking-71"`. */
  readonly displayName: string;
  /** The number of the job that is held, counted from 1, or `null`. */
  readonly jobId: number | null;
  /** The data of the job that is held, or `null`. */
  readonly job: JobData;
  /** The public name that this worker's results are credited to. */
  readonly nickname: string;
  /** The project's name: the same as `project`. */
  readonly projectName: string;
  /** The project's name, for example `"LAION-5B"`. */
  readonly project: string;
  /** What the project calls the stage, for example `"Scraper"`. */
  readonly stageName: string;
  /** The stage, `"a"` to `"e"`. */
  readonly stage: "a" | "b" | "c" | "d" | "e";
  /** The tracker's address, without a slash at its end. */
  readonly url: string;
  /** The address of this worker's page at the tracker, for people. */
  readonly workerUrl: string;
}
"#;

/// Registers a worker.
pub fn init(options: &JsValue, call_options: &JsValue) -> Promise {
    let asked = InitOptions::read(options);
    let call = CallOptions::read(call_options);
    promise(Box::pin(async move { register(asked?, call?).await }))
}

async fn register(asked: InitOptions, call: CallOptions) -> Result<JsValue, Failure> {
    let registration = check(&asked.url, &asked.stage, &asked.nickname)?;
    let url = registration.url.clone();
    let say = |text: &str| tell(asked.verbose, None, text);
    say("connecting to tracker...");
    let on_retry = |what: &str| say(&format!("retrying request after {what}..."));
    let request = Request::new_worker(&registration.nickname, registration.stage)
        .with_join_key(asked.join_key);
    let terms = Terms::new(request.call, &call, &on_retry);
    let reply = terms.send(&url, &request).await?;
    let worker = check_worker(read_body(reply.as_ref())?)?;
    let session = Session {
        registration,
        worker,
        job: None,
        verbose: asked.verbose,
    };
    let say = |text: &str| tell(asked.verbose, Some(&session.worker.project), text);
    say(&format!("joined as {}", session.worker.display_name));
    say(&format!("this worker's page: {}", worker_url(&session)));
    Ok(client(session, JsValue::NULL))
}

/// Goes on with a session that was saved.
///
/// # Errors
/// `DumpError` for what `dump()` has not returned.
pub fn load(dump: &JsValue) -> Result<JsValue, JsValue> {
    restore(dump).map_err(|fault| to_js(&fault))
}

fn restore(dump: &JsValue) -> Result<JsValue, Fault> {
    // Through JSON, which a dump is by definition: no getter of a stranger runs after this line.
    let text = json::text_of(dump).map_err(|why| bad_dump(&why))?;
    let text = text.ok_or_else(|| bad_dump(&format!("it is {}", json::kind_of(dump))))?;
    let dump: Dump = reader::read_json(&text).map_err(|why| bad_dump(&why))?;
    let session = Session::restore(dump)?;
    let data = session.job.as_ref().and_then(|job| job.data.as_deref());
    let job = json::job_data(data).unwrap_or_else(|_| data.into());
    Ok(client(session, job))
}

/// One worker, registered at a tracker.
#[wasm_bindgen(skip_typescript)]
pub struct Client {
    inner: Rc<Inner>,
}

#[wasm_bindgen]
impl Client {
    /// Asks how many jobs are open.
    #[wasm_bindgen(js_name = jobCount)]
    pub fn job_count(&self, options: &JsValue) -> Promise {
        self.call(Ok(Asked::JobCount), options)
    }

    /// Takes a job.
    #[wasm_bindgen(js_name = newJob)]
    pub fn new_job(&self, options: &JsValue) -> Promise {
        self.call(Ok(Asked::NewJob), options)
    }

    /// Hands in the output of the job that is held.
    #[wasm_bindgen(js_name = completeJob)]
    pub fn complete_job(&self, data: &JsValue, options: &JsValue) -> Promise {
        // Read before the first await: the caller may change the object afterwards.
        self.call(json::output(data).map(Asked::CompleteJob), options)
    }

    /// Says that the input of the job that is held is bad.
    #[wasm_bindgen(js_name = flagInvalidData)]
    pub fn flag_invalid_data(&self, options: &JsValue) -> Promise {
        self.call(Ok(Asked::FlagInvalidData), options)
    }

    /// Sends the progress line.
    pub fn log(&self, progress: &JsValue, options: &JsValue) -> Promise {
        let progress = json::text(progress, "progress").and_then(|text| check_progress(&text));
        self.call(progress.map(Asked::Log), options)
    }

    /// Asks whether the tracker still knows this worker.
    #[wasm_bindgen(js_name = isAlive)]
    pub fn is_alive(&self, options: &JsValue) -> Promise {
        self.call(Ok(Asked::IsAlive), options)
    }

    /// Leaves.
    pub fn bye(&self, options: &JsValue) -> Promise {
        self.call(Ok(Asked::Bye), options)
    }

    /// The session as plain JSON.
    pub fn dump(&self) -> JsValue {
        write_dump(&self.inner.read(Session::dump))
    }

    /// The data of the job that is held.
    #[wasm_bindgen(getter)]
    pub fn job(&self) -> JsValue {
        self.inner.job.borrow().clone()
    }

    /// The number of the job that is held.
    #[wasm_bindgen(getter, js_name = jobId)]
    pub fn job_id(&self) -> JsValue {
        let number = self.inner.read(Session::job_number);
        number.map_or(JsValue::NULL, |number| JsValue::from_f64(number as f64))
    }

    /// This worker's public name.
    #[wasm_bindgen(getter, js_name = displayName)]
    pub fn display_name(&self) -> String {
        self.inner.read(|s| s.worker.display_name.clone())
    }

    /// The public name that this worker's results are credited to.
    #[wasm_bindgen(getter)]
    pub fn nickname(&self) -> String {
        self.inner.read(|s| s.registration.nickname.clone())
    }

    /// The project's name.
    #[wasm_bindgen(getter)]
    pub fn project(&self) -> String {
        self.inner.read(|s| s.worker.project.clone())
    }

    /// The same.
    #[wasm_bindgen(getter, js_name = projectName)]
    pub fn project_name(&self) -> String {
        self.project()
    }

    /// The stage's letter.
    #[wasm_bindgen(getter)]
    pub fn stage(&self) -> String {
        self.inner
            .read(|s| s.registration.stage.letter().to_owned())
    }

    /// What the project calls the stage.
    #[wasm_bindgen(getter, js_name = stageName)]
    pub fn stage_name(&self) -> String {
        self.inner.read(|s| s.worker.stage_name.clone())
    }

    /// The tracker's address.
    #[wasm_bindgen(getter)]
    pub fn url(&self) -> String {
        self.inner.read(|s| s.registration.url.as_str().to_owned())
    }

    /// The address of this worker's page at the tracker.
    #[wasm_bindgen(getter, js_name = workerUrl)]
    pub fn worker_url(&self) -> String {
        self.inner.read(worker_url)
    }
}

impl Client {
    fn call(&self, asked: Result<Asked, Fault>, options: &JsValue) -> Promise {
        let mut options = CallOptions::read(options);
        if matches!(asked, Ok(Asked::Bye)) {
            // It never rejects.
            options = Ok(options.unwrap_or_default());
        }
        // A clone: `free()` frees the `Client`, and calls that run go on.
        let inner = Rc::clone(&self.inner);
        promise(Box::pin(async move {
            let options = options?;
            inner.run(asked?, &options).await
        }))
    }
}

/// What stands behind a `Client`.
struct Inner {
    session: Shared<Session>,
    /// The job's data as JavaScript sees it; made once, so that `client.job === client.job`.
    job: Shared<JsValue>,
    turns: Turns,
}

impl Inner {
    fn read<T>(&self, read: impl FnOnce(&Session) -> T) -> T {
        read(&self.session.borrow())
    }

    fn hold(&self, job: Option<NewJob>, data: JsValue) {
        self.session.borrow_mut().job = job;
        self.job.replace(data);
    }

    fn tell(&self, text: &str) {
        let (verbose, project) = self.read(|s| (s.verbose, s.worker.project.clone()));
        tell(verbose, Some(&project), text);
    }

    /// One call from its turn to its end. There is one function for all of them: each that is async
    /// would be one more machine in the package.
    async fn run(&self, asked: Asked, options: &CallOptions) -> Result<JsValue, Failure> {
        let call = asked.call();
        let on_retry = |what: &str| self.tell(&format!("retrying request after {what}..."));
        let url = self.read(|s| s.registration.url.clone());
        let terms = Terms::new(call, options, &on_retry);
        let mut turn = asked.takes_turns().then(|| self.turns.queue());
        let mut answer = Ok(None);
        if let Some(turn) = &mut turn {
            answer = terms.wait_for(turn).await.map(|()| None);
        }
        if answer.is_ok() {
            answer = match self.request(asked) {
                Ok(request) => terms.send(&url, &request).await,
                Err(fault) => Err(fault.into()),
            };
        }
        self.conclude(call, answer)
    }

    fn request(&self, asked: Asked) -> Result<Request, Fault> {
        let token = self.read(|s| s.worker.token.clone());
        Ok(match asked {
            Asked::JobCount => Request::job_count(self.read(|s| s.registration.stage)),
            Asked::NewJob => {
                self.tell("looking for new job...");
                // Asking for a job puts back the one that is held. Whether it has, and which other
                // was given, nobody knows until the answer is here.
                self.hold(None, JsValue::NULL);
                Request::new_job(token)
            }
            Asked::CompleteJob(data) => {
                Request::complete_job(token, self.held(ErrorCode::NoOpenJob)?, data)
            }
            Asked::FlagInvalidData => {
                Request::flag_invalid_data(token, self.held(ErrorCode::NotWorking)?)
            }
            Asked::Log(progress) => {
                self.tell(&format!("logged new progress data: {progress}"));
                Request::update_progress(token, progress)
            }
            Asked::IsAlive => Request::validate_worker(token),
            Asked::Bye => Request::bye(token),
        })
    }

    fn held(&self, otherwise: ErrorCode) -> Result<u64, Fault> {
        self.read(Session::job_number)
            .ok_or_else(|| Fault::no_open_job(otherwise))
    }

    /// Takes in what came of a call.
    fn conclude(
        &self,
        call: Call,
        answer: Result<Option<Reply>, Failure>,
    ) -> Result<JsValue, Failure> {
        let number = self.read(Session::job_number).unwrap_or_default();
        let settles = matches!(call, Call::CompleteJob | Call::FlagInvalidData);
        // Lets go of the job where the tracker's answer says that this worker holds it no longer.
        if settles && answer.as_ref().map_or_else(Failure::ends_job, |_| true) {
            self.hold(None, JsValue::NULL);
        }
        if call == Call::Bye {
            // Whatever went wrong: the worker may be gone already, and if not, the tracker will
            // notice by itself.
            self.hold(None, JsValue::NULL);
            self.tell("closed worker");
            return Ok(JsValue::UNDEFINED);
        }
        let reply = answer?;
        let body = || {
            reply
                .as_ref()
                .map(Reply::beginning)
                .unwrap_or_default()
                .body
        };
        match call {
            Call::JobCount => {
                let body = body();
                let count = read_count(&body).ok_or_else(|| Fault::bad_answer(body))?;
                self.tell(&format!("jobs remaining: {count}"));
                // A count that a float cannot hold exactly would take longer than the Earth has.
                return Ok(JsValue::from_f64(count as f64));
            }
            Call::NewJob => return self.take(read_body(reply.as_ref())?),
            Call::ValidateWorker => {
                let body = body();
                let alive = read_alive(&body).ok_or_else(|| Fault::bad_answer(body))?;
                return Ok(JsValue::from_bool(alive));
            }
            Call::CompleteJob => self.tell(&format!("marked job #{number} as complete")),
            Call::FlagInvalidData => {
                self.tell(&format!("flagged the data of job #{number} as invalid"));
            }
            _ => {}
        }
        Ok(JsValue::UNDEFINED)
    }

    /// Takes the job that an answer holds.
    fn take(&self, job: NewJob) -> Result<JsValue, Failure> {
        let job = check_job(job)?;
        let number = job.number;
        let (data, fault) = match json::job_data(job.data.as_deref()) {
            Ok(data) => (data, None),
            // The job is held all the same, so that its input can be flagged.
            Err(why) => (
                JsValue::from(job.data.as_deref()),
                Some(bad_job_data(number, &why)),
            ),
        };
        self.hold(Some(job), data.clone());
        self.tell(&format!("received new job #{number}"));
        fault.map_or(Ok(data), |fault| Err(fault.into()))
    }
}

/// What is asked of a client.
enum Asked {
    JobCount,
    NewJob,
    CompleteJob(String),
    FlagInvalidData,
    Log(String),
    IsAlive,
    Bye,
}

impl Asked {
    fn call(&self) -> Call {
        match self {
            Self::JobCount => Call::JobCount,
            Self::NewJob => Call::NewJob,
            Self::CompleteJob(_) => Call::CompleteJob,
            Self::FlagInvalidData => Call::FlagInvalidData,
            Self::Log(_) => Call::UpdateProgress,
            Self::IsAlive => Call::ValidateWorker,
            Self::Bye => Call::Bye,
        }
    }

    /// Whether it changes which job is held: such calls run one after the other.
    fn takes_turns(&self) -> bool {
        !matches!(self, Self::JobCount | Self::Log(_) | Self::IsAlive)
    }
}

/// A call under way. Boxed, so that turning it into a promise is compiled once and not per call.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<JsValue, Failure>>>>;

pub(crate) fn promise(running: Running) -> Promise {
    future_to_promise(async move { Ok(running.await?) })
}

fn write_dump(dump: &Dump) -> JsValue {
    object()
        .with("version", dump.version)
        .with("url", &dump.url)
        .with("stage", &dump.stage)
        .with("nickname", &dump.nickname)
        .with("verbose", dump.verbose)
        .with("token", &dump.token)
        .with("displayName", &dump.display_name)
        .with("project", &dump.project)
        .with("stageName", &dump.stage_name)
        .with("jobId", dump.job_id)
        .with("jobData", dump.job_data.as_ref())
        .done()
}

/// The address of this worker's page at the tracker.
fn worker_url(session: &Session) -> String {
    let stage_name = JsString::from(session.worker.stage_name.as_str()).to_lower_case();
    session.worker_url(&String::from(stage_name))
}

/// A client that holds `data` of the session's job.
fn client(session: Session, data: JsValue) -> JsValue {
    let inner = Rc::new(Inner {
        session: Shared::new(session),
        job: Shared::new(data),
        turns: Turns::new(),
    });
    let client = JsValue::from(Client { inner });
    guard(&client, "Client", "dump");
    client
}

fn read_body<T: DeserializeOwned>(reply: Option<&Reply>) -> Result<T, Fault> {
    let body = reply.map(|reply| reply.body.clone()).unwrap_or_default();
    reader::read_json(&body)
        .map_err(|why| Fault::bad_answer(format!("The tracker's answer cannot be read: {why}")))
}

/// Writes to the console as the Python library does.
fn tell(verbose: bool, project: Option<&str>, text: &str) {
    if verbose {
        log(&match project {
            None => format!("[distcompute-client] - {text}"),
            Some(project) => format!("[distcompute-client] - {project} - {text}"),
        });
    }
}
