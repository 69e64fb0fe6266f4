//! The state that handlers and the periodic sweeps share.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;

use crate::{
    admission::{address_limits::AddressLimits, bodies::Bodies, keys::Keys},
    config::Settings,
    files::{Files, addresses::Addresses},
    metrics::Metrics,
    random::Random,
    response_cache::ResponseCache,
    store::{Store, StoreError},
};

/// Shared application state. Cheap to clone: everything in it is behind an `Arc`.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
    /// The source of tokens and lease secrets.
    pub random: Arc<dyn Random>,
    /// Counters of the requests served by this process.
    pub metrics: Arc<Metrics>,
    /// Recently rendered pages, shared between requests.
    pub response_cache: Arc<ResponseCache>,
    /// The memory budget for request bodies.
    pub bodies: Arc<Bodies>,
    /// Rate limits by address group.
    pub address_limits: Arc<AddressLimits>,
    /// The files of jobs.
    pub files: Arc<Files>,
    /// The tracker's own secrets.
    pub keys: Arc<Keys>,
    /// Time limits for connections and requests.
    pub timeouts: Timeouts,
}

impl App {
    /// What addresses of files are made of, as of now.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn addresses(&self) -> Result<Addresses, StoreError> {
        let secret = self.keys.files(self.store.as_ref(), self.random.as_ref());
        let now = self.keys.now();
        let (secret, settings) = (secret.await?, &self.settings);
        let public_url = settings.public_url.as_deref();
        Ok(Addresses::new(secret, public_url, settings.lease_s, now))
    }
}

impl FromRef<App> for Arc<Settings> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.settings)
    }
}

impl FromRef<App> for Arc<Bodies> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.bodies)
    }
}

/// Time limits for connections, requests and cached pages.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For receiving a request's head, counted from the end of the previous request. This is also
    /// how long a connection may be idle, so it is longer than the pauses of clients that call only
    /// now and then.
    pub head: Duration,
    /// How long a client may leave an answer unread, or read it too slowly. See `serve::unread`.
    pub unread: Duration,
    /// The longest pause while a body is being received.
    pub pause: Duration,
    /// For receiving a whole body.
    pub body: Duration,
    /// How long requests in flight may take once shutdown has begun.
    pub grace: Duration,
    /// How long a rate-limited request is held before it is refused, so that a client that retries
    /// immediately is slowed down.
    pub refusal_pause: Duration,
    /// The maximum age of a cached page.
    pub page_age: Duration,
    /// How long a call waits for the check of an upload.
    pub check: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(75),
            unread: Duration::from_secs(30),
            pause: Duration::from_secs(30),
            // Time for 16 MB at 0.25 Mbit/s.
            body: Duration::from_secs(600),
            grace: Duration::from_secs(10),
            refusal_pause: Duration::from_secs(1),
            page_age: Duration::from_millis(500),
            check: Duration::from_secs(10),
        }
    }
}
