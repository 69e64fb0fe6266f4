//! What the handlers share, and the periodic sweeps with them.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;

use crate::{
    admission::{address_limits::AddressLimits, bodies::Bodies},
    config::Settings,
    metrics::Metrics,
    random::Random,
    response_cache::ResponseCache,
    store::Store,
};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// How the operator wants it.
    pub settings: Arc<Settings>,
    /// Where tokens come from.
    pub random: Arc<dyn Random>,
    /// What was served so far.
    pub metrics: Arc<Metrics>,
    /// The dashboard as somebody saw it a moment ago.
    pub response_cache: Arc<ResponseCache>,
    /// The memory for the bodies of requests.
    pub bodies: Arc<Bodies>,
    /// What each group of addresses may ask for.
    pub address_limits: Arc<AddressLimits>,
    /// How long clients may take.
    pub timeouts: Timeouts,
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

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the head of a request, from the end of the request before: also how long a connection
    /// may be idle, so it is longer than the pauses of clients that call now and then.
    pub head: Duration,
    /// For an answer of which nothing is taken, or too little: see `serve::unread`.
    pub unread: Duration,
    /// For a pause within a body.
    pub pause: Duration,
    /// For a whole body.
    pub body: Duration,
    /// For the requests in flight once the tracker was told to stop.
    pub grace: Duration,
    /// For who is asked to wait, until that is said: who repeats at once is slowed down by it.
    pub refusal_pause: Duration,
    /// How old a page may be that is shared by all who look at it.
    pub page_age: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(75),
            unread: Duration::from_secs(30),
            pause: Duration::from_secs(30),
            // 16 MB at a quarter of a megabit a second.
            body: Duration::from_secs(600),
            grace: Duration::from_secs(10),
            refusal_pause: Duration::from_secs(1),
            page_age: Duration::from_millis(500),
        }
    }
}
