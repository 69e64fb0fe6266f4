//! What every store must do, written against the trait. A store's own test program hands in how
//! to make one and lists these by name.

use std::{any::Any, collections::BTreeSet, sync::Arc};

use distcompute_protocol::{ErrorCode, Stage};
use distcompute_tracker::{
    clock::ManualClock,
    store::{NewWorker, Page, Status, Store, StoreError, StoreRules},
};

/// Some moment in November 2026.
pub(crate) const NOW: i64 = 1_795_440_000_000;

const ALL: Page = Page {
    offset: 0,
    limit: 1_000,
};

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
    lease_s: 300,
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
    async fn jobs(&self, count: usize) {
        let inputs: Vec<String> = (1..=count).map(|n| format!("input {n}")).collect();
        self.store.add_jobs(&inputs).await.expect("jobs");
    }

    async fn join(&self, token: &str, nickname: &str, stage: Stage) {
        let worker = NewWorker {
            token: token.to_owned(),
            display_name: format!("name-{token}"),
            nickname: nickname.to_owned(),
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
    for stage in Stage::ALL {
        let counts = status.stages[stage.index()];
        let workers = store.workers(stage, ALL).await.expect("workers");
        assert_eq!(workers.len() as u64, counts.workers, "workers at {stage}");
        let held = workers.iter().filter(|worker| worker.job.is_some()).count();
        assert_eq!(held as u64, counts.held, "held at {stage}");
        let outputs = store.results(stage, 0, 1_000).await.expect("results");
        assert_eq!(outputs.len() as u64, counts.done, "outputs of {stage}");
        assert_eq!(store.open_jobs(stage).await.expect("open"), counts.open);
    }
    let aside: u64 = status.stages.iter().map(|s| s.aside).sum();
    assert_eq!(
        store.set_aside(ALL).await.expect("aside").len() as u64,
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
        given.store.leaderboard(ALL).await.expect("ranks")[0].completed,
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

pub(crate) async fn each_anonymous_worker_is_a_volunteer_of_its_own(given: &Given) {
    given.jobs(1).await;
    for token in ["x", "y"] {
        given.join(token, "anonymous", Stage::A).await;
        given.take(token).await;
        given.store.flag(token, None).await.expect("flagged");
    }
    let aside = given.store.set_aside(ALL).await.expect("aside");
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
    assert_eq!(given.store.set_aside(ALL).await.expect("aside").len(), 1);
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
    let page = Page {
        offset: 1,
        limit: 2,
    };
    let workers = given.store.workers(Stage::A, page).await.expect("workers");
    let names: Vec<_> = workers
        .iter()
        .map(|worker| worker.display_name.as_str())
        .collect();
    assert_eq!(names, ["name-t3", "name-t2"], "newest first");
    let ranks = given.store.leaderboard(page).await.expect("ranks");
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

pub(crate) async fn the_newest_worker_of_a_name_is_found(given: &Given) {
    given.jobs(1).await;
    for (token, nickname) in [("1", "old"), ("2", "new")] {
        let worker = NewWorker {
            token: token.to_owned(),
            display_name: "calm-fox-7".to_owned(),
            nickname: nickname.to_owned(),
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
        given.store.leaderboard(ALL).await.expect("ranks")[0].completed,
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
