//! What every store must do, written against the trait. A store's own test program hands in how
//! to make one and lists these by name.

pub(crate) mod strangers;
pub(crate) mod syncs;

use std::{any::Any, collections::BTreeSet, sync::Arc};

use distcompute_protocol::{
    ANONYMOUS, Done, ErrorCode, Failed, Invalid, MAX_REASON, RejectedWhy, Stage, SyncRequest,
};
use distcompute_tracker::{
    clock::ManualClock,
    ledger::GrantedLease,
    operations::bans,
    rules::{bans::Banned, names},
    store::{
        End, ImportPart, NameKey, NewImport, NewWorker, Page, RankKey, RequeueFilter, Start, State,
        Status, Store, StoreError, StoreRules, SyncReply,
    },
};

/// Some moment in November 2026.
pub(crate) const NOW: i64 = 1_795_440_000_000;

/// The whole of a list.
const fn all<K>() -> Page<K> {
    Page::first(1_000)
}

/// Two rows, those behind the first.
fn second<K>() -> Page<K> {
    page(Start::Offset(1), 2)
}

fn page<K>(start: Start<K>, limit: u32) -> Page<K> {
    Page { start, limit }
}

/// An empty store, the clock that it goes by, and what must live as long.
pub(crate) struct Given {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keep: Box<dyn Any>,
}

/// Two stages; two volunteers send a job back.
pub(crate) const RULES: StoreRules = StoreRules {
    last_stage: Stage::B,
    invalid_after: 2,
    max_attempts: 5,
    pause_after: 3,
    lease_s: 300,
    late_bytes: 1_000,
};

/// Makes the test functions of a store out of the contract.
macro_rules! contract {
    ($make:path: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let given = $make(contract::RULES).await;
            contract::$name(&given).await;
            contract::the_books_agree(given.store.as_ref()).await;
            drop(given.keep);
        })*
    };
}
pub(crate) use contract;

impl Given {
    /// With the only store that there is on its database.
    pub(crate) fn alone(self) -> (Self, Vec<Arc<dyn Store>>) {
        let stores = vec![Arc::clone(&self.store)];
        (self, stores)
    }

    async fn jobs(&self, count: usize) {
        let inputs: Vec<String> = (1..=count).map(|n| format!("input {n}")).collect();
        self.store.add_jobs(&inputs).await.expect("jobs");
    }

    async fn join(&self, token: &str, nickname: &str, stage: Stage) {
        let worker = NewWorker {
            token: token.to_owned(),
            display_name: format!("name-{token}"),
            nickname: nickname.to_owned(),
            address: format!("192.0.2.{}", token.len()),
            stage,
        };
        self.store.register(worker).await.expect("a worker");
    }

    async fn take(&self, token: &str) -> u64 {
        self.store
            .claim(token, "secret".to_owned())
            .await
            .expect("a job")
            .number
    }

    async fn hand_in(&self, token: &str, data: &str) -> Result<(), StoreError> {
        self.store.complete(token, None, data.to_owned()).await
    }

    async fn status(&self) -> Status {
        self.store.status().await.expect("status")
    }

    async fn results(&self, stage: Stage) -> Vec<(u64, String)> {
        let outputs = self.store.results(stage, 0, 1_000).await.expect("results");
        outputs
            .into_iter()
            .map(|output| (output.number, output.data))
            .collect()
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> ErrorCode {
    match outcome {
        Err(StoreError::Refused(code)) => code,
        other => panic!("not refused: {other:?}"),
    }
}

/// Every job is open, held, closed or set aside, and the counters say so.
pub(crate) async fn the_books_agree(store: &dyn Store) {
    let status = store.status().await.expect("status");
    let alive: u64 = status
        .stages
        .iter()
        .map(|s| s.open + s.held + s.aside)
        .sum();
    assert_eq!(alive + status.closed, status.jobs, "{status:?}");
    let mut held = 0;
    for stage in Stage::ALL {
        let counts = status.stages[stage.index()];
        let workers = store.workers(stage, all()).await.expect("workers");
        assert_eq!(workers.len() as u64, counts.workers, "workers at {stage}");
        held += workers.iter().map(|worker| worker.held).sum::<u64>();
        let outputs = store.results(stage, 0, 1_000).await.expect("results");
        assert_eq!(outputs.len() as u64, counts.done, "outputs of {stage}");
        assert_eq!(store.open_jobs(stage).await.expect("open"), counts.open);
    }
    // A worker may hold a job of another stage, granted before it registered anew.
    assert_eq!(held, status.stages.iter().map(|s| s.held).sum::<u64>());
    let aside: u64 = status.stages.iter().map(|s| s.aside).sum();
    assert_eq!(
        store.set_aside(all()).await.expect("aside").len() as u64,
        aside
    );
}

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
    // Job 1 goes to somebody else, who finishes it.
    given.take("t").await;
    given.join("w", "Cleo", Stage::A).await;
    assert_eq!((given.take("u").await, given.take("w").await), (3, 1));
    given.hand_in("w", "x").await.expect("accepted");
    let late = given.store.complete("t", Some(1), "y".to_owned()).await;
    assert_eq!(code(late), ErrorCode::AlreadyCompleted);
    assert_eq!(given.results(Stage::A).await, [(1, "x".to_owned())]);
}

pub(crate) async fn a_job_is_offered_last_to_who_gave_it_back(given: &Given) {
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
    // Put back, job 2 stands first in the queue; Ann flags 1 behind it and is still not given 2.
    given.store.flag("t", None).await.expect("flagged");
    assert_eq!(given.take("u").await, 2);
    given.jobs(1).await;
    assert_eq!(
        given.take("t").await,
        3,
        "a job that she never had goes first"
    );
}

pub(crate) async fn flags_of_distinct_volunteers_send_a_job_back(given: &Given) {
    given.jobs(1).await;
    given.join("maker", "Mo", Stage::A).await;
    given.take("maker").await;
    given.hand_in("maker", "wrong").await.expect("accepted");
    // One nickname is one volunteer, however many workers it has.
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
    // Others go first; the maker of the wrong output has to wait.
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
    // The count has begun anew.
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
    // Done: two of each but the first, who does three; somebody without a name counts nowhere.
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
    // A row that is gone, or never was.
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
    // However it is written, those without a name aside.
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
    // On from the row behind a part.
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
            token: token.to_owned(),
            display_name: "calm-fox-7".to_owned(),
            nickname: nickname.to_owned(),
            address: String::new(),
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

impl Given {
    async fn sync(&self, request: SyncRequest) -> Result<SyncReply, StoreError> {
        self.store.sync(request).await
    }
}

/// Has two workers register and take jobs; every secret that they and the tracker had a part in.
pub(crate) async fn secrets_of_some_work(store: &dyn Store) -> Vec<String> {
    let inputs = ["one", "two", "three"].map(str::to_owned);
    store.add_jobs(&inputs).await.expect("jobs");
    let mut secrets = vec![
        "0b1c6a8e-4f5d-4f7e-9a57-5a1f0d3c2b11".to_owned(),
        "7d9e2c54-1a3b-4c8d-8e6f-0a9b8c7d6e5f".to_owned(),
        "c1a1d5ec4e7a11ab1e5ec4e7a5ec4e71".to_owned(),
    ];
    for (n, token) in secrets[..2].iter().enumerate() {
        let worker = NewWorker {
            token: token.clone(),
            display_name: format!("name-{n}"),
            nickname: "a nickname that is no secret".to_owned(),
            address: String::new(),
            stage: Stage::A,
        };
        store.register(worker).await.expect("registered");
    }
    let reply = store.sync(asks(&secrets[0], 1, 2)).await.expect("jobs");
    assert_eq!(reply.granted.len(), 2);
    let claim = secrets[2].clone();
    store.claim(&secrets[1], claim).await.expect("a job");
    for lease in reply.granted {
        let (_, secret) = lease.lease.split_once('-').expect("two parts");
        secrets.push(secret.to_owned());
    }
    secrets
}

fn asks(token: &str, seq: u64, want: u32) -> SyncRequest {
    SyncRequest {
        token: token.to_owned(),
        seq,
        want,
        ..SyncRequest::default()
    }
}

fn hands_in(token: &str, seq: u64, lease: &str, data: &str) -> SyncRequest {
    SyncRequest {
        done: vec![Done {
            lease: lease.to_owned(),
            data: data.to_owned(),
        }],
        ..asks(token, seq, 0)
    }
}

fn holds(token: &str, seq: u64, leases: &[&str]) -> SyncRequest {
    SyncRequest {
        holding: leases.iter().map(|lease| (*lease).to_owned()).collect(),
        ..asks(token, seq, 0)
    }
}

pub(crate) async fn a_sync_is_handed_no_more_bytes_than_it_wants(given: &Given) {
    let sizes = [30_000, 10, 400, 4_000, 10, 10];
    // Two bytes a letter: bytes count, not letters.
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
            // The answer was lost: its jobs weigh as much as before.
            held.truncate(3);
        }
    }
    // One whatever it weighs; what fits; one of 4,000, alone; the same again and all that are left.
    assert_eq!(seen, [(1, 170), (2, 4_160), (1, 170), (3, 0)]);
    // Nobody who does not say how much is bounded by anything but the number.
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
    // Small ones come with the jobs; repeated, the answer is the same.
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
    // Of what has gone meanwhile nothing is said.
    let many = given.sync(wants(3, 4)).await.expect("four jobs").granted;
    given.store.wipe().await.expect("an empty project");
    assert_eq!(read(many).await, []);
}

pub(crate) async fn a_sync_keeps_what_an_answer_under_way_grants(given: &Given) {
    given.jobs(6).await;
    given.join("t", "Ann", Stage::A).await;
    let first = given.sync(asks("t", 1, 2)).await.expect("two jobs").granted;
    // The answer to the first has begun to arrive; which leases are in it nobody knows yet.
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
    // What was said of one of them counts all the same.
    let released = SyncRequest {
        released: vec![first[0].lease.clone()],
        holding: second.iter().map(|job| job.lease.clone()).collect(),
        ..awaiting(5, 0)
    };
    given.sync(released).await.expect("put back");
    assert_eq!(given.status().await.stages[0].held, 3);
    // It has arrived, or was lost.
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
    // The first answer never arrived: what it granted comes again, as new leases.
    let second = given.sync(asks("t", 8, 2)).await.expect("two jobs");
    let again: Vec<_> = second.granted.iter().map(|job| job.number).collect();
    assert_eq!(BTreeSet::from_iter(again), BTreeSet::from([1, 2]));
    assert_ne!(second.granted[0].lease, first.granted[0].lease);
    let kept = holds("t", 9, &[&second.granted[0].lease, "1-made-up", "nonsense"]);
    let third = given.sync(kept).await.expect("kept");
    assert_eq!(third.lost, ["1-made-up", "nonsense"]);
    assert_eq!(given.status().await.stages[0].held, 1);
}

pub(crate) async fn a_lease_is_the_right_to_hand_in_whoever_asks(given: &Given) {
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

/// Jobs that a worker has by the books, as leases.
async fn has(given: &Given, token: &str, seq: u64, want: u32) -> Vec<GrantedLease> {
    given
        .sync(asks(token, seq, want))
        .await
        .expect("jobs")
        .granted
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
    // The fourth is not named any more.
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
    // And one whose holder has said goodbye.
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

/// A client takes every job, gives all back and keeps the keys, again and again. Then it hands in junk
/// for what an honest worker has in its hands.
pub(crate) async fn keys_of_jobs_that_were_given_back_take_nothing_from_who_works(given: &Given) {
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
        // It rests after what it gave back.
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
    let books = given.results(Stage::A).await;
    assert_eq!(books.len(), 20);
    assert!(
        books.iter().all(|(_, data)| data.starts_with("honest")),
        "{books:?}"
    );
}

/// A project of two stages and one job, which Ann held until her lease lapsed and which Bob holds now:
/// her lease and his.
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

pub(crate) async fn a_late_result_waits_for_whoever_works_now(given: &Given) {
    let (first, second) = overdue(given).await;
    let done = given
        .sync(hands_in("bob", 3, &second, "in time"))
        .await
        .expect("an answer");
    assert_eq!(done.accepted, [second]);
    assert_eq!(given.results(Stage::A).await, [(1, "in time".to_owned())]);
    // What was acknowledged stays so.
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
    // A command that bans knows nothing of the stages.
    let bob = Banned::nickname("Bob").expect("a name");
    let ended = bans::ban(given.store.as_ref(), &bob, "", "me").await;
    assert_eq!(ended.expect("banned"), 1);
    let stages = given.status().await.stages;
    assert_eq!([stages[0].open, stages[1].open], [1, 0]);
    assert_eq!(given.take("cleo").await, 1);
    given.hand_in("cleo", "anew").await.expect("accepted");
    assert_eq!(given.results(Stage::A).await, [(1, "anew".to_owned())]);
}

pub(crate) async fn a_late_result_counts_where_the_one_who_works_gives_up(given: &Given) {
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
    // What is kept goes when the one who works is done, and makes room again.
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
    // His lease lapsed too, so the first counts by now and his comes too late.
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
    let books = given.results(Stage::A).await;
    assert_eq!(books[1], (2, "ann".to_owned()));
}

/// What a registration is given that has shown nothing.
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
    // Results make it more: eight for each.
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
    // What was accepted before shows nothing new.
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
    // A client that registers anew goes on with all that it works on, and with what it has earned.
    let anew = given
        .sync(asks_for_more("new", 1, &earned))
        .await
        .expect("kept");
    assert_eq!((anew.lost.len(), anew.granted.len()), (0, 0));
    assert!(anew.limited);
    // The registration before has its first allowance again, and no more.
    let mut taken = leases(
        given
            .sync(asks_for_more("old", 3, &[]))
            .await
            .expect("jobs"),
    );
    assert_eq!(taken.len(), 2);
    // So nobody takes jobs for another to hoard: that one holds its own part, the rest stays.
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

/// Registers without a name, from an address.
async fn unnamed(given: &Given, token: &str, address: &str) {
    let worker = NewWorker {
        token: token.to_owned(),
        display_name: format!("name-{token}"),
        nickname: ANONYMOUS.to_owned(),
        address: address.to_owned(),
        stage: Stage::A,
    };
    given.store.register(worker).await.expect("a worker");
}

pub(crate) async fn registrations_of_one_address_share_what_they_may_hold(given: &Given) {
    given.jobs(3_000).await;
    let mut held = 0;
    for at in 0..40 {
        // Addresses of one network, as one machine may have them.
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
    // Others are given theirs, and those of the network again what it gives back.
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

/// How many jobs forty browsers do, and how many they hold in the end, each as many as it may.
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

pub(crate) async fn leases_that_open_nothing_leave_no_rows_behind(given: &Given) {
    given.jobs(1).await;
    given.join("t", "Ann", Stage::A).await;
    let leases = async || {
        let job = given.store.job(1).await.expect("read").expect("a job");
        job.leases.len()
    };
    // Answers that never arrive, as far as the tracker can tell.
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
    // One that lapsed may deliver for a week.
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
    // The clock gets ahead once more, and a restart is all that happens.
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

pub(crate) async fn who_asked_while_the_clock_was_ahead_is_waited_for_no_longer(given: &Given) {
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
    // Bob never comes back; a sweep finds that the clock was ahead.
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
    // It woke up, and nobody has taken the job.
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
    // The last failure of each volunteer is kept.
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

/// A client fails at all that it holds and asks for more. What it is given.
async fn fails_and_asks(
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

    // With a result in between, three volunteers that fail pause nothing.
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
    assert!(
        paused.reason.contains("Error: no such file"),
        "{}",
        paused.reason
    );
    assert_eq!(status.stages[0].aside, 0);
    assert_eq!(given.store.open_jobs(Stage::A).await.expect("counted"), 0);
    // Who has failed there is given nothing, anybody else one job to try.
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

pub(crate) async fn a_job_goes_to_others_than_those_at_whom_it_failed(given: &Given) {
    given.jobs(1).await;
    for name in ["Ann", "Bob"] {
        given.join(name, name, Stage::A).await;
    }
    // Bob is there and lacks jobs.
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
    // It failed at both, so that neither has to leave it to the other.
    let held = given.sync(asks("Bob", 2, 1)).await.expect("a job").granted;
    assert_eq!(held.len(), 1);
    fails_and_asks(given, "Bob", 3, held, 0).await;
    let held = given.sync(asks("Ann", 4, 1)).await.expect("a job").granted;
    assert_eq!(held.len(), 1);
    fails_and_asks(given, "Ann", 5, held, 0).await;
    // Whoever has said goodbye is not waited for.
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

pub(crate) async fn results_of_a_nickname_are_made_again(given: &Given) {
    given.jobs(3).await;
    given.join("bad", "Bad", Stage::A).await;
    given.join("good", "Good", Stage::A).await;
    given.join("next", "Next", Stage::B).await;
    for (token, data) in [("bad", "wrong"), ("good", "right"), ("bad", "wrong")] {
        given.take(token).await;
        given.hand_in(token, data).await.expect("accepted");
    }
    // Job 1 is held at the next stage, job 3 waits there.
    assert_eq!(given.take("next").await, 1);
    let bad = RequeueFilter {
        nickname: Some("Bad".to_owned()),
        ..RequeueFilter::default()
    };
    assert_eq!(given.store.requeue(&bad).await.expect("requeued"), 2);
    assert_eq!(given.results(Stage::A).await, [(2, "right".to_owned())]);
    assert_eq!(code(given.hand_in("next", "x").await), ErrorCode::NoOpenJob);
    let job = given
        .store
        .claim("good", String::new())
        .await
        .expect("a job");
    assert_eq!((job.number, job.data.as_deref()), (1, Some("input 1")));
}

pub(crate) async fn results_are_made_again_by_where_and_when_they_came(given: &Given) {
    given.jobs(5).await;
    for (token, address) in [("ann", "192.0.2.1"), ("bad", "2001:db8::bad")] {
        let worker = NewWorker {
            token: token.to_owned(),
            display_name: token.to_owned(),
            // One of them only says so.
            nickname: "Ann".to_owned(),
            address: address.to_owned(),
            stage: Stage::A,
        };
        given.store.register(worker).await.expect("registered");
    }
    for token in ["ann", "bad", "bad", "ann"] {
        given.take(token).await;
        given.clock.advance(1_000);
        given.hand_in(token, "x").await.expect("accepted");
    }
    let meant = async |filter: &RequeueFilter| {
        let meant = given.store.meant(filter).await.expect("jobs");
        let seen = meant.into_iter().map(|one| {
            let (address, at) = one.from.expect("a result");
            (one.job.number, address, at - NOW)
        });
        seen.collect::<Vec<_>>()
    };
    let ann = RequeueFilter {
        nickname: Some("Ann".to_owned()),
        ..RequeueFilter::default()
    };
    let (home, network) = ("192.0.2.1".to_owned(), "2001:db8::/64".to_owned());
    let all = [
        (1, home.clone(), 1_000),
        (2, network.clone(), 2_000),
        (3, network.clone(), 3_000),
        (4, home, 4_000),
    ];
    assert_eq!(meant(&ann).await, all);
    let then = RequeueFilter {
        since: Some(NOW + 2_000),
        until: Some(NOW + 4_000),
        ..RequeueFilter::default()
    };
    assert_eq!(meant(&then).await, all[1..3]);
    let bad = RequeueFilter {
        address: Some(network),
        ..ann
    };
    assert_eq!(meant(&bad).await, all[1..3]);
    assert_eq!(given.store.requeue(&bad).await.expect("requeued"), 2);
    let left = given.results(Stage::A).await;
    let left: Vec<u64> = left.into_iter().map(|(number, _)| number).collect();
    assert_eq!(left, [1, 4], "the work of who bears the name stays");
}

pub(crate) async fn who_is_banned_does_not_register_and_holds_nothing(given: &Given) {
    given.jobs(3).await;
    let register = async |token: &str, nickname: &str, address: &str| {
        let worker = NewWorker {
            token: token.to_owned(),
            display_name: token.to_owned(),
            nickname: nickname.to_owned(),
            address: address.to_owned(),
            stage: Stage::A,
        };
        given.store.register(worker).await
    };
    register("one", "Mallory", "192.0.2.1")
        .await
        .expect("registered");
    register("two", "Mallory", "192.0.3.1")
        .await
        .expect("registered");
    register("ann", "Ann", "192.0.2.2")
        .await
        .expect("registered");
    given.take("one").await;
    given.take("ann").await;
    let rows = given.store.registrations(0, 10).await.expect("workers");
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.nickname.as_str(), row.address.as_str(), row.held))
        .collect();
    assert_eq!(
        seen,
        [
            ("Mallory", "192.0.2.1", 1),
            ("Mallory", "192.0.3.1", 0),
            ("Ann", "192.0.2.2", 1)
        ]
    );
    let after = given
        .store
        .registrations(rows[1].id, 10)
        .await
        .expect("workers");
    assert_eq!(after, rows[2..]);

    let mallory = Banned::nickname("Mallory").expect("a name");
    let network = Banned::network("192.0.2.0/24").expect("a network");
    let store = given.store.as_ref();
    assert_eq!(
        bans::ban(store, &mallory, "junk", "me")
            .await
            .expect("banned"),
        2
    );
    assert_eq!(
        code(given.hand_in("one", "x").await),
        ErrorCode::WorkerUnknown
    );
    assert_eq!(given.status().await.stages[0].open, 2, "its job went back");
    assert_eq!(
        code(register("new", "Mallory", "").await),
        ErrorCode::Banned
    );
    register("new", "Mallet", "192.0.3.1")
        .await
        .expect("registered");
    given.hand_in("ann", "x").await.expect("accepted");

    assert_eq!(
        bans::ban(store, &network, "", "me").await.expect("banned"),
        1
    );
    for (nickname, address) in [("Ann", "192.0.2.9"), ("anonymous", "192.0.2.9")] {
        assert_eq!(
            code(register("x", nickname, address).await),
            ErrorCode::Banned
        );
    }
    register("far", "Ann", "192.0.4.9")
        .await
        .expect("registered");
    assert!(!store.ban(&mallory, "more junk").await.expect("again"));
    let listed = store.bans("", 10).await.expect("bans");
    let listed: Vec<_> = listed
        .iter()
        .map(|ban| (ban.name.as_str(), ban.at, ban.reason.as_str()))
        .collect();
    assert_eq!(
        listed,
        [("a:192.0.2.0/24", NOW, ""), ("n:Mallory", NOW, "more junk")]
    );
    let behind = store.bans("a:192.0.2.0/24", 10).await.expect("bans");
    assert_eq!(behind.len(), 1);

    // It outlasts a reset, and ends with a pardon.
    given.store.wipe().await.expect("wiped");
    assert_eq!(code(register("y", "Mallory", "").await), ErrorCode::Banned);
    assert!(bans::pardon(store, &mallory, "me").await.expect("pardoned"));
    assert!(
        !bans::pardon(store, &mallory, "me")
            .await
            .expect("none left")
    );
    register("y", "Mallory", "").await.expect("registered");
    let actions = store.actions(0, 10).await.expect("the log");
    let actions: Vec<_> = actions
        .iter()
        .map(|row| (row.action.as_str(), row.detail.as_str()))
        .collect();
    assert_eq!(actions[0], ("ban", "the nickname \"Mallory\": junk"));
    assert_eq!(actions[1], ("ban", "the address 192.0.2.0/24"));
    assert_eq!(actions[2], ("pardon", "the nickname \"Mallory\""));
}

pub(crate) async fn nobody_slips_in_while_a_ban_is_written(given: &Given) {
    let mallory = Banned::nickname("Mallory").expect("a name");
    let mut registering = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(&given.store);
        registering.spawn(async move {
            let worker = NewWorker {
                token: format!("token {n}"),
                display_name: format!("worker {n}"),
                nickname: "Mallory".to_owned(),
                address: String::new(),
                stage: Stage::A,
            };
            match store.register(worker).await {
                Ok(()) => 1,
                Err(error) => {
                    assert_eq!(code::<()>(Err(error)), ErrorCode::Banned);
                    0
                }
            }
        });
    }
    let ended = bans::ban(given.store.as_ref(), &mallory, "", "me").await;
    let registered: u64 = registering.join_all().await.into_iter().sum();
    assert_eq!(ended.expect("banned"), registered);
    assert_eq!(given.store.registrations(0, 10).await.expect("workers"), []);
}

pub(crate) async fn finished_jobs_and_results_that_contain_a_text_are_made_again(given: &Given) {
    given.jobs(4).await;
    given.join("ann", "Ann", Stage::A).await;
    given.join("bob", "Bob", Stage::B).await;
    for data in ["good", "50% _bad_ \u{1F980}", "good"] {
        given.take("ann").await;
        given.hand_in("ann", data).await.expect("accepted");
    }
    for data in ["end", "a bad end"] {
        given.take("bob").await;
        given.hand_in("bob", data).await.expect("accepted");
    }
    // Jobs 1 and 2 are finished, 3 waits at the second stage, 4 at the first.
    let numbered = |numbers: &[u64]| RequeueFilter {
        numbers: numbers.to_vec(),
        ..RequeueFilter::default()
    };
    let containing = |text: &str| RequeueFilter {
        result_contains: Some(text.to_owned()),
        ..RequeueFilter::default()
    };
    let meant = async |filter| {
        let meant = given.store.meant(&filter).await.expect("jobs");
        meant.iter().map(|one| one.job.number).collect::<Vec<_>>()
    };
    assert_eq!(meant(numbered(&[1, 2, 3, 4, 9])).await, [1, 2]);
    assert_eq!(
        meant(containing("bad")).await,
        [2],
        "the latest result counts"
    );
    assert_eq!(meant(containing("_bad_")).await, [0_i64; 0]);
    assert_eq!(meant(containing("good")).await, [3], "at whatever stage");
    let where_is = async |number| given.store.whereabouts(&[number]).await.expect("a job");
    let found = where_is(1).await;
    assert_eq!(
        (found[0].stage, found[0].state.as_str()),
        (Stage::B, "closed")
    );
    assert_eq!(where_is(9).await, []);

    let requeued = given.store.requeue(&numbered(&[1, 3])).await;
    assert_eq!(requeued.expect("requeued"), 1);
    let found = where_is(1).await;
    assert_eq!(
        (found[0].stage, found[0].state.as_str()),
        (Stage::B, "open")
    );
    assert_eq!(given.results(Stage::B).await, [(2, "a bad end".to_owned())]);
    assert_eq!(given.status().await.closed, 1);
    let requeued = given.store.requeue(&containing("bad end")).await;
    assert_eq!(requeued.expect("requeued"), 1);
    let found = where_is(2).await;
    assert_eq!(
        (found[0].stage, found[0].state.as_str()),
        (Stage::B, "open")
    );

    // What was pruned cannot be done again.
    given.take("bob").await;
    given.hand_in("bob", "end").await.expect("accepted");
    let closed = given.results(Stage::B).await;
    given
        .store
        .prune(Stage::B, 0, 1_000, 100)
        .await
        .expect("pruned");
    assert_eq!(meant(numbered(&[closed[0].0])).await, [0_i64; 0]);
    assert_eq!(given.results(Stage::B).await, []);
    // Counters go on counting what was pruned, so the check of the books has to begin anew.
    let again = given.status().await;
    assert_eq!((again.closed, again.stages[1].done), (1, 1));
    given.store.wipe().await.expect("wiped");
}

pub(crate) async fn an_import_that_was_broken_off_goes_on_and_adds_nothing_twice(given: &Given) {
    let store = &given.store;
    let jobs: Vec<String> = (1..=5).map(|n| format!("input {n}")).collect();
    let new = |digest: &str| NewImport {
        who: "somebody".to_owned(),
        source: "a file".to_owned(),
        digest: digest.to_owned(),
        jobs: 5,
    };
    let begin = async |digest| store.begin_import(&new(digest)).await.expect("begun");
    let first = begin("one").await;
    assert_eq!(first.done, 0);
    let part = |before| ImportPart {
        import: first.id,
        before,
    };
    let added = store.add_part(part(0), &jobs[..2]).await.expect("added");
    assert_eq!(added.map(|added| (added.first, added.last)), Some((1, 2)));
    // The answer was lost: it is asked for again.
    assert_eq!(
        store.add_part(part(0), &jobs[..2]).await.expect("there"),
        None
    );
    assert_eq!(
        store.add_part(part(0), &jobs[..1]).await.expect("there"),
        None
    );
    assert!(
        store.add_part(part(1), &jobs[1..3]).await.is_err(),
        "across its end"
    );
    assert!(
        store.add_part(part(3), &jobs[3..]).await.is_err(),
        "behind a gap"
    );
    assert_eq!(store.add_part(part(2), &[]).await.expect("nothing"), None);

    let unfinished = store.unfinished_imports().await.expect("a list");
    assert_eq!(unfinished.len(), 1);
    let row = &unfinished[0];
    assert_eq!((row.jobs, row.done, row.source.as_str()), (5, 2, "a file"));
    let other = begin("two").await;
    assert_ne!(other.id, first.id);
    let again = begin("one").await;
    assert_eq!((again.id, again.done), (first.id, 2));
    let added = store.add_part(part(2), &jobs[2..]).await.expect("added");
    assert_eq!(added.map(|added| (added.first, added.last)), Some((3, 5)));
    store.end_import(first.id).await.expect("ended");
    assert_eq!(given.status().await.jobs, 5);
    let left = store.unfinished_imports().await.expect("a list");
    assert_eq!(left.len(), 1, "the other one");
    // What is finished is imported anew.
    let anew = begin("one").await;
    assert!(anew.id != first.id && anew.done == 0);
    store.wipe().await.expect("wiped");
    let gone = ImportPart {
        import: anew.id,
        before: 0,
    };
    assert!(
        store.add_part(gone, &jobs).await.is_err(),
        "it was reset meanwhile"
    );
    assert_eq!(store.unfinished_imports().await.expect("a list"), []);
    assert_eq!(given.status().await.jobs, 0);
}

pub(crate) async fn volunteers_are_counted_and_those_who_sync_no_more_are_missed(given: &Given) {
    given.jobs(4).await;
    let count = async || {
        let status = given.status().await;
        let workers: u64 = status.stages.iter().map(|stage| stage.workers).sum();
        (status.volunteers, workers)
    };
    // Without a name: one browser at two stages, and one of another address.
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
    // One browser at two stages, one of the same person, somebody else with an old client.
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
    // Its lease ends with it, and can still be handed in.
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

/// A value that a database refuses fails the operation that brings it and no other of its group.
pub(crate) async fn one_value_that_the_database_refuses_fails_nobody_else(given: &Given) {
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
