//! Reading the arguments that JavaScript gave: any value at all may come.

use super::face::now;
use super::json::{kind_of, text};
use crate::fault::Fault;
use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The last argument of every call. */
export interface CallOptions {
  /** Aborting it rejects the call with `AbortError`; the client stays usable. */
  signal?: AbortSignal | undefined;
  /**
   * How long the call may take in all, in milliseconds: waiting behind other calls of this client
   * and trying again included. Default 120,000.
   */
  timeoutMs?: number | undefined;
}
"#;

/// The last argument of every call.
pub(crate) struct CallOptions {
    /// When the call was made, by [`now`].
    pub(crate) made_ms: f64,
    pub(crate) signal: Option<AbortSignal>,
    pub(crate) timeout_ms: Option<u32>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            made_ms: now(),
            signal: None,
            timeout_ms: None,
        }
    }
}

impl CallOptions {
    pub(crate) fn read(value: &JsValue) -> Result<Self, Fault> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self::default());
        }
        if !value.is_object() {
            return Err(Fault::argument(format!(
                "the options must be an object {{ signal?, timeoutMs? }}; they are {}.",
                kind_of(value)
            )));
        }
        Ok(Self {
            signal: get(value, "signal")?.map(signal).transpose()?,
            timeout_ms: get(value, "timeoutMs")?
                .map(|v| timeout_ms(&v))
                .transpose()?,
            ..Self::default()
        })
    }
}

/// Also one of another window, which is no instance of this one's class; but none that throws when
/// it is asked, as a proxy of a signal does.
fn signal(value: JsValue) -> Result<AbortSignal, Fault> {
    let is_signal = value.is_object()
        && get(&value, "aborted").is_ok_and(|v| v.is_some_and(|v| v.as_bool().is_some()))
        && get(&value, "addEventListener").is_ok_and(|v| v.is_some_and(|v| v.is_function()));
    if is_signal {
        Ok(value.unchecked_into())
    } else {
        Err(Fault::argument(format!(
            "signal must be an AbortSignal; it is {}.",
            kind_of(&value)
        )))
    }
}

fn timeout_ms(value: &JsValue) -> Result<u32, Fault> {
    match value.as_f64() {
        // A timer takes at most 2^31 - 1, and fires at once for more.
        Some(ms) if ms >= 0.0 => Ok(ms.min(f64::from(i32::MAX)) as u32),
        _ => Err(Fault::argument(
            "timeoutMs must be a number of milliseconds, 0 or more.",
        )),
    }
}

/// What `init` was given.
pub(crate) struct InitOptions {
    pub(crate) url: String,
    pub(crate) stage: String,
    pub(crate) nickname: String,
    pub(crate) verbose: bool,
}

impl InitOptions {
    pub(crate) fn read(value: &JsValue) -> Result<Self, Fault> {
        if !value.is_object() {
            return Err(Fault::argument(format!(
                "init takes an object {{ url, stage, nickname?, verbose? }}; it was given {}.",
                kind_of(value)
            )));
        }
        let verbose = match get(value, "verbose")? {
            None => true,
            Some(v) => v
                .as_bool()
                .ok_or_else(|| Fault::argument("verbose must be true or false."))?,
        };
        Ok(Self {
            url: required(value, "url")?,
            stage: required(value, "stage")?,
            nickname: match get(value, "nickname")? {
                None => distcompute_protocol::ANONYMOUS.to_owned(),
                Some(v) => text(&v, "nickname")?,
            },
            verbose,
        })
    }
}

fn required(object: &JsValue, name: &str) -> Result<String, Fault> {
    let value = get(object, name)?;
    text(&value.unwrap_or(JsValue::UNDEFINED), name)
}

/// A property, or `None` where it is missing; a getter may throw.
fn get(object: &JsValue, name: &str) -> Result<Option<JsValue>, Fault> {
    match Reflect::get(object, &JsValue::from_str(name)) {
        Ok(value) if value.is_undefined() || value.is_null() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(thrown) => Err(Fault::argument(format!(
            "{name} cannot be read: {}",
            super::json::says(&thrown)
        ))),
    }
}
