//! The compute workers of a hub.

use super::Hub;
use super::files::at_hand;
use crate::web::dom::callback;
use crate::web::message::{Js, read_from_core, write_to_core};
use crate::web::port::Port;
use crate::web::signals::Signals;
use crate::web::wire;
use distcompute_engine::core::throttle::FULL;
use distcompute_engine::hub::event::{Ended, Event, Report, Stored};
use distcompute_engine::hub::jobs::{JobKey, Outcome};
use distcompute_engine::list::IntoList;
use distcompute_engine::message::{self, FromCore, Job, ToCore};
use js_sys::JsString;
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// A compute worker as the hub reaches it.
pub(super) struct Place {
    port: Port,
    signals: Signals,
}

impl Place {
    fn post(&self, message: &ToCore<Js>) {
        // What is written for a core can be cloned.
        let _ = self.port.post(&write_to_core(message));
    }

    /// Gives a worker that receives messages new slots for signals.
    fn top_up(&mut self) {
        if let Some(slots) = self.signals.top_up() {
            self.post(&ToCore::Signals(slots));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.port.close();
    }
}

impl Hub {
    /// A compute worker is here.
    pub(super) fn meet(self: &Rc<Self>, core: u32, port: Port) {
        let hub = Rc::clone(self);
        let hear = callback(move |message| {
            if hub.hear_put(core, &message) {
                return;
            }
            if let Some(message) = read_from_core(&message) {
                hub.hear_core(core, message);
            }
        });
        port.receive(&hear);
        let mut place = Place {
            port,
            signals: Signals::new(FULL),
        };
        place.top_up();
        self.places.borrow_mut().insert(core, place);
    }

    /// Signals an intensity or a stop to a worker whose event loop may be blocked. Whether it did.
    pub(super) fn signal(&self, core: u32, signal: u8) -> bool {
        let mut places = self.places.borrow_mut();
        places
            .get_mut(core)
            .is_some_and(|place| place.signals.send(signal))
    }

    pub(super) fn post(&self, core: u32, message: &ToCore<Js>) {
        if let Some(place) = self.places.borrow().get(core) {
            place.post(message);
        }
    }

    /// Sends what is made of JavaScript's values already.
    pub(super) fn post_raw(&self, core: u32, message: &JsValue) {
        if let Some(place) = self.places.borrow().get(core) {
            let _ = place.port.post(message);
        }
    }

    pub(super) fn give(&self, core: u32, keys: &[JobKey]) {
        let scheduler = self.scheduler.borrow();
        let (texts, states) = (self.texts.borrow(), self.states.borrow());
        let jobs = keys.iter().filter_map(|key| {
            let job = scheduler.table().get(*key)?;
            let (stage, stage_name) = scheduler.stage_of(job)?;
            Some(Job {
                key: *key,
                number: job.number,
                attempt: job.attempt,
                ticket: job.ticket.clone(),
                stage,
                stage_name: stage_name.to_owned(),
                input: job.input.and_then(|input| texts.text(input)),
                resume: states.get(*key).cloned(),
                files: at_hand(scheduler.files().needs(job)),
            })
        });
        let jobs = jobs.into_list();
        let project = scheduler.project().to_owned();
        self.post(core, &ToCore::Jobs { project, jobs });
    }

    /// What a compute worker says.
    fn hear_core(self: &Rc<Self>, core: u32, message: FromCore<Js>) {
        let event = match message {
            FromCore::Up => Event::CoreUp(core),
            FromCore::Broken(why) => Event::CoreBroken(core, why),
            FromCore::Recalled(keys) => Event::Recalled(core, keys),
            FromCore::Rests => Event::Rests(core),
            FromCore::Report(report) => Event::Report(core, self.report(report)),
            FromCore::Handover { running, ended } => {
                for (job, outcome) in ended {
                    if let Some(stored) = self.stored(job, Some(outcome)) {
                        self.handle(Event::EndedBefore(stored));
                    }
                }
                let running = running.and_then(|job| Some((job.key, self.stored(job, None)?)));
                Event::Resumed(core, running)
            }
        };
        let idle = matches!(&event, Event::Report(_, report) if report.started.is_none());
        self.handle(event);
        if let Some(place) = self.places.borrow_mut().get_mut(core)
            && idle
        {
            place.top_up();
        }
    }

    /// A job of a compute worker as if it came from storage.
    fn stored(&self, job: Job<Js>, outcome: Option<Outcome<JsString>>) -> Option<Stored> {
        if !wire::is_secret(job.ticket.text()) {
            return None;
        }
        let outcome = match outcome {
            Some(Outcome::Released) => return None,
            outcome => outcome.map(|outcome| self.keep(outcome)),
        };
        let mut texts = self.texts.borrow_mut();
        Some(Stored {
            stage: job.stage,
            number: job.number,
            attempt: job.attempt,
            ticket: job.ticket,
            input: job.input.map(|input| texts.keep(input)),
            outcome,
        })
    }

    fn keep(&self, outcome: Outcome<JsString>) -> Outcome {
        match outcome {
            Outcome::Done(output) => Outcome::Done(self.texts.borrow_mut().keep(output)),
            Outcome::Invalid(why) => Outcome::Invalid(why),
            Outcome::Failed(why) => Outcome::Failed(why),
            Outcome::Released => Outcome::Released,
        }
    }

    fn report(&self, report: message::Report<Js>) -> Report {
        let ended = |ended: message::Ended<Js>| Ended {
            key: ended.key,
            outcome: self.keep(ended.outcome),
            ms: ended.ms,
            fatal: ended.fatal,
        };
        let checkpoint = report.checkpoint.map(|(key, state)| {
            self.states.borrow_mut().insert(key, state);
            key
        });
        Report {
            started: report.started,
            progress: report.progress,
            results: report.results.into_iter().map(ended).into_list(),
            checkpoint,
        }
    }
}
