//! Texts from outside: addresses, answers, arguments, dumps.

use distcompute_engine::client::address::{Address, encode};
use distcompute_engine::client::call::{
    Answer, Call, Meaning, read_alive, read_count, read_retry_after,
};
use distcompute_engine::client::session::{
    Registration, Session, check_job, check_progress, check_worker, json_output, text_output,
};
use distcompute_protocol::{ErrorCode, NewJob, NewWorker, cut, json_part};
use proptest::prelude::*;

use super::cases;

pub(super) const CALLS: [Call; 9] = [
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

/// What a browser makes of a percent-encoded text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

/// Texts that are nearly addresses.
fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(http|https|HTTP|ftp|)(://|:|//|)[a-z0-9.@:\\[\\]%?#/\\\\ ü]{0,30}",
        " ?https?://[a-z0-9.-]{1,12}(:[0-9]{1,5})?(/[a-z%~.-]{0,6}){0,3}/* ?",
    ]
}

/// Bodies that a tracker might send, or nearly.
fn body() -> impl Strategy<Value = String> {
    let said = ErrorCode::ALL.iter().filter_map(|code| code.text());
    prop_oneof![
        any::<String>(),
        "[ \"<]{0,2}(200 OK|True|false|[0-9]{1,25}|-1|)[ \"\n]{0,2}",
        prop::sample::select(said.map(str::to_owned).collect::<Vec<_>>()),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let code = prop::option::weighted(0.3, prop::sample::select(ErrorCode::ALL));
    let status = prop_oneof![
        Just(200_u16),
        prop::sample::select(vec![400, 403, 404, 409, 413, 422, 503]),
        any::<u16>()
    ];
    let cut = prop::bool::weighted(0.2);
    (status, code, any::<Option<u32>>(), body(), cut).prop_map(
        |(status, code, retry_after_ms, body, cut)| Answer {
            status,
            code,
            retry_after_ms,
            body,
            cut,
        },
    )
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_address_that_is_taken_is_one_and_stays_as_it_is(text in address()) {
        if let Ok(address) = Address::parse(&text) {
            let taken = address.as_str();
            prop_assert!(taken.starts_with("http://") || taken.starts_with("https://"));
            prop_assert!(!taken.ends_with('/'));
            let host = taken.split('/').nth(2).unwrap_or_default();
            prop_assert!(!host.is_empty() && !taken.contains(['?', '#', '\\', ' ']));
            prop_assert_eq!(Address::parse(taken), Ok(address.clone()));
        }
    }

    #[test]
    fn what_is_encoded_for_an_address_can_be_read_there(text in any::<String>()) {
        let encoded = encode(&text);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
        prop_assert!(encoded.chars().all(is_plain));
        prop_assert_eq!(decode(&encoded), Some(text));
    }

    #[test]
    fn numbers_and_truths_are_read_as_they_were_written(
        count in any::<u64>(),
        alive in any::<bool>(),
        seconds in any::<u32>(),
        space in "[ \r\n]{0,2}",
    ) {
        for body in [format!("{space}{count}{space}"), format!("\"{count}\"")] {
            prop_assert_eq!(read_count(&body), Some(count));
        }
        let python = if alive { "True" } else { "False" };
        for body in [format!("{alive}{space}"), format!("{space}\"{python}\"")] {
            prop_assert_eq!(read_alive(&body), Some(alive));
        }
        let header = format!(" {seconds}");
        prop_assert_eq!(read_retry_after(&header), Some(seconds.saturating_mul(1_000)));
    }

    #[test]
    fn only_what_a_call_expects_passes_for_success(
        call in prop::sample::select(&CALLS),
        answer in answer(),
    ) {
        match call.meaning(&answer) {
            Meaning::Done => {
                prop_assert_eq!((answer.status, answer.cut), (200, false));
                let body = answer.body.trim_ascii().trim_matches('"');
                match call {
                    Call::ValidateWorker => prop_assert!(read_alive(body).is_some()),
                    Call::JobCount => prop_assert!(read_count(body).is_some()),
                    Call::New | Call::NewJob | Call::Sync => {
                        prop_assert!(!answer.body.trim_ascii().starts_with('<'));
                    }
                    _ => prop_assert_eq!(body, "200 OK"),
                }
            }
            Meaning::DoneBefore => {
                prop_assert!(matches!(call, Call::CompleteJob | Call::FlagInvalidData));
                prop_assert_eq!((answer.status, answer.code), (403, None));
            }
            Meaning::Later(fault) | Meaning::Failed(fault) => {
                prop_assert_eq!(fault.status, Some(answer.status));
                prop_assert!((1..600).contains(&fault.message.chars().count()));
            }
        }
    }

    #[test]
    fn a_cut_text_is_short_enough_and_begins_as_it_did(text in any::<String>(), limit in 0_usize..40) {
        let kept = cut(&text, limit);
        prop_assert!(kept.chars().count() <= limit);
        if text.chars().count() <= limit {
            prop_assert_eq!(kept, text);
        } else if limit > 0 {
            let (begin, end) = kept.split_at(kept.len() - '…'.len_utf8());
            prop_assert!(text.starts_with(begin) && end == "…");
        }
    }

    #[test]
    fn what_goes_to_a_tracker_can_be_stored_there(text in any::<String>(), nul in any::<bool>()) {
        let text = if nul { format!("{text}\0") } else { text };
        let is_stored = !text.contains('\0');
        prop_assert_eq!(text_output(text.clone()).is_ok(), is_stored);
        match check_progress(&text) {
            Ok(line) => prop_assert!(is_stored && line.chars().count() <= 255),
            Err(_) => prop_assert!(!is_stored),
        }
        if let Ok(output) = json_output(Some(&text)) {
            prop_assert_eq!(json_part(&output), Some(text.as_str()));
        }
    }

    #[test]
    fn whatever_a_tracker_registers_and_hands_out_outlives_a_reload(
        url in "https?://[a-z]{1,9}(/[a-z]{0,4})?",
        stage in "[a-e][a-z ]{0,5}",
        nickname in any::<String>(),
        words in any::<[String; 4]>(),
        job in any::<Option<(Option<String>, u64)>>(),
        verbose in any::<bool>(),
    ) {
        let [token, display_name, project, stage_name] = words;
        let worker = NewWorker { token, display_name, project, stage_name };
        let job = job.map(|(data, number)| check_job(NewJob { data, number })).transpose();
        let registration = Registration::check(&url, &stage, &nickname);
        if let (Ok(registration), Ok(worker), Ok(job)) = (registration, check_worker(worker), job) {
            let session = Session { registration, worker, job, verbose };
            prop_assert_eq!(Session::restore(session.dump()), Ok(session));
        }
    }
}
