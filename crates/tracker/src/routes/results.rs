//! The outputs of a stage, for whoever puts the picture together.

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use distcompute_protocol::{ErrorCode, ResultLine};

use crate::{app::App, error::ApiError, request::Query};

/// Lines that one answer holds at most.
const MAX_LINES: u64 = 10_000;

/// Lines in an answer where nobody says how many.
const LINES: u64 = 1_000;

/// The route that gives results out.
pub fn router() -> Router<App> {
    Router::new().route("/api/results", get(results))
}

async fn results(State(app): State<App>, query: Query) -> Result<Response, ApiError> {
    if !app.settings.public_results {
        let sentence = "The results of this project are not public. Its operator makes them \
                        public with --public-results.";
        return Err(ApiError::Said(ErrorCode::NotAllowed, sentence.to_owned()));
    }
    let [letter] = query.all(["stage"])?;
    let stage = app.settings.stages.enabled(letter)?;
    let after = query.number("after", 0, 0, u64::MAX)?;
    let limit = query.number("limit", LINES, 1, MAX_LINES)?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let mut lines = String::new();
    for output in app.store.results(stage, after, limit).await? {
        let line = ResultLine {
            cursor: output.cursor,
            number: output.number,
            data: output.data,
        };
        lines.push_str(&serde_json::to_string(&line).unwrap_or_default());
        lines.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}
