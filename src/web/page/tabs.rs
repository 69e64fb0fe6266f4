//! The part of a page among the tabs of a browser: the lock by which one of them computes, and the channel
//! between them.

use super::{Page, Source};
use crate::web::bindings::now;
use crate::web::dom::{self, call, construct, navigator, when_settled};
use crate::web::object::{Made, field, list, text};
use crate::web::settings::read_settings;
use crate::web::status;
use crate::web::tab_lock::{Notice, TabLock};
use crate::web::tabs::{self, FromTab, read_from_tab};
use distcompute_engine::page::event::Event;
use gloo_timers::callback::Timeout;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

impl Page {
    pub(super) fn set_lock(self: &Rc<Self>, on: bool) {
        if let Some(lock) = self.lock.take() {
            lock.withdraw();
        }
        if !on {
            return;
        }
        let page = Rc::clone(self);
        let notify = move |notice| match notice {
            Notice::Begin { locked } => {
                if !locked {
                    page.find_instance();
                }
                page.handle(Event::LockGranted);
            }
            Notice::Queued => page.handle(Event::LockTaken),
        };
        let lock = TabLock::request(&self.name, Box::new(notify));
        self.lock.replace(Some(lock));
    }

    /// Finds the name under which this tab has kept its jobs before a reload, or makes one. The entry in the
    /// tab's storage is gone while the tab lives, so that a copy of the tab does not find it.
    fn find_instance(&self) {
        let storage = dom::global("sessionStorage");
        let name = JsValue::from_str(&self.name);
        if self.instance.borrow().is_empty() {
            let kept = call(&storage, "getItem", &[&name]).ok();
            let kept = kept.and_then(|kept| kept.as_string());
            let new = || {
                let number = js_sys::Math::random() * 9_007_199_254_740_992.0;
                ["#", &(number as u64).to_string()].concat()
            };
            self.instance.replace(kept.unwrap_or_else(new));
        }
        let _ = call(&storage, "removeItem", &[&name]);
    }

    /// Asks the browser whether other tabs are in the queue for the lock.
    pub(super) fn ask_for_others(self: &Rc<Self>) {
        // One question at a time: it may never be answered.
        if self.asking.replace(true) {
            return;
        }
        let Ok(locks) = call(&navigator("locks"), "query", &[]) else {
            self.asking.set(false);
            return;
        };
        let page = Rc::clone(self);
        let answered = move |locks: Result<JsValue, JsValue>| {
            page.asking.set(false);
            let locks = locks.unwrap_or_default();
            if field(&locks, "pending").is_some() {
                let pending = list(&locks, "pending");
                let mut names = pending.iter().filter_map(|lock| text(lock, "name"));
                let others_wait = names.any(|name| name == page.name);
                page.handle(Event::OthersWait(others_wait));
            }
        };
        when_settled(locks, Box::new(answered));
    }

    /// Listens to the other tabs.
    pub(super) fn open_channel(self: &Rc<Self>) {
        let Ok(channel) = construct("BroadcastChannel", &[&self.name.as_str().into()]) else {
            return;
        };
        self.channel.set(channel.clone());
        if self.on(&channel, "message", Source::Channel).is_ok() {
            self.post(tabs::write_hello());
        }
    }

    pub(super) fn channel_message(self: &Rc<Self>, event: &JsValue) {
        if !self.channel.get().is_object() {
            // It was closed when this message had arrived.
            return;
        }
        let mut listening = self.listening.get();
        let closed = listening.message(now());
        self.listening.set(listening);
        if let Some(ms) = closed {
            // A channel that is closed costs no time.
            let _ = call(&self.channel.take(), "close", &[]);
            let page = Rc::clone(self);
            let reopen = Timeout::new(ms, move || {
                if !page.closed.get() {
                    page.open_channel();
                }
            });
            reopen.forget();
            return;
        }
        // Only now: the browser may not deserialize the message before.
        let message = field(event, "data").unwrap_or_default();
        match read_from_tab(&message) {
            Some(FromTab::Hello) => self.post_status(),
            Some(FromTab::Gone) => self.handle(Event::OtherComputes(false)),
            Some(FromTab::Status(said)) => {
                if let Some(shown) = status::shown(&said) {
                    self.display.set_other_tab(shown);
                    self.handle(Event::OtherComputes(true));
                }
            }
            Some(FromTab::Command(name, given)) => {
                // If it cannot be read, the method of the other tab has thrown.
                if let Ok(command) = self.read_command(name, &given, read_settings) {
                    self.handle(Event::RemoteCommand(command));
                }
            }
            None => {}
        }
    }

    pub(super) fn post_status(&self) {
        if self.supervisor.borrow().computes() {
            self.post(tabs::write_status(&self.display.status()));
        }
    }

    /// Posts a message to the other tabs.
    pub(super) fn post(&self, message: Made) {
        let message = message.done();
        let channel = self.channel.get();
        if channel.is_object() {
            let _ = call(&channel, "postMessage", &[&message]);
        } else if let Ok(channel) = construct("BroadcastChannel", &[&self.name.as_str().into()]) {
            let _ = call(&channel, "postMessage", &[&message]);
            let _ = call(&channel, "close", &[]);
        }
    }
}
