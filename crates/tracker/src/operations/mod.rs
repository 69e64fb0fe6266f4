//! What the operator does to a project, whether by command or by a call of the API. How it is asked
//! for, and how its outcome is shown, is the affair of `commands` and `http`.

pub mod bans;
pub mod export;
pub mod import;
pub mod prune;
pub mod requeue;
pub mod resume;
pub mod status;
pub mod workers;
