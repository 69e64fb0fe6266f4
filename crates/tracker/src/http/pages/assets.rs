//! The pages' own style sheet, script and icon, embedded into the program.

use axum::{Router, http::HeaderMap, response::Response, routing::get};

use super::page::conditional;
use crate::state::App;

/// The routes under `/assets/`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/assets/style.css", get(style))
        .route("/assets/live.js", get(script))
        .route("/assets/icon.svg", get(icon))
}

async fn style(request: HeaderMap) -> Response {
    let text = include_str!("../../assets/style.css");
    conditional(&request, "text/css; charset=utf-8", text)
}

async fn script(request: HeaderMap) -> Response {
    let text = include_str!("../../assets/live.js");
    conditional(&request, "text/javascript; charset=utf-8", text)
}

async fn icon(request: HeaderMap) -> Response {
    let text = include_str!("../../assets/icon.svg");
    conditional(&request, "image/svg+xml", text)
}
