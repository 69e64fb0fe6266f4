//! What a page shows: the status, put together as its [`View`] says, and the listeners that get it.

use super::bindings::freeze_all;
use super::browser::log;
use super::dom::{JsCell, call, is_same, put_all};
use super::events::Events;
use super::object::{field, object, text, whole};
use super::settings::write_settings;
use super::shared::Shared;
use super::status;
use core::cell::Cell;
use distcompute_engine::list::IntoList;
use distcompute_engine::page::view::{ShownError, View};
use distcompute_engine::sorted_map::SortedMap;
use distcompute_engine::status::{State, Status};
use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;

/// The status of a page and its listeners.
pub(crate) struct Display {
    view: Shared<View>,
    /// A status in which nothing has happened.
    blank: JsValue,
    /// The last status of a hub of this page.
    hub: JsCell,
    /// The last status of the tab that computes.
    other_tab: JsCell,
    /// The error with which the last hub has ended.
    fatal: JsCell,
    /// The status that is shown, once it was asked for.
    current: JsCell,
    /// Whether another status is to be shown than at the last call of [`Display::update`].
    changed: Cell<bool>,
    listeners: Shared<SortedMap<Function>>,
    pub(crate) events: Events,
    /// The number of the listener that was added last.
    last: Cell<u32>,
    complained: Cell<bool>,
}

impl Display {
    pub(crate) fn new(view: View) -> Self {
        let blank = Status::new(distcompute_engine::reason::Reason::Stopped, view.settings);
        Self {
            blank: status::write(&blank),
            view: Shared::new(view),
            hub: JsCell::default(),
            other_tab: JsCell::default(),
            fatal: JsCell::default(),
            current: JsCell::default(),
            changed: Cell::default(),
            listeners: Shared::default(),
            events: Events::new(),
            last: Cell::default(),
            complained: Cell::default(),
        }
    }

    /// The last status of a hub of this page.
    pub(crate) fn hub_status(&self) -> JsValue {
        self.hub.get()
    }

    /// The hub has reported its status. Whether it is another one than before.
    pub(crate) fn set_hub_status(&self, status: JsValue) -> bool {
        if is_same(&self.hub_status(), &status) {
            return false;
        }
        self.complain(&status);
        self.hub.set(status);
        self.changed.set(true);
        true
    }

    /// The hub has ended with an error.
    pub(crate) fn set_fatal(&self, error: JsValue) {
        self.fatal.set(error);
    }

    /// The tab that computes has reported its status.
    pub(crate) fn set_other_tab(&self, status: JsValue) {
        if !is_same(&self.other_tab.get(), &status) {
            self.other_tab.set(status);
            self.changed.set(true);
        }
    }

    /// Shows this view from now on. Whether the status is another one than before.
    pub(crate) fn update(&self, view: View) -> bool {
        let changed = self.changed.take() || *self.view.borrow() != view;
        if changed {
            self.view.replace(view);
            self.current.take();
        }
        changed
    }

    /// The status: the same object until it changes.
    pub(crate) fn status(&self) -> JsValue {
        let current = self.current.get();
        if current.is_object() {
            return current;
        }
        let status = self.make();
        freeze_all(&status);
        self.current.set(status.clone());
        status
    }

    fn make(&self) -> JsValue {
        let view = self.view.borrow().clone();
        let base = if view.is_elsewhere() {
            self.other_tab.get()
        } else {
            self.hub_status()
        };
        let status = object().done();
        put_all(&status, &self.blank);
        put_all(&status, &base);
        let elsewhere = view.is_elsewhere().then(|| {
            let member = |name| field(&base, name).unwrap_or_default();
            object()
                .with("state", &member("state"))
                .with("reason", &member("reason"))
        });
        let mut over = object()
            .with("settings", &write_settings(&view.settings))
            .with("elsewhere", elsewhere);
        if !view.has_cores() {
            over = over.with("cores", &Array::new());
        }
        if let Some(reason) = &view.reason {
            let error = match view.error() {
                ShownError::None => JsValue::NULL,
                ShownError::Hub => self.fatal.get(),
                ShownError::Worker(why) => object()
                    .with("name", "WorkerError")
                    .with("code", "worker_failed")
                    .with("message", why)
                    .done(),
            };
            over = over
                .with("state", State::of(reason).as_str())
                .with("reason", status::write_reason(reason))
                .with("error", &error);
        }
        put_all(&status, &over.done());
        status
    }

    /// Adds a listener and calls it. Returns its number.
    pub(crate) fn add_listener(&self, listener: Function) -> u32 {
        let number = self.last.get() + 1;
        self.last.set(number);
        self.listeners.borrow_mut().insert(number, listener);
        self.call(number);
        number
    }

    pub(crate) fn remove_listener(&self, number: u32) {
        self.listeners.borrow_mut().remove(number);
    }

    pub(crate) fn remove_listeners(&self) {
        self.listeners.take();
        self.events.end();
    }

    /// Calls all listeners, also those of events.
    pub(crate) fn call_listeners(&self) {
        let numbers: Vec<u32> = {
            let listeners = self.listeners.borrow();
            listeners.iter().map(|(number, _)| number).into_list()
        };
        for number in numbers {
            self.call(number);
        }
        self.events.dispatch(&self.status());
    }

    /// Calls a listener, unless another one has removed it.
    fn call(&self, number: u32) {
        let listener = self.listeners.borrow().get(number).cloned();
        if let Some(listener) = listener
            && let Err(thrown) = listener.call1(&JsValue::UNDEFINED, &self.status())
        {
            let _ = call(&js_sys::global(), "reportError", &[&thrown]);
        }
    }

    /// The first thing that goes wrong goes to the console, for the author of the handler.
    fn complain(&self, status: &JsValue) {
        let error = field(status, "lastError").or_else(|| field(status, "error"));
        let Some(error) = error else {
            return;
        };
        if self.complained.replace(true) {
            return;
        }
        let member = |name| text(&error, name).unwrap_or_default();
        let message = member("message");
        log(&match whole(&error, "job") {
            Some(job) => {
                let (job, name) = (job.to_string(), member("name"));
                [
                    "distcompute: job ",
                    &job,
                    " failed: ",
                    &name,
                    ": ",
                    &message,
                ]
                .concat()
            }
            None => ["distcompute: ", &message].concat(),
        });
    }
}
