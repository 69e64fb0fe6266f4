//! A volunteer takes another nickname while jobs are held.

use distcompute_engine::hub::action::Wire;
use distcompute_engine::hub::event::Event;
use distcompute_engine::settings::Limits;
use distcompute_protocol::Stage;

use super::driver::{Lease, Move, Shell, Tracker, successor};

/// The nicknames of the first stage's registrations that were asked for since `from`.
fn registered(shell: &Shell, from: usize) -> Vec<&str> {
    let sent = shell.sent[from..].iter();
    sent.filter_map(|wire| match wire {
        Wire::Register {
            nickname,
            stage: Stage::A,
        } => Some(nickname.as_str()),
        _ => None,
    })
    .collect()
}

fn rename(shell: &mut Shell, nickname: &str) {
    shell.handle(Event::Nickname(nickname.to_owned()));
}

/// Two cores that each have a job.
fn at_work() -> Shell {
    let mut shell = successor(2, true);
    for core in 0..2 {
        shell.handle(Event::Resumed(core, None));
        shell.handle(Event::CoreUp(core));
    }
    let mut next = 0;
    for _ in 0..3 {
        shell.grant(&mut next);
        shell.go(&Move::Pass(1_000.0));
    }
    assert!(shell.held() >= 2);
    shell
}

#[test]
fn jobs_that_are_held_are_handed_in_under_the_registration_of_the_new_nickname() {
    let mut shell = at_work();
    let (held, from) = (shell.held(), shell.sent.len());
    rename(&mut shell, "New");
    for _ in 0..10 {
        shell.answer_as(Tracker::Ignores);
        shell.go(&Move::Pass(1_000.0));
    }
    assert_eq!(registered(&shell, from), ["New"]);
    assert_eq!(shell.held(), held, "none is given back");
    shell.carry_out();
    for _ in 0..10 {
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(5_000.0));
    }
    let sent = &shell.sent[from..];
    let done = sent.iter().filter_map(|wire| match wire {
        Wire::Sync(sync) => Some(sync.done.len()),
        _ => None,
    });
    assert!(done.sum::<usize>() >= 2, "{sent:?}");
    let gives_back = |wire: &Wire| match wire {
        Wire::Sync(sync) => !sync.released.is_empty(),
        wire => matches!(wire, Wire::Bye { .. }),
    };
    assert!(!sent.iter().any(gives_back), "{sent:?}");
}

#[test]
fn an_answer_that_may_grant_jobs_is_awaited_before_the_registration_is_given_up() {
    let mut shell = at_work();
    shell.carry_out();
    shell.go(&Move::Pass(1_000.0));
    assert!(!shell.flights.is_empty(), "results are under way");
    let from = shell.sent.len();
    rename(&mut shell, "New");
    shell.go(&Move::Pass(1_000.0));
    assert_eq!(shell.sent.len(), from);
    // The answer is lost: the next request is of the same registration.
    shell.answer_as(Tracker::Gone);
    for _ in 0..20 {
        shell.go(&Move::Pass(1_000.0));
    }
    let syncs = |wire: &Wire| matches!(wire, Wire::Sync(_));
    assert!(shell.sent[from..].iter().any(syncs));
    assert_eq!(registered(&shell, from), [""; 0]);
    for _ in 0..10 {
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(5_000.0));
    }
    assert_eq!(registered(&shell, from), ["New"]);
}

#[test]
fn a_registration_that_is_under_way_is_followed_by_one_of_the_new_nickname() {
    for tracker in [Tracker::Takes, Tracker::Legacy] {
        let mut shell = Shell::new(Limits::default());
        shell.handle(Event::Restored {
            registrations: Vec::new(),
            jobs: Vec::new(),
            cores: Vec::new(),
        });
        shell.handle(Event::CoreHere(0));
        shell.handle(Event::CoreUp(0));
        let from = shell.sent.len();
        assert_eq!(registered(&shell, 0), ["Pod 3"]);
        rename(&mut shell, "New");
        for _ in 0..10 {
            shell.answer_as(tracker);
            shell.go(&Move::Pass(5_000.0));
        }
        let names = registered(&shell, from);
        assert!(!names.is_empty());
        assert!(names.iter().all(|name| *name == "New"), "{names:?}");
    }
}

#[test]
fn a_nickname_that_is_changed_back_at_once_needs_no_registration() {
    let mut shell = at_work();
    shell.carry_out();
    shell.go(&Move::Pass(1_000.0));
    let from = shell.sent.len();
    rename(&mut shell, "New");
    rename(&mut shell, "Pod 3");
    for _ in 0..10 {
        shell.answer_as(Tracker::Takes);
        shell.go(&Move::Pass(5_000.0));
    }
    assert_eq!(registered(&shell, from), [""; 0]);
}

#[test]
fn in_the_first_protocol_a_registration_hands_its_job_in_asks_for_no_other_and_ends() {
    let mut shell = successor(1, false);
    let held = shell.stored(Lease(1, false), None);
    shell.handle(Event::Resumed(0, Some((1, held))));
    shell.handle(Event::CoreUp(0));
    let from = shell.sent.len();
    rename(&mut shell, "New");
    let step = |shell: &mut Shell| {
        for _ in 0..5 {
            shell.answer_as(Tracker::Legacy);
            shell.go(&Move::Pass(1_000.0));
        }
    };
    step(&mut shell);
    assert_eq!(shell.held(), 1, "its job goes on");
    shell.carry_out();
    step(&mut shell);
    let of_former = |wire: &&Wire| match wire {
        Wire::NewJob { token } | Wire::Complete { token, .. } | Wire::Bye { token } => {
            token == "1-lease"
        }
        _ => false,
    };
    let sent = &shell.sent[from..];
    let calls: Vec<_> = sent.iter().filter(of_former).collect();
    assert!(
        matches!(calls[..], [Wire::Complete { .. }, Wire::Bye { .. }]),
        "{calls:?}"
    );
    let names = registered(&shell, from);
    assert!(!names.is_empty() && names.iter().all(|name| *name == "New"));
}
