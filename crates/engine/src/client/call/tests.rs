use distcompute_protocol::{ErrorCode, Stage};

use super::*;
use crate::fault::{Code, Kind};

const ALL: [Call; 9] = [
    Call::New,
    Call::ValidateWorker,
    Call::JobCount,
    Call::NewJob,
    Call::UpdateProgress,
    Call::CompleteJob,
    Call::FlagInvalidData,
    Call::Bye,
    Call::Sync,
];

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: body.to_owned(),
        ..Answer::default()
    }
}

fn fault(call: Call, status: u16, body: &str) -> (Kind, &'static str) {
    match call.meaning(&answer(status, body)) {
        Meaning::Failed(fault) => {
            assert_eq!(fault.status, Some(status));
            (fault.kind, fault.code.as_str())
        }
        other => panic!("{call:?} {status}: {other:?}"),
    }
}

#[test]
fn a_project_that_is_not_for_everybody_is_told_from_a_login_of_something_else() {
    let text = ErrorCode::JoinKeyRequired.text().expect("ours");
    let by_ours = Answer {
        code: Some(ErrorCode::JoinKeyRequired),
        ..answer(401, text)
    };
    match Call::New.meaning(&by_ours) {
        Meaning::Failed(fault) => {
            assert_eq!(fault.code.as_str(), "join_key_required");
            assert_eq!((fault.kind, fault.message.as_str()), (Kind::Server, text));
            assert!(fault.is_lasting());
        }
        other => panic!("{other:?}"),
    }
    let code = |text| fault(Call::New, 401, text).1;
    // A proxy may drop the header.
    assert_eq!(code(text), "join_key_required");
    assert_eq!(code("Unauthorized"), "not_allowed");
}

#[test]
fn who_is_banned_is_told_so_by_a_tracker_alone() {
    let text = ErrorCode::Banned.text().expect("ours");
    let by_ours = Answer {
        code: Some(ErrorCode::Banned),
        ..answer(403, text)
    };
    match Call::New.meaning(&by_ours) {
        Meaning::Failed(fault) => {
            assert_eq!((fault.kind, fault.code.as_str()), (Kind::Server, "banned"));
            assert_eq!(fault.message, text);
            assert!(fault.is_lasting());
        }
        other => panic!("{other:?}"),
    }
    // A proxy may drop the header; it does not say this by itself.
    assert_eq!(fault(Call::New, 403, text), (Kind::Server, "banned"));
    assert_eq!(
        fault(Call::New, 403, "Forbidden"),
        (Kind::Server, "not_allowed")
    );
}

#[test]
fn a_403_means_what_the_call_makes_of_it() {
    let no_jobs = ErrorCode::NoJobs.text().expect("the protocol fixes it");
    assert_eq!(
        fault(Call::NewJob, 403, no_jobs),
        (Kind::ZeroJob, "no_jobs")
    );
    for call in [Call::NewJob, Call::CompleteJob, Call::JobCount, Call::Bye] {
        for text in ["Forbidden", "error code: 1020", "", PAGE, THEIRS] {
            assert_eq!(fault(call, 403, text), (Kind::Server, "not_allowed"));
        }
    }
    let by_ours = Answer {
        code: Some(ErrorCode::WrongJob),
        ..answer(403, "This job has already been marked as completed.")
    };
    for call in [Call::CompleteJob, Call::FlagInvalidData] {
        assert!(matches!(call.meaning(&by_ours), Meaning::Failed(f)
            if f.kind == Kind::NoOpenJob && f.code == Code::Tracker(ErrorCode::WrongJob)));
    }
}

#[test]
fn a_completion_whose_answer_was_lost_is_done_and_not_an_error() {
    for code in [
        ErrorCode::NoOpenJob,
        ErrorCode::AlreadyCompleted,
        ErrorCode::NotWorking,
    ] {
        let refused = answer(403, code.text().expect("the protocol fixes it"));
        for call in [Call::CompleteJob, Call::FlagInvalidData] {
            assert_eq!(call.meaning(&refused), Meaning::DoneBefore);
        }
    }
}

#[test]
fn a_404_of_a_registration_is_a_wrong_address_and_of_a_worker_that_it_is_gone() {
    assert_eq!(
        fault(Call::New, 404, "Not Found"),
        (Kind::InvalidUrl, "not_a_tracker")
    );
    let t3 = "The server could not find this worker. Did the worker time out?";
    for call in [Call::NewJob, Call::CompleteJob, Call::UpdateProgress] {
        assert_eq!(
            fault(call, 404, t3),
            (Kind::WorkerTimedOut, "worker_unknown")
        );
        for foreign in [
            "Not Found",
            "404 page not found",
            r#"{"detail":"Not Found"}"#,
            "",
        ] {
            assert_eq!(fault(call, 404, foreign), (Kind::Server, "not_a_tracker"));
        }
    }
}

#[test]
fn a_stage_that_is_wrong_or_disabled_is_the_callers_fault() {
    assert_eq!(
        fault(Call::New, 400, "The worker stage 'c' is disabled."),
        (Kind::InvalidArgument, "stage_disabled")
    );
    assert_eq!(
        fault(Call::JobCount, 400, "Invalid worker stage: 'x'."),
        (Kind::InvalidArgument, "stage_invalid")
    );
}

/// What a proxy may send with any status.
const PAGE: &str = " <!DOCTYPE html><html><center>nginx</center></html>";
const THEIRS: &str = r#"{"error":{"code":1020,"message":"no"}}"#;

#[test]
fn a_web_page_is_never_taken_for_an_answer() {
    for call in ALL {
        assert_eq!(fault(call, 200, PAGE), (Kind::Server, "not_a_tracker"));
        for status in [201, 204, 301, 302, 304, 404, 405, 410] {
            let (_, code) = fault(call, status, PAGE);
            assert_eq!(code, "not_a_tracker", "{call:?} {status}");
        }
    }
}

/// What each status of somebody before the tracker means: to calls with a body, and to those
/// without one.
#[test]
fn the_status_of_a_proxy_is_looked_at_before_its_body() {
    const LATER: &str = "later";
    let table = [
        (400, "not_allowed", "not_allowed"),
        (401, "not_allowed", "not_allowed"),
        (403, "not_allowed", "not_allowed"),
        (406, "not_allowed", "not_allowed"),
        (407, "not_allowed", "not_allowed"),
        (408, LATER, LATER),
        (409, "not_allowed", "not_allowed"),
        (413, "too_large", "not_allowed"),
        (414, "not_allowed", "not_allowed"),
        (421, LATER, LATER),
        (422, "not_allowed", "not_allowed"),
        (429, LATER, LATER),
        (431, "not_allowed", "not_allowed"),
        (451, "not_allowed", "not_allowed"),
        (500, "internal", "internal"),
        (501, "internal", "internal"),
        (502, LATER, LATER),
        (503, LATER, LATER),
        (504, LATER, LATER),
        (505, "internal", "internal"),
        (511, "not_allowed", "not_allowed"),
    ];
    for (status, posted, got) in table {
        for body in [PAGE, "", THEIRS, "[]"] {
            for call in ALL {
                let expected = if call.is_get() { got } else { posted };
                let found = match call.meaning(&answer(status, body)) {
                    Meaning::Later(fault) => {
                        assert_eq!(fault.status, Some(status));
                        LATER
                    }
                    Meaning::Failed(fault) => {
                        assert_eq!(fault.status, Some(status));
                        assert!(!fault.message.contains('<'), "{}", fault.message);
                        // Only what is too large is the caller's fault.
                        let its = fault.kind == Kind::InvalidArgument;
                        assert_eq!(its, expected == "too_large", "{call:?} {status}");
                        fault.code.as_str()
                    }
                    other => panic!("{call:?} {status} {body:?}: {other:?}"),
                };
                assert_eq!(found, expected, "{call:?} {status} {body:?}");
            }
        }
    }
}

#[test]
fn a_200_that_is_empty_or_somebody_elses_is_no_answer_that_a_text_could_be() {
    for call in ALL {
        let reads_json = matches!(call, Call::New | Call::NewJob | Call::Sync);
        for body in ["", THEIRS, "[]", "null"] {
            let done = call.meaning(&answer(200, body)) == Meaning::Done;
            assert_eq!(done, reads_json, "{call:?} {body:?}");
        }
    }
}

#[test]
fn a_200_counts_only_with_the_body_that_the_call_should_get() {
    for call in [Call::CompleteJob, Call::UpdateProgress, Call::Bye] {
        assert_eq!(call.meaning(&answer(200, "200 OK")), Meaning::Done);
        assert_eq!(call.meaning(&answer(200, "\"200 OK\"")), Meaning::Done);
        assert_eq!(fault(call, 200, ""), (Kind::Server, "bad_answer"));
    }
    assert_eq!(Call::JobCount.meaning(&answer(200, "12")), Meaning::Done);
    assert_eq!(fault(Call::JobCount, 200, "-1").1, "bad_answer");
    assert_eq!(fault(Call::ValidateWorker, 200, "maybe").1, "bad_answer");
}

#[test]
fn who_is_asked_to_wait_is_told_so() {
    for call in ALL {
        let Meaning::Later(fault) = call.meaning(&answer(429, "")) else {
            panic!("{call:?} is tried again");
        };
        assert_eq!(fault.code, Code::Tracker(ErrorCode::TooManyRequests));
    }
}

#[test]
fn an_overloaded_server_is_asked_again_whatever_its_proxy_says() {
    for call in ALL {
        for status in [408, 421, 429, 502, 503, 504, 522, 530] {
            let meaning = call.meaning(&answer(status, "<html>busy</html>"));
            assert!(matches!(meaning, Meaning::Later(_)), "{call:?} {status}");
        }
    }
}

#[test]
fn every_other_status_is_a_server_error_that_says_what_came() {
    assert_eq!(
        fault(Call::NewJob, 500, "Internal Server Error"),
        (Kind::Server, "internal")
    );
    assert_eq!(
        fault(Call::CompleteJob, 422, r#"{"detail":[]}"#),
        (Kind::InvalidArgument, "invalid_request")
    );
    assert_eq!(
        fault(Call::CompleteJob, 413, ""),
        (Kind::InvalidArgument, "too_large")
    );
    let Meaning::Failed(fault) = Call::NewJob.meaning(&answer(418, "teapot")) else {
        panic!("not a failure");
    };
    assert!(fault.message.contains("418") && fault.message.contains("teapot"));
}

#[test]
fn requests_carry_the_number_of_their_job() {
    let Some(Body::Complete(body)) = Request::complete_job("t".into(), 7, "out".into()).body else {
        panic!("no body");
    };
    assert_eq!((body.number, body.data.as_str()), (Some(7), "out"));
    let Some(Body::Flag(body)) = Request::flag_invalid_data("t".into(), 7).body else {
        panic!("no body");
    };
    assert_eq!(body.number, Some(7));
    assert_eq!(
        Request::new_worker("a b&c", Stage::B).path,
        "/api/new?nickname=a%20b%26c&stage=b"
    );
}

#[test]
fn retry_after_is_read_in_seconds() {
    assert_eq!(read_retry_after(" 3 "), Some(3000));
    assert_eq!(read_retry_after("4294967295"), Some(u32::MAX));
    assert_eq!(read_retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(read_retry_after("-1"), None);
}
