//! The tracker of a volunteer-computing project: its job list, its pages, its command line.
//!
//! `main.rs` starts a command. Each module uses only modules that stand below it here:
//!
//! - `commands`: the command line, one file a command; what is read and said at a terminal.
//! - `serve`: the `serve` command at work: connections, periodic sweeps, the orderly stop.
//! - `http`: the router, the handlers of the API, the pages.
//! - `state`: what handlers share; and `operations`: what an operator can do, by command or by call.
//! - `admission`: who a caller is, and how much one may ask for at a time.
//! - `config`: the settings of `serve`; `database_url`: which store an address names.
//! - `store`: what is kept, in SQLite or PostgreSQL.
//! - `ledger`, `rules`: what happens to jobs, leases and workers, without I/O.
//!
//! It is a library so that tests and simulations can use each part.

pub mod admission;
pub mod clock;
pub mod commands;
pub mod config;
pub mod database_url;
pub mod error;
pub mod http;
pub mod ledger;
pub mod limited_log;
pub mod metrics;
pub mod operations;
pub mod random;
pub mod response_cache;
pub mod rules;
pub mod serve;
pub mod state;
pub mod store;
