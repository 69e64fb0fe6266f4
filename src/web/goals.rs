//! The promises of `start` and `stop`, which settle as the engine's [`Goal`] says.

use super::bindings::make_error;
use super::dom::{call, callback};
use super::object::{field, object, text};
use super::shared::Shared;
use distcompute_engine::page::goal::{Goal, Settled};
use distcompute_engine::status::State;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

/// The promises that have not settled.
#[derive(Default)]
pub(crate) struct Goals {
    pending: Shared<Vec<Pending>>,
}

struct Pending {
    goal: Goal,
    resolve: Function,
    reject: Function,
}

impl Goals {
    /// A promise of this goal.
    pub(crate) fn add(&self, goal: Goal) -> Promise {
        let promise = Promise::new(&mut |resolve, reject| {
            let mut pending = self.pending.borrow_mut();
            pending.push(Pending {
                goal,
                resolve,
                reject,
            });
        });
        // Callers who ignore the promise read the status. Their console shows no unhandled rejection.
        let _ = call(&promise, "catch", &[&callback(drop)]);
        promise
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.borrow().is_empty()
    }

    /// Settles the promises for which it is time. `wanted`: what was asked for last.
    pub(crate) fn look(&self, wanted: Goal, status: &JsValue) {
        let word = text(status, "state").unwrap_or_default();
        let Some(state) = State::from_word(&word) else {
            return;
        };
        let pending = self.pending.take();
        for one in pending {
            let undefined = &JsValue::UNDEFINED;
            // `resolve` and `reject` of a promise do not throw, and call nobody before they return.
            let _ = match one.goal.settled(wanted, state) {
                Some(Settled::Reached) => one.resolve.call0(undefined),
                Some(Settled::Failed) => one.reject.call1(undefined, &failure(status)),
                Some(Settled::Withdrawn) => one.reject.call1(undefined, &withdrawn(one.goal)),
                None => {
                    self.pending.borrow_mut().push(one);
                    continue;
                }
            };
        }
    }

    /// Settles all promises: nothing runs any more.
    pub(crate) fn end(&self) {
        let status = object().with("state", State::Stopped.as_str());
        self.look(Goal::Stopped, &status.done());
    }
}

/// An error with what a status shows as its cause.
fn failure(status: &JsValue) -> JsValue {
    let cause = field(status, "error").unwrap_or_default();
    let message = text(&cause, "message").unwrap_or_default();
    make_error("StartError", "not_started", &message, None, &cause, None)
}

fn withdrawn(goal: Goal) -> JsValue {
    let message = match goal {
        Goal::Started => "The volunteer was stopped before it had begun.",
        Goal::Stopped => "The volunteer was started again before it had stopped.",
    };
    let undefined = &JsValue::UNDEFINED;
    make_error("AbortError", "aborted", message, None, undefined, None)
}
