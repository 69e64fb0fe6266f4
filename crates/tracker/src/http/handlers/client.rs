//! Serves the client itself, so that pages of any origin can import it without a bundler or a
//! build. `npm run build` copies its files into this crate, and the build script embeds them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::{
    Router,
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::state::App;

/// `Cache-Control` for addresses with the full version: their content never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// `Cache-Control` for all other addresses: their content changes when the tracker is upgraded.
const TEN_MINUTES: &str = "public, max-age=600";

/// The main script, which pages import.
const SCRIPT: &str = "distcompute_client.js";

/// The files of one version of the client.
struct Client {
    /// The version and a hash of the content; empty if no client is embedded.
    version: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

static CLIENT: Client = include!(concat!(env!("OUT_DIR"), "/client.rs"));

/// The version of the embedded client, with a hash of its content.
#[must_use]
pub fn version() -> Option<&'static str> {
    Some(CLIENT.version).filter(|version| !version.is_empty())
}

/// The routes under `/client/`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/client", get(async || redirect("./client/")))
        .route("/client/", get(index))
        .route("/client/{file}", get(latest))
        .route("/client/{version}/{file}", get(versioned))
}

async fn index() -> Response {
    let Some(version) = version() else {
        return missing();
    };
    let mut text = format!(
        "distcompute-client {version}\n\nimport loadWasm, {{ Volunteer }} from \
         \"(this address){version}/{SCRIPT}\";\n\nFiles:\n"
    );
    for (name, _) in CLIENT.files {
        text.push_str(&format!("{version}/{name}\n"));
    }
    answer(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        TEN_MINUTES,
        text,
    )
}

async fn latest(Path(file): Path<String>) -> Response {
    match (version(), find(&file)) {
        (Some(version), Some((name, _))) => redirect(&format!("./{version}/{name}")),
        _ => missing(),
    }
}

async fn versioned(Path((asked, file)): Path<(String, String)>) -> Response {
    match (version(), find(&file)) {
        (Some(version), Some((name, body))) if asked == version => {
            let mut answer = answer(StatusCode::OK, kind(name), FOREVER, body);
            if let Ok(tag) = HeaderValue::from_str(&tag(body)) {
                // The compression cache uses the tag as its key.
                answer.headers_mut().insert(header::ETAG, tag);
            }
            answer
        }
        // Redirects to the embedded version, so that pages need not change with each upgrade of the
        // tracker.
        (Some(version), Some((name, _))) if serves(version, &asked) => {
            redirect(&format!("../{version}/{name}"))
        }
        _ => missing(),
    }
}

fn find(file: &str) -> Option<(&'static str, &'static [u8])> {
    let mut files = CLIENT.files.iter().copied();
    files.find(|(name, _)| *name == file)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        _ => "text/plain; charset=utf-8",
    }
}

fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn missing() -> Response {
    let text = match version() {
        None => {
            "This tracker was built without the client: run `npm run build` first, then build the \
             tracker again.\n"
                .to_owned()
        }
        Some(version) => format!(
            "There is no such file of the client here, or not of that version. This tracker has \
             distcompute-client {version}; its files are listed under /client/.\n"
        ),
    };
    let kind = "text/plain; charset=utf-8";
    answer(StatusCode::NOT_FOUND, kind, "no-cache", text)
}

/// Redirects relative to the requested address, because a proxy may add a prefix.
fn redirect(to: &str) -> Response {
    let kind = "text/plain; charset=utf-8";
    let mut answer = answer(StatusCode::TEMPORARY_REDIRECT, kind, TEN_MINUTES, "");
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(header::LOCATION, to);
    }
    answer
}

/// Builds a response that pages of all origins may read, even if the API is restricted to some.
fn answer(
    status: StatusCode,
    kind: &'static str,
    cache: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ];
    (status, headers, body.into()).into_response()
}

/// Whether a page that asks for a version or a part of one (`0.1`) may get the embedded one: it
/// must be the same or a later version without breaking changes (semantic versioning).
fn serves(version: &str, asked: &str) -> bool {
    let (Some(own), Some(asked)) = (numbers(version), numbers(asked)) else {
        return false;
    };
    // In versions 0.x, the second number marks breaking changes.
    let fixed = if own[0] == 0 { 2 } else { 1 };
    let wanted = asked.iter().take(fixed).zip(&own);
    let not_later = asked.iter().zip(&own).find(|(a, b)| a != b);
    wanted.into_iter().all(|(a, b)| a == b) && not_later.is_none_or(|(a, b)| a < b)
}

/// Parses one to three numbers; a hash may follow.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let plain = version.split('-').next().unwrap_or_default();
    let numbers: Vec<u64> = plain
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    (numbers.len() <= 3).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_what_it_asked_for_or_a_later_one_that_is_alike() {
        for asked in ["0.2.3", "0.2.3-ab12", "0.2.1", "0.2", "0"] {
            assert!(serves("0.2.3-cd34", asked), "{asked}");
        }
        for asked in [
            "0.2.4", "0.1.9", "0.3", "1", "1.2.3", "", "x", "0.2.3.4", "-1",
        ] {
            assert!(!serves("0.2.3-cd34", asked), "{asked}");
        }
        assert!(serves("2.5.0-cd34", "2.1.7"));
        assert!(!serves("2.5.0-cd34", "2.6.0"));
        assert!(!serves("2.5.0-cd34", "1.5.0"));
    }
}
