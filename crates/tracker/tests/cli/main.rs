//! The program as scripts and operators use it: its commands, its output, its exit codes.

mod backups;
mod configuration;
mod connection;
mod copies;
mod files;
mod import;
mod job_files;
mod lifecycle;
mod operating;
#[path = "../process/mod.rs"]
mod process;
mod program;
