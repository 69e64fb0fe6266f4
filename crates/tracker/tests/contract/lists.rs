//! The queries of pages and of the operator.

use distcompute_protocol::{ErrorCode, Stage};
use distcompute_tracker::{
    rules::names,
    store::{NameKey, NewWorker, RankKey, Start},
};

use super::{Given, all, asks, code, hands_in, page, second};

pub(crate) async fn workers_ranks_and_results_come_in_pages(given: &Given) {
    given.jobs(5).await;
    for n in 0..5 {
        let token = format!("t{n}");
        given.join(&token, &format!("nick {n}"), Stage::A).await;
        given.take(&token).await;
        given.hand_in(&token, "x").await.expect("accepted");
    }
    let workers = given
        .store
        .workers(Stage::A, second())
        .await
        .expect("workers");
    let names: Vec<_> = workers
        .iter()
        .map(|worker| worker.display_name.as_str())
        .collect();
    assert_eq!(names, ["name-t3", "name-t2"], "newest first");
    let ranks = given.store.leaderboard(second()).await.expect("ranks");
    let names: Vec<_> = ranks.iter().map(|rank| rank.nickname.as_str()).collect();
    assert_eq!(names, ["nick 1", "nick 2"], "equal ones by name");
    let results = given.store.results(Stage::A, 3, 1).await.expect("results");
    assert_eq!(
        results
            .iter()
            .map(|output| output.cursor)
            .collect::<Vec<_>>(),
        [4]
    );
    assert_eq!(
        given
            .store
            .results(Stage::A, u64::MAX, 1)
            .await
            .expect("results"),
        []
    );
}

pub(crate) async fn lists_are_found_by_the_key_of_any_row_in_both_directions(given: &Given) {
    given.jobs(9).await;
    // Everybody has done two jobs, except the first, who has done three; anonymous volunteers are
    // not listed.
    for (nickname, jobs) in [
        ("Zoe", 3),
        ("ann", 2),
        ("\u{e9}ve", 2),
        ("bob", 1),
        ("anonymous", 1),
    ] {
        given.join(nickname, nickname, Stage::A).await;
        for _ in 0..jobs {
            given.take(nickname).await;
            given.hand_in(nickname, "x").await.expect("accepted");
        }
    }
    let everybody = ["Zoe", "ann", "\u{e9}ve", "bob"];
    let ranks = given.store.leaderboard(all()).await.expect("ranks");
    let keys: Vec<RankKey> = ranks
        .iter()
        .map(|rank| RankKey {
            completed: rank.completed,
            nickname: rank.nickname.clone(),
        })
        .collect();
    let names = async |start: Start<RankKey>, limit| {
        let ranks = given.store.leaderboard(page(start, limit)).await;
        let ranks = ranks.expect("ranks").into_iter();
        ranks.map(|rank| rank.nickname).collect::<Vec<_>>()
    };
    for at in 0..keys.len() {
        for limit in 1..=5 {
            let end = (at + limit).min(keys.len());
            let limit = u32::try_from(limit).expect("a number");
            let from = names(Start::From(keys[at].clone()), limit).await;
            assert_eq!(from, everybody[at..end], "from {at}, {limit}");
            let begin = at.saturating_sub(limit as usize);
            let before = names(Start::Before(keys[at].clone()), limit).await;
            assert_eq!(before, everybody[begin..at], "before {at}, {limit}");
        }
        let rank = given.store.rank(&keys[at]).await.expect("a rank");
        assert_eq!(rank, Some(at as u64 + 1));
    }
    // The key of a row that no longer exists, or never did.
    let gone = |completed, nickname: &str| RankKey {
        completed,
        nickname: nickname.to_owned(),
    };
    assert_eq!(
        names(Start::From(gone(2, "b")), 9).await,
        ["\u{e9}ve", "bob"]
    );
    assert_eq!(names(Start::Before(gone(2, "b")), 9).await, ["Zoe", "ann"]);
    assert_eq!(names(Start::From(gone(u64::MAX, "")), 1).await, ["Zoe"]);
    assert!(names(Start::From(gone(0, "")), 9).await.is_empty());

    let workers = given.store.workers(Stage::A, all()).await;
    let ids: Vec<u64> = workers.expect("workers").iter().map(|row| row.id).collect();
    let found = async |start| {
        let rows = given.store.workers(Stage::A, page(start, 2)).await;
        let ids = rows.expect("workers").into_iter().map(|row| row.id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found(Start::From(ids[1])).await, ids[1..3]);
    assert_eq!(found(Start::Before(ids[3])).await, ids[1..3]);
    assert_eq!(found(Start::Before(ids[1])).await, ids[..1]);
    assert!(found(Start::Before(u64::MAX)).await.is_empty());
}

pub(crate) async fn names_are_found_by_how_they_begin(given: &Given) {
    given.jobs(7).await;
    for nickname in [
        "Ann",
        "anna",
        "\u{410}nnabel",
        "An other",
        "Bob",
        "anonymous",
        "%",
    ] {
        given.join(nickname, nickname, Stage::A).await;
        given.take(nickname).await;
        given.hand_in(nickname, "x").await.expect("accepted");
        given.clock.advance(1);
    }
    let like = async |typed: &str, from: Option<NameKey>, limit| {
        let look = names::look(typed);
        let found = given.store.names_like(&look, from, limit).await;
        found.expect("names")
    };
    let found = async |typed: &str| {
        let names = like(typed, None, 10).await.into_iter();
        names.map(|rank| rank.nickname).collect::<Vec<_>>()
    };
    // Regardless of how the name is written, and without anonymous volunteers.
    for typed in ["ann", "ANN", "a n n", "\u{410}nn"] {
        assert_eq!(
            found(typed).await,
            ["Ann", "anna", "\u{410}nnabel"],
            "{typed}"
        );
    }
    assert_eq!(found("an").await.len(), 4);
    assert_eq!(found("B0B").await, ["Bob"]);
    assert_eq!(found("%").await, ["%"], "no pattern");
    assert!(found("bobby").await.is_empty());
    // Continues with the row after the first page.
    let first = like("an", None, 3).await;
    let last = NameKey {
        since: first[2].since,
        nickname: first[2].nickname.clone(),
    };
    let all = like("an", None, 10).await;
    assert_eq!(like("an", Some(last), 10).await, all[2..]);
}

pub(crate) async fn the_newest_worker_of_a_name_is_found(given: &Given) {
    given.jobs(1).await;
    for (token, nickname) in [("1", "old"), ("2", "new")] {
        let worker = NewWorker {
            browser: String::new(),
            token: token.to_owned(),
            display_name: "calm-fox-7".to_owned(),
            nickname: nickname.to_owned(),
            address: String::new(),
            proven: None,
            stage: Stage::A,
        };
        given.store.register(worker).await.expect("a worker");
    }
    given.take("2").await;
    let found = given
        .store
        .worker(Stage::A, "calm-fox-7")
        .await
        .expect("an answer");
    let found = found.expect("a worker");
    assert_eq!((found.nickname.as_str(), found.job), ("new", Some(1)));
    assert_eq!(
        given
            .store
            .worker(Stage::B, "calm-fox-7")
            .await
            .expect("an answer"),
        None
    );
}

pub(crate) async fn volunteers_are_counted_and_those_who_stop_syncing_are_removed(given: &Given) {
    given.jobs(4).await;
    let count = async || {
        let status = given.status().await;
        let workers: u64 = status.stages.iter().map(|stage| stage.workers).sum();
        (status.volunteers, workers)
    };
    // Anonymous: one browser at two stages, and one from another address.
    let unnamed = [
        ("un-a", Stage::A),
        ("un-b", Stage::B),
        ("un-elsewhere", Stage::A),
    ];
    for (token, stage) in unnamed {
        given.join(token, "anonymous", stage).await;
    }
    assert_eq!(count().await, (2, 3));
    for (token, _) in unnamed {
        given.store.leave(token).await.expect("left");
    }
    // One browser at two stages, another browser of the same person, and somebody else with an old
    // client.
    given.join("ann-a", "Ann", Stage::A).await;
    given.join("ann-b", "Ann", Stage::B).await;
    given.join("ann-laptop", "Ann", Stage::A).await;
    given.join("old", "Bob", Stage::A).await;
    assert_eq!(count().await, (2, 4));
    let held = given.sync(asks("ann-a", 1, 1)).await.expect("a job");
    given.sync(asks("ann-b", 1, 0)).await.expect("nothing");
    given.sync(asks("ann-laptop", 1, 0)).await.expect("nothing");
    given.take("old").await;
    given.clock.advance(1_000);
    given
        .sync(hands_in("ann-laptop", 2, "7-unknown", "x"))
        .await
        .expect("answered");
    let missed = async |age| given.store.drop_missed(age).await.expect("a sweep");
    assert_eq!(missed(1_000).await, 0, "not yet");
    given.clock.advance(1);
    // Its lease ends with it, and its result can still be submitted.
    assert_eq!(missed(1_000).await, 2);
    assert_eq!(count().await, (2, 2));
    assert_eq!(
        code(given.sync(asks("ann-a", 2, 0)).await),
        ErrorCode::WorkerUnknown
    );
    let done = hands_in("ann-laptop", 3, &held.granted[0].lease, "late");
    let late = given.sync(done).await.expect("answered");
    assert_eq!(late.accepted.len(), 1);
    given.clock.advance(1_001);
    assert_eq!(missed(1_000).await, 1);
    assert_eq!(count().await, (1, 1), "an old client has the idle timeout");
    given.clock.advance(10_000_000);
    assert_eq!(missed(1_000).await, 0);
    assert_eq!(given.store.drop_idle(1_000).await.expect("a sweep"), 1);
    assert_eq!(count().await, (0, 0));
}
