//! The outputs of a stage, for whoever puts the picture together.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ErrorCode, ResultLine, Stage};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admin::is_admin, app::App, error::ApiError, openapi::ResultRefusals, request::Query,
    store::Output,
};

/// Lines that one answer holds at most.
const MAX_LINES: u64 = 10_000;

/// Jobs whose outputs may be asked for by number in one call.
const MAX_NUMBERS: usize = 100;

/// Lines in an answer where nobody says how many.
const LINES: u64 = 1_000;

/// The route that gives results out.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(results))
}

/// The outputs of a stage as JSON lines, in the order in which they were made; an empty answer is the end
#[utoipa::path(
    get,
    path = "/api/results",
    tag = "project",
    params(
        ("stage" = Stage, Query),
        ("after" = Option<u64>, Query, description = "The cursor of the last line that is known"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10_000, description = "Lines at most; fewer may come although there are more"),
        ("data" = Option<bool>, Query, description = "`false`: the lines say which jobs have an output, and leave the outputs out"),
        ("numbers" = Option<String>, Query, pattern = r"^[0-9]+(,[0-9]+)*$", description = "The outputs of these jobs alone, at most 100, separated by commas; those that there are. Then `after`, `limit` and `data` mean nothing")
    ),
    security((), ("admin" = [])),
    responses((status = 200, body = ResultLine, content_type = "application/x-ndjson"), ResultRefusals)
)]
async fn results(
    State(app): State<App>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !app.settings.public_results && !is_admin(&app.settings, &headers) {
        let sentence = "The results of this project are not public: show the admin token. Its \
                        operator makes them public with --public-results.";
        return Err(ApiError::Said(ErrorCode::NotAllowed, sentence.to_owned()));
    }
    let [letter] = query.all(["stage"])?;
    let stage = app.settings.stages.enabled(letter)?;
    let after = query.number("after", 0, 0, u64::MAX)?;
    let limit = query.number("limit", LINES, 1, MAX_LINES)?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let with_data = query.truth("data", true)?;
    // What does not fit comes with the next request, after this answer's last cursor.
    let most = usize::try_from(app.settings.max_body).unwrap_or(usize::MAX);
    let found = if let Some(numbers) = query.numbers("numbers", MAX_NUMBERS)? {
        lines(app.store.results_of(stage, &numbers).await?, most)
    } else if with_data {
        lines(app.store.results(stage, after, limit).await?, most)
    } else {
        let pairs = app.store.result_numbers(stage, after, limit).await?;
        let line = |(cursor, number)| ResultLine {
            cursor,
            number,
            data: None,
        };
        written(pairs.into_iter().map(line), most)
    };
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], found).into_response())
}

fn lines(outputs: Vec<Output>, most: usize) -> String {
    let line = |output: Output| ResultLine {
        cursor: output.cursor,
        number: output.number,
        data: Some(output.data),
    };
    written(outputs.into_iter().map(line), most)
}

/// The lines, as many as fit into so many bytes, and one at least.
fn written(lines: impl Iterator<Item = ResultLine>, most: usize) -> String {
    let mut text = String::new();
    for line in lines {
        let line = serde_json::to_string(&line).unwrap_or_default();
        if !text.is_empty() && text.len() + line.len() >= most {
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}
