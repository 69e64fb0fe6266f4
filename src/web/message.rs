//! The messages between the hub and a compute worker as JavaScript objects, and back. What cannot be
//! read is no message.

use super::object::{
    Made, amount, array, as_text, as_whole, field, flag, key, list, object, small, text, whole,
};
use distcompute_engine::hub::event::Progress;
use distcompute_engine::hub::jobs::{JobKey, Outcome, Ticket};
use distcompute_engine::list::IntoList;
use distcompute_engine::message::{Ended, FromCore, Job, Payload, Report, ToCore};
use js_sys::{JsString, Reflect};
use wasm_bindgen::prelude::*;

/// In the browser, texts and checkpoints stay JavaScript's: they are large, or hold what only JavaScript
/// can.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Js;

impl Payload for Js {
    type Text = JsString;
    type State = JsValue;
    /// Its blob URLs: see `signals.rs`.
    type Slot = JsValue;
    /// Blobs by name.
    type Files = JsValue;
}

/// A message for a compute worker.
pub(crate) fn write_to_core(message: &ToCore<Js>) -> JsValue {
    let message = match message {
        ToCore::Jobs { project, jobs } => {
            let jobs = array(jobs.iter().map(|job| write_job(job).done()));
            tagged("jobs").with("jobs", &jobs).with("project", project)
        }
        ToCore::Recall => tagged("recall"),
        ToCore::Intensity(intensity) => {
            tagged("intensity").with("intensity", u32::from(*intensity))
        }
        ToCore::Signals(slots) => tagged("signals").with("slots", &array(slots.iter().cloned())),
        ToCore::Stop { key, signalled } => tagged("stop")
            .with("key", *key)
            .with("signalled", *signalled),
    };
    message.done()
}

/// A message from the hub.
pub(crate) fn read_to_core(message: &JsValue) -> Option<ToCore<Js>> {
    Some(match text(message, "t")?.as_str() {
        "jobs" => ToCore::Jobs {
            project: text(message, "project").unwrap_or_default(),
            jobs: list(message, "jobs")
                .iter()
                .filter_map(read_job)
                .into_list(),
        },
        "recall" => ToCore::Recall,
        "intensity" => ToCore::Intensity(u8::try_from(small(message, "intensity")?).ok()?),
        "signals" => {
            let slots = list(message, "slots").into_iter();
            ToCore::Signals(slots.filter(JsValue::is_array).into_list())
        }
        "stop" => ToCore::Stop {
            key: small(message, "key")?,
            signalled: flag(message, "signalled"),
        },
        _ => return None,
    })
}

/// A message for the hub.
pub(crate) fn write_from_core(message: &FromCore<Js>) -> JsValue {
    let message = match message {
        FromCore::Up => tagged("up"),
        FromCore::Broken(why) => tagged("broken").with("message", why),
        FromCore::Handover { running, ended } => {
            let ended = ended.iter().map(|(job, outcome)| {
                let outcome = write_outcome(object(), outcome);
                object()
                    .with("job", write_job(job))
                    .with("outcome", outcome)
                    .done()
            });
            tagged("met")
                .with("running", running.as_ref().map(write_job))
                .with("ended", &array(ended))
        }
        FromCore::Report(report) => write_report(report),
        FromCore::Recalled(keys) => {
            let keys = keys.iter().map(|key| JsValue::from(*key));
            tagged("recalled").with("keys", &array(keys))
        }
        FromCore::Rests => tagged("rests"),
    };
    message.done()
}

/// A message from a compute worker.
pub(crate) fn read_from_core(message: &JsValue) -> Option<FromCore<Js>> {
    Some(match text(message, "t")?.as_str() {
        "up" => FromCore::Up,
        "broken" => FromCore::Broken(text(message, "message").unwrap_or_default()),
        "met" => {
            let ended = list(message, "ended");
            let ended = ended.iter().filter_map(|ended| {
                let job = read_job(&field(ended, "job")?)?;
                Some((job, read_outcome(&field(ended, "outcome")?)))
            });
            FromCore::Handover {
                running: field(message, "running").as_ref().and_then(read_job),
                ended: ended.into_list(),
            }
        }
        "report" => FromCore::Report(read_report(message)),
        "recalled" => {
            let keys = list(message, "keys");
            let key = |key: &JsValue| JobKey::try_from(as_whole(key)?).ok();
            FromCore::Recalled(keys.iter().filter_map(key).into_list())
        }
        "rests" => FromCore::Rests,
        _ => return None,
    })
}

fn tagged(t: &str) -> Made {
    object().with("t", t)
}

fn write_job(job: &Job<Js>) -> Made {
    let made = object()
        .with("key", job.key)
        .with("number", job.number)
        .with("attempt", job.attempt)
        .with("ticket", job.ticket.text())
        .with("lease", matches!(job.ticket, Ticket::Lease(_)))
        .with("stage", job.stage.letter())
        .with("stageName", &job.stage_name)
        .with("data", job.input.as_ref());
    let made = match &job.files {
        Some(files) => made.with("files", files),
        None => made,
    };
    match &job.resume {
        Some(state) => made.with("resume", state),
        None => made,
    }
}

fn read_job(job: &JsValue) -> Option<Job<Js>> {
    let ticket = text(job, "ticket").unwrap_or_default();
    // A checkpoint may be null, which `field` takes for none.
    let resume = Reflect::get(job, key("resume")).unwrap_or_default();
    Some(Job {
        key: small(job, "key")?,
        number: whole(job, "number")?,
        attempt: small(job, "attempt")?,
        ticket: if flag(job, "lease") {
            Ticket::Lease(ticket)
        } else {
            Ticket::Token(ticket)
        },
        stage: text(job, "stage")?.parse().ok()?,
        stage_name: text(job, "stageName").unwrap_or_default(),
        input: field(job, "data").and_then(|data| data.dyn_into().ok()),
        resume: (!resume.is_undefined()).then_some(resume),
        files: field(job, "files"),
    })
}

fn write_report(report: &Report<Js>) -> Made {
    let results = report.results.iter().map(|ended| {
        let made = object().with("key", ended.key).with("ms", ended.ms);
        let made = write_outcome(made, &ended.outcome);
        let made = if ended.fatal {
            made.with("fatal", true)
        } else {
            made
        };
        made.done()
    });
    let made = tagged("report");
    let made = match report.started {
        Some(key) => made.with("started", key),
        None => made,
    };
    let made = match &report.progress {
        Some(progress) => {
            let progress = object()
                .with("key", progress.key)
                .with("done", progress.done)
                .with("total", progress.total)
                .with("text", &progress.text);
            made.with("progress", progress)
        }
        None => made,
    };
    let made = match &report.checkpoint {
        Some((key, state)) => made.with(
            "checkpoint",
            object().with("key", *key).with("state", state),
        ),
        None => made,
    };
    if report.results.is_empty() {
        return made;
    }
    made.with("results", &array(results))
}

fn read_report(message: &JsValue) -> Report<Js> {
    let results = list(message, "results");
    let results = results.iter().filter_map(|result| {
        Some(Ended {
            key: small(result, "key")?,
            outcome: read_outcome(result),
            ms: amount(result, "ms"),
            fatal: flag(result, "fatal"),
        })
    });
    let progress = field(message, "progress").and_then(|progress| {
        Some(Progress {
            key: small(&progress, "key")?,
            done: amount(&progress, "done"),
            total: amount(&progress, "total"),
            text: text(&progress, "text").unwrap_or_default(),
        })
    });
    let checkpoint = field(message, "checkpoint").and_then(|checkpoint| {
        let state = field(&checkpoint, "state").unwrap_or(JsValue::NULL);
        Some((small(&checkpoint, "key")?, state))
    });
    Report {
        started: small(message, "started"),
        progress,
        results: results.into_list(),
        checkpoint,
    }
}

fn write_outcome(made: Made, outcome: &Outcome<JsString>) -> Made {
    match outcome {
        Outcome::Done(output) => made.with("kind", "done").with("data", output),
        Outcome::Invalid(why) => made.with("kind", "invalid").with("message", why),
        Outcome::Failed(why) => made.with("kind", "failed").with("message", why),
        Outcome::Released => made.with("kind", "stopped"),
    }
}

fn read_outcome(of: &JsValue) -> Outcome<JsString> {
    let message = || text(of, "message").unwrap_or_default();
    let kind = field(of, "kind").as_ref().and_then(as_text);
    match kind.unwrap_or_default().as_str() {
        "done" => match field(of, "data").map(JsCast::dyn_into) {
            Some(Ok(output)) => Outcome::Done(output),
            _ => Outcome::Failed("The worker handed in no text.".to_owned()),
        },
        "invalid" => Outcome::Invalid(message()),
        "failed" => Outcome::Failed(message()),
        _ => Outcome::Released,
    }
}
