//! The calls of the first protocol: a job from its import to its last output.

use std::{collections::BTreeSet, sync::Arc};

use distcompute_protocol::{ErrorCode, Stage, SyncRequest};
use distcompute_tracker::store::{READ_WITH_CHANGES, StoreError, input_bytes};

use super::{Given, all, code};

pub(crate) async fn jobs_are_numbered_on_and_handed_out_in_that_order(given: &Given) {
    given.jobs(2).await;
    let added = given
        .store
        .add_jobs(&["\u{1F980} \"quoted\" \\ \n".to_owned()])
        .await;
    let added = added.expect("a job").expect("a number");
    assert_eq!((added.first, added.last), (3, 3));
    assert_eq!(given.store.add_jobs(&[]).await.expect("none"), None);
    given.join("t", "Ann", Stage::A).await;
    for number in 1..=3 {
        assert_eq!(given.take("t").await, number);
        given.hand_in("t", "x").await.expect("accepted");
    }
    given.join("u", "Bob", Stage::A).await;
    assert_eq!(
        code(given.store.claim("u", String::new()).await),
        ErrorCode::NoJobs
    );
}

pub(crate) async fn inputs_come_back_as_they_were(given: &Given) {
    let text = "\u{1F980} \"quoted\" \\ \n\u{2028}\u{7f}<!json!>{\"a\":\"\\u0000\"}".to_owned();
    given
        .store
        .add_jobs(std::slice::from_ref(&text))
        .await
        .expect("a job");
    given.join("t", "Ann", Stage::A).await;
    let job = given.store.claim("t", String::new()).await.expect("a job");
    assert_eq!(job.data.as_deref(), Some(text.as_str()));
    given.hand_in("t", &text).await.expect("accepted");
    assert_eq!(given.results(Stage::A).await, [(1, text)]);
}

pub(crate) async fn a_large_input_is_read_after_the_claim(given: &Given) {
    let most = usize::try_from(READ_WITH_CHANGES).expect("a size");
    let inputs = ["x".repeat(most), "é".repeat(most / 2 + 1)];
    given.store.add_jobs(&inputs).await.expect("jobs");
    given.join("t", "Ann", Stage::A).await;
    let claim = async |token: &str| {
        let lease = given.store.claim(token, String::new()).await;
        let lease = lease.expect("a job");
        assert_eq!(lease.bytes, Some(input_bytes(std::slice::from_ref(&lease))));
        lease
    };
    // The largest that is read with the changes.
    let job = claim("t").await;
    assert_eq!(job.data.as_ref(), Some(&inputs[0]));
    given.hand_in("t", &inputs[1]).await.expect("accepted");
    let job = claim("t").await;
    assert_eq!((job.number, &job.data), (2, &None));
    assert_eq!(job.bytes, Some(READ_WITH_CHANGES + 2));
    let mut granted = vec![job];
    given.store.read_inputs(&mut granted).await.expect("read");
    assert_eq!(granted[0].data.as_ref(), Some(&inputs[1]));
    // An output is as large an input of the next stage.
    given.join("u", "Bob", Stage::B).await;
    let mut granted = vec![claim("u").await];
    assert_eq!((granted[0].number, &granted[0].data), (1, &None));
    given.store.read_inputs(&mut granted).await.expect("read");
    assert_eq!(granted[0].data.as_ref(), Some(&inputs[1]));
    // A job that was taken away meanwhile, with its input, is removed from the list.
    given.store.wipe().await.expect("wiped");
    given.store.read_inputs(&mut granted).await.expect("read");
    assert_eq!(granted, []);
}

pub(crate) async fn an_output_is_the_next_stages_input_and_the_last_one_closes_the_job(
    given: &Given,
) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    given.join("u", "Bob", Stage::B).await;
    assert_eq!(
        code(given.store.claim("u", String::new()).await),
        ErrorCode::NoJobs
    );
    given.take("t").await;
    given.hand_in("t", "middle").await.expect("accepted");
    let job = given.store.claim("u", String::new()).await.expect("a job");
    assert_eq!(job.data.as_deref(), Some("middle"));
    given.hand_in("u", "out").await.expect("accepted");
    assert_eq!(given.status().await.closed, 1);
    assert_eq!(given.results(Stage::A).await, [(1, "middle".to_owned())]);
    assert_eq!(given.results(Stage::B).await, [(1, "out".to_owned())]);
}

pub(crate) async fn a_repeated_completion_is_accepted_and_counts_once(given: &Given) {
    given.jobs(2).await;
    given.join("t", "Ann", Stage::A).await;
    given.take("t").await;
    given.hand_in("t", "x").await.expect("accepted");
    given.hand_in("t", "x").await.expect("the same again");
    given
        .store
        .complete("t", Some(1), "other".to_owned())
        .await
        .expect("by number");
    assert_eq!(
        code(given.hand_in("t", "other").await),
        ErrorCode::NoOpenJob
    );
    given.take("t").await;
    given
        .store
        .complete("t", Some(1), "x".to_owned())
        .await
        .expect("while it holds another");
    assert_eq!(given.results(Stage::A).await, [(1, "x".to_owned())]);
    assert_eq!(
        given.store.leaderboard(all()).await.expect("ranks")[0].completed,
        1
    );
    assert_eq!(given.status().await.stages[0].held, 1);
}

pub(crate) async fn a_completion_of_another_job_is_refused_and_changes_nothing(given: &Given) {
    given.jobs(3).await;
    given.join("t", "Ann", Stage::A).await;
    given.join("u", "Bob", Stage::A).await;
    given.take("t").await;
    let wrong = given.store.complete("t", Some(3), "x".to_owned()).await;
    assert_eq!(code(wrong), ErrorCode::WrongJob);
    let wrong = given
        .store
        .complete("t", Some(u64::MAX), "x".to_owned())
        .await;
    assert_eq!(code(wrong), ErrorCode::WrongJob);
    // Another volunteer takes job 1 and finishes it.
    given.take("t").await;
    given.join("w", "Cleo", Stage::A).await;
    assert_eq!((given.take("u").await, given.take("w").await), (3, 1));
    given.hand_in("w", "x").await.expect("accepted");
    let late = given.store.complete("t", Some(1), "y".to_owned()).await;
    assert_eq!(code(late), ErrorCode::AlreadyCompleted);
    assert_eq!(given.results(Stage::A).await, [(1, "x".to_owned())]);
}

pub(crate) async fn a_job_is_offered_last_to_the_volunteer_who_gave_it_back(given: &Given) {
    given.jobs(2).await;
    given.join("t", "Ann", Stage::A).await;
    given.join("u", "Bob", Stage::A).await;
    assert_eq!(given.take("t").await, 1);
    assert_eq!(
        given.take("t").await,
        2,
        "taking a job gives the old one back"
    );
    assert_eq!(
        given.take("t").await,
        1,
        "and gets it again where nothing else is open"
    );
    // Job 2 was put back and is first in the queue; Ann flags 1 behind it and is still not given 2.
    given.store.flag("t", None).await.expect("flagged");
    assert_eq!(given.take("u").await, 2);
    given.jobs(1).await;
    assert_eq!(
        given.take("t").await,
        3,
        "a job that she never had goes first"
    );
}

pub(crate) async fn leaving_puts_the_job_back_and_ends_the_token(given: &Given) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    given.take("t").await;
    given.store.leave("t").await.expect("left");
    assert!(!given.store.knows("t").await.expect("an answer"));
    assert_eq!(given.status().await.stages[0].open, 1);
    assert_eq!(code(given.store.leave("t").await), ErrorCode::WorkerUnknown);
    assert_eq!(
        code(given.hand_in("t", "x").await),
        ErrorCode::WorkerUnknown
    );
    assert_eq!(
        code(given.store.flag("t", None).await),
        ErrorCode::WorkerUnknown
    );
    let progress = given.store.note_progress("t", "x".to_owned()).await;
    assert_eq!(code(progress), ErrorCode::WorkerUnknown);
    assert_eq!(
        code(given.store.claim("t", String::new()).await),
        ErrorCode::WorkerUnknown
    );
}

pub(crate) async fn only_what_succeeds_counts_as_being_heard_from(given: &Given) {
    given.jobs(4).await;
    for token in [
        "claims",
        "reports",
        "completes",
        "flags",
        "refused",
        "silent",
    ] {
        given.join(token, token, Stage::A).await;
    }
    given.take("completes").await;
    given.take("flags").await;
    given.take("silent").await;
    given.clock.advance(1_000);
    given.take("claims").await;
    given
        .store
        .note_progress("reports", "x".to_owned())
        .await
        .expect("noted");
    given.hand_in("completes", "x").await.expect("accepted");
    given.store.flag("flags", None).await.expect("flagged");
    assert_eq!(
        code(given.hand_in("refused", "x").await),
        ErrorCode::NoOpenJob
    );
    assert!(given.store.knows("silent").await.expect("an answer"));
    assert_eq!(
        given.store.drop_idle(1_000).await.expect("a sweep"),
        0,
        "not yet"
    );
    given.clock.advance(1);
    assert_eq!(given.store.drop_idle(1_000).await.expect("a sweep"), 2);
    for (token, there) in [
        ("claims", true),
        ("reports", true),
        ("completes", true),
        ("flags", true),
        ("refused", false),
        ("silent", false),
    ] {
        assert_eq!(
            given.store.knows(token).await.expect("an answer"),
            there,
            "{token}"
        );
    }
    assert_eq!(
        given.status().await.stages[0].held,
        1,
        "the silent one's job is open again"
    );
}

pub(crate) async fn a_redone_output_appears_again_under_a_new_cursor(given: &Given) {
    given.jobs(2).await;
    given.join("t", "Mo", Stage::A).await;
    for data in ["wrong", "fine"] {
        given.take("t").await;
        given.hand_in("t", data).await.expect("accepted");
    }
    for (token, nickname) in [("u", "Ann"), ("v", "Bob")] {
        given.join(token, nickname, Stage::B).await;
    }
    assert_eq!((given.take("u").await, given.take("v").await), (1, 2));
    given.store.flag("u", None).await.expect("flagged");
    given.store.leave("v").await.expect("left");
    given.join("w", "Bob", Stage::B).await;
    assert_eq!(given.take("w").await, 1);
    given.store.flag("w", None).await.expect("flagged");
    given.take("t").await;
    given.hand_in("t", "right").await.expect("accepted");
    let later = given.store.results(Stage::A, 2, 10).await.expect("results");
    assert_eq!(later.len(), 1);
    assert_eq!(
        (later[0].cursor, later[0].number, later[0].data.as_str()),
        (3, 1, "right")
    );
}

pub(crate) async fn concurrent_claims_never_hand_a_job_out_twice(given: &Given) {
    const WORKERS: usize = 40;
    given.jobs(120).await;
    let mut tasks = Vec::new();
    for n in 0..WORKERS {
        given
            .join(&format!("t{n}"), &format!("n{n}"), Stage::A)
            .await;
    }
    for n in 0..WORKERS {
        let store = Arc::clone(&given.store);
        tasks.push(tokio::spawn(async move {
            let token = format!("t{n}");
            let mut numbers = Vec::new();
            loop {
                match store.claim(&token, String::new()).await {
                    Ok(job) => numbers.push(job.number),
                    Err(StoreError::Refused(ErrorCode::NoJobs)) => return numbers,
                    Err(error) => panic!("{error}"),
                }
                store
                    .complete(&token, None, "x".to_owned())
                    .await
                    .expect("accepted");
            }
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a worker's end"));
    }
    let distinct: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (120, 120));
    assert_eq!(given.status().await.stages[1].open, 120);
}

pub(crate) async fn the_same_completion_sent_many_times_at_once_counts_once(given: &Given) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    given.take("t").await;
    let sent = (0..20).map(|_| {
        let store = Arc::clone(&given.store);
        tokio::spawn(async move { store.complete("t", Some(1), "x".to_owned()).await })
    });
    for task in sent.collect::<Vec<_>>() {
        task.await.expect("an end").expect("accepted");
    }
    assert_eq!(
        given.store.leaderboard(all()).await.expect("ranks")[0].completed,
        1
    );
    assert_eq!(given.status().await.stages[0].done, 1);
}

pub(crate) async fn wiping_forgets_everything(given: &Given) {
    given.jobs(3).await;
    given.join("t", "Ann", Stage::A).await;
    given.take("t").await;
    given.hand_in("t", "x").await.expect("accepted");
    given.take("t").await;
    given.store.wipe().await.expect("wiped");
    let status = given.status().await;
    assert_eq!(
        (status.jobs, status.closed, status.stages[0].workers),
        (0, 0, 0)
    );
    assert!(!given.store.knows("t").await.expect("an answer"));
    given.jobs(1).await;
    given.join("u", "Bob", Stage::A).await;
    assert_eq!(given.take("u").await, 1);
}

/// A value that a database does not accept fails the operation that carries it, and no other one of
/// its group.
pub(crate) async fn one_value_that_the_database_refuses_fails_no_other_operation(given: &Given) {
    given.jobs(20).await;
    let store = &given.store;
    for n in 0..20 {
        given.join(&format!("t{n}"), "Ann", Stage::A).await;
    }
    let sync = |token: String| {
        let store = Arc::clone(store);
        let request = SyncRequest {
            token,
            seq: 1,
            want: 1,
            ..SyncRequest::default()
        };
        tokio::spawn(async move { store.sync(request).await })
    };
    let mut honest = Vec::new();
    let mut hostile = Vec::new();
    for n in 0..20 {
        hostile.push(sync(format!("\0{n}")));
        honest.push(sync(format!("t{n}")));
    }
    for asked in honest {
        let reply = asked.await.expect("it ends").expect("it is served");
        assert_eq!(reply.granted.len(), 1);
    }
    for asked in hostile {
        let refused = asked.await.expect("it ends");
        assert!(
            matches!(
                refused,
                Err(StoreError::BadData(_) | StoreError::Refused(_))
            ),
            "{refused:?}"
        );
    }
}
