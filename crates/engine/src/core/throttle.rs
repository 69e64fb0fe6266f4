//! The throttle of a compute worker: how much it works and how much it rests, when one whose thread is
//! busy reads signals, and when it reports what it has done.
//!
//! Times are those of one clock that only grows, in milliseconds.

use distcompute_protocol::Stage;

/// The intensity of a core that is to rest. From 1 to 10 it is the share of the time that the core works,
/// in tenths.
pub const PAUSED: u8 = 0;

/// Works all the time.
pub const FULL: u8 = 10;

/// A shorter rest is not worth taking.
const LEAST_MS: f64 = 20.0;

/// A longer rest is cut in slices, between which signals are read.
const SLICE_MS: f64 = 250.0;

/// The most rest that is ever owed. A machine that slept through a job, or a job that never calls
/// `progress`, would otherwise leave a core idle for an hour.
const MOST_MS: f64 = 60_000.0;

/// The out-of-band signal that stops the job that runs. The others are intensities.
pub const STOP: u8 = 11;

/// How often a busy core reads signals.
const POLL_MS: f64 = 250.0;

/// How often it reports progress.
const SHOW_MS: f64 = 200.0;

/// How long a report may wait.
const FLUSH_MS: f64 = 10.0;

/// How long a job is expected to take at most while little is known of its stage.
const UNKNOWN_MS: f64 = 100.0;

/// After a long job, the expected length falls by this factor with each shorter one.
const FADES: f64 = 0.9;

/// How long it works at short jobs before messages are delivered between two of them.
const YIELD_MS: f64 = 50.0;

/// Clocks of browsers are coarse, and a sleep may end before its time.
const COARSE_MS: f64 = 5.0;

/// The throttle of one core.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    intensity: u8,
    working: bool,
    /// Up to when everything is entered.
    settled: f64,
    /// Rest that is owed; below zero, rest that was taken beforehand.
    owed: f64,
    /// Work since the job began.
    spent: f64,
    /// What the job at hand may take, as those of its stage lately did.
    may_take: f64,
    stage: Option<Stage>,
    polled: f64,
    shown: f64,
    sent: f64,
    yielded: f64,
}

impl Throttle {
    /// For a core that does nothing yet.
    #[must_use]
    pub fn new(now: f64, intensity: u8) -> Self {
        Self {
            intensity: intensity.min(FULL),
            working: false,
            settled: now,
            owed: 0.0,
            spent: 0.0,
            may_take: UNKNOWN_MS,
            stage: None,
            polled: now,
            shown: f64::NEG_INFINITY,
            sent: f64::NEG_INFINITY,
            yielded: now,
        }
    }

    /// Whether the core shall rest whatever it owes.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.intensity == PAUSED
    }

    /// From now on another share of time is wanted. What was owed for the former is forgiven, all
    /// but the little that is not worth a rest.
    pub fn set_intensity(&mut self, now: f64, intensity: u8) {
        let intensity = intensity.min(FULL);
        if intensity != self.intensity {
            self.settle(now);
            self.intensity = intensity;
            self.owed = self.owed.min(LEAST_MS);
        }
    }

    /// Rest that is owed for each millisecond of work.
    fn rate(&self) -> f64 {
        match self.intensity {
            // Who works all the same cannot rest, or is not asked to at its next chance only.
            PAUSED => 0.0,
            intensity => f64::from(FULL) / f64::from(intensity) - 1.0,
        }
    }

    /// Enters the time that has passed.
    fn settle(&mut self, now: f64) {
        let passed = (now - self.settled).max(0.0);
        self.settled = now;
        if self.working {
            self.spent += passed;
            self.owed = (self.owed + passed * self.rate()).min(MOST_MS);
        } else {
            // A rest that was too long counts for the next, but not one that had other reasons.
            self.owed = (self.owed - passed).max(-LEAST_MS);
        }
    }

    /// A job of this stage begins. Whether what there is to say must be said before: nothing can be
    /// while it keeps its thread busy, and that may be long.
    pub fn begin_job(&mut self, now: f64, stage: Stage) -> bool {
        self.work(now);
        self.spent = 0.0;
        if self.stage.replace(stage) != Some(stage) {
            self.may_take = UNKNOWN_MS;
        }
        self.may_take >= FLUSH_MS || self.flush(now)
    }

    /// The job ends. Returns how long it was worked at.
    pub fn end_job(&mut self, now: f64) -> f64 {
        self.settle(now);
        self.may_take = self.spent.max(self.may_take * FADES);
        self.spent
    }

    /// The core works, or goes on working.
    pub fn work(&mut self, now: f64) {
        self.settle(now);
        self.working = true;
    }

    /// The core rests: it sleeps, or it has nothing to do.
    pub fn rest(&mut self, now: f64) {
        self.settle(now);
        self.working = false;
    }

    /// How long to rest now; 0 where it is not worth it yet.
    fn owed(&mut self, now: f64) -> f64 {
        self.settle(now);
        if self.owed < LEAST_MS { 0.0 } else { self.owed }
    }

    /// How long to sleep before looking up again, for a handler that is in the middle of its job;
    /// 0 for going on.
    pub fn nap(&mut self, now: f64) -> f64 {
        if self.is_paused() {
            SLICE_MS
        } else {
            self.owed(now).min(SLICE_MS)
        }
    }

    /// Whether it is time to look up. If so, it has been done.
    pub fn poll(&mut self, now: f64) -> bool {
        due(&mut self.polled, now, POLL_MS - COARSE_MS)
    }

    /// Whether it is time to tell progress. If so, it has been done.
    pub fn show(&mut self, now: f64) -> bool {
        due(&mut self.shown, now, SHOW_MS)
    }

    /// How long to wait now that no job runs, unless a message comes: 0 until those that have come
    /// are heard, `None` not at all, so that the next job begins.
    pub fn wait(&mut self, now: f64, has_jobs: bool) -> Option<f64> {
        let rest = if has_jobs && !self.is_paused() {
            self.owed(now)
        } else {
            f64::INFINITY
        };
        if rest > 0.0 {
            self.rest(now);
            Some(rest)
        } else {
            due(&mut self.yielded, now, YIELD_MS).then_some(0.0)
        }
    }

    /// Whether something was last said so long ago that what there is to say must be said.
    #[must_use]
    pub fn flush(&self, now: f64) -> bool {
        now - self.sent >= FLUSH_MS
    }

    /// How long what there is to say can wait.
    #[must_use]
    pub fn flush_in(&self, now: f64) -> f64 {
        (self.sent + FLUSH_MS - now).max(0.0)
    }

    /// Something was said.
    pub fn sent(&mut self, now: f64) {
        self.sent = now;
    }

    /// Until when a handler that tells its progress need not be listened to: only its last word
    /// counts. `unsaid`: whether there is something else to say.
    #[must_use]
    pub fn next_look(&self, unsaid: bool) -> f64 {
        let look = (self.polled + POLL_MS).min(self.shown + SHOW_MS);
        let look = if unsaid {
            look.min(self.sent + FLUSH_MS)
        } else {
            look
        };
        // Without a rate this is no number, or never; `min` takes the other one.
        look.min(self.settled + (LEAST_MS - self.owed) / self.rate())
    }
}

fn due(last: &mut f64, now: f64, interval: f64) -> bool {
    let due = now - *last >= interval;
    if due {
        *last = now;
    }
    due
}

/// A running job is stopped by a message and by an out-of-band signal, which a blocked event loop can
/// still read. Both arrive, in either order; the second must not stop the job after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stops {
    by_message: u32,
    by_signal: u32,
}

impl Stops {
    /// A message says stop, as a signal does. It names its job, so it needs no answer.
    pub fn by_message(&mut self) {
        self.by_message += 1;
    }

    /// A signal says stop: whether that is news.
    pub fn by_signal(&mut self) -> bool {
        self.by_signal += 1;
        self.by_signal > self.by_message
    }
}

/// How a job has ended in its core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// What its handler returned is the output.
    Done,
    /// Its input is bad.
    Invalid,
    /// Its handler threw.
    Failed,
    /// It was stopped, and is given back.
    Stopped,
}

/// How a job has ended: `aborted` where its handler was told to stop before it ended, whatever that
/// was for (the volunteer's stop, a lease that is lost), `flagged` where it had called the input bad
/// before it was told so, `threw` where it threw and did not return.
///
/// What a handler returns after it was told to stop is what it had by then: no output of the job. Who
/// stops with `finish` aborts nothing, and gets whole outputs.
#[must_use]
pub fn ending(aborted: bool, flagged: bool, threw: bool) -> Ending {
    match (flagged, aborted, threw) {
        (true, _, _) => Ending::Invalid,
        (false, true, _) => Ending::Stopped,
        (false, false, true) => Ending::Failed,
        (false, false, false) => Ending::Done,
    }
}

/// Whether to signal `intensity` to a busy core that was last told `was`, where only `left` slots are left
/// until it is idle again. A paused core must remain able to learn that it may go on, and any core that
/// it is to stop; another intensity can wait.
#[must_use]
pub fn worth_signalling(left: usize, was: u8, intensity: u8) -> bool {
    let kept = match (was, intensity) {
        (_, STOP) => 0,
        (PAUSED, _) => 1,
        (_, PAUSED) => 2,
        _ => 6,
    };
    intensity != was && left > kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random enough, and the same each time: between 0 and 1.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 40) as f64 / (1_u64 << 24) as f64
        }
    }

    /// The share of time that a handler works that calls `progress` after steps of up to
    /// `longest_step`, while sleeps take up to 2 ms longer than was asked.
    fn share(intensity: u8, longest_step: f64, total_ms: f64) -> f64 {
        let mut dice = Dice(u64::from(intensity));
        let (mut now, mut worked) = (1e6, 0.0);
        let end = now + total_ms;
        let mut throttle = Throttle::new(now, intensity);
        throttle.begin_job(now, Stage::A);
        while now < end {
            let step = dice.roll() * longest_step;
            now += step;
            worked += step;
            loop {
                let nap = throttle.nap(now);
                if nap == 0.0 {
                    break;
                }
                assert!((LEAST_MS.min(SLICE_MS)..=SLICE_MS).contains(&nap));
                throttle.rest(now);
                now += nap + dice.roll() * 2.0;
                throttle.work(now);
            }
        }
        assert!((throttle.end_job(now) - worked).abs() < 1e-6);
        worked / (now - (end - total_ms))
    }

    #[test]
    fn a_core_works_the_share_of_time_that_is_wanted() {
        for intensity in 1..=10 {
            for longest_step in [0.1_f64, 3.0, 40.0, 1_000.0] {
                let wanted = f64::from(intensity) / 10.0;
                let total_ms = (longest_step * 600.0).max(30_000.0);
                let got = share(intensity, longest_step, total_ms);
                assert!((got - wanted).abs() < 0.01, "{intensity}: {got}");
            }
        }
    }

    #[test]
    fn jobs_without_progress_are_rested_for_between_them() {
        let (mut now, mut worked) = (0.0, 0.0);
        let mut throttle = Throttle::new(now, 3);
        for job in 0..200 {
            throttle.begin_job(now, Stage::A);
            let ms = f64::from(job % 7) * 3.0;
            now += ms;
            worked += ms;
            assert!((throttle.end_job(now) - ms).abs() < 1e-6);
            while let Some(wait) = throttle.wait(now, true) {
                now += wait;
            }
        }
        assert!((worked / now - 0.3).abs() < 0.01);
    }

    #[test]
    fn rests_come_in_slices_that_are_worth_it() {
        let mut throttle = Throttle::new(0.0, 5);
        throttle.work(0.0);
        assert_eq!(throttle.nap(19.0), 0.0);
        assert_eq!(throttle.nap(30.0), 30.0);
        assert_eq!(throttle.nap(1_000.0), SLICE_MS);
        throttle.rest(1_000.0);
        throttle.work(1_250.0);
        assert_eq!(throttle.owed(1_250.0), 750.0);
    }

    #[test]
    fn a_paused_core_naps_until_it_is_told_otherwise_and_owes_nothing_then() {
        let mut throttle = Throttle::new(0.0, 10);
        throttle.work(0.0);
        assert_eq!(throttle.nap(10_000.0), 0.0);
        throttle.set_intensity(10_000.0, PAUSED);
        assert!(throttle.is_paused());
        assert_eq!(throttle.nap(10_000.0), SLICE_MS);
        // Whoever cannot nap and works on.
        assert_eq!(throttle.nap(50_000.0), SLICE_MS);
        throttle.set_intensity(60_000.0, 1);
        assert_eq!(throttle.nap(60_000.0), 0.0);
    }

    #[test]
    fn another_intensity_counts_from_its_time_on_and_leaves_no_debt() {
        let mut throttle = Throttle::new(0.0, 10);
        throttle.work(0.0);
        throttle.set_intensity(100_000.0, 1);
        assert_eq!(throttle.owed(100_000.0), 0.0);
        assert_eq!(throttle.owed(101_000.0), 9_000.0);
        throttle.set_intensity(101_000.0, 1);
        assert_eq!(throttle.owed(101_000.0), 9_000.0);
        throttle.set_intensity(101_000.0, 10);
        assert_eq!(throttle.owed(200_000.0), LEAST_MS);
    }

    #[test]
    fn what_is_owed_and_what_is_rested_beforehand_are_bounded() {
        let mut throttle = Throttle::new(0.0, 1);
        throttle.work(0.0);
        assert_eq!(throttle.owed(1e9), MOST_MS);
        throttle.rest(1e9);
        throttle.work(2e9);
        // Had it rested for nine days beforehand, it would owe nothing now.
        assert_eq!(throttle.owed(2e9 + 10.0), 70.0);
    }

    #[test]
    fn a_busy_core_looks_up_and_speaks_at_its_intervals() {
        let mut throttle = Throttle::new(0.0, 10);
        assert!(!throttle.poll(200.0));
        // A sleep of 250 ms by a coarse clock.
        assert!(throttle.poll(249.0));
        assert!(!throttle.poll(300.0));
        assert!(throttle.show(300.0));
        assert!(!throttle.show(499.0));
        assert!(throttle.show(500.0));
        assert!(throttle.flush(0.0));
        throttle.sent(0.0);
        assert!(!throttle.flush(9.0));
        assert_eq!(throttle.flush_in(4.0), 6.0);
        assert!(throttle.flush(10.0));
        assert_eq!(throttle.flush_in(14.0), 0.0);
    }

    #[test]
    fn between_jobs_a_core_rests_hears_or_begins_the_next() {
        let mut throttle = Throttle::new(0.0, 5);
        assert_eq!(throttle.wait(0.0, false), Some(f64::INFINITY));
        assert_eq!(throttle.wait(49.0, true), None);
        throttle.begin_job(49.0, Stage::A);
        throttle.end_job(60.0);
        assert_eq!(throttle.wait(60.0, true), Some(0.0));
        assert_eq!(throttle.wait(60.0, true), None);
        throttle.begin_job(60.0, Stage::A);
        throttle.end_job(90.0);
        // Eleven and thirty, less the bit that it had rested for beforehand.
        assert_eq!(throttle.wait(90.0, true), Some(21.0));
        assert_eq!(throttle.wait(111.0, true), Some(0.0));
        assert_eq!(throttle.wait(111.0, true), None);
        throttle.set_intensity(111.0, PAUSED);
        assert_eq!(throttle.wait(111.0, true), Some(f64::INFINITY));
    }

    #[test]
    fn what_there_is_to_say_is_said_before_a_job_that_may_be_long() {
        let (mut now, mut throttle) = (1e6, Throttle::new(0.0, FULL));
        let mut says = |ms: f64, stage| {
            now += 1.0;
            throttle.sent(now);
            let says = throttle.begin_job(now, stage);
            now += ms;
            throttle.end_job(now);
            says
        };
        // One short job proves nothing about the next, many do.
        assert!(says(0.1, Stage::A) && says(0.1, Stage::A));
        assert!((0..30).map(|_| says(0.1, Stage::A)).any(|says| !says));
        assert!(!says(0.1, Stage::A) && !says(60_000.0, Stage::A));
        assert!((0..50).all(|_| says(0.1, Stage::A)));
        assert!((0..50).map(|_| says(0.1, Stage::A)).any(|says| !says));
        assert!(!says(0.1, Stage::A) && says(0.1, Stage::B));
    }

    #[test]
    fn time_in_progress_itself_is_no_work() {
        let mut throttle = Throttle::new(0.0, 3);
        throttle.begin_job(0.0, Stage::A);
        // Twice 100 ms of work, and each time 40 ms for looking up.
        for now in [100.0, 240.0] {
            throttle.rest(now);
            throttle.poll(now);
            throttle.nap(now + 40.0);
            throttle.work(now + 40.0);
        }
        assert_eq!(throttle.end_job(280.0), 200.0);
        assert!((throttle.owed(280.0) - (200.0 * 7.0 / 3.0 - 80.0)).abs() < 1e-9);
    }

    #[test]
    fn a_handler_is_not_listened_to_before_something_is_due() {
        let mut throttle = Throttle::new(0.0, 10);
        throttle.begin_job(0.0, Stage::A);
        throttle.show(0.0);
        throttle.sent(0.0);
        assert_eq!(throttle.next_look(false), 200.0);
        assert_eq!(throttle.next_look(true), 10.0);
        throttle.show(200.0);
        assert_eq!(throttle.next_look(false), 250.0);
        throttle.set_intensity(200.0, 5);
        assert_eq!(throttle.next_look(false), 220.0);
        assert_eq!(throttle.owed(219.9), 0.0);
        assert!(throttle.owed(220.0) > 0.0);
    }

    #[test]
    fn a_stop_that_was_heard_stops_no_other_job() {
        let mut stops = Stops::default();
        stops.by_message();
        assert!(!stops.by_signal());
        assert!(stops.by_signal());
        stops.by_message();
        assert!(stops.by_signal());
    }

    #[test]
    fn a_core_that_was_paused_at_the_last_can_still_go_on_and_be_stopped() {
        let (mut left, mut was, mut said) = (16, 10, Vec::new());
        for intensity in [9, 8, 7, 6, 5, 4, 3, 2, 1, 9, 8, 7, 0, 5, 0, 5, 0, 5, STOP] {
            if worth_signalling(left, was, intensity) {
                said.push(intensity);
                left -= 1;
                was = if intensity == STOP { was } else { intensity };
            }
        }
        assert_eq!(said, [9, 8, 7, 6, 5, 4, 3, 2, 1, 9, 0, 5, 0, 5, STOP]);
        assert!(!worth_signalling(16, 5, 5));
        assert!(!worth_signalling(0, 5, STOP));
    }
}
