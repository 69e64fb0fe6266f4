//! A page: its workers, and its place among the tabs of the browser.
//!
//! | module | contents |
//! | --- | --- |
//! | [`event`] | what the driver reports, and what it does in return |
//! | [`supervisor`] | starts, replaces and ends workers; decides which tab computes |
//! | [`lock`] | one request for the lock by which one tab computes |
//! | [`goal`] | when the promises of `start` and `stop` settle |
//! | [`view`] | which status is shown, and what the page adds to it |
//! | [`slot`] | where a worker runs, and how long to wait before it is replaced |
//! | [`channel`] | limits how many messages of other tabs are read |

pub mod channel;
pub mod event;
pub mod goal;
pub mod lock;
pub mod slot;
pub mod supervisor;
pub mod view;
