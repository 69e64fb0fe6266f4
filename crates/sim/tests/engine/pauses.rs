//! Pauses: of the volunteer, on battery, in hidden pages. What was not begun goes back, and what runs rests.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{Action, Parsed, Synced, TrackerResponse};
use distcompute_engine::hub::event::{Ended, Event, Report, Stored};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::{JobState, Outcome, Ticket};
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::status::CoreState;
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;

use sim::{
    browser::{Browser, Work},
    tracker::Model,
};

use crate::fixtures::{HOUR, begun, both, browser, finishes, handle, pause, registration};

#[test]
fn a_pause_puts_back_what_was_not_begun_and_keeps_what_was_for_a_lease() {
    both(|syncs| {
        let mut browser = browser(syncs, 100, 2, 3_000.0);
        browser.run(10_000.0);
        pause(&mut browser);
        browser.run(3_000.0);
        assert!(browser.running() > 0 && !browser.hub.status(browser.now()).cores.is_empty());
        assert_eq!(browser.tracker.held(), browser.running());
        let worked = browser.worked_ms;
        browser.run(60_000.0);
        assert!(browser.worked_ms - worked < 1.0, "a pause is a pause");
        assert_eq!(browser.tracker.held(), 2, "kept alive meanwhile");
        browser.tell(Event::Wish(Wish::Run));
        finishes(&mut browser, 400_000.0);
        assert!(
            browser.begun.values().all(|begun| *begun == 1),
            "{:?}",
            browser.begun
        );
    });
}

#[test]
fn a_worker_that_goes_on_in_a_pause_is_ended_and_its_job_is_no_failure() {
    let mut browser = browser(true, 3, 1, 60_000.0);
    // It never looks up.
    browser.handler = Box::new(|_, _| Work::of(60_000.0));
    browser.run(30_000.0);
    assert_eq!(browser.running(), 1);
    pause(&mut browser);
    browser.run(500.0);
    let status = browser.hub.status(browser.now());
    let state = status.cores[0].state;
    assert_eq!(state, CoreState::Working, "nobody claims that it rests");
    assert!(browser.run_until(6_500.0, |browser| browser.running() == 0));
    assert_eq!(browser.replaced, 1);
    browser.run(1_000.0);
    assert_eq!(
        browser.tracker.held(),
        0,
        "what has no checkpoint is put back"
    );
    assert_eq!(browser.hub.status(browser.now()).jobs_failed, 0);
    browser.tell(Event::Wish(Wish::Run));
    finishes(&mut browser, 400_000.0);
}

#[test]
fn the_job_of_a_worker_that_was_ended_in_a_pause_goes_on_from_its_checkpoint() {
    let settings = Settings::default();
    let mut hub = Scheduler::new(&[Stage::A], "Ada", settings, Limits::default());
    let mut now = Now::default();
    let stored = Stored {
        stage: Stage::A,
        number: 5,
        attempt: 1,
        ticket: Ticket::Lease("1-a".to_owned()),
        input: None,
        outcome: None,
    };
    let restored = Event::Restored {
        registrations: vec![registration()],
        jobs: vec![stored],
        cores: Vec::new(),
    };
    handle(&mut hub, now, restored);
    for core_is in [Event::CoreHere(0), Event::CoreUp(0)] {
        handle(&mut hub, now, core_is);
    }
    // Its lease is confirmed, so that it may be begun.
    let synced = TrackerResponse::Answered(
        Answer {
            status: 200,
            ..Answer::default()
        },
        Parsed::Sync(Synced {
            wait_ms: 60_000.0,
            ..Synced::default()
        }),
    );
    let given = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Give { .. }));
    let mut id = 0;
    let mut begun = false;
    while !begun && id < 5 {
        id += 1;
        begun = given(&handle(&mut hub, now, Event::Answered(id, synced.clone())));
    }
    assert!(begun);
    handle(&mut hub, now, Event::Wish(Wish::Pause { until: None }));
    let mut replaced = 0;
    for _ in 0..8 {
        now.mono += 1_000.0;
        now.wall += 1_000.0;
        let actions = handle(&mut hub, now, Event::Tick);
        let replaces = |action: &&Action| matches!(action, Action::Replace { core: 0, .. });
        replaced += actions.iter().filter(replaces).count();
    }
    assert_eq!(replaced, 1);
    let job = hub.table().iter().next().expect("it is kept");
    assert_eq!((job.number, &job.state), (5, &JobState::Ahead));
    for core_is in [Event::CoreHere(0), Event::CoreUp(0)] {
        assert!(
            !given(&handle(&mut hub, now, core_is)),
            "it is still paused"
        );
    }
    assert!(given(&handle(&mut hub, now, Event::Wish(Wish::Run))));
}

#[test]
fn a_core_is_said_to_rest_once_it_has_said_so() {
    let mut browser = browser(true, 3, 1, 60_000.0);
    browser.run(5_000.0);
    let state = |browser: &Browser<Model>| browser.hub.status(browser.now()).cores[0].state;
    assert_eq!(state(&browser), CoreState::Working);
    pause(&mut browser);
    assert_eq!(
        state(&browser),
        CoreState::Working,
        "it has not heard of it yet"
    );
    browser.run(1_000.0);
    assert_eq!(state(&browser), CoreState::Paused);
    browser.run(120_000.0);
    assert_eq!((state(&browser), browser.replaced), (CoreState::Paused, 0));
    browser.tell(Event::Wish(Wish::Run));
    assert_eq!(state(&browser), CoreState::Working);
    finishes(&mut browser, 400_000.0);
    begun(&browser, 1);
}

#[test]
fn a_pause_takes_what_is_queued_out_of_a_busy_core() {
    both(|syncs| {
        let mut browser = browser(syncs, 60, 2, 50.0);
        browser.handler = Box::new(|number, _| Work::of(if number < 20 { 50.0 } else { 60_000.0 }));
        assert!(browser.run_until(10_000.0, |browser| {
            let table = browser.hub.table();
            let queued = table.count(|job| matches!(job.state, JobState::Queued { .. }));
            browser.running() == 2 && browser.begun.len() > 20 && queued > 0
        }));
        pause(&mut browser);
        browser.run(1_000.0);
        assert_eq!((browser.tracker.held(), browser.running()), (2, 2));
    });
}

#[test]
fn of_two_results_of_a_job_that_was_taken_out_of_a_busy_core_the_first_counts() {
    let mut browser = browser(true, 30, 2, 50.0);
    browser.handler = Box::new(|number, _| match number {
        ..20 => Work::of(50.0),
        20 => Work::of(60_000.0),
        _ => Work {
            progress_ms: Some(100.0),
            ..Work::of(1_500.0)
        },
    });
    let queued = |browser: &Browser<Model>| {
        let table = browser.hub.table();
        let mut all = table.iter();
        let from = all.find_map(|job| match job.state {
            JobState::Running { core, .. } if job.number == 20 => Some(core),
            _ => None,
        })?;
        let behind = JobState::Queued { core: from };
        let job = table.iter().find(|job| job.state == behind)?;
        Some((job.key, job.number, from))
    };
    assert!(browser.run_until(10_000.0, |browser| queued(browser).is_some()));
    let (key, number, from) = queued(&browser).expect("one is queued");
    assert!(browser.run_until(10_000.0, |browser| {
        let job = browser.hub.table().get(key).expect("it is here");
        matches!(job.state, JobState::Running { core, .. } if core != from)
    }));
    // The busy core had begun it, before it heard that it shall not, and is done.
    let data = browser.keep(format!("out {number} a"));
    let ended = Ended {
        key,
        outcome: Outcome::Done(data),
        ms: 5.0,
        fatal: false,
    };
    let report = Report {
        results: vec![ended],
        ..Report::default()
    };
    browser.tell(Event::Report(from, report));
    let job = browser.hub.table().get(key).expect("it is here");
    assert_eq!(job.outcome(), Some(&Outcome::Done(data)));
    finishes(&mut browser, 100_000.0);
    let status = browser.hub.status(browser.now());
    assert_eq!((status.jobs_done, status.jobs_rejected), (30, 0));
    assert_eq!(browser.replaced, 0, "the other is told to stop");
}

#[test]
fn a_pause_longer_than_a_lease_puts_back_everything() {
    let mut browser = browser(true, 40, 2, 3_000.0);
    browser.run(10_000.0);
    let until = Some(browser.now().wall + 3.0 * HOUR);
    browser.tell(Event::Wish(Wish::Pause { until }));
    browser.run(330_000.0);
    assert_eq!((browser.tracker.held(), browser.running()), (0, 0));
    let sent = browser.sent.len();
    browser.run(2.0 * HOUR);
    assert!(browser.sent.len() - sent <= 1, "nothing to say in a pause");
    browser.run(1.1 * HOUR);
    finishes(&mut browser, 400_000.0);
}

#[test]
fn a_pause_on_an_old_tracker_ends_too() {
    let mut browser = browser(false, 40, 2, 3_000.0);
    browser.run(10_000.0);
    pause(&mut browser);
    browser.run(5.0 * HOUR);
    assert_eq!((browser.tracker.held(), browser.running()), (0, 0));
    browser.tell(Event::Wish(Wish::Run));
    finishes(&mut browser, 400_000.0);
}

#[test]
fn a_paused_handler_that_hears_nothing_is_ended_after_a_lease() {
    let mut browser = browser(true, 4, 2, 9_000_000.0);
    browser.handler = Box::new(|number, begun| {
        Work::of(if begun == 1 && number < 3 {
            9_000_000.0
        } else {
            100.0
        })
    });
    browser.run(10_000.0);
    pause(&mut browser);
    browser.run(310_000.0);
    assert_eq!(
        (browser.tracker.held(), browser.running(), browser.replaced),
        (0, 0, 2)
    );
    browser.tell(Event::Wish(Wish::Run));
    browser.run(10_000.0);
    assert!(browser.tracker.closed() > 0);
}

#[test]
fn battery_and_hidden_pages_pause() {
    both(|syncs| {
        let mut browser = browser(syncs, 50, 2, 1_000.0);
        browser.settings(|settings| {
            settings.pause_on_battery = true;
            settings.background = false;
        });
        browser.run(5_000.0);
        let calm = Surroundings {
            on_battery: Some(false),
            ..Surroundings::default()
        };
        for around in [
            Surroundings {
                on_battery: Some(true),
                ..calm
            },
            Surroundings {
                hidden: true,
                ..calm
            },
        ] {
            browser.tell(Event::Around(around));
            browser.run(2_000.0);
            let worked = browser.worked_ms;
            browser.run(30_000.0);
            assert_eq!(browser.worked_ms, worked);
            browser.tell(Event::Around(calm));
            browser.run(2_000.0);
            assert!(browser.worked_ms > worked);
        }
        finishes(&mut browser, 120_000.0);
    });
}

#[test]
fn a_page_that_begins_paused_starts_no_worker() {
    let mut browser = browser(true, 5, 2, 1_000.0);
    pause(&mut browser);
    browser.run(60_000.0);
    assert_eq!((browser.workers(), browser.sent.len()), (0, 0));
    browser.tell(Event::Wish(Wish::Run));
    finishes(&mut browser, 60_000.0);
}
