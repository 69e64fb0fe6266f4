//! The operator's operations: imports, requeues and bans.

use std::sync::Arc;

use distcompute_protocol::{ErrorCode, Stage};
use distcompute_tracker::{
    operations::bans,
    rules::bans::Banned,
    store::{Added, ImportPart, KEY_AGE, NewImport, NewWorker, RequeueFilter},
};

use super::{Given, NOW, code};

pub(crate) async fn results_of_a_nickname_are_made_again(given: &Given) {
    given.jobs(3).await;
    given.join("bad", "Bad", Stage::A).await;
    given.join("good", "Good", Stage::A).await;
    given.join("next", "Next", Stage::B).await;
    for (token, data) in [("bad", "wrong"), ("good", "right"), ("bad", "wrong")] {
        given.take(token).await;
        given.hand_in(token, data).await.expect("accepted");
    }
    // Job 1 is held at the next stage, job 3 is open there.
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
            browser: String::new(),
            token: token.to_owned(),
            display_name: token.to_owned(),
            // One of the two calls is a dry run.
            nickname: "Ann".to_owned(),
            address: address.to_owned(),
            proven: None,
            stage: Stage::A,
        };
        given.store.register(worker).await.expect("registered");
    }
    for token in ["ann", "bad", "bad", "ann"] {
        given.take(token).await;
        given.clock.advance(1_000);
        given.hand_in(token, "x").await.expect("accepted");
    }
    let matching = async |filter: &RequeueFilter| {
        let matching = given.store.matching(filter).await.expect("jobs");
        let seen = matching.into_iter().map(|one| {
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
    assert_eq!(matching(&ann).await, all);
    let then = RequeueFilter {
        since: Some(NOW + 2_000),
        until: Some(NOW + 4_000),
        ..RequeueFilter::default()
    };
    assert_eq!(matching(&then).await, all[1..3]);
    let bad = RequeueFilter {
        address: Some(network),
        ..ann
    };
    assert_eq!(matching(&bad).await, all[1..3]);
    assert_eq!(given.store.requeue(&bad).await.expect("requeued"), 2);
    let left = given.results(Stage::A).await;
    let left: Vec<u64> = left.into_iter().map(|(number, _)| number).collect();
    assert_eq!(left, [1, 4], "the work of who bears the name stays");
}

pub(crate) async fn a_banned_volunteer_cannot_register_and_holds_nothing(given: &Given) {
    given.jobs(3).await;
    let register = async |token: &str, nickname: &str, address: &str| {
        let worker = NewWorker {
            browser: String::new(),
            token: token.to_owned(),
            display_name: token.to_owned(),
            nickname: nickname.to_owned(),
            address: address.to_owned(),
            proven: None,
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

    // A ban survives a reset, and ends with a pardon.
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

pub(crate) async fn no_registration_passes_while_a_ban_is_added(given: &Given) {
    let mallory = Banned::nickname("Mallory").expect("a name");
    let mut registering = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(&given.store);
        registering.spawn(async move {
            let worker = NewWorker {
                browser: String::new(),
                token: format!("token {n}"),
                display_name: format!("worker {n}"),
                nickname: "Mallory".to_owned(),
                address: String::new(),
                proven: None,
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
    // Jobs 1 and 2 are finished, 3 is open at the second stage, 4 at the first.
    let numbered = |numbers: &[u64]| RequeueFilter {
        numbers: numbers.to_vec(),
        ..RequeueFilter::default()
    };
    let containing = |text: &str| RequeueFilter {
        result_contains: Some(text.to_owned()),
        ..RequeueFilter::default()
    };
    let matching = async |filter| {
        let matching = given.store.matching(&filter).await.expect("jobs");
        matching
            .iter()
            .map(|one| one.job.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(matching(numbered(&[1, 2, 3, 4, 9])).await, [1, 2]);
    assert_eq!(matching(containing("bad")).await, [2]);
    assert_eq!(
        matching(containing("_bad_")).await,
        [2],
        "at whatever stage"
    );
    assert_eq!(matching(containing("good")).await, [1, 3]);
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

    // Pruned jobs cannot be done again.
    given.take("bob").await;
    given.hand_in("bob", "end").await.expect("accepted");
    let closed = given.results(Stage::B).await;
    given
        .store
        .prune(Stage::B, 0, 1_000, 100)
        .await
        .expect("pruned");
    assert_eq!(matching(numbered(&[closed[0].0])).await, [0_i64; 0]);
    assert_eq!(given.results(Stage::B).await, []);
    // The counters still include pruned jobs, so the consistency check has to start from an empty
    // store.
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
        key: None,
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
    // The answer was lost, so the call is repeated.
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
    // After an import has finished, the same jobs are imported again.
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

pub(crate) async fn an_import_with_a_key_is_the_same_one_whenever_it_is_repeated(given: &Given) {
    let store = &given.store;
    let jobs: Vec<String> = (1..=3).map(|n| format!("input {n}")).collect();
    let begin = async |key: Option<&str>, digest: &str| {
        let new = NewImport {
            who: "somebody".to_owned(),
            source: "a request".to_owned(),
            digest: digest.to_owned(),
            jobs: 3,
            key: key.map(str::to_owned),
        };
        store.begin_import(&new).await
    };
    let add = async |import, before: u64, count: usize| {
        let from = usize::try_from(before).expect("a position");
        let part = ImportPart { import, before };
        let added = store.add_part(part, &jobs[from..from + count]).await;
        added.expect("added");
    };
    let first = begin(Some("one"), "jobs").await.expect("begun");
    add(first.id, 0, 1).await;
    add(first.id, 1, 1).await;
    // Somebody else adds a job meanwhile, so the numbers have a gap.
    given.jobs(1).await;
    // Without the key it is another import, even of the same jobs, and so it is with another key.
    for key in [None, Some("two")] {
        let other = begin(key, "jobs").await.expect("begun");
        assert!(other.id != first.id && other.done == 0, "{key:?}");
    }
    let again = begin(Some("one"), "jobs").await.expect("continued");
    assert_eq!(
        (again.id, again.done, again.is_finished),
        (first.id, 2, false)
    );
    add(first.id, 2, 1).await;
    add(first.id, 2, 1).await;
    store.end_import(first.id).await.expect("ended");
    let again = begin(Some("one"), "jobs").await.expect("known");
    assert_eq!(
        (again.id, again.done, again.is_finished),
        (first.id, 3, true)
    );
    let range = |first, last| Added { first, last };
    let numbers = store.import_numbers(first.id).await.expect("numbers");
    assert_eq!(numbers, [range(1, 2), range(4, 4)]);
    assert_eq!(
        code(begin(Some("one"), "other jobs").await),
        ErrorCode::KeyReused
    );
    assert_eq!(given.status().await.jobs, 4);

    // A key is forgotten when it is old and others come.
    given.clock.advance(KEY_AGE);
    begin(Some("three"), "jobs").await.expect("begun");
    let still = begin(Some("one"), "jobs").await.expect("known");
    assert!(still.is_finished);
    given.clock.advance(1);
    begin(Some("four"), "jobs").await.expect("begun");
    let anew = begin(Some("one"), "other jobs").await.expect("begun");
    assert!(anew.id != first.id && !anew.is_finished);
    let numbers = store.import_numbers(first.id).await.expect("numbers");
    assert_eq!(numbers, []);
    add(anew.id, 0, 3).await;
    store.end_import(anew.id).await.expect("ended");
    store.wipe().await.expect("wiped");
    let anew = begin(Some("one"), "jobs").await.expect("begun");
    assert!(!anew.is_finished, "a reset forgets keys too");
}
