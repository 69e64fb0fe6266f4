//! The tracker of a volunteer-computing project: the job list, the web pages and the command line.
//!
//! `main.rs` runs one of the commands. Each module depends only on modules listed below it:
//!
//! - `commands`: the command line, one file per command; terminal input and output.
//! - `serve`: the `serve` command at run time: connections, periodic sweeps, graceful shutdown.
//! - `http`: the router, the API handlers and the pages.
//! - `state`: the state that handlers share. `operations`: what an operator can do, from the
//!   command line or over HTTP.
//! - `admission`: identifies callers and limits how much each may ask for at a time.
//! - `config`: the settings of `serve`. `database_url`: selects the store that an address names.
//! - `files`: the bytes of files of jobs, in a folder or a cloud's object store.
//! - `store`: persistence, in SQLite or PostgreSQL.
//! - `ledger`, `rules`: what happens to jobs, leases and workers, without I/O.
//!
//! The tracker is a library so that tests and the simulation can use each part by itself.

pub mod admission;
pub mod clock;
pub mod commands;
pub mod config;
pub mod database_url;
pub mod error;
pub mod files;
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
