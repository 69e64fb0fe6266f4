//! The calls of the API and the files that are served: one file a subject, each beginning with its router.
//! Handlers read the request, call the store or an operation once, and write the answer; they hold no rule
//! of their own.

pub mod bans;
pub mod client;
pub mod files;
pub mod health;
pub mod jobs;
pub mod project;
pub mod requeue;
pub mod results;
pub mod resume;
pub mod sync;
pub mod volunteer;
pub mod workers;
