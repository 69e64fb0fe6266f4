//! A compute worker: the driver of [`Worker`], which decides what happens when. `worker.js` calls the
//! owner's functions.
//!
//! The handler runs inside of [`Driver::handle`], and calls back into it. So nothing is borrowed while
//! JavaScript runs, and each call has a queue of its own.

use super::bindings::{make_error, now};
use super::dom::{callback, function};
use super::error;
use super::futures::spawn;
use super::json;
use super::message::{Js, read_to_core, write_from_core};
use super::object::{array, as_text, object, small, text};
use super::port::Port;
use super::shared::Shared;
use core::cell::Cell;
use distcompute_engine::core::throttle::STOP;
use distcompute_engine::core::worker::{Action, Cx, Event, Worker};
use distcompute_engine::fault::{Fault, split_at_colon};
use distcompute_engine::hub::jobs::JobKey;
use distcompute_engine::list::IntoList;
use distcompute_engine::sorted_map::SortedMap;
use distcompute_protocol::JSON_MARK;
use gloo_timers::callback::Timeout;
use js_sys::{Array, Function, JsString, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/src/web/worker.js")]
extern "C" {
    /// The owner's functions.
    type Owner;

    #[wasm_bindgen(constructor)]
    fn new(parts: &JsValue, calls: &JsValue) -> Owner;

    #[wasm_bindgen(method)]
    fn ring(this: &Owner);

    #[wasm_bindgen(method, catch, js_name = setUp)]
    async fn set_up(this: &Owner) -> Result<JsValue, JsValue>;

    /// A job under way.
    type Run;

    #[wasm_bindgen(constructor, catch)]
    #[allow(
        clippy::too_many_arguments,
        reason = "the fields of a job and its context"
    )]
    fn new(
        owner: &Owner,
        mark: &str,
        number: f64,
        attempt: u32,
        data: &JsValue,
        stage: &str,
        stage_name: &str,
        project: &str,
        resume: &JsValue,
        files: &JsValue,
    ) -> Result<Run, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn call(this: &Run) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, js_name = isAsync)]
    fn is_async(this: &Run) -> bool;

    #[wasm_bindgen(method)]
    fn stop(this: &Run);

    #[wasm_bindgen(method)]
    fn end(this: &Run);

    #[wasm_bindgen(method)]
    fn wake(this: &Run);

    #[wasm_bindgen(catch)]
    async fn turns() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = isTrap)]
    fn is_trap(thrown: &JsValue) -> bool;

    #[wasm_bindgen(js_name = hasNested)]
    fn has_nested() -> bool;

    #[wasm_bindgen(js_name = readSignals)]
    fn read_signals(slots: &Array) -> Array;

    /// Sleeps without giving the thread up. Whether that is possible.
    fn sleep(ms: f64) -> bool;
}

/// No timer is set for longer; the worker looks up then.
const LONGEST_MS: f64 = 60_000.0;

/// A compute worker at work.
pub struct Core(Rc<Driver>);

impl Core {
    /// Another hub is at `port`.
    pub fn meet(&self, port: &JsValue) {
        self.0.listen(port);
        self.0.handle(Event::NewHub);
    }

    /// An object by which JavaScript does the same.
    pub(crate) fn into_js(self) -> JsValue {
        let meet = callback(move |port| self.meet(&port));
        object().with("meet", &meet).done()
    }
}

/// Becomes a compute worker with the owner's `{ owner?, setup?, handler }`, whose hub is at `port`.
#[must_use]
pub fn start(parts: &JsValue, port: &JsValue) -> Core {
    let mut cx = Cx::new(now(), js_sys::Math::random());
    let worker = Worker::new(&mut cx);
    let driver = Rc::new_cyclic(|driver: &std::rc::Weak<Driver>| {
        let calls = calls(driver);
        Driver {
            worker: Shared::new(worker),
            owner: Owner::new(parts, &calls),
            port: Shared::default(),
            run: Shared::default(),
            output: Shared::default(),
            slots: Shared::default(),
            until: Cell::new(f64::NEG_INFINITY),
            unsent: Shared::default(),
            puts: Shared::default(),
            last_put: Cell::new(0),
            timer: Shared::default(),
            depth: Cell::new(0),
        }
    });
    driver.listen(port);
    driver.carry_out(cx.out);
    Core(driver)
}

/// The functions by which the handler's context reaches the driver. They are JavaScript's, which frees
/// them with the worker.
fn calls(driver: &std::rc::Weak<Driver>) -> JsValue {
    let of = |driver: &std::rc::Weak<Driver>| driver.upgrade();
    let weak = driver.clone();
    let look: Box<dyn Fn(f64, f64, JsValue) -> f64> = Box::new(move |done, total, text| {
        of(&weak).map_or(f64::INFINITY, |driver| driver.look(done, total, &text))
    });
    let weak = driver.clone();
    let save = function(move |state| {
        of(&weak).map_or(Ok(JsValue::UNDEFINED), |driver| driver.save(state))
    });
    let weak = driver.clone();
    let flag = callback(move |why| {
        if let Some(driver) = of(&weak) {
            driver.handle(Event::Flagged(as_text(&why).unwrap_or_default()));
        }
    });
    let weak = driver.clone();
    let is_paused = function(move |_| {
        let paused = of(&weak).is_some_and(|driver| driver.worker.borrow().is_paused());
        Ok(paused.into())
    });
    let tell = |event: fn() -> Event<Js>| {
        let weak = driver.clone();
        callback(move |_| {
            if let Some(driver) = of(&weak) {
                driver.handle(event());
            }
        })
    };
    object()
        .with("look", &Closure::wrap(look).into_js_value())
        .with("save", &save)
        .with("put", &put_call(driver))
        .with("flag", &flag)
        .with("isPaused", &is_paused)
        .with("ready", &tell(|| Event::Ready))
        .with("uncaught", &tell(|| Event::Uncaught))
        .with("tick", &tell(|| Event::Tick))
        .done()
}

/// A file that the handler has put, until the hub keeps it.
struct Put {
    message: JsValue,
    resolve: Function,
    reject: Function,
}

/// The function by which a handler puts a file.
fn put_call(driver: &std::rc::Weak<Driver>) -> JsValue {
    let weak = driver.clone();
    let put: Box<dyn Fn(JsValue, f64, JsValue, JsValue) -> JsValue> =
        Box::new(move |name, bytes, kind, blob| {
            let driver = weak.upgrade();
            driver.map_or(JsValue::UNDEFINED, |driver| {
                driver.put(&name, bytes, &kind, &blob).into()
            })
        });
    Closure::wrap(put).into_js_value()
}

struct Driver {
    worker: Shared<Worker<Js>>,
    owner: Owner,
    port: Shared<Option<Rc<Port>>>,
    /// The job that was begun last.
    run: Shared<Option<Rc<Run>>>,
    /// What its handler returned.
    output: Shared<JsValue>,
    /// The slots to read signals from.
    slots: Shared<Array>,
    /// What [`Action::Resume`] said last.
    until: Cell<f64>,
    /// Why the last message could not be sent.
    unsent: Shared<Option<JsValue>>,
    /// The files that the handler has put and nobody keeps yet.
    puts: Shared<SortedMap<Put>>,
    last_put: Cell<u32>,
    /// The timer, and for when it is set.
    timer: Shared<Option<(f64, Option<Timeout>)>>,
    /// How many calls of `handle` are under way.
    depth: Cell<u32>,
}

impl Driver {
    fn listen(self: &Rc<Self>, port: &JsValue) {
        let port: Port = port.clone().unchecked_into();
        let driver = Rc::clone(self);
        let hear = callback(move |message| {
            if text(&message, "t").as_deref() == Some("kept") {
                driver.answer_put(&message);
            } else if let Some(message) = read_to_core(&message) {
                driver.handle(Event::Message(message));
            }
        });
        port.receive(&hear);
        if let Some(former) = self.port.replace(Some(Rc::new(port))) {
            // What the former hub has sent is for nobody any more.
            former.close();
        }
        // It may not have answered what it was asked.
        let asked = self.puts.borrow();
        let port = self.port.borrow();
        for (_, put) in asked.iter() {
            // It was cloned before.
            let _ = port.as_ref().map(|port| port.post(&put.message));
        }
    }

    /// The handler has put a file: asks the hub to keep it.
    fn put(&self, name: &JsValue, bytes: f64, kind: &JsValue, blob: &JsValue) -> Promise {
        let id = self.last_put.get().wrapping_add(1);
        self.last_put.set(id);
        let key = self.worker.borrow().running().map(|job| job.key);
        let message = object()
            .with("t", "put")
            .with("put", id)
            .with("key", key.unwrap_or_default())
            .with("name", name)
            .with("bytes", bytes)
            .with("type", kind)
            .with("blob", blob)
            .done();
        let port = self.port.borrow().clone();
        Promise::new(&mut |resolve, reject| {
            if let Some(Err(thrown)) = port.as_ref().map(|port| port.post(&message)) {
                // It does not throw: a promise has made it.
                let _ = reject.call1(&JsValue::UNDEFINED, &thrown);
                return;
            }
            let message = message.clone();
            let put = Put {
                message,
                resolve,
                reject,
            };
            self.puts.borrow_mut().insert(id, put);
        })
    }

    /// The hub keeps a file that was put, or says why not.
    fn answer_put(&self, message: &JsValue) {
        let put = small(message, "put").and_then(|id| self.puts.borrow_mut().remove(id));
        let Some(put) = put else { return };
        let _ = match text(message, "refused") {
            None => put.resolve.call0(&JsValue::UNDEFINED),
            Some(refused) => {
                let (code, said) = split_at_colon(&refused).unwrap_or(("aborted", &refused));
                let name = if code == "aborted" {
                    "AbortError"
                } else {
                    "FileError"
                };
                let error = make_error(name, code, said, None, &JsValue::UNDEFINED, None);
                put.reject.call1(&JsValue::UNDEFINED, &error)
            }
        };
    }

    /// Tells the worker what happened, and does what follows.
    fn handle(self: &Rc<Self>, event: Event<Js>) {
        self.depth.set(self.depth.get() + 1);
        let mut events = vec![event];
        while !events.is_empty() {
            let event = events.remove(0);
            let mut cx = Cx::new(now(), js_sys::Math::random());
            self.worker.borrow_mut().handle(&mut cx, event);
            for action in cx.out {
                events.extend(self.act(action));
            }
        }
        self.depth.set(self.depth.get() - 1);
        // A handler that is called from here keeps the thread, so no timer would come earlier.
        if self.depth.get() == 0 {
            self.set_timer();
        }
    }

    fn carry_out(self: &Rc<Self>, actions: Vec<Action<Js>>) {
        for action in actions {
            if let Some(event) = self.act(action) {
                self.handle(event);
            }
        }
    }

    /// Carries an action out. Returns what comes of it, if that is known at once.
    fn act(self: &Rc<Self>, action: Action<Js>) -> Option<Event<Js>> {
        match action {
            Action::Post(message) => {
                let message = write_from_core(&message);
                let port = self.port.borrow().clone();
                let unsent = port.and_then(|port| port.post(&message).err());
                self.unsent.replace(unsent);
            }
            Action::Watch(slots) => {
                self.slots.replace(array(slots.into_iter()));
            }
            Action::Measure { late } => {
                let driver = Rc::clone(self);
                spawn(Box::pin(async move {
                    let ms = turns().await.unwrap_or_default();
                    let ms = ms.as_f64().unwrap_or_default();
                    let nested = has_nested();
                    driver.handle(Event::Measured { late, ms, nested });
                }));
            }
            Action::SetUp => {
                let driver = Rc::clone(self);
                spawn(Box::pin(async move {
                    let result = driver.owner.set_up().await;
                    let result = result.map(drop).map_err(|thrown| json::account(&thrown));
                    driver.handle(Event::SetUp(result));
                }));
            }
            Action::Begin => return self.begin(),
            Action::TakeOutput => {
                // Calls the owner's `toJSON`.
                let output = json::output(&self.output.take());
                let why = |fault: Fault| json::says(&error::to_js(&fault));
                return Some(Event::Output(output.map(JsString::from).map_err(why)));
            }
            Action::Abort => self.with_run(Run::stop),
            Action::Wake => self.with_run(Run::wake),
            Action::Abandon => self.with_run(Run::end),
            Action::ReadSignals => {
                let slots = self.slots.borrow().clone();
                let read = read_signals(&slots);
                let read = read.iter().filter_map(|signal| signal.as_f64());
                return Some(Event::Signals {
                    read: read
                        .map(|signal| signal as u8)
                        .filter(|signal| *signal <= STOP)
                        .into_list(),
                    left: slots.length() as usize,
                });
            }
            Action::Sleep(ms) => return Some(Event::Slept(sleep(ms))),
            Action::Resume { until } => self.until.set(until),
        }
        None
    }

    fn with_run(&self, act: impl Fn(&Run)) {
        let run = self.run.borrow().clone();
        if let Some(run) = run {
            act(&run);
        }
    }

    /// Calls the handler.
    fn begin(self: &Rc<Self>) -> Option<Event<Js>> {
        let (job, project) = {
            let worker = self.worker.borrow();
            (worker.running()?.clone(), worker.project().to_owned())
        };
        let key = job.key;
        let run = Run::new(
            &self.owner,
            JSON_MARK,
            job.number as f64,
            job.attempt,
            &job.input.map_or(JsValue::NULL, Into::into),
            job.stage.letter(),
            &job.stage_name,
            &project,
            &job.resume.unwrap_or_default(),
            &job.files.unwrap_or_default(),
        );
        let run = match run {
            Ok(run) => Rc::new(run),
            Err(thrown) => return Some(Event::Unreadable(json::says(&thrown))),
        };
        self.run.replace(Some(Rc::clone(&run)));
        match run.call() {
            Ok(promise) if run.is_async() => {
                let driver = Rc::clone(self);
                spawn(Box::pin(async move {
                    let result = JsFuture::from(promise.unchecked_into::<Promise>()).await;
                    let event = driver.ended(&run, key, result);
                    driver.handle(event);
                }));
                Some(Event::Pending)
            }
            result => Some(self.ended(&run, key, result)),
        }
    }

    /// The handler has ended.
    fn ended(&self, run: &Run, key: JobKey, result: Result<JsValue, JsValue>) -> Event<Js> {
        run.end();
        match result {
            Ok(output) => {
                self.output.replace(output);
                Event::Returned(key)
            }
            Err(thrown) => Event::Threw {
                key,
                message: json::account(&thrown),
                trap: is_trap(&thrown),
            },
        }
    }

    /// The handler calls `progress`. Returns when it wants to be called again.
    fn look(self: &Rc<Self>, done: f64, total: f64, text: &JsValue) -> f64 {
        self.until.set(f64::NEG_INFINITY);
        self.handle(Event::Progress {
            done,
            total,
            text: as_text(text).unwrap_or_default(),
            nested: has_nested(),
        });
        self.until.get()
    }

    /// The handler calls `checkpoint`.
    fn save(self: &Rc<Self>, state: JsValue) -> Result<JsValue, JsValue> {
        self.unsent.take();
        self.handle(Event::Checkpoint(state));
        match self.unsent.take() {
            Some(thrown) => {
                let why = json::says(&thrown);
                let fault = Fault::argument(format!("the checkpoint cannot be cloned: {why}"));
                Err(error::to_js(&fault))
            }
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// Sets the timer for the worker's next deadline.
    fn set_timer(self: &Rc<Self>) {
        let Some(next) = self.worker.borrow().next_timeout() else {
            self.timer.take();
            return;
        };
        if self
            .timer
            .borrow()
            .as_ref()
            .is_some_and(|(at, _)| *at == next)
        {
            return;
        }
        let wait = next - now();
        let timeout = if wait <= 0.0 {
            self.owner.ring();
            None
        } else {
            let driver = Rc::clone(self);
            let wait = wait.min(LONGEST_MS).ceil() as u32;
            Some(Timeout::new(wait, move || {
                driver.timer.take();
                driver.handle(Event::Tick);
            }))
        };
        self.timer.replace(Some((next, timeout)));
    }
}
