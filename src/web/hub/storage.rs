//! What the hub keeps between visits.

use super::Hub;
use crate::web::browser::warn;
use crate::web::dom::callback;
use crate::web::object::{array, field};
use crate::web::wire;
use distcompute_engine::hub::action::Write;
use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::file::FileEvent;
use distcompute_engine::list::IntoList;
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn read(site: &str, most: u32, late: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = write)]
    fn write_entries(site: &str, entries: &Array) -> js_sys::Promise;
}

/// So many entries of what is stored are read: more than any hub has written, and few enough for any
/// memory.
const MOST_STORED: u32 = 10_000;

impl Hub {
    /// Begins with what an earlier visit has left.
    pub(super) async fn restore(self: Rc<Self>) {
        let hub = Rc::clone(&self);
        let late = callback(move |kept| hub.restore_late(kept));
        let kept = read(&self.site, MOST_STORED, &late).await;
        let (mut registrations, mut jobs) = (Vec::new(), Vec::new());
        let mut uploads = Vec::new();
        let mut states: Vec<(String, JsValue)> = Vec::new();
        let mut unreadable = 0;
        let entries: Vec<JsValue> = kept
            .and_then(JsCast::dyn_into::<Array>)
            .map_or_else(|_| Vec::new(), |entries| entries.to_vec());
        for entry in &entries {
            if let Some(registration) = wire::registration(entry) {
                registrations.push(registration);
            } else if let Some(records) = wire::uploads(entry) {
                uploads.extend(records);
            } else if let Some(stored) = wire::stored(entry, &mut self.texts.borrow_mut()) {
                if let Some(state) = field(entry, "state") {
                    states.push((stored.ticket.text().to_owned(), state));
                }
                jobs.push(stored);
            } else {
                unreadable += 1;
            }
        }
        warn_of(unreadable);
        self.handle(Event::File(FileEvent::Uploads(uploads)));
        self.handle(Event::Restored {
            registrations,
            jobs,
            cores: self.cores.clone(),
        });
        for (ticket, state) in states {
            let key = self.scheduler.borrow().table().by_ticket(&ticket);
            if let Some(key) = key {
                self.states.borrow_mut().insert(key, state);
            }
        }
    }

    /// Storage has answered after all, when jobs were long begun without it.
    fn restore_late(self: &Rc<Self>, kept: JsValue) {
        let entries = kept
            .dyn_into::<Array>()
            .map_or_else(|_| Vec::new(), |kept| kept.to_vec());
        let stored = |entry: &JsValue| wire::stored(entry, &mut self.texts.borrow_mut());
        let jobs = entries.iter().filter_map(stored).into_list();
        let uploads = entries.iter().filter_map(wire::uploads).flatten();
        let uploads = uploads.into_list();
        self.handle(Event::File(FileEvent::Uploads(uploads)));
        self.handle(Event::RestoredLate(jobs));
    }

    pub(super) fn store(&self, write: Write) {
        let scheduler = self.scheduler.borrow();
        let (name, value) = match write {
            Write::Registration(registration) => wire::write_registration(&registration),
            Write::Uploads(ticket, records) => wire::write_uploads(&ticket, &records),
            Write::Delete(name) => {
                self.write(format!("outcome {name}"), JsValue::UNDEFINED);
                (format!("job {name}"), JsValue::UNDEFINED)
            }
            Write::Job(key) | Write::Outcome(key) => {
                let Some(job) = scheduler.table().get(key) else {
                    return;
                };
                let Some((stage, _)) = scheduler.stage_of(job) else {
                    return;
                };
                let state = self.states.borrow().get(key).cloned().unwrap_or_default();
                wire::write_job(job, stage, &self.texts.borrow(), &state)
            }
        };
        self.write(name, value);
    }

    fn write(&self, name: String, value: JsValue) {
        let entry = array([name.into(), value].into_iter());
        self.writes.borrow().push(&entry);
    }

    /// Hands over what is to be written, all at once. Nobody waits for it.
    pub(super) fn flush(&self) {
        if self.writes.borrow().length() == 0 {
            return;
        }
        let writes = self.writes.take();
        // It resolves to whether it worked; what did not is still here, and delivered from here.
        let _ = write_entries(&self.site, &writes);
        let scheduler = self.scheduler.borrow();
        let mut states = self.states.borrow_mut();
        states.retain(|key| scheduler.table().get(key).is_some());
    }
}

/// Another version of this package, or another script of this origin, has stored something else.
fn warn_of(unreadable: u32) {
    if unreadable > 0 {
        let count = unreadable.to_string();
        let what = " of the records that this browser keeps for the tracker cannot be read and are passed \
             over. forget() deletes all of them.";
        warn(&["distcompute: ", &count, what].concat());
    }
}
