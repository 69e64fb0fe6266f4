//! The texts that a job may have. Imports, results and exports share this definition, so that
//! whatever the tracker accepts can be exported and imported again.
//!
//! A text is any Unicode text without U+0000. If it begins with the JSON mark, an object or an
//! array that conforms to the JSON grammar (RFC 8259) must follow. Nothing else is required:
//! numbers of any size, any depth and escaped lone surrogates are kept exactly as written, because
//! a reader in another language may be able to use them.

use distcompute_protocol::{JSON_MARK, json_part};
use serde::de::IgnoredAny;

use super::names::no_nul;

/// Checks a job's text.
///
/// # Errors
/// Returns a sentence that says why it cannot be stored.
pub fn check(text: &str) -> Result<(), String> {
    no_nul(text)?;
    match json_part(text) {
        Some(json) if !is_document(json) => Err(format!(
            "After {JSON_MARK} there must be a JSON object or list."
        )),
        _ => Ok(()),
    }
}

/// Converts JSON to a job's text: a string becomes plain text; an object or an array gets the mark
/// and is kept as written, except for white space between its tokens.
///
/// # Errors
/// Returns a sentence that says why it cannot be a job.
pub fn from_json(json: &str) -> Result<String, String> {
    let json = json.trim();
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).map_err(|error| not_json(&error))?;
        check(&text)?;
        return Ok(text);
    }
    grammar(json).map_err(|error| not_json(&error))?;
    match json.bytes().next() {
        Some(b'{' | b'[') => Ok(format!("{JSON_MARK}{}", compact(json))),
        Some(b'n') => Err(not_a_job("null")),
        Some(b't' | b'f') => Err(not_a_job("true or false")),
        _ => Err(not_a_job("a number")),
    }
}

/// Converts a job's text to one line of JSON, which [`from_json`] parses back. A text that
/// [`check`] would refuse, which only an older tracker has accepted, becomes a string.
#[must_use]
pub fn to_json(text: &str) -> String {
    match json_part(text).filter(|json| is_document(json)) {
        // A document that contains line breaks would not be one line.
        Some(json) => compact(json),
        None => serde_json::to_string(text).unwrap_or_default(),
    }
}

/// Removes the white space between the tokens of a JSON document, which is otherwise unchanged:
/// parsing and serializing it would round large numbers and sort keys.
#[must_use]
pub fn compact(json: &str) -> String {
    let mut compacted = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_text = c == '"';
        }
        compacted.push(c);
    }
    compacted
}

fn is_document(json: &str) -> bool {
    json.trim_start().starts_with(['{', '[']) && grammar(json).is_ok()
}

/// Checks that a text is JSON. `IgnoredAny` only checks the grammar, without recursion, so neither
/// the depth nor the size of numbers matters.
fn grammar(json: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(json).map(|_| ())
}

fn not_json(error: &serde_json::Error) -> String {
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or(&why);
    if why.contains("surrogate") || why.contains("unexpected end of hex escape") {
        return "This string holds one half of a surrogate pair, which is no character and cannot \
                be kept as text."
            .to_owned();
    }
    format!("This is not JSON: {why}.")
}

fn not_a_job(what: &str) -> String {
    format!("A job is a string, an object or a list, not {what}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents that conform to the JSON grammar but cause trouble in some parsers.
    fn unusual() -> Vec<String> {
        vec![
            r#"["a\ud800b"]"#.to_owned(),
            r#"{"\udfff": "\u0000"}"#.to_owned(),
            "[1e400, -1e-400, 12345678901234567890123]".to_owned(),
            format!("{}{}", "[".repeat(200), "]".repeat(200)),
            format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
            r#"{"a": 1, "a": 2}"#.to_owned(),
            " \n[1,\r\n\t2 ]\n".to_owned(),
        ]
    }

    #[test]
    fn what_is_json_by_its_grammar_is_kept_and_comes_back() {
        for json in unusual() {
            let text = format!("{JSON_MARK}{json}");
            assert_eq!(check(&text), Ok(()), "{json:.60}");
            let line = to_json(&text);
            assert!(!line.contains('\n'), "{json:.60}");
            assert_eq!(
                from_json(&line),
                Ok(format!("{JSON_MARK}{}", compact(&json)))
            );
            assert_eq!(
                from_json(&json),
                Ok(format!("{JSON_MARK}{}", compact(&json)))
            );
        }
    }

    #[test]
    fn what_only_claims_to_be_json_is_refused() {
        for json in [
            "",
            "7",
            "null",
            "\"a\"",
            "[NaN]",
            "[Infinity]",
            "[1,]",
            "{a: 1}",
            "{'a': 1}",
            "[1] 2",
            "[\"\n\"]",
            "[01]",
            "[",
            "\u{feff}[]",
        ] {
            let refusal = check(&format!("{JSON_MARK}{json}")).expect_err(json);
            assert!(refusal.contains("object or list"), "{refusal}");
            assert_eq!(
                check(json),
                Ok(()),
                "without the mark it is a text like any other"
            );
        }
        assert!(check("a\0b").expect_err("a NUL").contains("U+0000"));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text_and_is_named() {
        for json in [
            r#""a\ud800b""#,
            r#""\ud800""#,
            r#""\udc00x""#,
            r#""\ud800\ud800""#,
        ] {
            let refusal = from_json(json).expect_err(json);
            assert!(refusal.contains("surrogate"), "{json}: {refusal}");
        }
        assert_eq!(from_json(r#""\ud83d\ude00""#), Ok("\u{1f600}".to_owned()));
    }
}
