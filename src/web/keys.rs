//! The volunteer's key, which the browser keeps: what is signed with it, and linking it to that of another
//! device. When a proof is needed is decided by the engine.

use super::http::{Failure, Outcome, Sent, attempt};
use super::object::{amount, object, text};
use distcompute_engine::client::address::Address;
use distcompute_engine::client::call::Call;
use distcompute_engine::client::exchange::Patience;
use distcompute_engine::client::proof::{NONCE_PATH, PublicKey, Purpose, unsigned};
use distcompute_engine::fault::{Code, Fault, Kind};
use js_sys::{JSON, JsString};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = keyPair)]
    async fn key_pair(site: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn sign(pair: &JsValue, text: &str) -> Result<JsValue, JsValue>;
}

/// A key, of which only the public part can be read.
pub(super) struct Key {
    pair: JsValue,
    public: PublicKey,
}

impl Key {
    /// The key for a tracker, which the tabs of a browser share. `None`: there can be none.
    pub(super) async fn of(url: &Address) -> Option<Self> {
        let pair = key_pair(url.as_str()).await.ok()?;
        let public = PublicKey {
            x: text(&pair, "x")?,
            y: text(&pair, "y"),
        };
        Some(Self { pair, public })
    }

    /// A proof. `None`: it cannot be signed.
    pub(super) async fn proof(&self, purpose: Purpose<'_>, nonce: &str) -> Option<String> {
        let text = unsigned(&self.public, purpose, nonce, js_sys::Date::now())?;
        let signature = sign(&self.pair, &text).await.ok()?.as_string()?;
        Some([&text, ".", &signature].concat())
    }
}

/// What linking may take.
const PATIENCE: Patience = Patience {
    first_ms: 20_000,
    stall_ms: 20_000,
    whole_ms: Some(20_000),
};

/// Has this device show a code: its text, and when it ends.
pub(super) async fn offer(url: &Address) -> Result<JsValue, Failure> {
    let body = prove(url, "/api/linkCode", None).await?;
    let json = JSON::parse(&String::from(body)).unwrap_or_default();
    let code = text(&json, "code").ok_or_else(|| {
        let message = "The tracker's answer cannot be read.";
        Fault::new(Kind::Server, Code::BadAnswer, message)
    })?;
    let ends = js_sys::Date::now() + 1_000.0 * amount(&json, "expires_s");
    Ok(object().with("code", &code).with("expiresAt", ends).done())
}

/// Links the device that shows a code to this one.
pub(super) async fn link(url: &Address, code: &JsValue) -> Result<JsValue, Failure> {
    let code = code.as_string().unwrap_or_default();
    let code = code.replace(char::is_whitespace, "");
    prove(url, "/api/link", Some(&code)).await?;
    Ok(JsValue::UNDEFINED)
}

/// Sends a call with a proof. Resolves to the body of its answer.
async fn prove(url: &Address, path: &str, link: Option<&str>) -> Result<JsString, Failure> {
    let key = Key::of(url).await.ok_or_else(|| {
        let message = "This browser has no key: it needs https and storage.";
        Fault::new(Kind::InvalidArgument, Code::NoKey, message)
    })?;
    let (asked, called) = (url.join(NONCE_PATH), url.join(path));
    let body = JsString::from("{}");
    let plain = Sent {
        call: Call::New,
        url: &asked,
        body: None,
        join_key: None,
        proof: None,
    };
    let purpose = Purpose {
        method: "POST",
        url: &called,
        link,
    };
    let nonce = sent(plain).await?.nonce.unwrap_or_default();
    let proof = key.proof(purpose, &nonce).await;
    let proof = proof.ok_or_else(|| Fault::argument("This code cannot be signed."))?;
    let reply = sent(Sent {
        url: &called,
        body: Some(&body),
        proof: Some(&proof),
        ..plain
    });
    Ok(reply.await?.body)
}

async fn sent(request: Sent<'_>) -> Result<super::http::Reply, Failure> {
    match attempt(request, PATIENCE, &|_| {}).await {
        Outcome::Answered(reply) => match reply.refusal() {
            None => Ok(reply),
            Some(fault) => Err(fault.into()),
        },
        Outcome::NotReached(cause) => {
            let message = "No answer came from the tracker.";
            let fault = Fault::new(Kind::Unreachable, Code::Unreachable, message);
            Err(Failure::new(fault, cause))
        }
        Outcome::TimedOut => {
            let message = "No answer came from the tracker in time.";
            Err(Fault::new(Kind::Timeout, Code::Timeout, message).into())
        }
    }
}
