//! Records of WARC (ISO 28500) and ARC files, out of decompressed bytes.
//!
//! A record that is damaged is skipped and counted. Where the next one begins is then found by its
//! first line. That is done after damage only, because pages can contain such lines.

use crate::headers::{Headers, end_of_header};
use crate::page::Counts;

/// The largest record that is kept; larger ones are skipped. Crawlers cut pages at 1 to 5 MB.
pub(crate) const MAX_BODY: u64 = 6 << 20;

/// The largest header of a record, and the longest first line of one.
const MAX_HEADER: usize = 1 << 16;

/// What a record contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An HTTP response.
    Response,
    /// A file without the head of a response.
    Resource,
}

/// A record that may contain a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    pub(crate) date: String,
    /// The type of the record's content. For a resource, that is the page's.
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// Splits the bytes of an archive into records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    buffer: Vec<u8>,
    /// Where reading continues in `buffer`.
    at: usize,
    /// The offset of `buffer` in the decompressed archive.
    offset: u64,
    state: State,
    /// The last record, until what follows shows that its length was right.
    pending: Option<Record>,
    /// Whether a member has just begun.
    is_start: bool,
    /// How many bytes may be read once more. It grows with the input, so that the work is linear.
    budget: u64,
    counts: Counts,
    /// Where the last record begins that a piece may begin with.
    pub(crate) boundary: u64,
}

#[derive(Debug, Default)]
enum State {
    /// Before a record or in its header.
    #[default]
    Between,
    /// In the body of a record, which is `None` if it is skipped. `left` bytes are missing.
    Body { record: Option<Record>, left: u64 },
    /// Looking for the first line of a record, at the start of a line or in the middle of one.
    Lost { is_line_start: bool },
}

impl Records {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Record)) {
        self.buffer.extend_from_slice(bytes);
        self.budget += bytes.len() as u64;
        while self.step(false, sink) {}
        self.compact();
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
    }

    /// A member of the gzip file begins. Returns whether a record does.
    pub(crate) fn start_member(&mut self) -> bool {
        self.is_start = true;
        self.is_between()
    }

    /// A member of the gzip file ends without damage, and so does the record that it contains.
    pub(crate) fn end_member(&mut self, sink: &mut impl FnMut(Record)) {
        if self.is_between() {
            self.flush(sink);
        }
    }

    fn is_between(&self) -> bool {
        matches!(self.state, State::Between) && self.rest().trim_ascii().is_empty()
    }

    /// The member of the gzip file is damaged, and with it the record that it contains.
    pub(crate) fn break_off(&mut self, reason: &'static str) {
        self.counts.add(&format!("extract.archive.{reason}"));
        self.pending = None;
        self.state = State::Between;
        self.at = self.buffer.len();
        self.compact();
    }

    /// Takes the end of the archive, and returns what was counted.
    pub(crate) fn finish(mut self, sink: &mut impl FnMut(Record)) -> Counts {
        while self.step(true, sink) {}
        let is_cut = match self.state {
            State::Between => !self.rest().trim_ascii().is_empty(),
            State::Body { .. } => true,
            State::Lost { .. } => false,
        };
        if is_cut {
            self.counts.add("extract.archive.truncated");
        }
        self.flush(sink);
        self.counts
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn flush(&mut self, sink: &mut impl FnMut(Record)) {
        if let Some(record) = self.pending.take() {
            sink(record);
        }
    }

    /// Returns whether there is more to do without further bytes.
    fn step(&mut self, is_end: bool, sink: &mut impl FnMut(Record)) -> bool {
        match self.state {
            State::Between => self.between(sink),
            State::Body { .. } => self.body(is_end),
            State::Lost { is_line_start } => self.search(is_line_start, is_end),
        }
    }

    fn between(&mut self, sink: &mut impl FnMut(Record)) -> bool {
        let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let breaks = self.rest().iter().take_while(is_break).count();
        if breaks > MAX_HEADER {
            // They are not needed to read the record again, and there may be any number of them.
            self.at += breaks;
            return true;
        }
        let rest = &self.rest()[breaks..];
        match begins(rest) {
            Begins::Unknown if rest.len() <= MAX_HEADER => false,
            Begins::Warc => match end_of_header(&rest[..rest.len().min(MAX_HEADER)]) {
                Some((end, next)) => {
                    let headers = Headers::read(&rest[..end]);
                    self.begin(breaks, next, warc(&headers), sink);
                    true
                }
                None if rest.len() < MAX_HEADER => false,
                None => self.lose("header_too_long"),
            },
            Begins::Arc(length, record) => {
                self.begin(breaks, length, record, sink);
                true
            }
            Begins::Unknown | Begins::No => self.wrong_length(sink),
        }
    }

    /// A record's header was read, which is `length` bytes long after `breaks` line breaks.
    fn begin(
        &mut self,
        breaks: usize,
        length: usize,
        header: Header,
        sink: &mut impl FnMut(Record),
    ) {
        self.flush(sink);
        self.is_start = false;
        self.boundary = self.offset + (self.at + breaks) as u64;
        self.at += breaks + length;
        self.counts.add(&format!("extract.record.{}", header.name));
        let Some(left) = header.length else {
            self.counts.add("extract.archive.no_length");
            self.state = State::Lost {
                is_line_start: true,
            };
            return;
        };
        let is_wanted = header.record.is_some();
        let record = header.record.filter(|_| left <= MAX_BODY);
        if is_wanted && record.is_none() {
            self.counts.add("extract.drop.too_large");
        }
        self.state = State::Body { record, left };
    }

    fn body(&mut self, is_end: bool) -> bool {
        if self.is_start {
            match begins(self.rest()) {
                Begins::Unknown if !is_end && self.rest().len() <= MAX_HEADER => return false,
                Begins::Warc | Begins::Arc(..) => {
                    // The record of the member before has fewer bytes than it says.
                    self.counts.add("extract.archive.truncated");
                    self.state = State::Between;
                    return true;
                }
                Begins::No | Begins::Unknown => self.is_start = false,
            }
        }
        let State::Body { record, left } = &mut self.state else {
            return false;
        };
        let available = (self.buffer.len() - self.at) as u64;
        let taken = available.min(*left) as usize;
        if let Some(record) = record {
            record
                .body
                .extend_from_slice(&self.buffer[self.at..self.at + taken]);
        }
        self.at += taken;
        *left -= taken as u64;
        if *left > 0 {
            return false;
        }
        self.pending = record.take();
        self.state = State::Between;
        true
    }

    /// What follows the last record is no record, so its length was wrong. If it was too large, the
    /// records behind it are in its body.
    fn wrong_length(&mut self, sink: &mut impl FnMut(Record)) -> bool {
        let Some(mut record) = self.pending.take() else {
            return self.lose("garbage");
        };
        let again = find(&record.body, b"\r\n\r\nWARC/1.").filter(|from| {
            let bytes = (record.body.len() - from) as u64;
            self.budget
                .checked_sub(bytes)
                .map(|left| self.budget = left)
                .is_some()
        });
        let Some(from) = again else {
            return self.lose("wrong_length");
        };
        self.counts.add("extract.archive.wrong_length");
        self.compact();
        let tail = record.body.split_off(from);
        self.offset -= tail.len() as u64;
        self.buffer.splice(..0, tail);
        sink(record);
        true
    }

    fn lose(&mut self, reason: &str) -> bool {
        self.pending = None;
        self.counts.add(&format!("extract.archive.{reason}"));
        // The line that is here is no start of a record.
        self.state = State::Lost {
            is_line_start: false,
        };
        true
    }

    fn search(&mut self, is_line_start: bool, is_end: bool) -> bool {
        if is_line_start {
            match begins(self.rest()) {
                Begins::Unknown if !is_end && self.rest().len() <= MAX_HEADER => return false,
                Begins::Warc | Begins::Arc(..) => {
                    self.state = State::Between;
                    return true;
                }
                Begins::No | Begins::Unknown => {}
            }
        }
        let line = self.rest().iter().position(|byte| *byte == b'\n');
        self.at = line.map_or(self.buffer.len(), |line| self.at + line + 1);
        self.state = State::Lost {
            is_line_start: line.is_some(),
        };
        line.is_some()
    }
}

/// What a record's header says.
#[derive(Debug)]
struct Header {
    /// The record's type, for its count.
    name: &'static str,
    length: Option<u64>,
    /// The record with an empty body, if it may contain a page.
    record: Option<Record>,
}

/// Whether bytes begin a record.
#[derive(Debug)]
enum Begins {
    Warc,
    /// With the length of the line.
    Arc(usize, Header),
    No,
    Unknown,
}

fn begins(bytes: &[u8]) -> Begins {
    const WARC: &[u8] = b"WARC/";
    let known = bytes.len().min(WARC.len());
    if bytes[..known] == WARC[..known] {
        return if known < WARC.len() {
            Begins::Unknown
        } else {
            Begins::Warc
        };
    }
    if !could_be_url(bytes) {
        return Begins::No;
    }
    let line = &bytes[..bytes.len().min(MAX_HEADER)];
    match line.iter().position(|byte| *byte == b'\n') {
        Some(end) => arc(&line[..end]).map_or(Begins::No, |header| Begins::Arc(end + 1, header)),
        None if line.len() < MAX_HEADER => Begins::Unknown,
        None => Begins::No,
    }
}

/// Whether bytes begin like the address of an ARC record. Most lines of a page do not.
fn could_be_url(bytes: &[u8]) -> bool {
    ["http://", "https://", "filedesc://", "dns:", "ftp://"]
        .iter()
        .any(|scheme| {
            let known = bytes.len().min(scheme.len());
            bytes[..known].eq_ignore_ascii_case(&scheme.as_bytes()[..known])
        })
}

/// The first line of an ARC record: address, IP address, date, type, in version 2 some more,
/// length.
fn arc(line: &[u8]) -> Option<Header> {
    let line = str::from_utf8(line).ok()?.trim_end();
    let fields: Vec<&str> = line.split(' ').collect();
    let (&[url, _, date, content_type, ..], length) = (&fields[..], fields.last()?) else {
        return None;
    };
    let is_date = date.len() == 14 && date.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(fields.len(), 5 | 10) || !is_date {
        return None;
    }
    let length = Some(length.parse().ok()?);
    let is_page = url.len() >= 4 && url[..4].eq_ignore_ascii_case("http");
    let record = is_page.then(|| Record {
        kind: Kind::Response,
        url: url.into(),
        date: date.into(),
        content_type: content_type.into(),
        body: Vec::new(),
    });
    let name = if is_page { "response" } else { "other" };
    Some(Header {
        name,
        length,
        record,
    })
}

fn warc(headers: &Headers) -> Header {
    let text = |name| headers.get(name).unwrap_or("").to_owned();
    let kind = text("warc-type").to_ascii_lowercase();
    let (name, kind) = match &kind[..] {
        "response" => ("response", Some(Kind::Response)),
        "resource" => ("resource", Some(Kind::Resource)),
        "request" => ("request", None),
        "metadata" => ("metadata", None),
        "revisit" => ("revisit", None),
        "warcinfo" => ("warcinfo", None),
        "conversion" => ("conversion", None),
        _ => ("other", None),
    };
    // wget writes the address in brackets.
    let url = text("warc-target-uri").trim_matches(['<', '>']).to_owned();
    let is_page = url
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    let record = kind.filter(|_| is_page).map(|kind| Record {
        kind,
        url,
        date: text("warc-date"),
        content_type: text("content-type"),
        body: Vec::new(),
    });
    Header {
        name,
        length: text("content-length").parse().ok(),
        record,
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{warc_record, warc_record_of_length};

    fn records(archive: &[u8], step: usize) -> (Vec<String>, Counts) {
        let (mut bodies, mut reader) = (Vec::new(), Records::default());
        let mut sink = |record: Record| bodies.push(String::from_utf8_lossy(&record.body).into());
        for chunk in archive.chunks(step) {
            reader.push(chunk, &mut sink);
        }
        let counts = reader.finish(&mut sink);
        (bodies, counts)
    }

    fn all_steps(archive: &[u8], bodies: &[&str], damage: &[(&str, u64)]) {
        for step in [1, 5, 100, archive.len()] {
            let (found, counts) = records(archive, step);
            assert_eq!(found, bodies, "in steps of {step}: {counts:?}");
            assert_eq!(counts.under("extract.archive.").collect::<Vec<_>>(), damage);
        }
    }

    fn good(body: &str) -> Vec<u8> {
        warc_record("response", "http://example.org/", body.as_bytes())
    }

    fn of_length(body: &str, length: &str) -> Vec<u8> {
        warc_record_of_length("response", "http://example.org/", body.as_bytes(), length)
    }

    #[test]
    fn records_are_read_in_steps_of_any_size() {
        let page = "text\r\n\r\nWARC/1.0\r\n\r\nmore";
        let archive = [
            warc_record("warcinfo", "", b"software: none"),
            good("one"),
            warc_record("request", "http://example.org/", b"GET / HTTP/1.1\r\n\r\n"),
            good(""),
            good(page),
            warc_record("resource", "dns:example.org", b"1.2.3.4"),
        ];
        all_steps(&archive.concat(), &["one", "", page], &[]);
    }

    #[test]
    fn a_wrong_length_costs_at_most_its_own_record() {
        let wrong = |length| [of_length("0123456789", length), good("next")].concat();
        all_steps(&wrong("3"), &["next"], &[("wrong_length", 1)]);
        all_steps(
            &wrong("100"),
            &["0123456789", "next"],
            &[("wrong_length", 1)],
        );
        all_steps(&wrong("-1"), &["next"], &[("no_length", 1)]);
        all_steps(&wrong("1e3"), &["next"], &[("no_length", 1)]);
        all_steps(
            &wrong("99999999999999999999999"),
            &["next"],
            &[("no_length", 1)],
        );
        all_steps(&wrong("18446744073709551615"), &[], &[("truncated", 1)]);
        all_steps(&of_length("cut", "4000"), &[], &[("truncated", 1)]);
    }

    #[test]
    fn garbage_and_endless_headers_are_passed_over() {
        let garbage = [
            b"garbage\nWARC/\n".to_vec(),
            good("a"),
            b"more\n".to_vec(),
            good("b"),
        ];
        let (found, counts) = records(&garbage.concat(), 1000);
        assert_eq!(found, ["b"], "{counts:?}");
        let endless = [
            b"WARC/1.0\r\n".to_vec(),
            b"x: y\r\n".repeat(20_000),
            good("a"),
        ];
        let (found, counts) = records(&endless.concat(), 1000);
        assert_eq!(found, ["a"], "{counts:?}");
        assert_eq!(counts.of("extract.archive.header_too_long"), 1);
    }

    #[test]
    fn both_versions_of_arc_are_read() {
        let old = "filedesc://a.arc 0.0.0.0 20080430204825 text/plain 2\n1 \n\n\
                   http://example.org/a b 1.2.3.4 20080430204825 text/html 3\nbad\n\
                   http://example.org/ 1.2.3.4 20080430204825 text/html 3\nold\n\n\
                   http://example.org/ 1.2.3.4 20080430204825 text/html 200 - - 0 a.arc 3\nnew\n";
        let (found, counts) = records(old.as_bytes(), 3);
        assert_eq!(found, ["old", "new"], "{counts:?}");
    }

    #[test]
    fn lengths_that_contain_each_other_take_linear_time() {
        let archive = of_length("", "6000000").repeat(40_000);
        let began = std::time::Instant::now();
        records(&archive, 1 << 16);
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}
