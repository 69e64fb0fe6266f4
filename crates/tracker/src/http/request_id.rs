//! Request ids: the one that the caller or a proxy sends, or a new one. The id appears in every log
//! line that belongs to the request, and in the response.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::rules::names;

/// The header that most proxies use.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids are replaced.
const LONGEST: usize = 128;

/// The id of a request, stored as a request extension for logging.
#[derive(Debug, Clone)]
pub struct RequestId(String);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Middleware that assigns an id to the request and its response.
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

/// Whether the id can be logged safely, without forging other log content.
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
