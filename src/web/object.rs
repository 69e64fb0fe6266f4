//! Plain JavaScript objects, made and read field by field. What is read may be anything: a field that
//! is not there, or not what it should be, is `None`.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

/// An object with these fields.
pub(crate) fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a field of a fresh object does not fail.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}

/// A field.
pub(crate) fn field(of: &JsValue, name: &str) -> Option<JsValue> {
    if !of.is_object() {
        return None;
    }
    let value = Reflect::get(of, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A field that is a text.
pub(crate) fn text(of: &JsValue, name: &str) -> Option<String> {
    field(of, name)?.as_string()
}

/// A field that is a number.
pub(crate) fn number(of: &JsValue, name: &str) -> Option<f64> {
    field(of, name)?.as_f64()
}

/// A field that is a number of things or milliseconds; 0 where it is none.
pub(crate) fn amount(of: &JsValue, name: &str) -> f64 {
    let number = number(of, name).filter(|number| (0.0..f64::MAX).contains(number));
    number.unwrap_or_default()
}

/// A field that is a whole number from 0 to 2^53.
pub(crate) fn whole(of: &JsValue, name: &str) -> Option<u64> {
    as_whole(&field(of, name)?)
}

/// A whole number from 0 to 2^53.
pub(crate) fn as_whole(value: &JsValue) -> Option<u64> {
    let number = value.as_f64()?;
    let is_whole = (0.0..9_007_199_254_740_992.0).contains(&number) && number.trunc() == number;
    is_whole.then_some(number as u64)
}

/// A field that is a small whole number.
pub(crate) fn small(of: &JsValue, name: &str) -> Option<u32> {
    u32::try_from(whole(of, name)?).ok()
}

/// Whether a field is `true`.
pub(crate) fn flag(of: &JsValue, name: &str) -> bool {
    field(of, name).is_some_and(|value| value.is_truthy())
}

/// The entries of a field that is a list.
pub(crate) fn list(of: &JsValue, name: &str) -> Vec<JsValue> {
    let found = field(of, name).and_then(|value| value.dyn_into::<Array>().ok());
    found.map_or_else(Vec::new, |array| array.to_vec())
}
