//! Outcomes that are refused while other requests are answered: by a proxy that takes one text for an
//! attack, or by a tracker that fails at one result.
//!
//! Such an outcome must not hold up the others. It is set apart, sent alone after growing pauses, and
//! given up after some refusals. A refusal counts only if another request was answered before it. Otherwise
//! the whole connection may be blocked, and nothing is given up.

use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::JobKey;
use crate::list::retain;
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now};

/// The pause before a refused outcome is sent again.
const PAUSE: Backoff = Backoff::doubling(2_000.0, 300_000.0);

/// How likely a request failed because of the outcomes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// It did not: there was no answer, or an answer that asks everybody to wait.
    None,
    /// It may have, but servers and proxies also fail like this for a while.
    Maybe,
    /// The connection failed, while the tracker could be reached without what was carried.
    Likely,
    /// It was refused by an answer that does not pass.
    Surely,
}

impl Blame {
    /// After how many refusals an outcome is given up.
    fn enough(self) -> u32 {
        match self {
            Self::None => u32::MAX,
            Self::Maybe => 8,
            Self::Likely => 4,
            Self::Surely => 3,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Refused {
    key: JobKey,
    count: u32,
    again: Due,
    /// Whether another request was answered since.
    proven: bool,
}

/// The outcomes that are set apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Refusals(Vec<Refused>);

impl Refusals {
    /// Notes that an outcome was refused that was alone in its request. Returns whether to give it up.
    pub(super) fn add(&mut self, now: Now, key: JobKey, blame: Blame) -> bool {
        let at = self.0.iter().position(|refused| refused.key == key);
        let mut refused = at.map_or(
            Refused {
                key,
                count: 0,
                again: Due::after(now, 0.0),
                proven: true,
            },
            |at| self.0.swap_remove(at),
        );
        refused.count += u32::from(refused.proven);
        if refused.count >= blame.enough() {
            return true;
        }
        let pause = PAUSE.wait_ms(refused.count.saturating_sub(1), 0.0);
        refused.again = Due::after(now, pause);
        refused.proven = false;
        self.0.push(refused);
        false
    }

    /// Notes that a request was answered that carried none of them.
    pub(super) fn answered(&mut self) {
        for refused in &mut self.0 {
            refused.proven = true;
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets those that are not `known` any more.
    pub(super) fn retain(&mut self, known: &dyn Fn(JobKey) -> bool) {
        retain(&mut self.0, |refused| known(refused.key));
    }

    /// Whether this one is set apart.
    pub(super) fn has(&self, key: JobKey) -> bool {
        self.0.iter().any(|refused| refused.key == key)
    }

    /// One of those that `waits` selects which may be sent again: its pause is over, and another request was
    /// answered.
    pub(super) fn due(&self, now: Now, waits: impl Fn(JobKey) -> bool) -> Option<JobKey> {
        let is_due =
            |refused: &&Refused| refused.proven && refused.again.is_over(now) && waits(refused.key);
        self.0.iter().find(is_due).map(|refused| refused.key)
    }

    /// Whether no other request was answered since one of them was refused.
    pub(super) fn are_unproven(&self) -> bool {
        self.0.iter().any(|refused| !refused.proven)
    }

    /// Arms the timer for when the next one may be sent again.
    pub(super) fn watch(&self, cx: &mut Cx) {
        for refused in &self.0 {
            let left = refused.again.left_ms(cx.now);
            cx.arm(Timer::Refused, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: f64) -> Now {
        Now { mono: ms, wall: ms }
    }

    fn pause_ms(refusals: &Refusals, now: f64) -> f64 {
        let mut cx = Cx::new(at(now), 0.0);
        refusals.watch(&mut cx);
        let due = cx.next_timeout(at(now)).expect("a pause");
        due.left_ms(at(now))
    }

    #[test]
    fn what_is_refused_again_and_again_while_others_are_answered_is_given_up() {
        let mut refusals = Refusals::default();
        let mut now = 0.0;
        for count in 1..3 {
            assert!(!refusals.add(at(now), 7, Blame::Surely), "{count}");
            assert!(refusals.has(7) && refusals.are_unproven());
            assert_eq!(refusals.due(at(now), |_| true), None);
            refusals.answered();
            now += pause_ms(&refusals, now);
            assert_eq!(refusals.due(at(now), |_| true), Some(7));
        }
        assert!(refusals.add(at(now), 7, Blame::Surely));
        assert!(!refusals.has(7));
        assert!(now <= 10_000.0);
    }

    #[test]
    fn nothing_is_given_up_while_nothing_is_answered() {
        let mut refusals = Refusals::default();
        for count in 0..1_000 {
            assert!(!refusals.add(at(f64::from(count)), 7, Blame::Surely));
        }
        refusals.retain(&|_| false);
        assert!(!refusals.has(7));
    }

    #[test]
    fn a_failure_that_may_pass_takes_more_and_ends_all_the_same() {
        let mut refusals = Refusals::default();
        let mut now = 0.0;
        let mut count = 1;
        while !refusals.add(at(now), 7, Blame::Maybe) {
            refusals.answered();
            now += pause_ms(&refusals, now);
            count += 1;
        }
        assert_eq!(count, 8);
        assert!((60_000.0..900_000.0).contains(&now), "{now}");
    }
}
