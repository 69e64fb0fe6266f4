//! The API handlers and the static files: one file per subject, each beginning with its router. A
//! handler parses the request, calls the store or an operation once, and builds the response; it
//! contains no rules of its own.

mod addressed;
pub mod aside;
pub mod bans;
pub mod client;
pub mod files;
pub mod health;
pub mod job_files;
pub mod jobs;
mod large;
pub mod links;
mod named_files;
pub mod pause;
pub mod project;
mod proofs;
pub mod receipts;
pub mod requeue;
pub mod results;
pub mod sync;
pub mod uploads;
pub mod volunteer;
pub mod workers;
