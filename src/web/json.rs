//! JavaScript values as wire types and back, by the browser's own JSON.

use super::browser::to_text;
use super::object;
use distcompute_engine::client::session::{json_output, text_output};
use distcompute_engine::core::stack::frames;
use distcompute_engine::fault::Fault;
use distcompute_protocol::json_part;
use js_sys::{JSON, JsString, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// The longest text that crosses the boundary, in UTF-16 units. A larger one would exhaust the
/// wasm's memory, or the browser's longest string, half-way.
pub(crate) const LONGEST: u32 = 64 << 20;

/// Whether a text is what `/api/project` answers.
pub(crate) fn is_project(text: &str) -> bool {
    let name = |value: &JsValue| Reflect::get(value, &"project".into());
    parse(&text.into()).is_ok_and(|value| name(&value).is_ok_and(|name| name.is_string()))
}

/// The JSON text of a struct.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<JsString, String> {
    let plain = value.serialize(&serde_wasm_bindgen::Serializer::json_compatible());
    let plain = plain.map_err(|error| error.to_string())?;
    JSON::stringify(&plain).map_err(|e| says(&e))
}

/// `JSON.stringify`, or `None` where it yields `undefined`.
pub(crate) fn text_of(value: &JsValue) -> Result<Option<JsString>, String> {
    let text: JsValue = JSON::stringify(value).map_err(|e| says(&e))?.into();
    let text = text.dyn_into::<JsString>().ok();
    if text.as_ref().is_some_and(|text| text.length() > LONGEST) {
        return Err(format!("its JSON is longer than {LONGEST} characters"));
    }
    Ok(text)
}

/// A job's data as JavaScript gets it: what follows the JSON mark, parsed, or the text itself.
pub(crate) fn job_data(data: Option<&str>) -> Result<JsValue, String> {
    match (data, data.and_then(json_part)) {
        (_, Some(json)) => parse(&json.into()).map_err(|e| says(&e)),
        (Some(text), None) => Ok(JsValue::from_str(text)),
        (None, None) => Ok(JsValue::NULL),
    }
}

/// An output as the wire has it. Nothing in it is lost without a word: see `output.js`.
pub(crate) fn output(data: &JsValue) -> Result<String, Fault> {
    written(data, "result")
}

/// A job's data as the wire has it, which is written as an output is.
pub(crate) fn data(data: &JsValue) -> Result<String, Fault> {
    written(data, "data")
}

fn written(data: &JsValue, name: &str) -> Result<String, Fault> {
    if data.is_string() {
        return whole_text(data).and_then(text_output);
    }
    if !["[object Array]", "[object Object]"].contains(&kind_of(data).as_str()) {
        return Err(Fault::argument(format!(
            "data must be a string, an array or a plain object; it is {}.",
            kind_of(data)
        )));
    }
    let written = output_json(data, name);
    if let Some(flaw) = object::text(&written, "flaw") {
        return Err(Fault::argument(flaw));
    }
    match object::field(&written, "text") {
        Some(json) => json_output(Some(&text(&json, "data")?)),
        None => json_output(None),
    }
}

#[wasm_bindgen(module = "/src/web/output.js")]
extern "C" {
    /// `{ text }` or `{ flaw }` of a value that is no text.
    #[wasm_bindgen(js_name = outputJson)]
    fn output_json(value: &JsValue, name: &str) -> JsValue;
}

/// An output that is a text. Trackers refuse one that only claims to be JSON.
fn whole_text(data: &JsValue) -> Result<String, Fault> {
    let text = text(data, "data")?;
    // On its way into the wasm, half of a surrogate pair silently becomes U+FFFD.
    if text.chars().any(|c| c == '\u{fffd}') && JsValue::from_str(&text) != *data {
        return Err(Fault::argument(
            "data holds one half of a surrogate pair, which is no character and cannot be kept as \
             text. Cut texts between characters, or encode binary data, for example as base64.",
        ));
    }
    if let Some(json) = json_part(&text)
        && !parse(&json.into()).is_ok_and(|value| value.is_object())
    {
        return Err(Fault::argument(
            "data begins with the mark of JSON, <!json!>, and no object or list follows it. Hand \
             in the object itself, or another text.",
        ));
    }
    Ok(text)
}

/// That an argument is not what it must be, which is said in two parts.
pub(crate) fn must_be(name: &str, what: &str, more: &str, value: &JsValue) -> Fault {
    let shown = shown(value);
    Fault::argument([name, " must be ", what, more, "; it is ", &shown, "."].concat())
}

/// A text from JavaScript.
pub(crate) fn text(value: &JsValue, name: &str) -> Result<String, Fault> {
    let Some(string) = value.dyn_ref::<JsString>() else {
        return Err(must_be(name, "a string", "", value));
    };
    if string.length() > LONGEST {
        return Err(Fault::argument(format!(
            "{name} is longer than {LONGEST} characters. Store it elsewhere and hand in where."
        )));
    }
    Ok(String::from(string))
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

/// A value as a message to people names it: itself where it is short, otherwise what it is.
pub(crate) fn shown(value: &JsValue) -> String {
    if let Some(text) = value.dyn_ref::<JsString>() {
        let more = if text.length() > SHOWN { "…" } else { "" };
        let beginning: String = text.substring(0, SHOWN).into();
        return format!("\"{beginning}{more}\"");
    }
    if value.as_f64().is_some() || value.as_bool().is_some() {
        // Rust's printing of floats is 20 KB.
        return to_text(value).map(String::from).unwrap_or_default();
    }
    kind_of(value)
}

/// So much of a text is shown.
const SHOWN: u32 = 40;

/// What a thrown value says of itself. It may be anything, even something that throws when asked.
pub(crate) fn says(thrown: &JsValue) -> String {
    let property = |name: &str| {
        js_sys::Reflect::get(thrown, &JsValue::from_str(name))
            .ok()
            .and_then(|v| beginning(&v))
            .filter(|text| !text.is_empty())
    };
    let said = beginning(thrown)
        .or_else(|| thrown.is_object().then(|| property("message")).flatten())
        .unwrap_or_else(|| kind_of(thrown));
    distcompute_protocol::cut(&said, SAID as usize)
}

/// A thrown value for whoever is to find the fault: an error's name and message in the first line,
/// then its cause and the beginning of its stack. It too may be anything.
pub(crate) fn account(thrown: &JsValue) -> String {
    let text = |name: &str| {
        let value = thrown
            .is_object()
            .then(|| js_sys::Reflect::get(thrown, &JsValue::from_str(name)));
        let text = value?.ok()?.dyn_into::<JsString>().ok()?;
        (text.length() > 0).then_some(text)
    };
    let (message, stack) = (text("message"), text("stack"));
    if message.is_none() && stack.is_none() {
        // No error: itself, as far as it can be written.
        let plain = says(thrown);
        let object = thrown.is_object() && plain == "[object Object]";
        let written = object.then(|| JSON::stringify(thrown).ok()).flatten();
        // Of what says that it is nothing there is no text.
        let written = written.and_then(|json| beginning(&json.into()));
        return written.unwrap_or(plain);
    }
    let short = |text: &JsString| String::from(text.substring(0, 2 * SAID));
    let mut account = text("name").map_or_else(|| "Error".to_owned(), |name| short(&name));
    if let Some(message) = &message {
        account.push_str(": ");
        account.push_str(&short(message));
    }
    let cause = js_sys::Reflect::get(thrown, &JsValue::from_str("cause")).unwrap_or_default();
    if !cause.is_undefined() && !cause.is_null() {
        let name = js_sys::Reflect::get(&cause, &JsValue::from_str("name")).ok();
        let name = name.as_ref().and_then(beginning);
        account.push_str("\nCaused by: ");
        if let Some(name) = name {
            account.push_str(&name);
            account.push_str(": ");
        }
        account.push_str(&says(&cause));
    }
    if let Some(stack) = stack {
        let long = |text: &JsString, units| String::from(text.substring(0, units));
        let name = text("name").map(|name| long(&name, 2 * SAID));
        let message = message.map(|message| long(&message, HEAD));
        let stack = long(&stack, HEAD + STACK);
        let frames = frames(
            &stack,
            name.as_deref().unwrap_or("Error"),
            message.as_deref().unwrap_or_default(),
        );
        let frames = distcompute_protocol::cut(frames, STACK as usize);
        if !frames.is_empty() {
            account.push('\n');
            account.push_str(&frames);
        }
    }
    account
}

/// So much of a stack is kept.
const STACK: u32 = 2_000;

/// A message that is longer than this is not looked for at the beginning of the stack.
const HEAD: u32 = 8_000;

/// So much of what somebody else says is repeated.
const SAID: u32 = 300;

/// The beginning of a text, which as a whole may be larger than any memory.
fn beginning(text: &JsValue) -> Option<String> {
    let text = text.dyn_ref::<JsString>()?;
    Some(text.substring(0, 2 * SAID).into())
}

/// `Object.prototype.toString` of a value, which a proxy or a getter can make throw.
fn tag(value: &JsValue) -> String {
    let tag = object_to_string(value).ok();
    tag.and_then(|tag| beginning(&tag))
        .unwrap_or_else(|| "an object".to_owned())
}

#[wasm_bindgen]
extern "C" {
    // Of js-sys the text would cross the boundary.
    #[wasm_bindgen(catch, js_namespace = JSON)]
    pub(crate) fn parse(text: &JsString) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["Object", "prototype", "toString"], js_name = call)]
    fn object_to_string(value: &JsValue) -> Result<JsValue, JsValue>;
}
