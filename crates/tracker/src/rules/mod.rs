//! The rules, without I/O, clock or randomness: flags, stages, names, limits, estimates. The store,
//! the ledger and the handlers call them.

pub mod allowance;
pub mod answer;
pub mod attempts;
pub mod bans;
pub mod brace;
pub mod browser;
pub mod byte_range;
pub mod estimate;
pub mod fetch_metadata;
pub mod file_grants;
pub mod flags;
pub mod forwarded;
pub mod hosts;
pub mod jwk;
pub mod jws;
pub mod lane;
pub mod link;
pub mod log_limit;
pub mod names;
pub mod nonce;
pub mod payload;
pub mod proof;
pub mod quotas;
pub mod receipt;
pub mod references;
pub mod secrets;
pub mod stages;
pub mod sweeps;
pub mod terminal;
pub mod throughput;
pub mod times;
pub mod trouble;
pub mod trust;
pub mod wait;
