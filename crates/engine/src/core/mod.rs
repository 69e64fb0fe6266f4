//! A compute worker, which calls the owner's handler.
//!
//! | module | contents |
//! | --- | --- |
//! | [`worker`] | the loop of a compute worker: its queue, its reports, a takeover by another hub |
//! | [`throttle`] | how much of the time it works, when it reports, and how a job has ended |
//! | [`rest`] | whether an asynchronous handler rests while it is paused |
//! | [`stack`] | what an error's stack says besides its name and message |

pub mod rest;
pub mod stack;
pub mod throttle;
pub mod worker;
