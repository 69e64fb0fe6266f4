//! One exchange over `fetch`: sends, waits and stops as [`Exchange`] says.

use super::bindings::now;
use super::browser::{self, Response};
use super::dom::{Aborter, call, construct, promise};
use super::futures::{First, race};
use super::options::CallOptions;
use super::turn::Turn;
use super::{error, json};
use core::future::Future;
use distcompute_engine::client::address::Address;
use distcompute_engine::client::call::{Answer, Body, Call, Request, read_count, read_retry_after};
use distcompute_engine::client::exchange::{Action, Cx, Event, Exchange, Patience};
use distcompute_engine::client::probe::{Finding, base_of};
use distcompute_engine::client::proof::Came;
use distcompute_engine::fault::{Code, Fault, Kind, before};
use distcompute_engine::hub::action::Transfer;
use distcompute_protocol::{ErrorCode, JOIN_KEY_HEADER, NONCE_HEADER, PROOF_HEADER};
use gloo_net::http::{Method, RequestBuilder};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, JsString, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, ReferrerPolicy, RequestCache, RequestCredentials, RequestMode, RequestRedirect,
};

/// A fault and the JavaScript value that caused it.
pub(crate) struct Failure {
    fault: Fault,
    cause: JsValue,
}

impl Failure {
    pub(crate) fn new(fault: Fault, cause: JsValue) -> Self {
        Self { fault, cause }
    }

    /// Whether the worker holds its job no longer.
    pub(crate) fn ends_job(&self) -> bool {
        self.fault.ends_job()
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let cause = JsValue::UNDEFINED;
        Self { fault, cause }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        error::to_js_with_cause(&failure.fault, &failure.cause)
    }
}

/// One call of JavaScript's: when it was made, what it may take, and who wants to hear of it.
pub(crate) struct Terms<'a> {
    signal: Option<&'a AbortSignal>,
    exchange: Exchange,
    call: Call,
    /// Told before each wait for another attempt.
    on_retry: &'a dyn Fn(&str),
}

impl<'a> Terms<'a> {
    pub(crate) fn new(call: Call, options: &'a CallOptions, on_retry: &'a dyn Fn(&str)) -> Self {
        Self {
            signal: options.signal.as_ref(),
            exchange: Exchange::begin(call, options.made_ms, options.timeout_ms),
            call,
            on_retry,
        }
    }

    /// Waits until the calls of this client that were made before are done.
    pub(crate) async fn wait_for(&self, turn: &mut Turn) -> Result<(), Failure> {
        let left = TimeoutFuture::new(self.exchange.left_ms(now()));
        match until_aborted(self.signal, race(turn.begin(), left)).await? {
            First::Left(()) => Ok(()),
            First::Right(()) => Err(self.exchange.queued_too_long().into()),
        }
    }

    /// Sends `request` until it is answered, failed, out of time or aborted. `None` where an
    /// earlier sending whose answer was lost had already worked.
    pub(crate) async fn send(
        &self,
        address: &Address,
        request: &Request,
    ) -> Result<Option<Reply>, Failure> {
        debug_assert_eq!(self.call, request.call);
        until_aborted(self.signal, self.drive(address, request)).await?
    }

    async fn drive(&self, address: &Address, request: &Request) -> Result<Option<Reply>, Failure> {
        let url = address.join(&request.path);
        let body = request.body.as_ref().map(write_body).transpose()?;
        let mut exchange = self.exchange.clone();
        let mut event = Event::Begin {
            address: address.as_str().to_owned(),
            length: body.as_ref().map_or(0, |body| body.length()),
        };
        // Of the last attempt: its answer, how it ended, and what was thrown.
        let mut reply = None;
        let mut ending = String::new();
        let mut cause = JsValue::UNDEFINED;
        loop {
            let mut cx = Cx::new(now(), js_sys::Math::random());
            exchange.handle(&mut cx, event);
            event = match cx.out.pop() {
                Some(Action::Send(patience)) => {
                    (reply, cause) = (None, JsValue::UNDEFINED);
                    let sent = Sent {
                        call: self.call,
                        url: &url,
                        body: body.as_ref(),
                        join_key: request.join_key.as_deref(),
                        proof: None,
                    };
                    match attempt(sent, patience, &|_| {}).await {
                        Outcome::Answered(answered) => {
                            ending = format!("status {}", answered.status);
                            let answer = answered.beginning();
                            reply = Some(answered);
                            Event::Answered(answer)
                        }
                        Outcome::NotReached(thrown) => {
                            ending = json::says(&thrown);
                            cause = thrown;
                            Event::NotReached(ending.clone())
                        }
                        Outcome::TimedOut => {
                            "no answer in time".clone_into(&mut ending);
                            Event::TimedOut
                        }
                    }
                }
                Some(Action::Probe) => Event::Probed(find(address).await),
                Some(Action::Done) => return Ok(reply),
                Some(Action::DoneBefore) => return Ok(None),
                Some(Action::Fail(mut fault)) => {
                    if let (Code::Tracker(ErrorCode::TooLarge), Some(body)) = (fault.code, &body) {
                        fault = fault.with_size(body.length());
                    }
                    return Err(Failure { fault, cause });
                }
                None => {
                    (self.on_retry)(&ending);
                    while let Some(left) = exchange.next_timeout().map(|at| at - now())
                        && left > 0.0
                    {
                        TimeoutFuture::new(left.ceil() as u32).await;
                    }
                    Event::Tick
                }
            };
        }
    }
}

/// Runs `work` until the caller's signal says stop.
async fn until_aborted<T>(
    signal: Option<&AbortSignal>,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let Some(signal) = signal else {
        return Ok(work.await);
    };
    // Before anything is sent.
    if property(signal, "aborted").is_truthy() {
        return Err(aborted(signal));
    }
    let watch = AbortWatch::new(signal);
    match race(watch.aborted(), work).await {
        First::Left(()) => Err(aborted(signal)),
        First::Right(done) => Ok(done),
    }
}

fn aborted(signal: &AbortSignal) -> Failure {
    let message = "The call was aborted by its signal.";
    Failure {
        fault: Fault::new(Kind::Abort, Code::Aborted, message),
        cause: property(signal, "reason"),
    }
}

/// A property of the caller's signal, whose getter the caller may have replaced.
fn property(signal: &AbortSignal, name: &str) -> JsValue {
    js_sys::Reflect::get(signal, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn write_body(body: &Body) -> Result<JsString, Fault> {
    json::write(body).map_err(Fault::argument)
}

/// Bodies of so many characters are sent as a [`Blob`](https://developer.mozilla.org/docs/Web/API/Blob).
const LARGE_BODY: u32 = 65_536;

/// A body as `fetch` takes it. Chromium hands a text to its network process in small pieces while the worker waits:
/// for 8 MB 0.14 s, and 0.3 s until the answer is there. A blob takes a third of both.
fn as_body(text: &JsString) -> JsValue {
    if text.length() >= LARGE_BODY
        && let Ok(blob) = construct("Blob", &[&js_sys::Array::of1(text)])
    {
        return blob;
    }
    text.clone().into()
}

pub(crate) enum Outcome {
    Answered(Reply),
    NotReached(JsValue),
    TimedOut,
}

/// An answer whose body has not crossed the boundary: it may be large, and JavaScript reads it.
pub(crate) struct Reply {
    status: u16,
    code: Option<ErrorCode>,
    retry_after_ms: Option<u32>,
    /// A nonce for the next proof of a key.
    pub(crate) nonce: Option<String>,
    pub(crate) body: JsString,
    /// Whether that is only its beginning.
    cut: bool,
    /// Bytes of the body, as they came out of any compression.
    pub(crate) bytes: f64,
}

/// So much of a body tells what it is.
const BEGINNING: u32 = 1_000;

impl Reply {
    /// What is wrong, unless it has succeeded.
    pub(crate) fn refusal(&self) -> Option<Fault> {
        if (200..300).contains(&self.status) {
            return None;
        }
        let code = self.code.map_or(Code::NotATracker, Code::Tracker);
        let said = self.beginning().body;
        Some(Fault::new(Kind::Server, code, said).with_status(self.status))
    }

    /// What it means for the proof of a key.
    pub(crate) fn for_proof(&self) -> Came {
        Came::Answer(self.status, self.code, self.nonce.clone())
    }

    /// The answer with the beginning of its body.
    pub(crate) fn beginning(&self) -> Answer {
        Answer {
            status: self.status,
            code: self.code,
            retry_after_ms: self.retry_after_ms,
            body: String::from(&self.body.substring(0, BEGINNING)),
            cut: self.cut,
        }
    }
}

/// Ends its request when it is dropped; one that has been answered does not notice.
struct Running(Aborter);

impl Running {
    fn new() -> Self {
        Self(Aborter::new())
    }

    fn signal(&self) -> AbortSignal {
        self.0.signal().unchecked_into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request as it is sent: a GET where there is no body, else a POST of JSON.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) call: Call,
    pub(crate) url: &'a str,
    pub(crate) body: Option<&'a JsString>,
    pub(crate) join_key: Option<&'a str>,
    /// The proof of a key.
    pub(crate) proof: Option<&'a str>,
}

/// Sends a request once. `on` is told how far it
/// is, from the beginning of the answer on. Of an answer that is longer than any to this call only the
/// beginning is read, and the rest of it is not received: the request is ended with `running`.
///
/// A transfer that goes on is not ended, however long it takes: only where nothing has come for a
/// while. Of the body that goes up a browser tells nothing, so its time is reckoned beforehand.
pub(crate) async fn attempt(sent: Sent<'_>, patience: Patience, on: &dyn Fn(Transfer)) -> Outcome {
    let running = Running::new();
    let exchange = fetch(sent, &running, patience, on);
    let Some(whole_ms) = patience.whole_ms else {
        return exchange.await;
    };
    match race(exchange, TimeoutFuture::new(whole_ms)).await {
        First::Left(outcome) => outcome,
        First::Right(()) => Outcome::TimedOut,
    }
}

async fn fetch(
    sent: Sent<'_>,
    running: &Running,
    patience: Patience,
    on: &dyn Fn(Transfer),
) -> Outcome {
    let Sent {
        call,
        url,
        body,
        join_key,
        proof,
    } = sent;
    let mut builder = RequestBuilder::new(url)
        // A token goes to the address that it is meant for; and a redirect would turn a POST into a GET.
        .redirect(RequestRedirect::Error)
        .abort_signal(Some(&running.signal()));
    if let Some(key) = join_key {
        builder = builder.header(JOIN_KEY_HEADER, key);
    }
    if let Some(proof) = proof {
        builder = builder.header(PROOF_HEADER, proof);
    }
    let request = match body {
        None => builder.cache(RequestCache::NoStore).build(),
        // Browsers do not cache answers to a POST. With `no-store`, Chromium would ignore the cached
        // preflight as well, and each request would take two round trips.
        Some(text) => builder
            .method(Method::POST)
            .header("content-type", "application/json")
            .body(as_body(text)),
    };
    let request = match request {
        Ok(request) => request.into(),
        Err(error) => return Outcome::NotReached(js_sys::Error::new(&error.to_string()).into()),
    };
    // gloo-net builds the request. It is sent by an import of our own that catches, because the page may have
    // replaced `fetch`.
    let begun = race(
        browser::fetch(&request),
        TimeoutFuture::new(patience.first_ms),
    );
    let mut response = match begun.await {
        First::Left(Ok(response)) => response,
        First::Left(Err(thrown)) => return Outcome::NotReached(thrown),
        First::Right(()) => return Outcome::TimedOut,
    };
    let headers = (
        response.header("distcompute-error"),
        response.header("retry-after"),
    );
    let (Ok(code), Ok(retry_after)) = headers else {
        let thrown = headers.0.and(headers.1).err().unwrap_or_default();
        return Outcome::NotReached(thrown);
    };
    let nonce = response.header(NONCE_HEADER).ok().flatten();
    let up = f64::from(body.map_or(0, |body| body.length()));
    let status = response.status();
    let progress = |down: f64, ended: bool| {
        on(Transfer {
            status,
            up,
            down,
            ended,
            ..Transfer::default()
        });
    };
    progress(0.0, false);
    let most = call.most_bytes(status);
    let body = loop {
        let more = race(
            response.read_on(most),
            TimeoutFuture::new(patience.stall_ms),
        );
        match more.await {
            First::Left(Ok(Some(text))) => break text,
            First::Left(Ok(None)) => progress(response.bytes, false),
            First::Left(Err(thrown)) => return Outcome::NotReached(thrown),
            First::Right(()) => return Outcome::TimedOut,
        }
    };
    progress(response.bytes, true);
    Outcome::Answered(Reply {
        status,
        code: code.and_then(|code| ErrorCode::from_code(&code)),
        retry_after_ms: retry_after.and_then(|header| read_retry_after(&header)),
        nonce,
        bytes: response.bytes.max(f64::from(body.length())),
        body,
        cut: response.cut,
    })
}

/// How long each request may take that is to find out why a call failed.
const FIND_MS: u32 = 10_000;

/// So much is read of what it is answered, in bytes.
const FIND_BYTES: u32 = 65_536;

/// Why a call to the tracker at `address` may have failed below HTTP: asks without a token, and follows
/// redirects.
pub(crate) async fn find(address: &Address) -> Finding {
    let running = Running::new();
    let signal = running.signal();
    let mut status = None;
    for question in QUESTIONS {
        let url = address.join(question.path);
        let asked = race(ask(&url, &signal), TimeoutFuture::new(FIND_MS));
        let First::Left(Some((response, body))) = asked.await else {
            break;
        };
        status.get_or_insert(response.status());
        if response.is("ok") && (question.fits)(&body) {
            let answered = response.text("url").filter(|_| response.is("redirected"));
            let path = before(question.path, b"?");
            let base = answered.as_deref().and_then(|url| base_of(url, path));
            return match base {
                Some(base) if base != address.as_str() => Finding::Moved(base.to_owned()),
                _ => Finding::Here,
            };
        }
    }
    if let Some(status) = status {
        return Finding::NoTracker(status);
    }
    // Whether there is anything at all, of which this page may read nothing.
    let url = address.join(QUESTIONS[0].path);
    let request = question(&url, &signal).mode(RequestMode::NoCors).build();
    let Ok(request) = request.map(Into::into) else {
        return Finding::Unknown;
    };
    match race(browser::fetch(&request), TimeoutFuture::new(FIND_MS)).await {
        First::Left(Ok(answer)) if answer.text("type").as_deref() == Some("opaque") => {
            Finding::Forbidden
        }
        _ => Finding::Unknown,
    }
}

/// Something that a tracker is asked, and whether the body of an answer is one of a tracker.
struct Question {
    path: &'static str,
    fits: fn(&str) -> bool,
}

/// The second for trackers of the first protocol, which do not know the first.
const QUESTIONS: [Question; 2] = [
    Question {
        path: "/api/project",
        fits: json::is_project,
    },
    Question {
        path: "/api/jobCount?stage=a",
        fits: |body| read_count(body).is_some(),
    },
];

fn question(url: &str, signal: &AbortSignal) -> RequestBuilder {
    RequestBuilder::new(url)
        .cache(RequestCache::NoStore)
        .credentials(RequestCredentials::Omit)
        .referrer_policy(ReferrerPolicy::NoReferrer)
        .abort_signal(Some(signal))
}

/// An answer and its body, as far as that is short; none, where there is none to be read.
async fn ask(url: &str, signal: &AbortSignal) -> Option<(Response, String)> {
    let request = question(url, signal).build().ok()?.into();
    let mut response = browser::fetch(&request).await.ok()?;
    loop {
        if let Some(body) = response.read_on(FIND_BYTES).await.ok()? {
            return Some((response, String::from(body)));
        }
    }
}

/// Hears a signal's `abort` for as long as it lives.
struct AbortWatch<'a> {
    signal: &'a AbortSignal,
    promise: Promise,
    listener: Function,
}

impl<'a> AbortWatch<'a> {
    fn new(signal: &'a AbortSignal) -> Self {
        let (promise, listener) = promise();
        // Adding a listener to a real signal does not fail, and the signal was checked to be one.
        let _ = call(signal, "addEventListener", &[&"abort".into(), &listener]);
        Self {
            signal,
            promise,
            listener,
        }
    }

    async fn aborted(&self) {
        // The promise is only ever kept.
        let _ = JsFuture::from(self.promise.clone()).await;
    }
}

impl Drop for AbortWatch<'_> {
    fn drop(&mut self) {
        let _ = call(
            self.signal,
            "removeEventListener",
            &[&"abort".into(), &self.listener],
        );
        // What waits for a promise is freed when the promise is kept.
        let _ = self.listener.call0(&JsValue::UNDEFINED);
    }
}
