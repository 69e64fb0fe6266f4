//! Stage e: a shard of the data set.
//!
//! Lines of JSON in gzip, because every tool reads them, and because the bytes are the same
//! everywhere: the compressor is Rust on all machines, and the header names neither time nor
//! system. The crate for Parquet would be larger than all of this one together.

use crate::page::{Counts, InputError, MAX_LINES, Pages};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use std::io::{Read, Write};

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The pages and the counts as lines, in gzip.
    pub gzip: Vec<u8>,
    /// The counts of all stages.
    pub counts: Counts,
}

/// Stage e: `lines` is the output of stage d.
///
/// # Errors
/// Returns an error if it is not.
pub fn pack(lines: &[u8]) -> Result<Shard, InputError> {
    let mut pages = Pages::read(lines)?;
    let characters: usize = pages
        .pages
        .iter()
        .map(|page| page.text.chars().count())
        .sum();
    let images: usize = pages.pages.iter().map(|page| page.images.len()).sum();
    pages
        .counts
        .add_many("pack.pages", pages.pages.len() as u64);
    pages.counts.add_many("pack.characters", characters as u64);
    pages.counts.add_many("pack.images", images as u64);
    Ok(Shard {
        gzip: gzip(&pages.write()),
        counts: pages.counts,
    })
}

/// Compresses bytes, to the same bytes on all machines.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let unknown_system = 255;
    let header = GzBuilder::new().mtime(0).operating_system(unknown_system);
    let mut encoder = header.write(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("bytes are written to memory")
}

/// Reads a shard, which may come from a hostile volunteer.
///
/// # Errors
/// Returns an error if it is no output of stage e.
pub fn unpack(gzip: &[u8]) -> Result<Pages, InputError> {
    let mut lines = Vec::new();
    let limit = MAX_LINES as u64 + 1;
    GzDecoder::new(gzip)
        .take(limit)
        .read_to_end(&mut lines)
        .map_err(|error| InputError::new(format!("the shard cannot be decompressed: {error}")))?;
    Pages::read(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;

    #[test]
    fn a_shard_is_read_as_it_was_packed() {
        let mut pages = Pages::default();
        pages.pages.push(Page {
            url: "http://example.org/".into(),
            text: "Ü".into(),
            ..Page::default()
        });
        let shard = pack(&pages.write()).expect("a shard");
        let read = unpack(&shard.gzip).expect("pages");
        assert_eq!((&read.pages, &read.counts), (&pages.pages, &shard.counts));
        assert_eq!(read.counts.of("pack.characters"), 1);
        assert_eq!(shard.gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn a_shard_that_is_a_bomb_or_cut_is_refused() {
        assert!(unpack(&gzip(&vec![b' '; 20 << 20])).is_err());
        let shard = pack(b"{\"counts\":{}}").expect("a shard");
        assert!(unpack(&shard.gzip[..shard.gzip.len() - 1]).is_err());
        assert!(unpack(b"").is_err());
    }
}
