//! A keep-alive connection to a tracker, and the possible outcomes of a request.

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

/// The pause between two attempts to reach an unavailable tracker.
const PAUSE: Duration = Duration::from_millis(10);

/// The status and the body of a response.
pub(crate) type Answer = (StatusCode, Bytes);

/// A connection that is opened on demand.
pub(crate) struct Connection {
    /// Host and port.
    host: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Creates a connection to the tracker at `url`, which is not open yet.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let host = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{url} does not begin with http://."))?;
        Ok(Self {
            host: host.trim_end_matches('/').to_owned(),
            sender: None,
        })
    }

    /// Sends a request and waits for its response. After an error the connection is closed, and
    /// whether the tracker received the request is unknown.
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

    /// Like [`call`](Self::call), but repeats the request until a working tracker answers.
    pub(crate) async fn call_until_answered(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Answer {
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
    // Its error is also that of the request in flight, which reports it.
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
