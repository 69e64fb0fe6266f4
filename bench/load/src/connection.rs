//! One keep-alive connection to a tracker, and what a request on it can come to.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time};

/// Between two attempts to reach a tracker that is away.
const PAUSE: Duration = Duration::from_millis(10);

/// A status and a body.
pub(crate) type Answer = (StatusCode, Bytes);

/// A connection that is opened when it is needed.
pub(crate) struct Connection {
    /// Host and port.
    host: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection to the tracker at `url`, not open yet.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let host = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{url} does not begin with http://."))?;
        Ok(Self {
            host: host.trim_end_matches('/').to_owned(),
            sender: None,
        })
    }

    /// Sends a request and waits for its answer. After an error the connection is closed and
    /// nobody knows whether the request was heard.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, String> {
        let answer = self.attempt(method, path, body).await;
        if answer.is_err() {
            self.sender = None;
        }
        answer.map_err(|error| format!("{path}: {error}"))
    }

    /// The same, again and again until there is an answer that comes from a working tracker.
    pub(crate) async fn insist(&mut self, method: Method, path: &str, body: Bytes) -> Answer {
        loop {
            match self.call(method.clone(), path, body.clone()).await {
                Ok(answer) if !answer.0.is_server_error() => return answer,
                _ => time::sleep(PAUSE).await,
            }
        }
    }

    async fn attempt(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body))?;
        let sender = match &mut self.sender {
            Some(sender) => sender,
            closed => closed.insert(open(&self.host).await?),
        };
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, body))
    }
}

async fn open(host: &str) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error is also the error of the request that is under way, and is reported there.
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
