//! Files of jobs: carries out what [`files`](distcompute_engine::hub::files) says. `storage.js` keeps them, fetches
//! them and sends their parts; here are the calls of the tracker.

use super::{Came, Hub, MOVED_MS, Sent};
use crate::web::bindings::now;
use crate::web::futures::spawn;
use crate::web::http::attempt;
use crate::web::json;
use crate::web::message::Js;
use crate::web::object::{as_text, field, list, number, object, small, text, whole};
use core::cell::Cell;
use distcompute_engine::client::call::{Call, read_retry_after};
use distcompute_engine::client::exchange::Patience;
use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::file::{Fetched, FileEvent, Put, Reference, Reply};
use distcompute_engine::hub::file::{FileAction, UploadCall};
use distcompute_engine::list::IntoList;
use distcompute_engine::message::Payload;
use distcompute_protocol::{ErrorCode, is_file_name, is_file_type};
use js_sys::{Array, JSON, JsString};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = measureFiles)]
    async fn measure_files() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = holdFile)]
    fn hold_file(name: &str, bytes: f64, blob: &JsValue) -> bool;
    #[wasm_bindgen(js_name = closeFile)]
    fn close_file(name: &str);
    #[wasm_bindgen(js_name = filesAtHand)]
    fn files_at_hand(names: &Array) -> JsValue;
    #[wasm_bindgen(catch, js_name = keepFile)]
    async fn keep_file(name: &str, bytes: f64) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = openFile)]
    async fn open_file(name: &str, bytes: f64) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = dropFile)]
    fn drop_file(name: &str, bytes: f64) -> js_sys::Promise;
    #[wasm_bindgen(js_name = leaveFile)]
    fn leave_file(name: &str);
    #[wasm_bindgen(js_name = cancelPart)]
    fn cancel_part(id: u32);
    #[wasm_bindgen(catch, js_name = fetchFile)]
    async fn fetch_file(
        name: &str,
        bytes: f64,
        url: &str,
        memory: bool,
        stall_ms: u32,
        moved: &JsValue,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = sendPart)]
    async fn send_part(
        id: u32,
        url: &str,
        name: &str,
        from: f64,
        to: f64,
        limit_ms: u32,
    ) -> Result<JsValue, JsValue>;
}

/// The files at hand that a job needs.
pub(super) fn at_hand(needs: &[Reference]) -> Option<<Js as Payload>::Files> {
    let names = Array::new();
    for of in needs {
        names.push(&JsValue::from_str(&of.name));
    }
    (names.length() > 0).then(|| files_at_hand(&names))
}

impl Hub {
    /// A message of a compute worker that puts a file. Whether it is one.
    pub(super) fn hear_put(self: &Rc<Self>, core: u32, message: &JsValue) -> bool {
        if text(message, "t").as_deref() != Some("put") {
            return false;
        }
        let put = || {
            Some(Put {
                core,
                id: small(message, "put")?,
                key: small(message, "key")?,
                name: text(message, "name").filter(|name| is_file_name(name))?,
                bytes: whole(message, "bytes")? as f64,
                kind: text(message, "type").filter(|kind| is_file_type(kind)),
            })
        };
        // Another message is none of this package's.
        if let (Some(put), Some(blob)) = (put(), field(message, "blob"))
            && hold_file(&put.name, put.bytes, &blob)
        {
            self.handle_file(FileEvent::Put(put));
        }
        true
    }

    fn handle_file(self: &Rc<Self>, event: FileEvent) {
        self.handle(Event::File(event));
    }

    /// Does this with a file.
    pub(super) fn file(self: &Rc<Self>, action: FileAction) {
        match action {
            FileAction::Close(name) => close_file(&name),
            FileAction::Leave(name) => leave_file(&name),
            FileAction::Cancel(id) => cancel_part(id),
            FileAction::Drop { name, bytes } => {
                // Nobody waits for it.
                let _ = drop_file(&name, bytes);
            }
            FileAction::Answer { core, put, refused } => {
                let answer = object().with("t", "kept").with("put", put);
                let answer = answer.with("refused", refused.as_deref()).done();
                self.post_raw(core, &answer);
            }
            action => {
                let hub = Rc::clone(self);
                spawn(Box::pin(async move {
                    if let Some(event) = hub.work_on(action).await {
                        hub.handle_file(event);
                    }
                }));
            }
        }
    }

    /// Does what takes a while. Returns what came of it.
    async fn work_on(self: &Rc<Self>, action: FileAction) -> Option<FileEvent> {
        let is_true =
            |result: Result<JsValue, JsValue>| result.is_ok_and(|value| value.is_truthy());
        Some(match action {
            FileAction::Measure => {
                let measured = measure_files().await.unwrap_or_default();
                let kept = list(&measured, "kept").into_iter().filter_map(|of| {
                    let of: Array = of.dyn_into().ok()?;
                    Some((as_text(&of.get(0))?, of.get(1).as_f64()?))
                });
                FileEvent::Room {
                    bytes: number(&measured, "room").unwrap_or_default(),
                    durable: field(&measured, "durable").is_some_and(|is| is.is_truthy()),
                    kept: kept.into_list(),
                }
            }
            FileAction::Open { name, bytes } => {
                let there = is_true(open_file(&name, bytes).await);
                FileEvent::Opened(name, there)
            }
            FileAction::Keep { name, bytes } => {
                let durable = is_true(keep_file(&name, bytes).await);
                FileEvent::Kept(name, durable)
            }
            FileAction::Fetch {
                id,
                name,
                bytes,
                url,
                memory,
                stall_ms,
            } => {
                let moved = self.on_moved(&name);
                let end = fetch_file(&name, bytes, &url, memory, stall_ms, &moved).await;
                FileEvent::Fetched(id, name, read_end(&end.unwrap_or_default()))
            }
            FileAction::Call { id, call, limit_ms } => {
                let reply = match call {
                    UploadCall::Put {
                        url,
                        name,
                        from,
                        to,
                    } => match send_part(id, &url, &name, from, to, limit_ms).await {
                        Ok(answer) => {
                            let reply = read_part(&answer);
                            if reply == Reply::Stored {
                                self.sent.set(self.sent.get() + to - from);
                            }
                            reply
                        }
                        Err(thrown) => Reply::NotReached(json::says(&thrown)),
                    },
                    call => self.call(&call, limit_ms).await,
                };
                FileEvent::Replied(id, reply)
            }
            _ => return None,
        })
    }

    fn on_moved(self: &Rc<Self>, name: &str) -> JsValue {
        let (hub, name) = (Rc::clone(self), name.to_owned());
        let (told, before) = (Cell::new(f64::NEG_INFINITY), Cell::new(None));
        crate::web::dom::callback(move |bytes| {
            let bytes = bytes.as_f64().unwrap_or_default();
            let more = bytes - before.replace(Some(bytes)).unwrap_or(bytes);
            hub.received.set(hub.received.get() + more);
            if now() - told.get() >= MOVED_MS {
                told.set(now());
                hub.handle_file(FileEvent::Moved(name.clone(), bytes));
            }
        })
    }

    /// Makes a call of the tracker.
    async fn call(&self, call: &UploadCall, limit_ms: u32) -> Reply {
        let (path, body) = match call {
            UploadCall::Begin {
                token,
                lease,
                bytes,
                kind,
            } => {
                let body = object().with("token", token).with("lease", lease);
                let body = body.with("bytes", *bytes).with("type", kind.as_deref());
                ("/api/uploads", body)
            }
            UploadCall::Parts {
                token,
                lease,
                upload,
                from,
            } => {
                let body = object().with("token", token).with("lease", lease);
                let body = body.with("upload", upload).with("from", *from);
                ("/api/uploads/parts", body)
            }
            UploadCall::Finish {
                token,
                lease,
                upload,
                sha256,
            } => {
                let body = object().with("token", token).with("lease", lease);
                let body = body.with("upload", upload).with("sha256", sha256);
                ("/api/uploads/finish", body)
            }
            UploadCall::Put { .. } => return Reply::NotReached(String::new()),
        };
        let url = self.url.join(path);
        // Plain objects of texts and numbers can always be written.
        let body = JSON::stringify(&body.done()).ok();
        let sent = Sent {
            // Its answers may be as long.
            call: Call::Sync,
            url: &url,
            body: body.as_ref(),
            join_key: None,
            proof: None,
        };
        let patience = Patience {
            first_ms: limit_ms,
            stall_ms: limit_ms,
            whole_ms: None,
        };
        match attempt(sent, patience, &|_| {}).await {
            Came::Answered(reply) => self.read_reply(call, &reply.beginning(), &reply.body),
            Came::NotReached(thrown) => Reply::NotReached(json::says(&thrown)),
            Came::TimedOut => Reply::NotReached("no answer in time".to_owned()),
        }
    }

    fn read_reply(
        &self,
        call: &UploadCall,
        answer: &distcompute_engine::client::call::Answer,
        body: &JsString,
    ) -> Reply {
        let json = json::parse(body).unwrap_or_default();
        match (answer.status, call) {
            (200, UploadCall::Finish { .. }) if field(&json, "file").is_some() => Reply::Stored,
            (202, UploadCall::Finish { .. }) => {
                Reply::Checking(answer.retry_after_ms.unwrap_or_default())
            }
            (200, UploadCall::Begin { .. } | UploadCall::Parts { .. })
                if field(&json, "parts").is_some() =>
            {
                let stored = list(&json, "stored");
                let stored = stored.iter().filter_map(|of| Some(of.as_f64()? as u32));
                let parts = list(&json, "parts").into_iter().filter_map(|of| {
                    let url = text(&of, "url")?;
                    // Relative to the tracker's, or absolute.
                    let url = web_sys::Url::new_with_base(&url, &self.url.join("/")).ok()?;
                    if let Some(headers) = field(&of, "headers") {
                        // What its store wants with it, for `sendPart`. A fragment is not sent.
                        url.set_hash(&String::from(JSON::stringify(&headers).ok()?));
                    }
                    Some((small(&of, "number")?, url.href()))
                });
                Reply::Parts {
                    begun: text(&json, "upload").zip(number(&json, "part_bytes")),
                    stored: stored.into_list(),
                    parts: parts.into_list(),
                }
            }
            _ => Reply::Refused {
                status: answer.status,
                code: answer.code,
                retry_after_ms: answer.retry_after_ms,
                text: answer.body.clone(),
            },
        }
    }
}

/// How an attempt to fetch a file has ended.
fn read_end(end: &JsValue) -> Fetched {
    if let Some(status) = small(end, "status") {
        let after = text(end, "retryAfter").and_then(|after| read_retry_after(&after));
        return Fetched::Refused {
            status: u16::try_from(status).unwrap_or_default(),
            retry_after_ms: after,
        };
    }
    match as_text(end).unwrap_or_default().as_str() {
        "kept" => Fetched::Whole { durable: true },
        "held" => Fetched::Whole { durable: false },
        "damaged" => Fetched::Damaged,
        "full" => Fetched::Full,
        _ => Fetched::Broken,
    }
}

/// The answer to a part.
fn read_part(answer: &JsValue) -> Reply {
    let status = small(answer, "status").unwrap_or_default();
    // Azure says that it has created it.
    if matches!(status, 200 | 201) {
        return Reply::Stored;
    }
    let after = text(answer, "retryAfter").and_then(|after| read_retry_after(&after));
    Reply::Refused {
        status: u16::try_from(status).unwrap_or_default(),
        code: text(answer, "code").and_then(|code| ErrorCode::from_code(&code)),
        retry_after_ms: after,
        text: format!("A part was answered {status}."),
    }
}
