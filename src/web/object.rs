//! Plain JavaScript objects, made and read field by field. What is read may be anything: a field that
//! is not there, or not what it should be, is `None`.

use core::cell::RefCell;
use js_sys::{Array, JsString, Object, Reflect};
use wasm_bindgen::prelude::*;

thread_local! {
    /// The names of fields that have crossed the boundary, sorted by where the program has them.
    static KEYS: RefCell<Vec<(*const u8, usize, &'static JsValue)>> =
        const { RefCell::new(Vec::new()) };
}

/// The name of a field as a JavaScript string. Each crosses the boundary once: a new string for each field
/// that is read or written took most of the time of a message. There are as many as the program has names,
/// so none is ever freed.
pub(crate) fn key(name: &'static str) -> &'static JsValue {
    KEYS.with_borrow_mut(|keys| {
        let wanted = (name.as_ptr(), name.len());
        let at = keys.partition_point(|(at, length, _)| (*at, *length) < wanted);
        if let Some((at, length, known)) = keys.get(at)
            && (*at, *length) == wanted
        {
            return *known;
        }
        let made: &'static JsValue = Box::leak(Box::new(JsValue::from_str(name)));
        keys.insert(at, (wanted.0, wanted.1, made));
        made
    })
}

/// One function for each kind of value: a text or a number that is made a `JsValue` first has to be
/// freed again, and there are a hundred fields.
#[wasm_bindgen(module = "/src/web/bindings.js")]
extern "C" {
    #[wasm_bindgen(js_name = set)]
    fn set_text(of: &JsValue, name: &JsValue, value: &str);
    #[wasm_bindgen(js_name = set)]
    fn set_number(of: &JsValue, name: &JsValue, value: f64);
    #[wasm_bindgen(js_name = set)]
    fn set_flag(of: &JsValue, name: &JsValue, value: bool);
    #[wasm_bindgen(js_name = set)]
    fn set_value(of: &JsValue, name: &JsValue, value: &JsValue);
}

/// A plain object, as it is made.
pub(crate) struct Made(JsValue);

/// A plain object without fields.
pub(crate) fn object() -> Made {
    Made(Object::new().into())
}

impl Made {
    /// Gives it a field.
    pub(crate) fn with(self, name: &'static str, value: impl Value) -> Self {
        value.put(&self.0, key(name));
        self
    }

    /// It is complete.
    pub(crate) fn done(self) -> JsValue {
        self.0
    }
}

/// A list of these. (`collect` would link what js-sys has for lists whose length is known.)
pub(crate) fn array(entries: impl Iterator<Item = JsValue>) -> Array {
    let array = Array::new();
    entries.for_each(|entry| {
        array.push(&entry);
    });
    array
}

/// What a field can hold.
pub(crate) trait Value {
    fn put(self, of: &JsValue, name: &JsValue);
}

impl Value for &str {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_text(of, name, self);
    }
}

impl Value for &String {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_text(of, name, self);
    }
}

impl Value for f64 {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_number(of, name, self);
    }
}

impl Value for u32 {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_number(of, name, f64::from(self));
    }
}

/// One that a float cannot hold exactly would take longer to count than the Earth has.
impl Value for u64 {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_number(of, name, self as f64);
    }
}

impl Value for bool {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_flag(of, name, self);
    }
}

impl Value for &JsValue {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_value(of, name, self);
    }
}

impl Value for &JsString {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_value(of, name, self);
    }
}

impl Value for &Array {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_value(of, name, self);
    }
}

impl Value for Made {
    fn put(self, of: &JsValue, name: &JsValue) {
        set_value(of, name, &self.0);
    }
}

impl<T: Value> Value for Option<T> {
    fn put(self, of: &JsValue, name: &JsValue) {
        match self {
            Some(value) => value.put(of, name),
            None => set_value(of, name, &JsValue::NULL),
        }
    }
}

/// A field.
pub(crate) fn field(of: &JsValue, name: &'static str) -> Option<JsValue> {
    if !of.is_object() {
        return None;
    }
    let value = Reflect::get(of, key(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A longer text does not cross into the wasm, in UTF-16 units: what is read here are names, tokens and
/// messages, and whoever writes into the storage may have written anything. Jobs and results stay outside.
const LONGEST: u32 = 1 << 20;

/// No list that is read has more entries. `sync` allows fewer.
const MOST_ENTRIES: u32 = 10_000;

/// A field that is a text.
pub(crate) fn text(of: &JsValue, name: &'static str) -> Option<String> {
    as_text(&field(of, name)?)
}

/// A text, unless it is one that nobody should send.
pub(crate) fn as_text(value: &JsValue) -> Option<String> {
    let text = value.dyn_ref::<JsString>()?;
    (text.length() <= LONGEST).then(|| String::from(text))
}

/// A field that is a number.
pub(crate) fn number(of: &JsValue, name: &'static str) -> Option<f64> {
    field(of, name)?.as_f64()
}

/// A field that is a number of things or milliseconds; 0 where it is none.
pub(crate) fn amount(of: &JsValue, name: &'static str) -> f64 {
    let number = number(of, name).filter(|number| (0.0..f64::MAX).contains(number));
    number.unwrap_or_default()
}

/// A field that is a whole number from 0 to 2^53.
pub(crate) fn whole(of: &JsValue, name: &'static str) -> Option<u64> {
    as_whole(&field(of, name)?)
}

/// A whole number from 0 to 2^53.
pub(crate) fn as_whole(value: &JsValue) -> Option<u64> {
    let number = value.as_f64()?;
    let is_whole = (0.0..9_007_199_254_740_992.0).contains(&number) && number.trunc() == number;
    is_whole.then_some(number as u64)
}

/// A field that is a small whole number.
pub(crate) fn small(of: &JsValue, name: &'static str) -> Option<u32> {
    u32::try_from(whole(of, name)?).ok()
}

/// Whether a field is `true`.
pub(crate) fn flag(of: &JsValue, name: &'static str) -> bool {
    field(of, name).is_some_and(|value| value.is_truthy())
}

/// The entries of a field that is a list; the first of them where it is longer than any should be.
pub(crate) fn list(of: &JsValue, name: &'static str) -> Vec<JsValue> {
    let found = field(of, name).and_then(|value| value.dyn_into::<Array>().ok());
    found.map_or_else(Vec::new, |array| array.slice(0, MOST_ENTRIES).to_vec())
}
