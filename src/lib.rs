//! Turns a web page into a node of a volunteer-computing project.
//!
//! The rules are in `distcompute-engine`. This package is the driver around them, for WebAssembly only:
//! `fetch`, timers, workers, storage, and the classes and functions that JavaScript sees.

#[cfg(target_family = "wasm")]
pub mod web;
