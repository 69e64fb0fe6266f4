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

/// Outcomes that are enough for a request of their own.
pub const FULL: usize = 256;

/// How many jobs are held at most, whatever their length: each stands in every request.
const MOST: f64 = 1_024.0;

/// What a core's own queue holds, in milliseconds of work: a message to the hub and back takes 20.
const QUEUE_MS: f64 = 60.0;

/// Longer jobs are not queued: the message that brings the next one is not felt, and a job that
/// waits on the desk can go to whichever core is free first.
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(speed(0.1, 20.0, 8).ahead(), 1_024);
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
        assert!(speed(0.01, 30.0, 2).is_low(511));
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
