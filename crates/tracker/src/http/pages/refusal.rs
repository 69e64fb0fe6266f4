//! Error pages for browsers, with a link back. Programs get the plain text of the refusal.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use distcompute_protocol::ErrorCode;
use maud::html;

use super::page::{self, Location};
use crate::{error::Sentence, state::App};

/// Middleware that renders a refusal as HTML if a person is going to read it.
pub async fn as_page(State(app): State<App>, request: Request, next: Next) -> Response {
    let readable = is_for_people(&request);
    // A browser resolves relative links against the folder that it requested.
    let folders = request.uri().path().matches('/').count().saturating_sub(1);
    let location = Location::Refusal(folders);
    let refused = next.run(request).await;
    let Some(Sentence(sentence)) = refused.extensions().get().filter(|_| readable) else {
        return refused;
    };
    let status = refused.status();
    let main = html! {
        section aria-labelledby="refusal-title" {
            h1 #refusal-title { (title(status)) }
            @if Some(sentence.as_str()) == ErrorCode::NotFound.text() {
                p { "This tracker has no page at this address." }
            } @else {
                p { (sentence) }
            }
            p { a href=(page::link(location, "/")) { "To the dashboard of " (app.settings.project) } }
            @if let Some(path) = &app.settings.volunteer_page {
                p { a href=(page::link(location, path)) { "To the volunteer page" } }
            }
        }
    };
    let html = page::html(&app, location, title(status), &main);
    let mut answer = page::answer(&HeaderMap::new(), &html);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.remove(header::ETAG);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in refused.headers() {
        // Keeps headers such as the error code, `Retry-After` and `Allow`.
        if !headers.contains_key(name) && !is_of_the_text(name) {
            headers.insert(name, value.clone());
        }
    }
    answer
}

/// Whether the request accepts HTML: browsers say so when a person follows a link; scripts do not.
fn is_for_people(request: &Request) -> bool {
    let api = request.uri().path().starts_with("/api/");
    let takes_html = |kinds: &HeaderValue| kinds.to_str().is_ok_and(|k| k.contains("text/html"));
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    reads
        && !api
        && request
            .headers()
            .get_all(header::ACCEPT)
            .iter()
            .any(takes_html)
}

/// Whether a header describes the plain-text body that the page replaces.
fn is_of_the_text(name: &header::HeaderName) -> bool {
    [
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::ETAG,
    ]
    .contains(name)
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::SERVICE_UNAVAILABLE => "Not available just now",
        status if status.is_server_error() => "Something went wrong here",
        _ => "This cannot be shown",
    }
}
