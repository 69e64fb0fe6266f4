//! Nonces of proofs. A nonce says itself when it ends and is authenticated with a secret of the
//! database, so that those that nobody uses need not be stored. One that was used is stored until it
//! ends (`Wanted::nonces`).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;

use crate::clock::Millis;

/// How long a nonce is accepted.
pub const LASTS: Millis = 300_000;

/// Its parts, in bytes: the time, a random number, and the authentication of both.
const TIME: usize = 8;
const PLAIN: usize = TIME + 8;
const WHOLE: usize = PLAIN + 32;

/// Makes a nonce.
#[must_use]
pub fn issue(secret: &hmac::Key, now: Millis, random: u128) -> String {
    let random = random.to_be_bytes();
    let mut bytes = Vec::with_capacity(WHOLE);
    bytes.extend_from_slice(&(now + LASTS).to_be_bytes());
    bytes.extend_from_slice(&random[..PLAIN - TIME]);
    let tag = hmac::sign(secret, &bytes);
    bytes.extend_from_slice(tag.as_ref());
    BASE64.encode(bytes)
}

/// When a nonce ends. `None` if it is not one of ours, or has ended.
#[must_use]
pub fn expires_at(secret: &hmac::Key, nonce: &str, now: Millis) -> Option<Millis> {
    // The length is checked first, so that nothing large is decoded.
    if nonce.len() != WHOLE / 3 * 4 {
        return None;
    }
    let bytes = BASE64.decode(nonce).ok()?;
    let (plain, tag) = bytes.split_at_checked(PLAIN)?;
    hmac::verify(secret, plain, tag).ok()?;
    let at = Millis::from_be_bytes(plain.get(..TIME)?.try_into().ok()?);
    // More than the whole time is left only if the clock was set back. It might be forgotten before
    // it ends then.
    (now < at && at - now <= LASTS).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_until_it_ends_and_by_its_own_secret_alone() {
        let [secret, other] = [[1; 32], [2; 32]].map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key));
        let now = 1_795_440_000_000;
        let nonce = issue(&secret, now, u128::MAX / 3);
        assert_eq!(nonce.len(), 64);
        let end = now + LASTS;
        assert_eq!(expires_at(&secret, &nonce, now), Some(end));
        assert_eq!(expires_at(&secret, &nonce, end - 1), Some(end));
        assert_eq!(expires_at(&secret, &nonce, end), None);
        assert_eq!(expires_at(&secret, &nonce, now - 1), None);
        assert_eq!(expires_at(&other, &nonce, now), None);
        assert_ne!(nonce, issue(&secret, now, 7));
    }

    #[test]
    fn a_changed_nonce_is_refused() {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let nonce = issue(&secret, 0, 5);
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(expires_at(&secret, &changed, 0), None, "{at}");
        }
        for other in ["", "x", &"A".repeat(64), &format!("{nonce}A")] {
            assert_eq!(expires_at(&secret, other, 0), None, "{other}");
        }
    }
}
