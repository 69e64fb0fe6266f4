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

    /// Milliseconds since `earlier` in which the machine did not sleep, as far as its clock shows that.
    #[must_use]
    pub fn awake_since(self, earlier: Self) -> f64 {
        self.mono - earlier.mono
    }
}

/// The two clocks differ by so much before one of them is taken to have jumped. Browsers round both.
const APART_MS: f64 = 1_000.0;

/// One time made of two clocks, for everything that is due after a while. It never goes back, never
/// stands still, and passes at least as fast as real time.
///
/// A wall clock that falls behind the other has been set back: that changes nothing. One that gets ahead
/// has been set forward, or the machine has slept while the other clock stood still. Nothing tells the
/// two apart, and both count as time that has passed: a deadline that comes too early costs a request or
/// a pause, one that comes a month too late is never waited for. It counts once: when the clock is
/// corrected, that is a clock set back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Steady {
    /// A reading of the clocks since which neither has jumped, and this time at that moment.
    anchor: Option<(Now, f64)>,
}

impl Steady {
    /// Reads the clocks: the same moment with this time in place of the wall clock's.
    pub fn read(&mut self, now: Now) -> Now {
        let read = self.at(now);
        let jumped = self.anchor.is_none_or(|(anchor, _)| {
            let apart = (now.wall - anchor.wall) - (now.mono - anchor.mono);
            apart.abs() > APART_MS
        });
        if jumped {
            self.anchor = Some((now, read.wall));
        }
        read
    }

    /// What [`read`](Self::read) would say.
    #[must_use]
    pub fn at(&self, now: Now) -> Now {
        let Some((anchor, steady)) = self.anchor else {
            return now;
        };
        let (mono, wall) = (now.mono - anchor.mono, now.wall - anchor.wall);
        let passed = if wall - mono > APART_MS { wall } else { mono };
        Now {
            mono: now.mono,
            wall: steady + passed.max(0.0),
        }
    }

    /// What the wall clock says at a moment of this time, as long as nobody sets it; in whole
    /// milliseconds, and the same whenever it is asked.
    #[must_use]
    pub fn wall_of(&self, steady_ms: f64) -> f64 {
        let at = |(anchor, steady): (Now, f64)| anchor.wall + (steady_ms - steady);
        self.anchor.map_or(steady_ms, at).round()
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

    /// The moment itself, in the time of its [`Steady`].
    #[must_use]
    pub fn at(self) -> f64 {
        self.set.wall + self.ms
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

    const MONTH: f64 = 30.0 * 86_400_000.0;

    fn moment(mono: f64, wall: f64) -> Now {
        Now { mono, wall }
    }

    #[test]
    fn steady_time_passes_however_the_clock_is_set() {
        let mut steady = Steady::default();
        let start = steady.read(moment(0.0, 50_000.0));
        assert_eq!(start.wall, 50_000.0);
        // Set back by a month: nothing happens.
        let later = steady.read(moment(1_000.0, 51_000.0 - MONTH));
        assert_eq!(later.since(start), 1_000.0);
        let later = steady.read(moment(4_000.0, 54_000.0 - MONTH));
        assert_eq!(later.since(start), 4_000.0);
        // Corrected: as if it had slept, once.
        let later = steady.read(moment(5_000.0, 55_000.0));
        assert_eq!(later.since(start), 4_000.0 + 1_000.0 + MONTH);
        // The machine sleeps after the clock was set back: that counts too.
        let slept = steady.read(moment(5_000.0, 55_000.0 - MONTH));
        let woken = steady.read(moment(5_010.0, 155_000.0 - MONTH));
        assert_eq!(woken.since(slept), 100_000.0);
    }

    #[test]
    fn clocks_that_only_round_are_no_jump() {
        let mut steady = Steady::default();
        let start = steady.read(moment(0.0, 0.0));
        let mut last = start;
        for step in 1..100_000_u32 {
            let ms = f64::from(step) * 0.3;
            let now = steady.read(moment(ms, (ms / 16.0).floor() * 16.0));
            assert!(now.wall >= last.wall);
            last = now;
        }
        assert!((last.since(start) - 29_999.7).abs() < 1e-6);
    }

    #[test]
    fn a_moment_to_come_is_named_by_the_clock_as_it_is_set() {
        let mut steady = Steady::default();
        let now = steady.read(moment(10.0, 1e12 + MONTH));
        let due = Due::after(now, 6_000.0);
        assert_eq!(steady.wall_of(due.at()), 1e12 + MONTH + 6_000.0);
        let later = steady.read(moment(2_010.0, 1e12 + 2_000.0));
        assert_eq!(due.left_ms(later), 4_000.0);
        assert_eq!(steady.wall_of(due.at()), 1e12 + 6_000.0);
        for ms in 1..3_999 {
            steady.read(moment(
                2_010.4 + f64::from(ms),
                1e12 + 2_000.0 + f64::from(ms),
            ));
            assert_eq!(
                steady.wall_of(due.at()),
                1e12 + 6_000.0,
                "it stays the same"
            );
        }
    }

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
