//! The scenario of a world: who is there, what goes wrong how often, and what happens when. It is
//! drawn from a seed, and then it is a list, of which things can be left out.

use distcompute_protocol::ANONYMOUS;

use crate::{
    browser::{self, Faults, Proxy},
    random::Rng,
    trackers::{Crash, Rules},
};

const SECOND: f64 = 1_000.0;
const HOUR: f64 = 3_600.0 * SECOND;
const DAY: f64 = 24.0 * HOUR;

/// What the addresses of honest volunteers begin with; strangers have others.
pub const HONEST: &str = "192.0.2.";

/// A volunteer's browser.
#[derive(Debug, Clone)]
pub struct BrowserPlan {
    pub absent: bool,
    pub born: f64,
    pub cores: u32,
    pub nickname: String,
    pub address: String,
    /// In order of preference; `false`: from the last stage on.
    pub forward: bool,
    /// Speaks the first protocol's calls.
    pub calls: bool,
    pub delay_ms: f64,
    /// What its line carries, in Mbit/s; everything at once where there is none.
    pub mbit: Option<f64>,
    pub job_ms: f64,
    pub checkpoint: bool,
    /// Finishes, throws, flags and so on as the dice say, so often.
    pub mishaps: f64,
    /// Hands in outputs that are bad, so often.
    pub spoils: f64,
    pub faults: Faults,
    /// What its clock is ahead when it begins.
    pub clock: f64,
    /// How each job ends there, where something is wrong with the machine, or with its owner.
    pub always: Option<browser::Fate>,
    /// Its storage never answers.
    pub silent: bool,
}

/// A client of the first protocol.
#[derive(Debug, Clone)]
pub struct Old {
    pub absent: bool,
    pub born: f64,
    pub nickname: String,
    pub address: String,
    pub stage: usize,
    pub job_ms: f64,
    pub flags: f64,
    pub faults: Faults,
    /// It is never heard of again from then on.
    pub gone: f64,
}

/// Somebody who means harm, until nothing goes wrong any more.
#[derive(Debug, Clone)]
pub struct Attacker {
    pub absent: bool,
    pub born: f64,
    /// How often it calls, and the mean of the time between.
    pub calls: usize,
    pub pause_ms: f64,
    /// Registers again and again, and does little else.
    pub floods: bool,
    /// The names that it gives, some of them those of others.
    pub nicknames: Vec<String>,
    pub addresses: Vec<String>,
}

/// What happens to a browser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Sleep(f64),
    Freeze(f64),
    Clock(f64),
    KillCore(u32),
    KillHub,
    /// With a goodbye or not, and how long it is closed.
    Close(bool, f64),
    Wipe,
    Full(bool),
    Pause(Option<f64>),
    Resume,
    Cores(u32),
    Intensity(u8),
    Battery(bool),
    Hidden(bool),
    Offline(f64),
    SetupFails(f64),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// To a browser.
    To(usize, Fate),
    /// A tracker is killed, and comes back after so long.
    Kill(usize, f64),
    Crash(usize, Crash, f64),
    TrackerClock(f64),
    Import(usize),
    /// What is set aside.
    Requeue,
    /// This job, if it is set aside or held.
    RequeueJob(u64),
    /// All results of this browser's nickname.
    Distrust(usize),
    NewVersion,
}

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub rules: Rules,
    pub jobs: usize,
    /// Jobs that nobody can do, so often.
    pub impossible: f64,
    pub browsers: Vec<BrowserPlan>,
    pub olds: Vec<Old>,
    pub attackers: Vec<Attacker>,
    pub events: Vec<(f64, Event)>,
    /// From then on nothing goes wrong any more.
    pub calm: f64,
}

/// Draws the parts of a scenario.
pub struct Draw(pub Rng);

impl Draw {
    pub fn chance(&mut self, share: f64) -> bool {
        self.0.next_f64() < share
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.0.next_f64() * count as f64) as usize
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Of no particular magnitude.
    fn between(&mut self, least: f64, most: f64) -> f64 {
        least * (most / least).powf(self.0.next_f64())
    }

    fn either(&mut self, least: f64, most: f64) -> f64 {
        let size = self.between(least, most);
        if self.chance(0.5) { size } else { -size }
    }

    fn rate(&mut self, most: f64) -> f64 {
        if self.chance(0.5) {
            0.0
        } else {
            self.0.next_f64() * most
        }
    }

    fn faults(&mut self) -> Faults {
        let most = self.pick(&[0.0, 0.03, 0.08]);
        Faults {
            request_lost: self.rate(most),
            answer_lost: self.rate(most),
            hangs: self.rate(most),
            doubled: self.rate(most),
            delayed: self.rate(most),
            busy: self.rate(most),
            broken: self.rate(most),
            portal: self.rate(most),
            cut: self.rate(most),
            down: false,
            proxy: None,
        }
    }

    fn fate(&mut self) -> Fate {
        match self.below(17) {
            0 => Fate::Sleep(self.between(SECOND, 5.0 * HOUR)),
            1 => {
                let longest = if self.chance(0.1) { 72.0 } else { 2.0 };
                Fate::Freeze(self.between(SECOND, longest * HOUR))
            }
            2 => Fate::Clock(self.either(SECOND, 3.0 * HOUR)),
            3 => Fate::KillCore(self.below(4) as u32),
            4 | 5 => Fate::KillHub,
            6 => Fate::Close(self.chance(0.5), self.between(10.0, HOUR)),
            7 => Fate::Wipe,
            8 => Fate::Full(self.chance(0.7)),
            9 => {
                let until = self.between(SECOND, HOUR);
                Fate::Pause(self.chance(0.5).then_some(until))
            }
            10 => Fate::Resume,
            11 => Fate::Cores(1 + self.below(4) as u32),
            12 => Fate::Intensity(1 + self.below(10) as u8),
            13 => Fate::Battery(self.chance(0.5)),
            14 => Fate::Hidden(self.chance(0.5)),
            15 => Fate::Offline(self.between(SECOND, 2.0 * HOUR)),
            _ => Fate::SetupFails(self.between(SECOND, 0.1 * HOUR)),
        }
    }

    fn crash(&mut self) -> Crash {
        match self.below(6) {
            0 => Crash::Begun,
            1 => Crash::Read,
            2 => Crash::Written,
            3 => Crash::Committed,
            _ => Crash::Statement {
                steps: self.between(1.0, 2_000.0) as u32,
                dies: self.chance(0.5),
            },
        }
    }

    fn attacker(&mut self, at: usize, scenario: &Scenario) -> Attacker {
        let honest = scenario.browsers.iter().map(|it| it.nickname.clone());
        let honest = honest.chain(scenario.olds.iter().map(|it| it.nickname.clone()));
        let own = (0..1 + self.below(3)).map(|name| format!("Stranger {at}{name}"));
        let mut nicknames: Vec<String> = own.chain([ANONYMOUS.to_owned()]).collect();
        nicknames.extend(honest.filter(|_| self.chance(0.2)));
        let addresses = (0..1 + self.below(3)).map(|address| {
            if self.chance(0.5) {
                format!("198.51.100.{at}{address}")
            } else {
                format!("2001:db8:{at}:{address}::1")
            }
        });
        let addresses = addresses.collect();
        let floods = self.chance(0.1);
        let most = if floods { 500.0 } else { 150.0 };
        let calls = self.between(5.0, most) as usize;
        let born = self.0.next_f64() * scenario.calm * 0.5;
        Attacker {
            absent: false,
            born,
            calls,
            pause_ms: (scenario.calm - born) / calls as f64,
            floods,
            nicknames,
            addresses,
        }
    }

    fn event(&mut self, scenario: &Scenario) -> Event {
        let tracker = self.below(scenario.rules.processes);
        let back = self.between(100.0, 0.3 * HOUR);
        match self.below(24) {
            0 => Event::Kill(tracker, back),
            1..=3 => Event::Crash(tracker, self.crash(), back),
            4 => Event::TrackerClock(self.either(SECOND, HOUR)),
            5 => Event::Import(1 + self.below(20)),
            6 => Event::Requeue,
            7 => Event::RequeueJob(1 + self.below(scenario.jobs) as u64),
            8 => Event::Distrust(self.below(scenario.browsers.len())),
            9 => Event::NewVersion,
            _ => Event::To(self.below(scenario.browsers.len()), self.fate()),
        }
    }
}

impl Scenario {
    /// The scenario that follows from a seed.
    pub fn draw(seed: u64) -> Self {
        let mut draw = Draw(Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x51));
        let stages = draw.pick(&[1, 1, 2, 2, 3]);
        let job_ms = draw.between(20.0, 100_000.0);
        let idle_s = draw.pick(&[300, 600, 1_800]);
        let rules = Rules {
            stages,
            lease_s: draw.pick(&[45, 120, 300]),
            idle_s,
            max_attempts: draw.pick(&[3, 5, 8]),
            invalid_after: draw.pick(&[1, 2, 3]),
            max_body: draw.pick(&[20_000, 100_000, 16_000_000]),
            processes: draw.pick(&[1, 1, 2]),
        };
        let mut browsers = Vec::new();
        for at in 0..1 + draw.below(5) {
            let own = draw.between(0.3, 3.0);
            browsers.push(BrowserPlan {
                absent: false,
                born: draw.rate(600.0) * SECOND,
                cores: 1 + draw.below(4) as u32,
                nickname: if draw.chance(0.8) {
                    format!("Volunteer {at}")
                } else {
                    ANONYMOUS.to_owned()
                },
                address: format!("{HONEST}1"),
                forward: draw.chance(0.5),
                calls: draw.chance(0.15),
                delay_ms: draw.between(2.0, 2_000.0),
                mbit: None,
                job_ms: job_ms * own,
                checkpoint: draw.chance(0.5),
                mishaps: draw.rate(0.3),
                spoils: if draw.chance(0.2) {
                    draw.rate(0.5)
                } else {
                    0.0
                },
                faults: draw.faults(),
                clock: 0.0,
                always: None,
                silent: false,
            });
        }
        let mut olds = Vec::new();
        for at in 0..draw.below(3) {
            olds.push(Old {
                absent: false,
                born: draw.rate(600.0) * SECOND,
                nickname: format!("Python {at}"),
                address: format!("{HONEST}{}", 100 + at),
                stage: draw.below(stages),
                job_ms: job_ms * draw.between(0.3, 3.0),
                flags: draw.rate(0.1),
                faults: draw.faults(),
                gone: if draw.chance(0.3) {
                    draw.between(SECOND, HOUR)
                } else {
                    f64::INFINITY
                },
            });
        }
        let mut scenario = Self {
            seed,
            rules,
            jobs: 3 + draw.below(40),
            impossible: if draw.chance(0.3) { 0.05 } else { 0.0 },
            browsers,
            olds,
            attackers: Vec::new(),
            events: Vec::new(),
            calm: 0.0,
        };
        // Most of what goes wrong should do so while there is work.
        let cores: u32 = scenario.browsers.iter().map(|browser| browser.cores).sum();
        let work = job_ms * (scenario.jobs * stages) as f64 / f64::from(cores);
        scenario.calm = 60.0 * SECOND + work * draw.between(0.2, 2.0);
        for _ in 0..draw.below(25) {
            let at = draw.0.next_f64() * scenario.calm;
            let event = draw.event(&scenario);
            scenario.events.push((at, event));
        }
        // Clocks that are wrong from the start, by weeks, and are corrected some time later.
        for at in 0..scenario.browsers.len() {
            if draw.chance(0.15) {
                let by = draw.either(DAY, 40.0 * DAY);
                scenario.browsers[at].clock = by;
                let corrected = draw.0.next_f64() * scenario.calm;
                scenario
                    .events
                    .push((corrected, Event::To(at, Fate::Clock(-by))));
            }
        }
        if draw.chance(0.15) {
            let by = draw.either(DAY, 40.0 * DAY);
            let corrected = draw.0.next_f64() * scenario.calm;
            scenario.events.push((0.0, Event::TrackerClock(by)));
            scenario.events.push((corrected, Event::TrackerClock(-by)));
        }
        scenario
            .events
            .sort_by(|one, other| one.0.total_cmp(&other.0));
        // Drawn last, so that a seed's scenario is otherwise what it was before lines had a width.
        for browser in &mut scenario.browsers {
            browser.mbit = draw.chance(0.5).then(|| draw.between(0.05, 20.0));
        }
        for browser in &mut scenario.browsers {
            browser.silent = draw.chance(0.1);
            if draw.chance(0.1) {
                let limit = draw.pick(&[0, 3_000, 7_000]);
                let status = draw.pick(&[413, 403, 502]);
                browser.faults.proxy = Some(Proxy { limit, status });
            }
        }
        // Somebody is there at whom jobs can be done.
        for browser in scenario.browsers.iter_mut().skip(1) {
            if draw.chance(0.15) {
                let fates = [browser::Fate::Throws, browser::Fate::Flags];
                browser.always = Some(draw.pick(&fates));
            }
        }
        // Some are at home together.
        for (at, browser) in scenario.browsers.iter_mut().enumerate() {
            if draw.chance(0.5) {
                browser.address = format!("{HONEST}{}", 2 + at);
            }
        }
        if draw.chance(0.2) {
            for at in 0..1 + draw.below(2) {
                let attacker = draw.attacker(at, &scenario);
                scenario.attackers.push(attacker);
            }
        }
        scenario
    }

    /// How much there is of what might be left out.
    pub fn size(&self) -> usize {
        let rates = self.browsers.iter().map(|it| &it.faults);
        let rates = rates.chain(self.olds.iter().map(|it| &it.faults));
        self.events.len() * 4
            + self.jobs
            + self.browsers.iter().filter(|it| !it.absent).count() * 10
            + self.olds.iter().filter(|it| !it.absent).count() * 10
            + self.attackers.iter().filter(|it| !it.absent).count() * 10
            + rates
                .map(|faults| faults.list().iter().filter(|rate| **rate > 0.0).count())
                .sum::<usize>()
    }

    /// Courses with something left out, the boldest first.
    pub fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut scenario = self.clone();
            change(&mut scenario);
            let anybody = scenario.browsers.iter().any(|browser| !browser.absent);
            if anybody && scenario.size() < self.size() {
                all.push(scenario);
            }
        };
        let half = self.events.len() / 2;
        with(&|scenario| scenario.events.clear());
        with(&|scenario| scenario.events.truncate(half));
        with(&|scenario| drop(scenario.events.drain(..half)));
        with(&|scenario| scenario.jobs /= 2);
        with(&|scenario| scenario.jobs = scenario.jobs.saturating_sub(1).max(1));
        for at in 0..self.attackers.len() {
            with(&|scenario| scenario.attackers[at].absent = true);
        }
        for at in 0..self.browsers.len() {
            with(&|scenario| scenario.browsers[at].absent = true);
            with(&|scenario| scenario.browsers[at].faults = Faults::default());
        }
        for at in 0..self.olds.len() {
            with(&|scenario| scenario.olds[at].absent = true);
            with(&|scenario| scenario.olds[at].faults = Faults::default());
        }
        for at in 0..self.events.len() {
            with(&|scenario| {
                scenario.events.remove(at);
            });
        }
        for at in 0..self.browsers.len() {
            for rate in 0..Faults::RATES {
                with(&|scenario| *scenario.browsers[at].faults.list_mut()[rate] = 0.0);
            }
        }
        for at in 0..self.olds.len() {
            for rate in 0..Faults::RATES {
                with(&|scenario| *scenario.olds[at].faults.list_mut()[rate] = 0.0);
            }
        }
        all
    }
}
