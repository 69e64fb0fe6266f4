//! Jobs that go back by several stages, and those that go on or end when the stages change.

use distcompute_protocol::{ErrorCode, Stage};
use distcompute_tracker::{
    operations::{
        requeue::{dry_run, requeue},
        stages::{Change, Changed, change},
        turns::Turns,
    },
    store::{RequeueFilter, State, States},
};

use super::{Given, code};

/// Five jobs: 1 and 2 are finished, 3 is held and 4 is open at the second stage, 5 at the first.
async fn five(given: &Given) {
    given.jobs(5).await;
    for (token, nickname, stage) in [
        ("ann", "Ann", Stage::A),
        ("mal", "Mallory", Stage::A),
        ("bob", "Bob", Stage::B),
    ] {
        given.join(token, nickname, stage).await;
    }
    for (token, data) in [
        ("mal", "one"),
        ("ann", "two"),
        ("mal", "three"),
        ("ann", "four"),
    ] {
        given.take(token).await;
        given.hand_in(token, data).await.expect("accepted");
    }
    for data in ["end one", "end two"] {
        given.take("bob").await;
        given.hand_in("bob", data).await.expect("accepted");
    }
    assert_eq!(given.take("bob").await, 3);
}

async fn where_are(given: &Given) -> Vec<(Stage, &'static str)> {
    let found = given.store.whereabouts(&[1, 2, 3, 4, 5]).await;
    let found = found.expect("jobs").into_iter();
    let word = |state: &str| State::from_word(state).expect("a state").word();
    found.map(|job| (job.stage, word(&job.state))).collect()
}

const A: Stage = Stage::A;
const B: Stage = Stage::B;

pub(crate) async fn results_are_undone_with_what_was_made_from_them(given: &Given) {
    five(given).await;
    let store = given.store.as_ref();
    let mallory = RequeueFilter {
        nickname: Some("Mallory".to_owned()),
        ..RequeueFilter::default()
    };
    let dry = dry_run(store, &mallory).await.expect("a dry run");
    assert_eq!((dry.requeued, dry.numbers), (2, Some(vec![1, 3])));
    assert_eq!(dry.discarded, [2, 1, 0, 0, 0]);
    assert_eq!((dry.sources.len(), dry.sources[0].results), (1, 2));
    let done = requeue(store, &mallory, "me", Turns::Fair).await;
    assert_eq!(done.expect("requeued").requeued, 2);
    let found = where_are(given).await;
    assert_eq!(
        found,
        [
            (A, "open"),
            (B, "closed"),
            (A, "open"),
            (B, "open"),
            (A, "open")
        ]
    );
    assert_eq!(code(given.hand_in("bob", "x").await), ErrorCode::NoOpenJob);
    let results = [given.results(A).await, given.results(B).await];
    let numbers = results.map(|results| results.iter().map(|one| one.0).collect::<Vec<_>>());
    assert_eq!(numbers, [vec![2, 4], vec![2]]);
    let status = given.status().await;
    assert_eq!(
        (status.closed, status.stages[0].done, status.stages[1].done),
        (1, 2, 1)
    );
    // A result that was made again counts, and so do results of before the job went back.
    for number in [5, 1, 3] {
        assert_eq!(given.take("ann").await, number);
        given.hand_in("ann", "again").await.expect("accepted");
    }
    assert_eq!(given.take("bob").await, 4);
    given.hand_in("bob", "end four").await.expect("accepted");
    let bob = RequeueFilter {
        nickname: Some("Bob".to_owned()),
        ..RequeueFilter::default()
    };
    assert_eq!(given.store.requeue(&bob).await.expect("requeued"), 2);
    let ann = RequeueFilter {
        nickname: Some("Ann".to_owned()),
        ..RequeueFilter::default()
    };
    let matching = given.store.matching(&ann).await.expect("jobs");
    let numbers: Vec<_> = matching.iter().map(|one| one.job.number).collect();
    assert_eq!(
        numbers,
        [1, 2, 3, 4, 5],
        "also of jobs that went back to the second stage"
    );
    assert_eq!(given.store.matching(&mallory).await.expect("jobs"), []);
}

pub(crate) async fn jobs_are_requeued_by_number_and_state_and_go_back_as_far_as_is_asked(
    given: &Given,
) {
    five(given).await;
    let store = given.store.as_ref();
    let matching = async |filter: RequeueFilter| {
        let matching = store.matching(&filter).await.expect("jobs");
        let jobs = matching.iter().map(|one| (one.job.number, one.results));
        jobs.collect::<Vec<_>>()
    };
    let (none, both, second) = (None, Some((A, B)), Some((B, B)));
    let in_state = |states| RequeueFilter {
        states: Some(states),
        ..RequeueFilter::default()
    };
    let done = States {
        done: true,
        ..States::default()
    };
    assert_eq!(matching(in_state(done)).await, [(1, second), (2, second)]);
    let held = States {
        held: true,
        ..States::default()
    };
    assert_eq!(matching(in_state(held)).await, [(3, none)]);
    let ranged = RequeueFilter {
        numbers: vec![5],
        ranges: vec![(2, 3), (4, 1_000)],
        ..RequeueFilter::default()
    };
    assert_eq!(matching(ranged.clone()).await, [(2, second), (3, none)]);
    let back = RequeueFilter {
        to: Some(A),
        ..ranged
    };
    let first = Some((A, A));
    assert_eq!(matching(back).await, [(2, both), (3, first), (4, first)]);
    let everything = RequeueFilter {
        to: Some(A),
        ..in_state(States::ALL)
    };
    let found = matching(everything.clone()).await;
    assert_eq!(found, [(1, both), (2, both), (3, first), (4, first)]);
    // What has changed since it was selected stays as it is.
    let selected = store.matching(&everything).await.expect("jobs");
    let jobs: Vec<_> = selected.iter().map(|one| one.job).collect();
    assert_eq!(
        store
            .requeue_jobs(jobs[..1].to_vec())
            .await
            .expect("requeued"),
        1
    );
    assert_eq!(
        store
            .requeue_jobs(jobs[..2].to_vec())
            .await
            .expect("requeued"),
        1
    );
    assert_eq!(store.requeue(&everything).await.expect("requeued"), 2);
    assert_eq!(where_are(given).await, [(A, "open"); 5]);
    let status = given.status().await;
    assert_eq!((status.closed, status.stages[0].open), (0, 5));
    assert_eq!(
        (given.results(A).await, given.results(B).await),
        (vec![], vec![])
    );
    assert_eq!(store.requeue(&everything).await.expect("requeued"), 0);
    // Pruned jobs have nothing to go back to.
    given.take("ann").await;
    given.hand_in("ann", "x").await.expect("accepted");
    given.take("bob").await;
    given.hand_in("bob", "y").await.expect("accepted");
    store.prune(B, 0, 1_000, 100).await.expect("pruned");
    assert_eq!(store.requeue(&everything).await.expect("requeued"), 0);
    store.wipe().await.expect("wiped");
}

pub(crate) async fn finished_jobs_go_on_at_a_stage_that_was_added(given: &Given) {
    five(given).await;
    let store = given.store.as_ref();
    let changed = |jobs, pruned| Changed { jobs, pruned };
    let run = async |what, dry: bool| {
        let log = (!dry).then_some(("me", Turns::Fair));
        change(store, what, (A, B), log).await.expect("changed")
    };
    // The stage is taken away: jobs that wait at it are finished.
    assert_eq!(run(Change::Close, true).await, changed(2, 0));
    assert_eq!(run(Change::Close, false).await, changed(2, 0));
    let found = where_are(given).await;
    assert_eq!(
        found,
        [
            (B, "closed"),
            (B, "closed"),
            (A, "closed"),
            (A, "closed"),
            (A, "open")
        ]
    );
    let status = given.status().await;
    assert_eq!(
        (status.closed, status.stages[1].open, status.stages[1].held),
        (4, 0, 0)
    );
    assert_eq!(
        code(given.hand_in("bob", "late").await),
        ErrorCode::NoOpenJob
    );
    // One is pruned meanwhile, with what was handed in before.
    let cursors = store.result_numbers(A, 0, 10).await.expect("results");
    let third = cursors
        .iter()
        .find(|(_, number)| *number == 3)
        .expect("there")
        .0;
    store
        .prune(A, third - 1, third + 1, 1)
        .await
        .expect("pruned");
    // The stage is added again: finished jobs go on at it, with the results that they have.
    assert_eq!(run(Change::Reopen, true).await, changed(1, 1));
    assert_eq!(run(Change::Reopen, false).await, changed(1, 1));
    assert_eq!(run(Change::Reopen, false).await, changed(0, 1));
    assert_eq!(where_are(given).await[3], (B, "open"));
    assert_eq!(given.status().await.closed, 3);
    let job = store.claim("bob", String::new()).await.expect("a job");
    assert_eq!(
        (job.number, job.data.as_deref(), job.attempt),
        (4, Some("four"), 1)
    );
    given.hand_in("bob", "end four").await.expect("accepted");
    assert_eq!(given.status().await.closed, 4);
    // A job that went on can go back to where it was before.
    let four = RequeueFilter {
        numbers: vec![4],
        to: Some(A),
        ..RequeueFilter::default()
    };
    assert_eq!(store.requeue(&four).await.expect("requeued"), 1);
    let actions = store.actions(0, 100).await.expect("the log");
    let actions: Vec<_> = actions
        .iter()
        .map(|row| (row.action.as_str(), row.detail.as_str()))
        .collect();
    assert_eq!(
        actions,
        [
            ("close", "jobs that wait at stage b are finished at stage a"),
            ("close", "2 jobs were finished"),
            (
                "reopen",
                "jobs that were finished at stage a go on at stage b"
            ),
            ("reopen", "1 jobs go on"),
            (
                "reopen",
                "jobs that were finished at stage a go on at stage b"
            ),
            ("reopen", "0 jobs go on"),
        ]
    );
    store.wipe().await.expect("wiped");
}
