//! What all pages have in common: the frame, the headers, how numbers and times are written.
//! A page is complete without its script; the script only keeps it fresh.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::ANONYMOUS;
use maud::{DOCTYPE, Markup, html};

use crate::{
    app::App,
    clock::Millis,
    rules::{
        names::{self, Looks},
        times,
    },
};

/// Lines of a table on one page.
pub const PER_PAGE: u64 = 50;

/// Pages that can be turned to: passing over rows costs, and nobody reads that far.
const MAX_PAGE: u64 = 200;

/// Nothing but what this tracker serves; frames for the operator's own preview.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'self'";

/// Where one is, for the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The dashboard.
    Dashboard,
    /// The leaderboard.
    Leaderboard,
    /// A page so many folders below the tracker's own.
    Below(usize),
    /// Where nothing could be shown, so many folders below.
    Refusal(usize),
}

impl Place {
    /// The tracker's own folder, as pages there link to it. Links are relative because the world may
    /// know the tracker behind any path.
    #[must_use]
    pub fn root(self) -> String {
        match self {
            Self::Dashboard | Self::Leaderboard | Self::Below(0) | Self::Refusal(0) => {
                "./".to_owned()
            }
            Self::Below(folders) | Self::Refusal(folders) => "../".repeat(folders),
        }
    }

    /// Whether nothing could be shown.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Refusal(_))
    }
}

/// An address on this tracker, which begins with `/`, as a page links to it.
#[must_use]
pub fn link(place: Place, address: &str) -> String {
    place.root() + address.trim_start_matches('/')
}

/// A whole page, or "not modified" if the reader has it already.
#[must_use]
pub fn page(app: &App, request: &HeaderMap, place: Place, title: &str, main: &Markup) -> Response {
    answer(request, &html(app, place, title, main))
}

/// The answer that brings a whole page.
#[must_use]
pub fn answer(request: &HeaderMap, html: &str) -> Response {
    conditional(request, "text/html; charset=utf-8", html)
}

/// A whole page.
#[must_use]
pub fn html(app: &App, place: Place, title: &str, main: &Markup) -> String {
    let settings = &app.settings;
    let current = |here: Place| (here == place).then_some("page");
    let to = |address: &str| link(place, address);
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (settings.project) }
                link rel="icon" href=(to("/assets/icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(to("/assets/style.css"));
                @if !place.is_refusal() {
                    script type="module" src=(to("/assets/live.js")) {}
                }
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.project href=(to("/")) { (settings.project) }
                    nav aria-label="Pages" {
                        a href=(to("/")) aria-current=[current(Place::Dashboard)] { "Dashboard" }
                        a href=(to("/leaderboard")) aria-current=[current(Place::Leaderboard)] {
                            "Leaderboard"
                        }
                        // The dashboard has a larger one.
                        @if let Some(path) = &settings.volunteer_page && place != Place::Dashboard {
                            a.button href=(to(path)) { "Volunteer" }
                        }
                    }
                }
                main #main { (main) }
                @if !place.is_refusal() {
                    footer { p #freshness data-fixed="" { "This page does not refresh itself without JavaScript." } }
                }
            }
        }
    };
    html.into_string()
}

/// An answer with a tag, left out if the reader has that version.
#[must_use]
pub fn conditional(request: &HeaderMap, kind: &'static str, body: &str) -> Response {
    let tag = tag(body);
    let known = request
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut answer = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], body.to_owned()).into_response()
    };
    let headers = answer.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    answer
}

/// Who may load an answer into a page of theirs without reading it.
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A weak tag: what it names may be compressed on its way.
fn tag(body: &str) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// A number with its thousands apart.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment. The script says it as "12 s ago"; without it, it stands in UTC.
#[must_use]
pub fn moment(at: Millis) -> Markup {
    let (date, clock) = times::utc(at);
    html! { time datetime=(format!("{date}T{clock}Z")) { (date) " " (clock) " UTC" } }
}

/// The page that a query names, from 1 on; what is no page is the first.
#[must_use]
pub fn page_number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok())
        .unwrap_or(1)
        .clamp(1, MAX_PAGE)
}

/// Links to the pages before and behind this one, if there are any.
#[must_use]
pub fn pager(what: &str, current: u64, more: bool, link: &dyn Fn(u64) -> String) -> Markup {
    html! {
        @if current > 1 || more {
            nav.pager aria-label=(format!("Pages of {what}")) {
                @if current > 1 {
                    a rel="prev" href=(link(current - 1)) { "← Previous" }
                }
                span { "Page " (grouped(current)) }
                @if more && current == MAX_PAGE {
                    span { "Only the first " (grouped(MAX_PAGE * PER_PAGE)) " are listed." }
                } @else if more {
                    a rel="next" href=(link(current + 1)) { "Next →" }
                }
            }
        }
    }
}

/// A nickname as it is shown: one that could be taken for an older one with its worker's name.
#[must_use]
pub fn name(nickname: &str, worker: Option<&str>, looks: &Looks) -> Markup {
    let legible = names::legible(nickname);
    html! {
        @if legible.is_empty() { bdi { (ANONYMOUS) } } @else { bdi { (legible) } }
        @if looks.is_alike(nickname) {
            " " small { "(" (worker.unwrap_or("resembles an older name")) ")" }
        }
    }
}

/// The address of a worker's page, from the tracker's own folder.
#[must_use]
pub fn worker_address(stage_name: &str, display_name: &str) -> String {
    format!(
        "./worker/{}/{}",
        encoded(&stage_name.to_lowercase()),
        encoded(display_name)
    )
}

/// A text as one segment of an address.
fn encoded(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_moment_is_written_in_utc() {
        let written = |at| times::utc(at);
        assert_eq!(written(0), ("1970-01-01".into(), "00:00:00".into()));
        assert_eq!(
            written(951_782_400_000),
            ("2000-02-29".into(), "00:00:00".into())
        );
        assert_eq!(
            written(1_795_440_139_999),
            ("2026-11-23".into(), "13:22:19".into())
        );
    }

    #[test]
    fn a_worker_address_holds_any_name() {
        assert_eq!(
            worker_address("GPU Farm", "calm-fox-7"),
            "./worker/gpu%20farm/calm-fox-7"
        );
        assert_eq!(worker_address("Größe", "a"), "./worker/gr%C3%B6%C3%9Fe/a");
    }

    #[test]
    fn a_list_ends_with_a_sentence() {
        let pager = |current| {
            let link = |to| format!("?page={to}");
            pager("a list", current, true, &link).into_string()
        };
        assert!(pager(MAX_PAGE - 1).contains("?page=200"));
        let last = pager(MAX_PAGE);
        assert!(!last.contains("?page=201"), "{last}");
        assert!(last.contains("Only the first 10,000 are listed."), "{last}");
    }

    #[test]
    fn what_is_no_page_number_is_the_first_page() {
        for (text, page) in [(None, 1), (Some("x"), 1), (Some("0"), 1), (Some("7"), 7)] {
            assert_eq!(page_number(text), page);
        }
        assert_eq!(page_number(Some("18446744073709551615")), MAX_PAGE);
    }
}
