//! Time, as a browser tells it.

pub mod clock;
pub mod timers;
