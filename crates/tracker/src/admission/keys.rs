//! The tracker's own secrets, and what proofs of volunteers' keys are checked against.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;
use tokio::sync::OnceCell;

use crate::{
    clock::{Clock, Millis, SystemClock},
    random::Random,
    rules::{nonce, receipt::Signer},
    store::{Store, StoreError},
};

/// The name of the secret of nonces in the database.
const NONCES: &str = "nonces";

/// The name of the secret key of receipts.
const RECEIPTS: &str = "receipts";

/// The name of the secret that signs addresses of files.
const FILES: &str = "files";

/// The secrets, read from the database when they are needed first. Trackers that share a database
/// share them.
pub struct Keys {
    clock: Arc<dyn Clock>,
    nonces: OnceCell<hmac::Key>,
    receipts: OnceCell<Signer>,
    files: OnceCell<hmac::Key>,
}

impl Default for Keys {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

impl Keys {
    /// Uses another clock for the age of nonces.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            nonces: OnceCell::new(),
            receipts: OnceCell::new(),
            files: OnceCell::new(),
        }
    }

    /// The time by which nonces and codes end.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Makes a nonce.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn nonce(
        &self,
        store: &dyn Store,
        random: &dyn Random,
    ) -> Result<String, StoreError> {
        let secret = self.nonce_secret(store, random).await?;
        Ok(nonce::issue(secret, self.clock.now(), random.bits()))
    }

    /// When a nonce ends. `None` if it is none of this database, or has ended.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn expires_at(
        &self,
        store: &dyn Store,
        random: &dyn Random,
        nonce: &str,
    ) -> Result<Option<i64>, StoreError> {
        let secret = self.nonce_secret(store, random).await?;
        Ok(nonce::expires_at(secret, nonce, self.clock.now()))
    }

    /// The key that signs receipts.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn signer(
        &self,
        store: &dyn Store,
        random: &dyn Random,
    ) -> Result<&Signer, StoreError> {
        let read = || async {
            let seed = secret(store, random, RECEIPTS).await?;
            Signer::new(&seed).ok_or_else(|| StoreError::Failed("a seed has 32 bytes".to_owned()))
        };
        self.receipts.get_or_try_init(read).await
    }

    /// The secret that signs addresses of files.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn files(
        &self,
        store: &dyn Store,
        random: &dyn Random,
    ) -> Result<&hmac::Key, StoreError> {
        let read = || async {
            let secret = secret(store, random, FILES).await?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        };
        self.files.get_or_try_init(read).await
    }

    async fn nonce_secret(
        &self,
        store: &dyn Store,
        random: &dyn Random,
    ) -> Result<&hmac::Key, StoreError> {
        let read = || async {
            let secret = secret(store, random, NONCES).await?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        };
        self.nonces.get_or_try_init(read).await
    }
}

/// The key that signs receipts, if the database has one.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn existing_signer(store: &dyn Store) -> Result<Option<Signer>, StoreError> {
    let kept = store.kept_tracker_key(RECEIPTS).await?;
    let seed = kept.and_then(|kept| BASE64.decode(kept).ok());
    Ok(seed.and_then(|seed| Signer::new(&seed)))
}

/// A secret of the database, of 32 bytes. It is made if there is none.
async fn secret(
    store: &dyn Store,
    random: &dyn Random,
    name: &'static str,
) -> Result<Vec<u8>, StoreError> {
    let fresh = [random.bits(), random.bits()].map(u128::to_be_bytes);
    let fresh = BASE64.encode(fresh.concat());
    let kept = store.tracker_key(name, &fresh).await?;
    let bytes = BASE64.decode(&kept).ok().filter(|bytes| bytes.len() == 32);
    bytes.ok_or_else(|| StoreError::Failed(format!("the tracker's key {name} is damaged")))
}
