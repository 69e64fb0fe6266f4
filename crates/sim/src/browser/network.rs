//! The network between the hub and the tracker: requests, their answers in parts, and faults of either.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::action::{TrackerRequest, TrackerResponse, Transfer, Wire};
use distcompute_engine::hub::event::Event;

use super::planned::{Ending, Planned};
use super::{Browser, Sabotage};
use crate::tracker::{ApiRequest, ApiResponse, Content, Tracker, weigh};

/// How often each fault happens, as a share of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub request_lost: f64,
    pub answer_lost: f64,
    pub hangs: f64,
    pub doubled: f64,
    pub delayed: f64,
    pub busy: f64,
    pub broken: f64,
    pub portal: f64,
    /// An answer is cut off.
    pub cut: f64,
    /// No request gets through.
    pub down: bool,
    /// A proxy that answers in place of the tracker.
    pub proxy: Option<Proxy>,
}

/// A proxy that refuses requests with more than `limit` bytes of results, by a web page with this status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxy {
    pub limit: usize,
    pub status: u16,
}

impl Faults {
    pub const RATES: usize = 9;

    pub fn list(mut self) -> [f64; Self::RATES] {
        self.list_mut().map(|rate| *rate)
    }

    pub fn list_mut(&mut self) -> [&mut f64; Self::RATES] {
        [
            &mut self.request_lost,
            &mut self.answer_lost,
            &mut self.hangs,
            &mut self.doubled,
            &mut self.delayed,
            &mut self.busy,
            &mut self.broken,
            &mut self.portal,
            &mut self.cut,
        ]
    }
}

/// What the line to the tracker carries, in bytes per millisecond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub down: f64,
    pub up: f64,
    /// How often a part of an answer is lost and sent again, as a share.
    pub loss: f64,
}

impl Line {
    /// A line of so many Mbit/s both ways.
    pub fn of(mbit: f64) -> Self {
        Self {
            down: 125.0 * mbit,
            up: 125.0 * mbit,
            loss: 0.0,
        }
    }
}

/// A part of an answer, in milliseconds of the line.
const PART_MS: f64 = 50.0;

/// The size of a request or an answer without its texts, in bytes.
const HEAD: f64 = 500.0;

impl<T: Tracker> Browser<T> {
    /// A request reaches the tracker, which handles it at once.
    pub(super) fn arrives(
        &mut self,
        request: u32,
        hub: u64,
        asked: &ApiRequest,
        back_ms: Option<f64>,
    ) {
        let said = self.tracker.call(self.time(), asked);
        self.note_rest(asked, said.as_ref(), back_ms.unwrap_or(0.0));
        let heard = Box::new(said.map_or(Ending::NotReached, Ending::ApiResponse));
        let Some(back_ms) = back_ms else { return };
        let then = if self.line.is_some() {
            Planned::Flows {
                request,
                hub,
                down: 0.0,
                left: HEAD + weight(&heard),
                heard,
            }
        } else {
            Planned::Ending(request, hub, heard)
        };
        self.plan(back_ms, then);
    }

    /// A request has ended: reports that to the hub.
    pub(super) fn hears(&mut self, request: u32, generation: u64, heard: Ending) {
        // The time limit applied to the first byte; from then on another one applies.
        let begun = self.flowing.get(&request).copied();
        if matches!(heard, Ending::TimedOut)
            && begun.is_some_and(|(_, at)| self.t - at < self.stall_ms)
        {
            return;
        }
        if generation != self.generation || self.flights.remove(&request).is_none() {
            return;
        }
        let flowed = self.flowing.remove(&request);
        let up = self.bodies.remove(&request).unwrap_or(0.0);
        if let Ending::ApiResponse(said) = &heard {
            let status = said.answer.status;
            let transfer = |down, ended| {
                let transfer = Transfer {
                    status,
                    up,
                    down,
                    ended,
                    written_ms: 0.0,
                };
                Event::Transfer(request, transfer)
            };
            // Without a line, the whole answer arrives at once.
            let down = flowed.map_or(HEAD + weight(&heard), |(down, _)| down);
            if flowed.is_none() {
                self.happen(transfer(0.0, false));
            }
            self.happen(transfer(down, true));
        }
        let got = match heard {
            Ending::NotReached => TrackerResponse::NotReached("Failed to fetch".to_owned()),
            Ending::TimedOut => TrackerResponse::TimedOut,
            Ending::ApiResponse(said) => self.read(said),
        };
        self.happen(Event::Answered(request, got));
    }

    /// A part of an answer has arrived.
    pub(super) fn flows(
        &mut self,
        request: u32,
        generation: u64,
        down: f64,
        left: f64,
        heard: Box<Ending>,
    ) {
        let Some(line) = self.line.filter(|_| generation == self.generation) else {
            return;
        };
        let Some(up) = self.bodies.get(&request).copied() else {
            return;
        };
        if !self.flights.contains_key(&request) {
            return;
        }
        self.flowing.insert(request, (down, self.t));
        self.plan(self.stall_ms, Planned::Stalls(request, generation, down));
        if left <= 0.0 {
            self.plan(0.0, Planned::Ending(request, generation, heard));
            return;
        }
        let status = match &*heard {
            Ending::ApiResponse(said) => said.answer.status,
            // It breaks off later.
            Ending::NotReached | Ending::TimedOut => 200,
        };
        let ended = false;
        self.happen(Event::Transfer(
            request,
            Transfer {
                status,
                up,
                down,
                ended,
                written_ms: 0.0,
            },
        ));
        let part = left.min(line.down * PART_MS);
        let mut takes_ms = part / line.down;
        if self.rng.next_f64() < line.loss {
            takes_ms += 200.0 + 800.0 * self.rng.next_f64();
        }
        self.down_free = self.down_free.max(self.t) + takes_ms;
        self.carried_down += part;
        let comes = Planned::Flows {
            request,
            hub: generation,
            down: down + part,
            left: left - part,
            heard,
        };
        self.plan(self.down_free - self.t, comes);
    }

    pub(super) fn send(&mut self, request: TrackerRequest) {
        let TrackerRequest {
            id,
            wire,
            limit_ms,
            stall_ms,
            ..
        } = request;
        self.stall_ms = f64::from(stall_ms);
        let asked = self.asked_by(&wire);
        let body = body(&asked);
        self.bodies.insert(id, body);
        self.sent.push(self.time());
        self.asked.push(match wire {
            Wire::Register { .. } => "new",
            Wire::Sync(_) => "sync",
            Wire::NewJob { .. } => "newJob",
            Wire::Complete { .. } => "completeJob",
            Wire::Flag { .. } => "flagInvalidData",
            Wire::Progress { .. } => "updateProgress",
            Wire::Validate { .. } => "validateWorker",
            Wire::Bye { .. } => "bye",
        });
        let carried = match &asked {
            ApiRequest::Sync(sync) => sync.done.iter().map(|done| done.data.len()).sum(),
            ApiRequest::Complete { data, .. } => data.len(),
            _ => 0,
        };
        let generation = self.generation;
        assert!(
            self.flights.insert(id, generation).is_none(),
            "request {id} sent twice"
        );
        let limit = f64::from(limit_ms);
        let heard = |heard| Planned::Ending(id, generation, Box::new(heard));
        self.plan(limit, heard(Ending::TimedOut));
        let faults = self.faults;
        let half = self.delay_ms / 2.0;
        // The upload takes its time before the tracker gets the request.
        let half = half
            + self.line.map_or(0.0, |line| {
                self.up_free = self.up_free.max(self.t) + (HEAD + body) / line.up;
                self.carried_up += HEAD + body;
                self.up_free - self.t
            });
        let mut share_left = self.rng.next_f64();
        let mut is = |share: f64| {
            share_left -= share;
            share_left < 0.0
        };
        let arrives = |back_ms| Planned::Arrives {
            request: id,
            hub: generation,
            asked,
            back_ms,
        };
        if faults.down || is(faults.request_lost) {
            self.plan(half, heard(Ending::NotReached));
        } else if let Some(proxy) = faults.proxy.filter(|proxy| carried > proxy.limit) {
            let answer = Answer {
                status: proxy.status,
                body: "<html><center>nginx</center></html>".to_owned(),
                ..Answer::default()
            };
            let said = match self.sabotage {
                Some(Sabotage::BodyFirst) => Ending::NotReached,
                _ => Ending::ApiResponse(ApiResponse {
                    answer,
                    content: Content::Nothing,
                }),
            };
            self.plan(self.delay_ms, heard(said));
        } else if is(faults.answer_lost) {
            self.plan(half, arrives(None));
            self.plan(self.delay_ms, heard(Ending::NotReached));
        } else if is(faults.hangs) {
            // No answer comes: the time limit ends the request.
        } else if is(faults.doubled) {
            let again = arrives.clone()(None);
            self.plan(half, arrives(Some(half)));
            let later = self.rng.next_f64() * 10_000.0;
            self.plan(half + later, again);
        } else if is(faults.delayed) {
            let (there, back) = (
                self.rng.next_f64() * 25_000.0,
                self.rng.next_f64() * 25_000.0,
            );
            self.plan(there, arrives(Some(back)));
        } else if is(faults.busy) {
            let retry_after_ms = self.retry_after_ms.filter(|_| self.rng.next_f64() < 0.5);
            let answer = Answer {
                status: self.busy_status,
                retry_after_ms,
                ..Answer::default()
            };
            let said = ApiResponse {
                answer,
                content: Content::Nothing,
            };
            self.plan(self.delay_ms, heard(Ending::ApiResponse(said)));
        } else if is(faults.broken) {
            let body = "Internal Server Error".to_owned();
            let answer = Answer {
                status: 500,
                body,
                ..Answer::default()
            };
            let said = ApiResponse {
                answer,
                content: Content::Nothing,
            };
            self.plan(self.delay_ms, heard(Ending::ApiResponse(said)));
        } else if is(faults.portal) {
            let body = "<!doctype html><title>Hotel Wi-Fi</title>".to_owned();
            let answer = Answer {
                status: 200,
                body,
                ..Answer::default()
            };
            let said = ApiResponse {
                answer,
                content: Content::Unreadable,
            };
            self.plan(self.delay_ms, heard(Ending::ApiResponse(said)));
        } else if is(faults.cut) {
            self.plan(half, arrives(None));
            let answer = Answer {
                status: 200,
                body: "{".to_owned(),
                ..Answer::default()
            };
            let said = ApiResponse {
                answer,
                content: Content::Unreadable,
            };
            self.plan(self.delay_ms, heard(Ending::ApiResponse(said)));
        } else {
            let back_ms = self.delay_ms / 2.0;
            self.plan(half, arrives(Some(back_ms)));
        }
    }
}

/// The size of the texts of an answer, in bytes.
fn weight(heard: &Ending) -> f64 {
    let Ending::ApiResponse(said) = heard else {
        return 0.0;
    };
    let text = |data: &Option<String>| data.as_deref().map_or(0, weigh);
    let bytes = match &said.content {
        Content::Sync(sync) => {
            let inputs = sync.jobs.iter().map(|job| text(&job.data) + 160);
            inputs.sum::<usize>() + 50 * sync.accepted.len()
        }
        Content::Job { data, .. } => text(data),
        _ => said.answer.body.len(),
    };
    bytes as f64
}

/// The size of the body of a request, in bytes.
fn body(asked: &ApiRequest) -> f64 {
    let bytes = match asked {
        ApiRequest::Sync(sync) => {
            let done: usize = sync.done.iter().map(|done| weigh(&done.data) + 80).sum();
            done + 50 * (sync.items() - sync.done.len())
        }
        ApiRequest::Complete { data, .. } => weigh(data),
        _ => 0,
    };
    bytes as f64
}
