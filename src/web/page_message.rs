//! The messages between a page and its workers, as JavaScript objects.

use super::object::{Made, field, object, small, text};
use super::settings::write_settings;
use distcompute_engine::hub::governor::Surroundings;
use distcompute_engine::page::event::{HubCommand, HubMessage};
use distcompute_engine::settings::Settings;
use wasm_bindgen::prelude::*;

/// A message from a worker. All but the first two are the hub's.
pub(crate) enum FromWorker {
    /// It has called `work()`.
    Ready,
    /// It cannot become what it should.
    Failed(String),
    /// The hub's status.
    Status(JsValue),
    /// The error with which the hub ends.
    Fatal(JsValue),
    /// The requests to send at the end of the page: an array of `{ url, body }`.
    Farewell(JsValue),
    /// All else.
    Hub(HubMessage),
}

/// Reads a message. `None`: it is none of these.
pub(crate) fn read_from_worker(message: &JsValue) -> Option<FromWorker> {
    let member = |name| field(message, name).unwrap_or_default();
    Some(match text(message, "t")?.as_str() {
        "ready" => FromWorker::Ready,
        "error" => FromWorker::Failed(text(message, "message").unwrap_or_default()),
        "status" => FromWorker::Status(member("status")),
        "fatal" => FromWorker::Fatal(member("error")),
        "farewell" => FromWorker::Farewell(member("requests")),
        "cores" => FromWorker::Hub(HubMessage::Cores(small(message, "want")?)),
        "replace" => FromWorker::Hub(HubMessage::Replace(small(message, "core")?)),
        "stopped" => FromWorker::Hub(HubMessage::Stopped),
        "renew" => FromWorker::Hub(HubMessage::Renew),
        _ => return None,
    })
}

/// A message to a worker. `dc` marks it as one of this package.
fn tagged(t: &str) -> Made {
    object().with("dc", 1_u32).with("t", t)
}

/// Makes a worker the hub. `wasm` is the compiled package.
pub(crate) fn write_hub(wasm: &JsValue, setup: Made) -> Made {
    tagged("hub").with("wasm", wasm).with("setup", setup)
}

/// Makes a worker a compute worker, or connects one to another hub.
pub(crate) fn write_compute(wasm: &JsValue, core: u32, port: &JsValue) -> Made {
    tagged("compute")
        .with("port", port)
        .with("core", core)
        .with("wasm", wasm)
}

/// Tells the hub of a compute worker.
pub(crate) fn write_core(core: u32, port: &JsValue) -> Made {
    tagged("core").with("port", port).with("core", core)
}

pub(crate) fn write_surroundings(surroundings: &Surroundings) -> Made {
    object()
        .with("hidden", surroundings.hidden)
        .with("onBattery", surroundings.on_battery)
        .with("utcOffsetMin", f64::from(surroundings.utc_offset_min))
}

/// Tells the hub that its surroundings have changed.
pub(crate) fn write_around(surroundings: &Surroundings) -> Made {
    tagged("surroundings").with("surroundings", write_surroundings(surroundings))
}

/// A command for the hub. That the settings have changed says which they are, and the nickname.
pub(crate) fn write_hub_command(command: &HubCommand, settings: &Settings, nickname: &str) -> Made {
    match command {
        HubCommand::CoreDied { core, message } => {
            tagged("died").with("core", *core).with("message", message)
        }
        HubCommand::Settings => tagged("settings")
            .with("settings", &write_settings(settings))
            .with("nickname", nickname),
        HubCommand::Pause { until } => tagged("pause").with("until", *until),
        HubCommand::Resume => tagged("resume"),
        HubCommand::Stop { finish } => tagged("stop").with("finish", *finish),
        HubCommand::Ping => tagged("ping"),
    }
}
