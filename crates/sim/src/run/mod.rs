//! A run of a scenario: browsers, old clients, trackers and their owner, one event after the other, and what must
//! hold in the end. Tests and commands call this a world.

mod ending;
mod events;
mod handler;
mod port;
mod sabotage;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    rc::Rc,
    sync::Once,
};

use distcompute_engine::hub::governor::Surroundings;
use distcompute_engine::settings::Limits;
use distcompute_tracker::rules::names;

use self::handler::handler;
use self::port::Port;
use crate::{
    attacker::Attacker,
    browser::{self, Browser},
    old::Old,
    scenario::{Event, Scenario},
    tables::Place,
    trackers::{Caller, Trace, Trackers, moment},
};

pub use self::sabotage::Sabotage;

/// The result of a run.
#[derive(Debug)]
pub struct Ended {
    /// What went wrong, if anything did.
    pub fault: Option<String>,
    /// When it ended.
    pub at: f64,
    /// Steps that it took.
    pub steps: u64,
    pub trace: Trace,
}

/// A volunteer with a browser, whose time began when it was first opened.
struct Volunteer {
    browser: Browser<Port>,
    nickname: String,
    volunteer: String,
    /// By how much the time of the run is ahead of the browser's own.
    ahead: f64,
    absent: bool,
    /// When the page is opened again.
    opens: f64,
    around: Surroundings,
}

impl Volunteer {
    pub(super) fn next(&self) -> f64 {
        if self.absent {
            return f64::INFINITY;
        }
        let next = self
            .browser
            .next()
            .map_or(f64::INFINITY, |at| at + self.ahead);
        next.min(self.opens)
    }
}

struct Run {
    scenario: Scenario,
    trackers: Rc<RefCell<Trackers>>,
    volunteers: Vec<Volunteer>,
    olds: Vec<Old>,
    attackers: Vec<Attacker>,
    events: BTreeMap<(u64, usize), Event>,
    order: usize,
    now: f64,
    steps: u64,
}

/// Runs a scenario to its end.
pub fn simulate(
    scenario: &Scenario,
    place: &Place,
    sabotage: Option<Sabotage>,
    story: bool,
) -> Ended {
    catch_panics();
    let mut trackers = Trackers::new(
        scenario.seed,
        scenario.rules.clone(),
        place,
        sabotage.and_then(Sabotage::of_trackers),
    );
    trackers.trace.story = story.then(Vec::new);
    let trackers = Rc::new(RefCell::new(trackers));
    let mut run = Run::new(scenario, &trackers);
    if sabotage == Some(Sabotage::DropWhenFull) {
        for volunteer in &mut run.volunteers {
            volunteer
                .browser
                .break_a_rule(browser::Sabotage::DropWhenFull);
        }
    }
    let lived = panic::catch_unwind(AssertUnwindSafe(|| run.go()));
    CAUGHT.set(false);
    let fault = lived.is_err().then(|| FAULT.take().unwrap_or_default());
    let trace = trackers
        .try_borrow_mut()
        .map(|mut it| std::mem::take(&mut it.trace));
    Ended {
        fault,
        at: run.now,
        steps: run.steps,
        trace: trace.unwrap_or_default(),
    }
}

thread_local! {
    static FAULT: RefCell<Option<String>> = const { RefCell::new(None) };
    static CAUGHT: RefCell<bool> = const { RefCell::new(false) };
}

/// A broken rule panics. The message is kept, and reported at the end of the run.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.with_borrow(|caught| *caught) {
                before(info);
                return;
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let said = info.payload_as_str().unwrap_or("something").to_owned();
            FAULT.set(Some(format!("{said} ({place})")));
        }));
    });
    CAUGHT.set(true);
}

impl Run {
    pub(super) fn new(scenario: &Scenario, trackers: &Rc<RefCell<Trackers>>) -> Self {
        let enabled = scenario.rules.enabled();
        let mut volunteers = Vec::new();
        for (at, plan) in scenario.browsers.iter().enumerate() {
            let mut stages = enabled.to_vec();
            if !plan.forward {
                stages.reverse();
            }
            // A browser's own time begins at a second.
            let ahead = plan.born - 1_000.0;
            let port = Port {
                trackers: Rc::clone(trackers),
                caller: Caller {
                    who: format!("browser {at}"),
                    address: plan.address.clone(),
                },
                ahead,
                calls: plan.calls,
            };
            let seed = scenario.seed ^ ((at as u64 + 1) << 48);
            let limits = Limits {
                job_timeout_ms: Some(plan.job_ms * 8.0 + 30_000.0),
                stall_ms: plan.job_ms * 4.0 + 20_000.0,
                ..Limits::default()
            };
            let mut browser = Browser::new(port, &stages, plan.cores, seed)
                .named(&plan.nickname)
                .with_limits(limits);
            browser.faults = plan.faults;
            browser.delay_ms = plan.delay_ms;
            browser.line = plan.mbit.map(browser::Line::of);
            browser.set_clock(plan.clock);
            browser.probe = 97;
            browser.patience_ms = 900_000.0;
            if plan.silent {
                browser.silence_storage();
            }
            browser.handler = handler(scenario, at);
            volunteers.push(Volunteer {
                browser,
                nickname: plan.nickname.clone(),
                volunteer: names::volunteer(None, &plan.nickname, &plan.address),
                ahead,
                absent: plan.absent,
                opens: f64::INFINITY,
                around: Surroundings::default(),
            });
        }
        let olds = scenario.olds.iter().enumerate();
        let olds = olds
            .map(|(at, plan)| Old::new(at, scenario.seed, plan))
            .collect();
        let attackers = scenario.attackers.iter().enumerate();
        let attackers = attackers
            .map(|(at, plan)| Attacker::new(at, scenario, plan))
            .collect();
        let mut run = Self {
            scenario: scenario.clone(),
            trackers: Rc::clone(trackers),
            volunteers,
            olds,
            attackers,
            events: BTreeMap::new(),
            order: 0,
            now: 0.0,
            steps: 0,
        };
        for (at, event) in &scenario.events {
            run.plan(*at, *event);
        }
        run
    }

    pub(super) fn plan(&mut self, at: f64, event: Event) {
        self.order += 1;
        self.events
            .insert(((at.max(self.now) * 1000.0) as u64, self.order), event);
    }

    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        self.trackers.borrow_mut().trace.tell(self.now, line);
    }

    fn go(&mut self) {
        let jobs = self.scenario.jobs;
        self.trackers.borrow_mut().import(jobs);
        self.run(self.scenario.calm, |_| false);
        // Browsers that sleep or are frozen wake before the faults end.
        let awake = self.volunteers.iter().filter(|volunteer| !volunteer.absent);
        let awake = awake.map(|volunteer| volunteer.browser.time() + volunteer.ahead);
        let awake = awake.fold(self.now, f64::max);
        self.run(awake, |_| false);
        self.calm_down();
        let bound = self.bound();
        self.run(self.now + bound, |run| run.trackers.borrow().is_finished());
        let finished = self.trackers.borrow().is_finished();
        assert!(
            finished,
            "not every job is finished {} after the last fault",
            moment(bound)
        );
        self.close_down();
    }

    /// Runs until `end`, or until a condition holds.
    pub(super) fn run(&mut self, end: f64, is: impl Fn(&Self) -> bool) {
        while !is(self) {
            self.steps += 1;
            assert!(self.steps < 3_000_000, "the world never comes to rest");
            let event = self.events.first_key_value();
            let event = event.map_or(f64::INFINITY, |(at, _)| at.0 as f64 / 1000.0);
            let tracker = self.trackers.borrow().next();
            let old = first(self.olds.iter().map(Old::next));
            let attacker = first(self.attackers.iter().map(|it| it.at));
            let volunteer = first(self.volunteers.iter().map(Volunteer::next));
            let next = [event, tracker, old.0, attacker.0, volunteer.0];
            let next = next.into_iter().fold(f64::INFINITY, f64::min);
            self.now = self.now.max(next.min(end));
            if next > end {
                break;
            }
            let now = self.now;
            if event <= next {
                if let Some((_, event)) = self.events.pop_first() {
                    self.happen(event);
                }
            } else if tracker <= next {
                let mut trackers = self.trackers.borrow_mut();
                trackers.pass_to(now);
                trackers.go_on();
            } else if old.0 <= next {
                self.olds[old.1].go_on(now, &mut self.trackers.borrow_mut());
            } else if attacker.0 <= next {
                self.attackers[attacker.1].go_on(now, &mut self.trackers.borrow_mut());
            } else {
                self.go_on(volunteer.1);
            }
        }
    }

    fn go_on(&mut self, at: usize) {
        let now = self.now;
        let volunteer = &mut self.volunteers[at];
        if volunteer.opens <= now {
            volunteer.opens = f64::INFINITY;
            volunteer.browser.wait_until(now - volunteer.ahead);
            volunteer.browser.open();
        } else {
            volunteer.browser.step_on();
        }
        let fatal = volunteer.browser.fatal.take();
        assert!(fatal.is_none(), "browser {at} cannot go on: {fatal:?}");
        if volunteer.browser.renews && volunteer.opens == f64::INFINITY {
            volunteer.opens = now + 500.0;
        }
    }
}

fn first(times: impl Iterator<Item = f64>) -> (f64, usize) {
    let mut least = (f64::INFINITY, 0);
    for (at, time) in times.enumerate() {
        if time < least.0 {
            least = (time, at);
        }
    }
    least
}
