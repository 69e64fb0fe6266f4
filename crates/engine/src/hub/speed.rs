//! How fast jobs and answers are, and what follows for how many jobs to hold.

/// A mean in which what was measured lately counts most.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mean(Option<f64>);

/// What a new figure counts in a [`Mean`].
const NEW: f64 = 0.2;

impl Mean {
    /// Adds a figure; `count` of them, each the same.
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

    /// The mean; `None` before the first figure.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        self.0
    }
}

/// The least of the figures measured lately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Least {
    now: f64,
    before: f64,
    count: u32,
    /// How many figures there were, also those that were measured in another way.
    seen: u32,
}

/// How many figures a [`Least`] looks back over, and at most twice as many.
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
    /// Adds a figure. Those of long ago are forgotten.
    pub fn add(&mut self, figure: f64) {
        if self.count == LATELY {
            (self.before, self.now, self.count) = (self.now, f64::INFINITY, 0);
        }
        self.count += 1;
        self.lower(figure);
    }

    /// Lowers the least to a figure that was measured in another way. Nothing is forgotten for it.
    pub fn lower(&mut self, figure: f64) {
        self.seen = self.seen.saturating_add(1);
        self.now = self.now.min(figure);
    }

    /// The least; `None` before the first figure.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        Some(self.now.min(self.before)).filter(|least| least.is_finite())
    }
}

/// Outcomes that are enough for a request of their own.
pub const FULL: usize = 256;

/// How many jobs are held at most, whatever their length: each stands in every request.
const MOST: f64 = 2_048.0;

/// What a core's own queue holds, in milliseconds of work: a message to the hub and back takes 20.
const QUEUE_MS: f64 = 60.0;

/// Longer jobs are not queued: the message that brings the next one is not felt, and a job that
/// waits on the table can go to whichever core is free first.
const QUEUED_JOB_MS: f64 = 400.0;

/// Jobs that one core queues at most.
const QUEUE_MOST: f64 = 256.0;

/// A job so many times longer than a round trip is not fetched ahead: what the core waits for it
/// is nothing, and somebody else could begin it now.
const NOT_AHEAD: f64 = 1_000.0;

/// What is known of a stage's speed. Lengths are in milliseconds of the clock: a core that rests
/// half of the time takes twice as long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// How long a job takes; `None` before the first one has ended.
    pub job_ms: Option<f64>,
    /// How long an answer takes.
    pub answer_ms: f64,
    /// How long a lease lasts.
    pub lease_ms: f64,
    /// How long outcomes wait for others to share a request with.
    pub linger_ms: f64,
    /// How many cores work.
    pub cores: u32,
}

impl Speed {
    /// How many jobs to hold beyond those that run: for the time until the next request is answered.
    #[must_use]
    pub fn ahead(&self) -> usize {
        let Some(job_ms) = self.job_ms else { return 0 };
        if job_ms > self.answer_ms.max(10.0) * NOT_AHEAD {
            return 0;
        }
        let horizon = (2.0 * self.answer_ms + self.linger_ms).min(self.lease_ms / 4.0);
        let wanted = f64::from(self.cores) * horizon / job_ms.max(0.01);
        (wanted.ceil().clamp(1.0, MOST)) as usize
    }

    /// Whether so few jobs are left that the next request must go now.
    #[must_use]
    pub fn is_low(&self, ahead: usize) -> bool {
        let wanted = self.ahead();
        let Some(job_ms) = self.job_ms else {
            return false;
        };
        // The answer may take longer than the last ones did.
        let soon = f64::from(self.cores) * (3.0 * self.answer_ms + 50.0) / job_ms.max(0.01);
        let soon = (soon.ceil() as usize).min(wanted.div_ceil(2));
        ahead < soon.max(usize::from(wanted > 0))
    }

    /// How many jobs a core's own queue should hold.
    #[must_use]
    pub fn queue(&self) -> usize {
        match self.job_ms {
            Some(job_ms) if job_ms < QUEUED_JOB_MS => {
                ((QUEUE_MS / job_ms.max(0.01)).ceil().clamp(1.0, QUEUE_MOST)) as usize
            }
            _ => 0,
        }
    }
}

/// How long the line should be busy with one answer, or with the body of one request: many times a
/// round trip, so that the round trip does not count, and short enough to begin with the first job
/// soon and to lose little when the connection breaks.
const TRANSFER_MS: f64 = 3_000.0;

/// Bytes that are asked for, or sent, before the line is known.
const FIRST_BYTES: f64 = 65_536.0;

/// The least that a failing line is brought down to. One job, or one result, is carried whatever it
/// weighs.
const LEAST_BYTES: f64 = 8_192.0;

/// The most, for the sake of memory: a text is held several times while it is read or written.
const MOST_BYTES: f64 = 16_777_216.0;

/// The most input that is held, in bytes as [`Text`](crate::hub::jobs::Text) counts them.
pub const HELD_BYTES: f64 = 134_217_728.0;

/// What a lease takes in the list of those that are held, in bytes.
pub const AROUND_NAME: f64 = 50.0;

/// Requests and answers with fewer bytes say nothing of a rate: the round trip hides it.
const TELLING_BYTES: f64 = 16_384.0;

/// Which share of the time until an answer begins may be put down to the way there and back, and not to
/// the body of the request: while little was measured, and later. A single small request that was held up
/// must not make a slow line a fast one.
const ROUND_TRIP_SHARE: (f64, f64) = (0.5, 0.9);

/// After so many round trips the shortest of them is trusted.
const TRUSTED: u32 = 4;

/// Where the body of a request takes a smaller share of a round trip than this, the differences between round
/// trips hide it: it shows that the line is at least so fast, and not that it is slower than was thought.
const TELLING_SHARE: f64 = 0.5;

/// What of an answer takes so long is waited for before another one is asked for.
const AT_ONCE_MS: f64 = 30.0;

/// The rate that a line is trusted with before it is known, in bytes per millisecond: 0.25 Mbit/s.
const UNKNOWN_RATE: f64 = 31.0;

/// One direction of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// Bytes per millisecond.
    rate: Mean,
    most: f64,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            rate: Mean::default(),
            most: FIRST_BYTES,
        }
    }
}

impl Way {
    /// How many bytes the next transfer should have at most.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.most
    }

    /// The rate in bytes per millisecond, once it is known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.rate.get()
    }

    /// What it carries in a few seconds, once its rate is known.
    #[must_use]
    pub fn reach(&self) -> Option<f64> {
        Some(self.rate()? * TRANSFER_MS)
    }

    /// So many bytes were carried within `ms`. The bound follows the rate, fourfold at most with each
    /// transfer, because a small one may have come out of somebody's buffer.
    pub fn carried(&mut self, bytes: f64, ms: f64) {
        if bytes < TELLING_BYTES.min(self.most / 2.0) || !ms.is_finite() {
            return;
        }
        // Counted threefold: the last few transfers tell what the line brings now.
        self.rate.add(bytes / ms.max(1.0), 3);
        let wanted = self.rate.get().unwrap_or(0.0) * TRANSFER_MS;
        let highest = (4.0 * self.most.min(bytes)).max(self.most);
        self.most = wanted.min(highest).clamp(LEAST_BYTES, MOST_BYTES);
    }

    /// A transfer broke, or did not come to an end in time.
    pub fn failed(&mut self) {
        self.most = (self.most / 2.0).max(LEAST_BYTES);
    }
}

/// What is known of the line to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Line {
    /// Answers.
    pub down: Way,
    /// Bodies of requests.
    pub up: Way,
    /// From the end of a request to the first byte of its answer, in milliseconds: the shortest time, because
    /// all others include waiting, for other transfers or for the tracker.
    latency: Least,
    /// From the beginning of a request to the first byte of its answer.
    until_begun: Mean,
    /// Bytes of an answer for each job in it.
    job: Mean,
    /// Bytes of a request for each result in it.
    result: Mean,
}

impl Line {
    /// The first bytes of an answer have come `ms` after its request of `bytes` was begun.
    pub fn began(&mut self, bytes: f64, ms: f64) {
        self.until_begun.add(ms, 1);
        if bytes < TELLING_BYTES {
            self.latency.add(ms);
        } else {
            self.latency.lower(ms);
            let latency = self.latency.get().unwrap_or(0.0);
            let (early, later) = ROUND_TRIP_SHARE;
            let is_trusted = self.latency.seen >= TRUSTED;
            let share = if is_trusted { later } else { early };
            let body_ms = ms - latency.min(share * ms);
            let is_hidden = is_trusted && body_ms < TELLING_SHARE * latency;
            let known = self.up.rate().filter(|_| is_hidden).unwrap_or(0.0);
            if bytes / body_ms.max(1.0) >= known {
                self.up.carried(bytes, body_ms);
            }
        }
    }

    /// An answer of `bytes` with so many jobs has come, `ms` after its first byte.
    pub fn brought(&mut self, bytes: f64, ms: f64, jobs: u32) {
        self.down.carried(bytes, ms);
        if jobs > 0 {
            self.job.add(bytes / f64::from(jobs), jobs);
        }
    }

    /// A request with so many results was answered, which took so many bytes in it.
    pub fn handed_in(&mut self, bytes: f64, results: u32) {
        if results > 0 {
            self.result.add(bytes / f64::from(results), results);
        }
    }

    /// Whether a request should wait for so many jobs, all of which are done within `ms`, because their results
    /// keep the line busy. To ask without them would have them wait for the next request, which goes when the
    /// answer to this one has begun: after a round trip, and the time that the names of the jobs take.
    #[must_use]
    pub fn is_worth_waiting(&self, jobs: usize, ms: f64) -> bool {
        match (self.up.rate(), self.result.get(), self.latency.get()) {
            (Some(rate), Some(result), Some(latency)) => {
                let bytes_ms = |each: f64| jobs as f64 * each / rate.max(0.001);
                let rest = latency + bytes_ms(AROUND_NAME);
                ms < rest && bytes_ms(result) > rest
            }
            _ => false,
        }
    }

    /// What a job takes in an answer, in bytes.
    #[must_use]
    pub fn job_bytes(&self) -> Option<f64> {
        self.job.get()
    }

    /// Whether the next request should go where so many bytes of an answer are still to come: so
    /// that the line does not rest for the round trip, and not where the answer ends at once anyway.
    #[must_use]
    pub fn is_time_to_ask(&self, left: f64) -> bool {
        let Some(rate) = self.down.rate() else {
            return false;
        };
        let left_ms = left / rate.max(0.001);
        let ahead_ms = 2.0 * self.until_begun.get().unwrap_or(0.0) + 250.0;
        left <= 0.0 || (AT_ONCE_MS..=ahead_ms).contains(&left_ms)
    }

    /// Whether an answer of which so many bytes are still to come will have ended in a moment. Of one that
    /// is longer than was expected nothing is known.
    #[must_use]
    pub fn ends_at_once(&self, left: f64) -> bool {
        let rate = self.down.rate();
        left > 0.0 && rate.is_some_and(|rate| left / rate.max(0.001) < AT_ONCE_MS)
    }

    /// How long the body of a request may take on its way: as on a line a third as fast as this one
    /// was, or on a very slow one where nothing is known. `fetch` does not tell how far it is.
    #[must_use]
    pub fn upload_ms(&self, bytes: f64) -> f64 {
        match self.up.rate() {
            Some(rate) => 3.0 * bytes / rate.max(0.001),
            None => bytes / UNKNOWN_RATE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_takes_what_the_line_carries_in_a_few_seconds() {
        // 20 Mbit/s.
        let mut way = Way::default();
        let mut carried = vec![way.most()];
        for _ in 0..6 {
            way.carried(way.most(), way.most() / 2_500.0);
            carried.push(way.most());
        }
        assert_eq!(carried[0], FIRST_BYTES);
        assert_eq!(carried[6], 2_500.0 * TRANSFER_MS);
        assert!(carried.windows(2).all(|pair| pair[1] <= 4.0 * pair[0]));
        // The same line, a fiftieth as fast.
        for _ in 0..10 {
            way.carried(way.most(), way.most() / 50.0);
        }
        assert!(way.most() < 1.2 * 50.0 * TRANSFER_MS, "{}", way.most());
    }

    #[test]
    fn small_transfers_say_nothing_and_failures_halve() {
        let mut way = Way::default();
        way.carried(1_000.0, 0.1);
        assert_eq!((way.rate(), way.most()), (None, FIRST_BYTES));
        way.failed();
        assert_eq!(way.most(), FIRST_BYTES / 2.0);
        for _ in 0..40 {
            way.failed();
        }
        assert_eq!(way.most(), LEAST_BYTES);
        // And it comes up again.
        for _ in 0..12 {
            way.carried(way.most(), way.most() / 2_500.0);
        }
        assert!(way.most() > 7_000_000.0, "{}", way.most());
        // One job that is larger than the bound is no reason to ask for more than the line brings.
        let mut slow = Way::default();
        slow.carried(3_000_000.0, 96_000.0);
        assert!(slow.most() < 100_000.0, "{}", slow.most());
    }

    #[test]
    fn the_next_answer_is_asked_for_a_round_trip_before_the_end_of_this_one() {
        let mut line = Line::default();
        assert!(!line.is_time_to_ask(1_000.0));
        line.began(500.0, 300.0);
        // 4 Mbit/s.
        line.brought(500_000.0, 1_000.0, 20);
        assert_eq!(line.job_bytes(), Some(25_000.0));
        assert!(!line.is_time_to_ask(1_000_000.0));
        assert!(line.is_time_to_ask(400_000.0));
        // It ends within 20 ms, and says what there is to say.
        assert!(!line.is_time_to_ask(10_000.0));
        assert!(line.is_time_to_ask(0.0));
    }

    #[test]
    fn an_upload_is_given_time_for_its_bytes() {
        let mut line = Line::default();
        // 6 MB at 0.25 Mbit/s, where nothing is known.
        assert!(line.upload_ms(6e6) > 192_000.0);
        line.began(500.0, 300.0);
        line.began(250_000.0, 1_300.0);
        assert_eq!(line.up.rate(), Some(250.0));
        assert!(line.upload_ms(6e6) > 24_000.0 && line.upload_ms(6e6) < 120_000.0);
    }

    #[test]
    fn a_small_request_that_was_held_up_does_not_make_the_line_a_fast_one() {
        let mut line = Line::default();
        // A lost packet.
        line.began(216.0, 800.0);
        line.began(200_000.0, 550.0);
        assert!(line.up.rate().is_some_and(|rate| rate < 800.0));
        for _ in 0..3 {
            line.began(600_000.0, 3_000.0);
        }
        assert!(line.up.most() < 1_200_000.0, "{}", line.up.most());
        assert!(line.upload_ms(600_000.0) > 4_000.0);
        // Where the round trip is most of the time, the rate is found out all the same: 20 Mbit/s.
        let mut far = Line::default();
        far.began(216.0, 300.0);
        for _ in 0..8 {
            let bytes = far.up.most();
            far.began(bytes, 300.0 + bytes / 2_500.0);
        }
        assert!(far.up.most() > 6_000_000.0, "{}", far.up.most());
    }

    #[test]
    fn requests_that_are_short_beside_a_round_trip_do_not_make_the_line_a_slow_one() {
        let mut line = Line::default();
        for _ in 0..4 {
            line.began(500.0, 300.0);
        }
        // 4 Mbit/s.
        line.began(200_000.0, 700.0);
        assert_eq!(line.up.rate(), Some(500.0));
        for late in [10.0, 60.0, 30.0] {
            line.began(20_000.0, 340.0 + late);
        }
        assert_eq!(line.up.rate(), Some(500.0));
        // One that takes as long as a round trip shows that it has become slower.
        line.began(20_000.0, 620.0);
        assert!(line.up.rate().is_some_and(|rate| rate < 400.0));
    }

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
    fn an_answer_that_has_nearly_come_is_waited_for() {
        let mut line = Line::default();
        assert!(!line.ends_at_once(1_000.0));
        // 4 Mbit/s.
        line.brought(500_000.0, 1_000.0, 20);
        assert!(line.ends_at_once(10_000.0) && !line.ends_at_once(20_000.0));
        assert!(!line.ends_at_once(0.0));
    }

    #[test]
    fn a_request_waits_for_results_that_come_soon_and_keep_the_line_busy() {
        let mut line = Line::default();
        assert!(!line.is_worth_waiting(90, 50.0));
        // 0.25 Mbit/s, results of 1 kB.
        line.began(500.0, 300.0);
        line.began(93_000.0, 3_300.0);
        line.handed_in(93_000.0, 90);
        assert!(line.is_worth_waiting(90, 50.0));
        // They take too long, or little of the line.
        assert!(!line.is_worth_waiting(90, 500.0));
        assert!(!line.is_worth_waiting(5, 3.0));
        line.handed_in(9_000.0, 900);
        assert!(!line.is_worth_waiting(90, 50.0));
    }

    fn speed(job_ms: f64, answer_ms: f64, cores: u32) -> Speed {
        Speed {
            job_ms: Some(job_ms),
            answer_ms,
            lease_ms: 300_000.0,
            linger_ms: 3_000.0,
            cores,
        }
    }

    #[test]
    fn jobs_ahead_cover_a_round_trip_and_no_more_than_a_lease_allows() {
        assert_eq!(speed(100.0, 100.0, 2).ahead(), 64);
        assert_eq!(speed(1_000.0, 100.0, 4).ahead(), 13);
        assert_eq!(speed(0.1, 20.0, 8).ahead(), 2_048);
        assert_eq!(speed(60_000.0, 100.0, 4).ahead(), 1);
        // An hour: nobody holds such a job back for the sake of a tenth of a second.
        assert_eq!(speed(3_600_000.0, 100.0, 4).ahead(), 0);
        let short_lease = Speed {
            lease_ms: 4_000.0,
            ..speed(100.0, 100.0, 2)
        };
        assert_eq!(short_lease.ahead(), 20);
    }

    #[test]
    fn the_next_request_goes_before_the_last_job_is_begun() {
        let quick = speed(100.0, 100.0, 2);
        assert!(quick.is_low(6) && !quick.is_low(8));
        let long = speed(10_000.0, 100.0, 4);
        assert!(long.is_low(0) && !long.is_low(1));
        assert!(!speed(3_600_000.0, 100.0, 4).is_low(0));
        assert!(speed(0.01, 30.0, 2).is_low(1_023));
    }

    #[test]
    fn before_anything_is_known_only_what_runs_is_held() {
        let unknown = Speed {
            job_ms: None,
            ..speed(1.0, 1.0, 4)
        };
        assert_eq!((unknown.ahead(), unknown.queue()), (0, 0));
    }

    #[test]
    fn a_cores_queue_covers_a_message() {
        assert_eq!(speed(100.0, 1.0, 1).queue(), 1);
        assert_eq!(speed(10.0, 1.0, 1).queue(), 6);
        assert_eq!(speed(0.0, 1.0, 1).queue(), 256);
        assert_eq!(speed(1_000.0, 1.0, 1).queue(), 0);
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
