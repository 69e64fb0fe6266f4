//! The status as JavaScript sees it.

use super::object::{Made, amount, array, field, list, number, object, text, whole};
use super::settings::write_settings;
use distcompute_engine::fault::Fault;
use distcompute_engine::page::supervisor::MOST_CORES;
use distcompute_engine::reason::Reason;
use distcompute_engine::status::{Core, CoreState, FileStatus, State, Status};
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
  /** Stable: new versions may add codes, and change none. */
  code:
    | "computing" | "starting" | "fetching" | "no_jobs" | "project_paused" | "unreachable" | "asked_to_wait" | "no_tracker" | "paused"
    | "on_battery" | "outside_hours" | "hidden" | "another_tab" | "setup_failed" | "jobs_fail" | "worker_failed" | "finishing"
    | "stopping" | "stopped" | "updating" | "failed";
  /** When that ends or is tried again, in milliseconds since 1970, where that is known. */
  until: number | null;
}

/** What one core does. */
export interface CoreStatus {
  /** Its place, counted from 0. */
  core: number;
  /**
   * `"starting"`: its worker starts or runs `setup`; `"working"`: it works on a job; `"paused"`: it has a
   * job and may not work now; `"idle"`: it has no job.
   */
  state: "starting" | "working" | "paused" | "idle";
  /** The number of the job that it works on, its stage, and how often it has been handed out. */
  job: number | null;
  stage: "a" | "b" | "c" | "d" | "e" | null;
  attempt: number | null;
  /** How much of the job is done, as the handler says: `done` of `total`; 0 of 0 until it says so. */
  done: number;
  total: number;
  /** What the handler said last in `progress`; empty until it says something. */
  text: string;
  /** Jobs that it has done since the start. */
  jobs: number;
  /** Jobs a minute since its worker started, rounded to tenths. */
  jobsPerMinute: number;
}

/** How things are. It is frozen: another object says when they have changed. */
export interface VolunteerStatus {
  /** What this tab does, in a word. */
  readonly state: VolunteerState;
  /** Why it does that, and until when where that is known. */
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
  /** What the operator says to volunteers, where the reason is `"project_paused"`; otherwise empty. */
  readonly notice: string;
  /** What the tab that computes says of itself, where the state is `"elsewhere"`. */
  readonly elsewhere: Readonly<{ state: VolunteerState; reason: VolunteerReason }> | null;
  /** What each core does, in the order of their places; empty while nothing runs. */
  readonly cores: readonly Readonly<CoreStatus>[];
  /** Jobs whose results the tracker has. Counters count since the start. */
  readonly jobsDone: number;
  /** The same by stage. */
  readonly jobsByStage: Readonly<Record<string, number>>;
  /**
   * Those of them, and of earlier visits, that wait for another volunteer to hand in the same. 0 where the
   * project does not check results.
   */
  readonly jobsUnconfirmed: number;
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
  /** The files of jobs that are under way: how many, and how many bytes of how many are there. */
  readonly files: Readonly<{
    /** Files that are sent to the tracker. */
    sending: number;
    /** How many of their bytes are there. */
    bytesSent: number;
    /** How many bytes they have. */
    bytesToSend: number;
    /** Files that jobs wait for. */
    fetching: number;
    /** How many of their bytes are here. */
    bytesFetched: number;
    /** How many bytes they have. */
    bytesToFetch: number;
  }>;
  /** `"unreachable"` while requests fail. A tracker that asks to wait counts as online. */
  readonly connection: "online" | "unreachable";
  /** The project's name; empty until the tracker has said it. */
  readonly project: string;
  /** This browser's public name; empty until the tracker has said it. */
  readonly displayName: string;
  /** What the project calls its stages, by letter. */
  readonly stageNames: Readonly<Record<string, string>>;
  /** The settings in force: the defaults with what the options and `set` have changed. */
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
        .with("notice", &status.notice)
        .with("elsewhere", &JsValue::NULL)
        .with("cores", &cores)
        .with("jobsDone", status.jobs_done)
        .with("jobsByStage", by_stage)
        .with("jobsUnconfirmed", status.jobs_unconfirmed)
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
        .with("files", write_files(&status.files))
        .with("connection", connection)
        .with("project", &status.project)
        .with("displayName", &status.display_name)
        .with("stageNames", names)
        .with("settings", &write_settings(&status.settings))
        .done()
}

fn write_files(files: &FileStatus) -> Made {
    object()
        .with("sending", files.sending)
        .with("bytesSent", files.bytes_sent)
        .with("bytesToSend", files.bytes_to_send)
        .with("fetching", files.fetching)
        .with("bytesFetched", files.bytes_fetched)
        .with("bytesToFetch", files.bytes_to_fetch)
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

/// What a member of a status is.
enum Kind {
    /// A number of things or milliseconds; 0 where there is none.
    Amount,
    /// A whole number; 0 where there is none.
    Count,
    /// A whole number or `null`.
    Whole,
    /// A number or `null`.
    Number,
    /// A text; empty where there is none.
    Text,
    /// A text, or no such member.
    TextOrNone,
    /// One of some words, or else the text given here.
    Word(fn(&str) -> bool, &'static str),
    /// The letter of a stage or `null`.
    StageOrNull,
    /// An object or `null`.
    Object(&'static [(&'static str, Kind)]),
    /// An object, whatever is there.
    Shape(&'static [(&'static str, Kind)]),
    /// A list of objects.
    List(&'static [(&'static str, Kind)]),
    /// An object whose members are those stages that there are.
    ByStage(&'static Kind),
}

const STATUS: &[(&str, Kind)] = &[
    ("state", Kind::Word(is_state, "")),
    ("reason", Kind::Object(REASON)),
    ("error", Kind::Object(ERROR)),
    ("notice", Kind::Text),
    ("lastError", Kind::Object(LAST_ERROR)),
    ("cores", Kind::List(CORE)),
    ("jobsDone", Kind::Amount),
    ("jobsByStage", Kind::ByStage(&Kind::Amount)),
    ("jobsUnconfirmed", Kind::Amount),
    ("jobsInvalid", Kind::Amount),
    ("jobsFailed", Kind::Amount),
    ("jobsRejected", Kind::Amount),
    ("notDelivered", Kind::Amount),
    ("computeMs", Kind::Amount),
    ("bytesSent", Kind::Amount),
    ("bytesReceived", Kind::Amount),
    ("waiting", Kind::Amount),
    ("bytesWaiting", Kind::Amount),
    ("files", Kind::Shape(FILES)),
    (
        "connection",
        Kind::Word(|word| word == "unreachable", "online"),
    ),
    ("project", Kind::Text),
    ("displayName", Kind::Text),
    ("stageNames", Kind::ByStage(&Kind::Text)),
];

const FILES: &[(&str, Kind)] = &[
    ("sending", Kind::Amount),
    ("bytesSent", Kind::Amount),
    ("bytesToSend", Kind::Amount),
    ("fetching", Kind::Amount),
    ("bytesFetched", Kind::Amount),
    ("bytesToFetch", Kind::Amount),
];

const REASON: &[(&str, Kind)] = &[("code", Kind::Text), ("until", Kind::Number)];

const ERROR: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("code", Kind::Text),
    ("message", Kind::Text),
    ("address", Kind::TextOrNone),
];

const LAST_ERROR: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("message", Kind::Text),
    ("job", Kind::Count),
    ("at", Kind::Amount),
];

const CORE: &[(&str, Kind)] = &[
    ("core", Kind::Count),
    ("state", Kind::Word(is_core_state, "idle")),
    ("job", Kind::Whole),
    ("stage", Kind::StageOrNull),
    ("attempt", Kind::Whole),
    ("done", Kind::Amount),
    ("total", Kind::Amount),
    ("text", Kind::Text),
    ("jobs", Kind::Count),
    ("jobsPerMinute", Kind::Amount),
];

fn is_state(word: &str) -> bool {
    State::from_word(word).is_some()
}

fn is_core_state(word: &str) -> bool {
    CoreState::ALL.iter().any(|state| state.as_str() == word)
}

/// What another tab has said of itself, as far as it is a status: any script of this origin may say
/// something on the channel, and what is shown must have the shape that its types promise. The settings
/// are this tab's own. `None`: it is none.
pub(crate) fn shown(said: &JsValue) -> Option<JsValue> {
    text(said, "state").filter(|state| is_state(state))?;
    text(&field(said, "reason")?, "code")?;
    Some(shaped(said, STATUS).done())
}

/// The members of an object that have these names, as what they should be.
fn shaped(of: &JsValue, members: &[(&'static str, Kind)]) -> Made {
    let put = |made, (name, kind): &(&'static str, Kind)| put(made, of, name, kind);
    members.iter().fold(object(), put)
}

fn put(made: Made, of: &JsValue, name: &'static str, kind: &Kind) -> Made {
    match kind {
        Kind::Amount => made.with(name, amount(of, name)),
        Kind::Count => made.with(name, whole(of, name).unwrap_or_default()),
        Kind::Whole => made.with(name, whole(of, name)),
        Kind::Number => made.with(name, number(of, name).filter(|number| number.is_finite())),
        Kind::Text => made.with(name, &short(of, name).unwrap_or_default()),
        Kind::TextOrNone => match short(of, name) {
            Some(text) => made.with(name, &text),
            None => made,
        },
        Kind::Word(is_word, otherwise) => {
            let word = text(of, name).filter(|word| is_word(word));
            made.with(name, word.as_deref().unwrap_or(otherwise))
        }
        Kind::StageOrNull => {
            let stage =
                text(of, name).filter(|said| Stage::ALL.iter().any(|stage| stage.letter() == said));
            made.with(name, stage.as_ref())
        }
        Kind::Object(members) => made.with(name, field(of, name).map(|of| shaped(&of, members))),
        Kind::Shape(members) => {
            made.with(name, shaped(&field(of, name).unwrap_or_default(), members))
        }
        Kind::List(members) => {
            let all = list(of, name);
            let all = all.iter().take(MOST_CORES as usize);
            made.with(name, &array(all.map(|of| shaped(of, members).done())))
        }
        Kind::ByStage(kind) => {
            let of = field(of, name).unwrap_or_default();
            let there = Stage::ALL
                .into_iter()
                .map(Stage::letter)
                .filter(|letter| field(&of, letter).is_some());
            let by_stage = there.fold(object(), |made, letter| put(made, &of, letter, kind));
            made.with(name, by_stage)
        }
    }
}

/// A text that may be shown.
fn short(of: &JsValue, name: &'static str) -> Option<String> {
    Some(cut(&text(of, name)?, SHOWN))
}
