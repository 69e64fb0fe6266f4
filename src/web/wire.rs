//! What the engine's rules say, as JavaScript values and texts, and back: requests and answers,
//! what is stored, and the status.

use super::object::{
    Made, amount, array, as_text, field, flag, list, number, object, small, text, whole,
};
use super::shared::Shared;
use super::texts::Texts;
use distcompute_engine::client::call::{Answer, Request, read_alive};
use distcompute_engine::hub::action::{Granted, Hello, Parsed, Registration, Sync, Synced, Wire};
use distcompute_engine::hub::event::Stored;
use distcompute_engine::hub::file::Record;
use distcompute_engine::hub::jobs::{Job, Outcome, Text, Ticket};
use distcompute_engine::list::IntoList;
use distcompute_protocol::{FILES_EXTENSION, SYNC_EXTENSION, Stage, is_file_name};
use js_sys::{Array, JSON, JsString};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // Of js-sys the text would cross the boundary, and it may be large.
    #[wasm_bindgen(catch, js_namespace = JSON)]
    fn parse(text: &JsString) -> Result<JsValue, JsValue>;
}

/// The path and the body of a request.
pub(super) fn request(wire: &Wire, texts: &Texts) -> (String, Option<JsString>) {
    let of = |token: &String| object().with("token", token);
    let (path, body) = match wire {
        Wire::Register { nickname, stage } => {
            return (Request::new_worker(nickname, *stage).path, None);
        }
        Wire::Sync(sync) => ("/api/sync", sync_body(sync, texts)),
        Wire::NewJob { token } => ("/api/newJob", of(token)),
        Wire::Validate { token } => ("/api/validateWorker", of(token)),
        Wire::Bye { token } => ("/api/bye", of(token)),
        Wire::Progress { token, text } => ("/api/updateProgress", of(token).with("progress", text)),
        Wire::Complete {
            token,
            number,
            data,
        } => {
            let body = of(token).with("number", *number);
            ("/api/completeJob", body.with("data", &texts.get(*data)))
        }
        Wire::Flag { token, number } => ("/api/flagInvalidData", of(token).with("number", *number)),
    };
    // Plain objects of texts and numbers can always be written.
    (path.to_owned(), JSON::stringify(&body.done()).ok())
}

fn sync_body(sync: &Sync, texts: &Texts) -> Made {
    let plain = |names: &[String]| array(names.iter().map(|name| JsValue::from_str(name)));
    let pairs = |pairs: &[(String, String)], name: &'static str| {
        let entry = |(lease, said): &(String, String)| {
            object().with("lease", lease).with(name, said).done()
        };
        array(pairs.iter().map(entry))
    };
    let done = |(lease, data): &(String, Text)| {
        let entry = object().with("lease", lease);
        entry.with("data", &texts.get(*data)).done()
    };
    let awaiting = array(sync.awaiting.iter().map(|seq| JsValue::from(*seq as f64)));
    object()
        .with("token", &sync.token)
        .with("seq", sync.seq)
        .with("holding", &plain(&sync.holding))
        .with("done", &array(sync.done.iter().map(done)))
        .with("invalid", &pairs(&sync.invalid, "reason"))
        .with("released", &plain(&sync.released))
        .with("failed", &pairs(&sync.failed, "error"))
        .with("progress", &pairs(&sync.progress, "text"))
        .with("want", sync.want)
        .with("want_bytes", sync.want_bytes)
        .with("cores", sync.cores)
        .with("awaiting", &awaiting)
        .with("setup_failed", sync.setup_failed.as_deref())
}

/// What is in the body of an answer.
pub(super) fn parsed(
    wire: &Wire,
    answer: &Answer,
    body: &JsString,
    texts: &Shared<Texts>,
) -> Parsed {
    if answer.status != 200 {
        return Parsed::Nothing;
    }
    let read: fn(&JsValue, &mut Texts) -> Option<Parsed> = match wire {
        Wire::Validate { .. } => {
            return read_alive(&answer.body).map_or(Parsed::Nothing, Parsed::Alive);
        }
        Wire::Register { .. } => |json, _| Some(Parsed::Hello(hello(json)?)),
        Wire::Sync(_) => |json, texts| Some(Parsed::Sync(synced(json, texts)?)),
        Wire::NewJob { .. } => |json, texts| {
            Some(Parsed::Job {
                number: whole(json, "number").filter(|number| *number > 0)?,
                data: data(json, texts),
            })
        },
        _ => return Parsed::Nothing,
    };
    let json = parse(body).unwrap_or_default();
    let unreadable = || Parsed::Unreadable("The tracker's answer cannot be read.".to_owned());
    read(&json, &mut texts.borrow_mut()).unwrap_or_else(unreadable)
}

fn data(json: &JsValue, texts: &mut Texts) -> Option<Text> {
    let text = field(json, "data")?.dyn_into::<JsString>().ok()?;
    Some(texts.keep(text))
}

/// No tracker can be configured to give longer ones.
const LONGEST_LEASE_S: f64 = u32::MAX as f64;

/// A token or a lease. A tracker's have a fraction of this.
fn secret(of: &JsValue, name: &'static str) -> Option<String> {
    text(of, name).filter(|secret| is_secret(secret))
}

/// Whether this can be a token or a lease.
pub(super) fn is_secret(text: &str) -> bool {
    (1..=256).contains(&text.len())
}

fn hello(json: &JsValue) -> Option<Hello> {
    let token = secret(json, "token")?;
    let extensions = list(json, "extensions");
    let has = |name| {
        let is_named = |of: &JsValue| of.as_string().as_deref() == Some(name);
        extensions.iter().any(is_named)
    };
    Some(Hello {
        token,
        display_name: text(json, "display_name").unwrap_or_default(),
        project: text(json, "project").unwrap_or_default(),
        stage_name: text(json, "stage_name").unwrap_or_default(),
        syncs: has(SYNC_EXTENSION),
        files: has(FILES_EXTENSION),
        lease_ms: 1_000.0
            * number(json, "lease_s")
                .filter(|s| *s > 0.0)
                .unwrap_or(300.0)
                .min(LONGEST_LEASE_S),
        max_body: amount(json, "max_body"),
        app_version: text(json, "app_version").unwrap_or_default(),
    })
}

fn synced(json: &JsValue, texts: &mut Texts) -> Option<Synced> {
    let names = |name: &'static str| {
        let names = list(json, name);
        names.iter().filter_map(as_text).into_list()
    };
    let wait_s = number(json, "wait_s")?;
    let mut jobs = Vec::new();
    for job in list(json, "jobs") {
        let (Some(number), Some(lease)) = (whole(&job, "number"), text(&job, "lease")) else {
            continue;
        };
        jobs.push(Granted {
            number,
            lease,
            data: data(&job, texts),
            attempt: small(&job, "attempt").unwrap_or(1),
        });
    }
    let rejected = list(json, "rejected");
    Some(Synced {
        jobs,
        accepted: names("accepted"),
        rejected: rejected
            .iter()
            .filter_map(|one| text(one, "lease"))
            .into_list(),
        lost: names("lost"),
        wait_ms: 1_000.0 * wait_s.clamp(1.0, 3_600.0),
        app_version: text(json, "app_version").unwrap_or_default(),
        left_bytes: number(json, "left_bytes").filter(|bytes| *bytes >= 0.0),
        limited: field(json, "limited").is_some_and(|limited| limited == JsValue::TRUE),
        paused: text(json, "paused"),
        unconfirmed: whole(json, "unconfirmed").unwrap_or(0),
    })
}

/// In a hundred thousand years.
const LAST_SEQ: u64 = 1 << 52;

/// A registration that was stored.
pub(super) fn registration(entry: &JsValue) -> Option<Registration> {
    let stored = field(entry, "hello")?;
    Some(Registration {
        stage: text(entry, "stage")?.parse().ok()?,
        nickname: text(entry, "nickname")?,
        // It counts in milliseconds since 1970. From one that is near the last that a number can hold, no
        // further request could be told from the one before.
        seq: whole(entry, "seq").filter(|seq| *seq < LAST_SEQ)?,
        hello: hello(&stored)?,
    })
}

/// Under which name a registration is stored, and what.
pub(super) fn write_registration(registration: &Registration) -> (String, JsValue) {
    let hello = &registration.hello;
    // As the tracker writes it, so that it is read by the same lines.
    let extensions = Array::new();
    if hello.syncs {
        extensions.push(&SYNC_EXTENSION.into());
    }
    if hello.files {
        extensions.push(&FILES_EXTENSION.into());
    }
    let stage = registration.stage.letter();
    let stored = object()
        .with("token", &hello.token)
        .with("display_name", &hello.display_name)
        .with("project", &hello.project)
        .with("stage_name", &hello.stage_name)
        .with("extensions", &extensions)
        .with("lease_s", hello.lease_ms / 1_000.0)
        .with("max_body", hello.max_body)
        .with("app_version", &hello.app_version);
    let value = object()
        .with("stage", stage)
        .with("nickname", &registration.nickname)
        .with("seq", registration.seq)
        .with("hello", stored)
        .done();
    (format!("session {stage}"), value)
}

/// The uploads of a job that were stored.
pub(super) fn uploads(entry: &JsValue) -> Option<Vec<Record>> {
    let ticket = secret(entry, "ticket")?;
    let read = |of: &JsValue| {
        let begun = text(of, "upload").zip(number(of, "partBytes"));
        Some(Record {
            ticket: ticket.clone(),
            name: text(of, "name").filter(|name| is_file_name(name))?,
            bytes: whole(of, "bytes")? as f64,
            kind: text(of, "type"),
            begun,
            done: flag(of, "done"),
        })
    };
    field(entry, "uploads")?;
    Some(list(entry, "uploads").iter().filter_map(read).into_list())
}

/// Under which name the uploads of a job are stored, and what; nothing where there are none.
pub(super) fn write_uploads(ticket: &str, records: &[Record]) -> (String, JsValue) {
    let write = |record: &Record| {
        let begun = record.begun.as_ref();
        object()
            .with("name", &record.name)
            .with("bytes", record.bytes)
            .with("type", record.kind.as_deref())
            .with("upload", begun.map(|(upload, _)| upload.as_str()))
            .with("partBytes", begun.map(|(_, bytes)| *bytes))
            .with("done", record.done)
            .done()
    };
    let uploads = array(records.iter().map(write));
    let value = object().with("ticket", ticket).with("uploads", &uploads);
    let none = records.is_empty();
    let value = if none {
        JsValue::UNDEFINED
    } else {
        value.done()
    };
    (format!("uploads {ticket}"), value)
}

/// A job or an outcome that was stored.
pub(super) fn stored(entry: &JsValue, texts: &mut Texts) -> Option<Stored> {
    let name = secret(entry, "ticket")?;
    let said = || text(entry, "said").unwrap_or_default();
    let mut keep = |name: &'static str| {
        let text = field(entry, name)?.dyn_into::<JsString>().ok()?;
        Some(texts.keep(text))
    };
    let outcome = match text(entry, "kind")?.as_str() {
        "job" => None,
        "done" => Some(Outcome::Done(keep("output")?)),
        "invalid" => Some(Outcome::Invalid(said())),
        "failed" => Some(Outcome::Failed(said())),
        _ => return None,
    };
    Some(Stored {
        stage: text(entry, "stage")?.parse().ok()?,
        number: whole(entry, "number")?,
        attempt: small(entry, "attempt")?,
        ticket: if flag(entry, "lease") {
            Ticket::Lease(name)
        } else {
            Ticket::Token(name)
        },
        input: keep("input"),
        outcome,
    })
}

/// Under which name a job or its outcome is stored, and what.
pub(super) fn write_job(
    job: &Job,
    stage: Stage,
    texts: &Texts,
    state: &JsValue,
) -> (String, JsValue) {
    let (kind, output, said) = match job.outcome() {
        None | Some(Outcome::Released) => ("job", JsValue::UNDEFINED, ""),
        Some(Outcome::Done(output)) => ("done", texts.get(*output), ""),
        Some(Outcome::Invalid(why)) => ("invalid", JsValue::UNDEFINED, why.as_str()),
        Some(Outcome::Failed(why)) => ("failed", JsValue::UNDEFINED, why.as_str()),
    };
    let is_lease = matches!(job.ticket, Ticket::Lease(_));
    let value = object()
        .with("kind", kind)
        .with("ticket", job.ticket.text())
        .with("lease", is_lease)
        .with("stage", stage.letter())
        .with("number", job.number)
        .with("attempt", job.attempt);
    let (under, value) = if kind == "job" {
        let input = job.input.map(|input| texts.get(input));
        let value = value.with("input", input.as_ref()).with("state", state);
        ("job", value)
    } else {
        let value = value.with("output", &output).with("said", said);
        ("outcome", value)
    };
    (format!("{under} {}", job.ticket.text()), value.done())
}
