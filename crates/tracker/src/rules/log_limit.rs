//! The rate limit of log lines of one kind: some per minute, and a count of those suppressed.

use crate::clock::Millis;

/// The maximum number of lines per minute.
const A_MINUTE: u32 = 30;

const MINUTE: Millis = 60_000;

/// The state of the limit for lines of one kind.
#[derive(Debug, Default)]
pub struct LogLimit {
    since: Millis,
    written: u32,
    left_out: u64,
}

impl LogLimit {
    /// Creates a limit with nothing written.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            since: 0,
            written: 0,
            left_out: 0,
        }
    }

    /// Whether one more line may be written.
    pub fn allows(&mut self, now: Millis) -> bool {
        if (now - self.since).abs() >= MINUTE {
            self.since = now;
            self.written = 0;
        }
        let allowed = self.written < A_MINUTE;
        if allowed {
            self.written += 1;
        } else {
            self.left_out += 1;
        }
        allowed
    }

    /// How many lines were suppressed, to be logged before the next line; once per minute.
    pub fn left_out(&mut self, now: Millis) -> Option<u64> {
        let over = (now - self.since).abs() >= MINUTE && self.left_out > 0;
        over.then(|| std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_some_lines_a_minute_and_a_count() {
        let mut limit = LogLimit::default();
        let start = 1_000_000;
        let written = (0..1_000).filter(|at| limit.allows(start + at)).count();
        assert_eq!(written, A_MINUTE as usize);
        assert_eq!(limit.left_out(start + 1_000), None, "not with every line");
        assert_eq!(limit.left_out(start + MINUTE), Some(1_000 - written as u64));
        assert!(limit.allows(start + MINUTE));
        assert_eq!(limit.left_out(start + 3 * MINUTE), None);
    }
}
