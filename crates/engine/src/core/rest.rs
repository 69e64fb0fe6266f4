//! Whether a paused core rests in the middle of its job, and when it reports that to the hub.
//!
//! A handler that blocks its thread rests where `progress` puts it to sleep. An async one rests where it
//! waits in `ready()`, or where its thread is free and it has no workers of its own, whose work cannot
//! be seen from here. Whether a thread is free shows in how late its timers come and how long some
//! turns of its event loop take.
//!
//! Times are in milliseconds.

/// A timer that fires later than this has waited for other work on the thread.
const LATE_MS: f64 = 5.0;

/// The turns that are measured take longer than this where something else works in between: most free
/// threads need a few milliseconds for them.
const TURNS_MS: f64 = 10.0;

/// On a thread that is not free the turns also take so many times as long as they did while it was free:
/// in WebKit each turn goes through another process, which may be busy.
const SLOWER: f64 = 2.0;

/// Turns that take longer than this have something between them in any case: a measurement on a machine
/// that was busy for a moment must not hide that a thread works.
const MOST_MS: f64 = 200.0;

/// The weight of a new look in the share of looks at which the thread was busy. Looks between two pieces
/// of work find it free, sometimes several in a row, so one look must count little.
const NEW: f64 = 0.1;

/// A thread that is busy at fewer looks than this is free. One that works in pieces of 30 ms is found busy
/// at four looks of five, one that waits on a busy machine at one of five.
const FREE: f64 = 0.3;

/// The time between two looks, on average.
const LOOK_MS: f64 = 100.0;

/// The time between two reports to the hub, which waits a few seconds for one.
const SAY_MS: f64 = 1_000.0;

/// The looks at one core.
#[derive(Debug, Clone, PartialEq)]
pub struct RestWatch {
    /// The share of looks at which the thread was busy, of which the latest count most.
    busy: f64,
    said: f64,
    /// The shortest time that the turns have taken: so long a free thread needs.
    free_ms: f64,
}

impl Default for RestWatch {
    fn default() -> Self {
        Self {
            // Nothing is claimed before some looks.
            busy: 1.0,
            said: f64::NEG_INFINITY,
            free_ms: f64::INFINITY,
        }
    }
}

impl RestWatch {
    /// Before the first job, when the thread is free, the turns took so long.
    pub fn measured(&mut self, turns_ms: f64) {
        self.free_ms = self.free_ms.min(turns_ms);
    }

    /// Turns that take longer than this have something in between.
    fn limit_ms(&self) -> f64 {
        if self.free_ms.is_finite() {
            (SLOWER * self.free_ms).clamp(TURNS_MS, MOST_MS)
        } else {
            TURNS_MS
        }
    }

    /// Starts again for another handler.
    pub fn restart(&mut self) {
        self.busy = 1.0;
    }

    /// The hub has set another intensity, so earlier reports do not count any more.
    pub fn forget(&mut self) {
        self.said = f64::NEG_INFINITY;
    }

    /// The time until the next look. `random` is in `[0, 1)`: looks at regular intervals could coincide with
    /// the handler's own timers.
    #[must_use]
    pub fn look_in(random: f64) -> f64 {
        LOOK_MS * (0.5 + random.clamp(0.0, 1.0))
    }

    /// The result of a look: how late its timer fired, and how long the turns took.
    pub fn looked(&mut self, late_ms: f64, turns_ms: f64) {
        // What was measured first may have been slow for another reason: a new worker still compiles.
        self.measured(turns_ms);
        let busy = late_ms > LATE_MS || turns_ms > self.limit_ms();
        self.busy += NEW * (f64::from(u8::from(busy)) - self.busy);
    }

    /// Whether to report to the hub at `now` that the core rests. `waits`: the handler sleeps in `progress`
    /// or waits in `ready()`. `nested`: it has workers of its own.
    pub fn shall_say(&mut self, now: f64, waits: bool, nested: bool) -> bool {
        let rests = waits || (self.busy < FREE && !nested);
        let due = rests && now - self.said >= SAY_MS;
        if due {
            self.said = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_free_only_after_some_looks_that_found_it_so() {
        let mut watch = RestWatch::default();
        let mut looks = 0;
        while !watch.shall_say(0.0, false, false) {
            watch.looked(0.3, 2.0);
            looks += 1;
        }
        assert_eq!(looks, 12);
        // One that works most of the time is not free, whichever of the two shows it.
        for (late, turns) in [(30.0, 1.0), (0.0, 40.0)] {
            for look in 0..100 {
                let free = look % 3 == 0;
                watch.looked(
                    if free { 0.0 } else { late },
                    if free { 1.0 } else { turns },
                );
            }
            assert!(!watch.shall_say(1e9, false, false));
        }
    }

    /// How many looks of `looks` were followed by a word to the hub, where each is as `look` says for a
    /// number in `[0, 1)`.
    fn said(looks: u32, look: impl Fn(f64) -> (f64, f64)) -> usize {
        let mut watch = RestWatch::default();
        // Slow at first, as in a worker that still compiles.
        watch.measured(20.0);
        let mut random = 1_u32;
        let mut word = |at: u32| {
            // The upper bits of a linear congruential sequence are as good as random here.
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (late, turns) = look(f64::from(random >> 8) / f64::from(1_u32 << 24));
            watch.looked(late, turns);
            watch.shall_say(f64::from(at) * LOOK_MS, false, false)
        };
        (0..looks).filter(|at| word(*at)).count()
    }

    #[test]
    fn a_thread_that_works_in_pieces_is_never_said_to_rest() {
        // Pieces of 30 ms, 4 ms apart, between which the turns have room.
        let pieces = |random: f64| {
            let due = random * 34.0;
            match due {
                ..30.0 => (30.0 - due, 2.0),
                ..32.0 => (0.0, 2.0),
                _ => (0.0, 32.0),
            }
        };
        assert_eq!(said(100_000, pieces), 0);
    }

    #[test]
    fn a_free_thread_of_a_busy_machine_is_said_to_rest_in_time() {
        // The hub waits for five seconds, which is 50 looks.
        let waits = |random: f64| (if random < 0.25 { 12.0 } else { 0.5 }, 2.0);
        assert!(said(50, waits) > 0);
        let seconds = 10_000;
        assert!(said(10 * seconds, waits) > 6_000);
    }

    #[test]
    fn where_turns_are_slow_anyway_only_slower_ones_say_that_it_works() {
        let after = |free_ms, turns_ms| {
            let mut watch = RestWatch::default();
            watch.measured(9.0 * free_ms);
            watch.measured(free_ms);
            for _ in 0..100 {
                watch.looked(0.0, turns_ms);
            }
            watch.shall_say(0.0, false, false)
        };
        assert_eq!([after(0.2, 8.0), after(0.2, 11.0)], [true, false]);
        assert_eq!([after(40.0, 60.0), after(40.0, 600.0)], [true, false]);
        assert!(!after(400.0, 600.0), "it was busy when it was measured");
    }

    #[test]
    fn what_cannot_be_seen_is_not_claimed() {
        let mut watch = RestWatch::default();
        for _ in 0..100 {
            watch.looked(0.0, 0.0);
        }
        assert!(
            !watch.shall_say(0.0, false, true),
            "its own workers may work"
        );
        assert!(watch.shall_say(0.0, true, true), "it waits by its own word");
    }

    #[test]
    fn the_hub_is_told_once_a_second_and_at_once_where_it_has_said_something_new() {
        let mut watch = RestWatch::default();
        let said: Vec<bool> = [0.0, 400.0, 999.0, 1_000.0, 1_100.0]
            .map(|now| watch.shall_say(now, true, false))
            .into();
        assert_eq!(said, [true, false, false, true, false]);
        watch.forget();
        assert!(watch.shall_say(1_101.0, true, false));
    }

    #[test]
    fn looks_are_at_odd_moments() {
        assert_eq!(RestWatch::look_in(0.0), 50.0);
        assert!(RestWatch::look_in(0.999) < 150.0);
    }
}
