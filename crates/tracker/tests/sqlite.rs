//! The store on SQLite: the contract of all stores, and what is SQLite's own.

mod contract;

use std::sync::Arc;

use contract::{Given, NOW, contract};
use distcompute_tracker::{
    clock::ManualClock,
    store::{
        Store as _, StoreRules,
        sqlite::{ServeLock, SqliteStore},
    },
};

async fn make(rules: StoreRules) -> Given {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, true, rules, clock.clone())
        .await
        .expect("a store");
    let store = Arc::new(store);
    Given {
        store,
        clock,
        keep: Box::new(folder),
    }
}

contract! { make:
    jobs_are_numbered_on_and_handed_out_in_that_order
    inputs_come_back_as_they_were
    an_output_is_the_next_stages_input_and_the_last_one_closes_the_job
    a_repeated_completion_is_accepted_and_counts_once
    a_completion_of_another_job_is_refused_and_changes_nothing
    a_job_is_offered_last_to_who_gave_it_back
    flags_of_distinct_volunteers_send_a_job_back
    each_anonymous_worker_is_a_volunteer_of_its_own
    a_job_that_is_always_bad_does_not_go_round_for_ever
    leaving_puts_the_job_back_and_ends_the_token
    only_what_succeeds_counts_as_being_heard_from
    a_redone_output_appears_again_under_a_new_cursor
    workers_ranks_and_results_come_in_pages
    the_newest_worker_of_a_name_is_found
    concurrent_claims_never_hand_a_job_out_twice
    the_same_completion_sent_many_times_at_once_counts_once
    wiping_forgets_everything
}

/// How SQLite would run a statement.
async fn plan(store: &SqliteStore, statement: &str) -> String {
    let explained = sqlx::AssertSqlSafe(format!("explain query plan {statement}"));
    let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained)
        .fetch_all(store.readers())
        .await
        .expect("a plan");
    steps.into_iter().map(|(.., step)| step + "\n").collect()
}

#[tokio::test]
async fn what_volunteers_wait_for_neither_scans_a_table_nor_sorts() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, true, contract::RULES, clock)
        .await
        .expect("a store");
    for statement in SqliteStore::HOT_STATEMENTS {
        let plan = plan(&store, statement).await;
        assert!(!plan.contains("TEMP B-TREE"), "sorts: {statement}\n{plan}");
        for table in ["jobs", "inputs", "workers", "leases", "w", "l", "j", "i"] {
            assert!(
                !plan.contains(&format!("SCAN {table}\n")),
                "scans: {statement}\n{plan}"
            );
        }
    }
    let plan = plan(&store, SqliteStore::HOT_STATEMENTS[0]).await;
    assert!(
        plan.contains("SEARCH j USING INDEX jobs_queue (stage=?)"),
        "{plan}"
    );
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
