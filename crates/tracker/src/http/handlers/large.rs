//! Answers with inputs that are too large to be read within the transaction that grants the jobs.

use axum::{
    Extension,
    body::Body,
    http::header,
    response::{IntoResponse as _, Response},
};

use super::addressed;
use crate::{
    admission::{address_limits::Group, bodies::AlreadyCounted},
    error::ApiError,
    state::App,
    store::{GrantedLease, READ_WITH_CHANGES, input_bytes},
};

/// The content type of JSON.
pub(super) const JSON: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/json")];

/// The size of these inputs, if they are still to be read.
pub(super) fn unread(granted: &[GrantedLease]) -> Option<u64> {
    Some(input_bytes(granted)).filter(|bytes| *bytes > READ_WITH_CHANGES)
}

/// Reads these inputs, of `bytes` in total, and answers with the JSON that `write` makes of them.
pub(super) async fn answer<W>(
    app: &App,
    group: Option<Extension<Group>>,
    mut granted: Vec<GrantedLease>,
    bytes: u64,
    write: W,
) -> Result<Response, ApiError>
where
    W: FnOnce(Vec<GrantedLease>) -> Result<Vec<u8>, ApiError> + Send + 'static,
{
    // Reserved before the inputs are read: if there is no memory for an answer, the request costs
    // no more than that. The client's next call puts the jobs back.
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let group = group.map(|Extension(group)| group);
    let share = app.bodies.reserve_now(group, bytes).await?;
    app.store.read_inputs(&mut granted).await?;
    addressed::inputs(app, &mut granted).await?;
    let json = app.bodies.work(bytes, move || write(granted)).await?;
    let body = Body::from(share.with(json.into()));
    Ok((JSON, Extension(AlreadyCounted), body).into_response())
}
