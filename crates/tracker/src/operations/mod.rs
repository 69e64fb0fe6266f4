//! The operator's operations on a project, by command or over HTTP. Parsing requests and presenting
//! the outcome is up to `commands` and `http`.

pub mod bans;
pub mod copy;
pub mod export;
pub mod import;
pub mod job_files;
pub mod pause;
pub mod prune;
pub mod requeue;
pub mod stages;
pub mod status;
pub mod trust;
pub mod turns;
pub mod workers;
