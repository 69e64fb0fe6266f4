//! The texts of jobs and results, which stay in JavaScript: the engine knows them by number and size.

use distcompute_engine::hub::jobs::Text;
use distcompute_engine::sorted_map::SortedMap;
use js_sys::JsString;
use wasm_bindgen::prelude::*;

/// The texts of the jobs that a hub holds.
#[derive(Default)]
pub(super) struct Texts {
    all: SortedMap<JsString>,
    last: u32,
}

impl Texts {
    /// Keeps a text until [`forget`](Self::forget).
    pub(super) fn keep(&mut self, text: JsString) -> Text {
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        // In a request some characters take two bytes, such as quotes. If that is too little, the tracker refuses
        // the request, and less is sent.
        let bytes = text.length().saturating_mul(2);
        self.all.insert(id, text);
        Text { id, bytes }
    }

    /// A text as a JavaScript value; `null` if it is unknown.
    pub(super) fn get(&self, text: Text) -> JsValue {
        self.text(text).map_or(JsValue::NULL, Into::into)
    }

    /// A text, if it is known.
    pub(super) fn text(&self, text: Text) -> Option<JsString> {
        self.all.get(text.id).cloned()
    }

    /// Lets go of a text.
    pub(super) fn forget(&mut self, text: Text) {
        self.all.remove(text.id);
    }
}
