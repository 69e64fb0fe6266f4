//! The rules of the client: what a page, its hub worker and its compute workers do, and when.
//!
//! This is plain Rust without I/O, clocks or randomness. The package in `src/` drives it in browsers,
//! `crates/sim` drives it in virtual time, and the tests here by hand.
//!
//! # The machines
//!
//! A page that volunteers runs one hub worker and one compute worker per core. Each of them, and each call
//! of a `Client`, is a state machine with the same interface: `handle` takes an event, and a context with the
//! time at which it happened and a random number. It puts into that context the actions that follow.
//! `next_timeout` says when the machine wants a `Tick` if nothing else happens before. A driver delivers
//! events and carries out actions, and makes no decision.
//!
//! | machine | state | events and actions |
//! | --- | --- | --- |
//! | page | [`page::supervisor::Supervisor`] | [`page::event`] |
//! | hub | [`hub::Scheduler`] | [`hub::event`], [`hub::action`] |
//! | compute worker | [`core::worker::Worker`] | [`core::worker::Event`], [`core::worker::Action`] |
//! | call | [`client::exchange::Exchange`] | [`client::exchange::Event`], [`client::exchange::Action`] |
//!
//! # Where to begin
//!
//! 1. [`hub::jobs`]: what a job is in a browser, from its grant to the delivery of its outcome.
//! 2. [`hub`]: the scheduler, which shares jobs out and has a [session](hub::session) for each stage ask the
//!    tracker for more.
//! 3. [`core::worker`]: the loop of a compute worker; [`message`] has what it and the hub send each other.
//! 4. [`page::supervisor`]: which workers are started and replaced, and which of a browser's tabs computes.
//! 5. [`client`]: a single call of the protocol; the hub's sessions use its [rules](client::call) as well.
//! 6. [`time`]: the two clocks of a browser, which all of them read.
//!
//! # Modules
//!
//! A module imports only from modules below it.
//!
//! | module | contents |
//! | --- | --- |
//! | [`page`] | the supervisor of a page's workers, and which of a browser's tabs computes |
//! | [`core`] | a compute worker: its loop, its throttle cycle, and how a job ends |
//! | [`message`] | the messages between the hub and a compute worker |
//! | [`hub`] | the scheduler: jobs, compute workers, and the tracker's protocol for each stage |
//! | [`client`] | one call of the protocol: addresses, requests, answers, retries; the session behind `Client` |
//! | [`status`] | what a page shows of it all |
//! | [`settings`] | what the volunteer and the project's owner have asked for |
//! | [`reason`] | why a browser computes or does not, as a code with parameters |
//! | [`nearest`] | which name was meant by a misspelt one |
//! | [`fault`] | everything that can go wrong, with its name and stable code |
//! | [`time`] | the two clocks of a browser, and deadlines that survive changes of either |
//! | [`names`] | a set of names |
//! | [`sorted_map`] | values by number |
//! | [`list`] | iterators as lists |

pub mod client;
pub mod core;
pub mod fault;
pub mod hub;
pub mod list;
pub mod message;
pub mod names;
pub mod nearest;
pub mod page;
pub mod reason;
pub mod settings;
pub mod sorted_map;
pub mod status;
pub mod time;
