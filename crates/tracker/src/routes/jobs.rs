//! Jobs that a running project adds.

use axum::{Json, body::Body, extract::State};
use distcompute_protocol::ErrorCode;
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admin::Admin,
    app::App,
    error::ApiError,
    import::{Fault, upload},
    openapi::AdminRefusals,
    request::{fault, timed_out},
    store::{Added, StoreError},
};

/// The route that takes jobs.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(add))
}

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
struct AddedJobs {
    /// How many jobs.
    added: u64,
    /// The numbers that they were given, in the order of the lines. More than one range where
    /// somebody else added jobs at the same time.
    numbers: Vec<Numbers>,
}

/// Numbers without a gap.
#[derive(Debug, Serialize, ToSchema)]
struct Numbers {
    /// The first.
    first: u64,
    /// The last.
    last: u64,
}

/// Adds a job for each line: a JSON string, object or list, as `import --jsonl` takes them
///
/// All lines are checked before the first job is added; a bad line is named and nothing is added.
#[utoipa::path(
    post,
    path = "/api/jobs",
    tag = "operator",
    security(("admin" = [])),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = AddedJobs), AdminRefusals)
)]
async fn add(
    admin: Admin,
    State(app): State<App>,
    body: Body,
) -> Result<Json<AddedJobs>, ApiError> {
    let file = spooled(body).await?;
    let (file, count) = upload::check(file).await.map_err(refused)?;
    let (added, outcome) = upload::add(app.store.as_ref(), file).await;
    let so_far: u64 = added.iter().map(Added::count).sum();
    if let Err(error) = outcome {
        if so_far == 0 {
            return Err(error.into());
        }
        tracing::error!(%error, "not all jobs were added");
        let sentence = format!(
            "The database failed after the first {so_far} of {count} jobs, which were added: \
             numbers {}. Send the lines behind them again.",
            in_words(&added)
        );
        return Err(ApiError::Said(ErrorCode::Unavailable, sentence));
    }
    tracing::info!(who = %admin.who, added = so_far, "jobs were added");
    let numbers = added
        .iter()
        .map(|added| Numbers {
            first: added.first,
            last: added.last,
        })
        .collect();
    Ok(Json(AddedJobs {
        added: so_far,
        numbers,
    }))
}

fn in_words(added: &[Added]) -> String {
    let ranges: Vec<_> = added
        .iter()
        .map(|added| format!("{} to {}", added.first, added.last))
        .collect();
    if ranges.is_empty() {
        "none".to_owned()
    } else {
        ranges.join(", ")
    }
}

/// The body in a file that vanishes by itself: it is read twice, and may be larger than memory.
async fn spooled(body: Body) -> Result<std::fs::File, ApiError> {
    let full = |error: std::io::Error| {
        StoreError::Unavailable(format!("the jobs cannot be kept for checking: {error}"))
    };
    let file = tempfile::tempfile().map_err(full)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            if timed_out(&error) {
                let sentence = "The jobs came too slowly; nothing was added.".to_owned();
                return ApiError::Said(ErrorCode::TooSlow, sentence);
            }
            let message = format!("The body could not be read: {error}");
            ApiError::Faults(vec![fault("body_unreadable", &["body"], &message, None)])
        })?;
        file.write_all(&chunk).await.map_err(full)?;
    }
    file.flush().await.map_err(full)?;
    Ok(file.into_std().await)
}

fn refused(fault_: Fault) -> ApiError {
    match fault_ {
        Fault::Bad { line, why } => {
            let line = format!("line {line}");
            let message = format!("{why} Nothing was added.");
            ApiError::Faults(vec![fault("value_error", &["body", &line], &message, None)])
        }
        Fault::Unreadable(error) => StoreError::Unavailable(error.to_string()).into(),
        Fault::Stopped => ApiError::Refused(ErrorCode::Internal),
    }
}
