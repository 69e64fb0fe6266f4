//! Out-of-band signals to a worker whose event loop is blocked, so that no message reaches it: blob
//! URLs, which the hub revokes and the worker tries to read. This is the hub's end; the worker's is in
//! `worker.js`.
//!
//! A slot is five URLs: one that says that the slot was used, and four bits that say for what. Each
//! signal takes the next slot.

use distcompute_engine::core::throttle::{STOP, worth_signalling};
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/worker.js")]
extern "C" {
    #[wasm_bindgen(js_name = makeSlots)]
    fn make_slots(count: u32) -> Array;

    fn revoke(url: &JsValue);
}

/// How many signals a worker can be sent before it is idle again.
const SLOTS: usize = 16;

/// The hub's end, one for each compute worker.
pub struct Signals {
    /// Each an array of URLs.
    unused: Vec<JsValue>,
    /// The intensity that the worker was told last, by a signal or a message.
    intensity: u8,
}

impl Signals {
    /// For a worker that has been told `intensity` by a message.
    #[must_use]
    pub fn new(intensity: u8) -> Self {
        Self {
            unused: Vec::new(),
            intensity,
        }
    }

    /// The slots to send to the worker when it is idle; `None` where it has enough of them.
    pub fn top_up(&mut self) -> Option<Vec<JsValue>> {
        let missing = SLOTS - self.unused.len();
        if missing == 0 {
            return None;
        }
        self.unused.append(&mut make_slots(missing as u32).to_vec());
        Some(self.unused.clone())
    }

    /// Signals an intensity, or `STOP`. Whether it did: if not, because there are too few slots left or
    /// it is nothing new, the message that goes with it must do.
    pub fn send(&mut self, signal: u8) -> bool {
        let worth_it = worth_signalling(self.unused.len(), self.intensity, signal);
        if signal != STOP {
            self.intensity = signal;
        }
        if !worth_it {
            return false;
        }
        let slot: Array = self.unused.remove(0).unchecked_into();
        for bit in 0..4 {
            if signal >> bit & 1 == 1 {
                revoke(&slot.get(bit + 1));
            }
        }
        revoke(&slot.get(0));
        true
    }
}

impl Drop for Signals {
    /// Revokes all that is left, which tells the worker that its hub is gone.
    fn drop(&mut self) {
        for slot in &self.unused {
            let slot: &Array = slot.unchecked_ref();
            for url in slot.iter().rev() {
                revoke(&url);
            }
        }
    }
}
