//! The calls of the first protocol, and which request goes where.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::action::Hello;
use distcompute_protocol::{ErrorCode, Granted, OK_TEXT, Stage};
use distcompute_tracker::rules::allowance::Allowance;

use super::{End, Model, Worker};
use crate::tracker::{ApiRequest, ApiResponse, Content, Tracker};

impl Model {
    pub(super) fn refuse(&self, status: u16, code: ErrorCode) -> ApiResponse {
        let body = code.text().unwrap_or("No.").to_owned();
        let code = self.ours.then_some(code);
        let answer = Answer {
            status,
            code,
            retry_after_ms: None,
            body,
            cut: false,
        };
        ApiResponse {
            answer,
            content: Content::Nothing,
        }
    }

    /// The job that a worker of the first protocol holds.
    fn holds(&self, token: &str) -> Option<String> {
        self.held_by(token).into_iter().next()
    }

    fn end_job(&mut self, token: &str, number: u64, data: Option<&str>) -> ApiResponse {
        let none = match data {
            Some(_) => ErrorCode::NoOpenJob,
            None => ErrorCode::NotWorking,
        };
        let body = data.map_or(0, str::len) + 100;
        if body > self.max_body {
            self.refused_bodies += 1;
            return self.refuse(413, ErrorCode::TooLarge);
        }
        let Some(worker) = self.workers.get(token) else {
            return self.refuse(404, ErrorCode::WorkerUnknown);
        };
        let done_before = self.ours && worker.last == Some(number);
        let Some(name) = self.holds(token) else {
            return if done_before {
                ok()
            } else {
                self.refuse(403, none)
            };
        };
        if self.ours && self.leases[&name].job as u64 + 1 != number {
            return if done_before {
                ok()
            } else {
                self.refuse(403, ErrorCode::WrongJob)
            };
        }
        match data {
            Some(data) => {
                self.accept(&name, data);
            }
            None => self.flag(&name),
        }
        if let Some(worker) = self.workers.get_mut(token) {
            worker.last = Some(number);
        }
        ok()
    }
}

impl Tracker for Model {
    fn call(&mut self, now: f64, asked: &ApiRequest) -> Option<ApiResponse> {
        self.sweep(now);
        let (call, token) = match asked {
            ApiRequest::Register(..) => ("new", None),
            ApiRequest::Sync(ask) => ("sync", Some(&ask.token)),
            ApiRequest::NewJob(token) => ("newJob", Some(token)),
            ApiRequest::Complete { token, .. } => ("completeJob", Some(token)),
            ApiRequest::Flag { token, .. } => ("flagInvalidData", Some(token)),
            ApiRequest::Progress(token) => ("updateProgress", Some(token)),
            ApiRequest::Validate(token) => ("validateWorker", Some(token)),
            ApiRequest::Bye(token) => ("bye", Some(token)),
        };
        *self.calls.entry(call).or_default() += 1;
        let known = token.is_some_and(|token| self.workers.contains_key(token));
        let heard = !matches!(asked, ApiRequest::Validate(_));
        if let Some(worker) = token.and_then(|token| self.workers.get_mut(token))
            && heard
        {
            worker.seen = now;
        }
        let said = match asked {
            ApiRequest::Register(stage, _) => {
                let token = self.name("token");
                let worker = Worker {
                    stage: *stage,
                    seq: None,
                    seen: now,
                    allowance: Allowance::default(),
                    last: None,
                };
                self.workers.insert(token.clone(), worker);
                fine(
                    "{}",
                    Content::Hello(Hello {
                        token,
                        display_name: "brave-otter-7".to_owned(),
                        project: "LAION-5B".to_owned(),
                        stage_name: "CPU".to_owned(),
                        syncs: self.syncs,
                        files: false,
                        lease_ms: self.lease_ms,
                        max_body: self.max_body as f64,
                        app_version: self.app_version.clone(),
                    }),
                )
            }
            ApiRequest::Sync(ask) => self.sync(now, ask),
            ApiRequest::NewJob(_) | ApiRequest::Bye(_) if !known => {
                self.refuse(404, ErrorCode::WorkerUnknown)
            }
            ApiRequest::Progress(_) if !known && self.ours => {
                self.refuse(404, ErrorCode::WorkerUnknown)
            }
            ApiRequest::NewJob(token) => {
                for name in self.held_by(token) {
                    self.put_back(&name, End::Released, true);
                }
                match self.grant(now, token, None) {
                    Some(name) => {
                        let Granted { number, data, .. } = self.granted(&name);
                        fine("{}", Content::Job { number, data })
                    }
                    None => self.refuse(403, ErrorCode::NoJobs),
                }
            }
            ApiRequest::Complete {
                token,
                number,
                data,
            } => self.end_job(token, *number, Some(data)),
            ApiRequest::Flag { token, number } => self.end_job(token, *number, None),
            ApiRequest::Progress(_) => {
                self.lines.push(String::new());
                ok()
            }
            ApiRequest::Validate(_) => {
                let text = if known { "True" } else { "False" };
                fine(text, Content::Alive(known))
            }
            ApiRequest::Bye(token) => {
                self.bye(token);
                ok()
            }
        };
        self.check();
        Some(said)
    }

    fn open(&self, stage: Stage) -> usize {
        self.queue
            .range((stage, 0, 0)..)
            .take_while(|job| job.0 == stage)
            .count()
    }

    fn is_open(&self, stage: Stage) -> bool {
        self.queue
            .range((stage, 0, 0)..)
            .next()
            .is_some_and(|job| job.0 == stage)
    }

    fn is_finished(&self) -> bool {
        self.closed() == self.jobs.len()
    }

    fn has_taken(&self, lease: &str) -> bool {
        let lease = self.leases.get(lease);
        lease.is_some_and(|lease| lease.ended == Some(End::Completed) || lease.late)
    }
}

fn ok() -> ApiResponse {
    fine(OK_TEXT, Content::Nothing)
}

pub(super) fn fine(body: &str, content: Content) -> ApiResponse {
    let answer = Answer {
        status: 200,
        body: body.to_owned(),
        ..Answer::default()
    };
    ApiResponse { answer, content }
}
