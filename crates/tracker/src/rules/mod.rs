//! The rules, free of I/O, clock and randomness: what a flag does, which stage comes next, what
//! names look like, how long it will still take. The store and the routes ask them and obey.

pub mod allowance;
pub mod attempts;
pub mod bans;
pub mod brace;
pub mod estimate;
pub mod fetch_metadata;
pub mod flags;
pub mod forwarded;
pub mod hosts;
pub mod log_limit;
pub mod names;
pub mod pace;
pub mod payload;
pub mod quotas;
pub mod secrets;
pub mod stages;
pub mod sweeps;
pub mod terminal;
pub mod times;
pub mod trouble;
pub mod wait;
