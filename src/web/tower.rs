//! What a worker hears that is so busy that no message reaches it: blob URLs, which the hub revokes
//! and the worker tries to read. Both ends, and how a busy worker sleeps.
//!
//! An epoch is five URLs: one that says that something was said, and four bits that say what. Each
//! thing said takes the next epoch.

use crate::engine::duty::{STOP, worth_saying};
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/tower.js")]
extern "C" {
    #[wasm_bindgen(js_name = makeEpochs)]
    fn make_epochs(count: u32) -> Array;

    fn revoke(url: &JsValue);

    #[wasm_bindgen(js_name = isRevoked)]
    fn is_revoked(url: &JsValue) -> bool;

    /// Sleeps without giving the thread up. Whether that is possible here.
    pub(crate) fn nap(ms: f64) -> bool;
}

/// How many things can be said to a worker before it is idle again.
const EPOCHS: u32 = 16;

/// Everything revoked: whoever made the URLs is gone, or the page's security policy forbids them.
const ALL: u8 = 15;

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
        let worth_it = worth_saying(self.unsaid.length() as usize, self.level, said);
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

/// The compute worker's end.
#[derive(Default)]
pub(crate) struct Ear(Array);

impl Ear {
    /// Listens to these epochs from now on. What was said in others has come by message too.
    pub(crate) fn listen_to(&mut self, epochs: Array) {
        self.0 = epochs;
    }

    /// Whether there is anything to listen to.
    pub(crate) fn is_deaf(&self) -> bool {
        self.0.length() == 0
    }

    /// What was said since it was last asked, one after the other.
    pub(crate) fn next(&mut self) -> Option<u8> {
        if self.is_deaf() {
            return None;
        }
        let epoch = Array::from(&self.0.get(0));
        if !is_revoked(&epoch.get(0)) {
            return None;
        }
        let said = (0..4).fold(0, |said, bit| {
            said | u8::from(is_revoked(&epoch.get(bit + 1))) << bit
        });
        self.0.shift();
        if said == ALL {
            self.0 = Array::new();
            return None;
        }
        Some(said)
    }
}
