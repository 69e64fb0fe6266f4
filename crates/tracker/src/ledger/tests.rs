//! Decisions of the ledger, on books that were never in a database.

use distcompute_protocol::{Done, ErrorCode, RejectedWhy, Stage, SyncRequest};

use super::{
    Changes, Job, Operation, Queue, Reply, Rules, Snapshot, State, SyncReply, Worker, settle,
};

const RULES: Rules = Rules {
    last_stage: Stage::A,
    invalid_after: 2,
    max_attempts: 2,
    lease_s: 300,
};

fn job(number: i64) -> Job {
    Job {
        number,
        stage: Stage::A,
        state: State::Open,
        attempt: 0,
        flagged: 0,
        sent_back: 0,
        round: 0,
        failures: 0,
        errors: Vec::new(),
        reason: None,
        lease: None,
        changed_at: 0,
    }
}

fn worker(id: i64) -> Worker {
    Worker {
        id,
        token: format!("t{id}"),
        display_name: String::new(),
        nickname: format!("n{id}"),
        stage: Stage::A,
        progress: String::new(),
        completed: 0,
        first_seen: 0,
        last_seen: 0,
        seq: -1,
        synced_at: None,
        last_lease: None,
    }
}

/// Two workers and two open jobs.
fn books() -> Snapshot {
    Snapshot {
        now: 1_000,
        workers: vec![worker(1), worker(2)],
        jobs: vec![job(1), job(2)],
        queues: [0, 1, 2, 3, 4].map(|stage| Queue {
            numbers: if stage == 0 { vec![1, 2] } else { Vec::new() },
            whole: true,
        }),
        open: [2, 0, 0, 0, 0],
        lease_ids: (1..10).collect(),
        ..Snapshot::default()
    }
}

fn sync(token: &str, seq: u64, want: u32, holding: &[&str], done: &[&str]) -> Operation {
    let done = done.iter().map(|lease| Done {
        lease: (*lease).to_owned(),
        data: "out".to_owned(),
    });
    Operation::Sync {
        request: SyncRequest {
            token: token.to_owned(),
            seq,
            want,
            holding: holding.iter().map(|lease| (*lease).to_owned()).collect(),
            done: done.collect(),
            ..SyncRequest::default()
        },
        secrets: (0..want).map(|_| "s".to_owned()).collect(),
    }
}

/// The answers of syncs, and what is written.
fn answers(operations: Vec<Operation>) -> (Vec<Result<SyncReply, ErrorCode>>, Changes) {
    let (replies, changes) = settle(books(), operations, RULES);
    let replies = replies.into_iter().map(|reply| {
        reply.map(|reply| match reply {
            Reply::Sync(reply) => reply,
            other => panic!("no sync: {other:?}"),
        })
    });
    (replies.collect(), changes)
}

#[test]
fn one_group_hands_each_job_to_one_worker() {
    let (replies, changes) = answers(vec![sync("t1", 1, 1, &[], &[]), sync("t2", 1, 5, &[], &[])]);
    let granted: Vec<Vec<i64>> = replies
        .iter()
        .map(|reply| {
            let reply = reply.as_ref().expect("answered");
            reply.granted.iter().map(|lease| lease.number).collect()
        })
        .collect();
    assert_eq!(granted, [vec![1], vec![2]]);
    assert_eq!((changes.stages[0].open, changes.stages[0].held), (-2, 2));
    assert_eq!(changes.new_leases.len(), 2);
}

#[test]
fn a_result_counts_once_within_one_group_too() {
    let (replies, changes) = answers(vec![
        sync("t1", 1, 1, &[], &[]),
        sync("t1", 2, 0, &[], &["1-s", "1-s"]),
        sync("t2", 1, 0, &[], &["1-s"]),
        sync("t2", 2, 0, &[], &["1-wrong"]),
    ]);
    for reply in &replies[1..3] {
        assert_eq!(reply.as_ref().expect("answered").accepted, ["1-s"]);
    }
    let wrong = replies[3].as_ref().expect("answered");
    assert_eq!(wrong.rejected[0].why, RejectedWhy::Unknown);
    assert_eq!((changes.outputs.len(), changes.closed), (1, 1));
    assert_eq!(changes.credits["n1"].results, 1);
}

#[test]
fn an_older_sync_changes_nothing_and_the_same_one_is_answered_again() {
    let (replies, changes) = answers(vec![
        sync("t1", 5, 1, &[], &[]),
        sync("t1", 5, 1, &[], &[]),
        sync("t1", 4, 2, &[], &["1-s"]),
    ]);
    assert_eq!(replies[0], replies[1]);
    assert_eq!(replies[2], Err(ErrorCode::Superseded));
    assert_eq!((changes.new_leases.len(), changes.outputs.len()), (1, 0));
}

#[test]
fn a_job_of_a_lost_answer_returns_to_its_place() {
    let (replies, changes) = answers(vec![
        sync("t1", 1, 1, &[], &[]),
        sync("t1", 2, 0, &[], &[]),
        sync("t2", 1, 1, &[], &[]),
    ]);
    let second = replies[2].as_ref().expect("answered");
    assert_eq!(second.granted[0].number, 1);
    assert!(changes.jobs.iter().all(|change| change.queued.is_none()));
}

/// Both workers have worked on job 1: the first under lease 1, which ended, the second under 2.
fn handed_out_twice() -> Vec<Operation> {
    vec![
        sync("t1", 1, 1, &[], &[]),
        sync("t1", 2, 0, &[], &[]),
        sync("t2", 1, 1, &[], &[]),
    ]
}

#[test]
fn the_first_of_two_results_wins_whoever_brings_it() {
    let first = |t: &'static str, lease: &'static str| sync(t, 3, 0, &[], &[lease]);
    for (winner, loser, credited) in [
        (("t2", "2-s"), ("t1", "1-s"), "n2"),
        // Late, but nobody was faster: it ends the other lease.
        (("t1", "1-s"), ("t2", "2-s"), "n1"),
    ] {
        for last_stage in [Stage::A, Stage::B] {
            let mut operations = handed_out_twice();
            operations.push(first(winner.0, winner.1));
            operations.push(first(loser.0, loser.1));
            let rules = Rules {
                last_stage,
                ..RULES
            };
            let (replies, changes) = settle(books(), operations, rules);
            let [Ok(Reply::Sync(won)), Ok(Reply::Sync(lost))] = &replies[3..] else {
                panic!("not answered: {replies:?}");
            };
            assert_eq!(won.accepted, [winner.1]);
            assert_eq!(lost.rejected[0].why, RejectedWhy::Finished);
            assert!(lost.accepted.is_empty());
            // Not as the next stage's output either.
            assert_eq!(changes.outputs.len(), 1);
            assert_eq!(changes.outputs[0].stage, Stage::A);
            assert_eq!(changes.closed, i64::from(last_stage == Stage::A));
            assert_eq!(changes.credits.len(), 1);
            assert_eq!(changes.credits[credited].results, 1);
            assert_eq!(changes.stages[0].held, 0);
        }
    }
}
