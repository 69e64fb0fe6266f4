//! JavaScript bindings of the kernel: conversions and errors only.

use crate::poster::{Poster, Tile};
use js_sys::{Uint8Array, Uint16Array};
use wasm_bindgen::prelude::*;

/// The whole poster, created from its parameter file.
#[wasm_bindgen(js_name = Poster)]
#[derive(Debug)]
pub struct JsPoster(Poster);

#[wasm_bindgen(js_class = Poster)]
impl JsPoster {
    /// `parameters` is the parsed parameter file. Throws an `Error` that names what is invalid in
    /// it.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "object")] parameters: JsValue,
    ) -> Result<JsPoster, JsValue> {
        let poster: Poster = serde_wasm_bindgen::from_value(parameters)?;
        poster.check().map_err(JsError::from)?;
        Ok(Self(poster))
    }

    /// The number of tiles.
    #[wasm_bindgen(getter)]
    pub fn tiles(&self) -> u32 {
        self.0.tiles()
    }

    /// Tile `index`, from 0. Throws an `Error` if there is no such tile.
    pub fn tile(&self, index: u32) -> Result<JsTile, JsError> {
        Ok(JsTile(self.0.tile(index)?))
    }

    /// Red, green and blue of each pixel of tile `index`, row by row, computed from the escape
    /// times of its samples. Throws an `Error` if `times` does not have one entry per sample.
    pub fn colour(&self, index: u32, times: &[u16]) -> Result<Uint8Array, JsError> {
        let pixels = self.0.colour(index, times)?;
        Ok(Uint8Array::from(pixels.as_flattened()))
    }
}

/// One tile, which is computed in one job.
#[wasm_bindgen(js_name = Tile)]
#[derive(Debug)]
pub struct JsTile(Tile);

#[wasm_bindgen(js_class = Tile)]
impl JsTile {
    /// `job` is the data of a job of the first stage. Throws an `Error` that says what is invalid
    /// in it.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "unknown")] job: JsValue,
    ) -> Result<JsTile, JsValue> {
        let tile: Tile = serde_wasm_bindgen::from_value(job)?;
        tile.check().map_err(JsError::from)?;
        Ok(Self(tile))
    }

    /// The index of the tile, from 0.
    #[wasm_bindgen(getter)]
    pub fn index(&self) -> u32 {
        self.0.tile
    }

    /// The width in samples.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u32 {
        self.0.width
    }

    /// The height in samples.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// The escape times of one row of samples. Throws a `RangeError` if there is no such row.
    pub fn row(&self, row: u32) -> Result<Uint16Array, js_sys::RangeError> {
        if row >= self.0.height {
            return Err(js_sys::RangeError::new("the tile has no such row"));
        }
        Ok(Uint16Array::from(&self.0.row(row)[..]))
    }

    /// The escape time of one sample, numbered row by row. Throws a `RangeError` if there is none.
    pub fn sample(&self, index: u32) -> Result<u16, js_sys::RangeError> {
        if index as usize >= self.0.samples() {
            return Err(js_sys::RangeError::new("the tile has no such sample"));
        }
        Ok(self.0.sample(index))
    }
}
