//! Tests of the ledger's decisions, on rows that are not from a database.

// Loop indices are also parts of the workers' tokens.
#![allow(clippy::needless_range_loop)]

use distcompute_protocol::{
    ANONYMOUS, Done, ErrorCode, Failed, Invalid, RejectedWhy, Stage, SyncRequest,
};

use super::{
    Changes, GrantedLease, Job, Operation, Queue, Reply, Rules, Snapshot, State, SyncReply,
    Volunteer, Worker, operation::lease_name, settle,
};
use crate::rules::{allowance::MOST_HELD, secrets::LeaseSecrets, trust::Trust};

const RULES: Rules = Rules {
    last_stage: Stage::A,
    invalid_after: 2,
    max_attempts: 2,
    pause_after: 3,
    slow_failing: true,
    lease_s: 300,
    late_bytes: 1_000,
    trust: Trust::OFF,
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
        late: None,
        opinions: 0,
        changed_at: 0,
    }
}

fn worker(id: i64) -> Worker {
    Worker {
        id,
        token: format!("t{id}"),
        display_name: String::new(),
        nickname: format!("n{id}"),
        address: String::new(),
        key: None,
        browser: String::new(),
        stage: Stage::A,
        progress: String::new(),
        completed: 0,
        first_seen: 0,
        last_seen: 0,
        seq: -1,
        synced_at: None,
        last_lease: None,
        trouble: 0,
        rest_until: 0,
        noted_at: 0,
        allowance: crate::rules::allowance::Allowance::default(),
        works: false,
    }
}

/// Two workers and two open jobs.
fn snapshot() -> Snapshot {
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

/// A project of many jobs to which operations are applied one after the other, without a database.
struct Project {
    now: i64,
    seq: u64,
    snapshot: Snapshot,
    rules: Rules,
}

impl Project {
    fn new(jobs: i64, workers: Vec<Worker>) -> Self {
        let mut snapshot = snapshot();
        snapshot.workers = workers;
        snapshot.jobs = (1..=jobs).map(job).collect();
        snapshot.queues[0].numbers = (1..=jobs).collect();
        snapshot.open[0] = jobs;
        let rules = Rules {
            max_attempts: 5,
            ..RULES
        };
        Self {
            now: 1_000_000,
            seq: 0,
            snapshot,
            rules,
        }
    }

    /// Settles operations and applies the changes to the rows, as a database does.
    fn settle(&mut self, operations: Vec<Operation>) -> Vec<Result<Reply, ErrorCode>> {
        let mut read = self.snapshot.clone();
        read.now = self.now;
        let last = read.leases.iter().map(|lease| lease.id).max().unwrap_or(0);
        read.lease_ids = (last + 1..last + 3_000).collect();
        let (replies, changes) = settle(read, operations, self.rules);
        for change in changes.jobs {
            let number = change.job.number;
            let queue = &mut self.snapshot.queues[change.job.stage.index()].numbers;
            queue.retain(|queued| *queued != number || change.queued.is_none());
            if change.queued.is_some() {
                queue.push(number);
            }
            let at = self
                .snapshot
                .jobs
                .iter()
                .position(|job| job.number == number);
            self.snapshot.jobs[at.expect("known")] = change.job;
        }
        let snapshot = &mut self.snapshot;
        snapshot.leases.extend(changes.new_leases);
        for lease in changes.leases {
            let at = snapshot
                .leases
                .iter()
                .position(|known| known.id == lease.id);
            snapshot.leases[at.expect("known")] = lease;
        }
        snapshot
            .leases
            .retain(|lease| !changes.gone_leases.contains(&lease.id));
        for worker in changes.workers {
            let at = snapshot
                .workers
                .iter()
                .position(|known| known.id == worker.id);
            snapshot.workers[at.expect("known")] = worker;
        }
        for number in changes.gone_avoided {
            snapshot.avoided.retain(|(avoided, ..)| *avoided != number);
        }
        snapshot.avoided.extend(changes.avoided);
        snapshot.flags.extend(changes.flags);
        for volunteer in &mut snapshot.volunteers {
            if changes.recovered.contains(&volunteer.stage) {
                volunteer.failing = None;
            }
        }
        for ((stage, name), change) in changes.volunteers {
            let known = snapshot
                .volunteers
                .iter()
                .position(|one| (one.stage, &one.name) == (stage, &name));
            let at = known.unwrap_or_else(|| {
                snapshot.volunteers.push(Volunteer {
                    stage,
                    name,
                    worked_at: 0,
                    asked_at: 0,
                    failing: None,
                });
                snapshot.volunteers.len() - 1
            });
            let one = &mut snapshot.volunteers[at];
            one.worked_at = change.worked_at.unwrap_or(one.worked_at);
            one.asked_at = change.asked_at.unwrap_or(one.asked_at);
            one.failing = change
                .failing
                .map(|failing| (changes.now, failing))
                .or(one.failing.take());
        }
        for (stage, why) in changes.pauses {
            snapshot.paused[stage.index()] = why;
        }
        for (at, change) in changes.stages.iter().enumerate() {
            snapshot.open[at] += change.open;
            snapshot.failing[at] |= change.failing > 0;
        }
        replies
    }

    fn sync(&mut self, mut request: SyncRequest, want: u32) -> SyncReply {
        self.seq += 1;
        request.seq = self.seq;
        request.want = want;
        let worker = request.token.clone();
        match self.settle(vec![Operation::Sync { worker, request }]).pop() {
            Some(Ok(Reply::Sync(reply))) => reply,
            other => panic!("no sync: {other:?}"),
        }
    }

    /// One sync of a client that ends all its leases in the way `end` and asks for `want` more
    /// jobs. Returns the numbers of the jobs that it had.
    fn turn(
        &mut self,
        token: &str,
        held: &mut Vec<GrantedLease>,
        want: u32,
        end: Ends,
    ) -> Vec<i64> {
        let mut request = SyncRequest {
            token: token.to_owned(),
            ..SyncRequest::default()
        };
        let ended = std::mem::take(held);
        for lease in &ended {
            let name = lease.lease.clone();
            match end {
                Ends::Done => request.done.push(Done {
                    lease: name,
                    data: "out".to_owned(),
                }),
                Ends::Failed => request.failed.push(Failed {
                    lease: name,
                    error: "RangeError: bad range".to_owned(),
                }),
                Ends::Flagged => request.invalid.push(Invalid {
                    lease: name,
                    reason: "bad".to_owned(),
                }),
            }
        }
        let reply = self.sync(request, want);
        held.extend(reply.granted);
        ended.iter().map(|lease| lease.number).collect()
    }

    fn count(&self, state: State) -> usize {
        self.snapshot
            .jobs
            .iter()
            .filter(|job| job.state == state)
            .count()
    }
}

#[derive(Debug, Clone, Copy)]
enum Ends {
    Done,
    Failed,
    Flagged,
}

#[test]
fn three_good_volunteers_and_a_broken_one_do_every_job() {
    let mut project = Project::new(100, (1..=4).map(worker).collect());
    let mut held: Vec<Vec<GrantedLease>> = vec![Vec::new(); 4];
    let mut failed = Vec::new();
    // The broken volunteer is by far faster than the others.
    for _ in 0..60 {
        for _ in 0..5 {
            failed.extend(project.turn("t1", &mut held[0], 4, Ends::Failed));
            project.now += 200;
        }
        for at in 1..4 {
            let token = format!("t{}", at + 1);
            project.turn(&token, &mut held[at], 2, Ends::Done);
        }
    }
    assert_eq!(
        (project.count(State::Aside), project.count(State::Closed)),
        (0, 100)
    );
    let before = failed.len();
    failed.sort_unstable();
    failed.dedup();
    assert_eq!(
        failed.len(),
        before,
        "no job came back to the one it had failed at"
    );
    assert!(before < 40, "it was given fewer and fewer: {before}");
}

#[test]
fn a_browser_at_which_everything_fails_sets_nothing_aside_and_is_slowed_down() {
    for jobs in [60, 20_000] {
        let mut project = Project::new(jobs, vec![worker(1), worker(2)]);
        let mut good = Vec::new();
        project.turn("t2", &mut good, 1, Ends::Done);
        let mut held = Vec::new();
        let mut had = 0;
        // For one minute, it asks twice a second for as much as it may.
        for _ in 0..120 {
            had += project.turn("t1", &mut held, 512, Ends::Failed).len();
            project.now += 500;
        }
        assert_eq!(project.count(State::Aside), 0);
        assert!(had <= 512 + 8, "{had} of {jobs}");
        assert_eq!(project.snapshot.paused[0], None, "the other may do better");
    }
}

#[test]
fn a_job_that_fails_everywhere_is_set_aside_in_large_projects_and_in_small_ones() {
    for volunteers in [1, 2, 4, 5, 9] {
        let mut project = Project::new(30, (1..=volunteers).map(worker).collect());
        let mut held: Vec<Vec<GrantedLease>> = vec![Vec::new(); 9];
        for _ in 0..400 {
            for at in 0..usize::try_from(volunteers).expect("few") {
                let token = format!("t{}", at + 1);
                // Everything but job 7 succeeds.
                let bad: Vec<_> = held[at].extract_if(.., |lease| lease.number == 7).collect();
                let mut fails = bad.clone();
                if !fails.is_empty() {
                    project.turn(&token, &mut fails, 0, Ends::Failed);
                }
                project.turn(&token, &mut held[at], 1, Ends::Done);
            }
            project.now += 5_000;
        }
        assert_eq!(project.count(State::Closed), 29, "{volunteers} volunteers");
        assert_eq!(project.count(State::Aside), 1, "{volunteers} volunteers");
    }
}

#[test]
fn a_paused_stage_is_resumed_by_the_result_of_a_volunteer_who_has_not_failed_there() {
    let mut project = Project::new(60, (1..=8).map(worker).collect());
    let mut held: Vec<Vec<GrantedLease>> = vec![Vec::new(); 8];
    for _ in 0..20 {
        project.turn("t1", &mut held[0], 4, Ends::Failed);
        project.now += 60_000;
    }
    assert!(project.snapshot.paused[0].is_some());
    // Other volunteers with whom it fails too are given one job each; the one who had the job first
    // is not penalized.
    for _ in 0..20 {
        for at in 1..7 {
            project.turn(&format!("t{}", at + 1), &mut held[at], 4, Ends::Failed);
        }
        project.now += 1_000;
    }
    let failed = project
        .snapshot
        .jobs
        .iter()
        .map(|job| job.failures)
        .sum::<i64>();
    assert_eq!(project.count(State::Aside), 0);
    assert!(failed <= 20, "{failed} failures count against jobs");
    assert!(project.snapshot.paused[0].is_some());
    project.turn("t8", &mut held[7], 4, Ends::Done);
    assert_eq!(held[7].len(), 1, "one job, to try");
    project.turn("t8", &mut held[7], 4, Ends::Done);
    assert!(project.snapshot.paused[0].is_none(), "it has made a result");
    assert_eq!(held[7].len(), 4);
}

#[test]
fn where_everything_fails_the_stage_is_paused_with_nothing_set_aside_until_it_is_resumed() {
    let mut project = Project::new(60, (1..=3).map(worker).collect());
    let mut held: Vec<Vec<GrantedLease>> = vec![Vec::new(); 3];
    for _ in 0..100 {
        for at in 0..3 {
            let token = format!("t{}", at + 1);
            project.turn(&token, &mut held[at], 4, Ends::Failed);
        }
        project.now += 1_000;
    }
    assert_eq!(project.count(State::Aside), 0);
    assert!(project.snapshot.paused[0].is_some());
    assert_eq!(project.count(State::Open), 60);
    // While the stage is paused, nobody is given a job, and clients are told to wait longer than
    // two seconds.
    let reply = project.sync(
        SyncRequest {
            token: "t2".to_owned(),
            ..SyncRequest::default()
        },
        4,
    );
    assert_eq!((reply.granted.len(), reply.open), (0, 0));
    assert!(reply.wait_s >= 10, "{}", reply.wait_s);
    let resumed = project.settle(vec![Operation::Resume([Stage::A].into())]);
    assert_eq!(resumed, [Ok(Reply::Count(1))]);
    project.now += 700_000;
    project.turn("t2", &mut held[1], 4, Ends::Done);
    assert_eq!(held[1].len(), 1, "one at a time, after so much trouble");
    // After some results, it is given as much as the others again.
    for _ in 0..4 {
        project.turn("t2", &mut held[1], 8, Ends::Done);
    }
    assert_eq!(held[1].len(), 8);
    assert_eq!(project.snapshot.paused[0], None);
}

#[test]
fn where_nobody_is_slowed_the_last_jobs_fail_without_pauses() {
    for (slow_failing, aside) in [(false, 3), (true, 0)] {
        let mut project = Project::new(3, vec![worker(1)]);
        project.rules = Rules {
            max_attempts: 3,
            pause_after: 0,
            slow_failing,
            ..project.rules
        };
        let mut held = Vec::new();
        for _ in 0..4 {
            project.turn("t1", &mut held, 3, Ends::Failed);
            project.now += 100;
        }
        assert_eq!(project.count(State::Aside), aside, "{slow_failing}");
    }
}

#[test]
fn one_volunteer_that_flags_everything_sets_nothing_aside() {
    let mut flaggers = vec![worker(1), worker(2), worker(3)];
    // Three registrations of one volunteer, identified by name or by address.
    for name in ["Ann", ANONYMOUS] {
        for worker in &mut flaggers {
            worker.nickname = name.to_owned();
            worker.address = "192.0.2.7".to_owned();
        }
        let mut project = Project::new(20, flaggers.clone());
        let mut held: Vec<Vec<GrantedLease>> = vec![Vec::new(); 3];
        for _ in 0..200 {
            for at in 0..3 {
                let token = format!("t{}", at + 1);
                project.turn(&token, &mut held[at], 20, Ends::Flagged);
            }
            project.now += 100;
        }
        assert_eq!(project.count(State::Aside), 0, "{name}");
        assert_eq!(project.count(State::Open) + project.count(State::Held), 20);
    }
}

#[test]
fn unnamed_workers_of_one_address_are_one_volunteer_to_a_job_that_fails() {
    let unnamed = |id, address: &str| Worker {
        nickname: ANONYMOUS.to_owned(),
        address: address.to_owned(),
        ..worker(id)
    };
    // Eight registrations of one network, and one of another.
    let mut workers: Vec<Worker> = (1..=8)
        .map(|id| unnamed(id, &format!("2001:db8::{id}")))
        .collect();
    workers.push(worker(9));
    let mut project = Project::new(40, workers);
    let mut good = Vec::new();
    project.turn("t9", &mut good, 1, Ends::Done);
    let mut held: Vec<Vec<GrantedLease>> = vec![Vec::new(); 8];
    for _ in 0..100 {
        for at in 0..8 {
            let token = format!("t{}", at + 1);
            project.turn(&token, &mut held[at], 4, Ends::Failed);
        }
        project.now += 1_000;
    }
    assert_eq!(project.count(State::Aside), 0);
    assert!(project.snapshot.jobs.iter().all(|job| job.failures <= 1));
}

#[test]
fn one_registration_holds_a_bounded_number_of_jobs() {
    let mut quick = worker(1);
    quick.allowance.earned = 1_000_000;
    let mut project = Project::new(5_000, vec![quick]);
    let mut holding = Vec::new();
    for _ in 0..10 {
        let request = SyncRequest {
            token: "t1".to_owned(),
            holding: holding.clone(),
            ..SyncRequest::default()
        };
        let reply = project.sync(request, 500);
        holding.extend(reply.granted.into_iter().map(|lease| lease.lease));
        // A client that does not know `limited` takes getting fewer jobs than wanted to mean that
        // there are no more, and waits.
        assert_eq!(reply.limited, holding.len() == MOST_HELD);
    }
    assert_eq!(holding.len(), MOST_HELD);
}

#[test]
fn a_client_that_takes_jobs_and_no_longer_lists_them_is_given_fewer() {
    let mut project = Project::new(5_000, vec![worker(1)]);
    let mut granted = 0;
    for _ in 0..100 {
        let request = SyncRequest {
            token: "t1".to_owned(),
            ..SyncRequest::default()
        };
        granted += project.sync(request, 512).granted.len();
        project.now += 100;
    }
    assert!(granted < 4 * 512, "{granted}");
}

fn sync(token: &str, seq: u64, want: u32, holding: &[&str], done: &[&str]) -> Operation {
    let done = done.iter().map(|lease| Done {
        lease: (*lease).to_owned(),
        data: "out".to_owned(),
    });
    Operation::Sync {
        worker: token.to_owned(),
        request: SyncRequest {
            token: token.to_owned(),
            seq,
            want,
            holding: holding.iter().map(|lease| (*lease).to_owned()).collect(),
            done: done.collect(),
            ..SyncRequest::default()
        },
    }
}

/// The wire name of a lease, by the token to which and the sync in which it was granted.
fn lease(token: &str, seq: i64, id: i64) -> String {
    lease_name(id, &LeaseSecrets::new(token).of_lease(id, seq))
}

/// The answers to syncs, and the changes to write.
fn answers(operations: Vec<Operation>) -> (Vec<Result<SyncReply, ErrorCode>>, Changes) {
    let (replies, changes) = settle(snapshot(), operations, RULES);
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
    let one = lease("t1", 1, 1);
    let (replies, changes) = answers(vec![
        sync("t1", 1, 1, &[], &[]),
        sync("t1", 2, 0, &[], &[&one, &one]),
        sync("t2", 1, 0, &[], &[&one]),
        sync("t2", 2, 0, &[], &["1-wrong"]),
    ]);
    for reply in &replies[1..3] {
        assert_eq!(reply.as_ref().expect("answered").accepted, [one.as_str()]);
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
        sync("t1", 4, 2, &[], &[&lease("t1", 5, 1)]),
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

/// Both workers have worked on job 1: the first under lease 1, which has ended, the second under
/// lease 2.
fn handed_out_twice() -> Vec<Operation> {
    vec![
        sync("t1", 1, 1, &[], &[]),
        sync("t1", 2, 0, &[], &[]),
        sync("t2", 1, 1, &[], &[]),
    ]
}

#[test]
fn a_lease_that_was_given_back_takes_nothing_from_the_current_worker() {
    let (one, two) = (lease("t1", 1, 1), lease("t2", 1, 2));
    let hands_in = |token, lease| sync(token, 3, 0, &[], &[lease]);
    for junk_first in [true, false] {
        for last_stage in [Stage::A, Stage::B] {
            let mut operations = handed_out_twice();
            let (honest, junk) = (hands_in("t2", two.as_str()), hands_in("t1", one.as_str()));
            let order = if junk_first {
                [junk, honest]
            } else {
                [honest, junk]
            };
            operations.extend(order);
            let rules = Rules {
                last_stage,
                ..RULES
            };
            let (replies, changes) = settle(snapshot(), operations, rules);
            let [Ok(Reply::Sync(first)), Ok(Reply::Sync(second))] = &replies[3..] else {
                panic!("not answered: {replies:?}");
            };
            let (lost, won) = if junk_first {
                (first, second)
            } else {
                (second, first)
            };
            assert_eq!(won.accepted, [two.as_str()]);
            assert_eq!(lost.rejected[0].why, RejectedWhy::Unknown);
            assert!(lost.accepted.is_empty());
            // The text is not accepted as an output of the next stage either.
            assert_eq!(changes.outputs.len(), 1);
            assert_eq!(changes.outputs[0].stage, Stage::A);
            assert_eq!(changes.closed, i64::from(last_stage == Stage::A));
            assert_eq!(changes.credits.len(), 1);
            assert_eq!(changes.credits["n2"].results, 1);
            assert_eq!(changes.stages[0].held, 0);
        }
    }
}

#[test]
fn a_setup_that_fails_is_noted_for_the_operator_and_cannot_fill_the_log() {
    let says = |seq: u64| Operation::Sync {
        worker: "t1".to_owned(),
        request: SyncRequest {
            token: "t1".to_owned(),
            seq,
            setup_failed: Some(format!("Error: no such model, {seq}\0")),
            ..SyncRequest::default()
        },
    };
    let (_, changes) = settle(snapshot(), (1..=100).map(says).collect(), RULES);
    let first = &changes.failures[0];
    assert_eq!((first.number, first.kind()), (0, "setup"));
    assert_eq!(first.error, "Error: no such model, 1\u{fffd}");
    assert!(
        (1..10).contains(&changes.failures.len()),
        "{}",
        changes.failures.len()
    );
    assert!(changes.jobs.is_empty(), "it counts against no job");
}

#[test]
fn registrations_without_work_do_not_raise_the_wait_of_others() {
    let ask = |worker: i64, seq, holding: Vec<String>, want| Operation::Sync {
        worker: format!("t{worker}"),
        request: SyncRequest {
            token: format!("t{worker}"),
            seq,
            holding,
            want,
            ..SyncRequest::default()
        },
    };
    // A million workers are registered; two are read, and there is one job.
    let mut read = snapshot();
    read.queues[0].numbers = vec![1];
    read.open[0] = 1;
    read.enrolled[0] = 1_000_000;
    read.lease_ids = (1..10).collect();
    let operations = vec![ask(1, 1, Vec::new(), 1), ask(2, 1, Vec::new(), 1)];
    let (replies, changes) = settle(read.clone(), operations, RULES);
    let waits: Vec<u32> = replies
        .into_iter()
        .map(|reply| synced(reply).wait_s)
        .collect();
    assert_eq!(waits, [60, 10], "one works, and one has just come");
    assert_eq!(changes.stages[0].working, 1);
    let works: Vec<bool> = changes.workers.iter().map(|worker| worker.works).collect();
    assert!(works.contains(&true) && works.contains(&false), "{works:?}");

    // A worker that has been without a job for long is told to wait in proportion to all workers,
    // and one with work is not.
    let mut later = read;
    later.now = 3_600_000;
    later.open[0] = 0;
    later.queues[0].numbers = Vec::new();
    later.at_work[0] = 1;
    later.workers[0].works = true;
    later.workers[0].completed = 1;
    let operations = vec![ask(1, 1, Vec::new(), 1), ask(2, 1, Vec::new(), 1)];
    let (replies, changes) = settle(later, operations, RULES);
    let waits: Vec<u32> = replies
        .into_iter()
        .map(|reply| synced(reply).wait_s)
        .collect();
    assert_eq!(waits, [10, 333]);
    assert_eq!(changes.stages[0].working, 0);
}

fn synced(reply: Result<Reply, ErrorCode>) -> SyncReply {
    match reply {
        Ok(Reply::Sync(reply)) => reply,
        other => panic!("no sync: {other:?}"),
    }
}
