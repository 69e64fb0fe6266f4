//! How many jobs a registration, and all registrations of an address group, may hold.

use distcompute_protocol::{ANONYMOUS, Done, ErrorCode, Stage, SyncRequest};
use distcompute_tracker::store::{NewWorker, SyncReply};

use super::{Given, asks, code};

/// How many jobs a new registration is given.
async fn given_at_first(given: &Given, token: &str, cores: Option<u32>) -> usize {
    let request = SyncRequest {
        cores,
        ..asks(token, 1, 1_024)
    };
    let reply = given.sync(request).await.expect("jobs");
    assert!(reply.limited, "there are more");
    reply.granted.len()
}

pub(crate) async fn a_registration_begins_with_its_cores_and_one_more_job(given: &Given) {
    given.jobs(900).await;
    for (token, cores, first) in [
        ("one", Some(1), 2),
        ("eight", Some(8), 9),
        ("liar", Some(1_000_000), 129),
        ("silent", None, 17),
    ] {
        given.join(token, token, Stage::A).await;
        assert_eq!(given_at_first(given, token, cores).await, first, "{token}");
    }
    // Each result raises the allowance by eight.
    let held = given.sync(asks("eight", 1, 1_024)).await.expect("again");
    let done = |held: SyncReply| {
        let leases = held.granted.into_iter().map(|job| job.lease);
        let done = |lease| Done {
            lease,
            data: "x".to_owned(),
        };
        leases.map(done).collect::<Vec<_>>()
    };
    let done = done(held);
    let next = SyncRequest {
        done: done.clone(),
        ..asks("eight", 2, 1_024)
    };
    let next = given.sync(next).await.expect("more");
    assert_eq!(next.granted.len(), 9 + 9 * 8);
    // Results that were accepted before do not count again.
    let again = SyncRequest {
        holding: next.granted.iter().map(|job| job.lease.clone()).collect(),
        done,
        ..asks("eight", 3, 1_024)
    };
    let again = given.sync(again).await.expect("an answer");
    assert_eq!((again.granted.len(), again.limited), (0, true));
}

pub(crate) async fn jobs_pass_to_another_registration_only_as_far_as_both_may_hold(given: &Given) {
    given.jobs(200).await;
    let leases = |reply: SyncReply| -> Vec<String> {
        let granted = reply.granted.into_iter();
        granted.map(|job| job.lease).collect()
    };
    let asks_for_more = |token: &str, seq, holding: &[String]| SyncRequest {
        cores: Some(1),
        holding: holding.to_vec(),
        ..asks(token, seq, 512)
    };
    for token in ["old", "new", "hoards"] {
        given.join(token, token, Stage::A).await;
    }
    let first = given
        .sync(asks_for_more("old", 1, &[]))
        .await
        .expect("jobs");
    let done = leases(first).into_iter().map(|lease| Done {
        lease,
        data: "x".to_owned(),
    });
    let next = SyncRequest {
        done: done.collect(),
        ..asks_for_more("old", 2, &[])
    };
    let earned = leases(given.sync(next).await.expect("more"));
    assert_eq!(earned.len(), 2 + 2 * 8);
    // A client that registers anew keeps all jobs that it works on, and what it has earned.
    let anew = given
        .sync(asks_for_more("new", 1, &earned))
        .await
        .expect("kept");
    assert_eq!((anew.lost.len(), anew.granted.len()), (0, 0));
    assert!(anew.limited);
    // The earlier registration is back at its initial allowance.
    let mut taken = leases(
        given
            .sync(asks_for_more("old", 3, &[]))
            .await
            .expect("jobs"),
    );
    assert_eq!(taken.len(), 2);
    // So a client cannot take jobs for another to hoard: that one holds its own share, and the rest
    // stays where it is.
    let hoards = asks_for_more("hoards", 1, &taken);
    assert_eq!(given.sync(hoards).await.expect("kept").lost, [""; 0]);
    let more = leases(
        given
            .sync(asks_for_more("old", 4, &[]))
            .await
            .expect("jobs"),
    );
    taken.extend(more.clone());
    let hoards = asks_for_more("hoards", 2, &taken);
    let hoards = given.sync(hoards).await.expect("its part");
    assert_eq!((hoards.lost, hoards.granted.len()), (more.clone(), 0));
    let still = given
        .sync(asks_for_more("old", 5, &more))
        .await
        .expect("held");
    assert_eq!((still.lost.len(), still.granted.len()), (0, 0));
    assert_eq!(given.status().await.stages[0].held, 18 + 2 + 2);
}

/// Registers anonymously, from an address.
async fn unnamed(given: &Given, token: &str, address: &str) {
    let worker = NewWorker {
        browser: String::new(),
        token: token.to_owned(),
        display_name: format!("name-{token}"),
        nickname: ANONYMOUS.to_owned(),
        address: address.to_owned(),
        proven: None,
        stage: Stage::A,
    };
    given.store.register(worker).await.expect("a worker");
}

pub(crate) async fn registrations_of_one_address_share_what_they_may_hold(given: &Given) {
    given.jobs(3_000).await;
    let mut held = 0;
    for at in 0..40 {
        // Addresses of one network, all of which one machine may have.
        let token = format!("t{at}");
        unnamed(given, &token, &format!("2001:db8::{at:x}")).await;
        let request = SyncRequest {
            cores: Some(128),
            ..asks(&token, 1, 1_024)
        };
        held += given.sync(request).await.expect("jobs").granted.len();
    }
    assert_eq!(held, 2_048);
    assert_eq!(given.status().await.stages[0].held, 2_048);
    // Other networks get their jobs, and this one gets again what it gives back.
    unnamed(given, "other", "2001:db8:0:1::1").await;
    assert_eq!(given_at_first(given, "other", Some(4)).await, 5);
    assert_eq!(
        code(given.store.claim("t39", String::new()).await),
        ErrorCode::NoJobs
    );
    given.store.leave("t0").await.expect("left");
    let reply = given.sync(asks("t39", 2, 1_024)).await.expect("jobs");
    assert_eq!(reply.granted.len(), 129);
}

/// How many jobs forty browsers do, and how many they hold in the end, if each takes as many as it
/// may.
async fn forty(given: &Given, name: &str, address: impl Fn(usize) -> String) -> (usize, u64) {
    let mut done = vec![Vec::new(); 40];
    for at in 0..40 {
        unnamed(given, &format!("{name} {at}"), &address(at)).await;
    }
    let mut count = 0;
    for seq in 1..=2 {
        for (at, done) in done.iter_mut().enumerate() {
            let request = SyncRequest {
                cores: Some(1),
                done: std::mem::take(done),
                ..asks(&format!("{name} {at}"), seq, 1_024)
            };
            let due = request.done.len();
            let reply = given.sync(request).await.expect("jobs");
            assert_eq!(reply.accepted.len(), due);
            count += due;
            done.extend(reply.granted.iter().map(|job| Done {
                lease: job.lease.clone(),
                data: "x".to_owned(),
            }));
        }
        given.clock.advance(500);
    }
    let held = given.status().await.stages[0].held;
    for at in 0..40 {
        given
            .store
            .leave(&format!("{name} {at}"))
            .await
            .expect("left");
    }
    (count, held)
}

pub(crate) async fn a_classroom_behind_one_address_works_as_one_at_forty(given: &Given) {
    given.jobs(1_000).await;
    let apart = forty(given, "home", |at| format!("198.51.100.{at}")).await;
    let together = forty(given, "classroom", |_| "203.0.113.7".to_owned()).await;
    assert_eq!(apart, (40 * 2, 40 * (2 + 2 * 8)));
    assert_eq!(together, apart);
}
