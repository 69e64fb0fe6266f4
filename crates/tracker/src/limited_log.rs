//! Lines of the log that a stranger can cause: some a minute, and how many there were besides.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::Instant,
};

use crate::{clock::Millis, rules::log_limit::LogLimit};

/// Time as it passes here, however the clock is set.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lines of one kind.
#[derive(Debug, Default)]
pub struct LimitedLog(Mutex<LogLimit>);

impl LimitedLog {
    /// Nothing was written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(LogLimit::new()))
    }

    /// Has a line written, unless there were many of its kind within a minute.
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
