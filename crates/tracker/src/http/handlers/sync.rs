//! `POST /api/sync`: one call for everything that a browser with many cores reports and asks for.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use distcompute_protocol::{Granted, MAX_SYNC_ITEMS, SyncAnswer, SyncRequest};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::address_limits::Group,
    config::Settings,
    error::{ApiError, fault, quoted},
    http::{
        handlers::{addressed, large, named_files},
        openapi::SyncRefusals,
        request::Body,
    },
    rules::names,
    state::App,
    store::{StoreError, SyncReply},
};

/// The largest `seq`: JavaScript's largest safe integer.
const MAX_SEQ: u64 = (1 << 53) - 1;

/// The route of `sync`.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sync))
}

/// Reports everything about one client's jobs and hands out more
#[utoipa::path(
    post,
    path = "/api/sync",
    tag = "volunteer",
    request_body = SyncRequest,
    responses((status = 200, body = SyncAnswer), SyncRefusals)
)]
async fn sync(
    State(app): State<App>,
    group: Option<Extension<Group>>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = body.read::<SyncRequest>().await?;
    let mut request = body.value;
    // Only the token needs checking: leases are looked up by their numbers alone, and texts for
    // people are sanitized.
    if let Err(sentence) = names::no_nul(&request.token) {
        let given = Some(quoted(&request.token));
        let fault = fault("value_error", &["body", "token"], &sentence, given);
        return Err(ApiError::Faults(vec![fault]));
    }
    if request.items() > MAX_SYNC_ITEMS {
        let message = format!("All lists together have at most {MAX_SYNC_ITEMS} entries");
        return Err(ApiError::Faults(vec![fault(
            "too_long",
            &["body"],
            &message,
            None,
        )]));
    }
    if request.seq > MAX_SEQ {
        let given = Some(request.seq.to_string());
        let message = format!("Input should be at most {MAX_SEQ}");
        let fault = fault("less_than_equal", &["body", "seq"], &message, given);
        return Err(ApiError::Faults(vec![fault]));
    }
    // Half of the largest body, because a text may take more bytes in JSON than by itself.
    let most = app.settings.max_body / 2;
    let asked = request.want_bytes.unwrap_or(most);
    request.want_bytes = Some(asked.min(most));
    let refused = named_files::all(&app, &mut request).await?;
    let mut reply = app.store.sync(request).await?;
    reply.rejected.extend(refused);
    let settings = Arc::clone(&app.settings);
    let Some(bytes) = large::unread(&reply.granted) else {
        addressed::inputs(&app, &mut reply.granted).await?;
        let written = answer(&settings, reply)?;
        return Ok((large::JSON, written).into_response());
    };
    let granted = std::mem::take(&mut reply.granted);
    let write = move |granted| {
        let reply = SyncReply { granted, ..reply };
        answer(&settings, reply)
    };
    large::answer(&app, group, granted, bytes, write).await
}

/// Serializes the answer: as many jobs as fit into the largest body, and at least one.
fn answer(settings: &Settings, reply: SyncReply) -> Result<Vec<u8>, ApiError> {
    let granted = reply.granted.into_iter().map(|lease| Granted {
        number: u64::try_from(lease.number).unwrap_or(0),
        data: lease.data,
        lease: lease.lease,
        lease_s: settings.lease_s,
        attempt: u32::try_from(lease.attempt).unwrap_or(u32::MAX),
    });
    let mut answer = SyncAnswer {
        jobs: Vec::new(),
        accepted: reply.accepted,
        rejected: reply.rejected,
        lost: reply.lost,
        open: reply.open,
        wait_s: reply.wait_s,
        app_version: settings.app_version.clone(),
        // Clients that do not know `limited` take getting fewer jobs than wanted to mean that there
        // are no more, unless `left_bytes` says otherwise.
        left_bytes: if reply.limited { 1 } else { reply.left_bytes },
        limited: reply.limited,
        unconfirmed: reply.unconfirmed,
        paused: reply.paused,
    };
    let mut bytes = written(&answer);
    for job in granted {
        let more = written(&job) + 1;
        if !answer.jobs.is_empty() && bytes.saturating_add(more) > settings.max_body {
            // The client cannot report a lease that it has not received, so its next sync puts this
            // job back where it was.
            answer.left_bytes = answer.left_bytes.max(more);
            break;
        }
        bytes = bytes.saturating_add(more);
        answer.jobs.push(job);
    }
    serde_json::to_vec(&answer).map_err(|error| StoreError::Failed(error.to_string()).into())
}

/// Returns the size of a value as JSON, in bytes.
fn written(of: &impl Serialize) -> u64 {
    let mut count = Count(0);
    // Counting cannot fail, so there is no error to report.
    let _ = serde_json::to_writer(&mut count, of);
    count.0
}

/// A writer that only counts bytes.
struct Count(u64);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
