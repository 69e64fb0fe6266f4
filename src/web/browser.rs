//! What a page may have replaced, or made throw: `fetch` and what it resolves to, and the console. Every
//! import here catches, and every member is read by `Reflect`, which reports what is thrown: an exception
//! that unwound through the wasm would leave promises that never settle.

use super::dom::settled;
use js_sys::{Array, Function, JsString, Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::Request;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = console, js_name = log)]
    fn console_log(line: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, js_namespace = console, js_name = warn)]
    fn console_warn(line: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = fetch)]
    fn page_fetch(request: &Request) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = String)]
    fn to_text(value: &JsValue) -> Result<JsString, JsValue>;

    type TextDecoder;
    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<TextDecoder, JsValue>;
    // The text stays in JavaScript, which that of web-sys does not.
    #[wasm_bindgen(method, catch)]
    fn decode(this: &TextDecoder, bytes: &JsValue, options: &Object) -> Result<JsString, JsValue>;
}

/// Writes a line to the console.
pub(crate) fn log(line: &str) {
    // A console that throws has no reader.
    let _ = console_log(line);
}

/// The same, as a warning.
pub(crate) fn warn(line: &str) {
    let _ = console_warn(line);
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
    decoder: TextDecoder,
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
        let value = settled(&page_fetch(request)?).await?;
        let body = member(&value, "body")?;
        let mut reader = None;
        if !body.is_undefined() && !body.is_null() {
            let get_reader = member(&body, "getReader")?;
            if !get_reader.is_undefined() {
                reader = Some(get_reader.dyn_into::<Function>()?.call0(&body)?);
            }
        }
        Ok(Self {
            value,
            reader,
            decoder: TextDecoder::new()?,
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
        let header = method(&headers, "get", &name.into()).map_err(as_error)?;
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
            let text = settled(&method(&self.value, "text", &JsValue::UNDEFINED)?).await?;
            let text = to_text(&text)?;
            self.cut = text.length() > most;
            return Ok(Some(if self.cut {
                text.substring(0, BEGINNING)
            } else {
                text
            }));
        };
        let read = settled(&method(reader, "read", &JsValue::UNDEFINED)?).await?;
        let is_over = member(&read, "done")?.is_truthy();
        let options = Object::new();
        let part = if is_over {
            self.decoder.decode(&JsValue::UNDEFINED, &options)?
        } else {
            Reflect::set(&options, &"stream".into(), &true.into())?;
            let bytes = member(&read, "value")?;
            let part = self.decoder.decode(&bytes, &options)?;
            let length = member(&bytes, "byteLength")?.as_f64();
            self.bytes += length.unwrap_or_else(|| f64::from(part.length()));
            part
        };
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

/// Calls a method of anything.
fn method(of: &JsValue, name: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    member(of, name)?
        .dyn_into::<Function>()?
        .call1(of, argument)
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
