//! What `Client` needs: one call from its arguments to its result.
//!
//! | module | contents |
//! | --- | --- |
//! | [`address`] | checks and joins a tracker's URL |
//! | [`call`] | the calls of the protocol: what each sends, and what each answer means |
//! | [`exchange`] | one call from its first attempt to its end: retries, backoff, time limits |
//! | [`probe`] | why a call failed below HTTP |
//! | [`proof`] | how a registration proves the volunteer's key |
//! | [`session`] | a registered worker and the job that it holds; saving and restoring it |

pub mod address;
pub mod call;
pub mod exchange;
pub mod probe;
pub mod proof;
pub mod session;
