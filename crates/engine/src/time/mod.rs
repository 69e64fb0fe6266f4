//! Time: the two clocks of a browser, deadlines, and how long to wait before trying again.

pub mod backoff;
pub mod clock;
pub mod timers;
