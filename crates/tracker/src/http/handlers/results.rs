//! The outputs of a stage, for the project's owner.

use std::{convert::Infallible, iter};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use distcompute_protocol::{ErrorCode, ResultLine, RetractionLine, Stage};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::{address_limits::Group, admin::is_admin},
    error::ApiError,
    http::{handlers::addressed, openapi::ResultRefusals, request::Query},
    state::App,
    store::Output,
};

/// The maximum number of lines in one response.
const MAX_LINES: u64 = 10_000;

/// The maximum number of lines, and below it the maximum size in bytes (exceeded at most by the
/// last line), that are read from the store at once.
const PIECE_LINES: u32 = 256;
const PIECE_BYTES: usize = 8 << 20;

/// The maximum number of jobs whose outputs can be requested by number in one call.
const MAX_NUMBERS: usize = 100;

/// The default number of lines.
const LINES: u64 = 1_000;

/// The route of `results`.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(results))
        .routes(routes!(retractions))
}

/// Results are for the operator, unless they are public.
fn check_may_read(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    if app.settings.public_results || is_admin(&app.settings, headers) {
        return Ok(());
    }
    let sentence = "The results of this project are not public: show the admin token. Its \
                    operator makes them public with --public-results.";
    Err(ApiError::Explained(
        ErrorCode::NotAllowed,
        sentence.to_owned(),
    ))
}

/// Lists results of a stage that counted once and no longer do, as JSON lines in the order in which
/// they ceased to; an empty body is the end
#[utoipa::path(
    get,
    path = "/api/retractions",
    tag = "project",
    params(
        ("stage" = Stage, Query),
        ("after" = Option<u64>, Query, description = "The cursor of the last line received"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10_000, description = "The maximum number of lines")
    ),
    security((), ("admin" = [])),
    responses((status = 200, body = RetractionLine, content_type = "application/x-ndjson"), ResultRefusals)
)]
async fn retractions(
    State(app): State<App>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_may_read(&app, &headers)?;
    let [letter] = query.all(["stage"])?;
    let stage = app.settings.stages.enabled(letter)?;
    let after = query.number("after", 0, 0, u64::MAX)?;
    let limit = query.number("limit", LINES, 1, MAX_LINES)?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = app.store.retractions(stage, after, limit).await?;
    let lines = found.into_iter().map(|one| RetractionLine {
        cursor: one.cursor,
        number: one.number,
    });
    let most = usize::try_from(app.settings.max_body).unwrap_or(usize::MAX);
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, written(lines, most)).into_response())
}

/// Lists the outputs of a stage as JSON lines in the order of completion; an empty body is the end
#[utoipa::path(
    get,
    path = "/api/results",
    tag = "project",
    params(
        ("stage" = Stage, Query),
        ("after" = Option<u64>, Query, description = "The cursor of the last line received"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10_000, description = "The maximum number of lines; fewer may be returned although there are more"),
        ("data" = Option<bool>, Query, description = "`false`: only list which jobs have an output, without the outputs"),
        ("numbers" = Option<String>, Query, pattern = r"^[0-9]+(,[0-9]+)*$", description = "Only the existing outputs of these jobs, at most 100, separated by commas. `after`, `limit` and `data` are ignored then")
    ),
    security((), ("admin" = [])),
    responses((status = 200, body = ResultLine, content_type = "application/x-ndjson"), ResultRefusals)
)]
async fn results(
    State(app): State<App>,
    group: Option<Extension<Group>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_may_read(&app, &headers)?;
    let [letter] = query.all(["stage"])?;
    let stage = app.settings.stages.enabled(letter)?;
    let after = query.number("after", 0, 0, u64::MAX)?;
    let limit = query.number("limit", LINES, 1, MAX_LINES)?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let with_data = query.truth("data", true)?;
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    // Lines that do not fit are left for the next request, after this response's last cursor.
    let most = usize::try_from(app.settings.max_body).unwrap_or(usize::MAX);
    // The admin token opens files by their names.
    let is_public = app.files.objects().is_some() && !is_admin(&app.settings, &headers);
    let found = if let Some(numbers) = query.numbers("numbers", MAX_NUMBERS)? {
        let mut outputs = app.store.results_of(stage, &numbers).await?;
        if is_public {
            addressed::outputs(&app, &mut outputs).await?;
        }
        written(outputs.into_iter().map(line), most)
    } else if with_data {
        let mut pieces = Pieces {
            app,
            group: group.map(|Extension(group)| group),
            stage,
            after,
            lines: limit,
            most,
            bytes: 0,
            is_public,
        };
        // The first piece is read before the response begins, so that a failure to read becomes an
        // error response and not a truncated body.
        let first = pieces.next().await?;
        let rest = stream::unfold(pieces, |mut pieces| async move {
            // If a later piece fails, the response ends early: the caller continues after the last
            // line.
            let piece = pieces.next().await.ok().flatten()?;
            Some((piece, pieces))
        });
        let all = stream::iter(first)
            .chain(rest.fuse())
            .map(Ok::<_, Infallible>);
        return Ok((kind, Body::from_stream(all)).into_response());
    } else {
        let pairs = app.store.result_numbers(stage, after, limit).await?;
        let line = |(cursor, number)| ResultLine {
            cursor,
            number,
            data: None,
        };
        written(pairs.into_iter().map(line), most)
    };
    Ok((kind, found).into_response())
}

/// A response body read from the store piece by piece, each when the caller has consumed the
/// previous one.
struct Pieces {
    app: App,
    group: Option<Group>,
    stage: Stage,
    /// The cursor of the last line sent.
    after: u64,
    /// How many more lines may be sent.
    lines: u32,
    /// The maximum size of the response, and its size so far, in bytes.
    most: usize,
    bytes: usize,
    /// Whether the files that they name are given addresses.
    is_public: bool,
}

impl Pieces {
    /// Reads the next lines; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let limit = self.lines.min(PIECE_LINES);
        if limit == 0 {
            return Ok(None);
        }
        // Twice: once as read from the store, once as sent.
        let share = self.app.bodies.reserve(self.group, 2 * PIECE_BYTES).await?;
        let outputs = self.app.store.results(self.stage, self.after, limit);
        let mut outputs = outputs.await?;
        if self.is_public {
            addressed::outputs(&self.app, &mut outputs).await?;
        }
        let mut text = String::new();
        for output in outputs {
            let cursor = output.cursor;
            let line = written(iter::once(line(output)), 0);
            let bytes = self.bytes + text.len();
            if bytes > 0 && bytes + line.len() > self.most {
                self.lines = 0;
                break;
            }
            text.push_str(&line);
            self.after = cursor;
            self.lines -= 1;
        }
        self.bytes += text.len();
        Ok((!text.is_empty()).then(|| share.with(Bytes::from(text))))
    }
}

fn line(output: Output) -> ResultLine {
    ResultLine {
        cursor: output.cursor,
        number: output.number,
        data: Some(output.data),
    }
}

/// Serializes as many lines as fit into `most` bytes, and at least one.
fn written(lines: impl Iterator<Item = impl Serialize>, most: usize) -> String {
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
