//! One call at a time: calls that change which job a worker holds run in the order in which they
//! were made, so that two of them at once cannot leave the client and the tracker at odds.

use super::dom::promise;
use super::futures::spawn;
use super::shared::Shared;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// The queue: a promise that is kept when the last caller is done.
pub(crate) struct Turns(Shared<Promise>);

/// The right to run, given back when it is dropped.
pub(crate) struct Turn {
    before: Option<Promise>,
    done: Function,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Shared::new(Promise::resolve(&JsValue::UNDEFINED)))
    }

    /// Takes a place in the queue.
    pub(crate) fn queue(&self) -> Turn {
        let (promise, done) = promise();
        Turn {
            before: Some(self.0.replace(promise)),
            done,
        }
    }
}

impl Turn {
    /// Waits until everybody before is done.
    pub(crate) async fn begin(&mut self) {
        if let Some(before) = self.before.clone() {
            // The promise of a turn is never broken.
            let _ = JsFuture::from(before).await;
            self.before = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let done = self.done.clone();
        let finish = move || {
            // `resolve` of a promise does not throw.
            let _ = done.call0(&JsValue::UNDEFINED);
        };
        match self.before.take() {
            None => finish(),
            // Gave up waiting: whoever comes after still waits for those before.
            Some(before) => spawn(Box::pin(async move {
                let _ = JsFuture::from(before).await;
                finish();
            })),
        }
    }
}
