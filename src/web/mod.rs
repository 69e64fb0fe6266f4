//! The shell: `fetch`, timers, and what JavaScript sees. Each function here takes a value apart,
//! calls the rules once, and puts the result together again; it decides nothing.
//!
//! | module | holds |
//! | --- | --- |
//! | [`browser`] | `fetch` and the console, which a page may have replaced |
//! | [`client`] | `init`, `load` and the class `Client` |
//! | [`compute`] | the compute worker |
//! | [`error`] | faults as real JavaScript errors |
//! | [`face`] | the bridge to `face.js`, and the doors by which JavaScript reaches what is here |
//! | [`hub`] | the hub worker |
//! | [`http`] | one exchange over `fetch` |
//! | [`json`] | JavaScript values as wire types and back |
//! | [`message`] | the messages between the hub and a compute worker, as JavaScript objects |
//! | [`object`] | plain objects, made and read field by field |
//! | [`options`] | reading the arguments that JavaScript gave |
//! | [`reader`] | JavaScript objects as structs |
//! | [`settings`] | what volunteer and owner ask for, read and written |
//! | [`signals`] | out-of-band signals to a worker whose event loop is blocked |
//! | [`status`] | the status, written |
//! | [`turn`] | one call at a time |
//! | [`volunteer`] | what stands behind the class `Volunteer` |
//! | [`wire`] | what the rules say as requests and stored things, and back |
//! | [`work`] | `work`, which makes a worker a hub or a compute worker |
//! | `face.js` | the error classes, and the answer to a call before the wasm is loaded or after `free()` |
//! | `work.js`, `compute.js`, `signals.js` | the worker's own thread: what the owner has written is called there |
//! | `volunteer.js` | the class `Volunteer`, and what it calls of the browser |
//! | `storage.js` | what a browser keeps between visits |
//! | `shell.js` | all these scripts in one, made by `npm run shell` |

mod browser;
pub mod client;
pub mod compute;
mod error;
mod face;
mod http;
mod hub;
mod json;
mod message;
mod object;
mod options;
mod reader;
mod settings;
pub mod signals;
mod status;
mod turn;
pub mod volunteer;
mod wire;
pub mod work;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
