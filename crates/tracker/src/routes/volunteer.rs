//! The calls of the job protocol that volunteers make.

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use distcompute_protocol::{MAX_PROGRESS, NewJob, NewWorker, OK_TEXT, Stage, cut};

use crate::{
    app::App,
    error::ApiError,
    request::{Body, Query, fault, quoted},
    rules::names,
    store,
};

/// The routes under `/api/` that volunteers call.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/new", get(new))
        .route("/api/validateWorker", post(validate_worker))
        .route("/api/jobCount", get(job_count))
        .route("/api/newJob", post(new_job))
        .route("/api/updateProgress", post(update_progress))
        .route("/api/completeJob", post(complete_job))
        .route("/api/flagInvalidData", post(flag_invalid_data))
        .route("/api/bye", post(bye))
}

async fn new(State(app): State<App>, query: Query) -> Result<Json<NewWorker>, ApiError> {
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
    let token = names::token(app.random.bits());
    let display_name = names::display_name(app.random.bits());
    let worker = store::NewWorker {
        token: token.clone(),
        display_name: display_name.clone(),
        nickname,
        stage,
    };
    app.store.register(worker).await?;
    Ok(Json(NewWorker {
        token,
        display_name,
        project: app.settings.project.clone(),
        stage_name: app
            .settings
            .stages
            .name(stage)
            .unwrap_or_default()
            .to_owned(),
    }))
}

async fn validate_worker(State(app): State<App>, mut body: Body) -> Result<&'static str, ApiError> {
    let [token] = body.texts(["token"])?;
    Ok(if app.store.knows(&token).await? {
        "True"
    } else {
        "False"
    })
}

async fn job_count(State(app): State<App>, query: Query) -> Result<String, ApiError> {
    let [letter] = query.all(["stage"])?;
    let stage: Stage = letter.parse().map_err(|error| {
        (
            distcompute_protocol::ErrorCode::StageInvalid,
            format!("{error}"),
        )
    })?;
    if app.settings.stages.name(stage).is_none() {
        return Ok("0".to_owned());
    }
    Ok(app.store.open_jobs(stage).await?.to_string())
}

async fn new_job(State(app): State<App>, mut body: Body) -> Result<Json<NewJob>, ApiError> {
    let [token] = body.texts(["token"])?;
    let secret = names::lease_secret(app.random.bits());
    let job = app.store.claim(&token, secret).await?;
    Ok(Json(NewJob {
        data: job.data,
        number: job.number,
    }))
}

async fn update_progress(State(app): State<App>, mut body: Body) -> Result<&'static str, ApiError> {
    let [token, progress] = body.texts(["token", "progress"])?;
    app.store
        .note_progress(&token, cut(&progress, MAX_PROGRESS))
        .await?;
    Ok(OK_TEXT)
}

async fn complete_job(State(app): State<App>, mut body: Body) -> Result<&'static str, ApiError> {
    let [token, data] = body.texts(["token", "data"])?;
    app.store.complete(&token, body.job_number()?, data).await?;
    Ok(OK_TEXT)
}

async fn flag_invalid_data(
    State(app): State<App>,
    mut body: Body,
) -> Result<&'static str, ApiError> {
    let [token] = body.texts(["token"])?;
    app.store.flag(&token, body.job_number()?).await?;
    Ok(OK_TEXT)
}

async fn bye(State(app): State<App>, mut body: Body) -> Result<&'static str, ApiError> {
    let [token] = body.texts(["token"])?;
    app.store.leave(&token).await?;
    Ok(OK_TEXT)
}
