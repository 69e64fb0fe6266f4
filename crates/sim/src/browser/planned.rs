//! Events that are planned for later. Messages and timers of a hub or a compute worker have its number, so that
//! those of one that has been replaced are dropped.

use distcompute_engine::hub::event::Event;
use distcompute_engine::message::{Payload, ToCore};

use crate::tracker::{ApiRequest, ApiResponse};

#[derive(Debug, Clone)]
pub(super) enum Planned {
    /// An event of the hub with this number.
    Hub(u64, Event),
    /// The page gives the hub with this number the channel to a compute worker with that number.
    Here(u64, u32, u64),
    Timer(u64),
    ToCore(u32, u64, Arrival),
    Step(u32, u64, u64),
    Slept(u32, u64, u64),
    /// The timer of a compute worker, for a deadline.
    CoreTimer(u32, u64, f64),
    Up(u32, u64),
    /// Another hub has started, with this number.
    Successor(u64),
    /// It asks a compute worker with that number what it is doing.
    Meet(u64, u32, u64),
    /// A request reaches the tracker. The answer arrives `back_ms` later, or never.
    Arrives {
        request: u32,
        hub: u64,
        asked: ApiRequest,
        back_ms: Option<f64>,
    },
    Ending(u32, u64, Box<Ending>),
    /// A part of an answer has arrived over the line; `left` bytes are missing.
    Flows {
        request: u32,
        hub: u64,
        down: f64,
        left: f64,
        heard: Box<Ending>,
    },
    /// The time limit for progress of an answer, which had so many bytes when it was set.
    Stalls(u32, u64, f64),
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "it is always kept in a box")]
pub(super) enum Ending {
    NotReached,
    TimedOut,
    ApiResponse(ApiResponse),
}

/// What reaches a compute worker through its event loop.
#[derive(Debug, Clone)]
pub(super) enum Arrival {
    Message(ToCore<Sim>),
    /// The hub with this number takes over.
    Hub(u64),
}

/// What stands for the values of JavaScript.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sim;

impl Payload for Sim {
    type Text = String;
    type State = ();
    /// Its number.
    type Slot = u32;
    type Files = ();
}
