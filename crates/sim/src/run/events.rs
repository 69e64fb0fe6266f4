//! The events of a scenario, and how each is applied to a browser or to the trackers.

use distcompute_engine::hub::event::Event as HubEvent;
use distcompute_engine::hub::governor::Wish;
use distcompute_tracker::store::RequeueFilter;

use super::Run;
use crate::scenario::{Event, Fate};

impl Run {
    pub(super) fn happen(&mut self, event: Event) {
        let now = self.now;
        self.tell(|| format!("*** {event:?}"));
        self.trackers.borrow_mut().pass_to(now);
        match event {
            Event::To(at, fate) => self.apply(at, fate),
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

    fn apply(&mut self, at: usize, fate: Fate) {
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
}
