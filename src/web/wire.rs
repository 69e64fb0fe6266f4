//! What the engine's rules say, as JavaScript values and texts, and back: requests and answers,
//! what is stored, and the status.

use super::hub::Texts;
use super::object::{field, flag, list, number, object, small, text, whole};
use crate::call::{Answer, Request, read_alive};
use crate::engine::{
    action::{Granted, Hello, Parsed, Session, Sync, Synced, Wire},
    desk::{Job, Outcome, Text, Ticket},
    scheduler::Stored,
};
use core::cell::RefCell;
use distcompute_protocol::{SYNC_EXTENSION, Stage};
use js_sys::{Array, JSON, JsString};
use wasm_bindgen::prelude::*;

/// The path and the body of a request.
pub(super) fn request(wire: &Wire, texts: &Texts) -> (String, Option<JsString>) {
    let token = |token: &String| ("token", JsValue::from_str(token));
    let number = |number: &u64| ("number", JsValue::from_f64(*number as f64));
    let (path, body) = match wire {
        Wire::Register { nickname, stage } => {
            return (Request::new_worker(nickname, *stage).path, None);
        }
        Wire::Sync(sync) => ("/api/sync", sync_body(sync, texts)),
        Wire::NewJob { token: of } => ("/api/newJob", object(&[token(of)])),
        Wire::Validate { token: of } => ("/api/validateWorker", object(&[token(of)])),
        Wire::Bye { token: of } => ("/api/bye", object(&[token(of)])),
        Wire::Progress { token: of, text } => (
            "/api/updateProgress",
            object(&[token(of), ("progress", text.into())]),
        ),
        Wire::Complete {
            token: of,
            number: job,
            data,
        } => (
            "/api/completeJob",
            object(&[token(of), number(job), ("data", texts.get(*data))]),
        ),
        Wire::Flag {
            token: of,
            number: job,
        } => ("/api/flagInvalidData", object(&[token(of), number(job)])),
    };
    // Plain objects of texts and numbers can always be written.
    (path.to_owned(), JSON::stringify(&body).ok())
}

fn sync_body(sync: &Sync, texts: &Texts) -> JsValue {
    let plain = |names: &[String]| {
        let names = names.iter().map(|name| JsValue::from_str(name));
        JsValue::from(names.collect::<Array>())
    };
    let pairs = |pairs: &[(String, String)], name: &str| {
        let entry = |(lease, said): &(String, String)| {
            object(&[("lease", lease.into()), (name, said.into())])
        };
        JsValue::from(pairs.iter().map(entry).collect::<Array>())
    };
    let done = |(lease, data): &(String, Text)| {
        object(&[("lease", lease.into()), ("data", texts.get(*data))])
    };
    object(&[
        ("token", sync.token.as_str().into()),
        ("seq", (sync.seq as f64).into()),
        ("holding", plain(&sync.holding)),
        ("done", sync.done.iter().map(done).collect::<Array>().into()),
        ("invalid", pairs(&sync.invalid, "reason")),
        ("released", plain(&sync.released)),
        ("failed", pairs(&sync.failed, "error")),
        ("progress", pairs(&sync.progress, "text")),
        ("want", sync.want.into()),
    ])
}

/// What is in the body of an answer.
pub(super) fn parsed(
    wire: &Wire,
    answer: &Answer,
    body: &JsString,
    texts: &RefCell<Texts>,
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
    let json = JSON::parse(&String::from(body)).unwrap_or_default();
    let unreadable = || Parsed::Unreadable("The tracker's answer cannot be read.".to_owned());
    read(&json, &mut texts.borrow_mut()).unwrap_or_else(unreadable)
}

fn data(json: &JsValue, texts: &mut Texts) -> Option<Text> {
    let text = field(json, "data")?.dyn_into::<JsString>().ok()?;
    Some(texts.keep(text))
}

fn hello(json: &JsValue) -> Option<Hello> {
    let token = text(json, "token").filter(|token| (1..=256).contains(&token.len()))?;
    let extensions = list(json, "extensions");
    let syncs = |extension: &JsValue| extension.as_string().as_deref() == Some(SYNC_EXTENSION);
    Some(Hello {
        token,
        display_name: text(json, "display_name").unwrap_or_default(),
        project: text(json, "project").unwrap_or_default(),
        stage_name: text(json, "stage_name").unwrap_or_default(),
        syncs: extensions.iter().any(syncs),
        lease_ms: 1_000.0
            * number(json, "lease_s")
                .filter(|s| *s > 0.0)
                .unwrap_or(300.0),
        max_body: number(json, "max_body").unwrap_or_default(),
        app_version: text(json, "app_version").unwrap_or_default(),
    })
}

fn synced(json: &JsValue, texts: &mut Texts) -> Option<Synced> {
    let names = |name: &str| {
        let names = list(json, name);
        names.iter().filter_map(JsValue::as_string).collect()
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
            .collect(),
        lost: names("lost"),
        wait_ms: 1_000.0 * wait_s.clamp(1.0, 3_600.0),
        app_version: text(json, "app_version").unwrap_or_default(),
    })
}

/// A registration that was stored.
pub(super) fn session(entry: &JsValue) -> Option<Session> {
    let stored = field(entry, "hello")?;
    Some(Session {
        stage: text(entry, "stage")?.parse().ok()?,
        nickname: text(entry, "nickname")?,
        seq: whole(entry, "seq")?,
        hello: hello(&stored)?,
    })
}

/// Under which name a registration is stored, and what.
pub(super) fn write_session(session: &Session) -> (String, JsValue) {
    let hello = &session.hello;
    // As the tracker writes it, so that it is read by the same lines.
    let extensions = Array::new();
    if hello.syncs {
        extensions.push(&SYNC_EXTENSION.into());
    }
    let stage = session.stage.letter();
    let value = object(&[
        ("stage", stage.into()),
        ("nickname", session.nickname.as_str().into()),
        ("seq", (session.seq as f64).into()),
        (
            "hello",
            object(&[
                ("token", hello.token.as_str().into()),
                ("display_name", hello.display_name.as_str().into()),
                ("project", hello.project.as_str().into()),
                ("stage_name", hello.stage_name.as_str().into()),
                ("extensions", extensions.into()),
                ("lease_s", (hello.lease_ms / 1_000.0).into()),
                ("max_body", hello.max_body.into()),
                ("app_version", hello.app_version.as_str().into()),
            ]),
        ),
    ]);
    (format!("session {stage}"), value)
}

/// A job or an outcome that was stored.
pub(super) fn stored(entry: &JsValue, texts: &mut Texts) -> Option<Stored> {
    let name = text(entry, "ticket")?;
    let said = || text(entry, "said").unwrap_or_default();
    let mut keep = |name: &str| {
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
    let mut fields = vec![
        ("kind", kind.into()),
        ("ticket", job.ticket.text().into()),
        ("lease", is_lease.into()),
        ("stage", stage.letter().into()),
        ("number", (job.number as f64).into()),
        ("attempt", job.attempt.into()),
    ];
    let under = if kind == "job" {
        let input = job.input.map_or(JsValue::NULL, |input| texts.get(input));
        fields.extend([("input", input), ("state", state.clone())]);
        "job"
    } else {
        fields.extend([("output", output), ("said", said.into())]);
        "outcome"
    };
    (format!("{under} {}", job.ticket.text()), object(&fields))
}
