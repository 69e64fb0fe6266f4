//! Archives cut into pieces that are jobs of their own.

use super::Archive;
use std::io::{self, Read};

/// The largest piece that a single record may make.
const MAX_PIECE: usize = 8 << 20;

/// Cuts an archive into pieces of at most `max` bytes (of the file, so compressed ones if it is),
/// each of which is an archive that begins with a record. A larger record is a piece of its own.
/// Passes each piece to `sink`.
///
/// # Errors
/// Returns the errors of `archive` and of `sink`, and one of kind `InvalidData` if there is no
/// place to cut within 8 MB, as in a file that was compressed as a whole.
pub fn cut(
    mut archive: impl Read,
    max: usize,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = Archive::default();
    let mut chunk = vec![0; super::CHUNK];
    // The bytes since the last cut, the first of which is at `offset` in the file.
    let (mut piece, mut offset) = (Vec::new(), 0_u64);
    // The last place to cut, as an index of `piece`.
    let mut place = 0;
    loop {
        let length = archive.read(&mut chunk)?;
        for part in chunk[..length].chunks(1 << 12) {
            piece.extend_from_slice(part);
            reader.push(part, &mut |_| {});
            let boundary = reader.boundary.saturating_sub(offset) as usize;
            if boundary > max && place > 0 {
                sink(&piece[..place])?;
                piece.drain(..place);
                offset += place as u64;
                place = boundary - place;
            } else {
                place = place.max(boundary);
            }
            if place > max {
                sink(&piece[..place])?;
                piece.drain(..place);
                offset += place as u64;
                place = 0;
            }
            if piece.len() > MAX_PIECE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "there is no place to cut within 8 MB: compress each record on its own",
                ));
            }
        }
        if length == 0 {
            break;
        }
    }
    if piece.len() > max && place > 0 {
        sink(&piece[..place])?;
        piece.drain(..place);
    }
    if piece.is_empty() {
        Ok(())
    } else {
        sink(&piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract;
    use crate::page::{Counts, Pages};
    use crate::sample::{archive, synthetic, warc_record};

    fn pieces(archive: &[u8], max: usize) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let sink = |piece: &[u8]| {
            pieces.push(piece.to_vec());
            Ok(())
        };
        cut(archive, max, sink).expect("pieces");
        pieces
    }

    #[test]
    fn pieces_have_the_pages_of_the_whole() {
        for archive in [
            archive(),
            synthetic(1, 200_000, false),
            synthetic(1, 200_000, true),
        ] {
            let whole = Pages::read(&extract(&archive)).expect("pages");
            for max in [1, 10_000, 50_000, 1 << 20] {
                let pieces = pieces(&archive, max);
                assert_eq!(pieces.concat(), archive);
                let (mut pages, mut counts) = (Vec::new(), Counts::default());
                for piece in &pieces {
                    let made = Pages::read(&extract(piece)).expect("pages");
                    pages.extend(made.pages);
                    counts.merge(&made.counts);
                }
                assert!(pages == whole.pages, "in pieces of {max}");
                let (a, b) = (counts.of("extract.pages"), whole.counts.of("extract.pages"));
                assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn pieces_have_the_wanted_size_if_records_do() {
        let archive = synthetic(2, 300_000, true);
        let pieces = pieces(&archive, 20_000);
        assert!(pieces.iter().all(|piece| piece.len() <= 20_000));
        let small = pieces
            .iter()
            .rev()
            .skip(1)
            .filter(|piece| piece.len() < 10_000)
            .count();
        assert_eq!(small, 0, "of {}", pieces.len());
    }

    #[test]
    fn a_file_without_a_place_to_cut_is_refused() {
        let record = warc_record("response", "http://example.org/", &vec![b' '; 9 << 20]);
        let error = cut(&record[..], 1 << 20, |_| Ok(())).expect_err("no place to cut");
        assert!(error.to_string().contains("compress each record"));
    }
}
