//! The leaderboard: how much each volunteer has done, and a search for a nickname's rank.

use axum::{Router, extract::State, http::HeaderMap, response::Response, routing::get};
use distcompute_protocol::MAX_NICKNAME;
use maud::{Markup, html};

use super::page::{self, Location, PER_PAGE, Part, grouped, pager};
use crate::{
    error::{ApiError, fault},
    http::request::Query,
    rules::names::{self, Looks},
    state::App,
    store::{MOST_RANKS, NameKey, Rank, RankKey, Start},
};

/// The route of the leaderboard.
pub fn router() -> Router<App> {
    Router::new().route("/leaderboard", get(leaderboard))
}

async fn leaderboard(
    State(app): State<App>,
    query: Query,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = query.get("name").unwrap_or_default();
    let name = names::nickname(wanted)
        .map_err(|message| fault("value_error", &["query", "name"], &message, None))
        .map_err(|fault| ApiError::Faults(vec![fault]))?;
    // Text without visible characters is not searched for.
    let list = if names::legible(wanted).is_empty() {
        ranking(&app, page::start(query.get("page"))).await?
    } else {
        search(&app, &name, page::start(query.get("page"))).await?
    };
    let main = html! {
        h1 #leaderboard-title { "Leaderboard" }
        // `data-fixed`: the page's automatic refresh keeps what the visitor has typed.
        form.search role="search" method="get" action="./leaderboard" data-fixed="" {
            label for="name" { "Find a nickname" }
            input #name name="name" type="search" maxlength=(MAX_NICKNAME) value=(names::legible(wanted)) autocomplete="off";
            button type="submit" { "Find" }
        }
        (list)
    };
    Ok(page::page(
        &app,
        &request,
        Location::Leaderboard,
        "Leaderboard",
        &main,
    ))
}

/// All nicknames, by what they have done.
async fn ranking(app: &App, start: Start<RankKey>) -> Result<Markup, ApiError> {
    let ranks = app.store.leaderboard(page::asked(start.clone())).await?;
    let part = Part::new(ranks, &start, rank_key);
    let first = match (&start, part.rows.first()) {
        (Start::Offset(offset), _) => Some(offset + 1),
        (_, Some(first)) => app.store.rank(&rank_key(first)).await?,
        (_, None) => None,
    };
    let looks = looks(app, &part.rows).await?;
    let unnamed = app.store.completed_unnamed().await?;
    let is_first = part.here.is_none();
    let link = |to: Option<&str>| match to {
        Some(to) => format!("./leaderboard?page={to}"),
        None => "./leaderboard".to_owned(),
    };
    Ok(html! {
        @if part.rows.is_empty() {
            p.quiet {
                @if !is_first { "Nobody stands here." }
                @else if unnamed > 0 { "Nobody with a nickname has finished a job yet." }
                @else { "Nobody has finished a job yet." }
            }
        } @else {
            div.scroll tabindex="0" role="group" aria-labelledby="leaderboard-title" {
                table.ranks {
                    thead {
                        tr {
                            th.number scope="col" { "Rank" }
                            th scope="col" { "Nickname" }
                            th.number scope="col" { "Jobs done" }
                        }
                    }
                    tbody {
                        @for (at, rank) in (0..PER_PAGE).zip(&part.rows) {
                            tr data-key=(rank.nickname) {
                                td.number {
                                    @if let Some(first) = first { (grouped(first + at)) }
                                    @else { "over " (grouped(MOST_RANKS)) }
                                }
                                th.name scope="row" { (page::name(&rank.nickname, rank.worker.as_deref(), &looks)) (unverified(rank)) }
                                td.number { (grouped(rank.completed)) }
                            }
                        }
                    }
                }
            }
        }
        @if unnamed > 0 && is_first {
            p.quiet {
                (grouped(unnamed)) @if unnamed == 1 { " job was" } @else { " jobs were" }
                " done by volunteers without a nickname."
            }
        }
        (pager("the leaderboard", &part, &link))
    })
}

/// Nicknames that begin with `name`, ignoring differences that readers do not see, each linked to
/// its rank.
async fn search(app: &App, name: &str, start: Start<NameKey>) -> Result<Markup, ApiError> {
    // This list is paged by key only; its own links contain no other kind of position.
    let from = match start {
        Start::From(key) => Some(key),
        Start::Offset(_) | Start::Before(_) => None,
    };
    let start = from.clone().map_or(Start::Offset(0), Start::From);
    let limit = page::asked(start.clone()).limit;
    let look = names::look(name);
    let found = app.store.names_like(&look, from, limit).await?;
    let mut part = Part::new(found, &start, name_key);
    part.previous = part.here.as_ref().map(|_| String::new());
    let looks = looks(app, &part.rows).await?;
    let link = |to: Option<&str>| {
        let query = format!("./leaderboard?name={}", page::encoded(name));
        match to {
            Some(to) if !to.is_empty() => format!("{query}&page={to}"),
            _ => query,
        }
    };
    Ok(html! {
        @if part.rows.is_empty() {
            p.quiet { "No nickname with a finished job begins like this." }
        } @else {
            div.scroll tabindex="0" role="group" aria-labelledby="leaderboard-title" {
                table.ranks {
                    thead {
                        tr {
                            th scope="col" { "Nickname" }
                            th.number scope="col" { "Jobs done" }
                        }
                    }
                    tbody {
                        @for rank in &part.rows {
                            tr data-key=(rank.nickname) {
                                th.name scope="row" {
                                    a href=(format!("./leaderboard?page={}", page::from(&rank_key(rank)))) {
                                        (page::name(&rank.nickname, rank.worker.as_deref(), &looks))
                                    }
                                    (unverified(rank))
                                }
                                td.number { (grouped(rank.completed)) }
                            }
                        }
                    }
                }
            }
        }
        p { a href="./leaderboard" { "The whole leaderboard" } }
        (pager("the names found", &part, &link))
    })
}

/// How many of a nickname's jobs were done without the key that it belongs to.
fn unverified(rank: &Rank) -> Markup {
    let others = rank
        .verified
        .map_or(0, |own| rank.completed.saturating_sub(own));
    html! {
        @if others > 0 { " " small { "(" (grouped(others)) " unverified)" } }
    }
}

fn rank_key(rank: &Rank) -> RankKey {
    RankKey {
        completed: rank.completed,
        nickname: rank.nickname.clone(),
    }
}

fn name_key(rank: &Rank) -> NameKey {
    NameKey {
        since: rank.since,
        nickname: rank.nickname.clone(),
    }
}

/// Finds which of these nicknames resemble an older one.
async fn looks(app: &App, ranks: &[Rank]) -> Result<Looks, ApiError> {
    let seen = ranks.iter().map(|rank| names::look(&rank.nickname));
    Ok(Looks::new(app.store.first_names(seen.collect()).await?))
}
