//! The rules one by one.

use std::collections::{BTreeMap, BTreeSet};

use distcompute_engine::client::call::{Answer, Call};
use distcompute_engine::client::exchange::{
    Action as CallAction, BACKOFF, Cx as CallCx, Event as CallEvent, Exchange, backoff_ms,
};
use distcompute_engine::client::probe::Finding;
use distcompute_engine::core::throttle::{
    Ending, FULL, PAUSED, STOP, Stops, Throttle, ending, worth_signalling,
};
use distcompute_engine::hub::governor::{Surroundings, Wish, govern};
use distcompute_engine::hub::mean::Mean;
use distcompute_engine::hub::speed::Speed;
use distcompute_engine::page::event::{Action, Command, Cx, Event, HubCommand, HubMessage};
use distcompute_engine::page::supervisor::Supervisor;
use distcompute_engine::reason::Reason;
use distcompute_engine::settings::{Hours, Settings};
use distcompute_engine::sorted_map::SortedMap;
use distcompute_engine::time::clock::{Due, Now};
use distcompute_protocol::Stage;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use super::cases;

/// A moment of this century.
fn moment() -> impl Strategy<Value = Now> {
    (0.0..1e9, 1.7e12..1.9e12).prop_map(|(mono, wall)| Now { mono, wall })
}

fn settings() -> impl Strategy<Value = Settings> {
    let hours = (0_u16..1_440, 0_u16..1_440).prop_map(|(from, to)| Hours { from, to });
    (
        1_u32..=1_024,
        1_u8..=10,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(hours),
    )
        .prop_map(
            |(cores, intensity, pause_on_battery, background, hours)| Settings {
                cores,
                intensity,
                pause_on_battery,
                background,
                hours,
            },
        )
}

proptest! {
    #![proptest_config(cases(300))]

    /// A core's course: jobs begin, stops come by a message and by a signal in either order, handlers
    /// return, throw or flag at any moment.
    #[test]
    fn what_was_aborted_is_never_handed_in(
        events in prop::collection::vec((0_u8..4, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let mut stops = Stops::default();
        // Whether the running job was aborted, and whether its signal is still to come.
        let (mut aborted, mut pending) = (false, 0_u32);
        for (what, flagged, threw) in events {
            match what {
                0 => {
                    stops.by_message();
                    pending += 1;
                    aborted = true;
                }
                1 if pending > 0 => {
                    pending -= 1;
                    prop_assert!(!stops.by_signal(), "the second word stops nothing");
                }
                2 => {
                    // By a signal first; its message follows at once.
                    if pending == 0 {
                        aborted |= stops.by_signal();
                        stops.by_message();
                    }
                }
                _ => {
                    // Only what was flagged before the abort counts as a flag.
                    let flagged = flagged && !aborted;
                    let end = ending(aborted, flagged, threw);
                    if aborted {
                        prop_assert_eq!(end, Ending::Stopped);
                    } else if !flagged && !threw {
                        prop_assert_eq!(end, Ending::Done);
                    }
                    aborted = false;
                }
            }
        }
    }

    #[test]
    fn waits_grow_with_the_attempts_and_are_never_shorter_than_was_asked(
        attempt in 0_u32..100,
        random in 0.0..1.0,
        asked in any::<Option<u32>>(),
    ) {
        let wait = backoff_ms(attempt, random, asked);
        let asked = asked.unwrap_or(0);
        prop_assert!(wait >= asked && wait <= asked.saturating_add(BACKOFF.ceiling_ms as u32));
        prop_assert!(backoff_ms(attempt + 1, random, Some(asked)) >= wait);
    }

    #[test]
    fn a_call_ends_when_its_time_is_up_and_not_before_it_must(
        timeout in 0_u32..=200_000,
        fates in prop::collection::vec((0..4_u8, 0.0..1.0, any::<Option<u16>>()), 900),
    ) {
        let began = 5_000.0;
        let mut exchange = Exchange::begin(Call::NewJob, began, Some(timeout));
        let mut now = began;
        let mut ended = false;
        let address = "http://t.example".to_owned();
        let mut event = CallEvent::Begin { address, length: 0 };
        for (fate, random, asked) in fates {
            let mut cx = CallCx::new(now, random);
            exchange.handle(&mut cx, event);
            prop_assert!(cx.out.len() <= 1);
            event = match cx.out.pop() {
                Some(CallAction::Send(patience)) => {
                    let limit = patience.whole_ms.expect("the caller has set one");
                    prop_assert!(now + f64::from(limit) <= began + f64::from(timeout));
                    match fate {
                        0 => CallEvent::NotReached("no".to_owned()),
                        1 => {
                            now += f64::from(limit);
                            CallEvent::TimedOut
                        }
                        _ => {
                            let retry_after_ms = asked.map(u32::from);
                            CallEvent::Answered(Answer { status: 503, retry_after_ms, ..Answer::default() })
                        }
                    }
                }
                Some(CallAction::Probe) => CallEvent::Probed(Finding::Unknown),
                Some(CallAction::Fail(_)) => {
                    ended = true;
                    break;
                }
                Some(action) => {
                    prop_assert!(false, "{:?}", action);
                    break;
                }
                None => {
                    now = exchange.next_timeout().expect("it waits").max(now + 1.0);
                    prop_assert!(now <= began + f64::from(timeout) + 1.0);
                    CallEvent::Tick
                }
            };
        }
        prop_assert!(ended || now < began + f64::from(timeout));
    }

    #[test]
    fn time_never_runs_backwards(from in moment(), to in moment(), later in moment(), ms in 0.0..1e9) {
        prop_assert!(to.since(from) >= (to.mono - from.mono).max(0.0));
        prop_assert_eq!(from.since(from), 0.0);
        let due = Due::after(from, ms);
        prop_assert!((0.0..=ms).contains(&due.left_ms(to)));
        let after = Now { mono: to.mono + later.mono, wall: to.wall.max(later.wall) };
        prop_assert!(due.left_ms(after) <= due.left_ms(to));
        prop_assert_eq!(due.is_over(to), due.left_ms(to) == 0.0);
    }

    #[test]
    fn a_verdict_holds_until_the_governor_says_to_ask_again(
        now in moment(),
        settings in settings(),
        around in (any::<bool>(), any::<Option<bool>>(), -840_i32..=840),
        pause in prop::option::of(prop::option::of(-1e9..1e9)),
        share in 0.0_f64..1.0,
        own in 0.0_f64..1.0,
    ) {
        let (hidden, on_battery, utc_offset_min) = around;
        let around = Surroundings { hidden, on_battery, utc_offset_min };
        let wish = pause.map_or(Wish::Run, |until| Wish::Pause {
            until: until.map(|ms| now.wall + ms),
        });
        let at = |wall: f64| govern(Now { wall, ..now }, own, wish, &settings, &around);
        let verdict = at(now.wall);
        let Some(again) = verdict.look_again else {
            prop_assert_eq!(at(now.wall + 1e12), verdict, "nothing would ever wake it");
            return Ok(());
        };
        prop_assert!(again > now.wall);
        let between = (now.wall + share * (again - now.wall)).min(again - 1.0).max(now.wall);
        prop_assert_eq!(at(between).rest.is_some(), verdict.rest.is_some());
        prop_assert_eq!(at(between).look_again, verdict.look_again);
        if !matches!(verdict.rest, Some(Reason::Paused { .. })) {
            prop_assert!(again <= now.wall + 86_400_000.0);
            prop_assert_ne!(at(again).rest.is_some(), verdict.rest.is_some());
        }
    }

    #[test]
    fn hours_are_those_that_local_clocks_show(
        now in moment(),
        from in 0_u16..1_440,
        to in 0_u16..1_440,
        utc_offset_min in -840_i32..=840,
        own in 0.0_f64..1.0,
    ) {
        let settings = Settings { hours: Some(Hours { from, to }), ..Settings::default() };
        let around = Surroundings { utc_offset_min, ..Surroundings::default() };
        let minute = (now.wall / 60_000.0).floor() + f64::from(utc_offset_min);
        let minute = minute.rem_euclid(1_440.0) as u16;
        let inside = match from.cmp(&to) {
            std::cmp::Ordering::Less => (from..to).contains(&minute),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => minute >= from || minute < to,
        };
        let rests = |own| govern(now, own, Wish::Run, &settings, &around).rest.is_some();
        prop_assert_eq!(!rests(0.0), inside);
        // Each browser keeps a little off both ends.
        prop_assert!(inside || rests(own));
    }

    #[test]
    fn a_mean_lies_among_what_it_is_of(figures in prop::collection::vec((any::<f64>(), any::<u32>()), 1..20)) {
        let mut mean = Mean::default();
        for (figure, count) in &figures {
            mean.add(*figure, *count);
        }
        let real = figures.iter().map(|(figure, _)| *figure);
        let real: Vec<f64> = real.filter(|f| f.is_finite() && *f >= 0.0).collect();
        let least = real.iter().copied().fold(f64::INFINITY, f64::min);
        let most = real.iter().copied().fold(0.0, f64::max);
        match mean.get() {
            None => prop_assert!(real.is_empty()),
            Some(mean) => prop_assert!(mean >= least * 0.999_999 && mean <= most * 1.000_001),
        }
    }

    #[test]
    fn what_is_held_ahead_is_within_limits_and_follows_the_pace(
        job_ms in 0.0..1e8,
        factor in 1.0..100.0,
        answer_ms in 0.0..20_000.0,
        lease_ms in prop_oneof![5_000.0..1e7, Just(f64::INFINITY)],
        cores in 1_u32..=1_024,
        ahead in 0_usize..2_000,
    ) {
        let speed = Speed { job_ms: Some(job_ms), answer_ms, lease_ms, linger_ms: 3_000.0, cores };
        prop_assert!(speed.ahead() <= 1_024 && speed.queue() <= 256);
        let slower = Speed { job_ms: Some(job_ms * factor), ..speed };
        prop_assert!(slower.ahead() <= speed.ahead() && slower.queue() <= speed.queue());
        let wider = Speed { cores: cores + 1, ..speed };
        prop_assert!(wider.ahead() >= speed.ahead());
        // Whoever has enough is not short of jobs, and whoever is stays so with fewer.
        prop_assert!(!speed.is_low(speed.ahead().max(1)) || speed.ahead() == 0);
        prop_assert!(!speed.is_low(ahead + 1) || speed.is_low(ahead));
    }

    #[test]
    fn a_core_is_never_asked_to_rest_for_long_nor_credited_with_work_that_it_has_not_done(
        level in 0_u8..=12,
        acts in prop::collection::vec((0..8_u8, 0.0..100_000.0, 0_u8..=12), 1..60),
    ) {
        let mut now = 1_000.0;
        let mut throttle = Throttle::new(now, level);
        let mut job: Option<f64> = None;
        for (act, ms, level) in acts {
            now += ms;
            match act {
                0 => {
                    throttle.begin_job(now, Stage::A);
                    job = Some(now);
                }
                1 => {
                    let worked = throttle.end_job(now);
                    let most = job.map_or(f64::INFINITY, |begun| now - begun);
                    prop_assert!(worked >= 0.0 && worked <= most + 1e-6);
                }
                2 => {
                    let nap = throttle.nap(now);
                    prop_assert!(nap == 0.0 || (20.0..=250.0).contains(&nap), "{}", nap);
                }
                3 => throttle.set_intensity(now, level),
                4 => throttle.rest(now),
                5 => throttle.work(now),
                6 => {
                    let wait = throttle.wait(now, true);
                    let longest = if throttle.is_paused() { f64::INFINITY } else { 60_000.0 };
                    prop_assert!(wait.is_none_or(|wait| (0.0..=longest).contains(&wait)));
                }
                _ => prop_assert!(throttle.next_look(ms < 50_000.0) <= now + 250.0),
            }
        }
    }

    #[test]
    fn a_busy_core_can_always_be_stopped_and_one_that_is_paused_can_go_on(
        said in prop::collection::vec(0_u8..=FULL, 0..60),
    ) {
        let (mut left, mut was) = (16, FULL);
        for level in said {
            if worth_signalling(left, was, level) {
                left -= 1;
                was = level;
            }
            prop_assert!(was != PAUSED || worth_signalling(left, was, FULL));
            prop_assert!(worth_signalling(left, was, STOP));
        }
    }

    #[test]
    fn things_by_number_are_as_in_a_map(acts in prop::collection::vec((0..4_u8, 0_u32..12, any::<u8>()), 0..60)) {
        let (mut keyed, mut map) = (SortedMap::default(), BTreeMap::new());
        for (act, key, value) in acts {
            match act {
                0 | 1 => {
                    keyed.insert(key, value);
                    map.insert(key, value);
                }
                2 => prop_assert_eq!(keyed.remove(key), map.remove(&key).map(Box::new)),
                _ => {
                    keyed.retain(|of| of % 3 != key % 3);
                    map.retain(|of, _| of % 3 != key % 3);
                }
            }
            let all: Vec<_> = map.iter().map(|(key, value)| (*key, value)).collect();
            prop_assert_eq!(keyed.iter().collect::<Vec<_>>(), all);
            prop_assert_eq!(keyed.get(key), map.get(&key));
            prop_assert_eq!(keyed.is_empty(), map.is_empty());
        }
    }
}

fn page_event() -> impl Strategy<Value = (u8, Event)> {
    let word = prop_oneof![
        3 => Just(Command::Start),
        1 => prop::option::of(0.0..1e12).prop_map(|until| Command::Pause { until }),
        1 => Just(Command::Resume),
        1 => any::<bool>().prop_map(|finish| Command::Stop { finish }),
        1 => settings().prop_map(Command::Set),
    ];
    let number = prop_oneof![0_u32..6, any::<u32>()];
    let hub_word = prop_oneof![
        Just(HubMessage::Status),
        number.clone().prop_map(HubMessage::Cores),
        number.prop_map(HubMessage::Replace),
        Just(HubMessage::Stopped),
        Just(HubMessage::Renew),
        Just(HubMessage::Fatal),
    ];
    let event = prop_oneof![
        4 => word.clone().prop_map(Event::Command),
        1 => word.prop_map(Event::RemoteCommand),
        4 => Just(Event::LockGranted),
        1 => Just(Event::LockTaken),
        1 => any::<bool>().prop_map(Event::OthersWait),
        1 => any::<bool>().prop_map(Event::OtherComputes),
        6 => Just(Event::WorkerReady(0)),
        2 => Just(Event::WorkerDied(0, "trapped".to_owned())),
        1 => Just(Event::NotAWorker("a number".to_owned())),
        6 => hub_word.prop_map(|word| Event::FromHub(0, word)),
        6 => Just(Event::Tick),
        1 => any::<bool>().prop_map(Event::Hidden),
        1 => Just(Event::Left),
        1 => Just(Event::Returned),
    ];
    (0_u8..6, event)
}

/// A rule of the supervisor that is broken on purpose, to see that the checks notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    /// Workers that are not wanted any more live on.
    Terminate,
    /// A compute worker that is terminated is still sent commands, as the hub.
    Hub,
    /// A page that is freed is never released.
    Close,
}

/// A page's workers, as the browser has them.
#[derive(Default)]
struct Workers {
    sabotage: Option<Sabotage>,
    last: u32,
    living: BTreeSet<u32>,
    closed: bool,
}

impl Workers {
    fn act(&mut self, action: Action) -> Result<(), TestCaseError> {
        prop_assert!(!self.closed, "after it has closed: {action:?}");
        match (action, self.sabotage) {
            (Action::Terminate(_), Some(Sabotage::Terminate)) => {}
            (Action::Close, Some(Sabotage::Close)) => {}
            (Action::Terminate(id), Some(Sabotage::Hub)) => {
                self.living.remove(&id);
                self.act(Action::ToHub(id, HubCommand::Ping))?;
            }
            (Action::Spawn(id), _) => {
                prop_assert!(id > self.last, "{id} was there before");
                self.last = id;
                self.living.insert(id);
                prop_assert!(self.living.len() <= 1_025, "{}", self.living.len());
            }
            (Action::Terminate(id), _) => {
                prop_assert!(self.living.remove(&id), "{id} does not live");
            }
            (Action::MakeHub(id) | Action::ToHub(id, _), _) => {
                prop_assert!(self.living.contains(&id), "{id} does not live");
            }
            (Action::Connect { hub, worker, .. }, _) => {
                prop_assert!(hub != worker);
                prop_assert!(self.living.contains(&hub) && self.living.contains(&worker));
            }
            (Action::Close, _) => self.closed = true,
            _ => {}
        }
        Ok(())
    }
}

/// A supervisor, its workers, and the time.
struct Page {
    supervisor: Supervisor,
    workers: Workers,
    now: Now,
}

impl Page {
    fn new(sabotage: Option<Sabotage>) -> Self {
        let settings = Settings {
            cores: 3,
            ..Settings::default()
        };
        Self {
            supervisor: Supervisor::new(settings, false),
            workers: Workers {
                sabotage,
                ..Workers::default()
            },
            now: Now {
                mono: 0.0,
                wall: 1.7e12,
            },
        }
    }

    fn handle(&mut self, after_ms: f64, event: Event) -> Result<(), TestCaseError> {
        self.now.mono += after_ms;
        self.now.wall += after_ms;
        let mut cx = Cx::new(self.now, 0.5);
        self.supervisor.handle(&mut cx, event);
        cx.out
            .into_iter()
            .try_for_each(|action| self.workers.act(action))
    }

    /// Whatever happens, it only addresses workers that live; and once it is freed it terminates all.
    fn holds(&mut self, events: Vec<(u8, Event)>, steps: Vec<f64>) -> Result<(), TestCaseError> {
        for ((which, event), ms) in events.into_iter().zip(steps) {
            // Mostly of a worker that lives, or of one that is long gone.
            let living: Vec<u32> = self.workers.living.iter().copied().collect();
            let id = living.get(usize::from(which)).copied();
            let id = id.unwrap_or(u32::from(which));
            let event = match event {
                Event::WorkerReady(_) => Event::WorkerReady(id),
                Event::WorkerDied(_, why) => Event::WorkerDied(id, why),
                Event::FromHub(_, message) => {
                    Event::FromHub(self.supervisor.hub().unwrap_or(id), message)
                }
                event => event,
            };
            self.handle(ms, event)?;
            if let Some(until) = self.supervisor.reason().and_then(|reason| reason.until()) {
                prop_assert!(until.is_finite());
            }
        }
        self.handle(0.0, Event::Freed)?;
        for _ in 0..60 {
            if self.workers.closed {
                break;
            }
            self.handle(1_000.0, Event::Tick)?;
        }
        prop_assert!(self.workers.closed, "it is never released");
        let living = &self.workers.living;
        prop_assert!(living.is_empty(), "{living:?} live on");
        Ok(())
    }
}

fn page_events() -> impl Strategy<Value = (Vec<(u8, Event)>, Vec<f64>)> {
    let events = prop::collection::vec(page_event(), 0..80);
    (events, prop::collection::vec(0.0..30_000.0, 80))
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_page_addresses_living_workers_only_and_terminates_all_in_the_end(
        (events, steps) in page_events(),
    ) {
        Page::new(None).holds(events, steps)?;
    }
}

#[test]
fn a_broken_rule_of_the_page_is_noticed() {
    for sabotage in [Sabotage::Terminate, Sabotage::Hub, Sabotage::Close] {
        let outcome = TestRunner::new(cases(150)).run(&page_events(), |(events, steps)| {
            Page::new(Some(sabotage)).holds(events, steps)
        });
        assert!(matches!(outcome, Err(TestError::Fail(..))), "{sabotage:?}");
    }
}
