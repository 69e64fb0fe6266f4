//! The OpenAPI document. It is built from the handlers' own declarations, so that no route can be
//! forgotten. This module adds what they have in common: the error responses.

use std::collections::BTreeMap;

use distcompute_protocol::{ERROR_HEADER, ErrorCode, ParameterFaults};
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema as _,
    openapi::{
        self, Content, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// The parts of the document that no handler declares.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "distcompute tracker",
        description = "The job protocol, and the calls of pages and operators. Errors are text for people; the header Distcompute-Error carries a stable code."
    ),
    tags(
        (name = "volunteer", description = "The calls of the job protocol"),
        (name = "project", description = "The project's description, progress and results"),
        (name = "operator", description = "Calls that need the admin token")
    ),
    components(schemas(ParameterFaults)),
    modifiers(&Secured)
)]
pub struct Document;

struct Secured;

impl Modify for Secured {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The admin token."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("admin", SecurityScheme::Http(bearer));
    }
}

/// Describes how these codes are reported: one response per status, which lists the codes that it
/// may carry.
fn responses(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), RefOr::T(response(&codes))))
        .collect()
}

fn response(codes: &[ErrorCode]) -> Response {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let header = HeaderBuilder::new()
        .description(Some("Which of the codes it is"))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(names.clone())),
        ))
        .build();
    let (kind, schema) = if codes == [ErrorCode::InvalidRequest] {
        let schema = Ref::from_schema_name(ParameterFaults::name());
        ("application/json", RefOr::Ref(schema))
    } else {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        ("text/plain", RefOr::T(text.into()))
    };
    ResponseBuilder::new()
        .description(names.join(", "))
        .header(ERROR_HEADER, header)
        .content(kind, Content::new(Some(schema)))
        .build()
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($code:ident)*;)*) => {
        $($(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                // Any call may be rate limited.
                responses(&[$(ErrorCode::$code,)* ErrorCode::TooManyRequests])
            }
        })*
    };
}

refusals! {
    /// Of a call without parameters, which nothing can make invalid.
    NoRefusals: ;
    /// Of a call that only needs the database.
    Away: Unavailable;
    /// Of `new`.
    NewRefusals: StageInvalid StageDisabled InvalidDpopProof JoinKeyRequired UseDpopNonce NotAFetch Banned InvalidRequest Unavailable;
    /// Of `jobCount`.
    CountRefusals: StageInvalid InvalidRequest Unavailable;
    /// Of a call with a body that does not change a job.
    BodyRefusals: TooSlow TooLarge InvalidRequest Unavailable;
    /// Of a call by a registered worker.
    WorkerRefusals: WorkerUnknown TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `newJob`.
    ClaimRefusals: NoJobs WorkerUnknown TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `completeJob`.
    CompleteRefusals: FileNotGranted NoOpenJob AlreadyCompleted WrongJob WorkerUnknown TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `flagInvalidData`.
    FlagRefusals: NotWorking WrongJob WorkerUnknown TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `sync`.
    SyncRefusals: WorkerUnknown Superseded TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `results`.
    ResultRefusals: StageInvalid StageDisabled NotAllowed InvalidRequest Unavailable;
    /// Of `linkCode`.
    OfferRefusals: InvalidDpopProof UseDpopNonce Unavailable;
    /// Of `link`.
    LinkRefusals: InvalidDpopProof UseDpopNonce LinkCodeUnknown LinkRefused Unavailable;
    /// Of `receipts`.
    ReceiptRefusals: WorkerUnknown NotAllowed InvalidRequest Unavailable;
    /// Of `uploads`.
    UploadsRefusals: NotAllowed WorkerUnknown FileNotGranted FilesOff UploadTooLarge FilesFull StoreFull TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `uploads/parts`.
    UploadRefusals: NotAllowed WorkerUnknown FileNotGranted FileUnknown FilesOff UploadExpired StoreFull TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `uploads/finish`.
    FinishRefusals: NotAllowed WorkerUnknown FileNotGranted FileUnknown FilesOff UploadWrongHash UploadIncomplete UploadExpired UploadTooLarge FilesFull StoreFull TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `uploads/part`.
    PartRefusals: FileUnknown FilesOff UploadIncomplete UploadExpired UploadTooLarge FilesFull StoreFull TooSlow InvalidRequest Unavailable;
    /// Of `files`.
    FileRefusals: FileUnknown FilesOff Unavailable;
    /// Of lists for the operator.
    ListRefusals: NotAllowed InvalidRequest Unavailable;
    /// Of `jobs`.
    JobsRefusals: NotAllowed KeyReused TooSlow InvalidRequest Unavailable;
    /// Of the operator's calls with a small body.
    OperatorRefusals: NotAllowed TooSlow TooLarge InvalidRequest Unavailable;
    /// Of `prune`.
    PruneRefusals: StageInvalid StageDisabled NotAllowed TooSlow TooLarge InvalidRequest Unavailable;
}
