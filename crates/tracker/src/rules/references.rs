//! References to files in jobs' texts: finding them, and editing their addresses without touching
//! anything else.
//!
//! A text that may contain one is scanned once, without recursion, because depth is not limited. The
//! scan relies on the text being JSON, which [`payload::check`](super::payload::check) ensures; on any
//! other text it ends without an answer.

use std::{borrow::Cow, collections::BTreeMap};

use distcompute_protocol::{
    FILE_MEMBER, FILE_PREFIX, MAX_FILE_REFS, is_file_name, is_file_type, json_part,
};

/// How many levels of objects and lists a text with references may have. The scan keeps a record of each
/// level that is open.
const MOST_LEVELS: usize = 20_000;

/// The digits of a name.
const NAME_DIGITS: usize = 64;

/// The largest `bytes`: JavaScript's largest safe integer.
const MOST_BYTES: u64 = (1 << 53) - 1;

/// A reference to a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The file's name.
    pub file: String,
    /// The size that the reference gives.
    pub bytes: u64,
}

/// The references of a text.
///
/// # Errors
/// Returns a sentence if an object has a member `$file` and is no reference, or if there are too many
/// references.
pub fn references(text: &str) -> Result<Vec<Reference>, String> {
    Ok(found(text)?.into_iter().map(|one| one.reference).collect())
}

/// Whether a text may contain references: a cheap test that decides whether it is scanned.
#[must_use]
pub fn may_refer(text: &str) -> bool {
    (text.contains("\"$file\"") || may_escape_member(text)) && json_part(text).is_some()
}

/// Whether a text contains an escape sequence for one of the characters of `$file`. JSON allows that in the
/// names of members, and whoever parses the text reads the same name.
fn may_escape_member(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("\\u00") {
        let digits = rest.get(at + 4..at + 6).unwrap_or_default();
        if matches!(digits, "24" | "66" | "69" | "6c" | "6C" | "65") {
            return true;
        }
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    false
}

/// The names of files that a text contains, wherever they are in it.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    let places = text.match_indices(FILE_PREFIX);
    let named = places.filter_map(|(at, prefix)| text.get(at..at + prefix.len() + NAME_DIGITS));
    named.filter(|name| is_file_name(name))
}

/// Gives each reference of a text the member `url`, in place of one that it may have, or none if it is to
/// have none. A text that is not as [`references`] demands stays as it is.
#[must_use]
pub fn with_urls(text: String, url: impl Fn(&Reference) -> Option<String>) -> String {
    if !may_refer(&text) {
        return text;
    }
    let Ok(found) = found(&text) else {
        return text;
    };
    let mut edited = String::with_capacity(text.len() + found.len() * 200);
    let mut from = 0;
    for one in found {
        let (begin, end, inserted) = match (one.url, url(&one.reference)) {
            (Some(Member { value, .. }), Some(url)) => (value.0, value.1, format!("\"{url}\"")),
            (None, Some(url)) => (one.end, one.end, format!(",\"url\":\"{url}\"")),
            (Some(Member { whole, .. }), None) => (whole.0, whole.1, String::new()),
            (None, None) => continue,
        };
        edited.push_str(text.get(from..begin).unwrap_or_default());
        edited.push_str(&inserted);
        from = end;
    }
    edited.push_str(text.get(from..).unwrap_or_default());
    edited
}

/// Removes the members `url` of all references. A text that is not as [`references`] demands stays as
/// it is.
#[must_use]
pub fn without_urls(text: &str) -> Cow<'_, str> {
    let Ok(found) = found(text) else {
        return Cow::Borrowed(text);
    };
    if found.iter().all(|one| one.url.is_none()) {
        return Cow::Borrowed(text);
    }
    let mut edited = String::with_capacity(text.len());
    let mut from = 0;
    for Member { whole, .. } in found.into_iter().filter_map(|one| one.url) {
        edited.push_str(text.get(from..whole.0).unwrap_or_default());
        from = whole.1;
    }
    edited.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(edited)
}

/// The files that the owner's job names: names of files with or without their size, and local names that
/// begin with `./`.
///
/// # Errors
/// Returns a sentence if an object has a member `$file` that is neither.
pub fn local(text: &str) -> Result<Vec<String>, String> {
    let list = locals(text)?.into_iter().map(|one| one.name);
    Ok(list.collect())
}

/// A job with references in place of those that [`local`] finds.
///
/// # Errors
/// Returns a sentence if one of them is not in `by_name`.
pub fn completed(text: String, by_name: &BTreeMap<String, Reference>) -> Result<String, String> {
    let mut edits = Vec::new();
    for one in locals(&text)? {
        let reference = by_name
            .get(&one.name)
            .ok_or_else(|| format!("{:?} is not stored.", one.name))?;
        edits.push((one.file, format!("\"{}\"", reference.file)));
        edits.push(match one.bytes {
            Some(range) => (range, reference.bytes.to_string()),
            None => (
                (one.end, one.end),
                format!(",\"bytes\":{}", reference.bytes),
            ),
        });
    }
    if edits.is_empty() {
        return Ok(text);
    }
    edits.sort_unstable();
    let mut edited = String::with_capacity(text.len() + edits.len() * 100);
    let mut from = 0;
    for ((begin, end), inserted) in edits {
        edited.push_str(text.get(from..begin).unwrap_or_default());
        edited.push_str(&inserted);
        from = end;
    }
    edited.push_str(text.get(from..).unwrap_or_default());
    Ok(edited)
}

/// An object of the owner's that names a file.
#[derive(Debug)]
struct Local {
    name: String,
    file: Range,
    bytes: Option<Range>,
    end: usize,
}

fn locals(text: &str) -> Result<Vec<Local>, String> {
    let mut list = Vec::new();
    scanned(text, &mut |scan: &Scan<'_>,
                        open: &Open,
                        file: Range,
                        end| {
        let name: Option<String> = scan.text.get(file.0..file.1).and_then(|quoted| {
            let name = serde_json::from_str(quoted);
            name.ok()
        });
        let name = name.filter(|name| name.starts_with("./") || is_file_name(name));
        let name = name.filter(|_| !open.twice).ok_or_else(|| {
            "An object with the member \"$file\" must name a file by its hash, or as ./name."
                .to_owned()
        })?;
        list.push(Local {
            name,
            file,
            bytes: open.bytes,
            end,
        });
        Ok(())
    })?;
    Ok(list)
}

/// A range of bytes of the text.
type Range = (usize, usize);

/// The member `url` of a reference.
#[derive(Debug, Clone, Copy)]
struct Member {
    value: Range,
    /// The member with one of the commas beside it.
    whole: Range,
}

/// A reference, and where it is.
#[derive(Debug)]
struct Found {
    reference: Reference,
    url: Option<Member>,
    /// Where its closing brace is.
    end: usize,
}

/// An object or a list that has not ended.
#[derive(Debug, Default)]
struct Open {
    is_object: bool,
    /// The name of the member whose value is read, and where it begins.
    name: Option<Range>,
    file: Option<Range>,
    bytes: Option<Range>,
    kind: Option<Range>,
    url: Option<Member>,
    /// A member occurs twice.
    twice: bool,
    /// Where the member before ended, and the comma after it, if there is one.
    comma: Option<usize>,
    /// `url` was the first member: the comma after it goes with it.
    first_url: bool,
}

const NO_REFERENCE: &str = "An object with the member \"$file\" must be a reference to a file: \
     {\"$file\":\"sha256-…\",\"bytes\":1}, with 64 lower-case hexadecimal digits, and \"type\" a short text.";

/// Finds the references in the order of their ends. References do not contain each other: a value of
/// one that is an object is looked at by itself, and ends before.
fn found(text: &str) -> Result<Vec<Found>, String> {
    let mut list = Vec::new();
    scanned(text, &mut |scan: &Scan<'_>,
                        open: &Open,
                        file: Range,
                        end| {
        let reference = scan.reference(open, file).filter(|_| !open.twice);
        let reference = reference.ok_or_else(|| NO_REFERENCE.to_owned())?;
        if list.len() == MAX_FILE_REFS {
            return Err(format!(
                "A text contains at most {MAX_FILE_REFS} references to files."
            ));
        }
        let url = open.url;
        list.push(Found {
            reference,
            url,
            end,
        });
        Ok(())
    })?;
    // Edits go from the front to the back. A reference within another one ends first and begins
    // later, so a `url` of the outer one may lie before it.
    let at = |one: &Found| one.url.map_or(one.end, |url| url.whole.0);
    list.sort_by_key(at);
    Ok(list)
}

/// Takes an object with the member `$file`: the scan, the object, where the member's value is, and where
/// the object ends.
type Take<'a> = &'a mut dyn FnMut(&Scan<'_>, &Open, Range, usize) -> Result<(), String>;

fn scanned(text: &str, take: Take<'_>) -> Result<(), String> {
    if !may_refer(text) {
        return Ok(());
    }
    let mut scan = Scan {
        text,
        open: Vec::new(),
    };
    scan.run(text.len() - json_part(text).unwrap_or_default().len(), take)
}

struct Scan<'a> {
    text: &'a str,
    open: Vec<Open>,
}

impl Scan<'_> {
    fn run(&mut self, from: usize, take: Take<'_>) -> Result<(), String> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_text(bytes, at);
                    self.scalar((at, end), bytes);
                    at = end;
                    continue;
                }
                b'{' | b'[' if self.open.len() == MOST_LEVELS => {
                    return Err(format!(
                        "A text that names files has at most {MOST_LEVELS} levels of objects and lists."
                    ));
                }
                b'{' | b'[' => self.open.push(Open {
                    is_object: *byte == b'{',
                    ..Open::default()
                }),
                b'}' | b']' => {
                    if let Some(closed) = self.open.pop()
                        && let Some(file) = closed.file
                    {
                        take(self, &closed, file, at)?;
                    }
                    self.value((at, at + 1));
                }
                b',' => {
                    if let Some(open) = self.open.last_mut() {
                        open.comma = Some(at);
                        if std::mem::take(&mut open.first_url)
                            && let Some(url) = &mut open.url
                        {
                            url.whole.1 = at + 1;
                        }
                    }
                }
                b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => {
                    let end = end_of_word(bytes, at);
                    self.value((at, end));
                    at = end;
                    continue;
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// A text, which is the name of a member or a value.
    fn scalar(&mut self, range: Range, bytes: &[u8]) {
        let is_name = self
            .open
            .last()
            .is_some_and(|open| open.is_object && open.name.is_none());
        // The name of a member is followed by a colon.
        if is_name && next_token(bytes, range.1) == Some(b':') {
            if let Some(open) = self.open.last_mut() {
                open.name = Some(range);
            }
        } else {
            self.value(range);
        }
    }

    /// A value has been read. Of objects and lists it is the closing bracket.
    fn value(&mut self, range: Range) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(name) = open.name.take() else {
            return;
        };
        let named = self.text.get(name.0 + 1..name.1 - 1).unwrap_or_default();
        let named = unescaped(named);
        let slot = match named.as_ref() {
            FILE_MEMBER => &mut open.file,
            "bytes" => &mut open.bytes,
            "type" => &mut open.kind,
            "url" => {
                open.twice |= open.url.is_some();
                // An address that is an object is cut off at its closing bracket: it is no text, and
                // what refers to a file has none.
                let begin = open.comma.unwrap_or(name.0);
                open.first_url = open.comma.is_none();
                open.url = Some(Member {
                    value: range,
                    whole: (begin, range.1),
                });
                return;
            }
            _ => return,
        };
        open.twice |= slot.is_some();
        *slot = Some(range);
    }

    fn reference(&self, open: &Open, file: Range) -> Option<Reference> {
        let file = self.quoted(file).filter(|file| is_file_name(file))?;
        let digits = self.text.get(open.bytes?.0..open.bytes?.1)?;
        let digits = Some(digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let bytes: u64 = digits?.parse().ok()?;
        let is_kind = match open.kind {
            None => true,
            Some(kind) => self.quoted(kind).is_some_and(is_file_type),
        };
        let is_url = open.url.is_none_or(|url| self.quoted(url.value).is_some());
        (is_kind && is_url && bytes <= MOST_BYTES).then(|| Reference {
            file: file.to_owned(),
            bytes,
        })
    }

    /// The content of a text, as it is written.
    fn quoted(&self, range: Range) -> Option<&str> {
        let text = self.text.get(range.0..range.1)?;
        text.strip_prefix('"')?.strip_suffix('"')
    }
}

/// The name of a member, in which characters may be escaped.
fn unescaped(written: &str) -> Cow<'_, str> {
    if !written.contains('\\') {
        return Cow::Borrowed(written);
    }
    // None of the names that matter is that long, even if all of it is escaped.
    let is_short = written.len() <= 6 * FILE_MEMBER.len();
    let read = || serde_json::from_str(&format!("\"{written}\"")).ok();
    let name = is_short.then(read).flatten();
    name.map_or(Cow::Borrowed(written), Cow::Owned)
}

/// Where a text ends, behind its closing quote.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where a number, `true`, `false` or `null` ends.
fn end_of_word(bytes: &[u8], begin: usize) -> usize {
    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
    let rest = bytes.get(begin + 1..).unwrap_or_default();
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    begin + 1 + length
}

fn next_token(bytes: &[u8], from: usize) -> Option<u8> {
    let rest = bytes.get(from..)?;
    let token = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    token.copied()
}

#[cfg(test)]
mod tests {
    use distcompute_protocol::JSON_MARK;
    use proptest::prelude::*;

    use super::*;

    fn name(digit: char) -> String {
        format!("sha256-{}", digit.to_string().repeat(64))
    }

    fn marked(json: &str) -> String {
        let json = json.replace('A', &name('a')).replace('B', &name('b'));
        format!("{JSON_MARK}{json}")
    }

    fn names(json: &str) -> Result<Vec<(String, u64)>, String> {
        let found = references(&marked(json))?;
        Ok(found.into_iter().map(|one| (one.file, one.bytes)).collect())
    }

    #[test]
    fn references_are_found_wherever_they_are() {
        let [a, b] = ['a', 'b'].map(name);
        assert_eq!(
            names(r#"{"$file":"A","bytes":7}"#),
            Ok(vec![(a.clone(), 7)])
        );
        assert_eq!(
            names(
                r#"[{"x":[{"bytes":0, "type":"image/png" , "$file" : "A"}]},{"$file":"B","bytes":12,"more":{"y":[1,"}"]}}]"#
            ),
            Ok(vec![(a.clone(), 0), (b.clone(), 12)])
        );
        let deep = format!(
            r#"{}{{"$file":"A","bytes":1}}{}"#,
            r#"{"a":["#.repeat(9_999),
            "]}".repeat(9_999)
        );
        assert_eq!(names(&deep), Ok(vec![(a.clone(), 1)]));
        for levels in ["[".repeat(1_000_000), r#"{"a":["#.repeat(1_000_000)] {
            assert!(names(&format!(r#"["$file",{levels}"#)).is_err());
        }
        let within = r#"{"$file":"A","bytes":1,"of":{"$file":"B","bytes":2}}"#;
        let mut both = names(within).expect("both");
        both.sort();
        assert_eq!(both, [(a, 1), (b, 2)]);
    }

    #[test]
    fn what_only_looks_like_a_reference_is_none() {
        for json in [
            r#"["$file","A"]"#,
            r#"{"a":"$file"}"#,
            r#"{"a":"\"$file\":\"A\""}"#,
            r#"{"\u0024files":"A","bytes":1}"#,
            r#"{"\\u0024file":"A","bytes":1}"#,
            r#"{"$File":"A","bytes":1}"#,
        ] {
            assert_eq!(names(json), Ok(vec![]), "{json}");
        }
        let plain = format!(r#"{{"$file":"{}","bytes":1}}"#, name('a'));
        assert_eq!(references(&plain), Ok(vec![]), "a plain text has none");
    }

    #[test]
    fn a_name_that_is_escaped_is_the_same_name() {
        let a = name('a');
        for json in [
            r#"{"\u0024file":"A","bytes":1}"#,
            r#"["$file",{"$fil\u0065":"A","byte\u0073":1}]"#,
            r#"{"\u0024\u0066\u0069\u006C\u0065":"A","bytes":1,"ur\u006c":"x"}"#,
        ] {
            assert_eq!(names(json), Ok(vec![(a.clone(), 1)]), "{json}");
            let given = with_urls(marked(json), |_| Some("y".to_owned()));
            assert!(
                given.contains("\"y\"") && !given.contains("\"x\""),
                "{given}"
            );
        }
        for json in [
            r#"{"$file":"A","bytes":17,"\u0024file":"B"}"#,
            r#"{"$file":"A","bytes":17,"byte\u0073":1e15}"#,
            r#"{"$file":"A","bytes":1,"url":"x","ur\u006c":"y"}"#,
            r#"{"\u0024file":"sha256-\u0061","bytes":1}"#,
        ] {
            assert_eq!(names(json), Err(NO_REFERENCE.to_owned()), "{json}");
        }
    }

    #[test]
    fn an_object_with_the_member_must_be_a_reference() {
        for json in [
            r#"{"$file":"A"}"#,
            r#"{"$file":7,"bytes":1}"#,
            r#"{"$file":null,"bytes":1}"#,
            r#"{"$file":["A"],"bytes":1}"#,
            r#"{"$file":"A","bytes":"1"}"#,
            r#"{"$file":"A","bytes":-1}"#,
            r#"{"$file":"A","bytes":1.5}"#,
            r#"{"$file":"A","bytes":1e3}"#,
            r#"{"$file":"A","bytes":9007199254740992}"#,
            r#"{"$file":"A","bytes":99999999999999999999999}"#,
            r#"{"$file":"A","bytes":1,"type":7}"#,
            r#"{"$file":"A","bytes":1,"type":""}"#,
            r#"{"$file":"A","bytes":1,"type":"a\nb"}"#,
            r#"{"$file":"A","bytes":1,"bytes":2}"#,
            r#"{"$file":"A","$file":"B","bytes":2}"#,
            r#"{"$file":"A","bytes":1,"url":7}"#,
            r#"{"$file":"A","bytes":1,"url":{"a":1}}"#,
            r#"{"$file":"A","bytes":1,"url":"x","url":"y"}"#,
            r#"{"$file":"sha256-../../etc/passwd","bytes":1}"#,
            r#"{"$file":"sha256-","bytes":1}"#,
        ] {
            assert_eq!(names(json), Err(NO_REFERENCE.to_owned()), "{json}");
        }
        let capital = marked(r#"[{"$file":"A","bytes":1}]"#).replace("aaa", "AAA");
        assert!(references(&capital).is_err());
        let many = |count| format!("[{}]", vec![r#"{"$file":"A","bytes":1}"#; count].join(","));
        assert_eq!(
            names(&many(MAX_FILE_REFS)).map(|all| all.len()),
            Ok(MAX_FILE_REFS)
        );
        assert!(names(&many(MAX_FILE_REFS + 1)).is_err());
    }

    #[test]
    fn an_address_is_added_and_nothing_else_changes() {
        let text = marked(
            r#"[1e400, {"$file":"A", "bytes":7 } ,"ä",{"url":"old","$file":"B","bytes":1}]"#,
        );
        let given = with_urls(text.clone(), |one| Some(format!("/f/{}", one.bytes)));
        assert_eq!(
            given,
            marked(
                r#"[1e400, {"$file":"A", "bytes":7 ,"url":"/f/7"} ,"ä",{"url":"/f/1","$file":"B","bytes":1}]"#
            )
        );
        let again = with_urls(given.clone(), |one| Some(format!("/f/{}", one.bytes)));
        assert_eq!(again, given);
        assert_eq!(
            without_urls(&given),
            marked(r#"[1e400, {"$file":"A", "bytes":7 } ,"ä",{"$file":"B","bytes":1}]"#)
        );
        let middle = marked(r#"{"$file":"A" , "url" : "x\"}" , "bytes":1}"#);
        assert_eq!(
            without_urls(&middle),
            marked(r#"{"$file":"A"  , "bytes":1}"#)
        );
        let nested =
            marked(r#"{"url":"x","of":{"$file":"B","bytes":2,"url":"y"},"$file":"A","bytes":1}"#);
        assert_eq!(
            without_urls(&nested),
            marked(r#"{"of":{"$file":"B","bytes":2},"$file":"A","bytes":1}"#)
        );
        assert_eq!(
            with_urls(nested, |one| Some(one.bytes.to_string())),
            marked(r#"{"url":"1","of":{"$file":"B","bytes":2,"url":"2"},"$file":"A","bytes":1}"#)
        );
        for other in [r#"{"a":{"url":"x"}}"#, r#"{"$file":"A","url":"x"}"#] {
            assert_eq!(without_urls(&marked(other)), marked(other));
            assert_eq!(
                with_urls(marked(other), |_| Some("y".to_owned())),
                marked(other)
            );
        }
    }

    #[test]
    fn some_references_get_no_address_and_lose_the_one_that_they_have() {
        let text = marked(
            r#"[{"$file":"A","bytes":1,"url":"x"},{"url":"y","$file":"B","bytes":2},{"$file":"A","bytes":3},{"$file":"B","bytes":4}]"#,
        );
        let given = with_urls(text, |one| (one.file == name('b')).then(|| "z".to_owned()));
        assert_eq!(
            given,
            marked(
                r#"[{"$file":"A","bytes":1},{"url":"z","$file":"B","bytes":2},{"$file":"A","bytes":3},{"$file":"B","bytes":4,"url":"z"}]"#
            )
        );
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let [a, b] = ['a', 'b'].map(name);
        let text = format!("ä{a}0 sha256-sha256-x {b}, {}", &a[..70]);
        assert_eq!(super::names(&text).collect::<Vec<_>>(), [&a, &b]);
        assert_eq!(super::names("sha256-ä").count(), 0);
    }

    #[test]
    fn the_owner_names_local_files_and_they_get_their_hashes() {
        let text = marked(
            r#"[{"$file":"./a b.bin"}, {"type":"x" , "$file":"./\u00e4/c","bytes":0},{"$file":"A"}]"#,
        );
        let [a, b, c] = [name('0'), name('1'), name('a')].map(|file| Reference { file, bytes: 5 });
        assert_eq!(
            local(&text),
            Ok(vec!["./a b.bin".to_owned(), "./ä/c".to_owned(), name('a')])
        );
        let names = [("./a b.bin", a), ("./ä/c", b), (&name('a'), c)];
        let names = names.map(|(name, one)| (name.to_owned(), one));
        let done = completed(text.clone(), &BTreeMap::from(names)).expect("completed");
        assert_eq!(
            done,
            marked(r#"[{"$file":"0","bytes":5}, {"type":"x" , "$file":"1","bytes":5},{"$file":"A","bytes":5}]"#)
                .replace("\"0\"", &format!("\"{}\"", name('0')))
                .replace("\"1\"", &format!("\"{}\"", name('1')))
        );
        assert_eq!(references(&done).map(|list| list.len()), Ok(3));
        assert!(completed(text, &BTreeMap::new()).is_err());
        for wrong in [
            r#"{"$file":"/etc/passwd"}"#,
            r#"{"$file":"x"}"#,
            r#"{"$file":7}"#,
        ] {
            assert!(local(&marked(wrong)).is_err(), "{wrong}");
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let reference = (
            prop::sample::select(vec!['a', 'b', '0']),
            0..99_u64,
            any::<bool>(),
        );
        let reference = reference.prop_map(|(digit, bytes, url)| {
            let mut one = serde_json::json!({ "$file": name(digit), "bytes": bytes, "z": "\"}{" });
            if url {
                one["url"] = "https://example.org/?a=\"".into();
            }
            one
        });
        let leaf = prop_oneof![
            any::<i32>().prop_map(Into::into),
            "[\"\\\\{}\\[\\]:,$file ]{0,12}".prop_map(Into::into),
            reference,
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("(url|bytes|[a-z\"]{0,3})", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// What a JSON parser finds.
    fn parsed(of: &serde_json::Value, into: &mut Vec<(String, u64)>, urls: &mut usize) {
        match of {
            serde_json::Value::Array(list) => {
                for one in list {
                    parsed(one, into, urls);
                }
            }
            serde_json::Value::Object(map) => {
                if let Some(file) = map.get("$file") {
                    let file = file.as_str().expect("a name").to_owned();
                    into.push((file, map["bytes"].as_u64().expect("a size")));
                    *urls += usize::from(map.contains_key("url"));
                }
                for one in map.values() {
                    parsed(one, into, urls);
                }
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn a_parser_finds_the_same(value in value(), pretty in any::<bool>(), escaped in any::<bool>()) {
            let value = serde_json::Value::Array(vec![value]);
            let json = if pretty {
                serde_json::to_string_pretty(&value).expect("JSON")
            } else {
                value.to_string()
            };
            let json = if escaped { json.replace("\"$file\":", "\"$\\u0066ile\":") } else { json };
            let text = format!("{JSON_MARK}{json}");
            let read = |text: &str| {
                let value = serde_json::from_str(json_part(text).expect("marked")).expect("JSON");
                let (mut found, mut urls) = (Vec::new(), 0);
                parsed(&value, &mut found, &mut urls);
                found.sort();
                (found, urls)
            };
            let mut found: Vec<_> = references(&text).expect("references").into_iter()
                .map(|one| (one.file, one.bytes)).collect();
            found.sort();
            prop_assert_eq!(&found, &read(&text).0);
            let given = with_urls(text.clone(), |_| Some("/x".to_owned()));
            prop_assert_eq!(read(&given), (found.clone(), found.len()));
            let bare = without_urls(&given);
            prop_assert_eq!(read(&bare), (found, 0));
            let plain = without_urls(&text);
            prop_assert_eq!(without_urls(&given), plain);
        }
    }
}
