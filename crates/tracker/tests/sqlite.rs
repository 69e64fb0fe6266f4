//! The store on SQLite: the contract of all stores, and tests specific to SQLite.

mod contract;

use std::{path::Path, sync::Arc, time::Duration};

use contract::{Given, NOW, Opening, contract, contract_with, copies};
use distcompute_protocol::{Done, SyncRequest};
use distcompute_tracker::{
    clock::ManualClock,
    operations,
    store::{
        KEYS, NewImport, Store, StoreRules,
        sqlite::{CopySource, CopyTarget, ServeLock, SqliteStore},
    },
};
use rusqlite::Connection;

async fn make(rules: StoreRules) -> Given {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, true, rules, clock.clone())
        .await
        .expect("a store");
    let store = Arc::new(store);
    let at = clock.clone();
    let reopen = move |rules| -> Opening {
        let (path, clock) = (path.clone(), at.clone());
        Box::pin(async move {
            let store = SqliteStore::open(&path, false, rules, clock).await;
            let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
            store
        })
    };
    Given {
        store,
        clock,
        keep: Box::new(folder),
        reopen: Some(Box::new(reopen)),
    }
}

contract_with! { make:
    a_newcomers_result_counts_when_the_operator_has_confirmed_it: contract::trust::rules("adaptive:2");
    established_volunteers_confirm_others_and_never_themselves: contract::trust::rules("adaptive:1");
    what_rests_on_the_word_of_one_found_wrong_is_made_again_two_stages_later: contract::trust::rules("adaptive:10");
    a_flag_is_compared_with_the_input_that_it_calls_bad: contract::trust::rules("adaptive:10");
    a_quorum_takes_distinct_addresses_where_there_are_no_keys: contract::trust::without_own("quorum:2");
    opinions_without_a_majority_set_a_job_aside: contract::trust::without_own("quorum:2");
    the_operators_worker_makes_results_again_that_count: contract::trust::with_audits("adaptive:2");
    kinds_of_browsers_that_do_not_compute_the_same_are_counted: contract::trust::rules("adaptive:5");
    a_volunteer_is_held_by_the_operator_and_begins_anew: contract::trust::rules("adaptive:10");
    who_confirms_whom_is_not_theirs_to_choose_and_no_job_starves: contract::trust::rules("adaptive:1");
    the_order_of_granted_jobs_does_not_tell_which_are_checks: contract::trust::rules("adaptive:1");
    jobs_are_begun_in_a_random_order_that_numbers_do_not_tell: contract::trust::rules("adaptive:1");
    those_without_a_key_are_always_checked_and_confirm_nobody: contract::trust::rules("adaptive:2");
    what_a_volunteer_on_hold_has_confirmed_is_looked_at_again: contract::trust::rules("adaptive:1");
    a_key_is_on_hold_where_it_has_handed_nothing_in: contract::trust::rules("adaptive:1");
    a_flag_of_a_volunteer_on_hold_voids_nothing_and_is_a_dispute: contract::trust::rules("adaptive:5");
    a_job_that_waits_for_the_operators_worker_is_set_aside_when_there_is_none_any_more: contract::trust::rules("quorum:2");
}

contract! { make:
    a_nonce_registers_once
    a_nickname_is_credited_to_the_key_that_used_it_first
    a_key_is_banned_under_any_nickname
    a_linked_key_is_the_same_volunteer
    no_more_devices_are_linked_than_there_may_be
    the_results_of_a_key_that_count_are_listed
    jobs_are_numbered_on_and_handed_out_in_that_order
    inputs_come_back_as_they_were
    a_large_input_is_read_after_the_claim
    an_output_is_the_next_stages_input_and_the_last_one_closes_the_job
    a_repeated_completion_is_accepted_and_counts_once
    one_value_that_the_database_refuses_fails_no_other_operation
    a_completion_of_another_job_is_refused_and_changes_nothing
    a_job_is_offered_last_to_the_volunteer_who_gave_it_back
    flags_of_distinct_volunteers_send_a_job_back
    unnamed_workers_of_one_address_are_one_volunteer
    a_stage_that_the_operator_pauses_hands_out_nothing_and_takes_results
    failures_are_listed_and_a_stage_is_paused_until_it_is_resumed
    a_job_goes_to_others_than_those_at_whom_it_failed
    a_job_that_is_always_bad_does_not_go_round_for_ever
    leaving_puts_the_job_back_and_ends_the_token
    only_what_succeeds_counts_as_being_heard_from
    a_redone_output_appears_again_under_a_new_cursor
    workers_ranks_and_results_come_in_pages
    lists_are_found_by_the_key_of_any_row_in_both_directions
    names_are_found_by_how_they_begin
    the_newest_worker_of_a_name_is_found
    concurrent_claims_never_hand_a_job_out_twice
    the_same_completion_sent_many_times_at_once_counts_once
    wiping_forgets_everything
    a_sync_is_handed_no_more_bytes_than_it_wants
    large_inputs_are_read_when_the_jobs_are_handed_out
    a_sync_keeps_what_an_answer_under_way_grants
    a_sync_is_ordered_by_its_number_and_repeated_without_change
    a_lease_is_the_right_to_submit_regardless_of_the_registration
    a_lease_that_was_given_back_opens_nothing
    leases_that_open_nothing_leave_no_rows_behind
    a_registration_begins_with_its_cores_and_one_more_job
    registrations_of_one_address_share_what_they_may_hold
    jobs_pass_to_another_registration_only_as_far_as_both_may_hold
    a_classroom_behind_one_address_works_as_one_at_forty
    leases_of_jobs_that_were_given_back_take_nothing_from_the_current_worker
    a_file_belongs_to_its_lease_as_long_as_that_may_deliver
    what_a_text_of_a_job_names_stays_until_the_job_is_pruned
    a_file_that_is_being_deleted_is_not_uploaded
    uploads_and_deletions_at_once_lose_no_file
    a_file_that_is_not_stored_yet_is_nobodys
    the_texts_of_a_job_are_read_once_for_all_its_files
    limits_hold_for_uploads_that_finish_at_once
    a_late_result_waits_for_the_current_worker
    a_late_result_counts_if_the_current_worker_gives_up
    the_first_late_result_is_kept_and_no_other
    late_results_have_a_budget_of_bytes
    what_was_written_while_the_clock_was_ahead_counts_as_now
    a_volunteer_who_asked_while_the_clock_was_ahead_is_waited_for_no_longer
    a_lease_ends_unless_a_sync_holds_it
    a_job_that_fails_again_and_again_is_set_aside_until_it_is_requeued
    results_of_a_nickname_are_made_again
    results_are_made_again_by_where_and_when_they_came
    a_banned_volunteer_cannot_register_and_holds_nothing
    ending_a_worker_moves_no_job_on
    no_registration_passes_while_a_ban_is_added
    finished_jobs_and_results_that_contain_a_text_are_made_again
    results_are_undone_with_what_was_made_from_them
    jobs_are_requeued_by_number_and_state_and_go_back_as_far_as_is_asked
    finished_jobs_go_on_at_a_stage_that_was_added
    an_import_that_was_broken_off_goes_on_and_adds_nothing_twice
    an_import_with_a_key_is_the_same_one_whenever_it_is_repeated
    volunteers_are_counted_and_those_who_stop_syncing_are_removed
    several_leases_and_the_calls_of_one_job_get_along
}

#[test]
fn any_interleaving_leaves_the_store_consistent() {
    contract::syncs::any_interleaving_leaves_the_store_consistent(40, |rules| async move {
        make(rules).await.alone()
    });
}

#[test]
fn whatever_strangers_call_honest_work_counts() {
    contract::strangers::whatever_strangers_call_honest_work_counts(40, |rules| async move {
        make(rules).await.alone()
    });
}

#[test]
fn concurrent_syncs_leave_the_store_consistent() {
    contract::syncs::concurrent_syncs_leave_the_store_consistent(32, |rules| async move {
        make(rules).await.alone()
    });
}

const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/sqlite/0001_jobs_workers_leases.sql"),
    include_str!("../migrations/sqlite/0002_rounds_failures_syncs.sql"),
    include_str!("../migrations/sqlite/0003_actions.sql"),
];

/// A file with a few jobs, as left by a tracker that let sqlx record the version of the tables.
fn kept_by_sqlx(path: &Path, version: usize) -> Connection {
    let file = Connection::open(path).expect("a file");
    file.execute_batch(include_str!("sqlx.sql"))
        .expect("a list");
    for (index, migration) in MIGRATIONS.iter().enumerate().take(version) {
        file.execute_batch(migration).expect("a migration");
        if index == 0 {
            file.execute_batch(include_str!("first.sql"))
                .expect("its data");
        }
        note_migration(&file, index + 1);
    }
    file
}

fn note_migration(file: &Connection, version: usize) {
    let note = "insert into _sqlx_migrations \
                (version, description, success, checksum, execution_time) \
                values (?, 'some', true, x'00', 1)";
    let version = i64::try_from(version).expect("few");
    file.execute(note, [version]).expect("noted");
}

#[tokio::test]
async fn a_database_of_any_earlier_version_goes_on_where_it_was() {
    for version in 1..=MIGRATIONS.len() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("jobs.db");
        drop(kept_by_sqlx(&path, version));
        goes_on(folder, version).await;
    }
}

async fn goes_on(folder: tempfile::TempDir, version: usize) {
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::new(NOW));
    let store = SqliteStore::open(&path, false, contract::RULES, clock.clone())
        .await
        .unwrap_or_else(|error| panic!("from version {version}: {error}"));
    let given = Given {
        store: Arc::new(store),
        clock,
        keep: Box::new(folder),
        reopen: None,
    };
    contract::check_counters(given.store.as_ref()).await;
    // Existing tokens and leases stay valid, though only their fingerprints are stored now.
    let request = SyncRequest {
        token: "token-1".to_owned(),
        seq: 1,
        done: vec![Done {
            lease: "1-x".to_owned(),
            data: "done".to_owned(),
        }],
        holding: vec!["2-y".to_owned(), "2-x".to_owned()],
        ..SyncRequest::default()
    };
    let reply = given.store.sync(request).await.expect("a sync");
    assert_eq!(reply.accepted, ["1-x"]);
    assert_eq!(reply.lost, ["2-x"]);
    given
        .store
        .complete("token-1", Some(2), "late".to_owned())
        .await
        .expect("still held");
    let job = given
        .store
        .claim("token-1", String::new())
        .await
        .expect("a job");
    assert_eq!((job.number, job.data.as_deref()), (3, Some("three")));
    given.store.leave("token-1").await.expect("left");
    contract::check_counters(given.store.as_ref()).await;
    let stage = given.store.status().await.expect("status").stages[0];
    assert_eq!((stage.granted, stage.accepted, stage.done), (3, 2, 2));
    given.store.close().await;
    let again = SqliteStore::open(&path, false, contract::RULES, given.clock).await;
    let again = again.expect("the same file").status().await;
    assert_eq!(again.expect("status").stages[0], stage);
}

#[tokio::test]
async fn no_secret_stands_in_the_file_or_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::new(NOW));
    let store = SqliteStore::open(&path, true, contract::RULES, clock).await;
    let store = store.expect("a store");
    let secrets = contract::secrets_of_some_work(&store).await;
    let files = || {
        let entries = std::fs::read_dir(folder.path()).expect("a folder");
        let paths = entries.map(|entry| entry.expect("a file").path());
        paths.map(|path| std::fs::read(path).expect("readable"))
    };
    let stands = |text: &str| {
        files().any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    assert!(stands("a nickname that is no secret"));
    for secret in &secrets {
        assert!(!stands(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_and_left_as_it_is() {
    let later = 1_000;
    for by_sqlx in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("jobs.db");
        let file = kept_by_sqlx(&path, MIGRATIONS.len());
        if by_sqlx {
            note_migration(&file, later);
        } else {
            file.execute_batch(&format!("pragma user_version = {later}"))
                .expect("a version");
        }
        drop(file);
        let before = std::fs::read(&path).expect("the file");
        let clock = Arc::new(ManualClock::new(NOW));
        let refused = SqliteStore::open(&path, false, contract::RULES, clock).await;
        let sentence = refused.err().expect("refused").to_string();
        assert!(sentence.contains("version 1000"), "{sentence}");
        let tables = |bytes: &[u8]| bytes[100..].to_vec();
        let after = std::fs::read(&path).expect("the file");
        assert_eq!(tables(&before), tables(&after), "behind the file's header");
    }
}

/// The plan that SQLite uses for a statement.
fn plan(file: &Connection, statement: &str) -> String {
    let mut explained = file
        .prepare(&format!("explain query plan {statement}"))
        .expect("a statement");
    let steps = explained.raw_query().mapped(|row| row.get(3));
    let steps: Result<Vec<String>, _> = steps.collect();
    steps.expect("a plan").join("\n") + "\n"
}

#[tokio::test]
async fn the_oldest_of_too_many_idempotency_keys_are_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, true, contract::RULES, clock).await;
    let store = store.expect("a store");
    let begin = async |key: &str| {
        let new = NewImport {
            who: String::new(),
            source: String::new(),
            digest: String::new(),
            jobs: 0,
            key: Some(key.to_owned()),
        };
        store.begin_import(&new).await.expect("begun").id
    };
    let (first, second) = (begin("first").await, begin("second").await);
    // As if as many imports had followed as keep their keys.
    let file = Connection::open(&path).expect("the file");
    let follow = "update sqlite_sequence set seq = ? where name = 'imports'";
    file.execute(follow, [first + KEYS - 1]).expect("a number");
    begin("last").await;
    assert_eq!(begin("second").await, second);
    assert_ne!(begin("first").await, first);
    for statement in [
        "select id from imports where key is not null and at < 1",
        "select id from imports where key is not null and id <= 1",
    ] {
        let plan = plan(&file, statement);
        assert!(plan.contains("INDEX imports_key_"), "{statement}\n{plan}");
    }
}

#[tokio::test]
async fn what_volunteers_wait_for_neither_scans_a_table_nor_sorts() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, true, contract::RULES, clock).await;
    store.expect("a store").close().await;
    let file = Connection::open(&path).expect("the file");
    for statement in SqliteStore::HOT_STATEMENTS {
        let plan = plan(&file, statement);
        assert!(!plan.contains("TEMP B-TREE"), "sorts: {statement}\n{plan}");
        for table in [
            "jobs",
            "inputs",
            "workers",
            "leases",
            "w",
            "l",
            "j",
            "i",
            "b",
            "used_nonces",
            "linked_keys",
        ] {
            assert!(
                !plan.contains(&format!("SCAN {table}\n")),
                "scans: {statement}\n{plan}"
            );
        }
    }
    let queue = plan(&file, SqliteStore::HOT_STATEMENTS[0]);
    assert!(
        queue.contains("SEARCH j USING INDEX jobs_queue (stage=?)"),
        "{queue}"
    );
    // Nor are rows skipped to find a page of a list, unless the page is requested by its number.
    let listed = SqliteStore::HOT_STATEMENTS.iter();
    let listed = listed.filter(|statement| statement.contains(" from leaderboard where "));
    let by_key = listed.filter(|statement| !statement.contains("offset"));
    let mut checked = 0;
    for statement in by_key {
        let plan = plan(&file, statement);
        let index = if statement.contains("look") {
            "SEARCH leaderboard USING INDEX leaderboard_look (look>? AND look<?)"
        } else {
            "INDEX leaderboard_rank (completed"
        };
        let found = plan.contains(index) || plan.contains("(look,since,nickname)>(?,?,?)");
        assert!(
            found && !plan.contains("SCAN leaderboard"),
            "{statement}\n{plan}"
        );
        checked += 1;
    }
    assert_eq!(checked, 6);
}

#[tokio::test]
async fn no_row_of_a_job_is_written_by_way_of_a_temporary_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, true, contract::RULES, clock).await;
    store.expect("a store").close().await;
    let file = Connection::open(&path).expect("the file");
    let steps = |statement: &str| {
        let mut explained = file
            .prepare(&format!("explain {statement}"))
            .expect("a statement");
        let steps = explained.raw_query().mapped(|row| row.get(1));
        let steps: Result<Vec<String>, _> = steps.collect();
        steps.expect("the program")
    };
    let temporary = |statement: &str| {
        let steps = steps(statement).into_iter();
        steps.filter(|step| step == "OpenEphemeral").count()
    };
    assert_eq!(temporary("select 1 where 1 in (?, 'a', 'b')"), 1);
    for statement in SqliteStore::ROW_STATEMENTS {
        assert_eq!(temporary(statement), 0, "{statement}");
    }
    // The checks of the tables are still there.
    let unknown = "insert into jobs (number, stage, position, state) values (1, 0, 1, 'lost')";
    let refused = file.execute(unknown, ()).expect_err("no state");
    assert!(refused.to_string().contains("CHECK"), "{refused}");
    let unknown = "insert into leases (id, secret, number, stage, attempt, worker, nickname, \
                   volunteer, granted_at, outcome) values (1, '', 1, 0, 1, 1, '', '', 0, 'lost')";
    let refused = file.execute(unknown, ()).expect_err("no outcome");
    assert!(refused.to_string().contains("CHECK"), "{refused}");
}

#[tokio::test]
async fn what_was_answered_is_there_when_the_file_is_opened_again() {
    let given = make(contract::RULES).await;
    given
        .store
        .add_jobs(&["x".to_owned()])
        .await
        .expect("a job");
    given.store.close().await;
    let folder = given
        .keep
        .downcast::<tempfile::TempDir>()
        .expect("the folder");
    let path = folder.path().join("jobs.db");
    let again = SqliteStore::open(&path, false, contract::RULES, given.clock).await;
    assert_eq!(
        again.expect("a store").status().await.expect("status").jobs,
        1
    );
}

#[tokio::test]
async fn a_file_that_is_not_there_is_made_only_where_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none.db");
    let clock = Arc::new(ManualClock::new(NOW));
    assert!(
        SqliteStore::open(&path, false, contract::RULES, clock)
            .await
            .is_err()
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn one_file_has_one_lock_until_it_is_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    assert!(!ServeLock::is_held(&path));
    let lock = ServeLock::take(&path)
        .await
        .expect("a try")
        .expect("the lock");
    assert!(ServeLock::is_held(&path));
    assert!(ServeLock::take(&path).await.expect("a try").is_none());
    drop(lock);
    assert!(ServeLock::take(&path).await.expect("a try").is_some());
}

/// The writer itself checkpoints only beyond 64 MB; another connection does it each second.
#[tokio::test]
async fn what_was_committed_moves_from_the_log_to_the_file_beside_the_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::new(NOW));
    let store = SqliteStore::open(&path, true, contract::RULES, clock)
        .await
        .expect("a store");
    let large = "x".repeat(10 << 20);
    store.add_jobs(&[large]).await.expect("to add a job");
    let size = || std::fs::metadata(&path).expect("the file").len();
    let moved = async {
        while size() < 10 << 20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), moved)
        .await
        .expect("the job to be in the file itself");
    store.close().await;
    let log = folder.path().join("jobs.db-wal");
    assert!(!log.exists(), "the last connection takes the log away");
}

/// A reader keeps the log from being emptied. When it has ended, the log gives its room back.
#[tokio::test]
async fn a_log_that_a_reader_has_made_long_becomes_short_again() {
    const MB: u64 = 1 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::new(NOW));
    let store = SqliteStore::open(&path, true, contract::RULES, clock)
        .await
        .expect("a store");
    let reader = Connection::open(&path).expect("the file");
    reader.execute_batch("begin").expect("begun");
    let jobs = "select count(*) from jobs";
    let seen = || reader.query_row(jobs, (), |row| row.get::<_, i64>(0));
    assert_eq!(seen(), Ok(0));
    let log = folder.path().join("jobs.db-wal");
    let length = || std::fs::metadata(&log).expect("the log").len();
    for _ in 0..10 {
        let large = "x".repeat(10 << 20);
        store.add_jobs(&[large]).await.expect("to add a job");
    }
    assert!(length() > 100 * MB, "{}", length());
    assert_eq!(seen(), Ok(0), "the reader sees what it saw before");
    reader.execute_batch("commit").expect("ended");
    let shortened = async {
        while length() > 65 * MB {
            // The log starts over with the first change after everything has been moved.
            let small = "x".to_owned();
            store.add_jobs(&[small]).await.expect("to add a job");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), shortened)
        .await
        .expect("the log to be short");
    store.close().await;
}

/// The store of a file that was copied, by the rules of the contract.
async fn opened(path: &Path) -> Given {
    let clock = Arc::new(ManualClock::new(NOW + 10));
    let store = SqliteStore::open(path, false, contract::RULES, clock.clone()).await;
    Given {
        store: Arc::new(store.expect("a store")),
        clock,
        keep: Box::new(()),
        reopen: None,
    }
}

#[tokio::test]
async fn a_copy_is_the_same_project_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    copies::project(folder.path()).await;
    let source = copies::source(&at("jobs.db")).await;
    let copied = copies::copied(source, copies::target(&at("copy.db")).await).await;
    assert_eq!(copies::rows(&at("jobs.db")), copies::rows(&at("copy.db")));
    copies::it_goes_on(&opened(&at("copy.db")).await, &copied).await;
}

#[test]
fn every_table_and_every_column_is_copied() {
    copies::every_table_and_every_column_is_copied();
}

#[tokio::test]
async fn a_copy_that_is_broken_off_leaves_nothing_that_a_tracker_would_serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    copies::project(folder.path()).await;
    // A file of a copy that was killed, and one that ends by itself.
    std::fs::write(at("copy.db-copying"), "half of a database").expect("written");
    let mut source = copies::source(&at("jobs.db")).await;
    let mut target = copies::target(&at("copy.db")).await;
    let copying = operations::copy::copy(source.as_mut(), target.as_mut(), |_| {});
    copying.await.expect("copied");
    assert!(at("copy.db-copying").exists() && !at("copy.db").exists());
    let busy = CopyTarget::create(&at("copy.db")).await.err();
    assert!(busy.is_some_and(|why| why.contains("is running")));
    drop(target);
    assert!(!at("copy.db-copying").exists() && !at("copy.db").exists());
    // The source is read, and nobody may serve it meanwhile.
    let lock = ServeLock::take(&at("jobs.db")).await.expect("a lock");
    assert!(lock.is_none());
    drop(source);
    let _served = ServeLock::take(&at("jobs.db")).await.expect("a lock");
    let served = CopySource::open(&at("jobs.db")).await.err();
    assert!(served.is_some_and(|why| why.contains("Stop it first")));
}

#[tokio::test]
async fn a_copy_of_other_tables_or_to_a_file_that_is_there_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let path = at("jobs.db");
    opened_anew(&path).await;
    let on = Connection::open(&path).expect("a file");
    for (version, why) in [(1, "audit --database"), (1_000, "a later version")] {
        on.pragma_update(None, "user_version", version)
            .expect("set");
        let refused = CopySource::open(&path).await.err().expect("refused");
        assert!(refused.contains(why), "{refused}");
    }
    let refused = CopySource::open(&at("none.db")).await.err();
    assert_eq!(
        refused.as_deref(),
        Some(&*format!(
            "There is no database {}.",
            at("none.db").display()
        ))
    );
    let refused = CopyTarget::create(&path).await.err().expect("refused");
    assert!(refused.contains("not written over"), "{refused}");
    std::fs::write(at("new.db-wal"), "an old log").expect("written");
    let refused = CopyTarget::create(&at("new.db"))
        .await
        .err()
        .expect("refused");
    assert!(refused.contains("new.db-wal belongs to"), "{refused}");
    let refused = CopyTarget::create(&at("no/such.db"))
        .await
        .err()
        .expect("refused");
    assert!(refused.contains("cannot be written"), "{refused}");
}

/// Makes a file with the tables of an empty project.
async fn opened_anew(path: &Path) {
    let clock = Arc::new(ManualClock::new(NOW));
    let store = SqliteStore::open(path, true, contract::RULES, clock).await;
    store.expect("a store").close().await;
}
