//! The crawl example's kernels: five stages that make a data set of clean text from web archives.
//!
//! Each stage is a function from bytes to bytes, with the same output to the last byte in a browser
//! and in a native build. All stages but the last write lines of JSON: the pages, and in the last
//! line the counts of this stage and of those before it. No I/O: `bin/crawl.rs` reads and writes
//! files, `www/` talks to the tracker.
//!
//! | stage | function | output |
//! | --- | --- | --- |
//! | a | [`extract()`] | pages with text, title, language hints and image-text pairs |
//! | b | [`clean()`] | pages without boilerplate that keep the rules of quality |
//! | c | [`identify`] | pages with their language |
//! | d | [`sign`] | pages with a signature for near duplicates |
//! | e | [`pack()`] | the pages as lines of JSON in gzip, and the counts |
//!
//! [`Join`] takes the shards of the last stage together.

mod archive;
mod charset;
mod clean;
mod extract;
mod headers;
mod html;
mod http;
mod join;
mod language;
mod pack;
mod page;
mod quality;
mod robots;
pub mod sample;
mod signature;
mod srcset;
#[cfg(target_family = "wasm")]
mod wasm;
mod words;

pub use archive::cut;
pub use clean::clean;
pub use extract::{Extractor, extract};
pub use join::{Card, Join};
pub use language::identify;
pub use pack::{Shard, pack, unpack};
pub use page::{Counts, Image, InputError, Page, Pages};
pub use signature::sign;
