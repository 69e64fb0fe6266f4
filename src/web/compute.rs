//! What a compute worker asks: its core's account, and what the owner's values are on the wire.
//! `compute.js` calls the handler, which may throw or call back.

use super::face::{main_door, now};
use core::cell::RefCell;
use distcompute_engine::core::rest::RestWatch;
use distcompute_engine::core::throttle::{FULL, STOP, Stops, Throttle, ending};
use distcompute_protocol::{JSON_MARK, Stage};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/shell.js")]
extern "C" {
    /// A compute worker at work.
    pub type Core;

    #[wasm_bindgen(constructor)]
    fn new(parts: &JsValue, port: &JsValue, rules: &JsValue, door: &JsValue, mark: &str) -> Core;

    /// Another hub is at `port`.
    #[wasm_bindgen(method, structural)]
    pub fn meet(this: &Core, port: &JsValue);
}

/// Becomes a compute worker with the owner's `{ owner?, setup?, handler }`, whose hub is at `port`.
#[must_use]
pub fn start(parts: &JsValue, port: &JsValue) -> Core {
    let rules = RefCell::new(Rules {
        throttle: Throttle::new(now(), FULL),
        stops: Stops::default(),
        rest: RestWatch::default(),
    });
    // No door: a word costs more than most of what is asked, and it is asked for each of many jobs.
    let rules: Box<dyn Fn(u32, f64, f64) -> f64> =
        Box::new(move |question, now, value| rules.borrow_mut().answer(question, now, value));
    let rules = Closure::wrap(rules).into_js_value();
    Core::new(parts, port, &rules, &main_door(), JSON_MARK)
}

/// The rules as `compute.js` asks them.
struct Rules {
    throttle: Throttle,
    stops: Stops,
    rest: RestWatch,
}

/// What `compute.js` asks, by its place in this list, which is the same there.
#[derive(Clone, Copy)]
enum Question {
    /// How long to wait before the next job; -1: not at all. The value: whether there is one.
    Wait,
    /// A job of the stage whose letter is the value begins. Whether what there is to say must be said
    /// before.
    Begin,
    /// It has ended. How long it was worked at.
    End,
    Poll,
    Show,
    Flush,
    FlushIn,
    Sent,
    Nap,
    Rest,
    Work,
    /// The value: whether there is something to say.
    NextLook,
    IsPaused,
    /// The hub says the value, a level, or by its tower stop. Whether the job that runs must stop.
    Heard,
    /// The hub says stop by a message too.
    HeardStop,
    /// Nothing of what was said in the former tower will be heard there.
    NewTower,
    /// How a job has ended, as [`ending`] says. The value: 1 where it was aborted, 2 more where it was
    /// flagged, 4 more where its handler threw.
    Ending,
    /// So long the turns of the event loop take while the thread is free: the value.
    FreeTurns,
    /// The looks at an async handler in a pause begin. When the first one is due; the value is a random
    /// number.
    WatchRest,
    /// A look: a timer came so late as is given for the time, and the turns of the event loop took the
    /// value.
    Looked,
    /// When the next look is due; the value is a random number.
    LookIn,
    /// Whether to tell the hub that this core rests. The value: 1 where the handler waits, 2 more where
    /// it has workers of its own.
    SayRest,
}

use Question::{
    Begin, End, Ending, Flush, FlushIn, FreeTurns, Heard, HeardStop, IsPaused, LookIn, Looked, Nap,
    NewTower, NextLook, Poll, Rest, SayRest, Sent, Show, Wait, WatchRest, Work,
};

const QUESTIONS: [Question; 22] = [
    Wait, Begin, End, Poll, Show, Flush, FlushIn, Sent, Nap, Rest, Work, NextLook, IsPaused, Heard,
    HeardStop, NewTower, Ending, FreeTurns, WatchRest, Looked, LookIn, SayRest,
];

impl Rules {
    /// What they say at this moment; truths as 1 and 0.
    fn answer(&mut self, question: u32, now: f64, value: f64) -> f64 {
        let Self {
            throttle,
            stops,
            rest,
        } = self;
        let truth = |truth: bool| f64::from(u8::from(truth));
        match QUESTIONS[question as usize] {
            Wait => return throttle.wait(now, value != 0.0).unwrap_or(-1.0),
            Begin => {
                return truth({
                    let stage = Stage::ALL.get(usize::from((value as u8).wrapping_sub(b'a')));
                    throttle.begin_job(now, *stage.unwrap_or(&Stage::A))
                });
            }
            End => return throttle.end_job(now),
            Poll => return truth(throttle.poll(now)),
            Show => return truth(throttle.show(now)),
            Flush => return truth(throttle.flush(now)),
            FlushIn => return throttle.flush_in(now),
            Sent => throttle.sent(now),
            Nap => return throttle.nap(now),
            Rest => throttle.rest(now),
            Work => throttle.work(now),
            NextLook => return throttle.next_look(value != 0.0),
            IsPaused => return truth(throttle.is_paused()),
            Heard if value == f64::from(STOP) => return truth(stops.by_signal()),
            Heard => {
                rest.forget();
                throttle.set_intensity(now, value as u8);
            }
            HeardStop => stops.by_message(),
            NewTower => *stops = Stops::default(),
            FreeTurns => rest.measured(value),
            WatchRest => {
                rest.restart();
                return RestWatch::look_in(value);
            }
            Looked => rest.looked(now, value),
            LookIn => return RestWatch::look_in(value),
            SayRest => {
                let bits = value as u8;
                return truth(rest.shall_say(now, bits & 1 != 0, bits & 2 != 0));
            }
            Ending => {
                let bits = value as u8;
                return f64::from(ending(bits & 1 != 0, bits & 2 != 0, bits & 4 != 0) as u8);
            }
        }
        0.0
    }
}
