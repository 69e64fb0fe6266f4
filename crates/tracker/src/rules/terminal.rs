//! Makes untrusted text safe for a terminal, which interprets control characters.

use std::borrow::Cow;

/// Escapes control characters, except for line breaks and tabs.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() && c != '\n' && c != '\t')
}

/// Escapes control characters, including line breaks and tabs, for a field of a line.
#[must_use]
pub fn harmless_field(text: &str) -> Cow<'_, str> {
    escaped(text, char::is_control)
}

fn escaped(text: &str, steers: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&steers) {
        return text.into();
    }
    let escaped = text.chars().map(|c| match steers(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    });
    escaped.collect::<String>().into()
}

/// Escapes control characters in a line of JSON, which stays JSON with the same meaning: control
/// characters that JSON allows occur only in its strings.
#[must_use]
pub fn harmless_json(line: &str) -> Cow<'_, str> {
    if !line.contains(char::is_control) {
        return line.into();
    }
    let escaped = line.chars().map(|c| match c.is_control() {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    });
    escaped.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_obeyed() {
        assert_eq!(harmless("Größe\tµ\n"), "Größe\tµ\n");
        let title = harmless("a\u{1b}]0;title\u{7}b\u{9b}2J\r\u{7f}");
        assert_eq!(title, r"a\u{1b}]0;title\u{7}b\u{9b}2J\u{d}\u{7f}");
        assert_eq!(harmless_field("a\tb\nc"), r"a\u{9}b\u{a}c");
    }

    #[test]
    fn a_line_of_json_stays_the_same_json() {
        let line = "{\"number\":1,\"data\":\"\u{9b}2J\u{7f}\"}";
        let shown = harmless_json(line);
        assert!(!shown.contains(char::is_control), "{shown}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&shown), read(line));
        assert_eq!(harmless_json("{}"), "{}");
    }
}
