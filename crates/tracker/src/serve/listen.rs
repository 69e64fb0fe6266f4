//! Connections: taken, served, given up on when a client does not say what it wants, and finished
//! when the tracker stops.
//!
//! This is `axum::serve` with a time limit for the head of a request, which that does not set: a
//! client that sends a byte now and then would hold a connection for ever.

use std::{
    convert::Infallible,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};
use tower::Service as _;

use crate::{
    admission::address_limits::{AddressLimits, Connected},
    rules::forwarded::Network,
    serve::unread::Unread,
    state::Timeouts,
};

/// How long to wait when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// What a connection holds of a stream on its way, and of the head of a request.
const BUFFER: usize = 64 * 1024;

/// Who may have how many connections.
#[derive(Clone)]
pub struct Gate {
    /// What each group of addresses has.
    pub limits: Arc<AddressLimits>,
    /// Who brings the requests of many.
    pub proxies: Vec<Network>,
}

impl Gate {
    /// Lets a connection in, or not.
    fn admit(&self, peer: IpAddr) -> Result<Option<Connected>, Crowded> {
        let brings_many = self.proxies.iter().any(|proxy| proxy.contains(peer));
        if brings_many || peer.to_canonical().is_loopback() {
            return Ok(None);
        }
        self.limits.connect(peer).map(Some).ok_or(Crowded)
    }
}

/// There are too many connections already.
struct Crowded;

/// Serves until `stop` is done, then finishes what is in flight, within bounds.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    gate: Gate,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
) {
    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    time::sleep(EXHAUSTED).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Nobody is told: that would cost as much as to serve them.
        let Ok(connected) = gate.admit(peer.ip()) else {
            continue;
        };
        let connection = connections.watch(converse(stream, peer, router.clone(), timeouts));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended early");
            }
            drop(connected);
        });
    }
    // Nobody new: a load balancer goes elsewhere.
    drop(listener);
    tracing::info!(
        connections = connections.count(),
        "stopping: finishing the requests in flight"
    );
    if time::timeout(timeouts.grace, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
}

/// A connection with its requests.
fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    timeouts: Timeouts,
) -> http1::Connection<
    TokioIo<Unread<TcpStream>>,
    impl hyper::service::Service<
        hyper::Request<Incoming>,
        Response = axum::response::Response,
        Error = Infallible,
        Future: Send,
    > + Send,
> {
    // Answers are small and somebody waits for each. Without it they are only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Unread::new(stream, timeouts.unread)), service)
}
