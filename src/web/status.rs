//! The status as JavaScript sees it.

use super::object::object;
use super::settings::write_settings;
use crate::engine::reason::Reason;
use crate::engine::status::{Core, State, Status};
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What a volunteer does, in a word; why, the reason says. */
export type VolunteerState =
  /** Nothing runs. */
  | "stopped"
  /** Workers are being started. */
  | "starting"
  | "computing"
  /** It would compute, but has nothing to work on. */
  | "waiting"
  /** It may not compute now. */
  | "paused"
  /** Jobs are being finished or put back. */
  | "stopping"
  /** Another tab of this browser computes for this tracker; this one shows its status. */
  | "elsewhere"
  | "failed";

/** Why it computes or does not, as a code that a page can translate. */
export interface VolunteerReason {
  code:
    | "computing" | "starting" | "no_jobs" | "unreachable" | "paused" | "on_battery"
    | "outside_hours" | "hidden" | "another_tab" | "setup_failed" | "worker_failed" | "finishing"
    | "stopping" | "stopped" | "updating" | "failed";
  /** When that ends or is tried again, in milliseconds since 1970, where that is known. */
  until: number | null;
}

/** What one core does. */
export interface CoreStatus {
  /** Its place, counted from 0. */
  core: number;
  state: "starting" | "working" | "paused" | "idle";
  /** The number of the job that it works on, its stage, and how often it has been handed out. */
  job: number | null;
  stage: "a" | "b" | "c" | "d" | "e" | null;
  attempt: number | null;
  /** How much of the job is done, as the handler says: `done` of `total`; 0 of 0 until it says so. */
  done: number;
  total: number;
  text: string;
  /** Jobs that it has done since the start. */
  jobs: number;
  jobsPerMinute: number;
}

/** How things are. It is frozen: another object says when they have changed. */
export interface VolunteerStatus {
  readonly state: VolunteerState;
  readonly reason: Readonly<VolunteerReason>;
  /** What went wrong and what to do, where the state is `"failed"`. */
  readonly error: Readonly<{ name: string; code: string; message: string }> | null;
  /** What the tab that computes says of itself, where the state is `"elsewhere"`. */
  readonly elsewhere: Readonly<{ state: VolunteerState; reason: VolunteerReason }> | null;
  readonly cores: readonly Readonly<CoreStatus>[];
  /** Jobs whose results the tracker has. Counters count since the start. */
  readonly jobsDone: number;
  /** The same by stage. */
  readonly jobsByStage: Readonly<Record<string, number>>;
  /** Jobs whose inputs were flagged as invalid. */
  readonly jobsInvalid: number;
  /** Jobs that failed here. */
  readonly jobsFailed: number;
  /** Results that the tracker did not take. */
  readonly jobsRejected: number;
  /** Results of an earlier visit that the tracker no longer wanted. */
  readonly notDelivered: number;
  /** What all cores together have worked, in milliseconds, rests not counted. */
  readonly computeMs: number;
  /** Bytes of requests and of answers, without headers. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Results that wait to be sent. */
  readonly waiting: number;
  readonly connection: "online" | "unreachable";
  /** The project's name; empty until the tracker has said it. */
  readonly project: string;
  /** This browser's public name; empty until the tracker has said it. */
  readonly displayName: string;
  /** What the project calls its stages, by letter. */
  readonly stageNames: Readonly<Record<string, string>>;
  readonly settings: Readonly<VolunteerSettings>;
}
"#;

/// The status as a plain object.
pub(crate) fn write(status: &Status) -> JsValue {
    let cores: Array = status.cores.iter().map(write_core).collect();
    let names: Vec<(&str, JsValue)> = status
        .stage_names
        .iter()
        .map(|(stage, name)| (stage.letter(), JsValue::from_str(name)))
        .collect();
    let by_stage: Vec<(&str, JsValue)> = status
        .jobs_by_stage
        .iter()
        .map(|(stage, done)| (stage.letter(), count(*done)))
        .collect();
    let connection = if status.online {
        "online"
    } else {
        "unreachable"
    };
    let problem = status.problem.as_str();
    let error = match status.reason {
        Reason::SetupFailed { .. } => object(&[
            ("name", "WorkerError".into()),
            ("code", status.reason.code().into()),
            ("message", format!("The setup failed: {problem}").into()),
        ]),
        _ => JsValue::NULL,
    };
    object(&[
        ("state", State::of(&status.reason).as_str().into()),
        ("reason", write_reason(&status.reason)),
        ("error", error),
        ("elsewhere", JsValue::NULL),
        ("cores", cores.into()),
        ("jobsDone", count(status.jobs_done)),
        ("jobsByStage", object(&by_stage)),
        ("jobsInvalid", count(status.jobs_invalid)),
        ("jobsFailed", count(status.jobs_failed)),
        ("jobsRejected", count(status.jobs_rejected)),
        ("notDelivered", count(status.not_delivered)),
        ("computeMs", status.compute_ms.into()),
        ("bytesSent", status.bytes_sent.into()),
        ("bytesReceived", status.bytes_received.into()),
        ("waiting", count(status.waiting)),
        ("connection", connection.into()),
        ("project", status.project.as_str().into()),
        ("displayName", status.display_name.as_str().into()),
        ("stageNames", object(&names)),
        ("settings", write_settings(&status.settings)),
    ])
}

/// Why, as a plain object.
pub(crate) fn write_reason(reason: &Reason) -> JsValue {
    object(&[
        ("code", reason.code().into()),
        ("until", reason.until().map_or(JsValue::NULL, JsValue::from)),
    ])
}

fn write_core(core: &Core) -> JsValue {
    let job = core.job.as_ref();
    let or_null = |value: Option<JsValue>| value.unwrap_or(JsValue::NULL);
    object(&[
        ("core", core.core.into()),
        ("state", core.state.as_str().into()),
        ("job", or_null(job.map(|job| count(job.number)))),
        ("stage", or_null(job.map(|job| job.stage.letter().into()))),
        ("attempt", or_null(job.map(|job| job.attempt.into()))),
        ("done", job.map_or(0.0, |job| job.done).into()),
        ("total", job.map_or(0.0, |job| job.total).into()),
        ("text", job.map_or("", |job| &job.text).into()),
        ("jobs", count(core.jobs)),
        ("jobsPerMinute", core.jobs_per_minute.into()),
    ])
}

/// A count that a float cannot hold exactly would take longer than the Earth has.
fn count(number: u64) -> JsValue {
    JsValue::from_f64(number as f64)
}
