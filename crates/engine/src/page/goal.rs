//! When the promises of `start` and `stop` settle.

use crate::status::State;

/// What a promise waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It is known whether this browser computes, and why not.
    Started,
    /// Nothing runs in this tab.
    Stopped,
}

/// How a promise settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The goal is reached.
    Reached,
    /// It cannot compute, for the reason that the status has.
    Failed,
    /// The opposite was asked for before the goal was reached.
    Withdrawn,
}

impl Goal {
    /// Whether the promise settles in this state; `wanted`: what was asked for last.
    #[must_use]
    pub fn settled(self, wanted: Self, state: State) -> Option<Settled> {
        match (self, state) {
            (Self::Stopped, State::Stopped) => Some(Settled::Reached),
            (Self::Started, State::Failed) => Some(Settled::Failed),
            _ if self != wanted => Some(Settled::Withdrawn),
            // Nothing runs any more: the hub has ended with an error.
            (Self::Stopped, State::Failed) => Some(Settled::Reached),
            (
                Self::Started,
                State::Computing | State::Waiting | State::Paused | State::Elsewhere,
            ) => Some(Settled::Reached),
            // While it starts or stops, that is not known. A start waits for the end of a stop.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How both promises settle in a state, if nothing else was asked for meanwhile.
    fn both(state: State) -> [Option<Settled>; 2] {
        [Goal::Started, Goal::Stopped].map(|goal| goal.settled(goal, state))
    }

    #[test]
    fn a_start_waits_until_the_outcome_is_known_and_a_stop_until_nothing_runs() {
        let settled = State::ALL.map(both);
        let reached = Some(Settled::Reached);
        assert_eq!(
            settled,
            [
                [None, reached],
                [None, None],
                [reached, None],
                [reached, None],
                [reached, None],
                [None, None],
                [reached, None],
                [Some(Settled::Failed), reached],
            ]
        );
    }

    #[test]
    fn the_opposite_command_withdraws_what_is_not_reached_yet() {
        use Goal::{Started, Stopped};
        for state in State::ALL {
            let is_known = state == State::Failed;
            let start = if is_known {
                Settled::Failed
            } else {
                Settled::Withdrawn
            };
            assert_eq!(Started.settled(Stopped, state), Some(start), "{state:?}");
            let is_over = state == State::Stopped;
            let stop = if is_over {
                Settled::Reached
            } else {
                Settled::Withdrawn
            };
            assert_eq!(Stopped.settled(Started, state), Some(stop), "{state:?}");
        }
    }
}
