//! The tracker of a volunteer-computing project: its job list, its pages, its command line.
//!
//! `rules` and `ledger` decide, `store` keeps, `routes` speaks HTTP, `listen` holds the connections;
//! `serve`, `import`, `export`, `backup`, `prune`, `requeue`, `resume`, `workers`, `bans` and `audit` are
//! the commands. A library, so that tests and
//! simulations can use each part; `main.rs` only starts it.

pub mod address_limits;
pub mod admin;
pub mod app;
pub mod audit;
pub mod backup;
pub mod bans;
pub mod base_path;
pub mod bodies;
pub mod cli;
pub mod client_address;
pub mod clock;
pub mod compression;
pub mod config;
pub mod confirm;
pub mod database;
pub mod error;
pub mod export;
pub mod glance;
pub mod import;
pub mod ledger;
pub mod limited_log;
pub mod list;
pub mod listen;
pub mod metrics;
pub mod openapi;
pub mod prune;
pub mod random;
pub mod request;
pub mod request_id;
pub mod requeue;
pub mod resume;
pub mod routes;
pub mod rules;
pub mod serve;
pub mod store;
pub mod turns;
pub mod unread;
pub mod workers;
