//! Blocks of `name: value` lines, as WARC records and HTTP responses begin with.
//!
//! Parsers of live HTTP refuse much that is in archives (the status line `HTTP/2 200`, spaces
//! before the colon, lone line feeds, invalid bytes), so this one takes whatever is understood.

/// The fields of a header, in their order.
#[derive(Debug, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

/// The largest number of fields that are read; the rest is ignored.
const MAX_FIELDS: usize = 256;

impl Headers {
    /// Reads lines; those without a colon are ignored, and folded lines joined.
    pub(crate) fn read(block: &[u8]) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines(block) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                if fields.len() == MAX_FIELDS {
                    break;
                }
                fields.push((name.trim().to_ascii_lowercase(), value.trim().into()));
            }
        }
        Self(fields)
    }

    /// The first field of this name, which is in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| &value[..])
    }

    /// All fields of this name, which is in lower case.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| &value[..])
    }
}

fn lines(block: &[u8]) -> impl Iterator<Item = String> + '_ {
    let line = |line: &[u8]| String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
    block.split(|byte| *byte == b'\n').map(line)
}

/// Where the header ends that begins at the start of `bytes`: the end of its lines, and the start
/// of what follows the empty line.
pub(crate) fn end_of_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut line = 0;
    while let Some(length) = bytes[line..].iter().position(|byte| *byte == b'\n') {
        let next = line + length + 1;
        if length == 0 || bytes[line..next] == *b"\r\n" {
            return Some((line, next));
        }
        line = next;
    }
    None
}

/// The part of a field's value before its parameters, in lower case.
pub(crate) fn essence(value: &str) -> String {
    let end = value.find([';', ',']).unwrap_or(value.len());
    value[..end].trim().to_ascii_lowercase()
}

/// A parameter of a field's value such as `charset`, without quotes.
pub(crate) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let is_wanted = key.trim().eq_ignore_ascii_case(name);
        is_wanted.then(|| value.trim().trim_matches(['"', '\'']).trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_really_send_is_read() {
        let block = b"Content-Type : text/html;\r\n  Charset = \"UTF-8\"\nX: 1\r\nx:2\r\nno colon\r\n:\n\xff: \xfe";
        let headers = Headers::read(block);
        let kind = headers.get("content-type").expect("a type");
        assert_eq!(kind, "text/html; Charset = \"UTF-8\"");
        assert_eq!(
            (essence(kind), parameter(kind, "charset")),
            ("text/html".into(), Some("UTF-8"))
        );
        assert_eq!(headers.all("x").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers.get("y"), None);
    }

    #[test]
    fn a_header_ends_with_an_empty_line_of_either_kind() {
        assert_eq!(end_of_header(b"a: b\r\n\r\nbody"), Some((6, 8)));
        assert_eq!(end_of_header(b"a: b\n\nbody"), Some((5, 6)));
        assert_eq!(end_of_header(b"\r\n"), Some((0, 2)));
        assert_eq!(end_of_header(b"a: b\r\n\r"), None);
    }

    #[test]
    fn a_header_without_end_stays_small() {
        let many = b"a: b\n".repeat(100_000);
        assert_eq!(Headers::read(&many).all("a").count(), MAX_FIELDS);
    }
}
