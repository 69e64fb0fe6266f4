//! How fast transfers to and from the tracker are, and how large they may be as a consequence.

use crate::hub::mean::{Least, Mean};

/// How long the transfer of one answer, or of the body of one request, should take: many times a round trip, so
/// that round trips hardly reduce the throughput, but short enough that the first job of an answer begins soon
/// and little is lost when the connection breaks.
const TRANSFER_MS: f64 = 3_000.0;

/// The size of a transfer before the rate is known.
const FIRST_BYTES: f64 = 65_536.0;

/// Failures reduce the size of transfers to this at least. One job, or one result, is transferred whatever its
/// size.
const LEAST_BYTES: f64 = 8_192.0;

/// The largest transfer. It bounds the memory, because several copies of a text exist while it is read or written.
const MOST_BYTES: f64 = 16_777_216.0;

/// The total size of the inputs that are held at most, in bytes as [`Text`](crate::hub::jobs::Text) counts them.
pub const HELD_BYTES: f64 = 134_217_728.0;

/// The size of one lease in the list of leases that are held, in bytes.
pub const AROUND_NAME: f64 = 50.0;

/// Smaller transfers are not used to measure the rate, because most of their time is the round trip.
const TELLING_BYTES: f64 = 16_384.0;

/// The time until an answer begins is the round trip plus the upload of the request. At most this share of it is
/// attributed to the round trip: the first value applies until `TRUSTED` round trips were measured. Otherwise
/// one small request that was delayed would make a slow upload look fast.
const ROUND_TRIP_SHARE: (f64, f64) = (0.5, 0.9);

/// So many round trips must be measured before the shortest of them counts as the latency.
const TRUSTED: u32 = 4;

/// If an upload takes a smaller share of a round trip than this, the variation between round trips hides its
/// duration. Such a measurement can raise the estimated rate, but not lower it.
const TELLING_SHARE: f64 = 0.5;

/// How long a browser takes to begin with the upload of a large body, in milliseconds.
const BODY_MS: f64 = 200.0;

/// The last part of an upload, as a share of its time, during which the next one may begin. Were they to begin
/// together, the next one could end first, and the tracker refuses a request that comes after a later one.
const OVERLAP: f64 = 0.25;

/// If the rest of an answer takes no longer than this, the next request waits for it.
const AT_ONCE_MS: f64 = 30.0;

/// The rate that is assumed before one was measured, in bytes per millisecond: 0.25 Mbit/s.
const UNKNOWN_RATE: f64 = 31.0;

/// One direction of the connection to the tracker.
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
    /// The largest size of the next transfer, in bytes.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.most
    }

    /// The rate in bytes per millisecond, once it was measured.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.rate.get()
    }

    /// How many bytes can be transferred in `TRANSFER_MS`, once the rate was measured.
    #[must_use]
    pub fn reach(&self) -> Option<f64> {
        Some(self.rate()? * TRANSFER_MS)
    }

    /// `bytes` were transferred within `ms`. The size of transfers follows the rate, but grows at most fourfold at a
    /// time, because a small transfer may have been served from a buffer on the way.
    pub fn carried(&mut self, bytes: f64, ms: f64) {
        if bytes < TELLING_BYTES.min(self.most / 2.0) || !ms.is_finite() {
            return;
        }
        // Counted threefold, so that the average follows the last few transfers.
        self.rate.add(bytes / ms.max(1.0), 3);
        let wanted = self.rate.get().unwrap_or(0.0) * TRANSFER_MS;
        let highest = (4.0 * self.most.min(bytes)).max(self.most);
        self.most = wanted.min(highest).clamp(LEAST_BYTES, MOST_BYTES);
    }

    /// A transfer was interrupted, or timed out.
    pub fn failed(&mut self) {
        self.most = (self.most / 2.0).max(LEAST_BYTES);
    }
}

/// Measurements of the connection to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Line {
    /// Answers.
    pub down: Way,
    /// Bodies of requests.
    pub up: Way,
    /// From the end of a request to the first byte of its answer, in milliseconds. The minimum, because other
    /// values include waiting for other transfers or for the tracker.
    latency: Least,
    /// From the beginning of a request to the first byte of its answer, in milliseconds.
    until_begun: Mean,
    /// The bytes per job of an answer.
    job: Mean,
    /// The bytes per result of a request.
    result: Mean,
}

impl Line {
    /// The first bytes of an answer have arrived `ms` after its request of `bytes` was sent.
    pub fn began(&mut self, bytes: f64, ms: f64) {
        self.until_begun.add(ms, 1);
        if bytes < TELLING_BYTES {
            self.latency.add(ms);
        } else {
            self.latency.lower(ms);
            let latency = self.latency.get().unwrap_or(0.0);
            let (early, later) = ROUND_TRIP_SHARE;
            let is_trusted = self.latency.seen() >= TRUSTED;
            let share = if is_trusted { later } else { early };
            let body_ms = ms - latency.min(share * ms);
            let is_hidden = is_trusted && body_ms < TELLING_SHARE * latency;
            let known = self.up.rate().filter(|_| is_hidden).unwrap_or(0.0);
            if bytes / body_ms.max(1.0) >= known {
                self.up.carried(bytes, body_ms);
            }
        }
    }

    /// An answer of `bytes` with so many jobs has arrived, `ms` after its first byte.
    pub fn brought(&mut self, bytes: f64, ms: f64, jobs: u32) {
        self.down.carried(bytes, ms);
        if jobs > 0 {
            self.job.add(bytes / f64::from(jobs), jobs);
        }
    }

    /// A request with so many results, which had so many bytes together, was answered.
    pub fn handed_in(&mut self, bytes: f64, results: u32) {
        if results > 0 {
            self.result.add(bytes / f64::from(results), results);
        }
    }

    /// Whether a request should wait for so many jobs that are done within `ms`, to send their results along. Results
    /// that miss this request wait for the next one, which is sent when the answer to this one begins: after a
    /// round trip and the upload of the leases. Waiting is better if it is shorter than that, and if uploading the
    /// results takes longer.
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

    /// The average size of a job in an answer, in bytes.
    #[must_use]
    pub fn job_bytes(&self) -> Option<f64> {
        self.job.get()
    }

    /// Whether the next request should be sent while `left` bytes of an answer are still to come: early enough that
    /// its answer begins when this one ends, but not if this one ends within `AT_ONCE_MS` anyway.
    #[must_use]
    pub fn is_time_to_ask(&self, left: f64) -> bool {
        let Some(rate) = self.down.rate() else {
            return false;
        };
        let left_ms = left / rate.max(0.001);
        let ahead_ms = 2.0 * self.until_begun.get().unwrap_or(0.0) + 250.0;
        left <= 0.0 || (AT_ONCE_MS..=ahead_ms).contains(&left_ms)
    }

    /// Whether the `left` bytes that are still to come of an answer arrive within `AT_ONCE_MS`. False if the answer
    /// is longer than was expected, because then its end is unknown.
    #[must_use]
    pub fn ends_at_once(&self, left: f64) -> bool {
        let rate = self.down.rate();
        left > 0.0 && rate.is_some_and(|rate| left / rate.max(0.001) < AT_ONCE_MS)
    }

    /// In how many milliseconds another request may follow one of `bytes` that is sent now, once the rate was
    /// measured: a little before its upload is likely to end.
    #[must_use]
    pub fn upload_nearly_ends_in_ms(&self, bytes: f64) -> Option<f64> {
        let upload_ms = bytes / self.up.rate()?.max(0.001);
        Some(upload_ms - BODY_MS.min(OVERLAP * upload_ms))
    }

    /// How long the upload of a request may take: three times as long as at the measured rate, or as long as at a very
    /// low rate if none was measured. `fetch` does not report the progress of an upload.
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
    fn the_next_upload_begins_a_little_before_the_end_of_this_one() {
        let mut line = Line::default();
        assert_eq!(line.upload_nearly_ends_in_ms(1e6), None);
        line.began(500.0, 300.0);
        // 2 Mbit/s.
        line.began(250_000.0, 1_300.0);
        assert_eq!(line.upload_nearly_ends_in_ms(1e6), Some(3_800.0));
        // Never while much of it is still to come.
        assert_eq!(line.upload_nearly_ends_in_ms(100_000.0), Some(300.0));
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
}
