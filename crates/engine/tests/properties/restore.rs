//! Which of the records in storage a hub goes on with.

use super::driver::{Lease, Move, Shell, Tracker};
use distcompute_engine::hub::action::{Action, Wire};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::jobs::JobState;
use distcompute_engine::reason::Reason;
use distcompute_engine::settings::Limits;

fn restored(kept: &[(Lease, Option<u8>)]) -> Shell {
    let mut shell = Shell::new(Limits::default());
    let kept = kept.iter();
    let jobs = kept
        .map(|(lease, kind)| shell.stored(*lease, *kind))
        .collect();
    shell.handle(Event::Restored {
        registrations: Vec::new(),
        jobs,
        cores: Vec::new(),
    });
    shell
}

#[test]
fn a_stored_job_whose_outcome_is_stored_too_has_ended_whichever_comes_first() {
    let (job, outcome) = ((Lease(1, true), None), (Lease(1, true), Some(0)));
    for kept in [[job, outcome], [outcome, job]] {
        let shell = restored(&kept);
        let jobs = shell.scheduler.table().iter();
        let ended: Vec<_> = jobs.map(|job| job.outcome().is_some()).collect();
        assert_eq!(ended, [true]);
    }
    let alone = restored(&[job]);
    let mut jobs = alone.scheduler.table().iter();
    assert!(jobs.all(|job| job.resumable && job.state == JobState::Ahead));
}

#[test]
fn results_that_come_late_from_storage_are_handed_in_and_jobs_are_not_begun() {
    let mut shell = restored(&[]);
    let kept = [(Lease(1, true), None), (Lease(2, true), Some(0))];
    let jobs = kept.map(|(lease, kind)| shell.stored(lease, kind)).to_vec();
    shell.handle(Event::RestoredLate(jobs));
    let numbers = |shell: &Shell| {
        let jobs = shell.scheduler.table().iter();
        jobs.map(|job| job.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&shell), [3]);
    for _ in 0..10 {
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(1_000.0));
    }
    let syncs = shell.sent.iter().filter_map(|wire| match wire {
        Wire::Sync(sync) => Some(sync.done.iter().map(|(lease, _)| lease.clone())),
        _ => None,
    });
    assert_eq!(syncs.flatten().collect::<Vec<_>>(), ["2-lease"]);
    assert_eq!(numbers(&shell), Vec::<u64>::new());
}

#[test]
fn what_happens_before_storage_has_answered_is_done_afterwards() {
    let mut shell = Shell::new(Limits::default());
    let wall = shell.now.wall;
    shell.go(&Move::Here(0));
    shell.go(&Move::Up(0));
    shell.go(&Move::Pause(Some(10_000.0)));
    shell.go(&Move::Pass(4_000.0));
    assert!(shell.sent.is_empty());
    shell.handle(Event::Restored {
        registrations: Vec::new(),
        jobs: Vec::new(),
        cores: Vec::new(),
    });
    // The length of a pause counts from when it was asked for.
    let status = shell.scheduler.status(shell.now);
    let until = Some(wall + 10_000.0);
    assert_eq!(status.reason, Reason::Paused { until });
    assert_eq!(status.cores.len(), 1);
}

#[test]
fn the_checkpoint_of_a_job_moves_along_when_a_core_knows_it_by_another_key() {
    let mut shell = restored(&[(Lease(1, true), None)]);
    let from = shell.scheduler.table().iter().next().map(|job| job.key);
    let task = shell.stored(Lease(1, true), None);
    let mut cx = Cx::new(shell.now, 0.5);
    shell
        .scheduler
        .handle(&mut cx, Event::Resumed(0, Some((77, task))));
    let rekeyed = cx.out.iter().find_map(|action| match action {
        Action::Rekey { from, to } => Some((*from, *to)),
        _ => None,
    });
    assert_eq!(rekeyed, from.map(|from| (from, 77)));
}
