//! JavaScript bindings of the kernels: conversions and errors only.

#![expect(
    unreachable_pub,
    reason = "wasm-bindgen exports public items, and nothing else uses them"
)]

use crate::Extractor;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

/// Stage a: the lines of the pages in a piece of a web archive, and of the counts.
#[wasm_bindgen]
#[must_use]
pub fn extract(piece: &[u8]) -> Uint8Array {
    bytes(&crate::extract(piece))
}

/// Stage b: `lines` is the output of stage a. Throws an `Error` if it is not.
#[wasm_bindgen]
pub fn clean(lines: &[u8]) -> Result<Uint8Array, JsError> {
    Ok(bytes(&crate::clean(lines)?))
}

/// Stage c: `lines` is the output of stage b. Throws an `Error` if it is not.
#[wasm_bindgen]
pub fn identify(lines: &[u8]) -> Result<Uint8Array, JsError> {
    Ok(bytes(&crate::identify(lines)?))
}

/// Stage d: `lines` is the output of stage c. Throws an `Error` if it is not.
#[wasm_bindgen]
pub fn sign(lines: &[u8]) -> Result<Uint8Array, JsError> {
    Ok(bytes(&crate::sign(lines)?))
}

/// Stage e: `lines` is the output of stage d. Returns the shard's file. Throws an `Error` if it is
/// not.
#[wasm_bindgen]
pub fn pack(lines: &[u8]) -> Result<Uint8Array, JsError> {
    Ok(bytes(&crate::pack(lines)?.gzip))
}

/// Stage a for an archive that is read in parts.
#[wasm_bindgen(js_name = Extractor)]
#[derive(Debug, Default)]
pub struct JsExtractor(Extractor);

#[wasm_bindgen(js_class = Extractor)]
impl JsExtractor {
    /// At the start of an archive.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, and returns the lines of the pages that they complete.
    pub fn push(&mut self, part: &[u8]) -> Uint8Array {
        bytes(&self.0.push(part))
    }

    /// Takes the end of the archive, and returns the remaining lines.
    #[must_use]
    pub fn finish(self) -> Uint8Array {
        bytes(&self.0.finish())
    }
}

fn bytes(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}
