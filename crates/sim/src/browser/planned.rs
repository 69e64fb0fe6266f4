//! What can be planned: the events of a browser that lie ahead.

use distcompute_engine::hub::event::Event;
use distcompute_engine::message::{Payload, ToCore};

use crate::tracker::{ApiRequest, ApiResponse};

#[derive(Debug, Clone)]
pub(super) enum Planned {
    /// To the hub, of this life.
    Hub(u64, Event),
    /// The hub, of this life, gets the channel to a compute worker, of that life.
    Here(u64, u32, u64),
    Timer(u64),
    ToCore(u32, u64, Arrival),
    Step(u32, u64, u64),
    Slept(u32, u64, u64),
    /// The timer of a compute worker, for a deadline.
    CoreTimer(u32, u64, f64),
    Up(u32, u64),
    /// Another hub is there, of this life.
    Successor(u64),
    /// It asks a compute worker, of that life, what it does.
    Meet(u64, u32, u64),
    /// A request reaches the tracker; the answer is to be heard so much later, or never.
    Arrives {
        request: u32,
        hub: u64,
        asked: ApiRequest,
        back_ms: Option<f64>,
    },
    Ending(u32, u64, Box<Ending>),
    /// A part of an answer has come over the line; so many bytes are still to come.
    Flows {
        request: u32,
        hub: u64,
        down: f64,
        left: f64,
        heard: Box<Ending>,
    },
    /// Nothing more has come of this answer since it had so many bytes.
    Stalls(u32, u64, f64),
}

#[derive(Debug, Clone)]
pub(super) enum Ending {
    NotReached,
    TimedOut,
    ApiResponse(ApiResponse),
}

/// What comes to a thread by messages.
#[derive(Debug, Clone)]
pub(super) enum Arrival {
    Message(ToCore<Sim>),
    /// The hub of this life takes over.
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
}
