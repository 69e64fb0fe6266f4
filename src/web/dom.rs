//! What a page uses of the browser besides `fetch`: events, workers, channels and locks.
//!
//! A page may have replaced any of it, and a browser may lack some of it. So members are read and called by
//! `Reflect`, which reports what is thrown: an exception that unwound through the wasm would leave borrows
//! that never end.

use super::futures::{First, race, spawn};
use super::object::{field, object};
use core::cell::Cell;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, JSON, JsString, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = Object)]
    fn assign(target: &JsValue, source: &JsValue) -> Result<JsValue, JsValue>;
}

/// A member of the global object.
pub(crate) fn global(name: &'static str) -> JsValue {
    field(&js_sys::global(), name).unwrap_or_default()
}

/// A member of `navigator`.
pub(crate) fn navigator(name: &'static str) -> JsValue {
    field(&global("navigator"), name).unwrap_or_default()
}

/// Calls a method.
pub(crate) fn call(of: &JsValue, name: &str, given: &[&JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = Reflect::get(of, &name.into())?.unchecked_into();
    Reflect::apply(&method, of, &list(given))
}

/// Makes an object of a class that the browser has.
pub(crate) fn construct(class: &'static str, given: &[&JsValue]) -> Result<JsValue, JsValue> {
    let class: Function = global(class).unchecked_into();
    Reflect::construct(&class, &list(given))
}

fn list(entries: &[&JsValue]) -> Array {
    let list = Array::new();
    for entry in entries {
        list.push(entry);
    }
    list
}

/// A function of JavaScript's, which is freed when JavaScript has forgotten it.
pub(crate) fn callback(called: impl Fn(JsValue) + 'static) -> JsValue {
    let called: Box<dyn Fn(JsValue)> = Box::new(called);
    Closure::wrap(called).into_js_value()
}

/// The same, where JavaScript uses what it returns.
pub(crate) fn function(called: impl Fn(JsValue) -> Result<JsValue, JsValue> + 'static) -> JsValue {
    let called: Box<dyn Fn(JsValue) -> Result<JsValue, JsValue>> = Box::new(called);
    Closure::wrap(called).into_js_value()
}

/// A promise, and the function that resolves it.
pub(crate) fn promise() -> (Promise, Function) {
    let mut resolve = None;
    let promise = Promise::new(&mut |resolves, _| resolve = Some(resolves));
    let resolve = resolve.expect_throw("a promise calls its executor at once");
    (promise, resolve)
}

/// What a value comes to that may be a promise, or may only look like one.
pub(crate) async fn settled(value: &JsValue) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, _| {
        // It does not throw: what `then` throws rejects the promise.
        let _ = resolve.call1(&JsValue::UNDEFINED, value);
    });
    JsFuture::from(promise).await
}

/// What a promise comes to within so many milliseconds.
///
/// # Errors
/// What it is rejected with, or an `Error` if it takes longer.
pub(crate) async fn within(ms: u32, promise: &JsValue) -> Result<JsValue, JsValue> {
    match race(settled(promise), TimeoutFuture::new(ms)).await {
        First::Left(settled) => settled,
        First::Right(()) => Err(js_sys::Error::new("It did not answer in time.").into()),
    }
}

/// Calls `then` with what a value comes to that may be a promise.
pub(crate) fn when_settled(value: JsValue, then: Box<dyn FnOnce(Result<JsValue, JsValue>)>) {
    spawn(Box::pin(async move { then(settled(&value).await) }));
}

/// A value that may be replaced at any time.
#[derive(Default)]
pub(crate) struct JsCell(Cell<JsValue>);

impl JsCell {
    pub(crate) fn get(&self) -> JsValue {
        let value = self.0.take();
        self.0.set(value.clone());
        value
    }

    pub(crate) fn set(&self, value: JsValue) {
        self.0.set(value);
    }

    /// The value, in whose place `undefined` stays.
    pub(crate) fn take(&self) -> JsValue {
        self.0.take()
    }
}

/// Aborts what was given its signal: event listeners, for example, which end together.
pub(crate) struct Aborter(JsValue);

impl Aborter {
    pub(crate) fn new() -> Self {
        Self(construct("AbortController", &[]).unwrap_or_default())
    }

    /// The signal.
    pub(crate) fn signal(&self) -> JsValue {
        field(&self.0, "signal").unwrap_or_default()
    }

    /// The options `{ signal }`.
    pub(crate) fn options(&self) -> JsValue {
        object().with("signal", &self.signal()).done()
    }

    pub(crate) fn abort(&self) {
        let _ = call(&self.0, "abort", &[]);
    }
}

/// Puts the members of one plain object into another one.
pub(crate) fn put_all(target: &JsValue, source: &JsValue) {
    // Of a getter that throws, the members before it are there.
    let _ = assign(target, source);
}

/// Whether two values have the same JSON. Where one of them has none, they do not.
pub(crate) fn is_same(one: &JsValue, other: &JsValue) -> bool {
    let text = |value| {
        JsValue::from(JSON::stringify(value).ok()?)
            .dyn_into::<JsString>()
            .ok()
    };
    text(one).is_some_and(|one| text(other) == Some(one))
}
