//! The volunteers' calls of the first job protocol.

use axum::{
    Extension, Json,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use distcompute_protocol::{
    CompleteJob, ErrorCode, FILES_EXTENSION, FlagInvalidData, MAX_PROGRESS, NewJob, NewWorker,
    OK_TEXT, Registration, SYNC_EXTENSION, Stage, TokenBody, UpdateProgress, cut,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::{address_limits::Group, client_address::ClientAddress},
    error::{ApiError, fault, quoted},
    http::{
        handlers::{addressed, large, named_files, proofs},
        join_path::{self, KeyOfPath},
        openapi::{
            Away, BodyRefusals, ClaimRefusals, CompleteRefusals, CountRefusals, FlagRefusals,
            NewRefusals, WorkerRefusals,
        },
        request::{Body, Query},
    },
    rules::{browser, fetch_metadata::is_fetch, names, payload},
    state::App,
    store::{self, GrantedLease, StoreError},
};

/// The largest body of a call that carries no job data, in bytes. It has room for a progress line
/// of any length that a client is likely to send.
const SMALL_BODY: usize = 64 * 1024;

/// The routes under `/api/` that volunteers call.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(new))
        .routes(routes!(nonce))
        .routes(routes!(validate_worker))
        .routes(routes!(job_count))
        .routes(routes!(new_job))
        .routes(routes!(update_progress))
        .routes(routes!(flag_invalid_data))
        .routes(routes!(bye))
        .layer(DefaultBodyLimit::max(SMALL_BODY))
        // Only this call carries job data and gets the larger limit.
        .routes(routes!(complete_job))
}

/// Registers a worker at a stage
#[utoipa::path(
    get,
    path = "/api/new",
    tag = "volunteer",
    params(
        ("nickname" = String, Query, max_length = 128, description = "The nickname of the volunteer"),
        ("stage" = Stage, Query, description = "The stage at which the worker works"),
        ("distcompute-join-key" = Option<String>, Header, description = "The join key, if the project is not for everybody; /join/KEY in front of the path stands for it"),
        ("dpop" = Option<String>, Header, description = "A proof that the volunteer holds a key (RFC 9449), with a nonce of this tracker")
    ),
    responses((status = 200, body = Registration), NewRefusals)
)]
async fn new(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    key_of_path: Option<Extension<KeyOfPath>>,
    query: Query,
) -> Result<Response, ApiError> {
    let registered = register(&app, client, &headers, key_of_path.as_deref(), &query).await;
    proofs::answer(&app, &headers, registered.map(Json)).await
}

/// Returns a nonce for the proof of a key, in the header `DPoP-Nonce`
#[utoipa::path(
    get,
    path = "/api/nonce",
    tag = "volunteer",
    responses(
        (status = 204, description = "The nonce is in the header", headers(("dpop-nonce" = String, description = "A nonce that is accepted once"))),
        Away
    )
)]
async fn nonce(State(app): State<App>) -> Result<Response, ApiError> {
    proofs::with_nonce(&app, StatusCode::NO_CONTENT.into_response(), false).await
}

async fn register(
    app: &App,
    client: ClientAddress,
    headers: &HeaderMap,
    key_of_path: Option<&KeyOfPath>,
    query: &Query,
) -> Result<Registration, ApiError> {
    let header_text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if !is_fetch(header_text("sec-fetch-dest"), header_text("sec-fetch-mode")) {
        let sentence = "This address registers a worker for a script that calls it with fetch. \
                        It is no page, and no picture.";
        return Err(ApiError::Explained(
            ErrorCode::NotAFetch,
            sentence.to_owned(),
        ));
    }
    if let Some(key) = &app.settings.join_key {
        let shown = join_path::shown(headers, key_of_path);
        if !shown.is_some_and(|shown| key.is(shown)) {
            return Err(ApiError::Refused(ErrorCode::JoinKeyRequired));
        }
    }
    let [typed, letter] = query.all(["nickname", "stage"])?;
    let nickname = names::nickname(typed).map_err(|sentence| {
        let input = Some(quoted(typed));
        ApiError::Faults(vec![fault(
            "value_error",
            &["query", "nickname"],
            &sentence,
            input,
        )])
    })?;
    let stage = app.settings.stages.enabled(letter)?;
    let proven = proofs::shown(app, headers, key_of_path, ("GET", "/api/new")).await?;
    let proven = proven.map(|(key, _)| key);
    let token = names::token(app.random.bits());
    let display_name = names::display_name(app.random.bits());
    let worker = store::NewWorker {
        token: token.clone(),
        display_name: display_name.clone(),
        nickname,
        address: client.text(),
        proven,
        browser: browser::kind(header_text("user-agent").unwrap_or_default()),
        stage,
    };
    app.store.register(worker).await?;
    let worker = NewWorker {
        token,
        display_name,
        project: app.settings.project.clone(),
        stage_name: app
            .settings
            .stages
            .name(stage)
            .unwrap_or_default()
            .to_owned(),
    };
    Ok(Registration {
        worker,
        extensions: extensions(app),
        lease_s: app.settings.lease_s,
        max_body: app.settings.max_body,
        app_version: app.settings.app_version.clone(),
    })
}

/// What this tracker supports beyond the first protocol.
fn extensions(app: &App) -> Vec<String> {
    let files = app.files.objects().map(|_| FILES_EXTENSION);
    let supported = [Some(SYNC_EXTENSION), files].into_iter().flatten();
    supported.map(str::to_owned).collect()
}

/// Says whether the tracker knows the worker: `True` or `False`
#[utoipa::path(
    post,
    path = "/api/validateWorker",
    tag = "volunteer",
    request_body = TokenBody,
    responses((status = 200, body = String, content_type = "text/plain"), BodyRefusals)
)]
async fn validate_worker(State(app): State<App>, body: Body) -> Result<&'static str, ApiError> {
    let [token] = body.fields(&["token"]).await?.texts(["token"])?;
    Ok(if app.store.knows(&token).await? {
        "True"
    } else {
        "False"
    })
}

/// Says how many jobs are open at a stage
#[utoipa::path(
    get,
    path = "/api/jobCount",
    tag = "volunteer",
    params(("stage" = Stage, Query)),
    responses((status = 200, body = String, content_type = "text/plain"), CountRefusals)
)]
async fn job_count(State(app): State<App>, query: Query) -> Result<String, ApiError> {
    let [letter] = query.all(["stage"])?;
    let stage: Stage = letter
        .parse()
        .map_err(|error| (ErrorCode::StageInvalid, format!("{error}")))?;
    if app.settings.stages.name(stage).is_none() {
        return Ok("0".to_owned());
    }
    Ok(app.store.open_jobs(stage).await?.to_string())
}

/// Puts back what the worker holds and hands it another job
#[utoipa::path(
    post,
    path = "/api/newJob",
    tag = "volunteer",
    request_body = TokenBody,
    responses((status = 200, body = NewJob), ClaimRefusals)
)]
async fn new_job(
    State(app): State<App>,
    group: Option<Extension<Group>>,
    body: Body,
) -> Result<Response, ApiError> {
    let [token] = body.fields(&["token"]).await?.texts(["token"])?;
    let secret = names::lease_secret(app.random.bits());
    let lease = app.store.claim(&token, secret).await?;
    let mut granted = vec![lease];
    match large::unread(&granted) {
        None => {
            addressed::inputs(&app, &mut granted).await?;
            Ok((large::JSON, claimed(granted)?).into_response())
        }
        Some(bytes) => large::answer(&app, group, granted, bytes, claimed).await,
    }
}

/// Serializes the answer to a claim.
fn claimed(granted: Vec<GrantedLease>) -> Result<Vec<u8>, ApiError> {
    // A job that was taken away before its input could be read: the next call claims another one.
    let lease = granted.into_iter().next().ok_or(StoreError::Busy)?;
    let job = NewJob {
        data: lease.data,
        number: u64::try_from(lease.number).unwrap_or(0),
    };
    serde_json::to_vec(&job).map_err(|error| StoreError::Failed(error.to_string()).into())
}

/// Stores the worker's progress line
#[utoipa::path(
    post,
    path = "/api/updateProgress",
    tag = "volunteer",
    request_body = UpdateProgress,
    responses((status = 200, body = String, content_type = "text/plain"), WorkerRefusals)
)]
async fn update_progress(State(app): State<App>, body: Body) -> Result<&'static str, ApiError> {
    let mut fields = body.fields(&["token", "progress"]).await?;
    let [token, progress] = fields.texts(["token", "progress"])?;
    app.store
        .note_progress(&token, cut(&progress, MAX_PROGRESS))
        .await?;
    Ok(OK_TEXT)
}

/// Takes the output of the worker's job
#[utoipa::path(
    post,
    path = "/api/completeJob",
    tag = "volunteer",
    request_body = CompleteJob,
    responses((status = 200, body = String, content_type = "text/plain"), CompleteRefusals)
)]
async fn complete_job(State(app): State<App>, body: Body) -> Result<&'static str, ApiError> {
    let mut fields = body.fields(&["token", "data", "number"]).await?;
    let [token, data] = fields.texts(["token", "data"])?;
    let number = fields.job_number()?;
    payload::check(&data).map_err(|sentence| {
        let given = Some(quoted(&data));
        let loc = ["body", "data"];
        ApiError::Faults(vec![fault("value_error", &loc, &sentence, given)])
    })?;
    let data = named_files::one(&app, &token, number, data).await?;
    app.store.complete(&token, number, data).await?;
    Ok(OK_TEXT)
}

/// Flags the input of the worker's job as bad and puts the job back
#[utoipa::path(
    post,
    path = "/api/flagInvalidData",
    tag = "volunteer",
    request_body = FlagInvalidData,
    responses((status = 200, body = String, content_type = "text/plain"), FlagRefusals)
)]
async fn flag_invalid_data(State(app): State<App>, body: Body) -> Result<&'static str, ApiError> {
    let mut fields = body.fields(&["token", "number"]).await?;
    let [token] = fields.texts(["token"])?;
    app.store.flag(&token, fields.job_number()?).await?;
    Ok(OK_TEXT)
}

/// Removes the worker and puts its job back
#[utoipa::path(
    post,
    path = "/api/bye",
    tag = "volunteer",
    request_body = TokenBody,
    responses((status = 200, body = String, content_type = "text/plain"), WorkerRefusals)
)]
async fn bye(State(app): State<App>, body: Body) -> Result<&'static str, ApiError> {
    let [token] = body.fields(&["token"]).await?.texts(["token"])?;
    app.store.leave(&token).await?;
    Ok(OK_TEXT)
}
