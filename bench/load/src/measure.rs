//! Measurement: jobs, calls and latencies within a window of time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is distinguished.
const LONGEST: Duration = Duration::from_secs(60);

/// Counts from the first call on. Latencies, in microseconds, are recorded only while the window is
/// open.
pub(crate) struct Measure {
    latencies: Histogram<u64>,
    jobs: u64,
    opened: Option<(Instant, u64)>,
    closed: Option<(Instant, u64)>,
}

/// The figures to report.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Jobs completed within the window.
    jobs: u64,
    /// HTTP calls made within the window.
    calls: u64,
    seconds: f64,
    jobs_per_s: f64,
    calls_per_s: f64,
    /// The latency of a call, from the first byte sent to the last one received.
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Measure {
    pub(crate) fn new() -> Result<Self, String> {
        let longest = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
        Ok(Self {
            latencies: Histogram::new_with_max(longest, 3).map_err(|error| error.to_string())?,
            jobs: 0,
            opened: None,
            closed: None,
        })
    }

    /// Opens the window.
    pub(crate) fn open(&mut self) {
        self.opened.get_or_insert((Instant::now(), self.jobs));
    }

    /// Closes the window; nothing counts any more.
    pub(crate) fn close(&mut self) {
        self.closed.get_or_insert((Instant::now(), self.jobs));
    }

    pub(crate) fn call(&mut self, took: Duration) {
        if self.opened.is_some() && self.closed.is_none() {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.latencies.saturating_record(micros);
        }
    }

    pub(crate) fn completed(&mut self, jobs: u64) {
        self.jobs += jobs;
    }

    /// Jobs completed since the beginning.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs
    }

    pub(crate) fn figures(&self) -> Figures {
        let now = (Instant::now(), self.jobs);
        let (since, before) = self.opened.unwrap_or(now);
        let (until, after) = self.closed.unwrap_or(now);
        let seconds = until.duration_since(since).as_secs_f64().max(1e-9);
        let jobs = after - before;
        let calls = self.latencies.len();
        let ms = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1000.0;
        Figures {
            jobs,
            calls,
            seconds,
            jobs_per_s: jobs as f64 / seconds,
            calls_per_s: calls as f64 / seconds,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            max_ms: ms(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happens_in_the_window_counts() {
        let mut measure = Measure::new().expect("a histogram");
        measure.call(Duration::from_secs(1));
        measure.completed(5);
        measure.open();
        measure.call(Duration::from_millis(2));
        measure.completed(3);
        measure.close();
        measure.call(Duration::from_secs(1));
        measure.completed(7);
        let figures = measure.figures();
        assert_eq!((figures.jobs, figures.calls), (3, 1));
        assert!((figures.p99_ms - 2.0).abs() < 0.01, "{}", figures.p99_ms);
        assert_eq!(measure.jobs(), 15);
    }
}
