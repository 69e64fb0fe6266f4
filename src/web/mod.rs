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
//! | [`object`] | plain objects, made and read field by field |
//! | [`options`] | reading the arguments that JavaScript gave |
//! | [`settings`] | what volunteer and owner ask for, read and written |
//! | [`status`] | the status, written |
//! | [`turn`] | one call at a time |
//! | [`volunteer`] | what stands behind the class `Volunteer` |
//! | `face.js` | the error classes, and the answer to a call before the wasm is loaded |
//! | `volunteer.js` | the class `Volunteer`, and what it calls of the browser |
//! | `storage.js` | what a browser keeps between visits |

pub mod client;
mod error;
mod face;
mod http;
mod json;
mod object;
mod options;
mod settings;
mod status;
mod turn;
pub mod volunteer;
