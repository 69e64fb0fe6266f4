//! The address of a tracker: checks its URL, and joins paths to it.

use crate::fault::{Code, Fault, Kind, before};

/// The base address of a tracker: scheme, host and optional path, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Checks a caller's URL, and removes the slashes at its end.
    ///
    /// # Errors
    /// `InvalidURLError` for anything other than an absolute `http` or `https` URL with a host and
    /// without user, query and fragment. `fetch` would refuse some of these, and resolve others in
    /// unintended ways.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| {
            Err(Fault::new(
                Kind::InvalidUrl,
                Code::InvalidUrl,
                format!(
                    "{why}: \"{text}\". Give the tracker's address in full, for example \
                     \"https://tracker.example.com\"."
                ),
            ))
        };
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            return refuse("The tracker's URL is empty");
        }
        let scheme = before(trimmed, b":");
        let rest = trimmed.get(scheme.len()..).unwrap_or_default();
        let Some(mut rest) = rest.strip_prefix("://") else {
            return refuse("The tracker's URL has no scheme");
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return refuse("The tracker's URL must begin with http:// or https://");
        }
        if rest.bytes().any(|byte| b"?#".contains(&byte)) {
            return refuse("The tracker's URL must have no ? and no #");
        }
        let is_foreign = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if rest.chars().any(is_foreign) {
            return refuse("The tracker's URL contains a character that no URL has");
        }
        let authority = before(rest, b"/");
        if authority.as_bytes().contains(&b'@') {
            return refuse("The tracker's URL must not contain a user name or password");
        }
        if authority.is_empty() || authority.starts_with(':') {
            return refuse("The tracker's URL has no host");
        }
        while let Some(shorter) = rest.strip_suffix('/') {
            rest = shorter;
        }
        Ok(Self(format!("{scheme}://{rest}")))
    }

    /// The address as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address followed by a path.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Percent-encodes text for a query value or a path segment: everything but the unreserved
/// characters of RFC 3986.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_are_taken_off() {
        for text in [
            "https://t.example/base",
            " https://t.example/base/ ",
            "HTTPS://t.example/base//",
        ] {
            let address = Address::parse(text).expect("a good address");
            assert_eq!(address.as_str(), "https://t.example/base");
        }
        let address = Address::parse("http://127.0.0.1:8080").expect("a good address");
        assert_eq!(address.join("/api/new"), "http://127.0.0.1:8080/api/new");
    }

    #[test]
    fn what_fetch_would_misread_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "empty"),
            ("  ", "empty"),
            ("tracker.example.com", "no scheme"),
            ("/tracker", "no scheme"),
            ("ftp://t.example", "must begin with http"),
            ("javascript://x", "must begin with http"),
            ("http://", "no host"),
            ("http:///path", "no host"),
            ("http://:80", "no host"),
            ("http://me:secret@t.example", "user name"),
            ("http://t.example/?a=b", "no ?"),
            ("http://t.example/#x", "no #"),
            ("http://t.exa mple", "character"),
            ("http://t.example\\x", "character"),
            ("http://t.example/\0", "character"),
        ] {
            let fault = Address::parse(text).expect_err(text);
            assert_eq!(fault.code, Code::InvalidUrl);
            assert!(fault.message.contains(why), "{text:?}: {}", fault.message);
        }
    }

    #[test]
    fn encoding_leaves_nothing_that_a_query_or_a_path_would_read() {
        assert_eq!(encode("AWS Pod 3/ä&?#"), "AWS%20Pod%203%2F%C3%A4%26%3F%23");
        assert_eq!(encode("a-b_c.d~9"), "a-b_c.d~9");
    }
}
