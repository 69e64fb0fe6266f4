//! The character set of a page, found as the HTML standard says (13.2.3, "Determining the character
//! encoding"): byte order mark, HTTP header, meta tag within the first 1,024 bytes, and else a
//! guess.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use std::borrow::Cow;

/// Decodes a page. `label` is the one of the HTTP header. Returns the text and the name of the
/// character set.
pub(crate) fn decode<'a>(bytes: &'a [u8], label: Option<&str>) -> (Cow<'a, str>, &'static str) {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return (
            encoding.decode_without_bom_handling(&bytes[length..]).0,
            encoding.name(),
        );
    }
    let encoding = label
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        .or_else(|| prescan(&bytes[..bytes.len().min(1024)]))
        .unwrap_or_else(|| guess(bytes));
    (
        encoding.decode_without_bom_handling(bytes).0,
        encoding.name(),
    )
}

/// How much of a page its character set is guessed from.
const GUESSED: usize = 1 << 16;

fn guess(bytes: &[u8]) -> &'static Encoding {
    // Crawlers cut long pages, also in the middle of a character.
    if str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true) {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[..bytes.len().min(GUESSED)], bytes.len() <= GUESSED);
    detector.guess(None, Utf8Detection::Deny)
}

/// The encoding that a meta tag declares ("prescan a byte stream to determine its encoding").
fn prescan(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut rest = bytes;
    loop {
        let start = rest.iter().position(|byte| *byte == b'<')?;
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix(b"!--") {
            // `<!-->` is a whole comment.
            let end = comment.windows(3).position(|window| window == b"-->");
            rest = if comment.first() == Some(&b'>') {
                comment
            } else {
                &comment[end?..]
            };
        } else if is_tag(rest, b"meta") {
            let (attributes, after) = attributes(&rest[4..]);
            if let Some(encoding) = declared(&attributes) {
                return Some(encoding);
            }
            rest = after;
        } else if rest.first().is_some_and(u8::is_ascii_alphabetic)
            || rest.first() == Some(&b'/') && rest.get(1).is_some_and(u8::is_ascii_alphabetic)
        {
            let name = rest
                .iter()
                .position(|byte| byte.is_ascii_whitespace() || *byte == b'>')?;
            rest = attributes(&rest[name..]).1;
        } else if matches!(rest.first(), Some(b'!' | b'/' | b'?')) {
            rest = &rest[rest.iter().position(|byte| *byte == b'>')?..];
        }
    }
}

fn is_tag(bytes: &[u8], name: &[u8]) -> bool {
    bytes
        .get(..name.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(name))
        && bytes
            .get(name.len())
            .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'/')
}

/// The attributes up to the end of a tag, with names in lower case, and what follows.
fn attributes(bytes: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let (mut attributes, mut rest) = (Vec::new(), bytes);
    loop {
        let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
        rest = &rest[rest
            .iter()
            .position(|byte| !is_gap(byte))
            .unwrap_or(rest.len())..];
        if let [] | [b'>', ..] = rest {
            return (attributes, rest);
        }
        let is_end = |(index, byte): (usize, &u8)| {
            is_gap(byte) || *byte == b'>' || *byte == b'=' && index > 0
        };
        let end = rest
            .iter()
            .enumerate()
            .position(is_end)
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = value(after);
        rest = after;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
        attributes.push((text(name), text(value)));
    }
}

/// The value that follows an attribute's name, which is empty if there is none.
fn value(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some(rest) = bytes.trim_ascii_start().strip_prefix(b"=") else {
        return (b"", bytes);
    };
    let rest = rest.trim_ascii_start();
    match rest {
        [quote @ (b'"' | b'\''), rest @ ..] => {
            let end = rest.iter().position(|byte| byte == quote);
            let end = end.unwrap_or(rest.len());
            (&rest[..end], &rest[(end + 1).min(rest.len())..])
        }
        _ => {
            let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
            rest.split_at(rest.iter().position(is_end).unwrap_or(rest.len()))
        }
    }
}

fn declared(attributes: &[(String, String)]) -> Option<&'static Encoding> {
    let get = |name: &str| {
        attributes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| &value[..])
    };
    let label = match get("charset") {
        Some(label) => label,
        None if get("http-equiv") == Some("content-type") => from_content(get("content")?)?,
        None => return None,
    };
    let encoding = Encoding::for_label(label.as_bytes())?;
    Some(match encoding {
        // The declaration itself could not be read if that were so.
        _ if encoding == UTF_16BE || encoding == UTF_16LE => UTF_8,
        _ if encoding == X_USER_DEFINED => WINDOWS_1252,
        _ => encoding,
    })
}

/// The label in the attribute `content`.
fn from_content(content: &str) -> Option<&str> {
    let mut rest = content;
    loop {
        rest = &rest[rest.find("charset")? + 7..];
        if let Some(label) = rest.trim_start().strip_prefix('=') {
            let label = label.trim_start();
            return match label.chars().next()? {
                quote @ ('"' | '\'') => label[1..].split_once(quote).map(|(label, _)| label),
                _ => label.split([' ', ';', '\t', '\n', '\r']).next(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8], label: Option<&str>) -> &'static str {
        decode(bytes, label).1
    }

    #[test]
    fn the_order_is_that_of_the_standard() {
        let meta = b"<meta charset=koi8-r>";
        let marked = [b"\xef\xbb\xbf", &meta[..]].concat();
        assert_eq!(name(&marked, Some("shift_jis")), "UTF-8");
        assert_eq!(name(meta, Some("shift_jis")), "Shift_JIS");
        assert_eq!(name(meta, Some("no such set")), "KOI8-R");
        assert_eq!(name(meta, None), "KOI8-R");
        assert_eq!(name(b"\xfe\xff\0a", None), "UTF-16BE");
        assert_eq!(name(b"plain", None), "UTF-8");
    }

    #[test]
    fn meta_tags_are_found_as_browsers_find_them() {
        let found = |text: &str| prescan(text.as_bytes()).map(Encoding::name);
        assert_eq!(
            found(
                "<!-- <meta charset=big5> --><META a='>' http-equiv = Content-Type CONTENT=\"text/html; charset=x-sjis\">"
            ),
            Some("Shift_JIS")
        );
        assert_eq!(found("<!--><meta charset='gbk'/>"), Some("GBK"));
        assert_eq!(found("<meta charset=utf-16>"), Some("UTF-8"));
        assert_eq!(found("<meta charset=x-user-defined>"), Some("windows-1252"));
        assert_eq!(
            found("<p title='<meta charset=big5>'><meta name=charset content=big5>"),
            None
        );
        assert_eq!(
            found("<metadata charset=big5><meta content='charset=big5'>"),
            None
        );
        assert_eq!(
            found("<meta charset=nothing><meta charset=euc-kr>"),
            Some("EUC-KR")
        );
        for end in 0..40 {
            found(&"<meta http-equiv=content-type content='charset=\"big5\"'>"[..end]);
        }
    }

    #[test]
    fn a_page_that_names_none_is_guessed() {
        let russian = "Это обычный текст на русском языке, который никто не подписал.";
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(russian);
        assert_eq!(decode(&bytes, None), (russian.into(), "windows-1251"));
        let cut = &russian.as_bytes()[..russian.len() - 3];
        assert_eq!(name(cut, None), "UTF-8");
    }
}
