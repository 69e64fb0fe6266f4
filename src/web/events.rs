//! The events of a volunteer: an `EventTarget`, because an exported struct cannot extend one, and what has
//! changed between two statuses.

use super::dom::{JsCell, call, construct, is_same};
use super::json::says;
use super::object::{amount, field, object};
use core::cell::Cell;
use distcompute_engine::fault::Fault;
use wasm_bindgen::prelude::*;

/// The listeners, and what they know.
pub(crate) struct Events {
    target: JsCell,
    /// How many results the tracker had taken when events were last dispatched.
    done: Cell<f64>,
    /// The last job that had failed by then, and the error that the status showed.
    job: JsCell,
    error: JsCell,
}

impl Events {
    pub(crate) fn new() -> Self {
        let events = Self {
            target: JsCell::default(),
            done: Cell::default(),
            job: JsCell::default(),
            error: JsCell::default(),
        };
        events
            .target
            .set(construct("EventTarget", &[]).unwrap_or_default());
        events
    }

    pub(crate) fn add(
        &self,
        kind: &JsValue,
        listener: &JsValue,
        options: &JsValue,
    ) -> Result<(), Fault> {
        self.change("addEventListener", &[kind, listener, options])
    }

    pub(crate) fn remove(
        &self,
        kind: &JsValue,
        listener: &JsValue,
        options: &JsValue,
    ) -> Result<(), Fault> {
        self.change("removeEventListener", &[kind, listener, options])
    }

    fn change(&self, method: &str, given: &[&JsValue]) -> Result<(), Fault> {
        let target = self.target.get();
        if !target.is_object() {
            // The volunteer was freed.
            return Ok(());
        }
        match call(&target, method, given) {
            Ok(_) => Ok(()),
            Err(thrown) => Err(Fault::argument([method, ": ", &says(&thrown)].concat())),
        }
    }

    /// Calls no listener any more.
    pub(crate) fn end(&self) {
        self.target.take();
    }

    /// Dispatches what has changed since the last time.
    pub(crate) fn dispatch(&self, status: &JsValue) {
        let target = self.target.get();
        if !target.is_object() {
            return;
        }
        let send = |kind: &str, detail: &JsValue| {
            let init = object().with("detail", detail).done();
            if let Ok(event) = construct("CustomEvent", &[&kind.into(), &init]) {
                // What a listener throws is reported by the browser.
                let _ = call(&target, "dispatchEvent", &[&event]);
            }
        };
        send("statuschange", status);
        let done = amount(status, "jobsDone");
        // Counters begin anew with each start.
        let more = done - self.done.replace(done);
        if more > 0.0 {
            let detail = object().with("done", more).with("jobsDone", done);
            send("job", &detail.done());
        }
        for (name, known) in [("lastError", &self.job), ("error", &self.error)] {
            let now = field(status, name).unwrap_or_default();
            let before = known.get();
            known.set(now.clone());
            if now.is_object() && !is_same(&before, &now) {
                send("failure", &now);
            }
        }
    }
}
