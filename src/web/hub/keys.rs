//! Registrations with the volunteer's key. What is signed, and when, is decided by [`Prover`].

use super::Hub;
use crate::web::http::{Outcome, Sent, attempt};
use crate::web::object::text;
use distcompute_engine::client::call::Call;
use distcompute_engine::client::exchange::Patience;
use distcompute_engine::client::proof::{Came, NONCE_PATH, PublicKey, Step, unsigned};
use distcompute_engine::hub::action::Transfer;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = keyPair)]
    async fn key_pair(site: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn sign(pair: &JsValue, text: &str) -> Result<JsValue, JsValue>;
}

impl Hub {
    /// Sends a request. A registration has a proof of the volunteer's key where there is one and the tracker
    /// takes it.
    pub(super) async fn exchange(
        &self,
        sent: Sent<'_>,
        patience: Patience,
        on: &dyn Fn(Transfer),
    ) -> Outcome {
        let (mut pair, mut key, mut step) = (JsValue::UNDEFINED, None, Step::Plain);
        let registers = sent.call == Call::New;
        if registers {
            // Shared by the tabs of the browser.
            pair = key_pair(self.url.as_str()).await.unwrap_or_default();
            key = text(&pair, "x").map(|x| PublicKey {
                x,
                y: text(&pair, "y"),
            });
            step = self.prover.borrow_mut().begin(key.is_some());
        }
        let nonce_url = self.url.join(NONCE_PATH);
        loop {
            let proof = match (&step, &key) {
                (Step::Prove(nonce), Some(key)) => {
                    let text = unsigned(key, sent.url, nonce, js_sys::Date::now());
                    signed(&pair, text).await
                }
                _ => None,
            };
            let is_unsigned = proof.is_none() && matches!(step, Step::Prove(_));
            let (outcome, came) = if is_unsigned {
                (None, Came::Unsigned)
            } else {
                let request = match step {
                    Step::Nonce => Sent {
                        url: &nonce_url,
                        join_key: None,
                        ..sent
                    },
                    _ => Sent {
                        proof: proof.as_deref(),
                        ..sent
                    },
                };
                let outcome = attempt(request, patience, on).await;
                let came = match &outcome {
                    Outcome::Answered(reply) => reply.for_proof(),
                    Outcome::NotReached(_) | Outcome::TimedOut => Came::Nothing,
                };
                (Some(outcome), came)
            };
            let next = registers.then(|| self.prover.borrow_mut().next(&step, came));
            match (next.flatten(), outcome) {
                (Some(next), _) => step = next,
                (None, Some(outcome)) => return outcome,
                // Only a request that was sent can be the last.
                (None, None) => step = Step::Plain,
            }
        }
    }
}

/// A whole proof. `None`: it cannot be signed.
async fn signed(pair: &JsValue, text: Option<String>) -> Option<String> {
    let text = text?;
    let signature = sign(pair, &text).await.ok()?.as_string()?;
    Some([&text, ".", &signature].concat())
}
