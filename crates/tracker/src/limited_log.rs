//! Rate limiting for log lines that a remote party can trigger. Suppressed lines are counted, and
//! the count is logged.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::Instant,
};

use crate::{clock::Millis, rules::log_limit::LogLimit};

/// The origin of a monotonic clock, which adjusting the system time does not affect.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A rate-limited log for lines of one kind.
#[derive(Debug, Default)]
pub struct LimitedLog(Mutex<LogLimit>);

impl LimitedLog {
    /// Creates a log to which nothing has been written.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(LogLimit::new()))
    }

    /// Calls `line` to write a log line, unless too many of this kind were written within the last
    /// minute.
    pub fn write(&self, line: impl FnOnce()) {
        let now = Millis::try_from(STARTED.elapsed().as_millis()).unwrap_or(Millis::MAX);
        let (left_out, allowed) = {
            let mut limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (limit.left_out(now), limit.allows(now))
        };
        if let Some(count) = left_out {
            tracing::warn!(count, "more lines like the next one were left out");
        }
        if allowed {
            line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_some_lines() {
        let (log, mut written) = (LimitedLog::new(), 0);
        for _ in 0..1_000 {
            log.write(|| written += 1);
        }
        assert!((1..100).contains(&written), "{written}");
    }
}
