//! Receipts: the tracker's signed word that a result of a volunteer counts. A receipt is a JWS, signed with
//! Ed25519 by a key of the tracker's database.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use distcompute_protocol::Stage;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};

use super::{
    jwk::PublicKey,
    jws::{self, Message},
};

/// The type of receipts.
const TYPE: &str = "distcompute-receipt+jwt";

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The project's name.
    pub project: String,
    /// The volunteer: the thumbprint of its key.
    pub sub: String,
    /// The job.
    pub job: u64,
    /// The stage.
    pub stage: Stage,
    /// The SHA-256 of the input, in base64url.
    pub input: String,
    /// The SHA-256 of the output, in base64url.
    pub output: String,
    /// When the result began to count, in seconds since the Unix epoch.
    pub iat: i64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

/// The key that signs receipts.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
    kid: String,
}

impl Signer {
    /// The key of a seed of 32 bytes.
    #[must_use]
    pub fn new(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        let public = PublicKey::Ed25519(public);
        let kid = public.thumbprint();
        Some(Self { pair, public, kid })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a receipt.
    #[must_use]
    pub fn sign(&self, receipt: &Receipt) -> String {
        let header = Header {
            typ: TYPE.to_owned(),
            alg: self.public.algorithm().to_owned(),
            kid: self.kid.clone(),
        };
        // Texts and numbers can always be written.
        let [header, claims] = [
            serde_json::to_string(&header).unwrap_or_default(),
            serde_json::to_string(receipt).unwrap_or_default(),
        ];
        let sign = |text: &[u8]| self.pair.sign(text).as_ref().to_vec();
        jws::compact(&header, &claims, sign)
    }
}

/// The form in which a receipt names the SHA-256 of a text.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Verifies a receipt with the public key of a tracker.
///
/// # Errors
/// Returns a sentence that says what is wrong with it.
pub fn verify(text: &str, key: &PublicKey) -> Result<Receipt, &'static str> {
    let message = Message::parse(text).ok_or("It is no JWS in compact form of at most 4 KB.")?;
    let header: Header =
        serde_json::from_str(&message.header).map_err(|_| "Its header lacks typ, alg or kid.")?;
    if header.typ != TYPE {
        return Err("It is no receipt: its typ is another.");
    }
    if header.alg != key.algorithm()
        || !key.has_signed(message.signed.as_bytes(), &message.signature)
    {
        return Err(if header.kid == key.thumbprint() {
            "It was changed, or is not signed by the key that it names."
        } else {
            "It names the key of another tracker."
        });
    }
    serde_json::from_str(&message.claims).map_err(|_| "Its claims are not those of a receipt.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            project: "Test \"& Co".to_owned(),
            sub: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned(),
            job: 7,
            stage: Stage::B,
            input: hash(&[1; 32]),
            output: hash(&[2; 32]),
            iat: 1_795_440_000,
        }
    }

    #[test]
    fn a_receipt_is_verified_with_the_key_that_signed_it_alone() {
        let [own, other] = [[1; 32], [2; 32]].map(|seed| Signer::new(&seed).expect("a key"));
        let text = own.sign(&receipt());
        assert_eq!(verify(&text, own.public()), Ok(receipt()));
        assert_eq!(
            verify(&text, other.public()),
            Err("It names the key of another tracker.")
        );
        assert_eq!(
            text,
            own.sign(&receipt()),
            "it is the same whenever it is asked for"
        );
        let mut changed = receipt();
        changed.job = 8;
        let (unsigned, _) = text.rsplit_once('.').expect("three parts");
        let (head, _) = unsigned.split_once('.').expect("two parts");
        let other_claims = own.sign(&changed);
        let (_, signature) = text.rsplit_once('.').expect("three parts");
        let claims = other_claims.split('.').nth(1).expect("claims");
        let forged = format!("{head}.{claims}.{signature}");
        assert_eq!(
            verify(&forged, own.public()),
            Err("It was changed, or is not signed by the key that it names.")
        );
        assert!(Signer::new(&[1; 31]).is_none());
    }

    #[test]
    fn no_bit_of_a_receipt_can_be_changed_and_a_proof_is_none() {
        let signer = Signer::new(&[1; 32]).expect("a key");
        let text = signer.sign(&receipt());
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert!(verify(&changed, signer.public()).is_err(), "{at} {bit}");
            }
        }
        let header = r#"{"typ":"dpop+jwt","alg":"EdDSA","kid":""}"#;
        let claims = serde_json::to_string(&receipt()).expect("JSON");
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("a key");
        let proof = jws::compact(header, &claims, |text| pair.sign(text).as_ref().to_vec());
        assert!(verify(&proof, signer.public()).is_err());
        for other in ["", "x", "..", "e30.e30.e30"] {
            assert!(verify(other, signer.public()).is_err(), "{other}");
        }
    }
}
