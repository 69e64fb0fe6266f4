//! How long jobs take, and how many to hold as a consequence.

/// So many outcomes are sent without waiting for more.
pub const FULL: usize = 256;

/// The most jobs to hold, however short they are: every request lists all of them.
const MOST: f64 = 2_048.0;

/// How much work a core's own queue holds, in milliseconds. A message to the hub and back takes 20 ms.
const QUEUE_MS: f64 = 60.0;

/// Longer jobs are not queued in a core: compared with them a message takes no time, and a job that stays in the
/// hub can go to whichever core is free first.
const QUEUED_JOB_MS: f64 = 400.0;

/// The most jobs in the queue of one core.
const QUEUE_MOST: f64 = 256.0;

/// Jobs that take so many times as long as a round trip are not fetched ahead: the core hardly waits for the next
/// one, and another volunteer could begin it now.
const NOT_AHEAD: f64 = 1_000.0;

/// Measurements of one stage, in milliseconds of elapsed time: jobs of a core that rests half of the time take
/// twice as long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// How long a job takes; `None` before the first one has ended.
    pub job_ms: Option<f64>,
    /// How long a request takes until it is answered.
    pub answer_ms: f64,
    /// How long a lease lasts.
    pub lease_ms: f64,
    /// How long an outcome waits so that others can be sent in the same request.
    pub linger_ms: f64,
    /// How many cores work.
    pub cores: u32,
}

impl Speed {
    /// How many jobs to hold beyond those that run: enough for the time until the next request is answered.
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

    /// Whether so few jobs are left that more must be requested now.
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
}
