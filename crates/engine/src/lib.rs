//! The rules of the client: what a page, its hub worker and its compute workers do, and when.
//!
//! Everything here is plain Rust without I/O, clock or randomness. A machine takes an event together
//! with the time at which it happened, and returns the actions that follow from it. The package in
//! `src/` delivers events from the browser and carries out the actions; `crates/sim` does the same in
//! virtual time, and the tests here do it by hand.
//!
//! | module | contents |
//! | --- | --- |
//! | [`time`] | the two clocks of a browser, and deadlines that survive changes of either |
//! | [`client`] | one call of the protocol: addresses, requests, answers, retries; the session behind `Client` |
//! | [`page`] | the supervisor of a page's workers, and which of a browser's tabs computes |
//! | [`hub`] | the scheduler: jobs, compute workers, and the tracker's protocol for each stage |
//! | [`core`] | a compute worker: its loop, its throttle cycle, and how a job ends |
//! | [`message`] | the messages between the hub and a compute worker |
//! | [`settings`] | what the volunteer and the project's owner have asked for |
//! | [`status`] | what a page shows of it all |
//! | [`reason`] | why a browser computes or does not, as a code with parameters |
//! | [`fault`] | everything that can go wrong, with its name and stable code |
//! | [`nearest`] | which name was meant by a misspelt one |
//! | [`names`] | a set of names |
//! | [`sorted_map`] | values by number |

pub mod client;
pub mod core;
pub mod fault;
pub mod hub;
pub mod message;
pub mod names;
pub mod nearest;
pub mod page;
pub mod reason;
pub mod settings;
pub mod sorted_map;
pub mod status;
pub mod time;
