//! The members of a gzip file, decompressed as they arrive.
//!
//! An archive has one member per record. After a damaged one, reading continues at the next bytes
//! that look like a member's start, even if the damaged member ended before it should: its bytes
//! are held for that, up to a limit.

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// What happens in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A member begins at this offset in the file.
    Start(u64),
    /// The next bytes of the member.
    Data(&'a [u8]),
    /// The member ends, and its checksum is right.
    End,
    /// The member, or what stands between members, is damaged for this reason.
    Broken(&'static str),
}

/// The largest header of a member that is read.
const MAX_HEADER: usize = 4096;

/// How many bytes of a member are held, to look for members in them if it is damaged.
const MAX_HELD: usize = 1 << 20;

/// Deflate compresses up to 1:1032, real pages hardly up to 1:50. A member above this size and
/// ratio was made to exhaust its reader.
const BOMB_BYTES: u64 = 16 << 20;
const BOMB_RATIO: u64 = 200;

#[derive(Debug)]
pub(crate) struct Members {
    /// The bytes from the start of the member on, as far as they are held, and those not yet read.
    held: Vec<u8>,
    /// Where the member starts in `held`.
    start: usize,
    /// Where reading continues in `held`.
    at: usize,
    /// The offset of `held` in the file.
    offset: u64,
    state: State,
    inflate: Decompress,
    crc: Crc,
    /// How many bytes may be read once more. It grows with the input, so that the work is linear.
    budget: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between members, or in a member's header.
    Header,
    Body,
    Trailer,
    /// Looking for the start of a member.
    Scan,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            start: 0,
            at: 0,
            offset: 0,
            state: State::Header,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            budget: 0,
        }
    }
}

impl Members {
    /// Takes the next bytes of the file.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.held.extend_from_slice(bytes);
        self.budget += bytes.len() as u64;
        while self.step(sink) {}
        self.held.drain(..self.start);
        self.offset += self.start as u64;
        self.at -= self.start;
        self.start = 0;
    }

    /// Takes the end of the file.
    pub(crate) fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        // A cut member may have swallowed whole ones.
        while self.state != State::Scan && self.start < self.held.len() {
            self.break_off("truncated", sink);
            while self.step(sink) {}
        }
    }

    /// Returns whether there is more to do without further bytes.
    fn step(&mut self, sink: &mut impl FnMut(Event<'_>)) -> bool {
        match self.state {
            State::Header => self.header(sink),
            State::Body => self.body(sink),
            State::Trailer => self.trailer(sink),
            State::Scan => self.scan(),
        }
    }

    fn header(&mut self, sink: &mut impl FnMut(Event<'_>)) -> bool {
        // Some writers fill up blocks with zeros.
        while self.held.get(self.at) == Some(&0) {
            self.at += 1;
        }
        self.start = self.at;
        match header_length(&self.held[self.start..]) {
            Length::Unknown => false,
            Length::Invalid => {
                self.break_off("garbage", sink);
                true
            }
            Length::Known(length) => {
                sink(Event::Start(self.offset + self.start as u64));
                self.at = self.start + length;
                self.inflate.reset(false);
                self.crc.reset();
                self.state = State::Body;
                true
            }
        }
    }

    fn body(&mut self, sink: &mut impl FnMut(Event<'_>)) -> bool {
        let mut out = [0; 1 << 15];
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let input = &self.held[self.at..];
        let outcome = self
            .inflate
            .decompress(input, &mut out, FlushDecompress::None);
        let read = (self.inflate.total_in() - read) as usize;
        let written = (self.inflate.total_out() - written) as usize;
        self.at += read;
        if written > 0 {
            self.crc.update(&out[..written]);
            sink(Event::Data(&out[..written]));
        }
        if self.at - self.start > MAX_HELD {
            self.start = self.at;
        }
        let (total_in, total_out) = (self.inflate.total_in(), self.inflate.total_out());
        match outcome {
            Err(_) => self.break_off("corrupt", sink),
            Ok(Status::StreamEnd) => self.state = State::Trailer,
            Ok(_) if total_out > BOMB_BYTES && total_out / BOMB_RATIO > total_in => {
                self.break_off("bomb", sink);
            }
            Ok(_) => return read > 0 || written > 0,
        }
        true
    }

    fn trailer(&mut self, sink: &mut impl FnMut(Event<'_>)) -> bool {
        let Some((trailer, _)) = self.held[self.at..].split_first_chunk::<8>() else {
            return false;
        };
        let trailer = u64::from_le_bytes(*trailer);
        if trailer != u64::from(self.crc.amount()) << 32 | u64::from(self.crc.sum()) {
            self.break_off("checksum", sink);
            return true;
        }
        sink(Event::End);
        self.at += 8;
        self.start = self.at;
        self.state = State::Header;
        true
    }

    fn scan(&mut self) -> bool {
        let found = find_start(&self.held[self.at..]);
        if let Some(distance) = found {
            self.at += distance;
            self.state = State::Header;
        } else {
            // The last bytes may begin a member.
            self.at = self.held.len().saturating_sub(START.len() - 1).max(self.at);
        }
        self.start = self.at;
        found.is_some()
    }

    /// Reports damage and continues at the next start of a member: one in the bytes that are held,
    /// or else one that follows.
    fn break_off(&mut self, reason: &'static str, sink: &mut impl FnMut(Event<'_>)) {
        sink(Event::Broken(reason));
        let from = (self.start + 1).min(self.held.len());
        let next = find_start(&self.held[from..]).map(|distance| from + distance);
        let next = next.unwrap_or(self.held.len().saturating_sub(START.len() - 1));
        let again = self.at.saturating_sub(next) as u64;
        if again <= self.budget {
            self.budget -= again;
            self.at = next.max(from);
        }
        self.start = self.at;
        self.state = State::Scan;
    }
}

/// How a member begins: with its magic number and the one method of compression.
const START: [u8; 3] = [0x1f, 0x8b, 8];

fn find_start(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(START.len())
        .position(|window| window == START)
}

enum Length {
    Known(usize),
    Unknown,
    Invalid,
}

/// The length of the header at the start of `bytes` (RFC 1952, 2.3).
fn header_length(bytes: &[u8]) -> Length {
    let known = bytes.len().min(START.len());
    if bytes[..known] != START[..known] || bytes.get(3).is_some_and(|flags| flags & 0xe0 != 0) {
        return Length::Invalid;
    }
    match read_header(bytes) {
        Some(length) if length <= MAX_HEADER => Length::Known(length),
        None if bytes.len() <= MAX_HEADER => Length::Unknown,
        _ => Length::Invalid,
    }
}

fn read_header(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        let length = [*bytes.get(at)?, *bytes.get(at + 1)?];
        at += 2 + usize::from(u16::from_le_bytes(length));
    }
    // The file's name and a comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += 1 + bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{gzip, noise, prose};

    /// The contents of whole members, and the reasons why others are broken.
    fn members(file: &[u8], step: usize) -> (Vec<Vec<u8>>, Vec<&'static str>) {
        let (mut whole, mut reasons) = (Vec::<Vec<u8>>::new(), Vec::new());
        let mut reader = Members::default();
        let mut sink = |event: Event<'_>| match event {
            Event::Start(_) => whole.push(Vec::new()),
            Event::Data(bytes) => whole.last_mut().expect("a start").extend_from_slice(bytes),
            Event::End => {}
            Event::Broken(reason) => {
                reasons.push(reason);
                if !matches!(reason, "garbage") {
                    whole.pop();
                }
            }
        };
        for chunk in file.chunks(step) {
            reader.push(chunk, &mut sink);
        }
        reader.finish(&mut sink);
        (whole, reasons)
    }

    #[test]
    fn members_are_read_in_steps_of_any_size() {
        let contents = [b"one".to_vec(), Vec::new(), noise(100_000)];
        let file = contents.each_ref().map(|bytes| gzip(bytes)).concat();
        for step in [1, 7, 1000, file.len()] {
            assert_eq!(members(&file, step), (contents.to_vec(), vec![]));
        }
    }

    #[test]
    fn reading_continues_after_damage_of_each_kind() {
        let (first, last) = (gzip(prose(1, 2000).as_bytes()), gzip(b"last"));
        let reasons = |file: &[u8], reason: &str| {
            for step in [1, 64, file.len()] {
                let (whole, reasons) = members(file, step);
                assert_eq!(whole, [b"last"], "{reason}");
                assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
            }
        };
        // Blocks of type 3 do not exist.
        reasons(&[&first[..10], &[7], &last].concat(), "corrupt");
        let mut wrong = first.clone();
        let end = wrong.len() - 1;
        wrong[end - 5] ^= 1;
        reasons(&[&wrong[..], &last].concat(), "checksum");
        reasons(&[b"garbage", &last[..]].concat(), "garbage");
        reasons(&[&last[..], &first[..3000]].concat(), "truncated");
        let bomb = gzip(&vec![0; 17 << 20]);
        reasons(&[&bomb[..], &last].concat(), "bomb");
    }

    #[test]
    fn starts_of_members_without_end_take_linear_time() {
        // Each start is followed by a valid stored block of 65,535 bytes that contains further
        // starts.
        let start = [&START[..], &[0; 7], &[0, 0xff, 0xff, 0, 0]].concat();
        let file = start.repeat(70_000);
        let began = std::time::Instant::now();
        members(&file, 1 << 16);
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    #[test]
    fn a_header_may_have_all_its_fields() {
        let plain = gzip(b"text");
        let mut file = plain[..10].to_vec();
        file[3] = 4 | 8 | 16 | 2;
        file.extend_from_slice(b"\x03\0abcname\0comment\0hc");
        file.extend_from_slice(&plain[10..]);
        assert_eq!(members(&file, 1), (vec![b"text".to_vec()], vec![]));
    }
}
