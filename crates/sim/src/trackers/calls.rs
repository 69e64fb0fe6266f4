//! What clients ask of the trackers, and what must hold of each answer.

use std::{collections::BTreeSet, net::SocketAddr};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Request, header},
};
use distcompute_engine::client::call;
use distcompute_engine::client::call::{Answer, read_alive, read_retry_after};
use distcompute_engine::hub::action::Hello;
use distcompute_protocol::{ERROR_HEADER, ErrorCode, NewJob, Registration, SYNC_EXTENSION};
use tower::ServiceExt as _;

use super::process::Process;
use super::story::{cut_to, heard, told};
use super::{RECOUNT, Trackers};
use crate::tracker::{ApiRequest, ApiResponse, Content};

/// The proxy in front of the trackers, which says who called.
const PROXY: ([u8; 4], u16) = ([127, 0, 0, 1], 8_080);

/// Who calls, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    pub who: String,
    pub address: String,
}

/// An answer, and the tracker that gave it or died over it.
struct Answered {
    at: usize,
    answer: Answer,
    died: bool,
}

impl Trackers {
    pub fn call(&mut self, now: f64, caller: &Caller, asked: &ApiRequest) -> Option<ApiResponse> {
        self.pass_to(now);
        let before = self.before(asked);
        let Answered { at, answer, died } = self.send(caller, request(written(asked)))?;
        // A browser of the first protocol registers anew at each stage that it tries. Where all inputs are
        // bad, that may be more often than an address should: it waits, as it is told.
        if !matches!(asked, ApiRequest::Register(..)) {
            assert_ne!(answer.status, 429, "{} asks for too much", caller.who);
        }
        let said = read(asked, answer);
        let idle = !died && is_idle(asked, &said);
        if !idle {
            self.trace.tell(now, || {
                let lost = if died { ", and dies over it" } else { "" };
                let (asked, heard) = (told(asked), heard(&said.answer));
                format!("{} → tracker {at}: {asked} ⇒ {heard}{lost}", caller.who)
            });
        }
        if !died && let Content::Sync(sync) = &said.content {
            for lease in &sync.accepted {
                self.audit.assert_taken(lease);
                self.taken.insert(lease.clone());
            }
        }
        if !idle || self.calls.is_multiple_of(RECOUNT) {
            self.look();
        }
        if let Some(before) = before {
            self.after(asked, &before, &said);
        }
        (!died).then_some(said)
    }

    /// A call of somebody who means harm: as [`Self::call`], but with a `body` of its own, and it moves
    /// no job of others.
    pub fn attack(
        &mut self,
        now: f64,
        caller: &Caller,
        asked: &ApiRequest,
        body: Option<&str>,
    ) -> Option<ApiResponse> {
        self.pass_to(now);
        let seq = self.before(asked).filter(|_| body.is_none());
        let before = self.audit.before();
        let may_fail = self.processes.iter().flatten().any(Process::is_armed);
        let (path, own) = written(asked);
        let request = request((path, body.map(str::to_owned).or(own)));
        let Answered { at, answer, died } = self.send(caller, request)?;
        let said = read(asked, answer);
        let Caller { who, address } = caller;
        self.trace.tell(now, || {
            let lost = if died { ", and dies over it" } else { "" };
            let (told, heard) = (told(asked), heard(&said.answer));
            let body = body.map(|body| format!(" as {}", cut_to(body)));
            let body = body.unwrap_or_default();
            format!("{who} ({address}) → tracker {at}: {told}{body} ⇒ {heard}{lost}")
        });
        let fails = said.answer.status >= 500;
        assert!(!fails || may_fail, "{who}'s call fails inside: {said:?}");
        if self.audit.is_news() {
            self.audit.assert_moved_by_right(&before, who);
            self.count();
        }
        if let Some(before) = seq {
            self.after(asked, &before, &said);
        }
        (!died).then_some(said)
    }

    /// Has one of the trackers answer.
    fn send(&mut self, caller: &Caller, mut request: Request<Body>) -> Option<Answered> {
        let up: Vec<usize> = (0..self.processes.len())
            .filter(|at| self.processes[*at].is_some())
            .collect();
        let roll = self.rng.next_f64();
        let at = *up.get((roll * up.len() as f64) as usize)?;
        let process = self.processes[at].as_ref()?;
        let address = caller.address.parse().expect("a header's value");
        request.headers_mut().insert("x-forwarded-for", address);
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from(PROXY)));
        let answering = async {
            let answer = process.router.clone().oneshot(request).await;
            let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body");
            (head, String::from_utf8(body.to_vec()).expect("a text"))
        };
        let (head, body) = self.runtime.block_on(answering);
        let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let code = header(ERROR_HEADER);
        let code = code.and_then(|code| ErrorCode::ALL.iter().find(|it| it.as_str() == code));
        let retry_after = header(header::RETRY_AFTER.as_str());
        let answer = Answer {
            status: head.status.as_u16(),
            code: code.copied(),
            retry_after_ms: retry_after.and_then(|text| read_retry_after(&text)),
            body,
            cut: false,
        };
        let died = !self.remove_dead().is_empty();
        self.calls += 1;
        self.trace.mix(self.now.to_bits().to_le_bytes().as_slice());
        self.trace.mix(caller.who.as_bytes());
        self.trace.mix(answer.body.as_bytes());
        Some(Answered { at, answer, died })
    }

    /// What a worker holds before a sync, if that is an old one.
    pub(super) fn before(&self, asked: &ApiRequest) -> Option<BTreeSet<i64>> {
        let ApiRequest::Sync(sync) = asked else {
            return None;
        };
        let last = self.audit.last_seq(&sync.token)?;
        (i64::try_from(sync.seq).ok()? <= last).then(|| self.audit.held_by(&sync.token))
    }

    /// An old word changes nothing.
    fn after(&self, asked: &ApiRequest, before: &BTreeSet<i64>, said: &ApiResponse) {
        if let ApiRequest::Sync(sync) = asked {
            let held = self.audit.held_by(&sync.token);
            assert!(
                *before == held,
                "sync {} was not the last word, and changed what its worker holds: {before:?} \
                 became {held:?} ({})",
                sync.seq,
                said.answer.status
            );
        }
    }
}

/// The path of a call and what it carries.
pub fn written(asked: &ApiRequest) -> (String, Option<String>) {
    let call = match asked.clone() {
        ApiRequest::Sync(sync) => {
            let body = serde_json::to_string(&sync).expect("JSON");
            return ("/api/sync".to_owned(), Some(body));
        }
        ApiRequest::Register(stage, nickname) => call::Request::new_worker(&nickname, stage),
        ApiRequest::NewJob(token) => call::Request::new_job(token),
        ApiRequest::Complete {
            token,
            number,
            data,
        } => call::Request::complete_job(token, number, data),
        ApiRequest::Flag { token, number } => call::Request::flag_invalid_data(token, number),
        ApiRequest::Progress(token) => {
            call::Request::update_progress(token, "half done".to_owned())
        }
        ApiRequest::Validate(token) => call::Request::validate_worker(token),
        ApiRequest::Bye(token) => call::Request::bye(token),
    };
    let body = call.body.map(|body| serde_json::to_string(&body));
    (call.path, body.map(|body| body.expect("JSON")))
}

fn request((path, body): (String, Option<String>)) -> Request<Body> {
    let request = match body {
        None => Request::get(path).body(Body::empty()),
        Some(body) => Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body)),
    };
    request.expect("a request")
}

/// What a client reads in an answer.
fn read(asked: &ApiRequest, answer: Answer) -> ApiResponse {
    let body = answer.body.as_str();
    let content = match asked {
        _ if answer.status != 200 => Content::Nothing,
        ApiRequest::Register(..) => serde_json::from_str(body)
            .map_or(Content::Unreadable, |hello| {
                Content::Hello(read_hello(hello))
            }),
        ApiRequest::Sync(_) => {
            serde_json::from_str(body).map_or(Content::Unreadable, Content::Sync)
        }
        ApiRequest::NewJob(_) => serde_json::from_str(body)
            .map_or(Content::Unreadable, |NewJob { number, data }| {
                Content::Job { number, data }
            }),
        ApiRequest::Validate(_) => read_alive(body).map_or(Content::Nothing, Content::Alive),
        _ => Content::Nothing,
    };
    ApiResponse { answer, content }
}

fn read_hello(said: Registration) -> Hello {
    Hello {
        token: said.worker.token,
        display_name: said.worker.display_name,
        project: said.worker.project,
        stage_name: said.worker.stage_name,
        syncs: said.extensions.iter().any(|it| it == SYNC_EXTENSION),
        files: false,
        lease_ms: f64::from(said.lease_s) * 1000.0,
        max_body: said.max_body as f64,
        app_version: said.app_version,
    }
}

/// Whether nothing happened: worlds are full of that.
fn is_idle(asked: &ApiRequest, said: &ApiResponse) -> bool {
    match (asked, &said.content) {
        (ApiRequest::Sync(asked), Content::Sync(said)) => {
            asked.items() == asked.holding.len() && said.jobs.is_empty() && said.lost.is_empty()
        }
        _ => said.answer.code == Some(ErrorCode::NoJobs),
    }
}
