//! Accepts and serves connections, with a time limit for each request's head, and closes them
//! gracefully when the tracker stops.
//!
//! This replaces `axum::serve`, which sets no time limit for the head of a request: a client that
//! sends a byte now and then would hold a connection for ever.

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

/// How long to wait before accepting again when the system is out of file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// The buffer of a connection, for a body that is being streamed and for the head of a request.
const BUFFER: usize = 64 * 1024;

/// Limits the number of connections.
#[derive(Clone)]
pub struct ConnectionLimits {
    /// The connections of each address group.
    pub limits: Arc<AddressLimits>,
    /// Trusted proxies, which are exempt because they carry the requests of many clients.
    pub proxies: Vec<Network>,
}

impl ConnectionLimits {
    /// Decides whether to accept a connection.
    fn admit(&self, peer: IpAddr) -> Result<Option<Connected>, TooManyConnections> {
        let brings_many = self.proxies.iter().any(|proxy| proxy.contains(peer));
        if brings_many || peer.to_canonical().is_loopback() {
            return Ok(None);
        }
        self.limits
            .connect(peer)
            .map(Some)
            .ok_or(TooManyConnections)
    }
}

/// There are too many connections already.
struct TooManyConnections;

/// Serves until `stop` completes, then finishes the requests in flight, with a time limit.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connection_limits: ConnectionLimits,
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
        // Closed without a response, which would cost as much as serving the client.
        let Ok(connected) = connection_limits.admit(peer.ip()) else {
            continue;
        };
        let connection =
            connections.watch(serve_connection(stream, peer, router.clone(), timeouts));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended early");
            }
            drop(connected);
        });
    }
    // New connections are refused from here on, so a load balancer uses another instance.
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

/// Serves the requests of one connection.
fn serve_connection(
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
    // Responses are small and clients wait for each; Nagle's algorithm would only delay them.
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
