//! A whole world: browsers, old clients, trackers and their owner, one event after the other, and
//! what must be so in the end.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    panic::{self, AssertUnwindSafe},
    rc::Rc,
    sync::Once,
};

use distcompute_engine::hub::event::Event as HubEvent;
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_engine::settings::Limits;
use distcompute_protocol::Stage;
use distcompute_tracker::{
    rules::{attempts::WORKING, flags::MAX_SENT_BACK, names, trouble::LONGEST_REST},
    store::RequeueFilter,
};

use crate::{
    attacker::Attacker,
    books::Place,
    browser::{self, Browser, Faults, Work},
    old::Old,
    random::Rng,
    scenario::{Event, Fate, Scenario},
    tracker::{Asked, Content, Said, Tracker},
    trackers::{self, Caller, Trace, Trackers, moment},
};

const HOUR: f64 = 3_600_000.0;

/// A rule that is broken on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// A lease is granted for a job that is held.
    GrantTwice,
    /// Syncs are handled in any order.
    ForgetSeq,
    /// Results count twice.
    CountTwice,
    /// A result that cannot be stored is taken for delivered.
    DropWhenFull,
    /// A result is taken under a lease that was given back.
    DeliverGivenBack,
    /// A registration holds as many jobs as it wants.
    AllowAnything,
}

impl Sabotage {
    pub const ALL: [Self; 6] = [
        Self::GrantTwice,
        Self::ForgetSeq,
        Self::CountTwice,
        Self::DropWhenFull,
        Self::DeliverGivenBack,
        Self::AllowAnything,
    ];

    fn of_trackers(self) -> Option<trackers::Sabotage> {
        match self {
            Self::GrantTwice => Some(trackers::Sabotage::GrantTwice),
            Self::ForgetSeq => Some(trackers::Sabotage::ForgetSeq),
            Self::CountTwice => Some(trackers::Sabotage::CountTwice),
            Self::DeliverGivenBack => Some(trackers::Sabotage::DeliverGivenBack),
            Self::AllowAnything => Some(trackers::Sabotage::AllowAnything),
            Self::DropWhenFull => None,
        }
    }
}

/// What came of a world.
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

/// The way of a browser to the trackers.
pub struct Port {
    trackers: Rc<RefCell<Trackers>>,
    caller: Caller,
    /// What the world's time is ahead of the browser's.
    ahead: f64,
    calls: bool,
}

impl Tracker for Port {
    fn call(&mut self, now: f64, asked: &Asked) -> Option<Said> {
        let mut trackers = self.trackers.borrow_mut();
        let mut said = trackers.call(now + self.ahead, &self.caller, asked)?;
        if let Content::Hello(hello) = &mut said.content {
            hello.syncs &= !self.calls;
        }
        Some(said)
    }

    fn open(&self, stage: Stage) -> usize {
        self.trackers.borrow().open(stage)
    }

    fn lets(&self, stage: Stage, nickname: &str, token: Option<&str>) -> bool {
        let volunteer = names::volunteer(nickname, &self.caller.address);
        self.trackers.borrow().lets(stage, &volunteer, token)
    }

    fn rests_ms(&self, token: &str) -> f64 {
        self.trackers.borrow().rests_ms(token)
    }

    fn is_finished(&self) -> bool {
        self.trackers.borrow().is_finished()
    }

    fn has_taken(&self, lease: &str) -> bool {
        self.trackers.borrow().has_taken(lease)
    }
}

/// A volunteer with a browser, whose time began when it was first opened.
struct Volunteer {
    browser: Browser<Port>,
    nickname: String,
    volunteer: String,
    /// What the world's time is ahead of its own.
    ahead: f64,
    absent: bool,
    /// When the page is opened again.
    opens: f64,
    around: Surroundings,
}

impl Volunteer {
    fn next(&self) -> f64 {
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

/// What breaks a rule panics; it is told where the world ends, not where it happens.
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
    fn new(scenario: &Scenario, trackers: &Rc<RefCell<Trackers>>) -> Self {
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
                volunteer: names::volunteer(&plan.nickname, &plan.address),
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

    fn plan(&mut self, at: f64, event: Event) {
        self.order += 1;
        self.events
            .insert(((at.max(self.now) * 1000.0) as u64, self.order), event);
    }

    fn tell(&self, line: impl FnOnce() -> String) {
        self.trackers.borrow_mut().trace.tell(self.now, line);
    }

    fn go(&mut self) {
        let jobs = self.scenario.jobs;
        self.trackers.borrow_mut().import(jobs);
        self.run(self.scenario.calm, |_| false);
        // Whoever sleeps or is frozen comes back to a calm world.
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

    /// Until when everything must be done once nothing goes wrong any more.
    fn bound(&self) -> f64 {
        let rules = &self.scenario.rules;
        let slowest = self.slowest();
        let tries = f64::from(rules.max_attempts) * self.scenario.rules.stages as f64 + 2.0;
        let jobs = self.scenario.jobs as f64 + 100.0;
        // Silent workers of the first protocol are missed after the idle timeout.
        let idle = f64::from(rules.idle_s) * 1000.0 + 300_000.0;
        let bound =
            (idle + slowest * 10.0 + 100_000.0) * tries + jobs * slowest * tries + 3.0 * HOUR;
        bound + self.rests()
    }

    /// How long those rest at whom jobs fail, or who call inputs bad, before the last of these jobs is
    /// set aside.
    fn rests(&self) -> f64 {
        let scenario = &self.scenario;
        let rest = 2.0 * (LONGEST_REST as f64 + 1_000.0);
        let jobs = self.trackers.borrow().jobs() as u64;
        let lost = (1..=jobs)
            .filter(|number| is_lost(scenario, *number))
            .count();
        let tries = f64::from(scenario.rules.max_attempts);
        let lost = lost as f64 * (tries * rest + WORKING as f64);
        let spoils = scenario.browsers.iter().any(|it| it.spoils > 0.0)
            || scenario.attackers.iter().any(|it| !it.absent);
        let spoiled = if spoils { jobs as f64 } else { 0.0 };
        let flags = f64::from(scenario.rules.invalid_after * (MAX_SENT_BACK + 1));
        lost + spoiled * scenario.rules.stages as f64 * flags * rest
    }

    /// How long the slowest browser takes for a job.
    fn slowest(&self) -> f64 {
        let browsers = self.scenario.browsers.iter();
        browsers.map(|it| it.job_ms).fold(0.0, f64::max)
    }

    /// Goes on until `end`, or until it is so.
    fn run(&mut self, end: f64, is: impl Fn(&Self) -> bool) {
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

    fn happen(&mut self, event: Event) {
        let now = self.now;
        self.tell(|| format!("*** {event:?}"));
        self.trackers.borrow_mut().pass_to(now);
        match event {
            Event::To(at, fate) => self.befall(at, fate),
            Event::Kill(at, back) => {
                let mut trackers = self.trackers.borrow_mut();
                trackers.comes_back_after(at, back);
                trackers.kill(at);
            }
            Event::Crash(at, crash, back) => {
                let mut trackers = self.trackers.borrow_mut();
                trackers.comes_back_after(at, back);
                trackers.crash(at, crash);
            }
            Event::TrackerClock(by) => self.trackers.borrow_mut().set_clock(by as i64),
            Event::Import(jobs) => self.trackers.borrow_mut().import(jobs),
            Event::Requeue => self
                .trackers
                .borrow_mut()
                .requeue(&RequeueFilter::default()),
            Event::RequeueJob(number) => self.trackers.borrow_mut().requeue(&RequeueFilter {
                numbers: vec![number],
                ..RequeueFilter::default()
            }),
            Event::Distrust(at) => self.trackers.borrow_mut().requeue(&RequeueFilter {
                nickname: Some(self.volunteers[at].nickname.clone()),
                ..RequeueFilter::default()
            }),
            Event::NewVersion => self.trackers.borrow_mut().new_version(),
        }
    }

    fn befall(&mut self, at: usize, fate: Fate) {
        let now = self.now;
        let volunteer = &mut self.volunteers[at];
        if volunteer.absent
            || volunteer.browser.next().is_none() && volunteer.opens == f64::INFINITY
        {
            return;
        }
        let browser = &mut volunteer.browser;
        browser.wait_until(now - volunteer.ahead);
        let born = volunteer.ahead + 1_000.0 <= now;
        if !born {
            return;
        }
        let after = |ms: f64, fate: Fate| (now + ms, Event::To(at, fate));
        let mut later = None;
        match fate {
            Fate::Sleep(ms) => browser.sleep(ms),
            Fate::Freeze(ms) => browser.freeze(ms),
            Fate::Clock(by) => browser.set_clock(by),
            Fate::KillCore(core) => browser.kill_core(core),
            Fate::KillHub => browser.kill_hub(),
            Fate::Close(bye, ms) => {
                if !browser.stopped {
                    browser.close(bye);
                    volunteer.opens = now + ms;
                }
            }
            Fate::Wipe => browser.wipe(),
            Fate::Full(full) => browser.full = full,
            Fate::Pause(ms) => {
                let until = ms.map(|ms| browser.now().wall + ms);
                browser.tell(HubEvent::Wish(Wish::Pause { until }));
            }
            Fate::Resume => browser.tell(HubEvent::Wish(Wish::Run)),
            Fate::Cores(cores) => browser.settings(|settings| settings.cores = cores),
            Fate::Intensity(share) => browser.settings(|settings| settings.intensity = share),
            Fate::Battery(on) => {
                volunteer.around.on_battery = Some(on);
                browser.tell(HubEvent::Around(volunteer.around));
            }
            Fate::Hidden(hidden) => {
                volunteer.around.hidden = hidden;
                browser.settings(|settings| settings.background = false);
                browser.tell(HubEvent::Around(volunteer.around));
            }
            Fate::Offline(ms) => {
                browser.faults.down = ms > 0.0;
                later = (ms > 0.0).then(|| after(ms, Fate::Offline(0.0)));
            }
            Fate::SetupFails(ms) => {
                browser.setup_fails = ms > 0.0;
                later = (ms > 0.0).then(|| after(ms, Fate::SetupFails(0.0)));
            }
        }
        if let Some((at, event)) = later {
            self.plan(at, event);
        }
    }

    /// Nothing goes wrong from here on.
    fn calm_down(&mut self) {
        let now = self.now;
        self.tell(|| "*** calm".to_owned());
        self.events.clear();
        self.trackers.borrow_mut().pass_to(now);
        for at in 0..self.scenario.rules.processes {
            let mut trackers = self.trackers.borrow_mut();
            trackers.undoom(at);
            trackers.start(at);
        }
        for attacker in &mut self.attackers {
            attacker.at = f64::INFINITY;
        }
        for old in &mut self.olds {
            old.faults = Faults::default();
        }
        for volunteer in self
            .volunteers
            .iter_mut()
            .filter(|volunteer| !volunteer.absent)
        {
            let browser = &mut volunteer.browser;
            browser.wait_until(now - volunteer.ahead);
            browser.faults = Faults::default();
            browser.full = false;
            browser.setup_fails = false;
            if browser.stopped {
                volunteer.opens = now;
            }
            browser.tell(HubEvent::Wish(Wish::Run));
            browser.tell(HubEvent::Around(Surroundings::default()));
            browser.settings(|settings| settings.intensity = 10);
        }
        self.trackers.borrow_mut().stay(self.who_stays());
    }

    /// The volunteers who are there to the end, by stage.
    fn who_stays(&self) -> [BTreeSet<String>; 5] {
        let mut stay: [BTreeSet<String>; 5] = Default::default();
        for volunteer in self.volunteers.iter().filter(|volunteer| !volunteer.absent) {
            for stage in self.scenario.rules.enabled() {
                stay[stage.index()].insert(volunteer.volunteer.clone());
            }
        }
        let olds = self.scenario.olds.iter();
        for old in olds.filter(|old| !old.absent && old.gone == f64::INFINITY) {
            stay[old.stage].insert(names::volunteer(&old.nickname, &old.address));
        }
        stay
    }

    /// Everybody stops, and the books are looked through once more.
    fn close_down(&mut self) {
        let end = self.now + 200_000.0;
        self.run(end, |_| false);
        // In the first protocol nobody is told that others have done its job, and the handler may hang.
        let last = self.now + 10.0 * self.slowest() + 100_000.0;
        self.run(last, |run| {
            let mut volunteers = run.volunteers.iter();
            volunteers.all(|it| {
                it.absent || it.browser.stopped || it.browser.hub.table().iter().count() == 0
            })
        });
        let rounds = self.trackers.borrow().rounds.clone();
        for at in 0..self.volunteers.len() {
            let volunteer = &mut self.volunteers[at];
            if volunteer.absent || volunteer.browser.stopped {
                continue;
            }
            let table = volunteer.browser.hub.table();
            let left = table.count(|job| !rounds.contains(&job.number));
            assert_eq!(left, 0, "browser {at} has jobs where all are done");
            if rounds.is_empty() {
                volunteer.browser.check_texts();
            }
        }
        self.trackers.borrow_mut().recount();
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

/// Whether nobody can do a job.
fn is_lost(scenario: &Scenario, number: u64) -> bool {
    Rng::new(scenario.seed ^ (number << 24)).next_f64() < scenario.impossible
}

/// What jobs are to a browser.
fn handler(scenario: &Scenario, at: usize) -> browser::Handler {
    let plan = scenario.browsers[at].clone();
    let scenario = scenario.clone();
    let seed = scenario.seed;
    Box::new(move |number, begun| {
        let mut rng = Rng::new(seed ^ (number << 20) ^ u64::from(begun) ^ ((at as u64) << 50));
        let lost = is_lost(&scenario, number);
        let mishap = rng.next_f64() < plan.mishaps && begun <= 3;
        let fate = match (rng.next_f64() * 6.0) as u32 {
            _ if lost => browser::Fate::Throws,
            _ if plan.always.is_some() => plan.always.unwrap_or(browser::Fate::Done),
            _ if !mishap => browser::Fate::Done,
            0 => browser::Fate::Throws,
            1 | 2 => browser::Fate::Flags,
            3 => browser::Fate::Hangs,
            4 => browser::Fate::Traps,
            _ => browser::Fate::Dies,
        };
        let ms = plan.job_ms * (0.2 + 1.6 * rng.next_f64());
        Work {
            ms,
            fate,
            blocks: rng.next_f64() < 0.7,
            progress_ms: (rng.next_f64() < 0.7).then_some((ms / 8.0).max(200.0)),
            checkpoint: plan.checkpoint,
            bytes: if rng.next_f64() < 0.05 { 6_000 } else { 0 },
            spoils: rng.next_f64() < plan.spoils,
        }
    })
}
