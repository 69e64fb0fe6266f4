//! Changes to the job list while the project runs: adding jobs, and pruning exported ones.

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use distcompute_protocol::{ErrorCode, Stage};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::{admin::Admin, bodies::timed_out},
    error::{ApiError, fault},
    http::{
        openapi::{JobsRefusals, PruneRefusals},
        request,
    },
    operations::{
        import::{
            read::Fault,
            upload::{UploadError, ranges, upload},
        },
        prune::prune,
    },
    state::App,
    store::{Added, StoreError},
};

/// The header that identifies a request that adds jobs when it is repeated.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The maximum length of an idempotency key.
const MAX_KEY: usize = 128;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(add))
        .routes(routes!(remove))
}

/// The jobs that were added.
#[derive(Debug, Serialize, ToSchema)]
struct AddedJobs {
    /// How many jobs were added: with an idempotency key, by all calls with this key together;
    /// otherwise by this call, which are fewer than there are lines if an earlier call was
    /// interrupted.
    added: u64,
    /// The numbers assigned to them, in the order of the lines. More than one range if other jobs
    /// were added at the same time.
    numbers: Vec<Numbers>,
}

/// A contiguous range of job numbers.
#[derive(Debug, Serialize, ToSchema)]
struct Numbers {
    /// The first number.
    first: u64,
    /// The last number.
    last: u64,
}

/// Adds a job for each line: a JSON string, object or list, as `import --jsonl` takes them
///
/// All lines are checked before the first job is added; an invalid line is named and nothing is
/// added. After an interrupted call, repeat it with the same body to add what is missing. With an
/// idempotency key, a call can be repeated at any time: it is answered like the first one, and adds
/// nothing twice.
#[utoipa::path(
    post,
    path = "/api/jobs",
    tag = "operator",
    security(("admin" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = r"^[!-~]+$", description = "Identifies this call when it is repeated; unique to these jobs. Remembered for a week, and at least as long as fewer than 100,000 others have followed")
    ),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = AddedJobs), JobsRefusals)
)]
async fn add(
    admin: Admin,
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AddedJobs>, ApiError> {
    let key = idempotency_key(&headers)?;
    let file = spooled(body).await?;
    let has_files = app.files.objects().is_some();
    let added = upload(app.store.as_ref(), file, &admin.who, key, has_files).await;
    let added = added.map_err(refused)?;
    let numbers = added
        .iter()
        .map(|added| Numbers {
            first: added.first,
            last: added.last,
        })
        .collect();
    Ok(Json(AddedJobs {
        added: added.iter().map(Added::count).sum(),
        numbers,
    }))
}

/// The idempotency key of a request, if it has one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let is_key = |key: &&str| {
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let key = key.to_str().ok().filter(is_key);
    match (key, keys.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => {
            let message = format!(
                "An idempotency key is one text of 1 to {MAX_KEY} visible ASCII characters"
            );
            let loc = ["header", IDEMPOTENCY_KEY];
            let fault = fault("value_error", &loc, &message, None);
            Err(ApiError::Faults(vec![fault]))
        }
    }
}

/// Identifies the results that were exported.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Describes a body that is read field by field, for exact refusals.
struct PruneBody {
    /// The stage whose results were exported.
    stage: Stage,
    /// Jobs whose result has a lower cursor than this are pruned.
    before: u64,
}

/// The effect of a prune.
#[derive(Debug, Serialize, ToSchema)]
struct PrunedJobs {
    /// How many jobs were pruned.
    pruned: u64,
}

/// Deletes the texts and leases of finished jobs whose results were exported
#[utoipa::path(
    post,
    path = "/api/prune",
    tag = "operator",
    security(("admin" = [])),
    request_body = PruneBody,
    responses((status = 200, body = PrunedJobs), PruneRefusals)
)]
async fn remove(
    admin: Admin,
    State(app): State<App>,
    body: request::Body,
) -> Result<Json<PrunedJobs>, ApiError> {
    let mut fields = body.fields(&["stage", "before"]).await?;
    let [letter] = fields.texts(["stage"])?;
    let stage = app.settings.stages.enabled(&letter)?;
    let before = fields.whole_number("before")?.ok_or_else(|| {
        let loc = ["body", "before"];
        ApiError::Faults(vec![fault("missing", &loc, "Field required", None)])
    })?;
    let pruned = prune(app.store.as_ref(), stage, before, &admin.who).await?;
    Ok(Json(PrunedJobs { pruned }))
}

/// Spools the body to an anonymous temporary file: it is read twice and may be larger than memory.
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
                return ApiError::Explained(ErrorCode::TooSlow, sentence);
            }
            let message = format!("The body could not be read: {error}");
            ApiError::Faults(vec![fault("body_unreadable", &["body"], &message, None)])
        })?;
        file.write_all(&chunk).await.map_err(full)?;
    }
    file.flush().await.map_err(full)?;
    Ok(file.into_std().await)
}

fn refused(error: UploadError) -> ApiError {
    match error {
        UploadError::Source(Fault::Bad { line, why }) => {
            let line = format!("line {line}");
            let message = format!("{why} Nothing was added.");
            ApiError::Faults(vec![fault("value_error", &["body", &line], &message, None)])
        }
        UploadError::Files(why) => {
            let message = format!("{why} Nothing was added.");
            ApiError::Faults(vec![fault("value_error", &["body"], &message, None)])
        }
        UploadError::Source(Fault::Unreadable(error)) => {
            StoreError::Unavailable(error.to_string()).into()
        }
        UploadError::Source(Fault::Stopped) => ApiError::Refused(ErrorCode::Internal),
        UploadError::Store(error) => error.into(),
        UploadError::Partial { jobs, there, added } => {
            let sentence = format!(
                "The database failed after the first {there} of {jobs} jobs, which were added, now as \
                 numbers {}. Send the same again: it adds the rest.",
                ranges(&added)
            );
            ApiError::Explained(ErrorCode::Unavailable, sentence)
        }
    }
}
