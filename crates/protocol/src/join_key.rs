//! The join key of a project that is not for everybody.

/// The request header of `GET /api/new` that carries the join key. Unlike the address, it does not
/// appear in the logs of proxies.
pub const JOIN_KEY_HEADER: &str = "distcompute-join-key";

/// The first part of an address that contains the join key, `/join/KEY`. The calls below it are
/// the same as without it. It is for clients that can be given an address and no header.
pub const JOIN_PATH: &str = "/join/";

/// The lengths that a join key may have, so that it cannot be guessed.
const LENGTHS: core::ops::RangeInclusive<usize> = 16..=128;

/// Whether a text can be a join key. Its characters mean the same in a header, in a path and in the
/// fragment of an address, without any escapes.
#[must_use]
pub fn is_join_key(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    LENGTHS.contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_key_needs_no_escapes_and_cannot_be_guessed() {
        for key in ["0123456789abcdef", "A-long_key.with~all", &"x".repeat(128)] {
            assert!(is_join_key(key), "{key}");
        }
        let long = "x".repeat(129);
        for text in [
            "",
            "fifteen-letters",
            "a key with spaces in it",
            "half/of-a-path/is-no-key",
            "percent%20encoded-key",
            "ein-schlüssel-mit-ü",
            &long,
        ] {
            assert!(!is_join_key(text), "{text}");
        }
    }
}
