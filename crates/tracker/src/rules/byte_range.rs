//! The header `Range` (RFC 9110, section 14), as far as the answer may be one range.

/// What a request asks for of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of it.
    Whole,
    /// The bytes from `from` on, as many as `count`, at least one.
    Part {
        /// The first byte.
        from: u64,
        /// The number of bytes.
        count: u64,
    },
    /// Nothing that there is.
    Nothing,
}

/// What a header asks for of `bytes` bytes. What is not one range of bytes is ignored, as the RFC
/// demands.
#[must_use]
pub fn asked(header: &str, bytes: u64) -> Asked {
    let Some((unit, range)) = header.split_once('=') else {
        return Asked::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Asked::Whole;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is larger than all others is beyond any end.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (from, end) = match (first, last) {
        ("", last) => match number(last) {
            Some(count) => (bytes.saturating_sub(count), bytes),
            None => return Asked::Whole,
        },
        (first, "") => match number(first) {
            Some(from) => (from, bytes),
            None => return Asked::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, bytes.min(last.saturating_add(1))),
            _ => return Asked::Whole,
        },
    };
    match end.checked_sub(from) {
        Some(count) if count > 0 => Asked::Part { from, count },
        _ => Asked::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_what_there_is() {
        let part = |from, count| Asked::Part { from, count };
        for (header, expected) in [
            ("bytes=0-", part(0, 10)),
            ("bytes=3-", part(3, 7)),
            ("bytes=3-3", part(3, 1)),
            ("bytes=3-99", part(3, 7)),
            ("Bytes = 3-4", part(3, 2)),
            ("bytes=-4", part(6, 4)),
            ("bytes=-99", part(0, 10)),
            ("bytes=9-18446744073709551615", part(9, 1)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=99999999999999999999999-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=4-3", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(asked(header, 10), expected, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
    }
}
