//! JavaScript values as wire types and back, by the browser's own JSON.

use crate::fault::Fault;
use distcompute_protocol::{JSON_MARK, json_part};
use js_sys::JSON;
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::prelude::*;

/// Reads a JSON text.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value = JSON::parse(text).map_err(|e| says(&e))?;
    from_value(value)
}

/// Reads a plain value: one that came out of `JSON.parse`, so that no getter of a stranger runs.
pub(crate) fn from_value<T: DeserializeOwned>(value: JsValue) -> Result<T, String> {
    serde_wasm_bindgen::from_value(value).map_err(|e| e.to_string())
}

/// Makes a plain value.
pub(crate) fn to_value<T: Serialize>(value: &T) -> Result<JsValue, String> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|e| e.to_string())
}

/// Writes a JSON text.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<String, String> {
    text_of(&to_value(value)?)?.ok_or_else(|| "nothing to write".to_owned())
}

/// `JSON.stringify`, or `None` where it yields `undefined`.
pub(crate) fn text_of(value: &JsValue) -> Result<Option<String>, String> {
    let text = JSON::stringify(value).map_err(|e| says(&e))?;
    Ok(JsValue::from(text).as_string())
}

/// A job's data as JavaScript gets it: what follows the JSON mark, parsed, or the text itself.
pub(crate) fn job_data(data: Option<&str>) -> Result<JsValue, String> {
    match (data, data.and_then(json_part)) {
        (_, Some(json)) => JSON::parse(json).map_err(|e| says(&e)),
        (Some(text), None) => Ok(JsValue::from_str(text)),
        (None, None) => Ok(JsValue::NULL),
    }
}

/// An output as the wire has it.
pub(crate) fn output(data: &JsValue) -> Result<String, Fault> {
    if let Some(text) = data.as_string() {
        return Ok(text);
    }
    // A Map or a typed array would be written as an object that has lost what it holds.
    let is_json = js_sys::Array::is_array(data) || tag(data) == "[object Object]";
    if !is_json || data.is_function() {
        return Err(Fault::argument(format!(
            "data must be a string, an array or a plain object; it is {}.",
            kind_of(data)
        )));
    }
    let text = text_of(data)
        .map_err(|why| Fault::argument(format!("data cannot be written as JSON: {why}")))?;
    match text {
        Some(text) if text.starts_with(['{', '[']) => Ok(format!("{JSON_MARK}{text}")),
        _ => Err(Fault::argument(
            "data cannot be written as JSON: its toJSON() yields neither an object nor an array.",
        )),
    }
}

/// What a value is, for a message to people.
pub(crate) fn kind_of(value: &JsValue) -> String {
    if value.is_null() {
        "null".to_owned()
    } else if value.is_object() {
        tag(value)
    } else {
        value.js_typeof().as_string().unwrap_or_default()
    }
}

/// What a thrown value says of itself. It may be anything, even something that throws when asked.
pub(crate) fn says(thrown: &JsValue) -> String {
    let property = |name: &str| {
        js_sys::Reflect::get(thrown, &JsValue::from_str(name))
            .ok()
            .and_then(|v| v.as_string())
            .filter(|text| !text.is_empty())
    };
    thrown
        .as_string()
        .or_else(|| thrown.is_object().then(|| property("message")).flatten())
        .unwrap_or_else(|| kind_of(thrown))
}

/// `Object.prototype.toString` of a value, which a proxy or a getter can make throw.
fn tag(value: &JsValue) -> String {
    object_to_string(value).unwrap_or_else(|_| "an object".to_owned())
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["Object", "prototype", "toString"], js_name = call)]
    fn object_to_string(value: &JsValue) -> Result<String, JsValue>;
}
