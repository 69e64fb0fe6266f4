//! A compute worker: the owner's handler, one job after the other. When to rest, to listen and to
//! speak, [`Duty`] says.
//!
//! A handler may call back while it runs, so nothing is borrowed while the owner's code does.

use super::error;
use super::face::now;
use super::json;
use super::tower::{Ear, nap};
use crate::engine::duty::{Duty, FULL, STOP, Stops};
use crate::fault::{Code, Fault, Kind};
use crate::session::check_progress;
use core::cell::{RefCell, RefMut};
use distcompute_protocol::JSON_MARK;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JsString, Promise, WebAssembly};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

#[wasm_bindgen(module = "/src/web/compute.js")]
extern "C" {
    /// A job under way.
    #[derive(Clone)]
    type Run;
    #[wasm_bindgen(constructor)]
    fn new(
        task: &Task,
        data: &JsValue,
        project: &JsValue,
        setup: &JsValue,
        look: &JsValue,
        save: &JsValue,
    ) -> Run;
    #[wasm_bindgen(method, getter, structural)]
    fn key(this: &Run) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn job(this: &Run) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn context(this: &Run) -> JsValue;
    /// The error of a job that was stopped.
    #[wasm_bindgen(method, getter, structural)]
    fn reason(this: &Run) -> Option<JsValue>;
    #[wasm_bindgen(method, getter, structural)]
    fn flaw(this: &Run) -> Option<String>;
    #[wasm_bindgen(method, structural)]
    fn stop(this: &Run, reason: &JsValue);
    #[wasm_bindgen(method, structural)]
    fn end(this: &Run);

    #[wasm_bindgen(catch)]
    fn call(owner: &JsValue, setup: &Function) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = call)]
    fn call_handler(
        owner: &JsValue,
        handler: &Function,
        job: &JsValue,
        context: &JsValue,
    ) -> Result<JsValue, JsValue>;

    fn outcome(key: &JsValue, kind: &str, text: &str, ms: f64, fatal: bool) -> JsValue;
    #[wasm_bindgen(js_name = progressOf)]
    fn progress_of(key: &JsValue, done: f64, total: f64, text: Option<String>) -> JsValue;

    type Bell;
    #[wasm_bindgen(constructor)]
    fn new() -> Bell;
    #[wasm_bindgen(method, structural)]
    fn ring(this: &Bell);
    #[wasm_bindgen(method, structural)]
    fn wait(this: &Bell, ms: f64) -> Promise;

    fn listen(port: &Port, hear: &JsValue);
    fn tell(port: &Port, t: &str, message: &JsValue, keys: &JsValue);
    fn report(port: &Port, started: &JsValue, progress: &JsValue, results: &JsValue);
    #[wasm_bindgen(catch)]
    fn keep(port: &Port, key: &JsValue, state: &JsValue) -> Result<(), JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// Where the hub is.
    #[wasm_bindgen(typescript_type = "MessagePort")]
    #[derive(Clone)]
    pub type Port;

    /// A job as it waits in the queue.
    type Task;
    #[wasm_bindgen(method, getter, structural)]
    fn key(this: &Task) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn data(this: &Task) -> JsValue;

    /// A message of the hub.
    type Message;
    #[wasm_bindgen(method, getter, structural)]
    fn t(this: &Message) -> String;
    #[wasm_bindgen(method, getter, structural)]
    fn jobs(this: &Message) -> Array;
    #[wasm_bindgen(method, getter, structural)]
    fn project(this: &Message) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn key(this: &Message) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn said(this: &Message) -> bool;
    #[wasm_bindgen(method, getter, structural)]
    fn level(this: &Message) -> u8;
    #[wasm_bindgen(method, getter, structural)]
    fn epochs(this: &Message) -> Array;

    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    fn parse_json(text: &JsString) -> Result<JsValue, JsValue>;
}

/// What the owner has given to `work`.
pub struct Parts {
    /// What the functions were found in: their `this`.
    pub owner: JsValue,
    /// Runs once, before the first job.
    pub setup: Option<Function>,
    /// Does a job.
    pub handler: Function,
}

/// A compute worker at work.
#[derive(Clone)]
pub struct Core(Rc<Inner>);

struct Inner {
    parts: Parts,
    bell: Bell,
    state: RefCell<State>,
}

struct State {
    port: Port,
    up: Up,
    duty: Duty,
    ear: Ear,
    stops: Stops,
    project: JsValue,
    queue: VecDeque<Task>,
    running: Option<Run>,
    /// The job whose beginning was not said yet.
    begun: JsValue,
    results: Array,
    /// Whether a timer runs that says what there is to say.
    flushing: bool,
}

/// What became of `setup`.
enum Up {
    NotYet,
    Yes,
    No(String),
}

enum Next {
    Job(Task),
    Wait(f64),
}

impl Core {
    /// Becomes a compute worker, whose hub is at `port`.
    #[must_use]
    pub fn start(parts: Parts, port: &Port) -> Self {
        let now = now();
        let core = Self(Rc::new(Inner {
            parts,
            bell: Bell::new(),
            state: RefCell::new(State {
                port: port.clone(),
                up: Up::NotYet,
                duty: Duty::new(now, FULL),
                ear: Ear::default(),
                stops: Stops::default(),
                project: JsValue::UNDEFINED,
                queue: VecDeque::new(),
                running: None,
                begun: JsValue::UNDEFINED,
                results: Array::new(),
                flushing: false,
            }),
        }));
        core.listen(port);
        spawn_local(core.clone().run());
        core
    }

    /// Another hub is there, which wants to know how far this worker is.
    pub fn meet(&self, port: Port) {
        self.listen(&port);
        let mut state = self.state();
        state.ear = Ear::default();
        state.port = port;
        state.say_up();
        state.begun = state.running.as_ref().map_or(JsValue::UNDEFINED, Run::key);
        state.flush(now(), &JsValue::UNDEFINED);
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.state.borrow_mut()
    }

    fn listen(&self, port: &Port) {
        let core = self.clone();
        let hear: Box<dyn Fn(Message)> = Box::new(move |message| core.hear(&message));
        listen(port, &Closure::wrap(hear).into_js_value());
    }

    fn hear(&self, message: &Message) {
        let mut state = self.state();
        match message.t().as_str() {
            "jobs" => {
                state.project = message.project();
                state
                    .queue
                    .extend(message.jobs().iter().map(JsValue::unchecked_into::<Task>));
            }
            "recall" => {
                let keys: Array = state.queue.drain(..).map(|task| task.key()).collect();
                tell(&state.port, "recalled", &JsValue::UNDEFINED, &keys);
            }
            "pace" => state.duty.set_level(now(), message.level()),
            "tower" => {
                state.ear.listen_to(message.epochs());
                state.stops = Stops::default();
            }
            "stop" => {
                if message.said() {
                    state.stops.by_message();
                }
                state.queue.retain(|task| task.key() != message.key());
                let runs = (state.running.as_ref()).is_some_and(|run| run.key() == message.key());
                drop(state);
                if runs {
                    self.stop();
                }
            }
            _ => {}
        }
        self.0.bell.ring();
    }

    /// Stops the job that runs: its handler's listeners are called.
    fn stop(&self) {
        let running = self.state().running.clone();
        if let Some(run) = running {
            let message = "The job shall stop: let this error pass.";
            run.stop(&error::to_js(&Fault::new(
                Kind::Abort,
                Code::Aborted,
                message,
            )));
        }
    }

    async fn run(self) {
        let setup = match self.set_up().await {
            Ok(setup) => setup,
            Err(thrown) => {
                let mut state = self.state();
                state.up = Up::No(json::says(&thrown));
                return state.say_up();
            }
        };
        {
            let mut state = self.state();
            state.up = Up::Yes;
            state.say_up();
        }
        let core = self.clone();
        let look: Box<Look> = Box::new(move |done, total, text| core.look(&done, &total, &text));
        let core = self.clone();
        let save: Box<Save> = Box::new(move |state| core.save(&state));
        let (look, save) = (
            Closure::wrap(look).into_js_value(),
            Closure::wrap(save).into_js_value(),
        );
        loop {
            let next = self.state().next(now());
            match next {
                Next::Job(task) => self.work(&task, &setup, &look, &save).await,
                Next::Wait(ms) => {
                    // The promise is only ever kept.
                    let _ = JsFuture::from(self.0.bell.wait(ms)).await;
                }
            }
        }
    }

    async fn set_up(&self) -> Result<JsValue, JsValue> {
        match &self.0.parts.setup {
            Some(setup) => settled(call(&self.0.parts.owner, setup)?).await,
            None => Ok(JsValue::UNDEFINED),
        }
    }

    async fn work(&self, task: &Task, setup: &JsValue, look: &JsValue, save: &JsValue) {
        let key = task.key();
        let data = match parse(task.data()) {
            Ok(data) => data,
            Err(thrown) => {
                let why = format!(
                    "the data says that it is JSON and is not: {}",
                    json::says(&thrown)
                );
                let result = outcome(&key, "invalid", &why, 0.0, false);
                self.state().results.push(&result);
                return;
            }
        };
        let run = {
            let mut state = self.state();
            let run = Run::new(task, &data, &state.project, setup, look, save);
            state.begin(&run, now());
            run
        };
        let Parts { owner, handler, .. } = &self.0.parts;
        let returned = match call_handler(owner, handler, &run.job(), &run.context()) {
            Ok(value) if value.is_instance_of::<Promise>() => {
                self.flush_soon();
                settled(value).await
            }
            returned => returned,
        };
        run.end();
        let ms = self.state().duty.end_job(now());
        // Writing the output calls the owner's `toJSON`.
        let result = judge(&run, returned, ms);
        self.state().end(&result);
    }

    /// Says what there is to say in a moment, while a handler waits for something.
    fn flush_soon(&self) {
        let mut state = self.state();
        if state.flushing || !state.has_news() {
            return;
        }
        state.flushing = true;
        let ms = state.duty.flush_in(now());
        let core = self.clone();
        spawn_local(async move {
            TimeoutFuture::new(ms.ceil() as u32).await;
            let mut state = core.state();
            state.flushing = false;
            state.flush(now(), &JsValue::UNDEFINED);
        });
    }

    /// The handler tells its progress. Returns when it wants to be listened to again.
    fn look(&self, done: &JsValue, total: &JsValue, text: &JsValue) -> Result<f64, JsValue> {
        let progress = read_progress(done, total, text).map_err(|fault| error::to_js(&fault))?;
        loop {
            let look_up = self.state().duty.poll(now());
            if look_up {
                self.look_up();
            }
            let mut state = self.state();
            if let Some(reason) = state.running.as_ref().and_then(Run::reason) {
                return Err(reason);
            }
            let now_ms = now();
            if state.duty.show(now_ms) {
                let key = state.running.as_ref().map_or(JsValue::UNDEFINED, Run::key);
                let (done, total, text) = &progress;
                let progress = progress_of(&key, *done, *total, text.clone());
                state.flush(now_ms, &progress);
            } else if state.duty.flush(now_ms) {
                state.flush(now_ms, &JsValue::UNDEFINED);
            }
            let ms = state.duty.nap(now_ms);
            let rested = ms > 0.0 && {
                state.duty.rest(now_ms);
                let rested = nap(ms);
                state.duty.work(now());
                rested
            };
            // Who can hear nothing must not sleep for ever.
            if !rested || (state.ear.is_deaf() && state.duty.is_paused()) {
                return Ok(state.duty.next_look(state.has_news()));
            }
        }
    }

    /// Hears what the tower says.
    fn look_up(&self) {
        loop {
            let mut state = self.state();
            match state.ear.next() {
                None => return,
                Some(STOP) => {
                    let news = state.stops.by_tower();
                    drop(state);
                    if news {
                        self.stop();
                    }
                }
                Some(level) => state.duty.set_level(now(), level),
            }
        }
    }

    /// The handler says what its job can go on from.
    fn save(&self, checkpoint: &JsValue) -> Result<(), JsValue> {
        let (port, key) = {
            let mut state = self.state();
            state.flush(now(), &JsValue::UNDEFINED);
            let key = state.running.as_ref().map_or(JsValue::UNDEFINED, Run::key);
            (state.port.clone(), key)
        };
        // Cloning it calls the owner's getters.
        keep(&port, &key, checkpoint).map_err(|thrown| {
            error::to_js(&Fault::argument(format!(
                "the checkpoint cannot be cloned: {}",
                json::says(&thrown)
            )))
        })
    }
}

type Look = dyn Fn(JsValue, JsValue, JsValue) -> Result<f64, JsValue>;
type Save = dyn Fn(JsValue) -> Result<(), JsValue>;

impl State {
    /// What to do now that no job runs.
    fn next(&mut self, now: f64) -> Next {
        let rest = if self.duty.is_paused() || self.queue.is_empty() {
            f64::INFINITY
        } else {
            self.duty.owed(now)
        };
        if rest > 0.0 {
            self.duty.rest(now);
            self.flush(now, &JsValue::UNDEFINED);
            return Next::Wait(rest);
        }
        if self.duty.yield_now(now) {
            return Next::Wait(0.0);
        }
        match self.queue.pop_front() {
            Some(task) => Next::Job(task),
            None => Next::Wait(f64::INFINITY),
        }
    }

    fn begin(&mut self, run: &Run, now: f64) {
        self.duty.begin_job(now);
        self.begun = run.key();
        self.running = Some(run.clone());
        if self.duty.flush(now) {
            self.flush(now, &JsValue::UNDEFINED);
        }
    }

    fn end(&mut self, result: &JsValue) {
        self.running = None;
        self.begun = JsValue::UNDEFINED;
        self.results.push(result);
    }

    fn has_news(&self) -> bool {
        !self.begun.is_undefined() || self.results.length() > 0
    }

    /// Says what there is to say, if anything.
    fn flush(&mut self, now: f64, progress: &JsValue) {
        if progress.is_undefined() && !self.has_news() {
            return;
        }
        let begun = core::mem::replace(&mut self.begun, JsValue::UNDEFINED);
        let results: JsValue = if self.results.length() > 0 {
            core::mem::take(&mut self.results).into()
        } else {
            JsValue::UNDEFINED
        };
        report(&self.port, &begun, progress, &results);
        self.duty.sent(now);
    }

    fn say_up(&self) {
        let (t, message) = match &self.up {
            Up::NotYet => return,
            Up::Yes => ("up", JsValue::UNDEFINED),
            Up::No(why) => ("broken", why.into()),
        };
        tell(&self.port, t, &message, &JsValue::UNDEFINED);
    }
}

/// Waits for a promise; anything else is there already.
async fn settled(value: JsValue) -> Result<JsValue, JsValue> {
    match value.dyn_into::<Promise>() {
        Ok(promise) => JsFuture::from(promise).await,
        Err(value) => Ok(value),
    }
}

/// A job's data as its handler gets it. A text that is not parsed need not cross the boundary.
fn parse(data: JsValue) -> Result<JsValue, JsValue> {
    match data.dyn_ref::<JsString>() {
        Some(text) if text.starts_with(JSON_MARK, 0) => {
            parse_json(&text.slice(JSON_MARK.len() as u32, text.length()))
        }
        _ => Ok(data),
    }
}

type Progress = (f64, f64, Option<String>);

fn read_progress(done: &JsValue, total: &JsValue, text: &JsValue) -> Result<Progress, Fault> {
    let number = |value: &JsValue, name: &str| match value.as_f64() {
        Some(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(Fault::argument(format!(
            "{name} must be a number, 0 or more; progress was given {}.",
            json::kind_of(value)
        ))),
    };
    let text = if text.is_undefined() {
        None
    } else {
        Some(check_progress(&json::text(text, "text")?)?)
    };
    Ok((number(done, "done")?, number(total, "total")?, text))
}

/// What became of a job.
fn judge(run: &Run, returned: Result<JsValue, JsValue>, ms: f64) -> JsValue {
    // The wasm that trapped, perhaps this one, is not to be trusted any more.
    let fatal = (returned.as_ref())
        .is_err_and(|thrown| thrown.is_instance_of::<WebAssembly::RuntimeError>());
    let (kind, text) = match (run.flaw(), returned) {
        (Some(flaw), _) => ("invalid", flaw),
        (None, Ok(value)) => match json::output(&value) {
            Ok(text) => ("done", text),
            Err(fault) => (
                "failed",
                format!("What the handler returned is no output: {}", fault.message),
            ),
        },
        (None, Err(thrown)) => {
            let kind = run.reason().map_or("failed", |_| "stopped");
            (kind, json::says(&thrown))
        }
    };
    outcome(&run.key(), kind, &text, ms, fatal)
}
