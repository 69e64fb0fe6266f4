//! What a compute worker asks: its core's account, and what the owner's values are on the wire.
//! `compute.js` calls the handler, which may throw or call back.

use super::face::now;
use super::{error, json};
use crate::engine::duty::{Duty, FULL, STOP, Stops};
use distcompute_protocol::JSON_MARK;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/shell.js")]
extern "C" {
    /// A compute worker at work.
    pub type Core;

    #[wasm_bindgen(constructor)]
    fn new(parts: &JsValue, port: &JsValue, rules: Rules) -> Core;

    /// Another hub is at `port`.
    #[wasm_bindgen(method, structural)]
    pub fn meet(this: &Core, port: &JsValue);
}

/// Becomes a compute worker with the owner's `{ owner?, setup?, handler }`, whose hub is at `port`.
#[must_use]
pub fn start(parts: &JsValue, port: &JsValue) -> Core {
    let rules = Rules {
        duty: Duty::new(now(), FULL),
        stops: Stops::default(),
    };
    Core::new(parts, port, rules)
}

/// The rules as `compute.js` sees them.
#[wasm_bindgen(private, skip_typescript)]
struct Rules {
    duty: Duty,
    stops: Stops,
}

#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes nothing else")]
impl Rules {
    /// How long to wait before the next job; `undefined`: not at all.
    pub fn wait(&mut self, now: f64, has_jobs: bool) -> Option<f64> {
        self.duty.wait(now, has_jobs)
    }

    /// A job of this stage begins. Whether what there is to say must be said before.
    pub fn begin(&mut self, now: f64, stage: char) -> bool {
        self.duty.begin_job(now, stage)
    }

    /// It has ended. How long it was worked at.
    pub fn end(&mut self, now: f64) -> f64 {
        self.duty.end_job(now)
    }

    pub fn poll(&mut self, now: f64) -> bool {
        self.duty.poll(now)
    }

    pub fn show(&mut self, now: f64) -> bool {
        self.duty.show(now)
    }

    pub fn flush(&self, now: f64) -> bool {
        self.duty.flush(now)
    }

    #[wasm_bindgen(js_name = flushIn)]
    pub fn flush_in(&self, now: f64) -> f64 {
        self.duty.flush_in(now)
    }

    pub fn sent(&mut self, now: f64) {
        self.duty.sent(now);
    }

    pub fn nap(&mut self, now: f64) -> f64 {
        self.duty.nap(now)
    }

    pub fn rest(&mut self, now: f64) {
        self.duty.rest(now);
    }

    pub fn work(&mut self, now: f64) {
        self.duty.work(now);
    }

    #[wasm_bindgen(js_name = nextLook)]
    pub fn next_look(&self, unsaid: bool) -> f64 {
        self.duty.next_look(unsaid)
    }

    #[wasm_bindgen(getter, js_name = isPaused)]
    pub fn is_paused(&self) -> bool {
        self.duty.is_paused()
    }

    /// The hub says a level, or by its tower stop. Whether the job that runs must stop.
    pub fn heard(&mut self, now: f64, said: u8) -> bool {
        if said == STOP {
            return self.stops.by_tower();
        }
        self.duty.set_level(now, said);
        false
    }

    /// The hub says stop by a message too.
    #[wasm_bindgen(js_name = heardStop)]
    pub fn heard_stop(&mut self) {
        self.stops.by_message();
    }

    /// Nothing of what was said in the former tower will be heard there.
    #[wasm_bindgen(js_name = newTower)]
    pub fn new_tower(&mut self) {
        self.stops = Stops::default();
    }

    /// What a job's data begins with that is JSON.
    #[wasm_bindgen(getter)]
    pub fn mark(&self) -> String {
        JSON_MARK.to_owned()
    }

    /// An output as the wire has it.
    pub fn output(&self, output: &JsValue) -> Result<String, JsValue> {
        json::output(output).map_err(|fault| error::to_js(&fault))
    }

    /// What a thrown value says of itself.
    pub fn says(&self, thrown: &JsValue) -> String {
        json::says(thrown)
    }
}
