//! The shell: `fetch`, timers, and what JavaScript sees. Each function here takes a value apart,
//! calls the rules once, and puts the result together again; it decides nothing.
//!
//! | module | holds |
//! | --- | --- |
//! | [`client`] | `init`, `load` and the class `Client` |
//! | [`error`] | faults as real JavaScript errors |
//! | [`face`] | the bridge to `face.js` |
//! | [`http`] | one exchange over `fetch` |
//! | [`json`] | JavaScript values as wire types and back |
//! | [`options`] | reading the arguments that JavaScript gave |
//! | [`turn`] | one call at a time |
//! | `face.js` | the error classes, and the answer to a call before the wasm is loaded |

pub mod client;
mod error;
mod face;
mod http;
mod json;
mod options;
mod turn;
