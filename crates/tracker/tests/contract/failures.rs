//! Jobs that fail or whose data is bad: which volunteers count, and when a job is set aside.

use distcompute_protocol::{ErrorCode, Failed, MAX_REASON, Stage, SyncRequest};
use distcompute_tracker::{
    ledger::GrantedLease,
    store::{End, Pause, RequeueFilter, State},
};

use super::{Given, all, asks, code, hands_in};

pub(crate) async fn flags_of_distinct_volunteers_send_a_job_back(given: &Given) {
    given.jobs(1).await;
    given.join("maker", "Mo", Stage::A).await;
    given.take("maker").await;
    given.hand_in("maker", "wrong").await.expect("accepted");
    // All workers of one nickname are one volunteer.
    for token in ["ann 1", "ann 2", "ann 3"] {
        given.join(token, "Ann", Stage::B).await;
        given.take(token).await;
        given.store.flag(token, None).await.expect("flagged");
    }
    assert_eq!(given.status().await.stages[1].open, 1);
    given.join("x", "anonymous", Stage::B).await;
    given.take("x").await;
    given.store.flag("x", Some(1)).await.expect("flagged");
    given
        .store
        .flag("x", Some(1))
        .await
        .expect("the same again");
    let status = given.status().await;
    assert_eq!((status.stages[0].open, status.stages[1].open), (1, 0));
    assert_eq!(
        (status.stages[0].done, given.results(Stage::A).await.len()),
        (0, 0)
    );
    // Other volunteers are preferred; the one who produced the bad output has to wait.
    given.jobs(1).await;
    assert_eq!(given.take("maker").await, 2);
    given.join("other", "Olga", Stage::A).await;
    let again = given
        .store
        .claim("other", String::new())
        .await
        .expect("a job");
    assert_eq!((again.number, again.data.as_deref()), (1, Some("input 1")));
    given.hand_in("other", "right").await.expect("accepted");
    // The count has started over.
    let job = given
        .store
        .claim("ann 1", String::new())
        .await
        .expect("a job");
    assert_eq!(job.data.as_deref(), Some("right"));
    given.store.flag("ann 1", None).await.expect("flagged");
    assert_eq!(given.status().await.stages[1].open, 1);
}

pub(crate) async fn unnamed_workers_of_one_address_are_one_volunteer(given: &Given) {
    given.jobs(1).await;
    // `join` gives tokens of the same length the same address.
    for token in ["x", "y", "zz"] {
        assert_eq!(given.status().await.stages[0].aside, 0);
        given.join(token, "anonymous", Stage::A).await;
        given.take(token).await;
        given.store.flag(token, None).await.expect("flagged");
    }
    let aside = given.store.set_aside(all()).await.expect("aside");
    assert_eq!(
        (aside.len(), aside[0].number, aside[0].stage),
        (1, 1, Stage::A)
    );
    assert!(
        aside[0].reason.contains("2 volunteers"),
        "{}",
        aside[0].reason
    );
    assert_eq!(
        code(given.store.claim("x", String::new()).await),
        ErrorCode::NoJobs
    );
}

pub(crate) async fn a_job_that_is_always_bad_does_not_go_round_for_ever(given: &Given) {
    given.jobs(1).await;
    for token in ["ann", "bob"] {
        given.join(&format!("{token} a"), token, Stage::A).await;
        given.join(&format!("{token} b"), token, Stage::B).await;
    }
    let mut rounds = 0;
    while given.status().await.stages[0].open > 0 {
        rounds += 1;
        assert!(rounds <= 10, "it goes round and round");
        given.take("ann a").await;
        given.hand_in("ann a", "bad").await.expect("accepted");
        for token in ["ann b", "bob b"] {
            given.take(token).await;
            given.store.flag(token, None).await.expect("flagged");
        }
    }
    assert_eq!(rounds, 4, "made once, and again three times");
    assert_eq!(given.store.set_aside(all()).await.expect("aside").len(), 1);
}

pub(crate) async fn a_job_that_fails_again_and_again_is_set_aside_until_it_is_requeued(
    given: &Given,
) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    for round in 0..5 {
        let granted = given
            .sync(asks("t", 2 * round, 1))
            .await
            .expect("a job")
            .granted;
        let failed = SyncRequest {
            failed: vec![Failed {
                lease: granted[0].lease.clone(),
                error: format!("boom {round} \0{}", "x".repeat(9_000)),
            }],
            ..asks("t", 2 * round + 1, 0)
        };
        given.sync(failed).await.expect("noted");
    }
    let aside = given.store.set_aside(all()).await.expect("aside");
    // Only the latest failure of each volunteer is kept.
    assert_eq!((aside.len(), aside[0].errors.len()), (1, 1));
    assert!(aside[0].reason.contains("5 times"), "{}", aside[0].reason);
    assert!(aside[0].errors[0].text.starts_with("boom 4"));
    assert_eq!(aside[0].errors[0].nickname, "Ann");
    assert!(aside[0].errors[0].text.chars().count() <= MAX_REASON);
    let other = RequeueFilter {
        numbers: vec![2],
        ..RequeueFilter::default()
    };
    assert_eq!(given.store.requeue(&other).await.expect("requeued"), 0);
    let young = RequeueFilter {
        older_than: Some(1),
        ..RequeueFilter::default()
    };
    assert_eq!(given.store.requeue(&young).await.expect("requeued"), 0);
    let all = RequeueFilter::default();
    assert_eq!(given.store.requeue(&all).await.expect("requeued"), 1);
    let again = given.sync(asks("t", 20, 1)).await.expect("a job").granted;
    assert_eq!((again.len(), again[0].attempt), (1, 1));
}

/// One sync of a client that fails at all that it holds and asks for more. Returns the jobs
/// granted.
pub(super) async fn fails_and_asks(
    given: &Given,
    token: &str,
    seq: u64,
    held: Vec<GrantedLease>,
    want: u32,
) -> Vec<GrantedLease> {
    let failed = held.into_iter().map(|lease| Failed {
        lease: lease.lease,
        error: "Error: no such file".to_owned(),
    });
    let request = SyncRequest {
        failed: failed.collect(),
        ..asks(token, seq, want)
    };
    given.sync(request).await.expect("noted").granted
}

pub(crate) async fn failures_are_listed_and_a_stage_is_paused_until_it_is_resumed(given: &Given) {
    given.jobs(20).await;
    let mut held = Vec::new();
    for name in ["Ann", "Bob", "Cleo"] {
        given.join(name, name, Stage::A).await;
        held.push(given.sync(asks(name, 1, 4)).await.expect("jobs").granted);
    }
    let first = held[0].remove(0);
    fails_and_asks(given, "Ann", 2, vec![first.clone()], 0).await;
    let failures = given.store.failures(10).await.expect("failures");
    assert_eq!(failures.len(), 1);
    let failure = &failures[0];
    assert_eq!((failure.number, failure.stage), (1, Stage::A));
    assert_eq!(
        (failure.nickname.as_str(), failure.worker.as_str()),
        ("Ann", "name-Ann")
    );
    assert_eq!(failure.error, "Error: no such file");
    let job = given.store.job(1).await.expect("read").expect("a job");
    assert_eq!((job.state, job.failures, job.attempt), (State::Open, 1, 1));
    assert_eq!(job.texts[0].text, "input 1");
    assert_eq!(job.leases[0].ended.map(|(_, end)| end), Some(End::Failed));
    assert_eq!(job.leases[0].worker, "name-Ann");
    assert_eq!(given.store.job(21).await.expect("read"), None);

    // A setup fails before there is a job.
    given.join("Zoe", "Zoe", Stage::A).await;
    let request = SyncRequest {
        setup_failed: Some("Error: no model".to_owned()),
        ..asks("Zoe", 1, 0)
    };
    given.sync(request).await.expect("noted");
    let failures = given.store.failures(1).await.expect("failures");
    assert_eq!((failures[0].number, failures[0].end), (0, None));
    assert_eq!(failures[0].nickname, "Zoe");
    assert_eq!(failures[0].error, "Error: no model");

    // If there was a result in between, three failing volunteers do not pause the stage.
    let one = held[1].remove(0);
    given
        .sync(hands_in("Bob", 2, &one.lease, "out"))
        .await
        .expect("accepted");
    for round in 3..6 {
        for (at, name) in ["Ann", "Bob", "Cleo"].into_iter().enumerate() {
            let lost = std::mem::take(&mut held[at]);
            held[at] = fails_and_asks(given, name, round, lost, 2).await;
        }
        given.clock.advance(20_000);
    }
    let status = given.status().await;
    let paused = status.paused[0].as_ref().expect("paused");
    let Pause::Failures(reason) = &paused.pause else {
        panic!("{paused:?}");
    };
    assert!(reason.contains("Error: no such file"), "{reason}");
    assert_eq!(status.stages[0].aside, 0);
    assert_eq!(given.store.open_jobs(Stage::A).await.expect("counted"), 0);
    // A volunteer who has failed there is given nothing, any other one job to try.
    given.join("Dan", "Dan", Stage::A).await;
    let mut tried = given.sync(asks("Dan", 1, 4)).await.expect("jobs").granted;
    assert_eq!(tried.len(), 1);
    let number = u64::try_from(tried[0].number).expect("a number");
    let before = given.store.job(number).await.expect("read").expect("a job");
    tried = fails_and_asks(given, "Dan", 2, tried, 4).await;
    assert_eq!(tried, []);
    let after = given.store.job(number).await.expect("read").expect("a job");
    assert_eq!(after.failures, before.failures, "it is not the job's fault");
    assert_eq!(given.store.resume(&[Stage::B]).await.expect("resumed"), 0);
    assert_eq!(given.store.resume(&Stage::ALL).await.expect("resumed"), 1);
    assert_eq!(given.status().await.paused[0], None);
    given.join("Eve", "Eve", Stage::A).await;
    given.take("Eve").await;
}

pub(crate) async fn a_stage_that_the_operator_pauses_hands_out_nothing_and_takes_results(
    given: &Given,
) {
    given.jobs(4).await;
    given.join("Ann", "Ann", Stage::A).await;
    let held = given.sync(asks("Ann", 1, 2)).await.expect("jobs").granted;
    let pause = async |stages: &[Stage], message| {
        let paused = given.store.pause(stages, message).await;
        paused.expect("paused")
    };
    assert_eq!(pause(&Stage::ALL, "Back on Monday.").await, 5);
    let status = given.status().await;
    let paused = status.paused[0].as_ref().expect("paused");
    let said = Pause::Operator("Back on Monday.".to_owned());
    assert_eq!((paused.at, &paused.pause), (status.now, &said));
    assert_eq!(given.store.open_jobs(Stage::A).await.expect("counted"), 0);

    // Not even somebody new is given a job to try, and a result does not resume the stage.
    given.join("Bob", "Bob", Stage::A).await;
    for seq in 1..3 {
        let reply = given.sync(asks("Bob", seq, 4)).await.expect("an answer");
        assert_eq!((reply.granted.len(), reply.open), (0, 0));
        assert_eq!(reply.paused.as_deref(), Some("Back on Monday."));
        if seq == 1 {
            let result = hands_in("Ann", 2, &held[0].lease, "out");
            let reply = given.sync(result).await.expect("accepted");
            assert_eq!(reply.accepted, [held[0].lease.clone()]);
        }
    }
    // A second message replaces the first one.
    assert_eq!(pause(&[Stage::A], "Back on Tuesday.").await, 0);
    let reply = given.sync(asks("Bob", 3, 4)).await.expect("an answer");
    assert_eq!(reply.paused.as_deref(), Some("Back on Tuesday."));

    assert_eq!(given.store.resume(&[Stage::A]).await.expect("resumed"), 1);
    let reply = given.sync(asks("Bob", 4, 4)).await.expect("jobs");
    assert_eq!((reply.paused, reply.granted.is_empty()), (None, false));
    assert_eq!(given.store.resume(&Stage::ALL).await.expect("resumed"), 4);
}

pub(crate) async fn a_job_goes_to_others_than_those_at_whom_it_failed(given: &Given) {
    given.jobs(1).await;
    for name in ["Ann", "Bob"] {
        given.join(name, name, Stage::A).await;
    }
    // Bob is present and wants jobs.
    let held = given.sync(asks("Ann", 1, 1)).await.expect("a job").granted;
    assert!(
        given
            .sync(asks("Bob", 1, 1))
            .await
            .expect("none")
            .granted
            .is_empty()
    );
    assert!(fails_and_asks(given, "Ann", 2, held, 1).await.is_empty());
    let reply = given.sync(asks("Ann", 3, 1)).await.expect("none");
    assert!(
        reply.granted.is_empty() && reply.wait_s >= 10,
        "{}",
        reply.wait_s
    );
    // It failed with both, so neither has to leave it to the other.
    let held = given.sync(asks("Bob", 2, 1)).await.expect("a job").granted;
    assert_eq!(held.len(), 1);
    fails_and_asks(given, "Bob", 3, held, 0).await;
    let held = given.sync(asks("Ann", 4, 1)).await.expect("a job").granted;
    assert_eq!(held.len(), 1);
    fails_and_asks(given, "Ann", 5, held, 0).await;
    // A volunteer who has said goodbye is not waited for.
    given.store.leave("Bob").await.expect("gone");
    assert_eq!(
        given
            .sync(asks("Ann", 6, 1))
            .await
            .expect("a job")
            .granted
            .len(),
        1
    );
}
