//! Properties of the parsers and the rules that hold for any input from an operator, an imported
//! file or a volunteer.

use std::net::Ipv4Addr;

use axum::extract::FromRequestParts;
use distcompute_protocol::{
    Done, Failed, Granted, Invalid, Progress, Rejected, RejectedWhy, Stage, SyncAnswer, SyncRequest,
};
use distcompute_tracker::{
    database_url::DatabaseUrl,
    http::request::Query,
    rules::{
        brace::Pattern,
        estimate::{StageLoad, completion, in_words, per_hour, seconds_left},
        flags::{Flagged, MAX_SENT_BACK, Verdict, verdict},
        names,
        payload::{self, compact},
        stages::Stages,
        throughput::{MINUTES, Throughput},
    },
};
use proptest::prelude::*;
use serde_json::Value;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any JSON document, a few levels deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Text that conforms to the JSON grammar, including what some parsers cannot represent, and text
/// that only looks like JSON.
fn written() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        json().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?",
        "\"(\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\u0000|\\\\n|[a-zé ]){0,5}\"",
        "[\\[\\]{}:,\"\\\\a-z0-9 \n]{0,9}",
        Just("NaN".to_owned()),
        (0_usize..400).prop_map(|deep| format!("{}1{}", "[".repeat(deep), "]".repeat(deep))),
    ];
    prop::collection::vec((leaf, "[ \n\t]{0,2}"), 0..4).prop_map(|parts| {
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(part, space)| space + &part)
            .collect();
        format!("[{}]", parts.join(","))
    })
}

/// A result that a volunteer may submit.
fn result() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        written(),
        written().prop_map(|text| format!("<!json!>{text}")),
        any::<String>().prop_map(|text| format!("<!json!>{text}")),
    ]
}

/// A part of a brace pattern, and the texts it expands to.
fn piece() -> impl Strategy<Value = (String, Vec<String>)> {
    let text = "[a-z_.\\- ü]{0,4}".prop_map(|text| (text.clone(), vec![text]));
    let words = prop::collection::vec("[a-z]{0,3}", 2..4)
        .prop_map(|words| (format!("{{{}}}", words.join(",")), words));
    let numbers = (-30_i64..30, -30_i64..30, 1_i64..9).prop_map(|(from, to, step)| {
        let mut all = Vec::new();
        let mut at = from;
        while (from <= to && at <= to) || (from > to && at >= to) {
            all.push(at.to_string());
            at += if from <= to { step } else { -step };
        }
        (format!("{{{from}..{to}..{step}}}"), all)
    });
    prop_oneof![text, words, numbers]
}

/// Text that resembles a pattern, as somebody might type it.
fn typed() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z{}.,0-9+\\-]{0,20}",
        "\\{-?0{0,70}[0-9]{0,20}\\.\\.-?[0-9]{0,20}(\\.\\.-?[0-9]{0,20})?\\}",
        (60_000_usize..70_000).prop_map(|zeros| format!("{{{}1..2}}", "0".repeat(zeros))),
    ]
}

fn leases() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<String>(), 0..3)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(any::<(String, String)>(), 0..3)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_pattern_makes_all_combinations_in_order(pieces in prop::collection::vec(piece(), 1..5)) {
        let pattern: String = pieces.iter().map(|(pattern, _)| pattern.as_str()).collect();
        let mut all = vec![String::new()];
        for (_, texts) in &pieces {
            all = all.iter().flat_map(|text| texts.iter().map(move |more| format!("{text}{more}"))).collect();
            all.truncate(3_000);
        }
        let parsed = pattern.parse::<Pattern>();
        prop_assert_eq!(parsed.is_ok(), pattern.contains('{'));
        if let Ok(parsed) = parsed && all.len() < 3_000 {
            prop_assert_eq!(parsed.count(), all.len() as u64);
            prop_assert_eq!(parsed.iter().collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn what_was_typed_is_a_pattern_whose_texts_can_be_made_or_is_refused_with_a_sentence(text in typed()) {
        match text.parse::<Pattern>() {
            Ok(pattern) => {
                prop_assert!(pattern.count() > 0);
                let is_plain = |text: String| !text.contains(['{', '}', '\0']);
                prop_assert!(pattern.iter().take(3).all(is_plain));
            }
            Err(sentence) => prop_assert!(sentence.ends_with('.'), "{}", sentence),
        }
    }

    #[test]
    fn a_nickname_that_is_taken_is_taken_again_as_it_is(text in any::<String>()) {
        if let Ok(name) = names::nickname(&text) {
            prop_assert!(!name.is_empty() && name.chars().count() <= 128 && !name.contains('\0'));
            prop_assert_eq!(names::nickname(&name), Ok(name.clone()));
        }
    }

    #[test]
    fn names_that_are_made_are_well_formed(bits in any::<u128>(), addresses in any::<(u32, u32)>(), nickname in any::<String>()) {
        prop_assert!(uuid::Uuid::parse_str(&names::token(bits)).is_ok());
        prop_assert_eq!(u128::from_str_radix(&names::lease_secret(bits), 16), Ok(bits));
        prop_assert!(names::display_name(bits).chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
        let (one, other) = addresses;
        let volunteer = |bits: u32| names::volunteer(None, &nickname, &Ipv4Addr::from(bits).to_string());
        let here = one >> 24 == 127 && other >> 24 == 127;
        let same = volunteer(one) == volunteer(other);
        prop_assert_eq!(same, one == other || here);
    }

    #[test]
    fn stages_that_are_taken_can_be_found_by_their_letters_and_addresses(
        given in prop::collection::vec((prop::sample::select(&Stage::ALL), prop_oneof!["[a-zA-Z /.ßİΣ]{0,4}", any::<String>()]), 0..6),
    ) {
        let letters: Vec<Stage> = given.iter().map(|(stage, _)| *stage).collect();
        let Ok(stages) = Stages::new(given) else { return Ok(()) };
        prop_assert_eq!(stages.iter().count(), letters.len());
        for (stage, name) in stages.iter() {
            prop_assert_eq!(stages.by_address(&name.to_lowercase()), Some(stage));
            prop_assert_eq!(stages.enabled(stage.letter()), Ok(stage));
            // A browser would resolve these in paths.
            prop_assert!(![".", ".."].contains(&name) && !name.contains('/'));
        }
    }

    #[test]
    fn an_estimate_grows_with_what_is_left_and_is_not_full_before_the_end(
        loads in prop::collection::vec((any::<u64>(), any::<u64>()), 0..5),
        window in any::<u64>(),
        more in any::<u32>(),
        done in any::<u64>(),
        all in any::<u64>(),
    ) {
        let load = |extra: u64| -> Vec<StageLoad> {
            let loads = loads.iter().map(|(remaining, recent)| StageLoad {
                remaining: remaining.saturating_add(extra),
                recent: *recent,
            });
            loads.collect()
        };
        if let (Some(less), Some(longer)) = (seconds_left(&load(0), window), seconds_left(&load(u64::from(more)), window)) {
            prop_assert!(less <= longer);
            prop_assert!(!in_words(less).is_empty());
        }
        let share = completion(done, all);
        prop_assert!(share <= 10_000);
        prop_assert_eq!(share == 10_000, done >= all && all > 0);
    }

    #[test]
    fn a_rate_is_what_was_made_in_the_time(completed in 0_u64..1_000_000, first in 0_i64..4e12 as i64, ms in -10_000_i64..1e10 as i64) {
        match per_hour(completed, first, first + ms) {
            None => prop_assert!(ms < 60_000),
            Some(rate) => {
                let made = u128::from(rate) * u128::try_from(ms).unwrap_or(0) / 3_600_000;
                prop_assert!(made <= u128::from(completed));
            }
        }
    }

    #[test]
    fn a_chart_shows_all_that_was_made_in_its_hour(
        now in 0_i64..1e9 as i64,
        made in prop::collection::vec((-200_i64..20, 0_u64..1e15 as u64), 0..80),
        height in 1_u32..1_000,
    ) {
        let throughput = Throughput::new(now, made.iter().map(|(age, count)| (now + age, *count)));
        let hour = made.iter().filter(|(age, _)| *age > -(MINUTES as i64));
        prop_assert_eq!(throughput.sum(), hour.map(|(_, count)| count).sum::<u64>());
        for (bar, count) in throughput.bars(height).zip(throughput.minutes()) {
            prop_assert!(bar <= height && (bar > 0) == (*count > 0));
        }
    }

    #[test]
    fn a_flagged_job_moves_only_where_enough_agree_and_not_for_ever(
        stage in prop::sample::select(&Stage::ALL),
        counts in (1_u32..20, 0_u32..6),
        invalid_after in 1_u32..10,
    ) {
        let (distinct, sent_back) = counts;
        let job = Flagged { stage, distinct, sent_back };
        match verdict(job, invalid_after) {
            Verdict::SendBack(to) => {
                prop_assert!(distinct >= invalid_after && sent_back < MAX_SENT_BACK);
                prop_assert_eq!(Some(to), stage.previous());
            }
            Verdict::SetAside(why) => {
                prop_assert!(distinct >= invalid_after);
                prop_assert!(why.ends_with('.'));
            }
            Verdict::PutBack => prop_assert!(distinct < invalid_after),
        }
    }

    #[test]
    fn a_compacted_document_says_the_same(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("JSON");
        let compacted = compact(&text);
        prop_assert_eq!(&compacted, &serde_json::to_string(&value).expect("JSON"));
        prop_assert_eq!(compact(&compacted), compacted.clone());
    }

    #[test]
    fn what_is_accepted_as_a_result_is_exported_and_imported_again_and_equal(text in result()) {
        if payload::check(&text).is_ok() {
            let line = payload::to_json(&text);
            prop_assert!(!line.contains('\n'));
            let again = payload::from_json(&line).map_err(TestCaseError::fail)?;
            let same = text.strip_prefix("<!json!>").map_or(text.clone(), |json| {
                format!("<!json!>{}", compact(json))
            });
            prop_assert_eq!(&again, &same);
            prop_assert_eq!(payload::check(&again), Ok(()));
            prop_assert_eq!(payload::to_json(&again), line);
        }
    }

    #[test]
    fn an_address_of_a_database_is_shown_without_its_password(
        user in "[a-z]{1,6}",
        password in "[A-Z0-9]{8,12}",
        other in any::<String>(),
    ) {
        let address = format!("postgres://{user}:{password}@db.example/jobs");
        let database: DatabaseUrl = address.parse().expect("an address");
        let shown = format!("{database} {database:?}");
        prop_assert!(!shown.contains(&password), "{}", shown);
        if let Err(sentence) = format!("postgres://{user}:{password}@{other}").parse::<DatabaseUrl>() {
            prop_assert!(!sentence.contains(&password), "{}", sentence);
        }
    }

    #[test]
    fn parameters_of_an_address_are_read_as_they_were_meant(pairs in pairs(), number in any::<u64>()) {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let mut query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        query.push(format!("limit={number}"));
        let request = axum::http::Request::get(format!("/x?{}", query.join("&")));
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let read = runtime.block_on(Query::from_request_parts(&mut parts, &()));
        let read = read.map_err(|_| TestCaseError::fail("it cannot be read"))?;
        for (name, _) in &pairs {
            let last = pairs.iter().rev().find(|(other, _)| other == name);
            if name != "limit" {
                prop_assert_eq!(read.get(name), last.map(|(_, value)| value.as_str()));
            }
        }
        prop_assert_eq!(read.number("limit", 7, 0, u64::MAX).ok(), Some(number));
        prop_assert_eq!(read.number("limit", 7, 10, 100).is_ok(), (10..=100).contains(&number));
    }

    #[test]
    fn a_sync_and_its_answer_arrive_as_they_were_sent(
        token in any::<String>(),
        seq in any::<u64>(),
        lists in (leases(), leases(), pairs(), pairs(), pairs(), pairs()),
        jobs in prop::collection::vec(any::<(u64, Option<String>, String, u32, u32)>(), 0..3),
        rest in any::<(u32, u64, u32, String, Option<String>)>(),
    ) {
        let (holding, released, done, invalid, failed, progress) = lists;
        let (want, open, wait_s, app_version, setup_failed) = rest;
        let request = SyncRequest {
            token,
            seq,
            holding: holding.clone(),
            done: done.into_iter().map(|(lease, data)| Done { lease, data }).collect(),
            invalid: invalid.into_iter().map(|(lease, reason)| Invalid { lease, reason }).collect(),
            released: released.clone(),
            failed: failed.into_iter().map(|(lease, error)| Failed { lease, error }).collect(),
            progress: progress.into_iter().map(|(lease, text)| Progress { lease, text }).collect(),
            want,
            want_bytes: Some(open),
            cores: Some(want),
            awaiting: vec![seq / 2],
            setup_failed,
        };
        let text = serde_json::to_string(&request).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<SyncRequest>(&text).expect("a sync"), request);
        let granted = |(number, data, lease, lease_s, attempt)| Granted { number, data, lease, lease_s, attempt };
        let rejected = |lease| Rejected { lease, why: RejectedWhy::Moved };
        let answer = SyncAnswer {
            jobs: jobs.into_iter().map(granted).collect(),
            accepted: holding,
            rejected: released.into_iter().map(rejected).collect(),
            lost: Vec::new(),
            open,
            wait_s,
            app_version,
            left_bytes: seq,
            limited: want > 7,
            unconfirmed: u64::from(want),
            paused: None,
        };
        let text = serde_json::to_string(&answer).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<SyncAnswer>(&text).expect("an answer"), answer);
    }
}
