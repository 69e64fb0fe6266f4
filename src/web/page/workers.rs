//! The workers of a page: they are started, listened to, and sent messages.

use super::{Page, Source};
use crate::web::dom::{call, construct, when_settled};
use crate::web::json::{kind_of, says};
use crate::web::object::{Made, array, field, list, object};
use crate::web::page_message::{self, FromWorker};
use crate::web::settings::write_settings;
use distcompute_engine::page::event::{Event, HubMessage, Id};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/bindings.js")]
extern "C" {
    /// The compiled package, where it is known.
    #[wasm_bindgen(js_name = compiledWasm)]
    fn compiled_wasm() -> JsValue;
}

impl Page {
    pub(super) fn spawn(self: &Rc<Self>, id: Id) {
        let thrown = match self.spawn.call0(&JsValue::UNDEFINED) {
            Ok(worker) => match self.watch(id, &worker) {
                Ok(true) => {
                    self.workers.borrow_mut().insert(id, worker);
                    return;
                }
                Ok(false) => {
                    self.handle(Event::NotAWorker(kind_of(&worker)));
                    return;
                }
                Err(thrown) => {
                    let _ = call(&worker, "terminate", &[]);
                    thrown
                }
            },
            Err(thrown) => thrown,
        };
        let message = ["spawn threw: ", &says(&thrown)].concat();
        self.handle(Event::WorkerDied(id, message));
    }

    /// Listens to a worker. Whether it is one.
    fn watch(self: &Rc<Self>, id: Id, worker: &JsValue) -> Result<bool, JsValue> {
        if !worker.is_object() || !js_sys::Reflect::get(worker, &"terminate".into())?.is_function()
        {
            return Ok(false);
        }
        self.on(worker, "message", Source::Message(id))?;
        self.on(worker, "error", Source::Error(id))?;
        self.on(worker, "messageerror", Source::MessageError(id))?;
        Ok(true)
    }

    pub(super) fn receive(self: &Rc<Self>, id: Id, message: FromWorker) {
        let is_hub = self.supervisor.borrow().hub() == Some(id);
        let message = match message {
            FromWorker::Ready => return self.handle(Event::WorkerReady(id)),
            FromWorker::Failed(why) => return self.handle(Event::WorkerDied(id, why)),
            _ if !is_hub => return,
            FromWorker::Farewell(requests) => {
                self.farewell.set(requests);
                return;
            }
            FromWorker::Status(status) => {
                if status.is_object() && self.display.set_hub_status(status.clone()) {
                    self.counted.set(status);
                }
                HubMessage::Status
            }
            FromWorker::Fatal(error) => {
                self.display.set_fatal(error);
                HubMessage::Fatal
            }
            FromWorker::Hub(message) => message,
        };
        self.handle(Event::FromHub(id, message));
    }

    /// Sends a message to a worker, with the port that it contains.
    pub(super) fn send(&self, id: Id, message: Made, port: Option<&JsValue>) {
        let worker = self.workers.borrow().get(id).cloned();
        if let Some(worker) = worker {
            let ports = array(port.into_iter().cloned());
            let _ = call(&worker, "postMessage", &[&message.done(), &ports]);
        }
    }

    pub(super) fn make_hub(&self, id: Id) {
        let settings = *self.supervisor.borrow().settings();
        let cores = {
            let cores = self.cores.borrow();
            array(cores.values().map(|core| JsValue::from(*core)))
        };
        let before = field(&self.display.hub_status(), "cores").unwrap_or_default();
        let surroundings = page_message::write_surroundings(&self.read_surroundings());
        let setup = object()
            .with("url", &self.url)
            .with("stages", &self.stages)
            .with("nickname", &*self.nickname.borrow())
            .with("joinKey", self.join_key.as_deref())
            .with("limits", &self.limits)
            .with("instance", &*self.instance.borrow())
            .with("settings", &write_settings(&settings))
            .with("surroundings", surroundings)
            .with("cores", &cores)
            .with("before", &before)
            .with("counted", &self.counted.get());
        let message = page_message::write_hub(&compiled_wasm(), setup);
        self.send(id, message, None);
    }

    /// Opens a channel between the hub and a compute worker.
    pub(super) fn connect(&self, hub: Id, worker: Id, core: u32) {
        let Ok(channel) = construct("MessageChannel", &[]) else {
            return;
        };
        let port = |name| field(&channel, name).unwrap_or_default();
        let (one, other) = (port("port1"), port("port2"));
        self.cores.borrow_mut().insert(worker, core);
        let message = page_message::write_compute(&compiled_wasm(), core, &one);
        self.send(worker, message, Some(&one));
        let message = page_message::write_core(core, &other);
        self.send(hub, message, Some(&other));
    }

    /// Sends the requests for the end of the page. Those of a page outlive it; those of a worker often do not.
    pub(super) fn send_farewell(&self) {
        let requests = object().with("requests", &self.farewell.get()).done();
        for request in list(&requests, "requests") {
            let member = |name| field(&request, name).unwrap_or_default();
            let headers = object().with("content-type", "application/json");
            let options = object()
                .with("method", "POST")
                .with("keepalive", true)
                // A redirect could lead the token elsewhere.
                .with("redirect", "error")
                .with("headers", headers)
                .with("body", &member("body"))
                .done();
            let sent = call(&js_sys::global(), "fetch", &[&member("url"), &options]);
            if let Ok(sent) = sent {
                // A rejection that nobody handles would be reported.
                when_settled(sent, Box::new(drop));
            }
        }
    }
}
