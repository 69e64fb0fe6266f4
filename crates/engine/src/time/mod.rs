//! Time: the two clocks of a browser, deadlines, and how long to wait before trying again.
//!
//! | module | contents |
//! | --- | --- |
//! | [`clock`] | combines a clock that may stop while the machine sleeps with one that may be set |
//! | [`timers`] | the deadlines of a machine, by name |
//! | [`backoff`] | growing waits with jitter |

pub mod backoff;
pub mod clock;
pub mod timers;
