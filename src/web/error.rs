//! Faults as real JavaScript errors.

use super::bindings::make_error;
use distcompute_engine::fault::Fault;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The stable codes: branch on these. Messages are for people and may change. */
export type ErrorCode =
  | "no_jobs" | "worker_unknown"
  | "no_open_job" | "already_completed" | "not_working" | "wrong_job"
  | "stage_invalid" | "stage_disabled" | "invalid_request" | "too_large" | "not_allowed"
  | "superseded" | "key_reused"
  | "not_found" | "method_not_allowed" | "internal" | "unavailable"
  | "use_dpop_nonce" | "invalid_dpop_proof" | "link_code_unknown" | "link_refused" | "no_key"
  | "not_a_fetch" | "banned" | "join_key_required" | "wrong_host" | "too_many_requests"
  | "not_a_tracker" | "bad_answer" | "answer_too_large" | "bad_job_data"
  | "invalid_url" | "invalid_dump" | "invalid_argument"
  | "file_unknown" | "file_not_granted" | "upload_wrong_hash" | "upload_incomplete" | "upload_expired" | "upload_too_large"
  | "files_full" | "store_full" | "files_off" | "files_not_supported" | "file_no_room" | "file_damaged"
  | "moved" | "origin_forbidden" | "unreachable" | "timeout" | "aborted" | "not_loaded" | "worker_failed" | "not_started";

/** What every call of this library throws or rejects with. */
export class DistcomputeError extends Error {
  protected constructor();
  /** Which error it is; stable between versions. */
  readonly code: ErrorCode;
  /** The HTTP status, where the tracker answered. */
  readonly status?: number;
  /** The tracker's new address, where the code is `moved`. */
  readonly address?: string;
  /** What the browser or your signal said, where there was such a thing. */
  readonly cause?: unknown;
}
/** No job is open at this stage. Not a fault: wait and ask again. Code `no_jobs`. */
export class ZeroJobError extends DistcomputeError {}
/** The tracker does not know this worker, or no longer: register again with `init`. */
export class WorkerTimedOutError extends DistcomputeError {}
/** This worker does not hold the job that the call is about. */
export class NoOpenJobError extends DistcomputeError {}
/** The tracker, or what sits at its address, answered with something that it should not. */
export class ServerError extends DistcomputeError {}
/** The address is not one, or there is no tracker at it. */
export class InvalidURLError extends DistcomputeError {}
/** What was given to `load` is not a dump; the message names the field. */
export class DumpError extends DistcomputeError {}
/** An argument that the call, or this tracker, does not take. */
export class InvalidArgumentError extends DistcomputeError {}
/** No answer: no network, a tracker that is down or elsewhere, or no permission (CORS). */
export class UnreachableError extends DistcomputeError {}
/** `timeoutMs` ran out while the tracker did not answer. */
export class TimeoutError extends DistcomputeError {}
/** Your `signal` said stop; `cause` is its reason. */
export class AbortError extends DistcomputeError {}
/** This browser cannot compute; `cause` is the `error` of the status. Code `not_started`. */
export class StartError extends DistcomputeError {}
/**
 * A file of a job cannot be read, kept or sent: the tracker takes none (`files_not_supported`), it does not fit into
 * what this browser keeps (`file_no_room`), or the job's input does not name it (`file_unknown`).
 */
export class FileError extends DistcomputeError {}
/** The package's loader has not run yet. */
export class NotLoadedError extends DistcomputeError {}
"#;

/// The fault as an instance of its class.
pub(crate) fn to_js(fault: &Fault) -> JsValue {
    to_js_with_cause(fault, &JsValue::UNDEFINED)
}

/// The same with what caused it.
pub(crate) fn to_js_with_cause(fault: &Fault, cause: &JsValue) -> JsValue {
    make_error(
        fault.kind.name(),
        fault.code.as_str(),
        &fault.message,
        fault.status,
        cause,
        fault.address.clone(),
    )
}
