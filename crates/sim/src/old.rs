//! A client of the first protocol, as the Python library is one: it asks, works, hands in, and asks
//! again, one call after the other.

use std::collections::VecDeque;

use distcompute_protocol::Stage;

use crate::{
    browser::{BAD, Faults, GOOD},
    random::Rng,
    scenario,
    tracker::{ApiRequest, ApiResponse, Content},
    trackers::{Caller, Trackers},
};

/// It tries again after so long.
const RETRY_MS: f64 = 10_000.0;

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one in each client")]
enum Doing {
    Ask,
    Work { number: u64, bad: bool },
    HandIn(ApiRequest),
}

/// The client.
pub struct Old {
    caller: Caller,
    pub faults: Faults,
    /// When it goes on.
    pub at: f64,
    plan: scenario::Old,
    stage: Stage,
    token: Option<String>,
    doing: Doing,
    rng: Rng,
    /// Requests that come late.
    strays: VecDeque<(f64, ApiRequest)>,
}

impl Old {
    pub fn new(at: usize, seed: u64, plan: &scenario::Old) -> Self {
        Self {
            caller: Caller {
                who: format!("python {at}"),
                address: plan.address.clone(),
            },
            faults: plan.faults,
            at: if plan.absent {
                f64::INFINITY
            } else {
                plan.born
            },
            stage: Stage::ALL[plan.stage],
            plan: plan.clone(),
            token: None,
            doing: Doing::Ask,
            rng: Rng::new(seed ^ (at as u64 + 1) << 40),
            strays: VecDeque::new(),
        }
    }

    pub fn next(&self) -> f64 {
        let stray = self.strays.front().map_or(f64::INFINITY, |stray| stray.0);
        self.at.min(stray)
    }

    pub fn go_on(&mut self, now: f64, trackers: &mut Trackers) {
        if let Some((_, asked)) = self.strays.pop_front_if(|stray| stray.0 <= now) {
            trackers.call(now, &self.caller, &asked);
            return;
        }
        if now >= self.plan.gone {
            self.at = f64::INFINITY;
            return;
        }
        let Some(token) = self.token.clone() else {
            let asked = ApiRequest::Register(self.stage, self.plan.nickname.clone());
            let said = self.ask(now, trackers, &asked);
            if let Some(Content::Hello(hello)) = said.map(|said| said.content) {
                self.token = Some(hello.token);
                self.doing = Doing::Ask;
            }
            return;
        };
        match self.doing.clone() {
            Doing::Ask => {
                let said = self.ask(now, trackers, &ApiRequest::NewJob(token));
                if let Some(ApiResponse {
                    content: Content::Job { number, data },
                    ..
                }) = said
                {
                    let bad = data.is_some_and(|data| data.starts_with(BAD))
                        || self.rng.next_f64() < self.plan.flags;
                    self.doing = Doing::Work { number, bad };
                    self.at = now + self.plan.job_ms * (0.5 + self.rng.next_f64());
                }
            }
            Doing::Work { number, bad } => {
                let said = self.ask(now, trackers, &ApiRequest::Progress(token.clone()));
                let asked = if bad {
                    ApiRequest::Flag { token, number }
                } else {
                    let data = format!("{GOOD} {number} {}", self.stage);
                    ApiRequest::Complete {
                        token,
                        number,
                        data,
                    }
                };
                if said.is_none_or(|said| said.answer.status != 404) {
                    self.doing = Doing::HandIn(asked);
                }
            }
            Doing::HandIn(asked) => {
                let said = self.ask(now, trackers, &asked);
                // A refusal is the end of it too.
                if said.is_some_and(|said| matches!(said.answer.status, 200 | 403 | 404)) {
                    self.doing = Doing::Ask;
                }
            }
        }
    }

    /// Asks, if the network lets it.
    fn ask(
        &mut self,
        now: f64,
        trackers: &mut Trackers,
        asked: &ApiRequest,
    ) -> Option<ApiResponse> {
        let faults = self.faults;
        let mut share_left = self.rng.next_f64();
        let mut is = |share: f64| {
            share_left -= share;
            share_left < 0.0
        };
        self.at = now + RETRY_MS;
        let nothing = [
            faults.request_lost,
            faults.hangs,
            faults.busy,
            faults.broken,
            faults.portal,
        ];
        if faults.down || is(nothing.iter().sum()) {
            return None;
        }
        if is(faults.answer_lost + faults.cut) {
            trackers.call(now, &self.caller, asked);
            return None;
        }
        if is(faults.doubled + faults.delayed) {
            let late = now + self.rng.next_f64() * 60_000.0;
            self.strays.push_back((late, asked.clone()));
            self.strays
                .make_contiguous()
                .sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        let said = trackers.call(now, &self.caller, asked)?;
        match said.answer.status {
            200 => self.at = now + 50.0,
            404 => self.token = None,
            _ => {}
        }
        Some(said)
    }
}
