//! Web archives: records out of the bytes of a WARC or ARC file, compressed or not.
//!
//! The crates for WARC read whole records with the length that they claim into memory, and end at
//! the first damage. This reader is pushed bytes and passes records on; it needs memory for one
//! record, is linear in the size of its input, and goes on after damage. [`gzip`] splits members,
//! [`record`] splits records, [`mod@cut`] splits archives into pieces.

pub(crate) mod cut;
pub(crate) mod gzip;
pub(crate) mod record;

use crate::page::Counts;
use gzip::{Event, Members};
use record::Records;

pub use cut::cut;
pub(crate) use record::{Kind, Record};

/// How many bytes are taken at a time, which bounds the memory beside the record's own.
const CHUNK: usize = 1 << 16;

/// A reader of one archive.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    format: Format,
    records: Records,
    /// The bytes that were pushed.
    pushed: u64,
    /// Where the last record begins that a piece may begin with, in the file.
    boundary: u64,
}

#[derive(Debug, Default)]
enum Format {
    /// The first bytes, until it is clear.
    #[default]
    Unknown,
    First(u8),
    Plain,
    Gzip(Box<Members>),
}

impl Archive {
    /// Takes the next bytes, and passes the records that they complete to `sink`.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Record)) {
        for chunk in bytes.chunks(CHUNK) {
            self.pushed += chunk.len() as u64;
            self.push_chunk(chunk, sink);
        }
    }

    fn push_chunk(&mut self, chunk: &[u8], sink: &mut impl FnMut(Record)) {
        match (&mut self.format, chunk) {
            (_, []) => {}
            (Format::Unknown, [first]) => self.format = Format::First(*first),
            (Format::Unknown, [0x1f, 0x8b, ..]) => {
                self.format = Format::Gzip(Box::default());
                self.push_chunk(chunk, sink);
            }
            (Format::Unknown, _) => {
                self.format = Format::Plain;
                self.push_chunk(chunk, sink);
            }
            (Format::First(first), _) => {
                let whole = [&[*first], chunk].concat();
                self.format = Format::Unknown;
                self.push_chunk(&whole, sink);
            }
            (Format::Plain, _) => {
                self.records.push(chunk, sink);
                self.boundary = self.records.boundary;
            }
            (Format::Gzip(members), _) => {
                let (records, boundary) = (&mut self.records, &mut self.boundary);
                members.push(chunk, &mut |event| deliver(records, boundary, &event, sink));
            }
        }
    }

    /// Passes on what the end of the file completes, and returns what was counted.
    pub(crate) fn finish(mut self, sink: &mut impl FnMut(Record)) -> Counts {
        if let Format::First(first) = self.format {
            self.format = Format::Plain;
            self.records.push(&[first], sink);
        }
        if let Format::Gzip(members) = &mut self.format {
            let (records, boundary) = (&mut self.records, &mut self.boundary);
            members.finish(&mut |event| deliver(records, boundary, &event, sink));
        }
        self.records.finish(sink)
    }
}

fn deliver(
    records: &mut Records,
    boundary: &mut u64,
    event: &Event<'_>,
    sink: &mut impl FnMut(Record),
) {
    match event {
        &Event::Start(offset) => {
            if records.start_member() {
                *boundary = offset;
            }
        }
        Event::Data(bytes) => records.push(bytes, sink),
        Event::End => records.end_member(sink),
        Event::Broken(reason) => records.break_off(reason),
    }
}
