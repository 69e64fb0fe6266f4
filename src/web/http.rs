//! One exchange over `fetch`: sends, waits and stops as [`Exchange`] says.

use super::options::CallOptions;
use super::{error, json};
use crate::address::Address;
use crate::call::{Answer, Body, Request, read_retry_after};
use crate::exchange::{DEFAULT_TIMEOUT_MS, Exchange, Step};
use crate::fault::{Code, Fault, Kind};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use distcompute_protocol::{ERROR_HEADER, ErrorCode};
use gloo_net::http::{Method, RequestBuilder};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, RequestCache};

#[wasm_bindgen]
extern "C" {
    // Monotonic, unlike the date, which people set; there in windows, workers and Node.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_ms() -> f64;
}

/// A fault and the JavaScript value that caused it.
pub(crate) struct Failure {
    fault: Fault,
    cause: JsValue,
}

impl Failure {
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

/// What a call may take, and who wants to hear of it.
pub(crate) struct Terms<'a> {
    pub(crate) options: &'a CallOptions,
    pub(crate) default_timeout_ms: u32,
    /// Told before each wait for another attempt.
    pub(crate) on_retry: &'a dyn Fn(&str),
}

impl<'a> Terms<'a> {
    pub(crate) fn new(options: &'a CallOptions, on_retry: &'a dyn Fn(&str)) -> Self {
        Self {
            options,
            default_timeout_ms: DEFAULT_TIMEOUT_MS,
            on_retry,
        }
    }
}

/// Sends `request` until it is answered, failed, out of time or aborted. `None` where an earlier
/// attempt whose answer was lost had already worked.
pub(crate) async fn send(
    address: &Address,
    request: &Request,
    terms: &Terms<'_>,
) -> Result<Option<Answer>, Failure> {
    until_aborted(
        terms.options.signal.as_ref(),
        drive(address, request, terms),
    )
    .await?
}

/// Runs `work` until the caller's signal says stop.
pub(crate) async fn until_aborted<T>(
    signal: Option<&AbortSignal>,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let Some(signal) = signal else {
        return Ok(work.await);
    };
    // Before anything is sent.
    if signal.aborted() {
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
        cause: signal.reason(),
    }
}

async fn drive(
    address: &Address,
    request: &Request,
    terms: &Terms<'_>,
) -> Result<Option<Answer>, Failure> {
    let url = address.join(&request.path);
    let body = request.body.as_ref().map(write_body).transpose()?;
    let timeout_ms = terms.options.timeout_ms.unwrap_or(terms.default_timeout_ms);
    let mut exchange = Exchange::begin(request.call, now_ms(), timeout_ms);
    loop {
        let limit_ms = exchange.attempt_limit_ms(now_ms());
        let outcome = attempt(&url, body.as_deref(), limit_ms).await;
        let (now, random) = (now_ms(), js_sys::Math::random());
        let base = address.as_str();
        let (step, answer, what) = match outcome {
            Outcome::Answered(answer) => {
                let step = exchange.answered(now, random, &answer);
                let what = format!("status {}", answer.status);
                (step, Some(answer), what)
            }
            Outcome::NotReached(what) => {
                (exchange.not_reached(now, random, base, &what), None, what)
            }
            Outcome::TimedOut => {
                let step = exchange.timed_out(now, random, base);
                (step, None, "no answer in time".to_owned())
            }
        };
        match step {
            Step::Done => return Ok(answer),
            Step::DoneBefore => return Ok(None),
            Step::Fail(fault) => return Err(fault.into()),
            Step::Wait(ms) => {
                (terms.on_retry)(&what);
                TimeoutFuture::new(ms).await;
            }
        }
    }
}

fn write_body(body: &Body) -> Result<String, Fault> {
    json::write(body).map_err(Fault::argument)
}

enum Outcome {
    Answered(Answer),
    NotReached(String),
    TimedOut,
}

/// Ends its request when it is dropped; one that has been answered does not notice.
/// Aborted without a reason of ours: gloo-net takes a rejection by anything but an `Error` badly.
struct Running(AbortController);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn attempt(url: &str, body: Option<&str>, limit_ms: u32) -> Outcome {
    let Ok(controller) = AbortController::new() else {
        return Outcome::NotReached("this environment has no AbortController".to_owned());
    };
    let running = Running(controller);
    let exchange = fetch(url, body, &running.0);
    match race(exchange, TimeoutFuture::new(limit_ms)).await {
        First::Left(Ok(answer)) => Outcome::Answered(answer),
        First::Left(Err(what)) => Outcome::NotReached(what.to_string()),
        First::Right(()) => Outcome::TimedOut,
    }
}

async fn fetch(
    url: &str,
    body: Option<&str>,
    controller: &AbortController,
) -> Result<Answer, gloo_net::Error> {
    let builder = RequestBuilder::new(url)
        .cache(RequestCache::NoStore)
        .abort_signal(Some(&controller.signal()));
    let request = match body {
        None => builder.build()?,
        Some(text) => builder
            .method(Method::POST)
            .header("content-type", "application/json")
            .body(text)?,
    };
    let response = request.send().await?;
    let header = |name: &str| response.headers().get(name);
    let code = header(ERROR_HEADER).and_then(|code| ErrorCode::from_code(&code));
    let retry_after_ms = header("retry-after").and_then(|text| read_retry_after(&text));
    Ok(Answer {
        status: response.status(),
        code,
        retry_after_ms,
        body: response.text().await?,
    })
}

/// Hears a signal's `abort` for as long as it lives.
struct AbortWatch<'a> {
    signal: &'a AbortSignal,
    promise: Promise,
    listener: Function,
}

impl<'a> AbortWatch<'a> {
    fn new(signal: &'a AbortSignal) -> Self {
        let mut listener = None;
        let promise = Promise::new(&mut |resolve, _reject| listener = Some(resolve));
        let listener = listener.expect_throw("a promise calls its executor at once");
        // Adding a listener to a real signal does not fail, and the signal was checked to be one.
        let _ = signal.add_event_listener_with_callback("abort", &listener);
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
        let _ = self
            .signal
            .remove_event_listener_with_callback("abort", &self.listener);
    }
}

enum First<A, B> {
    Left(A),
    Right(B),
}

/// Whichever is ready first; the left one, where both are. The other is dropped.
async fn race<A, B>(left: impl Future<Output = A>, right: impl Future<Output = B>) -> First<A, B> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|context| match left.as_mut().poll(context) {
        Poll::Ready(a) => Poll::Ready(First::Left(a)),
        Poll::Pending => right.as_mut().poll(context).map(First::Right),
    })
    .await
}
