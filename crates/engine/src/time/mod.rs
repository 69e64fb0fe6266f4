//! Time, as a browser tells it.

pub mod clock;
