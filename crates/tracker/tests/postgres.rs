//! The store on PostgreSQL: the contract of all stores, and tests specific to PostgreSQL. The
//! database is the one named by DISTCOMPUTE_TEST_POSTGRES; each test uses a schema of its own.

#[cfg(target_os = "linux")]
mod attacks;
mod contract;
#[cfg(target_os = "linux")]
mod process;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{Given, NOW, Reopen, contract, contract_with, copies};
use distcompute_protocol::{Done, ErrorCode, RejectedWhy, Stage, SyncRequest};
use distcompute_tracker::{
    clock::ManualClock,
    operations::copy,
    store::{
        NewWorker, Page, Store, StoreError, StoreRules, copy as copy_tables,
        postgres::{Address, CopySource, CopyTarget, PostgresStore},
        sqlite::SqliteStore,
    },
};
use proptest::prelude::*;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions,
};

fn url() -> String {
    std::env::var("DISTCOMPUTE_TEST_POSTGRES").expect(
        "DISTCOMPUTE_TEST_POSTGRES must be the address of a PostgreSQL database that tests may \
         fill; `npm run test:more -- postgres` makes one",
    )
}

async fn connected() -> PgConnection {
    PgConnection::connect(&url()).await.expect("a connection")
}

/// The address of a new, empty schema.
async fn fresh() -> String {
    let mut connection = connected().await;
    let schema: String =
        sqlx::query_scalar("select 't' || replace(gen_random_uuid()::text, '-', '')")
            .fetch_one(&mut connection)
            .await
            .expect("a name");
    let create = sqlx::AssertSqlSafe(format!("create schema {schema}"));
    connection.execute(create).await.expect("a schema");
    format!("{}?options[search_path]={schema}", url())
}

fn parsed(address: &str) -> Address {
    address.parse().expect("an address")
}

async fn open(address: &str) -> Arc<PostgresStore> {
    let store = PostgresStore::open(&parsed(address), contract::RULES, None).await;
    Arc::new(store.expect("a store"))
}

fn reopening(address: Address, clock: Arc<ManualClock>) -> Reopen {
    Box::new(move |rules| {
        let (address, clock) = (address.clone(), clock.clone());
        Box::pin(async move {
            let store = PostgresStore::open(&address, rules, Some(clock)).await;
            Arc::new(store.expect("a store")) as Arc<dyn Store>
        })
    })
}

async fn make(rules: StoreRules) -> Given {
    let clock = Arc::new(ManualClock::new(NOW));
    let address = parsed(&fresh().await);
    let store = PostgresStore::open(&address, rules, Some(clock.clone()))
        .await
        .expect("a store");
    Given {
        store: Arc::new(store),
        reopen: Some(reopening(address, clock.clone())),
        clock,
        keep: Box::new(()),
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

/// A database with two trackers on it that share a clock.
async fn make_two(rules: StoreRules) -> (Given, Vec<Arc<dyn Store>>) {
    let clock = Arc::new(ManualClock::new(NOW));
    let address = parsed(&fresh().await);
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..2 {
        let store = PostgresStore::open(&address, rules, Some(clock.clone())).await;
        stores.push(Arc::new(store.expect("a store")));
    }
    let given = Given {
        store: Arc::clone(&stores[0]),
        clock,
        keep: Box::new(()),
        reopen: None,
    };
    (given, stores)
}

#[test]
fn any_interleaving_leaves_the_store_consistent() {
    contract::syncs::any_interleaving_leaves_the_store_consistent(16, |rules| async move {
        make(rules).await.alone()
    });
}

#[test]
fn whatever_strangers_call_honest_work_counts() {
    contract::strangers::whatever_strangers_call_honest_work_counts(8, |rules| async move {
        make(rules).await.alone()
    });
}

#[test]
fn any_interleaving_between_two_trackers_leaves_the_store_consistent() {
    contract::syncs::any_interleaving_leaves_the_store_consistent(16, make_two);
}

#[test]
fn concurrent_syncs_to_two_trackers_leave_the_store_consistent() {
    contract::syncs::concurrent_syncs_leave_the_store_consistent(16, make_two);
}

async fn join(store: &dyn Store, token: &str, stage: Stage) {
    let worker = NewWorker {
        browser: String::new(),
        token: token.to_owned(),
        display_name: format!("name-{token}"),
        nickname: format!("nick-{token}"),
        address: String::new(),
        proven: None,
        stage,
    };
    store.register(worker).await.expect("a worker");
}

fn jobs(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("input {number}"))
        .collect()
}

/// Works until no job is open at a stage. Returns the numbers of the jobs done.
async fn work(store: Arc<PostgresStore>, token: String, stage: Stage) -> Vec<u64> {
    join(store.as_ref(), &token, stage).await;
    let mut done = Vec::new();
    loop {
        match store.claim(&token, "secret".to_owned()).await {
            Ok(job) => {
                let number = u64::try_from(job.number).expect("a number");
                let output = format!("output {}", job.number);
                store
                    .complete(&token, Some(number), output)
                    .await
                    .expect("accepted");
                done.push(number);
            }
            Err(StoreError::Refused(ErrorCode::NoJobs)) => {
                // The last few may be skipped while another tracker has locked their rows.
                if store.open_jobs(stage).await.expect("a count") == 0 {
                    return done;
                }
                tokio::task::yield_now().await;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trackers_on_one_database_share_the_jobs_and_no_reader_misses_a_result() {
    const JOBS: usize = 2_000;
    let address = fresh().await;
    let stores = [
        open(&address).await,
        open(&address).await,
        open(&address).await,
    ];
    stores[0].add_jobs(&jobs(JOBS)).await.expect("jobs");
    let reader = {
        let store = open(&address).await;
        tokio::spawn(async move {
            let (mut after, mut seen) = (0, BTreeSet::new());
            while seen.len() < JOBS {
                for output in store.results(Stage::A, after, 100).await.expect("results") {
                    assert!(output.cursor > after);
                    after = output.cursor;
                    assert!(seen.insert(output.number), "{} came twice", output.number);
                }
            }
        })
    };
    let workers: Vec<_> = (0..24)
        .map(|n| tokio::spawn(work(Arc::clone(&stores[n % 3]), format!("t{n}"), Stage::A)))
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("a worker"));
    }
    let distinct: BTreeSet<u64> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (JOBS, JOBS));
    tokio::time::timeout(Duration::from_secs(30), reader)
        .await
        .expect("every result behind a cursor that was read on from")
        .expect("a reader");
    let status = stores[1].status().await.expect("status");
    assert_eq!(
        (status.stages[0].done, status.stages[0].held),
        (JOBS as u64, 0)
    );
    assert_eq!(status.stages[1].open, JOBS as u64);
}

/// Takes a job by sync and lets its lease expire. Returns the lease, under which a result may still
/// be submitted.
async fn taken_and_lapsed(store: &dyn Store, token: &str, seq: u64) -> String {
    join(store, token, Stage::A).await;
    let request = SyncRequest {
        token: token.to_owned(),
        seq,
        want: 1,
        ..SyncRequest::default()
    };
    let granted = store.sync(request).await.expect("a sync");
    // The lease expires by the server's clock, which has to advance first.
    while store.end_leases(0).await.expect("a sweep") == 0 {}
    granted.granted[0].lease.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_results_of_a_job_that_come_to_two_trackers_at_once_are_one() {
    let address = fresh().await;
    let stores = [open(&address).await, open(&address).await];
    for round in 1..=30_u64 {
        stores[0].add_jobs(&jobs(1)).await.expect("a job");
        let hand_in = async |at: usize, lease: &String, token: String| {
            let done = Done {
                lease: lease.clone(),
                data: format!("under {lease}"),
            };
            let request = SyncRequest {
                token,
                seq: 9,
                done: vec![done],
                ..SyncRequest::default()
            };
            stores[at].sync(request).await.expect("a sync")
        };
        let (ann, bob) = (format!("ann {round}"), format!("bob {round}"));
        let first = taken_and_lapsed(stores[0].as_ref(), &ann, 1).await;
        let second = taken_and_lapsed(stores[1].as_ref(), &bob, 1).await;
        let (one, two) = tokio::join!(hand_in(0, &first, ann), hand_in(1, &second, bob));
        let (won, lost, lease) = match one.accepted.is_empty() {
            false => (one, two, first),
            true => (two, one, second),
        };
        assert_eq!(won.accepted, [lease.as_str()], "one of them is accepted");
        assert_eq!(lost.accepted, [""; 0], "and one alone");
        assert_eq!(lost.rejected[0].why, RejectedWhy::Finished);
        let results = stores[0].results(Stage::A, 0, 100).await.expect("results");
        assert_eq!(results.len() as u64, round);
        let kept = results.last().map(|output| output.data.clone());
        assert_eq!(kept, Some(format!("under {lease}")));
    }
    contract::check_counters(stores[0].as_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trackers_that_sweep_at_once_forget_each_worker_once() {
    let address = fresh().await;
    let stores = [open(&address).await, open(&address).await];
    stores[0].add_jobs(&jobs(60)).await.expect("jobs");
    for n in 0..60 {
        let token = format!("t{n}");
        join(stores[0].as_ref(), &token, Stage::A).await;
        stores[0]
            .claim(&token, "secret".to_owned())
            .await
            .expect("a job");
    }
    // A negative timeout, so every worker is silent for long enough.
    let (one, two) = tokio::join!(stores[0].drop_idle(-1_000), stores[1].drop_idle(-1_000));
    assert_eq!(one.expect("a sweep") + two.expect("a sweep"), 60);
    let counts = stores[0].status().await.expect("status").stages[0];
    assert_eq!((counts.open, counts.held, counts.workers), (60, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trackers_that_start_at_once_make_the_tables_once() {
    let address = fresh().await;
    let opened = (0..6).map(|_| {
        let address = parsed(&address);
        tokio::spawn(async move { PostgresStore::open(&address, contract::RULES, None).await })
    });
    for store in opened.collect::<Vec<_>>() {
        let store = store.await.expect("a task").expect("a store");
        assert_eq!(store.status().await.expect("status").jobs, 0);
        store.close().await;
    }
}

#[tokio::test]
async fn no_secret_stands_in_a_table() {
    let address = fresh().await;
    let store = open(&address).await;
    let secrets = contract::secrets_of_some_work(store.as_ref()).await;
    let mut connection = PgConnection::connect(&address).await.expect("a connection");
    let kept: Vec<String> =
        sqlx::query_scalar("select w::text from workers w union all select l::text from leases l")
            .fetch_all(&mut connection)
            .await
            .expect("rows");
    assert_eq!(kept.len(), 5);
    assert!(kept[0].contains("a nickname that is no secret"));
    for (secret, row) in secrets
        .iter()
        .flat_map(|one| kept.iter().map(move |row| (one, row)))
    {
        assert!(!row.contains(secret), "{row}");
    }
}

/// Tokens and leases as an earlier version stored them, in plain text.
#[tokio::test]
async fn tokens_and_leases_of_an_earlier_version_go_on() {
    let address = fresh().await;
    let store = open(&address).await;
    contract::secrets_of_some_work(store.as_ref()).await;
    store.close().await;
    let mut connection = PgConnection::connect(&address).await.expect("a connection");
    connection
        .execute(
            "update workers set token = 'token-' || id; update leases set secret = 's' || id; \
             delete from _sqlx_migrations where version = 20",
        )
        .await
        .expect("as it was");
    let store = open(&address).await;
    let request = SyncRequest {
        token: "token-1".to_owned(),
        seq: 2,
        holding: vec!["1-s1".to_owned(), "1-s2".to_owned()],
        done: vec![Done {
            lease: "2-s2".to_owned(),
            data: "done".to_owned(),
        }],
        ..SyncRequest::default()
    };
    let reply = store.sync(request).await.expect("a sync");
    assert_eq!(
        (reply.accepted, reply.lost),
        (vec!["2-s2".to_owned()], vec!["1-s2".to_owned()])
    );
    let done = store.complete("token-2", None, "done".to_owned()).await;
    done.expect("still held");
}

#[tokio::test]
async fn times_are_those_of_the_database() {
    let store = open(&fresh().await).await;
    let mut connection = connected().await;
    let now = "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint";
    let before: i64 = sqlx::query_scalar(now)
        .fetch_one(&mut connection)
        .await
        .expect("a time");
    join(store.as_ref(), "t", Stage::A).await;
    let after: i64 = sqlx::query_scalar(now)
        .fetch_one(&mut connection)
        .await
        .expect("a time");
    let all = Page::first(10);
    let seen = store.workers(Stage::A, all).await.expect("workers")[0].first_seen;
    assert!((before..=after).contains(&seen), "{before} {seen} {after}");
}

#[tokio::test]
async fn a_connection_that_broke_is_made_again() {
    let address = fresh().await;
    // The application name appears in the list of connections, and no other test uses this one.
    let name = "to-be-broken";
    let store = open(&format!("{address}&application_name={name}")).await;
    join(store.as_ref(), "t", Stage::A).await;
    assert!(store.knows("t").await.expect("an answer"));
    let mut connection = connected().await;
    let ended: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
    )
    .bind(name)
    .fetch_all(&mut connection)
    .await
    .expect("ended");
    assert_eq!(
        ended,
        [true, true],
        "one connection that writes and one that reads"
    );
    store
        .note_progress("t", "50%".to_owned())
        .await
        .expect("noted");
    assert!(store.knows("t").await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_deadlocks_is_retried_once() {
    let address = fresh().await;
    let name = "to-be-deadlocked";
    let store = open(&format!("{address}&application_name={name}")).await;
    store.add_jobs(&jobs(1)).await.expect("a job");
    join(store.as_ref(), "t", Stage::A).await;
    store.claim("t", "s".to_owned()).await.expect("a job");
    // A session at a prompt has locked the job and will want the worker, which the tracker locks
    // first.
    let options: PgConnectOptions = address.parse().expect("an address");
    let mut prompt = options.connect().await.expect("a connection");
    // The transaction with the shorter `deadlock_timeout` detects the deadlock, and that is to be
    // the tracker.
    prompt
        .execute("begin; set local deadlock_timeout = '1min'; select from jobs for update")
        .await
        .expect("locked");
    let completing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.complete("t", Some(1), "out".to_owned()).await })
    };
    let mut watch = connected().await;
    let waits = "select count(*) from pg_stat_activity \
         where application_name = $1 and wait_event_type = 'Lock'";
    loop {
        let waiting: i64 = sqlx::query_scalar(waits)
            .bind(name)
            .fetch_one(&mut watch)
            .await
            .expect("a count");
        if waiting > 0 {
            break;
        }
    }
    prompt
        .execute("select from workers for update")
        .await
        .expect("the tracker's transaction was undone");
    prompt.execute("commit").await.expect("let go");
    completing.await.expect("a task").expect("accepted");
    contract::check_counters(store.as_ref()).await;
    let results = store.results(Stage::A, 0, 10).await.expect("results");
    assert_eq!(results.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_with_a_sentence_and_without_the_password() {
    // Port 1 of this machine, where nothing listens.
    for (address, word) in [
        ("postgres://ann:secret@127.0.0.1:1/x".to_owned(), "refused"),
        (url() + "_that_nobody_made", "does not exist"),
    ] {
        let started = Instant::now();
        let fault = PostgresStore::open(&parsed(&address), contract::RULES, None)
            .await
            .err()
            .expect("a fault")
            .to_string();
        assert!(fault.contains(word), "{fault}");
        assert!(!fault.contains("secret"), "{fault}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

/// The plan that PostgreSQL uses for a statement regardless of its parameters.
async fn plan(connection: &mut PgConnection, statement: &str) -> String {
    let run = |text: String| sqlx::AssertSqlSafe(text);
    connection
        .execute("deallocate all")
        .await
        .expect("forgotten");
    connection
        .execute(run(format!("prepare hot as {statement}")))
        .await
        .expect("prepared");
    let count = (1..).take_while(|n| statement.contains(&format!("${n}")));
    let count = count.count();
    let nulls = vec!["null"; count].join(", ");
    let steps: Vec<String> = sqlx::raw_sql(run(format!("explain execute hot({nulls})")))
        .fetch_all(connection)
        .await
        .expect("a plan")
        .iter()
        .map(|row| sqlx::Row::get::<String, _>(row, 0))
        .collect();
    steps.join("\n")
}

#[tokio::test]
async fn what_volunteers_wait_for_has_the_same_plan_whatever_the_tables_are_thought_to_hold() {
    let address = fresh().await;
    let store = open(&address).await;
    let mut connection = store.readers().acquire().await.expect("a connection");
    // With tables that were never analyzed, and then with tables that were analyzed while empty.
    let tables = "jobs, inputs, workers, leases, leaderboard, throughput, totals, stage_counters";
    for look in ["select from", "analyze", "vacuum analyze"] {
        let look = format!("{look} {tables}");
        connection
            .execute(sqlx::AssertSqlSafe(look.clone()))
            .await
            .expect("looked");
        connection
            .execute(PostgresStore::WRITER_SETTINGS)
            .await
            .expect("set");
        for statement in PostgresStore::WRITER_STATEMENTS {
            let plan = plan(&mut connection, statement).await;
            let context = format!("after {look}: {statement}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "scans a table {context}");
            assert!(!plan.contains("Bitmap"), "makes a bitmap {context}");
            let lines: Vec<&str> = plan.lines().map(str::trim).collect();
            for pair in lines.windows(2) {
                // The counters of the five stages are read in full, and belong to every row.
                let counters = pair[0].contains(" on stage_counters");
                let whole = pair[0].contains("Index") && pair[0].contains(" using ");
                assert!(
                    !whole || counters || pair[1].starts_with("Index Cond"),
                    "reads a whole index {context}"
                );
            }
            // A nested loop over the single row of the totals is the only possible plan.
            let loops = plan.matches("Nested Loop").count();
            let of_one_row = plan.matches("CTE Scan on total total_").count();
            assert!(loops <= of_one_row, "compares each with each {context}");
        }
        let queue = plan(&mut connection, PostgresStore::WRITER_STATEMENTS[0]).await;
        assert!(queue.contains("Index Scan using jobs_queue"), "{queue}");
        assert!(!queue.contains("Sort"), "{queue}");
    }
}

#[tokio::test]
async fn what_pages_wait_for_does_not_scan_a_table() {
    let address = fresh().await;
    let store = open(&address).await;
    let mut connection = store.readers().acquire().await.expect("a connection");
    // The tables are empty, so scanning or sorting them would be the right plan; forbid it.
    connection
        .execute(
            "set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; \
             set plan_cache_mode = force_generic_plan",
        )
        .await
        .expect("set");
    for statement in PostgresStore::READER_STATEMENTS {
        let plan = plan(&mut connection, statement).await;
        assert!(!plan.contains("Seq Scan"), "scans: {statement}\n{plan}");
        assert!(!plan.contains("Sort"), "sorts: {statement}\n{plan}");
    }
}

/// Kills an import half way, and repeats it.
#[tokio::test]
async fn an_import_that_is_killed_and_repeated_doubles_no_jobs() {
    let address = fresh().await;
    let store = open(&address).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jobs.txt");
    let jobs: String = (0..100_000).map(|n| format!("job {n}\n")).collect();
    std::fs::write(&file, jobs).expect("a file");
    let import = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_distcompute-tracker"));
        command
            .args(["import", "--database", &address, "--txt"])
            .arg(&file);
        command
    };
    let mut killed = import().spawn().expect("a process");
    let there = loop {
        let jobs = store.status().await.expect("a status").jobs;
        if jobs > 0 {
            break jobs;
        }
        tokio::task::yield_now().await;
    };
    killed.kill().expect("killed");
    killed.wait().expect("an end");
    assert!((1..100_000).contains(&there), "{there}");
    let there = store.unfinished_imports().await.expect("a list")[0].done;
    assert_eq!(store.status().await.expect("a status").jobs, there);
    let done = import().output().expect("an end");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let counts: (i64, i64) =
        sqlx::query_as("select count(*), count(distinct data) from inputs where stage = 0")
            .fetch_one(store.readers())
            .await
            .expect("counts");
    assert_eq!(counts, (100_000, 100_000));
    assert_eq!(store.unfinished_imports().await.expect("a list"), []);
    store.close().await;
}

/// Malicious requests against a tracker on this database.
#[cfg(target_os = "linux")]
async fn attacked(attack: fn(&str)) {
    let database = fresh().await;
    let attack = tokio::task::spawn_blocking(move || attack(&database));
    attack.await.expect("it held");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn large_bodies_of_strangers_neither_fill_the_memory_nor_hold_up_others() {
    attacked(attacks::large_bodies_of_strangers_neither_fill_the_memory_nor_hold_up_others).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_registers_without_the_join_key_and_nothing_shows_it() {
    attacked(attacks::nobody_registers_without_the_join_key_and_nothing_shows_it).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_do_not_read_or_do_not_end_neither_fill_the_memory_nor_hold_up_others() {
    attacked(
        attacks::clients_that_do_not_read_or_do_not_end_neither_fill_the_memory_nor_hold_up_others,
    )
    .await;
}

/// Copies a file to a new schema and back to another file.
async fn round_trip(folder: &Path) -> (String, copy::Copied) {
    let address = fresh().await;
    let at = |name: &str| folder.join(name);
    let target = CopyTarget::open(&parsed(&address))
        .await
        .expect("a destination");
    let there = copies::copied(copies::source(&at("jobs.db")).await, Box::new(target)).await;
    let source = CopySource::open(&parsed(&address)).await.expect("a source");
    let back = copies::copied(Box::new(source), copies::target(&at("back.db")).await).await;
    assert_eq!((&there.states, there.totals), (&back.states, back.totals));
    assert_eq!(copies::rows(&at("jobs.db")), copies::rows(&at("back.db")));
    (address, there)
}

#[tokio::test]
async fn a_copy_from_sqlite_and_back_is_the_same_project_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    copies::project(folder.path()).await;
    let (address, copied) = round_trip(folder.path()).await;
    let clock = Arc::new(ManualClock::new(NOW + 10));
    let store = PostgresStore::open(&parsed(&address), contract::RULES, Some(clock.clone())).await;
    let given = Given {
        store: Arc::new(store.expect("a store")),
        clock,
        keep: Box::new(()),
        reopen: None,
    };
    copies::it_goes_on(&given, &copied).await;
}

#[test]
fn any_text_comes_back_from_a_copy_as_it_was() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = ProptestConfig {
        cases: 8,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(texts in copies::any_texts())| {
        let folder = tempfile::tempdir().expect("a folder");
        runtime.block_on(async {
            let clock = Arc::new(ManualClock::new(NOW));
            let path = folder.path().join("jobs.db");
            let store = SqliteStore::open(&path, true, contract::RULES, clock).await;
            let store = store.expect("a store");
            store.add_jobs(&texts).await.expect("jobs");
            store.close().await;
            round_trip(folder.path()).await;
        });
    });
}

#[tokio::test]
async fn every_table_and_every_column_is_copied() {
    let address = fresh().await;
    open(&address).await.close().await;
    let mut connection = PgConnection::connect(&address).await.expect("a connection");
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns \
         where table_schema = current_schema()",
    )
    .fetch_all(&mut connection)
    .await
    .expect("columns");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in columns {
        // A sequence is not listed as a table.
        found.entry(table).or_default().push(column);
    }
    found.retain(|table, _| !copy_tables::NOT_COPIED.contains(&table.as_str()));
    copies::same_columns(found);
}

#[tokio::test]
async fn a_database_that_is_used_or_not_empty_is_not_copied_to() {
    let folder = tempfile::tempdir().expect("a folder");
    copies::project(folder.path()).await;
    let address = fresh().await;
    let target = async || {
        let opened = CopyTarget::open(&parsed(&address)).await;
        opened.map_err(|why| why)
    };
    // A tracker that has not served anybody yet.
    let tracker = open(&address).await;
    let refused = target().await.err().expect("refused");
    assert!(
        refused.contains("a tracker or another command uses it"),
        "{refused}"
    );
    tracker.close().await;
    // A copy that is broken off leaves an empty database, and keeps trackers out until then.
    let mut source = copies::source(&folder.path().join("jobs.db")).await;
    let mut broken = target().await.expect("a destination");
    copy::copy(source.as_mut(), &mut broken, |_| {})
        .await
        .expect("copied");
    let kept_out = PostgresStore::open(&parsed(&address), contract::RULES, None).await;
    let why = kept_out.err().expect("kept out").to_string();
    assert!(why.contains("it is being copied"), "{why}");
    drop(broken);
    let begun = Instant::now();
    let again = loop {
        // The server has yet to notice that the connection is gone.
        match target().await {
            Ok(target) => break target,
            Err(why) => assert!(begun.elapsed() < Duration::from_secs(20), "{why}"),
        }
    };
    let copied = copies::copied(source, Box::new(again)).await;
    assert!(copied.totals.jobs > 0);
    let refused = target().await.err().expect("refused");
    assert!(
        refused.contains("is not empty: there are rows in its table jobs"),
        "{refused}"
    );
    // Only tables that this version knows are copied.
    let mut connection = PgConnection::connect(&address).await.expect("a connection");
    let later = "insert into _sqlx_migrations select 9999, description, installed_on, success, checksum, \
                 execution_time from _sqlx_migrations limit 1";
    connection.execute(later).await.expect("a migration");
    let refused = CopySource::open(&parsed(&address))
        .await
        .err()
        .expect("refused");
    assert!(refused.contains("a later version"), "{refused}");
    let nothing = CopySource::open(&parsed(&fresh().await))
        .await
        .err()
        .expect("refused");
    assert!(
        nothing.contains("does not have a tracker's tables"),
        "{nothing}"
    );
}

#[tokio::test]
async fn what_postgresql_cannot_store_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::new(NOW));
    let store = SqliteStore::open(&path, true, contract::RULES, clock).await;
    let store = store.expect("a store");
    store
        .add_jobs(&["a".to_owned(), "b\0".to_owned()])
        .await
        .expect("jobs");
    store.close().await;
    let mut source = copies::source(&path).await;
    let target = CopyTarget::open(&parsed(&fresh().await)).await;
    let mut target = target.expect("a destination");
    let why = copy::copy(source.as_mut(), &mut target, |_| {}).await;
    let why = why.expect_err("refused");
    assert!(why.contains("table inputs contains U+0000"), "{why}");
    assert!(why.contains("in the row with number 2, stage 0"), "{why}");
}
