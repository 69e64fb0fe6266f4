//! The name of a request: what the caller or a proxy calls it, or a new one. It stands in each line
//! of the log that belongs to the request, and in the answer.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::rules::names;

/// The header, as most proxies have it.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not believed.
const LONGEST: usize = 128;

/// The name of the request, for those that log.
#[derive(Debug, Clone)]
pub struct RequestId(String);

impl RequestId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names the request and its answer.
pub async fn name(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|given| given.to_str().ok())
        .filter(|given| is_plain(given))
        .map_or_else(|| names::token(rand::random()), str::to_owned);
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut answer = next.run(request).await;
    if let Ok(header) = header {
        answer.headers_mut().insert(HEADER, header);
    }
    answer
}

/// Whether it can stand in a log without pretending to be something else.
fn is_plain(given: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/+=@".contains(c);
    (1..=LONGEST).contains(&given.len()) && given.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_believed_if_it_is_short_and_plain() {
        assert!(is_plain("0af7651916cd43dd-8448eb211c80319c"));
        for bad in ["", "a b", "a\nb", "<b>", "ä", &"x".repeat(129)] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
