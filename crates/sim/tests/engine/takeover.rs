//! A hub that follows another: its counts, its cores, and what they ran and reported.

use distcompute_engine::hub::action::{Action, Wire};
use distcompute_engine::hub::event::{Event, Stored};
use distcompute_engine::hub::jobs::{Outcome, Text, Ticket};
use distcompute_engine::hub::{Counted, Scheduler};
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::{Stage, SyncRequest};

use sim::tracker::{ApiRequest, Tracker};

use crate::fixtures::{browser, handle, inherited, registration};

#[test]
fn a_hub_that_follows_another_goes_on_with_its_counts() {
    let counted = Counted {
        by_stage: vec![(Stage::A, 7)],
        invalid: 1,
        failed: 2,
        rejected: 3,
        undelivered: 4,
        compute_ms: 5.0,
        cores: vec![(0, 7)],
    };
    let mut hub = Scheduler::new(&[Stage::A], "Ada", Settings::default(), Limits::default())
        .with_counts(&counted);
    let restored = Event::Restored {
        registrations: Vec::new(),
        jobs: Vec::new(),
        cores: Vec::new(),
    };
    handle(&mut hub, Now::default(), restored);
    handle(&mut hub, Now::default(), Event::CoreHere(0));
    let status = hub.status(Now::default());
    assert_eq!((status.jobs_done, status.jobs_by_stage[0].1), (7, 7));
    assert_eq!((status.jobs_invalid, status.jobs_failed), (1, 2));
    assert_eq!((status.jobs_rejected, status.not_delivered), (3, 4));
    assert_eq!((status.compute_ms, status.cores[0].jobs), (5.0, 7));
}

#[test]
fn a_second_hub_under_the_same_token_ends_the_first() {
    let mut browser = browser(true, 100, 2, 500.0);
    browser.run(10_000.0);
    let token = browser
        .tracker
        .workers
        .keys()
        .next()
        .cloned()
        .unwrap_or_default();
    let sync = SyncRequest {
        token,
        seq: u64::MAX >> 4,
        ..SyncRequest::default()
    };
    browser
        .tracker
        .call(browser.time(), &ApiRequest::Sync(sync));
    assert!(browser.run_until(70_000.0, |browser| browser.stopped));
    assert_eq!(browser.fatal.as_deref(), Some("superseded"));
}

#[test]
fn a_result_of_which_the_hub_before_may_not_have_heard_is_handed_in() {
    let registration = registration();
    let settings = Settings::default();
    let mut hub = Scheduler::new(&[Stage::A], "Ada", settings, Limits::default());
    let now = Now {
        mono: 0.0,
        wall: 1e12,
    };
    let registrations = vec![registration];
    let (jobs, cores) = (Vec::new(), vec![inherited(false)]);
    let restored = Event::Restored {
        registrations,
        jobs,
        cores,
    };
    handle(&mut hub, now, restored);
    handle(&mut hub, now, Event::CoreHere(0));
    let data = Text { id: 5, bytes: 2 };
    let made = Stored {
        stage: Stage::A,
        number: 8,
        attempt: 1,
        ticket: Ticket::Lease("lease of 8".to_owned()),
        input: None,
        outcome: Some(Outcome::Done(data)),
    };
    // ApiResponse by one core before it says what it does, and once more.
    handle(&mut hub, now, Event::EndedBefore(made.clone()));
    let again = Stored {
        input: Some(Text { id: 6, bytes: 2 }),
        outcome: Some(Outcome::Done(Text { id: 7, bytes: 2 })),
        ..made
    };
    let mut actions = handle(&mut hub, now, Event::EndedBefore(again));
    actions.extend(handle(&mut hub, now, Event::Resumed(0, None)));
    let done = actions.iter().filter_map(|action| match action {
        Action::Send(out) => match &out.wire {
            Wire::Sync(sync) => Some(sync.done.clone()),
            _ => None,
        },
        _ => None,
    });
    let expected = vec![("lease of 8".to_owned(), data)];
    assert_eq!(done.collect::<Vec<_>>(), [expected]);
    let freed = actions.iter().filter_map(|action| match action {
        Action::Free(text) => Some(text.id),
        _ => None,
    });
    assert_eq!(freed.collect::<Vec<_>>(), [6, 7]);
}

/// What a hub says of jobs that cores had by one token of the first protocol, once it has heard of them.
fn of_one_token(heard: Vec<Event>) -> Vec<Wire> {
    let mut registration = registration();
    registration.hello.syncs = false;
    let settings = Settings::default();
    let mut hub = Scheduler::new(&[Stage::A], "Ada", settings, Limits::default());
    let now = Now {
        mono: 0.0,
        wall: 1e12,
    };
    let restored = Event::Restored {
        registrations: vec![registration],
        jobs: Vec::new(),
        cores: vec![inherited(false)],
    };
    let mut actions = Vec::new();
    for event in [restored, Event::CoreHere(0)].into_iter().chain(heard) {
        actions.extend(handle(&mut hub, now, event));
    }
    let said = actions.into_iter().filter_map(|action| match action {
        Action::Send(out) => Some(out.wire),
        _ => None,
    });
    let of_jobs = |wire: &Wire| matches!(wire, Wire::Complete { .. } | Wire::Bye { .. });
    said.filter(of_jobs).collect()
}

#[test]
fn a_result_is_not_handed_in_for_another_job_that_its_worker_of_the_first_protocol_has_now() {
    let token = || "of both".to_owned();
    let task = |number: u64, done: Option<u32>| Stored {
        stage: Stage::A,
        number,
        attempt: 1,
        ticket: Ticket::Token(token()),
        input: None,
        outcome: done.map(|id| Outcome::Done(Text { id, bytes: 2 })),
    };
    let made = |number, id| Event::EndedBefore(task(number, Some(id)));
    let works = |number| Event::Resumed(0, Some((70, task(number, None))));
    let completes = |number, id| Wire::Complete {
        token: token(),
        number,
        data: Text { id, bytes: 2 },
    };
    // Alone it may not have been handed in.
    let alone = of_one_token(vec![made(8, 1), Event::Resumed(0, None)]);
    assert_eq!(alone, [completes(8, 1)]);
    // Of the job that a core works on nothing is known yet, whichever is heard of first.
    assert_eq!(of_one_token(vec![made(8, 1), works(9)]), []);
    assert_eq!(of_one_token(vec![works(9), made(8, 1)]), []);
    // Which of two was handed in nobody knows: the worker is given up, and the other put back.
    let either = of_one_token(vec![made(8, 1), made(9, 2), Event::Resumed(0, None)]);
    assert_eq!(either, [Wire::Bye { token: token() }]);
}

#[test]
fn a_hub_whose_cores_are_too_busy_to_say_at_what_puts_nothing_of_theirs_back() {
    let registration = registration();
    for busy in [true, false] {
        let settings = Settings::default();
        let mut hub = Scheduler::new(&[Stage::A], "Ada", settings, Limits::default());
        let mut at = |ms: f64, event| {
            let now = Now {
                mono: ms,
                wall: 1e12 + ms,
            };
            let mut actions = handle(&mut hub, now, event);
            actions.retain(|action| matches!(action, Action::Send(_)));
            actions
        };
        let restored = Event::Restored {
            registrations: vec![registration.clone()],
            jobs: Vec::new(),
            cores: vec![inherited(false)],
        };
        assert_eq!(at(0.0, restored), []);
        assert_eq!(at(1.0, Event::CoreHere(0)), []);
        if !busy {
            at(2.0, Event::Resumed(0, None));
        }
        let sent = at(1_001.0, Event::Tick);
        let registers = |action: &Action| matches!(action, Action::Send(out) if matches!(out.wire, Wire::Register { .. }));
        assert_eq!(sent.iter().any(registers), busy, "{sent:?}");
    }
}

#[test]
fn limits_reach_a_core_that_says_nothing_to_its_new_hub() {
    let limits = Limits {
        job_timeout_ms: Some(60_000.0),
        stall_ms: 20_000.0,
        ..Limits::default()
    };
    for (told, says, limit_ms) in [
        (false, false, Some(60_000.0)),
        (true, false, Some(20_000.0)),
        (true, true, None),
    ] {
        let settings = Settings {
            intensity: 10,
            ..Settings::default()
        };
        let mut hub = Scheduler::new(&[Stage::A], "Ada", settings, limits);
        let mut now = Now {
            mono: 0.0,
            wall: 1e12,
        };
        let restored = Event::Restored {
            registrations: vec![registration()],
            jobs: Vec::new(),
            cores: vec![inherited(told)],
        };
        handle(&mut hub, now, restored);
        handle(&mut hub, now, Event::CoreHere(0));
        if says {
            handle(&mut hub, now, Event::Resumed(0, None));
        }
        let mut ended = None;
        while ended.is_none() && now.mono < 200_000.0 {
            let due = hub.next_timeout().map_or(1_000.0, |due| due.left_ms(now));
            let due = due.ceil();
            (now.mono, now.wall) = (now.mono + due, now.wall + due);
            let actions = handle(&mut hub, now, Event::Tick);
            let replaces = |action: &Action| matches!(action, Action::Replace { core: 0, .. });
            ended = actions.iter().any(replaces).then_some(now.mono);
        }
        assert_eq!(ended, limit_ms, "told {told}, says {says}");
    }
}
