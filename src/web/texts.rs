//! The texts of jobs and results, which stay in JavaScript: the engine knows them by number and size.

use distcompute_engine::client::address::Address;
use distcompute_engine::hub::file::Reference;
use distcompute_engine::hub::jobs::Text;
use distcompute_engine::list::IntoList;
use distcompute_engine::sorted_map::SortedMap;
use distcompute_protocol::JSON_MARK;
use js_sys::{Array, JsString};
use wasm_bindgen::prelude::*;

/// The texts of the jobs that a hub holds.
#[derive(Default)]
pub(super) struct Texts {
    all: SortedMap<JsString>,
    last: u32,
    /// The texts that have come and were not searched for the names of files yet.
    fresh: Vec<u32>,
}

#[wasm_bindgen(module = "/src/web/output.js")]
extern "C" {
    #[wasm_bindgen(js_name = filesIn)]
    fn files_in(mark: &str, text: &JsString, base: &str) -> Array;
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
        self.fresh.push(id);
        Text { id, bytes }
    }

    /// The files that texts name which have come since this was called last.
    pub(super) fn take_named(&mut self, tracker: &Address) -> Vec<(u32, Vec<Reference>)> {
        let mut named = Vec::new();
        // Addresses may be relative to it as to a folder.
        let base = tracker.join("/");
        for id in core::mem::take(&mut self.fresh) {
            let Some(text) = self.all.get(id) else {
                continue;
            };
            let found = files_in(JSON_MARK, text, &base);
            if found.length() > 0 {
                let refs = found.iter().filter_map(|of| {
                    let of: Array = of.dyn_into().ok()?;
                    Some(Reference {
                        name: of.get(0).as_string()?,
                        bytes: of.get(1).as_f64()?,
                        url: of.get(2).as_string()?,
                    })
                });
                named.push((id, refs.into_list()));
            }
        }
        named
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
