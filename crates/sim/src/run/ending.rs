//! The end of a run: nothing goes wrong any more, every job is finished within a bound, and everybody stops.

use std::collections::BTreeSet;

use distcompute_engine::hub::event::Event as HubEvent;
use distcompute_engine::hub::governor::{Surroundings, Wish};
use distcompute_tracker::rules::{
    attempts::WORKING, flags::MAX_SENT_BACK, names, trouble::LONGEST_REST,
};

use super::Run;
use super::handler::is_lost;
use crate::browser::Faults;

const HOUR: f64 = 3_600_000.0;

impl Run {
    /// The longest time that all jobs may take once there are no more faults.
    pub(super) fn bound(&self) -> f64 {
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

    /// How long volunteers rest in all, because jobs fail there or they flag inputs, before the last of these
    /// jobs is set aside.
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

    /// Ends all faults.
    pub(super) fn calm_down(&mut self) {
        let now = self.now;
        self.tell(|| "*** calm".to_owned());
        self.events.clear();
        self.trackers.borrow_mut().pass_to(now);
        for at in 0..self.scenario.rules.processes {
            let mut trackers = self.trackers.borrow_mut();
            trackers.disarm(at);
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
            stay[old.stage].insert(names::volunteer(None, &old.nickname, &old.address));
        }
        stay
    }

    /// Everybody stops, and the tables are looked through once more.
    pub(super) fn close_down(&mut self) {
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
