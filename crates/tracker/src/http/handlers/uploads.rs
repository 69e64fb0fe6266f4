//! Uploads of files: the calls that begin, continue and finish them, and, where files are in a folder,
//! the one that takes a part.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Body as RawBody,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use distcompute_protocol::{
    AskParts, BeginUpload, ErrorCode, FILE_PREFIX, FileRef, FinishUpload, OK_TEXT, UploadBegun,
    UploadChecking, UploadFinished, UploadParts, is_file_name, is_file_type,
};
use futures_util::StreamExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admission::{
        address_limits::Group,
        admin::{self, is_admin},
        bodies::timed_out,
    },
    error::{ApiError, fault, quoted},
    files::{FileError, folder::Folder, uploads},
    http::{
        openapi::{FinishRefusals, PartRefusals, UploadRefusals, UploadsRefusals},
        request::{Body, Query},
    },
    rules::{
        file_grants::{Part, Refusal, UPLOAD_LASTS, Upload},
        names, quotas,
    },
    state::App,
};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(parts))
        .routes(routes!(finish))
        .routes(routes!(part))
}

/// Who uploads.
struct Uploader {
    lease: i64,
    job: i64,
}

impl Uploader {
    const OWNER: Self = Self { lease: 0, job: 0 };

    fn is_owner(&self) -> bool {
        self.lease == 0
    }

    /// The owner, by the admin token, or a worker with a lease.
    async fn find(
        app: &App,
        headers: &HeaderMap,
        token: &str,
        lease: &str,
    ) -> Result<Self, ApiError> {
        app.files.there()?;
        if is_admin(&app.settings, headers) {
            return Ok(Self::OWNER);
        }
        if token.is_empty() && lease.is_empty() {
            return Err(admin::refusal(&app.settings));
        }
        for (name, text) in [("token", token), ("lease", lease)] {
            names::no_nul(text).map_err(|sentence| {
                let fault = fault(
                    "value_error",
                    &["body", name],
                    &sentence,
                    Some(quoted(text)),
                );
                ApiError::Faults(vec![fault])
            })?;
        }
        if !app.store.knows(token).await? {
            return Err(ApiError::Refused(ErrorCode::WorkerUnknown));
        }
        let found = app.store.file_leases(vec![lease.to_owned()]).await?;
        match found.first() {
            Some((_, lease)) if lease.may_deliver => Ok(Self {
                lease: lease.id,
                job: lease.job,
            }),
            _ => Err(not_held().into()),
        }
    }

    /// Reads the text of an upload that must be this uploader's.
    async fn upload(&self, app: &App, text: &str) -> Result<Upload, ApiError> {
        let secret = app.keys.files(app.store.as_ref(), app.random.as_ref());
        let upload = Upload::read(secret.await?, text, app.keys.now());
        let upload = upload.map_err(refusal)?;
        if (upload.lease, upload.job) != (self.lease, self.job) {
            return Err(not_held().into());
        }
        Ok(upload)
    }
}

fn not_held() -> FileError {
    let sentence = "This is not the lease of a job that is held, or that could still be delivered.";
    FileError::NotGranted(sentence.to_owned())
}

fn refusal(of: Refusal) -> FileError {
    match of {
        Refusal::Forged => FileError::Unknown,
        Refusal::Expired => FileError::Expired,
    }
}

/// Begins the upload of a file
///
/// For a lease that the worker holds, or that has lapsed; or, with the admin token and without token
/// and lease, for the owner.
#[utoipa::path(
    post,
    path = "/api/uploads",
    tag = "volunteer",
    request_body = BeginUpload,
    responses((status = 200, body = UploadBegun), UploadsRefusals)
)]
async fn begin(
    State(app): State<App>,
    group: Option<Extension<Group>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<UploadBegun>, ApiError> {
    let body = body.read::<BeginUpload>().await?.value;
    if let Some(kind) = body.kind.as_deref().filter(|kind| !is_file_type(kind)) {
        let message = "A type is 1 to 127 visible ASCII characters without '\"' and '\\'";
        let fault = fault(
            "value_error",
            &["body", "type"],
            message,
            Some(quoted(kind)),
        );
        return Err(ApiError::Faults(vec![fault]));
    }
    let by = Uploader::find(&app, &headers, &body.token, &body.lease).await?;
    let objects = app.files.there()?;
    uploads::admit(app.store.as_ref(), &app.files, body.bytes, by.is_owner()).await?;
    let secret = app.keys.files(app.store.as_ref(), app.random.as_ref());
    let now = app.keys.now();
    let upload = Upload {
        lease: by.lease,
        job: by.job,
        bytes: body.bytes,
        until: now + UPLOAD_LASTS,
        id: app.random.bits(),
        kind: body.kind,
    };
    let text = upload.sign(secret.await?);
    app.files.goes_on(&upload, now)?;
    if let Some(Extension(group)) = group.filter(|_| !by.is_owner()) {
        let counted = app.files.count(group.0, body.bytes);
        counted.map_err(|wait| {
            app.files.ended(&upload);
            ApiError::Wait(quotas::retry_after_s(wait))
        })?;
    }
    let addresses = app.addresses().await?;
    let parts = uploads::part_addresses(objects, &addresses, &upload, 0.., now).await?;
    Ok(Json(UploadBegun {
        upload: text,
        part_bytes: objects.part_bytes(),
        parts,
    }))
}

/// Says which parts of an upload are stored, and where others are sent
#[utoipa::path(
    post,
    path = "/api/uploads/parts",
    tag = "volunteer",
    request_body = AskParts,
    responses((status = 200, body = UploadParts), UploadRefusals)
)]
async fn parts(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<UploadParts>, ApiError> {
    let body = body.read::<AskParts>().await?.value;
    let by = Uploader::find(&app, &headers, &body.token, &body.lease).await?;
    let upload = by.upload(&app, &body.upload).await?;
    let (objects, now) = (app.files.there()?, app.keys.now());
    app.files.goes_on(&upload, now)?;
    let addresses = app.addresses().await?;
    let parts = uploads::parts(objects, &addresses, &upload, body.from, now).await?;
    Ok(Json(parts))
}

/// Finishes an upload: the file is stored if its size and hash are right
///
/// Checking a large file takes a while. After ten seconds the answer is 202: send the same again.
#[utoipa::path(
    post,
    path = "/api/uploads/finish",
    tag = "volunteer",
    request_body = FinishUpload,
    responses(
        (status = 200, body = UploadFinished),
        (status = 202, body = UploadChecking, headers(("Retry-After" = u64))),
        FinishRefusals
    )
)]
async fn finish(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = body.read::<FinishUpload>().await?.value;
    let digits = body.sha256.strip_prefix(FILE_PREFIX);
    let name = format!("{FILE_PREFIX}{}", digits.unwrap_or(&body.sha256));
    if !is_file_name(&name) {
        let message = "A hash is 64 lower-case hexadecimal digits";
        let given = Some(quoted(&body.sha256));
        let fault = fault("value_error", &["body", "sha256"], message, given);
        return Err(ApiError::Faults(vec![fault]));
    }
    let by = Uploader::find(&app, &headers, &body.token, &body.lease).await?;
    let upload = by.upload(&app, &body.upload).await?;
    let patience = app.timeouts.check;
    match uploads::finish(&app.store, &app.files, &upload, &name, patience).await? {
        Some(checked_bytes) => {
            let again = [(header::RETRY_AFTER, "1")];
            let checking = Json(UploadChecking { checked_bytes });
            Ok((StatusCode::ACCEPTED, again, checking).into_response())
        }
        None => {
            let file = FileRef {
                file: name,
                bytes: upload.bytes,
                kind: upload.kind,
                url: None,
            };
            Ok(Json(UploadFinished { file }).into_response())
        }
    }
}

/// Takes a part of a file, at an address that the tracker has handed out
#[utoipa::path(
    put,
    path = "/api/uploads/part",
    tag = "volunteer",
    params(
        ("upload" = String, Query, description = "The place of the upload"),
        ("number" = u32, Query, description = "The part"),
        ("bytes" = u64, Query, description = "Its exact size"),
        ("until" = i64, Query, description = "When the address ends"),
        ("signature" = String, Query, description = "The tracker's signature of all these")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = String, content_type = "text/plain"), PartRefusals)
)]
async fn part(
    State(app): State<App>,
    query: Query,
    request: Request,
) -> Result<&'static str, ApiError> {
    let [upload, number, bytes, until, signature] =
        query.all(["upload", "number", "bytes", "until", "signature"])?;
    let folder = app.files.there()?.folder().ok_or(FileError::Unknown)?;
    let number_of = |text: &str| text.parse().ok();
    let part = Part {
        upload: upload.to_owned(),
        number: number.parse().map_err(|_| FileError::Unknown)?,
        bytes: number_of(bytes).ok_or(FileError::Unknown)?,
        until: until.parse().map_err(|_| FileError::Unknown)?,
    };
    let secret = app.keys.files(app.store.as_ref(), app.random.as_ref());
    let checked = part.check(secret.await?, signature, app.keys.now());
    checked.map_err(refusal)?;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match declared {
        Some(declared) if declared > part.bytes => return Err(too_long(&part).into()),
        Some(declared) if declared < part.bytes => {
            return Err(FileError::Incomplete(part.number).into());
        }
        _ => {}
    }
    if part.number == 0 {
        // The project may have been filled since the upload began.
        uploads::admit(app.store.as_ref(), &app.files, 0, true).await?;
    }
    let coming = app.files.room(part.bytes).await?;
    receive(folder, &part, request.into_body()).await?;
    drop(coming);
    app.files.came(&part.upload, app.keys.now());
    Ok(OK_TEXT)
}

/// How long a part may take to be written once it has arrived.
const WRITING: Duration = Duration::from_secs(60);

/// Writes a part while it comes.
async fn receive(folder: &Folder, part: &Part, body: RawBody) -> Result<(), ApiError> {
    let mut new = folder
        .new_part(&part.upload, part.number)
        .await
        .map_err(FileError::from)?;
    let mut chunks = body.into_data_stream();
    let mut received = 0_u64;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            if timed_out(&error) {
                let sentence = "The part came too slowly; send it again.".to_owned();
                return ApiError::Explained(ErrorCode::TooSlow, sentence);
            }
            FileError::Incomplete(part.number).into()
        })?;
        received = received.saturating_add(chunk.len() as u64);
        if received > part.bytes {
            return Err(too_long(part).into());
        }
        new.write(&chunk).await.map_err(FileError::from)?;
    }
    if received != part.bytes {
        return Err(FileError::Incomplete(part.number).into());
    }
    let finished = tokio::time::timeout(WRITING, new.finish()).await;
    let finished = finished.unwrap_or_else(|_| {
        let why = "the disk takes more than a minute for a part";
        Err(crate::files::objects::ObjectError::Failed(why.to_owned()))
    });
    Ok(finished.map_err(FileError::from)?)
}

fn too_long(part: &Part) -> FileError {
    FileError::TooLarge(format!(
        "Part {} has {} bytes, and more were sent.",
        part.number, part.bytes
    ))
}
