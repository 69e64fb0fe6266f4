//! The driver in the browser: delivers to the engine what happens, carries out the actions that follow, and is
//! what JavaScript sees. It decides nothing.
//!
//! | module | contents |
//! | --- | --- |
//! | [`client`] | `init`, `load` and the class `Client` |
//! | [`volunteer`] | the class `Volunteer` |
//! | [`page`] | the driver of a page: workers, other tabs, and what the page is told |
//! | [`tab_lock`] | the lock by which one tab of a browser computes |
//! | [`tabs`] | the messages between tabs |
//! | [`page_message`] | the messages between a page and its workers |
//! | [`events`] | the events of a volunteer |
//! | [`goals`] | the promises of `start` and `stop` |
//! | [`display`] | the status of a page, and its listeners |
//! | [`hub`] | the driver of the hub worker |
//! | [`compute`] | the driver of a compute worker |
//! | [`work`] | `work`, which makes a worker a hub or a compute worker; what runs when the wasm is loaded |
//! | [`message`], [`port`] | the messages between the hub and a compute worker, and their channel |
//! | [`signals`] | out-of-band signals to a worker whose event loop is blocked |
//! | [`http`] | one exchange over `fetch` |
//! | [`keys`] | the volunteer's key |
//! | [`turn`] | one call of a client at a time |
//! | [`texts`] | the texts of jobs and results, which stay in JavaScript |
//! | [`wire`] | requests, answers and stored records |
//! | [`options`], [`settings`] | reading the arguments that JavaScript gave |
//! | [`arguments`] | their members |
//! | [`status`] | the status as a JavaScript object |
//! | [`error`] | faults as JavaScript errors |
//! | [`browser`], [`dom`] | what of the browser a page may have replaced, called so that nothing unwinds |
//! | [`shared`] | a cell for what callbacks change |
//! | [`futures`] | running a future, and two futures of which the first one counts |
//! | [`json`], [`object`], [`reader`] | JavaScript values as Rust values and back |
//! | [`bindings`] | the functions and classes of `bindings.js` |
//!
//! The scripts in this folder are for what wasm-bindgen cannot express or would make slow. They are at most
//! four: the server of the wasm tests may hang where a browser requests more files at once.
//!
//! | script | contents |
//! | --- | --- |
//! | `bindings.js` | the error classes, and the answer to a call before the wasm is loaded or after `free()` |
//! | `worker.js` | a worker's thread, on which the owner's code runs |
//! | `output.js` | a handler's output as JSON |
//! | `storage.js` | what a browser keeps between visits |

mod arguments;
mod bindings;
mod browser;
pub mod client;
pub mod compute;
mod display;
mod dom;
mod error;
mod events;
mod futures;
mod goals;
mod http;
mod hub;
mod json;
mod keys;
mod message;
mod object;
mod options;
mod page;
mod page_message;
mod port;
mod reader;
mod settings;
mod shared;
pub mod signals;
mod status;
mod tab_lock;
mod tabs;
mod texts;
mod turn;
pub mod volunteer;
mod wire;
pub mod work;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
