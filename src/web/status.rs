//! The status as JavaScript sees it.

use super::object::{Made, amount, array, field, list, number, object, small, text, whole};
use super::settings::write_settings;
use distcompute_engine::fault::Fault;
use distcompute_engine::page::supervisor::MOST_CORES;
use distcompute_engine::reason::Reason;
use distcompute_engine::status::{Core, CoreState, State, Status};
use distcompute_protocol::{Stage, cut};
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
    | "computing" | "starting" | "fetching" | "no_jobs" | "unreachable" | "asked_to_wait" | "no_tracker" | "paused"
    | "on_battery" | "outside_hours" | "hidden" | "another_tab" | "setup_failed" | "jobs_fail" | "worker_failed" | "finishing"
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
  /**
   * What went wrong and what to do, where the state is `"failed"`; also while jobs are still worked
   * on, where there is no tracker to be used. `address` is the new one, where the code is `"moved"`.
   */
  readonly error: Readonly<{
    name: string;
    code: string;
    message: string;
    address?: string;
  }> | null;
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
  /** The last job that failed here, with its error, and when, in milliseconds since 1970. */
  readonly lastError: Readonly<{
    name: string;
    message: string;
    job: number;
    at: number;
  }> | null;
  /** Results that the tracker did not take. */
  readonly jobsRejected: number;
  /** Results of an earlier visit that the tracker no longer wanted. */
  readonly notDelivered: number;
  /** What all cores together have worked, in milliseconds, rests not counted. */
  readonly computeMs: number;
  /**
   * Bytes of requests and of answers, without headers and as they are without compression. A request
   * counts when its answer begins: before, a browser does not tell how much of it has gone.
   */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Results that wait to be sent. */
  readonly waiting: number;
  /** How many bytes they have, until the tracker has taken them. */
  readonly bytesWaiting: number;
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
    let cores = array(status.cores.iter().map(write_core));
    let mut names = object();
    for (stage, name) in &status.stage_names {
        names = names.with(stage.letter(), name);
    }
    let mut by_stage = object();
    for (stage, done) in &status.jobs_by_stage {
        by_stage = by_stage.with(stage.letter(), *done);
    }
    let connection = if status.online {
        "online"
    } else {
        "unreachable"
    };
    let what = match status.reason {
        Reason::SetupFailed { .. } => Some("The setup failed: "),
        Reason::JobsFail { .. } => Some("Jobs fail on this machine: "),
        _ => None,
    };
    let error = what.map(|what| {
        let problem = status.problem.lines().next().unwrap_or_default();
        object()
            .with("name", "WorkerError")
            .with("code", status.reason.code())
            .with("message", &[what, problem].concat())
    });
    let last = status.last_error.as_ref().map(|error| {
        object()
            .with("name", &error.name)
            .with("message", &error.message)
            .with("job", error.job)
            .with("at", error.at)
    });
    let trouble = status.trouble.as_ref().map(write_fault);
    let error = error.or(trouble);
    object()
        .with("state", State::of(&status.reason).as_str())
        .with("reason", write_reason(&status.reason))
        .with("error", error)
        .with("elsewhere", &JsValue::NULL)
        .with("cores", &cores)
        .with("jobsDone", status.jobs_done)
        .with("jobsByStage", by_stage)
        .with("jobsInvalid", status.jobs_invalid)
        .with("jobsFailed", status.jobs_failed)
        .with("lastError", last)
        .with("jobsRejected", status.jobs_rejected)
        .with("notDelivered", status.not_delivered)
        .with("computeMs", status.compute_ms)
        .with("bytesSent", status.bytes_sent)
        .with("bytesReceived", status.bytes_received)
        .with("waiting", status.waiting)
        .with("bytesWaiting", status.bytes_waiting)
        .with("connection", connection)
        .with("project", &status.project)
        .with("displayName", &status.display_name)
        .with("stageNames", names)
        .with("settings", &write_settings(&status.settings))
        .done()
}

/// A fault, as a plain object.
pub(crate) fn write_fault(fault: &Fault) -> Made {
    let error = object()
        .with("name", fault.kind.name())
        .with("code", fault.code.as_str())
        .with("message", &fault.message);
    match &fault.address {
        Some(address) => error.with("address", address),
        None => error,
    }
}

/// Why, as a plain object.
pub(crate) fn write_reason(reason: &Reason) -> Made {
    object()
        .with("code", reason.code())
        .with("until", reason.until())
}

fn write_core(core: &Core) -> JsValue {
    let job = core.job.as_ref();
    object()
        .with("core", core.core)
        .with("state", core.state.as_str())
        .with("job", job.map(|job| job.number))
        .with("stage", job.map(|job| job.stage.letter()))
        .with("attempt", job.map(|job| job.attempt))
        .with("done", job.map_or(0.0, |job| job.done))
        .with("total", job.map_or(0.0, |job| job.total))
        .with("text", job.map_or("", |job| &job.text))
        .with("jobs", core.jobs)
        .with("jobsPerMinute", core.jobs_per_minute)
        .done()
}

/// So much of a text is shown that another tab has said, in characters.
const SHOWN: usize = 2_000;

/// What another tab has said of itself, as far as it is a status: any script of this origin may say
/// something on the channel, and what is shown must have the shape that its types promise. The settings
/// are this tab's own. `None`: it is none.
pub(crate) fn shown(said: &JsValue) -> Option<JsValue> {
    let state = word(said, "state", State::ALL.map(State::as_str))?;
    let reason = field(said, "reason")?;
    let code = short(&reason, "code")?;
    let reason = object().with("code", &code).with(
        "until",
        number(&reason, "until").filter(|ms| ms.is_finite()),
    );
    let error = field(said, "error").map(|error| {
        let made = ["name", "code", "message"]
            .into_iter()
            .fold(object(), |made, name| {
                made.with(name, &short(&error, name).unwrap_or_default())
            });
        match short(&error, "address") {
            Some(address) => made.with("address", &address),
            None => made,
        }
    });
    let last = field(said, "lastError").map(|last| {
        object()
            .with("name", &short(&last, "name").unwrap_or_default())
            .with("message", &short(&last, "message").unwrap_or_default())
            .with("job", whole(&last, "job").unwrap_or_default())
            .with("at", amount(&last, "at"))
    });
    let cores = list(said, "cores");
    let cores = cores.iter().take(MOST_CORES as usize).map(shown_core);
    let by_letter = |name: &str, put: fn(Made, &JsValue, &'static str) -> Made| {
        let of = field(said, name).unwrap_or_default();
        let letters = Stage::ALL.into_iter().map(|stage| stage.letter());
        letters
            .filter(|letter| field(&of, letter).is_some())
            .fold(object(), |made, letter| put(made, &of, letter))
    };
    let counts = [
        "jobsDone",
        "jobsInvalid",
        "jobsFailed",
        "jobsRejected",
        "notDelivered",
        "computeMs",
        "bytesSent",
        "bytesReceived",
        "waiting",
        "bytesWaiting",
    ];
    let made = counts
        .into_iter()
        .fold(object(), |made, name| made.with(name, amount(said, name)));
    let shown = made
        .with("state", state)
        .with("reason", reason)
        .with("error", error)
        .with("lastError", last)
        .with("cores", &array(cores))
        .with(
            "jobsByStage",
            by_letter("jobsByStage", |made, of, letter| {
                made.with(letter, amount(of, letter))
            }),
        )
        .with(
            "stageNames",
            by_letter("stageNames", |made, of, letter| {
                made.with(letter, &short(of, letter).unwrap_or_default())
            }),
        )
        .with(
            "connection",
            word(said, "connection", ["online", "unreachable"]).unwrap_or("online"),
        )
        .with("project", &short(said, "project").unwrap_or_default())
        .with(
            "displayName",
            &short(said, "displayName").unwrap_or_default(),
        );
    Some(shown.done())
}

fn shown_core(core: &JsValue) -> JsValue {
    let stage = word(core, "stage", Stage::ALL.map(Stage::letter));
    let stage = stage.map_or(JsValue::NULL, JsValue::from_str);
    object()
        .with("core", small(core, "core").unwrap_or_default())
        .with(
            "state",
            word(core, "state", CoreState::ALL.map(CoreState::as_str)).unwrap_or("idle"),
        )
        .with("job", whole(core, "job"))
        .with("stage", &stage)
        .with("attempt", small(core, "attempt"))
        .with("done", amount(core, "done"))
        .with("total", amount(core, "total"))
        .with("text", &short(core, "text").unwrap_or_default())
        .with("jobs", whole(core, "jobs").unwrap_or_default())
        .with("jobsPerMinute", amount(core, "jobsPerMinute"))
        .done()
}

/// A text that may be shown.
fn short(of: &JsValue, name: &str) -> Option<String> {
    Some(cut(&text(of, name)?, SHOWN))
}

/// A field that is one of these words.
fn word<const N: usize>(
    of: &JsValue,
    name: &str,
    words: [&'static str; N],
) -> Option<&'static str> {
    let said = text(of, name)?;
    words.into_iter().find(|word| *word == said)
}
