//! Stage a: pages out of a piece of a web archive.

use crate::archive::{Archive, Kind, Record};
use crate::headers::{essence, parameter};
use crate::html::{self, Parsed};
use crate::page::{Counts, MAX_LINES, Page, write_counts, write_page};
use crate::robots::Robots;
use crate::{charset, http};
use std::borrow::Cow;
use url::Url;

/// Stage a for a piece that is in memory. Pages that would make the output too large for the next
/// stage are left out and counted.
#[must_use]
pub fn extract(piece: &[u8]) -> Vec<u8> {
    let mut extractor = Extractor::default();
    // The other half is for the counts.
    extractor.output.left = MAX_LINES / 2;
    let mut lines = extractor.push(piece);
    lines.extend(extractor.finish());
    lines
}

/// Stage a for an archive of any size: bytes in, lines out. It needs memory for one record.
#[derive(Debug, Default)]
pub struct Extractor {
    archive: Archive,
    output: Output,
}

impl Extractor {
    /// Takes the next bytes, and returns the lines of the pages that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Self { archive, output } = self;
        archive.push(bytes, &mut |record| output.take(record));
        core::mem::take(&mut output.lines)
    }

    /// Takes the end of the archive, and returns the lines of the pages that it completes, and the
    /// line of the counts.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let Self {
            archive,
            mut output,
        } = self;
        let damage = archive.finish(&mut |record| output.take(record));
        output.counts.merge(&damage);
        write_counts(&output.counts, &mut output.lines);
        output.lines
    }
}

#[derive(Debug)]
struct Output {
    counts: Counts,
    lines: Vec<u8>,
    /// How many bytes may still be written.
    left: usize,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            lines: Vec::new(),
            left: usize::MAX,
        }
    }
}

impl Output {
    fn take(&mut self, record: Record) {
        let outcome = page(record, &mut self.counts).and_then(|page| self.write(&page));
        match outcome {
            Ok(()) => self.counts.add("extract.kept"),
            Err(reason) => self.counts.add(&format!("extract.drop.{reason}")),
        }
    }

    fn write(&mut self, page: &Page) -> Result<(), &'static str> {
        let before = self.lines.len();
        write_page(page, &mut self.lines);
        let written = self.lines.len() - before;
        if written > self.left {
            self.lines.truncate(before);
            return Err("too_much");
        }
        self.left -= written;
        self.counts
            .add_many("extract.images", page.images.len() as u64);
        self.counts
            .add_many("extract.characters", page.text.chars().count() as u64);
        Ok(())
    }
}

/// The page of a record, or the reason why it has none or may not be kept.
fn page(record: Record, counts: &mut Counts) -> Result<Page, &'static str> {
    let url = Url::parse(&record.url).map_err(|_| "address")?;
    let mut robots = Robots::default();
    let Content {
        bytes,
        content_type,
        language,
    } = content(&record, &mut robots)?;
    let kind = content_type.as_deref().map_or_else(String::new, essence);
    match &kind[..] {
        "text/html" | "application/xhtml+xml" => {}
        "" | "unknown" | "no-type" if looks_like_html(&bytes) => {}
        _ => return Err("type"),
    }
    robots.page()?;
    let label = content_type
        .as_deref()
        .and_then(|value| parameter(value, "charset"));
    let (text, charset) = charset::decode(&bytes, label);
    let Parsed { mut page, robots } = html::parse(&text, &url, robots);
    robots.page()?;
    if !robots.images() {
        counts.add_many("extract.images_forbidden", page.images.len() as u64);
        page.images.clear();
    }
    if page.text.is_empty() {
        return Err("empty");
    }
    // The page names its own language before its server does.
    page.hints.extend(language.filter(|hint| !hint.is_empty()));
    page.hints.dedup();
    page.charset = charset.into();
    page.url = url.into();
    page.date = record.date;
    Ok(page)
}

struct Content<'a> {
    bytes: Cow<'a, [u8]>,
    content_type: Option<String>,
    language: Option<String>,
}

fn content<'a>(record: &'a Record, robots: &mut Robots) -> Result<Content<'a>, &'static str> {
    if record.kind == Kind::Resource {
        let content_type = Some(record.content_type.clone());
        return Ok(Content {
            bytes: Cow::Borrowed(&record.body),
            content_type,
            language: None,
        });
    }
    let Some(response) = http::response(&record.body) else {
        // An answer of HTTP/0.9, or a record whose head is lost.
        return match looks_like_html(&record.body) {
            true => Ok(Content {
                bytes: Cow::Borrowed(&record.body),
                content_type: None,
                language: None,
            }),
            false => Err("no_head"),
        };
    };
    if response.status != 200 {
        return Err("status");
    }
    for value in response.headers.all("x-robots-tag") {
        robots.header(value);
    }
    Ok(Content {
        bytes: response.content()?,
        content_type: response.headers.get("content-type").map(Into::into),
        language: response.headers.get("content-language").map(html::hint),
    })
}

/// Whether a content without a type is HTML, by the tags that the MIME Sniffing standard names.
fn looks_like_html(bytes: &[u8]) -> bool {
    let start = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    let tags = [
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
        "<!--",
    ];
    tags.iter().any(|tag| {
        let found = start
            .get(..tag.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(tag.as_bytes()));
        found
            && (*tag == "<!--"
                || matches!(
                    start.get(tag.len()),
                    Some(b' ' | b'>' | b'\n' | b'\r' | b'\t')
                ))
    })
}
