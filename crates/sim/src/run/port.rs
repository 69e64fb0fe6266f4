//! The connection of a browser to the trackers.

use std::{cell::RefCell, rc::Rc};

use distcompute_protocol::Stage;
use distcompute_tracker::rules::names;

use crate::{
    tracker::{ApiRequest, ApiResponse, Content, Tracker},
    trackers::{Caller, Trackers},
};

/// The tracker of a browser: the real ones, by the address of its volunteer.
pub(super) struct Port {
    pub(super) trackers: Rc<RefCell<Trackers>>,
    pub(super) caller: Caller,
    /// By how much the time of the run is ahead of the browser's own.
    pub(super) ahead: f64,
    pub(super) calls: bool,
}

impl Tracker for Port {
    fn call(&mut self, now: f64, asked: &ApiRequest) -> Option<ApiResponse> {
        let mut trackers = self.trackers.borrow_mut();
        let mut said = trackers.call(now + self.ahead, &self.caller, asked)?;
        if let Content::Hello(hello) = &mut said.content {
            hello.syncs &= !self.calls;
        }
        Some(said)
    }

    fn open(&self, stage: Stage) -> usize {
        self.trackers.borrow().open(stage)
    }

    fn lets(&self, stage: Stage, nickname: &str, token: Option<&str>) -> bool {
        let volunteer = names::volunteer(None, nickname, &self.caller.address);
        self.trackers.borrow().lets(stage, &volunteer, token)
    }

    fn rests_ms(&self, token: &str) -> f64 {
        self.trackers.borrow().rests_ms(token)
    }

    fn is_finished(&self) -> bool {
        self.trackers.borrow().is_finished()
    }

    fn has_taken(&self, lease: &str) -> bool {
        self.trackers.borrow().has_taken(lease)
    }
}
