//! Proofs that a caller holds a key (DPoP, RFC 9449). The age of a proof is not examined, because the
//! clocks of volunteers are wrong; the nonce of the tracker takes its place.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use url::Url;

use super::{jwk::PublicKey, jws::Message};

/// The longest identifier of a proof, in bytes. It is required and not used, as nonces are.
const MOST_ID: usize = 256;

/// The call that a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a str,
    /// The path within the tracker, without a join key.
    pub path: &'a str,
    /// The join key of the path, if it has one.
    pub join: Option<&'a str>,
    /// The public address of the tracker, without a `/` at its end, if it is configured.
    pub public_url: Option<&'a str>,
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key.
    pub key: PublicKey,
    /// The nonce, if it has one. It is to be checked.
    pub nonce: Option<String>,
    /// The code of the key that this one signs, if the proof is to link it.
    pub link: Option<String>,
}

#[derive(Deserialize)]
struct Header<'a> {
    typ: String,
    alg: String,
    #[serde(borrow)]
    jwk: &'a RawValue,
    /// Extensions that must be understood. There are none.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    nonce: Option<String>,
    link: Option<String>,
}

/// Verifies a proof, except for its nonce.
///
/// # Errors
/// Returns a sentence that says what is wrong with it.
pub fn verify(text: &str, call: Call<'_>) -> Result<Proof, &'static str> {
    let message = Message::parse(text).ok_or("It is no JWS in compact form of at most 4 KB.")?;
    let header: Header<'_> =
        serde_json::from_str(&message.header).map_err(|_| "Its header lacks typ, alg or jwk.")?;
    if header.typ != "dpop+jwt" {
        return Err("Its typ is not dpop+jwt.");
    }
    if header.crit.is_some() {
        return Err("It has a crit header, which is not supported.");
    }
    let key = PublicKey::parse(header.jwk.get())?;
    if header.alg != key.algorithm() {
        return Err("Its alg is not that of its key: EdDSA for Ed25519, ES256 for P-256.");
    }
    if !key.has_signed(message.signed.as_bytes(), &message.signature) {
        return Err("Its signature is not one of its key.");
    }
    let claims: Claims =
        serde_json::from_str(&message.claims).map_err(|_| "It lacks jti, htm or htu.")?;
    if claims.jti.is_empty() || claims.jti.len() > MOST_ID {
        return Err("Its jti is empty or too long.");
    }
    if claims.htm != call.method {
        return Err("Its htm is not the method of this call.");
    }
    if !is_address(&claims.htu, call) {
        return Err("Its htu is not the address of this call.");
    }
    Ok(Proof {
        key,
        nonce: claims.nonce,
        link: claims.link,
    })
}

/// Whether an address is that of a call. Without a public address of the tracker, only its end can be
/// compared.
fn is_address(htu: &str, call: Call<'_>) -> bool {
    let Ok(mut address) = Url::parse(htu) else {
        return false;
    };
    address.set_query(None);
    address.set_fragment(None);
    let Some(base) = call.public_url else {
        return ["http", "https"].contains(&address.scheme())
            && address.path().ends_with(call.path);
    };
    let is = |expected: String| Url::parse(&expected).is_ok_and(|expected| expected == address);
    let joined = call
        .join
        .map(|key| format!("{base}/join/{key}{}", call.path));
    is(format!("{base}{}", call.path)) || joined.is_some_and(is)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::rules::jws;

    const CALL: Call<'static> = Call {
        method: "GET",
        path: "/api/new",
        join: None,
        public_url: None,
    };

    fn key_pair() -> (Ed25519KeyPair, Value) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        let x = BASE64.encode(pair.public_key());
        (pair, json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
    }

    fn header() -> Value {
        json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": key_pair().1})
    }

    fn claims() -> Value {
        json!({"jti": "1", "htm": "GET", "htu": "https://example.org/api/new", "iat": 0, "nonce": "n"})
    }

    fn signed(header: &Value, claims: &Value) -> String {
        jws::compact(&header.to_string(), &claims.to_string(), |text| {
            key_pair().0.sign(text).as_ref().to_vec()
        })
    }

    fn with(mut value: Value, name: &str, to: Value) -> Value {
        value[name] = to;
        value
    }

    #[test]
    fn the_example_of_rfc_9449_is_a_proof() {
        // Section 4.1, for POST https://server.example.com/token.
        let text = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4\
                    dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09r\
                    X282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGk\
                    iOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV\
                    4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdr\
                    j8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        let call = Call {
            method: "POST",
            path: "/token",
            join: None,
            public_url: Some("https://server.example.com"),
        };
        let proof = verify(text, call).expect("a proof");
        assert_eq!(
            proof.key.thumbprint(),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
        assert_eq!(proof.nonce, None);
        assert!(verify(text, CALL).is_err());
    }

    #[test]
    fn both_kinds_of_keys_prove_themselves() {
        let proof = verify(&signed(&header(), &claims()), CALL).expect("a proof");
        assert_eq!(proof.nonce.as_deref(), Some("n"));
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let secret = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(kind, secret.as_ref(), &random).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "x": BASE64.encode(x), "y": BASE64.encode(y)});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let sign = |text: &[u8]| pair.sign(&random, text).expect("signed").as_ref().to_vec();
        let text = jws::compact(&header.to_string(), &claims().to_string(), sign);
        assert!(verify(&text, CALL).is_ok());
        // The key of one kind does not sign by the other's name.
        let header = with(header, "alg", json!("EdDSA"));
        let text = jws::compact(&header.to_string(), &claims().to_string(), sign);
        assert!(verify(&text, CALL).is_err());
    }

    #[test]
    fn a_hostile_proof_is_refused() {
        let jwk = key_pair().1;
        let private = with(
            jwk.clone(),
            "d",
            json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"),
        );
        for wrong in [
            with(header(), "alg", json!("none")),
            with(header(), "alg", json!("HS256")),
            with(header(), "alg", json!("ES256")),
            with(header(), "typ", json!("JWT")),
            with(header(), "typ", json!(null)),
            with(header(), "jwk", private),
            with(header(), "jwk", json!("x")),
            with(header(), "crit", json!(["b64"])),
            json!({"typ": "dpop+jwt", "alg": "EdDSA"}),
            json!([]),
        ] {
            assert!(verify(&signed(&wrong, &claims()), CALL).is_err(), "{wrong}");
        }
        for wrong in [
            with(claims(), "htm", json!("POST")),
            with(claims(), "htm", json!("get")),
            with(claims(), "htu", json!("https://example.org/api/newJob")),
            with(claims(), "htu", json!("ftp://example.org/api/new")),
            with(claims(), "htu", json!("/api/new")),
            with(claims(), "htu", json!("")),
            with(claims(), "jti", json!("")),
            with(claims(), "jti", json!("x".repeat(257))),
            with(claims(), "jti", json!(7)),
            with(claims(), "nonce", json!(7)),
            json!({}),
        ] {
            assert!(verify(&signed(&header(), &wrong), CALL).is_err(), "{wrong}");
        }
        let large = with(claims(), "more", json!("x".repeat(jws::MOST)));
        assert!(verify(&signed(&header(), &large), CALL).is_err());
        // A signature that is missing, or another key's.
        let text = signed(&header(), &claims());
        let (unsigned, _) = text.rsplit_once('.').expect("three parts");
        assert!(verify(&format!("{unsigned}."), CALL).is_err());
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).expect("a key");
        let forged = jws::compact(&header().to_string(), &claims().to_string(), |text| {
            other.sign(text).as_ref().to_vec()
        });
        assert!(verify(&forged, CALL).is_err());
    }

    #[test]
    fn no_bit_of_a_proof_can_be_changed() {
        let text = signed(&header(), &claims());
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert!(verify(&changed, CALL).is_err(), "{at} {bit}");
            }
        }
    }

    #[test]
    fn the_address_is_that_of_the_call() {
        let is = |htu: &str, public_url, join| {
            let call = Call {
                public_url,
                join,
                ..CALL
            };
            is_address(htu, call)
        };
        let base = Some("https://example.org/tracker");
        for same in [
            "https://example.org/tracker/api/new",
            "https://example.org:443/tracker/api/new",
            "HTTPS://EXAMPLE.org/tracker/api/new?nickname=Ann#x",
            "https://example.org/x/../tracker/api/new",
        ] {
            assert!(is(same, base, None), "{same}");
        }
        for other in [
            "http://example.org/tracker/api/new",
            "https://example.org/api/new",
            "https://example.org:8443/tracker/api/new",
            "https://evil.example/tracker/api/new",
            "https://example.org.evil.example/tracker/api/new",
            "https://user@example.org/tracker/api/new",
            "https://example.org/tracker/join/KEY/api/new",
        ] {
            assert!(!is(other, base, None), "{other}");
        }
        assert!(is(
            "https://example.org/tracker/join/KEY/api/new",
            base,
            Some("KEY")
        ));
        assert!(!is(
            "https://example.org/tracker/join/OTHER/api/new",
            base,
            Some("KEY")
        ));
        assert!(is("http://10.0.0.7:8080/anything/api/new", None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_proof_or_refused(text in "[ -~]{0,200}", parts in proptest::collection::vec("[-_A-Za-z0-9]{0,80}", 0..5)) {
            let _ = verify(&text, CALL);
            let _ = verify(&parts.join("."), CALL);
        }

        #[test]
        fn any_json_in_a_proof_is_refused(header in "\\PC{0,120}", claims in "\\PC{0,120}") {
            let text = jws::compact(&header, &claims, |text| text.to_vec());
            proptest::prop_assert!(verify(&text, CALL).is_err());
        }
    }
}
