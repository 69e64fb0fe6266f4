//! The context of an event of the hub, and the names of the hub's deadlines.

use crate::hub::action::Action;
use crate::time::clock::{Due, Now};
use crate::time::timers::Timers;

/// What [`Scheduler::handle`](crate::hub::Scheduler::handle) gets besides the event, and where it puts
/// what follows.
///
/// The deadlines are compared anew at each event. Where one has not come yet, the comparison sets its
/// timer, so that each threshold is written once: what is compared is what the hub is woken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Cx {
    /// When the event happened.
    pub now: Now,
    /// A random number in `[0, 1)`.
    pub random: f64,
    /// What to do, in this order.
    pub out: Vec<Action>,
    /// The deadlines that were compared so far, counted from the event.
    timers: Timers<Timer>,
}

impl Cx {
    /// The context of an event that happened at `now`.
    #[must_use]
    pub fn new(now: Now, random: f64) -> Self {
        Self {
            now,
            random,
            out: Vec::new(),
            timers: Timers::default(),
        }
    }

    /// Whether a deadline that is `left_ms` away has come. If not, the hub is woken then.
    pub(crate) fn expired(&mut self, name: Timer, left_ms: f64) -> bool {
        self.arm(name, left_ms);
        left_ms <= 0.0
    }

    /// Has the hub woken in `left_ms`, if that is in the future. What is over has just been looked at.
    pub(crate) fn arm(&mut self, name: Timer, left_ms: f64) {
        if left_ms > 0.0 && left_ms < f64::INFINITY {
            self.timers.set_earliest(name, left_ms);
        }
    }

    /// The next deadline, counted from `clocks`.
    pub(crate) fn next_timeout(&self, clocks: Now) -> Option<Due> {
        let left_ms = self.timers.next()?;
        Some(Due::after(clocks, left_ms))
    }
}

/// What the hub is woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The governor may come to another verdict.
    Governor,
    /// A rest has lasted for a lease.
    Rest,
    /// The rest after failures is over.
    FailureRest,
    /// Time in which cores work has to be entered.
    WorkTime,
    /// The cores of the former hub have had time enough to report.
    Takeover,
    /// A core of the former hub has been silent for too long.
    Silence,
    /// A core whose setup failed is tried again.
    Setup,
    /// A core has had time enough to give back its queue.
    Recall,
    /// A job runs so long that it holds up the queue behind it.
    LongJob,
    /// A core has had time enough to stop its job.
    StopJob,
    /// It is checked again whether a core rests.
    RestLook,
    /// A job has run for as long as its owner allows.
    JobTimeout,
    /// A job has reported no progress for too long.
    Stall,
    /// Progress may be sent again.
    Progress,
    /// Outcomes have waited long enough to be written to storage.
    Store,
    /// A stop has taken as long as it may.
    Shutdown,
    /// The tracker is tried again.
    Retry,
    /// Jobs may be asked for again.
    Dry,
    /// The tracker has to hear of the leases, or of a worker of the first protocol.
    Keepalive,
    /// Outcomes have waited long enough for others to share a request with.
    Linger,
    /// The body of a request is likely to have been uploaded, so that another one may follow it.
    Uploaded,
    /// A refused outcome is sent again.
    Refused,
    /// A file is tried again, or not kept at hand any more.
    Files,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_come_yet_is_what_the_hub_is_woken_for() {
        let now = Now {
            mono: 100.0,
            wall: 100.0,
        };
        let mut cx = Cx::new(now, 0.0);
        for never in [f64::INFINITY, f64::NAN] {
            assert!(!cx.expired(Timer::Stall, never));
        }
        assert!(cx.expired(Timer::Dry, 0.0) && cx.expired(Timer::Dry, -1.0));
        assert_eq!(cx.next_timeout(now), None);
        assert!(!cx.expired(Timer::Linger, 50.0));
        assert!(!cx.expired(Timer::Store, 20.0));
        assert_eq!(cx.next_timeout(now), Some(Due::after(now, 20.0)));
    }
}
