//! What a page may have replaced, or made throw: `fetch` and what it resolves to, and the console. Every
//! member is read and called by `Reflect`, which reports what is thrown: an exception that unwound through
//! the wasm would leave promises that never settle.

use super::dom::{call, construct, global, settled};
use super::object::object;
use js_sys::{Array, JsString, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::Request;

/// Writes a line to the console.
pub(crate) fn log(line: &str) {
    // A console that throws has no reader.
    let _ = call(&global("console"), "log", &[&line.into()]);
}

/// The same, as a warning.
pub(crate) fn warn(line: &str) {
    let _ = call(&global("console"), "warn", &[&line.into()]);
}

/// A value as JavaScript's `String` writes it.
pub(crate) fn to_text(value: &JsValue) -> Result<JsString, JsValue> {
    call(&js_sys::global(), "String", &[value])?.dyn_into()
}

/// Sends a request and waits for the beginning of its answer.
///
/// # Errors
/// What `fetch` rejects with; an `Error` in any case.
pub(crate) async fn fetch(request: &Request) -> Result<Response, JsValue> {
    Response::of(request).await.map_err(as_error)
}

/// An answer, of whose body nothing or a part has been read.
pub(crate) struct Response {
    value: JsValue,
    /// None, where what has replaced `fetch` gives no stream.
    reader: Option<JsValue>,
    decoder: JsValue,
    /// What has come of the body.
    parts: Array,
    /// Its bytes, after decompression.
    pub(crate) bytes: f64,
    /// Whether it had more than should be read.
    pub(crate) cut: bool,
}

/// So much of a body that is too long is kept, in characters.
const BEGINNING: u32 = 1_000;

impl Response {
    async fn of(request: &Request) -> Result<Self, JsValue> {
        let value = settled(&call(&js_sys::global(), "fetch", &[request])?).await?;
        let body = member(&value, "body")?;
        let mut reader = None;
        if !body.is_undefined() && !body.is_null() {
            let has_reader = !member(&body, "getReader")?.is_undefined();
            reader = has_reader
                .then(|| call(&body, "getReader", &[]))
                .transpose()?;
        }
        Ok(Self {
            value,
            reader,
            decoder: construct("TextDecoder", &[])?,
            parts: Array::new(),
            bytes: 0.0,
            cut: false,
        })
    }

    /// The HTTP status; 0 where it has none.
    pub(crate) fn status(&self) -> u16 {
        let status = member(&self.value, "status").ok();
        status.and_then(|status| status.as_f64()).unwrap_or(0.0) as u16
    }

    /// A header, where it is there and may be read.
    ///
    /// # Errors
    /// Where it has no headers at all.
    pub(crate) fn header(&self, name: &str) -> Result<Option<String>, JsValue> {
        let headers = member(&self.value, "headers").map_err(as_error)?;
        let header = call(&headers, "get", &[&name.into()]).map_err(as_error)?;
        Ok(header.as_string())
    }

    /// Whether a member of it is true.
    pub(crate) fn is(&self, name: &str) -> bool {
        member(&self.value, name).is_ok_and(|value| value.is_truthy())
    }

    /// A member of it that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        member(&self.value, name).ok()?.as_string()
    }

    /// Reads on: the whole body, where it has ended. Where it has more than `most` bytes it is `cut`, and
    /// the text is its beginning: the caller ends the request.
    ///
    /// # Errors
    /// What the stream fails with; an `Error` in any case.
    pub(crate) async fn read_on(&mut self, most: u32) -> Result<Option<JsString>, JsValue> {
        self.next(most).await.map_err(as_error)
    }

    async fn next(&mut self, most: u32) -> Result<Option<JsString>, JsValue> {
        let Some(reader) = &self.reader else {
            let text = settled(&call(&self.value, "text", &[])?).await?;
            let text = to_text(&text)?;
            self.cut = text.length() > most;
            return Ok(Some(if self.cut {
                text.substring(0, BEGINNING)
            } else {
                text
            }));
        };
        let read = settled(&call(reader, "read", &[])?).await?;
        let is_over = member(&read, "done")?.is_truthy();
        let options = object().with("stream", !is_over).done();
        let bytes = member(&read, "value")?;
        // The text stays in JavaScript.
        let part: JsString = call(&self.decoder, "decode", &[&bytes, &options])?.dyn_into()?;
        if !is_over {
            let length = member(&bytes, "byteLength")?.as_f64();
            self.bytes += length.unwrap_or_else(|| f64::from(part.length()));
        }
        self.parts.push(&part);
        self.cut = self.bytes > f64::from(most);
        if self.cut {
            return Ok(Some(self.beginning()));
        }
        Ok(is_over.then(|| self.parts.join("")))
    }

    fn beginning(&self) -> JsString {
        let (first, mut length) = (Array::new(), 0);
        for part in self.parts.iter().filter_map(|part| part.dyn_into().ok()) {
            let part: JsString = part;
            length += part.length();
            first.push(&part);
            if length >= BEGINNING {
                break;
            }
        }
        first.join("").substring(0, BEGINNING)
    }
}

/// A member of anything.
fn member(of: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(of, &name.into())
}

/// A thrown value, unless it is no error that can be read.
fn as_error(thrown: JsValue) -> JsValue {
    let is_error = thrown.is_instance_of::<js_sys::Error>()
        && member(&thrown, "message").is_ok_and(|message| message.is_string());
    if is_error {
        thrown
    } else {
        js_sys::Error::new("fetch failed with something that is no error").into()
    }
}
