//! How a registration proves the volunteer's key (DPoP, RFC 9449): what is signed, when a nonce is asked for,
//! and when a client goes on without a proof. Work without one counts as before, so nothing here may keep a
//! client from registering.

use distcompute_protocol::ErrorCode;

/// The path of the call for a nonce.
pub const NONCE_PATH: &str = "/api/nonce";

/// How often the tracker may ask for another nonce during one registration.
const NONCES: u32 = 3;

/// How often in a row nothing may come back, until a registration is tried without a proof: a proxy may let
/// other calls pass than these.
const MISSES: u32 = 2;

/// The longest nonce that is used, in bytes.
const MOST_NONCE: usize = 512;

/// The next request of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask for a nonce.
    Nonce,
    /// Register with a proof over this nonce.
    Prove(String),
    /// Register without a proof.
    Plain,
}

/// What has become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// No answer, or none that this page may read.
    Nothing,
    /// An answer: its status, its code, and its nonce.
    Answer(u16, Option<ErrorCode>, Option<String>),
    /// The proof could not be signed.
    Unsigned,
}

/// What is known of the tracker from one registration to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prover {
    nonce: Option<String>,
    /// Nonces of the present registration that were refused.
    refused: u32,
    /// Requests in a row that nothing came back to.
    misses: u32,
    /// The tracker has no keys, or does not accept this one's proofs.
    never: bool,
}

impl Prover {
    /// The first request of a registration.
    pub fn begin(&mut self, has_key: bool) -> Step {
        self.refused = 0;
        if !has_key || self.never || self.misses >= MISSES {
            return Step::Plain;
        }
        self.nonce.take().map_or(Step::Nonce, Step::Prove)
    }

    /// The request that follows. `None`: what has come is the answer to the registration.
    pub fn next(&mut self, step: &Step, came: Came) -> Option<Step> {
        let (status, code, nonce) = match came {
            Came::Unsigned => return Some(Step::Plain),
            Came::Nothing => {
                // The session tries again later, with a new nonce: this one may have been used.
                self.misses = match step {
                    Step::Plain => 0,
                    _ => self.misses.saturating_add(1),
                };
                return None;
            }
            Came::Answer(status, code, nonce) => (status, code, nonce.filter(|it| is_nonce(it))),
        };
        self.misses = 0;
        match step {
            Step::Plain => None,
            // A tracker that is busy answers the registration no better.
            _ if is_busy(status) => None,
            Step::Nonce => Some(match nonce {
                Some(nonce) => Step::Prove(nonce),
                None => {
                    // Any other answer may be one of a proxy, or of a network that asks for a login.
                    self.never = matches!(status, 404 | 405 | 410);
                    Step::Plain
                }
            }),
            Step::Prove(_) => match (code, nonce) {
                (Some(ErrorCode::UseDpopNonce), Some(nonce)) if self.refused < NONCES => {
                    self.refused += 1;
                    Some(Step::Prove(nonce))
                }
                (Some(ErrorCode::UseDpopNonce), _) => Some(Step::Plain),
                (Some(ErrorCode::InvalidDpopProof), _) => {
                    self.never = true;
                    Some(Step::Plain)
                }
                (_, nonce) => {
                    self.nonce = nonce;
                    None
                }
            },
        }
    }
}

fn is_busy(status: u16) -> bool {
    status == 429 || status >= 500
}

fn is_nonce(text: &str) -> bool {
    (1..=MOST_NONCE).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Whether a character means the same within a JSON text.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// A public key: an Ed25519 key, or the two coordinates of a P-256 key, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key, or its first coordinate.
    pub x: String,
    /// The second coordinate of a P-256 key.
    pub y: Option<String>,
}

/// The request that a proof is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its address.
    pub url: &'a str,
    /// The code of a key that is to be linked to the signing one.
    pub link: Option<&'a str>,
}

/// What is signed to prove a key: the first two parts of a JWS. The nonce identifies the proof, too, because it is
/// accepted once. `None`: the address or the code cannot be written into it.
#[must_use]
pub fn unsigned(
    key: &PublicKey,
    purpose: Purpose<'_>,
    nonce: &str,
    wall_ms: f64,
) -> Option<String> {
    let htu = purpose.url.split(['?', '#']).next()?;
    let (link, code) = match purpose.link {
        None => ("", ""),
        Some(code) => (r#"","link":""#, code),
    };
    let x = &key.x;
    let (alg, kind, y, end) = match &key.y {
        None => ("EdDSA", r#""crv":"Ed25519","kty":"OKP","x":""#, "", ""),
        Some(y) => (
            "ES256",
            r#""crv":"P-256","kty":"EC","x":""#,
            y.as_str(),
            r#"","y":""#,
        ),
    };
    if ![htu, nonce, x, y, code]
        .iter()
        .all(|text| text.bytes().all(is_plain))
    {
        return None;
    }
    let iat = (wall_ms / 1_000.0) as u64;
    let header = [
        r#"{"typ":"dpop+jwt","alg":""#,
        alg,
        r#"","jwk":{"#,
        kind,
        x,
        end,
        y,
        r#""}}"#,
    ];
    let claims = [
        r#"{"jti":""#,
        nonce,
        r#"","htm":""#,
        purpose.method,
        r#"","htu":""#,
        htu,
        r#"","iat":"#,
        &iat.to_string(),
        r#","nonce":""#,
        nonce,
        link,
        code,
        r#""}"#,
    ];
    let parts = [header.concat(), claims.concat()];
    Some(parts.map(|part| base64url(&part)).join("."))
}

fn base64url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut coded = String::with_capacity(text.len().div_ceil(3) * 4);
    for part in text.as_bytes().chunks(3) {
        let bits = part
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for digit in 0..=part.len() {
            coded.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: Option<ErrorCode>, nonce: Option<&str>) -> Came {
        Came::Answer(status, code, nonce.map(str::to_owned))
    }

    fn prove(nonce: &str) -> Step {
        Step::Prove(nonce.to_owned())
    }

    #[test]
    fn without_a_key_nothing_else_is_asked() {
        let mut prover = Prover::default();
        assert_eq!(prover.begin(false), Step::Plain);
        assert_eq!(prover.next(&Step::Plain, answer(200, None, None)), None);
    }

    #[test]
    fn a_nonce_is_asked_for_once_and_then_comes_with_each_answer() {
        let mut prover = Prover::default();
        assert_eq!(prover.begin(true), Step::Nonce);
        let next = prover.next(&Step::Nonce, answer(204, None, Some("n1")));
        assert_eq!(next, Some(prove("n1")));
        assert_eq!(
            prover.next(&prove("n1"), answer(200, None, Some("n2"))),
            None
        );
        assert_eq!(prover.begin(true), prove("n2"));
        // It is used once, whatever comes of it.
        assert_eq!(prover.next(&prove("n2"), Came::Nothing), None);
        assert_eq!(prover.begin(true), Step::Nonce);
    }

    #[test]
    fn a_nonce_that_has_ended_is_replaced_some_times() {
        let mut prover = Prover::default();
        let ended = || answer(401, Some(ErrorCode::UseDpopNonce), Some("n"));
        let mut step = prover.begin(true);
        step = prover
            .next(&step, answer(204, None, Some("n")))
            .expect("a step");
        for _ in 0..NONCES {
            step = prover.next(&step, ended()).expect("a step");
            assert_eq!(step, prove("n"));
        }
        assert_eq!(prover.next(&step, ended()), Some(Step::Plain));
        // The next registration tries it again.
        assert_eq!(prover.begin(true), Step::Nonce);
    }

    #[test]
    fn a_tracker_without_keys_is_asked_once() {
        for (status, nonce, after) in [
            (404, None, Step::Plain),
            (405, None, Step::Plain),
            (200, None, Step::Nonce),
            (403, None, Step::Nonce),
            (204, Some(""), Step::Nonce),
            (204, Some("a\"b"), Step::Nonce),
        ] {
            let mut prover = Prover::default();
            let step = prover.begin(true);
            let next = prover.next(&step, answer(status, None, nonce));
            assert_eq!(next, Some(Step::Plain));
            assert_eq!(prover.begin(true), after, "{status}");
        }
        let mut prover = Prover::default();
        let wrong = answer(400, Some(ErrorCode::InvalidDpopProof), Some("n"));
        assert_eq!(prover.next(&prove("n"), wrong), Some(Step::Plain));
        assert_eq!(prover.begin(true), Step::Plain);
    }

    #[test]
    fn a_busy_tracker_and_a_lost_request_do_not_cost_the_key() {
        let mut prover = Prover::default();
        for status in [429, 500, 503] {
            assert_eq!(prover.begin(true), Step::Nonce);
            assert_eq!(prover.next(&Step::Nonce, answer(status, None, None)), None);
        }
        assert_eq!(prover.begin(true), Step::Nonce);
        assert_eq!(prover.next(&Step::Nonce, Came::Nothing), None);
        assert_eq!(prover.begin(true), Step::Nonce);
        assert_eq!(prover.next(&Step::Nonce, Came::Nothing), None);
        // Perhaps it is these requests that do not come through.
        assert_eq!(prover.begin(true), Step::Plain);
        assert_eq!(prover.next(&Step::Plain, Came::Nothing), None);
        // Nothing does: the key is tried again.
        assert_eq!(prover.begin(true), Step::Nonce);
    }

    #[test]
    fn a_refused_registration_is_refused_with_a_proof_too() {
        let mut prover = Prover::default();
        let banned = answer(403, Some(ErrorCode::Banned), Some("n2"));
        assert_eq!(prover.next(&prove("n1"), banned), None);
        assert_eq!(prover.next(&prove("n1"), Came::Unsigned), Some(Step::Plain));
    }

    #[test]
    fn what_is_signed_names_the_key_the_call_and_the_nonce() {
        let key = PublicKey {
            x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
            y: None,
        };
        let get = |url| Purpose {
            method: "GET",
            url,
            link: None,
        };
        let url = "https://example.org/t/api/new?nickname=Ann%22&stage=a";
        assert_eq!(
            unsigned(&key, get(url), "NONCE", 1_795_440_000_999.0).as_deref(),
            Some(
                "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVkRFNBIiwiandrIjp7ImNydiI6IkVkMjU1MTkiLCJrdHkiOiJPS1Ai\
                 LCJ4IjoiMTFxWUFZS3hDcmZWU183VHlXUUhPZzdoY3ZQYXBpTWxyd0lhYVBjSFVSbyJ9fQ.eyJqdGkiOiJOT05DRS\
                 IsImh0bSI6IkdFVCIsImh0dSI6Imh0dHBzOi8vZXhhbXBsZS5vcmcvdC9hcGkvbmV3IiwiaWF0IjoxNzk1NDQwMDA\
                 wLCJub25jZSI6Ik5PTkNFIn0"
            )
        );
        for (url, nonce) in [
            ("https://a/\"", "n"),
            ("https://a/", "n\\"),
            ("https://a/\u{fc}", "n"),
        ] {
            assert_eq!(unsigned(&key, get(url), nonce, 0.0), None);
        }
    }

    #[test]
    fn a_link_signs_the_code_of_the_new_device() {
        let key = PublicKey {
            x: "x".to_owned(),
            y: Some("y".to_owned()),
        };
        let link = |code| Purpose {
            method: "POST",
            url: "https://a/api/link",
            link: Some(code),
        };
        let text = unsigned(&key, link("AB CD"), "n", 0.0);
        assert_eq!(text, None, "a space would have to be escaped");
        let text = unsigned(&key, link("AB-CD"), "n", 0.0).expect("a text");
        let claims = r#"{"jti":"n","htm":"POST","htu":"https://a/api/link","iat":0,"nonce":"n","link":"AB-CD"}"#;
        assert_eq!(text.split('.').nth(1), Some(base64url(claims).as_str()));
    }

    #[test]
    fn base64url_is_that_of_rfc_4648() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
            ("??>", "Pz8-"),
            ("???", "Pz8_"),
        ] {
            assert_eq!(base64url(text), coded, "{text}");
        }
    }
}
