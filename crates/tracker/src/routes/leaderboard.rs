//! The leaderboard: who has done how much.

use axum::{Router, extract::State, http::HeaderMap, response::Response, routing::get};
use maud::html;

use super::page::{self, PER_PAGE, Place, grouped, page_number, pager};
use crate::{
    app::App,
    error::ApiError,
    request::Query,
    rules::names::{self, Looks},
    store::Page,
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
    let number = page_number(query.get("page"));
    let offset = (number - 1) * PER_PAGE;
    // One more than is shown, to know whether there is a next page.
    let limit = u32::try_from(PER_PAGE + 1).unwrap_or(u32::MAX);
    let ranks = app.store.leaderboard(Page { offset, limit }).await?;
    let more = ranks.len() as u64 > PER_PAGE;
    let seen = ranks.iter().map(|rank| names::look(&rank.nickname));
    let looks = Looks::new(app.store.first_names(seen.collect()).await?);
    let unnamed = app.store.completed_unnamed().await?;
    let shown = ranks.iter().zip(offset + 1..=offset + PER_PAGE);
    let main = html! {
        h1 #leaderboard-title { "Leaderboard" }
        @if ranks.is_empty() {
            p.quiet {
                @if number > 1 { "Nobody stands here." }
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
                        @for (rank, place) in shown {
                            tr data-key=(rank.nickname) {
                                td.number { (grouped(place)) }
                                th.name scope="row" { (page::name(&rank.nickname, rank.worker.as_deref(), &looks)) }
                                td.number { (grouped(rank.completed)) }
                            }
                        }
                    }
                }
            }
        }
        @if unnamed > 0 && number == 1 {
            p.quiet {
                (grouped(unnamed)) @if unnamed == 1 { " job was" } @else { " jobs were" }
                " done by volunteers without a nickname."
            }
        }
        (pager("the leaderboard", number, more, &|to| format!("./leaderboard?page={to}")))
    };
    Ok(page::page(
        &app,
        &request,
        Place::Leaderboard,
        "Leaderboard",
        &main,
    ))
}
