//! The lock by which one tab of a browser computes: a request to the browser's lock manager, driven by
//! [`Request`].

use super::dom::{Aborter, call, navigator, promise, when_settled};
use super::object::object;
use core::cell::Cell;
use distcompute_engine::page::lock::{ANSWER_WITHIN_MS, Answer, Request, Step};
use gloo_timers::callback::Timeout;
use js_sys::{Function, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What the page is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It computes now; without locks every tab does.
    Begin {
        /// Whether there is a lock.
        locked: bool,
    },
    /// Another tab computes, and this one waits for the lock.
    Queued,
}

/// A request for the lock, or the lock itself.
pub(crate) struct TabLock {
    request: Cell<Request>,
    name: JsValue,
    /// Pending while the lock is held.
    held: Promise,
    release: Function,
    queue: Aborter,
    timer: Cell<Option<Timeout>>,
    notify: Box<dyn Fn(Notice)>,
}

impl TabLock {
    /// Requests the lock of this name.
    pub(crate) fn request(name: &str, notify: Box<dyn Fn(Notice)>) -> Rc<Self> {
        let (held, release) = promise();
        let lock = Rc::new(Self {
            request: Cell::default(),
            name: name.into(),
            held,
            release,
            queue: Aborter::new(),
            timer: Cell::default(),
            notify,
        });
        let late = Rc::clone(&lock);
        let timer = Timeout::new(ANSWER_WITHIN_MS, move || {
            late.answered(Answer::Refused);
        });
        lock.timer.set(Some(timer));
        lock.ask(&object().with("ifAvailable", true).done());
        lock
    }

    /// Lets go of the lock, or withdraws the request.
    pub(crate) fn withdraw(&self) {
        let mut request = self.request.get();
        request.withdraw();
        self.request.set(request);
        self.timer.take();
        self.queue.abort();
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }

    fn ask(self: &Rc<Self>, options: &JsValue) {
        let lock = Rc::clone(self);
        let granted: Box<dyn Fn(JsValue) -> JsValue> = Box::new(move |granted| {
            lock.answered(if granted.is_truthy() {
                Answer::Granted
            } else {
                Answer::Taken
            })
        });
        let granted = Closure::wrap(granted).into_js_value();
        let given = [&self.name, options, &granted];
        let Ok(ends) = call(&navigator("locks"), "request", &given) else {
            self.answered(Answer::Refused);
            return;
        };
        let lock = Rc::clone(self);
        let ended = move |ended: Result<JsValue, JsValue>| {
            if ended.is_err() {
                lock.answered(Answer::Refused);
            }
        };
        when_settled(ends, Box::new(ended));
    }

    /// Does what follows from an answer. Returns what the browser gets: it holds the lock for as long as a
    /// promise is pending.
    fn answered(self: &Rc<Self>, answer: Answer) -> JsValue {
        self.timer.take();
        let mut request = self.request.get();
        let step = request.answered(answer);
        self.request.set(request);
        match step {
            Step::LetGo => return JsValue::UNDEFINED,
            Step::Hold { begin } => {
                if begin {
                    let locked = answer == Answer::Granted;
                    (self.notify)(Notice::Begin { locked });
                }
                return self.held.clone().into();
            }
            Step::Queue => {}
        }
        (self.notify)(Notice::Queued);
        self.ask(&self.queue.options());
        JsValue::UNDEFINED
    }
}
