//! Files of jobs, by their addresses.

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use distcompute_protocol::{FILE_TYPE, is_file_name};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::admin::is_admin,
    error::ApiError,
    files::{FileError, folder::Opened, objects::Objects},
    http::{compression::Immutable, openapi::FileRefusals, request::Query},
    rules::{
        byte_range::{Asked, asked},
        file_grants,
    },
    state::App,
};

/// What a browser may do with a file that it is led to: nothing, on an origin of its own.
const POLICY: &str = "sandbox; default-src 'none'";

/// The bytes of a file never change.
const CACHE: &str = "private, max-age=31536000, immutable";

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(file))
}

/// A file of a job
///
/// At an address that a job's input or a public result contains, or by its name with the admin token. `Range` and `If-Range` are supported; a range beyond the end is answered 416. If the files
/// are in a cloud, the answer is a redirect to its store (307).
#[utoipa::path(
    get,
    path = "/api/files/{name}",
    tag = "volunteer",
    params(
        ("name" = String, Path, description = "sha256- and 64 hexadecimal digits"),
        ("until" = Option<i64>, Query, description = "When the address ends"),
        ("signature" = Option<String>, Query, description = "The tracker's signature of name and end")
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "The client has it: If-None-Match names its hash"),
        FileRefusals
    )
)]
async fn file(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let objects = app.files.there()?;
    let name = name.map(|Path(name)| name).unwrap_or_default();
    if !is_file_name(&name) {
        return Err(FileError::Unknown.into());
    }
    if !is_admin(&app.settings, &headers) {
        let until = query.get("until").and_then(|text| text.parse().ok());
        let (Some(until), Some(signature)) = (until, query.get("signature")) else {
            return Err(FileError::Unknown.into());
        };
        let secret = app.keys.files(app.store.as_ref(), app.random.as_ref());
        let now = app.keys.now();
        file_grants::check_file(secret.await?, &name, until, signature, now)
            .map_err(|_| FileError::Unknown)?;
    }
    #[cfg_attr(
        not(feature = "clouds"),
        allow(
            clippy::infallible_destructuring_match,
            reason = "there are clouds too"
        )
    )]
    let folder = match objects {
        Objects::Folder(folder) => folder,
        #[cfg(feature = "clouds")]
        Objects::Cloud(cloud) => {
            let address = cloud.file_address(&name).await.map_err(FileError::from)?;
            return Ok(axum::response::Redirect::temporary(&address).into_response());
        }
    };
    let opened = folder.open(&name).await.map_err(FileError::from)?;
    let tag = format!("\"{name}\"");
    let mut answer = answer(opened, &tag, &headers).await?;
    // The range that is wanted next may exist.
    let is_kept = answer.status() != StatusCode::RANGE_NOT_SATISFIABLE;
    let head = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, FILE_TYPE),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CONTENT_DISPOSITION, "attachment"),
        (
            header::CACHE_CONTROL,
            if is_kept { CACHE } else { "no-store" },
        ),
        (header::ACCEPT_RANGES, "bytes"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.insert(header::ETAG, tag);
    }
    if is_kept {
        answer.extensions_mut().insert(Immutable);
    }
    Ok(answer)
}

async fn answer(opened: Opened, tag: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag))
    {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let bytes = opened.bytes;
    // With another tag the client has another file, and wants all of this one.
    let is_same = text(header::IF_RANGE).is_none_or(|of| of == tag);
    let range = text(header::RANGE).filter(|_| is_same);
    let asked = range.map_or(Asked::Whole, |range| asked(range, bytes));
    let (status, from, count) = match asked {
        Asked::Whole => (StatusCode::OK, 0, bytes),
        Asked::Part { from, count } => (StatusCode::PARTIAL_CONTENT, from, count),
        Asked::Nothing => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{bytes}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let stream = opened.range(from, count).await;
    let stream = stream.map_err(|error| FileError::Away(error.to_string()))?;
    let length = [(header::CONTENT_LENGTH, count.to_string())];
    let mut answer = (status, length, Body::from_stream(stream)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{bytes}", from + count - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            answer.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(answer)
}
