//! The hub: the worker that makes all requests and hands jobs to the compute workers.
//!
//! | module | contents |
//! | --- | --- |
//! | [`scheduler`] | the machine: events in, actions out |
//! | [`action`] | what it returns: requests, messages to compute workers, records to store |
//! | [`jobs`] | the jobs in this browser, from grant to delivery |
//! | [`session`] | how the jobs of one stage come and go, in both protocols |
//! | [`speed`] | how fast jobs and transfers are, and how many jobs to hold therefore |
//! | [`governor`] | whether this browser may compute now, and why not |
//! | [`failing`] | pauses while jobs fail on this machine |

pub mod action;
pub mod failing;
pub mod governor;
pub mod jobs;
pub mod scheduler;
pub mod session;
pub mod speed;
