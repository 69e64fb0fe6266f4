//! What travels between the stages: pages and counts, as lines of JSON.

use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest input of a stage after the first, in bytes. A stage writes no more than this, so a
/// larger input is not the output of the stage before.
pub(crate) const MAX_LINES: usize = 12 << 20;

/// A page. Stages leave out fields that they have used up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// The address, absolute.
    pub url: String,
    /// When the page was fetched, as the archive writes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// The title, or an empty string.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The text, one block of the page per line.
    pub text: String,
    /// One letter per line of `text`: `p` paragraph, `h` heading, `l` item of a list, `t` cell of a
    /// table, `n` navigation. Used up by stage b.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blocks: String,
    /// The number of words in links, by line of `text`. Used up by stage b.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<u32>,
    /// The languages that the page or its server names, in the order of their precedence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The character set from which the page was decoded.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub charset: String,
    /// Images with the texts that describe them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// The language, by its ISO 639-3 code. From stage c on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// How sure that is, in thousandths. From stage c on.
    #[serde(skip_serializing_if = "is_zero")]
    pub confidence: u16,
    /// The keys of the signature's bands, 16 hexadecimal digits each. From stage d on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bands: String,
}

/// An image and the texts that describe it, at least one of which is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// The address of its largest version, absolute.
    pub src: String,
    /// Its alternative text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alt: String,
    /// Its caption.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub caption: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// How often what happened, by names such as `extract.drop.status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Counts one more of `name`.
    pub fn add(&mut self, name: &str) {
        self.add_many(name, 1);
    }

    /// Counts `number` more of `name`. A sum too large for a counter stays at the largest.
    pub fn add_many(&mut self, name: &str, number: u64) {
        if number == 0 {
            return;
        }
        match self.0.get_mut(name) {
            Some(count) => *count = count.saturating_add(number),
            None => {
                self.0.insert(name.into(), number);
            }
        }
    }

    /// The count of `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The counts whose name begins with `prefix`, without it, in the order of their names.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, u64)> + Clone {
        let named =
            move |(name, count): (&'a String, &u64)| Some((name.strip_prefix(prefix)?, *count));
        self.0.iter().filter_map(named)
    }

    /// Adds the counts of another piece.
    pub fn merge(&mut self, others: &Counts) {
        for (name, count) in &others.0 {
            self.add_many(name, *count);
        }
    }
}

/// The pages of one piece with its counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// The pages, in the order of the archive.
    pub pages: Vec<Page>,
    /// What happened to this piece so far.
    pub counts: Counts,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsLine {
    counts: Counts,
}

/// An input that is not what the stage before writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError(String);

impl InputError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for InputError {}

impl Pages {
    /// Reads the output of a stage, which may come from a hostile volunteer.
    ///
    /// # Errors
    /// Returns an error that names the first line that is no page, or says that the counts are
    /// missing.
    pub fn read(lines: &[u8]) -> Result<Self, InputError> {
        if lines.len() > MAX_LINES {
            return Err(InputError::new(format!(
                "the input is larger than {MAX_LINES} bytes: no stage writes that much"
            )));
        }
        let text = str::from_utf8(lines).map_err(|_| InputError::new("the input is not UTF-8"))?;
        let (text, last) = match text.trim_end().rsplit_once('\n') {
            Some(parts) => parts,
            None => ("", text),
        };
        let counts = serde_json::from_str::<CountsLine>(last)
            .map_err(|error| InputError::new(format!("the last line has no counts: {error}")))?
            .counts;
        let page = |(index, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|error| InputError::new(format!("line {}: {error}", index + 1)))
        };
        let pages = text
            .lines()
            .enumerate()
            .map(page)
            .collect::<Result<_, _>>()?;
        Ok(Self { pages, counts })
    }

    /// Writes the pages and the counts as lines.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for page in &self.pages {
            write_page(page, &mut lines);
        }
        write_counts(&self.counts, &mut lines);
        lines
    }

    /// Passes each page through `step`, which may change it or give the reason to drop it, and
    /// counts both under the stage's name.
    pub(crate) fn sieve(
        &mut self,
        stage: &str,
        mut step: impl FnMut(&mut Page, &mut Counts) -> Result<(), &'static str>,
    ) {
        let Self { pages, counts } = self;
        pages.retain_mut(|page| {
            let outcome = step(page, counts);
            match outcome {
                Ok(()) => counts.add(&format!("{stage}.kept")),
                Err(reason) => counts.add(&format!("{stage}.drop.{reason}")),
            }
            outcome.is_ok()
        });
    }
}

/// Appends a page as a line.
pub(crate) fn write_page(page: &Page, lines: &mut Vec<u8>) {
    write_line(page, lines);
}

/// Appends the counts as a line.
pub(crate) fn write_counts(counts: &Counts, lines: &mut Vec<u8>) {
    write_line(&serde_json::json!({ "counts": counts }), lines);
}

fn write_line(value: &impl Serialize, lines: &mut Vec<u8>) {
    serde_json::to_writer(&mut *lines, value).expect("texts and numbers are written to memory");
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_survive_their_journey_as_lines() {
        let page = Page {
            url: "https://example.org/\u{2028}".into(),
            text: "A line.\nAnother one, with \"quotes\".".into(),
            blocks: "pp".into(),
            linked: vec![0, 2],
            ..Page::default()
        };
        let mut pages = Pages::default();
        pages.counts.add("extract.records");
        assert_eq!(Pages::read(&pages.write()), Ok(pages.clone()));
        pages.pages = vec![page.clone(), page];
        assert_eq!(Pages::read(&pages.write()), Ok(pages));
    }

    #[test]
    fn what_no_stage_writes_is_refused_with_its_line() {
        let error = |text: &str| Pages::read(text.as_bytes()).expect_err(text).to_string();
        assert!(error("").contains("no counts"));
        assert!(error("{\"url\":\"a\"}\n").contains("no counts"));
        assert!(error("{\"url\":1}\n{\"counts\":{}}\n").contains("line 1"));
        assert!(error("{\"url\":\"a\",\"more\":1}\n{\"counts\":{}}").contains("line 1"));
        assert!(error("{\"counts\":{\"a\":-1}}").contains("no counts"));
        assert!(Pages::read(&[0xff]).is_err());
        assert!(Pages::read(&vec![b' '; MAX_LINES + 1]).is_err());
    }

    #[test]
    fn counts_add_up_and_never_overflow() {
        let (mut all, mut more) = (Counts::default(), Counts::default());
        all.add("a");
        more.add_many("a", u64::MAX);
        more.add_many("b", 0);
        all.merge(&more);
        assert_eq!((all.of("a"), all.of("b")), (u64::MAX, 0));
        assert_eq!(all.under("a").collect::<Vec<_>>(), [("", u64::MAX)]);
    }
}
