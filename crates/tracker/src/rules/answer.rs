//! When two outputs are the same answer: as texts, or else as JSON values.

use std::{collections::BTreeMap, fmt};

use distcompute_protocol::json_part;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::secrets;

/// The length of a digest in hexadecimal digits, after the letter that says what was digested.
const DIGITS: usize = 32;

/// The number of digits that a double-precision number has at most. Numbers with more are compared as
/// they are written: readers that round them would take different ones for the same.
const PRECISE: usize = 17;

/// Whole numbers up to here have one way to be written as an integer.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns a text that is the same for outputs that are the same answer, and differs for others.
///
/// JSON values are the same whatever the order of their keys, the spaces between them, and the way in
/// which numbers are written. An object with the same key twice is no value, because readers differ in
/// which one they take.
#[must_use]
pub fn digest(output: &str) -> String {
    // A text that could be read as JSON is not the JSON value itself.
    let (document, kind) = match json_part(output) {
        Some(document) => (document, 'j'),
        None => (output, 's'),
    };
    let (kind, value) = match canonical(document) {
        Some(value) => (kind, secrets::fingerprint(&value)),
        None => ('t', secrets::fingerprint(output)),
    };
    std::iter::once(kind)
        .chain(value.chars().take(DIGITS))
        .collect()
}

/// The length in bytes up to which a value within another one is written as it is. Longer ones are replaced by
/// their fingerprints: otherwise a text would be copied once for each list around it, up to 127 times.
const PLAIN: usize = 64;

/// A canonical value as a part of another one. No value begins with the sign before a fingerprint.
fn part(value: String) -> String {
    if value.len() > PLAIN {
        format!("#{}", secrets::fingerprint(&value))
    } else {
        value
    }
}

/// The one way to write a JSON value.
fn canonical(text: &str) -> Option<String> {
    if has_long_number(text) {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Canonical.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Whether a number, outside of texts, has more digits than a double-precision number tells apart.
fn has_long_number(text: &str) -> bool {
    let (mut within, mut escaped, mut digits) = (false, false, 0);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            _ if within => {}
            b'0' if digits == 0 => {}
            b'0'..=b'9' => {
                digits += 1;
                if digits > PRECISE {
                    return true;
                }
            }
            b'.' => {}
            _ => digits = 0,
        }
    }
    false
}

#[derive(Clone, Copy)]
struct Canonical;

impl<'de> DeserializeSeed<'de> for Canonical {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<String, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Canonical {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(if value.fract() == 0.0 && value.abs() < WHOLE {
            // Also of -0, which no answer can mean to distinguish from 0.
            format!("{:.0}", value + 0.0)
        } else {
            format!("{value:?}")
        })
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
        serde_json::to_string(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut written = "[".to_owned();
        while let Some(value) = list.next_element_seed(Canonical)? {
            written += &part(value);
            written.push(',');
        }
        written.push(']');
        Ok(written)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = part(map.next_value_seed(Canonical)?);
            if entries.insert(key, value).is_some() {
                return Err(de::Error::custom("a key is there twice"));
            }
        }
        let mut written = "{".to_owned();
        for (key, value) in entries {
            written += &self.visit_str::<A::Error>(&key)?;
            written.push(':');
            written += &value;
            written.push(',');
        }
        written.push('}');
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        digest(one) == digest(other)
    }

    #[test]
    fn the_same_json_value_is_the_same_answer() {
        assert!(same(
            "{\"a\":1,\"b\":[true,null]}",
            " {\"b\": [true, null], \"a\": 1.0}\n"
        ));
        assert!(same("[0.1,1e2,-0.0]", "[1e-1, 100, 0]"));
        assert!(same("\"\\u0041\"", "\"A\""));
        assert!(same("<!json!>{\"a\":1}", "<!json!>{ \"a\": 1 }"));
        assert!(!same("<!json!>[1]", "[1]"));
        assert!(same("no json", "no json"));
        assert!(!same("1", "\"1\""));
        assert!(!same("[1,2]", "[2,1]"));
        assert!(!same("no json", "no  json"));
        assert!(!same("{\"a\":[1]}", "{\"a\":1}"));
    }

    #[test]
    fn numbers_that_a_reader_might_round_are_compared_as_texts() {
        assert!(!same("123456789012345678901", "123456789012345678902"));
        assert!(!same("0.1234567890123456789", "0.1234567890123456788"));
        assert!(same("0.30000000000000004", " 0.30000000000000004"));
        assert!(same(
            "[\"123456789012345678901\", 1]",
            "[\"123456789012345678901\",1]"
        ));
    }

    #[test]
    fn a_key_that_is_there_twice_makes_it_a_text() {
        assert!(!same("{\"a\":1,\"a\":2}", "{\"a\":2}"));
        assert!(!same("{\"a\":1,\"a\":2}", "{\"a\": 1, \"a\": 2}"));
    }

    #[test]
    fn long_values_within_others_are_compared_as_well() {
        let around = |text: &str, space: &str| {
            let text = format!("{{\"b\":{space}[\"{text}\"],\"a\":{space}1}}");
            format!("{}{text}{}", "[".repeat(100), "]".repeat(100))
        };
        let long = "x".repeat(1_000);
        assert!(same(&around(&long, ""), &around(&long, " ")));
        assert!(!same(&around(&long, ""), &around(&format!("{long}y"), "")));
        assert!(!same(
            &around(&long, ""),
            &format!("[{}]", around(&long, ""))
        ));
        let hash = part(format!("\"{long}\""));
        assert!(!same(&format!("[\"{hash}\"]"), &format!("[\"{long}\"]")));
    }

    #[test]
    fn texts_that_are_nested_without_end_are_texts() {
        let deep = "[".repeat(100_000);
        assert!(same(&deep, &deep));
        assert_eq!(digest(&deep).len(), 1 + DIGITS);
    }
}
