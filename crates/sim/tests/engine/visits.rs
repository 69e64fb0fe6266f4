//! What a volunteer's day brings: pauses, stops, other settings, sleep, a closed tab, a new version.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::action::{Action, Got, Hello, Parsed, Registration, Synced, Wire};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Ended, Event, Inherited, Report, Stored};
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::hub::jobs::{JobState, Outcome, Text, Ticket};
use distcompute_engine::hub::{Counted, Scheduler};
use distcompute_engine::reason::Reason;
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::status::{CoreState, State};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::{Stage, SyncRequest};

use sim::{
    browser::{Browser, Fate, Work},
    tracker::{Asked, Content, End, Model, Tracker},
};

const HOUR: f64 = 3_600_000.0;

fn browser(syncs: bool, jobs: usize, cores: u32, job_ms: f64) -> Browser<Model> {
    let mut browser = Browser::new(Model::new(&[Stage::A], jobs, syncs), &[Stage::A], cores, 7);
    browser.handler = Box::new(move |_, _| Work {
        progress_ms: Some(200.0_f64.min(job_ms)),
        ..Work::of(job_ms)
    });
    browser.probe = 7;
    browser
}

fn both(scenario: impl Fn(bool)) {
    for syncs in [true, false] {
        eprintln!("sync: {syncs}");
        scenario(syncs);
    }
}

/// The only core, which has worked for another hub.
fn inherited(told: bool) -> Inherited {
    Inherited {
        core: 0,
        has_progress: told,
    }
}

/// The registration of another hub.
fn registration() -> Registration {
    Registration {
        stage: Stage::A,
        nickname: "Ada".to_owned(),
        seq: 7,
        hello: Hello {
            token: "of the hub before".to_owned(),
            syncs: true,
            lease_ms: 300_000.0,
            ..Hello::default()
        },
    }
}

fn finishes(browser: &mut Browser<Model>, within: f64) {
    browser.run_until(within, |browser| browser.tracker.is_finished());
    let unfinished = browser.tracker.unfinished();
    assert!(unfinished.is_empty(), "not finished: {unfinished:?}");
    browser.run(5_000.0);
    browser.check_texts();
    assert_eq!(browser.hub.table().iter().count(), 0);
}

/// Every job that was begun was begun so often.
fn begun(browser: &Browser<Model>, times: u32) {
    for (number, begun) in &browser.begun {
        assert_eq!(*begun, times, "job {number}");
    }
}

fn pause(browser: &mut Browser<Model>) {
    browser.tell(Event::Wish(Wish::Pause { until: None }));
}

fn handle(hub: &mut Scheduler, now: Now, event: Event) -> Vec<Action> {
    let mut cx = Cx::new(now, 0.5);
    hub.handle(&mut cx, event);
    cx.out
}

#[test]
fn every_job_is_done_once() {
    both(|syncs| {
        for job_ms in [0.2, 5.0, 300.0, 5_000.0] {
            let mut browser = browser(syncs, 60, 3, job_ms);
            finishes(&mut browser, 200_000.0);
            begun(&browser, 1);
            assert_eq!(browser.hub.status(browser.now()).jobs_done, 60);
            assert_eq!(browser.tracker.held(), 0);
        }
    });
}

#[test]
fn jobs_of_changing_length_leave_no_core_idle() {
    both(|syncs| {
        let mut browser = browser(syncs, 1_500, 4, 1.0);
        browser.handler = Box::new(|number, _| {
            let ms = [0.5, 2_000.0, 30.0, 0.1, 400.0][(number as usize / 40) % 5];
            Work {
                progress_ms: Some(100.0),
                ..Work::of(ms)
            }
        });
        finishes(&mut browser, 1_800_000.0);
        begun(&browser, 1);
    });
}

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
    let synced = Got::Answered(
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
fn between_short_jobs_it_computes_or_waits_and_never_starts_again() {
    for (job_ms, delay_ms) in [(1.0, 20.0), (20.0, 300.0), (300.0, 1_000.0), (5.0, 4_000.0)] {
        let mut browser = browser(true, 400, 2, job_ms);
        browser.delay_ms = delay_ms;
        let seen = std::cell::RefCell::new(Vec::new());
        browser.run_until(2_000_000.0, |browser| {
            let state = State::of(&browser.reason());
            let mut seen = seen.borrow_mut();
            if seen.last() != Some(&state) {
                seen.push(state);
            }
            browser.tracker.is_finished()
        });
        let seen = seen.into_inner();
        assert!(browser.tracker.is_finished());
        assert_eq!(seen[..2], [State::Starting, State::Computing]);
        assert!(!seen[1..].contains(&State::Starting), "{job_ms}: {seen:?}");
    }
}

#[test]
fn jobs_that_are_queued_behind_a_long_one_are_not_held_up() {
    both(|syncs| {
        let mut browser = browser(syncs, 60, 2, 50.0);
        browser.handler =
            Box::new(|number, _| Work::of(if number == 20 { 60_000.0 } else { 50.0 }));
        assert!(browser.run_until(10_000.0, |browser| browser.tracker.closed() == 59));
        assert_eq!(browser.running(), 1);
        finishes(&mut browser, 100_000.0);
        begun(&browser, 1);
        assert_eq!(browser.replaced, 0);
    });
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
fn stop_puts_everything_back_and_leaves() {
    both(|syncs| {
        for job_ms in [20.0, 3_000.0] {
            let mut browser = browser(syncs, 4_000, 3, job_ms);
            browser.run(10_000.0);
            browser.tell(Event::Stop { finish: false });
            assert!(browser.run_until(3_000.0, |browser| browser.stopped));
            assert_eq!(
                (browser.tracker.held(), browser.tracker.workers.len()),
                (0, 0)
            );
            assert_eq!(browser.stored(), 0);
        }
    });
}

#[test]
fn stop_and_finish_hands_in_what_was_begun() {
    both(|syncs| {
        let mut browser = browser(syncs, 400, 3, 20_000.0);
        browser.run(30_000.0);
        browser.tell(Event::Stop { finish: true });
        browser.run(500.0);
        assert_eq!(
            browser.tracker.held(),
            3,
            "what is not begun goes back at once"
        );
        assert!(browser.run_until(25_000.0, |browser| browser.stopped));
        assert_eq!(browser.tracker.closed(), browser.begun.len());
        assert_eq!(
            (browser.tracker.held(), browser.tracker.workers.len()),
            (0, 0)
        );
    });
}

#[test]
fn what_a_stop_cannot_deliver_is_stored_and_delivered_at_the_next_visit() {
    both(|syncs| {
        for finish in [true, false] {
            let mut browser = browser(syncs, 30, 3, 10_000.0);
            browser.run(5_000.0);
            browser.tell(Event::Stop { finish: true });
            browser.faults.down = true;
            // They end in the moment in which nobody waits any longer.
            browser.run(5_300.0);
            if !finish {
                browser.tell(Event::Stop { finish });
            }
            assert!(browser.run_until(60_000.0, |browser| browser.stopped));
            assert_eq!(browser.stored(), 3, "finish {finish}");
            browser.faults.down = false;
            browser.open();
            finishes(&mut browser, 300_000.0);
            begun(&browser, 1);
        }
    });
}

#[test]
fn stop_waits_for_no_tracker() {
    both(|syncs| {
        for hangs in [0.0, 1.0] {
            let mut browser = browser(syncs, 30, 3, 500.0);
            browser.run(5_000.0);
            browser.faults.down = hangs == 0.0;
            browser.faults.hangs = hangs;
            browser.run(500.0);
            browser.tell(Event::Stop { finish: false });
            assert!(browser.run_until(15_000.0, |browser| browser.stopped));
        }
    });
}

#[test]
fn settings_may_change_at_any_time() {
    both(|syncs| {
        for job_ms in [50.0, 2_000.0] {
            let mut browser = browser(syncs, 40_000, 1, job_ms);
            for cores in [4, 1, 8, 2, 3, 1, 6] {
                browser.settings(|settings| settings.cores = cores);
                browser.run(4_500.0);
                let worked = browser.worked_ms;
                browser.run(4_000.0);
                let share = (browser.worked_ms - worked) / (4_000.0 * f64::from(cores));
                assert_eq!(browser.workers(), cores as usize);
                assert!((0.95..1.01).contains(&share), "{share} of {cores} cores");
            }
            browser.settings(|settings| settings.intensity = 2);
            browser.run(1_000.0);
            let worked = browser.worked_ms;
            browser.run(10_000.0);
            let share = (browser.worked_ms - worked) / 60_000.0;
            assert!((0.15..0.25).contains(&share), "{share}");
            begun(&browser, 1);
        }
    });
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

#[test]
fn after_a_sleep_a_sync_comes_before_the_next_job() {
    for ms in [600_000.0, 3.0 * HOUR] {
        for at in [10_000.0, 10_700.0, 11_930.0, 12_345.0] {
            let mut browser = browser(true, 400, 2, 1_500.0);
            browser.run(at);
            assert!(
                browser
                    .hub
                    .table()
                    .count(|job| job.state == JobState::Ahead)
                    > 0
            );
            browser.sleep(ms);
            let (given, syncs) = (browser.given_at.len(), browser.tracker.calls["sync"]);
            assert!(browser.run_until(60_000.0, |browser| browser.given_at.len() > given));
            assert!(
                browser.tracker.calls["sync"] > syncs,
                "a sync before the next job"
            );
            // Nobody took the jobs meanwhile: none is done twice.
            finishes(&mut browser, 600_000.0);
            begun(&browser, 1);
        }
    }
}

#[test]
fn an_answer_that_a_sleep_delayed_does_not_count_as_slow() {
    both(|syncs| {
        let mut browser = browser(syncs, 4_000, 2, 100.0);
        for _ in 0..20 {
            browser.run(3_000.0);
            browser.set_clock(2.0 * HOUR);
        }
        browser.run(10_000.0);
        browser.most_ahead = 0;
        browser.run(20_000.0);
        assert!(browser.most_ahead < 80, "{} ahead", browser.most_ahead);
    });
}

#[test]
fn a_clock_that_is_set_back_or_forward_hurts_nobody() {
    both(|syncs| {
        let mut browser = browser(syncs, 300, 2, 700.0);
        for by in [-5.0, 3.0, -48.0, 0.2, 700.0, -700.0] {
            browser.run(8_000.0);
            browser.set_clock(by * HOUR);
        }
        assert_eq!(browser.fatal, None);
        finishes(&mut browser, 300_000.0);
        begun(&browser, 1);
    });
}

const MONTH: f64 = 30.0 * 24.0 * HOUR;

/// Has the clock be wrong from the start, or set while something is waited for, forward and back.
fn whatever_the_clock_says(scenario: impl Fn(&mut Browser<Model>, &dyn Fn(&mut Browser<Model>))) {
    for (start, later) in [
        (0.0, MONTH),
        (0.0, -MONTH),
        (MONTH, -MONTH),
        (-MONTH, MONTH),
    ] {
        let mut browser = browser(true, 6, 2, 2_000.0);
        browser.set_clock(start);
        scenario(&mut browser, &|browser| browser.set_clock(later));
    }
}

#[test]
fn a_pause_lasts_as_long_as_was_asked_for_whatever_the_clock_says() {
    whatever_the_clock_says(|browser, correct| {
        browser.run(1_000.0);
        let until = Some(browser.now().wall + 6_000.0);
        browser.tell(Event::Wish(Wish::Pause { until }));
        browser.run(2_000.0);
        correct(browser);
        let paused = |browser: &Browser<Model>| matches!(browser.reason(), Reason::Paused { .. });
        // A clock that gets ahead counts as a sleep: the pause may be over.
        assert!(browser.run_until(6_000.0, |browser| !paused(browser)));
        finishes(browser, 60_000.0);
    });
}

#[test]
fn a_page_that_names_the_end_of_a_pause_names_it_by_the_clock_as_it_is_now() {
    let mut browser = browser(true, 6, 2, 2_000.0);
    browser.set_clock(MONTH);
    browser.run(1_000.0);
    let until = Some(browser.now().wall + HOUR);
    browser.tell(Event::Wish(Wish::Pause { until }));
    browser.run(60_000.0);
    browser.set_clock(-MONTH);
    browser.run(60_000.0);
    let Reason::Paused { until: Some(until) } = browser.reason() else {
        panic!("{:?}", browser.reason());
    };
    let left = until - browser.now().wall;
    assert!((left - (HOUR - 120_000.0)).abs() < 1_500.0, "{left}");
}

#[test]
fn each_wait_of_a_hub_is_over_in_its_time_whatever_the_clock_says() {
    // For jobs where there are none.
    whatever_the_clock_says(|browser, correct| {
        finishes(browser, 60_000.0);
        browser.run(500.0);
        correct(browser);
        browser.tracker.add(2);
        finishes(browser, 60_000.0);
    });
    // For a tracker that is away, and for one that says when to come back.
    whatever_the_clock_says(|browser, correct| {
        browser.faults.down = true;
        browser.run(100_000.0);
        correct(browser);
        browser.faults.down = false;
        finishes(browser, 140_000.0);
    });
    whatever_the_clock_says(|browser, correct| {
        browser.faults.busy = 1.0;
        browser.retry_after_ms = Some(20_000);
        browser.run(5_000.0);
        correct(browser);
        browser.faults.busy = 0.0;
        finishes(browser, 120_000.0);
    });
    // For a core whose setup fails.
    whatever_the_clock_says(|browser, correct| {
        browser.setup_fails = true;
        browser.run(30_000.0);
        correct(browser);
        browser.setup_fails = false;
        finishes(browser, 140_000.0);
    });
    // For a stop with a tracker that is away, and for what is finished first.
    for finish in [true, false] {
        whatever_the_clock_says(|browser, correct| {
            browser.run(1_000.0);
            browser.faults.down = true;
            browser.tell(Event::Stop { finish });
            browser.run(500.0);
            correct(browser);
            assert!(browser.run_until(40_000.0, |browser| browser.stopped));
        });
    }
    // For a handler that does not hear that it shall stop.
    whatever_the_clock_says(|browser, correct| {
        browser.handler = Box::new(|_, _| Work::of(HOUR));
        browser.run(1_000.0);
        browser.tell(Event::Stop { finish: false });
        correct(browser);
        assert!(browser.run_until(10_000.0, |browser| browser.stopped));
    });
}

#[test]
fn leases_are_kept_whatever_the_clock_says() {
    whatever_the_clock_says(|browser, correct| {
        browser.handler = Box::new(|_, _| Work {
            progress_ms: Some(500.0),
            ..Work::of(HOUR)
        });
        browser.run(60_000.0);
        correct(browser);
        browser.run(900_000.0);
        assert_eq!(browser.tracker.held(), 2);
        browser.set_clock(-MONTH);
        finishes(browser, 4.0 * HOUR);
        begun(browser, 1);
    });
}

#[test]
fn limits_count_work_and_neither_pauses_nor_sleep_nor_rests() {
    both(|syncs| {
        let limits = Limits {
            job_timeout_ms: Some(20_000.0),
            stall_ms: 15_000.0,
            ..Limits::default()
        };
        let mut browser = browser(syncs, 4, 2, 12_000.0).with_limits(limits);
        browser.run(5_000.0);
        pause(&mut browser);
        browser.run(60_000.0);
        browser.tell(Event::Wish(Wish::Run));
        browser.run(2_000.0);
        browser.sleep(HOUR);
        browser.run(2_000.0);
        browser.settings(|settings| settings.intensity = 2);
        browser.run(10_000.0);
        finishes(&mut browser, 400_000.0);
        assert_eq!(browser.replaced, 0);
    });
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
    browser.tracker.call(browser.time(), &Asked::Sync(sync));
    assert!(browser.run_until(70_000.0, |browser| browser.stopped));
    assert_eq!(browser.fatal.as_deref(), Some("superseded"));
}

#[test]
fn a_new_version_comes_after_the_running_jobs_and_once() {
    both(|syncs| {
        let mut browser = browser(syncs, 100, 2, 8_000.0);
        browser.handler = Box::new(|_, _| Work {
            progress_ms: Some(300.0),
            checkpoint: true,
            ..Work::of(8_000.0)
        });
        browser.run(20_000.0);
        browser.tracker.app_version = "2".to_owned();
        if syncs {
            assert!(browser.run_until(80_000.0, |browser| browser.renews));
            assert_eq!((browser.running(), browser.tracker.held()), (0, 0));
            assert_eq!(
                browser.tracker.closed(),
                browser.begun.len(),
                "all is delivered"
            );
            browser.open();
        }
        finishes(&mut browser, 600_000.0);
        assert!(!browser.renews, "and not again");
        begun(&browser, 1);
    });
}

#[test]
fn a_crash_loses_neither_results_nor_checkpoints() {
    both(|syncs| {
        let mut browser = browser(syncs, 12, 2, 5_000.0);
        browser.handler = Box::new(|number, _| Work {
            progress_ms: Some(300.0),
            checkpoint: number > 4,
            ..Work::of(5_000.0)
        });
        browser.run(6_000.0);
        browser.faults.down = true;
        browser.run(10_000.0);
        assert!(browser.stored() >= 2);
        let (stored, done) = (browser.stored(), browser.begun.len());
        browser.close(false);
        browser.run(60_000.0);
        browser.faults.down = false;
        browser.open();
        finishes(&mut browser, 300_000.0);
        assert!(browser.resumed > 0 && stored > 0 && done > 0);
        assert_eq!(browser.stored(), 0);
        let status = browser.hub.status(browser.now());
        assert_eq!((status.jobs_rejected, status.not_delivered), (0, 0));
    });
}

#[test]
fn what_came_too_late_is_counted() {
    let mut browser = browser(true, 6, 2, 3_000.0);
    browser.run(2_000.0);
    browser.faults.down = true;
    browser.run(6_000.0);
    browser.close(false);
    let stored = browser.stored();
    assert!(stored >= 2);
    // Somebody else does all of them.
    let hello = browser
        .tracker
        .call(browser.time(), &Asked::Register(Stage::A, String::new()));
    let Content::Hello(hello) = hello.expect("an answer").content else {
        panic!("no registration")
    };
    browser.run(400_000.0);
    let mut sync = SyncRequest {
        token: hello.token,
        seq: 1,
        want: 6,
        ..SyncRequest::default()
    };
    let said = browser
        .tracker
        .call(browser.time(), &Asked::Sync(sync.clone()));
    let Content::Sync(said) = said.expect("an answer").content else {
        panic!("no sync")
    };
    assert_eq!(said.jobs.len(), 6);
    sync.seq = 2;
    sync.done = said
        .jobs
        .iter()
        .map(|job| distcompute_protocol::Done {
            lease: job.lease.clone(),
            data: format!("out {} a", job.number),
        })
        .collect();
    browser.tracker.call(browser.time(), &Asked::Sync(sync));
    browser.faults.down = false;
    browser.open();
    browser.run(10_000.0);
    let status = browser.hub.status(browser.now());
    assert_eq!((status.not_delivered, status.jobs_done), (stored as u64, 0));
    assert_eq!(browser.stored(), 0);
}

#[test]
fn only_results_of_an_earlier_visit_count_as_not_delivered() {
    both(|syncs| {
        let mut browser = browser(syncs, 8, 2, 3_000.0);
        browser.run(2_000.0);
        browser.faults.down = true;
        browser.run(6_000.0);
        browser.close(false);
        assert!(browser.stored() >= 2);
        browser.faults.down = false;
        browser.open();
        browser.run(1_000.0);
        let before = browser.hub.status(browser.now());
        assert!(before.jobs_done >= 2, "{}", before.jobs_done);
        let ended = |browser: &Browser<Model>| {
            let table = browser.hub.table();
            let mut ended = table.iter().filter(|job| job.outcome().is_some());
            ended.next().map(|job| job.number as usize)
        };
        assert!(browser.run_until(20_000.0, |browser| ended(browser).is_some()));
        // Before it is handed in, somebody else is faster.
        let number = ended(&browser).expect("it has just ended");
        browser.tracker.end_lease_of(number, End::Expired);
        browser.tracker.close(number);
        finishes(&mut browser, 300_000.0);
        let status = browser.hub.status(browser.now());
        assert_eq!((status.jobs_rejected, status.not_delivered), (1, 0));
    });
}

#[test]
fn results_of_an_earlier_visit_are_delivered_even_if_nobody_may_compute() {
    let mut browser = browser(true, 3, 2, 3_000.0);
    browser.run(2_000.0);
    browser.faults.down = true;
    browser.run(6_000.0);
    browser.close(false);
    assert!(browser.stored() >= 2);
    browser.faults.down = false;
    pause(&mut browser);
    browser.forget_sessions();
    browser.open();
    browser.run(10_000.0);
    assert_eq!((browser.stored(), browser.running()), (0, 0));
}

#[test]
fn the_last_words_put_back_what_cannot_be_resumed() {
    both(|syncs| {
        let mut browser = browser(syncs, 100, 2, 3_000.0);
        browser.handler = Box::new(|number, _| Work {
            progress_ms: Some(300.0),
            checkpoint: number % 2 == 0,
            ..Work::of(3_000.0)
        });
        browser.run(5_000.0);
        browser.close(true);
        browser.run(2_000.0);
        assert!(
            browser.tracker.held() > 0,
            "what has a checkpoint stays ours"
        );
        assert!(browser.tracker.held() <= browser.stored());
        assert!(browser.stored() > 0);
        browser.run(5_000.0);
        browser.open();
        finishes(&mut browser, 400_000.0);
    });
}

#[test]
fn the_last_words_fit_what_a_browser_lets_outlive_a_page() {
    let mut browser = browser(true, 12, 2, 300.0);
    browser.handler = Box::new(|_, _| Work {
        bytes: 12_000,
        ..Work::of(1_000.0)
    });
    browser.run_until(5_000.0, |browser| browser.running() == 2);
    // Results wait, more than fit.
    browser.faults.down = true;
    browser.run_until(10_000.0, |browser| {
        browser.hub.status(browser.now()).waiting >= 4
    });
    let words = browser.hub.farewell(browser.now());
    let [Wire::Sync(last)] = &words[..] else {
        panic!("{words:?}");
    };
    assert_eq!(last.done.len(), 2, "what fits into 64 KiB and no less");
    browser.faults.down = false;
    let closed = browser.tracker.closed();
    browser.close(true);
    browser.run(2_000.0);
    assert_eq!(browser.tracker.closed(), closed + 2);
    assert_eq!(browser.fatal, None);
}

#[test]
fn stages_are_served_in_the_order_of_preference() {
    both(|syncs| {
        for stages in [[Stage::B, Stage::A], [Stage::A, Stage::B]] {
            let model = Model::new(&[Stage::A, Stage::B], 200, syncs);
            let mut browser = Browser::new(model, &stages, 3, 3);
            browser.handler = Box::new(|_, _| Work::of(150.0));
            browser.run_until(400_000.0, |browser| browser.tracker.closed() >= 50);
            // Where the last stage is preferred, jobs are finished while others have not been begun.
            let jobs = browser.tracker.jobs.iter();
            let untouched = jobs.filter(|job| job.taken.is_empty()).count();
            let finishes_first = stages[0] == Stage::B;
            assert_eq!(untouched > 50, finishes_first, "{stages:?}: {untouched}");
            assert_eq!(untouched == 0, !finishes_first, "{stages:?}: {untouched}");
            finishes(&mut browser, 400_000.0);
            assert!(browser.tracker.jobs.iter().all(|job| job.taken.len() == 2));
            begun(&browser, 2);
        }
    });
}

#[test]
fn results_are_split_to_fit_and_one_that_never_fits_has_failed() {
    both(|syncs| {
        let mut browser = browser(syncs, 60, 4, 100.0);
        browser.tracker.max_body = 20_000;
        browser.handler = Box::new(|number, begun| Work {
            bytes: if number == 30 && begun == 1 {
                25_000
            } else {
                4_000
            },
            ..Work::of(100.0)
        });
        finishes(&mut browser, 200_000.0);
        assert_eq!(browser.begun[&30], 2);
        let others = browser.begun.iter().filter(|(number, _)| **number != 30);
        assert!(others.map(|(_, begun)| *begun).max() == Some(1));
        assert!(browser.tracker.refused_bodies <= 2);
    });
}

#[test]
fn a_body_that_is_refused_is_halved_and_no_further_than_need_be() {
    let mut browser = browser(true, 800, 2, 20.0);
    browser.handler = Box::new(|number, begun| Work {
        bytes: if number % 50 == 0 && begun == 1 {
            90_000
        } else {
            1_000
        },
        ..Work::of(20.0)
    });
    browser.run(100.0);
    // Smaller than it has announced.
    browser.tracker.max_body = 60_000;
    finishes(&mut browser, 300_000.0);
    let sent = browser.sent.len();
    browser.tracker.add(400);
    finishes(&mut browser, 300_000.0);
    assert!(
        browser.sent.len() - sent < 60,
        "{}",
        browser.sent.len() - sent
    );
}

#[test]
fn thousands_of_results_of_earlier_visits_are_delivered_beside_what_runs() {
    let mut browser = browser(true, 6_000, 2, 20_000.0);
    browser.tracker.bounds_what_is_held = false;
    let mut leases = Vec::new();
    for _ in 0..2 {
        let hello = browser
            .tracker
            .call(0.0, &Asked::Register(Stage::A, String::new()));
        let Content::Hello(hello) = hello.expect("an answer").content else {
            panic!("no registration")
        };
        let mut sync = SyncRequest {
            token: hello.token,
            want: 500,
            ..SyncRequest::default()
        };
        for seq in 1..=5 {
            sync.seq = seq;
            let said = browser.tracker.call(0.0, &Asked::Sync(sync.clone()));
            let Content::Sync(said) = said.expect("an answer").content else {
                panic!("no sync")
            };
            for job in said.jobs {
                sync.holding.push(job.lease.clone());
                leases.push((job.lease, job.number, Stage::A));
            }
        }
    }
    let count = leases.len();
    assert_eq!(count, 5_000);
    browser.leave_results(leases);
    browser.open();
    browser.run(60_000.0);
    assert_eq!(browser.hub.status(browser.now()).jobs_rejected, 0);
    assert!(
        browser.tracker.closed() >= 4_999,
        "{}",
        browser.tracker.closed()
    );
    assert!(browser.tracker.most_items <= 4_096);
    let begun = browser.begun.values();
    assert!(begun.max() <= Some(&1), "what runs is not put back");
}

#[test]
fn bad_jobs_are_reported_and_the_core_goes_on() {
    both(|syncs| {
        let limits = Limits {
            job_timeout_ms: Some(5_000.0),
            ..Limits::default()
        };
        let fates = [
            Fate::Throws,
            Fate::Flags,
            Fate::Hangs,
            Fate::Traps,
            Fate::Dies,
            Fate::Done,
        ];
        let mut browser = browser(syncs, 60, 3, 300.0).with_limits(limits);
        // In the first protocol each of the fifty that failed is refused once, 3 s apart.
        browser.patience_ms = 200_000.0;
        browser.handler = Box::new(move |number, begun| {
            let fate = if begun == 1 {
                fates[number as usize % 6]
            } else {
                Fate::Done
            };
            Work {
                fate,
                ..Work::of(300.0)
            }
        });
        finishes(&mut browser, 2_000_000.0);
        let status = browser.hub.status(browser.now());
        assert_eq!(status.jobs_invalid, 10);
        // A worker that dies takes along what it had not said yet: then another job is blamed.
        assert!(
            (30..=40).contains(&status.jobs_failed),
            "{}",
            status.jobs_failed
        );
        if syncs {
            assert_eq!(
                browser
                    .tracker
                    .jobs
                    .iter()
                    .map(|job| job.failures)
                    .sum::<u32>() as u64,
                status.jobs_failed
            );
        }
        assert_eq!(
            browser
                .tracker
                .jobs
                .iter()
                .map(|job| job.flags)
                .sum::<u32>(),
            10
        );
    });
}

#[test]
fn a_job_that_always_fails_does_not_come_and_go_where_no_word_says_so() {
    let mut browser = browser(false, 2, 1, 100.0);
    browser.handler = Box::new(|number, _| Work {
        fate: if number == 1 {
            Fate::Throws
        } else {
            Fate::Done
        },
        ..Work::of(100.0)
    });
    browser.patience_ms = f64::INFINITY;
    browser.run(7_000_000.0);
    assert_eq!(browser.begun[&1], 3);
    assert_eq!(browser.tracker.closed(), 1);
    // The tracker has missed its worker, and somebody else could have it.
    browser.run(7_300_000.0);
    assert_eq!(browser.begun[&1], 4);
}

#[test]
fn a_job_that_stalls_is_ended() {
    both(|syncs| {
        let limits = Limits {
            stall_ms: 60_000.0,
            ..Limits::default()
        };
        let mut browser = browser(syncs, 3, 2, 3_000.0).with_limits(limits);
        browser.handler = Box::new(|number, begun| Work {
            fate: if number == 1 && begun == 1 {
                Fate::Hangs
            } else {
                Fate::Done
            },
            progress_ms: Some(100.0),
            ..Work::of(3_000.0)
        });
        finishes(&mut browser, 200_000.0);
        assert_eq!(browser.replaced, 1);
        // One that has never told its progress may take for ever.
        let mut browser = self::browser(syncs, 1, 1, 3_000.0).with_limits(limits);
        browser.handler = Box::new(|_, _| Work {
            progress_ms: None,
            ..Work::of(900_000.0)
        });
        finishes(&mut browser, 1_000_000.0);
        assert_eq!(browser.replaced, 0);
    });
}

#[test]
fn a_job_that_somebody_else_has_is_stopped_even_in_a_deaf_handler() {
    for progress_ms in [Some(200.0), None] {
        let mut browser = browser(true, 1, 1, 1.0);
        browser.handler = Box::new(move |number, _| Work {
            progress_ms,
            ..Work::of(if number == 1 { 90.0 * HOUR } else { 100.0 })
        });
        browser.run(20_000.0);
        browser.tracker.end_lease_of(1, End::Flagged);
        browser.tracker.close(1);
        browser.tracker.add(1);
        finishes(&mut browser, 100_000.0);
        assert_eq!(browser.replaced, u32::from(progress_ms.is_none()));
    }
}

#[test]
fn a_setup_that_fails_is_tried_again() {
    both(|syncs| {
        let mut browser = browser(syncs, 5, 2, 100.0);
        browser.setup_fails = true;
        browser.run(100_000.0);
        let status = browser.hub.status(browser.now());
        assert_eq!(status.reason.code(), "setup_failed");
        assert_eq!(status.problem, "no model");
        assert!((4..24).contains(&browser.replaced), "{}", browser.replaced);
        assert_eq!(
            browser.tracker.held(),
            0,
            "nobody holds jobs for cores that cannot work"
        );
        browser.setup_fails = false;
        finishes(&mut browser, 120_000.0);
    });
}

#[test]
fn cores_that_die_are_replaced() {
    both(|syncs| {
        let mut browser = browser(syncs, 300, 3, 400.0);
        browser.patience_ms = 150_000.0;
        for at in 0..30 {
            browser.run(777.0);
            browser.kill_core(at % 3);
        }
        finishes(&mut browser, 1_000_000.0);
    });
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
    // Said by one core before it says what it does, and once more.
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
