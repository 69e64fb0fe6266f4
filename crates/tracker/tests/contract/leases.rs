//! Syncs and leases: what is granted, what a lease permits, and when it ends.

use std::collections::BTreeSet;

use distcompute_protocol::{Done, ErrorCode, Failed, Invalid, RejectedWhy, Stage, SyncRequest};
use distcompute_tracker::{
    ledger::GrantedLease,
    store::{RequeueFilter, Status},
};

use super::failures::fails_and_asks;
use super::{Given, all, asks, code, hands_in, has, holds};

pub(crate) async fn a_sync_is_handed_no_more_bytes_than_it_wants(given: &Given) {
    let sizes = [30_000, 10, 400, 4_000, 10, 10];
    // Two bytes per letter, because bytes are counted and not letters.
    let inputs: Vec<String> = sizes.iter().map(|size| "é".repeat(size / 2)).collect();
    given.store.add_jobs(&inputs).await.expect("jobs");
    given.join("t", "Ann", Stage::A).await;
    let wants = |seq: u64, bytes: u64, held: &[String]| SyncRequest {
        want_bytes: Some(bytes),
        holding: held.to_vec(),
        ..asks("t", seq, 100)
    };
    let mut held = Vec::new();
    let mut seen = Vec::new();
    for (seq, bytes) in [(1, 1), (2, 1_000), (3, 4_000), (4, 1_000_000)] {
        let reply = given.sync(wants(seq, bytes, &held)).await.expect("jobs");
        seen.push((reply.granted.len(), reply.left_bytes));
        held.extend(reply.granted.into_iter().map(|job| job.lease));
        if seq == 3 {
            // The answer was lost: its jobs have the same sizes as before.
            held.truncate(3);
        }
    }
    // In order: one job whatever its size; jobs that fit; one of 4,000 bytes, alone; the same
    // again, and all that are left.
    assert_eq!(seen, [(1, 170), (2, 4_160), (1, 170), (3, 0)]);
    // A client that does not report a limit in bytes is only limited by the number of jobs.
    given.join("u", "Bob", Stage::A).await;
    given.sync(holds("t", 5, &[])).await.expect("put back");
    let all = given.sync(asks("u", 1, 100)).await.expect("jobs");
    assert_eq!((all.granted.len(), all.left_bytes), (6, 0));
}

pub(crate) async fn large_inputs_are_read_when_the_jobs_are_handed_out(given: &Given) {
    let inputs: Vec<String> = (1..=4).map(|n| format!("{n}").repeat(30_000)).collect();
    given.store.add_jobs(&inputs).await.expect("jobs");
    given.join("t", "Ann", Stage::A).await;
    let wants = |seq: u64, want: u32| SyncRequest {
        want_bytes: Some(1_000_000),
        cores: Some(8),
        ..asks("t", seq, want)
    };
    let read = async |mut granted: Vec<GrantedLease>| -> Vec<Option<String>> {
        given.store.read_inputs(&mut granted).await.expect("inputs");
        granted.sort_by_key(|job| job.number);
        granted.into_iter().map(|job| job.data).collect()
    };
    let of = |numbers: std::ops::Range<usize>| -> Vec<_> {
        inputs[numbers].iter().cloned().map(Some).collect()
    };
    // Small inputs come with the jobs; a repeated sync gets the same answer.
    for seq in [1, 1] {
        let few = given.sync(wants(seq, 2)).await.expect("two jobs").granted;
        assert!(few.iter().all(|job| job.data.is_some()));
        assert_eq!(read(few).await, of(0..2));
    }
    for seq in [2, 2] {
        let many = given.sync(wants(seq, 4)).await.expect("four jobs").granted;
        assert!(
            many.iter().all(|job| job.data.is_none()),
            "read by the writer"
        );
        assert_eq!(read(many).await, of(0..4));
    }
    // Jobs that no longer exist are left out.
    let many = given.sync(wants(3, 4)).await.expect("four jobs").granted;
    given.store.wipe().await.expect("an empty project");
    assert_eq!(read(many).await, []);
}

pub(crate) async fn a_sync_keeps_what_an_answer_under_way_grants(given: &Given) {
    given.jobs(6).await;
    given.join("t", "Ann", Stage::A).await;
    let first = given.sync(asks("t", 1, 2)).await.expect("two jobs").granted;
    // The answer to the first sync has begun to arrive; the client does not know yet which leases
    // it contains.
    let awaiting = |seq: u64, want: u32| SyncRequest {
        awaiting: vec![1],
        ..asks("t", seq, want)
    };
    let second = given.sync(awaiting(3, 2)).await.expect("two more").granted;
    let numbers =
        |granted: &[GrantedLease]| -> Vec<i64> { granted.iter().map(|job| job.number).collect() };
    assert_eq!(
        (numbers(&first), numbers(&second)),
        (vec![1, 2], vec![3, 4])
    );
    // A report about one of them counts all the same.
    let released = SyncRequest {
        released: vec![first[0].lease.clone()],
        holding: second.iter().map(|job| job.lease.clone()).collect(),
        ..awaiting(5, 0)
    };
    given.sync(released).await.expect("put back");
    assert_eq!(given.status().await.stages[0].held, 3);
    // The answer has arrived, or was lost.
    let names: Vec<&str> = second.iter().map(|job| job.lease.as_str()).collect();
    given.sync(holds("t", 7, &names)).await.expect("kept");
    assert_eq!(given.status().await.stages[0].held, 2);
}

pub(crate) async fn a_sync_is_ordered_by_its_number_and_repeated_without_change(given: &Given) {
    given.jobs(5).await;
    given.join("t", "Ann", Stage::A).await;
    let first = given.sync(asks("t", 7, 2)).await.expect("two jobs");
    let numbers: Vec<_> = first.granted.iter().map(|job| job.number).collect();
    assert_eq!((numbers.as_slice(), first.open), (&[1, 2][..], 3));
    assert_eq!(first.granted[0].data.as_deref(), Some("input 1"));
    assert_eq!(given.sync(asks("t", 7, 2)).await.expect("again"), first);
    assert_eq!(
        code(given.sync(asks("t", 6, 2)).await),
        ErrorCode::Superseded
    );
    assert_eq!(given.status().await.stages[0].held, 2);
    assert_eq!(
        code(given.sync(asks("nobody", 8, 1)).await),
        ErrorCode::WorkerUnknown
    );
    // The first answer never arrived: its jobs are granted again, under new leases.
    let second = given.sync(asks("t", 8, 2)).await.expect("two jobs");
    let again: Vec<_> = second.granted.iter().map(|job| job.number).collect();
    assert_eq!(BTreeSet::from_iter(again), BTreeSet::from([1, 2]));
    assert_ne!(second.granted[0].lease, first.granted[0].lease);
    let kept = holds("t", 9, &[&second.granted[0].lease, "1-made-up", "nonsense"]);
    let third = given.sync(kept).await.expect("kept");
    assert_eq!(third.lost, ["1-made-up", "nonsense"]);
    assert_eq!(given.status().await.stages[0].held, 1);
}

pub(crate) async fn a_lease_is_the_right_to_submit_regardless_of_the_registration(given: &Given) {
    given.jobs(2).await;
    given.join("t", "Ann", Stage::A).await;
    let granted = given.sync(asks("t", 1, 2)).await.expect("jobs").granted;
    let (one, two) = (granted[0].lease.as_str(), granted[1].lease.as_str());
    given.clock.advance(2);
    assert_eq!(given.store.drop_missed(1).await.expect("a sweep"), 1);
    given.join("u", "Bob", Stage::A).await;
    let late = given
        .sync(hands_in("u", 1, one, "late"))
        .await
        .expect("taken");
    assert_eq!(late.accepted, [one]);
    let again = given
        .sync(hands_in("u", 2, one, "late"))
        .await
        .expect("taken");
    assert_eq!(again.accepted, [one]);
    let ranks = given.store.leaderboard(all()).await.expect("ranks");
    assert_eq!(
        (ranks.len(), ranks[0].nickname.as_str(), ranks[0].completed),
        (1, "Ann", 1)
    );
    let back = given.sync(holds("u", 3, &[two, one])).await.expect("held");
    assert_eq!(back.lost, [one]);
    let worker = given
        .store
        .worker(Stage::A, "name-u")
        .await
        .expect("an answer");
    assert_eq!(worker.expect("a worker").job, Some(2));
    let unknown = given
        .sync(hands_in("u", 4, "2-wrong", "x"))
        .await
        .expect("an answer");
    assert_eq!(unknown.rejected[0].why, RejectedWhy::Unknown);
    assert_eq!(given.results(Stage::A).await, [(1, "late".to_owned())]);
}

pub(crate) async fn a_lease_that_was_given_back_opens_nothing(given: &Given) {
    given.jobs(4).await;
    given.join("t", "Ann", Stage::A).await;
    let keys: Vec<String> = has(given, "t", 1, 4)
        .await
        .into_iter()
        .map(|job| job.lease)
        .collect();
    let gives_back = SyncRequest {
        released: vec![keys[0].clone()],
        failed: vec![Failed {
            lease: keys[1].clone(),
            error: "no luck".to_owned(),
        }],
        invalid: vec![Invalid {
            lease: keys[2].clone(),
            reason: "odd".to_owned(),
        }],
        ..asks("t", 2, 0)
    };
    // The fourth is not listed any more.
    given.sync(gives_back).await.expect("given back");
    let again: Vec<&str> = keys.iter().map(String::as_str).collect();
    let held = given.sync(holds("t", 3, &again)).await.expect("an answer");
    assert_eq!(held.lost, keys);
    let done = SyncRequest {
        done: keys
            .iter()
            .map(|lease| Done {
                lease: lease.clone(),
                data: "junk".to_owned(),
            })
            .collect(),
        ..asks("t", 4, 0)
    };
    let reply = given.sync(done).await.expect("an answer");
    assert!(reply.accepted.is_empty());
    let whys: Vec<_> = reply.rejected.iter().map(|one| one.why).collect();
    assert_eq!(whys, [RejectedWhy::Unknown; 4]);
    assert_eq!(given.results(Stage::A).await, []);
    // Nor can a lease be used whose worker has said goodbye.
    let left = has(given, "t", 5, 1).await[0].lease.clone();
    given.store.leave("t").await.expect("left");
    given.join("u", "Ann", Stage::A).await;
    let reply = given
        .sync(hands_in("u", 1, &left, "junk"))
        .await
        .expect("an answer");
    assert_eq!(reply.rejected[0].why, RejectedWhy::Unknown);
    assert_eq!(given.results(Stage::A).await, []);
}

/// A client takes every job, gives all of them back and keeps the leases, again and again. Then it
/// submits junk for the jobs that an honest worker holds.
pub(crate) async fn leases_of_jobs_that_were_given_back_take_nothing_from_the_current_worker(
    given: &Given,
) {
    given.jobs(20).await;
    given.join("thief", "Eve", Stage::A).await;
    given.join("honest", "Ann", Stage::A).await;
    let mut keys = Vec::new();
    for turn in 0..20 {
        let held = has(given, "thief", 2 * turn + 1, 512).await;
        let names: Vec<String> = held.into_iter().map(|job| job.lease).collect();
        let release = SyncRequest {
            released: names.clone(),
            ..asks("thief", 2 * turn + 2, 0)
        };
        given.sync(release).await.expect("given back");
        keys.extend(names);
        // It rests after giving jobs back.
        given.clock.advance(600_000);
    }
    let mut honest = Vec::new();
    let mut results = 0;
    for seq in 1.. {
        let request = SyncRequest {
            done: std::mem::take(&mut honest),
            ..asks("honest", seq, 512)
        };
        let due = request.done.len();
        let reply = given.sync(request).await.expect("an answer");
        assert_eq!(reply.accepted.len(), due, "honest work was refused");
        results += due;
        if reply.granted.is_empty() {
            break;
        }
        honest.extend(reply.granted.iter().map(|job| Done {
            lease: job.lease.clone(),
            data: format!("honest {}", job.number),
        }));
        let junk = SyncRequest {
            done: keys
                .iter()
                .map(|lease| Done {
                    lease: lease.clone(),
                    data: "junk".to_owned(),
                })
                .collect(),
            ..asks("thief", 1_000 + seq, 0)
        };
        let reply = given.sync(junk).await.expect("an answer");
        assert!(reply.accepted.is_empty(), "junk was accepted");
    }
    assert_eq!(results, 20);
    let stored = given.results(Stage::A).await;
    assert_eq!(stored.len(), 20);
    assert!(
        stored.iter().all(|(_, data)| data.starts_with("honest")),
        "{stored:?}"
    );
}

pub(crate) async fn leases_that_open_nothing_leave_no_rows_behind(given: &Given) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    let leases = async || {
        let job = given.store.job(1).await.expect("read").expect("a job");
        job.leases.len()
    };
    // From the tracker's point of view, these answers never arrive.
    for seq in 1..=20 {
        given.sync(asks("t", seq, 1)).await.expect("a job");
        given.clock.advance(600_000);
    }
    assert!(leases().await <= 1);
    given.store.leave("t").await.expect("left");
    given.join("u", "Bob", Stage::A).await;
    let before = leases().await;
    let held = has(given, "u", 1, 1).await[0].lease.clone();
    let release = SyncRequest {
        released: vec![held],
        ..asks("u", 2, 0)
    };
    given.sync(release).await.expect("given back");
    assert_eq!(leases().await, before + 1, "a page shows who gave it back");
    given.clock.advance(3_600_001);
    given.store.end_leases(300_000).await.expect("a sweep");
    assert_eq!(leases().await, 0);
    // An expired lease may deliver for a week.
    given.sync(asks("u", 3, 1)).await.expect("a job");
    given.clock.advance(300_001);
    given.store.end_leases(300_000).await.expect("a sweep");
    given.clock.advance(6 * 86_400_000);
    given.store.end_leases(300_000).await.expect("a sweep");
    assert_eq!(leases().await, 1);
    given.clock.advance(86_400_001);
    given.store.end_leases(300_000).await.expect("a sweep");
    assert_eq!(leases().await, 0);
}

const MONTH: i64 = 30 * 86_400_000;

pub(crate) async fn what_was_written_while_the_clock_was_ahead_counts_as_now(given: &Given) {
    given.jobs(3).await;
    given.clock.advance(MONTH);
    given.join("t", "Ann", Stage::A).await;
    given.sync(asks("t", 1, 1)).await.expect("a job");
    given.join("old", "Bob", Stage::A).await;
    given
        .store
        .claim("old", "secret".to_owned())
        .await
        .expect("a job");
    // The third is set aside.
    for (token, nickname) in [("f", "Eve"), ("g", "Joe")] {
        given.join(token, nickname, Stage::A).await;
        given
            .store
            .claim(token, token.to_owned())
            .await
            .expect("a job");
        given.store.flag(token, None).await.expect("flagged");
    }
    given.clock.advance(-MONTH);
    let count = |status: Status| (status.stages[0].open, status.stages[0].held);
    assert_eq!(given.store.end_leases(300_000).await.expect("a sweep"), 0);
    given.clock.advance(300_001);
    assert_eq!(given.store.end_leases(300_000).await.expect("a sweep"), 1);
    assert_eq!(count(given.status().await).1, 1, "the old client's is left");
    given.clock.advance(7_200_000 - 300_000);
    assert_eq!(given.store.drop_idle(7_200_000).await.expect("a sweep"), 4);
    assert_eq!(count(given.status().await).1, 0);
    let filter = RequeueFilter {
        older_than: Some(3_600_000),
        ..RequeueFilter::default()
    };
    let aside = given.status().await.stages[0].aside;
    assert!(aside > 0, "one is set aside");
    assert_eq!(given.store.requeue(&filter).await.expect("requeued"), aside);
    // The clock runs ahead once more, and nothing happens but a restart.
    given.clock.advance(MONTH);
    given.join("u", "Ann", Stage::A).await;
    given.sync(asks("u", 1, 1)).await.expect("a job");
    given.clock.advance(-MONTH);
    given.store.correct_times().await.expect("corrected");
    let worker = given.store.worker(Stage::A, "name-u").await;
    let worker = worker.expect("an answer").expect("a worker");
    assert_eq!(worker.last_seen, given.status().await.now);
    given.clock.advance(300_001);
    assert_eq!(given.store.end_leases(300_000).await.expect("a sweep"), 1);
}

pub(crate) async fn a_volunteer_who_asked_while_the_clock_was_ahead_is_waited_for_no_longer(
    given: &Given,
) {
    given.jobs(1).await;
    for name in ["Ann", "Bob"] {
        given.join(name, name, Stage::A).await;
    }
    let held = given.sync(asks("Ann", 1, 1)).await.expect("a job").granted;
    given.clock.advance(MONTH);
    let none = given.sync(asks("Bob", 1, 1)).await.expect("none").granted;
    assert!(none.is_empty(), "Ann has the only job");
    given.clock.advance(-MONTH);
    let left_to_bob = fails_and_asks(given, "Ann", 2, held, 1).await;
    assert!(left_to_bob.is_empty());
    // Bob never comes back; a sweep notices that the clock was ahead.
    given.store.end_leases(300_000).await.expect("a sweep");
    given.clock.advance(600_001);
    let held = given.sync(asks("Ann", 3, 1)).await.expect("a job").granted;
    assert_eq!(held.len(), 1);
}

pub(crate) async fn a_lease_ends_unless_a_sync_holds_it(given: &Given) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    let granted = given.sync(asks("t", 1, 1)).await.expect("a job").granted;
    let lease = granted[0].lease.as_str();
    given.clock.advance(200_000);
    given.sync(holds("t", 2, &[lease])).await.expect("held");
    given.clock.advance(200_000);
    assert_eq!(given.store.end_leases(300_000).await.expect("a sweep"), 0);
    given.clock.advance(100_001);
    assert_eq!(given.store.end_leases(300_000).await.expect("a sweep"), 1);
    assert_eq!(given.status().await.stages[0].open, 1);
    // The client woke up, and nobody has taken the job.
    let woken = given.sync(holds("t", 3, &[lease])).await.expect("held");
    assert_eq!(
        (woken.lost.len(), given.status().await.stages[0].held),
        (0, 1)
    );
    let done = given
        .sync(hands_in("t", 4, lease, "x"))
        .await
        .expect("taken");
    assert_eq!(done.accepted, [lease]);
}

pub(crate) async fn several_leases_and_the_calls_of_one_job_get_along(given: &Given) {
    given.jobs(3).await;
    given.join("t", "Ann", Stage::A).await;
    let granted = given.sync(asks("t", 1, 2)).await.expect("jobs").granted;
    assert_eq!(granted.len(), 2);
    assert_eq!(code(given.hand_in("t", "x").await), ErrorCode::WrongJob);
    given
        .store
        .complete("t", Some(2), "x".to_owned())
        .await
        .expect("accepted");
    given.take("t").await;
    assert_eq!(
        given.status().await.stages[0].held,
        1,
        "newJob gave back the rest"
    );
    let bad = given
        .sync(hands_in("t", 2, &granted[0].lease, "nul \0"))
        .await
        .expect("answered");
    assert_eq!(bad.rejected[0].why, RejectedWhy::Invalid);
}
