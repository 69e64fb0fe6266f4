//! The database stores only fingerprints of secrets, so that nobody who reads it, or a backup of
//! it, can act for a worker. A lease's secret is derived from the token of the worker that it is
//! granted to, so that it can be sent again without being stored.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Half of the HMAC is as hard to guess, and matches the length that lease names have always had.
const LEASE_BYTES: usize = 16;

/// The fingerprint of a secret, its SHA-256. Secrets are random and long and cannot be found by
/// guessing, so a slower hash function is not needed.
#[must_use]
pub fn fingerprint(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

/// The secret of a lease granted by a sync: HMAC-SHA256 of the lease and the sync, keyed with the
/// worker's token.
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
