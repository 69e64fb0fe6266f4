//! How busy cores are, and how many requests that takes: on paper, without a machine's noise.

use distcompute_engine::reason::Reason;
use distcompute_protocol::Stage;

use sim::{
    browser::{Browser, Work},
    tracker::{Model, Tracker},
};

struct Figures {
    /// The share of time that cores work.
    busy: f64,
    requests_per_job: f64,
    most_ahead: usize,
}

/// In a steady state of 20 s after 10 s.
fn figures(syncs: bool, job_ms: f64, delay_ms: f64, cores: u32) -> Figures {
    let jobs = (40_000.0 * f64::from(cores) / job_ms) as usize + 2_000;
    let model = Model::new(&[Stage::A], jobs, syncs);
    let mut browser = Browser::new(model, &[Stage::A], cores, 1);
    browser.handler = Box::new(move |_, _| Work::of(job_ms));
    browser.delay_ms = delay_ms;
    browser.run(10_000.0);
    let before = (
        browser.worked_ms,
        browser.sent.len(),
        browser.tracker.closed(),
    );
    browser.run(20_000.0);
    assert!(
        !browser.tracker.is_finished(),
        "there was work all the time"
    );
    let jobs = (browser.tracker.closed() - before.2) as f64;
    let figures = Figures {
        busy: (browser.worked_ms - before.0) / (20_000.0 * f64::from(cores)),
        requests_per_job: (browser.sent.len() - before.1) as f64 / jobs,
        most_ahead: browser.most_ahead,
    };
    eprintln!(
        "sync {syncs}, jobs of {job_ms} ms, answers after {delay_ms} ms, {cores} cores: busy {:.1} %, \
         {:.4} requests a job, at most {} ahead",
        figures.busy * 100.0,
        figures.requests_per_job,
        figures.most_ahead
    );
    figures
}

#[test]
fn no_core_waits_for_the_network() {
    assert!(figures(true, 100.0, 100.0, 2).busy >= 0.97);
    assert!(figures(true, 10.0, 100.0, 2).busy >= 0.9);
    assert!(figures(true, 1.0, 0.2, 2).busy >= 0.7);
    assert!(figures(true, 100.0, 1_000.0, 8).busy >= 0.97);
    assert!(figures(false, 100.0, 100.0, 2).busy >= 0.9);
    assert!(figures(false, 1_000.0, 100.0, 4).busy >= 0.97);
}

#[test]
fn the_number_of_requests_depends_on_time_and_not_on_jobs() {
    assert!(figures(true, 1_000.0, 100.0, 4).requests_per_job <= 0.1);
    assert!(figures(true, 10.0, 100.0, 4).requests_per_job <= 0.02);
    assert!(figures(true, 1.0, 0.2, 2).requests_per_job <= 0.01);
    // One newJob and one completeJob, and now and then a bye.
    assert!(figures(false, 100.0, 100.0, 2).requests_per_job <= 2.1);
}

#[test]
fn what_is_held_ahead_can_be_done_in_a_quarter_of_a_lease() {
    for (lease_ms, job_ms, delay_ms) in [
        (20_000.0, 1_000.0, 4_000.0),
        (10_000.0, 100.0, 3_000.0),
        (300_000.0, 60_000.0, 100.0),
    ] {
        let mut model = Model::new(&[Stage::A], 3_000, true);
        model.lease_ms = lease_ms;
        let mut browser = Browser::new(model, &[Stage::A], 4, 1);
        browser.handler = Box::new(move |_, _| Work::of(job_ms));
        browser.delay_ms = delay_ms;
        browser.run(120_000.0);
        let quarter = (4.0 * lease_ms / 4.0 / job_ms).ceil() as usize;
        // And what each core is handed at once.
        let most = quarter.max(1) + 4;
        assert!(
            browser.most_ahead <= most,
            "{} ahead of {most}",
            browser.most_ahead
        );
        assert_eq!(browser.tracker.failures(), 0);
    }
}

#[test]
fn while_no_job_is_open_requests_are_no_oftener_than_the_tracker_said() {
    for syncs in [true, false] {
        let model = Model::new(&[Stage::A], 8, syncs);
        let mut browser = Browser::new(model, &[Stage::A], 4, 1);
        browser.run(120_000.0);
        assert!(browser.tracker.is_finished());
        let (sent, before) = (browser.sent.len(), browser.time());
        browser.run(600_000.0);
        assert!(matches!(browser.reason(), Reason::NoJobs { until } if until > browser.now().wall));
        let idle = &browser.sent[sent..];
        let wait = if syncs { 10_000.0 } else { 20_000.0 };
        for pair in idle.windows(2) {
            let gap = pair[1] - pair[0];
            // The first protocol's registrations let themselves be heard of, one by one.
            assert!(gap >= wait || !syncs, "after {gap} ms");
        }
        assert!(
            idle.len() as f64 <= (browser.time() - before) / wait + 20.0,
            "{}",
            idle.len()
        );
        assert!(idle.len() >= 8);
        // And work that comes is found.
        browser.tracker.add(40);
        assert!(browser.run_until(120_000.0, |browser| browser.tracker.is_finished()));
    }
}

#[test]
fn a_core_that_is_busy_keeps_its_idle_neighbour_from_asking_oftener() {
    let model = Model::new(&[Stage::A], 1, true);
    let mut browser = Browser::new(model, &[Stage::A], 2, 1);
    browser.handler = Box::new(|_, _| Work {
        progress_ms: Some(500.0),
        ..Work::of(900_000.0)
    });
    browser.run(60_000.0);
    let sent = browser.sent.len();
    browser.run(600_000.0);
    // Progress each 10 s, and asking each 10 to 20 s.
    assert!(
        browser.sent.len() - sent <= 120,
        "{}",
        browser.sent.len() - sent
    );
}

#[test]
fn progress_of_many_cores_shares_a_request() {
    let model = Model::new(&[Stage::A], 16, true);
    let mut browser = Browser::new(model, &[Stage::A], 16, 1);
    browser.handler = Box::new(|_, _| Work {
        progress_ms: Some(130.0),
        ..Work::of(300_000.0)
    });
    browser.run(30_000.0);
    let (sent, lines) = (browser.sent.len(), browser.tracker.lines.len());
    browser.run(200_000.0);
    let (sent, lines) = (
        browser.sent.len() - sent,
        browser.tracker.lines.len() - lines,
    );
    assert!(sent <= 35, "{sent} requests");
    assert!(lines >= 16 * 17, "{lines} lines");
}
