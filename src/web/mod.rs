//! The shell: `fetch`, timers, and what JavaScript sees. Each function here takes a value apart,
//! calls the rules once, and puts the result together again; it decides nothing.
//!
//! | module | holds |
//! | --- | --- |
//! | [`client`] | `init`, `load` and the class `Client` |
//! | [`compute`] | what a compute worker asks of the rules |
//! | [`error`] | faults as real JavaScript errors |
//! | [`face`] | the bridge to `face.js` |
//! | [`hub`] | the hub worker |
//! | [`http`] | one exchange over `fetch` |
//! | [`json`] | JavaScript values as wire types and back |
//! | [`options`] | reading the arguments that JavaScript gave |
//! | [`tower`] | what the hub says to a busy worker |
//! | [`turn`] | one call at a time |
//! | [`work`] | `work`, which makes a worker a hub or a compute worker |
//! | `face.js` | the error classes, and the answer to a call before the wasm is loaded |
//! | `work.js`, `compute.js`, `tower.js` | the worker's own thread: what the owner has written is called there |

pub mod client;
pub mod compute;
mod error;
mod face;
mod http;
mod hub;
mod json;
mod options;
pub mod tower;
mod turn;
pub mod work;
