//! The members of an argument that JavaScript gave: any value at all may come, and getters may throw.

use super::json::{must_be, says, text};
use distcompute_engine::fault::Fault;
use distcompute_engine::nearest::unknown;
use js_sys::Reflect;
use wasm_bindgen::prelude::*;

/// Refuses a member that is none of the `names`: the misspelling of an option would pass unnoticed.
/// Those that are inherited, or symbols, are the owner's own affair.
pub(crate) fn known(object: &JsValue, what: &str, names: &[&str]) -> Result<(), Fault> {
    let keys = Reflect::own_keys(object).map_err(|thrown| {
        let thrown = says(&thrown);
        Fault::argument(format!("the names of its members cannot be read: {thrown}"))
    })?;
    for key in keys.iter().filter(JsValue::is_string) {
        let key = text(&key, "a name")?;
        if !names.contains(&key.as_str()) {
            return Err(unknown(what, &key, names));
        }
    }
    Ok(())
}

/// A property, or `None` where it is missing; a getter may throw.
pub(crate) fn get(object: &JsValue, name: &str) -> Result<Option<JsValue>, Fault> {
    match Reflect::get(object, &JsValue::from_str(name)) {
        Ok(value) if value.is_undefined() || value.is_null() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(thrown) => Err(Fault::argument(format!(
            "{name} cannot be read: {}",
            says(&thrown)
        ))),
    }
}

/// A property, where the difference between missing and `null` matters.
pub(crate) fn property(object: &JsValue, name: &str) -> Result<JsValue, Fault> {
    match get(object, name)? {
        Some(value) => Ok(value),
        None => Ok(Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)),
    }
}

/// Refuses what is no object.
pub(crate) fn require_object(value: &JsValue, name: &str) -> Result<(), Fault> {
    if value.is_object() {
        return Ok(());
    }
    Err(must_be(name, "an object", "", value))
}

/// A number from `least` to `most`, which `what` describes; `None` where it is missing.
pub(crate) fn number(
    object: &JsValue,
    name: &str,
    what: &str,
    least: f64,
    most: f64,
) -> Result<Option<f64>, Fault> {
    let Some(value) = get(object, name)? else {
        return Ok(None);
    };
    match value.as_f64() {
        Some(number) if number >= least && number <= most => Ok(Some(number)),
        _ => Err(must_be(name, "a number ", what, &value)),
    }
}

/// The same, of whole numbers.
pub(crate) fn whole(
    object: &JsValue,
    name: &str,
    what: &str,
    least: f64,
    most: f64,
) -> Result<Option<f64>, Fault> {
    let number = number(object, name, what, least, most)?;
    match number {
        Some(number) if number.trunc() != number => {
            Err(must_be(name, "a whole number ", what, &number.into()))
        }
        number => Ok(number),
    }
}

/// `true` or `false`; `None` where it is missing.
pub(crate) fn truth(object: &JsValue, name: &str) -> Result<Option<bool>, Fault> {
    let Some(value) = get(object, name)? else {
        return Ok(None);
    };
    let truth = value.as_bool().map(Some);
    truth.ok_or_else(|| must_be(name, "true or false", "", &value))
}
