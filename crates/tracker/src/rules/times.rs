//! Parsing and formatting of times and durations for people.

use jiff::{Timestamp, civil::Date, tz::Offset};

use crate::clock::Millis;

/// Parses a time to milliseconds since the Unix epoch: `2026-11-28T16:00:00Z`, or a date, which
/// means midnight UTC.
///
/// # Errors
/// Returns a sentence that says what is invalid.
pub fn moment(text: &str) -> Result<Millis, String> {
    let midnight = |date: Date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
    // The parser would accept a time of day without its zone as a date.
    let moment = if text.len() == "2026-11-28".len() {
        text.parse().and_then(midnight)
    } else {
        text.parse()
    };
    moment
        .map(Timestamp::as_millisecond)
        .map_err(|_| format!("{text:?} is no time; write 2026-11-28T16:00:00Z or 2026-11-28."))
}

/// Formats date and time of day in UTC. A time beyond the calendar's range becomes the nearest one
/// within it.
#[must_use]
pub fn utc(at: Millis) -> (String, String) {
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let seconds = at.div_euclid(1_000).clamp(first, last);
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    (
        at.strftime("%Y-%m-%d").to_string(),
        at.strftime("%H:%M:%S").to_string(),
    )
}

/// Formats a time as one word, which [`moment`] parses.
#[must_use]
pub fn stamp(at: Millis) -> String {
    let (date, clock) = utc(at);
    format!("{date}T{clock}Z")
}

/// Parses a duration such as `90s`, `15m`, `1h` or `2d` to milliseconds.
///
/// # Errors
/// Returns a sentence that says what is invalid.
pub fn duration(text: &str) -> Result<Millis, String> {
    let unit = |letter| match letter {
        's' => Some(1_000),
        'm' => Some(60_000),
        'h' => Some(3_600_000),
        'd' => Some(86_400_000),
        _ => None,
    };
    let millis = text.char_indices().next_back().and_then(|(at, letter)| {
        let count: Millis = text[..at].parse().ok().filter(|count| *count >= 0)?;
        count.checked_mul(unit(letter)?)
    });
    millis.ok_or_else(|| format!("{text:?} is no duration; write 90s, 15m, 1h or 2d."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_says_its_zone() {
        assert_eq!(moment("1970-01-02T00:00:00Z"), Ok(86_400_000));
        assert_eq!(moment("1970-01-02T01:00:00+01:00"), Ok(86_400_000));
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(moment("1970-01-01T00:00:00.25Z"), Ok(250));
        for bad in [
            "",
            "now",
            "1970-01-02T00:00:00",
            "1970-13-02",
            "12:00",
            "1970-01-2T",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn any_time_is_written_and_what_is_written_is_read() {
        for at in [0, 951_782_400_000, 1_796_000_000_000, -1_000] {
            assert_eq!(moment(&stamp(at)), Ok(at));
        }
        assert_eq!(stamp(Millis::MAX).get(..4), Some("9999"));
        assert!(!stamp(Millis::MIN).is_empty());
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(90_000));
        assert_eq!(duration("2d"), Ok(172_800_000));
        for bad in [
            "",
            "h",
            "1",
            "-1h",
            "1.5h",
            "1 h",
            "99999999999999999d",
            "1é",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
