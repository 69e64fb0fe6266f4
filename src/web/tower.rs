//! What a worker hears that is so busy that no message reaches it: blob URLs, which the hub revokes
//! and the worker tries to read. The hub's end; the worker's is in `tower.js`.
//!
//! An epoch is five URLs: one that says that something was said, and four bits that say what. Each
//! thing said takes the next epoch.

use distcompute_engine::core::throttle::{STOP, worth_signalling};
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/shell.js")]
extern "C" {
    #[wasm_bindgen(js_name = makeEpochs)]
    fn make_epochs(count: u32) -> Array;

    fn revoke(url: &JsValue);
}

/// How many things can be said to a worker before it is idle again.
const EPOCHS: u32 = 16;

/// The hub's end, one for each compute worker.
pub struct Tower {
    unsaid: Array,
    /// The level that was last said, here or by message.
    level: u8,
}

impl Tower {
    /// A tower for a worker that has been told `level` by message.
    #[must_use]
    pub fn new(level: u8) -> Self {
        Self {
            unsaid: Array::new(),
            level,
        }
    }

    /// What to post to the worker as `epochs` of a `tower` message when it is idle; `None` where
    /// it has enough of them.
    pub fn top_up(&mut self) -> Option<Array> {
        let missing = EPOCHS - self.unsaid.length();
        if missing == 0 {
            return None;
        }
        self.unsaid = self.unsaid.concat(&make_epochs(missing));
        Some(self.unsaid.clone())
    }

    /// Says a level, or `STOP`. Whether it was said: if not, because there are too few epochs left
    /// or it is nothing new, the message that goes with it must do.
    pub fn say(&mut self, said: u8) -> bool {
        let worth_it = worth_signalling(self.unsaid.length() as usize, self.level, said);
        if said != STOP {
            self.level = said;
        }
        if !worth_it {
            return false;
        }
        let epoch = Array::from(&self.unsaid.shift());
        for bit in 0..4 {
            if said >> bit & 1 == 1 {
                revoke(&epoch.get(bit + 1));
            }
        }
        revoke(&epoch.get(0));
        true
    }
}

impl Drop for Tower {
    /// The worker, if it lives, hears that nobody is here.
    fn drop(&mut self) {
        for epoch in self.unsaid.iter() {
            for url in Array::from(&epoch).iter().rev() {
                revoke(&url);
            }
        }
    }
}
