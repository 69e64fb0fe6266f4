//! Public keys of volunteers as JSON Web Keys: Ed25519 (RFC 8037) and P-256 (RFC 7518), and their
//! thumbprints (RFC 7638).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use sha2::{Digest as _, Sha256};

/// The length of a coordinate, and of an Ed25519 key, in bytes.
const COORDINATE: usize = 32;

/// A public key, of the two kinds that volunteers may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519.
    Ed25519([u8; COORDINATE]),
    /// P-256: its two coordinates.
    P256([u8; COORDINATE], [u8; COORDINATE]),
}

/// A JSON Web Key, as it arrives.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
    /// The private part, which must not be sent.
    d: Option<IgnoredAny>,
}

/// The members of a key that its thumbprint is made of, in the order of their names.
#[derive(Debug, Serialize)]
struct Members {
    crv: &'static str,
    kty: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl PublicKey {
    /// Parses a JSON Web Key. It must not contain the private key.
    ///
    /// # Errors
    /// Returns a sentence if it is another kind of key, or not a public one.
    pub fn parse(jwk: &str) -> Result<Self, &'static str> {
        let jwk: Jwk = serde_json::from_str(jwk).map_err(|_| "Its jwk is no key.")?;
        if jwk.d.is_some() {
            return Err("Its jwk contains a private key.");
        }
        match (jwk.kty.as_str(), jwk.crv.as_str(), jwk.y) {
            ("OKP", "Ed25519", None) => Ok(Self::Ed25519(coordinate(&jwk.x)?)),
            ("EC", "P-256", Some(y)) => Ok(Self::P256(coordinate(&jwk.x)?, coordinate(&y)?)),
            _ => Err("Its jwk is neither an Ed25519 nor a P-256 key."),
        }
    }

    /// The name of its signatures in a JWS.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(..) => "ES256",
        }
    }

    /// Whether this is its signature of a message.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(message, signature),
            Self::P256(x, y) => {
                // The uncompressed form of a point begins with 4.
                let point = [&[4], &x[..], &y[..]].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        }
        .is_ok()
    }

    /// The key with the members that are required, in the order of their names.
    #[must_use]
    pub fn canonical(&self) -> String {
        let members = match self {
            Self::Ed25519(x) => Members {
                crv: "Ed25519",
                kty: "OKP",
                x: BASE64.encode(x),
                y: None,
            },
            Self::P256(x, y) => Members {
                crv: "P-256",
                kty: "EC",
                x: BASE64.encode(x),
                y: Some(BASE64.encode(y)),
            },
        };
        serde_json::to_string(&members).unwrap_or_default()
    }

    /// The thumbprint: the SHA-256 of [`Self::canonical`], in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        BASE64.encode(Sha256::digest(self.canonical()))
    }
}

/// Whether a text can be the thumbprint of a key.
#[must_use]
pub fn is_thumbprint(text: &str) -> bool {
    coordinate(text).is_ok()
}

fn coordinate(text: &str) -> Result<[u8; COORDINATE], &'static str> {
    let bytes = BASE64.decode(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or("A member of its jwk is not 32 bytes in base64url.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ed25519_key_has_the_thumbprint_of_rfc_8037() {
        // Appendix A.3.
        let jwk = r#"{"kty":"OKP","crv":"Ed25519",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = PublicKey::parse(jwk).expect("a key");
        assert_eq!(
            key.thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        // The signature of Appendix A.4.
        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt\
                         9g7sVvpAr_MuM0KAg";
        let signature = BASE64.decode(signature).expect("base64url");
        assert!(key.has_signed(signed.as_bytes(), &signature));
        assert!(!key.has_signed(&signed.as_bytes()[1..], &signature));
    }

    #[test]
    fn a_p256_key_has_the_thumbprint_of_rfc_9449() {
        // The key of section 4.1, whose thumbprint is in section 6.1.
        let jwk = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
        let key = PublicKey::parse(jwk).expect("a key");
        assert_eq!(
            key.thumbprint(),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn other_members_do_not_change_a_thumbprint() {
        // RFC 7638, section 3.2: only the required members count, in the order of their names.
        let plain =
            r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let more = r#"{"use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"1",
            "crv":"Ed25519","kty":"OKP","alg":"EdDSA"}"#;
        let [plain, more] = [plain, more].map(|jwk| PublicKey::parse(jwk).expect("a key"));
        assert_eq!(plain, more);
        assert_eq!(
            plain.canonical(),
            r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        );
    }

    #[test]
    fn a_private_key_and_other_kinds_are_refused() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for jwk in [
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"oct","k":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}="}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}AA"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","x":"{x}"}}"#),
            r#"{"kty":"OKP","crv":"Ed25519","x":""}"#.to_owned(),
            r#"{"kty":"OKP","crv":"Ed25519","x":7}"#.to_owned(),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(PublicKey::parse(&jwk).is_err(), "{jwk}");
        }
        // A point that is not on the curve signs nothing.
        let off = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#);
        let off = PublicKey::parse(&off).expect("two coordinates");
        assert!(!off.has_signed(b"text", &[0; 64]));
    }

    #[test]
    fn a_thumbprint_is_43_characters() {
        assert!(is_thumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
        for other in ["", "Ann", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I="] {
            assert!(!is_thumbprint(other), "{other}");
        }
    }
}
