//! Signed messages in the compact form of a JWS (RFC 7515).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};

/// The largest message that is read, in bytes.
pub const MOST: usize = 4_096;

/// A message, decoded and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// What is signed.
    pub signed: &'a str,
    /// The header, JSON.
    pub header: String,
    /// The claims, JSON.
    pub claims: String,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'a> Message<'a> {
    /// Splits a message into its three parts. `None` if it is too large or has another form.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MOST {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| String::from_utf8(BASE64.decode(part).ok()?).ok();
        Some(Self {
            signed,
            header: json(header)?,
            claims: json(claims)?,
            signature: BASE64.decode(signature).ok()?,
        })
    }
}

/// Makes a message with the signature that `sign` returns.
pub fn compact(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let mut text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = sign(text.as_bytes());
    text.push('.');
    BASE64.encode_string(signature, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_three_parts() {
        let text = compact("{}", "[1]", |signed| {
            assert_eq!(signed, b"e30.WzFd");
            vec![1, 2, 3]
        });
        let message = Message::parse(&text).expect("a message");
        assert_eq!(
            (message.header.as_str(), message.signed),
            ("{}", "e30.WzFd")
        );
        assert_eq!(
            (message.claims.as_str(), &message.signature[..]),
            ("[1]", &[1, 2, 3][..])
        );
        for other in [
            "",
            ".",
            "..",
            "e30",
            "e30.e30",
            "e30.e30.e30.e30",
            "e30=.e30.e30",
            "e3 .e30.e30",
            "_w.e30.e30",
            "e31.e30.e30",
        ] {
            let parsed = Message::parse(other);
            assert!(parsed.is_none() || other == "..", "{other}");
        }
        assert!(Message::parse(&format!("e30.{}.e30", "a".repeat(MOST))).is_none());
    }
}
