//! What the volunteer and the project's owner have asked for, as JavaScript has it: in the options
//! of `Volunteer` and in the messages between a page and its workers.

use super::arguments::{known, number, property, require_object, truth, whole};
use super::object::object;
use distcompute_engine::fault::Fault;
use distcompute_engine::settings::{Hours, Limits, Settings};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What the volunteer wants. All of it may change at any time. */
export interface VolunteerSettings {
  /** Workers that compute, 1 to 1024. Default: one less than the browser says there are cores. */
  cores: number;
  /** The share of time that each core works, in percent, 10 to 100 in steps of ten. Default 80. */
  intensity: number;
  /** Whether to rest while the machine runs on its battery, where the browser tells. Default `true`. */
  pauseOnBattery: boolean;
  /** Whether to go on while the page is hidden. Default `true`. */
  background: boolean;
  /**
   * When to work, in whole minutes after midnight, local time, 0 to 1440 (24:00); `from` after `to`
   * is over midnight, equal ones are the whole day. Default `null`: at any hour.
   */
  hours: { from: number; to: number } | null;
}

/** What the project's owner wants; a missing one has its default. Times are in milliseconds. */
export interface VolunteerLimits {
  /** A job that takes longer is ended and has failed. Default: it may take for ever. */
  jobTimeoutMs?: number | null | undefined;
  /** A job that has reported progress and then none for so long has stalled. Default 600,000. */
  stallMs?: number | undefined;
  /** How often progress is sent to the tracker, at most. Default 10,000. */
  progressIntervalMs?: number | undefined;
  /**
   * Whether a machine most of whose jobs fail takes one at a time, with pauses, because it may be broken.
   * Default `true`.
   */
  slowFailing?: boolean | undefined;
}
"#;

/// 24:00.
const LAST_MINUTE: f64 = 1_440.0;

const SETTINGS: [&str; 5] = [
    "cores",
    "intensity",
    "pauseOnBattery",
    "background",
    "hours",
];

const CHANGES: [&str; 6] = [
    "cores",
    "intensity",
    "pauseOnBattery",
    "background",
    "hours",
    "nickname",
];

const LIMITS: [&str; 4] = [
    "jobTimeoutMs",
    "stallMs",
    "progressIntervalMs",
    "slowFailing",
];

/// As [`read_settings`], for what the page's owner has written: a misspelt name is refused. What
/// another tab or the page says to its hub may come from another version of this package.
pub(crate) fn given_settings(value: &JsValue, base: &Settings) -> Result<Settings, Fault> {
    given(value, base, &SETTINGS)
}

/// The settings among what a volunteer changes, which may name the nickname as well.
pub(crate) fn given_changes(value: &JsValue, base: &Settings) -> Result<Settings, Fault> {
    given(value, base, &CHANGES)
}

fn given(value: &JsValue, base: &Settings, names: &[&str]) -> Result<Settings, Fault> {
    if value.is_object() {
        known(value, "setting", names)?;
        let hours = property(value, "hours")?;
        if hours.is_object() {
            known(&hours, "member of hours", &["from", "to"])?;
        }
    }
    read_settings(value, base)
}

/// The settings with what `value` changes of them.
pub(crate) fn read_settings(value: &JsValue, base: &Settings) -> Result<Settings, Fault> {
    let mut settings = *base;
    if value.is_undefined() {
        return Ok(settings);
    }
    require_object(value, "settings")?;
    if let Some(cores) = whole(value, "cores", "from 1 to 1024", 1.0, 1_024.0)? {
        settings.cores = cores as u32;
    }
    if let Some(percent) = whole(value, "intensity", "from 10 to 100", 10.0, 100.0)? {
        settings.intensity = (percent / 10.0).round() as u8;
    }
    if let Some(pause) = truth(value, "pauseOnBattery")? {
        settings.pause_on_battery = pause;
    }
    if let Some(background) = truth(value, "background")? {
        settings.background = background;
    }
    match property(value, "hours")? {
        hours if hours.is_undefined() => {}
        hours if hours.is_null() => settings.hours = None,
        hours => {
            require_object(&hours, "hours")?;
            let minute = |name| {
                let what = "of minutes from 0 to 1440";
                let minute = whole(&hours, name, what, 0.0, LAST_MINUTE)?;
                minute.map(|minute| minute as u16).ok_or_else(|| {
                    Fault::argument("hours must have from and to, in minutes after midnight.")
                })
            };
            let (from, to) = (minute("from")?, minute("to")?);
            settings.hours = Some(Hours { from, to });
        }
    }
    Ok(settings)
}

/// The settings as JavaScript has them.
pub(crate) fn write_settings(settings: &Settings) -> JsValue {
    let hours = settings.hours.map(|hours| {
        object()
            .with("from", u32::from(hours.from))
            .with("to", u32::from(hours.to))
    });
    object()
        .with("cores", settings.cores)
        .with("intensity", u32::from(settings.intensity) * 10)
        .with("pauseOnBattery", settings.pause_on_battery)
        .with("background", settings.background)
        .with("hours", hours)
        .done()
}

/// As [`read_limits`]; a misspelt name is refused.
pub(crate) fn given_limits(value: &JsValue) -> Result<Limits, Fault> {
    if value.is_object() {
        known(value, "limit", &LIMITS)?;
    }
    read_limits(value)
}

/// The owner's limits.
pub(crate) fn read_limits(value: &JsValue) -> Result<Limits, Fault> {
    let mut limits = Limits::default();
    if value.is_undefined() {
        return Ok(limits);
    }
    require_object(value, "limits")?;
    let ms = |name| number(value, name, "of milliseconds, 1 or more", 1.0, f64::MAX);
    limits.job_timeout_ms = ms("jobTimeoutMs")?;
    limits.stall_ms = ms("stallMs")?.unwrap_or(limits.stall_ms);
    limits.progress_interval_ms = ms("progressIntervalMs")?.unwrap_or(limits.progress_interval_ms);
    limits.slow_failing = truth(value, "slowFailing")?.unwrap_or(limits.slow_failing);
    Ok(limits)
}

/// The limits as JavaScript has them.
pub(crate) fn write_limits(limits: &Limits) -> JsValue {
    object()
        .with("jobTimeoutMs", limits.job_timeout_ms)
        .with("stallMs", limits.stall_ms)
        .with("progressIntervalMs", limits.progress_interval_ms)
        .with("slowFailing", limits.slow_failing)
        .done()
}
