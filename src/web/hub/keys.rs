//! Registrations with the volunteer's key. When it is proved is decided by [`Prover`].
//!
//! [`Prover`]: distcompute_engine::client::proof::Prover

use super::Hub;
use crate::web::http::{Outcome, Sent, attempt};
use crate::web::keys::Key;
use distcompute_engine::client::call::Call;
use distcompute_engine::client::exchange::Patience;
use distcompute_engine::client::proof::{Came, NONCE_PATH, Purpose, Step};
use distcompute_engine::hub::action::Transfer;

impl Hub {
    /// Sends a request. A registration has a proof of the volunteer's key where there is one and the tracker
    /// takes it.
    pub(super) async fn exchange(
        &self,
        sent: Sent<'_>,
        patience: Patience,
        on: &dyn Fn(Transfer),
    ) -> Outcome {
        let (mut key, mut step) = (None, Step::Plain);
        let registers = sent.call == Call::New;
        if registers {
            key = Key::of(&self.url).await;
            step = self.prover.borrow_mut().begin(key.is_some());
        }
        let nonce_url = self.url.join(NONCE_PATH);
        let purpose = Purpose {
            method: "GET",
            url: sent.url,
            link: None,
        };
        loop {
            let proof = match (&step, &key) {
                (Step::Prove(nonce), Some(key)) => key.proof(purpose, nonce).await,
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
