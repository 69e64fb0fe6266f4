//! The sample project's kernel: computes one tile of a poster of the Mandelbrot set.
//!
//! Pure arithmetic, the same to the last bit in a browser and in a native build, so that results of
//! different volunteers can be compared. No I/O: `bin/poster.rs` reads and writes files, `www/`
//! communicates with the tracker.

mod escape;
mod palette;
mod poster;
#[cfg(target_family = "wasm")]
mod simd;
#[cfg(target_family = "wasm")]
mod wasm;

pub use escape::{INSIDE, MAX_ITERATIONS, escape_time, escape_times};
pub use palette::{Palette, Rgb};
pub use poster::{Frame, ParameterError, Poster, Tile};
