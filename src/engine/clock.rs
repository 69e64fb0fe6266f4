//! What time it is, by two clocks: one may be set by people, the other may stand still while the
//! machine sleeps.

/// A moment, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Now {
    /// Only grows; may stand still while the machine sleeps (`performance.now()`).
    pub mono: f64,
    /// Since 1970; people and time servers may set it (`Date.now()`).
    pub wall: f64,
}

impl Now {
    /// Milliseconds since `earlier`, never less than really passed: the larger of what the two
    /// clocks say. A clock that was set forward makes this too large, which costs a call; too
    /// small would cost a lease.
    #[must_use]
    pub fn since(self, earlier: Self) -> f64 {
        (self.mono - earlier.mono)
            .max(self.wall - earlier.wall)
            .max(0.0)
    }
}

/// A moment to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Due {
    set: Now,
    ms: f64,
}

impl Due {
    /// `ms` after `now`.
    #[must_use]
    pub fn after(now: Now, ms: f64) -> Self {
        Self { set: now, ms }
    }

    /// Whether it has come.
    #[must_use]
    pub fn is_over(self, now: Now) -> bool {
        self.left_ms(now) <= 0.0
    }

    /// How long it still takes, in milliseconds.
    #[must_use]
    pub fn left_ms(self, now: Now) -> f64 {
        (self.ms - now.since(self.set)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_and_a_clock_that_is_set_back_hide_no_time() {
        let begun = Now {
            mono: 1_000.0,
            wall: 50_000.0,
        };
        let slept = Now {
            mono: 1_010.0,
            wall: 90_000.0,
        };
        assert_eq!(slept.since(begun), 40_000.0);
        let set_back = Now {
            mono: 3_000.0,
            wall: 10_000.0,
        };
        assert_eq!(set_back.since(begun), 2_000.0);
        assert_eq!(begun.since(slept), 0.0);
    }
}
