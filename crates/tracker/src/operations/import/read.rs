//! Parses imported files: each job is read, checked and passed on, one at a time, so that a file of
//! any size needs the memory of one job.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};

use serde::{
    Deserialize,
    de::{Deserializer as _, Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::rules::payload;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON array.
    Json,
    /// One JSON value per line.
    JsonLines,
    /// The output of `export`: per line a JSON object with the member `data`.
    Exported,
    /// One text per line.
    Text,
}

/// Why reading ended.
#[derive(Debug)]
pub enum Fault {
    /// An invalid job.
    Bad {
        /// The line number, counted from 1.
        line: u64,
        /// What is wrong, as a sentence.
        why: String,
    },
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The receiver of the jobs has stopped.
    Stopped,
}

/// Passes each job of the source to `take`. Blank lines are skipped.
pub(crate) fn read(
    source: impl Read,
    format: Format,
    take: &mut dyn FnMut(String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    skip_mark(&mut source).map_err(Fault::Unreadable)?;
    match format {
        Format::Json => read_list(source, take),
        Format::JsonLines => read_lines(source, take, payload::from_json),
        Format::Exported => read_lines(source, take, exported_job),
        Format::Text => read_lines(source, take, text_job),
    }
}

/// Skips a byte order mark, with which some editors begin a file.
fn skip_mark(source: &mut impl BufRead) -> io::Result<()> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if source.fill_buf()?.starts_with(MARK) {
        source.consume(MARK.len());
    }
    Ok(())
}

fn read_lines(
    mut source: impl BufRead,
    take: &mut dyn FnMut(String) -> Result<(), Fault>,
    job: fn(&str) -> Result<String, String>,
) -> Result<(), Fault> {
    let mut buffer = Vec::new();
    let mut line = 0;
    loop {
        buffer.clear();
        if source
            .read_until(b'\n', &mut buffer)
            .map_err(Fault::Unreadable)?
            == 0
        {
            return Ok(());
        }
        line += 1;
        let text = str::from_utf8(&buffer).map_err(|_| Fault::Bad {
            line,
            why: not_utf8(&buffer).to_owned(),
        })?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() {
            continue;
        }
        take(job(text).map_err(|why| Fault::Bad { line, why })?)?;
    }
}

/// What is wrong with a line that is not UTF-8. Files of other kinds are known by how they begin.
fn not_utf8(line: &[u8]) -> &'static str {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let is_utf16 = |line: &[u8]| line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff]);
    match line {
        line if line.starts_with(GZIP) => {
            "This is compressed by gzip. Give - for the file, and what zcat writes on standard input."
        }
        line if line.starts_with(ZSTD) => {
            "This is compressed by zstd. Give - for the file, and what zstdcat writes on standard input."
        }
        line if is_utf16(line) => "This is UTF-16. Save it as UTF-8.",
        _ => "This is not UTF-8.",
    }
}

fn read_list(
    source: impl BufRead,
    take: &mut dyn FnMut(String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let position = Rc::new(Cell::new(JsonPosition::default()));
    let counted = CountingReader {
        source,
        position: Rc::clone(&position),
    };
    let mut reader = serde_json::Deserializer::from_reader(counted);
    let mut fault = None;
    let list = List {
        take,
        fault: &mut fault,
        position: Rc::clone(&position),
    };
    let read = reader.deserialize_any(list).and_then(|()| reader.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_io() => Err(Fault::Unreadable(error.into())),
        (None, Err(error)) => {
            let why = error.to_string();
            // The message already begins with the position; serde_json appends it again.
            let why = why.split(" at line ").next().unwrap_or(&why);
            Err(Fault::Bad {
                line: position.get().line(),
                why: format!("{why}."),
            })
        }
    }
}

/// The position in a JSON array. serde_json counts lines too, but it reads one byte ahead: after a
/// bad item that ends its line, its count is one too high.
#[derive(Debug, Clone, Copy, Default)]
struct JsonPosition {
    ended_lines: u64,
    at_line_end: bool,
}

impl JsonPosition {
    fn line(self) -> u64 {
        self.ended_lines + 1 - u64::from(self.at_line_end)
    }
}

struct CountingReader<R> {
    source: R,
    position: Rc<Cell<JsonPosition>>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // serde_json reads one byte at a time, so this is its exact position.
        let read = self.source.read(buffer)?;
        for byte in &buffer[..read] {
            let JsonPosition { ended_lines, .. } = self.position.get();
            let at_line_end = *byte == b'\n';
            let ended_lines = ended_lines + u64::from(at_line_end);
            self.position.set(JsonPosition {
                ended_lines,
                at_line_end,
            });
        }
        Ok(read)
    }
}

struct List<'a> {
    take: &'a mut dyn FnMut(String) -> Result<(), Fault>,
    fault: &'a mut Option<Fault>,
    position: Rc<Cell<JsonPosition>>,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of jobs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        loop {
            let Some(raw) = list.next_element::<Box<RawValue>>()? else {
                return Ok(());
            };
            let taken = payload::from_json(raw.get())
                .map_err(|why| Fault::Bad {
                    line: self.position.get().line(),
                    why,
                })
                .and_then(|job| (self.take)(job));
            if let Err(fault) = taken {
                // Stored here, because serde_json reads on before it returns the error and would
                // report another line.
                *self.fault = Some(fault);
                return Err(A::Error::custom("stopped"));
            }
        }
    }
}

/// The data of a line written by `export`.
fn exported_job(line: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| {
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or(&why);
        format!("This is not a line of an export, {{\"number\":…,\"data\":…}}: {why}.")
    })?;
    payload::from_json(line.data.get())
}

/// The data of a job that is given as plain text.
fn text_job(text: &str) -> Result<String, String> {
    payload::check(text)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(format: Format, file: &[u8]) -> Result<Vec<String>, (u64, String)> {
        let mut jobs = Vec::new();
        let read = read(file, format, &mut |job| {
            jobs.push(job);
            Ok(())
        });
        match read {
            Ok(()) => Ok(jobs),
            Err(Fault::Bad { line, why }) => Err((line, why)),
            Err(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn a_line_of_text_is_a_job_whatever_its_line_end() {
        assert_eq!(
            jobs(Format::Text, b"a b\r\n\n c\nlast"),
            Ok(vec!["a b".into(), " c".into(), "last".into()])
        );
        assert_eq!(
            jobs(Format::Text, "\u{feff}a\n".as_bytes()),
            Ok(vec!["a".into()])
        );
        assert_eq!(jobs(Format::Text, b""), Ok(vec![]));
    }

    #[test]
    fn strings_become_text_and_documents_keep_their_numbers_and_the_order_of_their_keys() {
        let file =
            b"\"a\\n\\\"b\"\n{\"z\": 12345678901234567890123, \"a\" : \"x \\\" y\"}\n[ 1.10 ]\n";
        assert_eq!(
            jobs(Format::JsonLines, file),
            Ok(vec![
                "a\n\"b".into(),
                r#"<!json!>{"z":12345678901234567890123,"a":"x \" y"}"#.into(),
                "<!json!>[1.10]".into(),
            ])
        );
    }

    #[test]
    fn files_of_other_kinds_are_named() {
        for (file, word) in [
            (&[0x1f, 0x8b, 8, 0, 0, 0xff][..], "gzip"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 4], "zstd"),
            (b"\xff\xfea\0\n\0", "UTF-16"),
            (b"caf\xe9\n", "not UTF-8"),
        ] {
            let (line, why) = jobs(Format::Text, file).expect_err("refused");
            assert!(line == 1 && why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (bad, word) in [
            (&b"7"[..], "a number"),
            (b"null", "null"),
            (b"true", "true or false"),
            (b"{\"a\":", "not JSON"),
            (b"\"a\" \"b\"", "not JSON"),
            (b"\"\\ud800\"", "surrogate"),
            (b"[\"\\ud8\"]", "not JSON"),
            (b"\"a\\u0000\"", "U+0000"),
            (b"\"<!json!>7\"", "object or list"),
            (b"\"\xff\"", "UTF-8"),
        ] {
            let file = [b"\"fine\"\n\n", bad, b"\n"].concat();
            let (line, why) = jobs(Format::JsonLines, &file).expect_err("refused");
            assert_eq!(line, 3, "{why}");
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn the_data_of_an_exported_line_is_a_job() {
        let file = b"{\"number\":7,\"data\":[1e400,\"\\ud800\"]}\n{\"number\":8,\"data\":\"x\"}\n";
        assert_eq!(
            jobs(Format::Exported, file),
            Ok(vec![r#"<!json!>[1e400,"\ud800"]"#.into(), "x".into()])
        );
        for bad in [&b"[1]"[..], b"{\"number\":7}", b"{\"data\":7}"] {
            assert!(jobs(Format::Exported, bad).is_err());
        }
    }

    #[test]
    fn a_list_is_read_item_by_item_and_a_bad_one_is_named_by_its_line() {
        let list = b"[\n \"a\",\n {\"b\": 1},\n [2]\n]\n";
        assert_eq!(
            jobs(Format::Json, list),
            Ok(vec![
                "a".into(),
                "<!json!>{\"b\":1}".into(),
                "<!json!>[2]".into()
            ])
        );
        let (line, why) = jobs(Format::Json, b"[\n\"a\",\n7\n]").expect_err("a number");
        assert_eq!(
            (line, why.as_str()),
            (3, "A job is a string, an object or a list, not a number.")
        );
        let (line, _) = jobs(Format::Json, b"[\"a\",\n\"b\"\n\"c\"]").expect_err("no comma");
        assert_eq!(line, 3);
        assert!(jobs(Format::Json, b"{\"a\": 1}").is_err());
        assert!(jobs(Format::Json, b"[\"a\"] 1").is_err());
        assert!(jobs(Format::Json, b"[\"a\"").is_err());
        assert!(jobs(Format::Json, b"").is_err());
    }
}
