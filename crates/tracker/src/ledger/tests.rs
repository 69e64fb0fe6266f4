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
    assert_eq!(changes.credits.get("n1"), Some(&1));
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
