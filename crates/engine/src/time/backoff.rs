//! Exponential backoff with jitter: one type, and a constant for each use beside what it is used for.
//!
//! Many browsers lose the same tracker in the same moment. Without a random part in each wait they
//! would come back together; see "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.

/// The parameters of a backoff.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The longest wait after the first failure, in milliseconds.
    pub first_ms: f64,
    /// The longest wait of all, in milliseconds.
    pub ceiling_ms: f64,
    /// By how much a wait is longer than the one before.
    pub factor: f64,
    /// Which part of a wait is random: 0 none of it, 1 all of it ("full jitter").
    pub jitter: f64,
}

impl Backoff {
    /// Each wait is twice as long as the one before, and nothing in it is random.
    #[must_use]
    pub const fn doubling(first_ms: f64, ceiling_ms: f64) -> Self {
        Self {
            first_ms,
            ceiling_ms,
            factor: 2.0,
            jitter: 0.0,
        }
    }

    /// The same with another factor.
    #[must_use]
    pub const fn by(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// The same with another jitter.
    #[must_use]
    pub const fn with_jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// How long to wait after a failure, in milliseconds, when `failures` of them came before it.
    /// `random` is in `[0, 1)`.
    #[must_use]
    pub fn wait_ms(&self, failures: u32, random: f64) -> f64 {
        let failures = i32::try_from(failures).unwrap_or(i32::MAX);
        let longest = (self.first_ms * self.factor.powi(failures)).min(self.ceiling_ms);
        longest * (1.0 - self.jitter + self.jitter * random.clamp(0.0, 1.0))
    }
}

/// A random time between a half of `longest_ms` and all of it ("equal jitter"). `random` is in
/// `[0, 1)`.
#[must_use]
pub fn spread_ms(longest_ms: f64, random: f64) -> f64 {
    Backoff::doubling(longest_ms, longest_ms)
        .with_jitter(0.5)
        .wait_ms(0, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_the_factor_up_to_the_ceiling() {
        let backoff = Backoff::doubling(2_000.0, 60_000.0);
        let waits = [0, 1, 4, 5, 6, u32::MAX].map(|failures| backoff.wait_ms(failures, 0.3));
        assert_eq!(waits, [2e3, 4e3, 32e3, 60e3, 60e3, 60e3]);
        assert_eq!(backoff.by(1.5).wait_ms(2, 0.0), 4_500.0);
    }

    #[test]
    fn the_jitter_is_the_random_part_of_a_wait() {
        let full = Backoff::doubling(500.0, 30_000.0).with_jitter(1.0);
        assert_eq!((full.wait_ms(3, 0.0), full.wait_ms(3, 0.25)), (0.0, 1e3));
        let some = full.with_jitter(0.2);
        assert_eq!((some.wait_ms(0, 0.0), some.wait_ms(0, 1.0)), (400.0, 500.0));
        assert_eq!(spread_ms(800.0, 0.0), 400.0);
        assert_eq!(spread_ms(800.0, 0.5), 600.0);
    }
}
