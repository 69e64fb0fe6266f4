//! Volunteers, trackers and networks in virtual time. Everything that happens follows from a seed.
//!
//! | module | holds |
//! | --- | --- |
//! | [`world`] | one browser: its clocks, network, compute workers, storage, and the real scheduler |
//! | [`tracker`] | what a tracker is to a browser, and a model of one |
#![allow(
    missing_docs,
    reason = "it is not published, and its names say what they are"
)]

pub mod tracker;
pub mod world;
