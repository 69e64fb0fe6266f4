//! What all pages have in common: the frame, the headers, and the formatting of numbers and times.
//! Every page is complete without its script, which only keeps it up to date.

use std::{
    fmt::Display,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    str::FromStr,
};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::ANONYMOUS;
use maud::{DOCTYPE, Markup, html};

use crate::{
    clock::Millis,
    rules::{
        names::{self, Looks},
        times,
    },
    state::App,
    store::{NameKey, Page, RankKey, Start},
};

/// Rows per page of a table.
pub const PER_PAGE: u64 = 50;

/// The last page that can be requested by number, because skipping rows costs time. All further
/// pages are found by the key of a row.
const MAX_PAGE: u64 = 200;

/// The content security policy of pages: only what this tracker serves. Frames are for the preview
/// on the operator's own page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'self'";

/// The position of a page on the site, for the navigation and for relative links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The dashboard.
    Dashboard,
    /// The leaderboard.
    Leaderboard,
    /// A page this many folders below the tracker's root.
    Below(usize),
    /// An error page, this many folders below the root.
    Refusal(usize),
}

impl Location {
    /// The tracker's root, relative to the page. Links are relative because the tracker may be
    /// published under any path.
    #[must_use]
    pub fn root(self) -> String {
        match self {
            Self::Dashboard | Self::Leaderboard | Self::Below(0) | Self::Refusal(0) => {
                "./".to_owned()
            }
            Self::Below(folders) | Self::Refusal(folders) => "../".repeat(folders),
        }
    }

    /// Whether this is an error page.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Refusal(_))
    }
}

/// Links from a page to an address on this tracker, which begins with `/`.
#[must_use]
pub fn link(location: Location, address: &str) -> String {
    location.root() + address.trim_start_matches('/')
}

/// A complete page, or 304 if the client has the current version.
#[must_use]
pub fn page(
    app: &App,
    request: &HeaderMap,
    location: Location,
    title: &str,
    main: &Markup,
) -> Response {
    answer(request, &html(app, location, title, main))
}

/// The response that carries a complete page.
#[must_use]
pub fn answer(request: &HeaderMap, html: &str) -> Response {
    conditional(request, "text/html; charset=utf-8", html)
}

/// A complete page.
#[must_use]
pub fn html(app: &App, location: Location, title: &str, main: &Markup) -> String {
    let settings = &app.settings;
    let current = |here: Location| (here == location).then_some("page");
    let to = |address: &str| link(location, address);
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
                @if !location.is_refusal() {
                    script type="module" src=(to("/assets/live.js")) {}
                }
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.project href=(to("/")) { (settings.project) }
                    nav aria-label="Pages" {
                        a href=(to("/")) aria-current=[current(Location::Dashboard)] { "Dashboard" }
                        a href=(to("/leaderboard")) aria-current=[current(Location::Leaderboard)] {
                            "Leaderboard"
                        }
                        // The dashboard has a larger button.
                        @if let Some(path) = &settings.volunteer_page && location != Location::Dashboard {
                            a.button href=(to(path)) { "Volunteer" }
                        }
                    }
                }
                main #main { (main) }
                @if !location.is_refusal() {
                    footer { p #freshness data-fixed="" { "This page does not refresh itself without JavaScript." } }
                }
            }
        }
    };
    html.into_string()
}

/// A response with an entity tag, or 304 if the client has that version.
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

/// The header that controls which sites may embed a response.
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A weak tag, because the body may be compressed later.
fn tag(body: &str) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// A number with thousands separators.
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

/// A point in time. The script displays it as "12 s ago"; without the script it is shown in UTC.
#[must_use]
pub fn moment(at: Millis) -> Markup {
    let (date, clock) = times::utc(at);
    html! { time datetime=(format!("{date}T{clock}Z")) { (date) " " (clock) " UTC" } }
}

/// One page of a list, and the positions of its neighbours.
#[derive(Debug)]
pub struct Part<T> {
    /// The rows, at most [`PER_PAGE`].
    pub rows: Vec<T>,
    /// The position of this page; `None` for the first.
    pub here: Option<String>,
    /// The position of the previous page.
    pub previous: Option<String>,
    /// The position of the next page.
    pub next: Option<String>,
}

impl<T> Part<T> {
    /// Builds a page from the rows that were found at `start` with [`asked`]: one more than is
    /// shown, which tells that there is a next page and where it begins.
    pub fn new<K: Display>(mut rows: Vec<T>, start: &Start<K>, key: impl Fn(&T) -> K) -> Self {
        let shown = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
        let (mut previous, mut next) = (None, None);
        if let Start::Before(behind) = start {
            next = Some(from(behind));
            if rows.len() > shown {
                rows.drain(..rows.len() - shown);
                previous = rows.first().map(|row| before(&key(row)));
            }
        } else {
            next = rows.get(shown).map(|row| from(&key(row))).or(next);
            rows.truncate(shown);
            previous = match (start, rows.first()) {
                (Start::Offset(0), _) => None,
                (_, Some(first)) => Some(before(&key(first))),
                (Start::From(behind), None) => Some(before(behind)),
                (_, None) => Some("1".to_owned()),
            };
        }
        Self {
            rows,
            here: written(start),
            previous,
            next,
        }
    }
}

/// Returns the store query for the page that begins at `start`.
#[must_use]
pub fn asked<K>(start: Start<K>) -> Page<K> {
    Page {
        start,
        limit: u32::try_from(PER_PAGE + 1).unwrap_or(u32::MAX),
    }
}

/// Parses a position from a query: a page number counted from 1, or the key of a row. Any other
/// text is the beginning.
#[must_use]
pub fn start<K: FromStr>(text: Option<&str>) -> Start<K> {
    let text = text.unwrap_or_default();
    if let Some(key) = text.strip_prefix(FROM).and_then(|key| key.parse().ok()) {
        return Start::From(key);
    }
    if let Some(key) = text.strip_prefix(BEFORE).and_then(|key| key.parse().ok()) {
        return Start::Before(key);
    }
    let number = text.parse().unwrap_or(1).clamp(1, MAX_PAGE);
    Start::Offset((number - 1) * PER_PAGE)
}

const FROM: &str = "from-";
const BEFORE: &str = "before-";

/// Formats a position as [`start`] parses it; `None` for the beginning.
fn written<K: Display>(start: &Start<K>) -> Option<String> {
    match start {
        Start::Offset(offset) => (*offset > 0).then(|| (offset / PER_PAGE + 1).to_string()),
        Start::From(key) => Some(from(key)),
        Start::Before(key) => Some(before(key)),
    }
}

/// The position that begins at the row with this key.
pub fn from(key: &impl Display) -> String {
    format!("{FROM}{}", encoded(&key.to_string()))
}

fn before(key: &impl Display) -> String {
    format!("{BEFORE}{}", encoded(&key.to_string()))
}

impl Display for RankKey {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}.{}", self.completed, self.nickname)
    }
}

impl FromStr for RankKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (completed, nickname) = number_and_name(text)?;
        Ok(Self {
            completed,
            nickname,
        })
    }
}

impl Display for NameKey {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}.{}", self.since, self.nickname)
    }
}

impl FromStr for NameKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (since, nickname) = number_and_name(text)?;
        Ok(Self { since, nickname })
    }
}

/// Parses the key of a row in a list of names.
fn number_and_name<N: FromStr>(text: &str) -> Result<(N, String), ()> {
    let (number, name) = text.split_once('.').ok_or(())?;
    names::no_nul(name).map_err(|_| ())?;
    Ok((number.parse().map_err(|_| ())?, name.to_owned()))
}

/// Links to the previous and the next page, if there are any.
#[must_use]
pub fn pager<T>(what: &str, part: &Part<T>, link: &dyn Fn(Option<&str>) -> String) -> Markup {
    html! {
        @if part.previous.is_some() || part.next.is_some() {
            nav.pager aria-label=(format!("Pages of {what}")) {
                @if part.previous.is_some() {
                    a href=(link(None)) { "First" }
                }
                @if let Some(previous) = &part.previous {
                    a rel="prev" href=(link(Some(previous))) { "← Previous" }
                }
                @if let Some(next) = &part.next {
                    a rel="next" href=(link(Some(next))) { "Next →" }
                }
            }
        }
    }
}

/// A nickname for display. One that could be mistaken for an older one is shown together with its
/// worker's name.
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

/// A note beside the name of a worker whose nickname belongs to the key of another volunteer.
#[must_use]
pub fn unverified(row: &crate::store::WorkerRow) -> Markup {
    html! {
        @if row.unverified { " " small { "(unverified)" } }
    }
}

/// The address of a worker's page, relative to the tracker's root.
#[must_use]
pub fn worker_address(stage_name: &str, display_name: &str) -> String {
    format!(
        "./worker/{}/{}",
        encoded(&stage_name.to_lowercase()),
        encoded(display_name)
    )
}

/// Percent-encodes a text as one path segment.
#[must_use]
pub fn encoded(text: &str) -> String {
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
    fn a_part_of_a_list_names_its_neighbours() {
        let rows = |range: std::ops::Range<u64>| range.collect::<Vec<_>>();
        let part = |rows, start: &Start<u64>| {
            let part = Part::new(rows, start, |row| *row);
            let ends = (part.rows[0], part.rows[part.rows.len() - 1]);
            let neighbours = [part.here, part.previous, part.next];
            (ends, neighbours.map(Option::unwrap_or_default))
        };
        for (found, start, ends, neighbours) in [
            (0..51, Start::Offset(0), (0, 49), ["", "", "from-50"]),
            (0..50, Start::Offset(0), (0, 49), ["", "", ""]),
            (
                50..101,
                Start::Offset(50),
                (50, 99),
                ["2", "before-50", "from-100"],
            ),
            (
                50..101,
                Start::From(50),
                (50, 99),
                ["from-50", "before-50", "from-100"],
            ),
            (
                99..150,
                Start::Before(150),
                (100, 149),
                ["before-150", "before-100", "from-150"],
            ),
            (
                0..50,
                Start::Before(50),
                (0, 49),
                ["before-50", "", "from-50"],
            ),
            (0..9, Start::Before(9), (0, 8), ["before-9", "", "from-9"]),
        ] {
            assert_eq!(
                part(rows(found), &start),
                (ends, neighbours.map(str::to_owned))
            );
        }
        let gone = Part::new(Vec::<u64>::new(), &Start::From(7), |row| *row);
        assert_eq!(gone.previous.as_deref(), Some("before-7"));
        let beyond = Part::new(Vec::<u64>::new(), &Start::<u64>::Offset(50), |row| *row);
        assert_eq!(beyond.previous.as_deref(), Some("1"));
    }

    #[test]
    fn a_pager_links_to_what_there_is() {
        let part = |start| Part::new((0..51).collect(), &start, |row| *row);
        let pager = |part| {
            let link = |to: Option<&str>| format!("?page={}", to.unwrap_or("1"));
            pager("a list", &part, &link).into_string()
        };
        let first = pager(part(Start::Offset(0)));
        assert!(first.contains("?page=from-50") && !first.contains("Previous"));
        let later = pager(part(Start::<u64>::From(0)));
        for link in [
            r#"href="?page=1">First"#,
            r#"rel="prev" href="?page=before-0""#,
        ] {
            assert!(later.contains(link), "{later}");
        }
    }

    #[test]
    fn the_beginning_of_a_list_is_a_number_or_a_key_and_otherwise_the_first_row() {
        let last = (MAX_PAGE - 1) * PER_PAGE;
        for (text, at) in [
            (None, Start::Offset(0)),
            (Some("x"), Start::Offset(0)),
            (Some("0"), Start::Offset(0)),
            (Some("7"), Start::Offset(300)),
            (Some("20000"), Start::Offset(last)),
            (Some("from-12"), Start::From(12)),
            (Some("before-12"), Start::Before(12)),
            (Some("from-"), Start::Offset(0)),
            (Some("from--1"), Start::Offset(0)),
        ] {
            assert_eq!(start::<u64>(text), at, "{text:?}");
        }
        let key = |nickname: &str| RankKey {
            completed: 12,
            nickname: nickname.to_owned(),
        };
        for (text, at) in [
            ("from-12.Ann", Start::From(key("Ann"))),
            ("from-12.1.5", Start::From(key("1.5"))),
            ("before-12.", Start::Before(key(""))),
            ("from-12", Start::Offset(0)),
            ("from-x.Ann", Start::Offset(0)),
            ("from-12.A\0", Start::Offset(0)),
        ] {
            assert_eq!(start::<RankKey>(Some(text)), at, "{text:?}");
        }
        let awkward = key("a&b=c#d%20 \u{e9}");
        assert_eq!(
            from(&awkward),
            "from-12.a%26b%3Dc%23d%2520%20%C3%A9",
            "one value of a query"
        );
    }
}
