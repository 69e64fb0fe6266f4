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

/// The secrets of the leases that a worker is granted by syncs. The key is prepared once, which is
/// half of the work of an HMAC of a short text.
pub struct LeaseSecrets(Hmac<Sha256>);

impl LeaseSecrets {
    /// Prepares the secrets of the worker with this token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        let Ok(keyed) = Hmac::new_from_slice(token.as_bytes()) else {
            unreachable!("HMAC takes keys of any length");
        };
        Self(keyed)
    }

    /// The secret of a lease: HMAC-SHA256 of the lease and the sync, keyed with the worker's token.
    #[must_use]
    pub fn of_lease(&self, lease: i64, seq: i64) -> String {
        let mut mac = self.0.clone();
        mac.update(&lease.to_be_bytes());
        mac.update(&seq.to_be_bytes());
        hex(&mac.finalize().into_bytes()[..LEASE_BYTES])
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
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
        let of_lease = |token, lease, seq| LeaseSecrets::new(token).of_lease(lease, seq);
        // As computed by OpenSSL, because trackers of other versions must find the same.
        assert_eq!(of_lease("token", 7, 3), "7d976521ca9c796b5dc184bd95cd1dee");
        let secrets = LeaseSecrets::new("token");
        let secret = secrets.of_lease(7, 3);
        assert_eq!(
            secret,
            secrets.of_lease(7, 3),
            "one does not change the next"
        );
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
