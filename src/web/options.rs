//! Reading the arguments that JavaScript gave: any value at all may come.

use super::arguments::{get, known, number, truth};
use super::bindings::now;
use super::json::{must_be, shown, text};
use super::settings::{given_limits, given_settings};
use distcompute_engine::client::address::Address;
use distcompute_engine::client::session::{Registration, check_join_key, check_nickname};
use distcompute_engine::fault::{Code, Fault, Kind};
use distcompute_engine::settings::{Limits, Settings};
use distcompute_protocol::Stage;
use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What browsers and Node declare under a name, or something else where the types of neither are in use. */
export type Global<Name extends string, Otherwise = any> = typeof globalThis extends {
  [name in Name]: { prototype: infer Declared };
}
  ? Declared
  : Otherwise;

/** Has `[Symbol.dispose]()`, for `using`, where the types in use know of it. */
export type Freeable = Record<
  SymbolConstructor extends { readonly dispose: infer Dispose extends symbol } ? Dispose : never,
  () => void
>;

/** The last argument of every call. */
export interface CallOptions {
  /** Aborting it rejects the call with `AbortError`; the client stays usable. */
  signal?: Global<"AbortSignal"> | undefined;
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
                shown(value)
            )));
        }
        if signal(value.clone()).is_ok() {
            return Err(Fault::argument(
                "the options must be an object { signal?, timeoutMs? }; they are an AbortSignal. \
                 Write { signal }.",
            ));
        }
        known(value, "option", &["signal", "timeoutMs"])?;
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
pub(crate) fn signal(value: JsValue) -> Result<AbortSignal, Fault> {
    let is_signal = value.is_object()
        && get(&value, "aborted").is_ok_and(|v| v.is_some_and(|v| v.as_bool().is_some()))
        && get(&value, "addEventListener").is_ok_and(|v| v.is_some_and(|v| v.is_function()));
    if is_signal {
        Ok(value.unchecked_into())
    } else {
        Err(must_be("signal", "an AbortSignal", "", &value))
    }
}

fn timeout_ms(value: &JsValue) -> Result<u32, Fault> {
    match value.as_f64() {
        // A timer takes at most 2^31 - 1, and fires at once for more.
        Some(ms) if ms >= 0.0 => Ok(ms.min(f64::from(i32::MAX)) as u32),
        _ => {
            let what = "a number of milliseconds, 0 or more";
            Err(must_be("timeoutMs", what, "", value))
        }
    }
}

/// The options of `init`.
const INIT: [&str; 5] = ["url", "stage", "nickname", "joinKey", "verbose"];

/// What `init` was given.
pub(crate) struct InitOptions {
    pub(crate) url: String,
    pub(crate) stage: String,
    pub(crate) nickname: String,
    pub(crate) join_key: Option<String>,
    pub(crate) verbose: bool,
}

impl InitOptions {
    pub(crate) fn read(value: &JsValue) -> Result<Self, Fault> {
        if !value.is_object() {
            return Err(Fault::argument(format!(
                "init takes an object {{ url, stage, nickname?, joinKey?, verbose? }}; it was \
                 given {}.",
                shown(value)
            )));
        }
        known(value, "option", &INIT)?;
        Ok(Self {
            url: required(value, "url")?,
            stage: required(value, "stage")?,
            nickname: nickname(value)?,
            join_key: join_key(value)?,
            verbose: truth(value, "verbose")?.unwrap_or(true),
        })
    }
}

fn required(object: &JsValue, name: &str) -> Result<String, Fault> {
    let value = get(object, name)?;
    text(&value.unwrap_or(JsValue::UNDEFINED), name)
}

/// The options of `Volunteer`.
const VOLUNTEER: [&str; 8] = [
    "url", "stage", "stages", "nickname", "joinKey", "spawn", "settings", "limits",
];

/// What `new Volunteer` was given.
pub(crate) struct VolunteerOptions {
    pub(crate) url: Address,
    pub(crate) stages: Vec<Stage>,
    pub(crate) nickname: String,
    pub(crate) join_key: Option<String>,
    pub(crate) spawn: Function,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
}

impl VolunteerOptions {
    /// Reads the options of a browser that says it has this many cores.
    pub(crate) fn read(value: &JsValue, cores: u32) -> Result<Self, Fault> {
        if !value.is_object() {
            return Err(Fault::argument(format!(
                "new Volunteer takes an object {{ url, stage, spawn, nickname?, joinKey?, \
                 settings?, limits? }}; it was given {}.",
                shown(value)
            )));
        }
        known(value, "option", &VOLUNTEER)?;
        let url = required(value, "url")?;
        let nickname = nickname(value)?;
        let join_key = join_key(value)?;
        let mut stages = Vec::new();
        let mut add = |stage: &str| {
            let stage = check(&url, stage, &nickname)?.stage;
            if stages.contains(&stage) {
                return Err(Fault::argument("stages must name each stage once."));
            }
            stages.push(stage);
            Ok(())
        };
        match get(value, "stages")? {
            None => add(&required(value, "stage")?)?,
            Some(list) => {
                let wrong = "of stages, 1 to 5; stages is an array of letters";
                let many = number(&list, "length", wrong, 1.0, 5.0)?;
                for index in 0..many.unwrap_or(1.0) as u32 {
                    add(&required(&list, &index.to_string())?)?;
                }
            }
        }
        let spawn = get(value, "spawn")?.unwrap_or(JsValue::UNDEFINED);
        if !spawn.is_function() {
            let what = "a function that returns a new Worker";
            return Err(must_be("spawn", what, "", &spawn));
        }
        let spare = Settings {
            cores: cores.saturating_sub(1).max(1),
            ..Settings::default()
        };
        let given = |name| Ok(get(value, name)?.unwrap_or(JsValue::UNDEFINED));
        Ok(Self {
            url: Address::parse(&url)?,
            stages,
            nickname,
            join_key,
            spawn: spawn.unchecked_into(),
            settings: given_settings(&given("settings")?, &spare)?,
            limits: given_limits(&given("limits")?)?,
        })
    }
}

/// Checks where to register. The rules know what a tracker's address is; the browser knows what a
/// URL is.
pub(crate) fn check(url: &str, stage: &str, nickname: &str) -> Result<Registration, Fault> {
    let registration = Registration::check(url, stage, nickname)?;
    let url = registration.url.as_str();
    web_sys::Url::new(url).map_err(|_| {
        Fault::new(
            Kind::InvalidUrl,
            Code::InvalidUrl,
            format!("The browser cannot read the tracker's URL: {url}"),
        )
    })?;
    Ok(registration)
}

fn join_key(options: &JsValue) -> Result<Option<String>, Fault> {
    let given = get(options, "joinKey")?;
    let key = given.map(|value| text(&value, "joinKey")).transpose()?;
    key.map(check_join_key).transpose()
}

fn nickname(options: &JsValue) -> Result<String, Fault> {
    let given = given_nickname(options)?;
    Ok(given.unwrap_or_else(|| distcompute_protocol::ANONYMOUS.to_owned()))
}

/// The nickname among options or changes, if there is one.
pub(crate) fn given_nickname(options: &JsValue) -> Result<Option<String>, Fault> {
    let given = get(options, "nickname")?;
    let nickname = given.map(|value| text(&value, "nickname")).transpose()?;
    nickname.map(|text| check_nickname(&text)).transpose()
}
