//! A page: its workers, and its place among the tabs of the browser.
//!
//! | module | contents |
//! | --- | --- |
//! | [`supervisor`] | starts, replaces and ends workers; decides which tab computes |
//! | [`channel`] | limits how many messages of other tabs are read |

pub mod channel;
pub mod supervisor;
