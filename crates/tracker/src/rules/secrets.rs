//! What the database keeps of secrets, so that whoever reads it, or a backup of it, can act for nobody:
//! their fingerprints. A lease's secret is made of the token of the worker that it is granted to, so
//! that it can be said again without being kept.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Half of what HMAC yields is as hard to guess, and is what lease names were always made of.
const LEASE_BYTES: usize = 16;

/// What is kept of a secret, and by which it is known again: its SHA-256. Secrets are random and long,
/// so that none can be found by trying; they need no slower function.
#[must_use]
pub fn fingerprint(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

/// The secret of a lease that a sync granted: HMAC-SHA256 of the lease and the sync under the worker's
/// token.
#[must_use]
pub fn of_lease(token: &str, lease: i64, seq: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else {
        unreachable!("HMAC takes keys of any length");
    };
    mac.update(&lease.to_be_bytes());
    mac.update(&seq.to_be_bytes());
    hex(&mac.finalize().into_bytes()[..LEASE_BYTES])
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_sha_256_that_databases_know() {
        // FIPS 180-2, B.1; PostgreSQL: encode(sha256('abc'), 'hex').
        assert_eq!(
            fingerprint("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_leases_secret_is_the_same_again_and_another_for_each_token_lease_and_sync() {
        let secret = of_lease("token", 7, 3);
        assert_eq!(secret, of_lease("token", 7, 3));
        assert_eq!(secret.len(), 32);
        for other in [
            of_lease("Token", 7, 3),
            of_lease("token", 8, 3),
            of_lease("token", 7, 4),
        ] {
            assert_ne!(secret, other);
        }
    }
}
