//! Courses of events that nobody thought of.

use distcompute_engine::hub::event::Event;
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::settings::Limits;
use distcompute_protocol::Stage;
use proptest::prelude::*;

use sim::{
    browser::{Browser, Fate, Faults, Work},
    random::Rng,
    tracker::{Model, Tracker},
};

#[derive(Debug, Clone)]
enum Step {
    Pause,
    PauseFor(f64),
    Resume,
    Cores(u32),
    Intensity(u8),
    Battery(bool),
    Hidden(bool),
    Sleep(f64),
    Clock(f64),
    Down(bool),
    Kill(u32),
    Forget,
    /// Whether the page says goodbye, and how long it is closed.
    Reload(bool, f64),
    Add(usize),
    Version,
    Setup(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Pause),
        (0.0..600_000.0).prop_map(Step::PauseFor),
        Just(Step::Resume),
        (1_u32..6).prop_map(Step::Cores),
        (1_u8..=10).prop_map(Step::Intensity),
        any::<bool>().prop_map(Step::Battery),
        any::<bool>().prop_map(Step::Hidden),
        (1_000.0..20_000_000.0).prop_map(Step::Sleep),
        (-9_000_000.0..9_000_000.0).prop_map(Step::Clock),
        any::<bool>().prop_map(Step::Down),
        (0_u32..5).prop_map(Step::Kill),
        Just(Step::Forget),
        (any::<bool>(), 0.0..900_000.0).prop_map(|(bye, ms)| Step::Reload(bye, ms)),
        (1_usize..30).prop_map(Step::Add),
        Just(Step::Version),
        any::<bool>().prop_map(Step::Setup),
    ]
}

#[derive(Debug, Clone)]
struct Scenario {
    syncs: bool,
    two_stages: bool,
    cores: u32,
    job_ms: f64,
    checkpoints: bool,
    faults: f64,
    seed: u64,
    steps: Vec<(f64, Step)>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let pause = prop_oneof![0.0..300.0, 0.0..20_000.0, 0.0..400_000.0];
    (
        any::<bool>(),
        any::<bool>(),
        1_u32..5,
        prop_oneof![1.0..60.0, 50.0..3_000.0, 2_000.0..60_000.0],
        any::<bool>(),
        prop_oneof![Just(0.0), 0.0..0.05],
        any::<u64>(),
        prop::collection::vec((pause, step()), 0..12),
    )
        .prop_map(
            |(syncs, two_stages, cores, job_ms, checkpoints, faults, seed, steps)| Scenario {
                syncs,
                two_stages,
                cores,
                job_ms,
                checkpoints,
                faults,
                seed,
                steps,
            },
        )
}

fn go(scenario: &Scenario) {
    let (tracker_stages, hub_stages) = if scenario.two_stages {
        (vec![Stage::A, Stage::B], vec![Stage::B, Stage::A])
    } else {
        (vec![Stage::A], vec![Stage::A])
    };
    let jobs = (60_000.0 / scenario.job_ms).clamp(10.0, 300.0) as usize;
    let model = Model::new(&tracker_stages, jobs, scenario.syncs);
    let limits = Limits {
        job_timeout_ms: Some(150_000.0),
        stall_ms: 90_000.0,
        ..Limits::default()
    };
    let mut browser =
        Browser::new(model, &hub_stages, scenario.cores, scenario.seed).with_limits(limits);
    let (job_ms, checkpoint, seed) = (scenario.job_ms, scenario.checkpoints, scenario.seed);
    browser.handler = Box::new(move |number, begun| {
        let mut rng = Rng::new(seed ^ (number << 20) ^ u64::from(begun));
        let fate = match (rng.next_f64() * 40.0) as u32 {
            _ if begun > 3 => Fate::Done,
            0 => Fate::Throws,
            1 => Fate::Flags,
            2 => Fate::Hangs,
            3 => Fate::Traps,
            4 => Fate::Dies,
            _ => Fate::Done,
        };
        Work {
            ms: job_ms * (0.2 + 1.6 * rng.next_f64()),
            fate,
            blocks: rng.next_f64() < 0.7,
            progress_ms: (rng.next_f64() < 0.7).then_some(200.0),
            checkpoint,
            bytes: 0,
            spoils: false,
        }
    });
    browser.probe = 5;
    // Requests may hang for 20 s, several times; the first protocol's waits grow to a minute.
    browser.patience_ms = 600_000.0;
    let rate = scenario.faults;
    let faults = Faults {
        request_lost: rate,
        answer_lost: rate,
        hangs: rate,
        doubled: rate,
        delayed: rate,
        busy: rate,
        broken: rate,
        portal: rate,
        cut: rate,
        down: false,
        proxy: None,
    };
    browser.faults = faults;
    let mut around = Surroundings::default();
    for (ms, step) in &scenario.steps {
        browser.run(*ms);
        assert!(browser.fatal.is_none(), "{:?}", browser.fatal);
        if browser.renews {
            browser.open();
        }
        match *step {
            Step::Pause => browser.tell(Event::Wish(Wish::Pause { until: None })),
            Step::PauseFor(ms) => {
                let until = Some(browser.now().wall + ms);
                browser.tell(Event::Wish(Wish::Pause { until }));
            }
            Step::Resume => browser.tell(Event::Wish(Wish::Run)),
            Step::Cores(cores) => browser.settings(|settings| settings.cores = cores),
            Step::Intensity(share) => browser.settings(|settings| settings.intensity = share),
            Step::Battery(on) => {
                around.on_battery = Some(on);
                browser.tell(Event::Around(around));
            }
            Step::Hidden(hidden) => {
                around.hidden = hidden;
                browser.settings(|settings| settings.background = false);
                browser.tell(Event::Around(around));
            }
            Step::Sleep(ms) => browser.sleep(ms),
            Step::Clock(by) => browser.set_clock(by),
            Step::Down(down) => browser.faults.down = down,
            Step::Kill(core) => browser.kill_core(core),
            Step::Forget => browser.tracker.forget_workers(),
            Step::Reload(bye, ms) => {
                browser.close(bye);
                browser.run(ms);
                browser.open();
            }
            Step::Add(jobs) => browser.tracker.add(jobs),
            Step::Version => browser.tracker.app_version.push('+'),
            Step::Setup(fails) => browser.setup_fails = fails,
        }
    }
    // Calm.
    browser.faults = Faults::default();
    browser.setup_fails = false;
    if browser.renews {
        browser.open();
    }
    browser.tell(Event::Wish(Wish::Run));
    browser.tell(Event::Around(Surroundings::default()));
    browser.settings(|settings| settings.intensity = 10);
    for _ in 0..20 {
        // Two hours are what the first protocol needs to miss somebody, or a job that failed thrice.
        browser.run_until(20_000_000.0, |browser| {
            browser.tracker.is_finished() || browser.renews
        });
        if !browser.renews {
            break;
        }
        browser.open();
    }
    assert!(browser.fatal.is_none(), "{:?}", browser.fatal);
    let done = browser.tracker.closed();
    assert!(
        browser.tracker.is_finished(),
        "{done} of {}",
        browser.tracker.jobs.len()
    );
    browser.run(100_000.0);
    if browser.renews {
        browser.open();
    }
    browser.tell(Event::Stop {
        finish: scenario.seed.is_multiple_of(2),
    });
    // A handler that hangs in a job that somebody else has done meanwhile has its time.
    assert!(
        browser.run_until(200_000.0, |browser| browser.stopped),
        "it does not stop"
    );
    assert_eq!(browser.stored(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_job_is_done_once_and_nothing_waits_for_ever(scenario in scenario()) {
        go(&scenario);
    }
}

#[test]
fn a_rest_of_failing_jobs_and_an_answer_that_does_not_end_leave_nothing_to_be_slept_through() {
    go(&Scenario {
        syncs: true,
        faults: 0.049_554_305_603_975_064,
        ..plain(
            4,
            1516.1029617989034,
            3_980_597_772_449_973_002,
            vec![(371_114.1707595232, Step::Pause)],
        )
    });
}

/// A scenario without faults.
fn plain(cores: u32, job_ms: f64, seed: u64, steps: Vec<(f64, Step)>) -> Scenario {
    Scenario {
        syncs: false,
        two_stages: false,
        cores,
        job_ms,
        checkpoints: false,
        faults: 0.0,
        seed,
        steps,
    }
}

#[test]
fn a_worker_that_was_ended_before_the_hub_met_it_is_not_met_later() {
    // Core 2 dies, and the hub has it replaced before it hears of that.
    let steps = vec![
        (0.0, Step::Setup(true)),
        (269.9, Step::Reload(false, 0.0)),
        (348_298.0, Step::Pause),
        (0.0, Step::Sleep(10_707_301.7)),
        (0.0, Step::Kill(2)),
    ];
    go(&plain(3, 100.38, 1_973_032_641_423_003_127, steps));
    let steps = vec![(175.139_072_945_567_42, Step::Kill(3))];
    go(&plain(
        4,
        187.766_213_672_307_9,
        824_266_509_889_297_452,
        steps,
    ));
}
