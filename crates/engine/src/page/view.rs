//! Which status a page shows, and what it knows better than that status.

use crate::page::supervisor::Supervisor;
use crate::reason::Reason;
use crate::settings::Settings;
use crate::status::State;

/// What the page adds to the status of the hub, or of the tab that computes.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Whether this tab computes.
    pub computes: bool,
    /// Why this browser computes or does not. `None`: as the hub's status says.
    pub reason: Option<Reason>,
    /// The settings in force.
    pub settings: Settings,
    problem: Option<String>,
}

/// The error that is shown together with [`View::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownError<'a> {
    /// There is none.
    None,
    /// A worker could not be started, for this reason.
    Worker(&'a str),
    /// The error with which the hub has ended.
    Hub,
}

impl View {
    /// What a page shows now.
    #[must_use]
    pub fn of(supervisor: &Supervisor) -> Self {
        Self {
            computes: supervisor.computes(),
            reason: supervisor.reason(),
            settings: *supervisor.settings(),
            problem: supervisor.problem().map(str::to_owned),
        }
    }

    /// Whether the status of the tab that computes is shown, and not that of this tab's hub.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        let state = self.reason.as_ref().map(State::of);
        state == Some(State::Elsewhere)
    }

    /// Whether there are cores to show. A hub that has ended may have reported some.
    #[must_use]
    pub fn has_cores(&self) -> bool {
        self.computes || self.is_elsewhere()
    }

    /// The error to show, if [`View::reason`] is shown.
    #[must_use]
    pub fn error(&self) -> ShownError<'_> {
        match (&self.problem, &self.reason) {
            (Some(problem), _) => ShownError::Worker(problem),
            (None, Some(Reason::Failed)) => ShownError::Hub,
            _ => ShownError::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::event::{Command, Cx, Event, HubMessage};
    use crate::time::clock::Now;

    fn after(events: &[Event]) -> View {
        let mut supervisor = Supervisor::new(Settings::default(), false);
        for event in events {
            let now = Now {
                mono: 0.0,
                wall: 0.0,
            };
            supervisor.handle(&mut Cx::new(now, 0.5), event.clone());
        }
        View::of(&supervisor)
    }

    const START: Event = Event::Command(Command::Start);

    fn computing(then: Event) -> View {
        let hub = |message| Event::FromHub(1, message);
        let ready = Event::WorkerReady(1);
        after(&[
            START,
            Event::LockGranted,
            ready,
            hub(HubMessage::Status),
            then,
        ])
    }

    #[test]
    fn a_page_that_computes_shows_its_hubs_status() {
        let view = computing(Event::Tick);
        assert_eq!((view.computes, view.reason), (true, None));
        assert!(view.has_cores() && !view.is_elsewhere());
    }

    #[test]
    fn a_page_that_waits_for_the_lock_shows_the_other_tab_with_its_cores() {
        let view = after(&[START, Event::LockTaken]);
        assert!(view.is_elsewhere() && view.has_cores() && !view.computes);
        assert_eq!(view.error(), ShownError::None);
    }

    #[test]
    fn a_page_that_was_stopped_shows_no_cores() {
        let view = computing(Event::FromHub(1, HubMessage::Stopped));
        assert_eq!(view.reason, Some(Reason::Stopped));
        assert!(!view.has_cores());
    }

    #[test]
    fn errors_are_those_of_workers_or_of_the_hub() {
        let died = after(&[
            START,
            Event::LockGranted,
            Event::WorkerDied(1, "no".to_owned()),
        ]);
        assert!(matches!(died.error(), ShownError::Worker(why) if why.contains("no")));
        let fatal = computing(Event::FromHub(1, HubMessage::Fatal));
        assert_eq!(fatal.error(), ShownError::Hub);
        let none = after(&[START, Event::LockGranted, Event::NotAWorker("7".to_owned())]);
        assert!(matches!(none.error(), ShownError::Worker(why) if why.contains('7')));
    }
}
