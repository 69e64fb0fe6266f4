//! Turns a web page into a node of a volunteer-computing project.
//!
//! The rules of the job protocol's client side are plain Rust: no I/O, no clock, no randomness of
//! their own. What happened goes in with its time, what to do next comes out, so they are tested
//! natively. `web`, which exists in WebAssembly only, is the thin shell around them: `fetch`,
//! timers and the classes and functions that JavaScript sees.
//!
//! | module | holds |
//! | --- | --- |
//! | [`address`] | where a tracker is: checking and joining its URL |
//! | [`call`] | the calls: what each sends, and what each answer means |
//! | [`exchange`] | one call from its first attempt to its end: retries, backoff, time limits |
//! | [`fault`] | everything that can go wrong, with its name and stable code |
//! | [`nearest`] | which name was meant by a misspelt one |
//! | [`probe`] | why a call failed below HTTP |
//! | [`session`] | one registered worker and the job that it holds; saving and restoring it |
//! | [`stack`] | what an error's stack says besides its name and message |

pub mod address;
pub mod call;
pub mod engine;
pub mod exchange;
pub mod fault;
pub mod nearest;
pub mod probe;
pub mod session;
pub mod stack;

#[cfg(target_family = "wasm")]
pub mod web;
