//! A tracker without a socket, on a temporary database.

#![allow(dead_code)] // Each test program uses its own part of this.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use clap::Parser as _;
use distcompute_tracker::{
    admission::{address_limits::AddressLimits, bodies::Bodies, keys::Keys},
    clock::ManualClock,
    config::{ServeArgs, Settings},
    files::{Files, location::Location},
    http::router,
    random::Random,
    rules::jws,
    serve::listen::{self, ConnectionLimits},
    state::{App, Timeouts},
    store::{Store, sqlite::SqliteStore},
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tower::ServiceExt as _;

/// A time in November 2026.
pub(crate) const NOW: i64 = 1_795_440_000_000;

/// Time limits short enough to be waited for.
pub(crate) const SHORT: Timeouts = Timeouts {
    head: Duration::from_millis(300),
    unread: Duration::from_millis(300),
    pause: Duration::from_millis(300),
    body: Duration::from_secs(1),
    grace: Duration::from_secs(5),
    refusal_pause: Duration::from_millis(10),
    // Tests examine at once what they have done.
    page_age: Duration::ZERO,
    // Clients repeat the call.
    check: Duration::ZERO,
};

/// Time limits long enough for a busy machine.
pub(crate) const LONG: Timeouts = Timeouts {
    head: Duration::from_secs(30),
    unread: Duration::from_secs(30),
    pause: Duration::from_secs(30),
    ..SHORT
};

/// Distinct numbers, the same in each run.
#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn bits(&self) -> u128 {
        let count = u128::from(self.0.fetch_add(1, Ordering::SeqCst)) + 1;
        count.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

/// A volunteer's key.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key"))
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(self.0.public_key())})
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        jws::compact(&header.to_string(), &claims.to_string(), |text| {
            self.0.sign(text).as_ref().to_vec()
        })
    }

    pub(crate) fn proof(&self, htu: &str, nonce: Option<&str>) -> String {
        let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.jwk()});
        let claims = json!({"jti": "1", "htm": "GET", "htu": htu, "nonce": nonce, "iat": 0});
        self.sign(&header, &claims)
    }

    /// A proof for a `POST`, with further or other claims.
    pub(crate) fn proof_for(&self, call: &str, nonce: &str, more: &Value) -> String {
        let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.jwk()});
        let htu = format!("http://tracker.example/api/{call}");
        let mut claims = json!({"jti": "1", "htm": "POST", "htu": htu, "nonce": nonce});
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        self.sign(&header, &claims)
    }
}

pub(crate) struct Tracker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) files: Arc<Files>,
    router: Router,
    gate: ConnectionLimits,
    folder: TempDir,
}

/// A tracker on a socket.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.bytes).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a plain header"))
    }

    /// Status, code and text of a refusal.
    pub(crate) fn refusal(&self) -> (u16, Option<&str>, &str) {
        (
            self.status.as_u16(),
            self.header("distcompute-error"),
            self.text(),
        )
    }
}

impl Tracker {
    /// Starts a tracker with two stages and these flags.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), flags).await
    }

    pub(crate) async fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        let stages = [
            "serve",
            "--project",
            "Test & Co",
            "--stage",
            "a=CPU",
            "--stage",
            "b=GPU Farm",
        ];
        Self::started(folder, &[&stages, flags].concat()).await
    }

    /// Stops it, and starts it on the same database with other flags.
    pub(crate) async fn restarted(self, flags: &[&str]) -> Self {
        self.store.close().await;
        Self::started(self.folder, flags).await
    }

    async fn started(folder: TempDir, flags: &[&str]) -> Self {
        let args = ServeArgs::parse_from(flags);
        let mut settings = Settings::gather(&args).expect("settings");
        if settings.object_store == Location::beside(Some(Path::new("jobs.db"))) {
            settings.object_store = Location::Folder(folder.path().join("files"));
        }
        let settings = Arc::new(settings);
        let clock = Arc::new(ManualClock::new(NOW));
        let path = folder.path().join("jobs.db");
        let store = SqliteStore::open(&path, true, settings.store_rules(), clock.clone())
            .await
            .expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        let address_limits = Arc::new(AddressLimits::new(&settings.quotas));
        let gate = ConnectionLimits {
            limits: Arc::clone(&address_limits),
            proxies: settings.trusted_proxies.clone(),
        };
        let files =
            Files::new(&settings.object_store, settings.file_limits).expect("a store of files");
        let files = Arc::new(files);
        let app = App {
            store: Arc::clone(&store),
            bodies: Arc::new(Bodies::new(settings.max_body)),
            address_limits,
            settings: Arc::clone(&settings),
            files: Arc::clone(&files),
            random: Arc::new(Counting::default()),
            metrics: Arc::default(),
            response_cache: Arc::default(),
            keys: Arc::new(Keys::with_clock(clock.clone())),
            timeouts: SHORT,
        };
        Self {
            store,
            clock,
            settings,
            files,
            router: router(app).expect("a router"),
            gate,
            folder,
        }
    }

    /// The file of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    pub(crate) async fn with_jobs(self, jobs: &[&str]) -> Self {
        let jobs: Vec<String> = jobs.iter().map(|job| (*job).to_owned()).collect();
        self.store.add_jobs(&jobs).await.expect("jobs");
        self
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let (head, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body")
            .to_vec();
        Answer {
            status: head.status,
            headers: head.headers,
            bytes,
        }
    }

    /// Serves on a port of its own until the stop channel is triggered or dropped.
    pub(crate) async fn listen(&self, timeouts: Timeouts) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let router = self.router.clone();
        let stopped = async move {
            let _ = stopped.await;
        };
        let gate = self.gate.clone();
        let task = tokio::spawn(listen::serve(listener, router, gate, timeouts, stopped));
        Served {
            address,
            stop,
            task,
        }
    }

    pub(crate) async fn get(&self, address: &str) -> Answer {
        self.send(
            Request::get(address)
                .body(Body::empty())
                .expect("a request"),
        )
        .await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    /// Sends a request that a proxy on this machine passes on.
    pub(crate) async fn proxied(&self, method: &str, address: &str) -> Answer {
        let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header("x-forwarded-for", "192.0.2.1")
            .extension(ConnectInfo(peer));
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    pub(crate) async fn post(&self, call: &str, body: Value) -> Answer {
        self.post_raw(call, "application/json", body.to_string().into_bytes())
            .await
    }

    pub(crate) async fn post_raw(&self, call: &str, kind: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(format!("/api/{call}")).header(header::CONTENT_TYPE, kind);
        self.send(request.body(Body::from(body)).expect("a request"))
            .await
    }

    /// Registers a worker and returns its token.
    pub(crate) async fn join(&self, stage: &str, nickname: &str) -> String {
        let answer = self
            .get(&format!("/api/new?nickname={nickname}&stage={stage}"))
            .await;
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    /// Claims a job and returns its number.
    pub(crate) async fn take(&self, token: &str) -> u64 {
        let answer = self.post("newJob", json!({ "token": token })).await;
        answer.json()["number"].as_u64().expect("a job")
    }

    pub(crate) async fn hand_in(&self, token: &str, data: &str) -> Answer {
        self.post("completeJob", json!({ "token": token, "data": data }))
            .await
    }
}
