//! The hub worker.

use wasm_bindgen::prelude::*;

/// Becomes the hub, as the page's message says.
pub(crate) fn run(_setup: &JsValue) {}
