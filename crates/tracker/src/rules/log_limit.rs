//! Which of many lines of one kind stand in the log: some a minute, and how many there were besides.

use crate::clock::Millis;

/// Lines of one kind that a minute has.
const A_MINUTE: u32 = 30;

const MINUTE: Millis = 60_000;

/// Lines of one kind.
#[derive(Debug, Default)]
pub struct LogLimit {
    since: Millis,
    written: u32,
    left_out: u64,
}

impl LogLimit {
    /// Nothing was written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            since: 0,
            written: 0,
            left_out: 0,
        }
    }

    /// Whether one more line is to be written.
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

    /// How many were left out, to be said before the next line: once a minute.
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
