//! What the scenarios share: a browser with a model of a tracker, and what must hold in the end.

use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{Action, Hello, Registration};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Event, Inherited};
use distcompute_engine::hub::governor::Wish;
use distcompute_engine::time::clock::Now;
use distcompute_protocol::Stage;

use sim::{
    browser::{Browser, Work},
    tracker::{Model, Tracker},
};

pub(crate) const HOUR: f64 = 3_600_000.0;

/// A browser whose handler works on each job for `job_ms`, and reports progress.
pub(crate) fn browser_from(
    seed: u64,
    syncs: bool,
    jobs: usize,
    cores: u32,
    job_ms: f64,
) -> Browser<Model> {
    let mut browser = Browser::new(
        Model::new(&[Stage::A], jobs, syncs),
        &[Stage::A],
        cores,
        seed,
    );
    browser.handler = Box::new(move |_, _| Work {
        progress_ms: Some(200.0_f64.min(job_ms)),
        ..Work::of(job_ms)
    });
    browser
}

pub(crate) fn browser(syncs: bool, jobs: usize, cores: u32, job_ms: f64) -> Browser<Model> {
    let mut browser = browser_from(7, syncs, jobs, cores, job_ms);
    browser.probe = 7;
    browser
}

/// Runs a scenario in both protocols.
pub(crate) fn both(scenario: impl Fn(bool)) {
    for syncs in [true, false] {
        eprintln!("sync: {syncs}");
        scenario(syncs);
    }
}

/// Every job is finished `within` so long, and nothing is left at the hub `after` that.
pub(crate) fn finishes_after(browser: &mut Browser<Model>, within: f64, after: f64) {
    browser.run_until(within, |browser| browser.tracker.is_finished());
    let unfinished = browser.tracker.unfinished();
    assert!(unfinished.is_empty(), "not finished: {unfinished:?}");
    browser.run(after);
    browser.check_texts();
    assert_eq!(browser.hub.table().iter().count(), 0);
}

pub(crate) fn finishes(browser: &mut Browser<Model>, within: f64) {
    finishes_after(browser, within, 5_000.0);
}

/// Every job that was begun was begun so often.
pub(crate) fn begun(browser: &Browser<Model>, times: u32) {
    for (number, begun) in &browser.begun {
        assert_eq!(*begun, times, "job {number}");
    }
}

pub(crate) fn pause(browser: &mut Browser<Model>) {
    browser.tell(Event::Wish(Wish::Pause { until: None }));
}

/// The only core, which has worked for another hub.
pub(crate) fn inherited(told: bool) -> Inherited {
    Inherited {
        core: 0,
        has_progress: told,
    }
}

/// The registration of another hub.
pub(crate) fn registration() -> Registration {
    Registration {
        stage: Stage::A,
        nickname: "Ada".to_owned(),
        seq: 7,
        hello: Hello {
            token: "of the hub before".to_owned(),
            syncs: true,
            files: false,
            lease_ms: 300_000.0,
            ..Hello::default()
        },
    }
}

pub(crate) fn handle(hub: &mut Scheduler, now: Now, event: Event) -> Vec<Action> {
    let mut cx = Cx::new(now, 0.5);
    hub.handle(&mut cx, event);
    cx.out
}
