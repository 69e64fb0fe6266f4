//! Late results, which arrive after their lease has expired.

use distcompute_protocol::{Failed, RejectedWhy, Stage, SyncRequest};
use distcompute_tracker::{operations::bans, rules::bans::Banned};

use super::{Given, RULES, all, asks, hands_in, has, holds};

/// A project of two stages with one job, which Ann held until her lease expired and which Bob holds
/// now. Returns her lease and his.
async fn overdue(given: &Given) -> (String, String) {
    given.jobs(1).await;
    given.join("ann", "Ann", Stage::A).await;
    given.join("bob", "Bob", Stage::A).await;
    given.join("cleo", "Cleo", Stage::A).await;
    let first = has(given, "ann", 1, 1).await[0].lease.clone();
    given.clock.advance(2);
    assert_eq!(given.store.end_leases(1).await.expect("a sweep"), 1);
    let second = has(given, "bob", 1, 1).await[0].lease.clone();
    let late = given
        .sync(hands_in("ann", 2, &first, "late"))
        .await
        .expect("an answer");
    assert_eq!(late.accepted, [first.as_str()], "acknowledged");
    let held = given.sync(holds("bob", 2, &[&second])).await;
    assert!(held.expect("an answer").lost.is_empty(), "nobody is robbed");
    assert_eq!(given.results(Stage::A).await, []);
    (first, second)
}

pub(crate) async fn a_late_result_waits_for_the_current_worker(given: &Given) {
    let (first, second) = overdue(given).await;
    let done = given
        .sync(hands_in("bob", 3, &second, "in time"))
        .await
        .expect("an answer");
    assert_eq!(done.accepted, [second]);
    assert_eq!(given.results(Stage::A).await, [(1, "in time".to_owned())]);
    // An acknowledged result stays acknowledged.
    let again = given
        .sync(hands_in("ann", 3, &first, "late"))
        .await
        .expect("an answer");
    assert_eq!(again.accepted, [first]);
    let ranks = given.store.leaderboard(all()).await.expect("ranks");
    let ranks: Vec<_> = ranks.iter().map(|rank| rank.nickname.as_str()).collect();
    assert_eq!(ranks, ["Bob"]);
}

pub(crate) async fn ending_a_worker_moves_no_job_on(given: &Given) {
    overdue(given).await;
    // The command that bans does not know the stages.
    let bob = Banned::nickname("Bob").expect("a name");
    let ended = bans::ban(given.store.as_ref(), &bob, "", "me").await;
    assert_eq!(ended.expect("banned"), 1);
    let stages = given.status().await.stages;
    assert_eq!([stages[0].open, stages[1].open], [1, 0]);
    assert_eq!(given.take("cleo").await, 1);
    given.hand_in("cleo", "anew").await.expect("accepted");
    assert_eq!(given.results(Stage::A).await, [(1, "anew".to_owned())]);
}

pub(crate) async fn a_late_result_counts_if_the_current_worker_gives_up(given: &Given) {
    let (first, second) = overdue(given).await;
    let release = SyncRequest {
        released: vec![second.clone()],
        ..asks("bob", 3, 0)
    };
    given.sync(release).await.expect("given back");
    assert_eq!(given.results(Stage::A).await, [(1, "late".to_owned())]);
    let status = given.status().await;
    assert_eq!((status.stages[0].held, status.stages[0].done), (0, 1));
    assert_eq!(status.stages[1].open, 1);
    let ranks = given.store.leaderboard(all()).await.expect("ranks");
    let ranks: Vec<_> = ranks
        .iter()
        .map(|rank| (rank.nickname.as_str(), rank.completed))
        .collect();
    assert_eq!(ranks, [("Ann", 1)]);
    for (token, lease, taken) in [("ann", &first, true), ("bob", &second, false)] {
        let reply = given
            .sync(hands_in(token, 4, lease, "again"))
            .await
            .expect("an answer");
        assert_eq!(reply.accepted.contains(lease), taken);
    }
}

pub(crate) async fn late_results_have_a_budget_of_bytes(given: &Given) {
    given.jobs(3).await;
    given.join("ann", "Ann", Stage::A).await;
    given.join("bob", "Bob", Stage::A).await;
    let lapsed = has(given, "ann", 1, 3).await;
    given.clock.advance(2);
    assert_eq!(given.store.end_leases(1).await.expect("a sweep"), 1);
    let held = has(given, "bob", 1, 3).await;
    let late = |seq, at: usize, bytes: usize| {
        hands_in("ann", seq, &lapsed[at].lease, &"\u{e9}".repeat(bytes / 2))
    };
    assert_eq!(RULES.late_bytes, 1_000);
    let first = given.sync(late(2, 0, 600)).await.expect("an answer");
    assert_eq!(first.accepted.len(), 1, "{first:?}");
    let second = given.sync(late(3, 1, 402)).await.expect("an answer");
    assert_eq!(second.rejected[0].why, RejectedWhy::Finished);
    let third = given.sync(late(4, 1, 400)).await.expect("an answer");
    assert_eq!(third.accepted.len(), 1, "{third:?}");
    // The kept result is discarded when the worker of the current lease is done, which makes room
    // again.
    let at = held.iter().position(|job| job.number == lapsed[0].number);
    let done = &held[at.expect("his now")].lease;
    let done = SyncRequest {
        holding: held.iter().map(|job| job.lease.clone()).collect(),
        ..hands_in("bob", 2, done, "in time")
    };
    assert_eq!(given.sync(done).await.expect("an answer").accepted.len(), 1);
    let fourth = given.sync(late(5, 2, 602)).await.expect("an answer");
    assert_eq!(fourth.rejected[0].why, RejectedWhy::Finished);
    let fifth = given.sync(late(6, 2, 600)).await.expect("an answer");
    assert_eq!(fifth.accepted.len(), 1, "{fifth:?}");
}

pub(crate) async fn the_first_late_result_is_kept_and_no_other(given: &Given) {
    let (_, second) = overdue(given).await;
    given.clock.advance(2);
    assert_eq!(given.store.end_leases(1).await.expect("a sweep"), 1);
    // His lease has expired too, so the first result counts by now and his is too late.
    assert_eq!(given.results(Stage::A).await, [(1, "late".to_owned())]);
    let reply = given
        .sync(hands_in("bob", 3, &second, "later"))
        .await
        .expect("an answer");
    assert_eq!(reply.rejected[0].why, RejectedWhy::Finished);

    given.jobs(1).await;
    let mut leases = Vec::new();
    for (token, seq) in [("ann", 10), ("bob", 10)] {
        leases.push(has(given, token, seq, 1).await[0].lease.clone());
        given.clock.advance(2);
        assert_eq!(given.store.end_leases(1).await.expect("a sweep"), 1);
    }
    let third = has(given, "cleo", 1, 1).await[0].lease.clone();
    let mut whys = Vec::new();
    for (token, lease) in ["ann", "bob"].into_iter().zip(&leases) {
        let reply = given
            .sync(hands_in(token, 11, lease, token))
            .await
            .expect("an answer");
        whys.extend(reply.rejected.iter().map(|one| one.why));
    }
    assert_eq!(whys, [RejectedWhy::Finished]);
    let fails = SyncRequest {
        failed: vec![Failed {
            lease: third,
            error: "no luck".to_owned(),
        }],
        ..asks("cleo", 2, 0)
    };
    given.sync(fails).await.expect("an answer");
    let stored = given.results(Stage::A).await;
    assert_eq!(stored[1], (2, "ann".to_owned()));
}
