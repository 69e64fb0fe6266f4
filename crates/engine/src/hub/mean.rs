//! Values that follow a series of measurements.

/// An exponentially weighted moving average.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mean(Option<f64>);

/// The weight of a new value in a [`Mean`].
const NEW: f64 = 0.2;

impl Mean {
    /// Adds `count` equal values.
    pub fn add(&mut self, figure: f64, count: u32) {
        if !figure.is_finite() || figure < 0.0 {
            return;
        }
        let old = (1.0 - NEW).powi(i32::try_from(count).unwrap_or(i32::MAX));
        self.0 = Some(match self.0 {
            Some(mean) => mean * old + figure * (1.0 - old),
            None => figure,
        });
    }

    /// The average; `None` before the first value.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        self.0
    }
}

/// The minimum of recent values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Least {
    now: f64,
    before: f64,
    count: u32,
    seen: u32,
}

/// A [`Least`] covers the last 32 to 64 values.
const LATELY: u32 = 32;

impl Default for Least {
    fn default() -> Self {
        Self {
            now: f64::INFINITY,
            before: f64::INFINITY,
            count: 0,
            seen: 0,
        }
    }
}

impl Least {
    /// Adds a value. Old values are dropped.
    pub fn add(&mut self, figure: f64) {
        if self.count == LATELY {
            (self.before, self.now, self.count) = (self.now, f64::INFINITY, 0);
        }
        self.count += 1;
        self.lower(figure);
    }

    /// Lowers the minimum to `figure`, which is an upper bound and not a value of its own: no old value is dropped
    /// for it.
    pub fn lower(&mut self, figure: f64) {
        self.seen = self.seen.saturating_add(1);
        self.now = self.now.min(figure);
    }

    /// How many values there were, including those of [`lower`](Self::lower).
    #[must_use]
    pub fn seen(self) -> u32 {
        self.seen
    }

    /// The minimum; `None` before the first value.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        Some(self.now.min(self.before)).filter(|least| least.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_trip_counts_and_those_of_long_ago_do_not() {
        let mut latency = Least::default();
        assert_eq!(latency.get(), None);
        for ms in [300.0, 90.0, 2_000.0] {
            latency.add(ms);
        }
        assert_eq!(latency.get(), Some(90.0));
        latency.lower(80.0);
        assert_eq!(latency.get(), Some(80.0));
        for _ in 0..2 * LATELY {
            latency.add(200.0);
        }
        assert_eq!(latency.get(), Some(200.0));
    }

    #[test]
    fn a_mean_follows() {
        let mut mean = Mean::default();
        assert_eq!(mean.get(), None);
        mean.add(100.0, 1);
        mean.add(f64::NAN, 1);
        assert_eq!(mean.get(), Some(100.0));
        mean.add(200.0, 40);
        assert!(mean.get().is_some_and(|ms| ms > 199.0));
    }
}
