//! HTTP responses as archives store them: the head, the transfer encoding and the content
//! encodings.

use crate::archive::record::MAX_BODY;
use crate::headers::{Headers, end_of_header};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;

/// The largest head of a response.
const MAX_HEAD: usize = 1 << 16;

/// The largest number of content encodings on top of each other.
const MAX_ENCODINGS: usize = 3;

/// A response.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: &'a [u8],
}

/// Reads the head. Returns `None` if `bytes` have none, like answers of HTTP/0.9, or if it is
/// invalid.
pub(crate) fn response(bytes: &[u8]) -> Option<Response<'_>> {
    if !bytes.get(..5)?.eq_ignore_ascii_case(b"HTTP/") {
        return None;
    }
    let (end, next) = end_of_header(&bytes[..bytes.len().min(MAX_HEAD)])?;
    let head = &bytes[..end];
    let line_end = head.iter().position(|byte| *byte == b'\n').unwrap_or(end);
    let line = String::from_utf8_lossy(&head[..line_end]);
    let status = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Response {
        status,
        headers: Headers::read(&head[line_end..]),
        body: &bytes[next..],
    })
}

impl<'a> Response<'a> {
    /// The content without its transfer and content encodings.
    ///
    /// # Errors
    /// Returns the reason why it cannot be decoded.
    pub(crate) fn content(&self) -> Result<Cow<'a, [u8]>, &'static str> {
        let mut content = self.unchunked();
        let encodings: Vec<String> = self
            .headers
            .all("content-encoding")
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !matches!(&name[..], "" | "identity" | "none" | "utf-8"))
            .collect();
        if encodings.len() > MAX_ENCODINGS {
            return Err("encoding");
        }
        for name in encodings.iter().rev() {
            if let Some(decoded) = decompress(name, &content)? {
                content = Cow::Owned(decoded);
            }
        }
        Ok(content)
    }

    /// The body without chunks. Some archives store bodies without them, and leave the header as it
    /// was.
    fn unchunked(&self) -> Cow<'a, [u8]> {
        let is_chunked = |value: &str| value.to_ascii_lowercase().contains("chunked");
        if !self.headers.all("transfer-encoding").any(is_chunked) {
            return Cow::Borrowed(self.body);
        }
        let (mut rest, mut content) = (self.body, Vec::new());
        let mut chunks = 0;
        while let Some((length, after)) = chunk_length(rest) {
            chunks += 1;
            let taken = length.min(after.len());
            content.extend_from_slice(&after[..taken]);
            rest = &after[taken..];
            rest = rest
                .strip_prefix(b"\r\n")
                .or(rest.strip_prefix(b"\n"))
                .unwrap_or(rest);
            if length == 0 {
                break;
            }
        }
        match chunks {
            0 => Cow::Borrowed(self.body),
            _ => Cow::Owned(content),
        }
    }
}

fn chunk_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(256).position(|byte| *byte == b'\n')?;
    let line = str::from_utf8(&bytes[..end]).ok()?;
    let digits = line.split(';').next()?.trim();
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let length = usize::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((length, &bytes[end + 1..]))
}

/// Decompresses `bytes`. Returns `None` if they are not compressed, which crawlers that decompress
/// themselves leave behind.
fn decompress(encoding: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    match encoding {
        "gzip" | "x-gzip" if bytes.starts_with(&[0x1f, 0x8b]) => read(MultiGzDecoder::new(bytes)),
        "deflate" => match read(ZlibDecoder::new(bytes)) {
            // Some servers leave the wrapper out.
            Err("encoding") => read(DeflateDecoder::new(bytes)),
            outcome => outcome,
        },
        "br" => match read(brotli_decompressor::Decompressor::new(bytes, 1 << 12)) {
            Err("encoding") if bytes.trim_ascii_start().starts_with(b"<") => Ok(None),
            outcome => outcome,
        },
        "gzip" | "x-gzip" => Ok(None),
        _ => Err("encoding"),
    }
}

/// Reads everything, or what comes before damage, up to the size of the largest record.
fn read(decoder: impl Read) -> Result<Option<Vec<u8>>, &'static str> {
    let mut content = Vec::new();
    let outcome = decoder.take(MAX_BODY + 1).read_to_end(&mut content);
    match outcome {
        Ok(_) if content.len() as u64 > MAX_BODY => Err("bomb"),
        Err(_) if content.is_empty() => Err("encoding"),
        _ => Ok(Some(content)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{chunked, gzip};

    fn content(head: &str, body: &[u8]) -> Result<String, &'static str> {
        let bytes = [
            format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(),
            body,
        ]
        .concat();
        let response = response(&bytes).expect("a response");
        response
            .content()
            .map(|content| String::from_utf8_lossy(&content).into())
    }

    #[test]
    fn heads_of_all_kinds_are_read() {
        let status = |head: &str| response(head.as_bytes()).map(|response| response.status);
        assert_eq!(status("HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status("HTTP/2 404\n\n"), Some(404));
        assert_eq!(status("http/1.0  301 Moved\nLocation: /\n\n"), Some(301));
        assert_eq!(status("HTTP/1.1 OK\r\n\r\n"), None);
        assert_eq!(status("HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(status("<html>"), None);
    }

    #[test]
    fn chunks_are_joined_if_there_are_any() {
        let chunks = "Transfer-Encoding: chunked";
        assert_eq!(
            content(chunks, &chunked(b"abcdefgh", 3)),
            Ok("abcdefgh".into())
        );
        assert_eq!(
            content(chunks, b"<p>no chunks</p>"),
            Ok("<p>no chunks</p>".into())
        );
        assert_eq!(
            content(chunks, b"3;x=y\r\nabc\r\nffffffffff\r\ncut"),
            Ok("abccut".into())
        );
        assert_eq!(content(chunks, b"3\nabc\nnothing"), Ok("abc".into()));
        assert_eq!(
            content(chunks, b"ffffffffffffffffffffff\r\nabc").map(|text| text.len()),
            Ok(27)
        );
    }

    #[test]
    fn content_encodings_are_undone_from_the_last_to_the_first() {
        let twice = gzip(&gzip(b"text"));
        assert_eq!(
            content("Content-Encoding: gzip, x-gzip", &twice),
            Ok("text".into())
        );
        assert_eq!(
            content("Content-Encoding: gzip", b"text"),
            Ok("text".into())
        );
        let brotli = [0x8b, 0x01, 0x80, b't', b'e', b'x', b't', 0x03];
        assert_eq!(content("Content-Encoding: br", &brotli), Ok("text".into()));
        assert_eq!(
            content("Content-Encoding: br", b"<p>text"),
            Ok("<p>text".into())
        );
        assert_eq!(
            content("Content-Encoding: compress", b"text"),
            Err("encoding")
        );
        assert_eq!(
            content("Content-Encoding: deflate", b"\xff\xff\xff"),
            Err("encoding")
        );
        assert_eq!(
            content("Content-Encoding: gzip,gzip,gzip,gzip", b""),
            Err("encoding")
        );
        let cut = gzip(&b"0123456789".repeat(1000));
        let cut = content("Content-Encoding: gzip", &cut[..cut.len() - 12]).expect("a part");
        assert!(cut.starts_with("0123456789"));
    }

    #[test]
    fn a_bomb_is_not_blown_up() {
        let bomb = gzip(&vec![b'a'; MAX_BODY as usize + 1]);
        assert_eq!(content("Content-Encoding: gzip", &bomb), Err("bomb"));
    }
}
