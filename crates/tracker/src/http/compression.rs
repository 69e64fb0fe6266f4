//! Response compression: gzip or brotli, for clients that accept it.
//!
//! Bodies that are the same for many clients (files, pages, styles) carry an entity tag that
//! changes with their content. They are compressed once for each tag and encoding, not for each
//! client. All other bodies are compressed while they are sent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::admission::bodies;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{self, HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate as _,
        predicate::{And, SizeAbove},
    },
};

/// Smaller bodies fit into one packet together with the head anyway.
const SMALLEST: u64 = 1_024;

/// The quality of both encoders. Higher levels of brotli take several times as long for a few
/// percent.
const QUALITY: i32 = 5;

/// The maximum total size of cached bodies, in bytes.
const ROOM: usize = 64 << 20;

/// The maximum uncompressed size of a body whose compressed form is cached.
const LARGEST: u64 = 32 << 20;

/// Marks a response that may be cached, unlike others of the API, and that is not compressed.
#[derive(Debug, Clone, Copy)]
pub struct Immutable;

type ByHead = fn(StatusCode, http::Version, &HeaderMap, &http::Extensions) -> bool;

/// The compression layer.
#[must_use]
pub fn layer() -> CompressionLayer<And<SizeAbove, ByHead>> {
    let wanted = SizeAbove::new(SMALLEST).and(is_compressible as ByHead);
    CompressionLayer::new()
        .quality(CompressionLevel::Precise(QUALITY))
        .compress_when(wanted)
}

/// Images, fonts and archives are compressed already, except SVG and bitmaps. An event stream must
/// not be buffered.
fn is_compressible(
    _: StatusCode,
    _: http::Version,
    headers: &HeaderMap,
    extensions: &http::Extensions,
) -> bool {
    // Ranges are of the bytes as they are, and most large files are compressed already.
    if extensions.get::<Immutable>().is_some() {
        return false;
    }
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.split_once('/') {
        Some(("image", kind)) => matches!(kind, "svg+xml" | "bmp" | "x-icon"),
        Some(("audio" | "video", _)) => false,
        Some(("text", kind)) => kind != "event-stream",
        Some(("font", kind)) => !kind.starts_with("woff"),
        Some(("application", kind)) => !matches!(
            kind,
            "zip" | "gzip" | "x-gzip" | "zstd" | "x-7z-compressed" | "x-bzip2" | "x-xz" | "pdf"
        ),
        _ => true,
    }
}

/// Compressed bodies, by address, tag and encoding.
#[derive(Default)]
pub struct CompressedBodies {
    bodies: Mutex<Bodies>,
}

#[derive(Default)]
struct Bodies {
    by_version: HashMap<Version, Bytes>,
    bytes: usize,
}

type Version = (String, HeaderValue, HeaderValue);

impl CompressedBodies {
    fn get(&self, version: &Version) -> Option<Bytes> {
        self.bodies().by_version.get(version).cloned()
    }

    fn keep(&self, version: Version, body: &Bytes) {
        let mut bodies = self.bodies();
        if body.len() > ROOM / 4 {
            return;
        }
        // Pages change all the time and leave old versions behind, so the cache is emptied when it
        // is full. What is still requested is compressed once more.
        if bodies.bytes + body.len() > ROOM {
            *bodies = Bodies::default();
        }
        bodies.bytes += body.len();
        if let Some(old) = bodies.by_version.insert(version, body.clone()) {
            bodies.bytes -= old.len();
        }
    }

    fn bodies(&self) -> std::sync::MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Middleware outside of [`layer`]: caches the bodies that it compresses.
pub async fn once(
    State(kept): State<Arc<CompressedBodies>>,
    request: Request,
    next: Next,
) -> Response {
    let is_get = request.method() == Method::GET;
    let address = request.uri().path().to_owned();
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    let (Some(encoding), Some(tag)) = (
        headers.get(header::CONTENT_ENCODING).cloned(),
        headers.get(header::ETAG).cloned(),
    ) else {
        return answer;
    };
    // A strong tag promises identical bytes, and compressed bytes differ from the uncompressed
    // ones.
    if !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
    let small = answer.extensions().get::<Large>().is_none();
    if !is_get || !small || answer.status() != StatusCode::OK {
        return answer;
    }
    let version = (address, tag, encoding);
    let (mut parts, body) = answer.into_parts();
    let bytes = match kept.get(&version) {
        Some(bytes) => bytes,
        None => match axum::body::to_bytes(body, usize::MAX).await {
            Ok(bytes) => {
                kept.keep(version, &bytes);
                bytes
            }
            Err(error) => {
                tracing::warn!(%error, "a file could not be read to its end");
                let mut failed = Response::new(Body::empty());
                *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return failed;
            }
        },
    };
    parts.extensions.insert(bodies::AlreadyCounted);
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Response::from_parts(parts, Body::from(bytes))
}

/// Marks a response that is too large to be held in memory.
#[derive(Debug, Clone, Copy)]
struct Large;

/// Middleware inside of [`layer`], where the length is still known: marks responses that are too
/// large to be cached.
pub async fn mark_large(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let length = answer.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LARGEST) {
        answer.extensions_mut().insert(Large);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::{Router, middleware, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_compressed_once_for_each_version_and_encoding_and_not_for_each_reader() {
        let read = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&read);
        // Compressing reads the body; a body taken from the cache is never read.
        let file = move |request: Request| {
            let counter = Arc::clone(&counter);
            let tag = request.uri().query().map(str::to_owned);
            async move {
                let body = async move {
                    counter.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(Bytes::from("a line of a script\n".repeat(1_000)))
                };
                let body = Body::from_stream(futures_util::stream::once(body));
                let answer = Response::builder().header(header::CONTENT_TYPE, "text/javascript");
                let answer = match tag {
                    Some(tag) => answer.header(header::ETAG, tag),
                    None => answer,
                };
                answer.body(body).expect("an answer")
            }
        };
        let router = Router::new()
            .route("/x.js", get(file))
            .layer(layer())
            .layer(middleware::from_fn_with_state(Arc::default(), once));
        let ask = async |address: &str, encoding: &str| {
            let request = Request::get(address).header(header::ACCEPT_ENCODING, encoding);
            let request = request.body(Body::empty()).expect("a request");
            let answer = router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(answer.headers()[header::CONTENT_ENCODING], encoding);
            axum::body::to_bytes(answer.into_body(), usize::MAX)
                .await
                .expect("a body")
        };
        let mut times = 0;
        for address in ["/x.js?1", "/x.js?2"] {
            for encoding in ["br", "gzip"] {
                let first = ask(address, encoding).await;
                assert!(first.len() < 1_000, "{} bytes", first.len());
                for _ in 0..20 {
                    assert_eq!(ask(address, encoding).await, first);
                }
                times += 1;
                assert_eq!(read.load(Ordering::SeqCst), times, "{address} {encoding}");
            }
        }
        // A response without a tag may differ at each request.
        for _ in 0..3 {
            ask("/x.js", "br").await;
        }
        assert_eq!(read.load(Ordering::SeqCst), times + 3);
    }

    fn version(tag: &str) -> Version {
        let value = |text: &str| HeaderValue::from_str(text).expect("a value");
        ("/x".to_owned(), value(tag), value("br"))
    }

    #[test]
    fn what_is_kept_stays_within_its_room() {
        let kept = CompressedBodies::default();
        let body = Bytes::from(vec![0; ROOM / 5]);
        for at in 0..20 {
            kept.keep(version(&at.to_string()), &body);
            assert_eq!(kept.get(&version(&at.to_string())).as_ref(), Some(&body));
            assert!(kept.bodies().bytes <= ROOM);
        }
        kept.keep(version("19"), &body);
        let all: usize = kept.bodies().by_version.values().map(Bytes::len).sum();
        assert_eq!(kept.bodies().bytes, all);
        kept.keep(version("large"), &Bytes::from(vec![0; ROOM / 2]));
        assert_eq!(kept.get(&version("large")), None);
    }
}
