//! Whether most jobs fail on this machine, and the errors that a page shows of them.

use crate::hub::cx::{Cx, Timer};
use crate::status::LastError;
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now};

/// Jobs are taken to fail on this machine once the balance of failures and results reaches `MANY`, and
/// until it is below `FEW`.
const MANY: u32 = 6;
const FEW: u32 = 3;

/// The most that is counted, so that a few results are enough to recover.
const MOST: u32 = 14;

/// The rest after a failure while jobs fail.
const REST: Backoff = Backoff::doubling(5_000.0, 600_000.0);

/// Whether jobs fail on this machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Failing {
    /// Only errors are kept: failures have no consequences.
    ignored: bool,
    count: u32,
    /// While most jobs fail: the error of the first of them.
    first: Option<LastError>,
    streak: Option<LastError>,
    last: Option<LastError>,
    rest: Option<Due>,
}

impl Failing {
    /// `slow` says whether this machine takes fewer jobs while most of them fail.
    #[must_use]
    pub fn new(slow: bool) -> Self {
        Self {
            ignored: !slow,
            ..Self::default()
        }
    }

    /// Notes that a job has failed.
    pub fn failed(&mut self, account: &str, job: u64, now: Now) {
        let error = LastError::new(account, job, now.wall);
        if self.ignored {
            self.last = Some(error);
            return;
        }
        self.count = (self.count + 1).min(MOST);
        let first = self.streak.get_or_insert_with(|| error.clone());
        if self.count >= MANY {
            self.first.get_or_insert_with(|| first.clone());
            let ms = REST.wait_ms(self.count - MANY, 0.0);
            self.rest = Some(Due::after(now, ms));
        }
        self.last = Some(error);
    }

    /// Notes that a job was done.
    pub fn done(&mut self) {
        self.count /= 2;
        self.rest = None;
        if self.count < FEW {
            self.first = None;
        }
        if self.count == 0 {
            self.streak = None;
        }
    }

    /// The first error, while jobs fail on this machine.
    #[must_use]
    pub fn first(&self) -> Option<&LastError> {
        self.first.as_ref()
    }

    /// The last failure since the start.
    #[must_use]
    pub fn last(&self) -> Option<&LastError> {
        self.last.as_ref()
    }

    /// How many jobs this machine is to have at most, all cores together.
    #[must_use]
    pub fn may_hold(&self, cx: &mut Cx) -> usize {
        let rests = !cx.expired(Timer::FailureRest, self.rest_left_ms(cx.now));
        match (&self.first, rests) {
            (None, _) => usize::MAX,
            (Some(_), true) => 0,
            (Some(_), false) => 1,
        }
    }

    /// How much longer it rests.
    #[must_use]
    pub fn rest_left_ms(&self, now: Now) -> f64 {
        self.rest.map_or(0.0, |rest| rest.left_ms(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: f64) -> Now {
        Now { wall: ms, mono: ms }
    }

    fn may_hold(jobs: &Failing, ms: f64) -> usize {
        jobs.may_hold(&mut Cx::new(at(ms), 0.0))
    }

    #[test]
    fn most_jobs_fail_until_some_are_done() {
        let mut jobs = Failing::default();
        for n in 0..5 {
            jobs.failed("TypeError: no file", n, at(0.0));
            assert_eq!(may_hold(&jobs, 0.0), usize::MAX);
        }
        jobs.failed("Error: another", 5, at(0.0));
        assert_eq!(jobs.first().map(|error| error.job), Some(0));
        assert_eq!(jobs.last().map(|error| error.job), Some(5));
        assert_eq!((may_hold(&jobs, 0.0), may_hold(&jobs, 5_000.0)), (0, 1));
        for n in 6..100 {
            jobs.failed("Error: another", n, at(0.0));
        }
        assert_eq!(jobs.rest_left_ms(at(0.0)), REST.ceiling_ms);
        for _ in 0..3 {
            jobs.done();
        }
        assert_eq!((jobs.first(), may_hold(&jobs, 0.0)), (None, usize::MAX));
        assert!(jobs.last().is_some(), "a page may still want to show it");
    }

    #[test]
    fn a_machine_that_is_not_slowed_takes_as_much_as_before() {
        let mut jobs = Failing::new(false);
        for n in 0..100 {
            jobs.failed("x", n, at(0.0));
        }
        assert_eq!((jobs.first(), may_hold(&jobs, 0.0)), (None, usize::MAX));
        assert_eq!(jobs.last().map(|error| error.job), Some(99));
    }

    #[test]
    fn a_failure_now_and_then_is_no_trouble() {
        let mut jobs = Failing::default();
        for n in 0..1_000 {
            jobs.failed("x", n, at(0.0));
            jobs.done();
        }
        assert_eq!(jobs.first(), None);
    }

    #[test]
    fn a_name_is_told_from_what_an_error_says() {
        for (account, name, message) in [
            ("RangeError: bad range\n  at x", "RangeError", "bad range"),
            ("no name here: at all", "Error", "no name here: at all"),
            ("{\"code\":5}", "Error", "{\"code\":5}"),
            ("", "Error", ""),
        ] {
            let error = LastError::new(account, 1, 0.0);
            assert_eq!(
                (error.name.as_str(), error.message.as_str()),
                (name, message)
            );
        }
    }
}
